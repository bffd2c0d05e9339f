//! Times: 32 bits of seconds, signed, and in larger inodes 32 bits more, of which 2 lift the
//! seconds by 2^32 each (to 2446) and 30 are nanoseconds.

use crate::filesystem::Timestamp;

/// The moment of `seconds` and, where the inode has room for it, `extra`. Nanoseconds past a
/// second, which no file system writes, are shown as the last of that second.
pub(super) fn timestamp(seconds: u32, extra: Option<u32>) -> Timestamp {
    let base = i64::from(seconds.cast_signed());
    let Some(extra) = extra else {
        return Timestamp {
            seconds: base,
            nanoseconds: 0,
        };
    };
    Timestamp {
        seconds: base.saturating_add(i64::from(extra & 3) << 32),
        nanoseconds: (extra >> 2).min(999_999_999),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_kernel_documentation() {
        // Documentation/filesystems/ext4/inodes.rst, «Inode Timestamps»: extra bits, sign, range.
        let seconds = |seconds: u32, extra| timestamp(seconds, Some(extra)).seconds;
        assert_eq!(seconds(0x8000_0000, 0), -0x8000_0000); // 1901-12-13
        assert_eq!(seconds(0x7fff_ffff, 0), 0x7fff_ffff); // 2038-01-19
        assert_eq!(seconds(0x8000_0000, 1), 0x8000_0000); // the second after it
        assert_eq!(seconds(0x7fff_ffff, 3), 0x3_7fff_ffff); // 2446-05-10
        assert_eq!(timestamp(0xffff_ffff, None).seconds, -1);
    }

    #[test]
    fn nanoseconds_never_reach_a_second() {
        assert_eq!(
            timestamp(0, Some(123_456_789 << 2)).nanoseconds,
            123_456_789
        );
        assert_eq!(timestamp(0, Some(!0)).nanoseconds, 999_999_999);
    }
}
