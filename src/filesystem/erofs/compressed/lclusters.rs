//! Extents by indexes of logical clusters. Each index is that of a cluster's head, and says where
//! in the logical cluster it begins, or of one of the logical clusters behind a head, and says how
//! far the heads before and behind it are.

use super::clusters::How;
use super::header::{Clusters, Tail};
use super::{MOST_UNPACKED, Map, Packed, Span, Stored, compact, full};
use crate::error::{Error, Result};

/// An index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    Head(Head),
    Body(Body),
}

/// A cluster begins here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// Bytes of the logical cluster before it.
    pub(super) skip: u64,
    /// Its first block.
    pub(super) block: u64,
    /// The file has only a part of it.
    pub(super) partial: bool,
}

/// How a cluster is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    First,
    Second,
}

/// A cluster that began before goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Body {
    /// Blocks of the cluster, where the index right behind its head says it.
    pub(super) blocks: Option<u64>,
    /// Logical clusters back to the head.
    pub(super) back: u64,
    /// Logical clusters to the next head, at most.
    pub(super) ahead: u64,
}

/// The low bits of an index's first two bytes.
pub(super) fn kind(bits: u32) -> Option<Kind> {
    match bits & 3 {
        0 => Some(Kind::Plain),
        1 => Some(Kind::First),
        3 => Some(Kind::Second),
        _ => None,
    }
}

/// What is marked in the distance of an index: it is the number of blocks instead.
pub(super) const BLOCK_COUNT: u64 = 1 << 11;

impl Map<'_> {
    /// The extent that holds byte `at`.
    pub(super) fn cluster_at(&self, table: &Clusters, at: u64) -> Result<Span> {
        let number = at >> table.bits;
        let skip = at & (1_u64 << table.bits).saturating_sub(1); // bits is at most 31
        let (number, head, end) = match self.index(table, number)? {
            Index::Head(head) if skip >= head.skip => {
                (number, head, self.end(table, number, next(number))?)
            }
            Index::Head(head) => {
                let (start, before) = self.head_before(table, number, 1)?;
                (start, before, table.place(number, head.skip))
            }
            Index::Body(body) => {
                let (start, head) = self.head_before(table, number, body.back)?;
                let after = number.saturating_add(body.ahead.max(1));
                self.check_bodies(table, next(number), after)?;
                (start, head, self.end(table, start, after)?)
            }
        };
        let start = table.place(number, head.skip);
        let end = end.min(self.inode.size);
        let stored = self.stored(table, number, head, (start, end));
        let stored = stored.map_err(|error| self.blame(table, number, error))?;
        Ok(Span { start, end, stored })
    }

    /// The head that is `back` before logical cluster `from`, or further back.
    fn head_before(&self, table: &Clusters, from: u64, back: u64) -> Result<(u64, Head)> {
        let mut number = from;
        let mut back = back;
        loop {
            let wrong = || {
                let text = format!("logical cluster {number}: its head is {back} before it");
                self.blame(table, number, Error::corrupt(text))
            };
            let before = number.checked_sub(back).filter(|before| *before < number);
            let before = before.ok_or_else(wrong)?;
            self.check_bodies(table, next(before), number)?;
            number = before;
            if table.place(from.saturating_sub(number), 0) > MOST_UNPACKED.saturating_mul(2) {
                return Err(self.too_long(table, number));
            }
            self.request.spend(1)?;
            match self.index(table, number)? {
                Index::Head(head) => return Ok((number, head)),
                Index::Body(body) => back = body.back,
            }
        }
    }

    /// The byte at which the cluster ends that begins in logical cluster `start`, and goes up to
    /// `from` at least.
    fn end(&self, table: &Clusters, start: u64, from: u64) -> Result<u64> {
        let mut number = from;
        loop {
            if table.place(number, 0) >= self.inode.size {
                return Ok(self.inode.size);
            }
            if table.place(number.saturating_sub(start), 0) > MOST_UNPACKED.saturating_mul(2) {
                return Err(self.too_long(table, start));
            }
            self.request.spend(1)?;
            match self.index(table, number)? {
                Index::Head(head) => return Ok(table.place(number, head.skip)),
                // Programs before 1.0 left the distance out of some: then it is the next.
                Index::Body(body) => {
                    let after = number.saturating_add(body.ahead.max(1));
                    self.check_bodies(table, next(number), after)?;
                    number = after;
                }
            }
        }
    }

    /// That no cluster begins in the logical clusters from `from` up to `to`, which distances lead
    /// across: a byte would be in one cluster or in another by where a read begins.
    fn check_bodies(&self, table: &Clusters, from: u64, to: u64) -> Result<()> {
        for number in from..to {
            if table.place(number, 0) >= self.inode.size {
                return Ok(());
            }
            self.request.spend(1)?;
            if let Index::Head(_) = self.index(table, number)? {
                let text = format!(
                    "logical cluster {number}: a cluster begins where a distance leads across"
                );
                return Err(self.blame(table, number, Error::corrupt(text)));
            }
        }
        Ok(())
    }

    fn too_long(&self, table: &Clusters, number: u64) -> Error {
        let text = format!(
            "the cluster that begins in logical cluster {number} unpacks to more than {MOST_UNPACKED} bytes"
        );
        self.blame(table, number, Error::unsupported(text))
    }

    /// `error` at the index of logical cluster `number`, unless it has its place.
    fn blame(&self, table: &Clusters, number: u64, error: Error) -> Error {
        let place = match table.compact {
            None => Ok(full::place(table, number)),
            Some(_) => compact::pack(self, table, number),
        };
        match place {
            Ok(at) => error.at(at),
            Err(_) => error,
        }
    }

    /// Where the cluster that begins by `head` in logical cluster `number` is stored.
    fn stored(
        &self,
        table: &Clusters,
        number: u64,
        head: Head,
        (start, end): (u64, u64),
    ) -> Result<Stored> {
        let place = match table.tail {
            Tail::Fragment(low) if end == self.inode.size => {
                let high = if table.compact.is_none() {
                    head.block
                } else {
                    0
                };
                return Ok(Stored::Fragment(high << 32 | low));
            }
            Tail::Inline(len) if end == self.inode.size => self.inline(table, len)?,
            _ => Packed {
                address: self.core.superblock.block_offset(head.block)?,
                len: self
                    .core
                    .superblock
                    .block_offset(self.blocks(table, number, head.kind)?)?,
                in_metabox: false,
                partial: head.partial,
            },
        };
        let how = match head.kind {
            Kind::Plain if self.header.interlaced => How::Interlaced(self.skew(start)),
            Kind::Plain => How::Shifted,
            Kind::First => How::Packed(table.algorithms.0),
            Kind::Second => How::Packed(table.algorithms.1),
        };
        Ok(Stored::Cluster(self.cluster(start, end, place, how)?))
    }

    /// The place of byte `start` in its block.
    pub(super) fn skew(&self, start: u64) -> u32 {
        u32::try_from(self.core.superblock.in_block(start)).unwrap_or(0) // below 2^16
    }

    /// The last cluster, of `len` bytes behind the index of the last logical cluster.
    fn inline(&self, table: &Clusters, len: u64) -> Result<Packed> {
        let last = self.inode.size.saturating_sub(1) >> table.bits;
        let address = match table.compact {
            None => full::behind(table, last),
            Some(_) => compact::behind(self, table, last)?,
        };
        let superblock = &self.core.superblock;
        if superblock.in_block(address).saturating_add(len) > superblock.block_size() {
            let text = format!("h_idata_size {len}: the last cluster crosses into another block");
            return Err(Error::corrupt(text).at(address));
        }
        Ok(Packed {
            address,
            len,
            in_metabox: self.inode.in_metabox(),
            partial: false,
        })
    }

    /// Blocks of the cluster whose head is in logical cluster `number`.
    fn blocks(&self, table: &Clusters, number: u64, kind: Kind) -> Result<u64> {
        let may_be_big = match kind {
            Kind::First => table.big.0,
            Kind::Plain | Kind::Second => table.big.1,
        };
        let next = next(number);
        if !may_be_big || table.place(next, 0) >= self.inode.size {
            return Ok(1);
        }
        match self.index(table, next)? {
            Index::Head(_) => Ok(1),
            Index::Body(Body {
                blocks: Some(blocks),
                ..
            }) if blocks > 0 => Ok(blocks),
            Index::Body(_) => {
                let text =
                    format!("logical cluster {next} does not say how many blocks its cluster has");
                Err(self.blame(table, next, Error::corrupt(text)))
            }
        }
    }

    /// The index of logical cluster `number`.
    fn index(&self, table: &Clusters, number: u64) -> Result<Index> {
        let index = match table.compact {
            None => full::read(self, table, number)?,
            Some(_) => compact::read(self, table, number)?,
        };
        match index {
            Index::Head(Head { skip, .. }) if skip >> table.bits != 0 => {
                let text = format!("logical cluster {number}: a cluster begins at its byte {skip}");
                Err(self.blame(table, number, Error::corrupt(text)))
            }
            _ => Ok(index),
        }
    }
}

impl Clusters {
    /// The byte `skip` of logical cluster `number`, in the file; past its end for a number that it
    /// cannot have.
    pub(super) fn place(&self, number: u64, skip: u64) -> u64 {
        let start = number.checked_mul(1 << self.bits); // at most 2^31
        start.unwrap_or(u64::MAX).saturating_add(skip)
    }
}

fn next(number: u64) -> u64 {
    number.saturating_add(1)
}
