//! A compressed stream as bytes that can be read from anywhere: gzip, xz, zstd, bzip2, lz4.
//!
//! A format brings a [`Codec`], the [`Point`]s that it knows from an index of its own (the blocks
//! of xz, the frames of zstd, the blocks of bgzf), and what it knows of the size. Where it knows
//! no points, they are put as the stream is decoded, and kept.
//!
//! [`Streamed`] is a map of spans of [`SPAN`] bytes, each a packed unit that the one cache keeps
//! once it is decoded. A span is decoded by a decoder that stands at its start, or not far before
//! it, or else from the last point before it. Nothing is decoded behind a span that is asked for.
//! A span that turns out to be zeros is remembered as a hole.
//!
//! Several spans are decoded at once where points lie between them. Where none do, whoever comes
//! second waits for the decoder that is on its way, and takes it over.

mod cursor;
mod decoders;
mod decoding;
mod index;
mod run;
mod stored;
#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

pub use cursor::Cursor;
pub use decoding::Decoding;

use self::decoders::{Decoders, Found};
use super::mapped::{Map, Place, Run};
use crate::error::{Error, Result};
use crate::lock::lock;
use crate::number::{to_u64, to_usize};

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

    /// Bytes of the compressed source that lie before `point`: its input, unless that is in bits.
    fn input_bytes(&self, point: &Point) -> u64 {
        point.input
    }

    /// Where the stream ends, found faster than by decoding it in order: on all processors, where
    /// the format's blocks can be found. `None` where that is not possible.
    ///
    /// # Errors
    /// `Io` where the stream cannot be read.
    fn survey(&self, listener: &dyn Listener) -> Option<Result<Survey>> {
        let _ = listener;
        None
    }
}

/// What [`Codec::survey`] found.
pub struct Survey {
    /// Points, in any order.
    pub points: Vec<Point>,
    /// Where the stream ends, or what is damaged begins.
    pub reached: u64,
    /// What is damaged.
    pub damage: Option<Error>,
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

    /// After an error: the place behind the damage from which the stream can be decoded again (the
    /// next member or frame) and whose output is known, if there is one.
    fn behind_damage(&self) -> Option<Point> {
        None
    }

    /// Bytes of memory it holds: its window and tables. So many decoders work at once, and are
    /// kept, that these stay under a bound.
    fn memory(&self) -> u64 {
        64 << 10
    }
}

/// Who hears of what happens while a stream is read.
pub trait Listener: Send + Sync {
    /// Something odd that is no error by itself.
    fn notice(&self, text: String);

    /// Decoding that may last begins: `total` bytes, where that is known. Whoever it concerns
    /// shows how far it is until the answer is dropped.
    fn begin(&self, total: Option<u64>) -> Box<dyn Work>;

    /// The index is worth keeping as it is now.
    fn save(&self, index: &[u8]);
}

/// Work that somebody may want to see the progress of.
pub trait Work {
    /// `bytes` more are done.
    fn advance(&self, bytes: u64);
}

/// Bytes of the largest window or dictionary that a decoder may allocate: a stream that needs more
/// is refused with an error that says `window`.
pub const MOST_WINDOW: u64 = 128 << 20;

/// Bytes of one span: what is decoded, cached and known to be zeros as a whole.
pub const SPAN: u64 = 256 << 10;

/// Bytes from the last point to the end that are no long way.
const NEAR: u64 = 8 << 20;

/// Bytes that are decoded between two times that the index is saved, at least.
const SAVE_AFTER: u64 = 64 << 20;

/// A compressed stream as a map. Its size can be found out after it is made, and before it is
/// handed on: see [`Streamed::set_size`].
pub struct Streamed {
    codec: Box<dyn Codec>,
    listener: Box<dyn Listener>,
    size: AtomicU64,
    /// The size was set.
    settled: AtomicBool,
    /// The size is where it is damaged: nobody asks what follows.
    damaged: AtomicBool,
    /// Bytes that the decoders gave, wanted or passed over.
    decoded: AtomicU64,
    /// What `decoded` was when the index was last saved.
    saved: AtomicU64,
    decoders: Mutex<Decoders>,
    /// A decoder is free, or further than it was.
    moved: Condvar,
    identity: Vec<u8>,
}

impl Streamed {
    /// What `codec` decodes, with the points `known` to its format. `stored` is what was saved
    /// under the same `identity` (the format and its version, the size of the compressed file),
    /// where there is something; what is not whole or not of that identity is left alone.
    ///
    /// Its decoders are among those of `decoding`.
    ///
    /// Until [`Streamed::set_size`] the size is `most`, and zeros follow the stream's end.
    ///
    /// # Errors
    /// `Io` where memory is short.
    pub fn new(
        codec: Box<dyn Codec>,
        known: Vec<Point>,
        most: u64,
        listener: Box<dyn Listener>,
        identity: &[u8],
        stored: Option<&[u8]>,
        decoding: &Decoding,
    ) -> Result<Self> {
        let mut index = index::Index::new(known)?;
        if let Some(stored) = stored
            && let Err(error) = stored::load(&mut index, identity, stored)
        {
            log::debug!("the stored index is made anew: {error}");
        }
        Ok(Self {
            codec,
            listener,
            size: AtomicU64::new(most),
            settled: AtomicBool::new(false),
            damaged: AtomicBool::new(false),
            decoded: AtomicU64::new(0),
            saved: AtomicU64::new(0),
            decoders: Mutex::new(Decoders::new(index, decoding)),
            moved: Condvar::new(),
            identity: identity.to_vec(),
        })
    }

    /// From now on the stream has `size` bytes, and where it turns out to have fewer or more that
    /// is an error of the last span.
    pub fn set_size(&self, size: u64) {
        self.size.store(size, Ordering::Relaxed);
        self.settled.store(true, Ordering::Release);
    }

    /// How far the stream was decoded, which is all of it that there is: behind that it is damaged.
    pub fn end_at_damage(&self) -> u64 {
        self.damaged.store(true, Ordering::Relaxed);
        self.reached().1
    }

    /// Where the stream ends, where somebody was there, and how far it was decoded at least.
    #[must_use]
    pub fn reached(&self) -> (Option<u64>, u64) {
        let decoders = self.lock();
        (decoders.index.end, decoders.index.reached)
    }

    /// Bytes that the decoders gave so far, wanted or passed over.
    #[must_use]
    pub fn decoded(&self) -> u64 {
        self.decoded.load(Ordering::Relaxed)
    }

    /// The last point that is known: bytes of output and of the compressed source before it.
    #[must_use]
    pub fn last_point(&self) -> (u64, u64) {
        let (output, kept) = self.lock().index.before(u64::MAX);
        let point = Point {
            output,
            input: kept.input,
            state: Vec::new(),
        };
        (output, self.codec.input_bytes(&point))
    }

    /// Decodes to the end of the stream, which is its size then.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    pub fn find_end(&self) -> Result<u64> {
        if let Some(survey) = self.codec.survey(&*self.listener) {
            return self.take(survey?);
        }
        self.decode_to(u64::MAX)?;
        let (end, reached) = self.reached();
        Ok(end.unwrap_or(reached))
    }

    fn take(&self, survey: Survey) -> Result<u64> {
        let mut decoders = self.lock();
        let index = &mut decoders.index;
        for point in survey.points {
            let kept = index::Kept {
                input: point.input,
                state: index::pack(&point.state)?,
                known: false,
            };
            index.add(point.output, kept);
        }
        index.reached = survey.reached;
        if let Some(damage) = survey.damage {
            return Err(damage);
        }
        index.end = Some(survey.reached);
        drop(decoders);
        self.decoded.fetch_add(survey.reached, Ordering::Relaxed);
        self.save();
        Ok(survey.reached)
    }

    /// Decodes up to `output` or the end of the stream, and puts points on the way.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    pub fn decode_to(&self, output: u64) -> Result<()> {
        let (end, reached) = self.reached();
        if end.is_some() || reached >= output {
            return Ok(());
        }
        let last = output.saturating_sub(1) / SPAN;
        match self.find(last)? {
            Found::Passed(_) => Ok(()),
            Found::Run(mut run) => {
                let result = run.skip_to(output);
                run.finish(result.map(|_| ()))
            }
        }
    }

    /// Decodes span `span` into all of `into`.
    fn decode_span(&self, span: u64, into: &mut [u8]) -> Result<()> {
        let start = span.saturating_mul(SPAN);
        let is_settled = self.settled.load(Ordering::Acquire);
        if is_settled && self.reached().0.is_some_and(|end| end <= start) {
            return Err(self.shorter());
        }
        let mut run = match self.find(span)? {
            Found::Passed(bytes) => {
                let len = bytes.len().min(into.len());
                let (there, beyond) = into.split_at_mut(len);
                there.copy_from_slice(bytes.split_at(len).0);
                beyond.fill(0);
                return Ok(());
            }
            Found::Run(run) => run,
        };
        let result = self.run_span(&mut run, start, into, is_settled);
        run.finish(result)?;
        self.save_sometimes();
        Ok(())
    }

    fn run_span(
        &self,
        run: &mut run::Run<'_>,
        start: u64,
        into: &mut [u8],
        is_settled: bool,
    ) -> Result<()> {
        let mut len = 0;
        if run.skip_to(start)? {
            len = run.fill(into)?;
        }
        if len < into.len() && is_settled {
            return Err(self.shorter());
        }
        into.split_at_mut(len).1.fill(0);
        let end = start.saturating_add(to_u64(into.len()));
        let is_last = is_settled && end >= self.size();
        if is_last && !self.damaged.load(Ordering::Relaxed) && !run.is_end()? {
            return Err(self.longer());
        }
        if is_zeros(into) {
            self.lock().index.add_hole(start / SPAN);
        }
        Ok(())
    }

    fn shorter(&self) -> Error {
        let end = self.reached().0.unwrap_or(0);
        let size = self.size();
        let text = format!("the stream ends after {end} bytes, not after {size}");
        self.wrong_size(text)
    }

    fn longer(&self) -> Error {
        let text = format!("the stream has more than {} bytes", self.size());
        self.wrong_size(text)
    }

    fn wrong_size(&self, text: String) -> Error {
        let hint = "what was learnt is kept: open the image again";
        self.listener.notice(format!("{text}: {hint}"));
        self.save();
        Error::corrupt(text).hint(hint)
    }

    /// Saves the index now and then.
    fn save_sometimes(&self) {
        let decoded = self.decoded();
        let saved = self.saved.load(Ordering::Relaxed);
        // The longer it gets the rarer it is written.
        let after = SAVE_AFTER.max(saved / 4);
        if decoded.saturating_sub(saved) >= after {
            self.save();
        }
    }

    /// Saves the index, if anything was decoded since the last time.
    pub fn save(&self) {
        let decoded = self.decoded();
        if self.saved.swap(decoded, Ordering::Relaxed) != decoded {
            let bytes = stored::write(&self.lock().index, &self.identity);
            self.listener.save(&bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Decoders> {
        // What a panic leaves behind are points and decoders that are whole each by itself.
        lock(&self.decoders)
    }
}

/// Whether all of `bytes` are 0, piece by piece: a whole piece is added up faster than every byte
/// is looked at.
fn is_zeros(bytes: &[u8]) -> bool {
    let mut pieces = bytes.chunks(1024);
    pieces.all(|piece| piece.iter().fold(0, |all, byte| all | byte) == 0)
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.save();
        let (decoded, size) = (self.decoded(), self.size());
        log::debug!("{decoded} bytes were unpacked of a stream of {size}");
    }
}

impl Map for Streamed {
    fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let span = offset / SPAN;
        let decoders = self.lock();
        let (place, next) = match decoders.index.hole(span) {
            Some(hole) => (Place::Zeros, Some(hole.end)),
            None => {
                let skip = to_usize(offset % SPAN);
                let place = Place::Packed { unit: span, skip };
                (place, decoders.index.next_hole(span))
            }
        };
        let end = next.map_or(u64::MAX, |next| next.saturating_mul(SPAN));
        let len = NonZeroU64::new(end.saturating_sub(offset)).unwrap_or(NonZeroU64::MIN);
        Ok(Run { place, len })
    }

    fn unit(&self, unit: u64) -> Result<usize> {
        let left = self.size().saturating_sub(unit.saturating_mul(SPAN));
        Ok(to_usize(left.min(SPAN)))
    }

    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
        match self.decode_span(unit, into) {
            // A stored index that is not this stream's costs no more than making it anew.
            Err(_) if self.lock().distrust() => self.decode_span(unit, into),
            result => result,
        }
    }

    fn may_be_ahead(&self, unit: u64) -> bool {
        let end = unit.saturating_add(1).saturating_mul(SPAN);
        let decoders = self.lock();
        // Where somebody was, or the format has an index, points lie near.
        end <= decoders.index.reached || decoders.index.after(end).is_some()
    }

    fn end_is_far(&self) -> bool {
        let size = self.size();
        let last = self.lock().index.before(size).0;
        size.saturating_sub(last) > NEAR
    }
}
