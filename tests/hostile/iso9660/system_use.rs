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
    }
    let link = seed.at("LINK.;1");
    let target = entry(&seed.bytes, link, b"SL");
    for (field, value) in [(6, 0xff), (5, 0x7e), (2, 0xff)] {
        let bytes = seed.changed(|bytes| bytes[target + field] = value);
        let walked = walk(&bytes);
        assert_eq!(walked.nodes["dir/one"].error(), None);
        assert!(walked.nodes.contains_key("link"));
    }
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
    for (what, change) in [
        ("circle", (area, circle)),
        ("block", (place + 4, both(0xffff_fff0))),
        ("offset", (place + 12, both(2040))),
        ("length", (place + 20, both(0xffff_ffff))),
    ] {
        let bytes = seed.changed(|bytes| put(bytes, change.0, &change.1));
        let walked = walk(&bytes);
        assert!(walked.refused.is_none(), "{what}");
        assert_eq!(walked.nodes["other/kept"].error(), None, "{what}");
        let said = walked
            .notices
            .iter()
            .any(|notice| notice.contains("Rock Ridge: "));
        assert!(said, "{what}: {:?}", walked.notices);
    }
}

#[test]
fn i04_without_sp_or_er_entries_count_all_the_same() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let root = u32::from_le_bytes(seed.bytes[16 * SECTOR + 158..][..4].try_into().unwrap());
    let place = entry(&seed.bytes, root as usize * SECTOR, b"SP");
    let bytes = seed.changed(|bytes| put(bytes, place, b"XX"));
    fails(seed, &bytes, &[]);
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
        (parent, own),
        (parent, 0),
    ] {
        let mut bytes = seed.bytes.clone();
        put(&mut bytes, place + 4, &both(block));
        let walked = walk(&bytes);
        assert!(walked.refused.is_none());
        assert_eq!(walked.nodes["kept"].error(), None);
    }
}
