//! The walk over one file system through the library, without a mount.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use imgmount::error::{Result, printable};
use imgmount::filesystem::{Attributes, FileSystem, FileType, Inode, Request, Timestamp};
use imgmount::service::open::{self, Image, Options};
use imgmount::source::ExtentKind;
use imgmount::stack::{Content, Node};

use super::record::{Record, Tree};
use super::walk::{content, join};

/// Opens `image` with `options`. What this process has just written is for a moment open for writing
/// in whatever another thread starts meanwhile, which is waited for.
pub fn open_with(image: &Path, options: &Options) -> Image {
    let attempt = || open::open(image, options).unwrap_or_else(|error| panic!("{error}"));
    let is_written = |image: &Image| {
        let notices = image.notices.all();
        notices.iter().any(|text| text.contains("for writing"))
    };
    let mut opened = attempt();
    for _ in 0..100 {
        if !is_written(&opened) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
        opened = attempt();
    }
    opened
}

/// The file system that is the whole of `image`.
pub fn file_system(image: &Image) -> Arc<dyn FileSystem> {
    of_node(&image.stack.disks[0])
}

/// The file system of the partition or volume called `name`.
pub fn volume(image: &Image, name: &str) -> Arc<dyn FileSystem> {
    let Content::Table { children, .. } = &image.stack.disks[0].content else {
        panic!("no partition table");
    };
    let node = children.iter().find(|node| node.name == name);
    of_node(node.unwrap_or_else(|| panic!("no {name}")))
}

fn of_node(node: &Node) -> Arc<dyn FileSystem> {
    match &node.content {
        Content::FileSystem { filesystem, .. } => filesystem.clone(),
        Content::Damaged { error, .. } => panic!("{}: {error}", node.name),
        _ => panic!("{}: no file system", node.name),
    }
}

/// Everything in `filesystem`.
pub fn walk(filesystem: &dyn FileSystem) -> Tree {
    let mut tree = Tree::new();
    let mut left = vec![(Vec::new(), filesystem.root())];
    while let Some((path, inode)) = left.pop() {
        let (record, below) = look(filesystem, inode);
        for (name, inode) in below {
            left.push((join(&path, &name), inode));
        }
        tree.insert(path, record);
    }
    tree
}

/// The inode at `path`, by lookups.
pub fn find(filesystem: &dyn FileSystem, path: &[u8]) -> Inode {
    let names = path.split(|byte| *byte == b'/');
    names.fold(filesystem.root(), |folder, name| {
        let found = filesystem.lookup(&request(), folder, name).unwrap();
        found.unwrap_or_else(|| panic!("no {}", printable(name)))
    })
}

/// The contents of the file at `path`, whose names are as [`printable`] shows them.
pub fn read_path(filesystem: &dyn FileSystem, path: &str) -> Vec<u8> {
    let inode = path.split('/').fold(filesystem.root(), |folder, name| {
        let mut found = None;
        let mut each = |entry: imgmount::filesystem::Entry<'_>| {
            if printable(entry.name) == name {
                found = Some(entry.inode);
            }
            found.is_none()
        };
        filesystem
            .read_dir(&request(), folder, 0, &mut each)
            .unwrap();
        found.unwrap_or_else(|| panic!("no {path}"))
    });
    let size = filesystem.attributes(&request(), inode).unwrap().size;
    let mut bytes = vec![0; usize::try_from(size).unwrap()];
    let got = filesystem.read(&request(), inode, &mut bytes, 0).unwrap();
    bytes.truncate(got);
    bytes
}

/// One file, and what is in it if it is a directory.
pub fn look(filesystem: &dyn FileSystem, inode: Inode) -> (Record, Vec<(Vec<u8>, Inode)>) {
    let attributes = filesystem.attributes(&request(), inode).unwrap();
    let mut record = of_attributes(&attributes);
    record.xattrs = xattrs(filesystem, inode);
    let mut below = Vec::new();
    match attributes.kind {
        FileType::Symlink => {
            record.target = Some(filesystem.read_link(&request(), inode).unwrap());
        }
        FileType::Directory => {
            let entries = entries(filesystem, inode, &mut below);
            record.entries = Some(entries);
        }
        FileType::Regular => of_file(filesystem, inode, &mut record),
        _ => {}
    }
    (record, below)
}

/// A request of root.
pub fn request() -> Request {
    Request::new(0)
}

fn of_attributes(attributes: &Attributes) -> Record {
    let time = |time: Timestamp| (time.seconds, time.nanoseconds);
    let has_flags = matches!(attributes.kind, FileType::Regular | FileType::Directory);
    Record {
        kind: letter(attributes.kind),
        mode: u32::from(attributes.mode),
        uid: attributes.uid,
        gid: attributes.gid,
        size: attributes.size,
        blocks: attributes.blocks,
        block_size: attributes.block_size,
        nlink: attributes.nlink,
        rdev: attributes.rdev,
        atime: time(attributes.atime),
        mtime: time(attributes.mtime),
        ctime: time(attributes.ctime),
        crtime: attributes.crtime.map(time),
        flags: has_flags.then_some(attributes.flags),
        ino: attributes.ino,
        ..Record::default()
    }
}

fn of_file(filesystem: &dyn FileSystem, inode: Inode, record: &mut Record) {
    let map = match data_ranges(filesystem, inode, record.size) {
        Ok(map) => map,
        Err(error) => {
            record.content = Some(Err(error.to_string()));
            return;
        }
    };
    let mut read = |buf: &mut [u8], offset: u64| {
        filesystem
            .read(&request(), inode, buf, offset)
            .map_err(|error| error.to_string())
    };
    record.content = Some(content(&map, record.size, &mut read));
    record.map = Some(map);
}

/// The entries with number and type, `?` where the entry does not say it. Each name is looked up
/// too, and must lead to the same inode.
fn entries(
    filesystem: &dyn FileSystem,
    folder: Inode,
    below: &mut Vec<(Vec<u8>, Inode)>,
) -> BTreeMap<Vec<u8>, (u64, char)> {
    let mut found = Vec::new();
    let mut each = |entry: imgmount::filesystem::Entry<'_>| {
        assert!(
            entry.next > 0 && entry.next < 1 << 63,
            "cursor {}",
            entry.next
        );
        found.push((entry.name.to_vec(), entry.inode, entry.kind));
        true
    };
    filesystem
        .read_dir(&request(), folder, 0, &mut each)
        .unwrap();
    let mut entries = BTreeMap::new();
    for (name, inode, kind) in found {
        let attributes = filesystem.attributes(&request(), inode).unwrap();
        let letter = kind.map_or('?', letter);
        let twice = entries.insert(name.clone(), (attributes.ino, letter));
        assert!(twice.is_none(), "{name:?} is given twice");
        if name != b"." && name != b".." {
            let looked_up = filesystem.lookup(&request(), folder, &name).unwrap();
            assert_eq!(looked_up, Some(inode), "lookup of {name:?}");
            below.push((name, inode));
        }
    }
    entries
}

fn xattrs(filesystem: &dyn FileSystem, inode: Inode) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = Vec::new();
    let mut each = |name: &[u8]| names.push(name.to_vec());
    filesystem
        .xattr_names(&request(), inode, &mut each)
        .unwrap();
    let value = |name: Vec<u8>| {
        let value = filesystem.xattr(&request(), inode, &name).unwrap();
        let value = value.unwrap_or_else(|| panic!("{name:?} is listed and not there"));
        (name, value)
    };
    names.into_iter().map(value).collect()
}

/// The ranges of data, neighbours joined.
fn data_ranges(filesystem: &dyn FileSystem, inode: Inode, size: u64) -> Result<Vec<(u64, u64)>> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    let mut offset = 0;
    while offset < size {
        let extent = filesystem.extent_at(&request(), inode, offset)?;
        let end = offset.saturating_add(extent.len.get()).min(size);
        if extent.kind == ExtentKind::Data {
            match ranges.last_mut() {
                Some((_, last)) if *last == offset => *last = end,
                _ => ranges.push((offset, end)),
            }
        }
        offset = end;
    }
    Ok(ranges)
}

fn letter(kind: FileType) -> char {
    match kind {
        FileType::Regular => 'f',
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
    }
}
