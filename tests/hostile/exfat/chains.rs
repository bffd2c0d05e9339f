//! F03 to F05, F07: chains, the directories in them, and lengths.

use imgmount::filesystem::{Budget, Request};
use imgmount::service::open as service;

use super::*;
use crate::support::library;

/// A chain of `len` bytes whose last link is `last`, which counts from its first cluster.
fn chained(volume: &mut Volume, len: usize, last: impl Fn(u32) -> u32) -> u32 {
    let first = volume.scatter(&vec![5; len]);
    let end = first + 1 - len.div_ceil(4096) as u32;
    for table in &mut volume.tables {
        table[end as usize] = last(first);
    }
    first
}

#[test]
fn f03_chain_is_broken() {
    type Last = fn(u32) -> u32;
    let cases: &[(Last, &str)] = &[
        (|_| 0, "is 0, which is none of the clusters"),
        (|_| 1, "is 1, which is none of the clusters"),
        (|_| CLUSTERS + 2, "is 66, which is none of the clusters"),
        (|_| 0xffff_fff7, "marks a bad cluster"),
        (|first| first, "leads back to cluster"),
        (|first| first - 1, "leads back to cluster"),
        (|first| first - 2, "leads back to cluster"),
        (|_| 0xffff_ffff, "ends before byte 12288 of 16384"),
    ];
    for (last, words) in cases {
        let mut first = 0;
        let hit = hit_set(|volume| {
            first = chained(volume, 12_288, last);
            Set::new("hit", ARCHIVE).stream(CHAIN, first, 16_384)
        });
        let attributes = hit.node().attributes.as_ref().unwrap();
        assert_eq!((attributes.size, attributes.blocks), (16_384, 32));
        // The last of three clusters, which run backwards.
        let end = first - 2;
        match last(first) {
            0xffff_ffff => hit.fails(words, hit.set()),
            _ => hit.fails(&format!("FAT entry {end} {words}"), hit.entry(end)),
        }
    }
}

/// What is before the break is read all the same.
#[test]
fn f03_what_is_before_the_break() {
    let mut first = 0;
    let hit = hit_set(|volume| {
        first = chained(volume, 12_288, |first| first);
        Set::new("hit", ARCHIVE).stream(CHAIN, first, 1 << 32)
    });
    let (found, error) = crate::hostile::walk::read_file(&hit.bytes, b"hit");
    assert_eq!(found, vec![5; 12_288]);
    let words = format!("FAT entry {} leads back to cluster {first}", first - 2);
    corrupt(error.as_ref(), &words, hit.entry(first - 2));
}

#[test]
fn f03_two_files_of_one_chain_and_a_chain_that_is_too_long() {
    let hit = hit_set(|volume| {
        let first = volume.scatter(&[5; 12_288]);
        volume.add(&Set::new("twin", ARCHIVE).stream(CHAIN, first, 12_288));
        Set::new("hit", ARCHIVE).stream(CHAIN, first, 5000)
    });
    let content = |node: &Node| match &node.content {
        Seen::File(_, bytes, None) => bytes.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(content(hit.node()), [5; 5000]);
    assert_eq!(content(&hit.walk.nodes["twin"]), [5; 12_288]);
}

#[test]
fn f04_directory_chain_comes_back() {
    let mut entries: Vec<Entry> = Vec::new();
    for index in 0..2 * 128 / 4 {
        // Four entries each: no end before the end of the chain.
        entries.extend(Set::new(&format!("{index:02} a longer name"), ARCHIVE).sealed());
    }
    for back in [0, 1] {
        let entries = entries.clone();
        let mut first = 0;
        let hit = hit_set(|volume| {
            let bytes = volume.padded(&entries);
            first = volume.scatter(&bytes);
            for table in &mut volume.tables {
                table[first as usize - 1] = first - back;
            }
            Set::new("hit", DIRECTORY).stream(CHAIN, first, 8192)
        });
        let node = hit.node();
        let Seen::Directory(names, error) = &node.content else {
            panic!("no directory");
        };
        assert_eq!(names.len(), 2 + 64);
        let (last, to) = (first - 1, first - back);
        let words = format!("FAT entry {last} leads back to cluster {to}");
        corrupt(error.as_ref(), &words, hit.entry(last));
        assert_eq!(node.attributes.as_ref().unwrap().nlink, 2);
    }
}

#[test]
fn f05_directory_in_itself() {
    let Hit { walk, .. } = hit(|volume| {
        let first = volume.allocate(1);
        let inner = Set::new("again", DIRECTORY).stream(CONTIGUOUS, first, 4096);
        let mut entries = inner.sealed();
        entries.extend(Set::new("leaf", ARCHIVE).sealed());
        volume.put(first, &entries.concat());
        volume.add(&Set::new("hit", DIRECTORY).stream(CONTIGUOUS, first, 4096));
    });
    // The walk looks into each directory once, and the directory in itself is one.
    let below: Vec<_> = walk
        .nodes
        .keys()
        .filter(|path| path.starts_with("hit"))
        .collect();
    assert_eq!(below.len(), 5, "{below:?}");
    let inode = |path: &str| walk.nodes[path].lookup.clone().unwrap();
    assert_eq!(inode("hit/again"), inode("hit/again/again"));
}

#[test]
fn f05_directory_that_is_the_root() {
    // The root is where the last cluster is: found out by making it once.
    let root = |bytes: &[u8]| u32::from_le_bytes(bytes[96..100].try_into().unwrap());
    let set = |first| Set::new("hit", DIRECTORY).stream(CHAIN, first, 4096);
    let first = root(&volume(|volume| volume.add(&set(2))));
    let hit = hit_set(|_| set(first));
    hit.fails("FirstCluster is the root directory's", hit.set());
}

#[test]
fn f07_four_gibibytes_in_one_cluster() {
    let hit = hit_set(|volume| {
        let first = volume.allocate(1);
        volume.link(&[first]);
        Set::new("hit", ARCHIVE).stream(CHAIN, first, 4 << 30)
    });
    assert_eq!(hit.node().attributes.as_ref().unwrap().size, 4 << 30);
    hit.fails("ends before byte 4294963200 of 4294967296", hit.set());
}

/// Nothing of it was ever written: zeros, of which the clusters do not matter.
#[test]
fn f07_a_tebibyte_of_which_nothing_is_valid() {
    let set = Set::new("hit", ARCHIVE).stream(CONTIGUOUS, 5, 1 << 40);
    let hit = hit_set(|_| set.valid(0));
    let node = hit.node();
    assert_eq!(node.error(), None);
    let Seen::File(extents, _, None) = &node.content else {
        panic!("no file");
    };
    assert_eq!(extents, &[(0, ExtentKind::Zeros, 1 << 40)]);
}

/// Each of many small sets claims all of a large volume: the check of the bitmap ends by its budget.
#[test]
fn f10_sets_that_each_claim_all_clusters() {
    const MANY: u32 = 1 << 20;
    let small = volume(|volume| {
        for number in 0..300 {
            let set = Set::new(&format!("hit{number}"), ARCHIVE);
            volume.add(&set.stream(CONTIGUOUS, 2, u64::from(MANY) << 12));
        }
    });
    let heap = 25 * SECTOR;
    assert_eq!(place(&small, 2), heap, "the FAT is one sector");
    let table = (MANY as usize + 2) * 4;
    let table = table.next_multiple_of(SECTOR);
    let mut bytes = small[..heap - SECTOR].to_vec();
    bytes.extend(&small[heap - SECTOR..heap]);
    bytes.resize(heap - SECTOR + table, 0);
    let sectors = bytes.len() / SECTOR;
    bytes.extend(&small[heap..]);
    let length = sectors as u64 + u64::from(MANY) * 8;
    bytes[72..80].copy_from_slice(&length.to_le_bytes());
    for (at, value) in [(84, table / SECTOR), (88, sectors), (92, MANY as usize)] {
        bytes[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
    }
    generate::seal(&mut bytes);
    let scratch = Scratch::new();
    let image = scratch.join("large.exfat");
    std::fs::write(&image, &bytes).unwrap();
    let opened = library::open_with(&image, &service::Options::default());
    let request = Request {
        budget: Budget::new(100_000),
        ..Request::new(0)
    };
    let mut found = Vec::new();
    let filesystem = library::file_system(&opened);
    filesystem.verify(&request, &mut |error| found.push(error));
    // The first file of all has the first cluster.
    let twice = "cluster 2 belongs to something else too";
    let twice = found
        .iter()
        .filter(|error| error.message() == twice)
        .count();
    assert!((90..98).contains(&twice), "a thousand a step: {twice}");
    let last = found.last().expect("the end");
    super::super::expect::names(last, Kind::Corrupt, &["allocation bitmap", "work limit"]);
}
