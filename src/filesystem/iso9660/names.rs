//! What a record's name is shown as: Rock Ridge's, Joliet's, or the plain one as the user wants it.

use std::borrow::Cow;

use super::core::Core;
use super::record::Record;
use super::rock_ridge::RockRidge;
use crate::filesystem::names::{from_utf16, usable};
use crate::format::NameMap;

/// Bytes of what Acorn's extension adds behind a name.
const ACORN: usize = 32;

/// The name of `record`, which is not that of a directory itself or the one above it.
pub(super) fn shown(core: &Core, record: &Record<'_>, rock_ridge: &RockRidge) -> Vec<u8> {
    let name = if !rock_ridge.name.is_empty() {
        rock_ridge.name.clone()
    } else if core.view.is_joliet {
        joliet(record.name)
    } else {
        match core.map {
            NameMap::Off => record.name.to_vec(),
            NameMap::Normal => normal(record.name),
            NameMap::Acorn => acorn(record),
        }
    };
    usable(Cow::Owned(name)).into_owned()
}

/// What Joliet names that mean the same file have in common: case and dots at the end do not count.
pub(super) fn fold(name: &[u8]) -> Cow<'_, [u8]> {
    let mut end = name;
    while let [rest @ .., b'.'] = end {
        end = rest;
    }
    Cow::Owned(end.to_ascii_lowercase())
}

/// UTF-16, big end first, up to a zero; without the version `;1` and dots at the end. An odd byte at
/// the end is left out.
fn joliet(name: &[u8]) -> Vec<u8> {
    let (pairs, _) = name.as_chunks();
    let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
    let mut name = from_utf16(units.take_while(|unit| *unit != 0));
    if name.len() > 2 && name.ends_with(b";1") {
        name.truncate(name.len().saturating_sub(2));
    }
    while name.len() > 1 && name.ends_with(b".") {
        name.pop();
    }
    name
}

/// In lower case; without the version `;1` and the dot before it; with a dot for any other `;`, and
/// for slashes.
fn normal(name: &[u8]) -> Vec<u8> {
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = name
        .strip_suffix(b";1")
        .map_or(name, |name| name.strip_suffix(b".").unwrap_or(name));
    let letters = name.iter().map(|byte| match byte {
        b';' | b'/' => b'.',
        other => other.to_ascii_lowercase(),
    });
    letters.collect()
}

/// The same with what Acorn's machines keep behind the name: a `!` that stands for `_`, and the
/// file's type.
fn acorn(record: &Record<'_>) -> Vec<u8> {
    let mut name = normal(record.name);
    let area = record.system_use;
    let is_acorn = area.len() == ACORN && area.starts_with(b"ARCHIMEDES");
    let (Some(first), true) = (name.first_mut(), is_acorn) else {
        return name;
    };
    let byte = |index: usize| area.get(index).copied().unwrap_or(0);
    if *first == b'_' && byte(19) & 1 == 1 {
        *first = b'!';
    }
    if !record.is_directory() && byte(13) == 0xff && byte(12) & 0xf0 == 0xf0 {
        let kind = u16::from_be_bytes([byte(12) & 0x0f, byte(11)]);
        name.extend(format!(",{kind:03x}").bytes());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_as_the_kernel_maps_them() {
        let shown = |name: &str| String::from_utf8(normal(name.as_bytes())).unwrap();
        assert_eq!(shown("README.TXT;1"), "readme.txt");
        assert_eq!(shown("README.;1"), "readme");
        assert_eq!(shown("README;1"), "readme");
        assert_eq!(shown("README.TXT;2"), "readme.txt.2");
        assert_eq!(shown("A/B"), "a.b");
        assert_eq!(shown("DIR."), "dir.");
        assert_eq!(shown("A\0B;1"), "a");
        assert_eq!(shown(";1"), "");
    }

    #[test]
    fn joliet_names() {
        let shown = |name: &str| {
            let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
            String::from_utf8(joliet(&units)).unwrap()
        };
        assert_eq!(shown("Grüße 😀.txt;1"), "Grüße 😀.txt");
        assert_eq!(shown("a.;1"), "a");
        assert_eq!(shown(";1"), ";1");
        assert_eq!(shown("a\0b"), "a");
        assert_eq!(shown("..."), ".");
        assert_eq!(joliet(b"\0a\0"), b"a");
        assert_eq!(fold("Grüße.TXT..".as_bytes()), "grüße.txt".as_bytes());
    }
}
