//! The journal: its superblock, and what of the log are descriptors, revocations and commits.

use crate::family::{Field, Order, Structure};

use super::inode;
use super::locate::Ext;

/// In front of everything in the log that is no content.
const MAGIC: u64 = 0xc03b_3998;
/// Tags of one descriptor that are fields.
const MOST: usize = 8;

const HEADER: [(&str, u64); 3] = [("h_magic", 4), ("h_blocktype", 4), ("h_sequence", 4)];

const SUPERBLOCK: &[(&str, u64)] = &[
    ("s_blocksize", 4),
    ("s_maxlen", 4),
    ("s_first", 4),
    ("s_sequence", 4),
    ("s_start", 4),
    ("s_errno", 4),
    ("s_feature_compat", 4),
    ("s_feature_incompat", 4),
    ("s_feature_ro_compat", 4),
    ("", 16), // UUID
    ("s_nr_users", 4),
    ("s_dynsuper", 4),
    ("s_max_transaction", 4),
    ("s_max_trans_data", 4),
    ("s_checksum_type", 1),
    ("", 3),
    ("s_num_fc_blks", 4),
    ("s_head", 4),
];

/// Adds the journal, where there is one.
pub fn locate(ext: &Ext<'_>, into: &mut Vec<Structure>) {
    let number = ext.field(0xe0, 4);
    if number == 0 {
        return;
    }
    let (_, inode) = ext.inode_at(number);
    // Its extents were added with its inode.
    let blocks = inode::blocks(ext, inode, &mut Vec::new());
    let Some(start) = blocks.first().and_then(|(_, block)| ext.block_at(*block)) else {
        return;
    };
    let features = ext.be(start + 0x28, 4);
    for (index, block) in blocks {
        let Some(at) = ext.block_at(block) else {
            continue;
        };
        if ext.be(at, 4) != MAGIC {
            continue;
        }
        let mut fields = Field::row(at, Order::Big, &HEADER);
        let kind = match ext.be(at + 4, 4) {
            3 | 4 if index == 0 => {
                fields.extend(Field::row(at + 12, Order::Big, SUPERBLOCK));
                "journal superblock"
            }
            1 => {
                fields.extend(tags(ext, at, features));
                "journal descriptor"
            }
            2 => {
                let row = [("h_chksum_type", 1), ("h_chksum_size", 1), ("", 34)];
                fields.extend(Field::row(at + 12, Order::Big, &row));
                let row = [("h_commit_sec", 8), ("h_commit_nsec", 4)];
                fields.extend(Field::row(at + 48, Order::Big, &row));
                "journal commit"
            }
            5 => {
                let row = [("r_count", 4), ("block", 4), ("block", 4)];
                fields.extend(Field::row(at + 12, Order::Big, &row));
                "journal revocation"
            }
            _ => continue,
        };
        let size = if index == 0 { 1024 } else { ext.block_size };
        let parent = if index == 0 { inode } else { start };
        let name = format!("{kind} {block}");
        let mut found = ext.structure(&name, at, size, Some(parent));
        found.fields = fields;
        into.push(found);
    }
}

/// The tags of the descriptor at `at`, in the shape that the journal's `features` give them.
fn tags(ext: &Ext<'_>, at: u64, features: u64) -> Vec<Field> {
    const V3: u64 = 0x10;
    const WIDE: u64 = 2;
    let row: &[(&str, u64)] = match (features & V3 != 0, features & WIDE != 0) {
        (true, _) => &[
            ("t_blocknr", 4),
            ("t_flags", 4),
            ("t_blocknr_high", 4),
            ("", 4),
        ],
        (false, true) => &[
            ("t_blocknr", 4),
            ("", 2),
            ("t_flags", 2),
            ("t_blocknr_high", 4),
        ],
        (false, false) => &[("t_blocknr", 4), ("", 2), ("t_flags", 2)],
    };
    let size: u64 = row.iter().map(|(_, width)| width).sum();
    let (mut fields, mut tag) = (Vec::new(), at + 12);
    for _ in 0..MOST {
        if tag + size > at + ext.block_size {
            break;
        }
        fields.extend(Field::row(tag, Order::Big, row));
        let flags = match features & V3 {
            0 => ext.be(tag + 6, 2),
            _ => ext.be(tag + 4, 4),
        };
        if flags & 8 != 0 {
            break;
        }
        // The first has the UUID behind it, the others say that it is the same.
        tag += size + if flags & 2 == 0 { 16 } else { 0 };
    }
    fields
}
