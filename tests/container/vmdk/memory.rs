//! Small files that say they are large: what opening and reading them takes in memory is bounded.

use std::io::Write;

use imgmount::service::open::{Options, open};

use super::generate::{descriptor, put32, put64};
use crate::support::images::Scratch;

/// Bytes that one request may take at most, of the contract's 256 MiB for everything.
const MOST: u64 = 64 << 20;

/// A stream of 32 GiB in 48 KiB: grains of 16 MiB, all of them one packed grain of zeros' size.
fn bomb() -> Vec<u8> {
    const GRAIN: usize = 32_768;
    let text = format!(
        "# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n\
         RW {} SPARSE \"bomb.vmdk\"\n",
        GRAIN * 512 * 4
    );
    let mut bytes = vec![0; 64 * 512];
    bytes[..4].copy_from_slice(b"KDMV");
    bytes[73..77].copy_from_slice(b"\n \r\n");
    bytes[77] = 1;
    bytes[512..512 + text.len()].copy_from_slice(text.as_bytes());
    for (at, value) in [(4, 3), (8, 0x1_0001), (44, 512)] {
        put32(&mut bytes, at, value);
    }
    let fields = [
        (12, GRAIN * 512 * 4),
        (20, GRAIN),
        (28, 1),
        (36, 4),
        (56, 5),
        (64, 64),
    ];
    for (at, value) in fields {
        put64(&mut bytes, at, value as u64);
    }
    (0..4).for_each(|table| put32(&mut bytes, 5 * 512 + table * 4, 8));
    (0..512).for_each(|grain| put32(&mut bytes, 8 * 512 + grain * 4, 64));
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zlib.write_all(&vec![1; GRAIN * 512]).unwrap();
    let packed = zlib.finish().unwrap();
    bytes.extend((packed.len() as u32).to_le_bytes());
    bytes.extend(packed);
    bytes
}

#[test]
fn large_claims_in_small_files_take_little_memory() {
    let scratch = Scratch::new();
    let packed = scratch.join("bomb.vmdk");
    std::fs::write(&packed, bomb()).unwrap();
    let lines = "RW 1000000000 ZERO\n".repeat(4000);
    let zeros = descriptor(&scratch.join("zeros.vmdk"), "custom", &lines);
    let more = descriptor(&scratch.join("more.vmdk"), "custom", &lines.repeat(12));
    for (image, opens) in [(packed, true), (zeros, true), (more, false)] {
        let used = allocation_counter::measure(|| {
            let opened = open(&image, &Options::default());
            assert_eq!(opened.is_ok(), opens, "{}", image.display());
            let Ok(opened) = opened else { return };
            let disk = opened.stack.disks[0].source.clone().unwrap();
            let mut buf = vec![0; 1 << 20];
            for number in 0..3 {
                let offset = disk.size() / 3 * number;
                disk.read_exact_at(&mut buf, offset).unwrap();
            }
        });
        assert!(
            used.bytes_max < MOST,
            "{}: {}",
            image.display(),
            used.bytes_max
        );
    }
}
