//! U08: cursors that no listing gave. Wherever a directory is read from, there are entries of it or
//! an error.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use imgmount::filesystem::{Entry, FileSystem, Inode, Request};
use imgmount::service::open::Options;

use super::opened::{names_from, opened};
use crate::filesystem::exfat::generate;
use crate::filesystem::fat::volume::Volume;
use crate::filesystem::udf::tree;
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;
use crate::support::udf::Layout;

/// Files in a directory of many blocks.
const LARGE: usize = 3000;

/// Files in the directory `many`.
const FILES: usize = 80;

/// Entries that are looked at behind each cursor.
const BEHIND: usize = 4;

/// Names of all lengths, as a directory has them.
fn name(number: usize) -> String {
    format!("{number:02} {}", "long name ".repeat(number % 7))
        .trim_end()
        .to_owned()
}

fn fill(folder: &Path) {
    std::fs::create_dir(folder.join("many")).unwrap();
    for number in 0..FILES {
        std::fs::write(folder.join("many").join(name(number)), "").unwrap();
    }
}

/// Up to `most` entries of `folder` from `cursor` on, and their own cursors.
fn entries(
    filesystem: &dyn FileSystem,
    folder: Inode,
    cursor: u64,
    most: usize,
) -> Vec<(Vec<u8>, Inode, u64)> {
    let mut found = Vec::new();
    let each = &mut |entry: Entry<'_>| {
        found.push((entry.name.to_vec(), entry.inode, entry.next));
        found.len() < most
    };
    let _ = filesystem.read_dir(&Request::new(0), folder, cursor, each);
    found
}

/// The directory `many` of `image` has `count` entries, wherever it is read from.
fn has_no_others(image: &Path, count: usize) {
    let opened = library::open_with(image, &Options::default());
    let filesystem = library::file_system(&opened);
    let folder = library::find(&*filesystem, b"many");
    let all = entries(&*filesystem, folder, 0, usize::MAX);
    assert_eq!(all.len(), count);
    let known: BTreeSet<_> = all.iter().map(|(name, inode, _)| (name, inode)).collect();
    let last = all.last().unwrap().2;
    let near = 0..(last + 70).min(6000);
    let powers = (0..63).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
    let marked = (0..600).map(|cursor| cursor | 1 << 62);
    for cursor in near.chain(powers).chain(marked) {
        for (name, inode, _) in entries(&*filesystem, folder, cursor, BEHIND) {
            let shown = imgmount::error::printable(&name);
            assert!(known.contains(&(&name, &inode)), "{cursor}: {shown}");
        }
    }
    // Those that a listing gave lead to what is behind them.
    for (index, (_, _, next)) in all.iter().enumerate() {
        let behind = entries(&*filesystem, folder, *next, BEHIND);
        let expected = all.iter().skip(index + 1).take(BEHIND);
        assert!(behind.iter().eq(expected), "{index}");
    }
}

fn written(scratch: &Scratch, bytes: &[u8]) -> PathBuf {
    let image = scratch.join("image");
    std::fs::write(&image, bytes).unwrap();
    image
}

#[test]
fn u08_cursors_into_a_directory_of_iso_9660() {
    need!(tool "xorriso");
    let scratch = Scratch::new();
    let files = scratch.folder("files");
    fill(&files);
    for options in ["-R", "-J"] {
        let image = scratch.join(options);
        let xorriso = Run::new("xorriso")
            .words("-as mkisofs -quiet")
            .words(options);
        xorriso.arg("-o").arg(&image).arg(&files).run();
        has_no_others(&image, FILES + 2);
    }
}

#[test]
fn u08_cursors_into_a_directory_of_udf() {
    let (builder, places) = tree::build(Layout::Physical);
    let scratch = Scratch::new();
    let image = written(&scratch, &builder.finish(places.root));
    has_no_others(&image, tree::MANY + 2);
}

#[test]
fn u08_cursors_into_a_directory_of_fat() {
    need!(tool "mkfs.fat", tool "mcopy");
    let volume = Volume::made("-F 16 -s 4", 10_000);
    let files = volume.scratch.folder("files");
    fill(&files);
    volume.fill(&files);
    has_no_others(&volume.image, FILES + 2);
}

#[test]
fn u08_cursors_into_a_directory_of_exfat() {
    let mut volume = generate::Volume::usual();
    let sets = (0..FILES).flat_map(|number| {
        let set = generate::Set::new(&name(number), generate::ARCHIVE);
        set.sealed()
    });
    let entries: Vec<_> = sets.collect();
    let many = volume.directory("many", &entries);
    volume.add(&many);
    let scratch = Scratch::new();
    has_no_others(&written(&scratch, &volume.finish()), FILES + 2);
}

/// From `cursors` on, and from many others, `dir` gives entries that it has.
pub fn gives_what_it_has(
    filesystem: &dyn FileSystem,
    dir: Inode,
    cursors: impl Iterator<Item = u64>,
) {
    let (all, end) = names_from(filesystem, dir, 0, usize::MAX);
    end.unwrap();
    let known: BTreeSet<_> = all.iter().collect();
    let powers = (0..63).map(|bit| 1_u64 << bit);
    let around = powers.flat_map(|power| [power - 1, power, power + 1]);
    for cursor in cursors.chain(around) {
        let (names, _) = names_from(filesystem, dir, cursor, 40);
        let strange = names.iter().find(|name| !known.contains(name));
        assert!(strange.is_none(), "{cursor:#x}: {strange:?}");
    }
}

#[test]
fn u08_large_directories_give_what_they_have_wherever_they_are_read_from() {
    need!(tool "mksquashfs", tool "mkfs.erofs");
    let scratch = Scratch::new();
    let source = scratch.folder("source");
    for number in 0..LARGE {
        std::fs::write(source.join(format!("file {number}")), "").unwrap();
    }
    let image = |name: &str, make: &dyn Fn(Run) -> Run| {
        let file = scratch.join(name);
        make(Run::new(name)).run();
        std::fs::read(file).unwrap()
    };
    let squashfs = image("mksquashfs", &|run| {
        let run = run.arg(&source).arg(scratch.join("mksquashfs"));
        run.words("-quiet -no-progress")
    });
    let erofs = image("mkfs.erofs", &|run| {
        let run = run.words("--quiet").arg(scratch.join("mkfs.erofs"));
        run.arg(&source)
    });
    for (name, bytes) in [("squashfs", squashfs), ("erofs", erofs)] {
        let filesystem = opened(name, &bytes);
        let root = filesystem.root();
        // Bytes of squashfs' list, of which each has 512 cursors; places of EROFS.
        let cursors = (0..80_000).step_by(61).flat_map(|at| [at, at << 9 | 7]);
        gives_what_it_has(&*filesystem, root, cursors);
        // What comes from one cursor to the next is all there is, once.
        let (all, _) = names_from(&*filesystem, root, 0, usize::MAX);
        let (mut paged, mut cursor) = (Vec::new(), 0);
        loop {
            let before = paged.len();
            let request = super::opened::request(10_000);
            let end = filesystem.read_dir(&request, root, cursor, &mut |entry| {
                paged.push(entry.name.to_vec());
                cursor = entry.next;
                paged.len() - before < 100
            });
            end.unwrap_or_else(|error| panic!("{name}: after {before}: {error}"));
            if paged.len() == before {
                break;
            }
        }
        assert_eq!(all.len(), LARGE + 2, "{name}");
        assert!(paged == all, "{name}");
    }
}
