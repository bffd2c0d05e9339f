//! The date and the time of DOS, as FAT and exFAT keep them: a word each, in local time, in steps of
//! two seconds.

/// Days of the months of a year that is no leap year.
const DAYS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Days from 1970 to 1980, where DOS starts to count.
const DAYS_TO_1980: i64 = 3652;

/// Seconds since 1970 of `date` (7 bits of years since 1980, 4 of the month, 5 of the day) and
/// `time` (5 bits of hours, 6 of minutes, 5 of double seconds), as if local time were UTC. What no
/// calendar has becomes the nearest that it has: 31 February its last day, month 0 January, 31
/// o'clock 23 o'clock.
pub(super) fn seconds(date: u16, time: u16) -> i64 {
    let years = i64::from(date >> 9);
    let month = i64::from(date >> 5 & 0xf).clamp(1, 12);
    let leap = is_leap(years);
    let mut days = DAYS_TO_1980;
    for year in 0..years {
        days = days.saturating_add(if is_leap(year) { 366 } else { 365 });
    }
    let lengths = DAYS.iter().zip(1..);
    let length =
        |(length, number): (&i64, i64)| length.saturating_add((leap && number == 2).into());
    let before = lengths.clone().take_while(|(_, number)| *number < month);
    days = days.saturating_add(before.map(length).sum());
    let last = lengths.filter(|(_, number)| *number == month).map(length);
    let day = i64::from(date & 0x1f).clamp(1, last.sum());
    let hours = i64::from(time >> 11).min(23);
    let minutes = i64::from(time >> 5 & 0x3f).min(59);
    let seconds = i64::from(time & 0x1f).min(29).saturating_mul(2);
    days.saturating_add(day)
        .saturating_sub(1)
        .saturating_mul(24)
        .saturating_add(hours)
        .saturating_mul(60)
        .saturating_add(minutes)
        .saturating_mul(60)
        .saturating_add(seconds)
}

/// Whether the year 1980 + `years` has a 29 February: up to 2107 only 2100 breaks the rule of four.
fn is_leap(years: i64) -> bool {
    years % 4 == 0 && years != 120
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::seconds;

    fn date(year: u16, month: u16, day: u16) -> u16 {
        (year - 1980) << 9 | month << 5 | day
    }

    fn time(hour: u16, minute: u16, second: u16) -> u16 {
        hour << 11 | minute << 5 | (second / 2)
    }

    /// The expected values are those of date(1): `date -u -d '1980-01-01' +%s`.
    #[test]
    fn dates_are_counted_as_the_calendar_has_them() {
        assert_eq!(seconds(date(1980, 1, 1), 0), 315_532_800);
        assert_eq!(seconds(date(2000, 2, 29), time(23, 59, 58)), 951_868_798);
        assert_eq!(seconds(date(2026, 11, 21), time(12, 34, 56)), 1_795_264_496);
        assert_eq!(seconds(date(2100, 3, 1), 0), 4_107_542_400);
        assert_eq!(seconds(date(2107, 12, 31), time(23, 59, 58)), 4_354_819_198);
    }

    #[test]
    fn what_no_calendar_has_is_the_nearest_that_it_has() {
        assert_eq!(seconds(0, 0), seconds(date(1980, 1, 1), 0));
        assert_eq!(seconds(date(2001, 2, 31), 0), seconds(date(2001, 2, 28), 0));
        assert_eq!(seconds(date(2004, 2, 31), 0), seconds(date(2004, 2, 29), 0));
        assert_eq!(seconds(date(2001, 15, 9), 0), seconds(date(2001, 12, 9), 0));
        assert_eq!(
            seconds(date(2001, 1, 1), 0xffff),
            seconds(date(2001, 1, 1), time(23, 59, 58))
        );
    }
}
