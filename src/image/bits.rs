//! Bitmaps that say of each sector whether it is in this file or in the parent.

/// Which bit of a byte is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The highest: VHD.
    HighFirst,
    /// The lowest: VHDX.
    LowFirst,
}

/// The bit `first` of `bits`, and how many from there on are like it; `None` past the end.
pub(super) fn run(bits: &[u8], first: usize, order: Order) -> Option<(bool, usize)> {
    let value = bit(bits, first, order)?;
    let whole = if value { 0xff } else { 0 };
    let mut end = first.checked_add(1)?;
    loop {
        let is_whole = end.is_multiple_of(8) && bits.get(end.wrapping_div(8)) == Some(&whole);
        if is_whole {
            end = end.checked_add(8)?;
        } else if bit(bits, end, order) == Some(value) {
            end = end.checked_add(1)?;
        } else {
            return Some((value, end.checked_sub(first)?));
        }
    }
}

fn bit(bits: &[u8], index: usize, order: Order) -> Option<bool> {
    let byte = *bits.get(index.wrapping_div(8))?;
    let low = u32::try_from(index.wrapping_rem(8)).ok()?;
    let shift = match order {
        Order::HighFirst => 7_u32.checked_sub(low)?,
        Order::LowFirst => low,
    };
    Some(byte.checked_shr(shift)? & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_bits_change_in_either_order() {
        let bits = [0b0000_0111, 0xff, 0b0000_0001];
        assert_eq!(run(&bits, 0, Order::LowFirst), Some((true, 3)));
        assert_eq!(run(&bits, 3, Order::LowFirst), Some((false, 5)));
        assert_eq!(run(&bits, 8, Order::LowFirst), Some((true, 9)));
        assert_eq!(run(&bits, 17, Order::LowFirst), Some((false, 7)));
        assert_eq!(run(&bits, 0, Order::HighFirst), Some((false, 5)));
        assert_eq!(run(&bits, 6, Order::HighFirst), Some((true, 10)));
        assert_eq!(run(&bits, 16, Order::HighFirst), Some((false, 7)));
        assert_eq!(run(&bits, 23, Order::HighFirst), Some((true, 1)));
        assert_eq!(run(&bits, 24, Order::HighFirst), None);
    }
}
