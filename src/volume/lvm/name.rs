//! Names of groups and volumes: which LVM2 gives, and how many of them one line says.

use std::borrow::Cow;

use crate::error::{Error, Result, printable};

/// Bytes of the longest name: LVM2's `NAME_LEN` counts the zero behind it.
pub(super) const LONGEST: usize = 127;

/// Bytes of the names or tags that one fact lists.
const MOST_LISTED: usize = 4096;

/// `name` as text. All that LVM2 refuses is refused (`_validate_name` of lib/misc/lvm-string.c): every
/// volume's path has the name of its group in it, and no name may be more than one directory.
///
/// # Errors
/// `Corrupt` for what is no name.
pub(super) fn of(name: &[u8]) -> Result<String> {
    if name.is_empty() || name.len() > LONGEST {
        let text = format!(
            "a name of {} bytes; it has 1 to {LONGEST} with LVM2",
            name.len()
        );
        return Err(Error::corrupt(text));
    }
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"+_.-".contains(byte);
    let text = printable(name);
    let is_name = !name.starts_with(b"-") && name != b"." && name != b"..";
    match is_name && name.iter().all(is_allowed) {
        true => Ok(text),
        false => Err(Error::corrupt(format!(
            "\"{text}\" is no name that LVM2 gives"
        ))),
    }
}

/// `name`, which may be none, as far as a message has room for it: each of a group's volumes may say
/// the same one.
pub(super) fn cut(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(LONGEST) {
        None => Cow::Borrowed(name),
        Some((end, _)) => Cow::Owned(format!("{}…", name.get(..end).unwrap_or_default())),
    }
}

/// `words` with `separator` between them, and of those that a fact has no room for their number.
pub(super) fn list(words: impl IntoIterator<Item = impl AsRef<str>>, separator: &str) -> String {
    let mut text = String::new();
    let mut more: u64 = 0;
    for word in words {
        let word = word.as_ref();
        if more > 0 || text.len().saturating_add(word.len()) > MOST_LISTED {
            more = more.saturating_add(1);
            continue;
        }
        if !text.is_empty() {
            text.push_str(separator);
        }
        text.push_str(word);
    }
    match more {
        0 => text,
        more if text.is_empty() => format!("{more} that are too long"),
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l05_what_lvm2_would_not_call_a_volume_is_no_name() {
        let longest = "n".repeat(LONGEST);
        for name in ["root", "0", ".x", "...", "a+b_c.d-", "_tmeta", &longest] {
            assert_eq!(of(name.as_bytes()).unwrap(), name);
        }
        let bad: [&[u8]; 8] = [
            b".",
            b"..",
            b"-a",
            b"a/b",
            b"a b",
            b"\xc3\xa4",
            b"\x1b",
            b"\\",
        ];
        for name in bad {
            let words = format!("\"{}\" is no name that LVM2 gives", printable(name));
            assert_eq!(of(name).unwrap_err().to_string(), words);
        }
        for len in [0, LONGEST + 1, 200_000] {
            let words = format!("a name of {len} bytes; it has 1 to 127 with LVM2");
            let error = of(&vec![b'n'; len]).unwrap_err();
            assert_eq!(error.to_string(), words);
        }
    }

    #[test]
    fn what_a_line_has_no_room_for_is_counted() {
        assert_eq!(list(["a", "b"], ", "), "a, b");
        assert_eq!(list([""; 0], ", "), "");
        let many = list(vec!["abc"; 100_000], ", ");
        let count = many.matches("abc").count();
        assert!((800..1400).contains(&count), "{count}");
        assert!(many.ends_with(&format!("abc and {} more", 100_000 - count)));
        let long = "a".repeat(5000);
        assert_eq!(list([&long, &long], " "), "2 that are too long");
        assert_eq!(cut(&long).len(), LONGEST + '…'.len_utf8());
        assert_eq!(cut("root"), "root");
    }
}
