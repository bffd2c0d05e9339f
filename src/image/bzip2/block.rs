//! One block, decoded by itself.
//!
//! A block does not say where it ends, and the library does not say how far it read. So its bits up
//! to the next magic are wrapped as a stream of their own, which ends exactly there. The bits of a
//! magic can also stand in the middle of a block by chance or malice: then the library waits for
//! more before it gives a byte, and the block is taken up to the magic behind that one.

use bzip2::{Decompress, Error as Failure, Status};

use super::bits;
use crate::error::{Error, Kind, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{SharedSource, read_vec, zeroed};

/// Bits that the largest block can take: 900,000 symbols of 20 bits, and its tables.
const MOST_BITS: u64 = 20 * 8 * 125_000 + 400_000;
/// Magics that are tried as the end of a block. Chance makes none in an exbibyte of files.
const MOST_ENDS: u32 = 8;
/// Bytes that are decoded at first: more than a block has, unless it is runs.
const FIRST: usize = 1 << 20;
/// Bits before the first symbol: magic, CRC, what is there of tables at least.
const LEAST_BITS: u64 = 48 + 32;

/// A block that is being decoded.
pub(super) struct Running {
    decompress: Decompress,
    /// The block as a stream of its own, of which so many bytes are used.
    stream: Vec<u8>,
    used: usize,
    /// The bit of the file at which it begins, and the one behind it.
    start: u64,
    pub(super) end: u64,
    /// What the library gave when it was first asked, and how much of that was given on.
    first: Vec<u8>,
    given: usize,
    /// What came of it besides.
    failed: Option<Error>,
    ended: bool,
}

impl Running {
    /// The block at bit `start`, whose magic the caller has seen.
    ///
    /// # Errors
    /// `Corrupt` where it does not decode up to any magic behind it.
    pub(super) fn new(source: &SharedSource, start: u64) -> Result<Self> {
        let limit = start.saturating_add(MOST_BITS);
        let mut from = start.saturating_add(LEAST_BITS);
        let mut begun = false;
        for _ in 0..MOST_ENDS {
            let Some(end) = bits::find(&**source, from, limit)? else {
                break;
            };
            begun = true;
            let stream = wrap(source, start, end)?;
            let mut running = Self {
                decompress: Decompress::new(false),
                stream,
                used: 0,
                start,
                end,
                first: Vec::new(),
                given: 0,
                failed: None,
                ended: false,
            };
            if running.begin() {
                return Ok(running);
            }
            from = end.saturating_add(1);
        }
        let text = match begun {
            true => "a bzip2 block is damaged",
            false => "a bzip2 block has no end: it is damaged, or the file is cut off",
        };
        Err(Error::corrupt(text).at(start / 8))
    }

    /// Whether all of it was given, and its CRC was right.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.given == self.first.len()
    }

    /// Whether the block is whole: the first bytes come only after all of it was looked at. Nearly
    /// every block is decoded to its end here, so that its CRC is known before a byte is given.
    fn begin(&mut self) -> bool {
        let Ok(mut first) = zeroed(FIRST) else {
            return false;
        };
        let result = self.run(&mut first);
        first.truncate(to_usize(self.decompress.total_out()));
        let is_whole = self.ended || !first.is_empty();
        self.failed = result.err();
        if self.failed.is_none() {
            self.first = first;
        }
        is_whole
    }

    /// Decodes into `buf`; 0 at the end of the block.
    ///
    /// # Errors
    /// `Corrupt` where its CRC is wrong, which shows at its end.
    pub(super) fn decode(&mut self, buf: &mut [u8]) -> Result<usize> {
        let first = self.first.get(self.given..).unwrap_or(&[]);
        if first.is_empty() {
            return match self.failed.take() {
                Some(error) => Err(error),
                None => self.run(buf),
            };
        }
        let len = first.len().min(buf.len());
        buf.split_at_mut(len)
            .0
            .copy_from_slice(first.split_at(len).0);
        self.given = self.given.saturating_add(len);
        Ok(len)
    }

    fn run(&mut self, buf: &mut [u8]) -> Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let input = self.stream.get(self.used..).unwrap_or(&[]);
        let (before_in, before_out) = (self.decompress.total_in(), self.decompress.total_out());
        let status = self.decompress.decompress(input, buf);
        let len = to_usize(self.decompress.total_out().saturating_sub(before_out));
        let taken = self.decompress.total_in().saturating_sub(before_in);
        self.used = self.used.saturating_add(to_usize(taken));
        match status {
            Ok(Status::StreamEnd) => self.ended = true,
            Ok(Status::MemNeeded) => {
                return Err(Error::new(Kind::Io, "no memory for a bzip2 decoder"));
            }
            Ok(_) if len > 0 => {}
            Ok(_) => return Err(self.damaged("is not whole")),
            Err(Failure::Data) => return Err(self.damaged("is damaged, or its CRC is wrong")),
            Err(_) => return Err(self.damaged("does not end where the next begins")),
        }
        Ok(len)
    }

    fn damaged(&self, how: &str) -> Error {
        Error::corrupt(format!("a bzip2 block {how}")).at(self.start / 8)
    }
}

/// The bits from `start` to `end` as a stream with one block. The CRC of the stream is then that of
/// the block, which stands behind its magic.
fn wrap(source: &SharedSource, start: u64, end: u64) -> Result<Vec<u8>> {
    let crc = bits::read(&**source, start.saturating_add(48), 32)?;
    let first = start / 8;
    let len = end.div_ceil(8).saturating_sub(first);
    let mut bytes = read_vec(&**source, first, to_usize(len))?;
    shift_left(&mut bytes, u32::try_from(start % 8).unwrap_or(0));
    let count = end.saturating_sub(start);
    bytes.truncate(to_usize(count.div_ceil(8)));
    let mut stream = Vec::new();
    let short = |_| Error::new(Kind::Io, "no memory for a bzip2 block");
    let room = bytes.len().saturating_add(32);
    stream.try_reserve_exact(room).map_err(short)?;
    stream.extend(b"BZh9");
    let spare = to_u64(bytes.len()).saturating_mul(8).saturating_sub(count);
    let last = bytes.pop().unwrap_or(0);
    stream.append(&mut bytes);
    let spare = u32::try_from(spare % 8).unwrap_or(0);
    // What is left of the last byte, the magic of the end, the CRC, and zeros.
    let tail = (u128::from(last >> spare) << 80) | (u128::from(bits::END_MAGIC) << 32);
    let tail = (tail | u128::from(crc)) << spare;
    stream.extend(tail.to_be_bytes().iter().skip(5));
    Ok(stream)
}

/// Moves all bits `by` bits (0 to 7) to the front.
fn shift_left(bytes: &mut [u8], by: u32) {
    let mut carry = 0;
    for byte in bytes.iter_mut().rev() {
        let [high, low] = (u16::from(*byte) << by).to_be_bytes();
        *byte = low | carry;
        carry = high;
    }
}
