//! Where each field lies in its structure: name, byte offset, bytes. Little endian but for the
//! journal's. Only those that a case changes.

pub type Field = (&'static str, usize, usize);

pub const SUPERBLOCK: &[Field] = &[
    ("s_inodes_count", 0x0, 4),
    ("s_blocks_count_lo", 0x4, 4),
    ("s_first_data_block", 0x14, 4),
    ("s_log_block_size", 0x18, 4),
    ("s_log_cluster_size", 0x1c, 4),
    ("s_blocks_per_group", 0x20, 4),
    ("s_clusters_per_group", 0x24, 4),
    ("s_inodes_per_group", 0x28, 4),
    ("s_magic", 0x38, 2),
    ("s_state", 0x3a, 2),
    ("s_rev_level", 0x4c, 4),
    ("s_first_ino", 0x54, 4),
    ("s_inode_size", 0x58, 2),
    ("s_feature_compat", 0x5c, 4),
    ("s_feature_incompat", 0x60, 4),
    ("s_feature_ro_compat", 0x64, 4),
    ("s_reserved_gdt_blocks", 0xce, 2),
    ("s_journal_inum", 0xe0, 4),
    ("s_last_orphan", 0xe8, 4),
    ("s_def_hash_version", 0xfc, 1),
    ("s_desc_size", 0xfe, 2),
    ("s_first_meta_bg", 0x104, 4),
    ("s_blocks_count_hi", 0x150, 4),
    ("s_min_extra_isize", 0x15c, 2),
    ("s_log_groups_per_flex", 0x174, 1),
    ("s_checksum_type", 0x175, 1),
    ("s_orphan_file_inum", 0x280, 4),
    ("s_checksum", 0x3fc, 4),
];

pub const GROUP: &[Field] = &[
    ("bg_block_bitmap_lo", 0x0, 4),
    ("bg_inode_bitmap_lo", 0x4, 4),
    ("bg_inode_table_lo", 0x8, 4),
    ("bg_flags", 0x12, 2),
    ("bg_itable_unused_lo", 0x1c, 2),
    ("bg_checksum", 0x1e, 2),
    ("bg_inode_table_hi", 0x28, 4),
];

pub const INODE: &[Field] = &[
    ("i_mode", 0x0, 2),
    ("i_size_lo", 0x4, 4),
    ("i_atime", 0x8, 4),
    ("i_ctime", 0xc, 4),
    ("i_mtime", 0x10, 4),
    ("i_dtime", 0x14, 4),
    ("i_links_count", 0x1a, 2),
    ("i_blocks_lo", 0x1c, 4),
    ("i_flags", 0x20, 4),
    // i_block as an extent tree's root.
    ("eh_magic", 0x28, 2),
    ("eh_entries", 0x2a, 2),
    ("eh_max", 0x2c, 2),
    ("eh_depth", 0x2e, 2),
    ("ee_block", 0x34, 4),
    ("ee_len", 0x38, 2),
    ("ee_start_hi", 0x3a, 2),
    ("ee_start_lo", 0x3c, 4),
    ("ei_block", 0x34, 4),
    ("ei_leaf_lo", 0x38, 4),
    ("ei_leaf_hi", 0x3c, 2),
    // i_block as block pointers.
    ("i_block[0]", 0x28, 4),
    ("i_block[1]", 0x2c, 4),
    ("i_block[12]", 0x58, 4),
    ("i_block[13]", 0x5c, 4),
    ("i_block[14]", 0x60, 4),
    ("i_generation", 0x64, 4),
    ("i_file_acl_lo", 0x68, 4),
    ("i_size_high", 0x6c, 4),
    ("i_checksum_lo", 0x7c, 2),
    ("i_extra_isize", 0x80, 2),
    ("i_checksum_hi", 0x82, 2),
    ("i_ctime_extra", 0x84, 4),
    ("i_mtime_extra", 0x88, 4),
    ("i_atime_extra", 0x8c, 4),
    ("i_crtime", 0x90, 4),
    ("i_crtime_extra", 0x94, 4),
];

/// An extent block, the first two entries of a leaf or an index.
pub const EXTENTS: &[Field] = &[
    ("eh_magic", 0x0, 2),
    ("eh_entries", 0x2, 2),
    ("eh_max", 0x4, 2),
    ("eh_depth", 0x6, 2),
    ("ee_block", 0xc, 4),
    ("ee_len", 0x10, 2),
    ("ee_start_hi", 0x12, 2),
    ("ee_start_lo", 0x14, 4),
    ("ei_block", 0xc, 4),
    ("ei_leaf_lo", 0x10, 4),
    ("ei_leaf_hi", 0x14, 2),
    ("ee_block[1]", 0x18, 4),
    ("ee_len[1]", 0x1c, 2),
];

/// One directory entry; the object says at which byte of the block it starts.
pub const DIRENT: &[Field] = &[
    ("inode", 0, 4),
    ("rec_len", 4, 2),
    ("name_len", 6, 1),
    ("file_type", 7, 1),
    ("name[0]", 8, 1),
    ("name[1]", 9, 1),
];

/// The root of a hash tree directory, in its block 0.
pub const DX_ROOT: &[Field] = &[
    ("reserved_zero", 0x18, 4),
    ("hash_version", 0x1c, 1),
    ("info_length", 0x1d, 1),
    ("indirect_levels", 0x1e, 1),
    ("limit", 0x20, 2),
    ("count", 0x22, 2),
    ("block", 0x24, 4),
    ("hash[1]", 0x28, 4),
    ("block[1]", 0x2c, 4),
];

/// An inner node of a hash tree directory.
pub const DX_NODE: &[Field] = &[("limit", 0x8, 2), ("count", 0xa, 2), ("block", 0xc, 4)];

/// A block of extended attributes and the first entry in it.
pub const XATTR_BLOCK: &[Field] = &[
    ("h_magic", 0x0, 4),
    ("h_refcount", 0x4, 4),
    ("h_blocks", 0x8, 4),
    ("h_checksum", 0x10, 4),
    ("e_name_len", 0x20, 1),
    ("e_name_index", 0x21, 1),
    ("e_value_offs", 0x22, 2),
    ("e_value_inum", 0x24, 4),
    ("e_value_size", 0x28, 4),
];

/// The extended attributes inside an inode: `offset 0` is the magic behind `i_extra_isize`.
pub const XATTR_BODY: &[Field] = &[
    ("h_magic", 0x0, 4),
    ("e_name_len", 0x4, 1),
    ("e_name_index", 0x5, 1),
    ("e_value_offs", 0x6, 2),
    ("e_value_inum", 0x8, 4),
    ("e_value_size", 0xc, 4),
];

/// The offset and width of `name` in `table`.
pub fn find(table: &[Field], name: &str) -> (usize, usize) {
    let found = table.iter().find(|field| field.0 == name);
    let field = found.unwrap_or_else(|| panic!("no field {name}"));
    (field.1, field.2)
}
