//! Disks of every kind with a few bytes changed: whatever comes of it, it is no panic, no hang, and
//! nothing that is not in the files.

use std::path::Path;
use std::time::{Duration, Instant};

use imgmount::service::open::{Options, open};

use super::convert;
use super::generate::{self, kinds};
use crate::container::flips::{Lost, cut};
use crate::container::guest::{self, Random};
use crate::support::images::{self, Scratch};

/// Mutants of each disk.
const MUTANTS: u64 = 400;

/// Changes `file`, one of those that make up `image`, again and again.
fn flip(image: &Path, file: &Path, seed: u64) {
    let whole = std::fs::read(file).unwrap();
    let mut random = Random(seed);
    let (mut opened, start) = (0, Instant::now());
    for _ in 0..MUTANTS {
        let mut bytes = whole.clone();
        // Headers, descriptors and tables lie in the first sectors.
        let metadata = (bytes.len() as u64).min(if random.below(2) == 0 { 512 } else { 24 << 10 });
        for _ in 0..1 + random.below(3) {
            let at = random.below(metadata) as usize;
            bytes[at] = match random.below(3) {
                0 => bytes[at] ^ 1 << random.below(8),
                1 => [0, 1, 0x7f, 0x80, 0xff][random.below(5) as usize],
                _ => random.next() as u8,
            };
        }
        std::fs::write(file, &bytes).unwrap();
        opened += u64::from(try_to_read(image, &mut random));
    }
    std::fs::write(file, whole).unwrap();
    assert!(opened > 0, "{}", image.display());
    assert!(start.elapsed() < Duration::from_secs(300));
}

/// Whether it opens. Reads it here and there.
fn try_to_read(image: &Path, random: &mut Random) -> bool {
    let Ok(opened) = open(image, &Options::default()) else {
        return false;
    };
    for disk in opened
        .stack
        .disks
        .iter()
        .filter_map(|it| it.source.as_ref().ok())
    {
        for _ in 0..8 {
            let offset = random.below(disk.size().max(1));
            let len = (disk.size() - offset.min(disk.size())).min(1 + random.below(200 << 10));
            let _ = disk.read_exact_at(&mut vec![0; len as usize], offset);
            let _ = disk.extent_at(offset);
        }
    }
    true
}

#[test]
fn hosted_disks() {
    need!(tool "qemu-img");
    for (number, options) in ["", "subformat=streamOptimized", "zeroed_grain=on"]
        .into_iter()
        .enumerate()
    {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, 300 << 10, 51);
        let image = convert(&raw, "disk.vmdk", options, &scratch);
        flip(&image, &image, number as u64);
    }
}

#[test]
fn descriptors_and_split_extents() {
    need!(tool "qemu-img");
    for kind in ["twoGbMaxExtentSparse", "monolithicFlat"] {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, 300 << 10, 52);
        let image = convert(&raw, "disk.vmdk", &format!("subformat={kind}"), &scratch);
        flip(&image, &image, 3);
        if kind == "twoGbMaxExtentSparse" {
            flip(&image, &scratch.join("disk-s001.vmdk"), 4);
        }
    }
}

#[test]
fn extents_of_esxi() {
    let scratch = Scratch::new();
    let cowd = generate::cowd(500, 1, &kinds(500, 1), 1);
    let image = generate::described(&scratch, "one", ("vmfsSparse", "VMFSSPARSE"), 500, &cowd);
    flip(&image, &scratch.join("one-extent.vmdk"), 5);
    let se = generate::se_sparse(800, &kinds(100, 2), 2);
    let image = generate::described(&scratch, "two", ("seSparse", "SESPARSE"), 800, &se);
    flip(&image, &scratch.join("two-extent.vmdk"), 6);
}

#[test]
fn g02_files_that_were_cut() {
    need!(tool "qemu-img");
    for options in ["", "subformat=streamOptimized", "subformat=monolithicFlat"] {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, 300 << 10, 53);
        let image = convert(&raw, "disk.vmdk", options, &scratch);
        cut(&image, &image, Lost::Unreadable);
        if options.ends_with("Flat") {
            cut(&image, &scratch.join("disk-flat.vmdk"), Lost::Unreadable);
        }
    }
    let scratch = Scratch::new();
    let cowd = generate::cowd(500, 1, &kinds(500, 1), 1);
    let image = generate::described(&scratch, "one", ("vmfsSparse", "VMFSSPARSE"), 500, &cowd);
    cut(&image, &scratch.join("one-extent.vmdk"), Lost::Unreadable);
    let se = generate::se_sparse(800, &kinds(100, 2), 2);
    let image = generate::described(&scratch, "two", ("seSparse", "SESPARSE"), 800, &se);
    cut(&image, &scratch.join("two-extent.vmdk"), Lost::Unreadable);
}

#[test]
fn collected_hostile_files_are_refused_or_are_raw() {
    need!(images);
    let folder = images::folder().unwrap().join("hostile");
    let mut count = 0;
    for source in ["vmdk-fuzz", "SecurityRonin"] {
        for entry in folder.join(source).read_dir().unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let scratch = Scratch::new();
            let image = images::unpack(&format!("hostile/{source}/{name}"), &scratch);
            let start = Instant::now();
            match open(&image, &Options::default()) {
                // A few bytes of text, which are a raw disk.
                Ok(_) => assert!(name.starts_with("seed-"), "{name}"),
                Err(error) if name.starts_with("ms3-win") => {
                    assert!(error.to_string().contains("disk-s001.vmdk"), "{error}");
                }
                Err(_) => assert!(!name.starts_with("seed-"), "{name}"),
            }
            assert!(start.elapsed() < Duration::from_secs(10));
            count += 1;
        }
    }
    assert_eq!(count, 6);
}
