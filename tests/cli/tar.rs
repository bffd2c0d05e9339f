//! `tar` judged by GNU tar, bsdtar and Python's tarfile: what they unpack is what the kernel's mount
//! shows.

use std::path::{Path, PathBuf};

use crate::compare::workload;
use crate::support::command::{Run, imgmount};
use crate::support::images::{Scratch, copy};
use crate::support::kernel::Mounted;
use crate::support::record::{Comparison, Tree};
use crate::support::walk;

/// What an unpacked archive cannot have, or has by its own file system.
const NOT_ARCHIVED: &[&str] = &[
    "blocks",
    "block size",
    "atime",
    "ctime",
    "crtime",
    "flags",
    "ino",
    "map",
    "entries",
];

/// An image with everything in it that a kernel writes, and what the kernel's mount of it shows.
struct Everything {
    scratch: Scratch,
    image: PathBuf,
    expected: Tree,
}

impl Everything {
    fn new() -> Self {
        let scratch = Scratch::new();
        let image = mkfs(&scratch, "source");
        let source = Mounted::recovered(&image, &scratch.folder("writing"));
        workload::everything(source.path(), 300);
        source.unmount();
        let reference = scratch.join("reference");
        copy(&image, &reference);
        let kernel = Mounted::recovered(&reference, &scratch.folder("kernel"));
        let mut expected = tree(kernel.path());
        expected.retain(|_, record| record.kind != 's');
        kernel.unmount();
        Self {
            scratch,
            image,
            expected,
        }
    }

    /// The archive, as a file.
    fn archive(&self) -> PathBuf {
        let archive = self.scratch.join("a.tar");
        let tar = imgmount().arg("tar").arg(&self.image).output();
        assert_eq!(tar.status.code(), Some(0));
        let said = String::from_utf8(tar.stderr).unwrap();
        assert_eq!(
            said,
            "imgmount: left out: 1 sockets, which no archive holds\n"
        );
        std::fs::write(&archive, tar.stdout).unwrap();
        archive
    }

    /// Compares what `unpack` makes in an empty file system of its own, but for the fields
    /// `without`.
    fn check(&self, title: &str, without: &[&str], unpack: impl FnOnce(&Path)) {
        let differences = self.differences(without, unpack);
        assert_eq!(differences, [""; 0], "{title}");
    }

    /// The differences that [`Everything::check`] fails for.
    fn differences(&self, without: &[&str], unpack: impl FnOnce(&Path)) -> Vec<String> {
        let dest = mkfs(&self.scratch, "dest");
        let dest = Mounted::recovered(&dest, &self.scratch.folder("dest-mount"));
        let out = dest.path().join("out");
        std::fs::create_dir(&out).unwrap();
        unpack(&out);
        let found = tree(&out);
        assert!(self.expected.len() > 300, "{}", self.expected.len());
        Comparison {
            expected: &self.expected,
            referee: "the kernel",
            found: &found,
            without: &[NOT_ARCHIVED, without].concat(),
        }
        .differences()
    }
}

/// The tree below `root`, without what a directory has by its file system.
fn tree(root: &Path) -> Tree {
    let mut tree = walk::mounted(root);
    for record in tree.values_mut().filter(|record| record.kind == 'd') {
        record.size = 0;
    }
    tree
}

fn mkfs(scratch: &Scratch, name: &str) -> PathBuf {
    let image = scratch.file(name, 256 << 20);
    let mke2fs = Run::new("mke2fs").words("-q -F -t ext4 -I 256 -N 20000");
    mke2fs.arg(&image).run();
    image
}

#[test]
fn what_gnu_tar_unpacks_is_the_kernels_tree() {
    need!(root, kernel "ext4", loop, tool "mke2fs", tool "tar");
    let everything = Everything::new();
    let archive = everything.archive();
    everything.check("GNU tar", &[], |out| {
        let tar = Run::new("tar").words("-x -p --xattrs --xattrs-include=* --acls");
        let tar = tar.arg("--numeric-owner").arg("-f").arg(&archive);
        tar.arg("-C").arg(out).run();
    });
}

#[test]
fn what_bsdtar_unpacks_is_the_kernels_tree() {
    need!(root, kernel "ext4", loop, tool "mke2fs", tool "bsdtar");
    let everything = Everything::new();
    let archive = everything.archive();
    let mut differences = everything.differences(&[], |out| {
        let tar = Run::new("bsdtar").env("LC_ALL", "C.UTF-8");
        let tar = tar.words("-x -p --xattrs --acls --numeric-owner -f");
        tar.arg(&archive).arg("-C").arg(out).run();
    });
    // What it does by itself: it leaves the directory that it unpacks into as it was, composes the
    // letters of names, and counts fractions before 1970 from the wrong side.
    let known = [
        "/: mtime",
        "/odd-names/e\u{301}: missing",
        "/odd-names/\u{e9}: not in",
    ];
    differences.retain(|line| {
        let is_old = line.contains(": mtime: (-") && line.contains("the kernel says (-");
        !is_old && !known.iter().any(|known| line.starts_with(known))
    });
    assert_eq!(differences, [""; 0], "bsdtar");
}

#[test]
fn what_python_unpacks_is_the_kernels_tree() {
    need!(root, kernel "ext4", loop, tool "mke2fs", tool "python3");
    let everything = Everything::new();
    let archive = everything.archive();
    let program = "import sys, tarfile\n\
                   with tarfile.open(sys.argv[1]) as archive:\n\
                   \x20   if hasattr(tarfile, 'fully_trusted_filter'):\n\
                   \x20       archive.extraction_filter = staticmethod(tarfile.fully_trusted_filter)\n\
                   \x20   archive.extractall(sys.argv[2], numeric_owner=True)\n";
    // It restores no extended attributes, its times are binary fractions, and where a symbolic link
    // has two names it sets the mode of what the link points to.
    everything.check("tarfile", &["xattrs", "mtime", "mode"], |out| {
        let python = Run::new("python3").env("PYTHONUTF8", "1");
        python.args(["-c", program]).arg(&archive).arg(out).run();
    });
}

/// An image of a small tree with no kernel's help.
fn small(scratch: &Scratch) -> PathBuf {
    let files = scratch.folder("files");
    std::fs::create_dir_all(files.join("a/b")).unwrap();
    std::fs::write(files.join("a/b/c"), "content").unwrap();
    let image = scratch.file("small.img", 8 << 20);
    let mke2fs = Run::new("mke2fs").words("-q -F -t ext4 -d").arg(&files);
    mke2fs.arg(&image).run();
    image
}

fn list(archive: &[u8], scratch: &Scratch) -> String {
    let path = scratch.join("list.tar");
    std::fs::write(&path, archive).unwrap();
    Run::new("tar").arg("-tf").arg(&path).text()
}

#[test]
fn the_archive_is_of_what_is_in_the_path() {
    need!(tool "mke2fs", tool "tar");
    let scratch = Scratch::new();
    let image = small(&scratch);
    let names = |path: &str| {
        let tar = imgmount().arg("tar").arg(&image).arg(path);
        list(&tar.stdout(), &scratch)
    };
    assert_eq!(names("a"), "./\n./b/\n./b/c\n");
    assert_eq!(names("/a/b/c"), "c\n");
    let all = imgmount().arg("tar").arg(&image).stdout();
    assert_eq!(
        list(&all, &scratch),
        "./\n./a/\n./a/b/\n./a/b/c\n./lost+found/\n"
    );
    let missing = imgmount().arg("tar").arg(&image).arg("nothing").output();
    assert_eq!(missing.status.code(), Some(1));
    assert!(missing.stdout.is_empty());
}

#[test]
fn raw_files_are_archived_only_when_named() {
    need!(tool "mke2fs", tool "tar");
    let scratch = Scratch::new();
    let image = small(&scratch);
    let tar = || imgmount().words("tar --layout volumes").arg(&image);
    let all = list(&tar().stdout(), &scratch);
    assert!(all.contains("c\n") && !all.contains(".img"), "{all}");
    let raw = tar().arg("disk.img").stdout();
    assert_eq!(list(&raw, &scratch), "disk.img\n");
    let out = scratch.folder("out");
    let archive = scratch.join("list.tar");
    let unpack = Run::new("tar").arg("-xf").arg(&archive).arg("-C");
    unpack.arg(&out).run();
    assert!(std::fs::read(out.join("disk.img")).unwrap() == std::fs::read(&image).unwrap());
}

#[test]
fn zstd_packs_the_same_archive() {
    need!(tool "mke2fs", tool "zstd");
    let scratch = Scratch::new();
    let image = small(&scratch);
    let plain = imgmount().arg("tar").arg(&image).stdout();
    let packed = imgmount().words("tar --zstd").arg(&image).stdout();
    assert!(packed.len() < plain.len());
    let path = scratch.join("a.tar.zst");
    std::fs::write(&path, packed).unwrap();
    assert!(Run::new("zstd").arg("-dcq").arg(&path).stdout() == plain);
}

#[test]
fn an_archive_nobody_reads_ends_without_a_word() {
    need!(tool "mke2fs", tool "sh");
    let scratch = Scratch::new();
    let image = small(&scratch);
    for words in ["tar", "tar --zstd"] {
        let script = format!("\"$0\" {words} \"$1\" | true");
        let program = env!("CARGO_BIN_EXE_imgmount");
        let run = Run::new("sh").arg("-c").arg(script).arg(program);
        let output = run.arg(&image).output();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
    let full = Run::new("sh")
        .arg("-c")
        .arg("\"$0\" tar \"$1\" > /dev/full");
    let full = full
        .arg(env!("CARGO_BIN_EXE_imgmount"))
        .arg(&image)
        .output();
    assert_eq!(full.status.code(), Some(5));
}
