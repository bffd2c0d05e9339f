//! Sizes and offsets on the command line: `4096`, `1M`, `4KiB`, `2048s`.

/// The number of bytes that `text` says: a whole number and an optional unit. `s` is a sector of
/// 512 bytes; `k`, `M`, `G`, `T` (also `KiB` and so on, in either case) are powers of 1024; `kB`,
/// `MB`, `GB`, `TB` are powers of 1000, as dd(1) and truncate(1) have them.
///
/// # Errors
/// What is wrong with the text, for clap to print.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| "a whole number of bytes, as 4096, 1M, 4KiB or 2048s".to_owned())?;
    let bytes = factor(unit).ok_or_else(|| format!("{unit:?} is no unit; s, k, M, G, T are"))?;
    number
        .checked_mul(bytes)
        .ok_or_else(|| "more than 64 bits of bytes".to_owned())
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

/// `bytes` for people: `512 B`, `4.0 KiB`, `1.5 GiB`, in binary units with one digit after the
/// point.
pub(crate) fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // The number of tenths of a unit fits: it is at most 10240.
    let mut tenths = u128::from(bytes).saturating_mul(10);
    let mut name = "B";
    for unit in UNITS {
        tenths = tenths.div_euclid(1024);
        name = unit;
        if tenths < 10_240 {
            break;
        }
    }
    format!("{}.{} {name}", tenths.div_euclid(10), tenths.rem_euclid(10))
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
    fn sizes_for_people_have_three_or_four_digits() {
        assert_eq!(human(0), "0 B");
        assert_eq!(human(1023), "1023 B");
        assert_eq!(human(1024), "1.0 KiB");
        assert_eq!(human(1536), "1.5 KiB");
        assert_eq!(human(1 << 20), "1.0 MiB");
        assert_eq!(human(10 << 30), "10.0 GiB");
        assert_eq!(human(u64::MAX), "15.9 EiB");
    }
}
