//! A format whose reader panics: what a hostile image makes of a bug.

use std::sync::Mutex;

use imgmount::error::{Error, Kind, Result};
use imgmount::filesystem::{
    self, Attributes, Entry, FileSystem, FileType, Inode, Opened, Request, Timestamp, Usage,
};
use imgmount::format::{Context, Description, Format, Set};
use imgmount::source::{Extent, ExtentKind, SharedSource, Source, read_vec};
use imgmount::stack::Registries;

/// What an image begins with; the byte behind it says whether opening it goes well.
pub const MAGIC: &[u8] = b"PLANTED.";
/// It opens.
pub const OPENS: u8 = b'+';
/// Opening it meets the bug.
pub const PANICS: u8 = b'-';

/// Every format of the program, and file systems that have bugs in place of its own.
pub const REGISTRIES: Registries = Registries {
    filesystem: &[Format {
        name: "planted",
        claim,
        describe: |_| Ok(Description::default()),
        open,
    }],
    ..Registries::BUILT_IN
};

/// The file that can be read, and what is in it.
pub const GOOD: &[u8] = b"all is well\n";

/// The files and directories of the root. But for the first, asking for what each is called like
/// meets the bug.
pub const NAMES: [&str; 6] = ["good", "attributes", "lock", "read", "names", "xattrs"];

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let mut magic = [0; 8];
    let read = source.read_exact_at(&mut magic, 0);
    Ok((read.is_ok() && magic == MAGIC).then_some(Set::Alone))
}

fn open(members: &[SharedSource], _: &Context) -> Result<Opened> {
    let source = members.first().ok_or_else(|| Error::invalid("no volume"))?;
    assert_eq!(read_vec(&**source, 8, 1)?, [OPENS], "planted at opening");
    let filesystem: Box<dyn FileSystem> = Box::new(Planted::default());
    let extra = Vec::new();
    Ok(Opened { filesystem, extra })
}

#[derive(Default)]
struct Planted {
    /// What every read takes, and one of them panics with.
    held: Mutex<u64>,
}

const ROOT: Inode = Inode(2);

/// The number of the file `name`.
fn number(name: &str) -> u64 {
    let place = NAMES.iter().position(|known| *known == name);
    10 + place.expect("a name of the root") as u64
}

fn name(inode: Inode) -> Option<&'static str> {
    NAMES.into_iter().find(|name| number(name) == inode.0)
}

/// The bug in what `doing` does.
fn meet(inode: Inode, doing: &str) {
    assert!(name(inode) != Some(doing), "planted in {doing}");
}

impl FileSystem for Planted {
    fn root(&self) -> Inode {
        ROOT
    }

    fn lookup(&self, _: &Request, dir: Inode, wanted: &[u8]) -> Result<Option<Inode>> {
        let found = NAMES.into_iter().find(|name| name.as_bytes() == wanted);
        Ok(found
            .filter(|_| dir == ROOT)
            .map(|name| Inode(number(name))))
    }

    fn attributes(&self, _: &Request, inode: Inode) -> Result<Attributes> {
        meet(inode, "attributes");
        let is_directory = inode == ROOT || name(inode) == Some("names");
        let kind = match is_directory {
            true => FileType::Directory,
            false => FileType::Regular,
        };
        Ok(Attributes {
            ino: inode.0,
            kind,
            mode: if is_directory { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            size: if is_directory { 0 } else { GOOD.len() as u64 },
            blocks: 1,
            block_size: 4096,
            nlink: if is_directory { 2 } else { 1 },
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
        _: &Request,
        dir: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        meet(dir, "names");
        for (next, name) in (1..).zip(NAMES) {
            let entry = Entry {
                name: name.as_bytes(),
                inode: Inode(number(name)),
                kind: None,
                next,
            };
            if next > cursor && !each(entry) {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, _: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        meet(file, "read");
        let mut held = imgmount::lock::lock(&self.held);
        *held += 1;
        meet(file, "lock");
        let rest = GOOD.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn extent_at(&self, _: &Request, _: Inode, offset: u64) -> Result<Extent> {
        let len = filesystem::length_to(offset, GOOD.len() as u64)?;
        let kind = ExtentKind::Data;
        Ok(Extent { kind, len })
    }

    fn read_link(&self, _: &Request, _: Inode) -> Result<Vec<u8>> {
        Err(Error::new(Kind::Invalid, "no link"))
    }

    fn xattr_names(&self, _: &Request, inode: Inode, _: &mut dyn FnMut(&[u8])) -> Result<()> {
        meet(inode, "xattrs");
        Ok(())
    }

    fn xattr(&self, _: &Request, inode: Inode, _: &[u8]) -> Result<Option<Vec<u8>>> {
        meet(inode, "xattrs");
        Ok(None)
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }
}
