//! What debugfs says of a file system: the referee where no kernel is.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::command::Run;
use super::images::Scratch;
use super::record::{Record, Tree};
use super::walk::{self, join};

/// Fields of a record that debugfs does not give in the form of system calls.
pub const WITHOUT: [&str; 3] = ["block size", "flags", "map"];

/// Everything in the file system in `image`, without `lost+found`'s empty blocks' worth of detail
/// that only system calls have ([`WITHOUT`]).
pub fn tree(image: &Path, scratch: &Scratch) -> Tree {
    let mut tree = Tree::new();
    let mut level = vec![(Vec::new(), 2)];
    while !level.is_empty() {
        level = add_level(image, &level, &mut tree);
    }
    add_contents(image, scratch, &mut tree);
    tree
}

/// Puts the files of `level` (path and inode number) into `tree`; gives those below them.
fn add_level(image: &Path, level: &[(Vec<u8>, u64)], tree: &mut Tree) -> Vec<(Vec<u8>, u64)> {
    let stats = each(image, level, "stat");
    let lists = each(image, level, "ea_list");
    let mut folders = Vec::new();
    for (((path, ino), stat), list) in level.iter().zip(stats).zip(lists) {
        let mut record = of_stat(*ino, &String::from_utf8_lossy(&stat));
        record.xattrs = xattrs(image, *ino, &String::from_utf8_lossy(&list));
        if record.kind == 'd' {
            folders.push((path.clone(), *ino));
        }
        tree.insert(path.clone(), record);
    }
    let mut below = Vec::new();
    for ((path, _), list) in folders.iter().zip(each(image, &folders, "ls -p")) {
        let entries = entries(&list);
        for (name, (ino, _)) in &entries {
            if name != b"." && name != b".." {
                below.push((join(path, name), *ino));
            }
        }
        tree.get_mut(path).unwrap().entries = Some(entries);
    }
    below
}

/// What debugfs says to `request` for each inode of `files`.
fn each(image: &Path, files: &[(Vec<u8>, u64)], request: &str) -> Vec<Vec<u8>> {
    let mut requests = String::new();
    for (_, ino) in files {
        let _ = writeln!(requests, "{request} <{ino}>");
    }
    ask(image, &requests)
}

/// What debugfs says to each line of `requests`.
pub fn ask(image: &Path, requests: &str) -> Vec<Vec<u8>> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, requests.as_bytes()).unwrap();
    let said = Run::new("debugfs").arg("-f").arg(file.path()).arg(image);
    let said = said.stdout();
    let prompt = b"debugfs: ";
    let mut answers = Vec::new();
    for line in said.split_inclusive(|byte| *byte == b'\n') {
        match (line.strip_prefix(prompt), answers.last_mut()) {
            (Some(_), _) => answers.push(Vec::new()),
            (None, Some(answer)) => answer.extend_from_slice(line),
            (None, None) => {}
        }
    }
    assert_eq!(answers.len(), requests.lines().count(), "debugfs answers");
    answers
}

/// The answer to `stat`.
fn of_stat(ino: u64, text: &str) -> Record {
    let kind = match field(text, "Type:") {
        "regular" => 'f',
        "directory" => 'd',
        "symlink" => 'l',
        "character" => 'c',
        "block" => 'b',
        "FIFO" => 'p',
        "socket" => 's',
        other => panic!("inode {ino} is {other}: {text}"),
    };
    // Printed as signed numbers; all others are positive.
    let number = |label: &str| field(text, label).parse::<i64>().unwrap() as u64;
    let fast = text.split_once("Fast link dest: \"");
    let crtime = text.contains("crtime:").then(|| time(text, "crtime:"));
    Record {
        kind,
        mode: u32::from_str_radix(field(text, "Mode:"), 8).unwrap() & 0o7777,
        uid: number("User:") as u32,
        gid: number("Group:") as u32,
        size: number("Size:"),
        blocks: number("Blockcount:"),
        nlink: number("Links:") as u32,
        rdev: device(text),
        atime: time(text, "atime:"),
        mtime: time(text, "mtime:"),
        ctime: time(text, "ctime:"),
        crtime,
        ino,
        target: fast.map(|(_, rest)| rest.split('"').next().unwrap().as_bytes().to_vec()),
        ..Record::default()
    }
}

/// The word behind `label`.
fn field<'a>(text: &'a str, label: &str) -> &'a str {
    let behind = text.split_once(label).map_or("", |(_, rest)| rest);
    behind.split_ascii_whitespace().next().unwrap_or("")
}

/// A time, of its 32 bits and the extra field's: two bits of epoch, thirty of nanoseconds.
fn time(text: &str, label: &str) -> (i64, u32) {
    let word = field(text, label);
    let (seconds, extra) = word.split_once(':').unwrap_or((word, "0"));
    let hex = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
    let (seconds, extra) = (hex(seconds), hex(extra));
    let epochs = i64::from(extra & 3) << 32;
    (i64::from(seconds.cast_signed()) + epochs, extra >> 2)
}

fn device(text: &str) -> (u32, u32) {
    let numbers = field(text, "Device major/minor number:");
    let Some((major, minor)) = numbers.split_once(':') else {
        return (0, 0);
    };
    (major.parse().unwrap(), minor.parse().unwrap())
}

/// The attributes that `list`, the answer to `ea_list`, names; access control lists as on disk.
fn xattrs(image: &Path, ino: u64, list: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let names = list.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("  ")?.split_once(" (")?;
        // Where inline data goes on: no attribute to anybody but the reader.
        (name != "system.data").then(|| name.to_owned())
    });
    names
        .map(|name| {
            let request = format!("ea_get -x <{ino}> {name}\n");
            let said = ask(image, &request).remove(0);
            let text = String::from_utf8_lossy(&said).into_owned();
            let digits = text.split_once('=').map_or("", |(_, hex)| hex);
            let byte = |text: &str| u8::from_str_radix(text, 16).unwrap();
            let value = digits.split_ascii_whitespace().map(byte).collect();
            (name.into_bytes(), value)
        })
        .collect()
}

/// The answer to `ls -p`: `/inode/mode/uid/gid/name/size/`, and deleted ones with inode 0.
fn entries(list: &[u8]) -> BTreeMap<Vec<u8>, (u64, char)> {
    let mut entries = BTreeMap::new();
    // A name may hold newlines: an entry ends with a slash and a newline.
    let mut rest = list;
    while let Some(end) = rest.windows(2).position(|two| two == b"/\n") {
        let parts: Vec<&[u8]> = rest[..end].split(|byte| *byte == b'/').collect();
        rest = &rest[end + 2..];
        let [_, ino, mode, _, _, name, ..] = parts[..] else {
            panic!("ls -p: {}", String::from_utf8_lossy(list));
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let ino: u64 = text(ino).parse().unwrap();
        if ino == 0 {
            continue;
        }
        let kind = match u32::from_str_radix(&text(mode), 8).unwrap() >> 12 {
            1 => 'p',
            2 => 'c',
            4 => 'd',
            6 => 'b',
            8 => 'f',
            10 => 'l',
            12 => 's',
            other => panic!("type {other}"),
        };
        entries.insert(name.to_vec(), (ino, kind));
    }
    entries
}

/// Contents and long link targets, from what `rdump` writes out.
fn add_contents(image: &Path, scratch: &Scratch, tree: &mut Tree) {
    let out = scratch.folder("rdump");
    ask(image, &format!("rdump / {}\n", out.display()));
    for (path, record) in tree {
        let place = out.join(OsStr::from_bytes(path));
        match record.kind {
            'f' => record.content = walk::content_of(&place, record.size),
            'l' => {
                let target = std::fs::read_link(&place).unwrap();
                record.target = Some(target.as_os_str().as_bytes().to_vec());
            }
            _ => {}
        }
    }
}
