//! Long prefixes of attribute names: the image's own, each a usual prefix and some bytes more.

use super::super::content;
use super::super::core::Core;
use super::super::features::PLAIN_XATTR_PFX;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::Request;
use crate::number::to_u64;

/// The longest: one byte for the index, and a name.
const LONGEST: u16 = 256;

/// A long prefix (`erofs_xattr_long_prefix`).
pub(in super::super) struct Prefix {
    /// The index of the usual prefix.
    pub(super) index: u8,
    /// What follows that.
    pub(super) infix: Vec<u8>,
}

/// Where they are.
enum Place {
    Volume,
    Metabox,
    Packed,
}

/// All of them: at most 255.
///
/// # Errors
/// `Corrupt` for one of no bytes or too many; what makes them unreadable.
pub(in super::super) fn read_prefixes(core: &Core, request: &Request) -> Result<Vec<Prefix>> {
    let superblock = &core.superblock;
    let place = match superblock.features.has_compat(PLAIN_XATTR_PFX) {
        false if superblock.metabox != 0 => Place::Metabox,
        false if superblock.packed != 0 => Place::Packed,
        _ => Place::Volume,
    };
    let mut at = u64::from(superblock.raw.xattr_prefix_start.get()).saturating_mul(4);
    let mut prefixes = Vec::new();
    for number in 0..superblock.raw.xattr_prefix_count {
        let prefix = place
            .prefix(core, request, &mut at)
            .context(|| format!("long attribute prefix {number}"));
        prefixes.push(prefix?);
    }
    Ok(prefixes)
}

impl Place {
    /// The prefix at `at`, which goes on to the next.
    fn prefix(&self, core: &Core, request: &Request, at: &mut u64) -> Result<Prefix> {
        let mut len = [0; 2];
        self.read(core, request, &mut len, *at)?;
        let len = u16::from_le_bytes(len);
        if !(1..=LONGEST).contains(&len) {
            return Err(Error::corrupt(format!("it has {len} bytes")).at(*at));
        }
        let mut bytes = vec![0; len.into()];
        self.read(core, request, &mut bytes, at.saturating_add(2))?;
        *at = at
            .saturating_add(2)
            .saturating_add(to_u64(bytes.len()))
            .next_multiple_of(4);
        let infix = bytes.split_off(1);
        let index = bytes.first().copied().unwrap_or(0);
        Ok(Prefix { index, infix })
    }

    fn read(&self, core: &Core, request: &Request, buf: &mut [u8], at: u64) -> Result<()> {
        match self {
            Self::Volume => core.read_metadata(request, false, buf, at),
            Self::Metabox => core.read_metadata(request, true, buf, at),
            Self::Packed => content::read_exact(core, request, core.packed(request)?, buf, at),
        }
    }
}
