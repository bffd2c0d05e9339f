//! Whether this is one, and what `info` says of it.

use super::boot;
use super::core::Session;
use super::descriptors::{self, Descriptors, Volume};
use super::session;
use crate::error::{Result, printable};
use crate::filesystem::names::from_utf16;
use crate::format::{Description, Set};
use crate::source::Source;

/// A disc whose first session has a volume descriptor where the first one belongs.
pub(super) fn claim(source: &dyn Source) -> Result<Option<Set>> {
    if source.size() < 17 * super::record::SECTOR {
        return Ok(None);
    }
    let mut head = [0; 16];
    source.read_exact_at(&mut head, 16 * super::record::SECTOR)?;
    let is_iso = head.get(1..6) == Some(b"CD001");
    let is_high_sierra = head.get(9..14) == Some(b"CDROM");
    if !is_iso && !is_high_sierra {
        return Ok(None);
    }
    // Where its size cannot be told, nothing is its own but what was looked at.
    let volume = Descriptors::read(source, 0)?.primary;
    let size = volume.map_or(0, |volume| volume.size());
    Ok(Some(Set::Hybrid { size }))
}

/// Label, identifiers, times and extensions of the last session, and what boots from it.
pub(super) fn describe(source: &dyn Source) -> Result<Description> {
    let sessions = session::all(source)?;
    let start = session::choose(&sessions, None)?;
    let descriptors = Descriptors::read(source, start)?;
    let volume = main(&descriptors).ok_or_else(|| descriptors::none(start))?;
    let mut facts = identifiers(volume);
    if sessions.len() > 1 {
        let starts: Vec<String> = sessions.iter().map(u64::to_string).collect();
        facts.push(("sessions at sectors", starts.join(", ")));
    }
    let session = Session { start, descriptors };
    for (_, note) in boot::images(source, &session) {
        facts.push(("boots", note));
    }
    let volume = main(&session.descriptors).ok_or_else(|| descriptors::none(start))?;
    Ok(Description {
        label: label(&session.descriptors, volume),
        uuid: uuid(volume),
        features: features(source, &session.descriptors),
        facts,
        allocated: Some(volume.size()),
        ..Description::default()
    })
}

fn main(descriptors: &Descriptors) -> Option<&Volume> {
    let joliet = descriptors.joliet.as_ref().map(|joliet| &joliet.volume);
    descriptors.primary.as_ref().or(joliet)
}

fn identifiers(volume: &Volume) -> Vec<(&'static str, String)> {
    let raw = &volume.raw;
    let texts = [
        ("volume id", &raw.volume_identifier[..]),
        ("system id", &raw.system_identifier[..]),
        ("publisher", &raw.publisher_identifier[..]),
        ("preparer", &raw.data_preparer_identifier[..]),
        ("application", &raw.application_identifier[..]),
    ];
    let mut facts: Vec<_> = texts
        .into_iter()
        .map(|(name, bytes)| (name, printable(trimmed(bytes))))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    if let Some(time) = time(&raw.volume_creation) {
        facts.push(("created", time));
    }
    if let Some(time) = time(&raw.volume_modification) {
        facts.push(("modified", time));
    }
    facts
}

/// `2013-04-19 20:24:48.00 +01:00`; `None` where no time is set.
fn time(bytes: &[u8; 17]) -> Option<String> {
    let (digits, [zone]) = bytes
        .split_first_chunk::<16>()
        .and_then(|(digits, rest)| Some((digits, rest.first_chunk::<1>()?)))?;
    let is_set = digits.iter().any(|digit| *digit != b'0') && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_set)?;
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let quarters = i32::from(i8::from_ne_bytes([*zone]));
    let sign = if quarters < 0 { '-' } else { '+' };
    let minutes = quarters.unsigned_abs().saturating_mul(15);
    let (hours, rest) = (minutes.div_euclid(60), minutes.rem_euclid(60));
    Some(format!(
        "{}-{}-{} {}:{}:{}.{} {sign}{hours:02}:{rest:02}",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14),
        part(14, 16),
    ))
}

/// The time of the last change, or else of creation, as libblkid spells it for a UUID.
fn uuid(volume: &Volume) -> Option<String> {
    let raw = &volume.raw;
    let set = |bytes: &&[u8; 17]| !bytes.starts_with(&[b'0'; 16]) || bytes.last() != Some(&0);
    let times = [&raw.volume_modification, &raw.volume_creation];
    let digits = times.into_iter().find(set)?.get(..16)?;
    if digits.contains(&0) || volume.high_sierra {
        return None;
    }
    let mut text = String::new();
    for (index, digit) in digits.iter().enumerate() {
        if index >= 4 && index % 2 == 0 {
            text.push('-');
        }
        text.push(char::from(*digit));
    }
    Some(text)
}

/// Of the plain label and Joliet's the better, character by character where they agree; Joliet's
/// where they do not. So libblkid has it: the one is longer, the other has more letters.
fn label(descriptors: &Descriptors, volume: &Volume) -> Option<Vec<u8>> {
    let plain = &volume.raw.volume_identifier;
    let joliet = descriptors.joliet.as_ref().map(|joliet| {
        let (pairs, _) = joliet.volume.raw.volume_identifier.as_chunks::<2>();
        let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
        units.collect::<Vec<u16>>()
    });
    let is_blank = |units: &Vec<u16>| units.iter().all(|unit| matches!(unit, 0 | 32));
    let label = match joliet.filter(|units| !is_blank(units)) {
        Some(units) => {
            let units = merged(&units, plain).unwrap_or(units);
            from_utf16(units.into_iter().take_while(|unit| *unit != 0))
        }
        None => plain.to_vec(),
    };
    let label = trimmed(&label);
    (!label.is_empty()).then(|| label.to_vec())
}

/// Both labels as one; `None` where they disagree. In either an underscore stands for what it could
/// not have; capitals are often all that the plain one may have.
fn merged(joliet: &[u16], plain: &[u8]) -> Option<Vec<u16>> {
    let mut merged = Vec::new();
    let mut rest = plain.iter().copied();
    let mut units = joliet.iter().copied();
    while let Some(first) = units.next() {
        let mut unit = first;
        if (0xd800..0xdc00).contains(&first) {
            merged.push(first);
            unit = units.next()?;
        }
        let Some(byte) = rest.next() else {
            break;
        };
        let letter = u8::try_from(unit).ok();
        let same = letter.is_some_and(|letter| letter.eq_ignore_ascii_case(&byte));
        merged.push(match (letter, byte) {
            (_, b'_') => unit,
            (Some(b'_'), byte) => byte.into(),
            (_, byte) if same && !byte.is_ascii_uppercase() => byte.into(),
            _ if same => unit,
            _ => return None,
        });
    }
    merged.extend(rest.map(u16::from));
    Some(merged)
}

/// Without NULs and spaces at the end.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    bytes.trim_ascii_end()
}

fn features(source: &dyn Source, descriptors: &Descriptors) -> Vec<String> {
    let mut features = Vec::new();
    if descriptors
        .primary
        .as_ref()
        .is_some_and(|volume| volume.high_sierra)
    {
        features.push("high-sierra".to_owned());
    }
    let primary = descriptors.primary.as_ref();
    if primary.is_some_and(|volume| has_rock_ridge(source, volume)) {
        features.push("rock-ridge".to_owned());
    }
    if let Some(joliet) = &descriptors.joliet {
        features.push(format!("joliet-{}", joliet.level));
    }
    if descriptors.enhanced.is_some() {
        features.push("iso9660-1999".to_owned());
    }
    if descriptors.catalog.is_some() {
        features.push("el-torito".to_owned());
    }
    features
}

fn has_rock_ridge(source: &dyn Source, volume: &Volume) -> bool {
    let Ok(bits) = volume.block_bits() else {
        return false;
    };
    let blocks = super::susp::Blocks { source, bits };
    super::rock_ridge::declared(&blocks, volume.geometry.root).is_declared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_agree_are_one_and_others_are_not() {
        let of = |joliet: &str, plain: &str| {
            let units: Vec<u16> = joliet.encode_utf16().collect();
            Some(String::from_utf16(&merged(&units, plain.as_bytes())?).unwrap())
        };
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(of("Ab_c", "AB_CDEF"), is("Ab_cDEF"));
        assert_eq!(of("Größe", "GR__E LONG"), is("Größe LONG"));
        assert_eq!(of("_b", "ab"), is("ab"));
        assert_eq!(of("a\u{1f600}b", "A_B"), is("a\u{1f600}b"));
        assert_eq!(of("other", "PLAIN"), None);
    }
}
