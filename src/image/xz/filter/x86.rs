//! Calls and jumps of x86 (opcodes E8 and E9): the address in the four bytes behind is absolute in
//! the packed data and relative in the program.
//!
//! Not every E8 is an opcode. An address counts where its highest byte is 0 or FF, and not where
//! another E8 or E9 stood close before, by rules that only XZ Utils' own code states.

use super::super::lzma2::Kept;

/// What came before.
pub(super) struct X86 {
    /// Which of the last bytes were an E8 or E9 that was left alone (bits 0 to 3), and which had a
    /// highest byte of 0 or FF (bits 4 to 7).
    recent: u32,
    /// Where the last of them was.
    last: u32,
}

impl Default for X86 {
    fn default() -> Self {
        Self {
            recent: 0,
            last: 5_u32.wrapping_neg(),
        }
    }
}

impl X86 {
    /// Undoes the filter in `bytes`, which begin at `position`; gives how many are final.
    pub(super) fn pass(&mut self, position: u32, bytes: &mut [u8]) -> usize {
        let mut at: usize = 0;
        let mut now = position;
        // Far back is all the same; so nothing depends on where a piece began.
        if now.wrapping_sub(self.last) > 5 && bytes.len() >= 5 {
            self.last = now.wrapping_sub(5);
        }
        while let Some(five) = bytes
            .get_mut(at..)
            .and_then(|rest| rest.first_chunk_mut::<5>())
        {
            let step: u8 = match five {
                [0xe8 | 0xe9, address @ ..] => self.branch(now, address),
                _ => 1,
            };
            now = now.wrapping_add(u32::from(step));
            at = at.wrapping_add(usize::from(step));
        }
        at
    }

    /// An opcode at `now`; gives how many bytes on the next can be.
    fn branch(&mut self, now: u32, address: &mut [u8; 4]) -> u8 {
        let gap = now.wrapping_sub(self.last);
        self.last = now;
        self.recent = match gap {
            0..=5 => (0..gap).fold(self.recent, |recent, _| (recent & 0x77) << 1),
            _ => 0,
        };
        let [.., high] = *address;
        let near = self.recent >> 1;
        if !is_sign(high) || !matches!(near, 0 | 1 | 2 | 4) {
            self.recent |= 1 | (u32::from(is_sign(high)) << 4);
            return 1;
        }
        let target = self.relative(u32::from_le_bytes(*address), now.wrapping_add(5));
        let [a, b, c, d] = target.to_le_bytes();
        *address = [a, b, c, (d & 1).wrapping_neg()];
        self.recent = 0;
        5
    }

    fn relative(&self, absolute: u32, behind: u32) -> u32 {
        // Where the last opcode's address overlaps, that part of it must stay no sign byte.
        let bits = match self.recent >> 1 {
            1 => 8,
            2 => 16,
            4 => 24,
            _ => return absolute.wrapping_sub(behind),
        };
        let mut source = absolute;
        loop {
            let target = source.wrapping_sub(behind);
            let [byte, ..] = (target >> 24_u32.wrapping_sub(bits)).to_le_bytes();
            if !is_sign(byte) {
                return target;
            }
            source = target ^ (u32::MAX >> bits);
        }
    }

    pub(super) fn keep(&self, into: &mut Vec<u8>) {
        into.extend(self.recent.to_le_bytes());
        into.extend(self.last.to_le_bytes());
    }

    pub(super) fn restore(&mut self, kept: &mut Kept<'_>) -> Option<()> {
        self.recent = kept.word()? & 0xff;
        self.last = kept.word()?;
        Some(())
    }
}

fn is_sign(byte: u8) -> bool {
    byte == 0 || byte == 0xff
}
