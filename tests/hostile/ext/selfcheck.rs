//! e2fsck judges the generator: after a change with a mended checksum it complains about the change
//! at most, never about a checksum; after the same change unmended it complains about that.

use super::Object;
use super::journal::{Journal, Log};
use super::seeds::{self, Seed, e2fsck};

/// A harmless change in each kind of object that has a checksum.
fn changes(seed: &Seed) -> Vec<(Object, &'static str, u64)> {
    let image = &seed.image;
    let many = image.ino("many");
    let root_block = image.nth_block(many, 0);
    let xattr = Object::Inode(image.ino("xattr.txt"));
    let deep = image.ino("comb.bin");
    let hello = image.ino("hello.txt");
    let mut changes = vec![
        (Object::Superblock, "s_min_extra_isize", 28),
        (Object::Group(0), "bg_itable_unused_lo", 0xff),
        (Object::Inode(hello), "i_mtime", 0x4000_0000),
        (
            Object::XattrBlock(image.get(xattr, "i_file_acl_lo")),
            "e_name_index",
            4,
        ),
        (Object::DxRoot(many, root_block), "hash[1]", 2),
        (image.dirent(2, "hello.txt"), "name[0]", u64::from(b'j')),
        (image.dirent(many, "000"), "name[0]", u64::from(b'x')),
    ];
    if let Some((block, 0)) = image.extent_blocks(deep).first() {
        changes.push((Object::Extents(deep, *block), "ee_len[1]", 1 | 0x8000));
    }
    if let Some(block) = image.dx_nodes(many).first() {
        changes.push((Object::DxNode(many, *block), "count", 2));
    }
    changes
}

#[test]
fn mended_checksums_satisfy_e2fsck() {
    for seed in [seeds::modern(), seeds::large_blocks(), seeds::tall()] {
        for (object, field, value) in changes(seed) {
            let mut mutant = seed.image.clone();
            mutant.set_raw(object, field, value);
            let blames = |text: &str| text.contains("checksum") || text.contains("csum");
            let (_, text, _) = e2fsck(&mutant, &["-f", "-n"]);
            assert!(
                blames(&text),
                "{} {object:?} {field}, unmended: {text}",
                seed.name
            );
            mutant.mend(object);
            let (_, text, _) = e2fsck(&mutant, &["-f", "-n"]);
            assert!(
                !blames(&text),
                "{} {object:?} {field}, mended: {text}",
                seed.name
            );
        }
    }
}

/// A sound object's checksum is what mending gives: nothing changes.
#[test]
fn mending_a_sound_image_changes_nothing() {
    for seed in seeds::all() {
        let mut image = seed.image.clone();
        let many = image.ino("many");
        let mut objects = vec![Object::Superblock];
        objects.extend((0..image.groups()).map(Object::Group));
        objects.extend((1..=24).map(Object::Inode));
        for (_, block) in image.mapped(many) {
            if !image.dx_nodes(many).contains(&block) {
                objects.push(Object::Dirent {
                    ino: many,
                    block,
                    at: 0,
                });
            }
        }
        objects.extend(
            image
                .dx_nodes(many)
                .iter()
                .map(|block| Object::DxNode(many, *block)),
        );
        for ino in [many, image.ino("comb.bin")] {
            let blocks = image.extent_blocks(ino);
            objects.extend(blocks.iter().map(|(block, _)| Object::Extents(ino, *block)));
        }
        for object in objects {
            image.mend(object);
            assert!(image.bytes == seed.image.bytes, "{} {object:?}", seed.name);
        }
    }
}

#[test]
fn a_mended_journal_replays_in_e2fsck() {
    let seed = seeds::journaled();
    let hello = seed.image.nth_block(seed.image.ino("hello.txt"), 0);
    let plain = seed.image.nth_block(seed.image.ino("plain.bin"), 2);
    for mend in [false, true] {
        let mut mutant = seed.image.clone();
        let mut journal = Journal(&mut mutant);
        // The first transaction's block now belongs to plain.bin.
        if mend {
            journal.set(Log::Descriptor(1), "t_blocknr", plain);
        } else {
            journal.set_raw(Log::Descriptor(1), "t_blocknr", plain);
        }
        let (_, text, after) = e2fsck(&mutant, &["-y", "-E", "journal_only"]);
        let replayed = after.block(plain) == [b'J'; 1024];
        assert_eq!(replayed, mend, "{text}");
        assert_ne!(after.block(hello), [b'J'; 1024], "{text}");
    }
}
