//! Random file systems with random contents: what no list of cases thinks of. Each round makes a
//! file system of random features, lets the kernel do random things in it, and compares the
//! library's view with the kernel's: of a copy taken meanwhile, and after the unmount.
//!
//! `IMGMOUNT_RANDOM_ROUNDS` says how many rounds there are, `IMGMOUNT_RANDOM_SEED` where they begin,
//! and `IMGMOUNT_RANDOM_KEEP` names a folder in which images that differ are kept.

mod features;
mod operations;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use imgmount::service::open::Options;

use crate::hostile::flips::Numbers;
use crate::support::command::Run;
use crate::support::images::{self, Scratch};
use crate::support::kernel::Mounted;
use crate::support::record::Comparison;
use crate::support::{library, walk};
use features::Features;
use operations::Work;

/// Seeds that once showed a difference.
const REGRESSIONS: [u64; 0] = [];

/// How long the rounds take where their number is not given.
const BUDGET: Duration = Duration::from_secs(20);

/// How often the file system of a round is mounted, and changed by other programs afterwards.
const STAGES: usize = 2;

/// Steps before and after the copy.
const STEPS: usize = 130;

#[test]
fn random_file_systems_are_shown_as_the_kernel_shows_them() {
    need!(loop, kernel "ext4", tool "mke2fs", tool "tune2fs", tool "chattr", tool "resize2fs", tool "e4defrag");
    let rounds = number("IMGMOUNT_RANDOM_ROUNDS");
    let first = number("IMGMOUNT_RANDOM_SEED").unwrap_or(1);
    let started = Instant::now();
    let mut failures = Vec::new();
    let mut compared = 0;
    for (done, seed) in REGRESSIONS.into_iter().chain(first..).enumerate() {
        let enough = rounds.map_or(started.elapsed() > BUDGET, |rounds| done as u64 >= rounds);
        if enough && done >= REGRESSIONS.len() {
            break;
        }
        match round(seed) {
            Ok(files) => compared += files,
            Err(why) => failures.push(why),
        }
    }
    println!("{compared} files compared");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared > 100, "only {compared} files compared");
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// One file system. Gives how many files were compared, 0 where the kernel refuses its features.
fn round(seed: u64) -> Result<usize, String> {
    let mut numbers = Numbers(seed);
    let scratch = Scratch::new();
    let image = scratch.join("image");
    let features = Features::made(&mut numbers, &image);
    let mut title = format!("seed {seed}: {features}");
    let mut files = 0;
    for stage in 0..STAGES {
        let live = scratch.join("live");
        let Ok(mounted) = Mounted::of_part(&image, None, "ext4", &features.mount, &live) else {
            println!("{title}: refused by the kernel");
            break;
        };
        let mut work = Work::new(mounted.path(), &mut numbers);
        (0..STEPS).for_each(|_| work.step());
        work.delete_open_files();
        if !features.has_journal || stage > 0 {
            work.sync_all(); // else what is there may make no sense without a journal
        }
        let dirty = scratch.join("dirty");
        images::copy(&image, &dirty);
        (0..STEPS).for_each(|_| work.step());
        drop(work);
        mounted.unmount();
        let changes = Features::change(&mut numbers, &image, features.size);
        title = format!("{title}, {changes}");
        for (state, image) in [("dirty", &dirty), ("clean", &image)] {
            let compared = catch_unwind(AssertUnwindSafe(|| compare(image, &scratch)));
            let compared = compared.unwrap_or_else(|_| Err("the panic above".to_owned()));
            files += compared.map_err(|why| {
                keep(image, &format!("{seed}-{stage}-{state}"));
                format!("{title}: {state}: {why}")
            })?;
        }
    }
    println!("{title}: {files} files are equal");
    Ok(files)
}

/// Compares the library's view of `image` with the kernel's of a copy.
fn compare(image: &Path, scratch: &Scratch) -> Result<usize, String> {
    let copy = scratch.join("copy");
    images::copy(image, &copy);
    let (expected, counts) = {
        let at = scratch.join("expected");
        let mount = |options| Mounted::of_part(&copy, None, "ext4", options, &at);
        // Projects and quotas are only read by a kernel that was built without.
        let Ok(mounted) = mount("noatime").or_else(|_| mount("ro,noatime")) else {
            return Ok(0);
        };
        (walk::mounted(mounted.path()), statfs(mounted.path()))
    };
    let before = images::sha256(image);
    let opened = library::open_with(image, &Options::default());
    let filesystem = library::file_system(&opened);
    let found = library::walk(&*filesystem);
    let usage = filesystem.usage();
    assert_eq!(images::sha256(image), before, "the image changed");
    let comparison = Comparison {
        expected: &expected,
        referee: "Linux",
        found: &found,
        without: &[],
    };
    let mut differences = comparison.differences();
    let usage = [
        usage.blocks,
        usage.free,
        usage.available,
        usage.files,
        usage.files_free,
    ];
    if usage != counts {
        differences.push(format!("statfs: {usage:?}, Linux says {counts:?}"));
    }
    match differences.len() {
        0 => Ok(found.len()),
        more => {
            differences.truncate(30);
            Err(format!("{more} differences\n{}", differences.join("\n")))
        }
    }
}

/// Blocks, free, available, inodes, free.
fn statfs(path: &Path) -> [u64; 5] {
    let stat = rustix::fs::statfs(path).unwrap();
    [
        stat.f_blocks,
        stat.f_bfree,
        stat.f_bavail,
        stat.f_files,
        stat.f_ffree,
    ]
}

/// Keeps `image` for a closer look.
fn keep(image: &Path, name: &str) {
    if let Some(folder) = std::env::var_os("IMGMOUNT_RANDOM_KEEP") {
        images::copy(image, &Path::new(&folder).join(name));
    }
}
