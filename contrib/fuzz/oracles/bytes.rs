//! What must hold of bytes: of a disk, a partition, a volume, or a file's.

use imgmount::error::Result;
use imgmount::source::{Extent, ExtentKind, Source};

/// Bytes that are compared at each place.
const PIECE: usize = 12_000;
/// The smaller pieces of the other reading: no divisor of any block, and no multiple.
const SMALL: usize = 1777;
/// Extents that are looked at.
const EXTENTS: usize = 64;
/// Bytes that are read at either end of a hole.
const EDGE: u64 = 3000;

/// Something that can be read at any place, whatever it is called there.
pub trait Readable {
    /// Its bytes.
    fn size(&self) -> u64;
    /// Fills `buf`; the whole of it lies inside.
    fn read(&self, buf: &mut [u8], offset: u64) -> Result<()>;
    /// What lies at `offset`.
    fn extent(&self, offset: u64) -> Result<Extent>;
    /// Whether a byte can be read or cannot, whichever pieces it is read in.
    fn fails_alike(&self) -> bool {
        true
    }
}

impl Readable for &dyn Source {
    fn size(&self) -> u64 {
        Source::size(*self)
    }

    fn read(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.read_exact_at(buf, offset)
    }

    fn extent(&self, offset: u64) -> Result<Extent> {
        self.extent_at(offset)
    }
}

/// Reads the start, the middle and the end twice, in pieces of different sizes, and sees that holes
/// are empty.
pub fn check(bytes: &dyn Readable) {
    let size = bytes.size();
    let last = size.saturating_sub(PIECE as u64);
    let middle = size / 2 + 333;
    for offset in [0, middle.min(last), last] {
        in_pieces(bytes, offset);
    }
    holes(bytes);
}

fn in_pieces(bytes: &dyn Readable, offset: u64) {
    let len = usize::try_from(bytes.size() - offset).map_or(PIECE, |left| left.min(PIECE));
    let mut whole = vec![0xa5; len];
    let result = bytes.read(&mut whole, offset);
    let mut pieces = vec![0x5a; len];
    let mut failed = None;
    // From the end to the start, which no readahead helps.
    let both = whole.chunks(SMALL).zip(pieces.chunks_mut(SMALL));
    for (index, (part, piece)) in both.enumerate().rev() {
        let at = offset + (index * SMALL) as u64;
        match bytes.read(piece, at) {
            Ok(()) if result.is_ok() => {
                assert!(part == piece, "bytes at {at} are others in a small piece");
            }
            Ok(()) => {}
            Err(error) => failed = Some(error),
        }
    }
    assert!(
        result.is_err() == failed.is_some() || !bytes.fails_alike(),
        "{len} bytes at {offset}: in one piece {result:?}, in small ones {failed:?}"
    );
}

fn holes(bytes: &dyn Readable) {
    let size = bytes.size();
    let mut offset = 0;
    for _ in 0..EXTENTS {
        if offset >= size {
            return;
        }
        let Ok(extent) = bytes.extent(offset) else {
            return;
        };
        let len = extent.len.get();
        assert!(
            len <= size - offset,
            "{extent:?} at {offset} leaves {size} bytes"
        );
        if extent.kind != ExtentKind::Data {
            is_empty(bytes, offset, len.min(EDGE), extent);
            is_empty(bytes, offset + len - len.min(EDGE), len.min(EDGE), extent);
        }
        offset += len;
    }
}

fn is_empty(bytes: &dyn Readable, offset: u64, len: u64, extent: Extent) {
    let mut buf = vec![0xa5; len as usize];
    let result = bytes.read(&mut buf, offset);
    if result.is_err() && !bytes.fails_alike() {
        return;
    }
    assert!(result.is_ok(), "{extent:?} at {offset}: {result:?}");
    assert!(
        buf.iter().all(|byte| *byte == 0),
        "{extent:?} at {offset} is not empty"
    );
}
