//! Text in a key file, as Windows' programs write it: in UTF-16 or UTF-8, with a mark in front.

use zeroize::Zeroizing;

/// The text of `bytes`, without a mark of how it is written; `None` where they are no text.
pub(super) fn read(bytes: &[u8]) -> Option<Zeroizing<String>> {
    match bytes {
        [0xff, 0xfe, units @ ..] => utf16(units),
        [0xef, 0xbb, 0xbf, text @ ..] | text => {
            let text = std::str::from_utf8(text).ok()?;
            Some(Zeroizing::new(text.to_owned()))
        }
    }
}

fn utf16(bytes: &[u8]) -> Option<Zeroizing<String>> {
    // A unit has at most three bytes in UTF-8, so that it never moves in memory.
    let room = bytes.len().saturating_mul(2);
    let mut text = Zeroizing::new(String::with_capacity(room));
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
    for character in char::decode_utf16(units) {
        text.push(character.ok()?);
    }
    rest.is_empty().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Option<String> {
        read(bytes).map(|text| text.as_str().to_owned())
    }

    #[test]
    fn a_mark_says_how_it_is_written() {
        let expected = Some("Grüße, 🔑\r\n".to_owned());
        let units = expected.as_deref().unwrap().encode_utf16();
        let units: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
        assert_eq!(text(&[b"\xff\xfe", &units[..]].concat()), expected);
        let utf8 = expected.as_deref().unwrap().as_bytes();
        assert_eq!(text(utf8), expected);
        assert_eq!(text(&[b"\xef\xbb\xbf", utf8].concat()), expected);
        for bytes in [&b"\xff\xfea"[..], b"\xff\xfe\x00\xd8", b"a\xff"] {
            assert_eq!(text(bytes), None);
        }
    }
}
