//! TF: the times of a file (IEEE P1282, 4.1.6), seven bytes each or seventeen.

use super::super::date;
use crate::filesystem::Timestamp;

/// Bits of the flags, in the order in which the times follow.
const CREATION: u8 = 1;
const MODIFY: u8 = 2;
const ACCESS: u8 = 4;
const ATTRIBUTES: u8 = 8;
const LONG_FORM: u8 = 0x80;

/// What TF entries say.
#[derive(Clone, Copy, Default)]
pub(in crate::filesystem::iso9660) struct Times {
    /// When the file was made. Some writers put the time of the last change of attributes here.
    pub(in crate::filesystem::iso9660) creation: Option<Timestamp>,
    /// Last change of the contents.
    pub(in crate::filesystem::iso9660) modify: Option<Timestamp>,
    /// Last access.
    pub(in crate::filesystem::iso9660) access: Option<Timestamp>,
    /// Last change of the attributes.
    pub(in crate::filesystem::iso9660) attributes: Option<Timestamp>,
}

impl Times {
    /// Takes one entry; times that it is too short for are left out.
    pub(super) fn take(&mut self, data: &[u8]) {
        let Some((flags, mut rest)) = data.split_first() else {
            return;
        };
        let fields = [
            (CREATION, &mut self.creation),
            (MODIFY, &mut self.modify),
            (ACCESS, &mut self.access),
            (ATTRIBUTES, &mut self.attributes),
        ];
        for (bit, field) in fields {
            if flags & bit == 0 {
                continue;
            }
            let Some((time, behind)) = split(rest, flags & LONG_FORM != 0) else {
                return;
            };
            *field = Some(time);
            rest = behind;
        }
    }
}

fn split(bytes: &[u8], is_long: bool) -> Option<(Timestamp, &[u8])> {
    if is_long {
        let (time, rest) = bytes.split_first_chunk()?;
        return Some((date::long(time), rest));
    }
    let (time, rest) = bytes.split_first_chunk()?;
    Some((date::short(time), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_in_the_order_of_their_bits() {
        let mut times = Times::default();
        let second = |second| [70, 1, 1, 0, 0, second, 0];
        times.take(&[&[0x0e][..], &second(1), &second(2), &second(3)].concat());
        let seconds = |time: Option<Timestamp>| time.map(|time| time.seconds);
        assert_eq!(seconds(times.creation), None);
        assert_eq!(seconds(times.modify), Some(1));
        assert_eq!(seconds(times.access), Some(2));
        assert_eq!(seconds(times.attributes), Some(3));
    }

    #[test]
    fn the_long_form_and_one_that_is_cut_off() {
        let mut times = Times::default();
        times.take(b"\x821970010100000150");
        assert_eq!(times.modify, None);
        times.take(b"\x83197001010000015\x30\x00197001");
        let time = times.creation.unwrap();
        assert_eq!((time.seconds, time.nanoseconds), (1, 500_000_000));
        assert_eq!(times.modify, None);
    }
}
