//! Both headers, of which the newer one counts. [MS-VHDX] 2.2.2.

use std::mem::offset_of;

use super::layout::{self, Guid, HEADER_SIGNATURE, HEADER_SIZE, HEADERS};
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::Source;

/// The header that counts.
#[derive(Clone, Debug)]
pub(super) struct Header {
    raw: layout::Header,
    /// Where it is.
    offset: u64,
    /// What is wrong with the other one.
    pub(super) notice: Option<String>,
}

impl Header {
    /// The current header of `source`.
    ///
    /// # Errors
    /// `Corrupt` where neither is valid, or both claim to be the current one and differ;
    /// `Unsupported` for another version.
    pub(super) fn read(source: &dyn Source) -> Result<Self> {
        let [first, second] = HEADERS.map(|offset| read_one(source, offset));
        let (raw, offset, notice) = match (first, second) {
            (Ok(first), Ok(second)) => newer(first, second)?,
            (Ok(first), Err(error)) => (
                first,
                HEADERS[0],
                Some(format!("{error}, the first is used")),
            ),
            (Err(error), Ok(second)) => (
                second,
                HEADERS[1],
                Some(format!("{error}, the second is used")),
            ),
            (Err(error), Err(_)) => return Err(error.context("both headers")),
        };
        let version = raw.Version.get();
        if version != 1 {
            let text = format!("Version {version} is not 1");
            let field = to_u64(offset_of!(layout::Header, Version));
            return Err(Error::unsupported(text).at(offset.saturating_add(field)));
        }
        Ok(Self {
            raw,
            offset,
            notice,
        })
    }

    /// What changes whenever the disk's bytes do.
    pub(super) fn data_write_guid(&self) -> Guid {
        self.raw.DataWriteGuid
    }

    /// Where it is in the file.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the log is, and its length in bytes.
    pub(super) fn log(&self) -> (u64, u64) {
        (
            self.raw.LogOffset.get(),
            u64::from(self.raw.LogLength.get()),
        )
    }

    /// The GUID of the entries in the log that are to be replayed.
    ///
    /// # Errors
    /// `Unsupported` for a log of another version.
    pub(super) fn dirty(&self) -> Result<Option<Guid>> {
        if self.raw.LogGuid == Guid::NIL {
            return Ok(None);
        }
        match self.raw.LogVersion.get() {
            0 => Ok(Some(self.raw.LogGuid)),
            version => {
                let text = format!("LogVersion {version} is not 0");
                let field = to_u64(offset_of!(layout::Header, LogVersion));
                Err(Error::unsupported(text).at(self.offset.saturating_add(field)))
            }
        }
    }
}

fn read_one(source: &dyn Source, offset: u64) -> Result<layout::Header> {
    let bytes = layout::read(source, offset, HEADER_SIZE, "header")?;
    let header: layout::Header = layout::first(&bytes, "header")?;
    if header.Signature != HEADER_SIGNATURE {
        return Err(Error::corrupt("no head: no header").at(offset));
    }
    match layout::is_intact(&bytes, header.Checksum) {
        true => Ok(header),
        false => Err(Error::corrupt("the header's Checksum is wrong").at(offset)),
    }
}

/// The one of two valid headers with the higher sequence number. Disk2VHD writes both alike.
fn newer(
    first: layout::Header,
    second: layout::Header,
) -> Result<(layout::Header, u64, Option<String>)> {
    match first.SequenceNumber.get().cmp(&second.SequenceNumber.get()) {
        std::cmp::Ordering::Less => Ok((second, HEADERS[1], None)),
        std::cmp::Ordering::Greater => Ok((first, HEADERS[0], None)),
        std::cmp::Ordering::Equal if first == second => Ok((first, HEADERS[0], None)),
        std::cmp::Ordering::Equal => {
            let number = first.SequenceNumber.get();
            let text = format!("both headers have SequenceNumber {number}, and differ");
            Err(Error::corrupt(text).at(HEADERS[0]))
        }
    }
}
