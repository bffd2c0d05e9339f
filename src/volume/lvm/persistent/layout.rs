//! The on-disk structures of drivers/md/persistent-data, under the names of its
//! dm-btree-internal.h and dm-array.c.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `BTREE_CSUM_XOR`.
pub(super) const BTREE_CSUM_XOR: u32 = 121_107;

/// `CSUM_XOR` of dm-array.c.
pub(super) const ARRAY_CSUM_XOR: u32 = 595_846_735;

/// `INTERNAL_NODE`.
pub(super) const INTERNAL_NODE: u32 = 1;

/// `LEAF_NODE`.
pub(super) const LEAF_NODE: u32 = 2;

/// How every block begins.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct BlockHeader {
    pub(super) csum: U32,
}

/// `struct node_header`; `max_entries` keys follow, and as many values.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct NodeHeader {
    _csum: U32,
    pub(super) flags: U32,
    pub(super) blocknr: U64,
    pub(super) nr_entries: U32,
    pub(super) max_entries: U32,
    pub(super) value_size: U32,
    _padding: U32,
}

/// `struct array_block`; its values follow.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct ArrayBlock {
    _csum: U32,
    pub(super) max_entries: U32,
    pub(super) nr_entries: U32,
    pub(super) value_size: U32,
    pub(super) blocknr: U64,
}
