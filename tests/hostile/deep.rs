//! Trees that no path leads through: depth costs neither stack nor memory by its square.

use imgmount::check::{self, Second};
use imgmount::error::{Error, Result};
use imgmount::filesystem::{
    self, Attributes, Entry, FileSystem, FileType, Inode, Request, Timestamp, Usage,
};
use imgmount::source::{Extent, ExtentKind};

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
