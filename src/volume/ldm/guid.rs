//! Identifiers of disks, groups and volumes: sixteen bytes, or as many in hexadecimal digits.

use std::fmt;

/// An identifier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Guid(pub(super) [u8; 16]);

impl Guid {
    /// The identifier that the digits in `text` are, with its four hyphens, as
    /// `1b77da20-c717-11d0-a5be-00a0c91db73c`.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let groups: Vec<&[u8]> = text.split(|byte| *byte == b'-').collect();
        let lengths = groups.iter().map(|group| group.len());
        if !lengths.eq([8, 4, 4, 4, 12]) {
            return None;
        }
        let digits: Vec<u8> = groups.concat();
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            let is_plain = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = u8::from_str_radix(pair, 16).ok().filter(|_| is_plain)?;
        }
        Some(Self(bytes))
    }

    /// A number that differs from another identifier's: what of it there is room for.
    pub(super) fn number(&self) -> u32 {
        crc32fast::hash(&self.0)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_read_in_either_case_and_printed_in_lower_case() {
        let text = "1b77da20-c717-11d0-a5be-00a0c91db73c";
        let guid = Guid::parse(text.as_bytes()).unwrap();
        assert_eq!(guid.to_string(), text);
        assert_eq!(Guid::parse(text.to_uppercase().as_bytes()), Some(guid));
        let wrong = [
            "",
            "1b77da20c71711d0a5be00a0c91db73c",
            "1b77da20-c717-11d0-a5be-00a0c91db7 c",
            "+b77da20-c717-11d0-a5be-00a0c91db73c",
            "1b77da20-c717-11d0-a5be-00a0c91db73c-",
        ];
        for text in wrong {
            assert_eq!(Guid::parse(text.as_bytes()), None, "{text}");
        }
    }
}
