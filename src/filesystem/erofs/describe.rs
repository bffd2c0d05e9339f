//! Whether this is one, and what `info` says of it.

use super::compressed::ALGORITHMS;
use super::devices;
use super::features::{BITS_48, COMPR_CFGS, Features, ZERO_PADDING};
use super::layout::RawSuperblock;
use super::superblock::{self, PLACE, Superblock};
use crate::error::{Error, Result};
use crate::format::{Description, Set};
use crate::source::Source;

/// The magic, wherever the rest of the superblock is there too: a damaged one is listed as what it
/// is.
pub(super) fn claim(source: &dyn Source) -> Result<Option<Set>> {
    Ok(superblock::raw(source)?.map(|_| Set::Alone))
}

/// Label, UUID, features and facts, as far as a damaged superblock gives them.
pub(super) fn describe(source: &dyn Source) -> Result<Description> {
    let none = || Error::corrupt("no superblock").at(PLACE);
    let raw = superblock::raw(source)?.ok_or_else(none)?;
    let features = Features::of(&raw);
    Ok(Description {
        label: text(&raw.volume_name),
        uuid: uuid(&raw.uuid),
        features: features.names(),
        facts: facts(&raw, features),
        allocated: allocated(&raw, features),
        second_files: second_files(source),
        ..Description::default()
    })
}

fn facts(raw: &RawSuperblock, features: Features) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let bits @ 9..=16 = raw.blkszbits {
        facts.push(("block size", (1_u32 << bits).to_string()));
    }
    let algorithms = algorithms(raw, features);
    if !algorithms.is_empty() {
        facts.push(("compression", algorithms.join(", ")));
    }
    facts.push(("inodes", raw.inos.get().to_string()));
    if let devices @ 1.. = raw.extra_devices.get() {
        facts.push(("other devices", devices.to_string()));
    }
    facts
}

/// The names of the algorithms in use. Without a list there is LZ4 alone; and that is in use, where
/// its distances are limited or it is padded, which nothing else is.
fn algorithms(raw: &RawSuperblock, features: Features) -> Vec<String> {
    let bits = raw.u1.get();
    let bits = match features.has(COMPR_CFGS) {
        true => bits,
        false => u16::from(bits != 0 || features.has(ZERO_PADDING)),
    };
    let used = (0..16_u8).filter(|number| bits >> number & 1 == 1);
    used.map(|number| {
        let name = ALGORITHMS.get(usize::from(number));
        name.map_or_else(|| format!("algorithm {number}"), |name| (*name).to_owned())
    })
    .collect()
}

/// Bytes that the first device has blocks for.
fn allocated(raw: &RawSuperblock, features: Features) -> Option<u64> {
    let wide = features.has(BITS_48) && raw.rootnid_8b.get() != 0;
    let high = if wide {
        u64::from(raw.rb.get()) << 32
    } else {
        0
    };
    let bits @ 9..=16 = raw.blkszbits else {
        return None;
    };
    (high | u64::from(raw.blocks_lo.get())).checked_mul(1 << bits)
}

/// The tags of devices that are not joined on behind the image.
fn second_files(source: &dyn Source) -> Vec<Vec<u8>> {
    let Ok(superblock) = Superblock::read(source) else {
        return Vec::new();
    };
    let slots = devices::slots(source, &superblock).unwrap_or_default();
    let wanted = slots.into_iter().filter(|slot| !slot.is_in(source));
    let tags = wanted.map(|slot| slot.tag);
    tags.filter(|tag| !tag.is_empty()).collect()
}

/// The bytes up to the first NUL; `None` where there are none.
fn text(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = bytes.split(|byte| *byte == 0).next()?;
    (!text.is_empty()).then(|| text.to_vec())
}

/// As blkid spells it; `None` for all zeros.
fn uuid(bytes: &[u8; 16]) -> Option<String> {
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
