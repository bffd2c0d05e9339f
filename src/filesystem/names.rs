//! Names that come from a disk as UTF-16, or that cannot be file names here.
//!
//! There is one escape, documented in imgmount-formats(7): a byte that no file name may have is
//! written `\xNN`. Only what cannot be a name at all is touched, so that a backslash on disk stays
//! one.

use std::borrow::Cow;

/// `units` of UTF-16 as UTF-8. A surrogate without its other half becomes the three bytes that
/// UTF-8 would give its number (WTF-8), so that different names stay different.
pub(super) fn from_utf16(units: impl IntoIterator<Item = u16>) -> Vec<u8> {
    let mut name = Vec::new();
    for unit in char::decode_utf16(units) {
        match unit {
            Ok(character) => {
                let mut bytes = [0; 4];
                name.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
            }
            Err(alone) => name.extend(three_bytes(alone.unpaired_surrogate())),
        }
    }
    name
}

/// A `name` of [`from_utf16`] as UTF-16 again; `None` for what it gives no name as.
pub(super) fn to_utf16(name: &[u8]) -> Option<Vec<u16>> {
    let (mut units, mut rest) = (Vec::new(), name);
    while !rest.is_empty() {
        if let [0xed, high @ 0xa0..=0xbf, low @ 0x80..=0xbf, behind @ ..] = rest {
            let unit = u16::from(high & 0x3f) << 6 | u16::from(low & 0x3f);
            units.push(0xd000 | unit);
            rest = behind;
            continue;
        }
        let valid = rest.utf8_chunks().next()?.valid();
        units.extend(valid.encode_utf16());
        rest = rest.get(valid.len()..).filter(|_| !valid.is_empty())?;
    }
    Some(units)
}

fn three_bytes(unit: u16) -> [u8; 3] {
    let [high, low] = unit.to_be_bytes();
    [
        0xe0 | high >> 4,
        0x80 | (high & 0x0f) << 2 | low >> 6,
        0x80 | low & 0x3f,
    ]
}

/// `name` where it can be a file name; else with `\x2f` for a slash, `\x00` for a NUL, `\x2e` for
/// the dots of `.` and `..`, and `\x` for a name of no bytes.
pub(super) fn usable(name: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    match &*name {
        b"" => Cow::Borrowed(b"\\x"),
        b"." => Cow::Borrowed(b"\\x2e"),
        b".." => Cow::Borrowed(b"\\x2e\\x2e"),
        bytes if bytes.iter().any(|byte| is_forbidden(*byte)) => Cow::Owned(escaped(bytes)),
        _ => name,
    }
}

fn is_forbidden(byte: u8) -> bool {
    byte == 0 || byte == b'/'
}

fn escaped(name: &[u8]) -> Vec<u8> {
    let mut shown = Vec::new();
    for byte in name {
        match byte {
            0 => shown.extend_from_slice(b"\\x00"),
            b'/' => shown.extend_from_slice(b"\\x2f"),
            other => shown.push(*other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_is_utf8_and_a_lone_surrogate_stays_itself() {
        let name = |text: &str| from_utf16(text.encode_utf16());
        assert_eq!(name("Grüße 日本 😀"), "Grüße 日本 😀".as_bytes());
        assert_eq!(from_utf16([0x61, 0xd800, 0x62]), b"a\xed\xa0\x80b");
        assert_eq!(from_utf16([0xdfff]), b"\xed\xbf\xbf");
        assert_eq!(from_utf16([0xdc00, 0xd800]), b"\xed\xb0\x80\xed\xa0\x80");
    }

    #[test]
    fn a_name_goes_back_to_the_units_it_was_made_of() {
        for units in [
            &[][..],
            &[0x61, 0xd800, 0x62],
            &[0xdc00, 0xd800, 0xd83d, 0xde00, 0xffff],
            &[0xe9, 0x65e5, 0xdfff],
        ] {
            let name = from_utf16(units.iter().copied());
            assert_eq!(to_utf16(&name).as_deref(), Some(units));
        }
        for name in [&b"a\xff"[..], b"\xed\xa0", b"\xc3"] {
            assert_eq!(to_utf16(name), None);
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_escaped_and_nothing_else_is() {
        let shown = |name: &'static [u8]| usable(Cow::Borrowed(name)).into_owned();
        assert_eq!(shown(b"a/b\0c"), b"a\\x2fb\\x00c");
        assert_eq!(shown(b"."), b"\\x2e");
        assert_eq!(shown(b".."), b"\\x2e\\x2e");
        assert_eq!(shown(b""), b"\\x");
        for name in [&b"a\\x2fb"[..], b"...", b"\n\xff", b" "] {
            assert_eq!(shown(name), name);
        }
    }
}
