//! HOSTILE F10 and what of F03 to F08 exFAT has too: volumes of [`generate`] with one thing wrong
//! in each.

mod boot;
mod chains;
mod entries;

use imgmount::error::{Error, Kind};
use imgmount::format::Options;
use imgmount::source::ExtentKind;

use super::flips::Numbers;
use super::walk::{Node, Seen, Walk, walk, walk_with};
use crate::filesystem::exfat::generate::{
    self, ARCHIVE, CHAIN, CONTIGUOUS, DIRECTORY, Entry, Set, Volume, critical,
};
use crate::support::command::{self, Run};
use crate::support::images::{self, Scratch};

/// Clusters of the usual volume.
const CLUSTERS: u32 = 64;

/// A volume with what `hit` adds between two files that are never touched.
fn volume(hit: impl FnOnce(&mut Volume)) -> Vec<u8> {
    let mut volume = Volume::usual();
    let inner = volume.file("inner", &[7; 6000]).sealed();
    let set = volume.directory("before", &inner);
    volume.add(&set);
    let scattered = volume.scatter(&[9; 20_000]);
    let behind = Set::new("behind", ARCHIVE).stream(CHAIN, scattered, 20_000);
    hit(&mut volume);
    volume.add(&behind);
    volume.finish()
}

/// What is in the others is as it was made; the rest of the walk.
fn others_are_whole(walk: &Walk) {
    let content = |path: &str| match &walk.nodes.get(path).map(|node| &node.content) {
        Some(Seen::File(_, bytes, None)) => bytes.clone(),
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(content("before/inner"), [7; 6000]);
    assert_eq!(content("behind"), [9; 20_000]);
    for path in ["before", "before/inner", "behind"] {
        assert_eq!(walk.nodes[path].error(), None, "{path}");
        assert!(matches!(walk.nodes[path].lookup, Ok(Some(_))), "{path}");
    }
}

/// Opens a volume with `hit`, of which the others are whole.
fn hit(hit: impl FnOnce(&mut Volume)) -> Walk {
    let walk = walk(&volume(hit));
    assert!(walk.refused.is_none(), "{:?}", walk.refused);
    others_are_whole(&walk);
    walk
}

/// A file called `hit` with the set that `make` gives, and what is seen of it.
fn hit_set(make: impl FnOnce(&mut Volume) -> Set) -> (Option<Node>, Walk) {
    let walk = hit(|volume| {
        let set = make(volume);
        volume.add(&set);
    });
    (walk.nodes.get("hit").cloned(), walk)
}

fn corrupt(error: Option<&Error>, words: &str) {
    let error = error.unwrap_or_else(|| panic!("no error with {words:?}"));
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    assert!(error.to_string().contains(words), "{error}, not {words:?}");
}

fn notices(walk: &Walk, words: &str) {
    let found = walk.notices.iter().any(|notice| notice.contains(words));
    assert!(found, "{words:?}: {:?}", walk.notices);
}

/// The volume with bytes of the boot sector changed and its sum mended, without a copy.
fn booted(changes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = volume(|_| {});
    for (at, new) in changes {
        bytes[*at..at + new.len()].copy_from_slice(new);
    }
    generate::seal(&mut bytes);
    // Without a copy, wherever the size of sectors would have it.
    for shift in 9..=12 {
        bytes[(12 << shift) + 3] = 0;
    }
    bytes
}

/// Refused, with the field named, and the raw bytes are there.
fn refused(bytes: &[u8], words: &str) {
    let walk = walk(bytes);
    let (error, raw) = walk
        .refused
        .unwrap_or_else(|| panic!("{words} is not refused"));
    assert!(error.to_string().contains(words), "{error}, not {words:?}");
    assert!(raw, "{words}: no raw bytes");
    assert!(walk.nodes.is_empty());
}

/// G02: cut off anywhere, it is refused, or files fail that lie past the cut.
#[test]
fn f10_truncated() {
    let whole = volume(|_| {});
    let mut numbers = Numbers(7);
    let random = (0..40).map(|_| numbers.below(whole.len()));
    for len in (0..64).map(|sector| sector * 512).chain(random) {
        let walked = walk(&whole[..len]);
        for (path, expected) in [
            ("before/inner", [7; 6000].to_vec()),
            ("behind", vec![9; 20_000]),
        ] {
            if let Some(Node {
                content: Seen::File(_, bytes, None),
                ..
            }) = walked.nodes.get(path)
            {
                assert_eq!(*bytes, expected, "{path} of {len} bytes");
            }
        }
    }
}

/// The images that exfatprogs tests its repairs with: damage is found where fsck.exfat finds some,
/// and nowhere else.
#[test]
fn damage_is_found_where_fsck_finds_it() {
    need!(images, tool "fsck.exfat", tool "zstd");
    let inside = |file: &str, _: &str| file.starts_with("hostile/exfatprogs/");
    let mut counts = [0, 0];
    for image in crate::support::expected::collected(inside) {
        let scratch = Scratch::new();
        let path = images::unpack(&image.file, &scratch);
        let said = Run::new("fsck.exfat").arg("-n").arg(&path).output();
        let clean = String::from_utf8_lossy(&said.stdout).contains(": clean.");
        let check = command::imgmount().arg("check").arg(&path).output();
        let text = String::from_utf8_lossy(&check.stdout);
        assert_eq!(check.status.success(), clean, "{}: {text}", image.file);
        counts[usize::from(clean)] += 1;
    }
    assert!(counts[0] >= 5 && counts[1] >= 2, "{counts:?}");
}
