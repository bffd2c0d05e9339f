//! The feature bits of the superblock, by the names that e2fsprogs gives them.

use super::layout::RawSuperblock;

/// Which of the three words a feature is in, and so what a reader that does not know it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Does not matter to a reader or a writer.
    Compat,
    /// Must be known to read.
    Incompat,
    /// Must be known to write, which is never done here.
    RoCompat,
}

/// One feature bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Feature {
    word: Word,
    bit: u32,
    name: &'static str,
}

const fn feature(word: Word, bit: u32, name: &'static str) -> Feature {
    Feature { word, bit, name }
}

use Word::{Compat, Incompat, RoCompat};

pub(super) const HAS_JOURNAL: Feature = feature(Compat, 0x4, "has_journal");
pub(super) const DIR_INDEX: Feature = feature(Compat, 0x20, "dir_index");
pub(super) const SPARSE_SUPER2: Feature = feature(Compat, 0x200, "sparse_super2");
pub(super) const ORPHAN_FILE: Feature = feature(Compat, 0x1000, "orphan_file");
pub(super) const SPARSE_SUPER: Feature = feature(RoCompat, 0x1, "sparse_super");
pub(super) const HUGE_FILE: Feature = feature(RoCompat, 0x8, "huge_file");
pub(super) const GDT_CSUM: Feature = feature(RoCompat, 0x10, "uninit_bg");
pub(super) const BIGALLOC: Feature = feature(RoCompat, 0x200, "bigalloc");
pub(super) const METADATA_CSUM: Feature = feature(RoCompat, 0x400, "metadata_csum");
pub(super) const FILETYPE: Feature = feature(Incompat, 0x2, "filetype");
pub(super) const RECOVER: Feature = feature(Incompat, 0x4, "needs_recovery");
pub(super) const JOURNAL_DEV: Feature = feature(Incompat, 0x8, "journal_dev");
pub(super) const META_BG: Feature = feature(Incompat, 0x10, "meta_bg");
pub(super) const EXTENTS: Feature = feature(Incompat, 0x40, "extent");
pub(super) const SIXTY_FOUR_BIT: Feature = feature(Incompat, 0x80, "64bit");
pub(super) const MMP: Feature = feature(Incompat, 0x100, "mmp");
pub(super) const EA_INODE: Feature = feature(Incompat, 0x400, "ea_inode");
pub(super) const CSUM_SEED: Feature = feature(Incompat, 0x2000, "metadata_csum_seed");
pub(super) const LARGEDIR: Feature = feature(Incompat, 0x4000, "large_dir");
pub(super) const CASEFOLD: Feature = feature(Incompat, 0x20000, "casefold");

/// Every feature that has a name, in the order in which dumpe2fs prints them.
const ALL: &[Feature] = &[
    feature(Compat, 0x1, "dir_prealloc"),
    feature(Compat, 0x2, "imagic_inodes"),
    HAS_JOURNAL,
    feature(Compat, 0x8, "ext_attr"),
    feature(Compat, 0x10, "resize_inode"),
    DIR_INDEX,
    feature(Compat, 0x40, "lazy_bg"),
    feature(Compat, 0x100, "snapshot_bitmap"),
    SPARSE_SUPER2,
    feature(Compat, 0x400, "fast_commit"),
    feature(Compat, 0x800, "stable_inodes"),
    ORPHAN_FILE,
    feature(Incompat, 0x1, "compression"),
    FILETYPE,
    RECOVER,
    JOURNAL_DEV,
    META_BG,
    EXTENTS,
    SIXTY_FOUR_BIT,
    MMP,
    feature(Incompat, 0x200, "flex_bg"),
    EA_INODE,
    feature(Incompat, 0x1000, "dirdata"),
    CSUM_SEED,
    LARGEDIR,
    feature(Incompat, 0x8000, "inline_data"),
    feature(Incompat, 0x10000, "encrypt"),
    CASEFOLD,
    SPARSE_SUPER,
    feature(RoCompat, 0x2, "large_file"),
    feature(RoCompat, 0x4, "btree_dir"),
    HUGE_FILE,
    GDT_CSUM,
    feature(RoCompat, 0x20, "dir_nlink"),
    feature(RoCompat, 0x40, "extra_isize"),
    feature(RoCompat, 0x80, "has_snapshot"),
    feature(RoCompat, 0x100, "quota"),
    BIGALLOC,
    METADATA_CSUM,
    feature(RoCompat, 0x800, "replica"),
    feature(RoCompat, 0x1000, "read-only"),
    feature(RoCompat, 0x2000, "project"),
    feature(RoCompat, 0x4000, "shared_blocks"),
    feature(RoCompat, 0x8000, "verity"),
    feature(RoCompat, 0x10000, "orphan_present"),
];

/// The incompatible features that this reader knows: all that the kernel reads. `journal_dev` is
/// refused for what it is, a journal without files.
const READ: u32 = 0x0003_e7d6;

/// What ext2 and ext3 know besides; more makes it ext4 (the rule of libblkid).
const EXT3_INCOMPAT: u32 = 0x2 | 0x4 | 0x10;
const EXT3_RO_COMPAT: u32 = 0x1 | 0x2 | 0x4;

/// The three words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Features {
    compat: u32,
    incompat: u32,
    ro_compat: u32,
}

impl Features {
    /// Those of a superblock. Revision 0 has none, whatever the bytes say.
    pub(super) fn of(raw: &RawSuperblock) -> Self {
        if raw.s_rev_level.get() == 0 {
            return Self {
                compat: 0,
                incompat: 0,
                ro_compat: 0,
            };
        }
        Self {
            compat: raw.s_feature_compat.get(),
            incompat: raw.s_feature_incompat.get(),
            ro_compat: raw.s_feature_ro_compat.get(),
        }
    }

    /// Whether `feature` is on.
    pub(super) fn has(self, feature: Feature) -> bool {
        self.word(feature.word) & feature.bit != 0
    }

    /// The names of all that are on; a bit without a name as e2fsprogs spells it: `FEATURE_I31`.
    pub(super) fn names(self) -> Vec<String> {
        let words = [(Compat, 'C'), (Incompat, 'I'), (RoCompat, 'R')];
        let mut names = Vec::new();
        for (word, letter) in words {
            names.extend(self.bits(word).map(|bit| name(word, letter, bit)));
        }
        names
    }

    /// The names of incompatible features that this reader does not know.
    pub(super) fn unreadable(self) -> Vec<String> {
        let unknown = Self {
            compat: 0,
            incompat: self.incompat & !READ,
            ro_compat: 0,
        };
        unknown.names()
    }

    /// `ext2`, `ext3` or `ext4`, or `jbd` for a journal alone, by the rule of libblkid.
    pub(super) fn generation(self) -> &'static str {
        if self.has(JOURNAL_DEV) {
            return "jbd";
        }
        let newer = self.incompat & !EXT3_INCOMPAT | self.ro_compat & !EXT3_RO_COMPAT;
        match (newer != 0, self.has(HAS_JOURNAL)) {
            (true, _) => "ext4",
            (false, true) => "ext3",
            (false, false) => "ext2",
        }
    }

    fn word(self, word: Word) -> u32 {
        match word {
            Compat => self.compat,
            Incompat => self.incompat,
            RoCompat => self.ro_compat,
        }
    }

    fn bits(self, word: Word) -> impl Iterator<Item = u32> {
        let value = self.word(word);
        (0..32).filter(move |bit| value >> bit & 1 != 0)
    }
}

fn name(word: Word, letter: char, bit: u32) -> String {
    let mut known = ALL.iter().filter(|feature| feature.word == word);
    match known.find(|feature| feature.bit >> bit == 1) {
        Some(feature) => feature.name.to_owned(),
        None => format!("FEATURE_{letter}{bit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(compat: u32, incompat: u32, ro_compat: u32) -> Features {
        Features {
            compat,
            incompat,
            ro_compat,
        }
    }

    #[test]
    fn names_are_those_of_e2fsprogs_and_unknown_bits_have_numbers() {
        // What `dumpe2fs -h` prints for these words.
        let names = features(0x1004, 0x0800_02c2, 0x400).names();
        let expected = [
            "has_journal",
            "orphan_file",
            "filetype",
            "extent",
            "64bit",
            "flex_bg",
            "FEATURE_I27",
            "metadata_csum",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn what_is_not_known_is_named() {
        assert_eq!(
            features(0, 0x1001 | 0x2c2, 0x8000_0000).unreadable(),
            ["compression", "dirdata"]
        );
        assert!(features(!0, READ, !0).unreadable().is_empty());
    }

    #[test]
    fn the_generation_follows_the_features() {
        assert_eq!(features(0x38, 0x2, 0x3).generation(), "ext2");
        assert_eq!(features(0x3c, 0x6, 0x3).generation(), "ext3");
        assert_eq!(features(0x3c, 0x42, 0x3).generation(), "ext4");
        assert_eq!(features(0x38, 0x2, 0x8).generation(), "ext4");
        assert_eq!(features(0, 0x8, 0).generation(), "jbd");
    }
}
