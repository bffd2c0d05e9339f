//! On-disk structures of LUKS1 (LUKS On-Disk Format Specification, version 1.2.3) and of LUKS2's
//! binary header (version 1.1.4). All numbers are big-endian; texts end with a NUL.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `Phdr::magic`, and that of LUKS2's first header.
pub(super) const MAGIC: [u8; 6] = *b"LUKS\xba\xbe";

/// That of LUKS2's second header.
pub(super) const SECOND_MAGIC: [u8; 6] = *b"SKUL\xba\xbe";

/// What cryptsetup-reencrypt put in the place of LUKS1's magic while it worked.
pub(super) const OFF_MAGIC: [u8; 6] = *b"LUKS\xde\xad";

/// LUKS1's header ("partition header").
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Phdr {
    pub(super) magic: [u8; 6],
    pub(super) version: U16,
    pub(super) cipher_name: [u8; 32],
    pub(super) cipher_mode: [u8; 32],
    pub(super) hash_spec: [u8; 32],
    /// In sectors of 512 bytes.
    pub(super) payload_offset: U32,
    pub(super) key_bytes: U32,
    pub(super) mk_digest: [u8; 20],
    pub(super) mk_digest_salt: [u8; 32],
    pub(super) mk_digest_iter: U32,
    pub(super) uuid: [u8; 40],
    pub(super) key_slots: [KeySlot; 8],
}

/// A keyslot of LUKS1.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct KeySlot {
    pub(super) active: U32,
    pub(super) iterations: U32,
    pub(super) salt: [u8; 32],
    /// In sectors of 512 bytes.
    pub(super) key_material_offset: U32,
    pub(super) stripes: U32,
}

/// Values of `KeySlot::active`.
pub(super) const KEY_DISABLED: u32 = 0x0000_dead;
pub(super) const KEY_ENABLED: u32 = 0x00ac_71f3;

/// The only value of `KeySlot::stripes` that is in use.
pub(super) const STRIPES: u32 = 4000;

/// LUKS2's binary header: 4,096 bytes, behind which the JSON stands.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Header2 {
    pub(super) magic: [u8; 6],
    pub(super) version: U16,
    /// With the JSON.
    pub(super) hdr_size: U64,
    pub(super) seqid: U64,
    pub(super) label: [u8; 48],
    pub(super) csum_alg: [u8; 32],
    pub(super) salt: [u8; 64],
    pub(super) uuid: [u8; 40],
    pub(super) subsystem: [u8; 48],
    /// Where this header stands.
    pub(super) hdr_offset: U64,
    pub(super) padding: [u8; 184],
    pub(super) csum: [u8; 64],
    pub(super) padding4096: [u8; 7 * 512],
}

/// Bytes of [`Header2`].
pub(super) const HEADER_2_LEN: usize = size_of::<Header2>();

/// Where `Header2::csum` stands.
pub(super) const CSUM_AT: usize = 448;

/// The values that `Header2::hdr_size` may have, which are the places of the second header.
pub(super) const SIZES: [u64; 9] = [
    0x4000, 0x8000, 0x1_0000, 0x2_0000, 0x4_0000, 0x8_0000, 0x10_0000, 0x20_0000, 0x40_0000,
];

const _: () = assert!(size_of::<Phdr>() == 592 && HEADER_2_LEN == 4096);
const _: () = assert!(std::mem::offset_of!(Header2, csum) == CSUM_AT);

/// What of `text` stands before its NUL.
pub(super) fn text(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == 0);
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}
