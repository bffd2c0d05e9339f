//! UDF, to ECMA-167 (third edition) and the OSTA specifications 1.02 to 2.60.
//!
//! All methods take `&self`, keep no state but in the cache, and read through the source, which is
//! cached. The handle of a file is where its ICB begins: partition and block.

mod allocation;
mod anchor;
mod attribute;
mod content;
mod describe;
mod directory;
mod disk;
mod icb;
mod integrity;
mod layout;
mod link;
mod metadata;
mod partition;
mod recognition;
mod sequence;
mod sparing;
mod stream;
mod tag;
mod text;
mod time;
mod usage;
mod vat;
mod verify;
mod volume;

use std::mem::offset_of;
use std::sync::OnceLock;

use self::anchor::Anchor;
use self::directory::Directory;
use self::disk::Disk;
use self::icb::FileEntry;
use self::integrity::Integrity;
use self::layout::{RawExtent, RawFileSet, RawLogicalVolume};
use self::partition::Kind;
use self::sequence::Sequence;
use self::volume::{Address, Volume};
use super::index::Index;
use super::{Attributes, Entry, FileSystem, FileType, Inode, Open, Opened, Request, Usage};
use crate::error::{Error, Kind as ErrorKind, Result, ResultExt};
use crate::format::{Context, Format, Notices, Options};
use crate::number::to_u64;
use crate::source::{Extent, SharedSource, Source};

/// UDF.
pub(super) const FORMAT: Format<Open> = Format {
    name: "udf",
    claim: describe::claim,
    describe: describe::describe,
    open,
};

/// The newest revision that is read.
const NEWEST: u16 = 0x0260;

fn open(members: &[SharedSource], context: &Context) -> Result<Opened> {
    let source = members.first().ok_or_else(|| Error::invalid("no volume"))?;
    let mut first_error: Option<(Error, u32)> = None;
    for (disk, sequence) in sequences(&**source, &context.options, &context.notices) {
        match sequence.and_then(|sequence| Udf::open(source, context, disk, &sequence)) {
            Ok(udf) => {
                if let Some((error, block_bits)) = first_error {
                    disk.notice(&error.hint(instead(disk, block_bits)));
                }
                return Ok(Opened {
                    filesystem: Box::new(udf),
                    extra: Vec::new(),
                });
            }
            Err(error) => _ = first_error.get_or_insert((error, disk.block_bits)),
        }
    }
    Err(first_error.map_or_else(anchor::missing, |(error, _)| error))
}

/// What is used instead of the volume descriptors in blocks of `1 << block_bits` bytes that could
/// not be.
fn instead(disk: Disk<'_>, block_bits: u32) -> String {
    if disk.block_bits == block_bits {
        return "a copy of the volume descriptors is used".to_owned();
    }
    format!(
        "the volume with blocks of {} bytes is used, which may be what was there before",
        disk.block_size()
    )
}

/// The volume descriptor sequences that the anchors name, in the order of [`anchor::find`], and the
/// disk with their blocks.
fn sequences<'a>(
    source: &'a dyn Source,
    options: &'a Options,
    notices: &'a Notices,
) -> impl Iterator<Item = (Disk<'a>, Result<Sequence>)> {
    let found = anchor::find(source, options, notices);
    found.flat_map(|(disk, anchors)| {
        let extents = extents(&anchors).into_iter();
        extents.map(move |extent| (disk, Sequence::read(&disk, extent)))
    })
}

/// Where the sequences are that `anchors` name: each main one before its reserve, and none twice.
fn extents(anchors: &[Anchor]) -> Vec<RawExtent> {
    let mut extents: Vec<RawExtent> = Vec::new();
    for extent in anchors
        .iter()
        .flat_map(|anchor| [anchor.main, anchor.reserve])
    {
        let place = extent.location.get();
        let is_known = extents.iter().any(|known| known.location.get() == place);
        if extent.length.get() > 0 && !is_known {
            extents.push(extent);
        }
    }
    extents
}

/// An open UDF volume.
struct Udf {
    volume: Volume,
    integrity: Option<Integrity>,
    /// Where the file set descriptor is.
    file_set: Address,
    /// Where the root directory's ICB is.
    root: Address,
    index: Index,
    /// Computed when it is first asked for: it may count a bitmap.
    usage: OnceLock<Usage>,
}

impl Udf {
    fn open(
        source: &SharedSource,
        context: &Context,
        disk: Disk<'_>,
        sequence: &Sequence,
    ) -> Result<Self> {
        let (logical, block, place) = sequence
            .logical
            .as_ref()
            .ok_or_else(|| Error::corrupt("no logical volume descriptor"))?;
        let size = logical.logical_block_size.get();
        if u64::from(size) != disk.block_size() {
            let text = format!(
                "logical_block_size {size} in a volume with sectors of {}",
                disk.block_size()
            );
            let field = to_u64(offset_of!(RawLogicalVolume, logical_block_size));
            return Err(Error::corrupt(text).at(place.saturating_add(field)));
        }
        let integrity = Integrity::read(&disk, logical.integrity_sequence_extent);
        let needed = integrity.as_ref().and_then(|last| last.read_revision);
        let last = integrity.as_ref().map_or(0, |last| last.place);
        check_revision(needed.unwrap_or(0)).map_err(|error| error.at(last))?;
        let mut volume = Volume {
            source: source.clone(),
            block_bits: disk.block_bits,
            partitions: Vec::new(),
            context: context.clone(),
            chains: context.cache.layer(),
            chains_within: context.cache.layer(),
        };
        partition::load(&mut volume, logical, block, &sequence.partitions)
            .map_err(|error| error.at(*place))?;
        let file_set = Address::new(logical.logical_volume_contents_use.extent_location);
        let root = root(&volume, file_set)?;
        Ok(Self {
            volume,
            integrity,
            file_set,
            root,
            index: Index::new(context.cache.clone()),
            usage: OnceLock::new(),
        })
    }

    /// Files and directories, as the volume counts them.
    fn files(&self) -> u64 {
        let partitions = self.volume.partitions.iter();
        let mut tables = partitions.filter_map(|partition| match &partition.kind {
            Kind::Virtual(table) => table.counted,
            _ => None,
        });
        let stated = self.integrity.as_ref().and_then(|last| last.counts);
        let stated = stated.map(|(files, dirs)| u64::from(files).saturating_add(dirs.into()));
        tables.next().or(stated).unwrap_or(0)
    }

    fn entry(&self, request: &Request, inode: Inode) -> Result<FileEntry> {
        FileEntry::read(&self.volume, request, Address::of(inode)?)
    }

    /// The entry of `inode`, which has to be a `wanted`.
    fn entry_of(&self, request: &Request, inode: Inode, wanted: FileType) -> Result<FileEntry> {
        let entry = self.entry(request, inode)?;
        let found = entry.kind()?;
        if found == wanted {
            return Ok(entry);
        }
        let place = entry.icb.text();
        Err(match (wanted, found) {
            (FileType::Directory, _) => {
                Error::new(ErrorKind::NotADirectory, format!("{place} is no directory"))
            }
            (_, FileType::Directory) => {
                Error::new(ErrorKind::IsADirectory, format!("{place} is a directory"))
            }
            (FileType::Symlink, _) => Error::invalid(format!("{place} is no symbolic link")),
            _ => Error::invalid(format!("{place} is no regular file")),
        })
    }

    fn directory<'a>(&'a self, request: &'a Request, entry: &'a FileEntry) -> Directory<'a> {
        Directory {
            volume: &self.volume,
            request,
            entry,
        }
    }

    /// The inode number that people see: the block of the volume in which the ICB begins, as for
    /// the kernel.
    fn number(&self, request: &Request, entry: &FileEntry) -> Result<u64> {
        let place = self.volume.place(request, entry.icb)?;
        Ok(place.offset.wrapping_shr(self.volume.block_bits))
    }
}

/// Refuses what says that it cannot be read by the rules of any revision up to the newest.
fn check_revision(needed: u16) -> Result<()> {
    if needed <= NEWEST {
        return Ok(());
    }
    let text = format!("minimum_udf_read_revision {needed:#06x} is over {NEWEST:#06x}");
    Err(Error::unsupported(text))
}

/// Where the root directory is, by the file set descriptor; refuses a volume whose root cannot be
/// read, since none of its files could be reached.
fn root(volume: &Volume, file_set: Address) -> Result<Address> {
    let request = Request::new(0);
    let read = || {
        let (found, block, place) = volume.descriptor(&request, file_set)?;
        if found != tag::kind::FILE_SET {
            let text = format!("tag_identifier {found} is no file set descriptor's");
            return Err(Error::corrupt(text).context(file_set.text()).at(place));
        }
        let raw: RawFileSet = tag::view(&block, "file set descriptor")?;
        Ok((Address::new(raw.root_directory_icb.extent_location), place))
    };
    let (root, place) = read().context(|| "file set descriptor")?;
    let check = || {
        let entry = FileEntry::read(volume, &request, root)?;
        match entry.kind()? {
            FileType::Directory => Ok(root),
            _ => {
                let text = format!("it is no directory, by its file_type {}", entry.file_type);
                Err(Error::corrupt(text).context(root.text()).at(entry.place))
            }
        }
    };
    check().map_err(|error| error.context("root directory").at(place))
}

impl FileSystem for Udf {
    fn root(&self) -> Inode {
        self.root.inode()
    }

    fn lookup(&self, request: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        let entry = self.entry_of(request, dir, FileType::Directory)?;
        let found = self.directory(request, &entry).lookup(&self.index, name)?;
        Ok(found.map(Address::inode))
    }

    fn attributes(&self, request: &Request, inode: Inode) -> Result<Attributes> {
        let entry = self.entry(request, inode)?;
        let kind = entry.kind()?;
        let [atime, mtime, ctime] = entry.times.map(|raw| time::timestamp(&raw));
        let created = entry.created.or_else(|| attribute::created(&entry));
        let owner = &self.volume.context.options.owner;
        let or = |id: u32, other| if id == u32::MAX { other } else { id };
        Ok(Attributes {
            ino: self.number(request, &entry)?,
            kind,
            mode: mode(&entry, kind),
            uid: or(entry.head.uid.get(), owner.uid),
            gid: or(entry.head.gid.get(), owner.gid),
            size: match kind {
                // The length of what readlink(2) gives, as for the kernel.
                FileType::Symlink => link::target(&self.volume, request, &entry)
                    .map_or(entry.size, |target| to_u64(target.len())),
                _ => entry.size,
            },
            blocks: entry
                .blocks
                .saturating_mul(self.volume.disk().block_size() / 512),
            block_size: u32::try_from(self.volume.disk().block_size()).unwrap_or(u32::MAX),
            nlink: links(&entry, kind),
            rdev: device(&entry, kind)?,
            atime,
            mtime,
            ctime,
            crtime: created.map(|raw| time::timestamp(&raw)),
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
        let entry = self.entry_of(request, dir, FileType::Directory)?;
        self.directory(request, &entry)
            .read(&self.index, cursor, each)
    }

    fn read(&self, request: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        let entry = self.entry_of(request, file, FileType::Regular)?;
        content::read(&self.volume, request, &entry, buf, offset)
    }

    fn extent_at(&self, request: &Request, file: Inode, offset: u64) -> Result<Extent> {
        let entry = self.entry_of(request, file, FileType::Regular)?;
        content::extent_at(&self.volume, request, &entry, offset)
    }

    fn read_link(&self, request: &Request, link: Inode) -> Result<Vec<u8>> {
        let entry = self.entry_of(request, link, FileType::Symlink)?;
        link::target(&self.volume, request, &entry)
    }

    fn xattr_names(
        &self,
        request: &Request,
        inode: Inode,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        let entry = self.entry(request, inode)?;
        stream::names(&self.volume, request, &entry, each)
    }

    fn xattr(&self, request: &Request, inode: Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let entry = self.entry(request, inode)?;
        stream::value(&self.volume, request, &entry, name)
    }

    fn usage(&self) -> Usage {
        *self.usage.get_or_init(|| usage::usage(self))
    }

    fn verify(&self, request: &Request, each: &mut dyn FnMut(Error)) {
        verify::verify(self, request, each);
    }
}

/// Permissions: five bits for each of user, group and others, of which the lower three are those
/// of Unix (ECMA-167, 4/14.9.5); set-uid, set-gid and sticky are flags of the ICB.
fn mode(entry: &FileEntry, kind: FileType) -> u16 {
    if kind == FileType::Symlink {
        return 0o777;
    }
    let permissions = entry.head.permissions.get();
    let flags = u32::from(entry.head.icb_tag.flags.get());
    let mode = permissions & 0o7
        | permissions >> 2 & 0o70
        | permissions >> 4 & 0o700
        | flags << 5 & 0o4000 // bit 6
        | flags << 3 & 0o2000 // bit 7
        | flags << 1 & 0o1000; // bit 8
    u16::try_from(mode).unwrap_or(0)
}

/// Links: a directory has one more than its count, for its own `.`, which is no entry on disk.
fn links(entry: &FileEntry, kind: FileType) -> u32 {
    let count = u32::from(entry.head.file_link_count.get()).max(1);
    count.saturating_add(u32::from(kind == FileType::Directory))
}

fn device(entry: &FileEntry, kind: FileType) -> Result<(u32, u32)> {
    match kind {
        FileType::BlockDevice | FileType::CharacterDevice => {
            attribute::device(entry).ok_or_else(|| {
                let error = Error::corrupt("a device node without a device specification");
                error.context(entry.icb.text()).at(entry.place)
            })
        }
        _ => Ok((0, 0)),
    }
}
