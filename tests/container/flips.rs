//! Images with a few bytes changed: whatever comes of it, it is no panic, no hang, and nothing that
//! is not in the file.

use std::path::Path;
use std::time::{Duration, Instant};

use imgmount::service::open::{Options, open};

use super::guest::Random;

/// Changes the first `metadata` bytes of `image` in `count` ways, and reads what then opens here
/// and there.
pub fn flip(image: &Path, metadata: u64, seed: u64, count: u64) {
    let whole = std::fs::read(image).unwrap();
    let metadata = metadata.min(whole.len() as u64);
    let mut random = Random(seed);
    let (mut opened, start) = (0, Instant::now());
    for _ in 0..count {
        let mut bytes = whole.clone();
        let limit = metadata.min([128, 4096, metadata][random.below(3) as usize]);
        for _ in 0..1 + random.below(4) {
            let at = random.below(limit) as usize;
            bytes[at] = match random.below(3) {
                0 => bytes[at] ^ 1 << random.below(8),
                1 => [0, 1, 0x7f, 0x80, 0xff][random.below(5) as usize],
                _ => random.next() as u8,
            };
        }
        std::fs::write(image, &bytes).unwrap();
        opened += u64::from(try_to_read(image, &mut random));
    }
    std::fs::write(image, whole).unwrap();
    assert!(opened > 0, "{}", image.display());
    assert!(start.elapsed() < Duration::from_secs(300));
}

/// Whether it opens.
fn try_to_read(image: &Path, random: &mut Random) -> bool {
    let Ok(opened) = open(image, &Options::default()) else {
        return false;
    };
    let disks = opened.stack.disks.iter();
    for disk in disks.filter_map(|it| it.source.as_ref().ok()) {
        for _ in 0..8 {
            let offset = random.below(disk.size().max(1));
            let left = disk.size() - offset.min(disk.size());
            let len = left.min(1 + random.below(200 << 10));
            let _ = disk.read_exact_at(&mut vec![0; len as usize], offset);
            let _ = disk.extent_at(offset);
        }
    }
    true
}
