//! Times: a calendar date in a time zone of its own, to the microsecond (ECMA-167, 1/7.3).

use super::layout::RawTimestamp;
use crate::filesystem::Timestamp;

/// The moment, as the kernel takes it: a zone that is not given, or that lies more than a day off,
/// is UTC; fractions that can be none are left out; and a date outside the calendar counts on from
/// the month that it names.
pub(super) fn timestamp(raw: &RawTimestamp) -> Timestamp {
    let days = days_since_1970(raw.year.get(), raw.month, raw.day);
    let seconds = days
        .saturating_mul(24)
        .saturating_add(raw.hour.into())
        .saturating_mul(60)
        .saturating_add(raw.minute.into())
        .saturating_sub(zone(raw))
        .saturating_mul(60)
        .saturating_add(raw.second.into());
    Timestamp {
        seconds,
        nanoseconds: nanoseconds(raw),
    }
}

/// Minutes that local time is ahead of UTC: the low 12 bits, signed, under type 1.
fn zone(raw: &RawTimestamp) -> i64 {
    let field = raw.type_and_time_zone.get();
    if field >> 12 != 1 {
        return 0;
    }
    let minutes = (field << 4).cast_signed() >> 4;
    match minutes {
        -1440..=1440 => minutes.into(),
        _ => 0,
    }
}

fn nanoseconds(raw: &RawTimestamp) -> u32 {
    let parts = [
        raw.centiseconds,
        raw.hundreds_of_microseconds,
        raw.microseconds,
    ];
    if parts.iter().any(|part| *part >= 100) {
        return 0;
    }
    parts
        .iter()
        .fold(0_u32, |sum, part| {
            sum.saturating_mul(100).saturating_add((*part).into())
        }) // below a million: microseconds
        .saturating_mul(1000)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, both ways. The year is taken to begin
/// in March, so that the leap day is its last.
fn days_since_1970(year: i16, month: u8, day: u8) -> i64 {
    let (year, month) = (i64::from(year), i64::from(month));
    let (year, month) = match month {
        0..=2 => (year.saturating_sub(1), month.saturating_add(9)),
        _ => (year, month.saturating_sub(3)),
    };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = month.saturating_mul(153).saturating_add(2) / 5;
    let days = of_era
        .saturating_mul(365)
        .saturating_add(of_era / 4)
        .saturating_sub(of_era / 100)
        .saturating_add(of_year)
        .saturating_add(i64::from(day))
        .saturating_sub(1);
    era.saturating_mul(146_097)
        .saturating_add(days)
        .saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use zerocopy::FromBytes;

    use super::*;

    fn of(zone: u16, year: i16, rest: [u8; 8]) -> Timestamp {
        let bytes = [&zone.to_le_bytes()[..], &year.to_le_bytes(), &rest].concat();
        timestamp(&RawTimestamp::read_from_bytes(&bytes).unwrap())
    }

    #[test]
    fn the_zone_is_taken_off_and_microseconds_are_kept() {
        // `date -u -d '2014-02-20 18:18:32 +0120' +%s`
        let time = of(0x1050, 2014, [2, 20, 18, 18, 32, 80, 33, 46]);
        assert_eq!(
            (time.seconds, time.nanoseconds),
            (1_392_915_512, 803_346_000)
        );
        let west = of(0x1000 | (0x1000 - 300), 2014, [2, 20, 18, 18, 32, 0, 0, 0]);
        assert_eq!(west.seconds, 1_392_920_312 + 300 * 60);
    }

    #[test]
    fn a_zone_that_is_not_given_is_utc() {
        let utc = of(0, 2014, [2, 20, 18, 18, 32, 0, 0, 0]);
        assert_eq!(of(0x1801, 2014, [2, 20, 18, 18, 32, 0, 0, 0]), utc); // -2047: unspecified
        assert_eq!(of(0x15dc, 2014, [2, 20, 18, 18, 32, 0, 0, 0]), utc); // 1500 minutes
        assert_eq!(of(0x2050, 2014, [2, 20, 18, 18, 32, 0, 0, 0]), utc); // not local time
    }

    #[test]
    fn before_1970_after_2038_and_leap_days() {
        assert_eq!(of(0, 1969, [12, 31, 23, 59, 59, 0, 0, 0]).seconds, -1);
        assert_eq!(of(0, 2000, [2, 29, 0, 0, 0, 0, 0, 0]).seconds, 951_782_400);
        assert_eq!(of(0, 2100, [3, 1, 0, 0, 0, 0, 0, 0]).seconds, 4_107_542_400);
        assert_eq!(
            of(0, 1600, [1, 1, 0, 0, 0, 0, 0, 0]).seconds,
            -11_676_096_000
        );
    }

    #[test]
    fn fractions_that_are_none_are_left_out() {
        assert_eq!(of(0, 2014, [2, 20, 0, 0, 0, 100, 0, 0]).nanoseconds, 0);
        assert_eq!(
            of(0, 2014, [2, 20, 0, 0, 0, 99, 99, 99]).nanoseconds,
            999_999_000
        );
    }
}
