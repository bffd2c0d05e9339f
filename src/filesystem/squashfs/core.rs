//! What everything in this reader stands on: the superblock, the tables, and the blocks.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use zerocopy::{FromZeros, IntoBytes};

use super::layout::{NONE_64, RawFragment, RawXattrTable, RawXattrs};
use super::metadata::{Metadata, Place};
use super::packed::{DataBlocks, Packed};
use super::superblock::Superblock;
use super::table::Table;
use crate::cache::{Cache, Layer};
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::format::{Context, Notices};
use crate::source::SharedSource;
use crate::source::decoded::Decoded;

/// An open file system.
pub(super) struct Core {
    pub(super) superblock: Superblock,
    pub(super) packed: Packed,
    pub(super) metadata: Metadata,
    /// Compressed blocks of data and of fragments.
    pub(super) data: Decoded<DataBlocks>,
    pub(super) tables: Tables,
    pub(super) cache: Arc<Cache>,
    /// Of the places that are kept of long files.
    pub(super) trails: Layer,
    /// The number, plus 1, of the fragment that was read last.
    pub(super) last_fragment: AtomicU64,
    /// Where to say what is odd but no error.
    pub(super) notices: Arc<Notices>,
}

/// The tables that are found by number.
pub(super) struct Tables {
    /// User and group ids.
    pub(super) ids: Table,
    pub(super) fragments: Option<Table>,
    /// The place of each inode, by its number less 1.
    pub(super) inodes: Option<Table>,
    pub(super) xattrs: Option<Xattrs>,
}

/// The extended attributes of all inodes.
pub(super) struct Xattrs {
    /// By the index that an inode has.
    pub(super) table: Table,
    /// Where the names and values begin.
    pub(super) start: u64,
}

impl Core {
    /// Opens `source`.
    ///
    /// # Errors
    /// As [`Superblock::read`]; `Corrupt`, naming the table, as the kernel refuses it when it mounts.
    pub(super) fn open(source: SharedSource, context: &Context) -> Result<Self> {
        let superblock = Superblock::read(&*source)?;
        let packed = Packed::new(source, &superblock);
        let tables = Tables::open(&packed, &superblock, &context.notices)?;
        tables.check_order(&superblock)?;
        let inodes_end = superblock.raw.directory_table_start.get();
        let ends = [inodes_end, tables.first()];
        let cache = &context.cache;
        Ok(Self {
            metadata: Metadata::new(packed.clone(), cache.clone(), ends),
            data: Decoded::new(Arc::new(DataBlocks(packed.clone())), cache.clone()),
            trails: cache.layer(),
            cache: cache.clone(),
            last_fragment: AtomicU64::new(0),
            notices: context.notices.clone(),
            superblock,
            packed,
            tables,
        })
    }

    /// The place that `reference` names: a block, counted from `table` on, and an offset in it.
    ///
    /// # Errors
    /// `Corrupt` where that overflows.
    pub(super) fn place(&self, table: u64, reference: u64) -> Result<Place> {
        let [low, high, ..] = reference.to_le_bytes();
        let block = table.checked_add(reference >> 16);
        let wrong = || Error::corrupt(format!("reference {reference:#x} is no place")).at(table);
        Ok(Place {
            block: block.ok_or_else(wrong)?,
            offset: u16::from_le_bytes([low, high]).into(),
        })
    }

    /// User or group id number `index`.
    ///
    /// # Errors
    /// As [`Table::entry`].
    pub(super) fn id(&self, request: &Request, index: u16) -> Result<u32> {
        let id: [u8; 4] = self.tables.ids.entry(self, request, index.into())?;
        Ok(u32::from_le_bytes(id))
    }
}

impl Tables {
    fn open(packed: &Packed, superblock: &Superblock, notices: &Notices) -> Result<Self> {
        let raw = &superblock.raw;
        let ids = (raw.id_table_start.get(), raw.no_ids.get().into());
        let fragments = (
            raw.fragment_table_start.get(),
            u64::from(raw.fragments.get()),
        );
        let inodes = (raw.lookup_table_start.get(), raw.inodes.get().into());
        let open_inodes = || Table::open(packed, "inode numbers", inodes, 8);
        // Only NFS needs it to find a file; here it tells the number of a directory's parent.
        let ignore = |error: Error| notices.add(error.context("squashfs").to_string());
        Ok(Self {
            ids: Table::open(packed, "ids", ids, 4)?,
            fragments: match fragments {
                (_, 0) => None,
                _ => {
                    let size = size_of::<RawFragment>();
                    Some(Table::open(packed, "fragments", fragments, size)?)
                }
            },
            inodes: match inodes {
                (NONE_64, _) => None,
                _ => open_inodes().map_err(ignore).ok(),
            },
            xattrs: match raw.xattr_id_table_start.get() {
                NONE_64 => None,
                at => Some(Xattrs::open(packed, at)?),
            },
        })
    }

    /// The first byte of what lies behind the directories.
    fn first(&self) -> u64 {
        let fragments = self.fragments.as_ref().map_or(NONE_64, |table| table.start);
        fragments.min(self.ids.start)
    }

    fn check_order(&self, superblock: &Superblock) -> Result<()> {
        let directories = superblock.raw.directory_table_start.get();
        if directories <= self.first() {
            return Ok(());
        }
        let text = format!(
            "directory_table_start {directories} is behind byte {}, where another table begins",
            self.first()
        );
        Err(Error::corrupt(text).at(72))
    }
}

impl Xattrs {
    fn open(packed: &Packed, at: u64) -> Result<Self> {
        let name = "extended attributes";
        let mut raw = RawXattrTable::new_zeroed();
        let read = packed.read(raw.as_mut_bytes(), at);
        read.map_err(|error| error.context(format!("table of {name}")))?;
        let index = at.saturating_add(16);
        let ids = (index, u64::from(raw.xattr_ids.get()));
        let table = Table::open(packed, name, ids, size_of::<RawXattrs>())?;
        let start = raw.xattr_table_start.get();
        if start >= table.start {
            let text = format!("xattr_table_start {start} is not before its table");
            return Err(Error::corrupt(text).at(at));
        }
        Ok(Self { table, start })
    }
}
