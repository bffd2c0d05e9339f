#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use super::*;
use crate::cache::Cache;
use crate::format::testing::{Beside, RawOnly};
use crate::source::{ExtentKind, Memory};

const BLOCK: usize = 4096;

/// An image of `map` and as many blocks as `allocated`, each filled with its number and 1.
fn image(image_type: u32, map: &[u32], allocated: u32) -> Vec<u8> {
    let mut bytes = vec![0; 0x400];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(64, &[0x7f, 0x10, 0xda, 0xbe, 1, 0, 1, 0]);
    let blocks = map.len() as u32;
    let fields = [
        (72, 400),
        (76, image_type),
        (340, 0x200),
        (344, 0x400),
        (368, blocks * BLOCK as u32),
        (376, BLOCK as u32),
        (384, blocks),
        (388, allocated),
    ];
    for (at, value) in fields {
        put(at, &value.to_le_bytes());
    }
    for (index, entry) in map.iter().enumerate() {
        put(0x200 + index * 4, &entry.to_le_bytes());
    }
    put(392, &[1; 16]);
    put(408, &[2; 16]);
    for number in 0..allocated {
        bytes.extend(vec![number as u8 + 1; BLOCK]);
    }
    bytes
}

/// `child` standing on the image whose `uuidCreate` and `uuidModify` are these.
fn on_parent(mut child: Vec<u8>, own: u8, modified: u8) -> Vec<u8> {
    child[392..408].fill(9);
    child[424..440].fill(own);
    child[440..456].fill(modified);
    child
}

fn context(files: &[(&str, &[u8])]) -> Context {
    Context {
        neighbours: Beside::of(files),
        images: Arc::new(Vdi),
        ..Context::new(Cache::new(1 << 20))
    }
}

/// Opens VDIs, as the stack does.
struct Vdi;

impl crate::format::Images for Vdi {
    fn open(
        &self,
        image: SharedSource,
        declared: Option<&str>,
        context: &Context,
    ) -> Result<Vec<Disk>> {
        match claim(&*image)? {
            Some(_) => open(&[image], context),
            None => RawOnly.open(image, declared, context),
        }
    }
}

fn disk(bytes: Vec<u8>, context: &Context) -> Result<SharedSource> {
    let mut disks = open(&[Arc::new(Memory(bytes))], context)?;
    Ok(disks.remove(0).source)
}

fn block(disk: &SharedSource, index: u64) -> Result<Vec<u8>> {
    read_vec(&**disk, index * BLOCK as u64, BLOCK)
}

#[test]
fn blocks_in_any_order_zeros_and_holes() {
    let bytes = image(1, &[2, 0xffff_ffff, 0, 1, 0xffff_fffe], 3);
    let disk = disk(bytes, &context(&[])).unwrap();
    assert_eq!(disk.size(), 5 * BLOCK as u64);
    for (index, value) in [(0, 3), (1, 0), (2, 1), (3, 2), (4, 0)] {
        assert_eq!(block(&disk, index).unwrap(), vec![value; BLOCK], "{index}");
    }
    let kind = |index: u64| disk.extent_at(index * BLOCK as u64).unwrap();
    assert_eq!(kind(1).kind, ExtentKind::Absent);
    assert_eq!(kind(4).kind, ExtentKind::Zeros);
    assert_eq!(kind(2).len.get(), 2 * BLOCK as u64);
}

#[test]
fn the_old_header_has_its_map_and_blocks_directly_behind() {
    let mut bytes = vec![0; 420];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(64, &[0x7f, 0x10, 0xda, 0xbe, 1, 0, 0, 0]);
    for (at, value) in [(72, 1), (352, 8192), (360, 4096), (364, 2), (368, 1)] {
        put(at, &u32::to_le_bytes(value));
    }
    bytes.extend([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend([7; BLOCK]);
    let described = describe(&Memory(bytes.clone())).unwrap();
    assert_eq!(described.facts[0].1, "0.1");
    let disk = disk(bytes, &context(&[])).unwrap();
    assert_eq!(block(&disk, 0).unwrap(), vec![0; BLOCK]);
    assert_eq!(block(&disk, 1).unwrap(), vec![7; BLOCK]);
}

#[test]
fn bytes_in_front_of_each_block_are_no_data() {
    let mut bytes = image(1, &[1, 0], 0);
    bytes[380..384].copy_from_slice(&512u32.to_le_bytes());
    bytes[388] = 2;
    for value in [5, 6] {
        bytes.extend([0xee; 512]);
        bytes.extend([value; BLOCK]);
    }
    let disk = disk(bytes, &context(&[])).unwrap();
    let both = read_vec(&*disk, 0, 2 * BLOCK).unwrap();
    assert_eq!(both, [[6; BLOCK], [5; BLOCK]].concat());
}

#[test]
fn a_parent_is_found_by_its_uuid_among_the_neighbours() {
    let parent = image(1, &[0, 0xffff_ffff, 1], 2);
    let other = on_parent(image(1, &[0, 0, 0], 1), 0, 0);
    let child = on_parent(image(4, &[0xffff_ffff, 0, 0xffff_fffe], 1), 1, 2);
    let files: &[(&str, &[u8])] = &[("a.vdi", &other), ("junk.vdi", b"x"), ("b.VDI", &parent)];
    let disk = disk(child.clone(), &context(files)).unwrap();
    for (index, value) in [(0, 1), (1, 1), (2, 0)] {
        assert_eq!(block(&disk, index).unwrap(), vec![value; BLOCK], "{index}");
    }
    let wanted = describe(&Memory(child)).unwrap().second_files;
    let text = b"UUID 01010101-0101-0101-0101-010101010101".to_vec();
    assert_eq!(wanted, [text]);
}

#[test]
fn a_parent_that_is_missing_or_changed_is_refused() {
    let child = on_parent(image(4, &[0xffff_ffff], 0), 1, 3);
    let error = disk(child.clone(), &context(&[])).err().unwrap();
    assert!(error.to_string().contains("01010101-0101"), "{error}");
    let parent = image(1, &[0], 1);
    let mut context = context(&[("p.vdi", &parent)]);
    let error = disk(child.clone(), &context).err().unwrap();
    assert!(error.to_string().contains("was changed since"), "{error}");
    context.options.ignore_checksums = true;
    let disk = disk(child, &context).unwrap();
    assert_eq!(block(&disk, 0).unwrap(), vec![1; BLOCK]);
}

#[test]
fn parents_that_stand_on_each_other_end_as_a_loop() {
    let first = on_parent(image(4, &[0xffff_ffff], 0), 1, 0);
    let mut second = on_parent(image(4, &[0xffff_ffff], 0), 9, 0);
    second[392..408].fill(1);
    let files: &[(&str, &[u8])] = &[("1.vdi", &first), ("2.vdi", &second)];
    let mut context = context(files);
    let own = context.neighbours.open(b"1.vdi").unwrap();
    context.origin = crate::format::Origin::new(b"1.vdi".to_vec(), own.identity);
    let error = disk(first, &context).err().unwrap();
    assert!(error.to_string().contains("not beside"), "{error}");
}

#[test]
fn flipped_bits_are_read_or_refused() {
    let good = image(1, &[2, 0xffff_ffff, 0, 1, 0xffff_fffe], 3);
    for at in 64..0x214 {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let context = context(&[]);
            let _ = describe(&Memory(bytes.clone()));
            let Ok(disk) = disk(bytes, &context) else {
                continue;
            };
            for index in 0..8 {
                let _ = block(&disk, index);
                let _ = disk.extent_at(index * BLOCK as u64);
            }
        }
    }
}
