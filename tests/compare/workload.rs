//! What the kernel writes into a mounted file system so that there is something to compare: names,
//! types, owners, times, links, attributes. File contents are in `contents`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, IFlags, Mode, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use super::{collisions, contents};

/// The result of a step that some feature sets refuse: names too long for a small block, contents
/// too far for indirect blocks, attributes that find no room.
pub fn allow<T>(result: Result<T, Errno>) -> Option<T> {
    const REFUSED: [Errno; 7] = [
        Errno::OPNOTSUPP,
        Errno::NAMETOOLONG,
        Errno::NOSPC,
        Errno::FBIG,
        Errno::TOOBIG,
        Errno::OVERFLOW,
        Errno::INVAL,
    ];
    match result {
        Ok(value) => Some(value),
        Err(error) if REFUSED.contains(&error) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Fills the file system mounted at `root` with everything; `many` names are the biggest
/// directory's.
pub fn everything(root: &Path, many: u32) {
    names(&folder(root, "names"), many);
    colliding_names(&folder(root, "collisions"));
    odd_names(&folder(root, "odd-names"));
    types(&folder(root, "types"));
    owners(&folder(root, "owners"));
    times(&folder(root, "times"));
    links(&folder(root, "links"));
    attributes(&folder(root, "attributes"));
    lists(&folder(root, "lists"));
    contents::everything(&folder(root, "contents"));
    deep(&folder(root, "deep"));
    flags(&folder(root, "flags"));
}

/// As [`everything`], as far as a tool without the kernel can copy it into an image: `mke2fs -d`.
pub fn portable(root: &Path, many: u32) {
    names(&folder(root, "names"), many);
    odd_names(&folder(root, "odd-names"));
    types(&folder(root, "types"));
    fs::remove_file(root.join("types/socket")).unwrap();
    owners(&folder(root, "owners"));
    times(&folder(root, "times"));
    links(&folder(root, "links"));
    contents::portable(&folder(root, "contents"));
    deep(&folder(root, "deep"));
    let attributed = root.join("attributed");
    fs::write(&attributed, b"").unwrap();
    for (name, size) in [("user.small", 3), ("user.large", 700), ("trusted.a", 1)] {
        set(&attributed, name, &vec![b'v'; size]);
    }
}

/// As [`everything`], without what only root sees.
pub fn visible_to_all(root: &Path) {
    names(&folder(root, "names"), 300);
    odd_names(&folder(root, "odd-names"));
    types(&folder(root, "types"));
    owners(&folder(root, "owners"));
    times(&folder(root, "times"));
    links(&folder(root, "links"));
    lists(&folder(root, "lists"));
    contents::everything(&folder(root, "contents"));
    deep(&folder(root, "deep"));
}

/// A new directory.
pub fn folder(root: &Path, name: &str) -> PathBuf {
    let path = root.join(name);
    fs::create_dir(&path).unwrap();
    path
}

fn bytes(folder: &Path, name: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(name))
}

/// `many` names of all lengths, of which every third is deleted again, and some put back.
fn names(folder: &Path, many: u32) {
    let name = |number: u32| {
        let width = 1 + (number.wrapping_mul(2_654_435_761) >> 26) as usize;
        folder.join(format!("{number:0>width$}"))
    };
    let first = name(0);
    fs::write(&first, b"the only inode of many names").unwrap();
    for number in 1..many {
        match number % 16 {
            0 => fs::write(name(number), number.to_string()).unwrap(),
            _ => fs::hard_link(&first, name(number)).unwrap(),
        }
    }
    for number in (1..many).step_by(3) {
        fs::remove_file(name(number)).unwrap();
    }
    for number in (1..many).step_by(30) {
        fs::hard_link(&first, name(number)).unwrap();
    }
    // A directory that was big and is not any more.
    let shrunk = self::folder(folder, "shrunk");
    for number in 0..300 {
        fs::hard_link(&first, shrunk.join(format!("{number:0>100}"))).unwrap();
    }
    for number in 0..299 {
        fs::remove_file(shrunk.join(format!("{number:0>100}"))).unwrap();
    }
}

/// Names of equal hashes, all three kinds: those of the file system's own kind meet in a leaf.
fn colliding_names(folder: &Path) {
    let first = folder.join("first");
    fs::write(&first, b"").unwrap();
    let pairs = [collisions::LEGACY, collisions::HALF_MD4, collisions::TEA];
    for number in pairs.concat().concat() {
        let path = folder.join(collisions::name(number));
        // A number may be of two kinds' pairs.
        if let Err(error) = fs::hard_link(&first, path) {
            assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
        }
    }
}

/// Names that are no text, or odd text.
fn odd_names(folder: &Path) {
    let long = [b'n'; 255];
    let names: [&[u8]; 12] = [
        b"a",
        b" ",
        b"-rf",
        b"back\\slash",
        b"new\nline",
        b"\x1b[31m",
        b"\xff\xfe\x80",
        b"\xc3\x28",
        "größe €".as_bytes(),
        "e\u{301}".as_bytes(),
        "\u{202e}gpj.exe".as_bytes(),
        &long,
    ];
    for name in names {
        fs::write(bytes(folder, name), name).unwrap();
    }
    // Bytes over 127: where signed and unsigned hashes differ.
    for number in 0..200_u8 {
        let name = [&[0x80 | number, 0xe9][..], &[b'x'; 200]].concat();
        let name = [&name[..], number.to_string().as_bytes()].concat();
        fs::hard_link(folder.join("a"), bytes(folder, &name)).unwrap();
    }
}

/// Everything that is no file.
fn types(folder: &Path) {
    let node = |name: &str, kind: FileType, major: u32, minor: u32| {
        let path = folder.join(name);
        let device = rustix::fs::makedev(major, minor);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path,
            kind,
            Mode::from_raw_mode(0o640),
            device,
        )
        .unwrap();
    };
    node("fifo", FileType::Fifo, 0, 0);
    node("socket", FileType::Socket, 0, 0);
    node("null", FileType::CharacterDevice, 1, 3);
    node("character", FileType::CharacterDevice, 511, 1_048_575);
    node("disk", FileType::BlockDevice, 8, 17);
    node("block", FileType::BlockDevice, 259, 300_000);
    node("old", FileType::BlockDevice, 255, 255);
    for length in [
        1, 20, 58, 59, 60, 61, 62, 100, 150, 1000, 1022, 1023, 1024, 2047, 4094, 4095,
    ] {
        let target = "t".repeat(length);
        let path = folder.join(format!("link-{length}"));
        allow(rustix::fs::symlink(&target, &path));
    }
    symlink(OsStr::from_bytes(b"\xff/../\n"), folder.join("link-odd")).unwrap();
}

/// Owners over 16 bits, and every permission bit.
fn owners(folder: &Path) {
    for id in [
        0,
        1,
        1000,
        65_534,
        65_535,
        65_536,
        100_000,
        0x7fff_ffff,
        0xffff_fffe,
    ] {
        let path = folder.join(format!("id-{id}"));
        fs::write(&path, b"").unwrap();
        lchown(&path, Some(id), Some(0xffff_fffe - id)).unwrap();
    }
    for bit in 0..12 {
        let path = folder.join(format!("mode-{bit}"));
        fs::write(&path, b"").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(1 << bit)).unwrap();
    }
    let path = self::folder(folder, "sticky");
    fs::set_permissions(path, fs::Permissions::from_mode(0o7777)).unwrap();
}

/// Times before 1970 and after 2038, with and without nanoseconds. 128-byte inodes keep what they
/// can; the kernel says what that is.
fn times(folder: &Path) {
    const SECONDS: [i64; 14] = [
        -2_147_483_648,
        -2_147_483_647,
        -86_401,
        -1,
        0,
        1,
        2_147_483_647,
        2_147_483_648,
        4_294_967_295,
        4_294_967_296,
        6_442_450_943,
        6_442_450_944,
        10_737_418_239,
        15_032_385_535,
    ];
    for seconds in SECONDS {
        for nanoseconds in [0, 1, 999_999_999] {
            let path = folder.join(format!("{seconds}.{nanoseconds}"));
            fs::write(&path, b"").unwrap();
            touch(
                &path,
                (seconds, nanoseconds),
                (-seconds / 2, 999_999_999 - nanoseconds),
            );
        }
    }
    let link = folder.join("link");
    symlink("nowhere", &link).unwrap();
    touch(&link, (-5, 5), (5, 6));
}

fn touch(path: &Path, accessed: (i64, i64), modified: (i64, i64)) {
    let time = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
    let times = Timestamps {
        last_access: time(accessed),
        last_modification: time(modified),
    };
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Hard links, also of what is no regular file, and directories that count their children.
fn links(folder: &Path) {
    let first = folder.join("first");
    fs::write(&first, b"linked").unwrap();
    symlink("first", folder.join("link")).unwrap();
    fs::hard_link(folder.join("link"), folder.join("link-again")).unwrap();
    for number in 0..50 {
        fs::hard_link(&first, folder.join(format!("again-{number}"))).unwrap();
        self::folder(folder, &format!("folder-{number}"));
    }
}

/// Sets one attribute.
pub fn set(path: &Path, name: &str, value: &[u8]) -> Option<()> {
    allow(rustix::fs::lsetxattr(
        path,
        name,
        value,
        XattrFlags::empty(),
    ))
}

/// Attributes in every namespace: in the inode, in a block, shared by files, as large as goes.
fn attributes(folder: &Path) {
    let file = |name: &str| {
        let path = folder.join(name);
        fs::write(&path, name).unwrap();
        path
    };
    let small = file("small");
    for name in ["user.a", "trusted.a", "security.a", "user.größe"] {
        set(&small, name, b"1");
    }
    set(&small, "user.empty", b"");
    set(&small, "user.binary", b"\0\xff\n\x1b");
    let long_name = format!("user.{}", "n".repeat(250));
    set(&file("long-name"), &long_name, b"long");
    // Both versions of file capabilities.
    let second = [&[1, 0, 0, 2][..], &[0x20, 0, 0, 0], &[0; 12]].concat();
    set(&file("capability"), "security.capability", &second);
    let third = [&[0, 0, 0, 3][..], &[0xff; 8], &[0; 8], &[1, 0, 1, 0]].concat();
    set(&file("capability-3"), "security.capability", &third);
    set(
        &file("label"),
        "security.selinux",
        b"system_u:object_r:etc_t:s0\0",
    );
    // One block shared by many files, since their attributes are equal.
    for number in 0..5 {
        let shared = file(&format!("shared-{number}"));
        set(&shared, "user.shared", &[b's'; 400]);
    }
    for size in [
        50, 100, 500, 900, 1000, 2000, 3000, 3900, 4000, 8000, 30_000, 65_536,
    ] {
        let path = file(&format!("size-{size}"));
        let value: Vec<u8> = (0..size).map(|at: u32| ((at * 7) >> 3) as u8).collect();
        set(&path, "user.large", &value);
        set(&path, "user.after", b"small, beside the large one");
    }
    let many = file("many");
    for number in 0..40 {
        set(
            &many,
            &format!("user.number-{number}"),
            number.to_string().as_bytes(),
        );
    }
    let changed = file("changed");
    for round in 0..5_usize {
        set(&changed, "user.grows", &vec![b'g'; round * 150]);
        let _ = rustix::fs::lremovexattr(&changed, "user.gone");
        set(&changed, "user.gone", b"soon");
    }
    let _ = rustix::fs::lremovexattr(&changed, "user.gone");
    // Of what is no file or directory only trusted and security.
    let link = folder.join("link");
    symlink("nowhere", &link).unwrap();
    set(&link, "trusted.of-link", b"yes");
    let below = self::folder(folder, "below");
    set(&below, "user.of-folder", b"yes");
}

/// POSIX access control lists, on files and directories, and the default list of a directory.
fn lists(folder: &Path) {
    let access = list(&[
        (1, 6, u32::MAX),
        (2, 4, 1000),
        (2, 7, 100_000),
        (4, 4, u32::MAX),
        (8, 5, 7),
        (16, 7, u32::MAX),
        (32, 0, u32::MAX),
    ]);
    let default = list(&[
        (1, 7, u32::MAX),
        (2, 5, 1),
        (4, 5, u32::MAX),
        (16, 5, u32::MAX),
        (32, 5, u32::MAX),
    ]);
    let minimal = list(&[(1, 6, u32::MAX), (4, 4, u32::MAX), (32, 4, u32::MAX)]);
    let file = folder.join("file");
    fs::write(&file, b"").unwrap();
    set(&file, "system.posix_acl_access", &access);
    let plain = folder.join("minimal");
    fs::write(&plain, b"").unwrap();
    set(&plain, "system.posix_acl_access", &minimal);
    let inherits = self::folder(folder, "inherits");
    set(&inherits, "system.posix_acl_access", &access);
    set(&inherits, "system.posix_acl_default", &default);
    fs::write(inherits.join("file"), b"").unwrap();
    self::folder(&inherits, "folder");
}

/// An access control list in the form of setxattr(2): tag, permissions, id.
fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut value = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(permissions.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    value
}

/// Directories in directories.
fn deep(folder: &Path) {
    let mut path = folder.to_path_buf();
    for depth in 0..100 {
        path = self::folder(&path, &format!("level-{depth}"));
        fs::write(path.join("file"), depth.to_string()).unwrap();
    }
}

/// Inode flags (chattr), the unchangeable ones last.
fn flags(folder: &Path) {
    let flags = [
        IFlags::NOATIME,
        IFlags::NODUMP,
        IFlags::SYNC,
        IFlags::APPEND,
        IFlags::IMMUTABLE,
    ];
    for (number, flag) in flags.into_iter().enumerate() {
        let path = folder.join(format!("flag-{number}"));
        fs::write(&path, b"flagged").unwrap();
        let file = fs::File::open(&path).unwrap();
        let own = rustix::fs::ioctl_getflags(&file).unwrap();
        rustix::fs::ioctl_setflags(&file, own | flag).unwrap();
    }
    let path = self::folder(folder, "sync");
    let file = fs::File::open(&path).unwrap();
    let own = rustix::fs::ioctl_getflags(&file).unwrap();
    rustix::fs::ioctl_setflags(&file, own | IFlags::DIRSYNC | IFlags::TOPDIR).unwrap();
}
