//! On-disk structures of the master boot record; an extended boot record has the same shape.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The first 512 bytes of a disk, or of an extended partition's part (UEFI specification 2.10,
/// table 5.1).
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct MasterBootRecord {
    pub(super) BootCode: [u8; 440],
    pub(super) UniqueMBRDiskSignature: U32,
    pub(super) Unknown: [u8; 2],
    pub(super) PartitionRecord: [PartitionRecord; 4],
    pub(super) Signature: [u8; 2],
}

/// `MasterBootRecord::Signature`.
pub(super) const SIGNATURE: [u8; 2] = [0x55, 0xaa];

/// One partition (table 5.2). The CHS addresses are not used by anybody any more.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct PartitionRecord {
    pub(super) BootIndicator: u8,
    pub(super) StartingCHS: [u8; 3],
    pub(super) OSType: u8,
    pub(super) EndingCHS: [u8; 3],
    pub(super) StartingLBA: U32,
    pub(super) SizeInLBA: U32,
}

impl PartitionRecord {
    /// Whether it stands for a partition: the kernel goes by the size alone.
    pub(super) fn is_used(&self) -> bool {
        self.SizeInLBA.get() != 0
    }

    /// Whether it holds logical partitions: DOS, Windows 95 with LBA, Linux.
    pub(super) fn is_extended(&self) -> bool {
        matches!(self.OSType, 0x05 | 0x0f | 0x85)
    }
}
