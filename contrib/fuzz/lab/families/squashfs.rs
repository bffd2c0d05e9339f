//! Squashfs 4. Nothing in it has a checksum. Metadata are packed, unless the seed was made without:
//! only there are inodes and directories structures.

use std::ops::Range;
use std::path::Path;

use crate::bytes::little;
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::Workshop;

const SUPERBLOCK: &[(&str, u64)] = &[
    ("s_magic", 4),
    ("inodes", 4),
    ("mkfs_time", 4),
    ("block_size", 4),
    ("fragments", 4),
    ("compression", 2),
    ("block_log", 2),
    ("flags", 2),
    ("no_ids", 2),
    ("s_major", 2),
    ("s_minor", 2),
    ("root_inode", 8),
    ("bytes_used", 8),
    ("id_table_start", 8),
    ("xattr_id_table_start", 8),
    ("inode_table_start", 8),
    ("directory_table_start", 8),
    ("fragment_table_start", 8),
    ("lookup_table_start", 8),
];

/// In front of what each type of inode has.
const BASE: &[(&str, u64)] = &[
    ("inode_type", 2),
    ("mode", 2),
    ("uid", 2),
    ("guid", 2),
    ("mtime", 4),
    ("inode_number", 4),
];

/// Says that a metadata block is stored as it is.
const PLAIN: u64 = 0x8000;
/// No such table.
const NONE: u64 = u64::MAX;
/// Elements of one table, or entries of one list, that are fields.
const MOST: u64 = 12;

pub struct Squashfs;

impl Family for Squashfs {
    fn name(&self) -> &'static str {
        "squashfs"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        let plain = "-noI -noD -noF -noX";
        let seeds = [
            ("plain", "gzip", plain),
            ("plain-packed-data", "xz", "-noI -noX"),
            ("gzip", "gzip", "-Xcompression-level 3"),
            ("xz", "xz", ""),
            ("lz4", "lz4", "-Xhc"),
            ("lzo", "lzo", ""),
            ("zstd", "zstd", ""),
        ];
        let made = seeds.iter();
        made.filter_map(|(name, packer, options)| made_with(name, packer, options))
            .collect()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let image = Image(&seed.files[0].1);
        let mut found = vec![structure("superblock", 0..96, None)];
        found[0].fields = Field::row(0, Order::Little, SUPERBLOCK);
        if image.le(24, 2) & 0x400 != 0 {
            image.metadata("options", 96, 0, &mut found);
        }
        image.inodes(&mut found);
        image.directories(&mut found);
        let inodes = image.le(4, 4);
        let fragment = [("start_block", 8), ("size", 4), ("unused", 4)];
        image.table("fragment", 80, image.le(16, 4), &fragment, &mut found);
        image.table("id", 48, image.le(26, 2), &[("id", 4)], &mut found);
        image.table("lookup", 88, inodes, &[("inode", 8)], &mut found);
        image.attributes(&mut found);
        found
    }

    fn seal(&self, _: &mut [Vec<u8>], _: &[Structure], _: (usize, Range<u64>)) {}
}

fn made_with(name: &str, packer: &str, options: &str) -> Option<Seed> {
    let workshop = Workshop::new(&format!("squashfs: {name}"))?;
    super::files::write(&workshop, "files")?;
    workshop.write("devices", b"block b 644 0 0 8 1\nchar c 644 0 0 1 3\n")?;
    workshop.run(&format!(
        "mksquashfs files image -comp {packer} {options} -b 4096 -pf devices -processors 1 \
         -no-progress -quiet -all-root -nopad"
    ))?;
    Some(Seed::alone(name, workshop.read("image")?))
}

fn structure(name: &str, range: Range<u64>, parent: Option<u64>) -> Structure {
    Structure {
        name: name.to_owned(),
        file: 0,
        range,
        parent,
        fields: Vec::new(),
    }
}

struct Image<'a>(&'a [u8]);

impl Image<'_> {
    fn le(&self, at: u64, width: u64) -> u64 {
        little(self.0, at, width)
    }

    /// Adds the header of the metadata block at `at`; gives what is in it, where it is not packed.
    fn metadata(
        &self,
        name: &str,
        at: u64,
        parent: u64,
        into: &mut Vec<Structure>,
    ) -> Option<Range<u64>> {
        let header = self.le(at, 2);
        let end = at + 2 + (header & !PLAIN);
        let mut block = structure(&format!("{name} block {at}"), at..end, Some(parent));
        block.fields = vec![Field::new("header", at, 2, Order::Little)];
        // Of what is packed, the first bytes say how.
        let packed = [
            ("packed 0", 1),
            ("packed 1", 1),
            ("packed 2", 1),
            ("packed 3", 1),
        ];
        if header & PLAIN == 0 {
            block
                .fields
                .extend(Field::row(at + 2, Order::Little, &packed));
        }
        into.push(block);
        (header & PLAIN != 0).then_some(at + 2..end)
    }

    /// The first block of inodes; what fits it whole.
    fn inodes(&self, into: &mut Vec<Structure>) {
        let Some(block) = self.metadata("inode", self.le(64, 8), 64, into) else {
            return;
        };
        let mut at = block.start;
        while at + 20 <= block.end {
            let (row, size) = self.inode(at);
            if at + size > block.end {
                return;
            }
            let name = format!("inode {}", at - block.start);
            let mut inode = structure(&name, at..at + size, Some(block.start - 2));
            inode.fields = Field::row(at, Order::Little, BASE);
            inode
                .fields
                .extend(Field::row(at + 16, Order::Little, &row));
            into.push(inode);
            at += size;
        }
    }

    /// The fields behind the base of the inode at `at`, and its size.
    fn inode(&self, at: u64) -> (Vec<(&'static str, u64)>, u64) {
        let block_size = self.le(12, 4).max(1);
        let blocks = |size: u64, fragment: u64| match fragment {
            0xffff_ffff => size.div_ceil(block_size),
            _ => size / block_size,
        };
        let mut row: Vec<(&str, u64)> = match self.le(at, 2) {
            1 => vec![
                ("start_block", 4),
                ("nlink", 4),
                ("file_size", 2),
                ("offset", 2),
                ("parent_inode", 4),
            ],
            2 => vec![
                ("start_block", 4),
                ("fragment", 4),
                ("offset", 4),
                ("file_size", 4),
            ],
            3 => vec![("nlink", 4), ("symlink_size", 4)],
            4 | 5 => vec![("nlink", 4), ("rdev", 4)],
            6 | 7 => vec![("nlink", 4)],
            8 => vec![
                ("nlink", 4),
                ("file_size", 4),
                ("start_block", 4),
                ("parent_inode", 4),
                ("i_count", 2),
                ("offset", 2),
                ("xattr", 4),
            ],
            9 => vec![
                ("start_block", 8),
                ("file_size", 8),
                ("sparse", 8),
                ("nlink", 4),
                ("fragment", 4),
                ("offset", 4),
                ("xattr", 4),
            ],
            10 => vec![("nlink", 4), ("symlink_size", 4)],
            11 | 12 => vec![("nlink", 4), ("rdev", 4), ("xattr", 4)],
            _ => vec![("nlink", 4), ("xattr", 4)],
        };
        let fixed: u64 = 16 + row.iter().map(|(_, width)| width).sum::<u64>();
        let list = match self.le(at, 2) {
            2 => blocks(self.le(at + 28, 4), self.le(at + 20, 4)) * 4,
            9 => blocks(self.le(at + 24, 8), self.le(at + 44, 4)) * 4,
            3 => self.le(at + 20, 4),
            10 => self.le(at + 20, 4) + 4,
            8 => self.indexes(at + fixed, self.le(at + 32, 2)),
            _ => 0,
        };
        if matches!(self.le(at, 2), 2 | 9) {
            row.extend((0..(list / 4).min(MOST)).map(|_| ("block_list", 4)));
        }
        if self.le(at, 2) == 8 && list > 0 {
            row.extend([("index", 4), ("index start_block", 4), ("index size", 4)]);
        }
        (row, fixed + list)
    }

    /// Bytes of `count` indexes of a directory.
    fn indexes(&self, start: u64, count: u64) -> u64 {
        let mut at = start;
        for _ in 0..count {
            at += 12 + self.le(at + 8, 4) + 1;
        }
        at - start
    }

    /// The first block of directories: runs of entries, each with a header.
    fn directories(&self, into: &mut Vec<Structure>) {
        let Some(block) = self.metadata("directory", self.le(72, 8), 72, into) else {
            return;
        };
        let mut at = block.start;
        while at + 12 < block.end {
            let (start, count) = (at, self.le(at, 4) + 1);
            let header = [("count", 4), ("start_block", 4), ("inode_number", 4)];
            let mut fields = Field::row(at, Order::Little, &header);
            at += 12;
            for index in 0..count.min(256) {
                let entry = [
                    ("offset", 2),
                    ("inode_number", 2),
                    ("type", 2),
                    ("size", 2),
                    ("name", 2),
                ];
                if index < MOST {
                    fields.extend(Field::row(at, Order::Little, &entry));
                }
                at += 8 + self.le(at + 6, 2) + 1;
            }
            let name = format!("directory run {}", start - block.start);
            let mut run = structure(&name, start..at.min(block.end), Some(block.start - 2));
            run.fields = fields;
            into.push(run);
        }
    }

    /// The table whose index the superblock's field at `field` points at: places of metadata blocks
    /// with `count` elements like `row`.
    fn table(
        &self,
        name: &str,
        field: u64,
        count: u64,
        row: &[(&str, u64)],
        into: &mut Vec<Structure>,
    ) {
        let start = self.le(field, 8);
        if start != NONE && count != 0 {
            self.blocks(name, start, field, count, row, into);
        }
    }

    fn blocks(
        &self,
        name: &str,
        start: u64,
        parent: u64,
        count: u64,
        row: &[(&str, u64)],
        into: &mut Vec<Structure>,
    ) {
        let size: u64 = row.iter().map(|(_, width)| width).sum();
        let blocks = (count * size).div_ceil(8192);
        let range = start..start + blocks * 8;
        let mut index = structure(&format!("{name} index {start}"), range, Some(parent));
        for block in 0..blocks {
            let field = Field::new("block", start + block * 8, 8, Order::Little);
            index.fields.push(field);
        }
        into.push(index);
        let Some(inside) = self.metadata(name, self.le(start, 8), start, into) else {
            return;
        };
        for element in 0..count.min(MOST) {
            let at = inside.start + element * size;
            let name = format!("{name} {element}");
            let mut found = structure(&name, at..at + size, Some(inside.start - 2));
            found.fields = Field::row(at, Order::Little, row);
            into.push(found);
        }
    }

    /// Extended attributes: the table of sets, and the names and values.
    fn attributes(&self, into: &mut Vec<Structure>) {
        let start = self.le(56, 8);
        if start == NONE {
            return;
        }
        let mut table = structure("attribute table", start..start + 16, Some(56));
        let row = [("xattr_table_start", 8), ("xattr_ids", 4), ("unused", 4)];
        table.fields = Field::row(start, Order::Little, &row);
        into.push(table);
        let set = [("xattr", 8), ("count", 4), ("size", 4)];
        let count = self.le(start + 8, 4);
        self.blocks("attributes", start + 16, start, count, &set, into);
        let Some(block) = self.metadata("attribute", self.le(start, 8), start, into) else {
            return;
        };
        let mut at = block.start;
        while at + 8 < block.end {
            let (first, size) = (at, self.le(at + 2, 2));
            let mut fields = Field::row(at, Order::Little, &[("type", 2), ("size", 2)]);
            at += 4 + size;
            fields.push(Field::new("vsize", at, 4, Order::Little));
            at += 4 + self.le(at, 4);
            let name = format!("attribute {}", first - block.start);
            let mut found = structure(&name, first..at.min(block.end), Some(block.start - 2));
            found.fields = fields;
            into.push(found);
        }
    }
}
