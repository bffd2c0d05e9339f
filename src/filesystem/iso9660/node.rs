//! One file: its record, what Rock Ridge adds to it, and where its bytes are.

use super::core::{self, Core, Sector};
use super::record::{Record, Section};
use super::rock_ridge::{Compressed, RockRidge, Times};
use crate::error::{Error, Kind, Result};
use crate::filesystem::{Attributes, FileType, Inode, Request, Timestamp};
use crate::number::to_u64;

/// How many sections a file may have. The largest that 4 GiB each make a volume full have 2048.
const MOST_SECTIONS: usize = 1 << 17;

/// Permissions where nothing says any, as in the kernel.
const DEFAULT_MODE: u16 = 0o555;

/// One file.
pub(super) struct Node {
    /// The handle it was asked for by.
    pub(super) inode: Inode,
    /// Its type.
    pub(super) kind: FileType,
    /// Where its bytes are stored, in order.
    pub(super) sections: Vec<Section>,
    /// How its bytes are compressed, if they are.
    pub(super) compressed: Option<Compressed>,
    /// What Rock Ridge says.
    pub(super) rock_ridge: RockRidge,
    /// When it was recorded.
    time: Timestamp,
    /// Its first byte on the disc.
    pub(super) position: u64,
}

impl Node {
    /// The file `inode`.
    ///
    /// # Errors
    /// What makes its record unreadable.
    pub(super) fn read(core: &Core, request: &Request, inode: Inode) -> Result<Self> {
        Self::at(core, request, inode).map_err(|error| {
            let number = core::shown_number(inode);
            error.context(format!("inode {number}"))
        })
    }

    fn at(core: &Core, request: &Request, inode: Inode) -> Result<Self> {
        request.spend(1)?;
        let sector = core.record_at(inode)?;
        let record = present(core, &sector)?;
        let rock_ridge = RockRidge::of(core, request, &record);
        let Some(child) = rock_ridge.child else {
            return Self::of(core, request, inode, &sector, rock_ridge);
        };
        // It stands for a directory that lies elsewhere, because there were eight above it.
        let sector = core.record_at(core.directory(child.into()))?;
        let record = present(core, &sector)?;
        let mut rock_ridge = RockRidge::of(core, request, &record);
        if rock_ridge.child.take().is_some() {
            let error = Error::corrupt("a relocated directory that is relocated again");
            return Err(error.at(record.position));
        }
        Self::of(core, request, inode, &sector, rock_ridge)
    }

    fn of(
        core: &Core,
        request: &Request,
        inode: Inode,
        sector: &Sector,
        rock_ridge: RockRidge,
    ) -> Result<Self> {
        let record = present(core, sector)?;
        let plain = match record.is_directory() {
            true => FileType::Directory,
            false => FileType::Regular,
        };
        let kind = rock_ridge.kind().unwrap_or(plain);
        let is_regular = kind == FileType::Regular;
        Ok(Self {
            inode,
            kind,
            sections: sections(core, request, &record, sector.aligned)?,
            compressed: rock_ridge.compressed.filter(|_| is_regular),
            time: record.time,
            position: record.position,
            rock_ridge,
        })
    }

    /// Bytes that are stored.
    pub(super) fn stored_size(&self) -> u64 {
        let last = self.sections.last();
        last.map_or(0, |last| last.start.saturating_add(last.size))
    }

    /// Bytes of the file.
    pub(super) fn size(&self) -> u64 {
        match (self.kind, &self.compressed) {
            (FileType::Symlink, _) => {
                let target = self.rock_ridge.target().unwrap_or_default();
                target.map_or(0, |target| to_u64(target.len()))
            }
            (FileType::Regular, Some(compressed)) => compressed.size,
            _ => self.stored_size(),
        }
    }

    /// What stat(2) says of it.
    pub(super) fn attributes(&self, core: &Core) -> Attributes {
        let posix = self.rock_ridge.posix;
        let times: &Times = &self.rock_ridge.times;
        let mode = posix.map(|posix| u16::try_from(posix.mode & 0o7777).unwrap_or(0));
        let is_device = matches!(self.kind, FileType::BlockDevice | FileType::CharacterDevice);
        Attributes {
            ino: core::shown_number(self.inode),
            kind: self.kind,
            mode: mode.unwrap_or(DEFAULT_MODE),
            uid: posix.map_or(0, |posix| posix.uid),
            gid: posix.map_or(0, |posix| posix.gid),
            size: self.size(),
            blocks: self.stored_size().div_ceil(512),
            block_size: u32::try_from(core.block_size()).unwrap_or(2048),
            nlink: posix.map_or(1, |posix| posix.links),
            rdev: if is_device {
                self.rock_ridge.device
            } else {
                (0, 0)
            },
            atime: times.access.unwrap_or(self.time),
            mtime: times.modify.unwrap_or(self.time),
            ctime: times.attributes.or(times.creation).unwrap_or(self.time),
            crtime: times.creation,
            flags: 0,
            generation: 0,
        }
    }

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// `Invalid` for what is no link, `Corrupt` for one without a target.
    pub(super) fn target(&self) -> Result<Vec<u8>> {
        if self.kind != FileType::Symlink {
            return Err(Error::invalid("no symbolic link"));
        }
        let target = self.rock_ridge.target();
        let target = target.map_err(|error| error.at(self.position))?;
        let missing = || Error::corrupt("a symbolic link without a target (SL)").at(self.position);
        Ok(target.ok_or_else(missing)?.to_vec())
    }

    /// Fails unless it is a directory.
    ///
    /// # Errors
    /// `NotADirectory`.
    pub(super) fn check_directory(&self) -> Result<()> {
        match self.kind {
            FileType::Directory => Ok(()),
            _ => Err(Error::new(Kind::NotADirectory, "no directory")),
        }
    }

    /// Fails unless it is a regular file whose bytes can be read.
    ///
    /// # Errors
    /// `IsADirectory`, `Invalid`; `Unsupported` for a sparse file.
    pub(super) fn check_file(&self) -> Result<()> {
        match self.kind {
            FileType::Regular => {}
            FileType::Directory => return Err(Error::new(Kind::IsADirectory, "a directory")),
            _ => return Err(Error::invalid("no regular file")),
        }
        match self.rock_ridge.sparse {
            None => Ok(()),
            Some(size) => Err(Error::unsupported(format!(
                "a file of {size} bytes in Rock Ridge's sparse form (SF)"
            ))
            .at(self.position)),
        }
    }
}

/// The record of `sector`, which must have one.
fn present<'a>(core: &Core, sector: &'a Sector) -> Result<Record<'a>> {
    let missing = || Error::corrupt("no directory record is there").at(sector.position());
    sector.record(core)?.ok_or_else(missing)
}

/// Where the bytes of the file are that `first` begins, and the records behind it go on with.
fn sections(
    core: &Core,
    request: &Request,
    first: &Record<'_>,
    aligned: bool,
) -> Result<Vec<Section>> {
    let mut sections = vec![first.section];
    let mut goes_on = first.goes_on();
    let mut position = first.end();
    let mut count: usize = 1;
    while goes_on {
        let sector = core.record_behind(position, aligned)?;
        present(core, &sector)?;
        // Where sectors do not lie as on the disc, only the first record is whole.
        let most = if aligned { usize::MAX } else { 1 };
        for (_, next) in sector.records(core).take(most) {
            let next = next?;
            request.spend(1)?;
            count = count.saturating_add(1);
            add(core, &mut sections, next.section);
            goes_on = next.goes_on();
            position = next.end();
            if !goes_on {
                break;
            }
        }
        if count > MOST_SECTIONS {
            let text = format!("a file of more than {MOST_SECTIONS} sections");
            return Err(Error::corrupt(text).at(first.position));
        }
    }
    Ok(sections)
}

/// Adds a section; those that lie side by side are one, so that a file of many is read in one piece.
fn add(core: &Core, sections: &mut Vec<Section>, next: Section) {
    let Some(last) = sections.last_mut() else {
        return;
    };
    if last.is_before(&next, core) {
        last.size = last.size.saturating_add(next.size);
        return;
    }
    let start = last.start.saturating_add(last.size);
    sections.push(Section { start, ..next });
}

impl Section {
    /// Whether `next` goes on where this one ends.
    fn is_before(&self, next: &Self, core: &Core) -> bool {
        let blocks = self.size >> core.block_bits;
        let whole = blocks.wrapping_shl(core.block_bits) == self.size;
        let plain = self.interleave.is_none() && next.interleave.is_none();
        whole && plain && self.block.checked_add(blocks) == Some(next.block)
    }
}
