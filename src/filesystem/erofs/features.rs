//! The feature bits of the superblock, by the names that dump.erofs gives them.

use super::layout::RawSuperblock;
use crate::error::{Error, Result};

/// `feature_compat`: the superblock has a checksum.
pub(super) const SB_CHKSUM: u32 = 1;
/// `feature_compat`: attributes can be ruled out by a filter in the inode.
pub(super) const XATTR_FILTER: u32 = 4;
/// `feature_compat`: shared attributes lie in the metabox.
pub(super) const SHARED_EA_IN_METABOX: u32 = 8;
/// `feature_compat`: long name prefixes lie outside of every inode.
pub(super) const PLAIN_XATTR_PFX: u32 = 0x10;

/// `feature_incompat`: what is compressed stands at the end of its blocks, behind zeros.
pub(super) const ZERO_PADDING: u32 = 1;
/// `feature_incompat`: the algorithms are listed behind the superblock.
pub(super) const COMPR_CFGS: u32 = 2;
/// `feature_incompat`: some data may be on other devices.
pub(super) const DEVICE_TABLE: u32 = 8;
/// `feature_incompat`: block numbers may have 48 bits.
pub(super) const BITS_48: u32 = 0x80;
/// `feature_incompat`: inodes may lie in an inode that is compressed itself.
pub(super) const METABOX: u32 = 0x100;

/// Names of `feature_compat`. A bit that is not here is harmless by definition.
const COMPAT: &[(u32, &str)] = &[
    (SB_CHKSUM, "sb_csum"),
    (2, "mtime"),
    (XATTR_FILTER, "xattr_filter"),
    (SHARED_EA_IN_METABOX, "shared_ea_in_metabox"),
    (PLAIN_XATTR_PFX, "plain_xattr_pfx"),
    (0x20, "ishare_xattrs"),
];

/// Names of `feature_incompat`. Three bits were given out twice, for features that came together.
const INCOMPAT: &[(u32, &str)] = &[
    (ZERO_PADDING, "0padding"),
    (COMPR_CFGS, "compr_cfgs"),
    (COMPR_CFGS, "big_pcluster"),
    (4, "chunked_file"),
    (DEVICE_TABLE, "device_table"),
    (DEVICE_TABLE, "compr_head2"),
    (0x10, "ztailpacking"),
    (0x20, "fragments"),
    (0x20, "dedupe"),
    (0x40, "xattr_prefixes"),
    (BITS_48, "48bit"),
    (METABOX, "metabox"),
];

/// Both words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Features {
    compat: u32,
    incompat: u32,
}

impl Features {
    pub(super) fn of(raw: &RawSuperblock) -> Self {
        Self {
            compat: raw.feature_compat.get(),
            incompat: raw.feature_incompat.get(),
        }
    }

    /// Whether the bit `feature` of `feature_compat` is set.
    pub(super) fn has_compat(self, feature: u32) -> bool {
        self.compat & feature != 0
    }

    /// Whether the bit `feature` of `feature_incompat` is set.
    pub(super) fn has(self, feature: u32) -> bool {
        self.incompat & feature != 0
    }

    /// The names of all that are set, those without a name by their bit.
    pub(super) fn names(self) -> Vec<String> {
        let mut names = Vec::new();
        for (word, known, kind) in [
            (self.compat, COMPAT, "compat"),
            (self.incompat, INCOMPAT, "incompat"),
        ] {
            let set = known.iter().filter(|(bit, _)| word & bit != 0);
            names.extend(set.map(|(_, name)| (*name).to_owned()));
            let unknown = word & !all(known);
            names.extend(bits(unknown).map(|bit| format!("{kind}_{bit:#x}")));
        }
        names
    }

    /// Refuses what a reader has to know and this one does not.
    ///
    /// # Errors
    /// `Unsupported`, naming each such bit of `feature_incompat`.
    pub(super) fn check(self) -> Result<()> {
        let unknown: Vec<String> = bits(self.incompat & !all(INCOMPAT))
            .map(|bit| format!("{bit:#x}"))
            .collect();
        match unknown.len() {
            0 => Ok(()),
            _ => Err(Error::unsupported(format!(
                "feature_incompat has unknown features: {}",
                unknown.join(", ")
            ))),
        }
    }
}

fn all(known: &[(u32, &str)]) -> u32 {
    known.iter().fold(0, |all, (bit, _)| all | bit)
}

fn bits(word: u32) -> impl Iterator<Item = u32> {
    (0..32)
        .map(|shift| 1_u32 << shift)
        .filter(move |bit| word & bit != 0)
}
