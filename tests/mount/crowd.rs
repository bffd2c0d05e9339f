//! Two thousand readers of one mount, mounts by the dozen, and a million names looked up: what it
//! takes in memory, descriptors and threads, while every byte is compared.
//!
//! A tenth of that runs by itself; `IMGMOUNT_CROWD=full cargo test --release --test integration --
//! --nocapture mount::crowd` is the whole, for a minute, on a machine that does nothing else.

use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise};

use super::{Place, SOON, Who, numbered, status};
use crate::hostile::flips::Numbers;
use crate::support::command::Run;
use crate::support::images::Scratch;

const MIB: usize = 1 << 20;
/// Bytes of the file that is read at random and in order.
const LARGE: usize = 48 * MIB;
const FOLDERS: usize = 20;
/// Small files in each folder.
const SMALL: usize = 50;
/// A page, which is what direct reads are aligned to.
const PAGE: usize = 4096;

/// Between two answers. Without it those whom the kernel answers from what it keeps, a million times
/// in a minute, leave two threads of two thousand to the worker, and a scheduler's turn takes seconds.
const PAUSE: Duration = Duration::from_millis(50);

/// How much of it is done.
struct Size {
    readers: usize,
    time: Duration,
    /// The longest that a reader may wait for an answer: a hang where this is all that runs.
    idle: Duration,
    mounts: usize,
    /// Times that 10,000 names are looked up.
    lookups: usize,
}

fn size() -> Size {
    let full = std::env::var("IMGMOUNT_CROWD").is_ok_and(|value| value == "full");
    let (readers, seconds, idle, mounts, lookups) = match full {
        true => (2000, 60, 5, 100, 100),
        false => (200, 5, 60, 8, 10),
    };
    Size {
        readers,
        time: Duration::from_secs(seconds),
        idle: Duration::from_secs(idle),
        mounts,
        lookups,
    }
}

/// What the worker has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holds {
    kibibytes: u64,
    threads: u64,
    descriptors: usize,
}

fn holds(worker: i32) -> Holds {
    Holds {
        kibibytes: status(worker, "VmRSS:"),
        threads: status(worker, "Threads:"),
        descriptors: std::fs::read_dir(format!("/proc/{worker}/fd"))
            .unwrap()
            .count(),
    }
}

/// The bytes of a small file: a piece of the large one's.
fn small(large: &[u8], folder: usize, file: usize) -> &[u8] {
    let start = (folder * SMALL + file) * 16;
    &large[start..start + 97 * file + 16]
}

fn place() -> Place {
    let files = Scratch::new();
    let large = numbered(LARGE);
    std::fs::write(files.join("large"), &large).unwrap();
    for folder in 0..FOLDERS {
        let path = files.folder(&format!("d{folder}"));
        for file in 0..SMALL {
            std::fs::write(path.join(format!("f{file}")), small(&large, folder, file)).unwrap();
        }
    }
    Place::with_files(Who::Self_, files.path(), "96M")
}

/// One of the readers: what it does again and again.
enum Reader {
    /// 4 KiB at random, past the kernel's page cache.
    Random(std::fs::File, Vec<u8>),
    /// The large file in pieces of 1 MiB; the kernel forgets them behind it.
    InOrder(std::fs::File, usize),
    /// stat(2) and the contents of a small file.
    Small,
    /// The names in a folder.
    List,
}

impl Reader {
    fn new(number: usize, point: &Path) -> Self {
        let large = point.join("large");
        match number % 4 {
            0 => {
                let direct = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).unwrap();
                let mut options = std::fs::File::options();
                let file = options.read(true).custom_flags(direct).open(large).unwrap();
                Self::Random(file, vec![0; 2 * PAGE])
            }
            1 => Self::InOrder(std::fs::File::open(large).unwrap(), number % 48),
            2 => Self::Small,
            _ => Self::List,
        }
    }

    /// Does it once, and compares what came.
    fn turn(&mut self, point: &Path, expected: &[u8], numbers: &mut Numbers) {
        match self {
            Self::Random(file, buffer) => {
                let at = numbers.below(LARGE / PAGE) * PAGE;
                let aligned = buffer.as_ptr().align_offset(PAGE);
                let piece = &mut buffer[aligned..aligned + PAGE];
                file.read_exact_at(piece, at as u64).unwrap();
                assert!(*piece == expected[at..at + PAGE], "at {at}");
            }
            Self::InOrder(file, piece) => {
                let (at, mut bytes) = (*piece * MIB, vec![0; MIB]);
                file.read_exact_at(&mut bytes, at as u64).unwrap();
                assert!(bytes == expected[at..at + MIB], "at {at}");
                fadvise(
                    &*file,
                    at as u64,
                    NonZeroU64::new(MIB as u64),
                    Advice::DontNeed,
                )
                .unwrap();
                *piece = (*piece + 1) % (LARGE / MIB);
            }
            Self::Small => {
                let (folder, file) = (numbers.below(FOLDERS), numbers.below(SMALL));
                let path = point.join(format!("d{folder}/f{file}"));
                let bytes = small(expected, folder, file);
                assert_eq!(path.metadata().unwrap().size(), bytes.len() as u64);
                assert!(std::fs::read(&path).unwrap() == bytes, "{path:?}");
            }
            Self::List => {
                let folder = point.join(format!("d{}", numbers.below(FOLDERS)));
                let names = std::fs::read_dir(folder).unwrap();
                assert_eq!(names.filter(Result::is_ok).count(), SMALL);
            }
        }
    }
}

/// What a reader did: how often, and the longest that it waited for one answer.
fn read_on(number: usize, point: &Path, expected: &[u8], over: &AtomicBool) -> (u64, Duration) {
    let mut reader = Reader::new(number, point);
    let mut numbers = Numbers(number as u64 * 2 + 1);
    let (mut turns, mut longest) = (0, Duration::ZERO);
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        reader.turn(point, expected, &mut numbers);
        longest = longest.max(begun.elapsed());
        turns += 1;
        std::thread::sleep(PAUSE);
    }
    (turns, longest)
}

#[test]
fn a_crowd_of_readers_gets_its_bytes_and_costs_no_more_than_one() {
    need!(fuse, tool "mke2fs");
    let size = size();
    let place = place();
    let point = place.mount();
    let worker = place.processes("--worker")[0];
    std::fs::read_dir(&point).unwrap();
    let (before, expected, over) = (holds(worker), numbered(LARGE), AtomicBool::new(false));
    let (turns, longest) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut most = before;
    std::thread::scope(|scope| {
        for number in 0..size.readers {
            let (point, expected, over) = (&point, &expected, &over);
            let (turns, longest) = (&turns, &longest);
            let builder = std::thread::Builder::new().stack_size(256 << 10);
            let reader = move || {
                let (did, waited) = read_on(number, point, expected, over);
                assert!(did > 0, "reader {number} got nothing");
                turns.fetch_add(did, Ordering::Relaxed);
                let waited = u64::try_from(waited.as_millis()).unwrap();
                longest.fetch_max(waited, Ordering::Relaxed);
            };
            builder.spawn_scoped(scope, reader).unwrap();
        }
        let end = Instant::now() + size.time;
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(200));
            let now = holds(worker);
            most.kibibytes = most.kibibytes.max(now.kibibytes);
            // A pool of helpers may start with the first readers, and stays as it is.
            most.threads = most.threads.max(now.threads);
            most.descriptors = most.descriptors.max(now.descriptors);
        }
        over.store(true, Ordering::Relaxed);
    });
    let (turns, longest) = (
        turns.into_inner(),
        Duration::from_millis(longest.into_inner()),
    );
    println!(
        "{} readers: {turns} answers, {longest:?} at most for one",
        size.readers
    );
    println!(
        "before {before:?}, at most {most:?}, after {:?}",
        holds(worker)
    );
    assert!(longest <= size.idle, "{longest:?}");
    assert!(most.kibibytes <= 256 << 10, "{most:?}");
    assert!(most.threads <= before.threads + 2, "{before:?} {most:?}");
    assert_eq!(most.descriptors, before.descriptors);
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}

#[test]
fn mounts_by_the_dozen_cost_the_same_each_time() {
    need!(fuse, tool "mke2fs");
    let place = place();
    place.directory("m");
    let point = place.folder.join("m");
    let mut seen = Vec::new();
    for _ in 0..size().mounts {
        place.imgmount().words("disk.img m").run();
        for folder in 0..FOLDERS {
            let folder = point.join(format!("d{folder}"));
            for entry in std::fs::read_dir(folder).unwrap() {
                std::fs::read(entry.unwrap().path()).unwrap();
            }
        }
        seen.push(holds(place.processes("--worker")[0]));
        place.imgmount().words("umount m").run();
        place.assert_clean_within(SOON);
    }
    println!("{seen:?}");
    let first = seen[0];
    for now in &seen {
        assert_eq!(
            (now.threads, now.descriptors),
            (first.threads, first.descriptors)
        );
        assert!(
            now.kibibytes.abs_diff(first.kibibytes) <= 4 << 10,
            "{first:?} {now:?}"
        );
    }
}

/// In squashfs, whose inode numbers say nothing of where an inode lies, so that each name that the
/// kernel knows is kept.
#[test]
fn u09_names_that_the_kernel_forgets_give_their_memory_back() {
    const NAMES: usize = 10_000;
    need!(root, fuse, tool "mke2fs", tool "mksquashfs");
    let place = Place::new(Who::Self_);
    let files = place.directory("files");
    for name in 0..NAMES {
        std::fs::write(files.join(name.to_string()), "").unwrap();
    }
    let image: PathBuf = place.folder.join("disk.squashfs");
    let mksquashfs = Run::new("mksquashfs").arg(&files).arg(&image);
    mksquashfs.words("-quiet -no-progress").run();
    let point = place.directory("m");
    place.imgmount().words("disk.squashfs m").run();
    let worker = place.processes("--worker")[0];
    let round = || {
        for name in 0..NAMES {
            assert!(point.join(name.to_string()).symlink_metadata().is_ok());
        }
        // The kernel forgets the names, and tells the worker.
        std::fs::write("/proc/sys/vm/drop_caches", "2").unwrap();
    };
    round();
    let before = holds(worker);
    (0..size().lookups).for_each(|_| round());
    let after = holds(worker);
    println!(
        "{} names: {before:?}, then {after:?}",
        NAMES * size().lookups
    );
    assert!(
        after.kibibytes <= before.kibibytes + (8 << 10),
        "{before:?} {after:?}"
    );
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}
