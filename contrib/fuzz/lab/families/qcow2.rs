//! QCOW2: both versions, packed clusters, subclusters, snapshots, and one that lies on another.

use std::ops::Range;
use std::path::Path;

use crate::bytes::big;
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::{self, Workshop};

/// The header, docs/interop/qcow2.txt.
const HEADER: &[(&str, u64)] = &[
    ("magic", 4),
    ("version", 4),
    ("backing_file_offset", 8),
    ("backing_file_size", 4),
    ("cluster_bits", 4),
    ("size", 8),
    ("crypt_method", 4),
    ("l1_size", 4),
    ("l1_table_offset", 8),
    ("refcount_table_offset", 8),
    ("refcount_table_clusters", 4),
    ("nb_snapshots", 4),
    ("snapshots_offset", 8),
    ("incompatible_features", 8),
    ("compatible_features", 8),
    ("autoclear_features", 8),
    ("refcount_order", 4),
    ("header_length", 4),
    ("compression_type", 1),
];

const SNAPSHOT: &[(&str, u64)] = &[
    ("l1_table_offset", 8),
    ("l1_size", 4),
    ("id_str_size", 2),
    ("name_size", 2),
    ("date_sec", 4),
    ("date_nsec", 4),
    ("vm_clock_nsec", 8),
    ("vm_state_size", 4),
    ("extra_data_size", 4),
    ("extra vm_state_size", 8),
    ("extra disk_size", 8),
];

/// The bits of an entry that are an offset.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// Entries of each table that are looked at.
const ENTRIES: u64 = 12;

pub struct Qcow2;

impl Family for Qcow2 {
    fn name(&self) -> &'static str {
        "qcow2"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        let one = |name: &str, options: &str| {
            let image = tools::converted(&format!("qcow2: {name}"), "qcow2", options)?;
            Some(Seed::alone(name, image))
        };
        let seeds = [
            one("old.qcow2", "-o compat=0.10,cluster_size=4k"),
            one("new.qcow2", "-o compat=1.1,cluster_size=512"),
            one("zlib.qcow2", "-c -o compat=1.1,cluster_size=4k"),
            one("zstd.qcow2", "-c -o compression_type=zstd,cluster_size=16k"),
            one("extended.qcow2", "-o extended_l2=on,cluster_size=16k"),
            with_snapshot(),
            over_another(),
        ];
        seeds.into_iter().flatten().collect()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let files = seed.files.iter().enumerate();
        let qcow2 = files.filter(|(_, (_, bytes))| bytes.starts_with(b"QFI\xfb"));
        qcow2
            .flat_map(|(file, (_, bytes))| Image { file, bytes }.structures())
            .collect()
    }

    fn seal(&self, _: &mut [Vec<u8>], _: &[Structure], _: (usize, Range<u64>)) {}
}

fn with_snapshot() -> Option<Seed> {
    let what = "qcow2: snapshot.qcow2";
    let workshop = Workshop::new(what)?;
    let image = tools::converted(what, "qcow2", "-o cluster_size=4k")?;
    workshop.write("image", &image)?;
    workshop.run("qemu-img snapshot -c before image")?;
    workshop.run("qemu-img snapshot -c second image")?;
    Some(Seed::alone("snapshot.qcow2", workshop.read("image")?))
}

fn over_another() -> Option<Seed> {
    let what = "qcow2: over.qcow2";
    let workshop = Workshop::new(what)?;
    workshop.write(
        "base.qcow2",
        &tools::converted(what, "qcow2", "-o cluster_size=4k")?,
    )?;
    workshop
        .run("qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 -o cluster_size=1k over.qcow2")?;
    let file = |name: &str| Some((name.to_owned(), workshop.read(name)?));
    Some(Seed {
        name: "over.qcow2".to_owned(),
        files: vec![file("over.qcow2")?, file("base.qcow2")?],
        key: None,
    })
}

struct Image<'a> {
    file: usize,
    bytes: &'a [u8],
}

impl Image<'_> {
    fn structure(&self, name: String, start: u64, parent: u64, row: &[(&str, u64)]) -> Structure {
        let len: u64 = row.iter().map(|(_, width)| width).sum();
        Structure {
            name,
            file: self.file,
            range: start..start + len,
            parent: Some(parent),
            fields: Field::row(start, Order::Big, row),
        }
    }

    fn structures(&self) -> Vec<Structure> {
        let mut found = vec![self.structure("header".to_owned(), 0, 0, HEADER)];
        let is_new = big(self.bytes, 4, 4) > 2;
        let mut at = if is_new { big(self.bytes, 100, 4) } else { 72 };
        for number in 0..4 {
            let (kind, len) = (big(self.bytes, at, 4), big(self.bytes, at + 4, 4));
            let row = [("type", 4), ("length", 4), ("data", 8)];
            found.push(self.structure(format!("extension {number}"), at, 0, &row));
            if kind == 0 {
                break;
            }
            at += 8 + len.next_multiple_of(8);
        }
        self.mapping(big(self.bytes, 40, 8), 0, &mut found);
        self.refcounts(&mut found);
        let mut at = big(self.bytes, 64, 8);
        for number in 0..big(self.bytes, 60, 4).min(3) {
            found.push(self.structure(format!("snapshot {number}"), at, 0, SNAPSHOT));
            self.mapping(big(self.bytes, at, 8), at, &mut found);
            let variable = [(12, 2), (14, 2), (36, 4)];
            let variable: u64 = variable
                .iter()
                .map(|(skip, width)| big(self.bytes, at + skip, *width))
                .sum();
            at += (40 + variable).next_multiple_of(8);
        }
        found
    }

    /// The first entries of an L1 table, and of the L2 tables that they lead to.
    fn mapping(&self, l1: u64, parent: u64, found: &mut Vec<Structure>) {
        let is_extended = big(self.bytes, 72, 8) & 16 != 0 && big(self.bytes, 4, 4) > 2;
        for index in 0..big(self.bytes, 36, 4).min(3) {
            let at = l1 + index * 8;
            found.push(self.structure(format!("L1 entry {index}"), at, parent, &[("offset", 8)]));
            let l2 = big(self.bytes, at, 8) & OFFSET;
            if l2 == 0 {
                continue;
            }
            for entry in 0..ENTRIES {
                let (plain, bits) = ([("cluster", 8)], [("cluster", 8), ("subclusters", 8)]);
                let (row, len): (&[_], _) = if is_extended {
                    (&bits, 16)
                } else {
                    (&plain, 8)
                };
                found.push(self.structure(format!("L2 entry {entry}"), l2 + entry * len, at, row));
            }
        }
    }

    fn refcounts(&self, found: &mut Vec<Structure>) {
        let table = big(self.bytes, 48, 8);
        found.push(self.structure(
            "refcount table".to_owned(),
            table,
            0,
            &[("block", 8), ("next", 8)],
        ));
        let block = big(self.bytes, table, 8);
        let row = [("count", 2), ("second", 2)];
        found.push(self.structure("refcount block".to_owned(), block, table, &row));
    }
}
