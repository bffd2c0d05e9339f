//! The logical volume: its partitions, and where their blocks are.

use super::disk::Disk;
use super::layout::RawAddress;
use super::partition::{Kind, Partition};
use super::tag;
use crate::cache::Layer;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::{Inode, Request};
use crate::format::Context;
use crate::source::SharedSource;

/// A logical block of a partition: `lb_addr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address {
    /// Index of the partition in the volume's partition maps.
    pub(super) partition: u16,
    /// Block of the partition.
    pub(super) block: u32,
}

impl Address {
    /// The address in `raw`.
    pub(super) fn new(raw: RawAddress) -> Self {
        Self {
            partition: raw.partition_reference_number.get(),
            block: raw.logical_block_number.get(),
        }
    }

    /// The handle of the file whose ICB is here.
    pub(super) fn inode(self) -> Inode {
        Inode(u64::from(self.partition) << 32 | u64::from(self.block))
    }

    /// The place of the ICB of `inode`.
    ///
    /// # Errors
    /// `Invalid` for a number that is no handle.
    pub(super) fn of(inode: Inode) -> Result<Self> {
        let invalid = || Error::invalid(format!("{:#x} is no file", inode.0));
        Ok(Self {
            partition: u16::try_from(inode.0 >> 32).map_err(|_| invalid())?,
            block: u32::try_from(inode.0 & u64::from(u32::MAX)).map_err(|_| invalid())?,
        })
    }

    /// The block `count` blocks on.
    ///
    /// # Errors
    /// `Corrupt` past the last that a partition can have.
    pub(super) fn plus(self, count: u64) -> Result<Self> {
        let block = u64::from(self.block).checked_add(count);
        let block = block.and_then(|block| u32::try_from(block).ok());
        let block = block.ok_or_else(|| {
            Error::corrupt(format!(
                "an extent from block {} on passes block 2^32",
                self.block
            ))
        })?;
        Ok(Self { block, ..self })
    }

    /// For error messages.
    pub(super) fn text(self) -> String {
        format!("partition {} block {}", self.partition, self.block)
    }
}

/// Where blocks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The byte of the disk at which the first begins.
    pub(super) offset: u64,
    /// How many, at least 1, lie in one piece.
    pub(super) blocks: u64,
}

/// An open logical volume.
pub(super) struct Volume {
    /// Its bytes.
    pub(super) source: SharedSource,
    /// A block has 2 to this many bytes.
    pub(super) block_bits: u32,
    /// Its partitions, in the order of the partition maps.
    pub(super) partitions: Vec<Partition>,
    /// The user's choices, where to say what is odd, and the cache, which keeps lists of allocation
    /// extents.
    pub(super) context: Context,
    /// Which of the cache's blocks are such lists.
    pub(super) chains: Layer,
    /// The same of the files that find partitions: reading a list of the others may need theirs.
    pub(super) chains_within: Layer,
}

impl Volume {
    /// Its sectors.
    pub(super) fn disk(&self) -> Disk<'_> {
        Disk {
            source: &*self.source,
            block_bits: self.block_bits,
            options: &self.context.options,
            notices: &self.context.notices,
        }
    }

    /// Where block `at` is, and as many behind it as lie in one piece.
    ///
    /// # Errors
    /// `Corrupt` for a partition or a block that there is not.
    pub(super) fn place(&self, request: &Request, at: Address) -> Result<Place> {
        self.place_in_copy(request, at, 0)
    }

    /// The same in copy `copy` of a metadata partition.
    fn place_in_copy(&self, request: &Request, at: Address, copy: usize) -> Result<Place> {
        let partition = self.partition(at.partition)?;
        match &partition.kind {
            Kind::Physical => self.linear(partition, at.block),
            Kind::Sparable(sparing) => match sparing.spared(at.block) {
                Some(place) => Ok(self.in_packet(place)),
                None => {
                    let place = self.linear(partition, at.block)?;
                    let blocks = place.blocks.min(sparing.unspared(at.block));
                    Ok(Place { blocks, ..place })
                }
            },
            Kind::Virtual(table) => table.place(self, request, at.block),
            Kind::Metadata(files) => files.place(self, request, at.block, copy),
            Kind::Unread => Err(Error::corrupt(format!(
                "{} is needed to find the partition itself",
                at.text()
            ))),
        }
    }

    /// Partition `reference` of the partition maps.
    ///
    /// # Errors
    /// `Corrupt` where there are fewer.
    pub(super) fn partition(&self, reference: u16) -> Result<&Partition> {
        let partition = self.partitions.get(usize::from(reference));
        partition.ok_or_else(|| {
            let count = self.partitions.len();
            Error::corrupt(format!(
                "partition_reference_number {reference} of {count} partitions"
            ))
        })
    }

    fn linear(&self, partition: &Partition, block: u32) -> Result<Place> {
        let number = partition.start.saturating_add(block.into());
        match self.disk().blocks().checked_sub(number) {
            Some(blocks @ 1..) => Ok(Place {
                offset: self.disk().offset(number),
                blocks,
            }),
            _ => Err(Error::corrupt(format!(
                "block {number} lies past the end of a volume of {} blocks",
                self.disk().blocks()
            ))),
        }
    }

    /// `blocks` of a spare packet from sector `number` on.
    fn in_packet(&self, (number, blocks): (u64, u64)) -> Place {
        Place {
            offset: self.disk().offset(number),
            blocks,
        }
    }

    /// The descriptor at `at`, its tag checked: what it is, its block, and the byte of the disk where
    /// that lies. In a metadata partition its copy is read where it is damaged.
    ///
    /// # Errors
    /// `Corrupt` or `Io`, naming the place.
    pub(super) fn descriptor(&self, request: &Request, at: Address) -> Result<(u16, Vec<u8>, u64)> {
        let error = match self.descriptor_in_copy(request, at, 0) {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let copies = match self
            .partition(at.partition)
            .map(|partition| &partition.kind)
        {
            Ok(Kind::Metadata(files)) => files.copies(),
            _ => 1,
        };
        for copy in 1..copies {
            if let Ok(found) = self.descriptor_in_copy(request, at, copy) {
                let error = error.context(at.text());
                self.disk().notice(&error.hint("its mirror is read"));
                return Ok(found);
            }
        }
        Err(error).context(|| at.text())
    }

    fn descriptor_in_copy(
        &self,
        request: &Request,
        at: Address,
        copy: usize,
    ) -> Result<(u16, Vec<u8>, u64)> {
        request.spend(self.steps(0))?;
        let place = self.place_in_copy(request, at, copy)?;
        let block = self
            .disk()
            .read_at(place.offset, self.disk().block_size())?;
        let covered = tag::read(&block).map_or(0, |tag| tag.descriptor_crc_length.get());
        request.spend(tag::steps(covered.into()))?;
        let kind = self.disk().checked(&block, at.block, place.offset)?;
        Ok((kind, block, place.offset))
    }

    /// Fails where a descriptor may have been unreadable because `request` had no steps left for it,
    /// which says nothing of the descriptor: takes as many as one costs at most.
    ///
    /// # Errors
    /// As [`Request::spend`].
    pub(super) fn still(&self, request: &Request) -> Result<()> {
        request.spend(self.steps(self.disk().block_size()))
    }

    /// What a descriptor costs whose CRC covers `covered` bytes. To copy its block takes less for
    /// each byte than the CRC does.
    fn steps(&self, covered: u64) -> u64 {
        let copied = self.disk().block_size().wrapping_shr(10);
        let steps = tag::steps(covered).saturating_add(copied);
        steps.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_an_address() {
        let address = Address {
            partition: 1,
            block: u32::MAX,
        };
        assert_eq!(Address::of(address.inode()).unwrap(), address);
        assert!(Address::of(Inode(1 << 48)).is_err());
        assert!(address.plus(1).is_err());
        assert_eq!(address.plus(0).unwrap(), address);
    }
}
