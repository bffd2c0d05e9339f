//! A compressed stream as bytes that can be read from anywhere: gzip, xz, zstd, bzip2, lz4.
//!
//! A format brings a [`Codec`], the [`Point`]s that it knows from an index of its own (the blocks
//! of xz, the frames of zstd, the blocks of bgzf), and what it knows of the size. Where it knows
//! no points, they are put as the stream is decoded, and kept.

mod cursor;

pub use cursor::Cursor;

use crate::error::Result;

/// A place in a compressed stream from which it can be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Bytes that the stream has unpacked before it.
    pub output: u64,
    /// Where the codec goes on in the compressed source: in bytes, or in bits where the format has
    /// blocks that begin inside a byte. The codec alone reads it.
    pub input: u64,
    /// What the codec needs there (a window, tables, a part of a checksum); empty where the format
    /// itself starts anew. It is kept compressed, so the codec need not do that, and it may come
    /// back from a file in the user's cache directory: a codec checks what it gets.
    pub state: Vec<u8>,
}

impl Point {
    /// The start of the stream.
    #[must_use]
    pub fn start() -> Self {
        Self {
            output: 0,
            input: 0,
            state: Vec::new(),
        }
    }
}

/// What decodes one stream from its points. It holds the compressed source.
pub trait Codec: Send + Sync {
    /// A decoder whose first byte is the one at `point.output`. `point` is [`Point::start`] unless
    /// the format named others, or one that an own decoder gave, in this process or an earlier one.
    ///
    /// # Errors
    /// `Corrupt` for a state that is none of this codec's; what the stream's header is refused for;
    /// `Unsupported` for a window over [`MOST_WINDOW`].
    fn resume(&self, point: &Point) -> Result<Box<dyn Decoder>>;
}

/// A decoder at some place in a stream. Only one thread at a time uses it.
pub trait Decoder: Send {
    /// Decodes into the start of `buf` and gives how many bytes: like [`std::io::Read::read`]
    /// short is fine, as where a point could be put, and 0 means the end of the whole stream (the
    /// last frame, block or member). `buf` is never empty.
    ///
    /// # Errors
    /// `Corrupt` where the stream is damaged or ends in the middle; `Io` where it cannot be read.
    /// The decoder is not asked again then. A checksum that turns out wrong is an error too, as
    /// soon as what it covers was decoded as a whole.
    fn decode(&mut self, buf: &mut [u8]) -> Result<usize>;

    /// The point where the decoder stands now, directly behind the bytes that it last gave; `None`
    /// where nothing can be kept, or should not be since a known point is near. It is asked after
    /// any call of `decode`, some megabytes apart, and again after the next one where it was
    /// `None`: so a decoder that can only stop between blocks gives short counts there.
    fn point(&self) -> Option<Point>;
}

/// Bytes of the largest window or dictionary that a decoder may allocate: a stream that needs more
/// is refused with an error that says `window`.
pub const MOST_WINDOW: u64 = 128 << 20;
