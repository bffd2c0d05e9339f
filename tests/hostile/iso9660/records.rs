//! I02, I03, I07, I09: directory records and what they lead to.

use imgmount::check;
use imgmount::filesystem::{Cancel, Entry, Request};
use imgmount::service::open::Options as OpenOptions;

use super::*;
use crate::hostile::opened::{names_from, opened};
use crate::support::library;

#[test]
fn i02_record_lengths() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let two = seed.at("TWO.;1");
    for length in [1, 33, 38] {
        let bytes = seed.changed(|bytes| bytes[two] = length);
        let words = format!("a directory record of {length} bytes, its name not in them");
        let walked = fails(seed, &bytes, "dir", &words, two);
        assert!(
            walked.nodes.contains_key("dir/one"),
            "{length}: what is before it"
        );
        assert!(!walked.nodes.contains_key("dir/two"), "{length}");
    }
    // A zero ends the sector's records: what is behind it is not there, as for the kernel, of which a
    // notice tells.
    let words = "behind the last record of a sector there are bytes that are not zero";
    let leftover = |walk: &Walk| walk.notices.iter().any(|notice| notice.contains(words));
    assert!(!leftover(&walk(&seed.bytes)));
    let bytes = seed.changed(|bytes| bytes[two] = 0);
    let walked = walk(&bytes);
    for (path, is_there) in [("dir/one", true), ("dir/two", false), ("dir/zzz", false)] {
        assert_eq!(walked.nodes.contains_key(path), is_there, "{path}");
    }
    let first = (two..).find(|at| bytes[*at] != 0).unwrap();
    let there = format!("{words} at byte {first:#x}, ");
    let is_there = |notice: &String| notice.contains(&there);
    assert!(walked.notices.iter().any(is_there), "{:?}", walked.notices);
    assert!(
        walked
            .notices
            .iter()
            .any(|notice| notice.contains(": inode "))
    );
    assert_eq!(
        walked.nodes["other/kept"].content,
        walk(&seed.bytes).nodes["other/kept"].content
    );
}

/// A program that leaves something behind the records does so in each directory: that is one notice,
/// and takes no other's place.
#[test]
fn i02_what_is_behind_the_records_of_many_directories_is_told_once() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let bytes = seed.changed(|bytes| {
        for name in ["DIR", "OTHER"] {
            let start = word(&seed.bytes, seed.at(name) + 2) * SECTOR;
            bytes[start + SECTOR - 1] = 1;
        }
    });
    let said = walk(&bytes).notices;
    let words = "behind the last record of a sector there are bytes that are not zero";
    let said: Vec<_> = said.iter().filter(|it| it.contains(words)).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].ends_with(", and perhaps in other directories"),
        "{said:?}"
    );
}

/// The directory says of itself that it has 4 GiB, and all but its first sector are zeros.
#[test]
fn i02_a_directory_of_4_gib_of_zeros_ends() {
    need!(tool "xorriso");
    const SIZE: u32 = 0xffff_f800;
    let seed = rock_ridge();
    let dir = seed.at("DIR");
    let start = word(&seed.bytes, dir + 2) * SECTOR;
    let moved = seed.bytes.len();
    let bytes = seed.changed(|bytes| {
        bytes.extend(&seed.bytes[start..start + SECTOR]);
        for at in [dir, moved] {
            put(bytes, at + 2, &both((moved / SECTOR) as u32));
            put(bytes, at + 10, &both(SIZE));
        }
    });
    let scratch = Scratch::new();
    let image = scratch.join("disc.iso");
    std::fs::write(&image, &bytes).unwrap();
    let file = std::fs::File::options().write(true).open(&image).unwrap();
    file.set_len(moved as u64 + u64::from(SIZE)).unwrap();
    let opened = library::open_with(&image, &OpenOptions::default());
    let filesystem = library::file_system(&opened);
    let folder = library::find(&*filesystem, b"dir");
    let mut names = Vec::new();
    let each = &mut |entry: Entry<'_>| {
        names.push(entry.name.to_vec());
        true
    };
    let read = filesystem.read_dir(&Request::new(0), folder, 0, each);
    blames(
        &read.unwrap_err(),
        Kind::Corrupt,
        &["work limit"],
        moved as u64,
    );
    assert_eq!(names, [&b"."[..], b"..", b"one", b"two", b"zzz"]);
    // Nobody waits for the rest of it.
    let request = Request {
        cancel: Cancel::new(),
        ..Request::new(0)
    };
    let mut left = 5;
    let read = filesystem.read_dir(&request, folder, 0, &mut |_| {
        left -= 1;
        if left == 0 {
            request.cancel.set();
        }
        true
    });
    super::super::expect::names(&read.unwrap_err(), Kind::Io, &["interrupted"]);
}

#[test]
fn i02_a_record_over_the_end_of_its_sector_costs_none_of_the_next() {
    need!(tool "xorriso");
    let seed = Seed::make("-R", |files| {
        fill(files);
        for number in 0..60 {
            std::fs::write(files.join(format!("dir/file{number:02}")), "x").unwrap();
        }
    });
    let last = seed
        .records
        .values()
        .filter(|at| *at % SECTOR > SECTOR - 250);
    let last = *last.min().expect("a record near the end of a sector");
    let bytes = seed.changed(|bytes| bytes[last] = 0xff);
    let left = SECTOR - last % SECTOR;
    let words = format!("a directory record of 255 bytes, {left} before the sector ends");
    // Who lists it piece by piece is told at the end, when the place is behind; a notice has it.
    let start = word(&bytes, seed.at("DIR") + 2) * SECTOR;
    let later = "a directory with damage before this place";
    let walked = fails(&seed, &bytes, "dir", later, start);
    notices(&walked, &words, last);
    let count = |walk: &Walk| {
        walk.nodes
            .keys()
            .filter(|path| path.starts_with("dir/"))
            .count()
    };
    // It, and another one behind it at most.
    assert!(count(&walked) + 2 >= count(&walk(&seed.bytes)));
}

/// What lies in a directory before a sector that cannot be read is listed, wherever the listing is
/// taken up again.
#[test]
fn i02_a_sector_of_a_directory_that_cannot_be_read() {
    need!(tool "xorriso");
    let seed = Seed::make("-R", |files| {
        fill(files);
        for number in 0..400 {
            std::fs::write(files.join(format!("dir/file{number:03}")), "").unwrap();
        }
    });
    let start = word(&seed.bytes, seed.at("DIR") + 2) * SECTOR;
    let records_in = |sector: usize| {
        let (mut at, mut count) = (start + sector * SECTOR, 0);
        let end = at + SECTOR;
        while at < end && seed.bytes[at] > 0 {
            at += usize::from(seed.bytes[at]);
            count += 1;
        }
        count
    };
    let bytes = std::sync::Arc::new(seed.bytes.clone());
    for bad in [1, 5, 20] {
        let at = start + bad * SECTOR;
        let source = BadSector {
            bytes: bytes.clone(),
            sector: (at / 512) as u64,
        };
        let walked = walk_source(std::sync::Arc::new(source), &Options::default());
        let Seen::Directory(entries, Some(error)) = &walked.nodes["dir"].content else {
            panic!("{bad}: no error");
        };
        let before: usize = (0..bad).map(records_in).sum();
        assert_eq!(entries.len(), before, "{bad}: {error}");
        assert_eq!(error.offset(), Some(at as u64), "{error}");
    }
}

#[test]
fn i03_directories_in_themselves_and_in_their_parents_end() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let (dir, own) = (seed.at("DIR"), seed.at("OTHER"));
    let root = u32::from_le_bytes(seed.bytes[16 * SECTOR + 158..][..4].try_into().unwrap());
    for block in [root, 0, 0x7fff_ffff, 0xffff_ffff] {
        let bytes = seed.changed(|bytes| put(bytes, dir + 2, &both(block)));
        let walked = walk(&bytes);
        assert!(walked.refused.is_none());
        assert_eq!(walked.nodes["other/kept"].error(), None, "{block}");
        let words = match block {
            0 => "no directory record is there",
            _ => "a directory record is past the end of the image",
        };
        if block != root {
            corrupt(&walked, "dir", words, block as usize * SECTOR);
            continue;
        }
        // The same directory once more, which is where a walk ends.
        let (again, above) = (&walked.nodes["dir"], &walked.nodes[""]);
        assert_eq!(again.attributes, above.attributes);
        assert_eq!(again.error(), None);
    }
    // One that says that its entries are the other's.
    let other: [u8; 8] = seed.bytes[own + 2..][..8].try_into().unwrap();
    let start = u32::from_le_bytes(seed.bytes[dir + 2..][..4].try_into().unwrap()) as usize;
    let bytes = seed.changed(|bytes| put(bytes, start * SECTOR + 2, &other));
    assert!(walk(&bytes).nodes.contains_key("dir/kept"));
}

/// What is known of one directory is not taken for another's that begins at the same place.
#[test]
fn i03_a_directory_that_says_to_begin_where_another_does() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let block = |name| {
        let at = seed.at(name) + 2;
        u32::from_le_bytes(seed.bytes[at..][..4].try_into().unwrap())
    };
    let (dir, other) = (block("DIR"), block("OTHER"));
    assert_eq!(other, dir + 1, "a sector each");
    let bytes = seed.changed(|bytes| {
        let own = other as usize * SECTOR;
        put(bytes, own + 2, &both(dir));
        put(bytes, own + 10, &both(2 * SECTOR as u32));
    });
    for is_dir_first in [true, false] {
        let filesystem = opened("iso9660", &bytes);
        let look_up = |dir, name: &str| {
            let found = filesystem.lookup(&Request::new(0), dir, name.as_bytes());
            found.unwrap()
        };
        let folder = |name| look_up(filesystem.root(), name).unwrap();
        if is_dir_first {
            assert_eq!(look_up(folder("dir"), "kept"), None);
        }
        let (names, end) = names_from(&*filesystem, folder("other"), 0, usize::MAX);
        end.unwrap();
        for name in ["one", "kept"] {
            assert!(names.iter().any(|it| it == name.as_bytes()), "{names:?}");
            let found = look_up(folder("other"), name);
            assert!(found.is_some(), "{name}, {is_dir_first}");
        }
        let found = look_up(folder("dir"), "kept");
        assert_eq!(found, None, "{is_dir_first}");
    }
}

#[test]
fn i03_find_comes_to_an_end_in_the_mount() {
    need!(fuse, tool "xorriso", tool "mke2fs");
    let seed = rock_ridge();
    let dir = seed.at("DIR");
    let root = u32::from_le_bytes(seed.bytes[16 * SECTOR + 158..][..4].try_into().unwrap());
    let bytes = seed.changed(|bytes| put(bytes, dir + 2, &both(root)));
    let found = crate::mount::loops::find(&bytes);
    assert!(found.iter().any(|path| path == "other/kept%f"), "{found:?}");
}

#[test]
fn i03_a_directory_of_one_name_ends() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let (dir, two) = (seed.at("DIR"), seed.at("TWO.;1"));
    let record = |at: usize| &seed.bytes[at..at + usize::from(seed.bytes[at])];
    let start =
        u32::from_le_bytes(seed.bytes[dir + 2..][..4].try_into().unwrap()) as usize * SECTOR;
    let own = record(start);
    let above = record(start + own.len());
    let mut content = [own, above].concat();
    for _ in 0..one_name::MANY {
        let left = SECTOR - content.len() % SECTOR;
        if left < record(two).len() {
            content.resize(content.len() + left, 0);
        }
        content.extend(record(two));
    }
    content.resize(content.len().next_multiple_of(SECTOR), 0);
    let mut bytes = seed.bytes.clone();
    let block = both((bytes.len() / SECTOR) as u32);
    let size = both(content.len() as u32);
    bytes.extend(content);
    for at in [dir, seed.bytes.len()] {
        put(&mut bytes, at + 2, &block);
        put(&mut bytes, at + 10, &size);
    }
    let at = seed.bytes.len();
    one_name::ends(&bytes, (b"dir", Some(at)), "two", "TWO");
}

#[test]
fn i07_interleaved_files() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let at = seed.at("KEPT.;1");
    let bytes = seed.changed(|bytes| put(bytes, at + 26, &[1, 1]));
    let walked = walk(&bytes);
    let Seen::File(_, content, error) = &walked.nodes["other/kept"].content else {
        panic!("no file");
    };
    // One sector is its own, the next one is left out, and so on over the disc.
    let start = word(&bytes, at + 2) * SECTOR;
    let place = |byte: usize| start + byte / SECTOR * 2 * SECTOR + byte % SECTOR;
    let expected: Vec<u8> = (0..5000).map(|byte| bytes[place(byte)]).collect();
    assert_eq!(*error, None);
    assert!(*content == expected);
    let bytes = seed.changed(|bytes| put(bytes, at + 26, &[0, 1]));
    let words = "file unit size 0 of an interleaved file";
    fails(seed, &bytes, "other/kept", words, at);
}

#[test]
fn i09_compressed_blocks() {
    need!(tool "xorriso");
    let scratch = Scratch::new();
    let file = scratch.join("file");
    let text: Vec<u8> = (0..60_000_u32)
        .flat_map(|it| (it / 7).to_le_bytes())
        .collect();
    std::fs::write(&file, &text).unwrap();
    let image = scratch.join("disc.iso");
    let xorriso = Run::new("xorriso").arg("-outdev").arg(&image);
    let xorriso = xorriso.arg("-map").arg(&file).arg("/packed");
    let xorriso = xorriso.arg("-map").arg(&file).arg("/plain");
    xorriso
        .words("-set_filter --zisofs /packed -- -commit -end")
        .run();
    let bytes = std::fs::read(&image).unwrap();
    let magic = [0x37, 0xe4, 0x53, 0x96, 0xc9, 0xdb, 0xd6, 0x07];
    let header = bytes.windows(8).position(|it| it == magic).unwrap();
    let seed = Seed {
        records: records(&bytes),
        bytes,
    };
    let whole = walk(&seed.bytes);
    assert_eq!(whole.nodes["packed"].content, whole.nodes["plain"].content);
    let table = header + 16;
    // Each block is from where its own entry says to where the next one's does.
    for (place, value, index) in [
        (table, 0xffff_fff0_u32, 0),
        (table + 4, 0, 0),
        (table + 4, 0xffff_ffff, 0),
        (table + 8, 1, 1),
    ] {
        let bytes = seed.changed(|bytes| put(bytes, place, &value.to_le_bytes()));
        let at = table + index * 4;
        let (from, to) = (word(&bytes, at), word(&bytes, at + 4));
        let words = format!("compressed block {index} from byte {from} to byte {to}");
        fails(&seed, &bytes, "packed", &words, at);
    }
    // Blocks of garbage, and of other sizes than writers make.
    let hit = table + 100..table + 200;
    let block = |index: usize| header + word(&seed.bytes, table + index * 4);
    let first = (0..8).find(|index| block(index + 1) > hit.start).unwrap();
    let bytes = seed.changed(|bytes| bytes[hit].fill(0xee));
    let length = block(first + 1) - block(first);
    let words = format!("a compressed block of {length} bytes: ");
    fails(&seed, &bytes, "packed", &words, block(first));
    let at = seed.at("PACKED.;1");
    let entry = entry(&seed.bytes, at, b"ZF");
    for bits in [0, 11, 21, 63, 255] {
        let bytes = seed.changed(|bytes| bytes[entry + 7] = bits);
        let words = format!("blocks of 2^{bits} bytes (ZF)");
        fails(&seed, &bytes, "packed", &words, at);
    }
    let bytes = seed.changed(|bytes| put(bytes, entry + 8, &both(0xffff_ffff)));
    let walked = walk(&bytes);
    let words = format!("is past the {} that are stored", word(&seed.bytes, at + 10));
    corrupt(&walked, "packed", &words, at);
    others_are_whole(&seed, &walked, &["packed"]);
}

/// The directory's own size ends within a record.
#[test]
fn i02_a_record_past_the_end_of_its_directory() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let (dir, two) = (seed.at("DIR"), seed.at("TWO.;1"));
    let start = word(&seed.bytes, dir + 2) * SECTOR;
    let length = seed.bytes[two];
    for left in [1, 33, usize::from(length) - 1] {
        let size = both((two - start + left) as u32);
        let bytes = seed.changed(|bytes| {
            for at in [dir, start] {
                put(bytes, at + 10, &size);
            }
        });
        let words = format!("a directory record of {length} bytes, {left} before the sector ends");
        let walked = fails(seed, &bytes, "dir", &words, two);
        assert!(walked.nodes.contains_key("dir/one"));
        assert!(!walked.nodes.contains_key("dir/two"));
    }
}

/// Ten thousand directories in each other, on a disc of names that are one letter.
#[test]
fn i03_a_path_of_ten_thousand_directories() {
    need!(tool "xorriso");
    const DEPTH: u32 = 10_000;
    let seed = Seed::make("-iso-level 3", fill);
    let (dot, record) = (seed.at("\0"), seed.at("DIR"));
    let record = &seed.bytes[record..record + usize::from(seed.bytes[record])];
    let first = (seed.bytes.len() / SECTOR) as u32;
    let mut bytes = seed.bytes.clone();
    for level in 0..DEPTH {
        let block = first + level;
        let mut sector = Vec::new();
        for (name, block) in [(0, block), (1, block.max(first + 1) - 1), (2, block + 1)] {
            if name == 2 && level + 1 == DEPTH {
                continue;
            }
            let own = match name {
                2 => record,
                _ => &seed.bytes[dot..dot + usize::from(seed.bytes[dot])],
            };
            let at = sector.len();
            sector.extend(own);
            put(&mut sector, at + 2, &both(block));
            put(&mut sector, at + 10, &both(SECTOR as u32));
            if name == 1 {
                sector[at + 33] = 1;
            }
        }
        sector.resize(SECTOR, 0);
        bytes.extend(sector);
    }
    put(&mut bytes, 16 * SECTOR + 158, &both(first));
    let scratch = Scratch::new();
    let image = scratch.join("deep.iso");
    std::fs::write(&image, &bytes).unwrap();
    let opened = library::open_with(&image, &OpenOptions::default());
    let filesystem = library::file_system(&opened);
    let path = ["dir"; DEPTH as usize - 1].join("/");
    let last = library::find(&*filesystem, path.as_bytes());
    let attributes = filesystem.attributes(&Request::new(0), last).unwrap();
    assert_eq!(attributes.kind, FileType::Directory);
    let found = filesystem.lookup(&Request::new(0), last, b"dir");
    assert_eq!(found, Ok(None));
    let mut findings = Vec::new();
    let each = &mut |finding: check::Finding| findings.push(finding.error.to_string());
    let summaries = check::check(&opened.stack, each, &mut |_| ());
    assert_eq!(findings, [""; 0]);
    assert_eq!(summaries[0].files, u64::from(DEPTH));
}
