//! E01 to E04 and E06: the superblock.

use imgmount::error::Kind::{Corrupt, Unsupported};

use super::expect::Part;
use super::ext::Object::{self, Superblock};
use super::ext::seeds::{self, Seed};

const AT: usize = 1024;

/// Each value of `field` gets the volume refused with an error that names the field and the value.
fn refuses(seed: &'static Seed, field: &str, values: &[u64]) {
    for value in values {
        let mut mutant = seed.mutant();
        mutant.set(Superblock, field, *value);
        let named = format!("{field} {value}");
        seed.broken(&mutant)
            .refused(Corrupt, &["superblock", &named], AT);
    }
}

#[test]
fn e01_block_size() {
    let every: Vec<u64> = (7..32).collect();
    refuses(seeds::modern(), "s_log_block_size", &every);
    refuses(
        seeds::indirect(),
        "s_log_block_size",
        &[7, 31, 32, 64, 0xffff_ffff],
    );
}

#[test]
fn e01_blocks_per_group() {
    for seed in [seeds::modern(), seeds::indirect()] {
        refuses(seed, "s_blocks_per_group", &[0, 8193, 0xffff_ffff]);
    }
}

#[test]
fn e01_inodes_per_group() {
    refuses(
        seeds::modern(),
        "s_inodes_per_group",
        &[0, 1, 8193, 0xffff_ffff],
    );
}

#[test]
fn e01_inode_size() {
    refuses(
        seeds::modern(),
        "s_inode_size",
        &[0, 3, 64, 255, 2048, 0xffff],
    );
}

#[test]
fn e01_descriptor_size() {
    refuses(
        seeds::modern(),
        "s_desc_size",
        &[0, 32, 63, 65, 2048, 0xffff],
    );
}

#[test]
fn e01_first_data_block() {
    refuses(seeds::modern(), "s_first_data_block", &[6144, 0xffff_ffff]);
    refuses(
        seeds::large_blocks(),
        "s_first_data_block",
        &[1024, 0xffff_ffff],
    );
    let mut mutant = seeds::modern().mutant();
    mutant.set(Superblock, "s_first_data_block", 0);
    let words = ["superblock", "s_first_data_block"];
    seeds::modern().broken(&mutant).refused(Corrupt, &words, AT);
}

#[test]
fn e02_more_blocks_than_the_device() {
    let seed = seeds::modern();
    let mut mutant = seed.mutant();
    mutant.set(Superblock, "s_blocks_count_hi", 1 << 16);
    let count = (1_u64 << 48) + 6144;
    let words = [
        "superblock",
        &format!("s_blocks_count {count}"),
        "larger than the device",
    ];
    seed.broken(&mutant).refused(Corrupt, &words, AT);

    let mut mutant = seed.mutant();
    mutant.set(Superblock, "s_blocks_count_lo", 6145);
    let words = [
        "superblock",
        "s_blocks_count 6145",
        "larger than the device",
    ];
    seed.broken(&mutant).refused(Corrupt, &words, AT);

    let mut mutant = seed.mutant();
    mutant.set(Superblock, "s_inodes_count", 0xffff_ffff);
    seed.broken(&mutant)
        .refused(Corrupt, &["superblock", "s_inodes_count 4294967295"], AT);
}

/// The primary superblock is gone; the copy in group 1 is there.
#[test]
fn e03_superblock_from_its_backup() {
    let seed = seeds::whole_groups();
    let mut mutant = seed.mutant();
    mutant.bytes[1024..2048].fill(0);
    let broken = seed.broken(&mutant);
    broken
        .rest_as_before(&[])
        .notices(&["superblock is blank", "its copy at byte 0x800400"]);
}

/// A copy that is itself damaged is not taken: the volume is nothing that is known.
#[test]
fn e03_no_sound_backup() {
    let seed = seeds::whole_groups();
    let mut mutant = seed.mutant();
    mutant.bytes[1024..2048].fill(0);
    mutant.bytes[0x80_0400] ^= 1;
    seed.broken(&mutant)
        .refused(Unsupported, &["unknown"], None);
}

#[test]
fn e04_unknown_incompatible_features() {
    let seed = seeds::modern();
    let known = seed.image.superblock("s_feature_incompat");
    for bit in [0, 5, 18, 23, 31] {
        let mut mutant = seed.mutant();
        mutant.set(Superblock, "s_feature_incompat", known | 1 << bit);
        // Bit 0 is compression, by name; the others have none, and dumpe2fs calls them so.
        let name = match bit {
            0 => "compression".to_owned(),
            _ => format!("FEATURE_I{bit}"),
        };
        seed.broken(&mutant)
            .refused(Unsupported, &["superblock", &name], AT);
    }
}

#[test]
fn e04_unknown_read_only_and_compatible_features() {
    let seed = seeds::modern();
    for (field, bits) in [
        ("s_feature_ro_compat", 0xff00_0000),
        ("s_feature_compat", 0xffff_0000),
    ] {
        let mut mutant = seed.mutant();
        let known = seed.image.superblock(field);
        mutant.set(Superblock, field, known | bits);
        seed.broken(&mutant).rest_as_before(&[]);
    }
}

#[test]
fn e06_superblock_checksum() {
    let seed = seeds::modern();
    let mut mutant = seed.mutant();
    let sum = seed.image.superblock("s_checksum");
    mutant.set_raw(Superblock, "s_checksum", sum ^ 1);
    let broken = seed.broken(&mutant);
    broken.refused(
        Corrupt,
        &["superblock", "checksum", "--ignore-checksums"],
        AT,
    );
    let ignoring = imgmount::format::Options {
        ignore_checksums: true,
        ..Default::default()
    };
    let walk = super::walk::walk_with(&mutant.bytes, &ignoring);
    assert!(walk.refused.is_none());
    assert!(walk.nodes == seed.walked().nodes, "reads all the same");
    assert!(
        walk.notices
            .iter()
            .any(|notice| notice.contains("checksum"))
    );
}

/// The seed's files whose inodes are in `group`.
fn files_of_group(seed: &'static Seed, group: u32) -> Vec<String> {
    let in_group = |ino: u64| seed.image.group_of(ino as u32) == group;
    let nodes = seed.walked().nodes.iter();
    nodes
        .filter(|(_, node)| {
            node.attributes
                .as_ref()
                .is_ok_and(|found| in_group(found.ino))
        })
        .map(|(path, _)| path.clone())
        .collect()
}

fn group_is_lost(mutant: &super::ext::Image, words: &[&str], at: usize) {
    let seed = seeds::modern();
    let files = files_of_group(seed, 1);
    assert!(files.len() >= 4, "{files:?}");
    let hit: Vec<&str> = files.iter().map(String::as_str).collect();
    let broken = seed.broken(mutant);
    for path in hit
        .iter()
        .filter(|path| broken.walk.nodes.contains_key(**path))
    {
        broken.fails(path, Part::Attributes, Corrupt, words, at);
    }
    broken.node("empty");
    broken.rest_as_before(&hit);
}

#[test]
fn e05_inode_table_past_the_end() {
    let group = Object::Group(1);
    for (field, value) in [
        ("bg_inode_table_lo", 6143),
        ("bg_inode_table_lo", 0),
        ("bg_inode_table_hi", 7),
    ] {
        let mut mutant = seeds::modern().mutant();
        mutant.set(group, field, value);
        let table =
            mutant.get(group, "bg_inode_table_lo") | mutant.get(group, "bg_inode_table_hi") << 32;
        let named = format!("bg_inode_table {table}");
        group_is_lost(
            &mutant,
            &["group descriptor 1", &named],
            mutant.start(group),
        );
    }
}

/// The table of group 1 is said to be that of group 0: each inode's checksum knows its number.
#[test]
fn e05_inode_tables_overlap() {
    let seed = seeds::modern();
    let mut mutant = seed.mutant();
    let table = mutant.get(Object::Group(0), "bg_inode_table_lo");
    mutant.set(Object::Group(1), "bg_inode_table_lo", table);
    let files = files_of_group(seed, 1);
    let hit: Vec<&str> = files.iter().map(String::as_str).collect();
    let broken = seed.broken(&mutant);
    // The last of them, since the first inodes of the other table are reserved and empty.
    let ino = seed.image.ino("fifo");
    assert_eq!(seed.image.group_of(ino), 1);
    let words = [&format!("inode {ino}"), "checksum"];
    broken.fails(
        "fifo",
        Part::Attributes,
        Corrupt,
        &words,
        mutant.start(Object::Inode(ino)),
    );
    broken.rest_as_before(&hit);
}

#[test]
fn e06_group_descriptor_checksum() {
    let mut mutant = seeds::modern().mutant();
    let group = Object::Group(1);
    let sum = mutant.get(group, "bg_checksum");
    mutant.set_raw(group, "bg_checksum", sum ^ 0x8000);
    group_is_lost(
        &mutant,
        &["group descriptor 1", "checksum"],
        mutant.start(group),
    );
}

#[test]
fn e06_inode_checksum() {
    let seed = seeds::modern();
    let inode = Object::Inode(seed.image.ino("plain.bin"));
    for field in ["i_checksum_lo", "i_checksum_hi"] {
        let mut mutant = seed.mutant();
        mutant.set_raw(inode, field, seed.image.get(inode, field) ^ 0x10);
        let ino = format!("inode {}", seed.image.ino("plain.bin"));
        let broken = seed.broken(&mutant);
        let words = [&ino, "checksum", "--ignore-checksums"];
        broken.fails(
            "plain.bin",
            Part::Attributes,
            Corrupt,
            &words,
            mutant.start(inode),
        );
        broken.rest_as_before(&["plain.bin"]);
    }
}

#[test]
fn e06_extent_block_checksum() {
    let seed = seeds::modern();
    let ino = seed.image.ino("comb.bin");
    let (block, _) = seed.image.extent_blocks(ino)[0];
    let mut mutant = seed.mutant();
    let object = Object::Extents(ino, block);
    let len = mutant.get(object, "ee_len[1]");
    mutant.set_raw(object, "ee_len[1]", len + 1);
    let broken = seed.broken(&mutant);
    let words = [
        &format!("inode {ino}"),
        &format!("extent block {block}"),
        "checksum",
    ];
    broken.fails(
        "comb.bin",
        Part::Content,
        Corrupt,
        &words,
        mutant.start(object),
    );
    broken.rest_as_before(&["comb.bin"]);
}

#[test]
fn e06_directory_block_checksum() {
    let seed = seeds::modern();
    let ino = seed.image.ino("links");
    let mut mutant = seed.mutant();
    let entry = mutant.dirent(ino, "fast");
    mutant.set_raw(entry, "name[0]", u64::from(b'F'));
    let Object::Dirent { block, .. } = entry else {
        unreachable!()
    };
    let broken = seed.broken(&mutant);
    let words = [&format!("inode {ino}"), "directory block 0", "checksum"];
    broken.fails(
        "links",
        Part::Content,
        Corrupt,
        &words,
        mutant.block_offset(block),
    );
    broken.rest_as_before(&["links"]);
}
