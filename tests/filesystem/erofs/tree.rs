//! What the images are made of: every type of file, names, links, times, owners, attributes, and
//! contents of which some compress well, some badly, some not at all, and some are the same.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};

use crate::compare::workload::{folder, set};
use crate::support::command::Run;

/// Fills `root`. Attributes and device nodes need root.
pub fn fill(root: &Path) {
    contents(&folder(root, "contents"));
    names(&folder(root, "names"));
    types(&folder(root, "types"));
    owners(&folder(root, "owners"));
    attributes(&folder(root, "attributes"));
    times(root);
}

/// Bytes that look random and are the same every time.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Text with words that come again, as programs' sources have them.
pub fn text(len: usize, seed: u64) -> Vec<u8> {
    let words = [
        "block", "inode", "of", "the", "cluster", "index", "=", "{", "}\n", "0x",
    ];
    let mut text = Vec::new();
    for byte in noise(len, seed) {
        text.extend(words[usize::from(byte) % words.len()].as_bytes());
        text.push(if byte > 250 { b'\n' } else { b' ' });
        if byte % 7 == 0 {
            text.extend(format!("{}", u64::from(byte) * seed).bytes());
        }
        if text.len() >= len {
            break;
        }
    }
    text.truncate(len);
    text
}

fn contents(folder: &Path) {
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    // Around the sizes of blocks and clusters.
    for size in [
        0, 1, 100, 511, 512, 513, 1000, 2048, 4000, 4095, 4096, 4097, 8192, 12_289, 65_535, 65_536,
        65_537, 200_001,
    ] {
        write(&format!("text-{size}"), &text(size, 1 + size as u64));
        write(&format!("noise-{size}"), &noise(size, 1 + size as u64));
    }
    let large = text(1_500_000, 7);
    write("large", &large);
    // The same again, and the same with a shift: what is deduplicated.
    write("same", &large);
    write(
        "shifted",
        &[b"a few bytes more", &large[..700_000]].concat(),
    );
    write("tail", &large[400_001..]);
    write(
        "mixed",
        &[&text(50_000, 3)[..], &noise(50_000, 3), &text(50_000, 3)].concat(),
    );
    write("zeros", &vec![0; 300_000]);
    write(
        "mostly-zeros",
        &[
            &vec![0; 70_000][..],
            b"x",
            &vec![0; 70_000],
            &noise(5000, 9),
        ]
        .concat(),
    );
    sparse(&folder.join("sparse"));
    for number in 0..40 {
        write(&format!("small-{number}"), &text(number * 37, 99));
    }
}

/// Data between holes.
fn sparse(path: &Path) {
    use std::os::unix::fs::FileExt;
    let file = fs::File::create(path).unwrap();
    file.write_all_at(&text(10_000, 5), 1 << 20).unwrap();
    file.write_all_at(&noise(10_000, 5), 3 << 20).unwrap();
    file.set_len((4 << 20) + 77).unwrap();
}

fn names(folder: &Path) {
    for number in 0..600_u32 {
        let width = 1 + (number.wrapping_mul(2_654_435_761) >> 27) as usize;
        fs::write(
            folder.join(format!("{number:0>width$}")),
            number.to_string(),
        )
        .unwrap();
    }
    for name in ["a b", "\u{fc}ber", "-", "...", "\n", "\\", "~", "\u{7f}"] {
        fs::write(folder.join(name), name).unwrap();
    }
    fs::write(folder.join("x".repeat(255)), b"the longest").unwrap();
    fs::create_dir(folder.join("empty")).unwrap();
    let mut deep = folder.join("deep");
    for level in 0..40 {
        fs::create_dir(&deep).unwrap();
        deep = deep.join(format!("level-{level}"));
    }
}

fn types(folder: &Path) {
    let at = |name: &str| folder.join(name);
    let node = |name: &str, kind, device| {
        rustix::fs::mknodat(CWD, at(name), kind, Mode::from_raw_mode(0o640), device).unwrap();
    };
    node("fifo", FileType::Fifo, 0);
    node("socket", FileType::Socket, 0);
    node("null", FileType::CharacterDevice, rustix::fs::makedev(1, 3));
    node(
        "disk",
        FileType::BlockDevice,
        rustix::fs::makedev(259, 1_000_000),
    );
    fs::write(at("file"), b"linked").unwrap();
    fs::hard_link(at("file"), at("second")).unwrap();
    fs::hard_link(at("file"), at("third")).unwrap();
    symlink("file", at("link")).unwrap();
    symlink("/nowhere at all", at("broken")).unwrap();
    for len in [1, 59, 60, 255, 1000, 3900, 4000, 4095] {
        let target = "l/".repeat(len)[..len].to_owned();
        symlink(target, at(&format!("link-{len}"))).unwrap();
    }
}

fn owners(folder: &Path) {
    let ids = [
        (0, 0),
        (1000, 100),
        (65_535, 65_536),
        (4_000_000_000, 70_000),
    ];
    for (number, (uid, gid)) in ids.into_iter().enumerate() {
        let path = folder.join(number.to_string());
        fs::write(&path, b"").unwrap();
        lchown(&path, Some(uid), Some(gid)).unwrap();
    }
    for mode in [0, 0o400, 0o644, 0o755, 0o4755, 0o2711, 0o1777] {
        let path = folder.join(format!("mode-{mode:o}"));
        fs::write(&path, b"").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn attributes(folder: &Path) {
    let file = |name: &str| -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, name).unwrap();
        path
    };
    for number in 0..12 {
        let shared = file(&format!("shared-{number}"));
        set(&shared, "user.shared.by.many", b"the same everywhere");
        set(&shared, "security.selinux", b"system_u:object_r:etc_t:s0\0");
        set(&shared, "user.own", format!("{number}").as_bytes());
        set(&shared, "user.verylongprefix.of.names.a", b"1");
    }
    let many = file("many");
    for number in 0..30 {
        set(&many, &format!("user.{number}"), &vec![b'v'; number * 3]);
    }
    set(&many, "trusted.seen.by.root", b"only");
    let empty = file("empty");
    set(&empty, "user.empty", b"");
    let large = file("large");
    set(&large, "user.large", &noise(3000, 4));
    let capable = file("capable");
    Run::new("setcap").arg("cap_net_raw+ep").arg(&capable).run();
    let listed = file("acl");
    Run::new("setfacl")
        .words("-m u:1000:rw,g:100:r")
        .arg(&listed)
        .run();
    let inherited = folder.join("default-acl");
    fs::create_dir(&inherited).unwrap();
    Run::new("setfacl")
        .words("-d -m u:1000:rwx")
        .arg(&inherited)
        .run();
}

/// Times of what is in `root`, before 1970 and after 2038 too.
fn times(root: &Path) {
    let folder = folder(root, "times");
    let times = [
        (-3_000_000_000_i64, 0),
        (-1, 999_999_999),
        (0, 0),
        (1_234_567_890, 123_456_789),
        (4_294_967_296, 1),
        (9_000_000_000, 500),
    ];
    for (number, (seconds, nanoseconds)) in times.into_iter().enumerate() {
        let path = folder.join(number.to_string());
        fs::write(&path, b"").unwrap();
        let time = Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::utimensat(CWD, &path, &times, AtFlags::empty()).unwrap();
    }
}
