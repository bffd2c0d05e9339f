//! The work that one request may do: each reader spends of it in the loops that the disk drives, and
//! a request that has spent it ends as damage, however much there is.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use imgmount::error::{Kind, Result};
use imgmount::filesystem::{Budget, FileSystem, Inode, Request};
use imgmount::service::open::Options;

use super::exfat::written::{Device, Mounted};
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;

/// Files in the directory `many`; `few` has one.
const NAMES: usize = 2000;

/// The blocks that they fill at least, each of which is a step.
const BLOCKS: u64 = 7;

fn fill(folder: &Path, names: usize) {
    for (name, count) in [("many", names), ("few", 1)] {
        std::fs::create_dir(folder.join(name)).unwrap();
        for number in 0..count {
            let name = format!("{name}/a name that takes some room {number}");
            std::fs::write(folder.join(name), "x").unwrap();
        }
    }
    std::fs::write(folder.join("large"), vec![b'x'; 1 << 20]).unwrap();
}

/// The least number of steps that `doing` needs on the freshly opened `image`. With fewer, it ends
/// as damage that says why.
fn cost(image: &Path, doing: &dyn Fn(&dyn FileSystem, &Request) -> Result<()>) -> u64 {
    let is_enough = |steps: u64| {
        let opened = library::open_with(image, &Options::default());
        let filesystem = library::file_system(&opened);
        let mut request = Request::new(0);
        request.budget = Budget::new(steps);
        match doing(&*filesystem, &request) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.kind(), Kind::Corrupt, "{error}");
                assert!(error.message().starts_with("work limit"), "{error}");
                false
            }
        }
    };
    let (mut few, mut enough) = (0, 1);
    while !is_enough(enough) {
        few = enough;
        enough *= 2;
        assert!(enough < 1 << 24);
    }
    while enough - few > 1 {
        let middle = few.midpoint(enough);
        match is_enough(middle) {
            true => enough = middle,
            false => few = middle,
        }
    }
    enough
}

/// Looks `path` up with a budget of its own.
fn find(filesystem: &dyn FileSystem, path: &str) -> Inode {
    library::find(filesystem, path.as_bytes())
}

fn listing(path: &'static str) -> impl Fn(&dyn FileSystem, &Request) -> Result<()> {
    move |filesystem, request| {
        let dir = find(filesystem, path);
        filesystem.read_dir(request, dir, 0, &mut |_| true)
    }
}

/// Asks for a name that is not there.
fn missing(path: &'static str) -> impl Fn(&dyn FileSystem, &Request) -> Result<()> {
    move |filesystem, request| {
        let dir = find(filesystem, path);
        let found = filesystem.lookup(request, dir, b"no such name");
        found.map(|found| assert_eq!(found, None))
    }
}

fn reading(filesystem: &dyn FileSystem, request: &Request) -> Result<()> {
    let file = find(filesystem, "large");
    let count = filesystem.read(request, file, &mut [0; 4096], 0)?;
    assert_eq!(count, 4096);
    Ok(())
}

/// What the requests cost, of an image made by `make`; `is_indexed` where a name is found without
/// going through all of them. `least` steps are those for the names at least.
fn check(name: &str, is_indexed: bool, least: u64, make: impl FnOnce(&Scratch) -> PathBuf) {
    let scratch = Scratch::new();
    let image = make(&scratch);
    let mut table = String::new();
    let mut costs = |what: &str, doing: &dyn Fn(&dyn FileSystem, &Request) -> Result<()>| {
        let steps = cost(&image, doing);
        writeln!(table, "{name}\t{what}\t{steps}").unwrap();
        steps
    };
    let (many, few) = (
        costs("list many", &listing("many")),
        costs("list one", &listing("few")),
    );
    let (among, alone) = (
        costs("miss among many", &missing("many")),
        costs("miss beside one", &missing("few")),
    );
    let read = costs("read 4 KiB", &reading);
    println!("{table}");
    assert!(many >= few + least, "{table}");
    assert!(is_indexed || among >= alone + least, "{table}");
    assert!(read >= 1, "{table}");
}

/// Makes an image of the usual files with a program that takes the image and then the folder.
fn packed(scratch: &Scratch, program: &str, words: &str) -> PathBuf {
    let folder = scratch.folder("files");
    fill(&folder, NAMES);
    let image = scratch.join("image");
    let make = Run::new(program).words(words);
    match program {
        "mksquashfs" => make.arg(&folder).arg(&image).words("-quiet -no-progress"),
        _ => make.arg(&image).arg(&folder),
    }
    .run();
    image
}

#[test]
fn ext4_spends_for_names() {
    need!(tool "mke2fs");
    for (features, is_indexed) in [("^dir_index", false), ("dir_index", true)] {
        check("ext4", is_indexed, BLOCKS, |scratch| {
            let folder = scratch.folder("files");
            fill(&folder, NAMES);
            let image = scratch.file("image", 32 << 20);
            let mke2fs = Run::new("mke2fs").words("-q -F -t ext4 -O").arg(features);
            mke2fs.arg("-d").arg(&folder).arg(&image).run();
            image
        });
    }
}

#[test]
fn squashfs_spends_for_names() {
    need!(tool "mksquashfs");
    check("squashfs", true, BLOCKS, |scratch| {
        packed(scratch, "mksquashfs", "")
    });
}

#[test]
fn erofs_spends_for_names() {
    need!(tool "mkfs.erofs");
    check("erofs", true, BLOCKS, |scratch| {
        packed(scratch, "mkfs.erofs", "--quiet")
    });
}

#[test]
fn iso9660_spends_for_names() {
    need!(tool "xorriso");
    check("iso9660", false, BLOCKS, |scratch| {
        packed(
            scratch,
            "xorriso",
            "-report_about FAILURE -as mkisofs -R -o",
        )
    });
}

#[test]
fn udf_spends_for_names() {
    need!(tool "genisoimage");
    check("udf", true, BLOCKS, |scratch| {
        packed(scratch, "genisoimage", "-quiet -udf -o")
    });
}

#[test]
fn vfat_spends_for_names() {
    need!(tool "mkfs.fat", tool "mcopy");
    check("vfat", false, 200, |scratch| {
        let folder = scratch.folder("files");
        // mcopy goes through all that is there for each.
        fill(&folder, 200);
        let image = scratch.file("image", 16 << 20);
        Run::new("mkfs.fat").words("-F 16 -s 1").arg(&image).run();
        for name in ["many", "few", "large"] {
            let mcopy = Run::new("mcopy").words("-Q -s -i").arg(&image);
            mcopy.arg(folder.join(name)).arg("::").run();
        }
        image
    });
}

#[test]
fn exfat_spends_for_names() {
    need!(loop, fuse, tool "mkfs.exfat", tool "mount.exfat-fuse");
    check("exfat", false, BLOCKS, |scratch| {
        let image = scratch.file("image", 64 << 20);
        Run::new("mkfs.exfat").arg(&image).run();
        let mounted = Mounted::new(Device::new(&image, 512), &scratch.join("mnt"));
        fill(&mounted.at, NAMES);
        drop(mounted);
        image
    });
}
