//! ISO 9660 (ECMA-119) with Rock Ridge, Joliet, El Torito and zisofs. The one checksum is El Torito's.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use crate::bytes::{little, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::Workshop;

const SECTOR: u64 = 2048;
/// In front of every file that zisofs packs.
const ZISOFS: [u8; 8] = [0x37, 0xe4, 0x53, 0x96, 0xc9, 0xdb, 0xd6, 0x07];
/// Records of one directory, and directories of one tree, that are structures.
const RECORDS: usize = 16;
const DIRECTORIES: usize = 6;

/// What stands once with its least byte first and once with it last.
const VOLUME: &[(&str, u64)] = &[
    ("Volume Descriptor Type", 1),
    ("", 5),
    ("Volume Descriptor Version", 1),
    ("Volume Flags", 1),
    ("", 72),
    ("Volume Space Size", 4),
    ("Volume Space Size BE", 4),
    ("Escape Sequences", 3),
    ("", 29),
    ("Volume Set Size", 2),
    ("Volume Set Size BE", 2),
    ("Volume Sequence Number", 2),
    ("Volume Sequence Number BE", 2),
    ("Logical Block Size", 2),
    ("Logical Block Size BE", 2),
    ("Path Table Size", 4),
    ("Path Table Size BE", 4),
    ("Type L Path Table", 4),
    ("Optional Type L Path Table", 4),
    ("Type M Path Table", 4),
    ("Optional Type M Path Table", 4),
];

const RECORD: &[(&str, u64)] = &[
    ("Length of Directory Record", 1),
    ("Extended Attribute Record Length", 1),
    ("Location of Extent", 4),
    ("Location of Extent BE", 4),
    ("Data Length", 4),
    ("Data Length BE", 4),
    ("Year", 1),
    ("Month", 1),
    ("", 5),
    ("File Flags", 1),
    ("File Unit Size", 1),
    ("Interleave Gap Size", 1),
    ("Volume Sequence Number", 2),
    ("Volume Sequence Number BE", 2),
    ("Length of File Identifier", 1),
    ("File Identifier", 2),
];

pub struct Iso;

impl Family for Iso {
    fn name(&self) -> &'static str {
        "iso9660"
    }

    fn seeds(&self, images: Option<&Path>) -> Vec<Seed> {
        let seeds = [
            ("plain", "genisoimage -quiet -no-pad -iso-level 2"),
            ("joliet", "genisoimage -quiet -no-pad -J -joliet-long"),
            ("rock-ridge", "genisoimage -quiet -no-pad -R -J"),
            (
                "el-torito",
                "genisoimage -quiet -no-pad -R -b boot.img -c boot.cat -no-emul-boot",
            ),
            ("zisofs", "genisoimage -quiet -no-pad -R -z"),
            ("xorriso", "xorriso -as mkisofs -quiet -R -J -iso-level 3"),
        ];
        let made = seeds
            .iter()
            .filter_map(|(name, line)| made_with(name, line));
        let mut all: Vec<Seed> = made.collect();
        // Records that go on elsewhere, and directories that were moved.
        for name in ["rockridge_ce", "rockridge_rr_moved", "multi_extent"] {
            let path = format!("filesystem/iso9660/libarchive-test_read_format_iso_{name}.iso.zst");
            let bytes = crate::tools::collected(images, &path);
            let bytes = bytes.filter(|bytes| bytes.len() <= 2 << 20);
            all.extend(bytes.map(|bytes| Seed::alone(name, bytes)));
        }
        all
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let mut image = Image {
            bytes: &seed.files[0].1,
            seen: BTreeSet::new(),
            found: Vec::new(),
        };
        for sector in 16..32 {
            let at = sector * SECTOR;
            if slice(image.bytes, at + 1, 5) != Some(b"CD001") {
                break;
            }
            image.descriptor(at);
        }
        image.zisofs();
        image.found
    }

    fn seal(&self, files: &mut [Vec<u8>], structures: &[Structure], touched: (usize, Range<u64>)) {
        let is_hit = |found: &&Structure| {
            let range = &found.range;
            let is_catalogue = found.name == "boot catalogue";
            is_catalogue && range.start < touched.1.end && touched.1.start < range.start + 32
        };
        let Some(found) = structures.iter().find(is_hit) else {
            return;
        };
        let (bytes, at) = (&mut files[0], found.range.start);
        put(bytes, at + 28, &[0; 2]);
        let words = (0..16).map(|word| little(bytes, at + word * 2, 2) as u16);
        let sum = words.fold(0, u16::wrapping_add).wrapping_neg();
        put(bytes, at + 28, &sum.to_le_bytes());
    }
}

fn made_with(name: &str, line: &str) -> Option<Seed> {
    let workshop = Workshop::new(&format!("iso9660: {name}"))?;
    super::files::write(&workshop, "files")?;
    workshop.write("files/boot.img", &[0xf4; 2048])?;
    let mut folder = "files";
    if name == "zisofs" {
        workshop.run("mkzftree files packed")?;
        folder = "packed";
    }
    workshop.run(&format!("{line} -V LABEL -o image {folder}"))?;
    Some(Seed::alone(name, workshop.read("image")?))
}

struct Image<'a> {
    bytes: &'a [u8],
    /// Where the directories lie that were met.
    seen: BTreeSet<u64>,
    found: Vec<Structure>,
}

impl Image<'_> {
    fn le(&self, at: u64, width: u64) -> u64 {
        little(self.bytes, at, width)
    }

    fn add(&mut self, name: &str, range: Range<u64>, parent: Option<u64>, fields: Vec<Field>) {
        self.found.push(Structure {
            name: name.to_owned(),
            file: 0,
            range,
            parent,
            fields,
        });
    }

    fn descriptor(&mut self, at: u64) {
        let (kind, name) = (self.le(at, 1), format!("descriptor {}", at / SECTOR));
        let mut fields = Field::row(at, Order::Little, VOLUME);
        match kind {
            0 => {
                fields.truncate(3);
                fields.push(Field::new("Boot Catalog", at + 71, 4, Order::Little));
                self.add(&name, at..at + SECTOR, None, fields);
                self.catalogue(self.le(at + 71, 4) * SECTOR, at);
            }
            1 | 2 => {
                both_ways(&mut fields);
                fields.extend(record(at + 156));
                self.add(&name, at..at + SECTOR, None, fields);
                self.path_table(self.le(at + 140, 4) * SECTOR, self.le(at + 132, 4), at);
                self.tree(self.le(at + 158, 4), self.le(at + 166, 4), at);
            }
            _ => {
                fields.truncate(3);
                self.add(&name, at..at + SECTOR, None, fields);
            }
        }
    }

    /// El Torito's catalogue: the validation entry, and the default one.
    fn catalogue(&mut self, at: u64, parent: u64) {
        let row = [
            ("Header ID", 1),
            ("Platform ID", 1),
            ("", 28),
            ("Key 55", 1),
            ("Key AA", 1),
            ("Boot Indicator", 1),
            ("Boot media type", 1),
            ("Load Segment", 2),
            ("System Type", 1),
            ("", 1),
            ("Sector Count", 2),
            ("Load RBA", 4),
            ("", 20),
            ("Section Header Indicator", 1),
            ("Section Platform ID", 1),
            ("Number of section entries", 2),
        ];
        let fields = Field::row(at, Order::Little, &row);
        self.add("boot catalogue", at..at + 128, Some(parent), fields);
    }

    fn path_table(&mut self, start: u64, size: u64, parent: u64) {
        let row = [
            ("Length of Directory Identifier", 1),
            ("Extended Attribute Record Length", 1),
            ("Location of Extent", 4),
            ("Parent Directory Number", 2),
        ];
        let (mut at, mut fields) = (start, Vec::new());
        while at + 8 < start + size && fields.len() < 4 * RECORDS {
            fields.extend(Field::row(at, Order::Little, &row));
            at += 8 + self.le(at, 1).next_multiple_of(2);
        }
        let name = format!("path table {}", start / SECTOR);
        self.add(&name, start..start + size, Some(parent), fields);
    }

    /// The directory of `size` bytes at `block`, and those below it.
    fn tree(&mut self, block: u64, size: u64, parent: u64) {
        let mut open = vec![(block, size, parent)];
        for _ in 0..DIRECTORIES {
            let Some((block, size, parent)) = open.pop() else {
                return;
            };
            if !self.seen.insert(block) {
                continue;
            }
            let (start, mut count) = (block * SECTOR, 0);
            let mut at = start;
            while at < start + size && count < RECORDS {
                let len = self.le(at, 1);
                if len < 34 {
                    at = (at + 1).next_multiple_of(SECTOR);
                    continue;
                }
                let mut fields = record(at);
                self.system_use(at, len, &mut fields);
                self.add(&format!("record {at}"), at..at + len, Some(parent), fields);
                if self.le(at + 25, 1) & 2 != 0 && count > 1 {
                    open.push((self.le(at + 2, 4), self.le(at + 10, 4), at));
                }
                (at, count) = (at + len, count + 1);
            }
        }
    }

    /// The entries of SUSP behind the name in the record at `record`.
    fn system_use(&mut self, record: u64, len: u64, fields: &mut Vec<Field>) {
        let start = record + (33 + self.le(record + 32, 1)).next_multiple_of(2);
        let area = self.entries(start, record + len, fields);
        let Some((block, offset, len)) = area else {
            return;
        };
        let start = block * SECTOR + offset;
        let mut more = Vec::new();
        self.entries(start, start + len, &mut more);
        let name = format!("continuation {start}");
        self.add(&name, start..start + len, Some(record), more);
    }

    /// The fields of the entries from `at` to `end`; where they go on, if anywhere.
    fn entries(&self, mut at: u64, end: u64, fields: &mut Vec<Field>) -> Option<(u64, u64, u64)> {
        let mut area = None;
        while at + 4 <= end {
            let len = self.le(at + 2, 1);
            let name = slice(self.bytes, at, 2).unwrap_or_default();
            if len < 4 || !name.iter().all(u8::is_ascii_uppercase) {
                break;
            }
            let name = String::from_utf8_lossy(name);
            let add = |fields: &mut Vec<Field>, what: &str, at, width| {
                fields.push(Field::new(
                    format!("{name} {what}"),
                    at,
                    width,
                    Order::Little,
                ));
            };
            add(fields, "signature", at, 2);
            add(fields, "length", at + 2, 1);
            add(fields, "version", at + 3, 1);
            if &*name == "CE" {
                area = Some((self.le(at + 4, 4), self.le(at + 12, 4), self.le(at + 20, 4)));
            }
            if matches!(&*name, "NM" | "SL" | "TF" | "SP" | "ER" | "ZF") {
                let bytes = (at + 4..at + len).take(4);
                bytes.for_each(|at| add(fields, "byte", at, 1));
            }
            if matches!(&*name, "CE" | "PX" | "PN" | "CL" | "PL" | "ZF" | "SF") {
                let words = (at + 4..at + len).step_by(4);
                words.take(10).for_each(|at| add(fields, "word", at, 4));
            }
            at += len;
        }
        area
    }

    /// The headers of files that are packed.
    fn zisofs(&mut self) {
        for start in (0..self.bytes.len() as u64).step_by(SECTOR as usize) {
            if slice(self.bytes, start, 8) != Some(&ZISOFS) {
                continue;
            }
            let mut row = vec![
                ("magic", 8),
                ("uncompressed_size", 4),
                ("header_size", 1),
                ("block_size", 1),
                ("reserved", 2),
            ];
            row.extend([("block pointer", 4); 4]);
            let fields = Field::row(start, Order::Little, &row);
            let name = format!("zisofs header {}", start / SECTOR);
            self.add(&name, start..start + 32, None, fields);
        }
    }
}

fn record(at: u64) -> Vec<Field> {
    let mut fields = Field::row(at, Order::Little, RECORD);
    both_ways(&mut fields);
    fields
}

/// Those that are called so are big-endian.
fn both_ways(fields: &mut [Field]) {
    for field in fields {
        if field.name.ends_with(" BE") || field.name.contains("Type M") {
            field.order = Order::Big;
        }
    }
}
