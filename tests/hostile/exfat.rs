//! HOSTILE F10 and what of F03 to F08 exFAT has too: volumes of [`generate`] with one thing wrong
//! in each.

use imgmount::error::{Error, Kind};
use imgmount::format::Options;
use imgmount::source::ExtentKind;

use super::flips::Numbers;
use super::walk::{Node, Seen, Walk, walk, walk_with};
use crate::filesystem::exfat::generate::{
    self, ARCHIVE, CHAIN, CONTIGUOUS, DIRECTORY, Entry, Set, Volume, critical,
};
use crate::support::command::{self, Run};
use crate::support::images::{self, Scratch};

/// Clusters of the usual volume.
const CLUSTERS: u32 = 64;

/// A volume with what `hit` adds between two files that are never touched.
fn volume(hit: impl FnOnce(&mut Volume)) -> Vec<u8> {
    let mut volume = Volume::usual();
    let inner = volume.file("inner", &[7; 6000]).sealed();
    let set = volume.directory("before", &inner);
    volume.add(&set);
    let scattered = volume.scatter(&[9; 20_000]);
    let behind = Set::new("behind", ARCHIVE).stream(CHAIN, scattered, 20_000);
    hit(&mut volume);
    volume.add(&behind);
    volume.finish()
}

/// What is in the others is as it was made; the rest of the walk.
fn others_are_whole(walk: &Walk) {
    let content = |path: &str| match &walk.nodes.get(path).map(|node| &node.content) {
        Some(Seen::File(_, bytes, None)) => bytes.clone(),
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(content("before/inner"), [7; 6000]);
    assert_eq!(content("behind"), [9; 20_000]);
    for path in ["before", "before/inner", "behind"] {
        assert_eq!(walk.nodes[path].error(), None, "{path}");
        assert!(matches!(walk.nodes[path].lookup, Ok(Some(_))), "{path}");
    }
}

/// Opens a volume with `hit`, of which the others are whole.
fn hit(hit: impl FnOnce(&mut Volume)) -> Walk {
    let walk = walk(&volume(hit));
    assert!(walk.refused.is_none(), "{:?}", walk.refused);
    others_are_whole(&walk);
    walk
}

/// A file called `hit` with the set that `make` gives, and what is seen of it.
fn hit_set(make: impl FnOnce(&mut Volume) -> Set) -> (Option<Node>, Walk) {
    let walk = hit(|volume| {
        let set = make(volume);
        volume.add(&set);
    });
    (walk.nodes.get("hit").cloned(), walk)
}

fn corrupt(error: Option<&Error>, words: &str) {
    let error = error.unwrap_or_else(|| panic!("no error with {words:?}"));
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    assert!(error.to_string().contains(words), "{error}, not {words:?}");
}

fn notices(walk: &Walk, words: &str) {
    let found = walk.notices.iter().any(|notice| notice.contains(words));
    assert!(found, "{words:?}: {:?}", walk.notices);
}

/// The volume with bytes of the boot sector changed and its sum mended, without a copy.
fn booted(changes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = volume(|_| {});
    for (at, new) in changes {
        bytes[*at..at + new.len()].copy_from_slice(new);
    }
    generate::seal(&mut bytes);
    // Without a copy, wherever the size of sectors would have it.
    for shift in 9..=12 {
        bytes[(12 << shift) + 3] = 0;
    }
    bytes
}

/// Refused, with the field named, and the raw bytes are there.
fn refused(bytes: &[u8], words: &str) {
    let walk = walk(bytes);
    let (error, raw) = walk
        .refused
        .unwrap_or_else(|| panic!("{words} is not refused"));
    assert!(error.to_string().contains(words), "{error}, not {words:?}");
    assert!(raw, "{words}: no raw bytes");
    assert!(walk.nodes.is_empty());
}

#[test]
fn f10_boot_checksum() {
    let whole = volume(|_| {});
    others_are_whole(&walk(&whole));
    let sector = 512;
    // The word over and over, up to the last: a wrong one is found wherever it is.
    for at in [11 * sector, 12 * sector - 1, 5 * sector] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let walked = walk(&bytes);
        others_are_whole(&walked);
        notices(&walked, "boot checksum");
        notices(&walked, "the backup boot region is used");
        bytes[12 * sector + at] ^= 1;
        refused(&bytes, "main boot region: boot checksum");
        let options = Options {
            ignore_checksums: true,
            ..Options::default()
        };
        let walked = walk_with(&bytes, &options);
        others_are_whole(&walked);
        notices(&walked, "boot checksum");
    }
    // Flags and the percentage in use change without a new sum.
    let mut bytes = whole;
    bytes[106] = 2;
    bytes[112] = 50;
    let walked = walk(&bytes);
    others_are_whole(&walked);
    notices(&walked, "VolumeDirty");
}

/// A main boot sector that is damaged but for its name is replaced by its copy.
#[test]
fn f10_boot_sector_of_which_the_copy_is_good() {
    for (at, len) in [(64, 400), (108, 1), (96, 4), (0, 3)] {
        let mut bytes = volume(|_| {});
        bytes[at..at + len].fill(0xff);
        let walked = walk(&bytes);
        others_are_whole(&walked);
        notices(&walked, "the backup boot region is used");
    }
}

#[test]
fn f10_boot_sector_fields() {
    let heap = u32::from_le_bytes(booted(&[])[88..92].try_into().unwrap());
    let past = (heap + CLUSTERS * 8 + 1).to_le_bytes();
    let cases: &[(usize, &[u8], &str)] = &[
        (11, &[1], "MustBeZero"),
        (63, &[1], "MustBeZero"),
        (72, &[0; 8], "ClusterCount 64 is past the end of the volume"),
        (72, &[0xff; 8], "VolumeLength 18446744073709551615"),
        (80, &[0; 4], "FatOffset 0 is below 24"),
        (80, &[23, 0, 0, 0], "FatOffset 23 is below 24"),
        (80, &past, "past ClusterHeapOffset"),
        (80, &[0xff; 4], "FatOffset 4294967295"),
        (84, &[0; 4], "FatLength 0 is too small"),
        (84, &[0xff; 4], "FatLength 4294967295"),
        (88, &past, "ClusterCount 64 is past the end"),
        (88, &[0xff; 4], "ClusterCount 64 is past the end"),
        (92, &[0; 4], "ClusterCount 0"),
        (92, &[0xff; 4], "ClusterCount 4294967295"),
        (92, &[0xf5, 0xff, 0xff, 0xff], "FatLength 1 is too small"),
        (96, &[0; 4], "FirstClusterOfRootDirectory 0"),
        (96, &[1, 0, 0, 0], "FirstClusterOfRootDirectory 1"),
        (96, &[66, 0, 0, 0], "FirstClusterOfRootDirectory 66"),
        (96, &[0xff; 4], "FirstClusterOfRootDirectory 4294967295"),
        (104, &[0, 2], "FileSystemRevision 2.00"),
        (108, &[0], "BytesPerSectorShift 0"),
        (108, &[8], "BytesPerSectorShift 8"),
        (108, &[13], "BytesPerSectorShift 13"),
        (108, &[255], "BytesPerSectorShift 255"),
        (109, &[17], "SectorsPerClusterShift 17 is over 16"),
        (109, &[255], "SectorsPerClusterShift 255 is over 16"),
        (110, &[0], "NumberOfFats 0"),
        (110, &[3], "NumberOfFats 3"),
        (510, &[0, 0], "BootSignature"),
    ];
    for (at, bytes, words) in cases {
        refused(&booted(&[(*at, bytes)]), words);
    }
}

#[test]
fn f10_cluster_of_32_mebibytes_in_a_small_volume() {
    let changes: [(usize, &[u8]); 2] = [(109, &[16]), (92, &[1, 0, 0, 0])];
    refused(&booted(&changes), "ClusterCount 1 is past the end");
}

/// The place of the entry of `kind` in the root directory of `bytes`.
fn root_entry(bytes: &[u8], kind: u8) -> usize {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let root = word(88) * 512 + (word(96) - 2) * 4096;
    let mut entries = (root..root + 4096).step_by(32);
    entries.find(|at| bytes[*at] == kind).unwrap()
}

#[test]
fn f10_upcase_table() {
    let whole = volume(|_| {});
    let at = root_entry(&whole, 0x82);
    let reasons: [(usize, &[u8], &str); 7] = [
        (
            24,
            &(1_u64 << 63).to_le_bytes(),
            "DataLength 9223372036854775808",
        ),
        (24, &[0xff; 8], "DataLength 18446744073709551615"),
        (24, &[0; 8], "TableChecksum"),
        (4, &[0xff; 4], "TableChecksum"),
        (20, &[0; 4], "first cluster 0"),
        (20, &[0xff; 4], "first cluster 4294967295"),
        (0, &[0x02], "there is none"),
    ];
    for (offset, new, reason) in reasons {
        let mut bytes = whole.clone();
        bytes[at + offset..][..new.len()].copy_from_slice(new);
        let walked = walk(&bytes);
        others_are_whole(&walked);
        notices(&walked, reason);
        notices(&walked, "the recommended one is used");
    }
}

#[test]
fn f10_allocation_bitmap() {
    let whole = volume(|_| {});
    let at = root_entry(&whole, 0x81);
    for (offset, new) in [(0, 0x01_u8), (24, 7), (20, 0), (20, 0xff), (31, 0xff)] {
        let mut bytes = whole.clone();
        bytes[at + offset] = new;
        let walked = walk(&bytes);
        others_are_whole(&walked);
        // One that is too long is as good as it has to be.
        if offset != 31 {
            notices(&walked, "allocation bitmap");
        }
    }
}

#[test]
fn f10_secondary_count() {
    for count in [0, 1, 3, 17, 254, 255] {
        let (node, walk) = hit_set(|volume| {
            let mut set = volume.file("hit", b"x");
            set.count = Some(count);
            set
        });
        assert!(node.is_none(), "{count}");
        notices(&walk, "left out");
    }
}

/// The set's last entry would be past the end of its directory, which has no chain.
#[test]
fn f10_secondary_count_past_the_directory() {
    let walk = hit(|volume| {
        let mut entries: Vec<Entry> = Vec::new();
        for index in 0..127 / 3 {
            entries.extend(Set::new(&format!("f{index}"), ARCHIVE).sealed());
        }
        let last = Set::new("n".repeat(100).as_str(), ARCHIVE).sealed();
        entries.extend(&last[..2]);
        assert_eq!(entries.len(), 128);
        let set = volume.directory("hit", &entries);
        volume.add(&set);
    });
    let Seen::Directory(names, None) = &walk.nodes["hit"].content else {
        panic!("{:?}", walk.nodes["hit"].content);
    };
    assert_eq!(names.len(), 2 + 42);
    notices(&walk, "left out");
}

#[test]
fn f10_set_checksum() {
    let bytes = volume(|volume| {
        let mut set = volume.file("hit", b"hit");
        set.wrong = 1;
        volume.add(&set);
    });
    let walked = walk(&bytes);
    others_are_whole(&walked);
    let hit = &walked.nodes["hit"];
    assert!(matches!(hit.lookup, Ok(Some(_))));
    corrupt(hit.attributes.as_ref().err(), "SetChecksum");
    let options = Options {
        ignore_checksums: true,
        ..Options::default()
    };
    let walked = walk_with(&bytes, &options);
    others_are_whole(&walked);
    assert_eq!(walked.nodes["hit"].error(), None);
    notices(&walked, "SetChecksum");
}

#[test]
fn f10_name_length() {
    for length in [0, 16, 255] {
        let (node, walk) = hit_set(|volume| volume.file("hit", b"x").set(1, 3, &[length]));
        assert!(node.is_none(), "{length}");
        notices(&walk, &format!("NameLength is {length}"));
    }
}

#[test]
fn f10_no_fat_chain_past_the_heap() {
    for (first, length) in [
        (CLUSTERS + 1, 8192),
        (CLUSTERS - 2, 1 << 40),
        (2, 1 << 62),
        (0, 1),
        (1, 1),
        (CLUSTERS + 2, 1),
        (u32::MAX, 1),
    ] {
        let set = Set::new("hit", ARCHIVE).stream(CONTIGUOUS, first, length);
        let (node, _) = hit_set(|_| set);
        let node = node.unwrap();
        assert_eq!(node.attributes.as_ref().unwrap().size, length);
        corrupt(node.error(), "is none of the clusters 2 to 65");
        let folder = Set::new("hit", DIRECTORY).stream(CONTIGUOUS, first, length.max(4096));
        let (node, _) = hit_set(|_| folder);
        let node = node.unwrap();
        assert!(node.attributes.is_ok());
        if !(2..=CLUSTERS + 1).contains(&first) {
            corrupt(node.error(), "is none of the clusters 2 to 65");
        }
    }
}

#[test]
fn f10_length_that_no_program_takes() {
    for length in [1 << 63, u64::MAX] {
        let set = Set::new("hit", ARCHIVE).stream(CONTIGUOUS, 5, length);
        let (node, _) = hit_set(|_| set);
        let node = node.unwrap();
        corrupt(node.attributes.as_ref().err(), "is over 2^63");
    }
}

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
        let (node, _) = hit_set(|volume| {
            let first = chained(volume, 12_288, last);
            Set::new("hit", ARCHIVE).stream(CHAIN, first, 16_384)
        });
        let node = node.unwrap();
        let attributes = node.attributes.as_ref().unwrap();
        assert_eq!((attributes.size, attributes.blocks), (16_384, 32));
        corrupt(node.error(), words);
    }
}

/// What is before the break is read all the same.
#[test]
fn f03_what_is_before_the_break() {
    let bytes = volume(|volume| {
        let first = chained(volume, 12_288, |first| first);
        volume.add(&Set::new("hit", ARCHIVE).stream(CHAIN, first, 1 << 32));
    });
    let (found, error) = super::walk::read_file(&bytes, b"hit");
    assert_eq!(found, vec![5; 12_288]);
    corrupt(error.as_ref(), "leads back to cluster");
}

#[test]
fn f03_two_files_of_one_chain_and_a_chain_that_is_too_long() {
    let (node, walk) = hit_set(|volume| {
        let first = volume.scatter(&[5; 12_288]);
        volume.add(&Set::new("twin", ARCHIVE).stream(CHAIN, first, 12_288));
        Set::new("hit", ARCHIVE).stream(CHAIN, first, 5000)
    });
    let content = |node: &Node| match &node.content {
        Seen::File(_, bytes, None) => bytes.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(content(&node.unwrap()), [5; 5000]);
    assert_eq!(content(&walk.nodes["twin"]), [5; 12_288]);
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
        let (node, _) = hit_set(|volume| {
            let bytes = volume.padded(&entries);
            let first = volume.scatter(&bytes);
            for table in &mut volume.tables {
                table[first as usize - 1] = first - back;
            }
            Set::new("hit", DIRECTORY).stream(CHAIN, first, 8192)
        });
        let node = node.unwrap();
        let Seen::Directory(names, error) = &node.content else {
            panic!("no directory");
        };
        assert_eq!(names.len(), 2 + 64);
        corrupt(error.as_ref(), "leads back to cluster");
        assert_eq!(node.attributes.as_ref().unwrap().nlink, 2);
    }
}

#[test]
fn f05_directory_in_itself() {
    let walk = hit(|volume| {
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
    let (node, _) = hit_set(|_| set(first));
    corrupt(
        node.unwrap().error(),
        "FirstCluster is the root directory's",
    );
}

#[test]
fn f06_names_that_are_no_names() {
    let names: [(&[u16], &str); 7] = [
        (&[0x61, 0x2f, 0x62], "a\\\\x2fb"),
        (&[0x61, 0, 0x62], "a\\\\x00b"),
        (&[0x2e], "\\\\x2e"),
        (&[0x2e, 0x2e], "\\\\x2e\\\\x2e"),
        (&[0xd800], "\\xed\\xa0\\x80"),
        (&[0x43, 0x4f, 0x4e, 0x20], "CON "),
        (&[0x78, 0x2e], "x."),
    ];
    let walk = hit(|volume| {
        for (units, _) in names {
            volume.add(&Set::of_units(units, ARCHIVE));
        }
    });
    for (_, shown) in names {
        let node = walk.nodes.get(shown);
        let node = node.unwrap_or_else(|| panic!("{shown}: {:?}", walk.nodes.keys()));
        assert!(matches!(node.lookup, Ok(Some(_))), "{shown}");
    }
}

#[test]
fn f06_equal_names_are_both_reachable() {
    let walk = hit(|volume| {
        for (name, content) in [("same", "1"), ("SAME", "2"), ("same", "3"), ("same", "4")] {
            let set = volume.file(name, content.as_bytes());
            volume.add(&set);
        }
    });
    for (name, content) in [
        ("same", b"1"),
        ("SAME", b"2"),
        ("same~2", b"3"),
        ("same~3", b"4"),
    ] {
        let node = &walk.nodes[name];
        assert!(matches!(node.lookup, Ok(Some(_))), "{name}");
        let Seen::File(_, bytes, None) = &node.content else {
            panic!("{name}: {:?}", node.content);
        };
        assert_eq!(bytes, content);
    }
}

#[test]
fn f07_four_gibibytes_in_one_cluster() {
    let (node, _) = hit_set(|volume| {
        let first = volume.allocate(1);
        volume.link(&[first]);
        Set::new("hit", ARCHIVE).stream(CHAIN, first, 4 << 30)
    });
    let node = node.unwrap();
    assert_eq!(node.attributes.as_ref().unwrap().size, 4 << 30);
    corrupt(node.error(), "ends before byte 4294963200 of 4294967296");
}

/// Nothing of it was ever written: zeros, of which the clusters do not matter.
#[test]
fn f07_a_tebibyte_of_which_nothing_is_valid() {
    let set = Set::new("hit", ARCHIVE).stream(CONTIGUOUS, 5, 1 << 40);
    let (node, _) = hit_set(|_| set.valid(0));
    let node = node.unwrap();
    assert_eq!(node.error(), None);
    let Seen::File(extents, _, None) = &node.content else {
        panic!("no file");
    };
    assert_eq!(extents, &[(0, ExtentKind::Zeros, 1 << 40)]);
}

#[test]
fn f10_valid_length_over_the_length() {
    let (node, walk) = hit_set(|volume| volume.file("hit", &[3; 5000]).valid(9000));
    let Seen::File(_, bytes, None) = &node.unwrap().content else {
        panic!("no file");
    };
    assert_eq!(bytes, &[3; 5000]);
    notices(&walk, "ValidDataLength 9000 is over DataLength 5000");
}

/// An unknown entry in front of a file hides neither it nor what is behind.
#[test]
fn f10_unknown_critical_entries() {
    let walk = hit(|volume| {
        for kind in [0x80, 0x84, 0x86, 0x9f] {
            volume.root.push(critical(kind, 255, u32::MAX, u64::MAX));
        }
    });
    assert_eq!(walk.nodes.len(), 4);
    notices(&walk, "EntryType 0x9f is not known");
}

/// G02: cut off anywhere, it is refused, or files fail that lie past the cut.
#[test]
fn f10_truncated() {
    let whole = volume(|_| {});
    let mut numbers = Numbers(7);
    let random = (0..40).map(|_| numbers.below(whole.len()));
    for len in (0..64).map(|sector| sector * 512).chain(random) {
        let walked = walk(&whole[..len]);
        for (path, expected) in [
            ("before/inner", [7; 6000].to_vec()),
            ("behind", vec![9; 20_000]),
        ] {
            if let Some(Node {
                content: Seen::File(_, bytes, None),
                ..
            }) = walked.nodes.get(path)
            {
                assert_eq!(*bytes, expected, "{path} of {len} bytes");
            }
        }
    }
}

/// The images that exfatprogs tests its repairs with: damage is found where fsck.exfat finds some,
/// and nowhere else.
#[test]
fn damage_is_found_where_fsck_finds_it() {
    need!(images, tool "fsck.exfat", tool "zstd");
    let inside = |file: &str, _: &str| file.starts_with("hostile/exfatprogs/");
    let mut counts = [0, 0];
    for image in crate::support::expected::collected(inside) {
        let scratch = Scratch::new();
        let path = images::unpack(&image.file, &scratch);
        let said = Run::new("fsck.exfat").arg("-n").arg(&path).output();
        let clean = String::from_utf8_lossy(&said.stdout).contains(": clean.");
        let check = command::imgmount().arg("check").arg(&path).output();
        let text = String::from_utf8_lossy(&check.stdout);
        assert_eq!(check.status.success(), clean, "{}: {text}", image.file);
        counts[usize::from(clean)] += 1;
    }
    assert!(counts[0] >= 5 && counts[1] >= 2, "{counts:?}");
}
