//! Caches whose metadata cache_restore writes: dirty blocks are read from the cache, all others from
//! the origin; and write caches and snapshots, made here as the kernel's source describes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imgmount::error::Error;

use super::made::{EXTENT, START, hidden, linear, logical, segment, text};
use super::numbered::{Counting, extents, look, physical, place};
use super::usage;
use crate::support::command::Run;
use crate::support::images::Scratch;

/// Bytes of a cache's block.
const CHUNK: u64 = 32 << 10;

/// Metadata by cache_restore: origin block and whether it is dirty, by cache block.
pub fn metadata(scratch: &Scratch, version: &str, blocks: &[(u64, bool)]) -> Vec<u8> {
    let mappings = blocks.iter().enumerate().map(|(block, (origin, dirty))| {
        format!("<mapping cache_block=\"{block}\" origin_block=\"{origin}\" dirty=\"{dirty}\"/>\n")
    });
    let xml = format!(
        "<superblock uuid=\"\" block_size=\"{}\" nr_cache_blocks=\"{}\" policy=\"smq\" \
         hint_width=\"4\">\n<mappings>\n{}</mappings>\n<hints>\n</hints>\n</superblock>\n",
        CHUNK / 512,
        blocks.len() + 5,
        mappings.collect::<String>()
    );
    std::fs::write(scratch.join("cache.xml"), xml).unwrap();
    let path = scratch.file("cache", 4 << 20);
    let restore = Run::new("cache_restore")
        .args(["-q", "-i"])
        .arg(scratch.join("cache.xml"));
    restore
        .args(["--metadata-version", version, "-o"])
        .arg(&path)
        .run();
    std::fs::read(path).unwrap()
}

/// One hundred blocks, most in order, of which every third is clean.
pub fn blocks() -> Vec<(u64, bool)> {
    let blocks = (0..100).map(|block| {
        (
            if block % 10 < 6 {
                300 + block
            } else {
                block * 3
            },
            block % 3 != 0,
        )
    });
    blocks.collect()
}

/// Where block `block` of the origin is to be read: the cache's block, or nowhere else.
fn cached(blocks: &[(u64, bool)], block: u64, all: bool) -> Option<u64> {
    let found = blocks
        .iter()
        .position(|(origin, dirty)| *origin == block && (all || *dirty));
    found.map(|block| block as u64)
}

fn compare(bytes: &[u8], blocks: &[(u64, bool)], all: bool, one_volume: bool) {
    let meta = extents(bytes.len() as u64);
    let data = 105 * CHUNK / EXTENT;
    let origin = 720 * CHUNK / EXTENT;
    let body = match one_volume {
        true => format!(
            "type = \"cache+CACHE_USES_CACHEVOL\"\ncache_pool = \"c_cvol\"\norigin = \"c_corig\"\n\
             metadata_start = 0\nmetadata_len = {}\ndata_start = {}\ndata_len = {}",
            meta * EXTENT / 512,
            meta * EXTENT / 512,
            data * EXTENT / 512
        ),
        false => "type = \"cache\"\ncache_pool = \"cpool\"\norigin = \"c_corig\"".to_owned(),
    };
    let pool = "type = \"cache-pool\"\ndata = \"cpool_cdata\"\nmetadata = \"cpool_cmeta\"\n\
                chunk_size = 64\ncache_mode = \"writeback\"";
    let volumes = [
        logical("c", &[segment(0, origin, &body)]),
        hidden("c_cvol", &[linear(0, meta + data, "\"pv0\", 0")]),
        hidden("cpool", &[segment(0, data, pool)]),
        hidden("cpool_cmeta", &[linear(0, meta, "\"pv0\", 0")]),
        hidden(
            "cpool_cdata",
            &[linear(0, data, &format!("\"pv0\", {meta}"))],
        ),
        hidden(
            "c_corig",
            &[linear(0, origin, &format!("\"pv0\", {}", meta + data))],
        ),
    ];
    let count = meta + data + origin;
    let (stack, _) = look(physical(
        &text(1, "a", count, "", &volumes.concat()),
        bytes,
        count,
    ));
    let dirty = blocks.iter().filter(|(_, dirty)| all || *dirty).count() as u64;
    let facts = [
        ("cached", (blocks.len() as u64 * CHUNK).to_string()),
        ("dirty", (dirty * CHUNK).to_string()),
        (
            "shutdown",
            if all { "not clean" } else { "clean" }.to_owned(),
        ),
    ];
    assert_eq!(usage(&stack, "c").facts, facts);
    let (cache, origin) = (START + meta * EXTENT, START + (meta + data) * EXTENT);
    for block in 0..720 {
        for skip in [0, CHUNK - 8] {
            let found = place(&stack, "vg0/c", block * CHUNK + skip, 0).unwrap();
            let expected = match cached(blocks, block, all) {
                Some(inside) => cache + inside * CHUNK + skip,
                None => origin + block * CHUNK + skip,
            };
            assert_eq!(found, Some(expected), "block {block}");
        }
    }
}

#[test]
fn dirty_blocks_come_from_the_cache_and_all_others_from_the_origin() {
    need!(tool "cache_restore");
    for version in ["1", "2"] {
        let scratch = Scratch::new();
        let bytes = metadata(&scratch, version, &blocks());
        for one_volume in [false, true] {
            compare(&bytes, &blocks(), false, one_volume);
        }
        // Without a clean shutdown nobody knows which blocks are dirty: all count.
        let mut crashed = bytes;
        crashed[4] &= !1;
        super::thin::seal(&mut crashed[..4096], 9_031_977);
        compare(&crashed, &blocks(), true, false);
    }
}

/// What reading a cache with these `metadata` fails with; the group's text says that there is room
/// for any number of blocks.
pub fn problem(metadata: &[u8]) -> Error {
    let (meta, data) = (extents(metadata.len() as u64), 1 << 40);
    let pool = "type = \"cache-pool\"\ndata = \"d\"\nmetadata = \"m\"\nchunk_size = 64";
    let body = "type = \"cache\"\ncache_pool = \"p\"\norigin = \"o\"";
    let volumes = [
        logical("c", &[segment(0, 8, body)]),
        hidden("p", &[segment(0, data, pool)]),
        hidden("m", &[linear(0, meta, "\"pv0\", 0")]),
        hidden("d", &[linear(0, data, "\"pv0\", 0")]),
        hidden("o", &[linear(0, 8, "\"pv0\", 0")]),
    ];
    let text = text(1, "a", data, "", &volumes.concat());
    let (stack, _) = look(physical(&text, metadata, meta));
    place(&stack, "vg0/c", 0, 0).unwrap_err()
}

/// Where in a cache's superblock the root of its mappings and the number of its blocks stand.
const MAPPING_ROOT: usize = 192;
const CACHE_BLOCKS: usize = 240;

#[test]
fn a_cache_of_more_blocks_than_are_held_is_refused_before_they_are_read() {
    need!(tool "cache_restore");
    for version in ["1", "2"] {
        let mut bytes = metadata(&Scratch::new(), version, &blocks());
        assert_eq!(bytes[CACHE_BLOCKS..][..4], 105_u32.to_le_bytes());
        bytes[CACHE_BLOCKS..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
        super::thin::seal(&mut bytes[..4096], 9_031_977);
        let problem = problem(&bytes).to_string();
        let words = "cache metadata: cache_blocks is 4294967295: over 6291456";
        assert!(problem.contains(words), "{problem}");
    }
}

#[test]
fn an_array_with_blocks_that_are_not_full_is_refused() {
    need!(tool "cache_restore");
    // 605 blocks, of which the first block of mappings has 509.
    let blocks: Vec<(u64, bool)> = (0..600).map(|block| (block, false)).collect();
    let mut bytes = metadata(&Scratch::new(), "2", &blocks);
    let root = u64::from_le_bytes(*bytes[MAPPING_ROOT..].first_chunk().unwrap());
    // The tree's root: 24 bytes, then room for 252 keys and as many blocks.
    let first = root as usize * 4096 + 32 + 252 * 8;
    let leaf = u64::from_le_bytes(*bytes[first..].first_chunk().unwrap()) as usize * 4096;
    assert_eq!(bytes[leaf + 8..][..4], 509_u32.to_le_bytes());
    bytes[leaf + 8..][..4].copy_from_slice(&1_u32.to_le_bytes());
    super::thin::seal(&mut bytes[leaf..leaf + 4096], 595_846_735);
    let problem = problem(&bytes).to_string();
    let words = "block 0 of an array of 605 values has only 1";
    assert!(problem.contains(words), "{problem}");
}

/// The bytes of a write cache with these entries: sector of the origin and count.
pub fn write_cache(entries: &[(u64, u64)], committed: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(0x2348_9321_u32.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(4096_u32.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend((entries.len() as u64).to_le_bytes());
    bytes.extend(committed.to_le_bytes());
    bytes.resize(64, 0);
    for (sector, count) in entries {
        bytes.extend(sector.to_le_bytes());
        bytes.extend(count.to_le_bytes());
    }
    bytes
}

#[test]
fn a_write_cache_has_the_last_that_was_committed() {
    let mut entries = vec![(u64::MAX, 0); 300];
    entries[3] = (8 * 5, 1);
    entries[4] = (8 * 5, 3);
    entries[9] = (8 * 5, 2);
    entries[10] = (8 * 6, 4);
    entries[11] = (8 * 6, 9);
    entries[200] = (0, 1);
    let bytes = write_cache(&entries, 9);
    // The entries take 4864 bytes, so that the blocks begin at the third of 4 KiB.
    let body = "type = \"writecache\"\nwritecache = \"w_cvol\"\norigin = \"w_wcorig\"\n\
                writecache_block_size = 4096";
    let volumes = [
        logical("w", &[segment(0, 16, body)]),
        hidden("w_cvol", &[linear(0, 400, "\"pv0\", 0")]),
        hidden("w_wcorig", &[linear(0, 16, "\"pv0\", 400")]),
    ];
    let (stack, _) = look(physical(
        &text(1, "a", 500, "", &volumes.concat()),
        &bytes,
        500,
    ));
    let facts = [("not written back", (3 * 4096).to_string())];
    assert_eq!(usage(&stack, "w").facts, facts);
    for block in 0..16 {
        let index = match block {
            0 => Some(200),
            5 => Some(4),
            6 => Some(10),
            _ => None,
        };
        let expected = match index {
            Some(index) => START + (2 + index) * 4096 + 16,
            None => START + (400 + block) * EXTENT + 16,
        };
        let found = place(&stack, "vg0/w", block * 4096 + 16, 0).unwrap();
        assert_eq!(found, Some(expected), "block {block}");
    }
}

/// Behind its first bytes each word of a [`Numbered`] is another: 32 Mi entries of 32 Mi blocks.
#[test]
fn a_write_cache_of_more_blocks_than_are_held_is_not_read_to_its_end() {
    let mut head = write_cache(&[], u64::MAX);
    head[8..12].copy_from_slice(&512_u32.to_le_bytes());
    let blocks = 32_u64 << 20;
    head[16..24].copy_from_slice(&blocks.to_le_bytes());
    let store = (blocks * 512 + blocks * 16).div_ceil(EXTENT) + 1;
    let body = "type = \"writecache\"\nwritecache = \"v\"\norigin = \"o\"";
    let volumes = [
        logical("w", &[segment(0, 16, body)]),
        hidden("v", &[linear(0, store, "\"pv0\", 0")]),
        hidden("o", &[linear(0, 16, "\"pv0\", 0")]),
    ];
    let text = text(1, "a", store, "", &volumes.concat());
    let counting = Arc::new(Counting {
        inner: physical(&text, &head, store),
        read: AtomicU64::new(0),
    });
    let (stack, _) = look(counting.clone());
    let problem = place(&stack, "vg0/w", 0, 0).unwrap_err().to_string();
    let words = "write cache: tables of over 50331648 bytes together (the kernel reads it: ";
    assert!(problem.contains(words), "{problem}");
    // All entries take 512 MiB; those that count were read when the volume was looked at.
    let read = counting.read.load(Ordering::Relaxed);
    assert!((1_800_000 * 16..64 << 20).contains(&read), "{read}");
}

/// An exception store in chunks of 4 KiB, of `count` exceptions in the order of `old`: the first
/// area at chunk 1, its 256 chunks behind it, the next area behind those.
pub fn store(old: &[u64]) -> Vec<u8> {
    let mut bytes = vec![0; 4096 * 1024];
    bytes[..4].copy_from_slice(b"SnAp");
    bytes[4] = 1;
    bytes[8] = 1;
    bytes[12] = 8;
    for (index, old) in (0_u64..).zip(old) {
        let at = (1 + index / 256 * 257) * 4096 + index % 256 * 16;
        let place = chunk_of(index);
        bytes[at as usize..at as usize + 8].copy_from_slice(&old.to_le_bytes());
        bytes[at as usize + 8..at as usize + 16].copy_from_slice(&place.to_le_bytes());
    }
    bytes
}

/// The chunk of the store that exception number `index` is in.
fn chunk_of(index: u64) -> u64 {
    2 + index + index / 256
}

/// An origin `o` and its snapshot `s`, with the flags that LVM2 gives them: `snapshot0` is what it
/// calls visible, unless the snapshot is being merged.
pub fn snapshot(bytes: &[u8], merging: bool) -> imgmount::stack::Stack {
    let body = match merging {
        true => "type = \"snapshot\"\nchunk_size = 8\norigin = \"o\"\nmerging_store = \"s\"",
        false => "type = \"snapshot\"\nchunk_size = 8\norigin = \"o\"\ncow_store = \"s\"",
    };
    let pair = if merging { hidden } else { logical };
    let volumes = [
        logical("o", &[linear(0, 1000, "\"pv0\", 2000")]),
        hidden("s", &[linear(0, 1024, "\"pv0\", 0")]),
        pair("snapshot0", &[segment(0, 1000, body)]),
    ];
    look(physical(
        &text(1, "a", 4000, "", &volumes.concat()),
        bytes,
        4000,
    ))
    .0
}

#[test]
fn a_snapshot_is_its_exceptions_over_the_origin_which_is_as_it_was() {
    let old: Vec<u64> = (0..400).map(|index| index * 17 % 1000).collect();
    let mut bytes = store(&old);
    // What is in the store's own chunks says where it is, as everywhere else.
    let meta: Vec<u64> = vec![0, 1, 258];
    for chunk in (0..1024).filter(|chunk| !meta.contains(chunk)) {
        for word in (0..4096).step_by(8) {
            let at = chunk * 4096 + word;
            let number = START + at;
            bytes[at as usize..at as usize + 8].copy_from_slice(&number.to_le_bytes());
        }
    }
    let origin = |chunk: u64| START + (2000 + chunk) * 4096 + 8;
    let view = |chunk: u64| match old.iter().position(|it| *it == chunk) {
        Some(index) => START + chunk_of(index as u64) * 4096 + 8,
        None => origin(chunk),
    };
    for merging in [false, true] {
        let stack = snapshot(&bytes, merging);
        let shown = if merging { "o" } else { "s" };
        let in_use = usage(&stack, shown);
        assert_eq!(in_use.allocated, Some(400 * 4096));
        assert_eq!(
            in_use.facts,
            [("exception store", (1024 * 4096).to_string())]
        );
        for chunk in 0..1000 {
            let found = |name| place(&stack, name, chunk * 4096 + 8, 0).unwrap().unwrap();
            let (shown, plain) = if merging {
                ("vg0/o", None)
            } else {
                ("vg0/s", Some("vg0/o"))
            };
            assert_eq!(found(shown), view(chunk), "{chunk} {merging}");
            assert!(plain.is_none_or(|plain| found(plain) == origin(chunk)));
        }
    }
}

#[test]
fn a_snapshot_is_called_like_its_store_and_one_that_is_merged_is_its_origin() {
    let bytes = store(&[5]);
    let names = |merging| {
        let stack = snapshot(&bytes, merging);
        let nodes = stack.nodes().into_iter().map(|node| node.name.clone());
        let names = nodes.filter(|name| name.starts_with("vg0/"));
        let (_, description) = stack.sets[0].content.described().unwrap();
        let hidden = description
            .facts
            .iter()
            .find(|(name, _)| *name == "hidden volumes");
        (names.collect::<Vec<_>>(), hidden.unwrap().1.clone())
    };
    let of = |names: &[&str], hidden: &str| {
        let names = names.iter().map(ToString::to_string);
        (names.collect::<Vec<_>>(), hidden.to_owned())
    };
    assert_eq!(names(false), of(&["vg0/o", "vg0/s"], "snapshot0"));
    assert_eq!(names(true), of(&["vg0/o"], "s, snapshot0"));
}

#[test]
fn a_snapshot_whose_store_was_full_is_refused_and_its_origin_opens() {
    let mut bytes = store(&[5]);
    bytes[4] = 0;
    let stack = snapshot(&bytes, false);
    let error = place(&stack, "vg0/s", 0, 0).unwrap_err().to_string();
    assert!(
        error.contains("not valid any more: its store was full"),
        "{error}"
    );
    assert!(place(&stack, "vg0/o", 0, 0).is_ok());
    bytes[0] = b'x';
    let error = place(&snapshot(&bytes, false), "vg0/s", 0, 0)
        .unwrap_err()
        .to_string();
    assert!(error.contains("exception store: magic is"), "{error}");
}
