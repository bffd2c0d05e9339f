//! The records, little-endian: a tag of 4 bytes (`struct ext4_fc_tl`) and its value.

use super::super::edit::RawBytes;
use super::super::edit::extents::{Extent, parse_extent};

/// Bytes of `struct ext4_fc_tl`.
pub(super) const HEADER: usize = 4;

/// `fc_tag`.
pub(super) mod tag {
    pub(crate) const ADD_RANGE: u16 = 1;
    pub(crate) const DEL_RANGE: u16 = 2;
    pub(crate) const CREAT: u16 = 3;
    pub(crate) const LINK: u16 = 4;
    pub(crate) const UNLINK: u16 = 5;
    pub(crate) const INODE: u16 = 6;
    pub(crate) const PAD: u16 = 7;
    pub(crate) const TAIL: u16 = 8;
    pub(crate) const HEAD: u16 = 9;
}

/// What a record asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Tag {
    /// The file's blocks are mapped so.
    AddRange { inode: u32, extent: Extent },
    /// Nothing is mapped there any more.
    DelRange { inode: u32, first: u32, blocks: u32 },
    /// A new inode got its first name.
    Create(Name),
    /// An inode got one more name.
    Link(Name),
    /// A name is gone.
    Unlink(Name),
    /// The inode is now so; its block map is not in `raw`.
    Inode { inode: u32, raw: Vec<u8> },
}

/// A directory entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Name {
    pub(super) parent: u32,
    pub(super) inode: u32,
    pub(super) name: Vec<u8>,
}

/// Whether a value of tag `tag` can be `len` bytes.
pub(super) fn is_valid_len(tag: u16, len: usize, inode_size: u16) -> bool {
    match tag {
        tag::ADD_RANGE => len == 16,
        tag::DEL_RANGE => len == 12,
        tag::CREAT | tag::LINK | tag::UNLINK => (9..=263).contains(&len),
        tag::INODE => (132..=usize::from(inode_size).saturating_add(4)).contains(&len),
        tag::PAD => true,
        tag::TAIL => len >= 8,
        tag::HEAD => len == 8,
        _ => false,
    }
}

/// The record of a tag whose value has a valid length; `None` for those that change nothing.
pub(super) fn parse(kind: u16, value: &[u8]) -> Option<Tag> {
    let name = || Name {
        parent: value.u32_at(0),
        inode: value.u32_at(4),
        name: value.get(8..).unwrap_or(&[]).to_vec(),
    };
    let inode = value.u32_at(0);
    Some(match kind {
        tag::ADD_RANGE => Tag::AddRange {
            inode,
            extent: parse_extent(value.get(4..)?),
        },
        tag::DEL_RANGE => Tag::DelRange {
            inode,
            first: value.u32_at(4),
            blocks: value.u32_at(8),
        },
        tag::CREAT => Tag::Create(name()),
        tag::LINK => Tag::Link(name()),
        tag::UNLINK => Tag::Unlink(name()),
        tag::INODE => Tag::Inode {
            inode,
            raw: value.get(4..)?.to_vec(),
        },
        _ => return None,
    })
}
