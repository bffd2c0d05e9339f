#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::*;
use crate::cache::Cache;
use crate::format::testing::Beside;
use crate::source::{Memory, read_vec};

const CLUSTER: usize = 4096;

/// An image of the clusters in `table`, 0 for none, each of which is filled with its number.
fn image(clusters: bool, table: &[u8]) -> Vec<u8> {
    let magic = if clusters {
        layout::MAGIC_CLUSTERS
    } else {
        layout::MAGIC_SECTORS
    };
    let mut bytes = vec![0; CLUSTER];
    let count = u32::try_from(table.len()).unwrap();
    bytes[..16].copy_from_slice(&magic);
    for (at, value) in [(16, 2), (28, 8), (32, count), (36, count * 8)] {
        bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
    }
    for (index, entry) in table.iter().enumerate() {
        let unit = if clusters { 1 } else { 8 };
        bytes[64 + index * 4] = entry * unit;
    }
    for number in 1..=table.iter().copied().max().unwrap_or(0) {
        bytes.extend([number; CLUSTER]);
    }
    bytes
}

fn descriptor(shots: &str, images: &str) -> String {
    format!(
        "<?xml version='1.0'?><Parallels_disk_image Version=\"1.0\"><Disk_Parameters>
        <Disk_size>24</Disk_size><Padding>0</Padding></Disk_Parameters><StorageData><Storage>
        <Start>0</Start><End>24</End><Blocksize>8</Blocksize>{images}</Storage></StorageData>
        <Snapshots>{shots}</Snapshots></Parallels_disk_image>"
    )
}

fn shot(guid: &str, parent: &str) -> String {
    format!("<Shot><GUID>{{{guid}}}</GUID><ParentGUID>{{{parent}}}</ParentGUID></Shot>")
}

fn file(guid: &str, kind: &str, name: &str) -> String {
    format!("<Image><GUID>{{{guid}}}</GUID><Type>{kind}</Type><File>{name}</File></Image>")
}

const ROOT: &str = "00000000-0000-0000-0000-000000000000";
const TOP: &str = "5fbaabe3-6958-40ff-92a7-860e329aab41";

fn context(files: &[(&str, &[u8])]) -> Context {
    Context {
        neighbours: Beside::of(files),
        ..Context::new(Cache::new(1 << 20))
    }
}

fn first_bytes(bytes: &[u8], context: &Context) -> Result<Vec<u8>> {
    let disks = open(&[Arc::new(Memory(bytes.to_vec()))], context)?;
    let disk = &disks[0].source;
    let clusters = 0..disk.size() / 4096;
    clusters
        .map(|index| Ok(read_vec(&**disk, index * 4096, CLUSTER)?[17]))
        .collect()
}

#[test]
fn both_kinds_of_table() {
    for clusters in [false, true] {
        let bytes = image(clusters, &[2, 0, 1]);
        assert_eq!(first_bytes(&bytes, &context(&[])), Ok(vec![2, 0, 1]));
    }
}

/// As QEMU has it: `seek_to_sector` gives nothing where `bat_size` ends.
#[test]
fn far_behind_the_table_is_a_hole() {
    let mut bytes = image(true, &[2, 0, 1]);
    bytes[36..40].copy_from_slice(&(1_u32 << 20).to_le_bytes()); // nb_sectors: 512 MiB
    let disks = open(&[Arc::new(Memory(bytes))], &context(&[])).unwrap();
    let disk = &disks[0].source;
    for offset in [3 * 4096, 100 << 20, disk.size() - 4096] {
        assert_eq!(read_vec(&**disk, offset, CLUSTER), Ok(vec![0; CLUSTER]));
        let extent = disk.extent_at(offset).unwrap();
        assert_eq!(extent.kind, crate::source::ExtentKind::Absent);
        assert_eq!(extent.len.get(), disk.size() - offset);
    }
}

#[test]
fn a_snapshot_shows_what_is_below_it() {
    let plain = [[7; CLUSTER], [8; CLUSTER], [9; CLUSTER]].concat();
    let (middle, top) = (image(false, &[0, 1, 0]), image(true, &[2, 0, 0]));
    let files: &[(&str, &[u8])] = &[("root", &plain), ("middle", &middle), ("top", &top)];
    let images = [
        file(TOP, "Compressed", "top"),
        file("a", "Plain", "root"),
        file("b", "Compressed", "middle"),
    ];
    let shots = [shot(TOP, "b"), shot("a", ROOT), shot("b", "a")];
    let text = descriptor(&shots.concat(), &images.concat());
    let mut context = context(files);
    let bytes = text.as_bytes();
    assert_eq!(first_bytes(bytes, &context), Ok(vec![2, 1, 9]));
    context.options.snapshot = Some("{A}".to_owned());
    assert_eq!(first_bytes(bytes, &context), Ok(vec![7, 8, 9]));
    context.options.snapshot = Some("nothing".to_owned());
    let error = first_bytes(bytes, &context).unwrap_err().to_string();
    assert!(error.contains("no snapshot is called {nothing}"), "{error}");
}

#[test]
fn a_snapshot_that_stands_on_itself_is_refused() {
    let text = descriptor(&[shot(TOP, "a"), shot("a", TOP)].concat(), "");
    let error = first_bytes(text.as_bytes(), &context(&[])).unwrap_err();
    assert!(error.to_string().contains("stands on itself"), "{error}");
    let many = (0..40).map(|it| shot(&it.to_string(), &(it + 1).to_string()));
    let text = descriptor(&many.collect::<String>(), "")
        .replace("<Snapshots>", "<Snapshots><TopGUID>{0}</TopGUID>");
    let error = first_bytes(text.as_bytes(), &context(&[])).unwrap_err();
    assert!(error.to_string().contains("deeper than 16"), "{error}");
}

#[test]
fn storages_have_to_cover_the_disk() {
    let good = descriptor(&shot(TOP, ROOT), &file(TOP, "Plain", "root"));
    let plain = vec![1; 3 * CLUSTER];
    let files: &[(&str, &[u8])] = &[("root", &plain), ("short", &plain[1..])];
    assert!(first_bytes(good.as_bytes(), &context(files)).is_ok());
    for (from, to) in [
        ("<Start>0", "<Start>1"),
        ("<End>24", "<End>23"),
        ("<End>24", "<End>x"),
        ("root", "short"),
        ("root", "gone"),
        ("<Padding>0", "<Padding>1"),
        ("Plain", "Other"),
        ("<Disk_size>24", "<Disk_size>18446744073709551615"),
    ] {
        let bad = good.replace(from, to);
        assert!(
            first_bytes(bad.as_bytes(), &context(files)).is_err(),
            "{to}"
        );
    }
}

#[test]
fn flipped_bits_are_read_or_refused() {
    let good = image(true, &[2, 0, 1]);
    for at in 0..80 {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let Ok(disks) = open_bytes(bytes) else {
                continue;
            };
            for index in 0..5 {
                let _ = read_vec(&*disks[0].source, index * 4096, CLUSTER);
                let _ = disks[0].source.extent_at(index * 4096);
            }
        }
    }
}

fn open_bytes(bytes: Vec<u8>) -> Result<Vec<Disk>> {
    let source: SharedSource = Arc::new(Memory(bytes));
    let _ = describe(&*source);
    match claim(&*source)? {
        Some(_) => open(&[source], &context(&[])),
        None => Err(Error::invalid("not claimed")),
    }
}
