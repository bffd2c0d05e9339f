//! Orphans: inodes whose last link went while they were open, or whose truncation was under way,
//! when the disk was last written. The kernel finishes that when it mounts for writing
//! (`fs/ext4/orphan.c`), and so does this, in memory.

use std::collections::BTreeSet;

use super::checksum::crc32c;
use super::features;
use super::journal::edit::extents::Extent;
use super::journal::edit::{Editor, RawBytes, field};
use crate::error::{Error, Result};
use crate::format::Context;
use crate::number::to_u64;

/// `s_state`: errors were found; the kernel leaves orphans alone then.
const ERROR_FS: u16 = 2;
/// `ob_magic`, at the end of each block of the orphan file.
const BLOCK_MAGIC: u32 = 0x0b10_ca04;
/// Bytes of `struct ext4_orphan_block_tail`.
const TAIL: usize = 8;
/// More orphans than this are left as they are.
const MOST: usize = 1 << 20;
/// More blocks than this are not read from an orphan file; mke2fs makes 512 at most.
const MOST_BLOCKS: u32 = 1 << 12;
/// `i_flags`: the inode's blocks are in extents.
const EXTENTS: u32 = 0x8_0000;

/// Deletes or truncates all orphans. What is wrong with their lists becomes a notice.
pub(super) fn process(editor: &Editor, context: &Context) {
    if editor.superblock.raw.s_state.get() & ERROR_FS != 0 {
        return;
    }
    let mut done = Done::default();
    let notice = |error: Error| {
        let error = error.context("orphans").context("ext4");
        context.notices.add(error.to_string());
    };
    if let Err(error) = list(editor, &mut done) {
        notice(error);
    }
    if let Err(error) = file(editor, &mut done) {
        notice(error);
    }
    if done.deleted.saturating_add(done.truncated) > 0 {
        let Done {
            deleted, truncated, ..
        } = done;
        context.notices.add(format!(
            "ext4: orphans finished in memory: {deleted} deleted, {truncated} truncated"
        ));
    }
}

#[derive(Default)]
struct Done {
    seen: BTreeSet<u32>,
    deleted: u32,
    truncated: u32,
}

/// The list that starts in the superblock and goes on in `i_dtime`.
fn list(editor: &Editor, done: &mut Done) -> Result<()> {
    let mut next = editor.superblock.raw.s_last_orphan.get();
    // The byte of what leads to the next one, which is to blame where that can be none.
    let mut from = editor.superblock.offset;
    while next != 0 {
        let inode = get(editor, next, done).map_err(|error| error.at(from))?;
        from = editor.inode_place(next)?;
        let behind = inode.u32_at(field::DTIME);
        if behind > editor.superblock.inodes() {
            let text = format!("inode {next}: i_dtime {behind} is no inode");
            return Err(Error::corrupt(text).at(from));
        }
        finish(editor, next, inode, done).map_err(|error| error.at(from))?;
        next = behind;
    }
    Ok(())
}

/// The file of the feature `orphan_file`: numbers of inodes.
fn file(editor: &Editor, done: &mut Done) -> Result<()> {
    if !editor.superblock.features.has(features::ORPHAN_FILE) {
        return Ok(());
    }
    let number = editor.superblock.raw.s_orphan_file_inum.get();
    let place = editor.inode_place(number);
    let place = place.map_err(|error| error.at(editor.superblock.offset))?;
    let inode = editor.inode(number)?;
    let runs = if inode.u32_at(field::FLAGS) & EXTENTS == 0 {
        let runs = editor.indirect_runs(&inode, MOST_BLOCKS);
        runs.map(|runs| runs.0)
    } else {
        editor.tree(&inode).map(|tree| tree.extents)
    };
    let runs = runs.map_err(|error| error.at(place))?;
    let inside = runs.iter().filter_map(|run| run.clip(0, MOST_BLOCKS));
    let each = |run: Extent| run.physical..run.physical.saturating_add(run.blocks.into());
    let seed = editor.inode_seed(number, &inode);
    for place in inside.flat_map(each) {
        for orphan in block(editor, place, seed)? {
            // As in the kernel, a bad number does not keep the others from being finished.
            if let Ok(inode) = get(editor, orphan, done) {
                finish(editor, orphan, inode, done)?;
            }
        }
    }
    Ok(())
}

/// The numbers in block `place` of the orphan file.
fn block(editor: &Editor, place: u64, seed: u32) -> Result<Vec<u32>> {
    let block = editor.block(place)?;
    let (numbers, tail) = block
        .split_at_checked(block.len().saturating_sub(TAIL))
        .unwrap_or((&[], &[]));
    let (magic, stored) = (tail.u32_at(0), tail.u32_at(4));
    let at = place.saturating_mul(to_u64(block.len()));
    let wrong = |text: String| Err(Error::corrupt(text).at(at));
    if magic != BLOCK_MAGIC {
        return wrong(format!("ob_magic {magic:#x} in block {place} is wrong"));
    }
    let sum = crc32c(crc32c(seed, &place.to_le_bytes()), numbers);
    if editor.superblock.has_checksums() && sum != stored {
        return wrong(format!(
            "ob_checksum {stored:#x} in block {place} is not {sum:#x}"
        ));
    }
    let numbers = numbers.as_chunks::<4>().0.iter();
    Ok(numbers
        .map(|number| u32::from_le_bytes(*number))
        .filter(|number| *number != 0)
        .collect())
}

/// Inode `number`, if it can be an orphan.
fn get(editor: &Editor, number: u32, done: &mut Done) -> Result<Vec<u8>> {
    let wrong = |why: &str| Error::corrupt(format!("inode {number} {why}"));
    let bad = |why: &str| Err(wrong(why));
    if number < editor.superblock.first_inode() || number > editor.superblock.inodes() {
        return bad("can be no orphan");
    }
    if !done.seen.insert(number) || done.seen.len() > MOST {
        return bad("is in the list twice");
    }
    let inode = editor.inode(number)?;
    let linked = inode.u16_at(field::LINKS_COUNT) > 0;
    let own = editor.inode_place(number)?;
    if !editor.is_marked(number)? || !editor.is_usable(number, &inode) {
        return Err(wrong("is not in use").at(own));
    }
    if linked && !Editor::has_blocks(&inode) && !is_inline(&inode) {
        return Err(wrong("has links and nothing to truncate").at(own));
    }
    Ok(inode)
}

fn is_inline(inode: &[u8]) -> bool {
    inode.u32_at(field::FLAGS) & 0x1000_0000 != 0
}

fn finish(editor: &Editor, number: u32, mut inode: Vec<u8>, done: &mut Done) -> Result<()> {
    let context = |error: Error| error.context(format!("inode {number}"));
    inode.put(field::DTIME, &[0; 4]);
    if inode.u16_at(field::LINKS_COUNT) == 0 {
        editor.delete_inode(number, &mut inode).map_err(context)?;
        done.deleted = done.deleted.saturating_add(1);
        return Ok(());
    }
    let size = Editor::size(&inode);
    editor.truncate(number, &mut inode, size).map_err(context)?;
    editor.set_inode(number, &mut inode).map_err(context)?;
    done.truncated = done.truncated.saturating_add(1);
    Ok(())
}
