//! Names without case, as the kernel's Unicode tables fold them: decomposed (NFD), folded, without
//! the code points that are ignored by default, and decomposed again.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// `name` folded; `None` where it is not UTF-8.
pub(super) fn fold(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    if name.is_ascii() {
        return Some(name.to_ascii_lowercase());
    }
    let folded = name.nfd().default_case_fold();
    Some(
        folded
            .filter(|character| !is_ignorable(*character))
            .nfd()
            .collect(),
    )
}

/// `Default_Ignorable_Code_Point` of the Unicode Character Database, version 12.1.
fn is_ignorable(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_and_composition_fold_to_the_same() {
        for (one, other) in [
            ("README", "readme"),
            ("Straße", "STRASSE"),
            ("\u{c5}", "a\u{30a}"),
            ("\u{212b}", "\u{e5}"),
            ("soft\u{ad}hyphen", "SoftHyphen"),
            ("\u{3a3}", "\u{3c2}"),
        ] {
            assert_eq!(
                fold(one.as_bytes()),
                fold(other.as_bytes()),
                "{one} {other}"
            );
        }
        assert_ne!(fold("a".as_bytes()), fold("ä".as_bytes()));
        assert_eq!(fold(b"\xff"), None);
    }
}
