//! Trees that no path leads through: depth costs neither stack nor memory by its square.

use imgmount::check::{self, Second};
use imgmount::error::{Error, Result};
use imgmount::filesystem::{
    self, Attributes, Entry, FileSystem, FileType, Inode, Request, Timestamp, Usage,
};
use imgmount::source::{Extent, ExtentKind};

use crate::filesystem::fat::table::Table;
use crate::filesystem::fat::volume::Volume;
use crate::stack::synthetic;

/// A directory in which there are one to go on in, one that is empty, and a file with another name
/// elsewhere, and so on so many levels deep. An inode is its level, and which of the three it is.
struct Comb {
    levels: u64,
}

const NAMES: [&[u8]; 3] = [b"on", b"empty", b"file"];

impl FileSystem for Comb {
    fn root(&self) -> Inode {
        Inode(0)
    }

    fn lookup(&self, _: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        let place = NAMES.iter().position(|known| *known == name);
        let found = place.map(|place| Inode(dir.0 + 3 + place as u64));
        Ok(found.filter(|_| dir.0.is_multiple_of(3) && dir.0 / 3 < self.levels))
    }

    fn attributes(&self, _: &Request, inode: Inode) -> Result<Attributes> {
        let is_file = inode.0 % 3 == 2;
        Ok(Attributes {
            ino: inode.0,
            kind: match is_file {
                true => FileType::Regular,
                false => FileType::Directory,
            },
            mode: 0o755,
            uid: 0,
            gid: 0,
            size: 0,
            blocks: 0,
            block_size: 4096,
            nlink: 2,
            rdev: (0, 0),
            atime: Timestamp::default(),
            mtime: Timestamp::default(),
            ctime: Timestamp::default(),
            crtime: None,
            flags: 0,
            generation: 0,
        })
    }

    fn read_dir(
        &self,
        request: &Request,
        dir: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        for (next, name) in (1..).zip(NAMES) {
            let Some(inode) = self.lookup(request, dir, name)? else {
                break;
            };
            let kind = None;
            let entry = Entry {
                name,
                inode,
                kind,
                next,
            };
            if next > cursor && !each(entry) {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, _: &Request, _: Inode, _: &mut [u8], _: u64) -> Result<usize> {
        Ok(0)
    }

    fn extent_at(&self, _: &Request, _: Inode, offset: u64) -> Result<Extent> {
        let len = filesystem::length_to(offset, 1)?;
        let kind = ExtentKind::Data;
        Ok(Extent { kind, len })
    }

    fn read_link(&self, _: &Request, _: Inode) -> Result<Vec<u8>> {
        Err(Error::invalid("no link"))
    }

    fn xattr_names(&self, _: &Request, _: Inode, _: &mut dyn FnMut(&[u8])) -> Result<()> {
        Ok(())
    }

    fn xattr(&self, _: &Request, _: Inode, _: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }
}

#[test]
fn a_check_goes_a_hundred_thousand_directories_deep() {
    const LEVELS: u64 = 100_000;
    let comb = Comb { levels: LEVELS };
    let stack = synthetic::disk(synthetic::content(comb, b"comb", "0badcafe"));
    // Each file says that it has two names, and has one: a finding each, which is not kept here.
    let mut findings = 0_u64;
    let mut summaries = Vec::new();
    let used = allocation_counter::measure(|| {
        let each = &mut |_: check::Finding| findings += 1;
        summaries = check::check(&stack, each, &mut |_| ());
    });
    assert_eq!(summaries.len(), 1);
    assert_eq!(summaries[0].files, 1 + 3 * LEVELS);
    assert_eq!(summaries[0].second, Second::None);
    assert_eq!(findings, LEVELS);
    assert!(used.bytes_max < 128 << 20, "{} bytes", used.bytes_max);
}

/// The entries of a directory that begins with `cluster`, whose name has 255 letters of three bytes
/// but for the last, which is `last` as is all of its short name.
fn long_entries(last: u8, cluster: u16) -> Vec<u8> {
    let mut short = [b' '; 32];
    short[0] = last;
    short[11] = 0x10;
    short[12..].fill(0);
    short[26..28].copy_from_slice(&cluster.to_le_bytes());
    let sum = short[..11]
        .iter()
        .fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
    let mut units = vec![0x4e00_u16; 254];
    units.extend([u16::from(last), 0, 0xffff, 0xffff, 0xffff, 0xffff]);
    let mut entries = Vec::new();
    for (part, units) in (1_u8..=20).zip(units.chunks(13)).rev() {
        let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let number = if part == 20 { 0x40 | part } else { part };
        let (first, rest) = bytes.split_at(10);
        let (second, third) = rest.split_at(12);
        entries.extend([&[number], first, &[0x0f, 0, sum], second, &[0, 0], third].concat());
    }
    entries.extend(short);
    entries
}

/// Each directory holds an empty one and, behind it, the next: while the check is below, the empty
/// ones wait, each with a path as long as it lies deep.
#[test]
fn a_check_of_a_deep_fat_keeps_one_path() {
    need!(tool "mkfs.fat");
    const LEVELS: u16 = 1000;
    let volume = Volume::made("-F 16 -s 4", 10_000);
    volume.edit(|bytes| {
        let table = Table::of(bytes);
        for level in 0..=LEVELS {
            let next = 2 + 2 * level;
            let at = match level {
                0 => table.root,
                _ => table.place((next - 2).into()),
            };
            if level < LEVELS {
                let entries = [long_entries(b'E', next + 1), long_entries(b'O', next)].concat();
                bytes[at..at + entries.len()].copy_from_slice(&entries);
                table.set(bytes, next.into(), u32::MAX);
                table.set(bytes, (next + 1).into(), u32::MAX);
            }
        }
    });
    let opened = volume.open();
    let mut found = Vec::new();
    let used = allocation_counter::measure(|| {
        let each = &mut |error: Error| found.push(error.to_string());
        opened.filesystem.verify(&Request::new(0), each);
    });
    assert_eq!(found, [""; 0]);
    assert!(used.bytes_max < 32 << 20, "{} bytes", used.bytes_max);
    // It gets to the last: a lost chain is no finding where it is looked into.
    volume.edit(|bytes| {
        let table = Table::of(bytes);
        table.set(bytes, (2 * LEVELS + 1).into(), 2);
    });
    let each = &mut |error: Error| found.push(error.to_string());
    volume.open().filesystem.verify(&Request::new(0), each);
    let words = "cluster 2 is another file's too";
    assert!(
        found.len() == 1 && found[0].contains(words),
        "{}",
        found.len()
    );
}
