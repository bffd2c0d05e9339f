//! A sequence of numbers that is the same in every run (splitmix64).

pub struct Numbers(u64);

impl Numbers {
    /// The sequence of the case `number` of `family` under `seed`: each case has one of its own.
    pub fn of(family: &str, seed: u64, number: u64) -> Self {
        let mut numbers = Self(seed);
        for byte in family.bytes() {
            numbers.0 = numbers.next().wrapping_add(u64::from(byte));
        }
        numbers.0 = numbers.next().wrapping_add(number);
        numbers.next();
        numbers
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// One of `all`; `None` where there is none.
    pub fn choose<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len() as u64) as usize)
    }
}
