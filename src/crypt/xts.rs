//! The tweaks of XTS (IEEE 1619-2018, 5.3): the encrypted vector, multiplied by α once for each
//! block of the sector. α is the polynomial x, and a product is reduced by x^128 + x^7 + x^2 + x + 1.

use super::cipher::{Block, block_to_number, number_to_block};

/// Products that are worked out side by side, each from the one so many before it: a chain of
/// single steps would leave most of the processor idle.
const LANES: usize = 8;

/// The tweaks of one sector's blocks, from `first` on.
pub(super) fn expand(first: &Block, tweaks: &mut [Block]) {
    let mut lanes = [block_to_number(first); LANES];
    let mut next = lanes[0];
    for lane in &mut lanes {
        *lane = next;
        next = times_x(next);
    }
    for group in tweaks.chunks_mut(LANES) {
        for (tweak, lane) in group.iter_mut().zip(&mut lanes) {
            *tweak = number_to_block(*lane);
            *lane = times_x8(*lane);
        }
    }
}

/// Times x.
fn times_x(number: u128) -> u128 {
    let carry = number >> 127;
    number << 1 ^ carry.wrapping_mul(0x87)
}

/// Times x^8: what leaves at the top comes back times x^7 + x^2 + x + 1.
fn times_x8(number: u128) -> u128 {
    let top = number >> 120;
    number << 8 ^ top ^ top << 1 ^ top << 2 ^ top << 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_steps_at_once_are_eight_steps() {
        for number in [1, 0x80 << 120, u128::MAX, 0x1234_5678_9abc << 77 | 5] {
            let eight = (0..8).fold(number, |number, _| times_x(number));
            assert_eq!(times_x8(number), eight);
        }
    }
}
