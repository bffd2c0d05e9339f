//! EROFS: what mkfs.erofs makes plain, packed by LZ4, and in chunks. Only the superblock has a
//! checksum.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use crate::bytes::{crc32c, little, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::Workshop;

/// Where the superblock begins.
const START: u64 = 1024;
/// Entries and words of one structure that are fields.
const MOST: u64 = 12;
/// Inodes of one image.
const INODES: usize = 80;

const SUPERBLOCK: &[(&str, u64)] = &[
    ("magic", 4),
    ("", 4), // the checksum
    ("feature_compat", 4),
    ("blkszbits", 1),
    ("sb_extslots", 1),
    ("root_nid", 2),
    ("inos", 8),
    ("build_time", 8),
    ("build_time_nsec", 4),
    ("blocks", 4),
    ("meta_blkaddr", 4),
    ("xattr_blkaddr", 4),
    ("", 32), // UUID and label
    ("feature_incompat", 4),
    ("available_compr_algs", 2),
    ("extra_devices", 2),
    ("devt_slotoff", 2),
    ("dirblkbits", 1),
    ("xattr_prefix_count", 1),
    ("xattr_prefix_start", 4),
    ("packed_nid", 8),
    ("xattr_filter_reserved", 1),
];

const COMPACT: &[(&str, u64)] = &[
    ("i_format", 2),
    ("i_xattr_icount", 2),
    ("i_mode", 2),
    ("i_nlink", 2),
    ("i_size", 4),
    ("i_reserved", 4),
    ("i_u", 4),
    ("i_ino", 4),
    ("i_uid", 2),
    ("i_gid", 2),
    ("i_reserved2", 4),
];

const EXTENDED: &[(&str, u64)] = &[
    ("i_format", 2),
    ("i_xattr_icount", 2),
    ("i_mode", 2),
    ("i_reserved", 2),
    ("i_size", 8),
    ("i_u", 4),
    ("i_ino", 4),
    ("i_uid", 4),
    ("i_gid", 4),
    ("i_mtime", 8),
    ("i_mtime_nsec", 4),
    ("i_nlink", 4),
];

pub struct Erofs;

impl Family for Erofs {
    fn name(&self) -> &'static str {
        "erofs"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        let seeds = [
            ("plain", ""),
            ("extended", "-Eforce-inode-extended,noinline_data"),
            ("chunks", "--chunksize=4096"),
            ("lz4", "-zlz4"),
            ("lz4-legacy", "-zlz4 -Elegacy-compress"),
            ("lz4-large", "-zlz4hc -C16384"),
            ("lz4-tails", "-zlz4 -Eztailpacking"),
        ];
        let seeds = seeds.iter();
        seeds
            .filter_map(|(name, options)| made_with(name, options))
            .collect()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let mut image = Image {
            bytes: &seed.files[0].1,
            seen: BTreeSet::new(),
            found: Vec::new(),
        };
        image.add("superblock", START..START + 128, None, SUPERBLOCK);
        let root = image.le(START + 14, 2);
        image.walk(root);
        image.found
    }

    fn seal(&self, files: &mut [Vec<u8>], _: &[Structure], touched: (usize, Range<u64>)) {
        let bytes = &mut files[0];
        let end = (1 << little(bytes, START + 12, 1).clamp(11, 12)).max(START);
        if little(bytes, START + 8, 4) & 1 == 0 || touched.1.start >= end {
            return;
        }
        put(bytes, START + 4, &[0; 4]);
        let covered = slice(bytes, START, end - START).unwrap_or_default();
        let sum = crc32c(!0, covered);
        put(bytes, START + 4, &sum.to_le_bytes());
    }
}

fn made_with(name: &str, options: &str) -> Option<Seed> {
    let workshop = Workshop::new(&format!("erofs: {name}"))?;
    super::files::write(&workshop, "files")?;
    workshop.run(&format!(
        "mkfs.erofs --quiet -T1700000000 -U3e3f6d2a-8b1c-4d5e-9f00-112233445566 --all-root \
         {options} image files"
    ))?;
    Some(Seed::alone(name, workshop.read("image")?))
}

struct Image<'a> {
    bytes: &'a [u8],
    /// Numbers of inodes that were met.
    seen: BTreeSet<u64>,
    found: Vec<Structure>,
}

impl Image<'_> {
    fn le(&self, at: u64, width: u64) -> u64 {
        little(self.bytes, at, width)
    }

    fn add(&mut self, name: &str, range: Range<u64>, parent: Option<u64>, row: &[(&str, u64)]) {
        let fields = Field::row(range.start, Order::Little, row);
        self.found.push(Structure {
            name: name.to_owned(),
            file: 0,
            range,
            parent,
            fields,
        });
    }

    fn block_size(&self) -> u64 {
        1 << self.le(START + 12, 1)
    }

    /// Everything below the directory `root`.
    fn walk(&mut self, root: u64) {
        let mut open = vec![(root, START)];
        while let Some((nid, parent)) = open.pop() {
            if self.seen.len() < INODES && self.seen.insert(nid) {
                let at = self.le(START + 40, 4) * self.block_size() + nid * 32;
                open.extend(self.inode(nid, at, parent).into_iter().map(|nid| (nid, at)));
            }
        }
    }

    /// The inode at `at`; what it lists, if it is a directory.
    fn inode(&mut self, nid: u64, at: u64, parent: u64) -> Vec<u64> {
        let format = self.le(at, 2);
        let (row, len, size) = match format & 1 {
            0 => (COMPACT, 32, self.le(at + 8, 4)),
            _ => (EXTENDED, 64, self.le(at + 8, 8)),
        };
        self.add(&format!("inode {nid}"), at..at + len, Some(parent), row);
        let behind = self.attributes(nid, at, len);
        let address = self.le(at + 16, 4) * self.block_size();
        match format >> 1 & 7 {
            layout @ (0 | 2) if self.le(at + 4, 2) >> 12 == 4 => {
                self.directory(layout, address, behind, size, at)
            }
            1 | 3 => self.packed(nid, format >> 1 & 7, behind.next_multiple_of(8), at),
            4 => self.chunks(nid, behind, at, size),
            _ => Vec::new(),
        }
    }

    /// The attributes behind the inode at `at`; where they end.
    fn attributes(&mut self, nid: u64, at: u64, len: u64) -> u64 {
        let start = at + len;
        let count = self.le(at + 2, 2);
        if count == 0 {
            return start;
        }
        let end = start + 12 + (count - 1) * 4;
        let name = format!("attributes of inode {nid}");
        let row = [("h_name_filter", 4), ("h_shared_count", 1)];
        self.add(&name, start..end, Some(at), &row);
        let shared = self.le(start + 4, 1);
        let mut entry = start + 12 + shared * 4;
        let mut fields = Vec::new();
        for index in 0..shared.min(MOST) {
            let place = start + 12 + index * 4;
            fields.push(Field::new("h_shared_xattrs", place, 4, Order::Little));
        }
        while entry + 4 <= end && fields.len() < MOST as usize * 3 {
            let row = [("e_name_len", 1), ("e_name_index", 1), ("e_value_size", 2)];
            fields.extend(Field::row(entry, Order::Little, &row));
            let used = 4 + self.le(entry, 1) + self.le(entry + 2, 2);
            entry += used.next_multiple_of(4);
        }
        if let Some(last) = self.found.last_mut() {
            last.fields.extend(fields);
        }
        end
    }

    /// The blocks of a directory, the last of which may lie `behind` its inode.
    fn directory(
        &mut self,
        layout: u64,
        address: u64,
        behind: u64,
        size: u64,
        parent: u64,
    ) -> Vec<u64> {
        let (mut children, block) = (Vec::new(), self.block_size());
        for index in 0..size.div_ceil(block) {
            let len = (size - index * block).min(block);
            let is_last = (index + 1) * block >= size;
            let at = match layout == 2 && is_last {
                true => behind,
                false => address + index * block,
            };
            let count = self.le(at + 8, 2) / 12;
            let row = [
                ("nid", 8),
                ("nameoff", 2),
                ("file_type", 1),
                ("reserved", 1),
            ];
            let entries = count.clamp(1, MOST) as usize;
            self.add(
                &format!("directory block {at}"),
                at..at + len,
                Some(parent),
                &row.repeat(entries),
            );
            children.extend((0..count).map(|entry| self.le(at + entry * 12, 8)));
        }
        children
    }

    /// The header of a packed file, and its table.
    fn packed(&mut self, nid: u64, layout: u64, at: u64, parent: u64) -> Vec<u64> {
        let mut row = vec![
            ("h_reserved1", 2),
            ("h_idata_size", 2),
            ("h_advise", 2),
            ("h_algorithmtype", 1),
            ("h_clusterbits", 1),
        ];
        let index = [("di_advise", 2), ("di_clusterofs", 2), ("di_u", 4)];
        match layout {
            1 => {
                row.push(("", 8));
                row.extend(index.repeat(MOST as usize / 2));
            }
            _ => row.extend([("compact index", 4); MOST as usize]),
        }
        let size: u64 = row.iter().map(|(_, width)| width).sum();
        let name = format!("packed table of inode {nid}");
        self.add(&name, at..at + size, Some(parent), &row);
        Vec::new()
    }

    /// The places of the chunks.
    fn chunks(&mut self, nid: u64, behind: u64, parent: u64, size: u64) -> Vec<u64> {
        let format = self.le(parent + 16, 4);
        let chunk = self.block_size() << (format & 0x1f);
        let count = size.div_ceil(chunk).min(MOST) as usize;
        let name = format!("chunks of inode {nid}");
        let (row, start) = match format & 0x20 {
            0 => (vec![("blkaddr", 4)], behind),
            _ => {
                let row = vec![("advise", 2), ("device_id", 2), ("blkaddr", 4)];
                (row, behind.next_multiple_of(8))
            }
        };
        let row = row.repeat(count);
        let size: u64 = row.iter().map(|(_, width)| width).sum();
        self.add(&name, start..start + size, Some(parent), &row);
        Vec::new()
    }
}
