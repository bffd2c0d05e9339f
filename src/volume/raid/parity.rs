//! Parity of RAID 5 and 6, and what it gives back. P is the sum of the data in the field of 2^8
//! elements, which is their XOR; Q is the sum with each disk's data multiplied by another power of
//! the generator 2, over the polynomial 0x11d (H. P. Anvin, "The mathematics of RAID-6").

use crate::error::{Error, Result};
use crate::number::to_usize;

/// Powers of the generator, and the logarithm of each element. Two rounds of powers, so that a sum
/// of two logarithms needs no reduction.
struct Tables {
    power: [u8; 512],
    logarithm: [u8; 256],
}

const TABLES: Tables = tables();

#[allow(
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)] // In a constant nothing else can index or convert, and what is wrong does not compile.
const fn tables() -> Tables {
    let (mut power, mut logarithm) = ([0; 512], [0; 256]);
    let mut element: u16 = 1;
    let mut exponent = 0;
    while exponent < 255 {
        power[exponent] = element as u8;
        power[exponent + 255] = element as u8;
        logarithm[element as usize] = exponent as u8;
        element <<= 1;
        if element & 0x100 != 0 {
            element ^= 0x11d;
        }
        exponent += 1;
    }
    Tables { power, logarithm }
}

/// 2 to the power of `exponent`.
fn power(exponent: usize) -> u8 {
    let reduced = exponent.checked_rem(255).unwrap_or_default();
    TABLES.power.get(reduced).copied().unwrap_or_default()
}

fn logarithm(element: u8) -> usize {
    let logarithm = TABLES.logarithm.get(usize::from(element));
    usize::from(logarithm.copied().unwrap_or_default())
}

fn product(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        return 0;
    }
    power(logarithm(a).saturating_add(logarithm(b)))
}

/// The element whose product with `a`, which is not zero, is 1.
fn inverse(a: u8) -> u8 {
    power(255_usize.saturating_sub(logarithm(a)))
}

/// Adds `factor` times `data` to `sum`.
fn add(sum: &mut [u8], data: &[u8], factor: u8) {
    if factor == 1 {
        return xor(sum, data);
    }
    let mut products = [0; 256];
    for (element, slot) in (0..=255_u8).zip(&mut products) {
        *slot = product(element, factor);
    }
    for (sum, byte) in sum.iter_mut().zip(data) {
        *sum ^= products
            .get(usize::from(*byte))
            .copied()
            .unwrap_or_default();
    }
}

fn xor(sum: &mut [u8], data: &[u8]) {
    for (sum, byte) in sum.iter_mut().zip(data) {
        *sum ^= byte;
    }
}

/// A row of an array: what is known of it. All blocks have one length.
pub(in super::super) struct Row {
    /// The data blocks that could be read, each with its exponent in Q; `None` for what could not.
    pub(in super::super) data: Vec<(u64, Option<Vec<u8>>)>,
    /// Their sum, if it could be read.
    pub(in super::super) p: Option<Vec<u8>>,
    /// Their sum with powers, where the level has it and it could be read.
    pub(in super::super) q: Option<Vec<u8>>,
}

impl Row {
    /// The data block number `wanted`, from what is there.
    ///
    /// # Errors
    /// `Corrupt` where too much is missing.
    pub(in super::super) fn rebuild(self, wanted: usize, into: &mut [u8]) -> Result<()> {
        let missing = self.data.iter().enumerate();
        let missing = missing.filter(|(_, (_, block))| block.is_none());
        let missing: Vec<usize> = missing.map(|(index, _)| index).collect();
        let others: Vec<usize> = missing.into_iter().filter(|it| *it != wanted).collect();
        match (others.as_slice(), &self.p, &self.q) {
            ([], Some(p), _) => {
                into.copy_from_slice(p);
                self.add_others(into, &[wanted], |_| 1);
                Ok(())
            }
            ([], None, Some(q)) => {
                into.copy_from_slice(q);
                self.add_others(into, &[wanted], power);
                let factor = inverse(power(self.exponent(wanted)));
                scale(into, factor);
                Ok(())
            }
            ([other], Some(p), Some(q)) => {
                self.rebuild_two(p, q, (wanted, *other), into);
                Ok(())
            }
            _ => Err(Error::corrupt(
                "too much of the row cannot be read to rebuild it",
            )),
        }
    }

    fn exponent(&self, index: usize) -> usize {
        let exponent = self.data.get(index).map(|(exponent, _)| *exponent);
        to_usize(exponent.unwrap_or_default())
    }

    /// Adds to `sum` all data blocks but those numbered `without`, each times the factor of its
    /// exponent.
    fn add_others(&self, sum: &mut [u8], without: &[usize], factor: impl Fn(usize) -> u8) {
        for (index, (exponent, block)) in self.data.iter().enumerate() {
            if let (false, Some(block)) = (without.contains(&index), block) {
                add(sum, block, factor(to_usize(*exponent)));
            }
        }
    }

    /// With x wanted and y missing too: P' = Dx + Dy and Q' = gx Dx + gy Dy, from which
    /// Dx = (Q' + gy P') / (gx + gy).
    fn rebuild_two(&self, p: &[u8], q: &[u8], (x, y): (usize, usize), into: &mut [u8]) {
        let mut sum = p.to_vec();
        self.add_others(&mut sum, &[x, y], |_| 1);
        into.copy_from_slice(q);
        self.add_others(into, &[x, y], power);
        let (gx, gy) = (power(self.exponent(x)), power(self.exponent(y)));
        add(into, &sum, gy);
        scale(into, inverse(gx ^ gy));
    }
}

fn scale(block: &mut [u8], factor: u8) {
    let copy = block.to_vec();
    block.fill(0);
    add(block, &copy, factor);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiplication as the field defines it, bit by bit.
    fn slow(mut a: u8, mut b: u8) -> u8 {
        let mut product = 0;
        while b != 0 {
            if b & 1 != 0 {
                product ^= a;
            }
            a = (a << 1) ^ if a & 0x80 != 0 { 0x1d } else { 0 };
            b >>= 1;
        }
        product
    }

    #[test]
    fn the_field_is_the_one_of_the_definition() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(product(a, b), slow(a, b));
            }
            assert!(a == 0 || product(a, inverse(a)) == 1);
        }
    }

    #[test]
    fn every_one_or_two_missing_blocks_come_back() {
        let data: Vec<Vec<u8>> = (0..5_u8)
            .map(|disk| vec![disk * 7 + 1, disk ^ 0x5a])
            .collect();
        let mut p = [0; 2];
        let mut q = [0; 2];
        for (exponent, block) in data.iter().enumerate() {
            let factor = (0..exponent).fold(1, |power, _| slow(power, 2));
            for byte in 0..2 {
                p[byte] ^= block[byte];
                q[byte] ^= slow(block[byte], factor);
            }
        }
        let row = |gone: &[usize], p: bool, q_there: bool, (full_p, full_q): (&[u8], &[u8])| Row {
            data: (0..5)
                .map(|disk: usize| {
                    let block = data[disk].clone();
                    (
                        u64::try_from(disk).unwrap(),
                        (!gone.contains(&disk)).then_some(block),
                    )
                })
                .collect(),
            p: p.then(|| full_p.to_vec()),
            q: q_there.then(|| full_q.to_vec()),
        };
        let sums = (&p[..], &q[..]);
        for (x, wanted) in data.iter().enumerate() {
            let mut into = vec![0; 2];
            for (with_p, with_q) in [(true, false), (true, true), (false, true)] {
                row(&[x], with_p, with_q, sums)
                    .rebuild(x, &mut into)
                    .unwrap();
                assert_eq!(&into, wanted);
            }
            assert!(row(&[x], false, false, sums).rebuild(x, &mut into).is_err());
            for y in (0..5).filter(|y| *y != x) {
                row(&[x, y], true, true, sums)
                    .rebuild(x, &mut into)
                    .unwrap();
                assert_eq!(&into, wanted);
                assert!(
                    row(&[x, y], true, false, sums)
                        .rebuild(x, &mut into)
                        .is_err()
                );
            }
        }
    }
}
