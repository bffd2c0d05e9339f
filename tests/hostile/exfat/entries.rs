//! F06 and F10: entries and their sets.

use super::*;

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
