//! Sizes for people.

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
