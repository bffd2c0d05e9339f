#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicU64, Ordering};

use zerocopy::{FromZeros, IntoBytes};

use super::layout::{Guid, LOG_SIGNATURE, LogEntryHeader};
use super::log::Log;
use super::region::Region;
use crate::error::{Kind, Result};
use crate::number::to_u64;
use crate::source::{Extent, Source, check_range};

/// Bytes of the longest log.
const LOG: u64 = 256 << 20;

/// A log in whose every sector an entry begins that is as long as all of it; and how many bytes were
/// read.
struct Endless {
    sector: Vec<u8>,
    read: AtomicU64,
}

impl Source for Endless {
    fn size(&self) -> u64 {
        LOG
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        self.read.fetch_add(to_u64(buf.len()), Ordering::Relaxed);
        for sector in buf.chunks_mut(self.sector.len()) {
            sector.copy_from_slice(&self.sector[..sector.len()]);
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        crate::source::Memory(Vec::new()).extent_at(offset)
    }
}

#[test]
fn h11_the_longest_log_is_read_four_times_at_most() {
    let guid = Guid::new_zeroed();
    let mut header = LogEntryHeader::new_zeroed();
    header.Signature = LOG_SIGNATURE;
    header.EntryLength = u32::try_from(LOG).unwrap().into();
    header.SequenceNumber = 1.into();
    header.LogGuid = guid;
    let mut sector = header.as_bytes().to_vec();
    sector.resize(4096, 0);
    let source = Endless {
        sector,
        read: AtomicU64::new(0),
    };
    let region = Region {
        offset: 0,
        len: LOG,
    };
    let mut log = Log::new(&source, region, guid).unwrap();
    let error = log.active().err().unwrap();
    assert_eq!((error.kind(), error.offset()), (Kind::Corrupt, Some(0)));
    assert!(error.to_string().contains("again and again"), "{error}");
    let read = source.read.into_inner();
    assert!(read < (1 << 30) + (1 << 20), "{read} bytes");
}
