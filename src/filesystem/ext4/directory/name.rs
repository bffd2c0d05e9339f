//! Which entry a name means: the one with the same bytes; in a directory that folds case, the one
//! that folds to the same; in an encrypted one, the one whose ciphertext the name stands for.

use super::hash::{Hash, Hasher};
use crate::filesystem::ext4::casefold::fold;
use crate::filesystem::ext4::encryption::NoKeyName;
use crate::filesystem::ext4::inode::{self, InodeRecord};

/// A name that is looked for.
pub(super) enum Wanted<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// Whatever folds to the second; the first is as it was asked for.
    Folded(&'a [u8], String),
    /// An encrypted name.
    NoKey(NoKeyName),
}

impl<'a> Wanted<'a> {
    /// What `name` means in `dir`; `None` where no entry can match.
    pub(super) fn new(dir: &InodeRecord, name: &'a [u8]) -> Option<Self> {
        let dots = matches!(name, b"." | b"..");
        if dir.has(inode::ENCRYPT) && !dots {
            return NoKeyName::decode(name).map(Self::NoKey);
        }
        if dir.has(inode::CASEFOLD) && !dots {
            // Names that are not UTF-8 compare as bytes, and have no other case.
            return Some(fold(name).map_or(Self::Bytes(name), |folded| Self::Folded(name, folded)));
        }
        Some(Self::Bytes(name))
    }

    /// Whether it is `.` or `..`, which no hash tree has.
    pub(super) fn is_dots(&self) -> bool {
        matches!(self, Self::Bytes(b"." | b".."))
    }

    /// Whether the entry called `on_disk` is meant.
    pub(super) fn matches(&self, on_disk: &[u8]) -> bool {
        match self {
            Self::Bytes(name) => *name == on_disk,
            Self::Folded(name, folded) => {
                *name == on_disk || fold(on_disk).is_some_and(|other| other == *folded)
            }
            Self::NoKey(name) => name.matches(on_disk),
        }
    }

    /// The hash by which a hash tree would have it.
    pub(super) fn hash(&self, hasher: &Hasher) -> Hash {
        match self {
            Self::Bytes(name) => hasher.hash(name),
            Self::Folded(_, folded) => hasher.hash(folded.as_bytes()),
            Self::NoKey(name) => Hash {
                major: name.hash(),
                minor: 0,
            },
        }
    }

    /// The hash that the name itself carries.
    pub(super) fn known_hash(&self) -> Option<u32> {
        match self {
            Self::NoKey(name) => Some(name.hash()),
            _ => None,
        }
    }
}
