//! Clusters that hold the bytes of a file, a directory or a table: a chain in the FAT, or a run
//! without one.

use super::core::Core;
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::filesystem::chain::{FIRST, Run};
use crate::number::{to_u64, to_usize};

/// Where bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    /// `FirstCluster`.
    pub(super) first: u32,
    /// Bytes.
    pub(super) length: u64,
    /// `NoFatChain`: the clusters follow each other, and the FAT says nothing of them.
    pub(super) contiguous: bool,
    /// The byte of what says so: of the first entry of its set, or of the boot sector's field.
    pub(super) entry: u64,
}

/// Bytes that follow each other on the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The byte of the volume.
    pub(super) start: u64,
    /// How many, at least 1.
    pub(super) len: u64,
}

impl Stream {
    /// What is at byte `offset`: up to the end of its clusters that follow each other, which may be
    /// past the end of the stream; `None` where its chain ends before.
    ///
    /// # Errors
    /// `Corrupt` where clusters are none or the chain is broken; what makes the FAT unreadable.
    pub(super) fn piece_at(
        &self,
        core: &Core<'_>,
        request: &Request,
        offset: u64,
    ) -> Result<Option<Piece>> {
        let bits = core.geometry.cluster_bits;
        let index = offset.wrapping_shr(bits); // bits are at most 25
        let Some(run) = self.run_at(core, request, index)? else {
            return Ok(None);
        };
        let skip = offset.saturating_sub(index.wrapping_shl(bits));
        let bytes = u64::from(run.count).wrapping_shl(bits); // below 2^57
        Ok(Some(Piece {
            start: core.geometry.place(run.cluster).saturating_add(skip),
            len: bytes.saturating_sub(skip),
        }))
    }

    /// Fills `buf` from byte `offset` on.
    ///
    /// # Errors
    /// As [`Stream::piece_at`], also where the chain ends before; as for reading.
    pub(super) fn read(
        &self,
        core: &Core<'_>,
        request: &Request,
        buf: &mut [u8],
        offset: u64,
    ) -> Result<()> {
        let (mut left, mut offset) = (buf, offset);
        while !left.is_empty() {
            let piece = self.piece_at(core, request, offset)?;
            let piece = piece.ok_or_else(|| self.too_short(offset))?;
            let len = to_u64(left.len()).min(piece.len);
            let (part, rest) = left.split_at_mut(to_usize(len));
            core.source.read_contents_at(part, piece.start)?;
            offset = offset.saturating_add(len);
            left = rest;
        }
        Ok(())
    }

    /// The clusters from number `index` on; `None` where the chain ends before.
    ///
    /// # Errors
    /// As [`Stream::piece_at`].
    pub(super) fn run_at(
        &self,
        core: &Core<'_>,
        request: &Request,
        index: u64,
    ) -> Result<Option<Run>> {
        if self.contiguous {
            return self.contiguous_run(core, index).map(Some);
        }
        let Ok(index) = u32::try_from(index) else {
            return Ok(None);
        };
        let run = core.chains.run_at(request, &core.fat, self.first, index);
        run.map_err(|error| error.at(self.entry))
    }

    fn contiguous_run(&self, core: &Core<'_>, index: u64) -> Result<Run> {
        let end = core.geometry.end();
        let start = u64::from(self.first).checked_add(index);
        let start = start.and_then(|start| u32::try_from(start).ok());
        let inside = start.filter(|start| (FIRST..end).contains(start) && self.first >= FIRST);
        let cluster = inside.ok_or_else(|| {
            Error::corrupt(format!(
                "cluster {index} from FirstCluster {} on is none of the clusters {FIRST} to {}",
                self.first,
                end.saturating_sub(1)
            ))
            .at(self.entry)
        })?;
        let wanted = core
            .geometry
            .clusters_for(self.length)
            .saturating_sub(index);
        let there = end.saturating_sub(cluster);
        let count = u32::try_from(wanted.max(1)).map_or(there, |wanted| wanted.min(there));
        Ok(Run { cluster, count })
    }

    fn too_short(&self, offset: u64) -> Error {
        Error::corrupt(format!(
            "the chain from cluster {} ends before byte {offset} of {}",
            self.first, self.length
        ))
        .at(self.entry)
    }
}
