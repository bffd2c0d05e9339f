//! F06 and F10: entries and their sets.

use super::*;

#[test]
fn f10_secondary_count() {
    // With one entry more the set has the first of the next file's.
    for (count, words) in [
        (0, "SecondaryCount 0 is below 2"),
        (1, "NameLength is 3, with 0 entries"),
        (3, "EntryType 0x85 is out of place"),
        (17, "EntryType 0x85 is out of place"),
        (254, "SecondaryCount 254: the set goes on past the end"),
        (255, "SecondaryCount 255: the set goes on past the end"),
    ] {
        let hit = hit_set(|volume| {
            let mut set = volume.file("hit", b"x");
            set.count = Some(count);
            set
        });
        hit.left_out(words, hit.set());
    }
}

/// The set's last entry would be past the end of its directory, which has no chain.
#[test]
fn f10_secondary_count_past_the_directory() {
    let hit = hit(|volume| {
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
    let Seen::Directory(names, None) = &hit.node().content else {
        panic!("{:?}", hit.node().content);
    };
    assert_eq!(names.len(), 2 + 42);
    let first = word(&hit.bytes, hit.set() + 32 + 20);
    let at = place(&hit.bytes, first) + 126 * 32;
    notices(&hit.walk, &[&format!(" at byte {at:#x}: left out")]);
}

#[test]
fn f10_set_checksum() {
    let hit = hit_set(|volume| {
        let mut set = volume.file("hit", b"hit");
        set.wrong = 1;
        set
    });
    assert!(matches!(hit.node().lookup, Ok(Some(_))));
    let stored = u16::from_le_bytes(hit.bytes[hit.set() + 2..][..2].try_into().unwrap());
    let sum = stored.wrapping_sub(1);
    let words = format!("SetChecksum {stored:#06x} should be {sum:#06x}");
    corrupt(hit.node().attributes.as_ref().err(), &words, hit.set());
    let options = Options {
        ignore_checksums: true,
        ..Options::default()
    };
    let walked = walk_with(&hit.bytes, &options);
    others_are_whole(&walked);
    assert_eq!(walked.nodes["hit"].error(), None);
    let at = format!(" at byte {:#x}", hit.set());
    notices(&walked, &[&words, &at]);
}

#[test]
fn f10_name_length() {
    for length in [0, 16, 255] {
        let hit = hit_set(|volume| volume.file("hit", b"x").set(1, 3, &[length]));
        let words = format!("NameLength is {length}, with 1 entries");
        hit.left_out(&words, hit.set());
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
        let hit = hit_set(|_| set);
        assert_eq!(hit.node().attributes.as_ref().unwrap().size, length);
        let words = format!("FirstCluster {first} on is none of the clusters 2 to 65");
        hit.fails(&words, hit.set());
        let folder = Set::new("hit", DIRECTORY).stream(CONTIGUOUS, first, length.max(4096));
        let hit = hit_set(|_| folder);
        assert!(hit.node().attributes.is_ok());
        if !(2..=CLUSTERS + 1).contains(&first) {
            hit.fails(&words, hit.set());
        }
    }
}

#[test]
fn f10_length_that_no_program_takes() {
    for length in [1 << 63, u64::MAX] {
        let set = Set::new("hit", ARCHIVE).stream(CONTIGUOUS, 5, length);
        let hit = hit_set(|_| set);
        let words = format!("DataLength {length} is over 2^63");
        corrupt(hit.node().attributes.as_ref().err(), &words, hit.set());
    }
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
    let Hit { walk, .. } = hit(|volume| {
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
    let Hit { walk, .. } = hit(|volume| {
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
fn f10_valid_length_over_the_length() {
    let hit = hit_set(|volume| volume.file("hit", &[3; 5000]).valid(9000));
    let Seen::File(_, bytes, None) = &hit.node().content else {
        panic!("no file");
    };
    assert_eq!(bytes, &[3; 5000]);
    let at = format!(" at byte {:#x}", hit.set());
    let words = ["ValidDataLength 9000 is over DataLength 5000", &at];
    notices(&hit.walk, &words);
}

/// An unknown entry in front of a file hides neither it nor what is behind.
#[test]
fn f10_unknown_critical_entries() {
    let hit = hit(|volume| {
        for kind in [0x80, 0x84, 0x86, 0x9f] {
            volume.root.push(critical(kind, 255, u32::MAX, u64::MAX));
        }
    });
    assert_eq!(hit.walk.nodes.len(), 4);
    let at = format!(" at byte {:#x}", root_entry(&hit.bytes, 0x9f));
    notices(&hit.walk, &["EntryType 0x9f is not known", &at]);
}

/// What lies in a directory before a sector that cannot be read is listed.
#[test]
fn f04_a_sector_of_a_directory_that_cannot_be_read() {
    let bytes = volume(|volume| {
        let sets = (0..42).map(|number| Set::new(&format!("n{number:02}"), ARCHIVE).sealed());
        let entries: Vec<Entry> = sets.flatten().collect();
        let set = volume.directory("hit", &entries);
        volume.add(&set);
    });
    let start = set_of(&bytes, "n00");
    let bytes = std::sync::Arc::new(bytes);
    for bad in [3, 6] {
        let sector = (start / SECTOR + bad) as u64;
        let source = BadSector {
            bytes: bytes.clone(),
            sector,
        };
        let walk = walk_source(std::sync::Arc::new(source), &Options::default());
        let Seen::Directory(entries, Some(error)) = &walk.nodes["hit"].content else {
            panic!("{bad}: no error");
        };
        // Sixteen sets of three entries in three sectors.
        assert_eq!(entries.len(), 2 + bad / 3 * 16, "{error}");
        assert_eq!(error.offset(), Some(sector * SECTOR as u64), "{error}");
        others_are_whole(&walk);
    }
}
