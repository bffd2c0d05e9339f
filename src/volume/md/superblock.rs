//! What a member says of its array and of itself, whatever the version: where superblocks may be,
//! and which of several counts.

use std::fmt;

use super::layout::{MD_FEATURES, MD_SB_BYTES, MD_SB_MAGIC};
use super::{new, old};
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::Source;

/// A superblock, its numbers as they are on disk but in bytes.
#[derive(Clone, Debug)]
pub(super) struct Superblock {
    pub(super) version: Version,
    /// The byte of its member where it is.
    pub(super) place: u64,
    pub(super) set: Uuid,
    pub(super) device: Option<Uuid>,
    /// The array's name, bytes as on disk.
    pub(super) name: Option<Vec<u8>>,
    /// Its number: `md_minor`.
    pub(super) minor: Option<u32>,
    /// Seconds since 1970 when the array was made.
    pub(super) created: u64,
    pub(super) level: i32,
    /// `None` where nobody said.
    pub(super) layout: Option<u32>,
    pub(super) chunk: u64,
    pub(super) disks: u32,
    /// Bytes of each member that the array uses, where the level has them use the same.
    pub(super) size: u64,
    pub(super) reshape: Option<Reshape>,
    pub(super) features: u32,
    pub(super) events: u64,
    pub(super) is_clean: bool,
    /// What each member is, by its number.
    pub(super) roles: Vec<Role>,
    /// This member's number.
    pub(super) number: u32,
    /// Its first byte of data, and how many it has for them.
    pub(super) data: (u64, u64),
    /// How much of it is rebuilt; `None` where all of it is in step. Of a journal, where it begins.
    pub(super) recovered: Option<u64>,
    /// It is to take the place of another, which is still there.
    pub(super) is_replacement: bool,
    /// Where its list of bad blocks is.
    pub(super) bad_blocks: Option<BadBlocks>,
    /// Why nothing of this is to be believed.
    pub(super) damage: Option<Error>,
}

/// Which metadata it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// 0.90, by the byte order of the machine.
    Old { is_big: bool },
    /// 1.0, 1.1 or 1.2.
    New(u8),
}

/// What a member is in its array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Active(u32),
    Spare,
    Faulty,
    Journal,
}

/// An array on its way into another shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reshape {
    pub(super) position: u64,
    pub(super) level: i32,
    pub(super) more_disks: i32,
}

/// A list of bad blocks: where it begins, in sectors from the superblock and as a byte of the member;
/// how many sectors it has, and of how many sectors a block is, as a power of two.
#[derive(Clone, Copy, Debug)]
pub(super) struct BadBlocks {
    pub(super) offset: i32,
    /// None where that is before the member's first byte.
    pub(super) at: Option<u64>,
    pub(super) len: u16,
    pub(super) shift: u8,
}

/// A UUID as mdadm prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uuid(pub(super) [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (words, _) = self.0.as_chunks::<4>();
        for (index, word) in words.iter().enumerate() {
            let colon = if index > 0 { ":" } else { "" };
            write!(f, "{colon}{:08x}", u32::from_be_bytes(*word))?;
        }
        Ok(())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Old { is_big: false } => f.write_str("0.90"),
            Self::Old { is_big: true } => f.write_str("0.90, big-endian"),
            Self::New(minor) => write!(f, "1.{minor}"),
        }
    }
}

impl Superblock {
    /// The superblock of `source`. Of several, as they are left behind when an array is made anew,
    /// it is the whole one of the youngest array, as mdadm has it.
    ///
    /// # Errors
    /// `Corrupt` where there is none.
    pub(super) fn read(source: &dyn Source) -> Result<Self> {
        let found = Self::find(source);
        found.ok_or_else(|| Error::corrupt("no superblock of version 0.90 or 1"))
    }

    /// The same, if there is one.
    pub(super) fn find(source: &dyn Source) -> Option<Self> {
        let found = places(source).filter_map(|(version, at)| Self::at(source, version, at));
        found.max_by_key(|it| (it.damage.is_none(), it.created))
    }

    /// The one at byte `at`.
    fn at(source: &dyn Source, version: u8, at: u64) -> Option<Self> {
        let mut bytes = vec![0; MD_SB_BYTES];
        source.read_exact_at(&mut bytes, at).ok()?;
        let magic: [u8; 4] = *bytes.first_chunk()?;
        match (
            version,
            u32::from_le_bytes(magic),
            u32::from_be_bytes(magic),
        ) {
            (OLD, MD_SB_MAGIC, _) => old::parse(&bytes, false, at),
            (OLD, _, MD_SB_MAGIC) => old::parse(&bytes, true, at),
            (OLD, _, _) => None,
            (minor, MD_SB_MAGIC, _) => new::parse(&bytes, minor, at),
            _ => None,
        }
    }

    /// What the member number `number` is.
    pub(super) fn role(&self, number: u32) -> Role {
        let index = usize::try_from(number).ok();
        let role = index.and_then(|index| self.roles.get(index));
        role.copied().unwrap_or(Role::Spare)
    }

    /// Bits of `feature_map` by their names.
    pub(super) fn features(&self) -> Vec<String> {
        let bits = (0..u32::BITS).filter(|bit| self.has(1_u32.checked_shl(*bit).unwrap_or(0)));
        let name = |bit: u32| {
            let known = usize::try_from(bit)
                .ok()
                .and_then(|bit| MD_FEATURES.get(bit));
            known.map_or_else(|| format!("bit {bit}"), |name| (*name).to_owned())
        };
        bits.map(name).collect()
    }

    /// Whether this bit of `feature_map` is set.
    pub(super) fn has(&self, feature: u32) -> bool {
        self.features & feature != 0
    }

    /// Whether the superblock is the array's and says what its member is to it.
    ///
    /// # Errors
    /// What is wrong with it, unless checksums do not matter.
    pub(super) fn check(&self, ignore_checksums: bool) -> Result<()> {
        match &self.damage {
            Some(error) if !ignore_checksums => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

/// Stands for version 0.90 among the minor versions of 1.
const OLD: u8 = u8::MAX;

/// Where superblocks may be, each with its minor version (mdadm's super0.c and super1.c).
fn places(source: &dyn Source) -> impl Iterator<Item = (u8, u64)> {
    let size = source.size();
    let is_near = !source.end_is_far();
    let new = size.checked_sub(8 << 10).map(|at| at & !0xfff);
    let old = (size & !0xffff).checked_sub(64 << 10);
    let end = [(0, new), (OLD, old)].into_iter();
    let end = end.filter_map(move |(version, at)| Some((version, at.filter(|_| is_near)?)));
    let fits = move |(_, at): &(u8, u64)| at.saturating_add(to_u64(MD_SB_BYTES)) <= size;
    [(2, 4096), (1, 0)].into_iter().chain(end).filter(fits)
}

/// The sum of 32-bit words, of which what does not fit is added again.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut sum: u64 = 0;
    for word in words {
        sum = sum.wrapping_add(u32::from_le_bytes(*word).into());
    }
    if let [low, high] = rest {
        sum = sum.wrapping_add(u16::from_le_bytes([*low, *high]).into());
    }
    let folded = (sum & 0xffff_ffff).wrapping_add(sum >> 32) & 0xffff_ffff;
    u32::try_from(folded).unwrap_or_default()
}

/// What is wrong where `found` is the checksum on disk, and `computed` what it should be.
pub(super) fn check_sum(found: u32, computed: u32, at: u64) -> Option<Error> {
    let text = format!("sb_csum is {found:#x} and should be {computed:#x}");
    let hint = "--ignore-checksums reads it all the same";
    (found != computed).then(|| Error::corrupt(text).at(at).hint(hint))
}
