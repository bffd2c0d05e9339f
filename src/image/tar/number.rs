//! The header's numbers: octal text, or big-endian where they are too large for that.

use super::layout::Header;
use crate::error::{Error, Result};

/// The number in `field`, which is called `name`.
pub(super) fn number(field: &[u8], name: &str) -> Result<u64> {
    let wrong = |what: &str| Error::corrupt(format!("{name} {what}"));
    match field.first() {
        Some(first) if first & 0x80 != 0 => {
            if first & 0x40 != 0 {
                return Err(wrong("is negative"));
            }
            base256(field).ok_or_else(|| wrong("is over 2^64"))
        }
        _ => octal(field).ok_or_else(|| wrong("is no octal number")),
    }
}

/// All bits but the first, which says that it is no text.
fn base256(field: &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for (index, byte) in field.iter().enumerate() {
        let byte = if index == 0 { byte & 0x7f } else { *byte };
        value = value.checked_mul(256)?.checked_add(u64::from(byte))?;
    }
    Some(value)
}

/// Octal digits between spaces and NULs. Nothing is 0.
fn octal(field: &[u8]) -> Option<u64> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let mut value = 0_u64;
    let digits = field.iter().skip_while(|byte| blank(byte));
    let mut ended = false;
    for byte in digits {
        ended |= blank(byte);
        match byte {
            _ if ended && blank(byte) => {}
            // What follows the NUL may be left from before.
            _ if ended => break,
            b'0'..=b'7' => {
                let digit = u64::from(byte.checked_sub(b'0')?);
                value = value.checked_mul(8)?.checked_add(digit)?;
            }
            _ => return None,
        }
    }
    Some(value)
}

/// Whether `chksum` is the sum of the header's bytes, its own counted as spaces. Some old programs
/// summed them up as signed.
pub(super) fn checksum_holds(header: &Header, bytes: &[u8]) -> bool {
    let Some(expected) = octal(&header.chksum) else {
        return false;
    };
    let own = 148..156;
    let (mut unsigned, mut signed) = (0_i64, 0_i64);
    for (index, byte) in bytes.iter().enumerate() {
        let byte = if own.contains(&index) { b' ' } else { *byte };
        unsigned = unsigned.saturating_add(i64::from(byte));
        signed = signed.saturating_add(i64::from(i8::from_ne_bytes([byte])));
    }
    let expected = i64::try_from(expected).unwrap_or(-1);
    expected == unsigned || expected == signed
}

/// A text field up to its first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0);
    field.get(..end.unwrap_or(field.len())).unwrap_or(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        assert_eq!(number(b"00000000017\0", "size"), Ok(15));
        assert_eq!(number(b"     17 \0\0\0\0", "size"), Ok(15));
        assert_eq!(number(&[0; 12], "size"), Ok(0));
        assert_eq!(number(b"777777777777", "size"), Ok((1 << 36) - 1));
        assert_eq!(
            number(b"\x80\0\0\0\0\0\0\x10\0\0\0\x01", "size"),
            Ok((1 << 36) + 1)
        );
        for bad in [
            &b"\xff\xff\xff\xff"[..],
            b"\x80\x01\0\0\0\0\0\0\0\0\0",
            b"12a",
        ] {
            assert!(number(bad, "size").is_err(), "{bad:?}");
        }
    }
}
