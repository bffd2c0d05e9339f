//! The same comparison through our own mount: what is lost or changed on the way from the library
//! to the kernel.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{sets, workload};
use crate::support::command::Run;
use crate::support::images::{self, Scratch};
use crate::support::kernel::{Mounted, Part};
use crate::support::record::Comparison;
use crate::support::through::Through;
use crate::support::walk;

/// Fields that FUSE does not carry.
const WITHOUT: [&str; 2] = ["crtime", "flags"];

#[test]
fn the_mount_shows_what_the_kernel_shows() {
    need!(loop, fuse, kernel "ext4", tool "mke2fs", tool "debugfs");
    for mke2fs in [
        "-t ext4",
        "-t ext2 -b 1024",
        "-t ext4 -O inline_data,ea_inode -b 1024",
    ] {
        let scratch = Scratch::new();
        let image = sets::made(mke2fs, &scratch);
        let copy = scratch.join("copy");
        images::copy(&image, &copy);
        let mounted = Mounted::recovered(&copy, &scratch.join("expected"));
        let through = Through::new(&image, "", &scratch.join("found"));
        let comparison = Comparison {
            expected: &walk::mounted(mounted.path()),
            referee: "Linux",
            found: &walk::mounted(through.path()),
            without: &WITHOUT,
        };
        comparison.check(mke2fs);
        assert_eq!(statfs(through.path()), statfs(mounted.path()), "{mke2fs}");
    }
}

/// What statfs(2) says, but the type and id of the file system and the mount's flags.
fn statfs(path: &Path) -> [u64; 8] {
    let stat = rustix::fs::statfs(path).unwrap();
    [
        stat.f_bsize as u64,
        stat.f_frsize as u64,
        stat.f_blocks,
        stat.f_bfree,
        stat.f_bavail,
        stat.f_files,
        stat.f_ffree,
        stat.f_namelen as u64,
    ]
}

/// How many files the whole Linux of [`a_whole_linux_tars_out_as_from_the_kernel`] has.
const FILES: usize = 50_000;

#[test]
fn a_whole_linux_tars_out_as_from_the_kernel() {
    need!(loop, fuse, kernel "ext4", tool "mke2fs", tool "sfdisk", tool "tar");
    let scratch = Scratch::new();
    let home = scratch.folder_of_nobody("home");
    let image = home.join("disk.img");
    let root = disk(&image);
    let mounted = Mounted::of_part(&image, Some(root), "ext4", "rw,noatime", &scratch.join("k"));
    let mounted = mounted.unwrap();
    linux(mounted.path());
    mounted.unmount();
    std::os::unix::fs::chown(&image, Some(65534), Some(65534)).unwrap();
    let before = images::sha256(&image);
    let program = scratch.join("imgmount"); // a user may not reach where cargo puts it
    std::fs::copy(env!("CARGO_BIN_EXE_imgmount"), &program).unwrap();

    let mount = home.join("mnt");
    let imgmount = || Run::new(program.to_str().unwrap()).by_nobody(&home);
    std::fs::create_dir(&mount).unwrap();
    std::os::unix::fs::chown(&mount, Some(65534), Some(65534)).unwrap();
    imgmount().arg(&image).arg(&mount).run();
    let listed = Run::new("ls").by_nobody(&home).arg(&mount).text();
    for name in ["p1.img", "p2", "p2.img", "disk.img", "by-partlabel"] {
        assert!(listed.lines().any(|line| line == name), "{name}: {listed}");
    }
    let started = Instant::now();
    let ours = archive(Run::new("tar").by_nobody(&home), &mount.join("p2"));
    let took = started.elapsed();
    let esp = std::fs::read(&image).unwrap()[1 << 20..2 << 20].to_vec();
    let shown = Run::new("cat")
        .by_nobody(&home)
        .arg(mount.join("p1.img"))
        .stdout();
    assert!(esp == shown, "the raw file of the ESP");
    Run::new("fusermount3")
        .by_nobody(&home)
        .arg("-u")
        .arg(&mount)
        .run();

    let copy = scratch.join("copy");
    images::copy(&image, &copy);
    let at = scratch.join("expected");
    let expected = Mounted::of_part(&copy, Some(root), "ext4", "ro,noatime", &at).unwrap();
    let theirs = archive(Run::new("tar"), expected.path());
    assert_eq!(ours, theirs, "the archives' length and hash");
    assert_eq!(images::sha256(&image), before, "the image changed");
    println!("{} bytes of archive in {took:?}", ours.0);
}

/// A disk with a GPT, an ESP of 1 MiB and an ext4 root, which is given.
fn disk(image: &Path) -> Part {
    const ROOT: Part = (2 << 20, 600 << 20);
    let file = std::fs::File::create(image).unwrap();
    file.set_len(ROOT.0 + ROOT.1 + (1 << 20)).unwrap();
    let mut table = tempfile::NamedTempFile::new().unwrap();
    let script = format!(
        "label: gpt\nstart=2048, size=2048, type=uefi, name=EFI\nstart={}, size={}, type=linux, name=root\n",
        ROOT.0 / 512,
        ROOT.1 / 512
    );
    std::io::Write::write_all(&mut table, script.as_bytes()).unwrap();
    let mut sfdisk = Run::new("sfdisk").arg("-q").arg(image).command();
    sfdisk.stdin(std::fs::File::open(table.path()).unwrap());
    assert!(sfdisk.status().unwrap().success());
    std::os::unix::fs::FileExt::write_all_at(&file, b"an ESP, as far as it is read", 1 << 20)
        .unwrap();
    Run::new("mke2fs")
        .words("-q -F -t ext4 -N 60000 -L root -E")
        .arg(format!("offset={}", ROOT.0))
        .arg(image)
        .arg(format!("{}k", ROOT.1 >> 10))
        .run();
    ROOT
}

/// Fifty thousand files in directories as a Linux has them, and some of every kind.
fn linux(root: &Path) {
    workload::visible_to_all(root);
    for folder in 0..500 {
        let folder = root.join(format!("usr/share/package-{folder}"));
        std::fs::create_dir_all(&folder).unwrap();
        for number in 0..FILES / 500 {
            let content = format!("{}/{number}\n", folder.display()).repeat(number % 40);
            std::fs::write(folder.join(format!("file-{number}")), content).unwrap();
        }
    }
}

/// The length and the hash of what `tar` makes of `folder`: sorted, with every attribute and hole.
fn archive(tar: Run, folder: &Path) -> (u64, String) {
    use sha2::Digest;
    // Without two of these tar puts its process number into names: of extended headers, and of
    // sparse files.
    let options = "--create --pax-option=exthdr.name=%d/PaxHeaders/%f --format=posix \
        --sparse-version=0.0 --sort=name --numeric-owner --sparse --xattrs \
        --xattrs-include=* --acls --hole-detection=seek --file=- .";
    let mut command = tar.arg("-C").arg(folder).words(options).command();
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut hash = sha2::Sha256::new();
    let length = std::io::copy(&mut child.stdout.take().unwrap(), &mut hash).unwrap();
    assert!(
        child.wait().unwrap().success(),
        "tar of {}",
        folder.display()
    );
    (length, images::hex(&hash.finalize()))
}

#[test]
fn a_hundred_thousand_names_stream() {
    need!(loop, fuse, kernel "ext4", tool "mke2fs");
    let scratch = Scratch::new();
    let image = large_directory(&scratch);
    let through = Through::new(&image, "", &scratch.join("found"));
    // The first names come long before the last: nothing collects them all first.
    let folder = through.path().join("large");
    let started = Instant::now();
    let mut names = std::fs::read_dir(&folder).unwrap();
    names.next().unwrap().unwrap();
    let first = started.elapsed();
    let mut seen: std::collections::HashSet<_> =
        names.map(|entry| entry.unwrap().file_name()).collect();
    let all = started.elapsed();
    assert_eq!(seen.len(), 99_999);
    assert!(
        first * 10 < all,
        "the first after {first:?}, all after {all:?}"
    );
    seen.retain(|name| !name.to_str().unwrap().starts_with("name-"));
    assert!(seen.is_empty(), "{seen:?}");
}

fn large_directory(scratch: &Scratch) -> PathBuf {
    let image = scratch.file("image", 64 << 20);
    Run::new("mke2fs").words("-q -F -t ext4").arg(&image).run();
    let mounted = Mounted::new(&image, "ext4", "rw", &scratch.join("written"));
    let folder = mounted.path().join("large");
    std::fs::create_dir(&folder).unwrap();
    for file in 0..2 {
        let first = folder.join(format!("name-{}", file * 50_000));
        std::fs::write(&first, b"").unwrap();
        for number in 1..50_000 {
            let name = format!("name-{}", file * 50_000 + number);
            std::fs::hard_link(&first, folder.join(name)).unwrap();
        }
    }
    mounted.unmount();
    image
}
