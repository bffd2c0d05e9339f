//! FAT with entries of 12, 16 and 32 bits, by Microsoft's specification of 2000. The one checksum is
//! that which long names have of the short name they belong to.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{little, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::Workshop;

const BOOT: &[(&str, u64)] = &[
    ("BS_jmpBoot", 1),
    ("", 10),
    ("BPB_BytsPerSec", 2),
    ("BPB_SecPerClus", 1),
    ("BPB_RsvdSecCnt", 2),
    ("BPB_NumFATs", 1),
    ("BPB_RootEntCnt", 2),
    ("BPB_TotSec16", 2),
    ("BPB_Media", 1),
    ("BPB_FATSz16", 2),
    ("BPB_SecPerTrk", 2),
    ("BPB_NumHeads", 2),
    ("BPB_HiddSec", 4),
    ("BPB_TotSec32", 4),
];

const BOOT16: &[(&str, u64)] = &[
    ("BS_DrvNum", 1),
    ("BS_Reserved1", 1),
    ("BS_BootSig", 1),
    ("BS_VolID", 4),
];

const BOOT32: &[(&str, u64)] = &[
    ("BPB_FATSz32", 4),
    ("BPB_ExtFlags", 2),
    ("BPB_FSVer", 2),
    ("BPB_RootClus", 4),
    ("BPB_FSInfo", 2),
    ("BPB_BkBootSec", 2),
    ("", 12),
    ("BS_DrvNum", 1),
    ("BS_Reserved1", 1),
    ("BS_BootSig", 1),
    ("BS_VolID", 4),
];

const SHORT: &[(&str, u64)] = &[
    ("DIR_Name[0]", 1),
    ("", 10),
    ("DIR_Attr", 1),
    ("DIR_NTRes", 1),
    ("DIR_CrtTimeTenth", 1),
    ("DIR_CrtTime", 2),
    ("DIR_CrtDate", 2),
    ("DIR_LstAccDate", 2),
    ("DIR_FstClusHI", 2),
    ("DIR_WrtTime", 2),
    ("DIR_WrtDate", 2),
    ("DIR_FstClusLO", 2),
    ("DIR_FileSize", 4),
];

const LONG: &[(&str, u64)] = &[
    ("LDIR_Ord", 1),
    ("LDIR_Name1[0]", 2),
    ("LDIR_Name1[1]", 2),
    ("", 6),
    ("LDIR_Attr", 1),
    ("LDIR_Type", 1),
    ("", 1), // the checksum
    ("LDIR_Name2[0]", 2),
    ("", 10),
    ("LDIR_FstClusLO", 2),
    ("LDIR_Name3[0]", 2),
];

/// Directories of one image, and entries of one.
const DIRECTORIES: usize = 6;
const ENTRIES: u64 = 40;

pub struct Fat;

impl Family for Fat {
    fn name(&self) -> &'static str {
        "fat"
    }

    fn seeds(&self, images: Option<&Path>) -> Vec<Seed> {
        let seeds = [
            ("fat12", "-F 12 -s 1", 400),
            ("fat12-one", "-F 12 -s 4 -f 1 -r 64", 600),
            ("fat16", "-F 16 -s 1", 2150),
        ];
        let made = seeds.iter();
        let mut all: Vec<Seed> = made
            .filter_map(|(name, options, size)| made_with(name, options, *size))
            .collect();
        // mtools fills none with entries of 32 bits that is as small as this.
        for name in ["syzkaller-vfat_8", "util-linux-small-fat32"] {
            let path = format!("filesystem/fat/{name}.img.zst");
            let bytes = crate::tools::collected(images, &path);
            all.extend(bytes.map(|bytes| Seed::alone(name, bytes)));
        }
        all
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let image = Image::new(&seed.files[0].1);
        let mut found = vec![image.boot()];
        if image.bits == 32 {
            let at = image.le(48, 2) * image.sector;
            let row = [
                ("FSI_LeadSig", 4),
                ("", 480),
                ("FSI_StrucSig", 4),
                ("FSI_Free_Count", 4),
                ("FSI_Nxt_Free", 4),
            ];
            found.push(structure("FSInfo", at..at + 512, 0, &row));
        }
        for number in 0..image.le(16, 1) {
            found.push(image.fat(number));
        }
        image.directories(&mut found);
        found
    }

    /// The checksums of the long names in front of a short one.
    fn seal(&self, files: &mut [Vec<u8>], structures: &[Structure], touched: (usize, Range<u64>)) {
        let bytes = &mut files[0];
        for found in structures.iter().filter(|it| it.name.starts_with("entry")) {
            let at = found.range.start;
            if at >= touched.1.end || at + 11 <= touched.1.start {
                continue;
            }
            let name = slice(bytes, at, 11).unwrap_or_default();
            let turn = |sum: u8, byte: &u8| sum.rotate_right(1).wrapping_add(*byte);
            let sum = name.iter().fold(0, turn);
            let mut long = at;
            while long >= 32 && little(bytes, long - 32 + 11, 1) == 0xf {
                long -= 32;
                put(bytes, long + 13, &[sum]);
            }
        }
    }
}

/// An image of `size` KiB.
fn made_with(name: &str, options: &str, size: u64) -> Option<Seed> {
    let workshop = Workshop::new(&format!("fat: {name}"))?;
    super::files::write(&workshop, "files")?;
    workshop.zeros("image", size << 10)?;
    workshop.run(&format!(
        "mkfs.fat --invariant -i 12345678 -n LABEL {options} image"
    ))?;
    // Links are no files here.
    let script = b"rm files/folder/link files/holes && cd files && \
        mcopy -s -m -i ../image empty small noise text tail folder many ::/";
    workshop.run_with("sh", script)?;
    Some(Seed::alone(name, workshop.read("image")?))
}

fn structure(name: &str, range: Range<u64>, parent: u64, row: &[(&str, u64)]) -> Structure {
    Structure {
        name: name.to_owned(),
        file: 0,
        fields: Field::row(range.start, Order::Little, row),
        range,
        parent: Some(parent),
    }
}

struct Image<'a> {
    bytes: &'a [u8],
    sector: u64,
    /// Where the FATs, the root of a small one, and the clusters begin.
    tables: u64,
    root: u64,
    clusters: u64,
    fat_size: u64,
    cluster_size: u64,
    bits: u64,
}

impl<'a> Image<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let le = |at, width| little(bytes, at, width);
        let sector = le(11, 2);
        let is_wide = le(22, 2) == 0;
        let fat_size = if is_wide { le(36, 4) } else { le(22, 2) } * sector;
        let tables = le(14, 2) * sector;
        let root = tables + le(16, 1) * fat_size;
        let clusters = root + le(17, 2) * 32;
        let cluster_size = (le(13, 1) * sector).max(1);
        let count = (bytes.len() as u64 - clusters) / cluster_size;
        let bits = match (is_wide, count) {
            (true, _) => 32,
            (false, ..4085) => 12,
            _ => 16,
        };
        Self {
            bytes,
            sector,
            tables,
            root,
            clusters,
            fat_size,
            cluster_size,
            bits,
        }
    }

    fn le(&self, at: u64, width: u64) -> u64 {
        little(self.bytes, at, width)
    }

    fn boot(&self) -> Structure {
        let mut boot = structure("boot sector", 0..512, 0, BOOT);
        boot.parent = None;
        let rest = if self.bits == 32 { BOOT32 } else { BOOT16 };
        boot.fields.extend(Field::row(36, Order::Little, rest));
        boot.fields
            .push(Field::new("Signature_word", 510, 2, Order::Little));
        boot
    }

    fn fat(&self, number: u64) -> Structure {
        let start = self.tables + number * self.fat_size;
        let mut fat = structure(&format!("FAT {number}"), start..start + 256, 0, &[]);
        let width = if self.bits == 32 { 4 } else { 2 };
        for entry in 0..50 {
            // Of 12 bits, those of a neighbour are in the same bytes.
            let at = start + entry * self.bits / 8;
            let name = format!("entry {entry}");
            fat.fields.push(Field::new(name, at, width, Order::Little));
        }
        fat
    }

    /// The cluster behind `cluster` in its chain.
    fn next(&self, cluster: u64) -> u64 {
        match self.bits {
            12 => {
                let pair = self.le(self.tables + cluster * 3 / 2, 2);
                if cluster.is_multiple_of(2) {
                    pair & 0xfff
                } else {
                    pair >> 4
                }
            }
            16 => self.le(self.tables + cluster * 2, 2),
            _ => self.le(self.tables + cluster * 4, 4) & 0xfff_ffff,
        }
    }

    /// The pieces of the directory that begins at `cluster`; the root of a small one lies apart.
    fn pieces(&self, cluster: u64) -> Vec<Range<u64>> {
        if cluster == 0 {
            let root = self.root..self.clusters;
            return Vec::from([root]);
        }
        let (mut pieces, mut at) = (Vec::new(), cluster);
        while at >= 2 && pieces.len() < 8 {
            let start = self.clusters + (at - 2) * self.cluster_size;
            if start + self.cluster_size > self.bytes.len() as u64 {
                break;
            }
            pieces.push(start..start + self.cluster_size);
            at = self.next(at);
        }
        pieces
    }

    fn directories(&self, into: &mut Vec<Structure>) {
        let root = if self.bits == 32 { self.le(44, 4) } else { 0 };
        let mut open = vec![(root, 0)];
        for _ in 0..DIRECTORIES {
            let Some((cluster, parent)) = open.pop() else {
                return;
            };
            let pieces = self.pieces(cluster).into_iter();
            let slots = pieces.flat_map(|piece| piece.step_by(32));
            for at in slots.take(ENTRIES as usize) {
                let (first, attributes) = (self.le(at, 1), self.le(at + 11, 1));
                if first == 0 {
                    break;
                }
                if attributes == 0xf {
                    let name = format!("long entry {at}");
                    into.push(structure(&name, at..at + 32, parent, LONG));
                    continue;
                }
                into.push(structure(
                    &format!("entry {at}"),
                    at..at + 32,
                    parent,
                    SHORT,
                ));
                let first_cluster = self.le(at + 20, 2) << 16 | self.le(at + 26, 2);
                if attributes & 0x10 != 0 && first != u64::from(b'.') {
                    open.push((first_cluster, at));
                }
            }
        }
    }
}
