//! LVM2 by HOSTILE.md: labels, areas and texts broken field by field, and volumes that stand on
//! themselves.

use std::time::{Duration, Instant};

use imgmount::stack::{Content, Stack};

use crate::partition::disk;
use crate::support::images::Scratch;
use crate::volume::lvm::groups::{look, problem};
use crate::volume::lvm::made::{
    EXTENT, Physical, START, checksum, extent, hidden, linear, logical, segment, text,
};
use crate::volume::lvm::{bytes, numbered, thin};

/// One physical volume of eight extents with this text.
fn image(text: &str) -> Vec<u8> {
    Physical::new('a', text).with(8)
}

/// A group with `root` on two extents, and this besides.
fn with(more: &str) -> Vec<u8> {
    let root = logical("root", &[linear(0, 2, "\"pv0\", 3")]);
    image(&text(1, "a", 8, "", &(root + more)))
}

/// That `root` is there and right, and why the volume called `name` is not.
fn refused(stack: &Stack, name: &str) -> String {
    let expected = [extent('a', 3), extent('a', 4)].concat();
    assert!(bytes(stack, "vg0/root") == Ok(expected), "{name}");
    bytes(stack, &format!("vg0/{name}"))
        .unwrap_err()
        .to_string()
}

/// Writes `value` at byte `at` of the first metadata area's header, whose checksum is right again.
fn header(image: &mut [u8], at: usize, value: u64) {
    image[4096 + at..4096 + at + 8].copy_from_slice(&value.to_le_bytes());
    let crc = checksum(&image[4100..4096 + 512]);
    image[4096..4100].copy_from_slice(&crc.to_le_bytes());
}

/// The same in the label.
fn label(image: &mut [u8], at: usize, value: u64) {
    image[512 + at..512 + at + 8].copy_from_slice(&value.to_le_bytes());
    let crc = checksum(&image[512 + 20..1024]);
    image[512 + 16..512 + 20].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn l01_a_label_whose_checksum_is_wrong_is_refused_at_its_byte() {
    let mut image = with("");
    image[512 + 100] ^= 1;
    let (stack, _) = look(&[image]);
    let problem = problem(&stack);
    assert!(
        problem.starts_with("LVM2_member: label: crc_xl is 0x"),
        "{problem}"
    );
    assert!(problem.contains("at byte 0x200"), "{problem}");
    assert_eq!(
        stack.disks[0].source.as_ref().unwrap().size(),
        START + 8 * EXTENT
    );
}

#[test]
fn l01_a_label_that_leads_out_of_its_sector_is_refused() {
    for (offset, words) in [
        (512, "outside its sector"),
        (u32::MAX, "outside its sector"),
        (480, "outside"),
    ] {
        let mut image = with("");
        let kind = u32::from_le_bytes(*b"LVM2");
        label(&mut image, 20, u64::from(offset) | u64::from(kind) << 32);
        let (stack, _) = look(&[image]);
        let problem = problem(&stack);
        assert!(problem.contains(words), "{offset}: {problem}");
    }
}

#[test]
fn l02_a_metadata_area_outside_of_the_disk_is_refused() {
    for (at, value, words) in [
        (104, 1 << 60, "are past the end of"),
        (
            112,
            1 << 60,
            "its 1152921504606846976 bytes are past the end",
        ),
        (112, u64::MAX, "are past the end of"),
        (112, 512, "or too few"),
    ] {
        let mut image = with("");
        label(&mut image, at, value);
        let (stack, _) = look(&[image]);
        let problem = problem(&stack);
        assert!(problem.contains(words), "{at} {value}: {problem}");
    }
}

#[test]
fn l02_a_metadata_header_that_says_otherwise_is_refused() {
    for (at, value, words) in [
        (24, 8192, "its header says that it is at 0x2000"),
        (32, 1 << 60, "with 1152921504606846976 bytes"),
        (40, 1 << 60, "do not fit into its ring"),
        (40, 100, "do not fit into its ring"),
        (48, 1 << 60, "is over 16777216"),
        (48, 60 << 10, "do not fit into its ring"),
        (20, 7, "version 7"),
    ] {
        let mut image = with("");
        if at == 20 {
            image[4096 + 20] = 7;
            let crc = checksum(&image[4100..4096 + 512]);
            image[4096..4100].copy_from_slice(&crc.to_le_bytes());
        } else {
            header(&mut image, at, value);
        }
        let (stack, _) = look(&[image]);
        let problem = problem(&stack);
        assert!(problem.contains(words), "{at} {value}: {problem}");
    }
    let mut image = with("");
    image[4096 + 300] ^= 1;
    let (stack, _) = look(&[image]);
    let problem = problem(&stack);
    assert!(problem.contains("checksum_xl is"), "{problem}");
}

#[test]
fn l03_a_text_that_is_none_is_refused() {
    for (text, words) in [
        ("vg0 { id = \"".to_owned(), "a string does not end"),
        ("vg0 { id = \"\0\" }".to_owned(), "a zero byte"),
        ("a{".repeat(20_000), "nest more than 32 deep"),
        ("version = 1".to_owned(), "the text has no group"),
        ("vg0 { }".to_owned(), "id is \"\""),
        (
            "vg0 { } version = 2".to_owned(),
            "version 2 of the metadata text",
        ),
    ] {
        let (stack, _) = look(&[image(&text)]);
        let problem = problem(&stack);
        assert!(problem.contains(words), "{problem}");
    }
}

#[test]
fn l03_a_text_of_256_mib_is_refused_before_it_is_read() {
    let mut image = with("");
    let size = 256 << 20;
    header(&mut image, 32, size);
    header(&mut image, 48, size - 1024);
    label(&mut image, 112, size);
    image.resize(image.len() + size as usize, b' ');
    let start = Instant::now();
    let (stack, _) = look(&[image]);
    let problem = problem(&stack);
    assert!(problem.contains("is over 16777216"), "{problem}");
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn l04_volumes_that_stand_on_themselves_are_a_segment_loop() {
    let mirror = "type = \"mirror\"\nmirror_count = 2\nmirrors = [\"m0\", 0, \"m1\", 0]";
    let more = [
        logical("self", &[linear(0, 1, "\"self\", 0")]),
        logical("one", &[linear(0, 1, "\"other\", 0")]),
        logical("other", &[linear(0, 1, "\"one\", 0")]),
        logical("m", &[segment(0, 1, mirror)]),
        hidden("m0", &[linear(0, 1, "\"m\", 0")]),
        hidden("m1", &[linear(0, 1, "\"m\", 0")]),
    ];
    let (stack, _) = look(&[with(&more.concat())]);
    assert!(refused(&stack, "self").contains("segment loop: self on self"));
    assert!(refused(&stack, "one").contains("segment loop: one on other on one"));
    assert!(refused(&stack, "other").contains("segment loop"));
    assert!(refused(&stack, "m").contains("segment loop: m on m0 on m"));
}

#[test]
fn l04_a_tower_of_volumes_has_an_end() {
    let floors = (0..200).map(|floor| {
        let area = match floor {
            0 => "\"pv0\", 0".to_owned(),
            _ => format!("\"f{}\", 0", floor - 1),
        };
        logical(&format!("f{floor}"), &[linear(0, 1, &area)])
    });
    let floors: Vec<String> = floors.collect();
    let (stack, _) = look(&[with(&floors.concat())]);
    // From below each is made before the next one needs it, and none stands on too many.
    let reversed: String = floors.into_iter().rev().collect();
    let (high, _) = look(&[with(&reversed)]);
    assert!(refused(&high, "f199").contains("more than 16 volumes stand on one another"));
    assert!(refused(&stack, "f199").contains("more than 16 volumes"));
}

#[test]
fn l05_sizes_that_cannot_be_are_refused() {
    for (from, to, words) in [
        ("extent_size = 8", "extent_size = 0", "extent_size is 0"),
        (
            "extent_size = 8",
            "extent_size = 1099511627776",
            "extent_size is 1099511627776",
        ),
        ("extent_size = 8", "extent_size = -8", "extent_size is -8"),
        (
            "pe_start = 256",
            "pe_start = 9223372036854775807",
            "pe_start is",
        ),
    ] {
        let text = text(1, "a", 8, "", "");
        assert!(text.contains(from));
        let (stack, _) = look(&[image(&text.replace(from, to))]);
        let problem = problem(&stack);
        assert!(problem.contains(words), "{problem}");
    }
}

#[test]
fn l05_segments_that_cannot_be_cost_their_volume_alone() {
    let far = 9_000_000_000_000_000_000;
    let stripes = |rest: &str| {
        let two = "stripes = [\"pv0\", 0, \"pv0\", 4]";
        segment(0, 4, &format!("type = \"striped\"\n{rest}\n{two}"))
    };
    for (segment, words) in [
        (stripes("stripe_count = 0"), "stripe_count is 0"),
        (
            stripes("stripe_count = 2\nstripe_size = 0"),
            "stripe_size is 0",
        ),
        (linear(0, 1, "\"pv0\", 8"), "past the 8 of pv0"),
        (linear(0, far, "\"pv0\", 0"), "are too many"),
        (
            linear(0, 1, &format!("\"pv0\", {far}")),
            "past the 8 of pv0",
        ),
        (
            linear(0, 1, "\"nothing\", 0"),
            "no volume is called nothing",
        ),
        (linear(far, far, "\"pv0\", 0"), "leave a gap"),
    ] {
        let (stack, _) = look(&[with(&logical("x", &[segment]))]);
        let error = refused(&stack, "x");
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn l06_segments_that_overlap_or_leave_a_gap_cost_their_volume_alone() {
    for (start, words) in [(1, "overlap"), (3, "leave a gap")] {
        let segments = [linear(0, 2, "\"pv0\", 0"), linear(start, 2, "\"pv0\", 2")];
        let (stack, _) = look(&[with(&logical("x", &segments))]);
        let error = refused(&stack, "x");
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn l07_what_is_missing_is_named_and_the_rest_opens() {
    let more = logical("half", &[linear(0, 1, "\"pv1\", 0")]);
    let root = logical("root", &[linear(0, 2, "\"pv0\", 3")]);
    let (stack, _) = look(&[image(&text(1, "ab", 8, "", &(root + &more)))]);
    let error = refused(&stack, "half");
    assert!(
        error.contains("bbbbbb-bbbb-bbbb-bbbb-bbbb-bbbb-bbbbbb is missing"),
        "{error}"
    );
}

#[test]
fn l08_two_copies_of_a_physical_volume_are_refused_and_both_are_listed() {
    let (stack, _) = look(&[with(""), with(""), with("")]);
    let problem = problem(&stack);
    assert!(
        problem.contains("disk and disk2 are the same member"),
        "{problem}"
    );
}

/// A pool with one volume of 64 blocks, in which every third is mapped, as `change` leaves its
/// metadata; and which blocks of it can be read.
fn broken_pool(change: impl Fn(&mut [u8])) -> Vec<bool> {
    let scratch = Scratch::new();
    let mappings = (0..64).step_by(3).map(|block| (block, block + 1)).collect();
    let mut bytes = thin::metadata(&scratch, &[(1, mappings)], 2 << 20);
    change(&mut bytes);
    let body = "type = \"thin\"\nthin_pool = \"pool\"\ndevice_id = 1";
    let count = 64 * thin::CHUNK / EXTENT;
    let volume = logical("thin1", &[segment(0, count, body)]);
    let (stack, _, start) = thin::pool(&bytes, 65, &volume);
    let read = |block| numbered::place(&stack, "vg0/thin1", block * thin::CHUNK, start).is_ok();
    (0..64).map(read).collect()
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

#[test]
fn l09_a_pool_whose_tree_has_no_end_is_no_hang() {
    need!(tool "thin_restore");
    assert!(broken_pool(|_| ()).iter().all(|read| *read));
    let start = Instant::now();
    // Every node leads to itself.
    let looped = broken_pool(|bytes| {
        change_nodes(bytes, |number, block| {
            block[4] = 1;
            block[24..28].copy_from_slice(&8_u32.to_le_bytes());
            let most = u32::from_le_bytes(block[20..24].try_into().unwrap()) as usize;
            for value in block[32 + most * 8..].chunks_exact_mut(8).take(most) {
                value.copy_from_slice(&(number as u64).to_le_bytes());
            }
        });
    });
    assert!(looped.iter().all(|read| !read));
    // More keys than there is room for, values of another size, flags of neither kind.
    for (at, value) in [
        (16, u32::MAX),
        (20, u32::MAX),
        (24, 0),
        (24, 4096),
        (4, 3),
        (4, 0),
        (8, 7),
    ] {
        let broken = broken_pool(|bytes| {
            change_nodes(bytes, |_, block| {
                block[at..at + 4].copy_from_slice(&value.to_le_bytes())
            });
        });
        assert!(broken.iter().all(|read| !read), "{at} {value}");
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
    let broken = broken_pool(|bytes| {
        change_nodes(bytes, |_, block| {
            let most = u32::from_le_bytes(block[20..24].try_into().unwrap()) as usize;
            let entries = u32::from_le_bytes(block[16..20].try_into().unwrap());
            // The tree of blocks, whose third key is 6.
            if entries == 22 {
                let at = 32 + most * 8 + 2 * 8;
                block[at..at + 8].copy_from_slice(&(1_000_000_u64 << 24).to_le_bytes());
            }
        });
    });
    let unread: Vec<usize> = (0..64).filter(|block| !broken[*block]).collect();
    assert_eq!(unread, [6]);
}

/// Reads all of every volume, as far as it goes.
fn read_all(stack: &Stack) -> usize {
    let mut read = 0;
    for node in stack.nodes() {
        let Ok(source) = &node.source else { continue };
        let mut at = 0;
        while at < source.size().min(1 << 20) {
            let len = (source.size() - at).min(64 << 10);
            read += usize::from(imgmount::source::read_vec(&**source, at, len as usize).is_ok());
            let extent = source.extent_at(at);
            at += extent.map_or(len, |extent| extent.len.get().max(len));
        }
    }
    read
}

#[test]
fn mutants_of_groups_neither_panic_nor_hang() {
    need!(images, tool "xz");
    let count = std::env::var("IMGMOUNT_MUTANTS").map_or(2000, |text| text.parse().unwrap());
    let mut seeds: Vec<(Vec<u8>, Vec<usize>)> = Vec::new();
    for name in ["lvm.raw", "lvm.bin", "lvm-thin.bin", "lvm-mirror-1.bin"] {
        let scratch = Scratch::new();
        let path = crate::support::images::unpack(&format!("volume/lvm/{name}.xz"), &scratch);
        let bytes = std::fs::read(path).unwrap();
        let sectors = bytes.chunks(512).enumerate();
        let used = sectors.filter(|(_, sector)| sector.iter().any(|byte| *byte != 0));
        let used = used.map(|(number, _)| number).collect();
        seeds.push((bytes, used));
    }
    let mut numbers = super::flips::Numbers(6);
    let mut read = 0;
    for round in 0..count {
        let (bytes, used) = &seeds[round % seeds.len()];
        let mut mutant = bytes.clone();
        for _ in 0..=numbers.below(6) {
            let sector = used[numbers.below(used.len().min(60))];
            let at = sector * 512 + numbers.below(512);
            mutant[at] ^= 1 << numbers.below(8);
        }
        let context = crate::partition::disk::context(imgmount::format::Options {
            ignore_checksums: round % 2 == 0,
            ..Default::default()
        });
        let source = std::sync::Arc::new(imgmount::source::Memory(mutant));
        let start = Instant::now();
        if let Ok(stack) = Stack::open(source, &context) {
            read += read_all(&stack);
        }
        assert!(start.elapsed() < Duration::from_secs(20), "mutant {round}");
    }
    assert!(read > count, "only {read} pieces were read");
}

#[test]
fn l10_a_million_volumes_are_bounded() {
    let volumes: String = (0..1_000_000)
        .map(|number| format!("l{number}{{}}"))
        .collect();
    let physical = Physical {
        area: 16 << 20,
        ..Physical::new('a', &text(1, "a", 8, "", &volumes))
    };
    let head = physical.head();
    let start = Instant::now();
    let (stack, _) = look(&[head]);
    let problem = problem(&stack);
    assert!(
        problem.contains("more than 65536 logical volumes"),
        "{problem}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn l10_as_many_volumes_as_are_shown_end_with_a_notice() {
    let area = "\"pv0\", 0";
    let volumes: String = (0..20_000)
        .map(|number| logical(&format!("l{number}"), &[linear(0, 1, area)]))
        .collect();
    let physical = Physical {
        area: 8 << 20,
        ..Physical::new('a', &text(1, "a", 8, "", &volumes))
    };
    let (stack, notices) = look(&[physical.head()]);
    assert_eq!(stack.nodes().len(), 4096);
    assert!(
        notices
            .iter()
            .any(|it| it.contains("more than 4096 volumes")),
        "{notices:?}"
    );
    assert!(matches!(stack.disks[0].content, Content::Member { .. }));
    assert!(disk::kind(&stack.sets[0].content).starts_with("table"));
}
