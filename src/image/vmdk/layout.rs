//! On-disk structures of VMDK: VMware, "Virtual Disk Format 5.0", sections "Hosted Sparse Extents",
//! "ESXi Host Sparse Extents" and "Stream-Optimized Compressed". Space-efficient sparse extents
//! (SEsparse) have no published specification; their fields are those of ESXi's log, as QEMU's
//! developers describe them.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{Error, Result};
use crate::source::{Source, read_vec};

/// Bytes of a sector, in which every address and size counts.
pub(super) const SECTOR: u64 = 512;

/// The header of a hosted sparse extent, and the footer of a stream-optimized one.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct SparseExtentHeader {
    pub(super) magicNumber: [u8; 4],
    pub(super) version: U32,
    pub(super) flags: U32,
    pub(super) capacity: U64,
    pub(super) grainSize: U64,
    pub(super) descriptorOffset: U64,
    pub(super) descriptorSize: U64,
    pub(super) numGTEsPerGT: U32,
    pub(super) rgdOffset: U64,
    pub(super) gdOffset: U64,
    pub(super) overHead: U64,
    pub(super) uncleanShutdown: u8,
    pub(super) lineEnds: [u8; 4],
    pub(super) compressAlgorithm: U16,
}

/// `SparseExtentHeader::magicNumber`.
pub(super) const HOSTED_MAGIC: [u8; 4] = *b"KDMV";

/// `SparseExtentHeader::lineEnds`: singleEndLineChar, nonEndLineChar and both doubleEndLineChars,
/// which a transfer as text would change.
pub(super) const LINE_ENDS: [u8; 4] = *b"\n \r\n";

/// `SparseExtentHeader::gdOffset`: the grain directory is behind the grains, and the footer knows.
pub(super) const GD_AT_END: u64 = u64::MAX;

/// `SparseExtentHeader::flags`: the line ends can be checked.
pub(super) const FLAG_LINE_ENDS: u32 = 1;
/// There is a redundant grain directory.
pub(super) const FLAG_REDUNDANT: u32 = 1 << 1;
/// A grain table entry of 1 is a grain of zeros.
pub(super) const FLAG_ZEROED_GRAIN: u32 = 1 << 2;
/// Grains are compressed.
pub(super) const FLAG_COMPRESSED: u32 = 1 << 16;
/// Metadata has markers, and compressed grains say which they are.
pub(super) const FLAG_MARKERS: u32 = 1 << 17;
/// Flags that change how the extent is read: who does not know one must not go on.
pub(super) const INCOMPATIBLE: u32 = 0xffff_0000;

/// `SparseExtentHeader::compressAlgorithm`: DEFLATE, in zlib's wrapping.
pub(super) const DEFLATE: u16 = 1;

/// What stands in front of a compressed grain.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct GrainMarker {
    pub(super) lba: U64,
    pub(super) size: U32,
}

/// What stands in front of metadata, in a sector of its own.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct MetaDataMarker {
    pub(super) numSectors: U64,
    pub(super) size: U32,
    pub(super) r#type: U32,
}

/// `MetaDataMarker::type`: the end of the stream.
pub(super) const MARKER_EOS: u32 = 0;
/// `MetaDataMarker::type`: the footer follows.
pub(super) const MARKER_FOOTER: u32 = 3;

/// The header of an ESX Server sparse extent, as far as it is used.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct CowdHeader {
    pub(super) magicNumber: [u8; 4],
    pub(super) version: U32,
    pub(super) flags: U32,
    pub(super) numSectors: U32,
    pub(super) grainSize: U32,
    pub(super) gdOffset: U32,
    pub(super) numGDEntries: U32,
    pub(super) freeSector: U32,
}

/// `CowdHeader::magicNumber`.
pub(super) const COWD_MAGIC: [u8; 4] = *b"COWD";

/// The constant header of an SEsparse extent.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct SeConstHeader {
    pub(super) constMagic: U64,
    pub(super) version: U64,
    pub(super) capacity: U64,
    pub(super) grainSize: U64,
    pub(super) grainTableSize: U64,
    pub(super) flags: U64,
    pub(super) reserved: [U64; 4],
    pub(super) volatileHeader: SeArea,
    pub(super) journalHeader: SeArea,
    pub(super) journal: SeArea,
    pub(super) grainDirectory: SeArea,
    pub(super) grainTables: SeArea,
    pub(super) freeBitmap: SeArea,
    pub(super) backMap: SeArea,
    pub(super) grain: SeArea,
}

/// An area of an SEsparse extent, in sectors.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct SeArea {
    pub(super) offset: U64,
    pub(super) size: U64,
}

/// The header of an SEsparse extent that changes as it is written.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct SeVolatileHeader {
    pub(super) volatileMagic: U64,
    pub(super) freeGTNumber: U64,
    pub(super) nextTxnSeqNumber: U64,
    pub(super) replayJournal: U64,
}

/// `SeConstHeader::constMagic`.
pub(super) const SE_CONST_MAGIC: u64 = 0xcafe_babe;
/// `SeVolatileHeader::volatileMagic`.
pub(super) const SE_VOLATILE_MAGIC: u64 = 0xcafe_cafe;
/// `SeConstHeader::version`: 2.1, the only one there is.
pub(super) const SE_VERSION: u64 = 0x2_0000_0001;

/// How a change tracking file (`-ctk.vmdk`) begins: its magic, version 1, zeros, and 512.
pub(super) const CHANGE_TRACKING: [u8; 16] =
    [0xa2, 0x72, 0x19, 0xf6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0];

/// The structure at byte `offset`.
///
/// # Errors
/// `Corrupt` where the source ends before it; as [`Source::read_exact_at`].
pub(super) fn read<T: FromBytes>(source: &dyn Source, offset: u64, name: &str) -> Result<T> {
    let end = offset.checked_add(crate::number::to_u64(size_of::<T>()));
    let cut = || Error::corrupt(format!("the file ends before its {name}")).at(offset);
    if end.is_none_or(|end| end > source.size()) {
        return Err(cut());
    }
    let bytes = read_vec(source, offset, size_of::<T>())?;
    T::read_from_bytes(&bytes).map_err(|_| cut())
}
