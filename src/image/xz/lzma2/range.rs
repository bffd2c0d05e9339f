//! The range decoder and the probabilities it adapts (LZMA specification, "Range Decoder").
//!
//! Every probability lies in one array whose length is a power of two, and every index is masked to
//! it: the compiler then needs no check per bit, and this is the loop in which all time is spent.

/// Probabilities, more than LZMA2 can need with `lc + lp` of at most 4.
const SLOTS: usize = 1 << 14;
/// A probability of one half, in 2048ths.
const HALF: u16 = 1 << 10;
/// Below this the range takes in another byte.
const TOP: u32 = 1 << 24;

/// The probabilities of the bit 0, in 2048ths.
#[derive(Clone)]
pub(super) struct Probabilities(Box<[u16; SLOTS]>);

impl Probabilities {
    pub(super) fn new() -> Self {
        Self(Box::new([HALF; SLOTS]))
    }

    pub(super) fn reset(&mut self) {
        self.0.fill(HALF);
    }

    /// The first `count`, as they are kept.
    pub(super) fn head(&self, count: usize) -> &[u16] {
        self.0.get(..count).unwrap_or(&[])
    }

    pub(super) fn head_mut(&mut self, count: usize) -> &mut [u16] {
        self.0.get_mut(..count).unwrap_or(&mut [])
    }

    #[inline(always)]
    fn at(&mut self, index: usize) -> &mut u16 {
        let slot = self.0.get_mut(index & (SLOTS - 1));
        slot.expect("the index is masked to the length")
    }
}

/// Decodes bits from one chunk. Past the chunk's end it reads zeros, and [`Range::taken`] tells.
pub(super) struct Range<'a> {
    range: u32,
    code: u32,
    input: &'a [u8],
    taken: usize,
}

impl<'a> Range<'a> {
    /// Goes on in `input` behind its first `taken` bytes.
    pub(super) fn new(range: u32, code: u32, input: &'a [u8], taken: usize) -> Self {
        Self {
            range,
            code,
            input,
            taken,
        }
    }

    /// Range, code, and how many bytes were taken.
    pub(super) fn state(&self) -> (u32, u32, usize) {
        (self.range, self.code, self.taken)
    }

    #[inline(always)]
    pub(super) fn normalize(&mut self) {
        if self.range < TOP {
            let byte = self.input.get(self.taken).copied().unwrap_or(0);
            self.taken = self.taken.wrapping_add(1);
            self.range <<= 8;
            self.code = (self.code << 8) | u32::from(byte);
        }
    }

    /// One bit by the probability in `index`; taken as a branch, for bits that are easy to predict.
    #[inline(always)]
    pub(super) fn bit(&mut self, probabilities: &mut Probabilities, index: usize) -> bool {
        self.normalize();
        let slot = probabilities.at(index);
        let bound = (self.range >> 11).wrapping_mul(u32::from(*slot));
        if self.code < bound {
            self.range = bound;
            *slot = slot.wrapping_add((2048_u16.wrapping_sub(*slot)) >> 5);
            false
        } else {
            self.range = self.range.wrapping_sub(bound);
            self.code = self.code.wrapping_sub(bound);
            *slot = slot.wrapping_sub(*slot >> 5);
            true
        }
    }

    /// The same without a branch, for the bits of numbers and letters, which nobody can predict:
    /// 0 or 1.
    #[inline(always)]
    pub(super) fn number_bit(&mut self, probabilities: &mut Probabilities, index: usize) -> u32 {
        self.normalize();
        let slot = probabilities.at(index);
        let bound = (self.range >> 11).wrapping_mul(u32::from(*slot));
        let one = u32::from(self.code >= bound);
        let mask = one.wrapping_neg();
        self.range = (bound & !mask) | (self.range.wrapping_sub(bound) & mask);
        self.code = self.code.wrapping_sub(bound & mask);
        // Towards 2048 for a 0; for a 1 towards 31, whose shift leaves what the subtraction would.
        let aim = 2048_u32.wrapping_sub(mask & (2048 - 31));
        let step = aim.wrapping_sub(u32::from(*slot)).cast_signed() >> 5;
        *slot = low(u32::from(*slot).wrapping_add(step.cast_unsigned()));
        one
    }

    /// `bits` bits, the highest first, by the tree of probabilities at `base`.
    #[inline(always)]
    pub(super) fn tree(
        &mut self,
        probabilities: &mut Probabilities,
        base: usize,
        bits: u32,
    ) -> u32 {
        let mut symbol = 1;
        for _ in 0..bits {
            let index = base.wrapping_add(index(symbol));
            symbol = (symbol << 1) | self.number_bit(probabilities, index);
        }
        symbol.wrapping_sub(1 << bits)
    }

    /// `bits` bits, the lowest first.
    #[inline(always)]
    pub(super) fn reverse_tree(
        &mut self,
        probabilities: &mut Probabilities,
        base: usize,
        bits: u32,
    ) -> u32 {
        let (mut symbol, mut value) = (1, 0);
        for place in 0..bits {
            let index = base.wrapping_add(index(symbol));
            let bit = self.number_bit(probabilities, index);
            symbol = (symbol << 1) | bit;
            value |= bit << place;
        }
        value
    }

    /// `bits` bits of even chance, the highest first.
    #[inline(always)]
    pub(super) fn direct(&mut self, bits: u32) -> u32 {
        let mut value: u32 = 0;
        for _ in 0..bits {
            self.normalize();
            self.range >>= 1;
            self.code = self.code.wrapping_sub(self.range);
            // All ones where the code was below the range: that is a 0, and is taken back.
            let below = (self.code >> 31).wrapping_neg();
            self.code = self.code.wrapping_add(self.range & below);
            value = (value << 1).wrapping_add(below.wrapping_add(1));
        }
        value
    }
}

/// A small number as an index.
#[inline(always)]
pub(super) fn index(value: u32) -> usize {
    crate::number::to_usize(u64::from(value))
}

/// The low 16 bits.
#[inline(always)]
fn low(value: u32) -> u16 {
    u16::try_from(value & 0xffff).unwrap_or(0)
}
