//! The image is read by a process of its own: nobody else makes anything of its bytes, and its end is
//! told from damage.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::verbs::image;
use crate::support::command::{Run, imgmount};
use crate::support::images::Scratch;
use crate::support::trace::whole_calls;
use crate::volume::luks::headers::SMALL;
use crate::volume::luks::made::cryptsetup;

/// Each verb that reads an image; `D` is a place that can be written to.
const VERBS: [&str; 7] = [
    "ls -lR I",
    "cat I b",
    "cp I / D",
    "tar I",
    "info --json I",
    "check I",
    "convert I D",
];

fn words(line: &str, image: &Path, dest: &Path) -> Vec<PathBuf> {
    let word = |word: &str| match word {
        "I" => image.to_owned(),
        "D" => dest.to_owned(),
        word => word.into(),
    };
    line.split(' ').map(word).collect()
}

/// The lines of an strace log, each with the thread that it is about: those of the process that was
/// started first, and those of the process with `--reader` among its arguments.
pub fn by_process(log: &str) -> (Vec<&str>, Vec<&str>) {
    let thread = |line: &str| {
        line.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let is_reader = |line: &&str| line.contains("execve(") && line.contains("\"--reader\"");
    let reader = thread(log.lines().find(is_reader).unwrap());
    let mut front = BTreeSet::from([thread(log)]);
    let (mut fronts, mut readers) = (Vec::new(), Vec::new());
    for line in log.lines() {
        if !front.contains(&thread(line)) {
            readers.push(line);
            continue;
        }
        fronts.push(line);
        let made = line.rsplit_once(" = ").map(|(_, number)| number.trim());
        if let Some(made) = made.filter(|made| line.contains("clone") && *made != reader) {
            front.insert(made.to_owned());
        }
    }
    (fronts, readers)
}

#[test]
fn for_every_verb_the_image_is_read_by_the_other_process_and_only_copied_by_its_own() {
    need!(tool "mke2fs", tool "strace");
    let scratch = Scratch::new();
    let image = image(&scratch);
    let log = scratch.join("trace");
    for (number, verb) in VERBS.iter().enumerate() {
        let dest = scratch.join(&format!("dest {number}"));
        let what = "trace=read,readv,pread64,preadv,preadv2,mmap,sendfile,splice,copy_file_range,\
                    io_uring_enter,clone,clone3,vfork,fork,execve";
        Run::new("strace")
            .args(["-f", "-y", "-s", "4096", "-e", what, "-o"])
            .arg(&log)
            .arg(env!("CARGO_BIN_EXE_imgmount"))
            .args(words(verb, &image, &dest))
            .run();
        let log = whole_calls(&std::fs::read_to_string(&log).unwrap());
        let (front, reader) = by_process(&log);
        let reads = |line: &&&str| line.contains("disk.raw>") && !line.contains("execve(");
        let copies = |line: &&&str| verb.starts_with("convert") && line.contains("pread64(");
        let looks = |line: &&&str| reads(line) && !copies(line);
        assert_eq!(front.iter().find(looks), None, "{verb}");
        assert!(reader.iter().filter(reads).count() > 1, "{verb}: {log}");
    }
}

/// A block that was read for one alone is handed on without a system call.
/// What wakes everybody who waits names the largest number of them.
#[test]
fn where_nobody_waits_for_a_block_nobody_is_woken() {
    need!(tool "mke2fs", tool "strace");
    let scratch = Scratch::new();
    let image = image(&scratch);
    let log = scratch.join("trace");
    Run::new("strace")
        .words("-f -e trace=futex,clone,clone3,vfork,fork,execve -o")
        .arg(&log)
        .arg(env!("CARGO_BIN_EXE_imgmount"))
        .args(words("ls -lR I", &image, scratch.path()))
        .run();
    let log = whole_calls(&std::fs::read_to_string(&log).unwrap());
    let (_, reader) = by_process(&log);
    let woken = reader
        .iter()
        .filter(|line| line.contains("FUTEX_WAKE_PRIVATE, 2147483647"));
    assert_eq!(woken.collect::<Vec<_>>(), Vec::<&&str>::new());
}

/// The process that reads the image for `front`, once there is one.
fn reader_of(front: &Child) -> Option<i32> {
    let is_its = |process: &PathBuf| {
        let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().and_then(|it| it.split(' ').nth(1));
        let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        parent == Some(front.id().to_string().as_str()) && words.any(|word| word == b"--reader")
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let found = processes.map(|entry| entry.path()).find(is_its)?;
    found.file_name()?.to_str()?.parse().ok()
}

/// Kills the process that reads the image for `verb` once `is_time`; gives what is said then.
fn kill_at(image: &Path, verb: &str, dest: &Path, is_time: impl Fn() -> bool) -> String {
    let mut command = imgmount()
        .args(words(verb, image, dest))
        .arg("--no-index")
        .command();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut front = command.spawn().unwrap();
    let start = Instant::now();
    let reader = loop {
        assert!(start.elapsed() < Duration::from_secs(60), "{verb}");
        assert_eq!(front.try_wait().unwrap(), None, "{verb} was too fast");
        match reader_of(&front).filter(|_| is_time()) {
            Some(reader) => break reader,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    Run::new("kill").args(["-9", &reader.to_string()]).run();
    let (mut output, mut words) = (Vec::new(), String::new());
    front
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut output)
        .unwrap();
    front
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut words)
        .unwrap();
    assert_eq!(front.wait().unwrap().code(), Some(5), "{verb}: {words}");
    words
}

fn assert_one_line(words: &str, verb: &str) {
    let line = ": the process that reads the image was killed by signal 9\n";
    let is_it = words.starts_with("imgmount: ") && words.ends_with(line);
    assert!(is_it && words.lines().count() == 1, "{verb}: {words}");
}

/// A packed image that takes seconds to open.
fn slow_image(scratch: &Scratch) -> PathBuf {
    let path = scratch.join("slow.raw.gz");
    let file = std::fs::File::create(&path).unwrap();
    let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    let mut seed = 1_u32;
    let mut noise = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u8::try_from(seed >> 26).unwrap()
    };
    let block: Vec<u8> = (0..1 << 20).map(|_| noise()).collect();
    for _ in 0..200 {
        packer.write_all(&block).unwrap();
    }
    packer.finish().unwrap();
    path
}

#[test]
fn the_end_of_the_reading_process_while_it_opens_the_image_is_one_line() {
    let scratch = Scratch::new();
    let image = slow_image(&scratch);
    for (number, verb) in VERBS.iter().enumerate() {
        let dest = scratch.join(&format!("dest {number}"));
        let words = kill_at(&image, verb, &dest, || true);
        assert_one_line(&words, verb);
        assert!(!dest.exists(), "{verb}");
    }
}

#[test]
fn the_end_of_the_reading_process_in_the_middle_is_one_line() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let folder = scratch.folder("files");
    for number in 0..3 {
        std::fs::write(folder.join(format!("b{number}")), vec![b'x'; 100 << 20]).unwrap();
    }
    let many = folder.join("many");
    std::fs::create_dir(&many).unwrap();
    for number in 0..3000 {
        let name = format!("a rather long name of a file without any contents {number}");
        std::fs::write(many.join(name), "").unwrap();
    }
    let image = scratch.file("disk.raw", 400 << 20);
    let make = Run::new("mke2fs").words("-q -F -t ext4 -N 8000 -d");
    make.arg(&folder).arg(&image).run();
    let begun = |path: PathBuf| move || path.metadata().is_ok_and(|found| found.len() > 0);
    // Nobody takes what these write, so they wait in the middle of it.
    for verb in ["ls -lR I", "cat I b0", "tar I"] {
        let start = Instant::now();
        let soon = || start.elapsed() > Duration::from_millis(500);
        assert_one_line(&kill_at(&image, verb, Path::new(""), soon), verb);
    }
    let dest = scratch.join("copy");
    let words = kill_at(&image, "cp I / D", &dest, begun(dest.join("b0")));
    assert_one_line(&words, "cp");
    assert!(!dest.join("many").exists());
    let dest = scratch.join("out.raw");
    let words = kill_at(&image, "convert I D", &dest, begun(dest.clone()));
    assert_one_line(&words, "convert");
    assert!(!dest.exists(), "half a disk is left");
}

#[test]
fn the_reading_process_ends_with_the_verb() {
    let scratch = Scratch::new();
    let image = slow_image(&scratch);
    let mut command = imgmount().arg("ls").arg(&image).arg("--no-index").command();
    let mut front = command.stdout(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    let reader = loop {
        assert!(start.elapsed() < Duration::from_secs(60));
        match reader_of(&front) {
            Some(reader) => break reader,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    front.kill().unwrap();
    front.wait().unwrap();
    let process = PathBuf::from(format!("/proc/{reader}"));
    let is_alive = || {
        let stat = std::fs::read_to_string(process.join("stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    let start = Instant::now();
    while is_alive() {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What makes a key of a passphrase has threads and locked memory; and a wrong one is no end.
#[test]
fn what_is_encrypted_is_opened_with_the_system_calls_of_the_list() {
    need!(tool "cryptsetup");
    let scratch = Scratch::new();
    let image = scratch.join("disk.luks");
    let argon2 = "--pbkdf argon2id --pbkdf-force-iterations 4 --pbkdf-parallel 4";
    let argon2 = format!("{SMALL} {argon2} --pbkdf-memory 8192");
    for words in ["--type luks1", &argon2] {
        let key = crate::fixtures::key("crypto_LUKS", &scratch);
        scratch.file("disk.luks", 6 << 20);
        let format = cryptsetup("luksFormat").words(words);
        format.arg(&image).arg(&key[1]).run();
        let ls = || imgmount().words("ls --require-sandbox").arg(&image);
        let listed = ls().args(key).text();
        assert!(listed.contains("luks.img"), "{words}: {listed}");
        let wrong = ls()
            .arg("--key")
            .arg(&image)
            .arg("--keyfile-size=9")
            .output();
        assert_eq!(wrong.status.code(), Some(3));
    }
}

/// With all of the sandbox required, a system call that is not on the list ends the process.
#[test]
fn every_format_is_read_with_the_system_calls_of_the_list() {
    need!(tool "bzip2", tool "gzip", tool "lz4", tool "mkfs.erofs", tool "mkfs.exfat", tool "mkfs.fat", tool "mksquashfs", tool "mkudffs", tool "parted", tool "qemu-img", tool "sfdisk", tool "xorriso", tool "xz", tool "zstd");
    for name in imgmount::stack::Registries::BUILT_IN.names() {
        assert_read(env!("CARGO_BIN_EXE_imgmount"), name);
    }
}

/// That `program` reads the fixture of the format `name` with the system calls of the list.
pub fn assert_read(program: &str, name: &str) {
    let scratch = Scratch::new();
    let image = crate::fixtures::fixture(name, &scratch).expect(name);
    for verb in ["tar I", "check I", "info I", "ls -lR I", "convert I D"] {
        let run = Run::new(program).args(words(verb, &image, &scratch.join("converted")));
        let run = run.args(crate::fixtures::key(name, &scratch));
        let output = run.arg("--require-sandbox").output();
        let words = String::from_utf8_lossy(&output.stderr);
        let is_well = output
            .status
            .code()
            .is_some_and(|code| code != 3 && code != 5);
        assert!(
            is_well && !words.contains("signal"),
            "{name}: {verb}: {words}"
        );
    }
}
