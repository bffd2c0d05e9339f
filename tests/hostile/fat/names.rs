//! F06: names that are none, and names that are two files'.

use super::*;

/// What is broken, and how.
type Break = (&'static str, fn(&mut [u8]));

/// Each breaks the long name of `A longer name.text`, whose entries are the two before its short
/// one; it is shown by that.
#[test]
fn f06_long_names_that_are_none() {
    need!(tool "mkfs.fat", tool "mcopy");
    let short = b"ALONGE~1TEX";
    for seed in seeds() {
        let breaks: [Break; 9] = [
            ("sum of the first part", |entries| entries[13] ^= 1),
            ("sum of both parts", |entries| {
                entries[13] ^= 1;
                entries[32 + 13] ^= 1;
            }),
            ("gap in the order", |entries| entries[0] = 0x43),
            ("no part says that it is the last", |entries| entries[0] = 2),
            ("21 parts", |entries| entries[0] = 0x40 + 21),
            ("one part twice", |entries| entries[32] = 2),
            ("a NUL inside", |entries| entries[32 + 3..32 + 5].fill(0)),
            ("a slash", |entries| entries[32 + 3] = b'/'),
            ("half a surrogate", |entries| {
                entries[32 + 3..32 + 5].copy_from_slice(&[0, 0xd8])
            }),
        ];
        for (what, breaks) in breaks {
            let walk = seed.broken(|bytes, table| {
                let at = table.entry(bytes, short) - 64;
                breaks(&mut bytes[at..at + 64]);
            });
            let name = "ALONGE~1.TEX";
            seed.rest_as_before(&walk, &["", "A longer name.text", name]);
            assert!(walk.nodes.contains_key(name), "{what}");
            assert_eq!(
                node(&walk, name).content,
                node(&seed.walk, "A longer name.text").content
            );
        }
    }
}

/// The names of the directory itself and of what holds it are no file's.
#[test]
fn f06_dots_that_are_names() {
    need!(tool "mkfs.fat", tool "mcopy");
    for seed in seeds() {
        for dots in [".", ".."] {
            // As a long name, which is then none.
            let walk = seed.broken(|bytes, table| {
                let at = table.entry(bytes, b"ALONGE~1TEX") - 64;
                bytes[at] = 0xe5;
                let part = &mut bytes[at + 32..at + 64];
                part[0] = 0x41;
                let mut units = [0xffff_u16; 13];
                units[..dots.len()].fill(u16::from(b'.'));
                units[dots.len()] = 0;
                let bytes = units.map(u16::to_le_bytes).concat();
                part[1..11].copy_from_slice(&bytes[..10]);
                part[14..26].copy_from_slice(&bytes[10..22]);
                part[28..].copy_from_slice(&bytes[22..]);
            });
            let (long, short) = ("A longer name.text", "ALONGE~1.TEX");
            seed.rest_as_before(&walk, &["", long, short]);
            assert_eq!(node(&walk, short).content, node(&seed.walk, long).content);
            // As a short name, of one more entry.
            let mut at = 0;
            let walk = seed.broken(|bytes, table| {
                at = table.entry(bytes, b"ONE     BIN");
                let name = format!("{dots:11}");
                bytes[at..at + 11].copy_from_slice(name.as_bytes());
            });
            seed.rest_as_before(&walk, &["", "ONE.BIN"]);
            assert!(!walk.nodes.contains_key("ONE.BIN"));
            let notice = format!("of a directory is called . or .. at byte {at:#x}: left out");
            let notices = &walk.notices;
            assert!(
                notices.iter().any(|text| text.contains(&notice)),
                "{notices:?}"
            );
            assert_eq!(seed.walk.notices, [""; 0]);
        }
    }
}

#[test]
fn f06_names_that_no_kernel_takes_are_escaped() {
    need!(tool "mkfs.fat", tool "mcopy");
    for (name, shown) in [
        (b"ONE/TWO BIN", "ONE\\\\x2fTWO.BIN"),
        (b"           ", "\\\\x"),
        (b"CON        ", "CON"),
        (b"ONE\x1b    BIN", "ONE\\x1b.BIN"),
        (b"        BIN", ".BIN"),
    ] {
        for seed in seeds() {
            let walk = seed.broken(|bytes, table| {
                let at = table.entry(bytes, b"ONE     BIN");
                bytes[at..at + 11].copy_from_slice(name);
            });
            seed.rest_as_before(&walk, &["", "ONE.BIN", shown]);
            assert_eq!(
                node(&walk, shown).content,
                node(&seed.walk, "ONE.BIN").content
            );
            assert!(matches!(node(&walk, shown).lookup, Ok(Some(_))), "{shown}");
        }
    }
}

#[test]
fn f06_two_files_of_one_name_are_both_reached() {
    need!(tool "mkfs.fat", tool "mcopy");
    for seed in seeds() {
        let walk = seed.broken(|bytes, table| {
            let at = table.entry(bytes, b"TWO     BIN");
            bytes[at..at + 3].copy_from_slice(b"ONE");
        });
        seed.rest_as_before(&walk, &["", "TWO.BIN", "ONE.BIN~2"]);
        let second = node(&walk, "ONE.BIN~2");
        assert_eq!(second.content, node(&seed.walk, "TWO.BIN").content);
        assert!(matches!(second.lookup, Ok(Some(_))));
        // The same but for case: both are shown as they are, and found as they are written.
        let walk = seed.broken(|bytes, table| {
            let at = table.entry(bytes, b"TWO     BIN");
            bytes[at..at + 3].copy_from_slice(b"ONE");
            bytes[at + 12] = 0x18;
        });
        seed.rest_as_before(&walk, &["", "TWO.BIN", "one.bin"]);
        assert_eq!(
            node(&walk, "one.bin").content,
            node(&seed.walk, "TWO.BIN").content
        );
        assert_ne!(node(&walk, "one.bin").lookup, node(&walk, "ONE.BIN").lookup);
    }
}
