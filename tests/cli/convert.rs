//! What `convert` need not have sent by the process that reads the image: bytes that lie as they are in
//! a file that both have open.

use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::apart::by_process;
use crate::support::command::{Run, imgmount};
use crate::support::images::Scratch;
use crate::support::trace::whole_calls;

const MIB: u64 = 1 << 20;

/// A raw disk of 12 MiB: data with a block of zeros in it, a hole from 2 MiB to 8 MiB, data.
fn raw(scratch: &Scratch, name: &str) -> PathBuf {
    let path = scratch.file(name, 12 * MIB);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let mut start = vec![b'a'; 2 << 20];
    start[8192..12288].fill(0);
    file.write_all_at(&start, 0).unwrap();
    file.write_all_at(&vec![b'z'; 4 << 20], 8 * MIB).unwrap();
    path
}

/// Converts `image` to `out`; gives how many bytes the process that reads it has sent, and how many
/// the other one has read in files whose names end with one of `plain`.
fn sent_and_read(image: &Path, out: &Path, plain: &[&str]) -> (u64, u64) {
    let log = out.with_extension("trace");
    let what = "trace=sendto,sendmsg,write,writev,pread64,clone,clone3,vfork,fork,execve";
    Run::new("strace")
        .args(["-f", "-y", "-s", "64", "-e", what, "-o"])
        .arg(&log)
        .arg(env!("CARGO_BIN_EXE_imgmount"))
        .args(["convert", "--no-index"])
        .arg(image)
        .arg(out)
        .run();
    let log = whole_calls(&std::fs::read_to_string(&log).unwrap());
    let (front, reader) = by_process(&log);
    let count = |line: &&str| {
        let count = line.rsplit_once(" = ").map(|(_, count)| count.trim());
        count
            .and_then(|count| count.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let is_read = |line: &&&str| {
        let in_file = |name| line.contains(&format!("{name}>"));
        line.contains("pread64(") && plain.iter().any(in_file)
    };
    let sends = |line: &&&str| ["send", "write"].iter().any(|call| line.contains(call));
    let sent = reader.iter().filter(sends).map(count).sum();
    let read = front.iter().filter(is_read).map(count).sum();
    (sent, read)
}

/// A few answers and the words about the image.
const FEW: u64 = 16 << 10;

#[test]
fn what_lies_in_the_image_as_it_is_is_not_sent_and_its_zeros_stay_holes() {
    need!(tool "strace");
    let scratch = Scratch::new();
    let (image, out) = (raw(&scratch, "disk.raw"), scratch.join("out"));
    let (sent, read) = sent_and_read(&image, &out, &["disk.raw"]);
    assert!(sent < FEW, "{sent}");
    assert_eq!(read, 6 * MIB);
    assert!(std::fs::read(&out).unwrap() == std::fs::read(&image).unwrap());
    assert_eq!(out.metadata().unwrap().blocks() * 512, 6 * MIB - 4096);
}

#[test]
fn clusters_and_second_files_are_not_sent_and_what_is_packed_is() {
    need!(tool "strace", tool "qemu-img");
    let scratch = Scratch::new();
    raw(&scratch, "disk.raw");
    let run = |line: &str| {
        let image = Run::new("qemu-img").words(line);
        image.within(scratch.path()).run();
    };
    let raw = std::fs::read(scratch.join("disk.raw")).unwrap();
    // One plain file; the same behind an empty one; and packed.
    run("convert -f raw -O qcow2 disk.raw plain.qcow2");
    run("create -q -f qcow2 -b plain.qcow2 -F qcow2 over.qcow2");
    run("convert -c -f raw -O qcow2 disk.raw packed.qcow2");
    for (name, plain) in [
        ("plain.qcow2", 6 * MIB),
        ("over.qcow2", 6 * MIB),
        ("packed.qcow2", 0),
    ] {
        let out = scratch.join(name).with_extension("out");
        let (sent, read) = sent_and_read(&scratch.join(name), &out, &["plain.qcow2", name]);
        assert_eq!(read, plain, "{name}");
        match plain {
            0 => assert!(sent >= 6 * MIB, "{name}: {sent}"),
            _ => assert!(sent < FEW, "{name}: {sent}"),
        }
        assert!(std::fs::read(&out).unwrap() == raw, "{name}");
        assert_eq!(
            out.metadata().unwrap().blocks() * 512,
            6 * MIB - 4096,
            "{name}"
        );
    }
}

#[test]
fn an_image_that_is_cut_in_the_middle_is_said_to_be_shorter() {
    let scratch = Scratch::new();
    let out = cut_in_the_middle(&scratch, "convert");
    assert!(!out.exists(), "half a disk is left");
    std::fs::write(&out, "of the user").unwrap();
    let out = cut_in_the_middle(&scratch, "convert --force");
    let left = out.metadata().unwrap().len();
    assert_eq!(left, 0, "half a disk is left");
}

/// What `command` says where its image becomes shorter; gives where it writes.
fn cut_in_the_middle(scratch: &Scratch, command: &str) -> PathBuf {
    let (image, out) = (scratch.join("disk.raw"), scratch.join("out"));
    std::fs::write(&image, vec![b'x'; 300 << 20]).unwrap();
    let mut command = imgmount().words(command).arg(&image).arg(&out).command();
    let front = command.stderr(Stdio::piped()).spawn().unwrap();
    let signal = |name: &str| Run::new("kill").args([name, &front.id().to_string()]).run();
    let start = Instant::now();
    while !out.metadata().is_ok_and(|found| found.len() > 4096) {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    signal("-STOP");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&image)
        .unwrap();
    file.set_len(4096).unwrap();
    signal("-CONT");
    let output = front.wait_with_output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}");
    let last = words.lines().last().unwrap();
    assert!(
        last.contains("disk.raw: the image is shorter than it was at byte 0x"),
        "{words}"
    );
    out
}
