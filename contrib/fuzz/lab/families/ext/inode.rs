//! Inodes, and the blocks that they lead to: extents, pointers, extended attributes.

use crate::family::{Field, Order, Structure};

use super::directory;
use super::locate::Ext;

/// `i_flags`: mapped by extents.
const EXTENTS: u64 = 0x8_0000;
/// `i_flags`: the content lies in the inode.
pub const INLINE: u64 = 0x1000_0000;
/// Entries of one node, and pointers of one block, that are fields.
const MOST: u64 = 12;
/// Blocks of one file that are listed.
const BLOCKS: usize = 400;

const FIELDS: &[(&str, u64)] = &[
    ("i_mode", 2),
    ("i_uid", 2),
    ("i_size_lo", 4),
    ("i_atime", 4),
    ("i_ctime", 4),
    ("i_mtime", 4),
    ("i_dtime", 4),
    ("i_gid", 2),
    ("i_links_count", 2),
    ("i_blocks_lo", 4),
    ("i_flags", 4),
    ("i_version", 4),
    ("", 60), // i_block
    ("i_generation", 4),
    ("i_file_acl_lo", 4),
    ("i_size_high", 4),
    ("i_obso_faddr", 4),
    ("i_blocks_high", 2),
    ("i_file_acl_high", 2),
    ("i_uid_high", 2),
    ("i_gid_high", 2),
    ("", 4), // the checksum
    ("i_extra_isize", 2),
    ("", 2),
    ("i_ctime_extra", 4),
    ("i_mtime_extra", 4),
    ("i_atime_extra", 4),
    ("i_crtime", 4),
    ("i_crtime_extra", 4),
    ("i_version_hi", 4),
    ("i_projid", 4),
];

/// Adds inode `number`, where it is in use, and what it leads to.
pub fn locate(ext: &Ext<'_>, number: u64, into: &mut Vec<Structure>) {
    let (descriptor, at) = ext.inode_at(number);
    let mode = ext.le(at, 2);
    if mode == 0 {
        return;
    }
    let name = format!("inode {number}");
    let mut found = ext.structure(&name, at, ext.inode_size, Some(descriptor));
    found.fields = Field::row(at, Order::Little, FIELDS);
    found
        .fields
        .retain(|field| field.offset < at + ext.inode_size);
    into.push(found);
    attributes_in_inode(ext, number, at, into);
    attribute_block(ext, at, into);
    if mode & 0xf000 == 0x4000 && ext.le(at + 32, 4) & INLINE != 0 {
        // The parent's number, and entries behind it.
        directory::entries(ext, "inline directory", at + 44..at + 100, at, into);
    }
    let blocks = blocks(ext, at, into);
    if mode & 0xf000 == 0x4000 {
        directory::locate(ext, at, &blocks, into);
    }
}

/// The blocks of the inode at `at`: number in the file and on the disk. What maps them is added.
pub fn blocks(ext: &Ext<'_>, at: u64, into: &mut Vec<Structure>) -> Vec<(u64, u64)> {
    let mut blocks = Vec::new();
    let flags = ext.le(at + 32, 4);
    let kind = ext.le(at, 2) >> 12;
    let has_target = kind == 10 && ext.le(at + 4, 4) < 60;
    if flags & EXTENTS != 0 {
        extents(ext, "extents of inode", at + 40, at, into, &mut blocks);
    } else if flags & INLINE == 0 && matches!(kind, 4 | 8 | 10) && !has_target {
        let pointers = |index: u64| {
            Field::new(
                format!("i_block[{index}]"),
                at + 40 + index * 4,
                4,
                Order::Little,
            )
        };
        if let Some(inode) = into.last_mut() {
            inode.fields.extend((0..15).map(pointers));
        }
        for index in 0..12 {
            blocks.push((index, ext.le(at + 40 + index * 4, 4)));
        }
        for level in 1..=3 {
            let block = ext.le(at + 40 + (11 + level) * 4, 4);
            indirect(ext, block, level, at, into, &mut blocks);
        }
        blocks.retain(|(_, block)| *block != 0);
    }
    blocks.truncate(BLOCKS);
    blocks
}

/// The node of an extent tree at `at`, and what lies below it.
fn extents(
    ext: &Ext<'_>,
    name: &str,
    at: u64,
    parent: u64,
    into: &mut Vec<Structure>,
    blocks: &mut Vec<(u64, u64)>,
) {
    if ext.le(at, 2) != 0xf30a {
        return;
    }
    let (count, depth) = (ext.le(at + 2, 2), ext.le(at + 6, 2));
    let is_block = name.starts_with("extent block");
    let size = if is_block { ext.block_size } else { 60 };
    let shown = if is_block { at / ext.block_size } else { at };
    let mut node = ext.structure(&format!("{name} {shown}"), at, size, Some(parent));
    let header = [
        ("eh_magic", 2),
        ("eh_entries", 2),
        ("eh_max", 2),
        ("eh_depth", 2),
        ("eh_generation", 4),
    ];
    node.fields = Field::row(at, Order::Little, &header);
    for index in (0..count).filter(|index| *index < MOST || index + 1 == count) {
        let entry = at + 12 + index * 12;
        let row: [(&str, u64); 4] = match depth {
            0 => [
                ("ee_block", 4),
                ("ee_len", 2),
                ("ee_start_hi", 2),
                ("ee_start_lo", 4),
            ],
            _ => [
                ("ei_block", 4),
                ("ei_leaf_lo", 4),
                ("ei_leaf_hi", 2),
                ("", 2),
            ],
        };
        node.fields.extend(Field::row(entry, Order::Little, &row));
    }
    into.push(node);
    for index in 0..count {
        let entry = at + 12 + index * 12;
        if depth > 0 {
            if let Some(below) = ext.block_at(ext.le(entry + 4, 4)) {
                extents(ext, "extent block", below, at, into, blocks);
            }
            continue;
        }
        let (logical, start) = (ext.le(entry, 4), ext.le(entry + 8, 4));
        let len = ext.le(entry + 4, 2) & 0x7fff;
        blocks.extend((0..len).map(|index| (logical + index, start + index)));
    }
}

/// A block of pointers, `level` above the content.
fn indirect(
    ext: &Ext<'_>,
    block: u64,
    level: u64,
    parent: u64,
    into: &mut Vec<Structure>,
    blocks: &mut Vec<(u64, u64)>,
) {
    let Some(at) = ext.block_at(block) else {
        return;
    };
    let name = format!("indirect block {block}");
    let mut node = ext.structure(&name, at, ext.block_size, Some(parent));
    let pointers = ext.block_size / 4;
    let is_set = |index: &u64| ext.le(at + index * 4, 4) != 0;
    let set: Vec<u64> = (0..pointers).filter(is_set).collect();
    for index in set.iter().take(MOST as usize).chain([&(pointers - 1)]) {
        let field = Field::new(format!("pointer {index}"), at + index * 4, 4, Order::Little);
        node.fields.push(field);
    }
    into.push(node);
    for index in set {
        let below = ext.le(at + index * 4, 4);
        match level {
            // Where in the file it is does not matter to anybody here.
            1 => blocks.push((12 + index, below)),
            _ => indirect(ext, below, level - 1, at, into, blocks),
        }
    }
}

/// Extended attributes behind the fields of the inode at `at`.
fn attributes_in_inode(ext: &Ext<'_>, number: u64, at: u64, into: &mut Vec<Structure>) {
    if ext.inode_size <= 128 {
        return;
    }
    let start = at + 128 + ext.le(at + 128, 2);
    if ext.le(start, 4) != 0xea02_0000 {
        return;
    }
    let size = at + ext.inode_size - start;
    let name = format!("attributes of inode {number}");
    let mut found = ext.structure(&name, start, size, Some(at));
    found.fields = vec![Field::new("h_magic", start, 4, Order::Little)];
    found
        .fields
        .extend(attribute_entries(ext, start + 4, at + ext.inode_size));
    into.push(found);
}

fn attribute_block(ext: &Ext<'_>, inode: u64, into: &mut Vec<Structure>) {
    let block = ext.le(inode + 0x68, 4);
    let Some(at) = ext.block_at(block) else {
        return;
    };
    let name = format!("attribute block {block}");
    let mut found = ext.structure(&name, at, ext.block_size, Some(inode));
    let header = [
        ("h_magic", 4),
        ("h_refcount", 4),
        ("h_blocks", 4),
        ("h_hash", 4),
    ];
    found.fields = Field::row(at, Order::Little, &header);
    found
        .fields
        .extend(attribute_entries(ext, at + 32, at + ext.block_size));
    into.push(found);
}

fn attribute_entries(ext: &Ext<'_>, mut at: u64, end: u64) -> Vec<Field> {
    let mut fields = Vec::new();
    while at + 16 <= end && ext.le(at, 4) != 0 {
        let row = [
            ("e_name_len", 1),
            ("e_name_index", 1),
            ("e_value_offs", 2),
            ("e_value_inum", 4),
            ("e_value_size", 4),
            ("e_hash", 4),
        ];
        fields.extend(Field::row(at, Order::Little, &row));
        at += (16 + ext.le(at, 1)).next_multiple_of(4);
    }
    fields
}
