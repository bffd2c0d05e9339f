//! Information control blocks: file entries and extended file entries (ECMA-167, 4/14.9 and
//! 4/14.17), and the strategies by which the one in force is found (4/14.6.2).

use std::ops::Range;

use super::layout::{
    RawEntryHead, RawExtendedFileEntry, RawFileEntry, RawIndirect, RawTimestamp,
    RawUnallocatedSpace,
};
use super::tag::{self, kind};
use super::volume::{Address, Volume};
use crate::error::{Error, Result};
use crate::filesystem::{FileType, Request};
use crate::number::to_usize;

/// `file_type` (ECMA-167, 4/14.6.6; UDF 2.3.5.2).
pub(super) mod file_type {
    pub(in super::super) const UNSPECIFIED: u8 = 0;
    pub(in super::super) const UNALLOCATED_SPACE: u8 = 1;
    pub(in super::super) const DIRECTORY: u8 = 4;
    pub(in super::super) const REGULAR: u8 = 5;
    pub(in super::super) const BLOCK_DEVICE: u8 = 6;
    pub(in super::super) const CHARACTER_DEVICE: u8 = 7;
    pub(in super::super) const FIFO: u8 = 9;
    pub(in super::super) const SOCKET: u8 = 10;
    pub(in super::super) const SYMLINK: u8 = 12;
    pub(in super::super) const STREAM_DIRECTORY: u8 = 13;
    pub(in super::super) const VAT: u8 = 248;
    pub(in super::super) const REAL_TIME: u8 = 249;
    pub(in super::super) const METADATA: u8 = 250;
    pub(in super::super) const METADATA_MIRROR: u8 = 251;
}

/// Rewritten entries in a row, at most: as many as the kernel follows.
const MOST_REWRITTEN: u32 = 1024;

/// How the file's bytes are found (ECMA-167, 4/14.6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allocation {
    /// By descriptors of extents in the entry's own partition.
    Short,
    /// By descriptors of extents in any partition.
    Long,
    /// The same, with room for what is compressed.
    Extended,
    /// In the entry itself.
    Embedded,
}

/// The entry of one file.
pub(super) struct FileEntry {
    /// Where the file's ICB begins, by which directories name it.
    pub(super) icb: Address,
    /// Where this entry is, which may have been written later.
    pub(super) at: Address,
    /// The byte of the disk where that is.
    pub(super) place: u64,
    /// The only partition in which its extents may lie, where reading others would need this file.
    pub(super) within: Option<u16>,
    /// `file_type`.
    pub(super) file_type: u8,
    /// Where the bytes are.
    pub(super) allocation: Allocation,
    /// The fields that both kinds of entry have.
    pub(super) head: RawEntryHead,
    /// Bytes of the file.
    pub(super) size: u64,
    /// Blocks recorded.
    pub(super) blocks: u64,
    /// Last access, change of contents, change of attributes.
    pub(super) times: [RawTimestamp; 3],
    /// Creation, in an extended file entry.
    pub(super) created: Option<RawTimestamp>,
    /// The directory of its named streams.
    pub(super) streams: Option<Address>,
    block: Vec<u8>,
    attributes: Range<usize>,
    descriptors: Range<usize>,
}

impl FileEntry {
    /// The entry of the file whose ICB is at `icb`.
    ///
    /// # Errors
    /// `Corrupt` where it is none or its fields leave it; `Unsupported` for a strategy that is
    /// neither 4 nor 4096.
    pub(super) fn read(volume: &Volume, request: &Request, icb: Address) -> Result<Self> {
        let limit = volume.partition(icb.partition)?.length;
        if u64::from(icb.block) >= limit {
            let text = format!("{} of a partition of {limit} blocks", icb.text());
            return Err(Error::corrupt(text));
        }
        let (mut at, mut last) = (icb, None);
        for _ in 0..MOST_REWRITTEN {
            let (kind, block, place) = volume.descriptor(request, at)?;
            let entry = Self::parse(icb, at, kind, block)
                .map_err(|error| error.context(at.text()).at(place))?;
            last = Some(place);
            match rewritten(volume, request, &entry)? {
                Some(next) => at = next,
                None => return Ok(Self { place, ..entry }),
            }
        }
        let text = format!("over {MOST_REWRITTEN} rewritten entries follow each other");
        let error = Error::corrupt(text).context(icb.text());
        Err(last.map_or(error.clone(), |last| error.at(last)))
    }

    fn parse(icb: Address, at: Address, kind: u16, block: Vec<u8>) -> Result<Self> {
        match kind {
            kind::FILE_ENTRY => {
                let raw: RawFileEntry = tag::view(&block, "file entry")?;
                let lengths = [
                    raw.length_of_extended_attributes.get(),
                    raw.length_of_allocation_descriptors.get(),
                ];
                Ok(Self {
                    blocks: raw.logical_blocks_recorded.get(),
                    times: [
                        raw.access_date_and_time,
                        raw.modification_date_and_time,
                        raw.attribute_date_and_time,
                    ],
                    ..Self::new(
                        (icb, at),
                        raw.head,
                        block,
                        size_of::<RawFileEntry>(),
                        lengths,
                    )?
                })
            }
            kind::EXTENDED_FILE_ENTRY => {
                let raw: RawExtendedFileEntry = tag::view(&block, "extended file entry")?;
                let lengths = [
                    raw.length_of_extended_attributes.get(),
                    raw.length_of_allocation_descriptors.get(),
                ];
                let streams = raw.stream_directory_icb;
                let has_streams = streams.extent_length.get() > 0;
                let fixed = size_of::<RawExtendedFileEntry>();
                Ok(Self {
                    blocks: raw.logical_blocks_recorded.get(),
                    times: [
                        raw.access_date_and_time,
                        raw.modification_date_and_time,
                        raw.attribute_date_and_time,
                    ],
                    created: Some(raw.creation_date_and_time),
                    streams: has_streams.then(|| Address::new(streams.extent_location)),
                    ..Self::new((icb, at), raw.head, block, fixed, lengths)?
                })
            }
            kind::UNALLOCATED_SPACE => Self::space(at, block),
            _ => Err(Error::corrupt(format!(
                "tag_identifier {kind} is no file entry's"
            ))),
        }
    }

    /// What both kinds of entry have, where `fixed` bytes stand before attributes and descriptors.
    fn new(
        (icb, at): (Address, Address),
        head: RawEntryHead,
        block: Vec<u8>,
        fixed: usize,
        [attributes, descriptors]: [u32; 2],
    ) -> Result<Self> {
        let strategy = head.icb_tag.strategy_type.get();
        if !matches!(strategy, 4 | 4096) {
            return Err(Error::unsupported(format!("ICB strategy {strategy}")));
        }
        let middle = fixed.saturating_add(to_usize(attributes.into()));
        let end = middle.saturating_add(to_usize(descriptors.into()));
        if end > block.len() {
            return Err(Error::corrupt(format!(
                "{attributes} bytes of attributes and {descriptors} of allocation descriptors \
                 leave the entry's block"
            )));
        }
        let allocation = allocation(head.icb_tag.flags.get())?;
        let size = head.information_length.get();
        if allocation == Allocation::Embedded && size > descriptors.into() {
            let text = format!("information_length {size} of {descriptors} bytes in the entry");
            return Err(Error::corrupt(text));
        }
        Ok(Self {
            icb,
            at,
            place: 0,
            within: None,
            file_type: head.icb_tag.file_type,
            allocation,
            head,
            size,
            blocks: 0,
            times: [RawTimestamp::default(); 3],
            created: None,
            streams: None,
            block,
            attributes: fixed..middle,
            descriptors: middle..end,
        })
    }

    /// An unallocated space entry, which is the list of extents that are free.
    fn space(at: Address, block: Vec<u8>) -> Result<Self> {
        let raw: RawUnallocatedSpace = tag::view(&block, "unallocated space entry")?;
        // A file entry's head is as long as there is room; its own fields are not looked at.
        let head: RawEntryHead = tag::view(&block, "unallocated space entry")?;
        let lengths = [0, raw.length_of_allocation_descriptors.get()];
        let entry = Self::new(
            (at, at),
            head,
            block,
            size_of::<RawUnallocatedSpace>(),
            lengths,
        )?;
        Ok(Self {
            size: u64::MAX,
            file_type: file_type::UNALLOCATED_SPACE,
            ..entry
        })
    }

    /// The extended attributes in the entry.
    pub(super) fn attributes(&self) -> &[u8] {
        self.block.get(self.attributes.clone()).unwrap_or_default()
    }

    /// The byte of the disk where the contents begin that are in the entry itself.
    pub(super) fn embedded_at(&self) -> u64 {
        let start = crate::number::to_u64(self.descriptors.start);
        self.place.saturating_add(start)
    }

    /// The allocation descriptors, or the bytes of an embedded file.
    pub(super) fn descriptors(&self) -> &[u8] {
        self.block.get(self.descriptors.clone()).unwrap_or_default()
    }

    /// What it is to users.
    ///
    /// # Errors
    /// `Unsupported` for what belongs to the file system itself.
    pub(super) fn kind(&self) -> Result<FileType> {
        Ok(match self.file_type {
            file_type::UNSPECIFIED | file_type::REGULAR | file_type::REAL_TIME | file_type::VAT => {
                FileType::Regular
            }
            file_type::DIRECTORY => FileType::Directory,
            file_type::BLOCK_DEVICE => FileType::BlockDevice,
            file_type::CHARACTER_DEVICE => FileType::CharacterDevice,
            file_type::FIFO => FileType::Fifo,
            file_type::SOCKET => FileType::Socket,
            file_type::SYMLINK => FileType::Symlink,
            other => {
                let error = Error::unsupported(format!("file_type {other}"));
                return Err(error.context(self.icb.text()).at(self.place));
            }
        })
    }
}

fn allocation(flags: u16) -> Result<Allocation> {
    match flags & 7 {
        0 => Ok(Allocation::Short),
        1 => Ok(Allocation::Long),
        2 => Ok(Allocation::Extended),
        3 => Ok(Allocation::Embedded),
        other => Err(Error::corrupt(format!(
            "allocation descriptors of type {other}, which is none"
        ))),
    }
}

/// Where the entry that was written instead of `entry` is: under strategy 4096 the next block holds
/// an indirect entry, once it was rewritten (UDF 6.6). Before, that block holds nothing that can be
/// read, which says as much.
///
/// # Errors
/// That of a request whose steps are spent: whether there is such an entry is not known then.
fn rewritten(volume: &Volume, request: &Request, entry: &FileEntry) -> Result<Option<Address>> {
    if entry.head.icb_tag.strategy_type.get() != 4096 {
        return Ok(None);
    }
    let next = || {
        let next = entry.at.plus(1).ok()?;
        let (kind, block, _) = volume.descriptor(request, next).ok()?;
        let raw: RawIndirect = tag::view(&block, "indirect entry").ok()?;
        let used = kind == kind::INDIRECT && raw.indirect_icb.extent_length.get() > 0;
        let target = Address::new(raw.indirect_icb.extent_location);
        let (kind, ..) = volume.descriptor(request, target).ok().filter(|_| used)?;
        matches!(kind, kind::FILE_ENTRY | kind::EXTENDED_FILE_ENTRY).then_some(target)
    };
    let found = next();
    if found.is_none() {
        volume.still(request)?;
    }
    Ok(found)
}
