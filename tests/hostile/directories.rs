//! E13 to E17: directories.

use imgmount::error::Kind::Corrupt;
use imgmount::filesystem::Inode;

use super::expect::{Broken, Part, blames};
use super::ext::seeds::{self, Seed};
use super::ext::{Image, Object};
use super::walk::{self, Seen};
use crate::mount::loops::find;

/// Changes one field of the entry `name` in the directory `links` of `seed`.
fn entry_changed(seed: &'static Seed, name: &str, field: &str, value: u64) -> Broken {
    let mut mutant = seed.mutant();
    let entry = mutant.dirent(mutant.ino("links"), name);
    mutant.set(entry, field, value);
    let broken = seed.broken(&mutant);
    broken.rest_as_before(&["links"]);
    broken
}

/// The names that `path` lists.
fn listing(broken: &Broken, path: &str) -> Vec<String> {
    let Seen::Directory(entries, _) = &broken.node(path).content else {
        panic!("{path} is no directory");
    };
    entries
        .iter()
        .map(|(name, _)| imgmount::error::printable(name))
        .collect()
}

#[test]
fn e13_record_length() {
    for seed in [seeds::modern(), seeds::indirect()] {
        let ino = format!("inode {}", seed.image.ino("links"));
        for rec_len in [0, 1, 4, 8, 13, 14, 1023, 1024, 2000, 0xfffc, 0xffff] {
            let broken = entry_changed(seed, "fast", "rec_len", rec_len);
            let block = seed.image.nth_block(seed.image.ino("links"), 0);
            let named = format!("rec_len {rec_len}");
            let words = [ino.as_str(), "directory block 0", &named];
            broken.fails(
                "links",
                Part::Content,
                Corrupt,
                &words,
                seed.image.block_offset(block),
            );
            // What comes before the fault is there all the same.
            assert_eq!(listing(&broken, "links"), [".", ".."]);
        }
    }
}

/// Whoever asks for a listing in pieces gets every entry that can be read, those behind the damage
/// too, and the error at the end, although no state is kept between the pieces.
#[test]
fn e13_a_listing_in_pieces_ends_with_the_damage() {
    let seed = seeds::modern();
    let many = seed.image.ino("many");
    let (all, none) = walk::in_pieces(&seed.image.bytes, b"many", 7);
    assert_eq!(none, None);
    let (middle, _) = seed.image.mapped(many)[2];
    let place = seed.image.nth_block(many, middle);
    let entries = seed.image.dirents(many);
    let inside =
        |object: &Object| matches!(object, Object::Dirent { block, .. } if *block == place);
    let lost: Vec<&(Vec<u8>, Object)> = entries
        .iter()
        .filter(|(_, object)| inside(object))
        .collect();
    assert!(lost.len() > 1 && lost.len() < entries.len());
    let mut mutant = seed.mutant();
    mutant.set(lost[0].1, "rec_len", 3);
    for piece in [1, 7, 100_000] {
        let (names, error) = walk::in_pieces(&mutant.bytes, b"many", piece);
        let expected: Vec<_> = all
            .iter()
            .filter(|name| lost.iter().all(|(lost, _)| lost != *name))
            .collect();
        assert_eq!(
            names.iter().collect::<Vec<_>>(),
            expected,
            "{piece} at a time"
        );
        // The entries come first; who comes back for the error is told whose it is.
        let words = [&format!("inode {many}"), "entries are missing"];
        let at = mutant.inode_offset(many) as u64;
        blames(&error.expect("the damage"), Corrupt, &words, at);
    }
}

#[test]
fn e13_name_length() {
    let seed = seeds::modern();
    for name_len in [5, 255] {
        let broken = entry_changed(seed, "fast", "name_len", name_len);
        let words = ["directory block 0", &format!("name_len {name_len}")];
        let links = seed.image.ino("links");
        let at = seed.image.block_offset(seed.image.nth_block(links, 0));
        broken.fails("links", Part::Content, Corrupt, &words, at);
        assert_eq!(listing(&broken, "links"), [".", ".."]);
    }
    // No name at all: nothing that could be shown.
    let broken = entry_changed(seed, "fast", "name_len", 0);
    assert_eq!(listing(&broken, "links"), [".", "..", "slow"]);
    left_out(&broken);
}

/// A notice says that the entry `fast` is left out, and where it is.
fn left_out(broken: &Broken) {
    let image = &broken.seed.image;
    let links = image.ino("links");
    let entry = image.start(image.dirent(links, "fast"));
    broken.notices(&[
        &format!("ext4: inode {links}: the entry «"),
        &format!("» is left out: no file can be called that at byte {entry:#x}"),
    ]);
}

/// An entry without an inode is a deleted one.
#[test]
fn e13_inode_zero() {
    let broken = entry_changed(seeds::modern(), "fast", "inode", 0);
    assert_eq!(listing(&broken, "links"), [".", "..", "slow"]);
    broken.rest_as_before(&["links/fast", "links"]);
}

/// The entry is not hidden, and only what it names fails.
#[test]
fn e13_inode_out_of_range() {
    for ino in [1, 49, 0x8000_0000, 0xffff_ffff] {
        let broken = entry_changed(seeds::modern(), "fast", "inode", ino);
        let named = format!("entry «fast» leads to inode {ino}, which is reserved or over 48");
        let error = broken.node("links/fast").error().expect("an error");
        let at = broken
            .seed
            .image
            .inode_offset(broken.seed.image.ino("links"));
        blames(error, Corrupt, &[&named], at as u64);
    }
}

#[test]
fn e13_names_that_are_no_names() {
    // The walk itself asserts that no such name comes out.
    for byte in [b'/', 0] {
        let broken = entry_changed(seeds::modern(), "fast", "name[1]", u64::from(byte));
        let names = listing(&broken, "links");
        assert!(!names.iter().any(|name| name.starts_with('f')), "{names:?}");
        left_out(&broken);
    }
}

#[test]
fn e13_dots_as_further_entries() {
    let seed = seeds::modern();
    for (length, name) in [(1, *b"."), (2, *b".")] {
        let mut mutant = seed.mutant();
        let entry = mutant.dirent(mutant.ino("links"), "fast");
        let at = mutant.start(entry) + 8;
        mutant.write(at, 1, u64::from(name[0]));
        mutant.write(at + 1, 1, u64::from(name[0]));
        mutant.set(entry, "name_len", length);
        let broken = seed.broken(&mutant);
        // Left out: `..` leads to the parent and to nothing else.
        broken.rest_as_before(&["links"]);
        assert_eq!(listing(&broken, "links"), [".", "..", "slow"]);
        left_out(&broken);
    }
}

/// A file of `dir/sub` is `dir`.
fn looped() -> Image {
    let mut mutant = seeds::modern().mutant();
    let dir = mutant.ino("dir");
    let entry = mutant.dirent(mutant.ino("dir/sub"), "leaf.txt");
    mutant
        .set_raw(entry, "inode", u64::from(dir))
        .set(entry, "file_type", 2);
    mutant
}

#[test]
fn e14_e15_find_comes_to_an_end_in_the_mount() {
    need!(fuse, tool "mke2fs");
    let found = find(&looped().bytes);
    // The kernel takes no directory that it has above as one below.
    let around = |path: &&String| path.starts_with("dir/sub/leaf.txt/");
    assert_eq!(found.iter().find(around), None);
    assert!(found.iter().any(|path| path == "empty%d"), "{found:?}");
    let mut mutant = seeds::modern().mutant();
    let dir = mutant.ino("dir");
    let entry = mutant.dirent(2, "empty");
    mutant.set(entry, "inode", u64::from(dir));
    let found = find(&mutant.bytes);
    let leaves = found.iter().filter(|path| path.ends_with("leaf.txt%f"));
    assert!(leaves.count() >= 1, "{found:?}");
}

#[test]
fn e14_directory_loop() {
    let (seed, mutant) = (seeds::modern(), looped());
    let broken = seed.broken(&mutant);
    broken.rest_as_before(&["dir/sub"]);
    // The walk looks into each directory once.
    let below: Vec<_> = broken
        .walk
        .nodes
        .keys()
        .filter(|path| path.starts_with("dir/sub/"))
        .collect();
    assert_eq!(below, ["dir/sub/leaf.txt"]);
}

#[test]
fn e15_two_names_of_one_directory() {
    let seed = seeds::modern();
    let mut mutant = seed.mutant();
    let dir = mutant.ino("dir");
    let entry = mutant.dirent(2, "empty");
    mutant.set(entry, "inode", u64::from(dir));
    let broken = seed.broken(&mutant);
    broken.rest_as_before(&["", "dir", "empty"]);
    let inode = |path: &str| broken.node(path).lookup.clone().expect("found");
    assert_eq!(inode("empty"), inode("dir"));
    assert_eq!(broken.node("empty").content, broken.node("dir").content);
    // Whichever was walked first has the file.
    let leaves = broken
        .walk
        .nodes
        .keys()
        .filter(|path| path.ends_with("sub/leaf.txt"));
    assert_eq!(leaves.count(), 1);
}

/// However the index is broken, the directory lists and finds everything, by a linear scan.
fn index_broken(seed: &'static Seed, object: Object, changes: &[(&str, u64)]) {
    let mut mutant = seed.mutant();
    for (field, value) in changes {
        mutant.set(object, field, *value);
    }
    let broken = seed.broken(&mutant);
    let whole = |path: &str| match &seed.walked().nodes[path].content {
        Seen::Directory(entries, _) => entries.clone(),
        other => panic!("{other:?}"),
    };
    // With checksums, one whose place the node itself gives wrong cannot be right: an error then
    // ends the listing, which is complete all the same.
    let Seen::Directory(entries, error) = &broken.node("many").content else {
        panic!("no directory")
    };
    if let Some(error) = error {
        assert!(seed.image.has_metadata_csum(), "{error}");
        // One block is blamed itself, of several the inode.
        let inode = seed.image.inode_offset(seed.image.ino("many"));
        let (words, at) = match error.to_string().contains("entries are missing") {
            true => ("blocks of the directory cannot be read", inode),
            false => (
                "no room was left for the checksum",
                seed.image.start(object),
            ),
        };
        blames(error, Corrupt, &[words], at as u64);
        broken.notices(&["no room was left for the checksum"]);
    }
    // What is reserved is nothing that anybody goes by.
    if changes.iter().all(|(field, _)| *field != "reserved_zero") {
        let inode = format!("inode {}: ", seed.image.ino("many"));
        broken.notices(&[&inode, "the entries are searched one by one"]);
    }
    let named = |entries: &[(Vec<u8>, Inode)]| {
        let dots = |name: &[u8]| name == b"." || name == b"..";
        let names = entries.iter().filter(|(name, _)| !dots(name));
        names.cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        named(entries),
        named(&whole("many")),
        "{object:?} {changes:?}"
    );
    for (path, node) in &seed.walked().nodes {
        if path != "many" {
            assert!(broken.node(path) == node, "{object:?} {changes:?}: {path}");
        }
    }
}

fn dx_root(seed: &Seed) -> Object {
    let many = seed.image.ino("many");
    Object::DxRoot(many, seed.image.nth_block(many, 0))
}

#[test]
fn e16_hash_tree_root() {
    for seed in [seeds::modern(), seeds::indirect()] {
        let root = dx_root(seed);
        for hash_version in [6, 7, 0xff] {
            index_broken(seed, root, &[("hash_version", hash_version)]);
        }
        for levels in [1, 2, 3, 4, 0xff] {
            index_broken(seed, root, &[("indirect_levels", levels)]);
        }
        for limit in [0, 1, 1000, 0xffff] {
            index_broken(seed, root, &[("limit", limit)]);
        }
        for count in [0, 200, 0xffff] {
            index_broken(seed, root, &[("count", count)]);
        }
        index_broken(seed, root, &[("info_length", 0)]);
        index_broken(seed, root, &[("reserved_zero", 1)]);
    }
}

#[test]
fn e16_hash_tree_block_out_of_place() {
    for seed in [seeds::modern(), seeds::tall()] {
        let root = dx_root(seed);
        // The root itself, behind the end, and the most that fits.
        for block in [0, 5000, 0x0fff_ffff, 0xffff_ffff] {
            index_broken(seed, root, &[("block", block)]);
            index_broken(seed, root, &[("block[1]", block)]);
        }
    }
}

#[test]
fn e16_hash_tree_node() {
    let seed = seeds::tall();
    let many = seed.image.ino("many");
    let nodes = seed.image.dx_nodes(many);
    assert!(nodes.len() >= 2, "{nodes:?}");
    let node = Object::DxNode(many, nodes[0]);
    for limit in [0, 1, 1000, 0xffff] {
        index_broken(seed, node, &[("limit", limit)]);
    }
    for count in [0, 200, 0xffff] {
        index_broken(seed, node, &[("count", count)]);
    }
    for block in [0, 5000, 0xffff_ffff] {
        index_broken(seed, node, &[("block", block)]);
    }
    // The root's first entry leads to a leaf, where a node should be.
    let leaf = seed.image.get(node, "block");
    index_broken(seed, dx_root(seed), &[("block", leaf)]);
}

#[test]
fn e17_directory_larger_than_its_blocks() {
    for seed in [seeds::modern(), seeds::indirect()] {
        let mut mutant = seed.mutant();
        let ino = mutant.ino("links");
        mutant.set(Object::Inode(ino), "i_size_lo", 0x8000_0000);
        let broken = seed.broken(&mutant);
        broken.rest_as_before(&["links"]);
        assert_eq!(listing(&broken, "links"), [".", "..", "fast", "slow"]);
    }
}

/// A million entries: the same block of names again and again, which a reader streams.
#[test]
fn e17_million_entries() {
    let seed = seeds::indirect();
    let mut mutant = seed.mutant();
    let hello = u64::from(mutant.ino("hello.txt"));
    let (names, upper, lower) = (5050, 5060, 5061);
    let at = mutant.block_offset(names);
    for i in 0..16 {
        let entry = at + i * 64;
        for (offset, width, value) in [(0, 4, hello), (4, 2, 64), (6, 1, 2), (7, 1, 1)] {
            mutant.write(entry + offset, width, value);
        }
        mutant.write(entry + 8, 2, 0x6165 + (i as u64) * 0x100);
    }
    for (block, next) in [(upper, lower), (lower, names)] {
        for i in 0..256 {
            let at = mutant.block_offset(block) + i * 4;
            mutant.write(at, 4, next);
        }
    }
    // Block 0 has the real entries; then a hole up to where double indirection starts.
    let inode = Object::Inode(mutant.ino("links"));
    mutant
        .set(inode, "i_block[13]", upper)
        .set(inode, "i_size_lo", (12 + 256 + 65_536) * 1024);
    let entries = walk::count_entries(&mutant.bytes, b"links");
    assert_eq!(entries, 4 + 65_536 * 16, "four before, and 16 a block");
}
