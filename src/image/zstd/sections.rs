//! The two sections of a compressed block, as far as their headers tell: RFC 8878, 3.1.1.3.

use std::ops::Range;

use crate::number::to_usize;

/// What brings a table (3.1.1.3.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Predefined,
    Rle,
    Compressed,
    Repeat,
}

/// Where the parts of a compressed block are in its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sections {
    /// Bytes of the literals unpacked.
    pub(super) literals: usize,
    /// The Huffman tree description, where the block brings one.
    pub(super) huffman: Option<Range<usize>>,
    /// Number_of_Sequences.
    pub(super) sequences: u64,
    /// How the tables for literal lengths, offsets and match lengths come, in this order. All
    /// repeat where there are no sequences.
    pub(super) modes: [Mode; 3],
    /// Where the tables start, and behind them the sequences.
    pub(super) tables: usize,
}

impl Sections {
    /// Those of `block`; `None` where it is damaged.
    pub(super) fn parse(block: &[u8]) -> Option<Self> {
        let (literals, huffman, at) = literals(block)?;
        let rest = block.get(at..)?;
        let (sequences, used) = match *rest {
            [0, ..] => (0, 1),
            [low @ 1..128, ..] => (u64::from(low), 1),
            [high @ 128..=254, low, ..] => (u64::from(u16::from_be_bytes([high & 127, low])), 2),
            [255, low, high, ..] => {
                let number = u64::from(u16::from_le_bytes([low, high]));
                (number.checked_add(0x7f00)?, 3)
            }
            _ => return None,
        };
        let mut tables = at.checked_add(used)?;
        let mut modes = [Mode::Repeat; 3];
        if sequences > 0 {
            let byte = *block.get(tables)?;
            tables = tables.checked_add(1)?;
            if byte & 3 != 0 {
                return None;
            }
            modes = [byte >> 6, byte >> 4, byte >> 2].map(mode);
        } else if tables != block.len() {
            return None;
        }
        Some(Self {
            literals,
            huffman,
            sequences,
            modes,
            tables,
        })
    }
}

fn mode(bits: u8) -> Mode {
    match bits & 3 {
        0 => Mode::Predefined,
        1 => Mode::Rle,
        2 => Mode::Compressed,
        _ => Mode::Repeat,
    }
}

/// The literals section: bytes unpacked, the Huffman tree description, where the section ends.
fn literals(block: &[u8]) -> Option<(usize, Option<Range<usize>>, usize)> {
    let first = *block.first()?;
    let mut head = [0; 8];
    for (into, from) in head.iter_mut().zip(block.iter().take(5)) {
        *into = *from;
    }
    let head = u64::from_le_bytes(head);
    let (kind, format) = (first & 3, first >> 2 & 3);
    if kind < 2 {
        let (header, literals) = match format {
            1 => (2_usize, head >> 4 & 0xfff),
            3 => (3, head >> 4 & 0xf_ffff),
            _ => (1, head >> 3 & 0x1f),
        };
        let literals = to_usize(literals);
        let packed = if kind == 0 { literals } else { 1 };
        return Some((literals, None, header.checked_add(packed)?));
    }
    let (header, width) = match format {
        0 | 1 => (3_usize, 10),
        2 => (4, 14),
        _ => (5, 18),
    };
    let mask = (1_u64 << width).checked_sub(1)?;
    let literals = to_usize(head >> 4 & mask);
    let packed = to_usize(head >> 4 >> width & mask);
    let end = header.checked_add(packed)?;
    let huffman = match kind {
        2 => Some(header..header.checked_add(huffman_len(block.get(header..end)?)?)?),
        _ => None,
    };
    Some((literals, huffman, end))
}

/// Bytes of the Huffman tree description that `bytes` begin with (4.2.1).
pub(super) fn huffman_len(bytes: &[u8]) -> Option<usize> {
    let header = usize::from(*bytes.first()?);
    let weights = match header.checked_sub(127) {
        Some(count) => count.div_ceil(2),
        None => header,
    };
    let len = weights.checked_add(1)?;
    (len <= bytes.len()).then_some(len)
}
