//! I04, I05: the System Use entries of Rock Ridge.

use super::*;

#[test]
fn i04_system_use_entries() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let at = seed.at("ONE.;1");
    for (signature, field, value) in [
        (&b"NM"[..], 2, 0xff),
        (b"NM", 2, 3),
        (b"PX", 2, 0),
        (b"PX", 2, 5),
        (b"TF", 4, 0xff),
        (b"TF", 2, 6),
    ] {
        let place = entry(&seed.bytes, at, signature);
        let bytes = seed.changed(|bytes| bytes[place + field] = value);
        let walked = walk(&bytes);
        // By its plain name where the other is lost; its bytes are there in any case.
        let one = walked.nodes.get("dir/one").expect("it is shown");
        assert_eq!(one.error(), None);
        assert!(matches!(&one.content, Seen::File(_, bytes, None) if bytes == b"1"));
        assert_eq!(walked.nodes["dir/two"].error(), None);
        // Of flags, and of a length that other entries have, nothing is known to be wrong.
        if field == 2 && (value < 4 || value == 0xff) {
            let name = String::from_utf8_lossy(signature);
            let words = format!("Rock Ridge: System Use entry {name} of {value} bytes");
            notices(&walked, &words, at);
        }
    }
    let link = seed.at("LINK.;1");
    let target = entry(&seed.bytes, link, b"SL");
    // A component of no known kind, and the name of the host, add nothing; a root in the middle is
    // another slash: all as for the kernel.
    for (field, value, expected) in [
        (5, 0x7e, &b"one"[..]),
        (5, 0x10, b"/one"),
        (10, 0x08, b"dir//"),
    ] {
        let bytes = seed.changed(|bytes| bytes[target + field] = value);
        let walked = walk(&bytes);
        let found = &walked.nodes["link"].content;
        assert_eq!(*found, Seen::Link(Ok(expected.to_vec())), "{field}");
        others_are_whole(seed, &walked, &["link"]);
    }
    // The first component takes in the bytes before the second one's name.
    let bytes = seed.changed(|bytes| bytes[target + 6] = 0xff);
    fails(seed, &bytes, "link", "a NUL in a link's target", link);
    let bytes = seed.changed(|bytes| bytes[target + 2] = 0xff);
    let words = "a symbolic link without a target (SL)";
    let walked = fails(seed, &bytes, "link", words, link);
    notices(&walked, "System Use entry SL of 255 bytes", link);
}

#[test]
fn i04_continuation_areas_in_a_circle_and_past_the_end() {
    need!(tool "xorriso");
    let long = "n".repeat(230);
    let seed = Seed::make("-R", |files| {
        fill(files);
        std::fs::write(files.join(&long), "long").unwrap();
    });
    let at = *seed
        .records
        .iter()
        .find(|(name, _)| name.starts_with(b"NNN"))
        .unwrap()
        .1;
    let place = entry(&seed.bytes, at, b"CE");
    let block = u32::from_le_bytes(seed.bytes[place + 4..][..4].try_into().unwrap());
    let offset = u32::from_le_bytes(seed.bytes[place + 12..][..4].try_into().unwrap());
    let area = block as usize * SECTOR + offset as usize;
    let circle = [b"CE\x1c\x01".to_vec(), both(block), both(offset), both(28)].concat();
    let far = 0xffff_fff0_u32;
    // An area that cannot be is the record's fault, or the one's that leads to it.
    let length = (place + 20, both(28));
    for (what, changes, blamed) in [
        (
            "more than 32 continuation areas",
            vec![(area, circle), length],
            at,
        ),
        (
            "in block 4294967280 cannot be read",
            vec![(place + 4, both(far))],
            far as usize * SECTOR + offset as usize,
        ),
        ("at byte 2040 of block", vec![(place + 12, both(2040))], at),
        (
            "continuation area (CE) of 4294967295 bytes",
            vec![(place + 20, both(0xffff_ffff))],
            at,
        ),
    ] {
        let bytes = seed.changed(|bytes| {
            for (at, value) in &changes {
                put(bytes, *at, value);
            }
        });
        let walked = walk(&bytes);
        assert!(walked.refused.is_none(), "{what}");
        assert_eq!(walked.nodes["other/kept"].error(), None, "{what}");
        let notice = walked.notices.iter().find(|text| text.contains(what));
        let notice = notice.unwrap_or_else(|| panic!("{what}: {:?}", walked.notices));
        assert!(notice.contains("Rock Ridge: "), "{notice}");
        notices(&walked, what, blamed);
    }
}

#[test]
fn i04_without_sp_or_er_entries_count_all_the_same() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let root = u32::from_le_bytes(seed.bytes[16 * SECTOR + 158..][..4].try_into().unwrap());
    let place = entry(&seed.bytes, root as usize * SECTOR, b"SP");
    let bytes = seed.changed(|bytes| put(bytes, place, b"XX"));
    is_whole(seed, &bytes);
    let extension = b"RRIP_1991A";
    let name = seed
        .bytes
        .windows(10)
        .position(|it| it == extension)
        .unwrap();
    let place = name - 8;
    assert_eq!(&seed.bytes[place..place + 2], b"ER");
    let bytes = seed.changed(|bytes| put(bytes, place, b"XX"));
    is_whole(seed, &bytes);
}

#[test]
fn i05_relocated_directories_in_a_circle_end() {
    need!(tool "genisoimage");
    let deep = "1/2/3/4/5/6/7/8/9/10";
    let seed = Seed::made(Run::new("genisoimage"), "-R", |files| {
        std::fs::create_dir_all(files.join(deep)).unwrap();
        std::fs::write(files.join(deep).join("file"), "deep").unwrap();
        std::fs::write(files.join("kept"), "kept").unwrap();
    });
    let whole = walk(&seed.bytes);
    let file = &whole.nodes[&format!("{deep}/file")];
    assert!(matches!(&file.content, Seen::File(_, bytes, None) if bytes == b"deep"));
    let find = |name: &[u8]| {
        let found = (16 * SECTOR..seed.bytes.len() - 12)
            .find(|at| seed.bytes[*at..].starts_with(&[name, b"\x0c\x01"].concat()));
        found.expect("a relocated directory")
    };
    let root = u32::from_le_bytes(seed.bytes[16 * SECTOR + 158..][..4].try_into().unwrap());
    let (child, parent) = (find(b"CL"), find(b"PL"));
    let own = (child / SECTOR) as u32;
    for (place, block) in [
        (child, root),
        (child, own),
        (child, 0xffff_ffff),
        (parent, (parent / SECTOR) as u32),
        (parent, 0),
    ] {
        let mut bytes = seed.bytes.clone();
        put(&mut bytes, place + 4, &both(block));
        assert!(bytes != seed.bytes, "nothing is changed");
        let walked = walk(&bytes);
        assert!(walked.refused.is_none());
        assert_eq!(walked.nodes["kept"].error(), None);
        let errors = walked.nodes.values().filter_map(Node::error);
        for error in errors.clone() {
            // Where there is no directory, or where there would be one.
            let blamed = [place & !(SECTOR - 1), block as usize * SECTOR];
            let at = error.offset().expect("a place") as usize & !(SECTOR - 1);
            assert!(blamed.contains(&at), "{error}");
            assert_eq!(error.kind(), Kind::Corrupt, "{error}");
        }
        assert!(
            block != u32::MAX || errors.count() > 0,
            "a block past the end"
        );
    }
}
