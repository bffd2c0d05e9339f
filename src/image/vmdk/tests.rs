//! Disks in memory, of kinds that no tool makes.
#![allow(clippy::arithmetic_side_effects)]

use std::sync::Arc;

use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32, U64};

use super::*;
use crate::cache::Cache;
use crate::format::Origin;
use crate::format::testing::{Beside, RawOnly};
use crate::source::Memory;
use crate::source::mapped::{Map, Place};

/// Sectors before the grains: header, descriptor, directory, table.
const OVERHEAD: usize = 12;

/// A hosted sparse extent of `grains` grains of 8 sectors; `entries` are their sectors from the
/// first grain's on, and what `text` says is its descriptor.
fn hosted(text: &str, grains: u64, entries: &[u32]) -> Vec<u8> {
    let header = layout::SparseExtentHeader {
        magicNumber: layout::HOSTED_MAGIC,
        version: U32::new(1),
        flags: U32::new(1),
        capacity: U64::new(grains * 8),
        grainSize: U64::new(8),
        descriptorOffset: U64::new(1),
        descriptorSize: U64::new(4),
        numGTEsPerGT: U32::new(512),
        rgdOffset: U64::new(0),
        gdOffset: U64::new(5),
        overHead: U64::new(12),
        uncleanShutdown: 0,
        lineEnds: layout::LINE_ENDS,
        compressAlgorithm: U16::new(0),
    };
    let mut bytes = vec![0; OVERHEAD * 512];
    let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
    put(0, header.as_bytes());
    put(512, text.as_bytes());
    put(5 * 512, &6_u32.to_le_bytes());
    for (index, entry) in entries.iter().enumerate() {
        put(6 * 512 + index * 4, &entry.to_le_bytes());
    }
    for number in (1..=255).cycle().take(entries.len()) {
        bytes.extend(vec![number; 4096]);
    }
    bytes
}

fn text(lines: &str) -> String {
    format!("# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType=\"custom\"\n{lines}\n")
}

fn context(name: &str, files: &[(&str, &[u8])]) -> Context {
    Context {
        neighbours: Beside::of(files),
        images: Arc::new(RawOnly),
        origin: Origin::new(name.as_bytes().to_vec(), None),
        ..Context::new(Cache::new(1 << 20))
    }
}

fn opened(bytes: Vec<u8>, context: &Context) -> Result<SharedSource> {
    let mut disks = open(&[Arc::new(Memory(bytes))], context)?;
    Ok(disks.remove(0).source)
}

/// The first byte of each grain.
fn first_bytes(disk: &SharedSource) -> Vec<u8> {
    let offsets = (0..disk.size()).step_by(4096);
    let byte = |offset| read_vec(&**disk, offset, 1).unwrap()[0];
    offsets.map(byte).collect()
}

#[test]
fn the_extent_that_has_the_descriptor_is_not_opened_again() {
    let flat: &[u8] = &[9; 8192];
    let beside = context("a.vmdk", &[("b", flat)]);
    let lines = "RW 16 FLAT \"b\" 0\nRW 16 SPARSE \"C:\\x\\a.vmdk\"\nRW 8 ZERO";
    let disk = opened(hosted(&text(lines), 2, &[12, 20]), &beside).unwrap();
    assert_eq!(first_bytes(&disk), [9, 9, 1, 2, 0]);
    // Under another name it is the first that is left.
    let lines = "RW 16 SPARSE \"old.vmdk\"\nRW 16 FLAT \"b\" 0";
    let disk = opened(hosted(&text(lines), 2, &[20, 12]), &beside).unwrap();
    assert_eq!(first_bytes(&disk), [2, 1, 9, 9]);
}

#[test]
fn a_header_without_capacity_is_there_for_its_descriptor() {
    let beside = context("a.vmdk", &[("b", &[9; 4096]), ("c", &[8; 4096])]);
    let lines = "RW 8 FLAT \"b\"\nRW 8 FLAT \"c\"";
    let disk = opened(hosted(&text(lines), 0, &[]), &beside).unwrap();
    assert_eq!(first_bytes(&disk), [9, 8]);
}

#[test]
fn one_extent_is_the_file_itself_whatever_its_name() {
    let nobody = context("renamed.vmdk", &[]);
    for lines in ["RW 16 SPARSE \"first.vmdk\"", ""] {
        let bytes = hosted(&text(lines), 2, &[12, 0]);
        assert!(
            describe::describe(&Memory(bytes.clone()))
                .unwrap()
                .second_files
                .is_empty()
        );
        assert_eq!(first_bytes(&opened(bytes, &nobody).unwrap()), [1, 0]);
    }
    assert!(nobody.notices.all().is_empty());
    let other = hosted(&text("RW 99 SPARSE \"first.vmdk\""), 2, &[12, 0]);
    assert_eq!(opened(other, &nobody).unwrap().size(), 8192);
    assert!(nobody.notices.all()[0].contains("the extent's line says"));
}

#[test]
fn grains_side_by_side_are_one_run() {
    let entries: Vec<u32> = (0..100).map(|number| 12 + number * 8).collect();
    let bytes = hosted(&text(""), 600, &entries);
    let source: SharedSource = Arc::new(Memory(bytes));
    let header = hosted::header(&*source).unwrap();
    let sparse = hosted::open(&source, &header, &Voice::default()).unwrap();
    let extent = disk::Extent {
        start: 0,
        size: sparse.capacity,
        holds: disk::Holds::Sparse { member: 0, sparse },
    };
    let disk = disk::Disk::new(vec![extent], false);
    let run = disk.run_at(5000, 0).unwrap();
    let offset = 12 * 512 + 5000;
    assert_eq!(run.place, Place::At { member: 0, offset });
    assert_eq!(run.len.get(), 100 * 4096 - 5000);
    // The rest of the table, and the next table, which is not there.
    let run = disk.run_at(100 * 4096, 0).unwrap();
    assert_eq!((run.place, run.len.get()), (Place::Absent, 412 * 4096));
    let run = disk.run_at(550 * 4096, 0).unwrap();
    assert_eq!((run.place, run.len.get()), (Place::Absent, 50 * 4096));
}

#[test]
fn info_names_the_other_files_and_opens_none() {
    let lines = "RW 8 FLAT \"x-f001.vmdk\" 0\nRW 8 FLAT \"x-f001.vmdk\" 8\nRW 8 ZERO\n\
                 ddb.uuid = \"60 00 C2 9a dc 4a 12 0f-2a cb 5c 02 7e cf 6d 0e\"";
    let text = text(lines).replace(
        "parentCID=ffffffff",
        "parentCID=5\nparentFileNameHint=\"p\"",
    );
    let found = describe::describe(&Memory(text.into_bytes())).unwrap();
    let files: Vec<&[u8]> = found.second_files.iter().map(Vec::as_slice).collect();
    assert_eq!(files, [&b"p"[..], b"x-f001.vmdk"]);
    let uuid = found.uuid.as_deref();
    assert_eq!(uuid, Some("6000c29a-dc4a-120f-2acb-5c027ecf6d0e"));
    assert!(found.facts.contains(&("parent CID", "00000005".to_owned())));
}

#[test]
fn a_notice_names_the_extent() {
    let mut dirty = hosted("", 2, &[12, 20]);
    dirty[72] = 1;
    let beside = context("a.vmdk", &[("b", &dirty)]);
    let lines = text("RW 8 ZERO\nRW 16 SPARSE \"b\"").into_bytes();
    opened(lines, &beside).unwrap();
    let notices = beside.notices.all();
    assert_eq!(
        notices,
        ["vmdk: extent 2: it was not closed cleanly (uncleanShutdown)"]
    );
}

#[test]
fn claims_are_by_magic_alone() {
    let claimed = |bytes: &[u8]| claim(&Memory(bytes.to_vec())).unwrap().is_some();
    for bytes in [&b"KDMV"[..], b"COWD1234", b"\n\t # DISK descriptorfile\n"] {
        assert!(claimed(bytes), "{bytes:?}");
    }
    for bytes in [
        &b"KDM"[..],
        b"",
        b"# Disk Descriptor",
        b"x# Disk DescriptorFile",
    ] {
        assert!(!claimed(bytes), "{bytes:?}");
    }
}

#[test]
fn a_disk_of_no_bytes() {
    let nobody = context("a.vmdk", &[]);
    let disk = opened(hosted(&text("RW 8 SPARSE \"a\""), 0, &[]), &nobody).unwrap();
    assert_eq!(disk.size(), 0);
    assert!(disk.extent_at(0).is_err());
}
