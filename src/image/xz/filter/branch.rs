//! Branches of processors whose instructions are aligned: the packed data has the absolute address
//! where the program has the distance. No piece depends on the one before.

use super::super::layout::filter_id;

/// Whose branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    PowerPc,
    Ia64,
    Arm,
    ArmThumb,
    Sparc,
    Arm64,
}

impl Branch {
    pub(super) fn new(id: u64) -> Option<Self> {
        Some(match id {
            filter_id::POWERPC => Self::PowerPc,
            filter_id::IA64 => Self::Ia64,
            filter_id::ARM => Self::Arm,
            filter_id::ARM_THUMB => Self::ArmThumb,
            filter_id::SPARC => Self::Sparc,
            filter_id::ARM64 => Self::Arm64,
            _ => return None,
        })
    }

    /// What start offsets are multiples of (5.3.2).
    pub(super) fn alignment(self) -> u32 {
        match self {
            Self::ArmThumb => 2,
            Self::Ia64 => 16,
            _ => 4,
        }
    }

    /// Undoes the filter in `bytes`, which begin at `position`; gives how many are final.
    pub(super) fn pass(self, position: u32, bytes: &mut [u8]) -> usize {
        match self {
            Self::ArmThumb => thumbs(position, bytes),
            Self::Ia64 => each(position, bytes, 16, ia64),
            Self::PowerPc => each(position, bytes, 4, powerpc),
            Self::Arm => each(position, bytes, 4, arm),
            Self::Sparc => each(position, bytes, 4, sparc),
            Self::Arm64 => each(position, bytes, 4, arm64),
        }
    }
}

/// Every whole piece of `N` bytes, with its position.
fn each<const N: usize>(
    position: u32,
    bytes: &mut [u8],
    step: u32,
    undo: fn(&mut [u8; N], u32),
) -> usize {
    let mut at = position;
    let mut done: usize = 0;
    for piece in bytes.as_chunks_mut::<N>().0 {
        undo(piece, at);
        at = at.wrapping_add(step);
        done = done.wrapping_add(N);
    }
    done
}

/// BL, always: 24 bits of words from 8 behind.
fn arm(word: &mut [u8; 4], at: u32) {
    if let [a, b, c, 0xeb] = *word {
        let address = u32::from_le_bytes([a, b, c, 0]) << 2;
        let [a, b, c, _] = (address.wrapping_sub(at.wrapping_add(8)) >> 2).to_le_bytes();
        *word = [a, b, c, 0xeb];
    }
}

/// BL: two halves with 11 bits each.
fn thumbs(position: u32, bytes: &mut [u8]) -> usize {
    let mut done: usize = 0;
    let mut at = position;
    while let Some(four) = bytes
        .get_mut(done..)
        .and_then(|rest| rest.first_chunk_mut::<4>())
    {
        let [a, b, c, d] = *four;
        let (high, low) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        let step: u8 = if high & 0xf800 == 0xf000 && low & 0xf800 == 0xf800 {
            let address = (u32::from(high & 0x7ff) << 12) | (u32::from(low & 0x7ff) << 1);
            let near = address.wrapping_sub(at.wrapping_add(4)) >> 1;
            let [a, b, ..] = (((near >> 11) & 0x7ff) | 0xf000).to_le_bytes();
            let [c, d, ..] = ((near & 0x7ff) | 0xf800).to_le_bytes();
            *four = [a, b, c, d];
            4
        } else {
            2
        };
        done = done.wrapping_add(usize::from(step));
        at = at.wrapping_add(u32::from(step));
    }
    done
}

/// bl: 24 bits of words.
fn powerpc(word: &mut [u8; 4], at: u32) {
    let instruction = u32::from_be_bytes(*word);
    if instruction & 0xfc00_0003 == 0x4800_0001 {
        let near = (instruction & 0x03ff_fffc).wrapping_sub(at);
        *word = (0x4800_0001 | (near & 0x03ff_fffc)).to_be_bytes();
    }
}

/// call: 30 bits of words, of which the highest 8 must be the sign.
fn sparc(word: &mut [u8; 4], at: u32) {
    let instruction = u32::from_be_bytes(*word);
    if matches!(instruction >> 22, 0x100 | 0x1ff) {
        let near = (instruction << 2).wrapping_sub(at) >> 2;
        let sign = ((near >> 22) & 1).wrapping_neg();
        let bits = ((sign << 22) & 0x3fff_ffff) | (near & 0x003f_ffff);
        *word = (0x4000_0000 | bits).to_be_bytes();
    }
}

/// BL with 26 bits of words; ADRP with 21 bits of pages, of which the highest four must be the sign.
fn arm64(word: &mut [u8; 4], at: u32) {
    let instruction = u32::from_le_bytes(*word);
    if instruction >> 26 == 0x25 {
        let near = instruction.wrapping_sub(at >> 2);
        *word = (0x9400_0000 | (near & 0x03ff_ffff)).to_le_bytes();
    } else if instruction & 0x9f00_0000 == 0x9000_0000 {
        let page = ((instruction >> 29) & 3) | ((instruction >> 3) & 0x001f_fffc);
        if page.wrapping_add(0x0002_0000) & 0x001c_0000 != 0 {
            return;
        }
        let near = page.wrapping_sub(at >> 12);
        let sign = (near & 0x0002_0000).wrapping_neg() & 0x00e0_0000;
        let bits = ((near & 3) << 29) | ((near & 0x0003_fffc) << 3) | sign;
        *word = ((instruction & 0x9000_001f) | bits).to_le_bytes();
    }
}

/// A bundle of three instructions of 41 bits, by its template: br.call with 21 bits of bundles.
fn ia64(bundle: &mut [u8; 16], at: u32) {
    let mut bits = u128::from_le_bytes(*bundle);
    let [template, ..] = *bundle;
    let branches: u32 = match template & 0x1f {
        0x10 | 0x11 | 0x18 | 0x19 | 0x1c | 0x1d => 0b100,
        0x12 | 0x13 => 0b110,
        0x16 | 0x17 => 0b111,
        _ => 0,
    };
    for slot in 0..3_u32 {
        let shift = slot.wrapping_mul(41).wrapping_add(5);
        let instruction = bits >> shift;
        let is_call = (instruction >> 37) & 0xf == 5 && (instruction >> 9) & 7 == 0;
        if (branches >> slot) & 1 == 0 || !is_call {
            continue;
        }
        let low = u32::try_from((instruction >> 13) & 0x000f_ffff).unwrap_or(0);
        let high = u32::try_from((instruction >> 36) & 1).unwrap_or(0);
        let near = (((high << 20) | low) << 4).wrapping_sub(at) >> 4;
        let (low, high) = (u128::from(near & 0x000f_ffff), u128::from((near >> 20) & 1));
        let field = (0x000f_ffff_u128 << 13) | (1 << 36);
        let value = (low << 13) | (high << 36);
        bits = (bits & !(field << shift)) | (value << shift);
    }
    *bundle = bits.to_le_bytes();
}
