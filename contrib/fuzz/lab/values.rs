//! The values that a field is set to.

use super::family::{Field, Order};
use super::numbers::Numbers;

/// What a field is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    Zero,
    One,
    Largest,
    LargestLessOne,
    /// The sign bit alone.
    Sign,
    /// What it was, and one more.
    OneMore,
    OneLess,
    Random,
    /// Any power of two, or one less than it.
    Power,
    /// Where the structure starts that the field is in, in bytes.
    OwnOffset,
    /// The same in units of some block size.
    OwnBlock,
    /// Where the structure starts that points at the field's.
    ParentOffset,
    ParentBlock,
}

pub const ALL: [Value; 13] = [
    Value::Zero,
    Value::One,
    Value::Largest,
    Value::LargestLessOne,
    Value::Sign,
    Value::OneMore,
    Value::OneLess,
    Value::Random,
    Value::Power,
    Value::OwnOffset,
    Value::OwnBlock,
    Value::ParentOffset,
    Value::ParentBlock,
];

/// The shifts of the units that formats count in.
const UNITS: [u32; 6] = [9, 10, 11, 12, 16, 20];

/// Where a field stands.
pub struct Place {
    pub own: u64,
    pub parent: u64,
}

impl Value {
    /// The number that a field of `width` bytes gets, which held `before`.
    pub fn number(self, before: u64, width: u8, place: &Place, numbers: &mut Numbers) -> u64 {
        let bits = u32::from(width) * 8;
        let largest = u64::MAX >> (64 - bits);
        let shift = numbers.choose(&UNITS).copied().unwrap_or(9);
        let number = match self {
            Self::Zero => 0,
            Self::One => 1,
            Self::Largest => largest,
            Self::LargestLessOne => largest - 1,
            Self::Sign => 1 << (bits - 1),
            Self::OneMore => before.wrapping_add(1),
            Self::OneLess => before.wrapping_sub(1),
            Self::Random => numbers.next(),
            Self::Power => (1 << numbers.below(u64::from(bits))) - numbers.below(2),
            Self::OwnOffset => place.own,
            Self::OwnBlock => place.own >> shift,
            Self::ParentOffset => place.parent,
            Self::ParentBlock => place.parent >> shift,
        };
        number & largest
    }
}

/// The number in `field`; `None` where it leaves the file.
pub fn read(bytes: &[u8], field: &Field) -> Option<u64> {
    let start = usize::try_from(field.offset).ok()?;
    let bytes = bytes.get(start..)?.get(..usize::from(field.width))?;
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    Some(match field.order {
        Order::Little => bytes.iter().rev().fold(0, add),
        Order::Big => bytes.iter().fold(0, add),
    })
}

/// Sets `field` to `number`; `false` where it leaves the file.
pub fn write(bytes: &mut [u8], field: &Field, number: u64) -> bool {
    let start = usize::try_from(field.offset).unwrap_or(usize::MAX);
    let width = usize::from(field.width);
    let Some(into) = bytes
        .get_mut(start..)
        .and_then(|rest| rest.get_mut(..width))
    else {
        return false;
    };
    match field.order {
        Order::Little => into.copy_from_slice(&number.to_le_bytes()[..width]),
        Order::Big => into.copy_from_slice(&number.to_be_bytes()[8 - width..]),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_every_width_and_order_is_set_and_read_back() {
        for order in [Order::Little, Order::Big] {
            for width in [1, 2, 3, 4, 6, 8] {
                let field = Field::new("field", 3, width, order);
                let mut bytes = vec![0; 12];
                let mut numbers = Numbers::of("values", 1, 1);
                let place = Place {
                    own: 0x1_0200,
                    parent: 0x40,
                };
                let mut number = |value: Value| value.number(1, width, &place, &mut numbers);
                let largest = u64::MAX >> (64 - u32::from(width) * 8);
                assert_eq!(number(Value::Largest), largest);
                assert_eq!(number(Value::Sign), largest / 2 + 1);
                assert_eq!(number(Value::OneLess), 0);
                assert_eq!(number(Value::OwnOffset), 0x1_0200 & largest);
                assert_eq!(number(Value::ParentOffset), 0x40);
                let random = number(Value::Random);
                assert!(write(&mut bytes, &field, random));
                assert_eq!(read(&bytes, &field), Some(random));
                let at = if order == Order::Little {
                    3
                } else {
                    2 + usize::from(width)
                };
                assert_eq!(u64::from(bytes[at]), random & 0xff);
                bytes.truncate(2 + usize::from(width));
                assert!(!write(&mut bytes, &field, 1));
                assert_eq!(read(&bytes, &field), None);
            }
        }
    }
}
