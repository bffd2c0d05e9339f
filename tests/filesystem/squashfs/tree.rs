//! The tree that images are made of: every kind of file, and sizes around every border.

use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{FileType, Mode, XattrFlags, lsetxattr};

use crate::hostile::flips::Numbers;
use crate::support::command::Run;

/// Makes the tree at `root`, which is made too.
pub fn make(root: &Path) {
    std::fs::create_dir(root).unwrap();
    contents(&root.join("contents"));
    special(&root.join("special"));
    names(&root.join("names"));
    xattrs(&root.join("xattrs"));
    std::fs::create_dir(root.join("empty")).unwrap();
    times(root);
}

/// Files of all sizes that matter, with bytes that can be packed well, badly and not at all.
fn contents(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    for border in [0, 1 << 12, 1 << 14, 1 << 17, 1 << 20] {
        for size in [border - 1, border, border + 1, border * 2 + 700] {
            let Ok(size) = usize::try_from(size) else {
                continue;
            };
            std::fs::write(folder.join(format!("text-{size}")), text(size)).unwrap();
            std::fs::write(folder.join(format!("noise-{size}")), noise(size)).unwrap();
        }
    }
    std::fs::write(folder.join("zeros"), vec![0; 300_000]).unwrap();
    std::fs::write(folder.join("program"), program()).unwrap();
    let arm = |away: u32| (0xeb00_0000 | (away - 8) >> 2 & 0xff_ffff).to_le_bytes();
    let powerpc = |away: u32| (0x4800_0001 | away & 0x3ff_fffc).to_be_bytes();
    let sparc = |away: u32| (0x4000_0000 | away >> 2 & 0x3fff_ffff).to_be_bytes();
    std::fs::write(folder.join("calls-arm"), calls(arm)).unwrap();
    std::fs::write(folder.join("calls-powerpc"), calls(powerpc)).unwrap();
    std::fs::write(folder.join("calls-sparc"), calls(sparc)).unwrap();
    let sparse = std::fs::File::create(folder.join("sparse")).unwrap();
    sparse.set_len((5 << 20) + 17).unwrap();
    for at in [0, 1 << 20, (3 << 20) + 77, (4 << 20) + 4096] {
        sparse.write_all_at(&noise(9000), at).unwrap();
    }
    let hollow = std::fs::File::create(folder.join("hollow")).unwrap();
    hollow.set_len(3 << 20).unwrap();
    std::fs::copy(folder.join("text-131073"), folder.join("twin")).unwrap();
    std::fs::hard_link(folder.join("text-4097"), folder.join("hard-link")).unwrap();
}

fn text(size: usize) -> Vec<u8> {
    let words = (0..).flat_map(|number| format!("line {number} of a text\n").into_bytes());
    words.take(size).collect()
}

fn noise(size: usize) -> Vec<u8> {
    let mut numbers = Numbers(size as u64 + 1);
    (0..size).map(|_| numbers.below(256) as u8).collect()
}

/// Machine code, for the filters that know some.
fn program() -> Vec<u8> {
    std::fs::read("/bin/sh").unwrap()
}

/// Calls of one function from everywhere, in the code of a machine: what is counted from the place
/// of the call is the same number each time once a filter has counted from the start.
fn calls(call: impl Fn(u32) -> [u8; 4]) -> Vec<u8> {
    let words = (0..16_384).map(|word: u32| match word % 3 {
        0 => call(0x10_0000_u32.wrapping_sub(word * 4)),
        _ => (word / 7 * 0x0101).to_be_bytes(),
    });
    words.flatten().collect()
}

fn special(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let node = |name: &str, kind: FileType, major, minor| {
        let device = rustix::fs::makedev(major, minor);
        let mode = Mode::from_raw_mode(0o640);
        rustix::fs::mknodat(rustix::fs::CWD, folder.join(name), kind, mode, device).unwrap();
    };
    node("null", FileType::CharacterDevice, 1, 3);
    node("large", FileType::CharacterDevice, 4095, 1_048_575);
    node("disk", FileType::BlockDevice, 259, 70_000);
    node("pipe", FileType::Fifo, 0, 0);
    drop(UnixListener::bind(folder.join("socket")).unwrap());
    symlink("null", folder.join("short")).unwrap();
    symlink("x/".repeat(2047), folder.join("long")).unwrap();
    symlink("../no/such\nfile", folder.join("dangling")).unwrap();
    for (name, mode) in [("plain", 0o644), ("set", 0o7755), ("none", 0)] {
        let path = folder.join(name);
        std::fs::write(&path, name).unwrap();
        std::os::unix::fs::chown(&path, Some(mode + 100_000), Some(65534)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o1777)).unwrap();
}

/// A directory that needs an index, one whose names begin alike, and a deep one.
fn names(folder: &Path) {
    let many = folder.join("many");
    std::fs::create_dir_all(&many).unwrap();
    for number in 0..1200 {
        let first = char::from(b'A' + (number % 50) as u8);
        let name = format!("{first}-{number}-{}", "n".repeat(number % 60));
        std::fs::write(many.join(name), b"").unwrap();
    }
    let alike = folder.join("alike");
    std::fs::create_dir(&alike).unwrap();
    for number in 0..400 {
        std::fs::write(alike.join(format!("file-{number:05}")), number.to_string()).unwrap();
    }
    let deep = (0..40).fold(folder.join("deep"), |path, level| {
        path.join(format!("level-{level}"))
    });
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("bottom"), b"down here").unwrap();
    for name in ["e\u{301}", "\u{e9}", "new\nline", "back\\slash", " ", "~"] {
        std::fs::write(folder.join(name), name).unwrap();
    }
    std::fs::write(folder.join("n".repeat(255)), b"long").unwrap();
}

/// Attributes of every prefix, some that files share, small and large.
fn xattrs(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let large = noise(3000);
    let set = |path: &Path, name: &str, value: &[u8]| {
        lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
    };
    for number in 0..100 {
        let path = folder.join(format!("file-{number}"));
        std::fs::write(&path, b"").unwrap();
        set(&path, "user.own", number.to_string().as_bytes());
        set(&path, "user.shared", &large);
        set(&path, "security.selinux", b"system_u:object_r:etc_t:s0\0");
        if number % 3 == 0 {
            set(&path, "trusted.secret", b"");
        }
    }
    let empty = folder.join("empty");
    std::fs::write(&empty, b"").unwrap();
    set(&empty, "user.empty", b"");
    set(folder, "user.of-a-directory", b"yes");
    let link = folder.join("link");
    symlink("file-1", &link).unwrap();
    set(&link, "trusted.of-a-link", b"yes");
    let pipe = folder.join("pipe");
    Run::new("mkfifo").arg(&pipe).run();
    set(&pipe, "trusted.of-a-pipe", b"yes");
}

/// Times that are not those of now.
fn times(root: &Path) {
    for (name, seconds) in [
        ("contents", 0_u32),
        ("names", 1 << 31),
        ("special", u32::MAX),
    ] {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds.into());
        let folder = std::fs::File::open(root.join(name)).unwrap();
        folder.set_modified(time).unwrap();
    }
}
