//! The hashes by which a hash tree orders names: legacy, half MD4 and TEA, each over signed or
//! unsigned bytes (Documentation/filesystems/ext4, «Hash Tree Directories»; which of the two a
//! file system uses depends on the machine that made it, and the superblock says). SipHash needs
//! the key of an encrypted directory and is not computed here.

use crate::filesystem::ext4::superblock::Superblock;

/// `s_flags`: hashes are over unsigned bytes.
const UNSIGNED: u32 = 2;

/// The hash that stands for the end of a directory.
const END: u32 = 0xffff_fffe;

/// What half MD4 and TEA start from where the superblock gives no seed.
const SEED: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// How names are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::filesystem::ext4) struct Hasher {
    function: Function,
    unsigned: bool,
    seed: [u32; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Legacy,
    HalfMd4,
    Tea,
}

/// A name's hash; the tree is ordered by `major`, whose lowest bit is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::filesystem::ext4) struct Hash {
    pub(in crate::filesystem::ext4) major: u32,
    pub(super) minor: u32,
}

impl Hasher {
    /// The hasher for `hash_version` of a tree's root, or `s_def_hash_version`; `None` for a
    /// version that is not known.
    pub(in crate::filesystem::ext4) fn new(version: u8, superblock: &Superblock) -> Option<Self> {
        let function = match version {
            0 | 3 => Function::Legacy,
            1 | 4 => Function::HalfMd4,
            2 | 5 => Function::Tea,
            _ => return None,
        };
        let seed = superblock
            .raw
            .s_hash_seed
            .map(zerocopy::little_endian::U32::get);
        Some(Self {
            function,
            unsigned: version > 2 || superblock.raw.s_flags.get() & UNSIGNED != 0,
            seed: if seed == [0; 4] { SEED } else { seed },
        })
    }

    /// The hash of `name`.
    pub(in crate::filesystem::ext4) fn hash(&self, name: &[u8]) -> Hash {
        let Hash { major, minor } = match self.function {
            Function::Legacy => self.legacy(name),
            Function::HalfMd4 => self.half_md4(name),
            Function::Tea => self.tea(name),
        };
        let major = match major & !1 {
            END => END.wrapping_sub(2),
            major => major,
        };
        Hash { major, minor }
    }

    fn legacy(&self, name: &[u8]) -> Hash {
        let (mut last, mut before) = (0x12a3_fe2d_u32, 0x37ab_e8f9_u32);
        for byte in name {
            let mixed = before.wrapping_add(last ^ self.widen(*byte).wrapping_mul(7_152_373));
            let mixed = if mixed >> 31 == 0 {
                mixed
            } else {
                mixed.wrapping_sub(0x7fff_ffff)
            };
            before = last;
            last = mixed;
        }
        Hash {
            major: last.wrapping_shl(1),
            minor: 0,
        }
    }

    fn half_md4(&self, name: &[u8]) -> Hash {
        let mut state = self.seed;
        for start in (0..name.len()).step_by(32) {
            half_md4(&mut state, self.words(name.get(start..).unwrap_or(&[])));
        }
        let [_, major, minor, _] = state;
        Hash { major, minor }
    }

    fn tea(&self, name: &[u8]) -> Hash {
        let [mut major, mut minor, ..] = self.seed;
        for start in (0..name.len()).step_by(16) {
            let words: [u32; 4] = self.words(name.get(start..).unwrap_or(&[]));
            (major, minor) = tea(major, minor, words);
        }
        Hash { major, minor }
    }

    /// The next words of a name, most significant byte first, filled up with its length.
    fn words<const N: usize>(&self, name: &[u8]) -> [u32; N] {
        let [length, ..] = name.len().to_le_bytes();
        let pad = u32::from_le_bytes([length; 4]);
        let mut words = [pad; N];
        for (word, bytes) in words.iter_mut().zip(name.chunks(4)) {
            for byte in bytes {
                *word = self.widen(*byte).wrapping_add(word.wrapping_shl(8));
            }
        }
        words
    }

    fn widen(&self, byte: u8) -> u32 {
        if self.unsigned {
            byte.into()
        } else {
            i32::from(byte.cast_signed()).cast_unsigned()
        }
    }
}

fn half_md4(state: &mut [u32; 4], input: [u32; 8]) {
    type Mix = fn(u32, u32, u32) -> u32;
    let rounds: [(Mix, u32, [usize; 8], [u32; 4]); 3] = [
        (
            |x, y, z| z ^ (x & (y ^ z)),
            0,
            [0, 1, 2, 3, 4, 5, 6, 7],
            [3, 7, 11, 19],
        ),
        (
            |x, y, z| (x & y).wrapping_add((x ^ y) & z),
            0x5a82_7999,
            [1, 3, 5, 7, 0, 2, 4, 6],
            [3, 5, 9, 13],
        ),
        (
            |x, y, z| x ^ y ^ z,
            0x6ed9_eba1,
            [3, 7, 2, 6, 1, 5, 0, 4],
            [3, 9, 11, 15],
        ),
    ];
    let [mut a, mut b, mut c, mut d] = *state;
    for (mix, constant, order, turns) in rounds {
        for (index, turn) in order.into_iter().zip(turns.into_iter().cycle()) {
            let word = input.get(index).copied().unwrap_or(0);
            let sum = a
                .wrapping_add(mix(b, c, d))
                .wrapping_add(word)
                .wrapping_add(constant);
            // The four variables change places with every step.
            (a, b, c, d) = (d, sum.rotate_left(turn), b, c);
        }
    }
    for (word, mixed) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(mixed);
    }
}

fn tea(first: u32, second: u32, [a, b, c, d]: [u32; 4]) -> (u32, u32) {
    let (mut left, mut right, mut sum) = (first, second, 0_u32);
    let mix = |half: u32, sum: u32, high: u32, low: u32| {
        let shifted = half.wrapping_shl(4).wrapping_add(high);
        shifted ^ half.wrapping_add(sum) ^ (half >> 5).wrapping_add(low)
    };
    for _ in 0..16 {
        sum = sum.wrapping_add(0x9e37_79b9);
        left = left.wrapping_add(mix(right, sum, a, b));
        right = right.wrapping_add(mix(left, sum, c, d));
    }
    (first.wrapping_add(left), second.wrapping_add(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "grüße-and-a-name-that-is-longer-than-thirty-two-bytes";

    fn hash(function: Function, unsigned: bool, seed: [u32; 4], name: &str) -> (u32, u32) {
        let hasher = Hasher {
            function,
            unsigned,
            seed,
        };
        let Hash { major, minor } = hasher.hash(name.as_bytes());
        (major, minor)
    }

    /// What debugfs says: `dx_hash -h VERSION NAME`.
    #[test]
    fn every_function_hashes_as_debugfs_does() {
        let cases = [
            (Function::Legacy, false, "a", (0xe74b_53e2, 0)),
            (Function::Legacy, false, LONG, (0xbb24_2906, 0)),
            (Function::HalfMd4, false, "a", (0xd5fa_7d7a, 0xacb4_8187)),
            (Function::HalfMd4, false, LONG, (0xb314_7420, 0x2e94_a924)),
            (Function::Tea, false, "a", (0x6d0e_a4c0, 0xc189_22df)),
            (Function::Tea, false, LONG, (0x011c_507a, 0x6b1d_921a)),
            (Function::Legacy, true, LONG, (0x4f04_4956, 0)),
            (Function::HalfMd4, true, LONG, (0x6a51_8136, 0xbffd_f40a)),
            (Function::Tea, true, LONG, (0xdf63_6c98, 0x9341_9755)),
        ];
        for (function, unsigned, name, expected) in cases {
            let got = hash(function, unsigned, SEED, name);
            assert_eq!(got, expected, "{function:?} unsigned: {unsigned} {name}");
        }
    }

    /// `dx_hash -h VERSION -s 12345678-9abc-def0-1122-334455667788 hello`.
    #[test]
    fn a_seed_takes_the_place_of_the_constants() {
        let bytes = [0x7856_3412, 0xf0de_bc9a, 0x4433_2211, 0x8877_6655];
        assert_eq!(
            hash(Function::Tea, false, bytes, "hello"),
            (0x4b9a_b0d8, 0xb55f_7965)
        );
        assert_eq!(
            hash(Function::HalfMd4, false, bytes, "hello"),
            (0x317e_0126, 0xa728_2420)
        );
    }
}
