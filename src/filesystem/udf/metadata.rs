//! Metadata partitions (UDF 2.2.10, 2.2.13): all directories and file entries lie in a file of
//! another partition, which may have a mirror. What is damaged in one is read from the other.

use super::allocation::{self, Run};
use super::icb::{FileEntry, file_type};
use super::layout::RawMetadataMap;
use super::volume::{Address, Place, Volume};
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::Request;

/// The files whose contents are the partition's blocks, best first.
pub(super) struct Metadata {
    files: Vec<FileEntry>,
}

impl Metadata {
    /// The metadata file and its mirror, as far as they can be read, from partition `below`.
    ///
    /// # Errors
    /// What makes the main file unreadable, where the mirror is no better.
    pub(super) fn read(volume: &Volume, map: &RawMetadataMap, below: u16) -> Result<Self> {
        let main = file(
            volume,
            below,
            map.metadata_file_location.get(),
            file_type::METADATA,
        );
        let mirror = file(
            volume,
            below,
            map.metadata_mirror_file_location.get(),
            file_type::METADATA_MIRROR,
        );
        let files = match (main, mirror) {
            (Ok(main), Ok(mirror)) => vec![main, mirror],
            (Ok(one), Err(error)) | (Err(error), Ok(one)) => {
                volume.disk().notice(&error);
                vec![one]
            }
            (Err(error), Err(_)) => return Err(error),
        };
        Ok(Self { files })
    }

    /// How many files there are.
    pub(super) fn copies(&self) -> usize {
        self.files.len()
    }

    /// Where block `block` is, by file number `copy`.
    ///
    /// # Errors
    /// `Corrupt` for a block that the file does not have.
    pub(super) fn place(
        &self,
        volume: &Volume,
        request: &Request,
        block: u32,
        copy: usize,
    ) -> Result<Place> {
        let gone = || {
            Error::corrupt(format!(
                "block {block} of the metadata file is not recorded"
            ))
        };
        let file = self.files.get(copy).ok_or_else(gone)?;
        let offset = volume.disk().offset(block.into());
        if offset >= file.size {
            return Err(gone());
        }
        let run = allocation::run_at(volume, request, file, offset)?;
        match run {
            Run::Recorded { offset, length } if length >= volume.disk().block_size() => Ok(Place {
                offset,
                blocks: length.wrapping_shr(volume.disk().block_bits),
            }),
            _ => Err(gone()),
        }
    }
}

/// The file entry in `block` of partition `below`, which has to be of type `kind`.
fn file(volume: &Volume, below: u16, block: u32, kind: u8) -> Result<FileEntry> {
    let at = Address {
        partition: below,
        block,
    };
    let read = || {
        let mut entry = FileEntry::read(volume, &Request::new(0), at)?;
        if entry.file_type != kind {
            let text = format!("file_type {} is not {kind}", entry.file_type);
            return Err(Error::corrupt(text).at(entry.place));
        }
        entry.within = Some(below);
        Ok(entry)
    };
    let name = match kind {
        file_type::METADATA => "metadata file",
        _ => "metadata mirror file",
    };
    read().context(|| name)
}
