//! A protector: the volume's master key, sealed with what its owner has.

use std::fmt;

use super::datum::Datum;
use super::guid::Guid;
use super::layout::{self, KEY_FLAG_PBKDF2, kind};
use super::sealed::{Key, Sealed};
use crate::error::Result;

/// What opens a protector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    /// Nothing: its key lies beside it, while protection is suspended.
    Clear,
    /// A startup key file.
    StartupKey,
    /// 48 digits.
    Recovery,
    /// What somebody types.
    Password,
    /// Something that no image has: `FVE_DATUM_VMK_INFO::Priority`.
    Other(u16),
}

/// Bits of `FVE_DATUM_VMK_INFO::Priority`, and what each stands for. Several together are all
/// needed.
const PARTS: [(u16, &str); 6] = [
    (0x0100, "TPM"),
    (0x0400, "PIN"),
    (0x0200, "startup key"),
    (0x0800, "recovery password"),
    (0x1000, "smart card"),
    (0x2000, "password"),
];

/// Bits of the priority that order protectors of one kind.
const ORDER: u16 = 0x00ff;

impl Opener {
    fn new(priority: u16) -> Self {
        match priority & !ORDER {
            0 => Self::Clear,
            0x0200 => Self::StartupKey,
            0x0800 => Self::Recovery,
            0x2000 => Self::Password,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = match self {
            Self::Clear => return f.write_str("clear key"),
            Self::StartupKey => 0x0200,
            Self::Recovery => 0x0800,
            Self::Password => 0x2000,
            Self::Other(bits) => *bits,
        };
        let parts = PARTS.iter().filter(|(bit, _)| bits & bit != 0);
        let names: Vec<&str> = parts.clone().map(|(_, name)| *name).collect();
        let known = parts.fold(0, |known, (bit, _)| known | bit);
        match bits & !known {
            0 => f.write_str(&names.join(" and ")),
            _ => write!(f, "unknown protection {bits:#06x}"),
        }
    }
}

/// One protector.
#[derive(Debug)]
pub(super) struct Protector {
    pub(super) id: Guid,
    pub(super) opener: Opener,
    /// The sealed master key.
    pub(super) sealed: Option<Sealed>,
    /// What a password is stretched with.
    pub(super) salt: Option<[u8; 16]>,
    /// It is stretched by PBKDF2, and in no way that is described anywhere.
    pub(super) pbkdf2: bool,
    /// A key that lies beside it.
    pub(super) clear: Option<Key>,
}

impl Protector {
    /// The protector that is `datum`.
    ///
    /// # Errors
    /// `Corrupt`, naming the field.
    pub(super) fn parse(datum: &Datum<'_>) -> Result<Self> {
        let (head, _) = datum.parse::<layout::VmkInfo>()?;
        let mut found = Self {
            id: Guid(head.Identifier),
            opener: Opener::new(head.Priority.get()),
            sealed: None,
            salt: None,
            pbkdf2: false,
            clear: None,
        };
        for property in datum.properties::<layout::VmkInfo>()? {
            match property.kind {
                kind::AES_CCM_ENCRYPTED_KEY if found.sealed.is_none() => {
                    found.sealed = Some(Sealed::parse(&property)?);
                }
                kind::STRETCH_KEY if found.salt.is_none() => {
                    let (stretch, _) = property.parse::<layout::StretchKey>()?;
                    found.salt = Some(stretch.Salt);
                    found.pbkdf2 = stretch.KeyFlags.get() & KEY_FLAG_PBKDF2 != 0;
                }
                kind::KEY if found.clear.is_none() => found.clear = Some(Key::parse(&property)?),
                _ => {}
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protectors_are_named_by_all_that_they_ask_for() {
        let name = |priority| Opener::new(priority).to_string();
        assert_eq!(name(0x0000), "clear key");
        assert_eq!(name(0x0042), "clear key");
        assert_eq!(name(0x0100), "TPM");
        assert_eq!(name(0x0500), "TPM and PIN");
        assert_eq!(name(0x0300), "TPM and startup key");
        assert_eq!(name(0x0701), "TPM and PIN and startup key");
        assert_eq!(name(0x0800), "recovery password");
        assert_eq!(name(0x1000), "smart card");
        assert_eq!(name(0x4100), "unknown protection 0x4100");
        assert_eq!(Opener::new(0x2007), Opener::Password);
    }
}
