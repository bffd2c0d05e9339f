//! Thin volumes whose metadata thin_restore writes: each block is where thin_dump says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imgmount::source::{ExtentKind, SharedSource};
use imgmount::stack::Stack;

use super::made::{EXTENT, START, hidden, linear, logical, segment, text};
use super::numbered::{Counting, extents, look, physical, place};
use super::usage;
use crate::support::command::Run;
use crate::support::images::Scratch;

/// Bytes of a block of data.
pub const CHUNK: u64 = 64 << 10;

/// Which block of the data each block of a volume is in.
type Mappings = BTreeMap<u64, u64>;

/// Metadata of a pool with these volumes, by thin_restore.
pub fn metadata(scratch: &Scratch, volumes: &[(u64, Mappings)], bytes: u64) -> Vec<u8> {
    let most = volumes
        .iter()
        .flat_map(|(_, mappings)| mappings.values())
        .max();
    let mut xml = format!(
        "<superblock uuid=\"\" time=\"1\" transaction=\"3\" data_block_size=\"{}\" nr_data_blocks=\"{}\">\n",
        CHUNK / 512,
        most.unwrap_or(&0) + 1
    );
    for (device, mappings) in volumes {
        xml += &format!(
            "<device dev_id=\"{device}\" mapped_blocks=\"{}\" transaction=\"0\" creation_time=\"0\" snap_time=\"0\">\n",
            mappings.len()
        );
        for (block, data) in mappings {
            xml += &format!(
                "<single_mapping origin_block=\"{block}\" data_block=\"{data}\" time=\"1\"/>\n"
            );
        }
        xml += "</device>\n";
    }
    xml += "</superblock>\n";
    std::fs::write(scratch.join("pool.xml"), xml).unwrap();
    let path = scratch.file("metadata", bytes);
    let restore = Run::new("thin_restore")
        .args(["-q", "-i"])
        .arg(scratch.join("pool.xml"));
    restore.arg("-o").arg(&path).run();
    std::fs::read(path).unwrap()
}

/// What thin_dump says of the metadata at `path`.
fn dumped(path: &Path) -> Vec<(u64, Mappings)> {
    let xml = Run::new("thin_dump").arg(path).text();
    let mut volumes: Vec<(u64, Mappings)> = Vec::new();
    for line in xml.lines() {
        let value = |key: &str| -> Option<u64> {
            let behind = line.split(&format!(" {key}=\"")).nth(1)?;
            behind.split('"').next()?.parse().ok()
        };
        if let Some(device) = value("dev_id") {
            volumes.push((device, Mappings::new()));
        }
        let mut add = |block, data| {
            let (_, mappings) = volumes.last_mut().unwrap();
            mappings.insert(block, data);
        };
        if let (Some(block), Some(data)) = (value("origin_block"), value("data_block")) {
            add(block, data);
        }
        if let (Some(block), Some(data)) = (value("origin_begin"), value("data_begin")) {
            let len = value("length").unwrap();
            (0..len).for_each(|step| add(block + step, data + step));
        }
    }
    volumes
}

/// A thin volume of so many blocks in a group.
fn thin(device: u64, blocks: u64, more: &str) -> String {
    let count = blocks * CHUNK / EXTENT;
    let body = format!(
        "type = \"thin\"\nthin_pool = \"pool\"\ntransaction_id = 0\ndevice_id = {device}\n{more}"
    );
    logical(&format!("thin{device}"), &[segment(0, count, &body)])
}

/// A group with a pool whose metadata are these, `data` blocks of data, and these volumes besides;
/// and where the data begin.
pub fn pool(metadata: &[u8], data: u64, more: &str) -> (Stack, Vec<String>, u64) {
    let (image, start) = pool_image(metadata, data, more);
    let (stack, notices) = look(image);
    (stack, notices, start)
}

/// The same before it is opened.
fn pool_image(metadata: &[u8], data: u64, more: &str) -> (SharedSource, u64) {
    let meta = extents(metadata.len() as u64);
    let count = data * CHUNK / EXTENT;
    let pool = "type = \"thin-pool\"\nmetadata = \"pool_tmeta\"\npool = \"pool_tdata\"\n\
                transaction_id = 3\nchunk_size = 128";
    let volumes = [
        logical("pool", &[segment(0, count, pool)]),
        hidden("pool_tmeta", &[linear(0, meta, "\"pv0\", 0")]),
        hidden(
            "pool_tdata",
            &[linear(0, count, &format!("\"pv0\", {meta}"))],
        ),
        more.to_owned(),
    ];
    let text = text(1, "a", meta + count, "", &volumes.concat());
    let image = physical(&text, metadata, meta + count);
    (image, START + meta * EXTENT)
}

/// So many mappings on one of every three blocks or more, now and then many together, and a
/// snapshot that shares some of them.
fn mappings(count: u64) -> Vec<(u64, Mappings)> {
    let mut state = 7_u64;
    let mut random = |most: u64| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) % most
    };
    let (mut one, mut two) = (Mappings::new(), Mappings::new());
    let mut block = 0;
    let mut data = 0;
    while data < count {
        let together = if random(4) == 0 { 1 + random(40) } else { 1 };
        block += random(5);
        for _ in 0..together {
            // Backwards now and then, so that nothing can rely on the order.
            one.insert(block, data ^ 1);
            if random(2) == 0 {
                two.insert(block, data ^ 1);
            } else {
                two.insert(block + 1_000_000, count + data + 1);
            }
            block += 1;
            data += 1;
        }
    }
    vec![(1, one), (7, two)]
}

fn compare(count: u64, metadata_bytes: u64, every: usize) {
    let scratch = Scratch::new();
    let bytes = metadata(&scratch, &mappings(count), metadata_bytes);
    let volumes = dumped(&scratch.join("metadata"));
    assert_eq!(volumes.len(), 2);
    let last = volumes.iter().filter_map(|(_, it)| it.keys().last()).max();
    let blocks = last.unwrap() + 9;
    let data = volumes
        .iter()
        .flat_map(|(_, it)| it.values())
        .max()
        .unwrap()
        + 1;
    let more = thin(1, blocks, "") + &thin(7, blocks, "");
    let (image, start) = pool_image(&bytes, data, &more);
    let counting = Arc::new(Counting {
        inner: image,
        read: AtomicU64::default(),
    });
    let read = || counting.read.swap(0, Ordering::Relaxed);
    let (stack, notices) = look(counting.clone());
    assert_eq!(notices, Vec::<String>::new());
    // However many mappings there are, opening looks at none of them, and reading a block at a node
    // of each level.
    let opening = read();
    assert!(opening < 8 << 20, "{opening} bytes to open");
    let used: BTreeSet<u64> = volumes
        .iter()
        .flat_map(|(_, it)| it.values())
        .copied()
        .collect();
    let in_use = usage(&stack, "pool");
    assert_eq!(in_use.allocated, Some(used.len() as u64 * CHUNK));
    for (device, mappings) in &volumes {
        let mapped = usage(&stack, &format!("thin{device}")).allocated;
        assert_eq!(mapped, Some(mappings.len() as u64 * CHUNK));
    }
    assert!(read() <= 64 << 10, "what is in use is counted anew");
    for (device, mappings) in &volumes {
        let name = format!("vg0/thin{device}");
        let first = mappings.keys().next().unwrap();
        read();
        place(&stack, &name, first * CHUNK, start).unwrap();
        let one = read();
        assert!(one <= 6 * 4096 + 8, "{one} bytes for one block");
        for (block, data) in mappings.iter().step_by(every) {
            for skip in [0, CHUNK - 8] {
                let found = place(&stack, &name, block * CHUNK + skip, start);
                assert_eq!(found, Ok(Some(data * CHUNK + skip)), "{name} block {block}");
            }
            if !mappings.contains_key(&(block + 1)) {
                let found = place(&stack, &name, (block + 1) * CHUNK, start);
                assert_eq!(found, Ok(None), "{name} block {block} + 1");
            }
        }
        // What extents say is what is mapped.
        let source = super::node(&stack, &name).source.clone().unwrap();
        let (mut at, mut mapped) = (0, 0);
        while at < source.size() && every == 1 {
            let extent = source.extent_at(at).unwrap();
            if extent.kind == ExtentKind::Data {
                mapped += extent.len.get();
            }
            at += extent.len.get();
        }
        assert!(every > 1 || mapped == mappings.len() as u64 * CHUNK);
    }
}

#[test]
fn ten_mappings_are_where_thin_dump_says() {
    need!(tool "thin_restore");
    compare(10, 4 << 20, 1);
}

#[test]
fn ten_thousand_mappings_and_a_snapshot_are_where_thin_dump_says() {
    need!(tool "thin_restore");
    compare(10_000, 16 << 20, 1);
}

#[test]
fn a_million_mappings_are_where_thin_dump_says() {
    need!(tool "thin_restore");
    compare(1_000_000, 256 << 20, 997);
}

#[test]
fn a_volume_that_the_pool_lacks_and_an_older_text_are_told() {
    need!(tool "thin_restore");
    let scratch = Scratch::new();
    let bytes = metadata(&scratch, &mappings(10), 4 << 20);
    let more = thin(1, 90, "") + &thin(5, 90, "");
    let (stack, _, start) = pool(&bytes, 30, &more);
    assert!(place(&stack, "vg0/thin1", 0, start).is_ok());
    let error = place(&stack, "vg0/thin5", 0, start)
        .unwrap_err()
        .to_string();
    assert!(error.contains("the pool has no thin volume 5"), "{error}");
    // The text's transaction is 3; the superblock's is at byte 48.
    let mut newer = bytes.clone();
    newer[48] = 9;
    newer[4] = 1;
    seal(&mut newer[..4096], 160_774);
    let (stack, notices, start) = pool(&newer, 30, &more);
    assert!(place(&stack, "vg0/thin1", 0, start).is_ok());
    let said = notices.join("\n");
    assert!(
        said.contains("its transaction is 9, and the group's text says 3"),
        "{said}"
    );
    assert!(
        said.contains("it is marked as needing thin_check"),
        "{said}"
    );
}

#[test]
fn what_was_never_written_is_in_the_external_origin() {
    need!(tool "thin_restore");
    let scratch = Scratch::new();
    let only = [(1, Mappings::from([(1, 4)]))];
    let bytes = metadata(&scratch, &only, 4 << 20);
    let more = thin(1, 3, "external_origin = \"base\"")
        + &logical("base", &[linear(0, 32, "\"pv0\", 1024")]);
    let (stack, _, start) = pool(&bytes, 30, &more);
    let found = |offset| place(&stack, "vg0/thin1", offset, 0).unwrap();
    let base = START + 1024 * EXTENT;
    assert_eq!(found(8), Some(base + 8));
    assert_eq!(found(CHUNK + 8), Some(start + 4 * CHUNK + 8));
    // The origin is shorter than the volume.
    assert_eq!(found(2 * CHUNK), None);
}

#[test]
fn a_volume_that_a_snapshot_is_to_be_merged_into_is_the_snapshot() {
    need!(tool "thin_restore");
    let scratch = Scratch::new();
    let both = [
        (1, Mappings::from([(0, 4)])),
        (2, Mappings::from([(0, 5), (2, 6)])),
    ];
    let bytes = metadata(&scratch, &both, 4 << 20);
    let names = |stack: &Stack| {
        let nodes = stack.nodes().into_iter().map(|node| node.name.clone());
        let names = nodes.filter(|name| name.starts_with("vg0/"));
        names.collect::<Vec<_>>()
    };
    // As LVM2 leaves it: the snapshot is not visible any more, and keeps its number.
    let snapshot = thin(2, 3, "origin = \"thin1\"\nmerge = \"thin1\"");
    let merging = snapshot.replacen(", \"VISIBLE\"", "", 1);
    assert_ne!(merging, snapshot);
    for snapshot in [snapshot, merging] {
        let (stack, _, start) = pool(&bytes, 30, &(thin(1, 3, "") + &snapshot));
        assert_eq!(names(&stack), ["vg0/thin1"]);
        for (block, data) in [(0, Some(5)), (1, None), (2, Some(6))] {
            let found = place(&stack, "vg0/thin1", block * CHUNK + 8, start);
            assert_eq!(found, Ok(data.map(|data: u64| data * CHUNK + 8)), "{block}");
        }
        assert_eq!(usage(&stack, "thin1").allocated, Some(2 * CHUNK));
    }
    // What there is nothing to merge into is what it was.
    let nowhere = thin(2, 3, "merge = \"gone\"");
    let (stack, _, start) = pool(&bytes, 30, &(thin(1, 3, "") + &nowhere));
    assert_eq!(names(&stack), ["vg0/thin1", "vg0/thin2"]);
    assert_eq!(
        place(&stack, "vg0/thin1", 8, start),
        Ok(Some(4 * CHUNK + 8))
    );
}

/// Writes the checksum of a metadata block.
pub fn seal(block: &mut [u8], salt: u32) {
    let crc = !crc32c::crc32c(&block[4..]) ^ salt;
    block[..4].copy_from_slice(&crc.to_le_bytes());
}
