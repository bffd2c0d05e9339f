//! A file or a directory, as the set of its directory entries says (7.4, 7.6, 7.7).
//!
//! What the kernel's driver does not list is an error here too: a set that is not one File, one
//! Stream Extension, File Names, and what may be skipped behind them. A wrong `SetChecksum`, of
//! which that driver takes no notice, is kept beside the rest: the name can be shown, and whoever
//! goes on is told.

use zerocopy::FromBytes;

use super::checksum;
use super::core::Core;
use super::handle::Handle;
use super::kind;
use super::layout::{RawEntry, RawFile, RawName, RawStream};
use super::set;
use super::stream::Stream;
use super::time::timestamp;
use crate::error::{Error, Result};
use crate::filesystem::{FileType, Request, Timestamp, names};

/// `FileAttributes` (7.4.4): may not be written.
pub(super) const READ_ONLY: u16 = 0x01;
/// `FileAttributes`: a directory.
pub(super) const DIRECTORY: u16 = 0x10;
/// The `FileAttributes` that there are: these two, hidden, system and archive; and a volume label,
/// which FAT has.
pub(super) const ATTRIBUTES: u16 = 0x3f;

/// `GeneralSecondaryFlags` (6.4.2): clusters may be allocated, and the FAT says nothing of them.
const NO_FAT_CHAIN: u8 = 3;

/// One file or directory.
#[derive(Debug)]
pub(super) struct File {
    /// Where its entries are.
    pub(super) handle: Handle,
    /// How many entries it has.
    pub(super) entries: u32,
    /// `FileAttributes`.
    pub(super) attributes: u16,
    /// Its bytes.
    pub(super) stream: Stream,
    /// `ValidDataLength`: what is behind was never written and is zeros. At most the length.
    pub(super) valid: u64,
    /// Birth.
    pub(super) created: Timestamp,
    /// Last change.
    pub(super) modified: Timestamp,
    /// Last access, in steps of two seconds.
    pub(super) accessed: Timestamp,
    /// The name, as on disk.
    pub(super) units: Vec<u16>,
    /// `NameHash`.
    pub(super) hash: u16,
    /// What is wrong with its checksum.
    damage: Option<Error>,
}

impl File {
    /// The file whose entries start at `handle`.
    ///
    /// # Errors
    /// `Corrupt`, naming the entry that does not belong there; as [`set::read`].
    pub(super) fn read(core: &Core<'_>, request: &Request, handle: Handle) -> Result<Self> {
        let bytes = set::read(core, request, handle)?;
        Self::parse(core, handle, &bytes).map_err(|error| error.at(handle.place))
    }

    fn parse(core: &Core<'_>, handle: Handle, bytes: &[u8]) -> Result<Self> {
        let (entries, _) = bytes.as_chunks();
        let [first, second, behind @ ..] = entries else {
            let count = entries.len().saturating_sub(1);
            return Err(Error::corrupt(format!("SecondaryCount {count} is below 2")));
        };
        let file = raw_file(first)?;
        let stream = raw_stream(second)?;
        let local = core.options.time_offset.unwrap_or(0);
        let (mut valid, length) = (stream.ValidDataLength.get(), stream.DataLength.get());
        if valid > length {
            // As the kernel's driver takes it.
            let text = format!("ValidDataLength {valid} is over DataLength {length}");
            let error = Error::corrupt(text).at(handle.place);
            core.notice(error.context(set::context(handle)));
            valid = length;
        }
        Ok(Self {
            handle,
            entries: u32::from(file.SecondaryCount).saturating_add(1),
            attributes: file.FileAttributes.get(),
            stream: Stream {
                first: stream.FirstCluster.get(),
                length,
                contiguous: stream.GeneralSecondaryFlags & NO_FAT_CHAIN == NO_FAT_CHAIN,
                entry: handle.place,
            },
            valid,
            created: timestamp(
                file.CreateTimestamp,
                file.Create10msIncrement,
                file.CreateUtcOffset,
                local,
            ),
            modified: timestamp(
                file.LastModifiedTimestamp,
                file.LastModified10msIncrement,
                file.LastModifiedUtcOffset,
                local,
            ),
            accessed: timestamp(
                file.LastAccessedTimestamp,
                0,
                file.LastAccessedUtcOffset,
                local,
            ),
            units: units(behind, stream.NameLength)?,
            hash: stream.NameHash.get(),
            damage: damage(handle, file.SetChecksum.get(), bytes),
        })
    }

    /// Directory or regular file.
    pub(super) fn kind(&self) -> FileType {
        match self.attributes & DIRECTORY {
            0 => FileType::Regular,
            _ => FileType::Directory,
        }
    }

    /// The name as it is shown, but for the number of a repeated one.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = names::from_utf16(self.units.iter().copied());
        names::usable(name.into()).into_owned()
    }

    /// The file, unless its checksum is wrong.
    ///
    /// # Errors
    /// `Corrupt`, with both sums.
    pub(super) fn checked(self, core: &Core<'_>) -> Result<Self> {
        match &self.damage {
            Some(error) => core.bad_checksum(error.clone()).map(|()| self),
            None => Ok(self),
        }
    }
}

/// The file's own number in messages.
fn damage(handle: Handle, stored: u16, bytes: &[u8]) -> Option<Error> {
    let sum = checksum::set(bytes);
    (sum != stored).then(|| {
        let text = format!("SetChecksum {stored:#06x} should be {sum:#06x}");
        Error::corrupt(text)
            .at(handle.place)
            .context(set::context(handle))
    })
}

fn raw_file(entry: &RawEntry) -> Result<RawFile> {
    match entry {
        [kind::FILE, ..] => Ok(RawFile::read_from_bytes(entry).map_err(|_| misplaced(entry))?),
        _ => Err(misplaced(entry)),
    }
}

fn raw_stream(entry: &RawEntry) -> Result<RawStream> {
    match entry {
        [kind::STREAM, ..] => Ok(RawStream::read_from_bytes(entry).map_err(|_| misplaced(entry))?),
        _ => Err(misplaced(entry)),
    }
}

fn misplaced([kind, ..]: &RawEntry) -> Error {
    Error::corrupt(format!("EntryType {kind:#04x} is out of place"))
}

/// The `length` units of a name, from the entries behind the stream's: File Names, then what may be
/// skipped.
fn units(entries: &[RawEntry], length: u8) -> Result<Vec<u16>> {
    let is_name = |entry: &&RawEntry| entry.first() == Some(&kind::NAME);
    let names = entries.iter().take_while(is_name);
    let others = entries.iter().skip_while(is_name);
    for entry in others {
        let [kind, ..] = entry;
        if !kind::is_benign_secondary(*kind) {
            return Err(misplaced(entry));
        }
    }
    let names = names.filter_map(|entry| RawName::read_from_bytes(entry).ok());
    let units = names.flat_map(|name| name.FileName.map(|unit| unit.get()));
    let units: Vec<u16> = units.take(length.into()).collect();
    if units.is_empty() || units.len() < usize::from(length) {
        let entries = entries.len();
        return Err(Error::corrupt(format!(
            "NameLength is {length}, with {entries} entries behind the stream's"
        )));
    }
    Ok(units)
}
