//! Timestamps (7.4.5 to 7.4.10): DOS's date and time, hundredths of a second to add, and how far the
//! local time is from UTC.

use super::layout::RawTimestamp;
use crate::filesystem::{Timestamp, dos_time};

/// The offset field holds an offset.
const OFFSET_VALID: u8 = 0x80;

/// Nanoseconds in ten milliseconds.
const HUNDREDTH: u32 = 10_000_000;

/// The moment of `raw`, `hundredths` of a second and the offset field `offset`. Without an offset,
/// local time is `local` minutes ahead of UTC.
pub(super) fn timestamp(raw: RawTimestamp, hundredths: u8, offset: u8, local: i32) -> Timestamp {
    let ahead = match offset & OFFSET_VALID {
        0 => i64::from(local),
        _ => quarters(offset).saturating_mul(15),
    };
    let seconds = dos_time::seconds(raw.date.get(), raw.time.get())
        .saturating_add((hundredths / 100).into())
        .saturating_sub(ahead.saturating_mul(60));
    Timestamp {
        seconds,
        nanoseconds: u32::from(hundredths % 100).saturating_mul(HUNDREDTH),
    }
}

/// The low seven bits as a number with a sign: quarters of an hour.
fn quarters(offset: u8) -> i64 {
    let value = i64::from(offset & !OFFSET_VALID);
    match value {
        0..=0x3f => value,
        _ => value.saturating_sub(0x80),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2020-01-01 12:00:00.
    fn noon() -> RawTimestamp {
        RawTimestamp {
            time: (12 << 11).into(),
            date: (40 << 9 | 1 << 5 | 1).into(),
        }
    }

    const NOON: i64 = 1_577_880_000;

    #[test]
    fn an_offset_counts_quarters_of_an_hour() {
        let hours = |offset, local| (NOON - timestamp(noon(), 0, offset, local).seconds) / 900;
        for (offset, local, quarters) in [
            (0x80, 60, 0),
            (0x84, 0, 4),
            (0xfc, 0, -4),
            (0xbf, 0, 63),
            (0xc0, 0, -64),
            (0x04, 0, 0),
            (0x04, 60, 4),
            (0x00, -90, -6),
        ] {
            assert_eq!(hours(offset, local), quarters, "{offset:#x} {local}");
        }
    }

    #[test]
    fn hundredths_are_added() {
        let at = |hundredths| {
            let time = timestamp(noon(), hundredths, 0x80, 0);
            (time.seconds - NOON, time.nanoseconds)
        };
        assert_eq!(at(0), (0, 0));
        assert_eq!(at(99), (0, 990_000_000));
        assert_eq!(at(199), (1, 990_000_000));
        assert_eq!(at(255), (2, 550_000_000));
    }
}
