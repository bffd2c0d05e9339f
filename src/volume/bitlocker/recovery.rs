//! Recovery passwords: eight groups of six digits, each of which is a 16-bit number times eleven.

use std::fmt;

use zeroize::Zeroizing;

/// Groups of a recovery password.
const GROUPS: usize = 8;

/// Digits of a group.
const DIGITS: usize = 6;

/// What a text is that looks like a recovery password.
pub(super) enum Reading {
    /// One: the 128 bits that it stands for.
    Whole(Zeroizing<[u8; 16]>),
    /// It has a mistake.
    Mistyped(Mistake),
}

/// The group that cannot be, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake(usize);

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the recovery password is mistyped: group {} is none that there can be",
            self.0
        )
    }
}

/// Reads `text`: digits, with `-` or spaces between the groups or nothing; or a text in which such
/// groups stand with `-`, as in the file that Windows writes. `None` where there is no recovery
/// password.
pub(super) fn read(text: &str) -> Option<Reading> {
    let mut words = text.split(|it: char| !it.is_ascii_digit() && it != '-');
    let is_whole = |word: &&str| word.contains('-') && digits(word).is_some();
    let parts = digits(text.trim()).or_else(|| digits(words.find(is_whole)?))?;
    let mut key = Zeroizing::new([0; 16]);
    let (groups, _) = parts.as_bytes().as_chunks::<DIGITS>();
    for (index, (group, place)) in groups.iter().zip(key.as_chunks_mut::<2>().0).enumerate() {
        match number(group) {
            Some(number) => *place = number.to_le_bytes(),
            None => return Some(Reading::Mistyped(Mistake(index.saturating_add(1)))),
        }
    }
    Some(Reading::Whole(key))
}

/// The digits of a recovery password, if `text` is one, in memory that is zeroed.
fn digits(text: &str) -> Option<Zeroizing<String>> {
    const ALL: usize = GROUPS * DIGITS;
    // It never moves in memory.
    let mut digits = Zeroizing::new(String::with_capacity(ALL));
    for character in text.chars().filter(|it| !matches!(it, '-' | ' ')) {
        if !character.is_ascii_digit() || digits.len() == ALL {
            return None;
        }
        digits.push(character);
    }
    (digits.len() == ALL && is_grouped(text)).then_some(digits)
}

/// Whether separators, where there are any, stand between groups.
fn is_grouped(text: &str) -> bool {
    let groups = text.split(['-', ' ']);
    groups.clone().count() == 1
        || groups.clone().count() == GROUPS && groups.clone().all(|group| group.len() == DIGITS)
}

fn number(digits: &[u8; DIGITS]) -> Option<u16> {
    let text = std::str::from_utf8(digits).ok()?;
    let value: u32 = text.parse().ok()?;
    let number = u16::try_from(value / 11).ok()?;
    value.is_multiple_of(11).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<[u8; 16]> {
        match read(text)? {
            Reading::Whole(key) => Some(*key),
            Reading::Mistyped(_) => None,
        }
    }

    fn mistake(text: &str) -> Option<usize> {
        match read(text)? {
            Reading::Whole(_) => None,
            Reading::Mistyped(Mistake(group)) => Some(group),
        }
    }

    #[test]
    fn a_recovery_password_stands_for_128_bits() {
        // The example of libbde's description.
        let text = "471207-278498-422125-177177-561902-537405-468006-693451";
        let numbers = [42837_u16, 25318, 38375, 16107, 51082, 48855, 42546, 63041];
        let bytes: Vec<u8> = numbers.into_iter().flat_map(u16::to_le_bytes).collect();
        assert_eq!(key(text).unwrap().as_slice(), bytes);
        assert_eq!(key(&text.replace('-', "")), key(text));
        assert_eq!(key(&text.replace('-', " ")), key(text));
        assert_eq!(key(&format!("  {text} ")), key(text));
        assert_eq!(key(&["720885"; 8].join("-")), Some([0xff; 16]));
    }

    #[test]
    fn it_is_found_in_the_text_around_it() {
        let digits = "471207-278498-422125-177177-561902-537405-468006-693451";
        let text =
            format!("Identifier:\r\n\r\n\tB0B2C2F5-0000\r\n\r\nKey:\r\n\r\n\t{digits}\r\n\r\nIf");
        assert_eq!(key(&text), key(digits));
        assert_eq!(mistake(&text.replace("422125", "422126")), Some(3));
        assert!(key(digits).is_some());
        for text in [
            format!("1{digits}"),
            format!("{digits}-"),
            format!("Key: {}", digits.replace('-', "")),
        ] {
            assert!(read(&text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_mistyped_group_is_told() {
        let text = "471207-278498-422125-177177-561902-537405-468006-693451";
        assert_eq!(mistake(&text.replace("422125", "422126")), Some(3));
        assert_eq!(mistake(&text.replace("693451", "693415")), Some(8));
        assert_eq!(mistake(&text.replace("471207", "720896")), Some(1));
        assert_eq!(mistake(text), None);
    }

    #[test]
    fn other_texts_are_no_recovery_passwords() {
        for text in [
            "",
            "anaconda",
            "471207-278498",
            &"1".repeat(49),
            &["47120a"; 8].join("-"),
            "4712-07278498-422125-177177-561902-537405-468006-693451",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
