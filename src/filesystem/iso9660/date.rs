//! Times, in the short form of directory records (ECMA-119, 9.1.5) and the long one of volume
//! descriptors (8.4.26.1); Rock Ridge has both. What is before 1900, which the short form cannot say,
//! is 1970, as in the kernel.

use crate::filesystem::Timestamp;

/// Seven numbers: years since 1900, month, day, hour, minute, second, zone.
pub(super) fn short(bytes: &[u8; 7]) -> Timestamp {
    let [year, month, day, hour, minute, second, zone] = *bytes;
    let local = Local {
        year: i64::from(year).saturating_add(1900),
        month: month.into(),
        day: day.into(),
        hour: hour.into(),
        minute: minute.into(),
        second: second.into(),
    };
    local.at(zone, 0)
}

/// The same of High Sierra, which has no zone.
pub(super) fn high_sierra(bytes: &[u8; 7]) -> Timestamp {
    let [year, month, day, hour, minute, second, _] = *bytes;
    short(&[year, month, day, hour, minute, second, 0])
}

/// Sixteen digits, down to hundredths of a second, and the zone.
pub(super) fn long(bytes: &[u8; 17]) -> Timestamp {
    let [year @ .., zone] = bytes;
    let digits = |from: usize, to: usize| number(year.get(from..to).unwrap_or_default());
    let local = Local {
        year: digits(0, 4),
        month: digits(4, 6),
        day: digits(6, 8),
        hour: digits(8, 10),
        minute: digits(10, 12),
        second: digits(12, 14),
    };
    let hundredths = u32::try_from(digits(14, 16)).unwrap_or(0);
    local.at(*zone, hundredths.min(99).saturating_mul(10_000_000))
}

/// The number that digits stand for; what is none counts as zero.
fn number(digits: &[u8]) -> i64 {
    digits.iter().fold(0, |sum: i64, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9);
        sum.saturating_mul(10)
            .saturating_add(digit.unwrap_or(0).into())
    })
}

/// A time by the clock of some zone.
struct Local {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Local {
    /// The moment, where `zone` is quarters of an hour east of Greenwich. More than 13 hours is
    /// junk, which some discs have there.
    fn at(&self, zone: u8, nanoseconds: u32) -> Timestamp {
        if self.year < 1900 {
            return Timestamp::default();
        }
        let east = i64::from(i8::from_ne_bytes([zone]));
        let east = if (-52..=52).contains(&east) { east } else { 0 };
        let hours = self.days().saturating_mul(24).saturating_add(self.hour);
        let minutes = hours.saturating_mul(60).saturating_add(self.minute);
        let seconds = minutes.saturating_mul(60).saturating_add(self.second);
        Timestamp {
            seconds: seconds.saturating_sub(east.saturating_mul(900)),
            nanoseconds,
        }
    }

    /// Days since 1970 of the Gregorian calendar, whose year begins in March here, so that the
    /// leap day is its last. A month 0 is the December before.
    fn days(&self) -> i64 {
        let shifted = self.month.saturating_sub(3);
        let year = self.year.saturating_add(shifted.div_euclid(12));
        let month = shifted.rem_euclid(12);
        let leap = year
            .div_euclid(4)
            .saturating_sub(year.div_euclid(100))
            .saturating_add(year.div_euclid(400));
        let before = month.saturating_mul(153).saturating_add(2).div_euclid(5);
        year.saturating_mul(365)
            .saturating_add(leap)
            .saturating_add(before)
            .saturating_add(self.day)
            .saturating_sub(719_469)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_with_zones() {
        let seconds = |bytes: [u8; 7]| short(&bytes).seconds;
        assert_eq!(seconds([70, 1, 1, 0, 0, 0, 0]), 0);
        // date -ud '2020-02-29 12:34:56 +0100' +%s
        assert_eq!(seconds([120, 2, 29, 12, 34, 56, 4]), 1_582_976_096);
        // date -ud '2000-03-01 00:00:00 -0730' +%s
        assert_eq!(seconds([100, 3, 1, 0, 0, 0, 0xe2]), 951_895_800);
        // A zone of 14 hours is junk; date -ud '2155-12-31 23:59:59' +%s
        assert_eq!(seconds([255, 12, 31, 23, 59, 59, 56]), 5_869_583_999);
        assert_eq!(seconds([69, 12, 31, 23, 59, 59, 0]), -1);
        // date -ud '1968-11-27 12:00:00' +%s
        assert_eq!(seconds([68, 11, 27, 12, 0, 0, 0]), -34_516_800);
        // A time that is not set: month and day 0 of 1900 are 30 November 1899.
        assert_eq!(seconds([0; 7]), -2_211_753_600);
    }

    #[test]
    fn long_times_and_what_are_no_digits() {
        let time = long(b"2013041920244812\xfc");
        // date -ud '2013-04-19 20:24:48 -0100' +%s
        assert_eq!(
            (time.seconds, time.nanoseconds),
            (1_366_406_688, 120_000_000)
        );
        assert_eq!(long(b"0000000000000000\0"), Timestamp::default());
        assert_eq!(long(b"1899123123595999\0"), Timestamp::default());
        assert_eq!(long(b"1900010100000000\0").seconds, -2_208_988_800);
        assert_eq!(long(&[0xff; 17]), Timestamp::default());
    }

    #[test]
    fn high_sierra_has_no_zone() {
        assert_eq!(high_sierra(&[70, 1, 1, 0, 0, 0, 4]).seconds, 0);
    }
}
