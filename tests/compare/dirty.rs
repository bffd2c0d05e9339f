//! Copies of a disk taken while it is written: the kernel recovers one copy, the library replays
//! the journal of the other in memory, and both must show the same.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use imgmount::service::open::Options;

use crate::support::command::Run;
use crate::support::images::{self, Scratch};
use crate::support::kernel::Mounted;
use crate::support::record::{Comparison, Tree};
use crate::support::{library, walk};

/// Moments at which the disk is copied, and files committed between two of them.
const MOMENTS: usize = 20;
const FILES: usize = 10;

/// A test for each way to make and to mount the file system.
macro_rules! workloads {
    ($($name:ident: $mke2fs:literal, $options:literal;)+) => {
        $(
            #[test]
            fn $name() {
                need!(loop, kernel "ext4", tool "mke2fs", tool "dumpe2fs");
                run($mke2fs, $options);
            }
        )+
    };
}

workloads! {
    ordered: "-t ext4 -J size=8", "rw";
    ordered_1k: "-t ext4 -b 1024 -J size=4", "rw";
    all_data_in_the_journal: "-t ext4 -b 1024 -J size=8", "rw,data=journal";
    ext3_without_checksums: "-t ext3 -J size=4", "rw";
    asynchronous_commit: "-t ext4 -J size=8", "rw,data=writeback,journal_async_commit";
    without_metadata_checksums: "-t ext4 -O ^metadata_csum,^64bit -J size=8", "rw,journal_checksum";
    fast_commits: "-t ext4 -O fast_commit -J size=8", "rw";
    orphan_file: "-t ext4 -O orphan_file -J size=8", "rw";
}

fn run(mke2fs: &str, options: &str) {
    let scratch = Scratch::new();
    let image = scratch.file("image", 64 << 20);
    let make = Run::new("mke2fs").words("-q -F").words(mke2fs);
    make.arg(&image).run();
    let mounted = Mounted::new(&image, "ext4", options, &scratch.join("written"));
    let mut hidden = 0;
    for moment in 0..MOMENTS {
        work(mounted.path(), moment);
        let copy = scratch.join("copy");
        images::copy(&image, &copy);
        hidden += compare(&copy, moment, &scratch);
        fs::remove_file(copy).unwrap();
    }
    assert!(hidden > 0, "the journal never held what the disk did not");
}

/// One moment's work: files that are committed, others that are not, and deletions whose blocks
/// are used again, so that the journal gets its revoke records.
fn work(root: &Path, moment: usize) {
    let folder = root.join(format!("moment-{moment}"));
    fs::create_dir(&folder).unwrap();
    for number in 0..FILES {
        let mut file = File::create(folder.join(format!("committed-{number}"))).unwrap();
        file.write_all(&content(moment, number)).unwrap();
        file.sync_all().unwrap();
    }
    File::open(&folder).unwrap().sync_all().unwrap();
    // What follows is in no commit, or in one that the kernel chooses to make.
    if let Some(older) = moment.checked_sub(2) {
        let older = root.join(format!("moment-{older}"));
        for number in 0..FILES / 2 {
            fs::rename(
                older.join(format!("committed-{number}")),
                older.join(format!("renamed-{number}")),
            )
            .unwrap();
        }
        let many = root.join("many");
        let _ = fs::remove_dir_all(&many);
        fs::create_dir(&many).unwrap();
        for number in 0..60 {
            fs::write(many.join(format!("{number:0>200}")), b"x").unwrap();
        }
    }
    let log = File::options()
        .create(true)
        .append(true)
        .open(root.join("log"))
        .unwrap();
    log.write_all_at(&content(moment, 99), 0).unwrap();
    fs::write(folder.join("uncommitted"), b"perhaps").unwrap();
}

/// What a file holds. Some blocks begin with the journal's own magic number, which it escapes.
fn content(moment: usize, number: usize) -> Vec<u8> {
    let mut content = format!("moment {moment} file {number}\n").repeat(300 + number * 10);
    content.truncate(4096 * (1 + number % 3));
    let mut content = content.into_bytes();
    if number.is_multiple_of(2) {
        content[..4].copy_from_slice(&[0xc0, 0x3b, 0x39, 0x98]);
    }
    content
}

/// Compares what the kernel and the library show of `copy`. Gives how many of the committed files
/// a look without the journal misses.
fn compare(copy: &Path, moment: usize, scratch: &Scratch) -> usize {
    let superblock = Run::new("dumpe2fs").arg("-h").arg(copy).text();
    assert!(
        superblock.contains("needs_recovery"),
        "moment {moment}: the copy is clean"
    );
    let recovered = scratch.join("recovered");
    images::copy(copy, &recovered);
    let expected = {
        let mounted = Mounted::recovered(&recovered, &scratch.join("expected"));
        walk::mounted(mounted.path())
    };
    fs::remove_file(recovered).unwrap();
    let before = state(copy);
    let found = walk_of(copy, false).unwrap();
    assert_eq!(state(copy), before, "moment {moment}: the image changed");
    let comparison = Comparison {
        expected: &expected,
        referee: "Linux",
        found: &found,
        without: &[],
    };
    comparison.check(&format!("moment {moment}"));
    let committed = committed_paths(moment);
    let present = |tree: &Tree| {
        committed
            .iter()
            .filter(|paths| is_there(tree, paths))
            .count()
    };
    assert_eq!(
        present(&found),
        committed.len(),
        "moment {moment}: committed files"
    );
    // Without the journal directories may not be readable at all: then nothing is there.
    let as_it_lies = walk_of(copy, true).map_or(0, |tree| present(&tree));
    committed.len() - as_it_lies
}

/// The library's view; without replay the disk may make no sense, and the walk fails.
fn walk_of(image: &Path, no_replay: bool) -> std::thread::Result<Tree> {
    let mut options = Options::default();
    options.format.no_replay = no_replay;
    std::panic::catch_unwind(|| {
        let opened = library::open_with(image, &options);
        library::walk(&*library::file_system(&opened))
    })
}

/// The paths, before and after a rename, of every file committed up to `moment`.
fn committed_paths(moment: usize) -> Vec<[PathBuf; 2]> {
    let numbers = (0..=moment).flat_map(|moment| (0..FILES).map(move |number| (moment, number)));
    numbers
        .map(|(moment, number)| {
            let folder = PathBuf::from(format!("moment-{moment}"));
            [
                folder.join(format!("committed-{number}")),
                folder.join(format!("renamed-{number}")),
            ]
        })
        .collect()
}

fn is_there(tree: &Tree, paths: &[PathBuf; 2]) -> bool {
    let has = |path: &PathBuf| {
        let record = tree.get(path.as_os_str().as_encoded_bytes());
        record.is_some_and(|record| record.size > 0)
    };
    paths.iter().any(has)
}

/// The bytes, times and size of the image file.
fn state(image: &Path) -> (String, std::time::SystemTime, u64) {
    let metadata = fs::metadata(image).unwrap();
    (
        images::sha256(image),
        metadata.modified().unwrap(),
        metadata.len(),
    )
}
