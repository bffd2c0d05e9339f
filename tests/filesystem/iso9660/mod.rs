//! ISO 9660: discs that xorriso and genisoimage make, against what libarchive reads in them, and
//! those that other projects ship.

mod collected;
mod counts;
mod made;
mod written;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use imgmount::format;
use imgmount::service::open::{Image, Options};

use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::{library, mtree};

/// `image`, opened with `options`.
fn open(image: &Path, options: format::Options) -> Image {
    library::open_with(
        image,
        &Options {
            format: options,
            ..Options::default()
        },
    )
}

/// A folder with files of every kind that anybody may make.
fn files(scratch: &Scratch) -> PathBuf {
    let root = scratch.folder("files");
    let write = |name: &str, bytes: &[u8]| std::fs::write(root.join(name), bytes).unwrap();
    std::fs::create_dir_all(root.join("dir/below")).unwrap();
    write("empty", b"");
    write("hello.txt", b"hello");
    write(
        "dir/data",
        &(0..100_000_u32)
            .flat_map(u32::to_le_bytes)
            .collect::<Vec<u8>>(),
    );
    write("dir/below/.hidden", b"dot");
    write("Grüße und 日本.text", b"utf-8");
    write(&"n".repeat(220), b"long name");
    write("two.dots.tar.gz", b"dots");
    std::fs::hard_link(root.join("hello.txt"), root.join("hard")).unwrap();
    for (name, target) in [
        ("link", "dir/data"),
        ("up", "../.././dir/../x"),
        ("absolute", "/usr/share/doc/"),
        ("root", "/"),
    ] {
        symlink(target, root.join(name)).unwrap();
    }
    symlink(
        format!("{}/{}", "a/b".repeat(90), "c".repeat(100)),
        root.join("far"),
    )
    .unwrap();
    for (name, mode) in [
        ("hello.txt", 0o4755),
        ("empty", 0o600),
        ("dir/below", 0o1777),
    ] {
        std::fs::set_permissions(root.join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    for (name, time) in [
        ("empty", "1971-02-03 04:05:06"),
        ("dir", "2099-12-31 23:59:59"),
    ] {
        Run::new("touch")
            .args(["-d", time])
            .arg(root.join(name))
            .run();
    }
    root
}

/// Compares all of `image` with what bsdtar finds in it.
fn compare(image: &Path, options: format::Options) -> usize {
    compare_with(image, mtree::listing(image), options, &[])
}

/// Compares all of `image`, opened with `options`, with what bsdtar extracts of the tree that it
/// has without Rock Ridge.
fn compare_plain(image: &Path, options: format::Options, theirs: &str) -> usize {
    let folder = Scratch::new();
    let mut listing = mtree::extracted(image, theirs, folder.path());
    // The folder is the test's own.
    listing.get_mut(&b""[..]).unwrap().remove("time");
    if theirs.contains("!joliet") {
        let lower = |(path, it): (Vec<u8>, _)| (path.to_ascii_lowercase(), it);
        listing = listing.into_iter().map(lower).collect();
    }
    compare_with(image, listing, options, &["mode", "uid", "gid"])
}

fn compare_with(
    image: &Path,
    mut listing: mtree::Listing,
    options: format::Options,
    without: &[&str],
) -> usize {
    // Of a target in several entries (SL) it loses a slash.
    listing.retain(|path, _| path != b"far");
    let opened = open(image, options);
    let mut wrong = Vec::new();
    let filesystem = library::file_system(&opened);
    let mut say = |line: String| wrong.push(line);
    let count = mtree::compare(&listing, &*filesystem, without, &mut say);
    // Nor has it the folder in which deep ones are kept, which the kernel shows.
    let unknown = ["far: not in", "rr_moved: not in", ".rr_moved: not in"];
    wrong.retain(|line| !unknown.iter().any(|start| line.starts_with(start)));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(opened.notices.all(), Vec::<String>::new());
    count
}
