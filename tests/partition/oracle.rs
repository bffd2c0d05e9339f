//! Tables that sfdisk, sgdisk and parted make, compared with what sfdisk, partx and parted say.

use std::path::Path;

use imgmount::format::Options;

use super::disk::{self, MIB};
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;

/// Number, first sector, sectors, type and further columns that only GPT has.
type Row = (u32, u64, u64, String, Option<String>, Option<String>, bool);

/// What imgmount sees, in sectors of `sector` bytes.
fn ours(path: &Path, sector: u64) -> Vec<Row> {
    let options = imgmount::service::open::Options {
        format: Options {
            sector_size: Some(u32::try_from(sector).unwrap()),
            ..Options::default()
        },
        ..Default::default()
    };
    let image = library::open_with(path, &options);
    let (_, nodes) = disk::table(&image.stack);
    let row = |node: &imgmount::stack::Node| {
        let partition = disk::partition(node).clone();
        let (start, len) = node.location.unwrap();
        let type_id = partition.type_id.trim_start_matches("0x").to_owned();
        (
            partition.number,
            start / sector,
            len / sector,
            type_id,
            partition.label,
            partition.uuid,
            partition.bootable,
        )
    };
    let mut rows: Vec<Row> = nodes.iter().map(row).collect();
    rows.sort();
    rows
}

/// What sfdisk sees. MBR types lose their leading zero as sfdisk writes them.
fn sfdisk(path: &Path) -> Vec<Row> {
    let text = Run::new("sfdisk").arg("-J").arg(path).text();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let table = &json["partitiontable"];
    let signature = table["id"].as_str().unwrap_or_default().to_lowercase();
    let is_mbr = table["label"] == "dos";
    let row = |entry: &serde_json::Value| {
        let node = entry["node"].as_str().unwrap();
        let digits = node.rsplit(|it: char| !it.is_ascii_digit()).next().unwrap();
        let number: u32 = digits.parse().unwrap();
        let text = |name: &str| entry[name].as_str().map(str::to_owned);
        let kind = text("type").unwrap().to_lowercase();
        let mbr_uuid = format!("{}-{number:02x}", signature.trim_start_matches("0x"));
        let attributes = text("attrs").unwrap_or_default();
        (
            number,
            entry["start"].as_u64().unwrap(),
            entry["size"].as_u64().unwrap(),
            if is_mbr { format!("{kind:0>2}") } else { kind },
            text("name"),
            if is_mbr {
                Some(mbr_uuid)
            } else {
                text("uuid").map(|it| it.to_lowercase())
            },
            entry["bootable"] == true || attributes.contains("LegacyBIOSBootable"),
        )
    };
    let mut rows: Vec<Row> = table["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(row)
        .collect();
    rows.sort();
    rows
}

/// Number, first sector, sectors and PARTUUID as libblkid (partx) sees them, in 512 bytes whatever
/// the disk has; an extended partition, which it shows as two of them like the kernel, without its
/// size.
fn partx(path: &Path, sector: u64) -> Vec<(u32, u64, u64, String)> {
    let columns = "NR,START,SECTORS,UUID,TYPE";
    let text = Run::new("partx")
        .args(["--sector-size", &sector.to_string()])
        .args(["--raw", "--noheadings", "--output", columns])
        .arg(path)
        .text();
    let row = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let mut next = || words.next().unwrap_or_default().to_owned();
        let (number, start, size, uuid, kind) = (next(), next(), next(), next(), next());
        let is_container = matches!(kind.as_str(), "0x5" | "0xf" | "0x85");
        let size = if is_container {
            0
        } else {
            size.parse().unwrap()
        };
        (number.parse().unwrap(), start.parse().unwrap(), size, uuid)
    };
    let mut rows: Vec<_> = text.lines().map(row).collect();
    rows.sort();
    rows
}

/// Number, first and last byte as parted sees them.
fn parted(path: &Path) -> Vec<(u32, u64, u64)> {
    let text = Run::new("parted")
        .arg("-ms")
        .arg(path)
        .words("unit B print")
        .text();
    let row = |line: &str| {
        let mut fields = line.split(':');
        let mut next = || fields.next()?.trim_end_matches('B').parse::<u64>().ok();
        Some((u32::try_from(next()?).ok()?, next()?, next()?))
    };
    let mut rows: Vec<_> = text.lines().skip(2).filter_map(row).collect();
    rows.sort_unstable();
    rows
}

/// What imgmount sees as partx shows it.
fn as_partx(ours: &[Row], sector: u64) -> Vec<(u32, u64, u64, String)> {
    let row = |row: &Row| {
        let is_container = matches!(row.3.as_str(), "05" | "0f" | "85");
        let size = if is_container { 0 } else { row.2 };
        let in_512 = |sectors: u64| sectors * sector / 512;
        (row.0, in_512(row.1), in_512(size), row.5.clone().unwrap())
    };
    ours.iter().map(row).collect()
}

/// Compares all four.
fn agree(path: &Path) -> usize {
    let ours = ours(path, 512);
    assert_eq!(ours, sfdisk(path));
    assert_eq!(as_partx(&ours, 512), partx(path, 512));
    let bytes: Vec<_> = ours
        .iter()
        .map(|row| (row.0, row.1 * 512, (row.1 + row.2) * 512 - 1))
        .collect();
    assert_eq!(bytes, parted(path));
    ours.len()
}

#[test]
fn an_mbr_with_logical_partitions_has_the_numbers_of_the_tools() {
    need!(tool "sfdisk", tool "partx", tool "parted");
    let scratch = Scratch::new();
    let script = "label: dos\nlabel-id: 0x0badcafe\n\
        1: start=2048,size=4096,type=83,bootable\n\
        2: start=8192,size=40960,type=f\n\
        4: start=53248,size=4096,type=c\n\
        5: start=10240,size=4096,type=82\n\
        6: start=18432,size=8192,type=fd\n\
        7: start=30720,size=2048,type=8e\n";
    let path = disk::sfdisk(&scratch, 32 * MIB, script);
    assert_eq!(agree(&path), 6);
    // A logical partition in the middle goes away: those behind it move up.
    Run::new("sfdisk")
        .words("-q --no-tell-kernel --delete")
        .arg(&path)
        .arg("6")
        .run();
    assert_eq!(agree(&path), 5);
}

#[test]
fn a_linux_extended_partition_in_the_first_slot_and_data_types() {
    need!(tool "sfdisk", tool "partx", tool "parted");
    let scratch = Scratch::new();
    let script = "label: dos\nlabel-id: 0x00000001\n\
        1: start=2048,size=20480,type=85\n\
        3: start=24576,size=4096,type=7\n\
        5: start=4096,size=2048,type=83\n";
    let path = disk::sfdisk(&scratch, 16 * MIB, script);
    assert_eq!(agree(&path), 3);
}

#[test]
fn a_gpt_has_the_names_types_and_flags_of_the_tools() {
    need!(tool "sgdisk", tool "sfdisk", tool "partx", tool "parted");
    let scratch = Scratch::new();
    let path = scratch.file("gpt", 64 * MIB);
    Run::new("sgdisk")
        .words("-o -n 1:2048:4095 -t 1:ef00 -n 5:4096:+4M -t 5:8300 -A 5:set:2 -n 7:0:0 -t 7:8e00")
        .args(["-c", "1:EFI System", "-c", "5:Größe 💾", "-c", "7:x"])
        .arg(&path)
        .run();
    assert_eq!(agree(&path), 3);
}

#[test]
fn a_gpt_by_parted_with_its_own_gaps() {
    need!(tool "sfdisk", tool "partx", tool "parted");
    let scratch = Scratch::new();
    let path = scratch.file("gpt", 64 * MIB);
    Run::new("parted")
        .arg("-s")
        .arg(&path)
        .words("mklabel gpt mkpart a fat32 1MiB 9MiB mkpart b ext4 10MiB 20MiB set 1 boot on")
        .run();
    assert_eq!(agree(&path), 2);
}

#[test]
fn an_mbr_of_a_disk_with_4096_byte_sectors() {
    need!(tool "fdisk", tool "partx");
    let scratch = Scratch::new();
    let commands = "o\nn\np\n1\n256\n767\nn\ne\n2\n768\n2815\nn\nl\n1024\n1535\nw\n";
    let path = disk::fdisk_4096(&scratch, 16 * MIB, commands);
    let expected = partx(&path, 4096);
    assert_eq!(expected.len(), 3);
    let rows: Vec<_> = as_partx(&ours(&path, 4096), 4096);
    assert_eq!(rows, expected);
}

#[test]
fn p09_gpt_with_4096_byte_sectors_in_an_image_of_512() {
    need!(tool "fdisk", tool "partx");
    let scratch = Scratch::new();
    let commands = "g\nn\n1\n256\n767\nn\n2\n1024\n3071\nw\n";
    let path = disk::fdisk_4096(&scratch, 16 * MIB, commands);
    let expected = partx(&path, 4096);
    assert_eq!(expected.len(), 2);
    assert_eq!(as_partx(&ours(&path, 4096), 4096), expected);
    // The image says nothing of its sectors: the places in bytes stay the same.
    let (stack, _) = disk::open_file(&path);
    let (_, nodes) = disk::table(&stack);
    let places: Vec<_> = nodes.iter().map(|node| node.location.unwrap()).collect();
    let in_bytes = expected.iter().map(|row| (row.1 * 512, row.2 * 512));
    assert_eq!(places, in_bytes.collect::<Vec<_>>());
}
