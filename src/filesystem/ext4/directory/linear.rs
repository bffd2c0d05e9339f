//! Going through a directory in the order of its bytes. A hash tree does not matter here: its nodes
//! look like blocks with one unused entry.
//!
//! The position of an entry is its byte in the directory, so that a cursor needs no state. A walk
//! that starts inside a block goes through the block from its start, and so never takes the middle
//! of a record for one.

use std::ops::ControlFlow;

use super::checksum;
use super::entry::{Record, block_start, records};
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::filesystem::ext4::block_map::{BlockMap, BlockPlace};
use crate::filesystem::ext4::core::Core;
use crate::filesystem::ext4::inline_data;
use crate::filesystem::ext4::inode::InodeRecord;
use crate::number::to_u64;

/// Bytes of the number of the parent, which inline directories have in place of `.` and `..`.
const PARENT: usize = 4;

/// Bytes of `i_block`: entries of inline directories do not cross its end.
const IN_INODE: usize = 60;

/// Bytes of a directory for one step of the budget.
const STEP: u64 = 256;

/// What is done with each record: it, the position behind it, and whether anything before it in the
/// walk was damaged.
pub(super) type Visit<'a> = dyn FnMut(&Record<'_>, u64, bool) -> ControlFlow<()> + 'a;

/// How a walk ended.
pub(super) struct Walked {
    /// The visitor ended it.
    pub(super) stopped: bool,
    /// The first block that could not be read, in what was walked.
    pub(super) damage: Option<Error>,
}

/// Gives `visit` the records in use that start at position `from` or behind it. What is damaged is
/// left out up to the end of its block.
///
/// # Errors
/// What makes the directory unreadable as a whole: its block map, the budget.
pub(super) fn walk(
    core: &Core,
    request: &Request,
    dir: &InodeRecord,
    from: u64,
    visit: &mut Visit<'_>,
) -> Result<Walked> {
    let mut walk = Walk {
        core,
        request,
        dir,
        from,
        visit,
        damage: None,
    };
    let flow = if dir.is_inline() {
        walk.inline()?
    } else {
        walk.blocks()?
    };
    Ok(Walked {
        stopped: flow.is_break(),
        damage: walk.damage,
    })
}

struct Walk<'a, 'b> {
    core: &'a Core,
    request: &'a Request,
    dir: &'a InodeRecord,
    from: u64,
    visit: &'a mut Visit<'b>,
    damage: Option<Error>,
}

impl Walk<'_, '_> {
    fn blocks(&mut self) -> Result<ControlFlow<()>> {
        let superblock = &self.core.superblock;
        let size = superblock.block_size();
        let blocks = self.dir.size.wrapping_shr(superblock.block_bits);
        let mut logical = block_start(self.from, size).wrapping_shr(superblock.block_bits);
        let mut map = BlockMap::new(self.core, self.request, self.dir);
        while logical < blocks {
            let run = map.run_at(logical)?;
            let end = blocks.min(logical.saturating_add(run.blocks));
            if let BlockPlace::At(start) = run.place {
                for (logical, physical) in (logical..end).zip(start..) {
                    if self.block(logical, physical)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            logical = end;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn block(&mut self, logical: u64, physical: u64) -> Result<ControlFlow<()>> {
        let superblock = &self.core.superblock;
        self.request.spend(to_u64(superblock.block_size()) / STEP)?;
        let place = superblock.block_offset(physical)?;
        let read = || {
            let bytes = self.core.read_block(self.request, physical)?;
            checksum::verify(self.core, self.dir, logical, &bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => {
                let start = logical.wrapping_shl(superblock.block_bits); // below i_size
                Ok(self.records(&bytes, start, place))
            }
            Err(error) => {
                self.damaged(error, logical, place);
                Ok(ControlFlow::Continue(()))
            }
        }
    }

    /// `bytes` start at byte `start` of the directory and at byte `place` of the file system.
    fn records(&mut self, bytes: &[u8], start: u64, place: u64) -> ControlFlow<()> {
        let bits = self.core.superblock.block_bits;
        for record in records(bytes, self.core.superblock.block_size()) {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    self.damaged(error, start.wrapping_shr(bits), place);
                    return ControlFlow::Continue(());
                }
            };
            let position = start.saturating_add(to_u64(record.start));
            let next = start.saturating_add(to_u64(record.end));
            let at = place.saturating_add(to_u64(record.start));
            if record.inode != 0 && position >= self.from && self.is_sound(&record, position, at) {
                (self.visit)(&record, next, self.damage.is_some())?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether the entry at byte `at` can be shown. Names that no path can have are left out, with a
    /// notice.
    fn is_sound(&self, record: &Record<'_>, position: u64, at: u64) -> bool {
        let name = record.name;
        let misplaced = record.is_dots() && position >= 24;
        let encrypted = self.dir.has(crate::filesystem::ext4::inode::ENCRYPT);
        let impossible = !encrypted && name.iter().any(|byte| matches!(byte, 0 | b'/'));
        if !name.is_empty() && !misplaced && !impossible {
            return true;
        }
        let (number, name) = (self.dir.number, crate::error::printable(name));
        let text = format!("the entry «{name}» is left out: no file can be called that");
        let error = Error::corrupt(text).at(at);
        let error = error.context(format!("ext4: inode {number}"));
        self.core.notices.add(error.to_string());
        false
    }

    fn inline(&mut self) -> Result<ControlFlow<()>> {
        // Like the kernel, what the inode holds and not `i_size`, which may say less.
        let content = inline_data::content(self.dir)?;
        let parent = content
            .first_chunk::<PARENT>()
            .map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let (head, tail) = content
            .split_at_checked(IN_INODE)
            .unwrap_or((&content, &[]));
        let dots = [(0, self.dir.number, &b"."[..]), (1, parent, b"..")];
        for (position, inode, name) in dots {
            let record = Record::directory(inode, name);
            let next = if position == 0 { 1 } else { to_u64(PARENT) };
            if position >= self.from && (self.visit)(&record, next, false).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let entries = head.get(PARENT..).unwrap_or(&[]);
        if self
            .records(entries, to_u64(PARENT), self.dir.offset)
            .is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        Ok(self.records(tail, to_u64(IN_INODE), self.dir.offset))
    }

    fn damaged(&mut self, error: Error, logical: u64, place: u64) {
        let error = error
            .at(place)
            .context(format!("directory block {logical}"));
        let error = error.context(format!("inode {}", self.dir.number));
        self.core.notices.add(format!("ext4: {error}"));
        self.damage.get_or_insert(error);
    }
}
