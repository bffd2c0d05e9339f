//! Chains, which qemu-img neither makes nor follows: made here from what it writes, and read as
//! libvhdi reads them.

use std::path::{Path, PathBuf};

use imgmount::error::Kind;

use super::{FILE_PARAMETERS, HEADERS, Vhdx, convert, error, notices, options, refused};
use crate::container::guest::{self, Random};
use crate::container::{compare, disk, disk_with};
use crate::hostile::expect::{blames, names};
use crate::support::command::Run;
use crate::support::images::Scratch;

const SIZE: u64 = 9 << 20;
/// Blocks of a chunk, of 1 MiB each.
const RATIO: usize = 4096;
/// First field of the GUID of the metadata item.
const PARENT_LOCATOR: u32 = 0xa8d3_5f2d;

/// A child called `name` of `parent`: its own disk is `raw`. Of the blocks that are in it, one in
/// three is there whole; of the others the sectors that `Random(seed)` chooses.
pub fn child(parent: &Path, name: &str, raw: &Path, seed: u64, paths: [&str; 2]) -> PathBuf {
    let scratch = Scratch::new();
    let own = convert(raw, "own.vhdx", "block_size=1M", &scratch);
    let mut vhdx = Vhdx::of(&own);
    let bat = vhdx.bat();
    let bitmap = vhdx.0.len().next_multiple_of(1 << 20);
    vhdx.0.resize(bitmap + (1 << 20), 0);
    for (block, bits) in bitmaps(seed).iter().enumerate() {
        let entry = vhdx.get64(bat + block * 8);
        if entry & 7 == 6 {
            let state = if bits.is_none() { 6 } else { 7 };
            vhdx.put(bat + block * 8, &(entry & !7 | state).to_le_bytes());
        }
        let whole = vec![0xff; 256];
        vhdx.put(bitmap + block * 256, bits.as_ref().unwrap_or(&whole));
    }
    vhdx.put(bat + RATIO * 8, &(bitmap as u64 | 6).to_le_bytes());
    let at = vhdx.item(FILE_PARAMETERS).1;
    vhdx.put(at + 4, &[2, 0, 0, 0]);
    put_locator(&mut vhdx, &linkage(parent), paths);
    vhdx.put_headers(32, &Random(seed).bytes(16, false));
    let image = parent.with_file_name(name);
    vhdx.write(&image);
    image
}

/// For each of the blocks which sectors are in it; none for all.
fn bitmaps(seed: u64) -> Vec<Option<Vec<u8>>> {
    let mut random = Random(seed);
    let blocks = 0..(SIZE >> 20) as usize;
    let bitmap = |random: &mut Random| {
        let (mut bits, mut at, mut set) = (vec![0_u8; 256], 0, true);
        while at < 2048 {
            let most = 1 << random.below(11);
            let len = 1 + random.below(most) as usize;
            for sector in (at..at + len).filter(|sector| set && *sector < 2048) {
                bits[sector / 8] |= 1 << (sector % 8);
            }
            (at, set) = (at + len, !set);
        }
        bits
    };
    blocks
        .map(|_| {
            let bits = bitmap(&mut random);
            (random.below(3) > 0).then_some(bits)
        })
        .collect()
}

/// `DataWriteGuid` of the disk, as text. libvhdi reads no upper-case one.
fn linkage(image: &Path) -> String {
    let vhdx = Vhdx::of(image);
    let at = HEADERS
        .into_iter()
        .max_by_key(|at| vhdx.get64(at + 8))
        .unwrap();
    let guid = &vhdx.0[at + 32..at + 48];
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::from("{");
    for (number, index) in order.into_iter().enumerate() {
        let dash = if [4, 6, 8, 10].contains(&number) {
            "-"
        } else {
            ""
        };
        text += &format!("{dash}{:02x}", guid[index]);
    }
    text + "}"
}

fn put_locator(vhdx: &mut Vhdx, linkage: &str, paths: [&str; 2]) {
    let pairs = [
        ("parent_linkage", linkage),
        ("relative_path", paths[0]),
        ("absolute_win32_path", paths[1]),
    ];
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let mut item = vec![0xb7, 0xef, 0x4a, 0xb0, 0x9e, 0xd1, 0x81, 0x4a];
    item.extend([0xb7, 0x89, 0x25, 0xb8, 0xe9, 0x44, 0x59, 0x13]);
    item.extend([0, 0, pairs.len() as u8, 0]);
    let mut texts = Vec::new();
    for (key, value) in pairs {
        let (key, value) = (utf16(key), utf16(value));
        let start = (20 + pairs.len() * 12 + texts.len()) as u32;
        item.extend(start.to_le_bytes());
        item.extend((start + key.len() as u32).to_le_bytes());
        item.extend((key.len() as u16).to_le_bytes());
        item.extend((value.len() as u16).to_le_bytes());
        texts.extend(key);
        texts.extend(value);
    }
    item.extend(texts);
    let table = vhdx.metadata();
    let count = vhdx.0[table + 10] as usize;
    vhdx.put(table + 10, &[count as u8 + 1]);
    let mut entry = vec![0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45];
    entry.extend([0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c]);
    entry.extend((128_u32 << 10).to_le_bytes());
    entry.extend((item.len() as u32).to_le_bytes());
    entry.extend([4, 0, 0, 0, 0, 0, 0, 0]);
    vhdx.put(table + 32 + count * 32, &entry);
    vhdx.put(table + (128 << 10), &item);
}

/// The disk of the child that [`child`] makes, from the bytes of both.
fn expected(below: &Path, raw: &Path, seed: u64, image: &Path, scratch: &Scratch) -> PathBuf {
    let (own, mut bytes) = (std::fs::read(raw).unwrap(), std::fs::read(below).unwrap());
    let vhdx = Vhdx::of(image);
    for (block, bits) in bitmaps(seed).iter().enumerate() {
        if vhdx.get64(vhdx.bat() + block * 8) & 7 < 6 {
            continue;
        }
        let is_here = |it: &usize| match bits {
            None => true,
            Some(bits) => bits[it / 8] >> (it % 8) & 1 == 1,
        };
        for sector in (0..2048).filter(is_here) {
            let at = (block << 20) + sector * 512;
            bytes[at..at + 512].copy_from_slice(&own[at..at + 512]);
        }
    }
    let path = scratch.join(&format!("expected{seed}"));
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The disk of `image` as libvhdi reads it: the last of the chain that it shows.
fn by_libvhdi(image: &Path, number: usize, scratch: &Scratch) -> PathBuf {
    let at = scratch.folder("libvhdi");
    Run::new("vhdimount").arg(image).arg(&at).run();
    let copy = scratch.join(&format!("libvhdi{number}"));
    let read = std::fs::copy(at.join(format!("vhdi{number}")), &copy);
    Run::new("fusermount3").arg("-u").arg(&at).run();
    std::fs::remove_dir(&at).unwrap();
    read.unwrap();
    copy
}

fn raw(scratch: &Scratch, name: &str, seed: u64) -> PathBuf {
    let raw = guest::disk(scratch, SIZE, seed);
    let own = scratch.join(name);
    std::fs::rename(raw, &own).unwrap();
    own
}

fn chain(scratch: &Scratch) -> [(PathBuf, PathBuf); 2] {
    let base = raw(scratch, "base.raw", 121);
    let parent = convert(&base, "base.vhdx", "block_size=2M", scratch);
    let middle_raw = raw(scratch, "middle.raw", 122);
    let paths = [".\\base.vhdx", "C:\\VMs\\base.vhdx"];
    let middle = child(&parent, "middle.vhdx", &middle_raw, 1, paths);
    let top_raw = raw(scratch, "top.raw", 123);
    let paths = [".\\middle.vhdx", "C:\\VMs\\middle.vhdx"];
    let top = child(&middle, "top größe.avhdx", &top_raw, 2, paths);
    let middle_disk = expected(&base, &middle_raw, 1, &middle, scratch);
    let top_disk = expected(&middle_disk, &top_raw, 2, &top, scratch);
    [(middle, middle_disk), (top, top_disk)]
}

#[test]
fn chains_of_sectors() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    for (image, expected) in chain(&scratch) {
        compare(&disk(&image), &expected);
        assert_eq!(notices(&image), [""; 0]);
    }
}

#[test]
fn chains_are_as_libvhdi_reads_them() {
    need!(root, tool "qemu-img", tool "vhdimount", tool "fusermount3");
    let scratch = Scratch::new();
    let [(middle, _), (top, _)] = chain(&scratch);
    compare(&disk(&middle), &by_libvhdi(&middle, 2, &scratch));
    compare(&disk(&top), &by_libvhdi(&top, 3, &scratch));
}

#[test]
fn a_parent_that_was_changed() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let [(middle, expected), _] = chain(&scratch);
    let parent = scratch.join("base.vhdx");
    let mut vhdx = Vhdx::of(&parent);
    vhdx.put_headers(32, &[5; 16]);
    vhdx.write(&parent);
    let why = refused(&middle);
    assert!(why.contains("DataWriteGuid is 05050505"), "{why}");
    compare(&disk_with(&middle, &options(true, false)), &expected);
    std::fs::write(&parent, b"nothing of a disk").unwrap();
    assert!(refused(&middle).contains("base.vhdx: both headers"));
    std::fs::remove_file(&parent).unwrap();
    assert_eq!(error(&middle).kind(), Kind::NotFound);
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let base = raw(&scratch, "base.raw", 121);
    let parent = convert(&base, "base.vhdx", "block_size=2M", &scratch);
    for path in ["/etc/shadow", "..\\..\\etc\\shadow", "nbd://x"] {
        let image = child(&parent, "child.vhdx", &base, 3, [path, ""]);
        names(
            &error(&image),
            Kind::Refused,
            &["parent ", &path.replace('\\', r"\\")],
        );
    }
    let image = child(&parent, "child.vhdx", &base, 3, ["..\\x\\base.vhdx", ""]);
    disk(&image);
    let itself = child(&parent, "self.vhdx", &base, 3, ["self.vhdx", ""]);
    assert!(refused(&itself).contains("backing loop"));
}

#[test]
fn h10_fields_of_the_parent_locator() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let base = raw(&scratch, "base.raw", 121);
    let parent = convert(&base, "base.vhdx", "block_size=2M", &scratch);
    let image = child(&parent, "child.vhdx", &base, 3, ["base.vhdx", ""]);
    disk(&image);
    let whole = Vhdx::of(&image);
    let at = whole.item(PARENT_LOCATOR).1;
    let count = "KeyValueCount 65535 of the parent locator is over 64";
    // The first of its entries begins behind 20 bytes.
    let cases: [(usize, &[u8], Kind, &str); 7] = [
        (
            0,
            &[7; 4],
            Kind::Unsupported,
            "parent locator of LocatorType 07070707",
        ),
        (18, &[0xff; 2], Kind::Corrupt, count),
        (
            18,
            &[64, 0],
            Kind::Corrupt,
            "KeyValueCount 64: the parent locator is cut",
        ),
        (
            20,
            &[0xff; 4],
            Kind::Corrupt,
            "KeyOffset 0xffffffff, KeyLength ",
        ),
        (
            24,
            &[0xff; 4],
            Kind::Corrupt,
            "ValueOffset 0xffffffff, ValueLength ",
        ),
        (
            28,
            &[0xff; 2],
            Kind::Corrupt,
            ", KeyLength 65535: outside of the parent",
        ),
        (
            30,
            &[0xff; 2],
            Kind::Corrupt,
            ", ValueLength 65535: outside of the parent",
        ),
    ];
    for (field, bytes, kind, words) in cases {
        let mut vhdx = Vhdx(whole.0.clone());
        vhdx.put(at + field, bytes);
        assert!(vhdx.0 != whole.0, "{words}: nothing was changed");
        vhdx.write(&image);
        // Of a text, the offset is blamed for its length too.
        let blamed = at
            + match field {
                28 => 20,
                30 => 24,
                other => other,
            };
        blames(&error(&image), kind, &[words], blamed as u64);
    }
}

/// The table of a block that is partially present without its sector bitmap: that block alone.
#[test]
fn h13_no_sector_bitmap() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let [(middle, _), _] = chain(&scratch);
    let mut vhdx = Vhdx::of(&middle);
    let bat = vhdx.bat();
    vhdx.put(bat + RATIO * 8, &[0; 8]);
    vhdx.write(&middle);
    let disk = disk(&middle);
    for block in 0..(SIZE >> 20) as usize {
        let state = vhdx.get64(bat + block * 8) & 7;
        let mut buf = vec![0; 1 << 20];
        let read = disk.read_exact_at(&mut buf, (block as u64) << 20);
        assert_eq!(read.is_err(), state == 7, "block {block} in state {state}");
        if let Err(error) = read {
            let words = format!("block {block}: sector bitmap block state 0 of chunk 0");
            blames(&error, Kind::Corrupt, &[&words], (bat + RATIO * 8) as u64);
        }
    }
}
