//! FAT12, FAT16 and FAT32 with long names, to Microsoft's specification (FATGEN 1.03), shown as the
//! kernel's vfat shows them.
//!
//! The handle of a file is the place of its directory entry on the volume, in units of 32 bytes,
//! and is the number that people see. The root, which has no entry, is 1.

mod boot_sector;
mod code_page;
mod content;
mod core;
mod describe;
mod directory;
mod entry;
mod family;
mod floppy;
mod layout;
mod long_name;
mod table;
mod usage;
mod verify;

use std::sync::OnceLock;

use self::boot_sector::SLOT;
use self::core::Core;
use self::directory::{Directory, ROOT};
use self::entry::{DirectoryEntry, READ_ONLY, Use};
use self::family::{Ancestors, LOOP};
use super::{
    Attributes, Entry, FileSystem, FileType, Inode, Open, Opened, Request, Timestamp, Usage,
    dos_time, length_to,
};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::{Context, Format};
use crate::source::{Extent, ExtentKind, SharedSource};

/// FAT12, FAT16 and FAT32.
pub(super) const FORMAT: Format<Open> = Format {
    name: "vfat",
    claim: describe::claim,
    describe: describe::describe,
    open,
};

/// DIR_Attr of a file, little-endian, in 32 bits as `FAT_IOCTL_GET_ATTRIBUTES` gives it. Not among
/// the names, as NTFS-3G leaves its `system.ntfs_attrib` out: programs that copy all they find could
/// set it nowhere.
const ATTRIBUTES: &[u8] = b"system.fat_attrib";

/// The cursor of the first entry on disk: `.` and `..` come before it.
const DOTS: u64 = 2;

fn open(members: &[SharedSource], context: &Context) -> Result<Opened> {
    let source = members.first().ok_or_else(|| Error::invalid("no volume"))?;
    let core = Core::open(source.clone(), context)?;
    if describe::is_dirty(&*core.source, &core.geometry) {
        context
            .notices
            .add("vfat: the volume was not unmounted cleanly, and some of it may be damaged");
    }
    Ok(Opened {
        filesystem: Box::new(Fat::new(core)),
        extra: Vec::new(),
    })
}

/// An open FAT.
struct Fat {
    core: Core,
    /// Counted when it is first asked for.
    usage: OnceLock<Usage>,
}

/// What a handle stands for.
enum Node {
    /// The root, which has no entry.
    Root,
    /// A file or a directory.
    Entry(DirectoryEntry),
}

impl Fat {
    fn new(core: Core) -> Self {
        Self {
            core,
            usage: OnceLock::new(),
        }
    }

    fn node(&self, request: &Request, inode: Inode) -> Result<Node> {
        if inode == ROOT {
            return Ok(Node::Root);
        }
        request.spend(1)?;
        let offset = (inode.0 & !LOOP).saturating_mul(SLOT);
        let entry = DirectoryEntry::new(&self.core.read(offset, 32)?);
        let entry = entry.filter(|entry| entry.purpose() == Use::File);
        let entry =
            entry.ok_or_else(|| Error::corrupt("no entry of a file is there").at(offset))?;
        if inode.0 & LOOP != 0 {
            let text = "the directory lies in itself: its first cluster is an ancestor's";
            return Err(Error::corrupt(text).at(offset));
        }
        Ok(Node::Entry(entry))
    }

    fn directory<'a>(&'a self, request: &'a Request, inode: Inode) -> Result<Directory<'a>> {
        match self.node(request, inode)? {
            Node::Root => Ok(Directory::root(&self.core, request)),
            Node::Entry(entry) if entry.is_directory() => {
                let cluster = entry.directory_cluster(&self.core.geometry);
                let cluster = cluster.map_err(|error| error.at(inode.0.saturating_mul(SLOT)))?;
                Ok(Directory::of(&self.core, request, inode, cluster))
            }
            Node::Entry(_) => Err(Error::new(Kind::NotADirectory, "no directory")),
        }
    }

    fn file(&self, request: &Request, inode: Inode) -> Result<DirectoryEntry> {
        match self.node(request, inode)? {
            Node::Entry(entry) if !entry.is_directory() => Ok(entry),
            _ => Err(Error::new(Kind::IsADirectory, "a directory")),
        }
    }

    /// What the kernel's driver makes of the attributes and the masks: nobody may write what is
    /// read-only, except that on a directory the bit means nothing.
    fn mode(&self, node: &Node) -> u16 {
        let owner = self.core.owner;
        match node {
            Node::Entry(entry) if !entry.is_directory() => {
                let read_only = entry.attributes() & READ_ONLY != 0;
                let mode = if read_only { 0o555 } else { 0o777 };
                mode & !owner.fmask
            }
            _ => 0o777 & !owner.dmask,
        }
    }

    fn fill(&self, request: &Request, inode: Inode) -> Result<Attributes> {
        let node = self.node(request, inode)?;
        let cluster_size = self.core.geometry.cluster_size();
        let (kind, size, nlink) = match &node {
            Node::Entry(entry) if !entry.is_directory() => (FileType::Regular, entry.size(), 1),
            _ => {
                let directory = self.directory(request, inode)?;
                let nlink = family::links(&self.core, request, directory.place)?;
                (FileType::Directory, directory.size(), nlink)
            }
        };
        let [crtime, mtime, atime] = match &node {
            Node::Root => Default::default(),
            Node::Entry(entry) => self.times(entry),
        };
        Ok(Attributes {
            ino: inode.0,
            kind,
            mode: self.mode(&node),
            uid: self.core.owner.uid,
            gid: self.core.owner.gid,
            size,
            blocks: size
                .div_ceil(cluster_size.max(1))
                .saturating_mul(cluster_size / 512),
            block_size: u32::try_from(cluster_size).unwrap_or(u32::MAX),
            nlink,
            rdev: (0, 0),
            atime,
            mtime,
            // The format has none, and the kernel gives this.
            ctime: mtime,
            crtime: matches!(node, Node::Entry(_)).then_some(crtime),
            flags: 0,
            generation: 0,
        })
    }

    /// Creation, last change, last access.
    fn times(&self, entry: &DirectoryEntry) -> [Timestamp; 3] {
        let raw = &entry.raw;
        let moments = [
            (raw.DIR_CrtDate, raw.DIR_CrtTime, raw.DIR_CrtTimeTenth),
            (raw.DIR_WrtDate, raw.DIR_WrtTime, 0),
            (raw.DIR_LstAccDate, 0.into(), 0),
        ];
        moments.map(|(date, time, hundredths)| {
            let seconds = dos_time::seconds(date.get(), time.get());
            let behind = i64::from(self.core.time_offset).saturating_mul(60);
            let seconds = seconds.saturating_sub(behind);
            Timestamp {
                seconds: seconds.saturating_add((hundredths / 100).into()),
                nanoseconds: u32::from(hundredths % 100).saturating_mul(10_000_000),
            }
        })
    }

    /// Gives `each` the entries behind the dots.
    fn files(
        &self,
        directory: &Directory<'_>,
        ancestors: &Ancestors,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        let mut failed = Ok(());
        let result = directory.files(cursor.saturating_sub(DOTS), &mut |file| {
            let name = file.name(&self.core);
            let shown = match directory.shown(&file, &name) {
                Ok(shown) => shown,
                Err(error) => {
                    failed = Err(error);
                    return false;
                }
            };
            let is_directory = file.entry.is_directory();
            each(Entry {
                name: &shown,
                inode: ancestors.handle(&self.core, &file.entry, file.inode),
                kind: Some(match is_directory {
                    true => FileType::Directory,
                    false => FileType::Regular,
                }),
                next: file.slot.saturating_add(DOTS).saturating_add(1),
            })
        });
        failed
            .and(result)
            .map_err(|error| error.at(directory.start()))
    }
}

impl FileSystem for Fat {
    fn root(&self) -> Inode {
        ROOT
    }

    fn lookup(&self, request: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        let directory = self.directory(request, dir)?;
        let found = directory.find(name).context(|| context(dir))?;
        let Some(file) = found else {
            return Ok(None);
        };
        if !file.entry.is_directory() {
            return Ok(Some(file.inode));
        }
        let ancestors = Ancestors::of(&directory)?;
        Ok(Some(ancestors.handle(&self.core, &file.entry, file.inode)))
    }

    fn attributes(&self, request: &Request, inode: Inode) -> Result<Attributes> {
        self.fill(request, inode).context(|| context(inode))
    }

    fn read_dir(
        &self,
        request: &Request,
        dir: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        let directory = self.directory(request, dir).context(|| context(dir))?;
        let ancestors = Ancestors::of(&directory)?;
        let dots = [(b".".as_slice(), dir, 1), (b"..", ancestors.parent, DOTS)];
        for (name, inode, next) in dots.into_iter().filter(|dot| dot.2 > cursor) {
            let kind = Some(FileType::Directory);
            let entry = Entry {
                name,
                inode,
                kind,
                next,
            };
            if !each(entry) {
                return Ok(());
            }
        }
        self.files(&directory, &ancestors, cursor, each)
            .context(|| context(dir))
    }

    fn read(&self, request: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        let entry = self.file(request, file)?;
        // What no entry of the FAT is to blame for, the one of the directory is.
        content::read(&self.core, request, &entry, buf, offset)
            .map_err(|error| error.at(file.0.saturating_mul(SLOT)))
            .context(|| context(file))
    }

    fn extent_at(&self, request: &Request, file: Inode, offset: u64) -> Result<Extent> {
        let entry = self.file(request, file)?;
        Ok(Extent {
            kind: ExtentKind::Data,
            len: length_to(offset, entry.size())?,
        })
    }

    fn read_link(&self, _request: &Request, _link: Inode) -> Result<Vec<u8>> {
        Err(Error::invalid("FAT has no symbolic links"))
    }

    fn xattr_names(
        &self,
        _request: &Request,
        _inode: Inode,
        _each: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        Ok(())
    }

    fn xattr(&self, request: &Request, inode: Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
        if name != ATTRIBUTES {
            return Ok(None);
        }
        let attributes = match self.node(request, inode)? {
            Node::Root => entry::DIRECTORY,
            Node::Entry(entry) => entry.attributes(),
        };
        Ok(Some(u32::from(attributes).to_le_bytes().to_vec()))
    }

    fn usage(&self) -> Usage {
        *self.usage.get_or_init(|| usage::usage(&self.core))
    }

    fn verify(&self, request: &Request, each: &mut dyn FnMut(Error)) {
        verify::verify(&self.core, request, each);
    }
}

/// The object of an error.
fn context(inode: Inode) -> String {
    match inode {
        ROOT => "root directory".to_owned(),
        Inode(number) => format!("inode {}", number & !LOOP),
    }
}
