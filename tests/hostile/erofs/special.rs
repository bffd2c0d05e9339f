//! S10 in what is beside files: devices, the metabox, attributes, links.

use imgmount::error::Kind::{Corrupt, NotFound, Unsupported};

use super::seed::{SUPERBLOCK, seal, seed};
use crate::filesystem::erofs;
use crate::hostile::expect::blames;
use crate::hostile::walk::walk;
use crate::support::command::Run;
use crate::support::images::Scratch;

/// Bytes of a slot of the device table, in which its place is counted.
const SLOT: u64 = 128;

/// Files on a device that is not there fail, by its number, and no others.
#[test]
fn s10_missing_device() {
    need!(tool "mkfs.erofs");
    let scratch = Scratch::new();
    let source = scratch.folder("source");
    std::fs::write(source.join("far"), [b'x'; 50_000]).unwrap();
    std::fs::create_dir(source.join("folder")).unwrap();
    std::os::unix::fs::symlink("far", source.join("link")).unwrap();
    let image = scratch.join("image");
    let mkfs = Run::new("mkfs.erofs").words("--quiet --chunksize=4096");
    let blob = format!("--blobdev={}", scratch.join("blob").display());
    mkfs.arg(blob).arg(&image).arg(&source).run();
    let mut bytes = std::fs::read(&image).unwrap();
    let walked = walk(&bytes);
    assert!(walked.refused.is_none());
    let error = walked.nodes["far"].error().expect("the device is missing");
    let field = SUPERBLOCK + 88..SUPERBLOCK + 90;
    let number = u16::from_le_bytes(bytes[field.clone()].try_into().unwrap());
    blames(error, NotFound, &["device 1"], u64::from(number) * SLOT);
    assert!(walked.notices.iter().any(|text| text.contains("device 1")));
    for path in ["", "folder", "link"] {
        assert_eq!(walked.nodes[path].error(), None, "{path}");
    }
    // A device table that is not in the image.
    bytes[field].fill(0xff);
    seal(&mut bytes);
    let (error, _) = walk(&bytes).refused.expect("no device table");
    let words = ["device table of 1 devices", "past the end"];
    blames(&error, Corrupt, &words, 0xffff * SLOT);
}

#[test]
fn s10_too_many_devices() {
    need!(tool "mkfs.erofs");
    let mut mutant = seed("").mutant();
    let features = mutant.get(SUPERBLOCK + 80, 4);
    mutant.set(SUPERBLOCK + 80, 4, features | 8);
    mutant.set(SUPERBLOCK + 86, 2, 0xffff);
    let words = ["extra_devices 65535"];
    mutant.walk().refused(Unsupported, &words, SUPERBLOCK);
}

#[test]
fn s10_metabox_in_itself() {
    need!(tool "mkfs.erofs");
    if let Some(reason) = erofs::too_old() {
        crate::support::skip::skip(module_path!(), &reason);
        return;
    }
    let place = SUPERBLOCK + 128;
    let mut mutant = seed("-m4096").mutant();
    let nid = mutant.get(place, 8);
    mutant.set(place, 8, nid | 1 << 63);
    let words = [format!("metabox_nid {:#x}", nid | 1 << 63)];
    let words = words.each_ref().map(String::as_str);
    mutant.walk().refused(Corrupt, &words, SUPERBLOCK);
    let mut mutant = seed("-m4096").mutant();
    mutant.set(place, 8, 0);
    // What lies in it is the root: by its place there.
    let root = mutant.get(SUPERBLOCK + 112, 8);
    let at = usize::try_from((root & !(1 << 63)) * 32).unwrap();
    mutant.walk().refused(Corrupt, &["there is no metabox"], at);
    // Without room for the field.
    let mut mutant = seed("-m4096").mutant();
    mutant.set(SUPERBLOCK + 13, 1, 0);
    mutant
        .walk()
        .refused(Corrupt, &["sb_extslots 0"], SUPERBLOCK);
}

/// Attributes that are damaged fail alone: the file reads.
#[test]
fn s10_attributes() {
    need!(tool "mkfs.erofs");
    let seed = seed("-x3");
    if seed.node("attributed").xattrs.as_ref().unwrap().is_empty() {
        crate::support::skip::skip(
            module_path!(),
            "needs user attributes on the scratch file system",
        );
        return;
    }
    let mutant = seed.mutant();
    let inode = mutant.inode("attributed");
    let header = mutant.behind(inode) - (12 + (mutant.get(inode + 2, 2) as usize - 1) * 4);
    // Shared attributes that are more than fit; names and values that are longer than all.
    let (shared, name, value) = (header + 4, header + 12, header + 14);
    for (at, len, word) in [
        (shared, 1, "h_shared_count 255 in"),
        (name, 1, "an attribute goes on behind"),
        (value, 2, "an attribute goes on behind"),
    ] {
        let mut mutant = seed.mutant();
        mutant.set(at, len, u64::MAX);
        let broken = mutant.walk();
        // The first attribute is right behind the header.
        broken.fails("attributed", Corrupt, &[word], header + 12);
        assert_eq!(broken.bytes("attributed"), b"has attributes");
        broken.rest_as_before(&["attributed"]);
    }
    // A filter that rules out every name takes none of them away.
    let mut mutant = seed.mutant();
    let compat = mutant.get(SUPERBLOCK + 8, 4);
    mutant.set(SUPERBLOCK + 8, 4, compat | 4);
    mutant.set(header, 4, 0xffff_ffff);
    mutant.walk().rest_as_before(&[]);
    // A header and nothing behind it means nothing.
    let mut mutant = seed.mutant();
    mutant.set(inode + 2, 2, 1);
    let broken = mutant.walk();
    let words = ["i_xattr_icount 1: a header without attributes"];
    broken.fails("attributed", Unsupported, &words, header);
    broken.rest_as_before(&["attributed"]);
}

#[test]
fn s10_links() {
    need!(tool "mkfs.erofs");
    for size in [0, 4096, 0x7fff_ffff] {
        let mut mutant = seed("").mutant();
        let inode = mutant.inode("link");
        mutant.set(inode + 8, 4, size);
        let broken = mutant.walk();
        let words = format!("a link of {size} bytes");
        broken.fails("link", Corrupt, &[&words], inode);
        broken.rest_as_before(&["link"]);
    }
    let mut mutant = seed("").mutant();
    let target = mutant.behind(mutant.inode("link"));
    mutant.bytes[target + 3] = 0;
    let words = ["a link with a NUL in its target"];
    mutant.walk().fails("link", Corrupt, &words, target);
}
