//! The volume's bytes as the second reader wants them.

use std::error::Error as StdError;

use ext4_view::Ext4Read;

use crate::error::Result;
use crate::number::{to_u64, to_usize};
use crate::source::SharedSource;

/// Where the superblock starts, and how long it is.
const SUPERBLOCK: u64 = 1024;
const SUPERBLOCK_LEN: usize = 1024;

/// `s_feature_incompat`, `s_feature_ro_compat` and `s_checksum`, from the superblock's start.
const FEATURE_INCOMPAT: usize = 0x60;
const FEATURE_RO_COMPAT: usize = 0x64;
const CHECKSUM: usize = 0x3fc;

/// `EXT4_FEATURE_INCOMPAT_RECOVER`: the journal has to be replayed.
const RECOVER: u8 = 0x4;
/// `EXT4_FEATURE_RO_COMPAT_METADATA_CSUM`, in the field's second byte.
const METADATA_CSUM: u8 = 0x4;

/// A source for the second reader, whose superblock says that there is nothing to replay.
pub struct Bytes {
    source: SharedSource,
    superblock: Option<Vec<u8>>,
}

impl Bytes {
    /// The bytes of a volume that is recovered already, or needs no recovery.
    #[must_use]
    pub fn recovered(source: SharedSource) -> Self {
        let superblock = clean_superblock(&source).ok();
        Self { source, superblock }
    }
}

/// The superblock with the flag taken out and the checksum made right again.
fn clean_superblock(source: &SharedSource) -> Result<Vec<u8>> {
    let mut block = crate::source::read_vec(&**source, SUPERBLOCK, SUPERBLOCK_LEN)?;
    let was_dirty = block.get(FEATURE_INCOMPAT).copied().unwrap_or(0) & RECOVER != 0;
    if let Some(byte) = block.get_mut(FEATURE_INCOMPAT) {
        *byte &= !RECOVER;
    }
    let second = FEATURE_RO_COMPAT.saturating_add(1);
    let checked = block.get(second).copied().unwrap_or(0) & METADATA_CSUM != 0;
    let (body, checksum) = block.split_at_mut(CHECKSUM);
    // A superblock whose checksum was wrong stays wrong: it is for the readers to say so.
    if was_dirty && checked {
        // ext4's crc32c has no final inversion.
        checksum.copy_from_slice(&(!crc32c::crc32c(body)).to_le_bytes());
    }
    Ok(block)
}

impl Ext4Read for Bytes {
    fn read(
        &mut self,
        start_byte: u64,
        dst: &mut [u8],
    ) -> std::result::Result<(), Box<dyn StdError + Send + Sync + 'static>> {
        self.source.read_exact_at(dst, start_byte)?;
        let Some(superblock) = &self.superblock else {
            return Ok(());
        };
        let end = SUPERBLOCK.saturating_add(to_u64(SUPERBLOCK_LEN));
        let from = start_byte.max(SUPERBLOCK);
        let to = start_byte.saturating_add(to_u64(dst.len())).min(end);
        if from >= to {
            return Ok(());
        }
        let within =
            |start: u64| to_usize(from.saturating_sub(start))..to_usize(to.saturating_sub(start));
        let (into, out_of) = (
            dst.get_mut(within(start_byte)),
            superblock.get(within(SUPERBLOCK)),
        );
        if let (Some(into), Some(out_of)) = (into, out_of) {
            into.copy_from_slice(out_of);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::Memory;

    #[test]
    fn the_flag_is_gone_and_the_checksum_right_wherever_a_read_starts() {
        let mut bytes = vec![0xaa; 4096];
        bytes[1024 + FEATURE_INCOMPAT] = 0xc6;
        bytes[1024 + FEATURE_RO_COMPAT + 1] = METADATA_CSUM;
        let mut read = Bytes::recovered(Arc::new(Memory(bytes.clone())));
        for (start, len) in [
            (0_usize, 4096_usize),
            (1000, 2000),
            (1024, 1024),
            (1120, 4),
            (2040, 100),
        ] {
            let mut part = vec![0; len];
            read.read(to_u64(start), &mut part).expect("inside");
            let at = |offset: usize| {
                (1024 + offset)
                    .checked_sub(start)
                    .and_then(|at| part.get(at))
            };
            if let Some(byte) = at(FEATURE_INCOMPAT) {
                assert_eq!(*byte, 0xc2);
            }
            if let Some(byte) = at(1024) {
                assert_eq!(*byte, 0xaa);
            }
        }
        let mut block = vec![0; 1024];
        read.read(1024, &mut block).expect("inside");
        let stored = u32::from_le_bytes(block[CHECKSUM..].try_into().expect("four bytes"));
        assert_eq!(stored, !crc32c::crc32c(&block[..CHECKSUM]));
    }
}
