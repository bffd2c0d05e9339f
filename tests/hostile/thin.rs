//! Thin pools by HOSTILE.md: trees without end, and mappings that lead out of the data.

use std::cell::Cell;
use std::time::{Duration, Instant};

use imgmount::error::{Error, Kind};

use super::expect::check;
use crate::support::images::Scratch;
use crate::volume::lvm::made::{EXTENT, logical, segment};
use crate::volume::lvm::{numbered, thin};

/// Metadata of a pool with one volume of 64 blocks, in which every third is mapped, as `change`
/// leaves them; and why each block of it cannot be read.
fn broken_pool(change: impl Fn(&mut [u8])) -> (Vec<u8>, Vec<Option<Error>>) {
    let scratch = Scratch::new();
    let mappings = (0..64).step_by(3).map(|block| (block, block + 1)).collect();
    let mut bytes = thin::metadata(&scratch, &[(1, mappings)], 2 << 20);
    change(&mut bytes);
    let body = "type = \"thin\"\nthin_pool = \"pool\"\ndevice_id = 1";
    let count = 64 * thin::CHUNK / EXTENT;
    let volume = logical("thin1", &[segment(0, count, body)]);
    let (stack, _, start) = thin::pool(&bytes, 65, &volume);
    let read = |block| numbered::place(&stack, "vg0/thin1", block * thin::CHUNK, start).err();
    let errors = (0..64).map(read).collect();
    (bytes, errors)
}

/// The blocks of `bytes` that are nodes of a tree, leaves or not.
fn nodes(bytes: &[u8]) -> Vec<usize> {
    let is_node = |block: &[u8]| {
        let crc = !crc32c::crc32c(&block[4..]) ^ 121_107;
        crc.to_le_bytes() == block[..4]
    };
    let blocks = bytes.chunks(4096).enumerate().skip(1);
    let nodes = blocks.filter(|(_, block)| is_node(block));
    nodes.map(|(number, _)| number).collect()
}

/// Changes each node of a tree, and makes its checksum right again.
fn change_nodes(bytes: &mut [u8], change: impl Fn(usize, &mut [u8])) {
    for number in nodes(bytes) {
        let block = &mut bytes[number * 4096..][..4096];
        change(number, block);
        thin::seal(block, 121_107);
    }
}

/// The block of the tree that leads from a thin volume's number to its own tree:
/// `data_mapping_root` of the superblock.
fn mapping_root(metadata: &[u8]) -> usize {
    u64::from_le_bytes(metadata[320..328].try_into().unwrap()) as usize
}

/// That no block can be read of a pool each of whose nodes is as `change` leaves it, as of the node
/// that is asked first `words` are said, at byte `field` of it.
fn all_lost(change: impl Fn(usize, &mut [u8]), words: &str, field: usize) {
    let (bytes, errors) = broken_pool(|bytes| {
        let seed = bytes.to_vec();
        change_nodes(bytes, &change);
        assert!(bytes != seed, "the mutant is its seed: {words}");
    });
    let root = mapping_root(&bytes);
    let words = words.replace('@', &root.to_string());
    let words = ["thin1: thin pool pool: ", &words];
    for error in errors {
        let error = error.expect("an error for each block");
        check(&error, Kind::Corrupt, &words, Some(root * 4096 + field));
    }
}

#[test]
fn l09_a_pool_whose_tree_has_no_end_is_no_hang() {
    need!(tool "thin_restore");
    let (_, errors) = broken_pool(|_| ());
    assert!(errors.iter().all(Option::is_none));
    let start = Instant::now();
    // Every node leads to itself.
    let looped = |number: usize, block: &mut [u8]| {
        block[4] = 1;
        block[24..28].copy_from_slice(&8_u32.to_le_bytes());
        let most = u32::from_le_bytes(block[20..24].try_into().unwrap()) as usize;
        for value in block[32 + most * 8..].chunks_exact_mut(8).take(most) {
            value.copy_from_slice(&(number as u64).to_le_bytes());
        }
    };
    all_lost(looped, "the tree of metadata block @ is over 16 deep", 0);
    // More keys than there is room for, values of another size, flags of neither kind.
    for (at, value, words) in [
        (16, u32::MAX, "metadata block @: 4294967295 of "),
        (20, u32::MAX, " of 4294967295 values of 8 bytes do not fit"),
        (24, 0, " values of 0 bytes do not fit"),
        (24, 4096, " values of 4096 bytes do not fit"),
        (4, 3, "metadata block @: its flags are 0x3"),
        (4, 0, "metadata block @: its flags are 0x0"),
        (8, 7000, "metadata block @ says that it is 7000"),
    ] {
        let set = |_: usize, block: &mut [u8]| {
            block[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
        };
        all_lost(set, words, at);
    }
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn l09_a_mapping_past_the_data_costs_its_block_alone() {
    need!(tool "thin_restore");
    let place = Cell::new(0);
    let (_, errors) = broken_pool(|bytes| {
        change_nodes(bytes, |number, block| {
            let most = u32::from_le_bytes(block[20..24].try_into().unwrap()) as usize;
            let entries = u32::from_le_bytes(block[16..20].try_into().unwrap());
            // The tree of blocks, whose third key is 6.
            if entries == 22 {
                let at = 32 + most * 8 + 2 * 8;
                block[at..at + 8].copy_from_slice(&(1_000_000_u64 << 24).to_le_bytes());
                place.set(number * 4096 + at);
            }
        });
    });
    let errors = (0..64).zip(errors);
    let errors: Vec<_> = errors
        .filter_map(|(block, error)| Some((block, error?)))
        .collect();
    let [(6, error)] = &errors[..] else {
        panic!("{errors:?}");
    };
    let words = "thin block 6: data block 1000000 is past the end of the pool's data";
    check(error, Kind::Corrupt, &[words], Some(place.get()));
}
