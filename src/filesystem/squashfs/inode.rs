//! Inodes: a base that all have, and one of fourteen forms.

use super::core::Core;
use super::layout::{
    NONE_32, RawDevice, RawDirectory, RawFile, RawInode, RawLongDirectory, RawLongFile, RawSymlink,
    RawXattrs, inode_type,
};
use super::link;
use super::metadata::{Place, Reader};
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::{FileType, Inode, Request};

/// One inode, as far as it was read.
#[derive(Clone, Debug)]
pub(super) struct InodeRecord {
    /// Where it is: a block of the inode table, and the offset in it.
    pub(super) reference: u64,
    pub(super) number: u32,
    pub(super) kind: FileType,
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: u32,
    pub(super) nlink: u32,
    /// Bytes, as `st_size`.
    pub(super) size: u64,
    /// Bytes of `size` that are holes.
    pub(super) sparse: u64,
    /// The index of its extended attributes.
    pub(super) xattr: Option<u32>,
    pub(super) form: Form,
}

/// What only some inodes have.
#[derive(Clone, Debug)]
pub(super) enum Form {
    File(File),
    Directory(Directory),
    /// The place of the target.
    Symlink(Place),
    /// Major and minor number.
    Device(u32, u32),
    Plain,
}

/// Where the bytes of a file are.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    /// First byte of the first block on the volume.
    pub(super) start: u64,
    /// What is left behind the whole blocks lies in this fragment, from this byte on.
    pub(super) fragment: Option<(u32, u32)>,
    /// Where the list of blocks begins.
    pub(super) list: Place,
}

/// Where the entries of a directory are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directory {
    /// The metadata block of the first entries, counted from the start of the directory table.
    pub(super) start: u32,
    /// The offset in that block.
    pub(super) offset: u16,
    /// The number of the directory that it is in.
    pub(super) parent: u32,
    /// Entries of the index, and where it begins.
    pub(super) index: Option<(u16, Place)>,
}

impl InodeRecord {
    /// `error` as one of what this inode says, which begins where it lies.
    pub(super) fn blame(&self, core: &Core, error: Error) -> Error {
        let table = core.superblock.raw.inode_table_start.get();
        match core.place(table, self.reference) {
            Ok(place) => place.blame(error),
            Err(_) => error,
        }
    }

    /// Reads the inode at `inode`, for the steps of the blocks that it lies in.
    ///
    /// # Errors
    /// `Corrupt` for what is no inode; what makes its metadata unreadable.
    pub(super) fn read(core: &Core, request: &Request, inode: Inode) -> Result<Self> {
        let what = || format!("inode at {:#x}", inode.0);
        let table = core.superblock.raw.inode_table_start.get();
        let place = core.place(table, inode.0)?;
        let mut reader = core.metadata.reader(request, place);
        Self::read_from(core, request, inode, &mut reader).context(what)
    }

    fn read_from(
        core: &Core,
        request: &Request,
        inode: Inode,
        reader: &mut Reader<'_>,
    ) -> Result<Self> {
        let base: RawInode = reader.value()?;
        let began = reader.began();
        let record = Self::of_base(core, request, inode, &base);
        let mut record = record.map_err(|error| began.blame(error))?;
        record.read_form(base.inode_type.get(), reader)?;
        Ok(record)
    }

    fn of_base(core: &Core, request: &Request, inode: Inode, base: &RawInode) -> Result<Self> {
        let number = base.inode_number.get();
        if number == 0 {
            return Err(Error::corrupt("inode_number 0"));
        }
        Ok(Self {
            reference: inode.0,
            number,
            kind: file_type(base.inode_type.get())?,
            mode: base.mode.get() & 0o7777,
            uid: core.id(request, base.uid.get())?,
            gid: core.id(request, base.guid.get())?,
            mtime: base.mtime.get(),
            nlink: 1,
            size: 0,
            sparse: 0,
            xattr: None,
            form: Form::Plain,
        })
    }

    fn read_form(&mut self, kind: u16, reader: &mut Reader<'_>) -> Result<()> {
        match kind {
            inode_type::REG => self.take_file(&reader.value()?, reader),
            inode_type::LREG => self.take_long_file(&reader.value()?, reader)?,
            inode_type::DIR => self.take_directory(&reader.value()?),
            inode_type::LDIR => self.take_long_directory(&reader.value()?, reader),
            inode_type::SYMLINK | inode_type::LSYMLINK => {
                let raw: RawSymlink = reader.value()?;
                self.nlink = raw.nlink.get();
                self.size = raw.symlink_size.get().into();
                if self.size > link::MOST {
                    let text = format!("symlink_size {} is over {}", self.size, link::MOST);
                    return Err(reader.began().blame(Error::corrupt(text)));
                }
                self.form = Form::Symlink(reader.place());
                if kind == inode_type::LSYMLINK {
                    reader.skip(self.size)?;
                    self.take_xattr(reader)?;
                }
            }
            inode_type::BLKDEV | inode_type::CHRDEV => self.take_device(&reader.value()?),
            inode_type::LBLKDEV | inode_type::LCHRDEV => {
                self.take_device(&reader.value()?);
                self.take_xattr(reader)?;
            }
            _ => {
                self.nlink = u32::from_le_bytes(reader.value()?);
                if kind >= inode_type::LDIR {
                    self.take_xattr(reader)?;
                }
            }
        }
        Ok(())
    }

    fn take_file(&mut self, raw: &RawFile, reader: &Reader<'_>) {
        self.size = raw.file_size.get().into();
        self.form = Form::File(File {
            start: raw.start_block.get().into(),
            fragment: fragment(raw.fragment.get(), raw.offset.get()),
            list: reader.place(),
        });
    }

    fn take_long_file(&mut self, raw: &RawLongFile, reader: &Reader<'_>) -> Result<()> {
        self.size = raw.file_size.get();
        if i64::try_from(self.size).is_err() {
            let error = Error::corrupt(format!("file_size {} is over 2^63", self.size));
            return Err(reader.began().blame(error));
        }
        self.sparse = raw.sparse.get();
        self.nlink = raw.nlink.get();
        self.xattr = some(raw.xattr.get());
        self.form = Form::File(File {
            start: raw.start_block.get(),
            fragment: fragment(raw.fragment.get(), raw.offset.get()),
            list: reader.place(),
        });
        Ok(())
    }

    fn take_directory(&mut self, raw: &RawDirectory) {
        self.nlink = raw.nlink.get();
        self.size = raw.file_size.get().into();
        self.form = Form::Directory(Directory {
            start: raw.start_block.get(),
            offset: raw.offset.get(),
            parent: raw.parent_inode.get(),
            index: None,
        });
    }

    fn take_long_directory(&mut self, raw: &RawLongDirectory, reader: &Reader<'_>) {
        self.nlink = raw.nlink.get();
        self.size = raw.file_size.get().into();
        self.xattr = some(raw.xattr.get());
        let index = (raw.i_count.get(), reader.place());
        self.form = Form::Directory(Directory {
            start: raw.start_block.get(),
            offset: raw.offset.get(),
            parent: raw.parent_inode.get(),
            index: (index.0 > 0).then_some(index),
        });
    }

    fn take_device(&mut self, raw: &RawDevice) {
        self.nlink = raw.nlink.get();
        let device = raw.rdev.get();
        // As Linux packs a device number into 32 bits.
        let major = device >> 8 & 0xfff;
        let minor = device & 0xff | device >> 12 & 0xf_ff00;
        self.form = Form::Device(major, minor);
    }

    fn take_xattr(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        self.xattr = some(u32::from_le_bytes(reader.value()?));
        Ok(())
    }

    /// Where its extended attributes are, if it has any.
    ///
    /// # Errors
    /// As [`super::table::Table::entry`].
    pub(super) fn xattrs(&self, core: &Core, request: &Request) -> Result<Option<RawXattrs>> {
        let (Some(index), Some(xattrs)) = (self.xattr, &core.tables.xattrs) else {
            return Ok(None);
        };
        let entry = xattrs.table.entry(core, request, index.into());
        let entry = entry.map(Some).map_err(|error| self.blame(core, error));
        entry.context(|| format!("inode {}", self.number))
    }

    /// `st_blocks` as the kernel counts them: the bytes that are no hole, and those of the extended
    /// attributes.
    pub(super) fn sectors(&self, core: &Core, request: &Request) -> u64 {
        let data = match self.form {
            Form::File(_) => self.size.saturating_sub(self.sparse).div_ceil(512),
            _ => 0,
        };
        let xattrs = match self.xattrs(core, request) {
            Ok(Some(xattrs)) => u64::from(xattrs.size.get()).div_ceil(512),
            _ => 0,
        };
        data.saturating_add(xattrs)
    }
}

fn file_type(kind: u16) -> Result<FileType> {
    Ok(match kind {
        inode_type::DIR | inode_type::LDIR => FileType::Directory,
        inode_type::REG | inode_type::LREG => FileType::Regular,
        inode_type::SYMLINK | inode_type::LSYMLINK => FileType::Symlink,
        inode_type::BLKDEV | inode_type::LBLKDEV => FileType::BlockDevice,
        inode_type::CHRDEV | inode_type::LCHRDEV => FileType::CharacterDevice,
        inode_type::FIFO | inode_type::LFIFO => FileType::Fifo,
        inode_type::SOCKET | inode_type::LSOCKET => FileType::Socket,
        _ => {
            return Err(Error::corrupt(format!(
                "inode_type {kind} is not from 1 to 14"
            )));
        }
    })
}

/// The type that a directory's entry says; 0 is unknown.
pub(super) fn listed_type(kind: u16) -> Result<Option<FileType>> {
    match kind {
        0 => Ok(None),
        1..=7 => file_type(kind).map(Some),
        _ => Err(Error::corrupt(format!("type {kind} is not from 1 to 7"))),
    }
}

fn some(index: u32) -> Option<u32> {
    (index != NONE_32).then_some(index)
}

fn fragment(index: u32, offset: u32) -> Option<(u32, u32)> {
    some(index).map(|index| (index, offset))
}
