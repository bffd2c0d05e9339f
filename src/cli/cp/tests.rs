//! Copies out of a file system in memory, judged by what the host then says.
#![allow(clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink as host_link};
use std::path::PathBuf;

use super::super::testing::{Memory, directory, file, node, symlink};
use super::*;
use crate::filesystem::FileSystem;
use crate::number::to_usize;

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn copied(memory: &Memory, sources: &[&str], dest: &Path, all: bool) -> Outcome {
    let sources: Vec<OsString> = sources.iter().map(OsString::from).collect();
    let passed = Passed::default();
    copy(origin(memory, &passed), &sources, dest, all).expect("DEST can be written")
}

fn origin<'a>(memory: &'a Memory, passed: &'a Passed) -> Origin<'a> {
    Origin {
        files: memory,
        name: "disk.raw",
        passed,
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_file_keeps_bytes_mode_and_times() {
    let mut memory = Memory::default();
    let inode = memory.add(b"f", file(b"hello"));
    memory.node(inode).attributes.atime.seconds = -5;
    let dir = scratch();
    assert_eq!(copied(&memory, &["f"], dir.path(), false), Outcome::Done);
    let copy = dir.path().join("f");
    let metadata = copy.metadata().expect("it is there");
    assert_eq!(std::fs::read(&copy).expect("readable"), b"hello");
    assert_eq!(metadata.mode() & 0o7777, 0o640);
    assert_eq!(
        (metadata.mtime(), metadata.mtime_nsec()),
        (1_000_000_000, 123_456_789)
    );
    assert_eq!(metadata.atime(), -5);
}

#[test]
fn dest_is_a_name_or_a_directory_as_for_cp() {
    let mut memory = Memory::default();
    let dir = memory.add(b"d", directory());
    memory.add_to(dir, b"f", file(b"1"));
    let scratch = scratch();
    let at = |name: &str| scratch.path().join(name);
    copied(&memory, &["d"], &at("new"), false);
    assert!(at("new/f").is_file());
    copied(&memory, &["d"], &at("new"), false);
    assert!(at("new/d/f").is_file());
    copied(&memory, &["/"], &at("all"), false);
    assert!(at("all/d/f").is_file());
    copied(&memory, &["d/f", "d"], &at("all"), false);
    assert!(at("all/f").is_file());
    let several = [OsString::from("d/f"), OsString::from("d")];
    let passed = Passed::default();
    let result = copy(origin(&memory, &passed), &several, &at("missing"), false);
    assert!(matches!(result, Err(Failure::Usage(_))));
    let one = [OsString::from("d/f")];
    let result = copy(origin(&memory, &passed), &one, &at("missing/"), false);
    assert!(matches!(result, Err(Failure::Usage(_))));
    assert!(!at("missing").exists());
    copied(&memory, &["d"], &at("missing/"), false);
    assert!(at("missing/f").is_file());
}

#[test]
fn holes_stay_holes() {
    let mut memory = Memory::default();
    let size = 8 << 20;
    let mut sparse = file(&vec![0; to_usize(size)]);
    sparse.content[to_usize(size) - 1] = 7;
    sparse.holes.push(0..size - 4096);
    memory.add(b"sparse", sparse);
    let mut huge = file(b"");
    huge.attributes.size = 1 << 40;
    huge.holes.push(0..1 << 40);
    memory.add(b"huge", huge);
    let dir = scratch();
    assert_eq!(
        copied(&memory, &["sparse", "huge"], dir.path(), false),
        Outcome::Done
    );
    let metadata = dir.path().join("sparse").metadata().expect("there");
    assert_eq!(metadata.len(), size);
    assert!(
        metadata.blocks() * 512 <= 64 * 1024,
        "{}",
        metadata.blocks()
    );
    assert_eq!(
        std::fs::read(dir.path().join("sparse")).expect("readable")[to_usize(size) - 1],
        7
    );
    assert_eq!(
        dir.path().join("huge").metadata().expect("there").len(),
        1 << 40
    );
}

#[test]
fn hard_links_symlinks_and_attributes_are_kept() {
    let mut memory = Memory::default();
    let sub = memory.add(b"sub", directory());
    let inode = memory.add_to(sub, b"one", file(b"x"));
    memory.node(inode).attributes.nlink = 2;
    memory.node(inode).attributes.mode = 0o440;
    memory.node(inode).xattrs = BTreeMap::from([(b"user.a".to_vec(), b"\0v".to_vec())]);
    memory.add_entry(Inode(2), b"two", inode);
    memory.add(b"link", symlink(b"/etc/\xff"));
    memory.add(b"pipe", node(FileType::Fifo, b""));
    memory.node(sub).attributes.mode = 0o555;
    let dir = scratch();
    let dest = dir.path().join("out");
    assert_eq!(copied(&memory, &["/"], &dest, false), Outcome::Done);
    let one = dest.join("sub/one").metadata().expect("there");
    assert_eq!(one.ino(), dest.join("two").metadata().expect("there").ino());
    let target = std::fs::read_link(dest.join("link")).expect("a link");
    assert_eq!(target.as_os_str().as_bytes(), b"/etc/\xff");
    assert_eq!(
        dest.join("link")
            .symlink_metadata()
            .expect("there")
            .mtime_nsec(),
        123_456_789
    );
    let pipe = dest.join("pipe").metadata().expect("there");
    assert!(pipe.file_type().is_fifo());
    assert_eq!((pipe.mode() & 0o777, pipe.mtime()), (0o640, 1_000_000_000));
    assert_eq!(
        dest.join("sub").metadata().expect("there").mode() & 0o777,
        0o555
    );
    assert_eq!(
        dest.join("sub").metadata().expect("there").mtime(),
        1_000_000_000
    );
    let mut value = [0; 8];
    match rustix::fs::getxattr(dest.join("two"), "user.a", &mut value) {
        Ok(length) => assert_eq!(&value[..length], b"\0v"),
        // A tmpfs without them; the copy reported it then, and the assertion above failed.
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_link_in_the_image_does_not_lead_out_of_dest() {
    let outside = scratch();
    let mut memory = Memory::default();
    memory.add(b"a", symlink(outside.path().as_os_str().as_bytes()));
    let evil = memory.add(b"a", directory());
    memory.add_to(evil, b"x", file(b"evil"));
    memory.add_entry(Inode(2), b"../up", Inode(2));
    memory.add_entry(Inode(2), b"..", evil);
    memory.add(b"good", file(b"good"));
    let dir = scratch();
    let dest = dir.path().join("dest");
    assert_eq!(
        copied(&memory, &["/"], &dest, false),
        Outcome::PartlyDamaged
    );
    assert_eq!(outside.path().read_dir().expect("readable").count(), 0);
    assert_eq!(std::fs::read(dest.join("good")).expect("there"), b"good");
    let beside: Vec<PathBuf> = dir
        .path()
        .read_dir()
        .expect("readable")
        .map(|e| e.expect("e").path())
        .collect();
    assert_eq!(beside, [dest]);
}

#[test]
fn a_link_that_was_in_dest_is_not_followed() {
    let outside = scratch();
    std::fs::write(outside.path().join("f"), "before").expect("written");
    let dir = scratch();
    host_link(outside.path(), dir.path().join("d")).expect("linked");
    host_link(outside.path().join("f"), dir.path().join("f")).expect("linked");
    let mut memory = Memory::default();
    let sub = memory.add(b"d", directory());
    memory.add_to(sub, b"x", file(b"evil"));
    memory.add(b"f", file(b"new"));
    assert_eq!(
        copied(&memory, &["d", "f"], dir.path(), false),
        Outcome::PartlyDamaged
    );
    assert_eq!(
        std::fs::read(outside.path().join("f")).expect("there"),
        b"before"
    );
    assert!(!outside.path().join("x").exists());
    assert_eq!(std::fs::read(dir.path().join("f")).expect("there"), b"new");
}

#[test]
fn what_gives_rights_is_left_out_unless_asked_for() {
    let mut memory = Memory::default();
    let suid = memory.add(b"suid", file(b"x"));
    memory.node(suid).attributes.mode = 0o6755;
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    memory.node(suid).xattrs =
        BTreeMap::from([(b"security.capability".to_vec(), capability.to_vec())]);
    let mut device = node(FileType::CharacterDevice, b"");
    device.attributes.rdev = (1, 3);
    memory.add(b"null", device);
    let dir = scratch();
    let plain = dir.path().join("plain");
    assert_eq!(copied(&memory, &["/"], &plain, false), Outcome::Done);
    assert_eq!(
        plain.join("suid").metadata().expect("there").mode() & 0o7777,
        0o755
    );
    assert!(!plain.join("null").exists());
    let mut value = [0; 64];
    assert!(rustix::fs::getxattr(plain.join("suid"), "security.capability", &mut value).is_err());
}

#[test]
fn owners_are_kept_where_that_is_allowed() {
    let mut memory = Memory::default();
    let inode = memory.add(b"f", file(b"x"));
    let attributes = &mut memory.node(inode).attributes;
    (attributes.uid, attributes.gid) = (12345, 54321);
    let dir = scratch();
    assert_eq!(copied(&memory, &["f"], dir.path(), false), Outcome::Done);
    let copy = dir.path().join("f").metadata().expect("there");
    if is_root() {
        assert_eq!((copy.uid(), copy.gid()), (12345, 54321));
    } else {
        assert_eq!(copy.uid(), rustix::process::geteuid().as_raw());
    }
}

#[test]
fn one_bad_file_does_not_stop_the_others_and_loops_end() {
    let mut memory = Memory::default();
    let bad = memory.add(b"bad", file(b"x"));
    memory.bad.insert(bad.0);
    let sub = memory.add(b"sub", directory());
    memory.add_to(sub, b"f", file(b"1"));
    memory.add_entry(sub, b"loop", sub);
    memory.add_entry(sub, b"up", memory.root());
    memory.add_entry(Inode(2), b"gone", Inode(999));
    let dir = scratch();
    let dest = dir.path().join("dest");
    assert_eq!(
        copied(&memory, &["/"], &dest, false),
        Outcome::PartlyDamaged
    );
    assert_eq!(std::fs::read(dest.join("sub/f")).expect("there"), b"1");
}

#[test]
fn what_the_host_does_not_take_is_reported_and_the_rest_is_set() {
    let mut memory = Memory::default();
    let inode = memory.add(b"f", file(b"hello"));
    // No host file system takes a name without a namespace.
    memory.node(inode).xattrs = BTreeMap::from([
        (b"nonsense".to_vec(), b"v".to_vec()),
        (b"user.a".to_vec(), b"v".to_vec()),
    ]);
    memory.node(inode).attributes.mode = 0o440;
    let dir = scratch();
    let outcome = copied(&memory, &["f"], dir.path(), false);
    assert_eq!(outcome, Outcome::PartlyDamaged);
    let copy = dir.path().join("f");
    let metadata = copy.metadata().expect("it is there");
    assert_eq!(metadata.mode() & 0o7777, 0o440);
    assert_eq!(metadata.mtime(), 1_000_000_000);
    let mut value = [0; 8];
    assert_eq!(rustix::fs::getxattr(&copy, "user.a", &mut value), Ok(1));
}

/// Two names of one file, in two directories with equal names inside.
fn linked() -> Memory {
    let mut memory = Memory::default();
    let [one, two] = [b"day1", b"day2"].map(|day| memory.add(day, directory()));
    let [first, second] = [one, two].map(|day| memory.add_to(day, b"etc", directory()));
    let inode = memory.add_to(first, b"passwd", file(b"root:"));
    memory.node(inode).attributes.nlink = 2;
    memory.add_entry(second, b"passwd", inode);
    memory
}

#[test]
fn a_second_name_that_is_there_already_stays() {
    let memory = linked();
    let dir = scratch();
    let sources = ["day1/etc", "day2/etc", "day1/etc/passwd", "day2/etc/passwd"];
    assert_eq!(copied(&memory, &sources, dir.path(), false), Outcome::Done);
    for name in ["etc/passwd", "passwd"] {
        let copy = std::fs::read(dir.path().join(name)).expect("there");
        assert_eq!(copy, b"root:");
    }
    // Again, over what the last time left.
    assert_eq!(copied(&memory, &sources, dir.path(), false), Outcome::Done);
    let copy = std::fs::read(dir.path().join("etc/passwd")).expect("there");
    assert_eq!(copy, b"root:");
}

#[test]
fn a_second_name_never_leads_to_what_was_not_copied() {
    let mut memory = Memory::default();
    let inode = memory.add(b"a", file(b"of the image"));
    memory.node(inode).attributes.nlink = 2;
    memory.add_entry(Inode(2), b"b", inode);
    let dir = scratch();
    // In the way of the first name, and not to be removed.
    std::fs::create_dir(dir.path().join("a")).expect("made");
    let outcome = copied(&memory, &["/"], dir.path(), false);
    assert_eq!(outcome, Outcome::PartlyDamaged);
    assert!(dir.path().join("a").is_dir());
    let copy = std::fs::read(dir.path().join("b")).expect("there");
    assert_eq!(copy, b"of the image");
}

/// Files of one name from several directories, and a file that has a name more than one of them.
#[test]
fn a_copy_takes_no_other_copys_place() {
    let mut memory = Memory::default();
    let [one, two] = [b"day1", b"day2"].map(|day| memory.add(day, directory()));
    let new = memory.add_to(one, b"a", file(b"new"));
    memory.node(new).attributes.nlink = 2;
    memory.add_to(two, b"a", file(b"old"));
    memory.add_entry(two, b"b", new);
    let dir = scratch();
    let read = |name: &str| std::fs::read(dir.path().join(name)).expect("there");
    std::fs::write(dir.path().join("a"), "of the user").expect("written");
    let outcome = copied(&memory, &["day1/a", "day2/a", "day2/b"], dir.path(), false);
    assert_eq!(outcome, Outcome::PartlyDamaged);
    assert_eq!((read("a"), read("b")), (b"new".to_vec(), b"new".to_vec()));
    // One file by two paths, and a directory with what is in it.
    let sources = ["day1/a", "/", "day1", "day2", "day2/b"];
    let outcome = copied(&memory, &sources, dir.path(), false);
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(read("day2/a"), b"old");
}

/// Something has taken the first name of a file meanwhile.
#[test]
fn a_second_name_never_leads_to_what_another_has_put_there() {
    let memory = linked();
    let dir = scratch();
    let base = Directory::open(dir.path()).expect("there");
    let passed = Passed::default();
    let mut copier = Copier::new(origin(&memory, &passed), base, false);
    let mut copy = |path: &str, name: &str| {
        let inode = open::find(&memory, path.as_bytes(), false).expect("there");
        let copied = copier.source(path.as_bytes(), inode, Some(name.as_bytes()));
        copied.expect("DEST can be written");
    };
    copy("day1/etc/passwd", "one");
    let one = dir.path().join("one");
    std::fs::rename(&one, dir.path().join("moved")).expect("moved");
    host_link("/etc/hosts", &one).expect("linked");
    copy("day2/etc/passwd", "two");
    let two = dir.path().join("two").symlink_metadata().expect("there");
    assert!(two.is_file());
    let copy = std::fs::read(dir.path().join("two")).expect("there");
    assert_eq!(copy, b"root:");
}

#[test]
fn the_files_that_an_image_is_read_from_are_not_replaced() {
    let mut memory = Memory::default();
    for name in [b"base.raw".as_slice(), b"link", b"other"] {
        memory.add(name, file(b"from inside"));
    }
    let dir = scratch();
    let at = |name: &str| dir.path().join(name);
    for name in ["base.raw", "other"] {
        std::fs::write(at(name), "before").expect("written");
    }
    std::fs::hard_link(at("base.raw"), at("link")).expect("linked");
    let passed = Passed::default();
    let base = std::fs::File::open(at("base.raw")).expect("there");
    passed.keep(std::os::fd::AsFd::as_fd(&base));
    let sources = ["/".into()];
    let outcome = copy(origin(&memory, &passed), &sources, dir.path(), false);
    assert_eq!(outcome.ok(), Some(Outcome::PartlyDamaged));
    let found = ["base.raw", "link", "other"].map(|name| std::fs::read(at(name)).expect("there"));
    assert_eq!(found, [&b"before"[..], b"before", b"from inside"]);
}

#[test]
fn what_has_taken_the_place_of_a_pipe_gets_nothing() {
    let mut memory = Memory::default();
    let inode = memory.add(b"pipe", node(FileType::Fifo, b""));
    memory.node(inode).attributes.mode = 0o666;
    let node = memory.node(inode);
    let metadata = metadata::Metadata {
        attributes: node.attributes.clone(),
        xattrs: Vec::new(),
    };
    let dir = scratch();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("file"), "private").expect("written");
    let fifo = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, at("two"), fifo, mode, 0).expect("made");
    std::fs::hard_link(at("two"), at("names")).expect("linked");
    let top = Directory::open(dir.path()).expect("there");
    for name in [&b"file"[..], b"two"] {
        let handle = top.handle(name).expect("there");
        let applied = metadata.apply_by_handle(&handle);
        assert_eq!(applied, Err(rustix::io::Errno::EXIST));
    }
    for name in ["file", "two"] {
        let there = at(name).metadata().expect("there");
        assert_ne!(there.mode() & 0o7777, 0o666, "{name}");
    }
}
