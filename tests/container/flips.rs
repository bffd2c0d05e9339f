//! Images with a few bytes changed: whatever comes of it, it is no panic, no hang, and nothing that
//! is not in the file.

use std::path::Path;
use std::time::{Duration, Instant};

use imgmount::service::open::{Options, open};

use super::guest::{self, Random};
use crate::support::command::Run;
use crate::support::images::Scratch;

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

/// What may come of bytes that were cut off.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// They cannot be read.
    Unreadable,
    /// That, or zeros, as QEMU has it of a last cluster that is cut off.
    Zeros,
}

/// `image`, one of whose files is `file`, with that file cut after every one of its first 64 sectors,
/// and at 40 places from there to its end: what can still be read is what was there, or `lost`.
pub fn cut(image: &Path, file: &Path, lost: Lost) {
    let (whole, disk) = (std::fs::read(file).unwrap(), super::disk(image));
    let mut expected = vec![0; disk.size() as usize];
    disk.read_exact_at(&mut expected, 0).unwrap();
    let start = Instant::now();
    let step = whole.len() / 40;
    let sectors = (0..64).map(|sector| sector * 512);
    let sizes = sectors.chain((0..40).map(|place| place * step + 211));
    for size in sizes.filter(|size| *size < whole.len()) {
        std::fs::write(file, &whole[..size]).unwrap();
        let Ok(opened) = open(image, &Options::default()) else {
            continue;
        };
        let disk = opened.stack.disks[0].source.clone().unwrap();
        if disk.size() != expected.len() as u64 {
            // A start that is a raw disk, a stream that ends here, a descriptor without its last lines.
            continue;
        }
        for (index, part) in expected.chunks(4096).enumerate() {
            let mut found = vec![0xa5; part.len()];
            if disk.read_exact_at(&mut found, index as u64 * 4096).is_ok() {
                let mut pairs = found.iter().zip(part);
                let zeros = lost == Lost::Zeros;
                let is_right = pairs.all(|(found, part)| found == part || zeros && *found == 0);
                assert!(is_right, "{} of {size} bytes: {index}", image.display());
            }
        }
    }
    std::fs::write(file, whole).unwrap();
    assert!(start.elapsed() < Duration::from_secs(300), "it hangs");
}

#[test]
fn g02_images_that_were_cut() {
    need!(tool "qemu-img", tool "gzip", tool "xz", tool "zstd");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 300 << 10, 71);
    for (index, options) in [
        "-O qcow2",
        "-O qcow2 -c",
        "-O qcow2 -o cluster_size=512",
        "-O vdi",
        "-O vpc",
        "-O vpc -o subformat=fixed,force_size=on",
        "-O vhdx -o block_size=1M",
    ]
    .into_iter()
    .enumerate()
    {
        let image = scratch.join(&format!("{index}.image"));
        let convert = Run::new("qemu-img").words("convert -f raw").words(options);
        convert.arg(&raw).arg(&image).run();
        cut(&image, &image, Lost::Zeros);
    }
    for packer in ["gzip", "xz", "zstd"] {
        let image = scratch.join(&format!("disk.{packer}"));
        let packed = Run::new(packer).arg("-c").arg(&raw).stdout();
        std::fs::write(&image, packed).unwrap();
        cut(&image, &image, Lost::Zeros);
    }
}
