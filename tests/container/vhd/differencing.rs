//! Chains, which qemu-img neither makes nor follows: made here from what it writes, and read as
//! libvhdi reads them.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{
    CURRENT_SIZE, DISK_TYPE, HEADER, UNIQUE_ID, Vhd, convert, error, ignoring, notices, refused,
};
use crate::container::guest::{self, Random};
use crate::container::{compare, converted, disk, disk_with, refused_at};
use crate::hostile::expect::names;
use crate::support::command::Run;
use crate::support::images::Scratch;
use imgmount::error::Kind;
use imgmount::service::open::{Options, open};

const SIZE: u64 = 9 * 1024 * 1024 + 5 * 512;

/// A child called `name` of `parent`: its own disk is `raw`, of which the sectors that `Random(seed)`
/// chooses are in it. Its paths of the parent are `relative` and `absolute`.
pub fn child(parent: &Path, name: &str, raw: &Path, seed: u64, paths: [&str; 2]) -> PathBuf {
    let scratch = Scratch::new();
    let own = convert(raw, "own.vhd", "force_size=on", &scratch);
    let mut vhd = Vhd::of(&own);
    let table = 3 * 512;
    let blocks = vhd.get32(HEADER + 28);
    let mut random = Random(seed);
    for block in 0..blocks {
        let entry = vhd.get32(table + block * 4);
        if entry != 0xffff_ffff {
            let bits = bitmap(&mut random, seed);
            vhd.put(entry * 512, &bits);
        }
    }
    let id = Vhd::of(parent).0;
    let id = &id[id.len() - 512 + UNIQUE_ID..][..16];
    vhd.put_header(40, id);
    // Behind the blocks, in front of the footer.
    let footer = vhd.0.split_off(vhd.0.len() - 512);
    for (number, (code, path)) in [(b"W2ru", paths[0]), (b"W2ku", paths[1])]
        .iter()
        .enumerate()
    {
        let path: Vec<u8> = path.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let at = vhd.0.len();
        vhd.0.extend(&path);
        vhd.0.resize(at + 512, 0);
        let field = 576 + number * 24;
        vhd.put_header(field, *code);
        vhd.put_header(field + 4, &512_u32.to_be_bytes());
        vhd.put_header(field + 8, &(path.len() as u32).to_be_bytes());
        vhd.put_header(field + 16, &(at as u64).to_be_bytes());
    }
    let name_of: Vec<u8> = parent
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    vhd.put_header(64, &name_of);
    vhd.0.extend(footer);
    vhd.put_footer(DISK_TYPE, &4_u32.to_be_bytes());
    vhd.put_footer(UNIQUE_ID, &random.bytes(16, false));
    let image = parent.with_file_name(name);
    vhd.write(&image);
    image
}

/// From this seed on bitmaps are of whole bytes. libvhdi (20210425) takes what follows a run of set
/// bits in the same byte for set, too.
const OF_BYTES: u64 = 100;

/// Runs of sectors of all lengths.
fn bitmap(random: &mut Random, seed: u64) -> Vec<u8> {
    let step = if seed >= OF_BYTES { 8 } else { 1 };
    let mut bits = vec![0_u8; 512];
    let (mut at, mut set) = (0, random.below(2) == 0);
    while at < 4096 {
        let most = 1 << random.below(12);
        let len = (1 + random.below(most) as usize) * step;
        for sector in (at..at + len).filter(|sector| set && *sector < 4096) {
            bits[sector / 8] |= 0x80 >> (sector % 8);
        }
        (at, set) = (at + len, !set);
    }
    bits
}

/// The disk of the child that [`child`] makes, from the bytes of both.
fn expected(below: &Path, raw: &Path, seed: u64, image: &Path, scratch: &Scratch) -> PathBuf {
    let (own, mut bytes) = (std::fs::read(raw).unwrap(), std::fs::read(below).unwrap());
    bytes.resize(own.len(), 0);
    let vhd = Vhd::of(image);
    let mut random = Random(seed);
    for block in 0..vhd.get32(HEADER + 28) {
        if vhd.get32(3 * 512 + block * 4) == 0xffff_ffff {
            continue;
        }
        let bits = bitmap(&mut random, seed);
        for sector in (0..4096).filter(|it| bits[it / 8] & (0x80 >> (it % 8)) != 0) {
            let at = (block << 21) + sector * 512;
            if at < own.len() {
                bytes[at..at + 512].copy_from_slice(&own[at..at + 512]);
            }
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

fn raw(scratch: &Scratch, name: &str, size: u64, seed: u64) -> PathBuf {
    let raw = guest::disk(scratch, size, seed);
    let own = scratch.join(name);
    std::fs::rename(raw, &own).unwrap();
    own
}

/// A base of `subformat` and two children, whose bitmaps are by `seed`; compared with the sectors
/// that were put into them.
fn chain(subformat: &str, seed: u64, scratch: &Scratch) -> [PathBuf; 2] {
    let base = raw(scratch, "base.raw", SIZE, 71);
    let options = format!("force_size=on,subformat={subformat}");
    let parent = convert(&base, "base.vhd", &options, scratch);
    let middle_raw = raw(scratch, "middle.raw", SIZE, 72);
    let paths = [".\\base.vhd", "C:\\VMs\\base.vhd"];
    let middle = child(&parent, "middle.vhd", &middle_raw, seed, paths);
    let top_raw = raw(scratch, "top.raw", SIZE, 73);
    let paths = [".\\middle.vhd", "C:\\VMs\\middle.vhd"];
    let top = child(&middle, "top größe.avhd", &top_raw, seed + 1, paths);
    let middle_disk = expected(&base, &middle_raw, seed, &middle, scratch);
    let top_disk = expected(&middle_disk, &top_raw, seed + 1, &top, scratch);
    compare(&disk(&middle), &middle_disk);
    compare(&disk(&top), &top_disk);
    assert_eq!(notices(&top), [""; 0]);
    [middle, top]
}

#[test]
fn chains_of_sectors() {
    need!(tool "qemu-img");
    for subformat in ["dynamic", "fixed"] {
        chain(subformat, 1, &Scratch::new());
    }
}

/// What is the parent's is read wherever the file ends in the block that says so.
#[test]
fn h07_cut_file_over_a_parent() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let base = raw(&scratch, "base.raw", SIZE, 71);
    let parent = convert(&base, "base.vhd", "force_size=on", &scratch);
    let top_raw = raw(&scratch, "top.raw", SIZE, 73);
    let paths = [".\\base.vhd", "C:\\base.vhd"];
    let top = child(&parent, "top.vhd", &top_raw, 1, paths);
    // Block 1 is the last thing in the file: its bitmap, and eight of the ten sectors it should have.
    let mut vhd = Vhd::of(&top);
    vhd.0.truncate(vhd.0.len() - 512);
    let mut bits = [0; 512];
    bits[..2].copy_from_slice(&[0xff, 0xc0]);
    let entry = vhd.0.len() as u32 / 512;
    vhd.put(3 * 512 + 4, &entry.to_be_bytes());
    vhd.0.extend(bits);
    vhd.0.extend([7; 8 * 512]);
    vhd.write(&top);
    let disk = disk(&top);
    let start = 1 << 21;
    let read = |sector: u64, count: usize| {
        imgmount::source::read_vec(&*disk, start + sector * 512, count * 512)
    };
    assert_eq!(read(0, 8).unwrap(), [7; 8 * 512]);
    let failed = read(8, 2).unwrap_err();
    assert!(failed.to_string().contains("leads to no block"), "{failed}");
    let below = &std::fs::read(&base).unwrap()[start as usize..][..1 << 21];
    let from = |sector: usize| &below[sector * 512..];
    assert!(read(10, 4086).unwrap() == from(10));
    for sector in [10, 11, 17, 4095] {
        assert!(
            read(sector, 1).unwrap() == from(sector as usize)[..512],
            "{sector}"
        );
    }
}

#[test]
fn chains_are_as_libvhdi_reads_them() {
    need!(root, tool "qemu-img", tool "vhdimount", tool "fusermount3");
    let scratch = Scratch::new();
    let [middle, top] = chain("dynamic", OF_BYTES, &scratch);
    compare(&disk(&middle), &by_libvhdi(&middle, 2, &scratch));
    compare(&disk(&top), &by_libvhdi(&top, 3, &scratch));
}

/// A child is extended and keeps its parent; what is behind the parent's end is zeros.
#[test]
fn a_child_larger_than_its_parent() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let base = raw(&scratch, "base.raw", 3 << 20, 74);
    let parent = convert(&base, "base.vhd", "force_size=on", &scratch);
    let own = raw(&scratch, "own.raw", SIZE, 75);
    let image = child(&parent, "child.vhd", &own, 3, ["base.vhd", ""]);
    let expected = expected(&base, &own, 3, &image, &scratch);
    compare(&disk(&image), &expected);
}

#[test]
fn the_parent_is_found_by_any_of_its_names() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let base = raw(&scratch, "base.raw", SIZE, 76);
    let parent = convert(&base, "größe.vhd", "force_size=on", &scratch);
    let own = raw(&scratch, "own.raw", SIZE, 77);
    let all = [
        [".\\größe.vhd", "D:\\gone.vhd"],
        ["", "C:\\VMs\\größe.vhd"],
        ["gone.vhd", "\\\\host\\share\\größe.vhd"],
        ["..\\elsewhere\\größe.vhd", ""],
        ["gone.vhd", "C:\\gone too.vhd"], // by parent_unicode_name
    ];
    for paths in all {
        let image = child(&parent, "child.vhd", &own, 4, paths);
        let expected = expected(&base, &own, 4, &image, &scratch);
        compare(&disk(&image), &expected);
    }
}

#[test]
fn a_parent_that_is_another_disk() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let base = raw(&scratch, "base.raw", SIZE, 78);
    let parent = convert(&base, "base.vhd", "force_size=on", &scratch);
    let own = raw(&scratch, "own.raw", SIZE, 79);
    let image = child(&parent, "child.vhd", &own, 5, ["base.vhd", ""]);
    let mut other = Vhd::of(&parent);
    other.put_footer(UNIQUE_ID, &[9; 16]);
    other.write(&parent);
    let why = refused(&image);
    assert!(why.contains("it is another disk"), "{why}");
    let expected = expected(&base, &own, 5, &image, &scratch);
    compare(&disk_with(&image, &ignoring()), &expected);
    std::fs::write(&parent, b"nothing of a disk").unwrap();
    let why = refused(&image);
    assert!(why.contains("base.vhd: no footer"), "{why}");
    std::fs::remove_file(&parent).unwrap();
    assert_eq!(error(&image).kind(), Kind::NotFound);
}

#[test]
fn h05_parent_locators() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let base = raw(&scratch, "base.raw", SIZE, 78);
    let parent = convert(&base, "base.vhd", "force_size=on", &scratch);
    let own = raw(&scratch, "own.raw", SIZE, 79);
    for path in [
        "/etc/shadow",
        "../../etc/shadow",
        "..\\..\\etc\\shadow",
        "json:{}",
        "nbd://x",
    ] {
        let image = child(&parent, "child.vhd", &own, 5, [path, ""]);
        let mut vhd = Vhd::of(&image);
        vhd.put_header(64, &[0; 512]);
        vhd.write(&image);
        names(
            &error(&image),
            Kind::Refused,
            &["parent ", &path.replace('\\', r"\\")],
        );
    }
    let image = child(&parent, "child.vhd", &own, 5, ["base.vhd", ""]);
    let whole = Vhd::of(&image);
    for (field, value, words) in [
        (8, 1_u32 << 31, "platform_data_length 2147483648 of"),
        (8, 0x1_0002, "platform_data_length 65538 of"),
        (20, 0xffff_ff00, "platform_data_offset 0xffffff00 of"),
    ] {
        let mut vhd = Vhd(whole.0.clone());
        vhd.put_header(576 + field, &value.to_be_bytes());
        assert!(vhd.0 != whole.0, "nothing was changed");
        vhd.write(&image);
        let at = (HEADER + 576) as u64;
        refused_at(&image, Kind::Corrupt, at, words);
    }
}

#[test]
fn h06_parent_loop() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let base = raw(&scratch, "base.raw", 1 << 20, 80);
    let parent = convert(&base, "a.vhd", "force_size=on", &scratch);
    let one = child(&parent, "b.vhd", &base, 6, ["a.vhd", ""]);
    let two = child(&one, "c.vhd", &base, 7, ["b.vhd", ""]);
    // The base becomes a child of the last.
    let start = std::time::Instant::now();
    let again = child(&two, "a2.vhd", &base, 8, ["c.vhd", ""]);
    let mut vhd = Vhd::of(&again);
    let id = Vhd::of(&parent).0[UNIQUE_ID..][..16].to_vec();
    vhd.put_footer(UNIQUE_ID, &id);
    vhd.write(&parent);
    let looped = |image: &Path| {
        let found = error(image);
        assert_eq!(found.kind(), Kind::Unsupported, "{found}");
        assert!(found.to_string().contains("backing loop"), "{found}");
    };
    [&parent, &one, &two].into_iter().for_each(|it| looped(it));
    let own = child(&one, "self.vhd", &base, 9, ["self.vhd", ""]);
    looped(&own);
    assert!(start.elapsed().as_secs() < 5);
}

/// `current_size` of the child counts, also where its table has more.
#[test]
fn a_child_smaller_than_its_parent() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let base = raw(&scratch, "base.raw", SIZE, 81);
    let parent = convert(&base, "base.vhd", "force_size=on", &scratch);
    let own = raw(&scratch, "own.raw", SIZE, 82);
    let image = child(&parent, "child.vhd", &own, 10, ["base.vhd", ""]);
    let expected = expected(&base, &own, 10, &image, &scratch);
    let mut vhd = Vhd::of(&image);
    vhd.put_footer(CURRENT_SIZE, &(5_u64 << 20).to_be_bytes());
    vhd.write(&image);
    let file = std::fs::File::options()
        .write(true)
        .open(&expected)
        .unwrap();
    file.set_len(5 << 20).unwrap();
    file.write_all_at(&[], 0).unwrap();
    compare(&disk(&image), &expected);
    assert!(open(&image, &Options::default()).is_ok());
    let _ = converted(&parent, "-f vpc", &scratch);
}
