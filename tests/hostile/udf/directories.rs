//! Directories and their entries.

use super::*;
use crate::hostile::opened::{is_spent, opened, request};

/// Makes the directory `folder` hold `linked` by an entry that `change` changes, and whole ones
/// before and behind it.
fn with_entry(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    changed(Layout::Physical, |builder, places| {
        let at = places.folder.block;
        let mut entry = identifier(at, 0, &name("linked"), places.embedded);
        change(&mut entry);
        let content = [
            identifier(at, 8 | 2, &[], places.root),
            identifier(at, 0, &name("before"), places.embedded),
            entry,
            identifier(at, 0, &name("behind"), places.embedded),
        ];
        builder.raw_directory(places.folder, &content.concat());
    })
}

#[test]
fn i10_entries_of_a_directory() {
    let set_and_tag = |at: usize, value: &'static [u8]| {
        move |entry: &mut Vec<u8>| {
            set(entry, at, value);
            retag(entry);
        }
    };
    let cases: [(Vec<u8>, &str); 7] = [
        (with_entry(|entry| entry[4] ^= 1), "tag_checksum"),
        (with_entry(|entry| entry[30] ^= 1), "descriptor_crc"),
        (with_entry(set_and_tag(0, &[1, 2])), "tag_identifier 513"),
        (
            with_entry(set_and_tag(36, &[0xff, 0xff])),
            "leave the directory",
        ),
        (with_entry(set_and_tag(38, &[9])), "compression id 9"),
        (with_entry(set_and_tag(38, &[0])), "compression id 0"),
        (
            with_entry(|entry| {
                *entry = identifier(
                    0,
                    0,
                    &[],
                    Address {
                        partition: 0,
                        block: 1,
                    },
                )
            }),
            "no name",
        ),
    ];
    for (bytes, words) in cases {
        let walk = walk(&bytes);
        let node = &walk.nodes["folder"];
        let expected = &["directory partition 0", "entry at byte", words];
        names(error(node), Corrupt, expected);
        is_of_the_change(&bytes, error(node));
        let Seen::Directory(entries, Some(_)) = &node.content else {
            panic!("{words}: {:?}", node.content);
        };
        let shown: Vec<_> = entries.iter().map(|(name, _)| name.as_slice()).collect();
        assert!(
            shown.contains(&&b"before"[..]) && shown.contains(&&b"behind"[..]),
            "{words}"
        );
        rest_as_before(&walk, "folder");
    }
}

/// A listing goes on behind the place where it was left, as a kernel's does: damage before that is
/// told of at the end all the same, and its words are in the log.
#[test]
fn i10_damage_is_not_forgotten_between_two_pages() {
    let many = |builder: &mut Builder, places: &Places| {
        let at = places.folder.block;
        let mut content = identifier(at, 8 | 2, &[], places.root);
        let mut bad = identifier(at, 0, &name("bad"), places.embedded);
        bad[4] ^= 1;
        content.extend(bad);
        for number in 0..20 {
            let name = name(&format!("file{number}"));
            content.extend(identifier(at, 0, &name, places.embedded));
        }
        builder.raw_directory(places.folder, &content);
    };
    let walk = walk(&changed(Layout::Physical, many));
    let node = &walk.nodes["folder"];
    let words = ["directory partition 0", "damage before this place"];
    names(error(node), Corrupt, &words);
    let Seen::Directory(entries, Some(_)) = &node.content else {
        panic!("{:?}", node.content);
    };
    assert_eq!(entries.len(), 2 + 20);
    let has = |notice: &String| {
        notice.contains("entry at byte 40 of the directory: tag_checksum")
            && notice.contains("at byte 0x")
    };
    assert!(walk.notices.iter().any(has), "{:?}", walk.notices);
    rest_as_before(&walk, "folder");
}

/// What lies in a directory before a sector that cannot be read is listed, wherever the listing is
/// taken up again.
#[test]
fn i10_a_sector_of_a_directory_that_cannot_be_read() {
    let bytes = changed(Layout::Physical, |builder, places| {
        let at = places.folder.block;
        let mut content = identifier(at, 8 | 2, &[], places.root);
        for number in 0..300 {
            let name = name(&format!("file{number:03}"));
            content.extend(identifier(at, 0, &name, places.embedded));
        }
        builder.raw_directory(places.folder, &content);
    });
    let find = |text: &str| {
        let mut windows = bytes.windows(text.len());
        windows
            .position(|window| window == text.as_bytes())
            .unwrap()
    };
    let (first, second) = (find("file000"), find("file001"));
    let shared = std::sync::Arc::new(bytes.clone());
    for number in [20, 150, 290] {
        let sector = find(&format!("file{number:03}")) / 512;
        let source = BadSector {
            bytes: shared.clone(),
            sector: sector as u64,
        };
        let walk = walk_source(std::sync::Arc::new(source), &Options::default());
        let Seen::Directory(entries, Some(error)) = &walk.nodes["folder"].content else {
            panic!("{number}: no error");
        };
        // The first two are the directory and what holds it; a name is 39 bytes from its start.
        let before = (sector * 512 - (first - 39)) / (second - first);
        assert_eq!(entries.len(), 2 + before, "{number}: {error}");
        assert_eq!(error.offset(), Some(sector as u64 * 512), "{error}");
    }
}

#[test]
fn i10_a_directory_that_is_no_list() {
    let rubbish = |builder: &mut Builder, places: &Places| {
        builder.raw_directory(places.folder, &[0xa5; 100_000]);
    };
    fails(rubbish, "folder", &["tag_identifier"]);
    let empty = |builder: &mut Builder, places: &Places| {
        builder.raw_directory(places.folder, &[0; 100_000]);
    };
    // These blocks were zeros before, and nobody's.
    let zeros = walk(&changed(Layout::Physical, empty));
    let damage = error(&zeros.nodes["folder"]);
    names(
        damage,
        Corrupt,
        &["tag_identifier 0 is no file identifier's"],
    );
    let place = whole(Layout::Physical).len() as u64;
    assert!(damage.offset().is_some_and(|at| at < place), "{damage}");
    rest_as_before(&zeros, "folder");
    // 2^62 bytes of which only some are recorded.
    let endless = |builder: &mut Builder, places: &Places| {
        builder.patch(places.folder, |block| {
            set(block, 16 + 18, &[1, 0]);
            set(block, 56, &(1_u64 << 62).to_le_bytes());
        });
    };
    fails(
        endless,
        "folder",
        &["partition_reference_number 35338 of 1 partitions"],
    );
}

/// Each of so many entries of one name has to be told from those before it: a request for them ends
/// by its budget, soon, and each name is found.
#[test]
fn i10_a_directory_of_one_name_ends() {
    let many = |builder: &mut Builder, places: &Places| {
        let at = places.folder.block;
        let mut content = identifier(at, 8 | 2, &[], places.root);
        let entry = identifier(at, 0, &name("same"), places.embedded);
        content.extend(entry.repeat(one_name::MANY));
        builder.raw_directory(places.folder, &content);
    };
    let bytes = changed(Layout::Physical, many);
    one_name::ends(&bytes, (b"folder", None), "same", "SAME");
}

/// Headers whose CRC is to cover 64 KiB each, and is wrong: that is computed for each of them, and
/// costs a request more than a step.
#[test]
fn i10_a_directory_of_headers_of_long_entries_ends() {
    const FALSE: usize = 6000;
    let full = |builder: &mut Builder, places: &Places| {
        let at = places.folder.block;
        let mut header = identifier(at, 0, b"\x08a", places.embedded);
        set(&mut header, 10, &65_000_u16.to_le_bytes());
        set(&mut header, 36, &65_400_u16.to_le_bytes());
        retag(&mut header);
        header[8] ^= 1;
        header[4] = header[4].wrapping_sub(1);
        let start = identifier(at, 8 | 2, &[], places.root);
        builder.raw_directory(places.folder, &[start, header.repeat(FALSE)].concat());
    };
    let filesystem = opened("udf", &changed(Layout::Physical, full));
    let folder = filesystem.lookup(&request(1000), filesystem.root(), b"folder");
    let folder = folder.unwrap().expect("it is in the root");
    let positions = 10 * FALSE as u64;
    let found = filesystem.lookup(&request(5 * positions), folder, b"none");
    is_spent(&found.unwrap_err());
}
