//! An ext image that can be changed field by field: a small navigator of its own (superblock,
//! descriptors, inodes, extents, block pointers, directories, hash trees), which after each change
//! recomputes the checksum of what was changed, so that the reader's deeper checks are reached.

pub mod checksum;
pub mod fields;
pub mod journal;
mod mend;
pub mod seeds;
mod selfcheck;

use std::ops::Range;

use fields::find;

const INCOMPAT_64BIT: u64 = 0x80;
const INCOMPAT_CSUM_SEED: u64 = 0x2000;
const RO_COMPAT_GDT_CSUM: u64 = 0x10;
const RO_COMPAT_METADATA_CSUM: u64 = 0x400;
const FLAG_INDEX: u64 = 0x1000;
const FLAG_EXTENTS: u64 = 0x8_0000;
const FLAG_INLINE_DATA: u64 = 0x1000_0000;

/// A structure on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    Superblock,
    Group(u32),
    Inode(u32),
    /// An extent block (not the root in the inode): inode, block.
    Extents(u32, u64),
    /// The directory entry that starts at `at` in directory block `block` of an inode.
    Dirent {
        ino: u32,
        block: u64,
        at: usize,
    },
    /// The entry `at` bytes into the `i_block` of an inline directory.
    InlineDirent {
        ino: u32,
        at: usize,
    },
    /// Hash tree root and inner node: inode, block.
    DxRoot(u32, u64),
    DxNode(u32, u64),
    XattrBlock(u64),
    XattrBody(u32),
}

/// An ext2, ext3 or ext4 file system in memory.
#[derive(Clone)]
pub struct Image {
    pub bytes: Vec<u8>,
}

impl Image {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    // ---- fields ----

    /// The field `name` of `object`.
    pub fn get(&self, object: Object, name: &str) -> u64 {
        let (at, width) = self.place(object, name);
        self.read(at, width)
    }

    /// Changes one field and mends the checksum over it. Fails where it had that value already.
    pub fn set(&mut self, object: Object, name: &str, value: u64) -> &mut Self {
        self.set_raw(object, name, value);
        self.mend(object);
        self
    }

    /// As [`Image::set`], for a field that may have the value already.
    pub fn set_to(&mut self, object: Object, name: &str, value: u64) -> &mut Self {
        let (at, width) = self.place(object, name);
        self.write(at, width, value);
        self.mend(object);
        self
    }

    /// Changes one field and leaves the checksum as it was.
    pub fn set_raw(&mut self, object: Object, name: &str, value: u64) -> &mut Self {
        let (at, width) = self.place(object, name);
        assert_ne!(
            self.read(at, width),
            value,
            "{object:?} {name} is so in the seed"
        );
        self.write(at, width, value);
        self
    }

    /// The byte where the field `name` of `object` lies, and its width.
    pub fn place(&self, object: Object, name: &str) -> (usize, usize) {
        let table = match object {
            Object::Superblock => fields::SUPERBLOCK,
            Object::Group(_) => fields::GROUP,
            Object::Inode(_) => fields::INODE,
            Object::Extents(..) => fields::EXTENTS,
            Object::Dirent { .. } | Object::InlineDirent { .. } => fields::DIRENT,
            Object::DxRoot(..) => fields::DX_ROOT,
            Object::DxNode(..) => fields::DX_NODE,
            Object::XattrBlock(_) => fields::XATTR_BLOCK,
            Object::XattrBody(_) => fields::XATTR_BODY,
        };
        let (offset, width) = find(table, name);
        (self.start(object) + offset, width)
    }

    /// The byte where `object` starts.
    pub fn start(&self, object: Object) -> usize {
        match object {
            Object::Superblock => 1024,
            Object::Group(group) => self.group_offset(group),
            Object::Inode(ino) => self.inode_offset(ino),
            Object::Dirent { block, at, .. } => self.block_offset(block) + at,
            Object::InlineDirent { ino, at } => self.inode_offset(ino) + 0x28 + at,
            Object::Extents(_, block)
            | Object::DxRoot(_, block)
            | Object::DxNode(_, block)
            | Object::XattrBlock(block) => self.block_offset(block),
            Object::XattrBody(ino) => {
                let extra = self.get(Object::Inode(ino), "i_extra_isize") as usize;
                self.inode_offset(ino) + 128 + extra
            }
        }
    }

    pub fn read(&self, at: usize, width: usize) -> u64 {
        let mut value = [0; 8];
        value[..width].copy_from_slice(&self.bytes[at..at + width]);
        u64::from_le_bytes(value)
    }

    pub fn write(&mut self, at: usize, width: usize, value: u64) {
        self.bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }

    // ---- geometry ----

    pub fn superblock(&self, name: &str) -> u64 {
        self.get(Object::Superblock, name)
    }

    pub fn block_size(&self) -> usize {
        1024 << self.superblock("s_log_block_size")
    }

    pub fn block_offset(&self, block: u64) -> usize {
        block as usize * self.block_size()
    }

    pub fn block(&self, block: u64) -> &[u8] {
        let at = self.block_offset(block);
        &self.bytes[at..at + self.block_size()]
    }

    pub fn blocks_count(&self) -> u64 {
        self.superblock("s_blocks_count_lo")
    }

    pub fn groups(&self) -> u32 {
        let first = self.superblock("s_first_data_block");
        let per_group = self.superblock("s_blocks_per_group");
        (self.blocks_count() - first).div_ceil(per_group) as u32
    }

    pub fn descriptor_size(&self) -> usize {
        if self.superblock("s_feature_incompat") & INCOMPAT_64BIT != 0 {
            self.superblock("s_desc_size") as usize
        } else {
            32
        }
    }

    fn group_offset(&self, group: u32) -> usize {
        let table = self.superblock("s_first_data_block") + 1;
        self.block_offset(table) + group as usize * self.descriptor_size()
    }

    pub fn inode_size(&self) -> usize {
        self.superblock("s_inode_size") as usize
    }

    pub fn inode_offset(&self, ino: u32) -> usize {
        let per_group = self.superblock("s_inodes_per_group") as u32;
        let (group, index) = ((ino - 1) / per_group, (ino - 1) % per_group);
        let table = self.get(Object::Group(group), "bg_inode_table_lo");
        self.block_offset(table) + index as usize * self.inode_size()
    }

    /// The group that holds `ino`.
    pub fn group_of(&self, ino: u32) -> u32 {
        (ino - 1) / self.superblock("s_inodes_per_group") as u32
    }

    pub fn flags(&self, ino: u32) -> u64 {
        self.get(Object::Inode(ino), "i_flags")
    }

    // ---- mapping ----

    /// Logical and physical block of everything that `ino` maps, in order.
    pub fn mapped(&self, ino: u32) -> Vec<(u64, u64)> {
        let mut out = Vec::new();
        if self.flags(ino) & FLAG_INLINE_DATA != 0 {
            return out;
        }
        let root = self.inode_offset(ino) + 0x28;
        if self.flags(ino) & FLAG_EXTENTS != 0 {
            self.walk_extents(root, &mut |logical, physical, len| {
                out.extend((0..len).map(|i| (logical + i, physical + i)));
            });
        } else {
            for i in 0..12 {
                self.push_pointer(root + i * 4, 0, i as u64, &mut out);
            }
            let per_block = self.block_size() as u64 / 4;
            let starts = [12, 12 + per_block, 12 + per_block + per_block * per_block];
            for (level, start) in (1..).zip(starts) {
                self.push_pointer(root + 48 + (level - 1) * 4, level, start, &mut out);
            }
        }
        out
    }

    fn push_pointer(&self, at: usize, level: usize, logical: u64, out: &mut Vec<(u64, u64)>) {
        let block = self.read(at, 4);
        if block == 0 {
            return;
        }
        if level == 0 {
            return out.push((logical, block));
        }
        let per_block = self.block_size() as u64 / 4;
        let span = per_block.pow(level as u32 - 1);
        for i in 0..per_block {
            let at = self.block_offset(block) + i as usize * 4;
            self.push_pointer(at, level - 1, logical + i * span, out);
        }
    }

    fn walk_extents(&self, node: usize, each: &mut dyn FnMut(u64, u64, u64)) {
        let (entries, depth) = (self.read(node + 2, 2), self.read(node + 6, 2));
        for i in 0..entries as usize {
            let entry = node + 12 + i * 12;
            if depth == 0 {
                let physical = self.read(entry + 8, 4) | self.read(entry + 6, 2) << 32;
                each(self.read(entry, 4), physical, self.read(entry + 4, 2));
            } else {
                let child = self.read(entry + 4, 4) | self.read(entry + 8, 2) << 32;
                self.walk_extents(self.block_offset(child), each);
            }
        }
    }

    /// The extent blocks of `ino`, each behind its parent, and their depth.
    pub fn extent_blocks(&self, ino: u32) -> Vec<(u64, u64)> {
        let mut out = Vec::new();
        if self.flags(ino) & FLAG_EXTENTS != 0 {
            self.push_extent_blocks(self.inode_offset(ino) + 0x28, &mut out);
        }
        out
    }

    fn push_extent_blocks(&self, node: usize, out: &mut Vec<(u64, u64)>) {
        let (entries, depth) = (self.read(node + 2, 2), self.read(node + 6, 2));
        for i in 0..entries as usize * usize::from(depth > 0) {
            let entry = node + 12 + i * 12;
            let child = self.read(entry + 4, 4) | self.read(entry + 8, 2) << 32;
            out.push((child, depth - 1));
            self.push_extent_blocks(self.block_offset(child), out);
        }
    }

    /// The pointer blocks of `ino` and their level: 1 points at data.
    pub fn pointer_blocks(&self, ino: u32) -> Vec<(u64, usize)> {
        let mut out = Vec::new();
        if self.flags(ino) & (FLAG_EXTENTS | FLAG_INLINE_DATA) == 0 {
            for level in 1..=3 {
                let at = self.inode_offset(ino) + 0x28 + 44 + level * 4;
                self.push_pointer_blocks(at, level, &mut out);
            }
        }
        out
    }

    fn push_pointer_blocks(&self, at: usize, level: usize, out: &mut Vec<(u64, usize)>) {
        let block = self.read(at, 4);
        if block == 0 || level == 0 {
            return;
        }
        out.push((block, level));
        for i in 0..self.block_size() / 4 {
            self.push_pointer_blocks(self.block_offset(block) + i * 4, level - 1, out);
        }
    }

    // ---- directories ----

    /// The inode at `path`, names separated by `/`, from the root.
    pub fn ino(&self, path: &str) -> u32 {
        path.split('/')
            .filter(|name| !name.is_empty())
            .fold(2, |dir, name| {
                let entry = self.dirent(dir, name);
                self.get(entry, "inode") as u32
            })
    }

    /// The entry `name` of the directory `dir`.
    pub fn dirent(&self, dir: u32, name: &str) -> Object {
        let found = self
            .dirents(dir)
            .into_iter()
            .find(|(found, _)| found == name.as_bytes());
        found
            .unwrap_or_else(|| panic!("no {name} in directory {dir}"))
            .1
    }

    /// Every entry of the directory `dir` that is in use, of an inline directory those in `i_block`.
    pub fn dirents(&self, dir: u32) -> Vec<(Vec<u8>, Object)> {
        let mut out = Vec::new();
        if self.flags(dir) & FLAG_INLINE_DATA != 0 {
            // The parent's number stands in front.
            self.push_dirents(4, 60, |at| Object::InlineDirent { ino: dir, at }, &mut out);
        }
        for (_, block) in self.mapped(dir) {
            let entry = |at| Object::Dirent {
                ino: dir,
                block,
                at,
            };
            self.push_dirents(0, self.block_size(), entry, &mut out);
        }
        out
    }

    fn push_dirents(
        &self,
        mut at: usize,
        end: usize,
        object: impl Fn(usize) -> Object,
        out: &mut Vec<(Vec<u8>, Object)>,
    ) {
        while at + 8 <= end {
            let entry = object(at);
            if self.get(entry, "inode") != 0 {
                let (start, len) = (self.start(entry) + 8, self.get(entry, "name_len") as usize);
                out.push((self.bytes[start..start + len].to_vec(), entry));
            }
            let rec_len = self.get(entry, "rec_len") as usize;
            assert!(rec_len >= 8, "a sound directory");
            at += rec_len;
        }
    }

    /// Physical block of the `index`th block of `ino`.
    pub fn nth_block(&self, ino: u32, index: u64) -> u64 {
        let mapped = self.mapped(ino);
        mapped
            .iter()
            .find(|(logical, _)| *logical == index)
            .expect("mapped")
            .1
    }

    /// The inner nodes of the hash tree directory `dir` that has two levels.
    pub fn dx_nodes(&self, dir: u32) -> Vec<u64> {
        let root = Object::DxRoot(dir, self.nth_block(dir, 0));
        if self.flags(dir) & FLAG_INDEX == 0 || self.get(root, "indirect_levels") == 0 {
            return Vec::new();
        }
        let first = self.start(root) + 0x24;
        let count = self.get(root, "count") as usize;
        (0..count)
            .map(|i| self.nth_block(dir, self.read(first + i * 8, 4)))
            .collect()
    }

    // ---- what is metadata ----

    /// The inodes in use, and the reserved ones that have something in them.
    pub fn inodes(&self) -> Vec<u32> {
        let count = self.superblock("s_inodes_count") as u32;
        let used = |ino: &u32| self.get(Object::Inode(*ino), "i_mode") != 0;
        (1..=count).filter(used).collect()
    }

    /// The bytes of everything that is metadata, as ranges in order: superblock, descriptors, the
    /// inodes in use, extent and pointer blocks, directories, attributes, and the log's first
    /// blocks.
    pub fn metadata(&self) -> Vec<Range<usize>> {
        let descriptors = self.group_offset(0);
        let size = self.groups() as usize * self.descriptor_size();
        let mut ranges = vec![1024..2048, descriptors..descriptors + size];
        for ino in self.inodes() {
            let at = self.inode_offset(ino);
            ranges.push(at..at + self.inode_size());
            ranges.extend(self.blocks_of_metadata(ino).into_iter().map(|block| {
                let at = self.block_offset(block);
                at..at + self.block_size()
            }));
        }
        ranges.sort_by_key(|range| range.start);
        ranges
    }

    fn blocks_of_metadata(&self, ino: u32) -> Vec<u64> {
        let inode = Object::Inode(ino);
        let mut blocks: Vec<u64> = self
            .extent_blocks(ino)
            .iter()
            .map(|block| block.0)
            .collect();
        blocks.extend(self.pointer_blocks(ino).iter().map(|block| block.0));
        blocks.extend(Some(self.get(inode, "i_file_acl_lo")).filter(|block| *block != 0));
        let is_directory = self.get(inode, "i_mode") & 0xf000 == 0x4000;
        let is_orphans = u64::from(ino) == self.superblock("s_orphan_file_inum");
        let data = self.mapped(ino).into_iter().map(|(_, block)| block);
        match ino {
            // The transactions of the seed end at block 8 of the log.
            8 => blocks.extend(data.take(10)),
            _ if is_directory || is_orphans => blocks.extend(data),
            _ => {}
        }
        blocks
    }

    // ---- checksums ----
}
