//! Decodes members one after the other, and stops between the blocks of deflate (RFC 1951) to say
//! how one can go on from there.

use miniz_oxide::inflate::TINFLStatus as Status;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY,
    TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{BlockBoundaryState, DecompressorOxide, decompress};

use super::member::{self, Next, TRAILER};
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::streamed::{Codec, Cursor, Decoder, Point};
use crate::source::{SharedSource, zeroed};

/// How far back a match reaches: RFC 1951, section 2.
const WINDOW: usize = 32 << 10;

/// Bytes that are decoded before the window is moved back to the start of its buffer.
const ROOM: usize = 128 << 10;

/// Bytes of a state before its window: bits left over and how many, CRC-32, bytes of the member.
const FIXED: usize = 14;

/// The codec of one file.
pub(super) struct Gzip {
    source: SharedSource,
}

impl Gzip {
    pub(super) fn new(source: SharedSource) -> Self {
        Self { source }
    }
}

impl Codec for Gzip {
    fn resume(&self, point: &Point) -> Result<Box<dyn Decoder>> {
        let mut inflate = Inflate {
            source: self.source.clone(),
            cursor: Cursor::new(self.source.clone(), point.input),
            phase: Phase::Header,
            engine: Box::default(),
            buffer: zeroed(WINDOW.saturating_add(ROOM))?,
            filled: 0,
            given: 0,
            output: point.output,
            sum: crc32fast::Hasher::new(),
            size: 0,
            boundary: None,
            behind: None,
        };
        if !point.state.is_empty() {
            inflate.restore(&point.state)?;
        }
        Ok(Box::new(inflate))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before a member, or the end.
    Header,
    Body,
    Trailer,
    End,
}

/// A decoder.
struct Inflate {
    source: SharedSource,
    cursor: Cursor,
    phase: Phase,
    engine: Box<DecompressorOxide>,
    /// Of this member: what was decoded, up to 32 KiB of it given already.
    buffer: Vec<u8>,
    filled: usize,
    given: usize,
    /// Bytes of the stream up to `given`.
    output: u64,
    /// Of this member up to `filled`: its CRC-32 and size.
    sum: crc32fast::Hasher,
    size: u64,
    /// It stands between two blocks, if all was given.
    boundary: Option<BlockBoundaryState>,
    /// Where it goes on behind what is damaged.
    behind: Option<Point>,
}

impl Decoder for Inflate {
    fn decode(&mut self, buf: &mut [u8]) -> Result<usize> {
        loop {
            let len = self.give(buf);
            if len > 0 {
                return Ok(len);
            }
            match self.phase {
                Phase::Header => self.read_header()?,
                Phase::Body => self.inflate(buf.len())?,
                Phase::Trailer => self.read_trailer()?,
                Phase::End => return Ok(0),
            }
        }
    }

    fn point(&self) -> Option<Point> {
        if self.given < self.filled {
            return None;
        }
        let state = match (self.phase, &self.boundary) {
            (Phase::Header, _) => Vec::new(),
            (Phase::Body, Some(boundary)) => self.state(boundary),
            _ => return None,
        };
        Some(Point {
            output: self.output,
            input: self.cursor.position(),
            state,
        })
    }

    fn behind_damage(&self) -> Option<Point> {
        self.behind.clone()
    }

    fn memory(&self) -> u64 {
        // The engine's tables have about 10 KiB, the cursor's buffer 64 KiB.
        to_u64(self.buffer.len()).saturating_add(80 << 10)
    }
}

impl Inflate {
    /// Gives what is decoded.
    fn give(&mut self, buf: &mut [u8]) -> usize {
        let ready = self.buffer.get(self.given..self.filled).unwrap_or(&[]);
        let len = ready.len().min(buf.len());
        buf.split_at_mut(len)
            .0
            .copy_from_slice(ready.split_at(len).0);
        self.given = self.given.saturating_add(len);
        self.output = self.output.saturating_add(to_u64(len));
        len
    }

    fn read_header(&mut self) -> Result<()> {
        self.phase = match member::next(&mut self.cursor, &*self.source)? {
            Next::End if self.output == 0 && self.cursor.position() == 0 => {
                return Err(Error::corrupt("no gzip member").at(0));
            }
            Next::End => Phase::End,
            Next::Member => Phase::Body,
        };
        *self.engine = DecompressorOxide::new();
        (self.filled, self.given, self.size) = (0, 0, 0);
        self.sum = crc32fast::Hasher::new();
        self.boundary = None;
        Ok(())
    }

    /// Decodes at most `most` bytes, to the end of a block at most.
    fn inflate(&mut self, most: usize) -> Result<()> {
        self.make_room();
        let end = self.filled.saturating_add(most).min(self.buffer.len());
        let at = self.cursor.position();
        let input = self.cursor.peek()?;
        let flags = TINFL_FLAG_HAS_MORE_INPUT
            | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY
            | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let into = self.buffer.get_mut(..end).unwrap_or_default();
        let is_cut_off = input.is_empty();
        let (status, used, made) = decompress(&mut self.engine, input, into, self.filled, flags);
        self.cursor.advance(used);
        let made_to = self.filled.saturating_add(made);
        let made = self.buffer.get(self.filled..made_to).unwrap_or(&[]);
        self.sum.update(made);
        self.size = self.size.saturating_add(to_u64(made.len()));
        self.filled = made_to;
        self.boundary = None;
        match status {
            Status::BlockBoundary => self.boundary = self.engine.block_boundary_state(),
            Status::Done => self.phase = Phase::Trailer,
            Status::NeedsMoreInput if is_cut_off => return Err(self.cursor.cut_off()),
            Status::NeedsMoreInput | Status::HasMoreOutput => {}
            _ => return Err(Error::corrupt("the deflated data is damaged").at(at)),
        }
        Ok(())
    }

    /// Moves the window to the start of the buffer, where that is full; all of it was given.
    fn make_room(&mut self) {
        if self.filled >= self.buffer.len() {
            let start = self.filled.saturating_sub(WINDOW);
            self.buffer.copy_within(start..self.filled, 0);
            self.filled = self.filled.saturating_sub(start);
            self.given = self.filled;
        }
    }

    /// RFC 1952, section 2.3.1: CRC32 and ISIZE. Another member may follow what they refuse.
    fn read_trailer(&mut self) -> Result<()> {
        let mut trailer = [0; TRAILER];
        let at = self.cursor.position();
        self.cursor.fill(&mut trailer)?;
        self.phase = Phase::Header;
        let [a, b, c, d, e, f, g, h] = trailer;
        let crc32 = u32::from_le_bytes([a, b, c, d]);
        let isize = u32::from_le_bytes([e, f, g, h]);
        let sum = self.sum.clone().finalize();
        let wrong = if crc32 != sum {
            format!("CRC32 {crc32:#010x} of a member is not {sum:#010x}, that of its data")
        } else if u64::from(isize) != self.size & 0xffff_ffff {
            format!(
                "ISIZE {isize} of a member is not that of its {} bytes",
                self.size
            )
        } else {
            return Ok(());
        };
        self.behind = (self.cursor.position() < self.source.size()).then(|| Point {
            output: self.output,
            input: self.cursor.position(),
            state: Vec::new(),
        });
        let hint = "what was read of it may be wrong";
        Err(Error::corrupt(wrong).at(at).hint(hint))
    }

    fn state(&self, boundary: &BlockBoundaryState) -> Vec<u8> {
        let start = self.filled.saturating_sub(WINDOW);
        let window = self.buffer.get(start..self.filled).unwrap_or(&[]);
        let mut state = vec![boundary.num_bits, boundary.bit_buf];
        state.extend(self.sum.clone().finalize().to_le_bytes());
        state.extend(self.size.to_le_bytes());
        state.extend(window);
        state
    }

    /// Goes on from `state`, which may be anything.
    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let wrong = || Error::corrupt("a stored point of a gzip file is damaged");
        let (fixed, window) = state.split_first_chunk::<FIXED>().ok_or_else(wrong)?;
        let [
            num_bits,
            bit_buf,
            c0,
            c1,
            c2,
            c3,
            s0,
            s1,
            s2,
            s3,
            s4,
            s5,
            s6,
            s7,
        ] = *fixed;
        if num_bits > 7 || window.len() > WINDOW {
            return Err(wrong());
        }
        let size = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
        let sum = u32::from_le_bytes([c0, c1, c2, c3]);
        self.sum = crc32fast::Hasher::new_with_initial_len(sum, size);
        self.size = size;
        *self.engine = DecompressorOxide::from_block_boundary_state(&BlockBoundaryState {
            num_bits,
            bit_buf,
            ..BlockBoundaryState::default()
        });
        let start = self.buffer.get_mut(..window.len()).ok_or_else(wrong)?;
        start.copy_from_slice(window);
        (self.filled, self.given) = (window.len(), window.len());
        self.phase = Phase::Body;
        Ok(())
    }
}
