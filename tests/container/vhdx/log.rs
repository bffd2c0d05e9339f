//! Logs: of machines that stopped at a write, compared with what qemu-img makes of a copy, which it
//! may write to.

use std::path::{Path, PathBuf};

use imgmount::error::Kind;

use super::{HEADERS, REGIONS, Vhdx, notices, options};
use crate::container::{compare, converted, disk, disk_with, refused_at};
use crate::support::command::Run;
use crate::support::images::{self, Scratch};

/// The bytes of `image` after qemu-img has replayed its log.
fn recovered(image: &Path, scratch: &Scratch) -> PathBuf {
    let copy = scratch.join("copy.vhdx");
    images::copy(image, &copy);
    Run::new("qemu-img")
        .words("check -q -r all -f vhdx")
        .arg(&copy)
        .run();
    converted(&copy, "-f vhdx", scratch)
}

fn is_dirty(vhdx: &Vhdx) -> bool {
    let number = |at: &usize| vhdx.get64(at + 8);
    let at = HEADERS.into_iter().max_by_key(number).unwrap();
    vhdx.0[at + 48..at + 64] != [0; 16]
}

/// Writes that allocate blocks, of which the `count`th write to the file is the last that is begun.
fn killed(count: usize, scratch: &Scratch) -> PathBuf {
    let image = scratch.join("disk.vhdx");
    let mut create = Run::new("qemu-img").words("create -q -f vhdx -o block_size=1M,log_size=1M");
    create = create.arg(&image).arg("64M");
    create.run();
    let calls = "pwrite64,pwritev,pwritev2";
    let mut io = Run::new("strace")
        .words("-f -qq -o /dev/null -e")
        .arg(format!("trace={calls}"));
    io = io.args(["-e", &format!("inject={calls}:signal=SIGKILL:when={count}")]);
    io = io.words("qemu-io -f vhdx");
    for write in ["1 1M 1M", "2 20M 64k", "3 5M 2M", "4 30M 3M", "5 50M 5k"] {
        io = io.args(["-c", &format!("write -P {write}")]);
    }
    let _ = io.arg(&image).output();
    image
}

#[test]
fn cut_off_at_every_write() {
    need!(tool "qemu-img", tool "qemu-io", tool "strace");
    let mut dirty = 0;
    for count in 1..34 {
        let scratch = Scratch::new();
        let image = killed(count, &scratch);
        let before = std::fs::read(&image).unwrap();
        let expected = recovered(&image, &scratch);
        compare(&disk(&image), &expected);
        let vhdx = Vhdx::of(&image);
        assert!(vhdx.0 == before, "nothing is written");
        if is_dirty(&vhdx) {
            dirty += 1;
            assert_eq!(notices(&image).len(), 1, "{:?}", notices(&image));
        }
    }
    assert!(dirty > 5, "{dirty}");
}

/// A dirty image whose table has lost what its log, of one whole entry, puts there.
fn needed(scratch: &Scratch) -> (PathBuf, Vhdx) {
    for count in (1..60).rev() {
        let image = killed(count, scratch);
        let mut vhdx = Vhdx::of(&image);
        // QEMU gives each entry a GUID of its own, and the headers that of the one not yet done.
        if is_dirty(&vhdx) && is_last_of_headers(&vhdx) {
            let entry = last_entry(&vhdx);
            let target = vhdx.get64(entry + 64 + 16) as usize;
            vhdx.put(target, &[0; 4096]);
            vhdx.write(&image);
            return (image, vhdx);
        }
    }
    panic!("no dirty image");
}

/// Whether the last entry is whole, and the one that the headers have to be replayed.
fn is_last_of_headers(vhdx: &Vhdx) -> bool {
    let sectors = (1 << 20..2 << 20).step_by(4096);
    if !sectors.clone().any(|at| vhdx.0[at..at + 4] == *b"loge") {
        return false;
    }
    let entry = last_entry(vhdx);
    let len = vhdx.get32(entry + 8);
    let mut mended = Vhdx(vhdx.0.clone());
    mended.mend(entry, len);
    let number = |at: &usize| vhdx.get64(at + 8);
    let header = HEADERS.into_iter().max_by_key(number).unwrap();
    mended.0 == vhdx.0 && vhdx.0[entry + 32..entry + 48] == vhdx.0[header + 48..header + 64]
}

/// The bytes of `vhdx` as it lies: qemu-img replays nothing where the headers name no log.
fn without_log(vhdx: &Vhdx, scratch: &Scratch) -> PathBuf {
    let mut bare = Vhdx(vhdx.0.clone());
    bare.put_headers(48, &[0; 16]);
    let copy = scratch.join("bare.vhdx");
    bare.write(&copy);
    converted(&copy, "-f vhdx", scratch)
}

/// Where the entry with the highest sequence number is.
fn last_entry(vhdx: &Vhdx) -> usize {
    let sectors = (1 << 20..2 << 20).step_by(4096);
    let entries = sectors.filter(|at| vhdx.0[*at..at + 4] == *b"loge");
    entries.max_by_key(|at| vhdx.get64(at + 16)).unwrap()
}

#[test]
fn h11_logs() {
    need!(tool "qemu-img", tool "qemu-io", tool "strace");
    let scratch = Scratch::new();
    let (image, whole) = needed(&scratch);
    let with_log = recovered(&image, &scratch);
    let with_log = {
        let kept = scratch.join("with-log");
        std::fs::rename(with_log, &kept).unwrap();
        kept
    };
    compare(&disk(&image), &with_log);
    let lying = disk_with(&image, &options(false, true));
    compare(&lying, &without_log(&whole, &scratch));
    let replayed = std::fs::read(&with_log).unwrap();
    let bare = std::fs::read(without_log(&whole, &scratch)).unwrap();
    assert!(replayed != bare, "the log is needed");
    let entry = last_entry(&whole);
    let at = |field: usize| entry + field;
    type Change = fn(&mut Vhdx, usize);
    // What makes the last entry no valid one: torn, or not what it says.
    let invalid: [(usize, Change); 9] = [
        (at(4), |vhdx, at| vhdx.0[at] ^= 1),           // Checksum
        (at(8), |vhdx, at| vhdx.0[at + 1] ^= 0x80),    // EntryLength
        (at(12), |vhdx, at| vhdx.0[at] ^= 1),          // Tail
        (at(16), |vhdx, at| vhdx.put(at, &[0; 8])),    // SequenceNumber
        (at(24), |vhdx, at| vhdx.put(at, &[0xff; 4])), // DescriptorCount
        (at(64), |vhdx, at| vhdx.0[at] = b'x'),        // a descriptor
        (at(4096), |vhdx, at| vhdx.0[at] = b'x'),      // a data sector
        (at(4096), |vhdx, at| vhdx.put(at, &[0; 4096])),
        (at(8191), |vhdx, at| vhdx.0[at] ^= 1),
    ];
    // qemu-img refuses some of them, and takes a wrong Tail; none is valid by the specification.
    let expected = without_log(&whole, &scratch);
    for (place, change) in invalid {
        let mut vhdx = Vhdx(whole.0.clone());
        change(&mut vhdx, place);
        vhdx.write(&image);
        compare(&disk(&image), &expected);
        assert!(
            vhdx.0 == std::fs::read(&image).unwrap(),
            "nothing is written"
        );
        let notices = notices(&image);
        assert!(notices[0].contains("no valid entry"), "{notices:?}");
    }
}

/// Puts an entry of one data descriptor behind the one at byte `last`, of the sequence that begins at
/// byte `first`: it makes zeros of what the first entry writes.
fn append(vhdx: &mut Vhdx, first: usize, last: usize, number: u64) -> usize {
    let entry = last + vhdx.get32(last + 8);
    assert!(entry + 8192 <= 2 << 20, "the log has room");
    let mut bytes = vhdx.0[first..first + 96].to_vec();
    bytes.resize(8192, 0);
    bytes[8..12].copy_from_slice(&8192_u32.to_le_bytes());
    bytes[12..16].copy_from_slice(&((first - (1 << 20)) as u32).to_le_bytes());
    bytes[16..24].copy_from_slice(&number.to_le_bytes());
    bytes[24..28].copy_from_slice(&1_u32.to_le_bytes());
    bytes[68..80].fill(0);
    bytes[88..96].copy_from_slice(&number.to_le_bytes());
    bytes[4096..4100].copy_from_slice(b"data");
    bytes[4100..4104].copy_from_slice(&((number >> 32) as u32).to_le_bytes());
    bytes[8188..].copy_from_slice(&(number as u32).to_le_bytes());
    vhdx.put(entry, &bytes);
    vhdx.mend(entry, 8192);
    entry
}

/// Sequences of two and three entries, of which each but the first takes back what that does.
#[test]
fn h11_what_breaks_a_sequence_ends_it_at_the_last_valid_entry() {
    need!(tool "qemu-img", tool "qemu-io", tool "strace");
    let scratch = Scratch::new();
    let (image, whole) = needed(&scratch);
    let kept = |disk: PathBuf, name: &str| {
        let kept = scratch.join(name);
        std::fs::rename(disk, &kept).unwrap();
        kept
    };
    let with_first = kept(recovered(&image, &scratch), "with-first");
    let bare = kept(without_log(&whole, &scratch), "without");
    let first = last_entry(&whole);
    let number = whole.get64(first + 16);
    let mut two = Vhdx(whole.0.clone());
    let second = append(&mut two, first, first, number + 1);
    two.write(&image);
    compare(&disk(&image), &bare);
    compare(&disk(&image), &recovered(&image, &scratch));
    type Change = fn(&mut Vhdx, usize);
    let changes: [(&str, bool, Change); 5] = [
        ("a torn write", false, |vhdx, at| vhdx.0[at + 8000] ^= 1),
        ("the write's end", false, |vhdx, at| {
            vhdx.put(at + 4096, &[0; 4096])
        }),
        ("a gap", true, |vhdx, at| {
            let number = vhdx.get64(at + 16) + 1;
            for field in [16, 88] {
                vhdx.put(at + field, &number.to_le_bytes());
            }
            vhdx.put(at + 8188, &(number as u32).to_le_bytes());
        }),
        ("another descriptor's number", true, |vhdx, at| {
            vhdx.0[at + 88] ^= 1
        }),
        ("no descriptor", true, |vhdx, at| vhdx.0[at + 64] = b'x'),
    ];
    let mut three = Vhdx(two.0.clone());
    append(&mut three, first, second, number + 2);
    three.write(&image);
    compare(&disk(&image), &bare);
    for (name, is_mended, change) in changes {
        for before in [&two, &three] {
            let mut vhdx = Vhdx(before.0.clone());
            change(&mut vhdx, second);
            if is_mended {
                vhdx.mend(second, 8192);
            }
            assert!(vhdx.0 != before.0, "{name}: nothing was changed");
            vhdx.write(&image);
            println!("{name}");
            compare(&disk(&image), &with_first);
            assert!(std::fs::read(&image).unwrap() == vhdx.0, "{name}");
        }
    }
}

#[test]
fn h11_zero_descriptors_over_the_table() {
    need!(tool "qemu-img", tool "qemu-io", tool "strace");
    let scratch = Scratch::new();
    let (image, mut vhdx) = needed(&scratch);
    let entry = last_entry(&vhdx);
    let table = vhdx.bat() as u64;
    vhdx.put(entry + 64, b"zero");
    vhdx.put(entry + 72, &4096_u64.to_le_bytes());
    vhdx.put(entry + 80, &table.to_le_bytes());
    let len = vhdx.get32(entry + 8);
    vhdx.mend(entry, len);
    vhdx.write(&image);
    compare(&disk(&image), &recovered(&image, &scratch));
    // Zeros over everything, to the end of all offsets: what is left is no VHDX, and refused.
    vhdx.put(entry + 72, &(u64::MAX - 4095).to_le_bytes());
    vhdx.put(entry + 80, &0_u64.to_le_bytes());
    vhdx.mend(entry, len);
    vhdx.write(&image);
    let words = "both region tables: no regi: no region table";
    refused_at(&image, Kind::Corrupt, REGIONS[0] as u64, words);
}

#[test]
fn h11_log_that_is_not_there() {
    need!(tool "qemu-img", tool "qemu-io", tool "strace");
    let scratch = Scratch::new();
    let (image, whole) = needed(&scratch);
    let expected = {
        let disk = recovered(&image, &scratch);
        let kept = scratch.join("with-log");
        std::fs::rename(disk, &kept).unwrap();
        kept
    };
    // Lengths that are not whole MiB: read as far as they go.
    let mut vhdx = Vhdx(whole.0.clone());
    vhdx.put_headers(68, &((1_u32 << 20) - 4096).to_le_bytes());
    vhdx.write(&image);
    compare(&disk(&image), &expected);
    let cases: [(usize, &[u8], Kind, &str); 5] = [
        (68, &[0; 4], Kind::Corrupt, "LogLength 0x0: no log"),
        (
            68,
            &[0, 0, 0xf0, 0xff],
            Kind::Corrupt,
            "LogLength 0xfff00000: no log",
        ),
        (
            72,
            &[0, 0, 0, 0, 0xff, 0, 0, 0],
            Kind::Corrupt,
            "LogOffset 0xff00000000, ",
        ),
        (72, &[0xff; 8], Kind::Corrupt, "LogOffset 0xfffffffff"),
        (64, &[1, 0], Kind::Unsupported, "LogVersion 1 is not 0"),
    ];
    let header = |vhdx: &Vhdx| {
        let number = |at: &usize| vhdx.get64(at + 8);
        HEADERS.into_iter().max_by_key(number).unwrap() as u64
    };
    for (field, bytes, kind, words) in cases {
        let mut vhdx = Vhdx(whole.0.clone());
        vhdx.put_headers(field, bytes);
        vhdx.write(&image);
        assert!(vhdx.0 != whole.0, "{words}: nothing was changed");
        let at = match kind {
            Kind::Unsupported => header(&whole) + field as u64,
            _ => header(&whole),
        };
        refused_at(&image, kind, at, words);
    }
    // A file that was cut after the entry was written.
    let entry = last_entry(&whole);
    let mut vhdx = Vhdx(whole.0.clone());
    vhdx.put(entry + 48, &(1_u64 << 40).to_le_bytes());
    let len = vhdx.get32(entry + 8);
    vhdx.mend(entry, len);
    vhdx.write(&image);
    let words = "FlushedFileOffset 0x10000000000 of the log is over the file's";
    refused_at(&image, Kind::Corrupt, entry as u64 + 48, words);
    let start = std::time::Instant::now();
    disk_with(&image, &options(false, true));
    assert!(start.elapsed().as_secs() < 5);
}

/// Every sector begins an entry as long as the log, which is none by its checksum: looking ends.
#[test]
fn h11_entries_without_end() {
    need!(tool "qemu-img", tool "qemu-io", tool "strace");
    let scratch = Scratch::new();
    let (image, mut vhdx) = needed(&scratch);
    let entry = last_entry(&vhdx);
    vhdx.put(entry + 8, &(1_u32 << 20).to_le_bytes());
    let sector = vhdx.0[entry..entry + 4096].to_vec();
    for at in (1 << 20..2 << 20).step_by(4096) {
        vhdx.put(at, &sector);
    }
    vhdx.write(&image);
    let start = std::time::Instant::now();
    let words = "the log's entries overlap again and again";
    refused_at(&image, Kind::Corrupt, 1 << 20, words);
    assert!(start.elapsed().as_secs() < 5);
}

/// QEMU's iotest 070: a pattern up to 18 MiB, of which the log has what says where it is.
#[test]
fn h12_dirty_log() {
    need!(images, tool "qemu-img");
    for name in ["iotest-dirtylog-10G-4M", "vhdx-log-replay"] {
        let scratch = Scratch::new();
        let image = images::unpack(&format!("container/vhdx/{name}.vhdx.xz"), &scratch);
        let disk = disk(&image);
        if name.starts_with("iotest") {
            for at in (0..18_u64 << 20).step_by(1 << 20) {
                let mut buf = vec![0; 1 << 20];
                disk.read_exact_at(&mut buf, at).unwrap();
                assert!(buf.iter().all(|byte| *byte == 0xa5), "{at:#x}");
            }
        }
        compare_sparse(&disk, &recovered(&image, &scratch));
        assert_eq!(notices(&image).len(), 1, "{:?}", notices(&image));
    }
}

/// Whole disks of some GiB are hashed elsewhere; here random ranges of the first 64 MiB.
fn compare_sparse(disk: &imgmount::source::SharedSource, expected: &Path) {
    let file = std::fs::File::open(expected).unwrap();
    assert_eq!(disk.size(), file.metadata().unwrap().len());
    for at in (0..64_u64 << 20).step_by(1 << 20) {
        crate::container::compare_range(disk, &file, at, 1 << 20);
    }
    crate::container::compare_random(disk, &file, 1, 100);
}
