//! Guest disks to put into containers: data that packs well and data that does not, zeros that
//! were written, and holes.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::support::command::Run;
use crate::support::images::Scratch;

/// Numbers that look random and are the same in every run: splitmix64.
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number below `limit`, which is over 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// `len` bytes, as a text of few letters where `packs`.
    pub fn bytes(&mut self, len: usize, packs: bool) -> Vec<u8> {
        let letter = |random: &mut Self| b"imgmount disk\n"[random.below(14) as usize];
        let byte = |random: &mut Self| random.next() as u8;
        let one = |random: &mut Self| if packs { letter(random) } else { byte(random) };
        (0..len).map(|_| one(self)).collect()
    }
}

/// A raw disk of `size` bytes called `guest.raw`: about a third data, in pieces of all sizes and
/// alignments, its first and last sectors among them; some zeros that are written; else holes.
pub fn disk(scratch: &Scratch, size: u64, seed: u64) -> PathBuf {
    let path = scratch.file("guest.raw", size);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let mut random = Random(seed);
    let write = |random: &mut Random, offset: u64, len: u64| {
        let kind = random.below(4);
        let len = len.min(size - offset) as usize;
        let bytes = match kind {
            0 => vec![0; len],
            _ => random.bytes(len, kind == 1),
        };
        file.write_all_at(&bytes, offset).unwrap();
    };
    let mut left = size / 3;
    while left > 0 {
        let most = 1 << (9 + random.below(11));
        let len = (1 + random.below(most)).min(left);
        let offset = random.below(size);
        write(&mut random, offset, len);
        left -= len;
    }
    for offset in [0, size.saturating_sub(700)] {
        file.write_all_at(&random.bytes(700.min(size) as usize, false), offset)
            .unwrap();
    }
    path
}

/// Overwrites random ranges of `image` (of `format`) through qemu-io: data, zeros and discards, in
/// sectors.
pub fn overwrite(image: &Path, format: &str, size: u64, seed: u64, count: usize) {
    let mut random = Random(seed);
    let mut io = Run::new("qemu-io").args(["-d", "unmap", "-f", format]);
    for _ in 0..count {
        let sectors = size / 512;
        let offset = random.below(sectors);
        let most = 1 << random.below(10);
        let len = (1 + random.below(most)).min(sectors - offset);
        let (offset, len) = (offset * 512, len * 512);
        let command = match random.below(6) {
            0 => format!("write -z {offset} {len}"),
            1 => format!("discard {offset} {len}"),
            kind => format!("write -P {} {offset} {len}", kind * 40 + 1),
        };
        io = io.args(["-c", &command]);
    }
    io.arg(image).run();
}
