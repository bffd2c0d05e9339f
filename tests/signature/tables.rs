//! Partition tables that are named and not read. libblkid and parted say the same of those that they
//! know; the others are made here from what the Linux kernel's readers of them look for.

use imgmount::stack::Content;

use super::made::{Sample, sample, sealed};
use crate::partition::disk;
use crate::support::command::Run;
use crate::support::images::{self, Scratch};

/// The entry of a partition on an Atari disk: in use, from sector 2 on, 100 sectors long. The disk
/// has 110.
const GEM: &[u8] = b"\x01GEM\0\0\0\x02\0\0\0\x64";

/// The names and their samples.
fn samples() -> Vec<Sample> {
    vec![
        sample("aix", 64, &[(0, &[0xc9, 0xc2, 0xd4, 0xc1])]),
        sample("ultrix", 64, &[(16312, &[0x57, 0x29, 0x03, 0, 1])]),
        sample("solaris", 64, &[(524, &[0xee, 0xde, 0x0d, 0x60, 1])]),
        sample("atari", 64, &[(0x1c5, &[110]), (0x1c6, GEM)]),
        sample("atari", 64, &[(0x1c5, &[110]), (0x1de, GEM)]),
        sample("dasd", 64, &[(8196, &[0xe5, 0xd6, 0xd3, 0xf1])]),
        sample("dasd", 64, &[(8192, &[0xd3, 0xd5, 0xe7, 0xf1])]),
        sample("dasd", 64, &[(1024, &[0xc3, 0xd4, 0xe2, 0xf1])]),
    ]
}

/// Those that no tool here knows: the kernel's sources are all there is.
fn by_the_sources() -> Vec<Sample> {
    let eesox: Vec<u8> = b"Eesox\0"
        .iter()
        .zip(b"Neil C")
        .map(|(byte, key)| byte ^ key)
        .collect();
    vec![
        sample("karma", 64, &[(274, &[0x4d]), (510, &[0x56, 0xab])]),
        sample("sysv68", 64, &[(248, b"MOTOROLA")]),
        sample(
            "unixware",
            64,
            &[
                (14852, &[0x0d, 0x60, 0x5e, 0xca]),
                (15004, &[0xee, 0xde, 0x0d, 0x60]),
            ],
        ),
        sample("plan9", 64, &[(512, b"part 9fat 1 200\npart fs 200 900\n")]),
        sample("acorn", 64, &[(3584, &eesox)]),
        sealed("acorn", 64, &[(0, &[1]), (4, &[100])], |bytes| {
            let sum = 0x5061_7274 + 101_u32;
            bytes[508..512].copy_from_slice(&sum.to_le_bytes());
        }),
        sealed("acorn", 64, &[(8, &[1]), (12, &[100])], |bytes| {
            bytes[511] = 0x2a + 101;
        }),
        sealed(
            "acorn",
            64,
            &[(3072 + 0x1c0 + 17, &[0x20]), (3072 + 0x1fc, &[9, 3])],
            |bytes| bytes[3072 + 511] = 0x20 + 9 + 3,
        ),
    ]
}

/// What the only disk in `bytes` is called, and what is not to be had of it.
fn named(bytes: Vec<u8>) -> (String, &'static str) {
    let (stack, _) = disk::open(bytes);
    match &stack.disks[0].content {
        Content::Recognised { name, lacks, .. } => (name.clone(), *lacks),
        other => (disk::kind(other), ""),
    }
}

#[test]
fn tables_that_are_not_read_are_named() {
    for sample in samples().into_iter().chain(by_the_sources()) {
        let expected = (sample.name.to_owned(), "its partitions cannot be shown");
        assert_eq!(named(sample.bytes()), expected);
    }
}

#[test]
fn tables_have_the_name_that_libblkid_gives_them() {
    need!(tool "blkid");
    let scratch = Scratch::new();
    let path = scratch.join("disk");
    for sample in samples() {
        std::fs::write(&path, sample.bytes()).unwrap();
        let blkid = Run::new("blkid").words("-p -o value -s PTTYPE").arg(&path);
        let said = String::from_utf8(blkid.output().stdout).unwrap();
        // libblkid knows DASDs since 2.42.
        let is_new = sample.name == "dasd" && said.is_empty();
        assert!(
            said.trim() == sample.name || is_new,
            "{}: {said}",
            sample.name
        );
    }
}

#[test]
fn tables_have_the_name_that_parted_gives_them() {
    need!(tool "parted");
    let scratch = Scratch::new();
    for name in ["amiga", "pc98"] {
        let path = scratch.file(name, 16 << 20);
        let parted = || Run::new("parted").arg("-ms").arg(&path);
        parted().args(["mklabel", name]).run();
        let said = parted().arg("print").text();
        assert!(said.contains(&format!(":{name}:")), "{said}");
        assert_eq!(named(std::fs::read(&path).unwrap()).0, name);
    }
}

/// An MBR with one entry of `kind`, and `patches`.
fn mbr(kind: u8, patches: &[(i64, &[u8])]) -> Vec<u8> {
    let entry = [0, 0, 0, 0, kind, 0, 0, 0, 63, 0, 0, 0, 100, 0, 0, 0];
    let table: [(i64, &[u8]); 2] = [(446, &entry), (510, &[0x55, 0xaa])];
    let all: Vec<(i64, &[u8])> = table.iter().chain(patches).copied().collect();
    sample("mbr", 1024, &all).bytes()
}

#[test]
fn an_mbr_stands_back_where_the_kernel_has_another_reader_first() {
    let privhead: &[(i64, &[u8])] = &[(3072, b"PRIVHEAD")];
    let ldm = named(mbr(0x42, privhead)).0;
    assert!(ldm.starts_with("damaged ldm: PRIVHEAD: "), "{ldm}");
    // What was a dynamic disk once, and a type that is none by itself.
    assert_eq!(named(mbr(7, privhead)).0, "table mbr");
    assert_eq!(named(mbr(0x42, &[])).0, "table mbr");
    let aix: &[(i64, &[u8])] = &[(0, &[0xc9, 0xc2, 0xd4, 0xc1]), (3584, b"_LVM")];
    assert_eq!(named(mbr(0x41, aix)).0, "aix");
    assert_eq!(named(mbr(0x83, aix)).0, "table mbr");
    assert_eq!(named(mbr(0x41, &aix[..1])).0, "table mbr");
}

#[test]
fn the_collected_dynamic_disks_and_the_dasd_are_named() {
    need!(images);
    let scratch = Scratch::new();
    let mut count = 0;
    for entry in images::folder()
        .unwrap()
        .join("volume/ldm")
        .read_dir()
        .unwrap()
    {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = images::unpack(&format!("volume/ldm/{name}"), &scratch);
        let head = imgmount::source::Memory(std::fs::read(&path).unwrap());
        assert_eq!(named(head.0).0, "member ldm", "{name}");
        std::fs::remove_file(path).unwrap();
        count += 1;
    }
    assert!(count >= 10, "{count}");
    let path = images::unpack("negative/util-linux-dasd-cdl.img.zst", &scratch);
    assert_eq!(named(std::fs::read(path).unwrap()).0, "dasd");
}

#[test]
fn partitions_of_a_dynamic_gpt_disk_are_the_disk_managers() {
    need!(tool "sgdisk");
    let scratch = Scratch::new();
    let path = scratch.file("disk", 16 << 20);
    let sgdisk = Run::new("sgdisk").words("-o -n 1:2048:4095 -t 1:4201 -n 2:4096:8191 -t 2:4200");
    sgdisk.words("-n 3:8192:0 -t 3:0700").arg(&path).run();
    let mut bytes = std::fs::read(&path).unwrap();
    // The first piece of a stripe looks like the file system that is on all of it.
    for sector in [4096, 8192] {
        bytes[sector * 512..sector * 512 + 4].copy_from_slice(b"XFSB");
    }
    let (stack, _) = disk::open(bytes);
    let (_, nodes) = disk::table(&stack);
    let found: Vec<String> = nodes.iter().map(|node| disk::kind(&node.content)).collect();
    assert_eq!(
        found,
        ["recognised ldm", "recognised ldm", "recognised xfs"]
    );
}
