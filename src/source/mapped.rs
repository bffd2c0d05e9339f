//! The one read loop over everything that only says *where* its bytes are.

use crate::error::Result;

/// Where a run of bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In member `member`, from byte `offset` on.
    At {
        /// Index into the members.
        member: usize,
        /// Byte offset in that member.
        offset: u64,
    },
    /// Nowhere: it is zeros.
    Zeros,
    /// Nowhere: never written. Reads as zeros.
    Absent,
    /// In the backing source, at the same offset; zeros past its end or without one.
    Backing,
    /// In packed unit `unit` (compressed, encrypted, escaped), from its byte `skip` on.
    Packed {
        /// The number that [`Map::unpack`] is asked for.
        unit: u64,
        /// Bytes of the unpacked unit before the run.
        skip: usize,
    },
}

/// A place, and how many bytes from there on lie in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where.
    pub place: Place,
    /// Bytes, at least 1. May reach past the end of the map; the reader cuts it.
    pub len: std::num::NonZeroU64,
}

/// Describes where bytes are; [`Mapped`] alone reads them. qcow2, VHDX, LVM, RAID and the journal
/// of a file system are maps.
pub trait Map: Send + Sync {
    /// The size in bytes.
    fn size(&self) -> u64;

    /// Where the bytes from `offset` on are. `attempt` over 0 asks for the next copy, or parity,
    /// after a member failed to give the one before.
    ///
    /// # Errors
    /// Whatever makes this range unreadable, and it alone; `NotFound` for an `attempt` there is no
    /// copy for.
    fn run_at(&self, offset: u64, attempt: u8) -> Result<Run>;

    /// Size in bytes of unit `unit` unpacked: bounded before anything is allocated.
    ///
    /// # Errors
    /// `Corrupt` for a unit that no run names.
    fn unit(&self, unit: u64) -> Result<usize>;

    /// Unpacks `unit` into all of `into`, which is [`Map::unit`] long.
    ///
    /// # Errors
    /// As the format's decoder says.
    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()>;
}
