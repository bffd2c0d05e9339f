//! `cp` judged by the kernel: what it copies out of an image is what the kernel's mount shows.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::compare::workload;
use crate::support::command::{NOBODY, Run, imgmount};
use crate::support::images::{Scratch, copy};
use crate::support::kernel::Mounted;
use crate::support::record::{Comparison, Tree};
use crate::support::{skip, walk};

/// What a copy cannot have, or has by its own file system.
const NOT_COPIED: &[&str] = &[
    "blocks",
    "block size",
    "ctime",
    "crtime",
    "flags",
    "ino",
    "map",
    "entries",
];

/// The tree below `root`, without what a directory has by its file system.
fn tree(root: &Path) -> Tree {
    let mut tree = walk::mounted(root);
    for record in tree.values_mut().filter(|record| record.kind == 'd') {
        record.size = 0;
        // The listing of the source read it.
        record.atime = (0, 0);
    }
    tree
}

fn mkfs(scratch: &Scratch, name: &str) -> std::path::PathBuf {
    let image = scratch.file(name, 256 << 20);
    Run::new("mke2fs")
        .words("-q -F -t ext4 -I 256 -N 20000")
        .arg(&image)
        .run();
    image
}

#[test]
fn a_copy_with_everything_preserved_is_the_kernels_tree() {
    need!(root, kernel "ext4", loop, tool "mke2fs");
    let scratch = Scratch::new();
    let image = mkfs(&scratch, "source");
    let source = Mounted::recovered(&image, &scratch.folder("writing"));
    workload::everything(source.path(), 500);
    source.unmount();
    let reference = scratch.join("reference");
    copy(&image, &reference);

    let dest = mkfs(&scratch, "dest");
    let dest = Mounted::recovered(&dest, &scratch.folder("dest-mount"));
    let out = dest.path().join("out");
    let copied = imgmount()
        .args(["cp", "--preserve=all"])
        .arg(&image)
        .arg("/")
        .arg(&out)
        .output();
    let said = String::from_utf8_lossy(&copied.stderr).into_owned();
    assert_eq!(copied.status.code(), Some(0), "{said}");

    let kernel = Mounted::recovered(&reference, &scratch.folder("kernel"));
    let (expected, found) = (tree(kernel.path()), tree(&out));
    let count = Comparison {
        expected: &expected,
        referee: "the kernel",
        found: &found,
        without: NOT_COPIED,
    }
    .check("cp --preserve=all");
    assert!(count > 500, "{count}");
}

/// `cap_sys_admin+ep`, as in the disk's `vfs_cap_data`.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// An image with a set-uid file of root's that has a capability, a device node, and a file of
/// another user's.
fn rights(scratch: &Scratch) -> PathBuf {
    let files = scratch.folder("files");
    for name in ["suid", "of-12345"] {
        std::fs::write(files.join(name), name).unwrap();
    }
    std::fs::write(scratch.join("capability"), CAPABILITY).unwrap();
    let image = scratch.file("rights.img", 8 << 20);
    let mke2fs = Run::new("mke2fs").words("-q -F -t ext4 -d").arg(&files);
    mke2fs.arg(&image).run();
    let value = scratch.join("capability");
    let script = format!(
        "sif suid mode 0106755\nsif suid uid 0\nsif suid gid 0\n\
         ea_set suid security.capability -f {}\nmknod null c 1 3\n\
         sif of-12345 uid 12345\nsif of-12345 gid 54321\n",
        value.display()
    );
    std::fs::write(scratch.join("script"), script).unwrap();
    let debugfs = Run::new("debugfs").arg("-w").arg("-f");
    debugfs.arg(scratch.join("script")).arg(&image).run();
    image
}

fn capability_of(path: &Path) -> Option<Vec<u8>> {
    let mut value = [0; 64];
    let length = rustix::fs::lgetxattr(path, "security.capability", &mut value).ok()?;
    Some(value[..length].to_vec())
}

#[test]
fn root_gets_what_gives_rights_when_asked_for() {
    need!(root, tool "mke2fs", tool "debugfs");
    let scratch = Scratch::new();
    let image = rights(&scratch);
    let out = scratch.join("out");
    let cp = imgmount().words("cp --preserve=all").arg(&image);
    cp.arg("/").arg(&out).run();
    let suid = out.join("suid").metadata().unwrap();
    assert_eq!((suid.mode() & 0o7777, suid.uid()), (0o6755, 0));
    assert_eq!(capability_of(&out.join("suid")), Some(CAPABILITY.to_vec()));
    let null = out.join("null").metadata().unwrap();
    assert!(null.file_type().is_char_device());
    assert_eq!(null.rdev(), rustix::fs::makedev(1, 3));
    let other = out.join("of-12345").metadata().unwrap();
    assert_eq!((other.uid(), other.gid()), (12345, 54321));
}

/// Runs imgmount as an ordinary user in a directory of theirs, which is kept for the next time; gives
/// the exit code and what was said.
fn by_an_ordinary_user(scratch: &Scratch, arguments: &[&str]) -> (Option<i32>, String) {
    let program = scratch.join("imgmount"); // a user may not reach where cargo puts it
    let home = scratch.join("home");
    if !home.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_imgmount"), &program).unwrap();
        match skip::is_root() {
            true => scratch.folder_of_nobody("home"),
            false => scratch.folder("home"),
        };
    }
    let run = Run::new(program.to_str().unwrap()).args(arguments);
    let run = match skip::is_root() {
        true => run.by_nobody(&home),
        false => run.within(&home),
    };
    let output = run.output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

#[test]
fn an_ordinary_user_gets_the_files_and_no_rights() {
    need!(tool "mke2fs", tool "debugfs");
    let scratch = Scratch::new();
    let image = rights(&scratch);
    let arguments = ["cp", image.to_str().unwrap(), "/", "out"];
    let (code, said) = by_an_ordinary_user(&scratch, &arguments);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        said,
        "imgmount: left out: 1 device nodes, 1 set-uid or set-gid bits, 1 file capabilities \
         (--preserve=all copies them)\n"
    );
    let out = scratch.join("home/out");
    let suid = out.join("suid").metadata().unwrap();
    assert_eq!(suid.mode() & 0o7777, 0o755);
    assert_eq!(capability_of(&out.join("suid")), None);
    assert!(!out.join("null").exists());
    let user = match skip::is_root() {
        true => NOBODY,
        false => rustix::process::geteuid().as_raw(),
    };
    for name in ["suid", "of-12345", "lost+found"] {
        assert_eq!(out.join(name).metadata().unwrap().uid(), user, "{name}");
        if name != "lost+found" {
            assert_eq!(std::fs::read(out.join(name)).unwrap(), name.as_bytes());
        }
    }
}

#[test]
fn an_ordinary_user_who_asks_for_everything_hears_what_was_not_possible() {
    need!(tool "mke2fs", tool "debugfs");
    let scratch = Scratch::new();
    let image = rights(&scratch);
    let image_name = image.to_str().unwrap().to_owned();
    let arguments = ["cp", "--preserve=all", &image_name, "/", "out"];
    let (code, said) = by_an_ordinary_user(&scratch, &arguments);
    assert_eq!(code, Some(4), "{said}");
    let expected =
        format!("imgmount: {image_name}: /null: make the node: Operation not permitted\n");
    assert_eq!(said, expected);
    let out = scratch.join("home/out");
    let suid = out.join("suid").metadata().unwrap();
    assert_eq!(suid.mode() & 0o7777, 0o755, "set-uid of whoever copied");
    assert_eq!(std::fs::read(out.join("suid")).unwrap(), b"suid");
    // What is in the way of something that cannot be made stays.
    std::fs::write(out.join("null"), "of the user").unwrap();
    let names = || {
        let entries = std::fs::read_dir(&out).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let (code, said) = by_an_ordinary_user(&scratch, &arguments);
    assert_eq!((code, said), (Some(4), expected));
    assert_eq!(std::fs::read(out.join("null")).unwrap(), b"of the user");
    assert_eq!(names(), before);
}

/// The directory of the first name has its own mode when the second is made.
#[test]
fn an_ordinary_user_gets_a_file_with_a_name_in_a_closed_directory_twice() {
    use std::os::unix::fs::PermissionsExt;
    need!(root, tool "mke2fs");
    let scratch = Scratch::new();
    let files = scratch.folder("files");
    std::fs::create_dir(files.join("closed")).unwrap();
    std::fs::write(files.join("closed/f"), "text").unwrap();
    std::fs::hard_link(files.join("closed/f"), files.join("second")).unwrap();
    let closed = std::fs::Permissions::from_mode(0o0);
    std::fs::set_permissions(files.join("closed"), closed).unwrap();
    let image = scratch.file("disk.img", 4 << 20);
    let make = Run::new("mke2fs").words("-q -F -d").arg(&files);
    make.arg(&image).run();
    let arguments = ["cp", image.to_str().unwrap(), "/", "out"];
    let (code, said) = by_an_ordinary_user(&scratch, &arguments);
    assert_eq!((code, &*said), (Some(0), ""));
    let out = scratch.join("home/out");
    for name in ["closed/f", "second"] {
        assert_eq!(std::fs::read(out.join(name)).unwrap(), b"text");
    }
}
