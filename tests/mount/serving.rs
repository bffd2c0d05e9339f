//! What the kernel and its users see through the mount.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::io::Errno;

use super::{Place, SOON, Who, numbered, signal, wait_until};
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::kernel::Mounted;

const SECOND: Duration = Duration::from_secs(1);
/// Where [`Place::new`] keeps `/large` in pieces of one MiB.
const LARGE: u64 = 1 << 20;

fn unmount(place: &Place) {
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}

/// The byte of the image where `/large` goes on at `offset`, by debugfs.
fn place_of_large(place: &Place, offset: u64) -> u64 {
    let block = Run::new("debugfs")
        .args(["-R", &format!("bmap large {}", offset / 4096)])
        .arg(&place.image);
    let text = block.text();
    text.trim().parse::<u64>().unwrap() * 4096
}

#[test]
fn u06_where_the_image_is_cut_a_read_ends_before_the_first_bad_page_and_the_next_is_eio() {
    need!(fuse, tool "mke2fs", tool "debugfs");
    let files = Scratch::new();
    std::fs::write(files.join("large"), numbered(LARGE as usize)).unwrap();
    let place = Place::with_files(Who::Self_, files.path(), "64M");
    let point = place.mount();
    // Nothing of the file was read yet, so nothing of it is remembered.
    let middle = LARGE / 2 + 8192;
    let cut = place_of_large(&place, middle);
    let image = std::fs::File::options()
        .write(true)
        .open(&place.image)
        .unwrap();
    image.set_len(cut).unwrap();

    let path = point.join("large");
    let expected = numbered(LARGE as usize);
    let mut file = std::fs::File::open(&path).unwrap();
    let mut bytes = vec![0; LARGE as usize];
    let mut got = 0;
    let error = loop {
        match file.read(&mut bytes[got..]) {
            Ok(0) => panic!("the end at {got}"),
            Ok(count) => got += count,
            Err(error) => break error,
        }
    };
    assert_eq!(got as u64, middle);
    assert_eq!(bytes[..got], expected[..got]);
    assert_eq!(error.raw_os_error(), Some(Errno::IO.raw_os_error()));
    assert_eq!(file.metadata().unwrap().len(), LARGE, "the file is not cut");

    let direct = std::fs::File::options()
        .read(true)
        .custom_flags(i32::try_from(rustix::fs::OFlags::DIRECT.bits()).unwrap())
        .open(&path)
        .unwrap();
    let mut buffer = vec![0; 3 << 17];
    let aligned = buffer.as_ptr().align_offset(4096);
    let buffer = &mut buffer[aligned..aligned + (1 << 18)];
    let count = direct.read_at(buffer, middle - (1 << 17)).unwrap();
    assert_eq!(count, 1 << 17);
    let start = (middle - (1 << 17)) as usize;
    assert_eq!(buffer[..count], expected[start..start + count]);
    assert_eq!(
        file.metadata().unwrap().len(),
        LARGE,
        "nor is it by O_DIRECT"
    );

    assert_eq!(place.processes("").len(), 2, "nobody died");
    drop((file, direct));
    unmount(&place);
}

#[test]
fn u06_an_image_that_is_replaced_or_deleted_is_still_the_one_that_was_opened() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let point = place.mount();
    std::fs::write(place.folder.join("new"), vec![7; 4096]).unwrap();
    std::fs::rename(place.folder.join("new"), &place.image).unwrap();
    std::fs::remove_file(&place.image).unwrap();
    assert_eq!(
        std::fs::read(point.join("large")).unwrap(),
        numbered(1 << 20)
    );
    unmount(&place);
}

#[test]
fn a_directory_of_100_000_entries_streams() {
    need!(loop, fuse, kernel "ext4", tool "mke2fs");
    const COUNT: usize = 100_000;
    let empty = Scratch::new();
    let place = Place::with_files(Who::Self_, empty.path(), "96M");
    let written = Mounted::new(&place.image, "ext4", "rw", &empty.join("written"));
    let folder = written.path().join("many");
    std::fs::create_dir(&folder).unwrap();
    let one = folder.join("one");
    std::fs::write(&one, "").unwrap();
    for number in 1..COUNT {
        // Links to few files: the kernel allows 65,000 to one.
        let name = folder.join(format!("a-name-of-some-length-{number}"));
        match number % 50_000 {
            0 => std::fs::write(name, "").unwrap(),
            _ if number < 50_000 => std::fs::hard_link(&one, name).unwrap(),
            _ => std::fs::hard_link(folder.join("a-name-of-some-length-50000"), name).unwrap(),
        }
    }
    written.unmount();
    let point = place.mount();
    let worker = place.processes("--worker")[0];
    let mut names = std::collections::HashSet::new();
    for entry in std::fs::read_dir(point.join("many")).unwrap() {
        assert!(names.insert(entry.unwrap().file_name()), "twice");
    }
    assert_eq!(names.len(), COUNT);
    let listed = Run::new("ls")
        .args(["-fl", point.join("many").to_str().unwrap()])
        .stdout();
    assert_eq!(
        listed.iter().filter(|byte| **byte == b'\n').count(),
        COUNT + 3
    );
    let peak = super::status(worker, "VmHWM:");
    assert!(peak < 160 << 10, "{peak} KiB");
    unmount(&place);
}

/// Mounts in the foreground, lets `work` use the mount, and gives the requests of the kernel, a line
/// each.
pub(super) fn requests_of(place: &Place, work: impl FnOnce(&Path)) -> Vec<String> {
    let point = place.directory("m");
    let log = place.folder.join("log");
    let mut command = place
        .imgmount()
        .words("-f disk.img m")
        .env("RUST_LOG", "fuser=debug")
        .command();
    let mut child = command
        .stderr(Stdio::from(std::fs::File::create(&log).unwrap()))
        .spawn()
        .unwrap();
    let served = || point.join("lost+found").exists();
    wait_until(5 * SECOND, served, || "not served".to_owned());
    work(&point);
    signal(i32::try_from(child.id()).unwrap(), "INT");
    assert!(child.wait().unwrap().success());
    place.assert_clean_within(SOON);
    let log = std::fs::read_to_string(&log).unwrap();
    let requests = log.lines().filter(|line| line.contains("FUSE("));
    requests.map(str::to_owned).collect()
}

pub(super) fn count_of(requests: &[String], what: &str) -> usize {
    requests.iter().filter(|line| line.contains(what)).count()
}

#[test]
fn what_was_read_once_is_not_asked_for_again() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let requests = requests_of(&place, |point| {
        let path = point.join("large");
        for _ in 0..5 {
            assert_eq!(std::fs::read(&path).unwrap(), numbered(1 << 20));
            assert!(!point.join("no such name").exists());
            assert_eq!(std::fs::read_dir(point).unwrap().count(), 3);
            std::fs::metadata(&path).unwrap();
        }
    });
    assert_eq!(count_of(&requests, "OPEN flags"), 1, "{requests:#?}");
    assert_eq!(count_of(&requests, "OPENDIR flags"), 1, "{requests:#?}");
    assert_eq!(count_of(&requests, "no such name"), 1, "{requests:#?}");
    let bytes: u64 = sizes_of(&requests, "READ fh").sum();
    assert_eq!(bytes, LARGE, "{requests:#?}");
}

/// How many bytes each of the requests `what` had room for.
fn sizes_of<'a>(requests: &'a [String], what: &'a str) -> impl Iterator<Item = u64> + 'a {
    let lines = requests.iter().filter(move |line| line.contains(what));
    lines.map(|line| {
        let size = line.split("size ").nth(1).unwrap_or_default();
        let digits = size.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        digits.parse().unwrap()
    })
}

/// As find(1) and ls(1) do: the whole directory first, then each file's attributes.
#[test]
fn who_lists_a_directory_and_then_stats_its_files_costs_no_lookup_of_each() {
    const COUNT: usize = 2000;
    need!(fuse, tool "mke2fs");
    let files = Scratch::new();
    for number in 0..COUNT {
        std::fs::write(files.join(&format!("some-file-{number}")), "").unwrap();
    }
    let place = Place::with_files(Who::Self_, files.path(), "64M");
    let requests = requests_of(&place, |point| {
        let names = std::fs::read_dir(point).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(names.len(), COUNT + 1);
        for name in names {
            std::fs::symlink_metadata(name).unwrap();
        }
    });
    assert_eq!(count_of(&requests, "some-file-"), 0, "{requests:#?}");
    // Each is filled as far as one more entry does not fit; the last says that this was all.
    const LONGEST: u64 = 152 + "some-file-1999".len().next_multiple_of(8) as u64;
    let rooms = sizes_of(&requests, "READDIRPLUS fh").map(|size| size / LONGEST);
    let (mut left, mut needed) = (COUNT as u64 + 3, 1);
    for room in rooms {
        needed += usize::from(left > 0);
        left = left.saturating_sub(room);
    }
    let sent = count_of(&requests, "READDIRPLUS fh");
    assert!(
        left == 0 && (2..=needed).contains(&sent),
        "{sent}: {requests:#?}"
    );
}

#[test]
fn u08_odd_requests_get_the_right_errno() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let point = place.mount();
    let large = std::fs::File::open(point.join("large")).unwrap();
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap();
    assert_eq!(large.read_at(&mut [0; 8], i64::MAX as u64 - 8).unwrap(), 0);
    assert_eq!(large.read_at(&mut [0; 8], LARGE).unwrap(), 0);
    assert_eq!(large.read_at(&mut [], 0).unwrap(), 0);
    let beyond = large.read_at(&mut [0; 8], u64::MAX).unwrap_err();
    assert_eq!(errno(beyond), Errno::INVAL);
    for (length, expected) in [
        (255, Errno::NOENT),
        (256, Errno::NAMETOOLONG),
        (4000, Errno::NAMETOOLONG),
    ] {
        let error = std::fs::metadata(point.join("n".repeat(length))).unwrap_err();
        assert_eq!(errno(error), expected, "{length}");
    }
    let below = std::fs::metadata(point.join("large/below")).unwrap_err();
    assert_eq!(errno(below), Errno::NOTDIR);
    let seek = |to| rustix::fs::seek(&large, to);
    assert_eq!(seek(rustix::fs::SeekFrom::Data(0)).unwrap(), 0);
    assert_eq!(seek(rustix::fs::SeekFrom::Hole(0)).unwrap(), LARGE);
    assert_eq!(seek(rustix::fs::SeekFrom::Data(LARGE)), Err(Errno::NXIO));
    let folder = std::fs::File::open(&point).unwrap();
    rustix::fs::seek(&folder, rustix::fs::SeekFrom::Start(i64::MAX as u64 - 1)).unwrap();
    let mut space = vec![std::mem::MaybeUninit::uninit(); 4096];
    let mut entries = rustix::fs::RawDir::new(folder.as_fd(), &mut space);
    // The end, or an error; and the mount is well after it.
    let _ = entries.next().map(|entry| entry.map(|_| ()));
    assert_eq!(std::fs::read_dir(&point).unwrap().count(), 3);
    drop((large, folder));
    unmount(&place);
}

#[test]
fn u11_whatever_would_write_is_erofs() {
    need!(fuse, tool "mke2fs");
    use rustix::fs;
    let place = Place::new(Who::Self_);
    let point = place.mount();
    let at = fs::CWD;
    let hello = point.join("hello");
    let new = point.join("new");
    let folder = point.join("lost+found");
    let mode = fs::Mode::from_raw_mode(0o644);
    let create = fs::OFlags::CREATE | fs::OFlags::WRONLY;
    let open = |path: &Path, flags| fs::open(path, flags, mode).map(|_| ());
    let times = fs::Timestamps {
        last_access: fs::Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        },
        last_modification: fs::Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        },
    };
    let file = std::fs::File::open(&hello).unwrap();
    let none = fs::XattrFlags::empty();
    let follow = fs::AtFlags::empty();
    let refused = [
        ("create", open(&new, create)),
        ("open for writing", open(&hello, fs::OFlags::RDWR)),
        (
            "append",
            open(&hello, fs::OFlags::WRONLY | fs::OFlags::APPEND),
        ),
        (
            "open truncating",
            open(&hello, fs::OFlags::RDWR | fs::OFlags::TRUNC),
        ),
        (
            "temporary file",
            open(&point, fs::OFlags::TMPFILE | fs::OFlags::RDWR),
        ),
        ("mkdir", fs::mkdir(&new, mode)),
        ("mkfifo", fs::mknodat(at, &new, fs::FileType::Fifo, mode, 0)),
        (
            "mknod",
            fs::mknodat(at, &new, fs::FileType::RegularFile, mode, 0),
        ),
        ("symlink", fs::symlink("target", &new)),
        ("link", fs::link(&hello, &new)),
        ("unlink", fs::unlink(&hello)),
        ("rmdir", fs::rmdir(&folder)),
        ("rename", fs::rename(&hello, &new)),
        (
            "exchange",
            fs::renameat_with(at, &hello, at, &folder, fs::RenameFlags::EXCHANGE),
        ),
        ("chmod", fs::chmod(&hello, mode)),
        (
            "chown",
            fs::chown(&hello, Some(rustix::process::getuid()), None),
        ),
        ("utimens", fs::utimensat(at, &hello, &times, follow)),
        ("chattr", fs::ioctl_setflags(&file, fs::IFlags::IMMUTABLE)),
        ("setxattr", fs::setxattr(&hello, "user.a", b"b", none)),
        ("removexattr", fs::removexattr(&hello, "user.a")),
    ];
    for (what, outcome) in refused {
        assert_eq!(outcome, Err(Errno::ROFS), "{what}");
    }
    drop(file);
    unmount(&place);
}

#[test]
fn u12_u13_special_files_are_shown_as_they_are_and_obeyed_by_nobody() {
    need!(root, fuse, tool "mke2fs", tool "setcap");
    let files = Scratch::new();
    let suid = files.join("suid");
    std::fs::copy("/bin/true", &suid).unwrap();
    Run::new("chmod").arg("4755").arg(&suid).run();
    Run::new("mknod")
        .arg(files.join("null"))
        .words("c 1 3")
        .run();
    Run::new("mknod")
        .arg(files.join("disk"))
        .words("b 259 65537")
        .run();
    Run::new("mkfifo").arg(files.join("fifo")).run();
    let _socket = std::os::unix::net::UnixListener::bind(files.join("socket")).unwrap();
    for (name, target) in [
        ("absolute", "/etc/passwd"),
        ("up", "../../../../etc/passwd"),
        ("proc", "/proc/self/root"),
        ("loop", "loop"),
    ] {
        std::os::unix::fs::symlink(target, files.join(name)).unwrap();
    }
    let place = Place::with_files(Who::Self_, files.path(), "16M");
    let point = place.mount();
    for name in [
        "suid", "null", "disk", "fifo", "socket", "absolute", "up", "proc", "loop",
    ] {
        let (is, should) = (look(&point, name), look(files.path(), name));
        assert_eq!(is, should, "{name}");
        let link = |folder: &Path| std::fs::read_link(folder.join(name)).ok();
        assert_eq!(link(&point), link(files.path()), "{name}");
    }
    let options = place.mounts()[0].split(' ').nth(3).unwrap().to_owned();
    for option in ["ro", "nosuid", "nodev"] {
        assert!(
            options.split(',').any(|one| one == option),
            "{option}: {options}"
        );
    }
    let device = std::fs::File::open(point.join("null")).unwrap_err();
    assert_eq!(device.raw_os_error(), Some(Errno::ACCESS.raw_os_error()));
    unmount(&place);
}

fn look(folder: &Path, name: &str) -> (u32, u64) {
    let found = folder.join(name).symlink_metadata().unwrap();
    (found.mode(), found.rdev())
}

#[test]
fn a_damaged_inode_is_listed_and_only_it_is_unusable() {
    need!(fuse, tool "mke2fs", tool "debugfs");
    let place = Place::new(Who::Self_);
    let text = Run::new("debugfs")
        .args(["-R", "imap hello"])
        .arg(&place.image)
        .text();
    // `Inode 12 is part of block group 0` / `	located at block 35, offset 0x0b00`
    let (_, place_of_inode) = text.split_once("located at block ").unwrap();
    let (block, offset) = place_of_inode.trim().split_once(", offset 0x").unwrap();
    let inode = block.parse::<u64>().unwrap() * 4096 + u64::from_str_radix(offset, 16).unwrap();
    let image = std::fs::File::options()
        .read(true)
        .write(true)
        .open(&place.image)
        .unwrap();
    let mut byte = [0];
    // The group: it is covered by the checksum and decides nothing else.
    image.read_exact_at(&mut byte, inode + 0x18).unwrap();
    image.write_all_at(&[byte[0] ^ 1], inode + 0x18).unwrap();
    drop(image);

    let point = place.directory("m");
    let log = place.folder.join("log");
    let mut command = place.imgmount().words("-f disk.img m").command();
    let log_file = std::fs::File::create(&log).unwrap();
    let mut child = command.stderr(Stdio::from(log_file)).spawn().unwrap();
    let served = || std::fs::read(point.join("large")).is_ok();
    wait_until(5 * SECOND, served, || "not served".to_owned());
    for _ in 0..3 {
        let names = std::fs::read_dir(&point).unwrap().map(|entry| {
            let entry = entry.unwrap();
            (
                entry.file_name().into_string().unwrap(),
                entry.file_type().unwrap().is_file(),
            )
        });
        let names: std::collections::BTreeSet<_> = names.collect();
        let expected = [("hello", true), ("large", true), ("lost+found", false)];
        let expected = expected.map(|(name, file)| (name.to_owned(), file));
        assert_eq!(names, expected.into());
        let error = std::fs::metadata(point.join("hello")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::UCLEAN.raw_os_error()));
    }
    assert_eq!(
        std::fs::read(point.join("large")).unwrap(),
        numbered(1 << 20)
    );
    signal(i32::try_from(child.id()).unwrap(), "INT");
    assert!(child.wait().unwrap().success());
    place.assert_clean_within(SOON);
    let log = std::fs::read_to_string(&log).unwrap();
    let about: Vec<_> = log
        .lines()
        .filter(|line| line.contains("inode 12"))
        .collect();
    assert_eq!(about.len(), 1, "{log}");
    assert!(about[0].contains("checksum"), "{log}");
}

#[test]
fn a_mount_by_root_is_read_ahead_by_a_mebibyte_at_once() {
    need!(root, fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let device = place.mount().metadata().unwrap().dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let path = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
    if rustix::fs::access(&path, rustix::fs::Access::WRITE_OK).is_err() {
        return crate::support::skip::skip(module_path!(), "needs a writable /sys");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), "1024");
    unmount(&place);
}
