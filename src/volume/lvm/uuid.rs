//! LVM2's identifiers: 32 letters and digits, printed in groups.

use std::fmt;

/// An identifier without its hyphens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Uuid([u8; 32]);

impl Uuid {
    /// The identifier that `bytes` are, with hyphens or without.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let plain: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'-').collect();
        let is_usual = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#".contains(byte);
        let plain = <[u8; 32]>::try_from(plain).ok()?;
        plain.iter().all(is_usual).then_some(Self(plain))
    }

    /// A number that differs from another identifier's: what of it there is room for.
    pub(super) fn number(&self) -> u32 {
        crc32fast::hash(&self.0)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Letters before each hyphen.
        const GROUPS: [usize; 7] = [6, 4, 4, 4, 4, 4, 6];
        let mut letters = self.0.iter().map(|byte| char::from(*byte));
        for (index, group) in GROUPS.into_iter().enumerate() {
            if index > 0 {
                f.write_str("-")?;
            }
            let group: String = letters.by_ref().take(group).collect();
            f.write_str(&group)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_printed_with_hyphens_and_read_with_or_without() {
        let text = "V9N6H5-MXlo-JmEE-TLHs-KyAo-kLv5-JL0RY7";
        let uuid = Uuid::parse(text.as_bytes()).unwrap();
        assert_eq!(uuid.to_string(), text);
        assert_eq!(Uuid::parse(b"V9N6H5MXloJmEETLHsKyAokLv5JL0RY7"), Some(uuid));
        assert_eq!(Uuid::parse(b"V9N6H5"), None);
        assert_eq!(Uuid::parse(&[0; 32]), None);
    }
}
