//! The broken images that other projects ship: none may crash, hang or run away, and where the
//! kernel mounts one, the trees are the same but for what is listed here with its reason.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use imgmount::error::printable;
use imgmount::filesystem::FileType;
use imgmount::format::Options;
use imgmount::source::file::File;

use super::walk::{Node, Seen, Walk, walk_source};
use crate::support::images::{self, Scratch};
use crate::support::kernel::Mounted;

/// The images below `folder` of the collection, by their paths in it.
pub fn collected(folder: &str) -> Vec<String> {
    let root = images::folder().expect("the caller needs images");
    let (mut open, mut found) = (vec![root.join(folder)], Vec::new());
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(path).expect("listed");
            open.extend(entries.map(|entry| entry.expect("listed").path()));
        } else {
            let inside = path.strip_prefix(&root).expect("below it");
            found.push(inside.to_str().expect("UTF-8").to_owned());
        }
    }
    found.sort();
    found
}

fn walk_file(path: &Path) -> Walk {
    let handle = fs::File::open(path).expect("opened");
    let source = File::new(handle).expect("a size");
    walk_source(Arc::new(source), &Options::default())
}

#[test]
fn every_collected_image_comes_to_an_end() {
    need!(images, tool "zstd", tool "xz");
    let mut walked = 0;
    for name in [collected("hostile"), collected("negative")].concat() {
        let scratch = Scratch::new();
        let path = images::unpack(&name, &scratch);
        println!("{name}");
        let walk = walk_file(&path);
        assert!(
            !walk.nodes.is_empty() || walk.refused.is_some(),
            "{name}: nothing"
        );
        walked += 1;
    }
    assert!(walked > 200, "{walked} images");
}

/// Where this reader and the kernel differ: image, a part of the line, and why.
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "f_inlinedata_repair",
        "a NUL in the target",
        "the kernel ends the target there; a part of a target leads elsewhere, so it is an error",
    ),
    ("f_inlinedir_bad_symlink", "a NUL in the target", "as above"),
    (
        "f_invalid_extent_symlink",
        "\"a\": target",
        "a target longer than a block, of which the kernel shows one block less a byte",
    ),
];

/// Compared with the other logs, in `ext4_journal`: what the kernel replays by fast commits gets the
/// time of the replay.
const ELSEWHERE: &str = "j_recover_fast_commit";

/// Images with files that the kernel refuses as a whole where something in them is damaged, and of
/// which this reader shows the rest; or whose names it does not find by a broken hash tree, and
/// which a walk over all blocks does.
const SHOWS_MORE: &[&str] = &[
    "f_bad_encryption",
    "f_baddir",
    "f_badinode",
    "f_dupfsblks",
    "f_dupsuper",
    "f_ea_checks",
    "f_ext_zero_len",
    "f_filetype",
    "f_h_reindex",
    "f_holedir",
    "f_idata_and_extents",
    "f_inlinedata_repair",
    "f_inode_ea_collision",
    "f_yesall",
];

/// What is said of an image.
#[derive(Default)]
struct Said {
    /// Other than the kernel has it, or less.
    differs: Vec<String>,
    /// What the kernel does not show.
    more: Vec<String>,
}

#[test]
fn what_the_kernel_mounts_of_them_is_the_same() {
    need!(loop, kernel "ext4", images, tool "zstd", tool "xz");
    let (mut differences, mut more, mut mounted) = (Vec::new(), BTreeSet::new(), 0);
    let here = |path: &String| !path.contains(ELSEWHERE);
    for path in collected("hostile/e2fsprogs").into_iter().filter(here) {
        let scratch = Scratch::new();
        let image = images::unpack(&path, &scratch);
        let ours = walk_file(&image);
        let at = scratch.join("mounted");
        let options = "noatime,errors=continue";
        let Ok(kernel) = Mounted::of_part(&image, None, "ext4", options, &at) else {
            continue;
        };
        mounted += 1;
        let mut said = Said::default();
        match &ours.refused {
            Some((error, _)) => said.differs.push(format!("refused: {error}")),
            None => compare(&ours, kernel.path(), &mut said),
        }
        let name = path.trim_start_matches("hostile/e2fsprogs/e2fsprogs-");
        let name = name.split("-image").next().expect("a name").to_owned();
        differences.extend(said.differs.into_iter().map(|line| (name.clone(), line)));
        if !said.more.is_empty() {
            more.insert(name);
        }
    }
    assert!(mounted > 50, "only {mounted} are mounted");
    let is = |known: &(&str, &str, &str), (name, line): &(String, String)| {
        name == known.0 && line.contains(known.1)
    };
    let new: Vec<_> = differences
        .iter()
        .filter(|line| !KNOWN.iter().any(|known| is(known, line)))
        .collect();
    assert!(
        new.is_empty(),
        "{} differences:\n{:#?}",
        new.len(),
        &new[..new.len().min(50)]
    );
    let gone: Vec<_> = KNOWN
        .iter()
        .filter(|known| !differences.iter().any(|line| is(known, line)))
        .collect();
    assert!(gone.is_empty(), "no differences any more: {gone:?}");
    let expected: BTreeSet<String> = SHOWS_MORE.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        more, expected,
        "images of which more is shown than the kernel does"
    );
}

/// Compares name by name, as far as the kernel reads.
fn compare(ours: &Walk, root: &Path, said: &mut Said) {
    let mut open = vec![(String::new(), root.to_owned())];
    let mut seen = BTreeSet::new();
    while let Some((path, place)) = open.pop() {
        let node = ours.nodes.get(&path);
        let Ok(metadata) = fs::symlink_metadata(&place) else {
            if let Some(Node {
                attributes: Ok(_), ..
            }) = node
            {
                said.more
                    .push(format!("{path:?}: the kernel has no attributes"));
            }
            continue;
        };
        let Some(node) = node else {
            said.differs.push(format!("{path:?}: missing"));
            continue;
        };
        compare_attributes(&path, node, &metadata, said);
        if metadata.is_dir() && seen.insert(metadata.ino()) {
            let names = compare_listing(&path, node, &place, said);
            open.extend(names.into_iter().map(|name| {
                let separator = if path.is_empty() { "" } else { "/" };
                let place = place.join(std::ffi::OsStr::from_bytes(&name));
                (format!("{path}{separator}{}", printable(&name)), place)
            }));
        } else {
            compare_content(&path, node, &place, &metadata, said);
        }
    }
}

fn compare_attributes(path: &str, node: &Node, kernel: &fs::Metadata, said: &mut Said) {
    let ours = match &node.attributes {
        Ok(ours) => ours,
        Err(error) => return said.differs.push(format!("{path:?}: attributes: {error}")),
    };
    let kind = match ours.kind {
        FileType::Regular => 0o100_000,
        FileType::Directory => 0o040_000,
        FileType::Symlink => 0o120_000,
        FileType::BlockDevice => 0o060_000,
        FileType::CharacterDevice => 0o020_000,
        FileType::Fifo => 0o010_000,
        FileType::Socket => 0o140_000,
    };
    let pairs = [
        ("ino", ours.ino, kernel.ino()),
        ("mode", kind | u64::from(ours.mode), kernel.mode().into()),
        ("uid", ours.uid.into(), kernel.uid().into()),
        ("gid", ours.gid.into(), kernel.gid().into()),
        ("size", ours.size, kernel.size()),
        ("blocks", ours.blocks, kernel.blocks()),
        ("nlink", ours.nlink.into(), kernel.nlink()),
        ("mtime", ours.mtime.seconds as u64, kernel.mtime() as u64),
        ("ctime", ours.ctime.seconds as u64, kernel.ctime() as u64),
    ];
    for (field, ours, kernel) in pairs {
        if ours != kernel {
            said.differs.push(format!(
                "{path:?}: {field}: {ours}, the kernel says {kernel}"
            ));
        }
    }
}

/// The names that the kernel lists.
fn compare_listing(path: &str, node: &Node, place: &Path, said: &mut Said) -> BTreeSet<Vec<u8>> {
    let Ok(listing) = fs::read_dir(place) else {
        return BTreeSet::new();
    };
    let (mut kernel, mut whole) = (BTreeSet::new(), true);
    for entry in listing {
        match entry {
            Ok(entry) => _ = kernel.insert(entry.file_name().as_bytes().to_vec()),
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    let Seen::Directory(entries, error) = &node.content else {
        said.differs.push(format!("{path:?}: no directory"));
        return kernel;
    };
    let dots = |name: &Vec<u8>| name == b"." || name == b"..";
    let ours: BTreeSet<Vec<u8>> = entries
        .iter()
        .map(|(name, _)| name.clone())
        .filter(|name| !dots(name))
        .collect();
    for name in kernel.difference(&ours) {
        said.differs.push(format!(
            "{path:?}: {} is not listed: {error:?}",
            printable(name)
        ));
    }
    for name in ours.difference(&kernel).filter(|_| whole) {
        said.more.push(format!(
            "{path:?}: the kernel does not list {}",
            printable(name)
        ));
    }
    kernel
}

fn compare_content(path: &str, node: &Node, place: &Path, kernel: &fs::Metadata, said: &mut Said) {
    match &node.content {
        Seen::Link(ours) => match (ours, fs::read_link(place)) {
            (Ok(ours), Ok(kernel)) if *ours != kernel.as_os_str().as_bytes() => {
                said.differs
                    .push(format!("{path:?}: target {}", printable(ours)));
            }
            (Err(error), Ok(_)) => said.differs.push(format!("{path:?}: target: {error}")),
            (Ok(ours), Err(why)) => said.more.push(format!(
                "{path:?}: target {}, the kernel says {why}",
                printable(ours)
            )),
            _ => {}
        },
        Seen::File(_, ours, error) if kernel.len() <= 2 << 20 => match (error, fs::read(place)) {
            (None, Ok(kernel)) if *ours != kernel => {
                let at = ours
                    .iter()
                    .zip(&kernel)
                    .position(|(ours, kernel)| ours != kernel);
                said.differs
                    .push(format!("{path:?}: content differs at {at:?}"));
            }
            (Some(error), Ok(_)) => said.differs.push(format!("{path:?}: content: {error}")),
            (None, Err(why)) => said
                .more
                .push(format!("{path:?}: read, the kernel says {why}")),
            _ => {}
        },
        _ => {}
    }
}
