//! What a file is called: long names, short names, code pages, labels, and what was deleted.

use imgmount::filesystem::FileSystem;
use imgmount::format::Options;

use super::volume::{Opened, Volume};
use crate::support::library;

/// A volume with the files `names` in its root, each holding its own name.
pub fn holding(line: &str, names: &[&str]) -> Volume {
    let volume = Volume::made(line, 20_000);
    for name in names {
        let file = volume.scratch.join("file");
        std::fs::write(&file, name).unwrap();
        volume.mtools("mcopy", [file.to_str().unwrap(), &format!("::{name}")]);
    }
    volume
}

/// What `name` leads to in the root: the contents of the file.
fn found(opened: &Opened, name: &str) -> Option<String> {
    let (filesystem, request) = (&opened.filesystem, library::request());
    let inode = filesystem.lookup(&request, filesystem.root(), name.as_bytes());
    let inode = inode.unwrap()?;
    let mut text = vec![0; 100];
    let len = filesystem.read(&request, inode, &mut text, 0).unwrap();
    text.truncate(len);
    Some(String::from_utf8(text).unwrap())
}

#[test]
fn names_are_found_in_either_case_by_the_short_name_and_with_dots_behind() {
    need!(tool "mkfs.fat", tool "mcopy");
    let names = ["Long Name Of A File.text", "Größe", "SHORT.TXT", "lower.c"];
    let opened = holding("-F 16", &names).open();
    assert_eq!(opened.names(""), names);
    for (asked, name) in [
        ("long name of a file.TEXT", names[0]),
        ("LONGNA~1.TEX", names[0]),
        ("longna~1.tex", names[0]),
        ("GRÖSSE", ""), // ß has no upper case of its own
        ("gRÖßE", names[1]),
        ("short.txt", names[2]),
        ("SHORT.TXT...", names[2]),
        ("LOWER.C", names[3]),
        ("lower.c.", names[3]),
        ("...", ""),
        ("SHORT.TXT ", ""),
        ("LONGNA~2.TEX", ""),
    ] {
        let expected = (!name.is_empty()).then(|| name.to_owned());
        assert_eq!(found(&opened, asked), expected, "{asked:?}");
    }
}

#[test]
fn what_was_deleted_and_parts_of_names_without_a_file_are_not_shown() {
    need!(tool "mkfs.fat", tool "mcopy", tool "mdel");
    let names = ["first long name", "second long name", "third long name"];
    let volume = holding("-F 12 -n ALABEL", &names);
    volume.mtools("mdel", ["::second long name"]);
    assert_eq!(volume.open().names(""), [names[0], names[2]]);
    // The short entry alone is deleted, as by a system that knows nothing of long names.
    volume.edit(|bytes| {
        let at = find(bytes, b"FIRSTL~1");
        bytes[at] = 0xe5;
    });
    let opened = volume.open();
    assert_eq!(opened.names(""), [names[2]]);
    assert_eq!(opened.description().label.as_deref(), Some(&b"ALABEL"[..]));
}

/// Characters behind the first plane, as two units of UTF-16 each, which mtools does not write.
#[test]
fn long_names_have_every_character_of_unicode() {
    need!(tool "mkfs.fat", tool "mcopy", tool "7z");
    let volume = holding("-F 12", &["xx-a long name"]);
    volume.edit(|bytes| {
        let at = find(bytes, b"x\0x\0-\0");
        bytes[at..at + 4].copy_from_slice(&[0x3d, 0xd8, 0x00, 0xde]);
    });
    let opened = volume.open();
    let name = "\u{1f600}-a long name";
    assert_eq!(opened.names(""), [name]);
    assert_eq!(found(&opened, name).as_deref(), Some("xx-a long name"));
    let (_, rows) = volume.by_7zip();
    assert!(rows.contains_key(name), "{rows:?}");
}

#[test]
fn short_names_are_in_the_code_page_that_is_named() {
    need!(tool "mkfs.fat", tool "mcopy");
    let volume = holding("-F 12", &["AAAA.TXT", "BBBB.TXT"]);
    volume.edit(|bytes| {
        let at = find(bytes, b"AAAA    TXT");
        bytes[at..at + 4].copy_from_slice(b"\x05\x8e\x93\xfa");
        let at = find(bytes, b"BBBB    TXT");
        bytes[at..at + 4].copy_from_slice(b"\x81\x9a\xe5\x99");
        bytes[at + 12] = 0x18;
    });
    for (page, names) in [
        (None, ["σÄô·.TXT", "üüσö.txt"]),
        (Some("850"), ["ÕÄô·.TXT", "üüõö.txt"]),
        (Some("866"), ["хОУ·.TXT", "бъхщ.txt"]),
        (Some("932"), ["蜴日.TXT", "★蝎.txt"]),
        (Some("1252"), ["åŽ“ú.TXT", "?šå™.txt"]),
    ] {
        let opened = volume.open_with(Options {
            codepage: page.map(str::to_owned),
            ..Options::default()
        });
        assert_eq!(opened.names(""), names, "{page:?}");
        assert_eq!(found(&opened, names[0]).as_deref(), Some("AAAA.TXT"));
    }
}

/// FATGEN 1.03, «FAT Directory Structure»: after an entry whose first byte is 0 there is none that
/// is used. Linux looks on; Windows, mtools and 7-Zip do not.
#[test]
fn the_list_ends_at_the_first_entry_that_was_never_used() {
    need!(tool "mkfs.fat", tool "mcopy", tool "7z");
    let volume = holding("-F 12", &["A.TXT", "B.TXT", "C.TXT"]);
    volume.edit(|bytes| {
        let at = find(bytes, b"B       TXT");
        bytes[at] = 0;
    });
    assert_eq!(volume.open().names(""), ["A.TXT"]);
    let (_, rows) = volume.by_7zip();
    assert_eq!(rows.len(), 1);
}

#[test]
fn the_label_is_the_roots_else_the_boot_sectors() {
    need!(tool "mkfs.fat", tool "mlabel");
    for line in ["-F 12", "-F 16", "-F 32 -s 1"] {
        let kib = if line.contains("32") { 40_000 } else { 9000 };
        let label = |volume: &Volume| volume.open().description().label.clone();
        let volume = Volume::made(line, kib);
        assert_eq!(label(&volume), None, "{line}");
        let volume = Volume::made(&format!("{line} -n FIRST"), kib);
        assert_eq!(label(&volume).as_deref(), Some(&b"FIRST"[..]));
        volume.mtools("mlabel", ["::SECOND ONE"]);
        assert_eq!(label(&volume).as_deref(), Some(&b"SECOND ONE"[..]));
        volume.edit(|bytes| {
            let boot = find(bytes, b"SECOND ONE");
            let root = boot + 1 + find(&bytes[boot + 1..], b"SECOND ONE");
            bytes[root] = 0xe5;
        });
        assert_eq!(label(&volume).as_deref(), Some(&b"SECOND ONE"[..]));
    }
}

/// Where `text` is in `bytes` for the first time.
pub fn find(bytes: &[u8], text: &[u8]) -> usize {
    let mut windows = bytes.windows(text.len());
    windows
        .position(|window| window == text)
        .expect("it is there")
}

#[test]
fn attributes_and_masks_give_the_mode() {
    need!(tool "mkfs.fat", tool "mcopy", tool "mmd", tool "mattrib");
    let volume = holding("-F 16", &["PLAIN", "READONLY", "HIDDEN"]);
    volume.mtools("mmd", ["::DIR", "::DIR/ONE", "::DIR/TWO"]);
    volume.mtools("mattrib", ["+r", "::READONLY", "::DIR"]);
    volume.mtools("mattrib", ["+h", "+s", "::HIDDEN"]);
    let mut options = Options::default();
    options.owner.uid = 1000;
    options.owner.gid = 100;
    options.owner.fmask = 0o133;
    options.owner.dmask = 0o027;
    let opened = volume.open_with(options);
    let mode = |path| opened.attributes(path).mode;
    assert_eq!(mode("PLAIN"), 0o644);
    assert_eq!(mode("READONLY"), 0o444);
    assert_eq!(mode("HIDDEN"), 0o644);
    // The kernel's default is norodir: the bit means something to Windows' Explorer alone.
    assert_eq!(mode("DIR"), 0o750);
    let directory = opened.attributes("DIR");
    assert_eq!(
        (directory.uid, directory.gid, directory.nlink),
        (1000, 100, 4)
    );
    assert_eq!(directory.size, u64::from(directory.block_size));
    assert_eq!(opened.attributes("DIR/ONE").nlink, 2);
    let bits = |path: &str| {
        let inode = library::find(&*opened.filesystem, path.as_bytes());
        let value = opened
            .filesystem
            .xattr(&library::request(), inode, b"system.fat_attrib");
        value.unwrap().unwrap()
    };
    assert_eq!(bits("READONLY"), [0x21, 0, 0, 0]);
    assert_eq!(bits("HIDDEN"), [0x26, 0, 0, 0]);
    assert_eq!(bits("DIR"), [0x11, 0, 0, 0]);
}

#[test]
fn inode_numbers_are_the_places_of_the_entries() {
    need!(tool "mkfs.fat", tool "mcopy", tool "mmd");
    let volume = holding("-F 16", &["A.TXT", "B.TXT"]);
    volume.mtools("mmd", ["::DIR", "::DIR/SUB"]);
    let opened = volume.open();
    let bytes = volume.bytes();
    for (path, name) in [("A.TXT", b"A       TXT"), ("DIR/SUB", b"SUB        ")] {
        assert_eq!(
            opened.attributes(path).ino,
            find(&bytes, name) as u64 / 32,
            "{path}"
        );
    }
    let root = opened.filesystem.root();
    let attributes = opened
        .filesystem
        .attributes(&library::request(), root)
        .unwrap();
    assert_eq!((attributes.ino, attributes.nlink), (1, 3));
    assert_eq!((attributes.size, attributes.blocks), (512 * 32, 32));
    assert_eq!(attributes.crtime, None);
    let dots = |path: &str| dots(&*opened.filesystem, path);
    assert_eq!(dots("DIR"), [opened.attributes("DIR").ino, 1]);
    let numbers = [
        opened.attributes("DIR/SUB").ino,
        opened.attributes("DIR").ino,
    ];
    assert_eq!(dots("DIR/SUB"), numbers);
}

/// The numbers of `.` and `..` in the directory at `path`.
fn dots(filesystem: &dyn FileSystem, path: &str) -> [u64; 2] {
    let folder = library::find(filesystem, path.as_bytes());
    let mut found = [0; 2];
    let each = &mut |entry: imgmount::filesystem::Entry<'_>| {
        match entry.name {
            b"." => found[0] = entry.inode.0,
            b".." => found[1] = entry.inode.0,
            _ => {}
        }
        true
    };
    let request = library::request();
    filesystem.read_dir(&request, folder, 0, each).unwrap();
    found
}

#[test]
fn times_are_ahead_of_utc_by_what_is_given() {
    need!(tool "mkfs.fat", tool "mcopy");
    let volume = holding("-F 16", &["A.TXT"]);
    let utc = volume.open().attributes("A.TXT");
    for offset in [60, -330] {
        let shifted = volume.open_with(Options {
            time_offset: Some(offset),
            ..Options::default()
        });
        let shifted = shifted.attributes("A.TXT");
        let by = i64::from(offset) * 60;
        assert_eq!(shifted.mtime.seconds, utc.mtime.seconds - by);
        assert_eq!(shifted.atime.seconds, utc.atime.seconds - by);
        assert_eq!(
            shifted.crtime.unwrap().seconds,
            utc.crtime.unwrap().seconds - by
        );
    }
}
