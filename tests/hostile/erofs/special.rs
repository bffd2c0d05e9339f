//! S10 in what is beside files: devices, the metabox, attributes, links.

use imgmount::error::Kind::{Corrupt, NotFound, Unsupported};

use super::seed::{SUPERBLOCK, seal, seed};
use crate::filesystem::erofs;
use crate::hostile::walk::walk;
use crate::support::command::Run;
use crate::support::images::Scratch;

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
    assert_eq!(error.kind(), NotFound, "{error}");
    assert!(error.to_string().contains("device 1"), "{error}");
    assert!(walked.notices.iter().any(|text| text.contains("device 1")));
    for path in ["", "folder", "link"] {
        assert_eq!(walked.nodes[path].error(), None, "{path}");
    }
    // A device table that is not in the image.
    let far = 0xffff_u16.to_le_bytes();
    bytes[SUPERBLOCK + 88..SUPERBLOCK + 90].copy_from_slice(&far);
    seal(&mut bytes);
    let (error, _) = walk(&bytes).refused.expect("no device table");
    assert!(error.to_string().contains("device table"), "{error}");
}

#[test]
fn s10_too_many_devices() {
    need!(tool "mkfs.erofs");
    let mut mutant = seed("").mutant();
    let features = mutant.get(SUPERBLOCK + 80, 4);
    mutant.set(SUPERBLOCK + 80, 4, features | 8);
    mutant.set(SUPERBLOCK + 86, 2, 0xffff);
    mutant.walk().refused(Unsupported, &["extra_devices 65535"]);
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
    mutant.walk().refused(Corrupt, &["metabox_nid"]);
    let mut mutant = seed("-m4096").mutant();
    mutant.set(place, 8, 0);
    mutant.walk().refused(Corrupt, &["metabox"]);
    // Without room for the field.
    let mut mutant = seed("-m4096").mutant();
    mutant.set(SUPERBLOCK + 13, 1, 0);
    mutant.walk().refused(Corrupt, &["sb_extslots 0"]);
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
        (shared, 1, "h_shared_count"),
        (name, 1, "goes on behind"),
        (value, 2, "goes on behind"),
    ] {
        let mut mutant = seed.mutant();
        mutant.set(at, len, u64::MAX);
        let broken = mutant.walk();
        broken.fails("attributed", Corrupt, &[word]);
        assert_eq!(broken.bytes("attributed"), b"has attributes");
        broken.rest_as_before(&["attributed"]);
    }
    // A header and nothing behind it means nothing.
    let mut mutant = seed.mutant();
    mutant.set(inode + 2, 2, 1);
    let broken = mutant.walk();
    assert!(broken.error("attributed").is_some());
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
        broken.fails("link", Corrupt, &["link of"]);
        broken.rest_as_before(&["link"]);
    }
    let mut mutant = seed("").mutant();
    let target = mutant.behind(mutant.inode("link"));
    mutant.bytes[target + 3] = 0;
    mutant.walk().fails("link", Corrupt, &["NUL"]);
}
