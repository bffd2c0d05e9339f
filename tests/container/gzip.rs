//! gzip files by gzip, pigz and bgzip, against the raw disk; and how much of them is unpacked.

use std::io::Write;
use std::path::{Path, PathBuf};

use imgmount::error::Kind;
use imgmount::service::open::{Options, open};
use imgmount::source::ExtentKind;

use super::{compare, disk, guest};
use crate::hostile::expect::{check, names};
use crate::support::command::{Run, imgmount};
use crate::support::images::Scratch;

const MIB: u64 = 1 << 20;
const SIZE: u64 = 9 * MIB + 512;

/// What `command` makes of `raw`.
fn packed(command: &str, raw: &Path, scratch: &Scratch) -> PathBuf {
    let image = scratch.join("disk.img.gz");
    let (name, options) = command.split_once(' ').unwrap_or((command, ""));
    let bytes = Run::new(name).words(options).arg("-c").arg(raw).stdout();
    std::fs::write(&image, bytes).unwrap();
    image
}

#[test]
fn what_each_program_writes_is_read() {
    need!(tool "gzip", tool "pigz", tool "bgzip");
    let commands = [
        "gzip -1",
        "gzip -6",
        "gzip -9n",
        "pigz -p 4",
        "pigz -i -b 128",
        "pigz -0",
        "bgzip",
        "bgzip -l 0",
    ];
    for (seed, command) in (1..).zip(commands) {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, SIZE, seed);
        compare(&disk(&packed(command, &raw, &scratch)), &raw);
    }
}

#[test]
fn members_one_after_another_are_one_disk() {
    need!(tool "gzip", tool "bgzip");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 3);
    let bytes = std::fs::read(&raw).unwrap();
    let mut file = Vec::new();
    for (index, part) in bytes.chunks(2_000_000).enumerate() {
        let part_file = scratch.join("part");
        std::fs::write(&part_file, part).unwrap();
        let command = if index % 2 == 0 { "gzip" } else { "bgzip" };
        file.extend(Run::new(command).arg("-c").arg(part_file).stdout());
    }
    let image = scratch.join("several.gz");
    std::fs::write(&image, file).unwrap();
    compare(&disk(&image), &raw);
}

#[test]
fn zeros_are_holes_once_they_were_unpacked() {
    need!(tool "gzip");
    let scratch = Scratch::new();
    let raw = scratch.file("raw", 20 * MIB);
    let mut file = std::fs::File::options().write(true).open(&raw).unwrap();
    file.write_all(&guest::Random(5).bytes(3 << 20, true))
        .unwrap();
    let disk = disk(&packed("gzip", &raw, &scratch));
    compare(&disk, &raw);
    let extent = disk.extent_at(3 * MIB).unwrap();
    assert_eq!(
        (extent.kind, extent.len.get()),
        (ExtentKind::Zeros, 17 * MIB)
    );
    assert_eq!(disk.extent_at(0).unwrap().kind, ExtentKind::Data);
}

/// A disk of 96 MiB whose ext4 partition has a file in its first group, and data behind it.
fn partitioned(label: &str, scratch: &Scratch) -> PathBuf {
    let raw = scratch.file("raw", 96 * MIB);
    let mut sfdisk = Run::new("sfdisk").arg("-q").arg(&raw).command();
    let mut child = sfdisk.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let script = format!("label: {label}\nstart=2048, size=192512\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
    let folder = scratch.folder("files");
    std::fs::write(folder.join("near"), "near\n").unwrap();
    std::fs::write(folder.join("far"), guest::Random(1).bytes(50 << 20, false)).unwrap();
    let mke2fs = Run::new("mke2fs").words("-q -t ext4 -O ^has_journal -b 4096 -E offset=1048576");
    mke2fs.arg("-d").arg(&folder).arg(&raw).arg("94M").run();
    raw
}

/// Runs imgmount with `home` as the cache of the user; gives its output and the bytes that it
/// unpacked.
fn unpacked(arguments: &str, image: &Path, path: &str, home: &Path) -> (String, u64) {
    let run = imgmount().words(arguments).arg(image).arg(path);
    let run = run.env("RUST_LOG", "debug").env("XDG_CACHE_HOME", home);
    let output = run.output();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let before = errors.split(" bytes were unpacked").next().unwrap();
    let number = before.rsplit(' ').next().unwrap().parse().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), number)
}

/// Where `path` in the first partition of `raw` lies: the last byte of its blocks on the disk.
fn last_byte(raw: &Path, path: &str) -> u64 {
    let name = format!("{}?offset={MIB}", raw.to_str().unwrap());
    let blocks = Run::new("debugfs").arg("-R").arg(format!("blocks {path}"));
    let blocks = blocks.arg(name).text();
    let last = blocks.split_whitespace().next_back().unwrap();
    MIB + (last.parse::<u64>().unwrap() + 1) * 4096
}

#[test]
fn the_first_contact_unpacks_what_it_touches_and_the_second_less() {
    need!(tool "gzip", tool "sfdisk", tool "mke2fs", tool "debugfs");
    const SPAN: u64 = 256 << 10;
    for label in ["dos", "gpt"] {
        let scratch = Scratch::new();
        let raw = partitioned(label, &scratch);
        let image = packed("gzip -1", &raw, &scratch);
        let home = scratch.folder("cache");
        // The root's directory lies behind the tables of its group, which is all that ls reads.
        let touched = last_byte(&raw, "/");
        assert!(touched < 30 * MIB, "{touched}: a fair test");
        let (listed, first) = unpacked("ls", &image, "p1", &home);
        assert!(listed.contains("near"), "{listed}");
        assert!(first <= touched + SPAN, "{first} for {touched}");
        let (text, _) = unpacked("cat", &image, "p1/near", &home);
        assert_eq!(text, "near\n");
        // All of it once, and then what lies far away costs what lies round it.
        let (_, all) = unpacked("cat", &image, "disk.img", &home);
        assert!(all >= 60 * MIB, "{all}");
        let (_, again) = unpacked("ls", &image, "p1", &home);
        assert!(again <= first + 16 * MIB, "{again}");
        let (_, near) = unpacked("cat", &image, "p1/near", &home);
        assert!(near <= 24 * MIB, "{near}");
    }
}

#[test]
fn a_damaged_byte_costs_what_lies_behind_it() {
    need!(tool "gzip");
    let scratch = Scratch::new();
    let raw = scratch.join("raw");
    std::fs::write(&raw, guest::Random(8).bytes(12 << 20, true)).unwrap();
    let image = packed("gzip", &raw, &scratch);
    let mut bytes = std::fs::read(&image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    std::fs::write(&image, bytes).unwrap();
    let disk = disk(&image);
    assert!(disk.size() >= 5 * MIB, "{}", disk.size());
    let expected = std::fs::File::open(&raw).unwrap();
    super::compare_range(&disk, &expected, 0, 5 * MIB);
    let end = disk.size() - 10;
    let error = disk.read_exact_at(&mut [0; 10], end).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
}

#[test]
fn a_wrong_checksum_is_an_error_of_the_end() {
    need!(tool "gzip");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 4 * MIB, 9);
    let image = packed("gzip", &raw, &scratch);
    let mut bytes = std::fs::read(&image).unwrap();
    let at = bytes.len() - 6;
    bytes[at] ^= 1;
    std::fs::write(&image, bytes).unwrap();
    let disk = disk(&image);
    assert_eq!(disk.size(), 4 * MIB);
    let expected = std::fs::File::open(&raw).unwrap();
    super::compare_range(&disk, &expected, 0, 3 * MIB);
    let error = disk.read_exact_at(&mut [0; 1], 4 * MIB - 1).unwrap_err();
    // CRC32 and ISIZE, four bytes each, are the last of a member.
    check(&error, Kind::Corrupt, &["CRC32"], Some(at - 2));
}

/// `mib` MiB of zeros, packed: about a thousandth of that.
fn zeros(mib: u64) -> Vec<u8> {
    let command = format!("head -c {mib}M /dev/zero | gzip -9");
    Run::new("sh").arg("-c").arg(command).stdout()
}

#[test]
fn o06_ten_gibibytes_of_zeros_open_lazily() {
    need!(tool "gzip");
    let scratch = Scratch::new();
    let image = scratch.join("zeros.gz");
    // Members of 1 GiB: the same bytes ten times, and no need to pack them all.
    std::fs::write(&image, zeros(1024).repeat(10)).unwrap();
    let started = std::time::Instant::now();
    let opened = open(&image, &Options::default()).unwrap();
    let disk = opened.stack.disks[0].source.clone().unwrap();
    assert!(disk.size() >= 10 << 30, "{}", disk.size());
    let mut buf = vec![1; 1 << 20];
    disk.read_exact_at(&mut buf, 5 * MIB).unwrap();
    assert!(buf.iter().all(|byte| *byte == 0));
    assert!(started.elapsed().as_secs() < 20, "it hangs");
    let notices = opened.notices.all().join("\n");
    assert!(notices.contains("not known"), "{notices}");
}

#[test]
fn o06_ten_tebibytes_in_two_wrappers_open_lazily() {
    need!(tool "gzip");
    let scratch = Scratch::new();
    let (inner, image) = (scratch.join("inner"), scratch.join("bomb.gz"));
    // 64 GiB of zeros in 64 MiB, packed once more to a fraction of 1 MiB; and that 160 times.
    std::fs::write(&inner, zeros(1024).repeat(64)).unwrap();
    let outer = Run::new("gzip").arg("-9c").arg(&inner).stdout();
    std::fs::write(&image, outer.repeat(160)).unwrap();
    let started = std::time::Instant::now();
    let used = allocation_counter::measure(|| {
        let opened = open(&image, &Options::default()).unwrap();
        let disk = opened.stack.disks[0].source.clone().unwrap();
        assert!(disk.size() >= 10 << 40, "{}", disk.size());
        disk.read_exact_at(&mut [0; 4096], MIB).unwrap();
    });
    assert!(used.bytes_max < 64 << 20, "{} bytes", used.bytes_max);
    assert!(started.elapsed().as_secs() < 20, "it hangs");
}

#[test]
fn o06_twenty_wrappers_are_too_many() {
    need!(tool "gzip");
    let scratch = Scratch::new();
    let mut image = guest::disk(&scratch, MIB, 4);
    for depth in 0..20 {
        let next = scratch.join(&format!("{depth}.gz"));
        std::fs::write(&next, Run::new("gzip").arg("-c").arg(&image).stdout()).unwrap();
        image = next;
    }
    let error = open(&image, &Options::default()).err().unwrap();
    names(&error, Kind::Unsupported, &["19: nesting depth is over 8"]);
}
