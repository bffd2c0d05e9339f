//! Recovery: what the kernel would do to the disk when it mounts it for writing, done in memory.
//!
//! First the log of JBD or JBD2 is replayed: [`recover::recover`] finds which blocks have newer
//! contents in the log, and a map reads them from there. Then fast commits are applied, and then
//! orphans are deleted or truncated; both change inodes, directories and bitmaps, in blocks that
//! are kept in memory. The result is a volume on which nothing is left to recover; the reader needs to
//! know nothing of it.

mod copied;
mod crc32_be;
pub(super) mod edit;
mod fast_commit;
mod layout;
mod log;
mod map;
mod recover;
mod revoke;
mod scan;
mod superblock;
mod tags;

use std::sync::Arc;

use self::edit::extents::Extent;
use self::edit::{Editor, RawBytes, field};
use self::log::{Log, LogRun};
use self::map::ReplayMap;
use self::recover::Recovery;
use self::superblock::Superblock;
use super::core::Core;
use super::superblock::{PLACE, Superblock as FileSystemSuperblock};
use super::{features, orphan};
use crate::error::{Error, Result};
use crate::format::Context;
use crate::number::to_u64;
use crate::source::SharedSource;
use crate::source::mapped::Mapped;

/// `i_flags`: the inode's blocks are in extents.
const EXTENTS: u32 = 0x8_0000;

/// The volume as it is after recovery; `volume` itself where there is nothing to recover.
///
/// # Errors
/// As [`Core::open`]; `Unsupported` where the log is on another device. A damaged log is no error:
/// a notice says what was left out.
pub(super) fn recover(volume: &SharedSource, context: &Context) -> Result<SharedSource> {
    let found = Core::open(volume.clone(), context)?.superblock;
    let has_journal = found.features.has(features::HAS_JOURNAL);
    let mut source = volume.clone();
    let mut fast = None;
    if has_journal && found.features.has(features::RECOVER) {
        check_internal(&found)?;
        match replay(volume, context, found.raw.s_journal_inum.get()) {
            Ok(replayed) => {
                source = replayed.source;
                fast = replayed.fast_commits;
            }
            Err(error) => notice(context, &error.context("journal not replayed")),
        }
    }
    let mut editor = Editor::open(&source, context)?;
    if let Some(tags) = fast {
        apply_fast_commits(&mut editor, &tags, context);
    }
    orphan::process(&editor, context);
    finish(&editor)?;
    Ok(if editor.is_changed() {
        editor.finish(context.cache.clone())
    } else {
        source
    })
}

fn check_internal(superblock: &FileSystemSuperblock) -> Result<()> {
    let raw = &superblock.raw;
    if raw.s_journal_inum.get() != 0 {
        return Ok(());
    }
    let uuid = super::describe::uuid(&raw.s_journal_uuid).unwrap_or_else(|| "unknown".to_owned());
    Err(Error::unsupported(format!(
        "it was not unmounted cleanly, and its journal is on another device, UUID {uuid}"
    ))
    .hint("--no-replay shows the disk as it lies"))
}

/// What replaying the log gave.
struct Replayed {
    source: SharedSource,
    fast_commits: Option<Vec<fast_commit::Tag>>,
}

/// Replays the log in inode `number`.
fn replay(volume: &SharedSource, context: &Context, number: u32) -> Result<Replayed> {
    let editor = Editor::open(volume, context)?;
    let runs = journal_runs(&editor, number, context)?;
    let log = Log::new(&**volume, &runs, editor.block_size());
    let superblock = Superblock::read(&log)?;
    if superblock.start == 0 {
        return Ok(Replayed {
            source: volume.clone(),
            fast_commits: None,
        });
    }
    let mut recovery = recover::recover(&log, &superblock, editor.superblock.blocks);
    keep_superblock(&mut recovery, &editor, volume, context);
    let scanned = fast_commit::scan(
        &log,
        &superblock,
        recovery.next,
        editor.superblock.inode_size,
    );
    let fast_commits = match scanned {
        Ok((tags, problem)) => {
            let problem = problem.map(|error| error.context("fast commits"));
            recovery.problems.extend(problem);
            tags
        }
        Err(error) => {
            recovery.problems.push(error.context("fast commits"));
            Vec::new()
        }
    };
    report(&recovery, context);
    let map = ReplayMap::new(volume.clone(), editor.block_size(), recovery.copies);
    Ok(Replayed {
        source: Arc::new(Mapped::new(
            map,
            vec![volume.clone()],
            None,
            context.cache.clone(),
        )),
        fast_commits: (!fast_commits.is_empty()).then_some(fast_commits),
    })
}

/// Where the journal's blocks lie: by inode `number`, or where that is damaged by the copy of its
/// block map that the superblock keeps, as e2fsck does.
fn journal_runs(editor: &Editor, number: u32, context: &Context) -> Result<Vec<LogRun>> {
    let inode = editor.inode(number);
    let runs = inode.and_then(|inode| inode_runs(editor, &inode));
    let error = match runs {
        Ok(runs) => return Ok(runs),
        // A number that no inode has is the superblock's fault.
        Err(error) => {
            let place = editor.inode_place(number);
            let error = error.at(place.unwrap_or(editor.superblock.offset));
            error.context(format!("inode {number}"))
        }
    };
    let Some(backup) = backup(editor) else {
        return Err(error);
    };
    let runs = inode_runs(editor, &backup);
    let runs = runs.map_err(|error| error.at(editor.superblock.offset))?;
    let instead = error.context("journal found by the copy of its block map");
    notice(context, &instead);
    Ok(runs)
}

/// An inode made of `s_jnl_blocks`: `i_block`, and the two halves of the size.
fn backup(editor: &Editor) -> Option<Vec<u8>> {
    let raw = &editor.superblock.raw;
    let words = raw.s_jnl_blocks.map(|word| word.get().to_le_bytes());
    let (map, size) = words.split_at_checked(15)?;
    let mut inode = vec![0; 128];
    inode.put(field::MODE, &0x8000_u16.to_le_bytes());
    inode.put(field::LINKS_COUNT, &1_u16.to_le_bytes());
    inode.put(field::BLOCK, map.as_flattened());
    inode.put(field::SIZE_HIGH, size.first()?);
    inode.put(field::SIZE_LO, size.get(1)?);
    if inode.u16_at(field::BLOCK) == 0xf30a {
        inode.put(field::FLAGS, &EXTENTS.to_le_bytes());
    }
    (raw.s_jnl_backup_type == 1 && Editor::size(&inode) > 0).then_some(inode)
}

fn inode_runs(editor: &Editor, inode: &[u8]) -> Result<Vec<LogRun>> {
    if inode.u16_at(field::MODE) & 0xf000 != 0x8000 || inode.u16_at(field::LINKS_COUNT) == 0 {
        return Err(Error::corrupt("the journal is no regular file"));
    }
    let blocks = Editor::size(inode)
        .checked_div(to_u64(editor.block_size()))
        .unwrap_or(0)
        .min(editor.superblock.blocks);
    let end = u32::try_from(blocks).unwrap_or(u32::MAX);
    let extents = if inode.u32_at(field::FLAGS) & EXTENTS == 0 {
        editor.indirect_runs(inode, end)?.0
    } else {
        editor.tree(inode)?.extents
    };
    check_disjoint(&extents)?;
    let inside = extents.iter().filter_map(|extent| extent.clip(0, end));
    let run = |extent: Extent| LogRun {
        logical: extent.logical,
        physical: extent.physical,
        blocks: extent.blocks,
    };
    Ok(inside.map(run).collect())
}

/// A log whose blocks lie one on the other could be longer than the image: walking it would take
/// for ever.
fn check_disjoint(extents: &[Extent]) -> Result<()> {
    let mut places: Vec<_> = extents
        .iter()
        .map(|extent| (extent.physical, u64::from(extent.blocks)))
        .collect();
    places.sort_unstable();
    let apart = places.windows(2).all(|pair| match pair {
        [(start, blocks), (next, _)] => start.saturating_add(*blocks) <= *next,
        _ => true,
    });
    if apart {
        return Ok(());
    }
    Err(Error::corrupt(
        "two of the journal's blocks are the same one",
    ))
}

/// Leaves out a copy of the superblock that is none: with it the volume could not be opened at
/// all.
fn keep_superblock(
    recovery: &mut Recovery,
    editor: &Editor,
    volume: &SharedSource,
    context: &Context,
) {
    let size = to_u64(editor.block_size());
    let block = PLACE.checked_div(size).unwrap_or(0);
    let holds = |copy: &recover::Copy| {
        copy.block <= block && block < copy.block.saturating_add(copy.blocks)
    };
    let copies = recovery.copies.iter().copied().filter(holds).collect();
    let map = ReplayMap::new(volume.clone(), editor.block_size(), copies);
    let replayed = Mapped::new(map, vec![volume.clone()], None, context.cache.clone());
    let mut mismatch = |error| Err(error);
    if editor.superblock.offset == PLACE
        && let Err(error) = FileSystemSuperblock::read(&replayed, PLACE, &mut mismatch)
    {
        recovery.copies.retain(|copy| !holds(copy));
        let problem = error.context("the copy in the log, which is left out");
        recovery.problems.push(problem);
    }
}

fn report(recovery: &Recovery, context: &Context) {
    for problem in &recovery.problems {
        notice(context, &problem.clone().context("journal"));
    }
    let (transactions, blocks) = (recovery.transactions, recovery.blocks());
    context.notices.add(format!(
        "ext4: it was not unmounted cleanly; replayed in memory: {} with {}",
        counted(transactions.into(), "transaction"),
        counted(blocks, "block")
    ));
}

fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn notice(context: &Context, error: &Error) {
    context
        .notices
        .add(error.clone().context("ext4").to_string());
}

fn apply_fast_commits(editor: &mut Editor, tags: &[fast_commit::Tag], context: &Context) {
    match fast_commit::apply(editor, tags) {
        Ok(()) => {
            let records = counted(to_u64(tags.len()), "fast-commit record");
            context.notices.add(format!("ext4: applied {records}"));
        }
        Err(error) => notice(context, &error.context("fast commit")),
    }
}

/// Takes the marks of an unclean unmount out of the superblock, as the kernel does.
fn finish(editor: &Editor) -> Result<()> {
    const INCOMPAT: usize = 96;
    const RO_COMPAT: usize = 100;
    const LAST_ORPHAN: usize = 232;
    const NEEDS_RECOVERY: u32 = 4;
    const ORPHAN_PRESENT: u32 = 0x1_0000;
    if editor.superblock.offset != PLACE {
        return Ok(()); // opened by a backup
    }
    let clean = |bytes: &mut [u8]| {
        let incompat = bytes.u32_at(INCOMPAT) & !NEEDS_RECOVERY;
        let ro_compat = bytes.u32_at(RO_COMPAT) & !ORPHAN_PRESENT;
        bytes.put(INCOMPAT, &incompat.to_le_bytes());
        bytes.put(RO_COMPAT, &ro_compat.to_le_bytes());
        bytes.put(LAST_ORPHAN, &[0; 4]);
    };
    editor.change_superblock(clean)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::as_conversions)]
mod tests;
