//! The names of entries as a listing shows them.

use std::borrow::Cow;

use super::entry::Record;
use super::hash::{Hash, Hasher};
use super::{has_hash_tree, htree};
use crate::filesystem::Request;
use crate::filesystem::ext4::core::Core;
use crate::filesystem::ext4::inode::{self, InodeRecord};
use crate::filesystem::ext4::{encryption, features};

/// How the names of one directory are shown.
pub(super) enum Names {
    /// As they are.
    Plain,
    /// Encrypted, and the hashes are computed from them.
    Hashed(Hasher),
    /// Encrypted, and the hashes stand behind them: they are of the folded plain names.
    Stored,
    /// Encrypted, without hashes.
    Unhashed,
}

impl Names {
    /// How those of `dir` are shown. The kernel gives a name its hash where it reads a directory
    /// through a hash tree, which it does for one of one block too.
    pub(super) fn of(core: &Core, request: &Request, dir: &InodeRecord) -> Self {
        if !dir.has(inode::ENCRYPT) {
            return Self::Plain;
        }
        let superblock = &core.superblock;
        let one_block = dir.size.wrapping_shr(superblock.block_bits) == 1;
        if !superblock.features.has(features::DIR_INDEX) || !(dir.has(inode::INDEX) || one_block) {
            return Self::Unhashed;
        }
        if dir.has(inode::CASEFOLD) {
            return Self::Stored;
        }
        let version = if has_hash_tree(core, dir) {
            htree::hash_version(core, request, dir).ok()
        } else {
            Some(superblock.raw.s_def_hash_version)
        };
        let hasher = version.and_then(|version| Hasher::new(version, superblock));
        hasher.map_or(Self::Unhashed, Self::Hashed)
    }

    /// The name of `record`; `None` for one that cannot be shown.
    pub(super) fn of_record<'a>(&self, record: &Record<'a>) -> Option<Cow<'a, [u8]>> {
        let name = record.name;
        let hash = match self {
            Self::Plain => return Some(Cow::Borrowed(name)),
            _ if record.is_dots() => return Some(Cow::Borrowed(name)),
            Self::Hashed(hasher) => hasher.hash(name),
            Self::Stored => stored_hash(record),
            Self::Unhashed => Hash::default(),
        };
        encryption::show(name, hash.major, hash.minor).map(Cow::Owned)
    }
}

/// `struct ext4_dir_entry_hash`, behind the name filled up to a multiple of four.
fn stored_hash(record: &Record<'_>) -> Hash {
    let padding = record
        .name
        .len()
        .next_multiple_of(4)
        .saturating_sub(record.name.len());
    let (words, _) = record.rest.get(padding..).unwrap_or(&[]).as_chunks::<4>();
    let word = |index: usize| words.get(index).map_or(0, |word| u32::from_le_bytes(*word));
    Hash {
        major: word(0),
        minor: word(1),
    }
}
