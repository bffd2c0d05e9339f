//! Extents by records (`z_erofs_extent`), as `48bit` images have them: of 16 or 32 bytes, each with
//! its own place in the file, in order; or of 4 or 8 bytes, one for each logical cluster, those of
//! 4 without addresses, since their clusters lie side by side.

use zerocopy::FromBytes;

use super::super::layout::RawExtent;
use super::clusters::How;
use super::header::Records;
use super::{Map, Packed, Span, Stored};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};

/// `plen`: the length; the rest of it is flags.
const LENGTH: u32 = (2 << 20) - 1;
/// `plen`: the file has only a part of what the cluster unpacks to.
const PARTIAL: u32 = 1 << 27;
/// `plen`: from this bit on, the algorithm plus 1; 0 for what is not packed.
const FORMAT_SHIFT: u32 = 28;
/// Records without addresses that are summed up in one go.
const AT_ONCE: u64 = 1024;

/// A record's fields, as far as it has them.
struct Record {
    length: u32,
    address: u64,
    /// Where it begins in the file.
    start: u64,
}

impl Records {
    /// The byte that record `number` lies at, of those that are 8 bytes or more.
    fn place(&self, number: u64) -> u64 {
        let before = number.saturating_mul(to_u64(self.size));
        self.start.saturating_add(before)
    }
}

impl Map<'_> {
    /// The extent that holds byte `at`.
    pub(super) fn record_at(&self, table: &Records, at: u64) -> Result<Span> {
        match table.size {
            16.. => self.by_search(table, at),
            _ => self.by_number(table, at),
        }
    }

    /// The last of the records that begins at `at` or before.
    fn by_search(&self, table: &Records, at: u64) -> Result<Span> {
        let (mut low, mut high) = (0, table.count);
        let (mut found, mut end) = (None, self.inode.size);
        while low < high {
            self.request.spend(1)?;
            let middle = low.midpoint(high);
            let record = self.record(table, middle)?;
            if record.start <= at {
                low = middle.saturating_add(1);
                found = Some(record);
                continue;
            }
            if record.start > end {
                let text = format!(
                    "extent {middle} begins at {}, behind the next",
                    record.start
                );
                return Err(Error::corrupt(text).at(table.place(middle)));
            }
            high = middle;
            end = record.start;
        }
        let is_last = low >= table.count;
        match found {
            Some(record) => self.span_of(table, &record, end, is_last),
            None => Ok(Span {
                start: 0,
                end,
                stored: Stored::Hole,
            }),
        }
    }

    /// The record of the logical cluster of `at`.
    fn by_number(&self, table: &Records, at: u64) -> Result<Span> {
        let number = at >> table.bits;
        let start = number << table.bits;
        let end = start.saturating_add(1 << table.bits); // at most 2^31
        let record = match table.size {
            8 => Record {
                start,
                ..self.record(table, number)?
            },
            _ => self.summed(table, number, start)?,
        };
        let is_last = end >= self.inode.size;
        self.span_of(table, &record, end.min(self.inode.size), is_last)
    }

    /// Record `number`, whose cluster lies behind those of all records before it.
    fn summed(&self, table: &Records, number: u64, start: u64) -> Result<Record> {
        let mut first = [0; 8];
        self.read(&mut first, table.start)?;
        let mut address = u64::from_le_bytes(first);
        let mut at = table.start.saturating_add(8);
        let mut left = number;
        loop {
            let count = left.saturating_add(1).min(AT_ONCE);
            self.request.spend(count.div_ceil(16))?;
            let mut bytes = [0; 4096];
            let bytes = bytes.split_at_mut(to_usize(count.saturating_mul(4))).0;
            self.read(bytes, at)?;
            let (lengths, _) = bytes.as_chunks::<4>();
            for length in lengths {
                let length = u32::from_le_bytes(*length);
                if left == 0 {
                    return Ok(Record {
                        length,
                        address,
                        start,
                    });
                }
                left = left.saturating_sub(1);
                address = address.saturating_add(u64::from(length & LENGTH));
            }
            at = at.saturating_add(to_u64(bytes.len()));
        }
    }

    /// Record `number` of 8 bytes or more.
    fn record(&self, table: &Records, number: u64) -> Result<Record> {
        let mut bytes = [0; size_of::<RawExtent>()];
        let own = bytes.split_at_mut(table.size.min(size_of::<RawExtent>())).0;
        self.read(own, table.place(number))?;
        let raw = RawExtent::read_from_bytes(&bytes)
            .map_err(|_| Error::corrupt(format!("extent {number} is cut off")))?;
        let high = |half: u32| u64::from(half) << 32;
        Ok(Record {
            length: raw.plen.get(),
            address: high(raw.pstart_hi.get()) | u64::from(raw.pstart_lo.get()),
            start: high(raw.lstart_hi.get()) | u64::from(raw.lstart_lo.get()),
        })
    }

    fn read(&self, buf: &mut [u8], at: u64) -> Result<()> {
        self.core
            .read_metadata(self.request, self.inode.in_metabox(), buf, at)
    }

    /// What `record` says of the file up to byte `end`.
    fn span_of(&self, table: &Records, record: &Record, end: u64, is_last: bool) -> Result<Span> {
        let start = record.start;
        let length = record.length & LENGTH;
        let stored = if is_last && table.fragment {
            let high = if table.size > 4 {
                record.address << 32
            } else {
                0
            };
            Stored::Fragment(high | u64::from(record.length))
        } else if length == 0 {
            Stored::Hole
        } else {
            let place = Packed {
                address: record.address,
                len: length.into(),
                in_metabox: false,
                partial: record.length & PARTIAL != 0,
            };
            let how = self.how(record);
            Stored::Cluster(self.cluster(start, end, place, how)?)
        };
        Ok(Span { start, end, stored })
    }

    fn how(&self, record: &Record) -> How {
        let algorithm = (record.length >> FORMAT_SHIFT).checked_sub(1);
        if let Some(algorithm) = algorithm {
            return How::Packed(u8::try_from(algorithm).unwrap_or(u8::MAX)); // 4 bits
        }
        let both = record.address | u64::from(record.length & LENGTH);
        let whole_blocks = both.is_multiple_of(self.core.superblock.block_size());
        match self.header.interlaced && whole_blocks {
            true => How::Interlaced(self.skew(record.start)),
            false => How::Shifted,
        }
    }
}
