//! Dynamic disks with a GPT. No such disk of Windows is among those that were collected: what is
//! here was put together from what Windows keeps in the private region of an MBR disk, which is a
//! partition then, and a table that sgdisk makes. ldmtool reads it as it reads those of Windows.

use std::path::{Path, PathBuf};

use imgmount::stack::Content;

use super::made::{Group, HEADERS, PUBLIC, put, sectors};
use super::{bytes, node};
use crate::partition::disk;
use crate::support::command::{Run, imgmount};
use crate::support::images::{self, Scratch};
use crate::volume::lvm::groups::look;

/// The first sectors of the EFI system partition, of the database's and of the data's.
pub const SYSTEM: u64 = 34;
pub const METADATA: u64 = 2176;
pub const DATA: u64 = 4224;

/// A GPT at `path` with those partitions, the last of `data` sectors.
fn table(path: &Path, data: u64) {
    std::fs::write(path, []).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len((DATA + data + 64) * 512).unwrap();
    let last = DATA + data - 1;
    let sgdisk = Run::new("sgdisk").words("-a 1 -n 1:34:2175 -t 1:ef00 -n 2:2176:4223 -t 2:4201");
    let sgdisk = sgdisk
        .arg("-n")
        .arg(format!("3:{DATA}:{last}"))
        .words("-t 3:4200");
    sgdisk.arg(path).stdout();
}

/// A disk of `group` with a GPT.
pub fn made(group: &Group, number: u8, scratch: &Scratch) -> Vec<u8> {
    let path = scratch.join("gpt.img");
    table(&path, PUBLIC);
    let mut bytes = std::fs::read(&path).unwrap();
    put(&mut bytes, DATA, &sectors(number, 0, PUBLIC));
    let mbr = group.disk(number);
    let private = mbr.len() - 2048 * 512;
    put(&mut bytes, METADATA, &mbr[private..]);
    let header = group.header(number, [DATA, PUBLIC, METADATA, 2048]);
    for at in HEADERS {
        put(&mut bytes, METADATA + at, &header);
    }
    bytes
}

#[test]
fn a_disk_with_a_gpt_is_a_member_beside_its_other_partitions() {
    need!(tool "sgdisk", tool "mkfs.fat");
    let scratch = Scratch::new();
    let group = Group::three();
    let system = scratch.join("system");
    let fat = Run::new("mkfs.fat").arg("-C").arg(&system).arg("1024");
    fat.stdout();
    let mut first = made(&group, 1, &scratch);
    put(&mut first, SYSTEM, &std::fs::read(&system).unwrap());
    // One disk with a GPT, one with an MBR: a group may have both.
    let (stack, notices) = look(&[first, group.disk(2), made(&group, 3, &scratch)]);
    assert_eq!(notices, Vec::<String>::new());
    let Content::Member { extra, beside, .. } = &stack.disks[0].content else {
        panic!("{}", disk::kind(&stack.disks[0].content));
    };
    assert_eq!(beside[0].0, "gpt");
    let found: Vec<String> = extra
        .iter()
        .map(|node| format!("{} {}", node.name, disk::kind(&node.content)))
        .collect();
    let expected = [
        "p1 file system vfat",
        "p2 recognised ldm",
        "p3 recognised ldm",
    ];
    assert_eq!(found, expected);
    for name in ["Simple", "Span", "Stripe", "Mirror", "Raid"] {
        let name = format!("HomeDg0/{name}");
        let (mbr, _) = look(&group.disks());
        assert!(bytes(&stack, &name) == bytes(&mbr, &name), "{name}");
    }
    assert!(bytes(&stack, "HomeDg0/Simple") == Ok(sectors(1, 0, 8)));
}

#[test]
fn the_copy_of_the_table_at_the_end_leads_to_the_database_too() {
    need!(tool "sgdisk");
    let scratch = Scratch::new();
    let mut bytes = made(&Group::three(), 1, &scratch);
    put(&mut bytes, 2, &[0; 512]);
    let (stack, _) = disk::open(bytes.clone());
    let simple = super::bytes(&stack, "HomeDg0/Simple");
    assert!(simple == Ok(sectors(1, 0, 8)));
    put(&mut bytes, 1, &[0; 512]);
    let (stack, _) = disk::open(bytes);
    let simple = super::bytes(&stack, "HomeDg0/Simple");
    assert!(simple == Ok(sectors(1, 0, 8)));
    assert_eq!(
        node(&stack, "p1").location,
        Some((SYSTEM * 512, 2142 * 512))
    );
}

#[test]
fn without_a_database_the_partitions_are_as_before() {
    need!(tool "sgdisk");
    let scratch = Scratch::new();
    let path = scratch.join("gpt.img");
    table(&path, PUBLIC);
    let (stack, _) = disk::open(std::fs::read(&path).unwrap());
    let (format, nodes) = disk::table(&stack);
    assert_eq!(format, "gpt");
    let lacks = |node: &imgmount::stack::Node| match &node.content {
        Content::Recognised { lacks, .. } => *lacks,
        other => panic!("{}", disk::kind(other)),
    };
    assert_eq!(lacks(&nodes[1]), "its volumes cannot be shown");
}

/// The MBR disk at `path` as one with a GPT.
fn wrapped(path: &Path, to: &Path) {
    let bytes = std::fs::read(path).unwrap();
    // As Windows wrote it: what ldmtool says of data-start, data-size and metadata-start.
    let (start, size, private) = (63, 96_327, 100_352);
    table(to, size);
    let mut out = std::fs::read(to).unwrap();
    let range = |from: u64, count: u64| &bytes[from as usize * 512..(from + count) as usize * 512];
    put(&mut out, DATA, range(start, size));
    put(&mut out, METADATA, range(private, 2048));
    for copy in HEADERS {
        let mut header = range(private + copy, 1).to_vec();
        header[0x11b..0x123].copy_from_slice(&DATA.to_be_bytes());
        header[0x12b..0x133].copy_from_slice(&METADATA.to_be_bytes());
        put(&mut out, METADATA + copy, &super::made::sealed(header));
    }
    std::fs::write(to, out).unwrap();
}

#[test]
fn windows_database_in_a_gpt_is_read_by_ldmtool_and_here() {
    need!(images, tool "xz", tool "sgdisk", tool "ldmtool");
    let scratch = Scratch::new();
    let disks: Vec<PathBuf> = super::collected::unpacked("striped", &[1, 2], &scratch)
        .into_iter()
        .map(|path| {
            let to = path.with_extension("gpt");
            wrapped(&path, &to);
            to
        })
        .collect();
    assert_eq!(super::witness::compare(&disks), 6);
    let cat = imgmount().arg("cat").arg("--with").arg(&disks[1]);
    let cat = cat.arg(&disks[0]).arg("Red-nzv8x6obywgDg0/Stripe1.img");
    let expected = "4d09261ddb47c1ad0625326032b6a1e86f9a24192cecab10c59dc7c4ee673ddb";
    assert_eq!(images::sha256_of(&cat.stdout()), expected);
}
