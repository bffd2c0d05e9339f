//! The header of one frame.

use twox_hash::XxHash32;
use zerocopy::FromBytes;

use super::layout::{ContentSize, FrameStart, MOST_HEADER, flg};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// What the header of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Where its first block starts.
    pub(super) blocks: u64,
    /// Bytes that a block unpacks to at most.
    pub(super) most_block: u64,
    /// Whether blocks refer to those before them.
    pub(super) linked: bool,
    pub(super) block_checksum: bool,
    pub(super) content_checksum: bool,
    pub(super) content_size: Option<u64>,
}

impl Header {
    /// The header at byte `at` of `source`, where the magic number is.
    ///
    /// # Errors
    /// `Corrupt` for a wrong header checksum and what the format forbids; `Unsupported` for other
    /// versions and for dictionaries.
    pub(super) fn read(source: &dyn Source, at: u64) -> Result<Self> {
        let left = source.size().saturating_sub(at);
        let bytes = read_vec(source, at, to_usize(left.min(MOST_HEADER)))?;
        let cut = || Error::corrupt("the frame header is cut off").at(at);
        let (start, rest) = FrameStart::ref_from_prefix(&bytes).map_err(|_| cut())?;
        let flags = Flags(start.flg);
        flags.check(at)?;
        let mut used = 0_usize;
        let content_size = match flags.has(flg::CONTENT_SIZE) {
            false => None,
            true => {
                let (size, _) = ContentSize::ref_from_prefix(rest).map_err(|_| cut())?;
                used = size_of::<ContentSize>();
                Some(size.0.get())
            }
        };
        let end = size_of::<FrameStart>().saturating_add(used);
        let checksum = *bytes.get(end).ok_or_else(cut)?;
        let descriptor = bytes.get(4..end).ok_or_else(cut)?;
        let [_, own, ..] = XxHash32::oneshot(0, descriptor).to_le_bytes();
        if checksum != own {
            let text = format!("the header checksum is {checksum:#04x}, not {own:#04x}");
            return Err(Error::corrupt(text).at(at));
        }
        Ok(Self {
            blocks: at.saturating_add(to_u64(end)).saturating_add(1),
            most_block: most_block(start.bd, at)?,
            linked: !flags.has(flg::BLOCK_INDEPENDENCE),
            block_checksum: flags.has(flg::BLOCK_CHECKSUM),
            content_checksum: flags.has(flg::CONTENT_CHECKSUM),
            content_size,
        })
    }
}

struct Flags(u8);

impl Flags {
    fn has(&self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    fn check(&self, at: u64) -> Result<()> {
        let Self(bits) = self;
        if bits & flg::VERSION != flg::VERSION_1 {
            let version = bits >> 6;
            return Err(Error::unsupported(format!("frame version {version} is not 1")).at(at));
        }
        if self.has(flg::RESERVED) {
            return Err(Error::unsupported(format!("FLG {bits:#04x} has a reserved bit")).at(at));
        }
        if self.has(flg::DICTIONARY_ID) {
            return Err(Error::unsupported("it was compressed with a dictionary").at(at));
        }
        Ok(())
    }
}

/// Block Maximum Size: 4 to 7 for 64 KiB, 256 KiB, 1 MiB and 4 MiB.
fn most_block(bd: u8, at: u64) -> Result<u64> {
    match bd {
        0x40 => Ok(64 << 10),
        0x50 => Ok(256 << 10),
        0x60 => Ok(1 << 20),
        0x70 => Ok(4 << 20),
        _ => {
            let text = format!("BD {bd:#04x} is not a block maximum size of 4 to 7");
            Err(Error::corrupt(text).at(at))
        }
    }
}
