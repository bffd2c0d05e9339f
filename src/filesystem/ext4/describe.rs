//! Whether this is one, and what `info` says of it.

use super::backup;
use super::features::Features;
use super::layout::RawSuperblock;
use super::superblock::{self, MAGIC};
use crate::error::{Error, Result};
use crate::format::{Description, Set};
use crate::source::Source;

/// How many of the fields of [`plausible`] have to make sense behind a magic of two bytes.
const ENOUGH: usize = 7;

/// A superblock with the magic and most fields as they can be, so that a damaged one is listed as
/// what it is; or a good copy of it where zeros took its place.
pub(super) fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let claimed = match backup::primary(source)? {
        Some(raw) if raw.s_magic.get() == MAGIC => plausible(&raw) >= ENOUGH,
        _ => backup::copy(source)?.is_some(),
    };
    Ok(claimed.then_some(Set::Alone))
}

/// Label, UUID, features and facts, as far as a damaged superblock gives them.
pub(super) fn describe(source: &dyn Source) -> Result<Description> {
    let raw = match backup::primary(source)? {
        Some(raw) if raw.s_magic.get() == MAGIC => raw,
        _ => match backup::copy(source)? {
            Some(superblock) => superblock.raw,
            None => return Err(Error::corrupt("no superblock").at(superblock::PLACE)),
        },
    };
    let features = Features::of(&raw);
    Ok(Description {
        label: text(&raw.s_volume_name),
        uuid: uuid(&raw.s_uuid),
        features: features.names(),
        facts: facts(&raw, features),
        allocated: allocated(&raw),
        ..Description::default()
    })
}

/// How many of ten fields hold a value that they can have.
fn plausible(raw: &RawSuperblock) -> usize {
    let inode_size = raw.s_inode_size.get();
    let revision = raw.s_rev_level.get();
    let most = 8_u32.wrapping_shl(16);
    let fields = [
        raw.s_log_block_size.get() <= 6,
        raw.s_first_data_block.get() <= 1,
        (1..=most).contains(&raw.s_blocks_per_group.get()),
        (1..=most).contains(&raw.s_inodes_per_group.get()),
        raw.s_inodes_count.get() > 0,
        raw.s_blocks_count_lo.get() > 0,
        raw.s_state.get() <= 7,
        raw.s_errors.get() <= 3,
        raw.s_creator_os.get() <= 4,
        revision <= 1 && (revision == 0 || inode_size.is_power_of_two()),
    ];
    fields.iter().filter(|holds| **holds).count()
}

fn facts(raw: &RawSuperblock, features: Features) -> Vec<(&'static str, String)> {
    let mut facts = vec![("type", features.generation().to_owned())];
    if let log @ 0..=6 = raw.s_log_block_size.get() {
        facts.push(("block size", (1024_u32 << log).to_string()));
    }
    if let Some(place) = text(&raw.s_last_mounted) {
        facts.push(("last mounted", crate::error::printable(&place)));
    }
    facts.push(("state", state(raw, features)));
    facts
}

fn state(raw: &RawSuperblock, features: Features) -> String {
    let bits = raw.s_state.get();
    let mut words = vec![if bits & 1 == 0 { "not clean" } else { "clean" }];
    if bits & 2 != 0 {
        words.push("with errors");
    }
    if features.has(super::features::RECOVER) {
        words.push("needs journal recovery");
    }
    words.join(", ")
}

/// Bytes in use by the superblock's own count.
fn allocated(raw: &RawSuperblock) -> Option<u64> {
    let used = superblock::all_blocks(raw).checked_sub(superblock::free_blocks(raw))?;
    let bits = raw
        .s_log_block_size
        .get()
        .checked_add(10)
        .filter(|bits| *bits <= 16)?;
    used.checked_mul(1_u64.wrapping_shl(bits))
}

/// The bytes up to the first NUL; `None` where there are none.
fn text(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = bytes.split(|byte| *byte == 0).next()?;
    (!text.is_empty()).then(|| text.to_vec())
}

/// As blkid spells it; `None` for all zeros.
pub(super) fn uuid(bytes: &[u8; 16]) -> Option<String> {
    if bytes == &[0; 16] {
        return None;
    }
    let mut text = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    Some(text)
}
