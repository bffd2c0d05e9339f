//! HOSTILE P10, and mutants: Apple maps, BSD, Sun and SGI labels, and the tables in slices of an MBR.

use std::panic::{AssertUnwindSafe, catch_unwind};

use imgmount::stack::{Content, Stack};

use super::flips::Numbers;
use super::mutants::count;
use crate::partition::disk;
use crate::partition::slices::{bsd_label, minix_table, solaris_table, unixware_label, words};

/// The first sector of the slice of [`sliced`].
const START: u32 = 64;

/// How large the disks are, in sectors.
const SECTORS: u32 = 512;

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// An empty disk.
fn empty() -> Vec<u8> {
    vec![0; SECTORS as usize * 512]
}

/// An MBR with one slice of `kind`, and `table` in its sector `sector`.
fn sliced(kind: u8, sector: u32, table: &[u8]) -> Vec<u8> {
    let mut bytes = empty();
    put(&mut bytes, 0, &minix_table(&[(kind, START, 400)]));
    put(&mut bytes, (START + sector) as usize * 512, table);
    bytes
}

/// A Sun label that counts `count` partitions: first cylinder (of 16 sectors) and sectors.
fn sun(count: u16, partitions: &[(u32, u32)]) -> Vec<u8> {
    let mut bytes = empty();
    put(&mut bytes, 128, &1_u32.to_be_bytes());
    put(&mut bytes, 140, &count.to_be_bytes());
    put(&mut bytes, 188, &0x600d_deee_u32.to_be_bytes());
    put(&mut bytes, 436, &[0, 1, 0, 16]);
    for (index, (cylinder, sectors)) in partitions.iter().enumerate() {
        put(&mut bytes, 444 + index * 8, &cylinder.to_be_bytes());
        put(&mut bytes, 448 + index * 8, &sectors.to_be_bytes());
    }
    put(&mut bytes, 508, &[0xda, 0xbe]);
    seal_sun(&mut bytes);
    bytes
}

fn seal_sun(bytes: &mut [u8]) {
    let words = bytes[..510].as_chunks::<2>().0.iter();
    let sum = words.fold(0, |sum, word| sum ^ u16::from_be_bytes(*word));
    put(bytes, 510, &sum.to_be_bytes());
}

/// An SGI label: sectors, first sector and type of each partition.
fn sgi(partitions: &[(u32, u32, u32)]) -> Vec<u8> {
    let mut bytes = empty();
    put(&mut bytes, 0, &[0x0b, 0xe5, 0xa9, 0x41]);
    for (index, (sectors, first, kind)) in partitions.iter().enumerate() {
        let entry: Vec<u8> = [sectors, first, kind]
            .into_iter()
            .flat_map(|it| it.to_be_bytes())
            .collect();
        put(&mut bytes, 312 + index * 12, &entry);
    }
    seal_sgi(&mut bytes);
    bytes
}

fn seal_sgi(bytes: &mut [u8]) {
    put(bytes, 504, &[0; 4]);
    let words = bytes[..512].as_chunks::<4>().0.iter();
    let words = words.map(|word| u32::from_be_bytes(*word));
    let sum = words.fold(0, u32::wrapping_add);
    put(bytes, 504, &0_u32.wrapping_sub(sum).to_be_bytes());
}

/// An Apple map that counts `count` entries: first block and blocks of those that are there.
fn mac(count: u32, entries: &[(u32, u32)]) -> Vec<u8> {
    let mut bytes = empty();
    put(&mut bytes, 0, b"ER\x02\0");
    for (index, (start, blocks)) in entries.iter().enumerate() {
        let at = 512 * (index + 1);
        put(&mut bytes, at, b"PM");
        put(&mut bytes, at + 4, &count.to_be_bytes());
        put(&mut bytes, at + 8, &start.to_be_bytes());
        put(&mut bytes, at + 12, &blocks.to_be_bytes());
        put(
            &mut bytes,
            at + 48,
            if index == 0 {
                b"Apple_partition_map"
            } else {
                b"Apple_HFS"
            },
        );
    }
    bytes
}

/// A BSD label of its own in sector 1.
fn bsd(count: u16, partitions: &[(u8, u32, u32)]) -> Vec<u8> {
    let mut bytes = empty();
    put(&mut bytes, 512, &bsd_label(count, partitions));
    bytes
}

/// Number, first sector, sectors, and how many bytes can be had of each partition.
fn partitions(stack: &Stack) -> Vec<(u32, u64, u64, Option<u64>)> {
    let (_, nodes) = disk::table(stack);
    let row = |node: &imgmount::stack::Node| {
        let (start, len) = node.location.unwrap();
        let readable = node.source.as_ref().ok().map(|source| source.size());
        (
            disk::partition(node).number,
            start / 512,
            len / 512,
            readable,
        )
    };
    nodes.iter().map(row).collect()
}

/// How deep tables lie in tables.
fn depth(content: &Content) -> usize {
    let inner = content.children().iter().map(|node| depth(&node.content));
    inner.max().map_or(0, |depth| depth + 1)
}

#[test]
fn p10_an_sgi_label_lists_what_leaves_the_disk_and_cuts_it() {
    let bytes = sgi(&[
        (100, 64, 10),
        (u32::MAX, 100, 5),
        (1, u32::MAX, 5),
        (u32::MAX, 0, 10),
    ]);
    let (stack, notices) = disk::open(bytes);
    let all = u64::from(u32::MAX);
    let size = u64::from(SECTORS) * 512;
    let expected = [
        (1, 64, 100, Some(51200)),
        (2, 100, all, Some(size - 51200)),
        (3, all, 1, None),
        (4, 0, all, Some(size)),
    ];
    assert_eq!(partitions(&stack), expected);
    assert!(
        notices.iter().any(|it| it.contains("p2 ends")),
        "{notices:?}"
    );
    // The fourth is the whole disk, and does not open the label again.
    assert_eq!(depth(&stack.disks[0].content), 1);
}

#[test]
fn p10_a_sun_label_of_65536_partitions_has_eight() {
    let partitions_of = |bytes| partitions(&disk::open(bytes).0);
    let places = [(1, 16); 8];
    for count in [8, 9, u16::MAX] {
        assert_eq!(partitions_of(sun(count, &places)).len(), 8, "{count}");
    }
    // A cylinder so far that no disk has it.
    let (stack, _) = disk::open(sun(2, &[(u32::MAX, u32::MAX), (0, 16)]));
    let far = u64::from(u32::MAX) * 16;
    let expected = [(1, far, u64::from(u32::MAX), None), (2, 0, 16, Some(8192))];
    assert_eq!(partitions(&stack), expected);
}

#[test]
fn p10_a_bsd_label_of_65536_partitions_has_what_it_has_room_for() {
    let one = [(7, 100, 16); 18];
    let (stack, notices) = disk::open(bsd(u16::MAX, &one));
    assert_eq!(partitions(&stack).len(), 18);
    assert!(
        notices
            .iter()
            .any(|it| it.contains("d_npartitions is 65535"))
    );
    // In a slice the kernel takes sixteen.
    let (stack, _) = disk::open(sliced(0xa5, 1, &bsd_label(u16::MAX, &one)));
    let numbers: Vec<u32> = partitions(&stack).iter().map(|it| it.0).collect();
    assert_eq!(
        numbers,
        [&[1], (5..21).collect::<Vec<u32>>().as_slice()].concat()
    );
}

#[test]
fn p10_a_solaris_table_of_65536_slices_has_sixteen() {
    for (count, expected) in [(u16::MAX, 16), (9, 16), (8, 8), (0, 8)] {
        let table = solaris_table(count, &[(2, 10, 20); 16]);
        let (stack, _) = disk::open(sliced(0xbf, 1, &table));
        assert_eq!(partitions(&stack).len(), 1 + expected, "{count}");
    }
    let table = solaris_table(1, &[(2, u32::MAX, u32::MAX)]);
    let (stack, _) = disk::open(sliced(0xbf, 1, &table));
    assert_eq!(partitions(&stack)[1].3, None);
}

#[test]
fn p10_a_minix_table_that_names_its_own_slice_ends() {
    // Each of the four is the slice itself, whose table names sectors from its own start then.
    let table = minix_table(&[(0x81, START, 400); 4]);
    let (stack, _) = disk::open(sliced(0x81, 0, &table));
    let numbers: Vec<u32> = partitions(&stack).iter().map(|it| it.0).collect();
    assert_eq!(numbers, [1, 5, 6, 7, 8]);
    assert!(depth(&stack.disks[0].content) <= 8);
    // Every sector of the disk is the same table: tables in tables, as deep as any may lie.
    let sector = minix_table(&[
        (0x81, 1, 500),
        (0x81, 2, 500),
        (0x05, 1, 500),
        (0x81, 3, 500),
    ]);
    let (stack, notices) = disk::open(sector.repeat(SECTORS as usize));
    assert!(depth(&stack.disks[0].content) <= 8);
    assert!(stack.nodes().len() <= 4096, "{}", stack.nodes().len());
    assert!(
        notices
            .iter()
            .any(|it| it.contains("more than 4096 volumes"))
    );
}

#[test]
fn p10_an_apple_map_whose_entries_are_the_map_and_the_disk() {
    let all = [(1, 3), (0, SECTORS), (1, u32::MAX), (u32::MAX, 1)];
    let (stack, _) = disk::open(mac(4, &all));
    let found = partitions(&stack);
    assert_eq!(found.len(), 4);
    assert_eq!(
        (found[1].3, found[3].3),
        (Some(u64::from(SECTORS) * 512), None)
    );
    assert!(depth(&stack.disks[0].content) <= 2);
    let (stack, notices) = disk::open(mac(u32::MAX, &all));
    assert_eq!(partitions(&stack).len(), 4);
    assert!(
        notices
            .iter()
            .any(|it| it.contains("pmMapBlkCnt is 4294967295"))
    );
}

/// A disk, where its table lies, and what makes its checksum right.
struct Seed {
    name: &'static str,
    bytes: Vec<u8>,
    table: std::ops::Range<usize>,
    seal: fn(&mut [u8]),
}

fn seeds() -> Vec<Seed> {
    let slice = START as usize * 512;
    let seed = |name, bytes, table| Seed {
        name,
        bytes,
        table,
        seal: |_| (),
    };
    let nested = [(7, START + 10, 20), (1, START + 40, 60), (0, START, 400)];
    let unixware = unixware_label(&[(5, START, 400), (2, 100, 50), (3, 200, 10)]);
    let mut labels = vec![
        seed("mac", mac(3, &[(1, 3), (64, 100), (200, 50)]), 0..2048),
        seed("bsd", bsd(3, &nested), 512..1024),
        seed("sun", sun(8, &[(1, 16), (4, 160), (20, 100)]), 0..512),
        seed(
            "sgi",
            sgi(&[(100, 64, 10), (50, 200, 5), (512, 0, 6)]),
            0..512,
        ),
        seed(
            "bsd in a slice",
            sliced(0xa5, 1, &bsd_label(3, &nested)),
            slice + 512..slice + 1024,
        ),
        seed(
            "solaris",
            sliced(0x82, 1, &solaris_table(8, &[(2, 10, 20), (7, 100, 60)])),
            slice + 512..slice + 1024,
        ),
        seed(
            "minix",
            sliced(
                0x81,
                0,
                &minix_table(&[(0x81, START + 8, 50), (0x81, START + 100, 60)]),
            ),
            slice + 440..slice + 512,
        ),
        seed(
            "unixware",
            sliced(0x63, 29, &unixware),
            slice + 29 * 512..slice + 30 * 512,
        ),
    ];
    labels[2].seal = seal_sun;
    labels[3].seal = seal_sgi;
    labels
}

/// `seed` with one to four fields of its table changed, in either byte order.
fn mutant(seed: &Seed, numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seed.bytes.clone();
    for _ in 0..=numbers.below(4) {
        let width = [1, 2, 4][numbers.below(3)];
        let at = seed.table.start + numbers.below(seed.table.len() - width);
        let value = [
            0,
            1,
            u32::MAX,
            0x8000_0000,
            numbers.below(600) as u32,
            numbers.below(1 << 32) as u32,
        ];
        let value = value[numbers.below(value.len())];
        let in_order = match numbers.below(2) {
            0 => words(&[value])[..width].to_vec(),
            _ => value.to_be_bytes()[4 - width..].to_vec(),
        };
        put(&mut bytes, at, &in_order);
    }
    if numbers.below(4) != 0 {
        (seed.seal)(&mut bytes);
    }
    bytes
}

#[test]
fn p10_mutants_of_every_label_open_or_are_refused() {
    let mut numbers = Numbers(10);
    for seed in seeds() {
        let (stack, _) = disk::open(seed.bytes.clone());
        assert!(disk::table(&stack).1.len() >= 3, "{}", seed.name);
        let mut tables = 0;
        for round in 0..count() {
            let bytes = mutant(&seed, &mut numbers);
            let opened = catch_unwind(AssertUnwindSafe(|| disk::try_open(bytes, None)));
            let (stack, _) =
                opened.unwrap_or_else(|_| panic!("{} {round}: the panic above", seed.name));
            let stack = stack.unwrap();
            assert!(stack.nodes().len() <= 4096);
            assert!(depth(&stack.disks[0].content) <= 8);
            let is_table = matches!(stack.disks[0].content, Content::Table { .. });
            tables += usize::from(is_table);
        }
        assert!(
            tables * 4 > count(),
            "{}: only {tables} were tables",
            seed.name
        );
    }
}
