//! OSTA compressed Unicode (UDF 2.1.1): a byte that says how wide the characters are, then the
//! characters, of one byte each or of two, the higher first.

use crate::error::{Error, Result};
use crate::filesystem::names;

/// The characters of `bytes`, UTF-8. Surrogates stand for characters past the first 65,536, as
/// all writers have it; those of a deleted file's name are told by 254 and 255.
///
/// # Errors
/// `Corrupt` for another width, or where half a character is left over.
pub(super) fn characters(bytes: &[u8]) -> Result<Vec<u8>> {
    let Some((width, rest)) = bytes.split_first() else {
        return Ok(Vec::new());
    };
    match width {
        8 | 254 => Ok(latin(rest)),
        16 | 255 => wide(rest),
        _ => Err(Error::corrupt(format!(
            "compression id {width} of a name is none of 8, 16, 254, 255"
        ))),
    }
}

/// The text in a `dstring` field (ECMA-167, 1/7.2.12), whose last byte is the number of bytes in
/// use before it. `None` where there is none, or where it is no text.
pub(super) fn field(field: &[u8]) -> Option<Vec<u8>> {
    let (length, room) = field.split_last()?;
    let used = room.get(..usize::from(*length).min(room.len()))?;
    let text = characters(used).ok()?;
    (!text.is_empty()).then_some(text)
}

fn latin(bytes: &[u8]) -> Vec<u8> {
    let characters = bytes.iter().map(|byte| char::from(*byte));
    characters.collect::<String>().into_bytes()
}

fn wide(bytes: &[u8]) -> Result<Vec<u8>> {
    let (units, []) = bytes.as_chunks::<2>() else {
        return Err(Error::corrupt(format!(
            "{} bytes are no characters of two bytes",
            bytes.len()
        )));
    };
    Ok(names::from_utf16(
        units.iter().map(|unit| u16::from_be_bytes(*unit)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_and_wide_names_of_files_and_of_deleted_ones() {
        assert_eq!(
            characters(b"\x08r\xe9sum\xe9").unwrap(),
            "résumé".as_bytes()
        );
        assert_eq!(characters(b"\xfea").unwrap(), b"a");
        let wide = [16, 0x03, 0x98, 0xd8, 0x3d, 0xde, 0x00];
        assert_eq!(characters(&wide).unwrap(), "Θ😀".as_bytes());
        assert_eq!(characters(&[255, 0, b'x']).unwrap(), b"x");
        assert_eq!(characters(&[]).unwrap(), b"");
    }

    #[test]
    fn another_width_or_half_a_character_is_damage() {
        assert!(characters(&[9, b'x']).is_err());
        assert!(characters(&[16, 0, b'x', 0]).is_err());
    }

    #[test]
    fn a_field_says_how_much_of_it_is_text() {
        assert_eq!(field(b"\x08LinuxUDF\0\0\0\x09").unwrap(), b"LinuxUDF");
        assert_eq!(field(b"\x08Li\xff").unwrap(), b"Li");
        assert_eq!(field(&[0; 32]), None);
        assert_eq!(field(&[]), None);
    }
}
