//! What an array is called in the tree.

use super::superblock::Superblock;

/// The numbers that mdadm gives arrays that have none of their own count down from here
/// (`find_free_devnm` of mdadm's mdopen.c).
const FIRST_FREE: u32 = 127;

/// As many as that are taken for such numbers.
const FREE: u32 = 28;

/// `md5` where its number is 5. An array that has only a name, or a number that it was given for want
/// of one, is `md0`.
pub(super) fn of(superblock: &Superblock) -> String {
    let own = superblock.minor.filter(|minor| !is_given(*minor));
    let named = superblock.name.as_deref().and_then(number);
    format!("md{}", own.or(named).unwrap_or(0))
}

fn is_given(minor: u32) -> bool {
    (FIRST_FREE.saturating_sub(FREE)..=FIRST_FREE).contains(&minor)
}

/// The number that a name stands for: behind the name of the machine and a colon.
fn number(name: &[u8]) -> Option<u32> {
    let name = std::str::from_utf8(name).ok()?;
    let own = name.split_once(':').map_or(name, |(_, own)| own);
    let digits = own.strip_prefix("md").unwrap_or(own);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_name_that_is_one() {
        for (name, expected) in [
            (&b"0"[..], Some(0)),
            (b"host:7", Some(7)),
            (b"host:md12", Some(12)),
            (b"host:data", None),
            (b"host:", None),
            (b"", None),
            (b"host:99999999999", None),
            (b"host:1a", None),
            (b"\xff:1", None),
        ] {
            assert_eq!(number(name), expected, "{name:?}");
        }
    }

    #[test]
    fn numbers_that_count_down_from_127_are_none_of_its_own() {
        assert!(is_given(127) && is_given(100));
        assert!(!is_given(128) && !is_given(98) && !is_given(0));
    }
}
