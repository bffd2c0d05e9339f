//! HOSTILE F10 and what of F03 to F08 exFAT has too: volumes of [`generate`] with one thing wrong
//! in each.

mod boot;
mod chains;
mod entries;

use self::boot::root_entry;
use imgmount::error::{Error, Kind};
use imgmount::format::Options;
use imgmount::source::ExtentKind;

use super::expect::blames;
use super::flips::Numbers;
use super::walk::{BadSector, Node, Seen, Walk, walk, walk_source, walk_with};
use crate::filesystem::exfat::generate::{
    self, ARCHIVE, CHAIN, CONTIGUOUS, DIRECTORY, Entry, Set, Volume, critical,
};
use crate::support::command::{self, Run};
use crate::support::images::{self, Scratch};

/// Clusters of the usual volume, and bytes of each of them and of a sector.
const CLUSTERS: u32 = 64;
const CLUSTER: usize = 4096;
const SECTOR: usize = 512;

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

/// A volume in which something is wrong, and what is seen of it.
struct Hit {
    bytes: Vec<u8>,
    walk: Walk,
}

/// Opens a volume with `hit`, of which the others are whole.
fn hit(hit: impl FnOnce(&mut Volume)) -> Hit {
    let bytes = volume(hit);
    let walk = walk_broken(&bytes);
    assert!(walk.refused.is_none(), "{:?}", walk.refused);
    others_are_whole(&walk);
    Hit { bytes, walk }
}

/// A file called `hit` with the set that `make` gives, and what is seen of it.
fn hit_set(make: impl FnOnce(&mut Volume) -> Set) -> Hit {
    hit(|volume| {
        let set = make(volume);
        volume.add(&set);
    })
}

/// What is seen in `bytes`, which must not be the whole volume.
fn walk_broken(bytes: &[u8]) -> Walk {
    assert!(bytes != volume(|_| {}), "the mutant is its seed");
    walk(bytes)
}

impl Hit {
    fn node(&self) -> &Node {
        &self.walk.nodes["hit"]
    }

    /// Where the set of the file `hit` begins.
    fn set(&self) -> usize {
        set_of(&self.bytes, "hit")
    }

    /// Where the entry of `cluster` in the FAT is.
    fn entry(&self, cluster: u32) -> usize {
        word(&self.bytes, 80) * SECTOR + cluster as usize * 4
    }

    /// The file fails with `words` at byte `at`.
    fn fails(&self, words: &str, at: usize) {
        corrupt(self.node().error(), words, at);
    }

    /// The file is left out, with a notice of `words` at byte `at`.
    fn left_out(&self, words: &str, at: usize) {
        assert!(!self.walk.nodes.contains_key("hit"), "{words}");
        notices(&self.walk, &[words, &format!(" at byte {at:#x}: left out")]);
    }
}

/// Where the set of the file `name` begins, by its first entry with a name.
pub fn set_of(bytes: &[u8], name: &str) -> usize {
    let units = name.encode_utf16().flat_map(u16::to_le_bytes);
    let wanted = [&[0xc1, 0][..], &units.collect::<Vec<u8>>()].concat();
    let mut entries = (64..bytes.len()).step_by(32);
    let found = entries.find(|at| bytes[*at..].starts_with(&wanted) && bytes[*at - 64] == 0x85);
    found.expect("a set of that name") - 64
}

/// The four bytes at `at` as a number.
fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Where `cluster` begins.
fn place(bytes: &[u8], cluster: usize) -> usize {
    word(bytes, 88) * SECTOR + (cluster - 2) * CLUSTER
}

fn corrupt(error: Option<&Error>, words: &str, at: usize) {
    let error = error.unwrap_or_else(|| panic!("no error with {words:?}"));
    blames(error, Kind::Corrupt, &[words], at as u64);
}

/// A notice holds all of `words`.
fn notices(walk: &Walk, words: &[&str]) {
    let holds = |notice: &&String| words.iter().all(|word| notice.contains(word));
    let found = walk.notices.iter().find(holds);
    assert!(found.is_some(), "{words:?}: {:?}", walk.notices);
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

/// Refused, with the field named and the byte `at`, and the raw bytes are there.
fn refused(bytes: &[u8], kind: Kind, words: &str, at: usize) {
    let walk = walk_broken(bytes);
    let (error, raw) = walk
        .refused
        .unwrap_or_else(|| panic!("{words} is not refused"));
    blames(&error, kind, &["main boot region: ", words], at as u64);
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
