//! Directories: blocks of entries, and the hash trees over them.

use std::ops::Range;

use crate::family::{Field, Order, Structure};

use super::locate::Ext;

/// `i_flags`: the directory has a hash tree.
const INDEX: u64 = 0x1000;
/// Entries of one block, and of one node, that are fields.
const MOST: usize = 10;

const ENTRY: [(&str, u64); 4] = [
    ("inode", 4),
    ("rec_len", 2),
    ("name_len", 1),
    ("file_type", 1),
];

/// Adds the `blocks` of the directory whose inode is at `inode`.
pub fn locate(ext: &Ext<'_>, inode: u64, blocks: &[(u64, u64)], into: &mut Vec<Structure>) {
    let is_indexed = ext.le(inode + 32, 4) & INDEX != 0;
    for (logical, block) in blocks {
        let Some(at) = ext.block_at(*block) else {
            continue;
        };
        let range = at..at + ext.block_size;
        if is_indexed && *logical == 0 {
            hash_tree(
                ext,
                &format!("hash tree root {block}"),
                at,
                0x20,
                inode,
                into,
            );
        } else if is_indexed && ext.le(at + 4, 2) == ext.block_size {
            hash_tree(ext, &format!("hash tree node {block}"), at, 8, inode, into);
        } else {
            entries(ext, &format!("directory block {block}"), range, inode, into);
        }
    }
}

/// Adds a stretch of entries, one behind the other, as the structure `name`.
pub fn entries(
    ext: &Ext<'_>,
    name: &str,
    range: Range<u64>,
    inode: u64,
    into: &mut Vec<Structure>,
) {
    let size = range.end - range.start;
    let name = match name.starts_with("inline") {
        true => format!("{name} {}", range.start),
        false => name.to_owned(),
    };
    let mut found = ext.structure(&name, range.start, size, Some(inode));
    let mut at = range.start;
    if name.starts_with("inline") {
        found
            .fields
            .push(Field::new("parent", at, 4, Order::Little));
        at += 4;
    }
    for _ in 0..MOST {
        let len = ext.le(at + 4, 2);
        if at + 8 > range.end || len < 8 {
            break;
        }
        found.fields.extend(Field::row(at, Order::Little, &ENTRY));
        // The first letters of the name.
        found
            .fields
            .push(Field::new("name", at + 8, 2, Order::Little));
        at += len;
    }
    into.push(found);
}

/// Adds a root or node whose counts are `counts` bytes into the block at `at`.
fn hash_tree(
    ext: &Ext<'_>,
    name: &str,
    at: u64,
    counts: u64,
    inode: u64,
    into: &mut Vec<Structure>,
) {
    let mut found = ext.structure(name, at, ext.block_size, Some(inode));
    let fields = &mut found.fields;
    if counts == 0x20 {
        fields.extend(Field::row(at, Order::Little, &ENTRY));
        fields.extend(Field::row(at + 12, Order::Little, &ENTRY));
        let info = [
            ("", 0x1c),
            ("hash_version", 1),
            ("info_length", 1),
            ("indirect_levels", 1),
            ("unused_flags", 1),
        ];
        fields.extend(Field::row(at, Order::Little, &info));
    } else {
        fields.extend(Field::row(at, Order::Little, &ENTRY));
    }
    let start = at + counts;
    fields.extend(Field::row(
        start,
        Order::Little,
        &[("limit", 2), ("count", 2), ("block", 4)],
    ));
    let count = ext.le(start + 2, 2).min(MOST as u64);
    for index in 1..count {
        let row = [("hash", 4), ("block", 4)];
        fields.extend(Field::row(start + index * 8, Order::Little, &row));
    }
    into.push(found);
}
