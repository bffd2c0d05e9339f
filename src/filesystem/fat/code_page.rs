//! The code pages that short names are written in.
//!
//! The tables are those of the crates `oem_cp` (the code pages of DOS) and `encoding_rs` (those of
//! Windows, and of East Asia). Where a byte means nothing, `?` is shown, as the kernel does.

use encoding_rs::Encoding;
use oem_cp::code_table::DECODING_TABLE_CP_MAP;

use crate::error::{Error, Result};
use crate::number::to_usize;

/// The kernel's default.
const DEFAULT: u16 = 437;

/// What is shown for bytes that mean nothing.
const UNKNOWN: char = '?';

/// One code page.
pub(super) struct CodePage {
    /// What the bytes from 128 on mean by themselves.
    upper: [Option<char>; 128],
    /// The same in lower case, where the code page itself has that letter.
    lower: [Option<char>; 128],
    /// Where two bytes may mean one character.
    double: Option<&'static Encoding>,
}

impl CodePage {
    /// The one that `-o codepage=` names by its number, with or without `cp` before it.
    ///
    /// # Errors
    /// `Invalid` for one that is not known.
    pub(super) fn named(name: Option<&str>) -> Result<Self> {
        let Some(name) = name else {
            return Self::numbered(DEFAULT).ok_or_else(|| unknown("437"));
        };
        let number = name.strip_prefix("cp").unwrap_or(name).parse();
        number
            .ok()
            .and_then(Self::numbered)
            .ok_or_else(|| unknown(name))
    }

    fn numbered(number: u16) -> Option<Self> {
        if let Some(table) = DECODING_TABLE_CP_MAP.get(&number) {
            return Some(Self::of(|byte| table.decode_char_checked(byte), None));
        }
        let encoding = match number {
            932 => encoding_rs::SHIFT_JIS,
            936 => encoding_rs::GBK,
            949 => encoding_rs::EUC_KR,
            950 => encoding_rs::BIG5,
            1250 => encoding_rs::WINDOWS_1250,
            1251 => encoding_rs::WINDOWS_1251,
            1252 => encoding_rs::WINDOWS_1252,
            1253 => encoding_rs::WINDOWS_1253,
            1254 => encoding_rs::WINDOWS_1254,
            1255 => encoding_rs::WINDOWS_1255,
            1256 => encoding_rs::WINDOWS_1256,
            1257 => encoding_rs::WINDOWS_1257,
            1258 => encoding_rs::WINDOWS_1258,
            _ => return None,
        };
        let double = (!encoding.is_single_byte()).then_some(encoding);
        Some(Self::of(|byte| decode(encoding, &[byte]), double))
    }

    fn of(decode: impl Fn(u8) -> Option<char>, double: Option<&'static Encoding>) -> Self {
        let upper = std::array::from_fn(|index| {
            let byte = u8::try_from(index).ok()?.checked_add(128)?;
            decode(byte).filter(|character| !character.is_control())
        });
        let lower = upper.map(|character| {
            let small = character.and_then(|character| single(character.to_lowercase()));
            let exists = |small: &char| small.is_ascii() || upper.contains(&Some(*small));
            small.filter(exists).or(character)
        });
        Self {
            upper,
            lower,
            double,
        }
    }

    /// Adds what `bytes` mean to `text`, in lower case where that is asked for; two bytes that are
    /// one character have no case, as in the kernel.
    pub(super) fn decode(&self, bytes: &[u8], is_lower: bool, text: &mut String) {
        let mut rest = bytes;
        while let [first, behind @ ..] = rest {
            rest = behind;
            let character = self.character(*first, is_lower);
            if let (None, Some(encoding), [second, behind @ ..]) = (character, self.double, behind)
                && let Some(character) = decode(encoding, &[*first, *second])
            {
                rest = behind;
                text.push(character);
                continue;
            }
            text.push(character.unwrap_or(UNKNOWN));
        }
    }

    fn character(&self, byte: u8, is_lower: bool) -> Option<char> {
        let table = if is_lower { &self.lower } else { &self.upper };
        match byte.checked_sub(128) {
            Some(index) => table.get(to_usize(index.into())).copied().flatten(),
            None if is_lower => Some(char::from(byte.to_ascii_lowercase())),
            None => Some(char::from(byte)),
        }
    }
}

/// `bytes`, if they are just one character.
fn decode(encoding: &'static Encoding, bytes: &[u8]) -> Option<char> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    single(text.chars())
}

fn single(mut characters: impl Iterator<Item = char>) -> Option<char> {
    let first = characters.next();
    first.filter(|_| characters.next().is_none())
}

fn unknown(name: &str) -> Error {
    Error::invalid(format!(
        "code page {} is not known",
        crate::error::printable(name.as_bytes())
    ))
    .hint("437, 850, 852, 855, 857, 860 to 866, 869, 874, 932, 936, 949, 950, 1250 to 1258")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: u16, bytes: &[u8], is_lower: bool) -> String {
        let mut text = String::new();
        let page = CodePage::numbered(number).unwrap();
        page.decode(bytes, is_lower, &mut text);
        text
    }

    #[test]
    fn every_code_page_of_the_kernel_is_there() {
        let dos = [
            437, 737, 775, 850, 852, 855, 857, 860, 861, 862, 863, 864, 865, 866, 869, 874,
        ];
        let windows = [932, 936, 949, 950, 1250, 1251, 1252, 1253, 1254, 1255];
        for number in dos.into_iter().chain(windows).chain(1256..=1258) {
            assert_eq!(text(number, b"AZ09", true), "az09", "{number}");
        }
        assert!(CodePage::named(Some("cp850")).is_ok());
        let error = CodePage::named(Some("999\x1b")).err().unwrap();
        assert!(
            error
                .to_string()
                .contains("code page 999\\x1b is not known")
        );
    }

    #[test]
    fn letters_are_those_of_the_code_page() {
        assert_eq!(text(437, b"\x8e\x99\x9a\x80", false), "ÄÖÜÇ");
        assert_eq!(text(437, b"\x8e\x99\x9a\x80", true), "äöüç");
        // Small sigma is in 437, small omega is not (the kernel's nls_cp437).
        assert_eq!(text(437, b"\xe4\xea", true), "σΩ");
        assert_eq!(text(850, b"\xb5\x9d", true), "áø");
        assert_eq!(text(866, b"\x80\x8f", true), "ап");
        assert_eq!(text(1252, b"\xc4", true), "ä");
    }

    #[test]
    fn two_bytes_may_be_one_character_and_some_mean_nothing() {
        assert_eq!(text(932, b"\x93\xfa\x96\x7bA\xb1", true), "日本aｱ");
        assert_eq!(text(936, b"\xd6\xd0", false), "中");
        assert_eq!(text(949, b"\xc7\xd1", false), "한");
        assert_eq!(text(950, b"\xa4\xa4", false), "中");
        assert_eq!(text(932, b"\x93", false), "?");
        assert_eq!(text(857, b"\xd5A", false), "?A");
    }
}
