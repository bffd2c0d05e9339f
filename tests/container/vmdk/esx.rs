//! ESXi's sparse extents by our own generator, against qemu-img, which reads them.

use super::generate::{self, Grain, descriptor, kinds};
use crate::container::{compare, compare_holes, converted, disk};
use crate::support::images::Scratch;

#[test]
fn cowd_extents_of_every_grain() {
    need!(tool "qemu-img");
    for (grain, sectors) in [(1, 5000), (1, 9001), (2, 20_000), (8, 70_003), (128, 9000)] {
        let scratch = Scratch::new();
        let kinds = kinds(usize::div_ceil(sectors, grain), grain as u64);
        let extent = generate::cowd(sectors, grain, &kinds, 7);
        let kind = ("vmfsSparse", "VMFSSPARSE");
        let image = generate::described(&scratch, "snapshot", kind, sectors, &extent);
        let expected = converted(&image, "-f vmdk", &scratch);
        let disk = disk(&image);
        compare(&disk, &expected);
        compare_holes(&disk, &image, "-f vmdk");
    }
}

#[test]
fn cowd_without_tables() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let mut kinds = vec![Grain::Absent; 40_000];
    kinds[20_000] = Grain::Data;
    let extent = generate::cowd(40_000, 1, &kinds, 1);
    let kind = ("vmfsSparse", "VMFSSPARSE");
    let image = generate::described(&scratch, "snapshot", kind, 40_000, &extent);
    let expected = converted(&image, "-f vmdk", &scratch);
    compare(&disk(&image), &expected);
    assert!(disk(&image).extent_at(0).unwrap().len.get() > 4096 * 512);
}

#[test]
fn space_efficient_extents() {
    need!(tool "qemu-img");
    for (sectors, seed) in [(8, 1), (4096 * 8, 2), (100_000, 3), (70_001, 4)] {
        let scratch = Scratch::new();
        let kinds = kinds(usize::div_ceil(sectors, 8), seed);
        let extent = generate::se_sparse(sectors, &kinds, seed);
        let kind = ("seSparse", "SESPARSE");
        let image = generate::described(&scratch, "snapshot", kind, sectors, &extent);
        let expected = converted(&image, "-f vmdk", &scratch);
        let disk = disk(&image);
        compare(&disk, &expected);
        compare_holes(&disk, &image, "-f vmdk");
    }
}

#[test]
fn several_extents_of_different_kinds() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let kinds = kinds(8000, 9);
    std::fs::write(scratch.join("a"), generate::cowd(8000, 1, &kinds, 1)).unwrap();
    // Whole grains: where an extent ends within one, qemu-img reads on in the grain.
    std::fs::write(scratch.join("b"), generate::cowd(1000, 2, &kinds, 2)).unwrap();
    let flat = crate::container::guest::Random(3).bytes(3000 * 512, false);
    std::fs::write(scratch.join("c"), flat).unwrap();
    let lines = "RW 8000 VMFSSPARSE \"a\"\nRW 1000 VMFSSPARSE \"b\"\nRW 100 FLAT \"c\" 2000\n\
                 RW 2000 FLAT \"c\" 0\nRW 500 FLAT \"c\" 2500";
    let image = descriptor(&scratch.join("disk.vmdk"), "vmfs", lines);
    let expected = converted(&image, "-f vmdk", &scratch);
    compare(&disk(&image), &expected);
}
