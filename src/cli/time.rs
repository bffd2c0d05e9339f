//! Times as text, always in UTC: an image comes from another machine, whose time zone is unknown.

use crate::filesystem::Timestamp;

/// As in `ls -l`: `2026-11-21 06:34:40Z`.
pub(crate) fn short(time: Timestamp) -> String {
    let ((year, month, day), (hour, minute, second)) = parts(time.seconds);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// ISO 8601 to the nanosecond: `2026-11-21T06:34:40.000000001Z`.
pub(crate) fn iso(time: Timestamp) -> String {
    let ((year, month, day), (hour, minute, second)) = parts(time.seconds);
    let nanoseconds = time.nanoseconds;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}Z")
}

/// Date and time of day. In 128 bits, so that no moment that a file system can store overflows.
#[allow(clippy::arithmetic_side_effects)] // 64-bit input, and every factor is below 2^20
fn parts(seconds: i64) -> ((i128, i128, i128), (i128, i128, i128)) {
    let seconds = i128::from(seconds);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    (date(days), (rest / 3600, rest / 60 % 60, rest % 60))
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar extended both
/// ways. Years are counted from March, so that the leap day is a year's last and the months before
/// it follow one rule: 153 days in five of them.
#[allow(clippy::arithmetic_side_effects)] // as in `parts`
fn date(days: i128) -> (i128, i128, i128) {
    let days = days + 719_468; // from 0000-03-01
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + carry, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> String {
        short(Timestamp {
            seconds,
            nanoseconds: 0,
        })
    }

    #[test]
    fn dates_are_those_of_date_1() {
        // date -u -d @N '+%Y-%m-%d %H:%M:%SZ'
        assert_eq!(at(0), "1970-01-01 00:00:00Z");
        assert_eq!(at(-1), "1969-12-31 23:59:59Z");
        assert_eq!(at(-2_147_483_648), "1901-12-13 20:45:52Z");
        assert_eq!(at(951_782_400), "2000-02-29 00:00:00Z");
        assert_eq!(at(1_795_242_880), "2026-11-21 06:34:40Z");
        assert_eq!(at(4_107_542_399), "2100-02-28 23:59:59Z");
        assert_eq!(at(4_107_542_400), "2100-03-01 00:00:00Z");
        assert_eq!(at(15_032_385_535), "2446-05-10 22:38:55Z");
        assert_eq!(at(i64::MAX), "292277026596-12-04 15:30:07Z");
    }

    #[test]
    fn nanoseconds_are_all_there() {
        let time = Timestamp {
            seconds: -1,
            nanoseconds: 999_999_999,
        };
        assert_eq!(iso(time), "1969-12-31T23:59:59.999999999Z");
    }
}
