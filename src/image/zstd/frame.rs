//! The headers of a frame and of its blocks: RFC 8878, 3.1.1.

use super::layout::{BLOCK_HEADER, MAGIC, MOST_BLOCK, MOST_HEADER};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::streamed::MOST_WINDOW;
use crate::source::{Source, read_vec};

/// What the header of a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The header as it stands, with its magic number.
    pub(super) bytes: Vec<u8>,
    /// Bytes that a block may refer back.
    pub(super) window: u64,
    pub(super) content_size: Option<u64>,
    pub(super) checksum: bool,
}

impl Header {
    /// The header at byte `at` of `source`.
    ///
    /// # Errors
    /// `Corrupt` where it is none or cut off; `Unsupported` for reserved bits, dictionaries and
    /// windows over 128 MiB.
    pub(super) fn read(source: &dyn Source, at: u64) -> Result<Self> {
        let left = source.size().saturating_sub(at);
        let mut bytes = read_vec(source, at, to_usize(left.min(MOST_HEADER)))?;
        let mut fields = Fields(&bytes);
        let cut = || Error::corrupt("the frame header is cut off").at(at);
        let parsed = Self::parse(&mut fields, at)?.ok_or_else(cut)?;
        let used = bytes.len().saturating_sub(fields.0.len());
        bytes.truncate(used);
        Ok(Self { bytes, ..parsed })
    }

    /// `None` where the bytes end too early.
    fn parse(fields: &mut Fields<'_>, at: u64) -> Result<Option<Self>> {
        let Some((magic, descriptor)) = fields.take(4).zip(fields.take(1)) else {
            return Ok(None);
        };
        if magic != u64::from(MAGIC) {
            let text = format!("Magic_Number {magic:#010x} is no frame's");
            return Err(Error::corrupt(text).at(at));
        }
        if descriptor & 1 << 3 != 0 {
            let text = format!("Frame_Header_Descriptor {descriptor:#04x} has a reserved bit");
            return Err(Error::unsupported(text).at(at));
        }
        let single_segment = descriptor & 1 << 5 != 0;
        let window = if single_segment { None } else { fields.take(1) };
        let dictionary_len = [0, 1, 2, 4].get(to_usize(descriptor & 3)).copied();
        let dictionary = fields.take(dictionary_len.unwrap_or(0));
        if let Some(id @ 1..) = dictionary {
            let text = format!("it was compressed with dictionary {id}");
            return Err(Error::unsupported(text).at(at));
        }
        let content_len = match (descriptor >> 6, single_segment) {
            (0, false) => 0,
            (0, true) => 1,
            (1, _) => 2,
            (2, _) => 4,
            _ => 8,
        };
        let content = match (content_len, fields.take(content_len)) {
            (_, None) => return Ok(None),
            (2, Some(content)) => content.saturating_add(256),
            (_, Some(content)) => content,
        };
        Ok(Some(Self {
            bytes: Vec::new(),
            window: bounded(window.map_or(content, window_size), at)?,
            content_size: (content_len > 0).then_some(content),
            checksum: descriptor & 1 << 2 != 0,
        }))
    }

    /// Where the first block of this frame is, which starts at `at`.
    pub(super) fn blocks(&self, at: u64) -> u64 {
        at.saturating_add(to_u64(self.bytes.len()))
    }

    /// Block_Maximum_Size.
    pub(super) fn most_block(&self) -> usize {
        to_usize(self.window).min(MOST_BLOCK)
    }

    /// A header for a frame that goes on with this one's blocks: without checksum and content size.
    pub(super) fn of_rest(&self) -> Vec<u8> {
        let fits = |descriptor: &u8| window_size(u64::from(*descriptor)) >= self.window;
        let descriptor = (0..=u8::MAX).find(fits).unwrap_or(u8::MAX);
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        bytes.extend([0, descriptor]);
        bytes
    }
}

/// Little-endian fields one after another.
struct Fields<'bytes>(&'bytes [u8]);

impl Fields<'_> {
    /// The next one, of `len` bytes.
    fn take(&mut self, len: usize) -> Option<u64> {
        let (field, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        let mut bytes = [0; 8];
        bytes.get_mut(..len)?.copy_from_slice(field);
        Some(u64::from_le_bytes(bytes))
    }
}

/// Window_Size by its descriptor (3.1.1.1.2).
fn window_size(descriptor: u64) -> u64 {
    let exponent = descriptor >> 3 & 31;
    let base = 1024_u64 << exponent;
    base.saturating_add((base >> 3).saturating_mul(descriptor & 7))
}

fn bounded(window: u64, at: u64) -> Result<u64> {
    if window <= MOST_WINDOW {
        return Ok(window);
    }
    let text = format!("Window_Size {window} is over the window of {MOST_WINDOW} bytes");
    let error = Error::unsupported(text).at(at);
    Err(error
        .hint("zstd -dc --long=31 unpacks it; zstd --long=27 packs it with a window that is read"))
}

/// Block_Type (3.1.1.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockType {
    Raw,
    Rle,
    Compressed,
}

/// A block header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) last: bool,
    pub(super) kind: BlockType,
    /// Block_Size: bytes that it has in the file, or for [`BlockType::Rle`] unpacked.
    pub(super) size: usize,
}

impl Block {
    /// The one in `bytes`, at byte `at` of a file; it has `most` bytes at most.
    ///
    /// # Errors
    /// `Corrupt` for a reserved type and for a size over `most`.
    pub(super) fn parse(bytes: [u8; BLOCK_HEADER], most: usize, at: u64) -> Result<Self> {
        let [low, middle, high] = bytes;
        let number = u32::from_le_bytes([low, middle, high, 0]);
        let kind = match number >> 1 & 3 {
            0 => BlockType::Raw,
            1 => BlockType::Rle,
            2 => BlockType::Compressed,
            _ => return Err(Error::corrupt("Block_Type 3 is reserved").at(at)),
        };
        let size = to_usize(u64::from(number >> 3));
        if size > most {
            return Err(Error::corrupt(format!("Block_Size {size} is over {most}")).at(at));
        }
        Ok(Self {
            last: number & 1 != 0,
            kind,
            size,
        })
    }

    /// Bytes that it has in the file behind its header.
    pub(super) fn packed(self) -> usize {
        match self.kind {
            BlockType::Rle => 1,
            _ => self.size,
        }
    }
}
