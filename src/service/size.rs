//! Sizes and offsets, as options spell them: `4096`, `1M`, `4KiB`, `2048s`.

use crate::format::KdfLimit;

/// The number of bytes that `text` says: a whole number and an optional unit. `s` is a sector of
/// 512 bytes; `k`, `M`, `G`, `T` (also `KiB` and so on, in either case) are powers of 1024; `kB`,
/// `MB`, `GB`, `TB` are powers of 1000, as dd(1) and truncate(1) have them.
///
/// # Errors
/// What is wrong with the text.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| "a whole number of bytes, as 4096, 1M, 4KiB or 2048s".to_owned())?;
    let bytes =
        factor(unit).ok_or_else(|| format!("one of the units s, k, M, G, T, not {unit:?}"))?;
    number
        .checked_mul(bytes)
        .ok_or_else(|| "no more than 64 bits of bytes".to_owned())
}

/// What making a key may take: a size of memory, and after a colon seconds: `4G`, `4G:60`.
///
/// # Errors
/// What is wrong with the text.
pub fn kdf_limit(text: &str) -> Result<KdfLimit, String> {
    let usual = KdfLimit::default();
    let (memory, seconds) = text.split_once(':').unzip();
    let memory = parse(memory.unwrap_or(text))?;
    let seconds = seconds.map_or(Ok(usual.seconds), str::parse);
    let seconds = seconds.map_err(|_| "whole seconds behind the colon, as 4G:60".to_owned())?;
    Ok(KdfLimit { memory, seconds })
}

fn factor(unit: &str) -> Option<u64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "s" => 512,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_as_in_dd_and_sectors_are_512_bytes() {
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("4096"), Ok(4096));
        assert_eq!(parse("2048s"), Ok(1_048_576));
        assert_eq!(parse("1M"), Ok(1 << 20));
        assert_eq!(parse("1MiB"), Ok(1 << 20));
        assert_eq!(parse("3g"), Ok(3 << 30));
        assert_eq!(parse("2kB"), Ok(2000));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "M",
            "-1",
            "1.5G",
            "1X",
            "0x10",
            "18446744073709551616",
            "17000000T",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_limit_of_a_kdf_is_memory_and_seconds() {
        let limit = |text| kdf_limit(text).map(|it| (it.memory, it.seconds));
        assert_eq!(limit("4G"), Ok((4 << 30, 10)));
        assert_eq!(limit("64M:60"), Ok((64 << 20, 60)));
        assert!(limit("4G:").is_err() && limit(":5").is_err() && limit("4G:x").is_err());
    }
}
