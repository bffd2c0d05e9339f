//! Damaged and hostile tables, P01 to P09 (P09 is in `oracle`): each is a table that a tool made
//! with one thing changed, checksums made right again where a later check is meant.

use imgmount::error::Kind;
use imgmount::stack::{Content, Stack};

use super::disk::{self, MIB, backup, changed, lines, open, put_entry, put_header};
use crate::support::images::Scratch;

/// Where the primary GPT header lies.
const PRIMARY: usize = 512;

/// Asserts that the GPT is refused with `message` about the field that is at byte `field` of the
/// primary header, and the disk is still there.
fn refused(bytes: Vec<u8>, field: usize, message: &str) {
    let size = bytes.len() as u64;
    let (stack, _) = open(bytes);
    let disk = &stack.disks[0];
    let Content::Damaged { format, error, .. } = &disk.content else {
        panic!("{}", disk::kind(&disk.content));
    };
    assert_eq!((*format, error.kind()), ("gpt", Kind::Corrupt));
    assert!(error.to_string().contains(message), "{error}");
    assert_eq!(error.offset(), Some((PRIMARY + field) as u64), "{error}");
    assert_eq!(disk.source.as_ref().unwrap().size(), size);
}

/// Both headers changed alike.
fn both(bytes: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    changed(bytes, |disk| {
        put_header(disk, PRIMARY, at, value);
        let second = backup(disk);
        put_header(disk, second, at, value);
    })
}

#[test]
fn p01_a_wrong_header_checksum_opens_from_the_backup() {
    need!(tool "sgdisk");
    let seed = disk::gpt(&Scratch::new());
    let (whole, notices) = open(seed.clone());
    assert_eq!(notices, Vec::<String>::new());
    for at in [PRIMARY, PRIMARY + 16, PRIMARY + 56, 2 * 512, 2 * 512 + 40] {
        let (stack, notices) = open(changed(&seed, |disk| disk[at] ^= 0x40));
        assert_eq!(lines(&stack), lines(&whole), "byte {at}");
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert!(notices[0].starts_with("gpt: primary: "), "{notices:?}");
        assert!(notices[0].ends_with("; the backup is used"), "{notices:?}");
    }
}

#[test]
fn p01_a_damaged_backup_is_a_notice() {
    need!(tool "sgdisk");
    let seed = disk::gpt(&Scratch::new());
    let (whole, _) = open(seed.clone());
    let (stack, notices) = open(changed(&seed, |disk| {
        let at = backup(disk) + 24;
        disk[at] ^= 1;
    }));
    assert_eq!(lines(&stack), lines(&whole));
    assert!(
        notices[0].starts_with("gpt: backup: HeaderCRC32 0x"),
        "{notices:?}"
    );
}

#[test]
fn p01_both_headers_wrong_leave_the_disk() {
    need!(tool "sgdisk");
    let seed = disk::gpt(&Scratch::new());
    let bytes = changed(&seed, |disk| {
        let second = backup(disk);
        disk[PRIMARY + 24] ^= 1;
        disk[second + 24] ^= 1;
    });
    refused(bytes, 16, "gpt: primary: HeaderCRC32 0x");
    let erased = changed(&seed, |disk| {
        let second = backup(disk);
        disk[PRIMARY..PRIMARY + 512].fill(0);
        disk[second..].fill(0);
    });
    refused(
        erased,
        0,
        "primary: no EFI PART header at byte 0x200 (backup: no EFI PART header at byte 0x7ffe00)",
    );
}

#[test]
fn p01_an_image_that_grew_has_its_backup_where_the_header_says() {
    need!(tool "sgdisk");
    let seed = disk::gpt(&Scratch::new());
    let (whole, _) = open(seed.clone());
    let grown = changed(&seed, |disk| disk.resize(12 * MIB as usize, 0));
    let (stack, notices) = open(grown.clone());
    assert_eq!(lines(&stack), lines(&whole));
    assert_eq!(
        notices,
        ["gpt: the backup is not at the end of the disk: the image has grown"]
    );
    let (stack, notices) = open(changed(&grown, |disk| disk[PRIMARY + 16] ^= 1));
    assert_eq!(lines(&stack), lines(&whole));
    assert!(notices[0].ends_with("; the backup is used"), "{notices:?}");
}

#[test]
fn p02_entry_counts_and_sizes_are_bounded() {
    need!(tool "sgdisk");
    let seed = disk::gpt(&Scratch::new());
    refused(
        both(&seed, 80, &u32::MAX.to_le_bytes()),
        80,
        "NumberOfPartitionEntries 4294967295 of 128 bytes are more than 1048576 bytes",
    );
    refused(
        both(&seed, 84, &(1_u32 << 31).to_le_bytes()),
        80,
        "NumberOfPartitionEntries 128 of 2147483648 bytes are more than 1048576 bytes",
    );
    for size in [0_u32, 1, 8, 127, 129] {
        refused(
            both(&seed, 84, &size.to_le_bytes()),
            84,
            &format!("SizeOfPartitionEntry {size} is no multiple of 8 from 128 on"),
        );
    }
    for (size, least) in [(91_u32, 92), (u32::MAX, 92)] {
        let bytes = changed(&seed, |disk| {
            for header in [PRIMARY, backup(disk)] {
                disk[header + 12..header + 16].copy_from_slice(&size.to_le_bytes());
            }
        });
        refused(
            bytes,
            12,
            &format!("HeaderSize {size} is not {least} to 512"),
        );
    }
}

#[test]
fn p02_entries_of_136_bytes_are_read() {
    need!(tool "sgdisk");
    let seed = disk::gpt(&Scratch::new());
    let (whole, _) = open(seed.clone());
    let wide = changed(&seed, |disk| {
        let from = disk::entries(disk, PRIMARY);
        let narrow = disk[from..from + 3 * 128].to_vec();
        disk[from..from + 128 * 128].fill(0);
        for (index, entry) in narrow.chunks(128).enumerate() {
            let at = from + index * 136;
            disk[at..at + 128].copy_from_slice(entry);
        }
        disk[PRIMARY + 80..PRIMARY + 84].copy_from_slice(&100_u32.to_le_bytes());
        put_header(disk, PRIMARY, 84, &136_u32.to_le_bytes());
    });
    let (stack, notices) = open(wide);
    assert_eq!(lines(&stack), lines(&whole));
    assert_eq!(notices, Vec::<String>::new());
}

#[test]
fn p03_overlapping_backward_and_far_entries_are_listed_and_the_rest_opens() {
    need!(tool "sgdisk");
    let seed = disk::gpt(&Scratch::new());
    let (whole, _) = open(seed.clone());
    let put = |index: usize, at: usize, value: u64| {
        open(changed(&seed, |disk| {
            put_entry(disk, PRIMARY, index, at, &value.to_le_bytes());
        }))
    };
    let others_are_the_same = |stack: &Stack, index: usize| {
        let (mut ours, mut expected) = (lines(stack), lines(&whole));
        assert_ne!(ours.remove(index), expected.remove(index));
        assert_eq!(ours, expected);
    };

    let (stack, notices) = put(1, 32, 3000);
    others_are_the_same(&stack, 1);
    assert_eq!(notices, ["gpt: p2 overlaps p1"]);

    let (stack, notices) = put(1, 32, 9000);
    others_are_the_same(&stack, 1);
    let message = "StartingLBA 9000 is over EndingLBA 8191";
    let place = disk::entries(&seed, PRIMARY) + 128;
    assert_eq!(notices, [format!("gpt: p2: {message} at byte {place:#x}")]);
    let node = &disk::table(&stack).1[1];
    let error = node.source.as_ref().err().unwrap();
    let found = (error.message(), error.kind(), error.offset());
    assert_eq!(found, (message, Kind::Corrupt, Some(place as u64)));

    // The last partition ends past the disk of 16384 sectors: it is cut, as the kernel does.
    let (stack, notices) = put(2, 40, 20000);
    others_are_the_same(&stack, 2);
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert_eq!(
        notices[1],
        format!(
            "gpt: p3 ends {} bytes past the end of the disk and is cut there",
            (20001 - 16384) * 512
        )
    );
    let node = &disk::table(&stack).1[2];
    assert_eq!(node.source.as_ref().unwrap().size(), (16384 - 8192) * 512);

    let (stack, _) = put(2, 40, u64::MAX);
    others_are_the_same(&stack, 2);
    let error = disk::table(&stack).1[2].source.as_ref().err().unwrap();
    let message = "LBA 8192 to 18446744073709551615 is more than 2^64 bytes";
    let found = (error.message(), error.kind(), error.offset());
    let place = place as u64 + 128;
    assert_eq!(found, (message, Kind::Corrupt, Some(place)));
    let (stack, _) = open(changed(&seed, |disk| {
        put_entry(disk, PRIMARY, 2, 40, &(1_u64 << 40).to_le_bytes());
        put_entry(disk, PRIMARY, 2, 32, &(1_u64 << 39).to_le_bytes());
    }));
    others_are_the_same(&stack, 2);
    let error = disk::table(&stack).1[2]
        .source
        .as_ref()
        .err()
        .unwrap()
        .clone();
    let message = "starts past the end of the disk of 8388608 bytes";
    let found = (error.message(), error.kind(), error.offset());
    assert_eq!(found, (message, Kind::Corrupt, Some(512 << 39)));
}

#[test]
fn p03_a_wrong_usable_range_is_a_notice() {
    need!(tool "sgdisk");
    let seed = disk::gpt(&Scratch::new());
    let (whole, _) = open(seed.clone());
    let (stack, notices) = open(changed(&seed, |disk| {
        put_header(disk, PRIMARY, 40, &3000_u64.to_le_bytes());
    }));
    assert_eq!(lines(&stack), lines(&whole));
    assert_eq!(
        notices,
        ["gpt: p1 lies outside of the usable LBA 3000 to 16350"]
    );
}

/// `seed` with both headers saying that the entries begin at block `lba`, where nothing is written.
fn with_entries_at(seed: &[u8], lba: u64) -> Vec<u8> {
    changed(seed, |disk| {
        for header in [PRIMARY, backup(disk)] {
            disk[header + 72..header + 80].copy_from_slice(&lba.to_le_bytes());
            let mut copy = disk[header..header + 92].to_vec();
            copy[16..20].fill(0);
            let checksum = crc32fast::hash(&copy).to_le_bytes();
            disk[header + 16..header + 20].copy_from_slice(&checksum);
        }
    })
}

#[test]
fn p04_a_header_that_says_it_is_elsewhere_is_refused() {
    need!(tool "sgdisk");
    let seed = disk::gpt(&Scratch::new());
    for lba in [0_u64, 2, u64::MAX] {
        refused(
            both(&seed, 24, &lba.to_le_bytes()),
            24,
            &format!("MyLBA {lba} in the header at LBA 1"),
        );
    }
    for lba in [0_u64, 1] {
        let bytes = with_entries_at(&seed, lba);
        let message = format!("PartitionEntryLBA {lba} is the MBR's or the header's");
        refused(bytes, 72, &message);
    }
}

#[test]
fn p04_entries_past_the_disk_are_the_headers_fault() {
    need!(tool "sgdisk");
    let seed = disk::gpt(&Scratch::new());
    let blocks = seed.len() as u64 / 512;
    for lba in [blocks - 31, blocks, 1 << 40, u64::MAX] {
        let message = format!("PartitionEntryLBA {lba}: 16384 bytes there are past the end");
        refused(with_entries_at(&seed, lba), 72, &message);
    }
}

/// An MBR disk of 8 MiB: p1, the extended p2 at sector 4096, and p5 to p7 in it.
fn mbr(scratch: &Scratch) -> Vec<u8> {
    let script = "label: dos\nlabel-id: 0x0badcafe\n1: start=2048,size=1024,type=83\n\
        2: start=4096,size=8192,type=5\n5: start=4160,size=512,type=83\n\
        6: start=6144,size=512,type=83\n7: start=8192,size=512,type=83\n";
    std::fs::read(disk::sfdisk(scratch, 8 * MIB, script)).unwrap()
}

/// Where the boot record is that names `logical` (5, 6, 7), by walking the chain.
fn record(disk: &[u8], logical: usize) -> usize {
    let mut at = 4096;
    for _ in 5..logical {
        at = 4096 + disk::number(disk, at * 512 + 446 + 16 + 8, 4) as usize;
    }
    at * 512
}

/// Sets the link of the boot record at `at` to `sector`, counted from the extended partition.
fn link(disk: &mut [u8], at: usize, sector: u32) {
    let entry = at + 446 + 16;
    disk[entry + 4] = 5;
    disk[entry + 8..entry + 12].copy_from_slice(&sector.to_le_bytes());
    disk[entry + 12..entry + 16].copy_from_slice(&1024_u32.to_le_bytes());
}

fn names(stack: &Stack) -> Vec<&str> {
    let (_, nodes) = disk::table(stack);
    nodes.iter().map(|node| node.name.as_str()).collect()
}

#[test]
fn p05_a_loop_of_boot_records_stops_where_it_closes() {
    need!(tool "sfdisk");
    let seed = mbr(&Scratch::new());
    assert_eq!(names(&open(seed.clone()).0), ["p1", "p2", "p5", "p6", "p7"]);
    let first = record(&seed, 5);
    let second = (record(&seed, 6) - first) / 512;
    // The third leads to the second; the third to itself; the first to itself.
    let third = (record(&seed, 7) - first) / 512;
    for (from, to, left) in [(7, second, 5), (7, third, 5), (5, 0, 3)] {
        let (stack, notices) = open(changed(&seed, |disk| {
            let at = record(disk, from);
            link(disk, at, to as u32);
        }));
        assert_eq!(names(&stack).len(), left);
        let byte = first + to * 512;
        assert_eq!(
            notices,
            [format!(
                "mbr: extended partition: the boot record at byte {byte:#x} comes twice, the chain ends there"
            )]
        );
    }
}

#[test]
fn p05_a_chain_of_5000_boot_records_is_cut_at_1000() {
    need!(tool "sfdisk");
    let seed = mbr(&Scratch::new());
    let (stack, notices) = open(changed(&seed, |disk| {
        let first = 4096 * 512;
        for index in 0..5000 {
            let at = first + index * 512;
            disk[at..at + 512].fill(0);
            disk[at + 510..at + 512].copy_from_slice(&[0x55, 0xaa]);
            disk[at + 446 + 4] = 0x83;
            disk[at + 446 + 8] = 1;
            disk[at + 446 + 12] = 1;
            link(disk, at, index as u32 + 1);
        }
    }));
    assert_eq!(names(&stack).len(), 1002);
    assert!(
        notices.contains(
            &"mbr: extended partition: more than 1000 boot records, the rest is left out"
                .to_owned()
        ),
        "{notices:?}"
    );
}

#[test]
fn p06_a_boot_record_outside_its_extended_partition_is_dropped() {
    need!(tool "sfdisk");
    let seed = mbr(&Scratch::new());
    let (stack, notices) = open(changed(&seed, |disk| {
        let at = record(disk, 6);
        link(disk, at, 9000);
    }));
    assert_eq!(names(&stack), ["p1", "p2", "p5", "p6"]);
    let byte = (4096 + 9000) * 512;
    assert_eq!(
        notices,
        [format!(
            "mbr: extended partition: the boot record at byte {byte:#x} lies outside, the chain ends there"
        )]
    );
}

#[test]
fn p06_a_boot_record_without_its_magic_ends_the_chain() {
    need!(tool "sfdisk");
    let seed = mbr(&Scratch::new());
    let at = record(&seed, 6);
    let (stack, notices) = open(changed(&seed, |disk| disk[at + 510] = 0));
    assert_eq!(names(&stack), ["p1", "p2", "p5"]);
    assert_eq!(
        notices,
        [format!(
            "mbr: extended partition: no boot record at byte {at:#x}, the chain ends there"
        )]
    );
}

#[test]
fn p07_mbr_entries_that_overlap_or_leave_the_disk() {
    need!(tool "sfdisk");
    let seed = mbr(&Scratch::new());
    let (stack, notices) = open(changed(&seed, |disk| {
        disk[446 + 12..446 + 16].copy_from_slice(&3000_u32.to_le_bytes())
    }));
    assert_eq!(names(&stack), ["p1", "p2", "p5", "p6", "p7"]);
    assert_eq!(notices, ["mbr: p5 overlaps p1"]);
    let (stack, notices) = open(changed(&seed, |disk| {
        disk[446 + 8..446 + 12].copy_from_slice(&u32::MAX.to_le_bytes())
    }));
    assert_eq!(notices, Vec::<String>::new());
    let (_, nodes) = disk::table(&stack);
    let error = nodes[0].source.as_ref().err().unwrap();
    let found = (error.message(), error.kind(), error.offset());
    let message = "starts past the end of the disk of 8388608 bytes";
    let place = u64::from(u32::MAX) * 512;
    assert_eq!(found, (message, Kind::Corrupt, Some(place)));
    assert!(nodes[1..].iter().all(|node| node.source.is_ok()));
}

#[test]
fn p07_a_protective_mbr_with_more_partitions_and_no_gpt_shows_those() {
    need!(tool "sfdisk");
    let seed = mbr(&Scratch::new());
    let (stack, notices) = open(changed(&seed, |disk| {
        disk[446 + 48..446 + 64].copy_from_slice(&[
            0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 0xff, 0, 0,
        ]);
    }));
    assert_eq!(disk::table(&stack).0, "mbr");
    assert_eq!(names(&stack), ["p1", "p2", "p5", "p6", "p7"]);
    assert_eq!(
        notices,
        [
            "disk: gpt: primary: no EFI PART header at byte 0x200 (backup: no EFI PART header at byte 0x7ffe00)"
        ]
    );
}

#[test]
fn p08_a_hybrid_mbr_shows_the_gpt_as_the_kernel_does() {
    need!(tool "sgdisk");
    let scratch = Scratch::new();
    let seed = disk::gpt(&scratch);
    let (whole, _) = open(seed.clone());
    let path = scratch.join("gpt");
    crate::support::command::Run::new("sgdisk")
        .words("-h 1:2")
        .arg(&path)
        .run();
    let hybrid = std::fs::read(path).unwrap();
    assert_ne!(hybrid, seed);
    let (stack, notices) = open(hybrid);
    assert_eq!(lines(&stack), lines(&whole));
    assert_eq!(
        notices,
        ["gpt: the MBR has partitions of its own (hybrid): those of the GPT are shown"]
    );
}

#[test]
fn an_mbr_beside_a_forgotten_gpt_header_is_the_table() {
    need!(tool "sgdisk", tool "sfdisk");
    let scratch = Scratch::new();
    let gpt = disk::gpt(&scratch);
    let (stack, _) = open(changed(&mbr(&scratch), |disk| {
        disk[512..34 * 512].copy_from_slice(&gpt[512..34 * 512]);
    }));
    assert_eq!(disk::table(&stack).0, "mbr");
}

#[test]
fn tables_with_any_bit_flipped_or_any_sector_cut_neither_panic_nor_lose_the_disk() {
    need!(tool "sgdisk", tool "sfdisk");
    let scratch = Scratch::new();
    for seed in [disk::gpt(&scratch), mbr(&scratch)] {
        let mut random = 0x1234_5678_9abc_def0_u64;
        let mut next = |below: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as usize % below
        };
        for _ in 0..600 {
            let at = next(34 * 512);
            let bit = 1 << next(8);
            let (stack, _) = open(changed(&seed, |disk| disk[at] ^= bit));
            assert!(stack.disks[0].source.is_ok());
        }
        for sector in (1..64).chain((0..40).map(|_| 64 + next(16000))) {
            let cut = seed[..sector * 512].to_vec();
            let (stack, _) = open(cut);
            assert_eq!(
                stack.disks[0].source.as_ref().unwrap().size(),
                sector as u64 * 512
            );
        }
    }
}
