//! Recovery in memory against the kernel's: copies of ext3 and ext4 file systems, taken while they
//! were mounted and written to.

mod collected;
mod damaged;
mod fast_commit;
mod features;
mod log;
mod orphans;
mod written;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use imgmount::service::open::{Image, Options};

use crate::support::command::Run;
use crate::support::images::{Scratch, copy, sha256};
use crate::support::kernel::Mounted;
use crate::support::library;
use crate::support::record::{Comparison, Tree};
use crate::support::walk;

/// An image that was copied while it was mounted, and where it lies.
struct Dirty {
    scratch: Scratch,
    image: PathBuf,
}

/// Makes a file system of `size` by `mke2fs` with `arguments`, mounts it with `options`, lets
/// `work` write into it, and copies its bytes before it is unmounted.
fn dirty<T>(size: u64, arguments: &str, options: &str, work: impl FnOnce(&Path) -> T) -> Dirty {
    let scratch = Scratch::new();
    let live = scratch.file("live.img", size);
    let mke2fs = Run::new("mke2fs").words("-q -F -E lazy_itable_init=0");
    mke2fs.words(arguments).arg(&live).run();
    let mount = Mounted::new(&live, "ext4", options, &scratch.join("live"));
    let held = work(mount.path());
    let image = scratch.join("dirty.img");
    copy(&live, &image);
    drop(held);
    mount.unmount();
    std::fs::remove_file(live).unwrap();
    assert!(needs_recovery(&image), "{arguments}: the copy is clean");
    Dirty { scratch, image }
}

/// Runs a shell script with the current directory `at`; an error of any line is one.
fn sh(at: &Path, script: &str) {
    Run::new("sh").arg("-ec").arg(script).within(at).run();
}

/// The incompatible feature `needs_recovery`.
fn needs_recovery(image: &Path) -> bool {
    word(image, 1024 + 96) & 4 != 0
}

fn word(image: &Path, offset: u64) -> u32 {
    let mut bytes = [0; 4];
    let file = File::open(image).unwrap();
    file.read_exact_at(&mut bytes, offset).unwrap();
    u32::from_le_bytes(bytes)
}

fn open(image: &Path) -> Image {
    library::open_with(image, &Options::default())
}

/// Compares the recovered `dirty` with the kernel's mount of a copy, all but the fields `without`;
/// gives our tree.
fn compare(dirty: &Dirty, without: &[&str]) -> Tree {
    let before = sha256(&dirty.image);
    let image = open(&dirty.image);
    let filesystem = library::file_system(&image);
    let found = library::walk(&*filesystem);
    let usage = filesystem.usage();
    let notices = image.notices.all().join("\n");
    let recovered = "replayed in memory: ";
    assert!(
        notices.contains(recovered),
        "nothing was in the log: {notices}"
    );
    drop((filesystem, image));
    assert_eq!(sha256(&dirty.image), before, "the image was written to");
    let judged = dirty.scratch.join("judged.img");
    copy(&dirty.image, &judged);
    let mount = Mounted::recovered(&judged, &dirty.scratch.join("judged"));
    let expected = walk::mounted(mount.path());
    let stat = Run::new("stat")
        .words("-f -c")
        .arg("%b %f %c %d")
        .arg(mount.path());
    let counts = stat.text();
    mount.unmount();
    let comparison = Comparison {
        expected: &expected,
        referee: "the kernel",
        found: &found,
        without,
    };
    comparison.check("after recovery");
    let ours = [usage.blocks, usage.free, usage.files, usage.files_free];
    let ours = ours.map(|count| count.to_string()).join(" ");
    assert_eq!(ours, counts.trim(), "blocks, free, inodes, free");
    found
}

/// What debugfs tells of the log in `image`, a line for each of its blocks and tags.
fn logdump(image: &Path) -> String {
    let dump = Run::new("debugfs").args(["-R", "logdump -a"]).arg(image);
    dump.text()
}

/// What the kernel's mount of a copy shows, after its own recovery or with `options`.
fn judge(dirty: &Dirty, image: &Path, options: &str) -> Result<Tree, String> {
    let judged = dirty.scratch.join("judged.img");
    copy(image, &judged);
    let mount = Mounted::of_part(
        &judged,
        None,
        "ext4",
        options,
        &dirty.scratch.join("judged"),
    )?;
    let tree = walk::mounted(mount.path());
    mount.unmount();
    Ok(tree)
}
