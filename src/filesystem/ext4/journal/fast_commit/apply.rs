//! What the records ask for, done in memory, in their order.

use std::collections::BTreeSet;

use super::super::edit::extents::Extent;
use super::super::edit::{Editor, RawBytes, field};
use super::record::{Name, Tag};
use crate::error::{Error, Result};

const EXTENTS: u32 = 0x8_0000;
const INLINE_DATA: u32 = 0x1000_0000;
/// `i_block`, which holds the extents.
const BLOCK_BYTES: usize = 60;

/// Applies `tags`.
///
/// # Errors
/// At the first record that can't be applied; those before it are.
pub(in super::super) fn apply(editor: &mut Editor, tags: &[Tag]) -> Result<()> {
    // A block that a later record gives to a file is free until then: nothing else may take it.
    editor.withhold(tags.iter().filter_map(mapped).collect());
    let mut replay = Replay {
        editor,
        changed: BTreeSet::new(),
    };
    let applied = tags.iter().try_for_each(|tag| replay.tag(tag));
    replay.mark_used()?;
    applied
}

/// The blocks that a record gives to a file, as start and end.
fn mapped(tag: &Tag) -> Option<(u64, u64)> {
    let Tag::AddRange { extent, .. } = tag else {
        return None;
    };
    let end = extent.physical.saturating_add(extent.blocks.into());
    Some((extent.physical, end))
}

struct Replay<'a> {
    editor: &'a Editor,
    /// Inodes whose blocks may have been marked as free on the way.
    changed: BTreeSet<u32>,
}

impl Replay<'_> {
    fn tag(&mut self, tag: &Tag) -> Result<()> {
        match tag {
            Tag::AddRange { inode, extent } => self.map(*inode, |editor, tree| {
                editor.check_blocks(extent.physical, extent.blocks.into())?;
                Ok(tree.insert(*extent))
            }),
            Tag::DelRange {
                inode,
                first,
                blocks,
            } => {
                let end = first.saturating_add(*blocks);
                self.map(*inode, |_, tree| Ok(tree.remove(*first, end)))
            }
            Tag::Create(name) => self.create(name),
            Tag::Link(name) => self.link(name),
            Tag::Unlink(name) => self.unlink(name),
            Tag::Inode { inode, raw } => self
                .inode(*inode, raw)
                .map_err(|error| error.context(format!("inode {inode}"))),
        }
    }

    /// The inode, unless the kernel would not take it for one.
    fn usable(&self, number: u32) -> Option<Vec<u8>> {
        let inode = self.editor.inode(number).ok()?;
        let linked = inode.u16_at(field::LINKS_COUNT) > 0;
        (linked && self.editor.is_usable(number, &inode)).then_some(inode)
    }

    /// Changes the extents of a file. One that is not there, or has none, is passed over.
    fn map(
        &mut self,
        number: u32,
        change: impl FnOnce(&Editor, &mut super::super::edit::extents::Tree) -> Result<Vec<Extent>>,
    ) -> Result<()> {
        let Some(mut inode) = self.usable(number) else {
            return Ok(());
        };
        if !has_extents(&inode) {
            return Ok(());
        }
        self.changed.insert(number);
        let mut tree = self.editor.tree(&inode)?;
        for old in change(self.editor, &mut tree)? {
            self.editor
                .mark_blocks(old.physical, old.blocks.into(), false)?;
        }
        for node in self.editor.set_tree(number, &mut inode, &mut tree)? {
            self.editor.mark_blocks(node, 1, false)?;
        }
        self.editor.set_inode(number, &mut inode)
    }

    /// Everything of the inode but its block map, which earlier records gave.
    fn inode(&mut self, number: u32, logged: &[u8]) -> Result<()> {
        let mut inode = self.editor.inode(number)?;
        if self.editor.is_usable(number, &inode) && has_extents(&inode) {
            self.mark_file(&inode, false)?;
        }
        self.changed.insert(number);
        inode.put(0, logged.get(..field::BLOCK).unwrap_or(&[]));
        inode.put(
            field::GENERATION,
            logged.get(field::GENERATION..).unwrap_or(&[]),
        );
        let map = field::BLOCK..field::BLOCK.saturating_add(BLOCK_BYTES);
        let flags = inode.u32_at(field::FLAGS);
        if flags & EXTENTS != 0 {
            if inode.u16_at(field::BLOCK) != 0xf30a {
                let mut root = [0; 12];
                root.put(0, &0xf30a_u16.to_le_bytes());
                root.put(4, &4_u16.to_le_bytes());
                inode.put(field::BLOCK, &root);
            }
        } else if flags & INLINE_DATA != 0 {
            inode.put(field::BLOCK, logged.get(map).unwrap_or(&[]));
        }
        if flags & INLINE_DATA == 0 && flags & EXTENTS != 0 {
            let tree = self.editor.tree(&inode)?;
            self.editor.set_block_count(&mut inode, tree.blocks());
        }
        let directory = inode.u16_at(field::MODE) & 0xf000 == 0x4000;
        self.editor.set_inode(number, &mut inode)?;
        self.editor.mark_inode(number, true, directory)
    }

    fn create(&mut self, name: &Name) -> Result<()> {
        let number = name.inode;
        let missing = || {
            Error::corrupt("it was created, but is not there").context(format!("inode {number}"))
        };
        let inode = self.usable(number).ok_or_else(missing)?;
        let directory = inode.u16_at(field::MODE) & 0xf000 == 0x4000;
        self.editor.mark_inode(number, true, directory)?;
        if directory {
            if self.usable(name.parent).is_none() {
                return Ok(());
            }
            self.editor.init_directory(number, name.parent)?;
            self.changed.insert(number);
        }
        self.add(name)?;
        let mut inode = self.editor.inode(number)?;
        inode.put(field::LINKS_COUNT, &1_u16.to_le_bytes());
        self.editor.set_inode(number, &mut inode)
    }

    fn link(&mut self, name: &Name) -> Result<()> {
        match self.usable(name.inode) {
            Some(_) => self.add(name),
            None => Ok(()),
        }
    }

    /// Adds the name and counts the link, unless the name is there already.
    fn add(&mut self, name: &Name) -> Result<()> {
        let context = |error: Error| error.context(format!("directory {}", name.parent));
        if self.usable(name.parent).is_none() {
            return Ok(());
        }
        if self
            .editor
            .find_entry(name.parent, &name.name)
            .map_err(context)?
            .is_some()
        {
            return Ok(());
        }
        let mut inode = self.editor.inode(name.inode)?;
        let kind = entry_kind(inode.u16_at(field::MODE));
        self.editor
            .add_entry(name.parent, &name.name, name.inode, kind)
            .map_err(context)?;
        let links = inode.u16_at(field::LINKS_COUNT).saturating_add(1);
        inode.put(field::LINKS_COUNT, &links.to_le_bytes());
        self.editor.set_inode(name.inode, &mut inode)
    }

    fn unlink(&mut self, name: &Name) -> Result<()> {
        let context = |error: Error| error.context(format!("directory {}", name.parent));
        let Some(mut inode) = self.usable(name.inode) else {
            return Ok(());
        };
        if self.usable(name.parent).is_none() {
            return Ok(());
        }
        match self
            .editor
            .find_entry(name.parent, &name.name)
            .map_err(context)?
        {
            None => return Ok(()),
            Some(found) if found == name.inode => {
                self.editor
                    .remove_entry(name.parent, &name.name)
                    .map_err(context)?;
            }
            Some(_) => {} // the name was given to another inode since
        }
        let links = inode.u16_at(field::LINKS_COUNT).saturating_sub(1);
        inode.put(field::LINKS_COUNT, &links.to_le_bytes());
        if links == 0 {
            return self.editor.delete_inode(name.inode, &mut inode);
        }
        self.editor.set_inode(name.inode, &mut inode)
    }

    /// A block that one record took from a file may have come back to it, or to another, with a
    /// later one: in the end all that files have is used.
    fn mark_used(&self) -> Result<()> {
        for &number in &self.changed {
            if let Some(inode) = self.usable(number)
                && has_extents(&inode)
            {
                self.mark_file(&inode, true)?;
            }
        }
        Ok(())
    }

    fn mark_file(&self, inode: &[u8], used: bool) -> Result<()> {
        let tree = self.editor.tree(inode)?;
        for extent in &tree.extents {
            self.editor
                .mark_blocks(extent.physical, extent.blocks.into(), used)?;
        }
        for node in tree.nodes {
            self.editor.mark_blocks(node, 1, used)?;
        }
        Ok(())
    }
}

fn has_extents(inode: &[u8]) -> bool {
    let flags = inode.u32_at(field::FLAGS);
    flags & EXTENTS != 0 && flags & INLINE_DATA == 0
}

/// The `file_type` of an entry for an inode of this `i_mode`.
fn entry_kind(mode: u16) -> u8 {
    match mode & 0xf000 {
        0x8000 => 1,
        0x4000 => 2,
        0x2000 => 3,
        0x6000 => 4,
        0x1000 => 5,
        0xc000 => 6,
        0xa000 => 7,
        _ => 0,
    }
}
