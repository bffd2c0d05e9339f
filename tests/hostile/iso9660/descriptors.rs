//! I01, I06, I08: volume descriptors, Joliet and boot catalogues.

use super::*;

#[test]
fn i01_descriptors_without_a_primary_one_or_an_end() {
    need!(tool "xorriso");
    let mut many = vec![0; 16 * SECTOR];
    for _ in 0..100_000 {
        let mut descriptor = b"\x02CD001\x01".to_vec();
        descriptor.resize(SECTOR, 0);
        many.extend(descriptor);
    }
    refused(&many, "no primary volume descriptor", 16 * SECTOR);
    let seed = rock_ridge();
    let end = (17..32)
        .find(|sector| seed.bytes[sector * SECTOR] == 255)
        .unwrap();
    let bytes = seed.changed(|bytes| bytes[end * SECTOR] = 9);
    let walked = is_whole(seed, &bytes);
    notices(&walked, "no end of the volume descriptors", 16 * SECTOR);
}

#[test]
fn i01_block_sizes_and_halves_that_disagree() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    for size in [0_u16, 1, 4096, 0xffff] {
        let bytes = seed.changed(|bytes| put(bytes, 16 * SECTOR + 128, &size.to_le_bytes()));
        let words = format!("logical block size {size}");
        refused(&bytes, &words, 16 * SECTOR);
    }
    let bytes = seed.changed(|bytes| put(bytes, 16 * SECTOR + 84, &[0xff; 4]));
    let walked = is_whole(seed, &bytes);
    notices(&walked, "not the same in both byte orders", 16 * SECTOR);
}

#[test]
fn i01_a_disc_cut_short_has_what_is_left() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let at = seed.at("KEPT.;1");
    let block = u32::from_le_bytes(seed.bytes[at + 2..][..4].try_into().unwrap()) as usize;
    let bytes = seed.bytes[..block * SECTOR + 3000].to_vec();
    let walked = walk(&bytes);
    let words = "byte 3000 of the file is past the end of the image";
    corrupt(&walked, "other/kept", words, bytes.len());
    assert_eq!(walked.nodes["dir"].error(), None);
    for cut in 0..block {
        let walked = walk(&seed.bytes[..cut * SECTOR]);
        assert!(walked.refused.is_some() || !walked.nodes.is_empty());
    }
}

#[test]
fn i06_joliet_names_of_odd_length_and_with_slashes() {
    need!(tool "genisoimage");
    let seed = joliet();
    let name: Vec<u8> = "a".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let at = seed.at(std::str::from_utf8(&name).unwrap());
    let bytes = seed.changed(|bytes| bytes[at + 34] = b'/');
    let walked = walk(&bytes);
    assert!(walked.nodes.contains_key("\\\\x2f"), "the one escape");
    others_are_whole(seed, &walked, &["", "a"]);
    let one: Vec<u8> = "one".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let at = seed.records[&one];
    let bytes = seed.changed(|bytes| bytes[at + 32] = 5);
    let walked = walk(&bytes);
    assert!(
        walked.nodes.contains_key("dir/on"),
        "{:?}",
        walked.nodes.keys()
    );
    others_are_whole(seed, &walked, &["dir", "dir/one"]);
}

/// Rock Ridge comes before Joliet, whatever that says, and Joliet before the plain names.
#[test]
fn i06_trees_that_disagree() {
    need!(tool "genisoimage");
    let both = Seed::made(Run::new("genisoimage"), "-J -R", fill);
    let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
    let joliet_one = both.records[&wide("one")];
    let bytes = both.changed(|bytes| bytes[joliet_one + 34] = b'x');
    is_whole(&both, &bytes);
    let options = Options {
        no_rock_ridge: true,
        ..Options::default()
    };
    let walked = walk_with(&bytes, &options);
    assert!(walked.nodes.contains_key("dir/xne") && !walked.nodes.contains_key("dir/one"));
    // The plain name of the same.
    let bytes = both.changed(|bytes| bytes[both.at("ONE.;1") + 33] = b'X');
    let walked = walk_with(&bytes, &options);
    assert!(walked.nodes.contains_key("dir/one") && !walked.nodes.contains_key("dir/xne"));
}

#[test]
fn i08_boot_catalogues_of_garbage_are_ignored() {
    need!(tool "xorriso");
    let seed = Seed::make("-R -b a -no-emul-boot", fill);
    let sector = u32::from_le_bytes(seed.bytes[17 * SECTOR + 71..][..4].try_into().unwrap());
    let place = sector as usize * SECTOR;
    for value in [0, 0xee, 0xff, 0x90] {
        let bytes = seed.changed(|bytes| bytes[place..place + SECTOR].fill(value));
        let walked = walk(&bytes);
        assert!(!walked.nodes.keys().any(|path| path.starts_with("boot/")));
        others_are_whole(&seed, &walked, &["boot.catalog"]);
    }
    for place in [17 * SECTOR + 71, place + 40] {
        let bytes = seed.changed(|bytes| put(bytes, place, &[0xff; 4]));
        others_are_whole(&seed, &walk(&bytes), &["boot.catalog"]);
    }
}
