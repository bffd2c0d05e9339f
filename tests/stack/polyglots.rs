//! One image that several formats claim, or none.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imgmount::error::Kind;
use imgmount::filesystem::{FileSystem, Request};
use imgmount::stack::{Content, Stack};
use imgmount::tree::{self, Tree};

use crate::partition::disk::{self as disk, MIB, changed, kind, open, open_as, try_open};
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;
use crate::volume::md::made::Array;

/// An ext4 file system of `size` bytes in a file.
fn ext4(scratch: &Scratch, size: u64) -> Vec<u8> {
    let path = scratch.file("ext4", size);
    mke2fs(&path, &[]);
    std::fs::read(path).unwrap()
}

fn mke2fs(path: &Path, more: &[&str]) {
    Run::new("mke2fs")
        .words("-q -F -t ext4 -L seed")
        .args(more)
        .arg(path)
        .run();
}

fn content(stack: &Stack) -> String {
    kind(&stack.disks[0].content)
}

fn put(bytes: &mut [u8], at: usize, magic: &[u8]) {
    bytes[at..at + magic.len()].copy_from_slice(magic);
}

/// A qcow2 header whose backing file is /etc/shadow.
fn put_qcow2(bytes: &mut [u8]) {
    put(bytes, 0, b"QFI\xfb\0\0\0\x03\0\0\0\0\0\0\0\x68\0\0\0\x0b");
    put(bytes, 104, b"/etc/shadow");
}

#[test]
fn g02_a_disk_cut_anywhere_opens_or_is_refused_and_never_hangs() {
    need!(tool "mke2fs", tool "sfdisk");
    let scratch = Scratch::new();
    let script = "label: gpt\n1: start=2048,size=8192\n2: start=10240,size=8192\n";
    let path = disk::sfdisk(&scratch, 10 * MIB, script);
    let mut seed = std::fs::read(path).unwrap();
    let inner = ext4(&scratch, 4 * MIB);
    for start in [2048, 10240] {
        let at = start * 512;
        seed[at..at + inner.len()].copy_from_slice(&inner);
    }
    let cuts = (0..=64).chain((0..40).map(|index| 65 + index * 509 % 20_000));
    for sectors in cuts {
        let start = Instant::now();
        let (stack, _) = try_open(seed[..sectors * 512].to_vec(), None);
        match stack {
            Ok(stack) => {
                assert_eq!(
                    stack.disks[0].source.as_ref().unwrap().size(),
                    sectors as u64 * 512
                );
                let names: Vec<&str> = stack
                    .nodes()
                    .iter()
                    .map(|node| node.name.as_str())
                    .collect();
                // The first copy of the table is whole from sector 34 on: all is listed then.
                assert_eq!(names.contains(&"p2"), sectors >= 34, "{sectors}: {names:?}");
                let whole = (sectors >= 10_240).then_some("file system ext4");
                let first = stack.nodes().get(1).map(|node| kind(&node.content));
                assert!(
                    whole.is_none_or(|whole| first.as_deref() == Some(whole)),
                    "{first:?}"
                );
                Tree::compose(Arc::new(stack), &tree::Options::default()).unwrap();
            }
            Err(error) => {
                assert_eq!((sectors, error.message()), (0, "empty image"));
            }
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{sectors}");
    }
}

#[test]
fn g03_four_gib_of_zeros_are_a_disk_without_anything_at_once() {
    let scratch = Scratch::new();
    let path = scratch.file("zeros", 4 << 30);
    let start = Instant::now();
    let image = library::open_with(&path, &Default::default());
    let tree = Tree::compose(image.stack.clone(), &tree::Options::default()).unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    let Content::Unknown { what, looked_for } = &image.stack.disks[0].content else {
        panic!("{}", content(&image.stack));
    };
    assert_eq!(what, "all zeros");
    assert_eq!(
        looked_for
            .iter()
            .filter(|name| ["gpt", "mbr", "ext4"].contains(name))
            .count(),
        3
    );
    let request = Request::new(0);
    let raw = tree.resolve(&request, b"disk.img", true).unwrap();
    let attributes = tree.attributes(&request, raw).unwrap();
    assert_eq!((attributes.size, attributes.blocks), (4 << 30, 0));
}

#[test]
fn g04_random_bytes_are_a_disk_without_anything() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..1000 {
        let bytes: Vec<u8> = (0..8192)
            .flat_map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random.to_le_bytes()
            })
            .collect();
        let (stack, _) = open(bytes);
        let content = content(&stack);
        assert!(content.starts_with("unknown random data"), "{content}");
        assert!(Tree::compose(Arc::new(stack), &tree::Options::default()).is_ok());
    }
}

#[test]
fn g06_several_formats_are_refused_by_name() {
    let bytes = {
        let mut bytes = vec![0; 256 * 1024];
        put_qcow2(&mut bytes);
        put(&mut bytes, 32769, b"CD001");
        put(&mut bytes, 510, &[0x55, 0xaa]);
        put(
            &mut bytes,
            446,
            &[0, 0, 0, 0, 0x83, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0],
        );
        bytes
    };
    let error = try_open(bytes.clone(), None).0.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert_eq!(error.message(), "several formats: qcow2, iso9660");
    assert!(error.hint_text().unwrap().starts_with("pass --format NAME"));
    let (stack, _) = open_as(bytes, Some("raw"));
    assert_eq!(disk::table(&stack).0, "mbr");
}

#[test]
fn g07_a_qcow2_header_in_a_raw_disk_is_refused_and_raw_by_name_opens() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let seed = ext4(&scratch, 4 * MIB);
    let bytes = changed(&seed, |bytes| put_qcow2(bytes));
    let error = try_open(bytes.clone(), None).0.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert_eq!(error.message(), "several formats: qcow2, ext4");
    let (stack, _) = open_as(bytes.clone(), Some("raw"));
    assert_eq!(content(&stack), "file system ext4");
    let alone = changed(&bytes, |bytes| bytes[1024..].fill(0));
    let error = try_open(alone.clone(), None).0.map(|_| ()).unwrap_err();
    // Nothing speaks for the disk any more: the header is taken for one, and its fields are wrong.
    assert_eq!(error.message(), "cluster_bits 0 is not 9 to 21");
    assert!(content(&open_as(alone, Some("raw")).0).starts_with("unknown "));
}

#[test]
fn g07_nothing_but_the_image_is_opened() {
    need!(tool "strace");
    let scratch = Scratch::new();
    let path = scratch.file("disk", MIB);
    let mut bytes = vec![0; MIB as usize];
    put_qcow2(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    let log = scratch.join("trace");
    for more in [&["info"][..], &["info", "--format", "raw"]] {
        let mut command = Run::new("strace")
            .args(["-f", "-e", "trace=open,openat,openat2,creat", "-o"])
            .arg(&log)
            .arg(env!("CARGO_BIN_EXE_imgmount"))
            .args(more)
            .arg(&path)
            .command();
        let output = command.output().unwrap();
        assert_eq!(output.status.success(), more.len() > 1, "{output:?}");
        let trace = std::fs::read_to_string(&log).unwrap();
        assert!(trace.contains(path.to_str().unwrap()), "{trace}");
        assert!(!trace.contains("shadow"), "{trace}");
    }
}

#[test]
fn g08_ext4_xfs_and_btrfs_in_one_volume_are_listed_and_ext4_by_name_opens() {
    need!(tool "mke2fs");
    let seed = ext4(&Scratch::new(), 8 * MIB);
    let bytes = changed(&seed, |bytes| {
        put(bytes, 0, b"XFSB");
        put(bytes, 0x1_0040, b"_BHRfS_M");
    });
    let (stack, _) = open(bytes.clone());
    let Content::Damaged { error, .. } = &stack.disks[0].content else {
        panic!("{}", content(&stack));
    };
    assert_eq!(error.kind(), Kind::Unsupported);
    assert_eq!(error.message(), "several formats: ext4, xfs, btrfs");
    assert_eq!(
        error.hint_text(),
        Some("pass --format NAME to say which it is")
    );
    let (stack, _) = open_as(bytes, Some("ext4"));
    assert_eq!(content(&stack), "file system ext4");
}

#[test]
fn a_format_that_is_not_there_is_named() {
    let error = try_open(vec![1; 4096], Some("ext9\x1b"))
        .0
        .map(|_| ())
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(
        error.message(),
        "--format ext9\\x1b: no format is called that"
    );
    assert!(
        error.hint_text().unwrap().contains("gpt, sgi, mbr, "),
        "{error}"
    );
}

#[test]
fn a_format_forced_on_what_is_none_says_what_is_missing() {
    let (stack, _) = open_as(vec![1; 65536], Some("ext4"));
    assert!(
        content(&stack).starts_with("damaged ext4: "),
        "{}",
        content(&stack)
    );
}

#[test]
fn g09_a_disc_that_does_not_open_shows_its_partitions() {
    let mut bytes = vec![0; 256 * 1024];
    put(&mut bytes, 32769, b"CD001");
    put(&mut bytes, 510, &[0x55, 0xaa]);
    put(
        &mut bytes,
        446,
        &[0x80, 0, 0, 0, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0],
    );
    let (stack, _) = open(bytes);
    let (format, nodes) = disk::table(&stack);
    assert_eq!(format, "mbr");
    assert_eq!(
        kind(&nodes[0].content),
        "damaged iso9660: no primary volume descriptor at byte 0x8000"
    );
}

#[test]
fn ext4_over_a_whole_disk_beats_what_is_left_of_its_tables() {
    need!(tool "mke2fs", tool "sfdisk", tool "sgdisk");
    let scratch = Scratch::new();
    let script = "label: dos\nlabel-id: 0x0badcafe\n1: start=2048,size=4096,type=83\n";
    let mbr = disk::sfdisk(&scratch, 16 * MIB, script);
    let sector = std::fs::read(&mbr).unwrap()[..512].to_vec();
    mke2fs(&mbr, &[]);
    let made = std::fs::read(&mbr).unwrap();
    // Whether mke2fs clears the first sector depends on its version; a boot loader puts one back.
    let mut with_table = made.clone();
    with_table[..512].copy_from_slice(&sector);
    for bytes in [made, with_table.clone()] {
        assert_eq!(content(&open(bytes).0), "file system ext4");
    }
    let (stack, notices) = open_as(with_table, Some("mbr"));
    assert_eq!(disk::table(&stack).0, "mbr");
    assert_eq!(notices, Vec::<String>::new());
    // A GPT's second copy, at the end of the disk, outlives tools that clear only the start.
    let seed = disk::gpt(&scratch);
    let gpt = scratch.join("gpt");
    mke2fs(&gpt, &[]);
    let mut bytes = std::fs::read(gpt).unwrap();
    let end = bytes.len() - 33 * 512;
    bytes[end..].copy_from_slice(&seed[end..]);
    assert_eq!(bytes[..1024], [0; 1024]);
    let (stack, _) = open_as(bytes.clone(), Some("gpt"));
    assert_eq!(disk::table(&stack).1.len(), 3);
    assert_eq!(content(&open(bytes).0), "file system ext4");
}

#[test]
fn a_table_with_known_contents_beats_a_forgotten_file_system_over_the_disk() {
    need!(tool "mke2fs", tool "sfdisk");
    let scratch = Scratch::new();
    let script = "label: dos\nlabel-id: 0x0badcafe\n1: start=2048,size=8192,type=83\n";
    let path = disk::sfdisk(&scratch, 16 * MIB, script);
    let sector = std::fs::read(&path).unwrap()[..512].to_vec();
    let inner = ext4(&scratch, 4 * MIB);
    let mut bytes = ext4(&scratch, 16 * MIB);
    bytes[..512].copy_from_slice(&sector);
    bytes[MIB as usize..5 * MIB as usize].copy_from_slice(&inner);
    let (stack, notices) = open(bytes.clone());
    let (_, nodes) = disk::table(&stack);
    assert_eq!(kind(&nodes[0].content), "file system ext4");
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(
        notices[0].ends_with("--format ext4 shows the other"),
        "{notices:?}"
    );
    let (stack, _) = open_as(bytes, Some("ext4"));
    assert_eq!(content(&stack), "file system ext4");
}

#[test]
fn one_damaged_volume_hides_no_other() {
    need!(tool "mke2fs", tool "sfdisk");
    let scratch = Scratch::new();
    let script =
        "label: gpt\n1: start=2048,size=8192\n2: start=10240,size=8192\n3: start=18432,size=8192\n";
    let path = disk::sfdisk(&scratch, 16 * MIB, script);
    let mut bytes = std::fs::read(path).unwrap();
    let inner = ext4(&scratch, 4 * MIB);
    for start in [2048, 10240, 18432] {
        let at = start * 512;
        bytes[at..at + inner.len()].copy_from_slice(&inner);
    }
    let bytes = changed(&bytes, |bytes| {
        // s_log_block_size of the second.
        put(bytes, 10240 * 512 + 1024 + 24, &31_u32.to_le_bytes());
    });
    let (stack, _) = open(bytes);
    let (_, nodes) = disk::table(&stack);
    let kinds: Vec<String> = nodes.iter().map(|node| kind(&node.content)).collect();
    assert_eq!(
        (kinds[0].as_str(), kinds[2].as_str()),
        ("file system ext4", "file system ext4")
    );
    assert!(kinds[1].starts_with("damaged ext4: "), "{kinds:?}");
    assert_eq!(nodes[1].source.as_ref().unwrap().size(), 8192 * 512);
}

#[test]
fn an_array_whose_superblock_lies_at_the_end_is_no_partitioned_disk() {
    let mut bytes = vec![0; MIB as usize];
    put(&mut bytes, 510, &[0x55, 0xaa]);
    put(
        &mut bytes,
        446,
        &[0, 0, 0, 0, 0x83, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0],
    );
    let array = Array::new("0.90", 1, 0, 0, 1);
    let member = array.member(0, &bytes[..MIB as usize - 65536]);
    assert_eq!(content(&open(member.clone()).0), "member linux_raid_member");
    // What is in the array has the table.
    let (stack, _) = open(member.clone());
    assert_eq!(
        kind(&stack.sets[0].content.children()[0].content),
        "table mbr"
    );
    // A partition that reaches the end of the disk has the superblock as its own.
    let mut bytes = member;
    put(&mut bytes, 446 + 8, &128_u32.to_le_bytes());
    put(&mut bytes, 446 + 12, &1920_u32.to_le_bytes());
    let (stack, _) = open(bytes);
    let (_, nodes) = disk::table(&stack);
    assert_eq!(kind(&nodes[0].content), "member linux_raid_member");
}

#[test]
fn boot_sectors_of_fat_and_ntfs_are_no_partition_tables() {
    for (oem, media) in [
        (b"MSDOS5.0", 0xf8),
        (b"NTFS    ", 0xf8),
        (b"mkfs.fat", 0xf0),
    ] {
        let mut bytes = vec![0; 65536];
        put(&mut bytes, 0, &[0xeb, 0x3c, 0x90]);
        put(&mut bytes, 3, oem);
        put(
            &mut bytes,
            11,
            &[0, 2, 4, 1, 0, 2, 0, 2, 128, 0, media, 1, 0],
        );
        put(&mut bytes, 510, &[0x55, 0xaa]);
        put(
            &mut bytes,
            446,
            &[0, 0, 0, 0, 0x83, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0],
        );
        let expected = if oem == b"NTFS    " { "ntfs" } else { "vfat" };
        let found = content(&open(bytes).0);
        assert!(found.ends_with(&format!(" {expected}")), "{found}");
    }
}
