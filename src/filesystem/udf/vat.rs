//! Virtual allocation tables (UDF 2.2.11; UDF 1.50, 2.2.10): on write-once media, where each block
//! of file entries and directories is now. The table is a file whose ICB is the last thing written.

use super::content;
use super::icb::{FileEntry, file_type};
use super::layout::{RawVat15, RawVat20};
use super::tag;
use super::volume::{Address, Place, Volume};
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::Request;
use crate::number::to_u64;

/// How far from the end the table's ICB is looked for: behind it there can be what closes a session
/// or a track, and what pads an image.
const MOST_BACK: u64 = 4096;

/// An entry that leads nowhere.
const UNUSED: u32 = u32::MAX;

/// A virtual allocation table.
pub(super) struct Vat {
    /// Its file.
    file: FileEntry,
    /// The partition in which the blocks are.
    below: u16,
    /// Bytes before the first entry.
    header: u64,
    /// Entries.
    entries: u64,
    /// Files and directories of the volume, which on write-once media nothing else could say; from
    /// UDF 2.00 on.
    pub(super) counted: Option<u64>,
}

impl Vat {
    /// The table whose ICB is the last in partition `below`.
    ///
    /// # Errors
    /// `Corrupt` where there is none.
    pub(super) fn read(volume: &Volume, below: u16) -> Result<Self> {
        let partition = volume.partition(below)?;
        let start = partition.start;
        let end = volume.disk().blocks();
        for number in (start..end).rev().take(crate::number::to_usize(MOST_BACK)) {
            let block = u32::try_from(number.saturating_sub(start)).unwrap_or(u32::MAX);
            let at = Address {
                partition: below,
                block,
            };
            if let Some(table) = Self::at(volume, at)? {
                return Ok(table);
            }
        }
        Err(
            Error::corrupt("no virtual allocation table at the end of the volume")
                .hint("the image may be cut short, or not be of the last session"),
        )
    }

    /// The table whose ICB is at `at`, if there is one.
    fn at(volume: &Volume, at: Address) -> Result<Option<Self>> {
        let request = Request::new(0);
        let place = volume.place(&request, at)?;
        let head = volume.disk().read_at(place.offset, to_u64(tag::LENGTH))?;
        let known = |tag: super::layout::RawTag| {
            let kind = tag.tag_identifier.get();
            tag.tag_location.get() == at.block
                && matches!(kind, tag::kind::FILE_ENTRY | tag::kind::EXTENDED_FILE_ENTRY)
        };
        if !tag::read(&head).is_some_and(known) {
            return Ok(None);
        }
        let Ok(mut file) = FileEntry::read(volume, &request, at) else {
            return Ok(None);
        };
        file.within = Some(at.partition);
        match file.file_type {
            file_type::VAT => Self::new_20(volume, file, at.partition).map(Some),
            file_type::UNSPECIFIED => Self::new_15(volume, file, at.partition),
            _ => Ok(None),
        }
    }

    /// The form of UDF 2.00 and later: a header, then the entries.
    fn new_20(volume: &Volume, file: FileEntry, below: u16) -> Result<Self> {
        let head = read(volume, &file, 0, size_of::<RawVat20>())?;
        let raw: RawVat20 = tag::view(&head, "virtual allocation table")?;
        super::check_revision(raw.minimum_udf_read_revision.get())?;
        let header = u64::from(raw.length_of_header.get());
        let entries = file.size.checked_sub(header).map(|bytes| bytes / 4);
        let entries = entries.filter(|_| header >= to_u64(size_of::<RawVat20>()));
        let entries = entries.ok_or_else(|| {
            Error::corrupt(format!(
                "length_of_header {header} of a table of {} bytes",
                file.size
            ))
        })?;
        let files = u64::from(raw.number_of_files.get());
        Ok(Self {
            file,
            below,
            header,
            entries,
            counted: Some(files.saturating_add(raw.number_of_directories.get().into())),
        })
    }

    /// The form of UDF 1.50: the entries, then an identifier. `None` without the identifier: then
    /// it is some file of no type.
    fn new_15(volume: &Volume, file: FileEntry, below: u16) -> Result<Option<Self>> {
        let Some(bytes) = file.size.checked_sub(to_u64(size_of::<RawVat15>())) else {
            return Ok(None);
        };
        let Ok(tail) = read(volume, &file, bytes, size_of::<RawVat15>()) else {
            return Ok(None);
        };
        let raw: RawVat15 = tag::view(&tail, "virtual allocation table")?;
        let identifier = raw.entity_identifier.identifier;
        let table = Self {
            file,
            below,
            header: 0,
            entries: bytes / 4,
            counted: None,
        };
        Ok(identifier
            .starts_with(b"*UDF Virtual Alloc Tbl")
            .then_some(table))
    }

    /// Where virtual block `block` is.
    ///
    /// # Errors
    /// `Corrupt` for a block that the table does not have; at the table's entry where that leads
    /// nowhere.
    pub(super) fn place(&self, volume: &Volume, request: &Request, block: u32) -> Result<Place> {
        if u64::from(block) >= self.entries {
            let text = format!(
                "virtual block {block} of a table of {} entries",
                self.entries
            );
            return Err(Error::corrupt(text));
        }
        let at = u64::from(block)
            .saturating_mul(4)
            .saturating_add(self.header);
        let mut entry = [0; 4];
        content::read(volume, request, &self.file, &mut entry, at)
            .context(|| "virtual allocation table")?;
        let found = match u32::from_le_bytes(entry) {
            UNUSED => Err(Error::corrupt(format!(
                "virtual block {block} is not in use"
            ))),
            block => {
                let partition = self.below;
                volume.place(request, Address { partition, block })
            }
        };
        let blamed = || content::place(volume, request, &self.file, at);
        let place = found.map_err(|error| error.at(blamed().unwrap_or(self.file.place)))?;
        Ok(Place { blocks: 1, ..place })
    }
}

/// `length` bytes of `file` from `offset` on.
fn read(volume: &Volume, file: &FileEntry, offset: u64, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let count = content::read(volume, &Request::new(0), file, &mut bytes, offset)?;
    if count == length {
        return Ok(bytes);
    }
    Err(Error::corrupt(format!(
        "a virtual allocation table of {} bytes",
        file.size
    )))
}
