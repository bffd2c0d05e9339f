//! What the mount says when its image changes, and what it does where memory is short.

use std::io::Read;
use std::os::unix::fs::FileExt;
use std::process::Stdio;
use std::time::Duration;

use rustix::io::Errno;

use super::{Place, SOON, Who, numbered, signal, wait_until};
use crate::support::command::Run;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn u06_a_change_of_the_image_is_logged_once() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let point = place.directory("m");
    let mut command = place.imgmount().words("-f disk.img m").command();
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let serves = || point.join("hello").exists();
    wait_until(5 * SECOND, serves, || "not served".to_owned());
    std::thread::sleep(SECOND / 5);
    std::fs::File::options()
        .write(true)
        .open(&place.image)
        .and_then(|file| file.set_len(1 << 20))
        .unwrap();
    for _ in 0..3 {
        assert!(std::fs::read(point.join("large")).is_err());
    }
    signal(i32::try_from(child.id()).unwrap(), "TERM");
    assert!(child.wait().unwrap().success());
    let mut words = String::new();
    let mut log = child.stderr.take().unwrap();
    log.read_to_string(&mut words).unwrap();
    assert_eq!(words.matches("was written to").count(), 1, "{words}");
    assert!(words.contains("shorter than it was"), "{words}");
    place.assert_clean_within(SOON);
}

#[test]
fn u07_an_address_space_of_96_mib_is_enough_for_any_cache_size() {
    need!(fuse, tool "mke2fs");
    let files = crate::support::images::Scratch::new();
    let large = numbered(60 << 20);
    std::fs::write(files.join("large"), &large).unwrap();
    let place = Place::with_files(Who::Self_, files.path(), "80M");
    place.directory("m");
    let program = env!("CARGO_BIN_EXE_imgmount");
    for size in ["", "--cache-size 1G"] {
        let script = format!("ulimit -v 98304; exec {program} {size} disk.img m");
        place.run("sh").arg("-c").arg(script).run();
        assert!(place.run("cat").arg("m/large").stdout() == large);
        place.imgmount().words("umount m").run();
        place.assert_clean_within(SOON);
    }
}

/// What a process may have of addresses and of memory, for its owner.
fn limit(process: i32, bytes: u64) {
    let prlimit = Run::new("prlimit").arg(format!("--pid={process}"));
    prlimit
        .arg(format!("--as={bytes}:"))
        .arg(format!("--data={bytes}:"))
        .run();
}

#[test]
fn u07_memory_that_runs_out_costs_the_cache_and_not_the_mount() {
    const LARGE: usize = 24 << 20;
    need!(fuse, root, tool "mke2fs", tool "prlimit");
    let files = crate::support::images::Scratch::new();
    let large = numbered(LARGE);
    std::fs::write(files.join("large"), &large).unwrap();
    let place = Place::with_files(Who::Self_, files.path(), "40M");
    let point = place.directory("m");
    let program = env!("CARGO_BIN_EXE_imgmount");
    // Under a limit it has one heap, which has no addresses in store; and in the sandbox it would
    // have a user of its own, whose limits are nobody else's to change.
    let options = "--no-sandbox --cache-size 256M";
    let script = format!("ulimit -S -v 2097152; exec {program} {options} disk.img m");
    place.run("sh").arg("-c").arg(script).run();
    let workers = place.processes("--worker");
    let [worker] = workers.as_slice() else {
        panic!("{workers:?}");
    };
    // From here on there is what it has, and nothing more.
    limit(*worker, 1 << 20);
    let file = std::fs::File::open(point.join("large")).unwrap();
    let mut piece = vec![0; 64 << 10];
    for offset in (0..LARGE).step_by(piece.len()) {
        match file.read_at(&mut piece, offset as u64) {
            Ok(count) => assert!(piece[..count] == large[offset..offset + count], "{offset}"),
            Err(error) => {
                let number = rustix::io::Errno::from_io_error(&error).unwrap();
                assert!([Errno::IO, Errno::NOMEM].contains(&number), "{error}");
            }
        }
    }
    drop(file);
    assert_eq!(place.processes("--worker"), workers, "it lives");
    limit(*worker, 4 << 30);
    assert!(place.run("cat").arg("m/large").stdout() == large);
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}

#[test]
fn u06_an_image_that_is_overwritten_gives_errors_or_bytes_and_no_signal() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let point = place.mount();
    let image = std::fs::File::options().write(true).open(&place.image);
    let image = image.unwrap();
    image.write_all_at(&vec![0xff; 4 << 20], 4096).unwrap();
    // What was not written over, what it was written over with, or an error.
    let known = |error: std::io::Error| {
        let known = [Errno::IO, Errno::UCLEAN].map(Errno::raw_os_error);
        assert!(known.map(Some).contains(&error.raw_os_error()), "{error}");
    };
    match std::fs::read(point.join("large")) {
        Ok(bytes) => {
            let pieces = bytes.chunks(4096).zip(0..);
            let expected = numbered(1 << 20);
            let mut before = expected.chunks(4096);
            for (piece, number) in pieces {
                let before = before.next() == Some(piece);
                let after = piece.iter().all(|byte| *byte == 0xff);
                assert!(before || after, "page {number}");
            }
            assert_eq!(bytes.len(), expected.len());
        }
        Err(error) => known(error),
    }
    match std::fs::read_dir(point.join("lost+found")) {
        Ok(entries) => entries.for_each(|entry| {
            entry.map_or_else(known, |entry| panic!("{entry:?} was never there"));
        }),
        Err(error) => known(error),
    }
    match std::fs::metadata(point.join("other")) {
        Ok(found) => panic!("{found:?} was never there"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => known(error),
    }
    assert_eq!(place.processes("").len(), 2, "nobody died");
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}
