//! Whether any inode has attributes at all. `ls -l` asks for two of every file, and most file
//! systems hold none: who knows that need not be asked. No field of the superblock says it, so the
//! inode tables are looked through, a piece at a time and only as often as somebody has asked in
//! vain.

use std::sync::atomic::{AtomicU64, Ordering};

use zerocopy::FromBytes;

use super::layout::MAGIC;
use crate::error::Result;
use crate::filesystem::Request;
use crate::filesystem::ext4::core::Core;
use crate::filesystem::ext4::group::Group;
use crate::filesystem::ext4::inode::{self, EA_INODE};
use crate::filesystem::ext4::layout::RawInode;
use crate::number::to_usize;
use crate::source::read_scratch;

/// Inodes that are looked at in one step: 128 KiB of the usual 256 bytes, as much as is asked of the
/// host at once.
const STEP: u32 = 512;

/// What stands for an inode that has an attribute, or may have one.
const SOME: u64 = u64::MAX;

/// How many inodes have been looked at and have no attribute, or [`SOME`].
pub(in crate::filesystem::ext4) struct Absence(AtomicU64);

impl Absence {
    /// Nothing has been looked at.
    pub(in crate::filesystem::ext4) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Looks at some inodes more. True once all were seen and none has an attribute; false for
    /// good where one has, or cannot be read.
    pub(in crate::filesystem::ext4) fn look(&self, core: &Core, request: &Request) -> bool {
        let seen = self.0.load(Ordering::Relaxed);
        let Ok(index) = u32::try_from(seen) else {
            return false;
        };
        if index >= core.superblock.inodes() {
            return true;
        }
        let next = step(core, request, index).unwrap_or(SOME);
        // Who looks at the same inodes at the same time finds the same, or has come further.
        self.0.fetch_max(next, Ordering::Relaxed);
        false
    }
}

/// Looks at the inodes from `index` (0 for inode 1) on, within one group; gives the index behind
/// them.
fn step(core: &Core, request: &Request, index: u32) -> Result<u64> {
    let per_group = core.superblock.inodes_per_group;
    let (group, inside) = (index / per_group, index % per_group);
    request.spend(1)?;
    let used = Group::read(core, group)?.used_inodes(&core.superblock);
    if inside >= used {
        let next = u64::from(group).saturating_add(1);
        return Ok(next.saturating_mul(per_group.get().into()));
    }
    let count = used.saturating_sub(inside).min(STEP);
    let size = usize::from(core.superblock.inode_size);
    let offset = inode::place(core, index.saturating_add(1))?;
    core.ahead.inodes(core, offset);
    let length = size.saturating_mul(to_usize(count.into()));
    let table = read_scratch(&*core.source, offset, length)?;
    let attributed = table.chunks(size).any(|inode| may_have(core, inode));
    Ok(match attributed {
        true => SOME,
        false => u64::from(index).saturating_add(count.into()),
    })
}

/// Whether the inode of these bytes has attributes, as far as its own fields say.
fn may_have(core: &Core, bytes: &[u8]) -> bool {
    let Ok((raw, rest)) = RawInode::read_from_prefix(bytes) else {
        return true;
    };
    if raw.i_mode.get() == 0 || raw.i_links_count.get() == 0 {
        return false;
    }
    let is_value = raw.i_flags.get() & EA_INODE != 0;
    is_value || inode::file_acl(core, &raw) != 0 || in_inode(rest)
}

/// Whether there are attributes in `rest`, the inode behind its first 128 bytes.
fn in_inode(rest: &[u8]) -> bool {
    let Some(used) = rest.first_chunk().map(|used| u16::from_le_bytes(*used)) else {
        return false;
    };
    let Some(area) = rest.get(usize::from(used)..) else {
        return true;
    };
    let entries = area.strip_prefix(&MAGIC.to_le_bytes());
    used != 0 && entries.is_some_and(|entries| !entries.starts_with(&[0; 4]))
}
