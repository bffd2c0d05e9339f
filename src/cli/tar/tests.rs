//! Archives of a tree in memory.

use super::super::testing::{Memory, directory, file, symlink};
use super::*;
use crate::filesystem::{FileSystem, Timestamp};

/// The archive of everything in `memory`, and what writing it came to.
fn archive(memory: &Memory) -> (Vec<u8>, Outcome) {
    let mut bytes = Vec::new();
    let outcome = write(memory, "disk.raw", b"/", &mut bytes).expect("it is written");
    (bytes, outcome)
}

/// The names in an archive, as the library reads them.
fn names(bytes: &[u8]) -> Vec<String> {
    let mut archive = ::tar::Archive::new(bytes);
    let entries = archive.entries().expect("an archive");
    let name = |entry: std::io::Result<::tar::Entry<'_, &[u8]>>| {
        String::from_utf8_lossy(&entry.expect("good").path_bytes()).into_owned()
    };
    entries.map(name).collect()
}

#[test]
fn an_archive_ends_with_a_record_and_holds_every_name() {
    let mut memory = Memory::default();
    memory.add(b"a", file(b"x"));
    memory.add("ü".as_bytes(), file(b"y"));
    memory.add(&[b'n'; 150], symlink(&[b't'; 200]));
    memory.add(b"d", directory());
    let (bytes, outcome) = archive(&memory);
    assert_eq!(bytes.len() % 10240, 0);
    assert_eq!(outcome, Outcome::Done);
    let long = format!("./{}", "n".repeat(150));
    assert_eq!(names(&bytes), ["./", "./a", "./d/", &long, "./ü"]);
}

#[test]
fn a_file_that_cannot_be_examined_is_left_out_and_said() {
    let mut memory = Memory::default();
    let bad = memory.add(b"bad", file(&[7; 5000]));
    memory.bad.insert(bad.0);
    memory.add(b"good", file(b"good"));
    let (bytes, outcome) = archive(&memory);
    assert_eq!(outcome, Outcome::PartlyDamaged);
    assert_eq!(names(&bytes), ["./", "./good"]);
}

#[test]
fn a_file_that_ends_early_is_filled_with_zeros_and_said() {
    let mut memory = Memory::default();
    let mut node = file(&[7; 5000]);
    node.attributes.size = 9000;
    memory.add(b"bad", node);
    memory.add(b"good", file(b"good"));
    let (bytes, outcome) = archive(&memory);
    assert_eq!(outcome, Outcome::PartlyDamaged);
    assert_eq!(names(&bytes), ["./", "./bad", "./good"]);
    let mut archive = ::tar::Archive::new(&bytes[..]);
    let mut entries = archive.entries().expect("an archive");
    let mut bad = entries.nth(1).expect("there").expect("good");
    let mut content = Vec::new();
    std::io::Read::read_to_end(&mut bad, &mut content).expect("whole");
    // The page in which the file ends is lost with what is missing.
    assert_eq!(content.len(), 9000);
    assert_eq!(content[..4096], [7; 4096]);
    assert_eq!(content[5000..], [0; 4000]);
}

#[test]
fn further_names_of_a_file_are_links_to_the_first() {
    let mut memory = Memory::default();
    let mut node = file(b"shared");
    node.attributes.nlink = 2;
    let inode = memory.add(b"one", node);
    memory.add_entry(memory.root(), b"two", inode);
    let (bytes, _) = archive(&memory);
    let mut archive = ::tar::Archive::new(&bytes[..]);
    let entries = archive.entries().expect("an archive");
    let last = entries.last().expect("three").expect("good");
    assert_eq!(last.header().entry_type(), ::tar::EntryType::Link);
    let target = last.link_name_bytes().expect("a target");
    assert_eq!(&*target, b"./one");
}

#[test]
fn no_name_is_a_link_to_what_is_not_in_the_archive() {
    for mut node in [file(&[7; 5000]), symlink(b"target")] {
        let mut memory = Memory::default();
        node.attributes.nlink = 2;
        let inode = memory.add(b"one", node);
        memory.add_entry(memory.root(), b"two", inode);
        memory.bad.insert(inode.0);
        let (bytes, outcome) = archive(&memory);
        assert_eq!(outcome, Outcome::PartlyDamaged);
        assert_eq!(names(&bytes), ["./"]);
    }
}

#[test]
fn times_and_large_numbers_survive() {
    let mut memory = Memory::default();
    let mut node = file(b"old");
    node.attributes.mtime = Timestamp {
        seconds: -3,
        nanoseconds: 250_000_000,
    };
    node.attributes.uid = u32::MAX - 1;
    memory.add(b"old", node);
    let (bytes, _) = archive(&memory);
    let text = b" mtime=-2.750000000\n";
    assert!(bytes.windows(text.len()).any(|part| part == text));
    let mut archive = ::tar::Archive::new(&bytes[..]);
    let entries = archive.entries().expect("an archive");
    let last = entries.last().expect("two").expect("good");
    assert_eq!(
        last.header().uid().expect("a number"),
        u64::from(u32::MAX) - 1
    );
}

#[test]
fn a_deep_tree_takes_memory_by_its_size_alone() {
    const DEPTH: u32 = 10_000;
    let mut memory = Memory::default();
    let mut at = memory.root();
    for _ in 0..DEPTH {
        // One to go on in, and one that waits meanwhile; links that could be remembered.
        let mut node = file(b"");
        node.attributes.nlink = 2;
        memory.add_to(at, b"f", node);
        memory.add_to(at, b"e", directory());
        at = memory.add_to(at, b"d", directory());
    }
    let mut outcome = None;
    let used = allocation_counter::measure(|| {
        outcome = write(&memory, "disk.raw", b"/", std::io::sink()).ok();
    });
    assert_eq!(outcome, Some(Outcome::Done));
    assert!(used.bytes_max < 64 << 20, "{} bytes", used.bytes_max);
}
