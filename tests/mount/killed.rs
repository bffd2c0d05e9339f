//! Kills at any moment and under load, of an ordinary user's mounts.

use std::io::{BufRead, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Gid, Uid};

use super::{Place, SOON, Who, numbered, signal, wait_until};
use crate::hostile::flips::Numbers;
use crate::support::command::{self, Run};
use crate::support::images::Scratch;

const SECOND: Duration = Duration::from_secs(1);
const READERS: u64 = 8;
const SIZE: usize = 4 << 20;

/// How often each is killed: `IMGMOUNT_ROUNDS`, or few enough for every day.
fn rounds() -> u64 {
    let rounds = std::env::var("IMGMOUNT_ROUNDS");
    rounds.map_or(10, |text| {
        text.parse().expect("IMGMOUNT_ROUNDS is a number")
    })
}

/// What the readers of a mount have seen.
#[derive(Default)]
struct Seen {
    right: AtomicU64,
    errors: AtomicU64,
    stop: AtomicBool,
}

/// Ends the readers, also when the test panics.
struct Stop<'a>(&'a Seen);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// Makes this thread, and no other, the ordinary user's.
fn become_nobody() {
    let (user, group) = (
        Uid::from_raw(command::NOBODY),
        Gid::from_raw(command::NOBODY),
    );
    rustix::thread::set_thread_res_gid(group, group, group).unwrap();
    rustix::thread::set_thread_res_uid(user, user, user).unwrap();
}

/// Reads pieces of `large`, past what the kernel remembers of it, and lists the directory, until it
/// is told to stop. Each piece is right or an error.
fn read(point: &Path, number: u64, expected: &[u8], seen: &Seen) {
    become_nobody();
    let mut numbers = Numbers(number);
    let mut space = vec![0; (64 << 10) + 4096];
    let start = space.as_ptr().align_offset(4096);
    let buffer = &mut space[start..start + (64 << 10)];
    let direct = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).unwrap();
    let mut options = std::fs::File::options();
    options.read(true).custom_flags(direct);
    while !seen.stop.load(Ordering::Relaxed) {
        let piece = || -> std::io::Result<()> {
            let file = options.open(point.join("large"))?;
            for _ in 0..4 {
                let at = (numbers.below(SIZE / buffer.len()) * buffer.len()) as u64;
                file.read_exact_at(buffer, at)?;
                let at = usize::try_from(at).unwrap();
                assert!(buffer[..] == expected[at..at + buffer.len()], "at {at}");
                seen.right.fetch_add(1, Ordering::Relaxed);
            }
            std::fs::read_dir(point)?.try_for_each(|entry| entry.map(drop))
        };
        let mut piece = piece;
        if piece().is_err() {
            seen.errors.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// An ordinary user's place whose image has `/large`.
fn place() -> (Place, PathBuf) {
    let files = Scratch::new();
    std::fs::write(files.join("large"), numbered(SIZE)).unwrap();
    let place = Place::with_files(Who::Nobody, files.path(), "16M");
    let point = place.directory("m");
    (place, point)
}

fn mount(place: &Place) {
    place.imgmount().words("--cache-size 1M disk.img m").run();
}

#[test]
fn u02_under_eight_readers_the_mount_of_a_killed_worker_is_gone_at_once() {
    need!(root, fuse, tool "mke2fs");
    let (place, point) = place();
    let (expected, seen) = (numbered(SIZE), Seen::default());
    let mut took = Vec::new();
    std::thread::scope(|scope| {
        let _stopped = Stop(&seen);
        for number in 0..READERS {
            let (point, expected, seen) = (&point, &expected, &seen);
            scope.spawn(move || read(point, number, expected, seen));
        }
        let mut numbers = Numbers(4711);
        for _ in 0..rounds() {
            mount(&place);
            std::thread::sleep(Duration::from_micros(numbers.below(40_000) as u64));
            let worker = place.processes("--worker")[0];
            let killed = Instant::now();
            signal(worker, "KILL");
            let gone = || place.mounts().is_empty();
            wait_until(SOON, gone, || "stale".to_owned());
            took.push(killed.elapsed());
            let left = || place.processes("");
            wait_until(SOON, || left().is_empty(), || format!("{:?}", left()));
        }
    });
    took.sort();
    let right = seen.right.load(Ordering::Relaxed);
    let errors = seen.errors.load(Ordering::Relaxed);
    let late = took.iter().filter(|time| **time > SECOND).count();
    println!(
        "{} kills: gone after {:?} (median), {:?} (longest), {late} after more than a second; \
         {right} pieces right, {errors} errors",
        took.len(),
        took[took.len() / 2],
        took[took.len() - 1],
    );
    assert!(right > 0 && errors > 0);
    // Everything else that is tested runs beside this.
    assert!(took[took.len() / 2] < SECOND, "{took:?}");
    place.assert_clean_within(SOON);
}

#[test]
fn u03_under_eight_readers_nobody_notices_a_killed_supervisor() {
    need!(root, fuse, tool "mke2fs");
    let (place, point) = place();
    let expected = numbered(SIZE);
    let mut numbers = Numbers(4712);
    let mut right = 0;
    for _ in 0..rounds() {
        mount(&place);
        let seen = Seen::default();
        std::thread::scope(|scope| {
            let _stopped = Stop(&seen);
            for number in 0..READERS {
                let (point, expected, seen) = (&point, &expected, &seen);
                scope.spawn(move || read(point, number, expected, seen));
            }
            std::thread::sleep(Duration::from_micros(numbers.below(20_000) as u64));
            signal(place.processes("--supervisor")[0], "KILL");
            let alive = || place.processes("--supervisor").is_empty();
            wait_until(SOON, alive, || "still there".to_owned());
            // And everybody has read once more since.
            let before = seen.right.load(Ordering::Relaxed);
            let more = || seen.right.load(Ordering::Relaxed) >= before + 8 * READERS;
            wait_until(SOON, more, || "nobody reads".to_owned());
        });
        assert_eq!(seen.errors.load(Ordering::Relaxed), 0);
        right += seen.right.load(Ordering::Relaxed);
        place.imgmount().words("umount m").run();
        place.assert_clean_within(SOON);
    }
    println!("{} kills: {right} pieces right, no error", rounds());
}

#[test]
fn u02_u03_whoever_is_killed_while_it_starts_is_in_nobodys_way() {
    need!(root, fuse, tool "mke2fs");
    let (place, _) = place();
    let started = Instant::now();
    mount(&place);
    let usual = started.elapsed();
    place.imgmount().words("umount m").run();
    let mut numbers = Numbers(4713);
    for round in 0..rounds() * 2 {
        let role = ["--worker", "--supervisor", "command"][round as usize % 3];
        let words = ["disk.img m", "-f disk.img m"][round as usize % 2];
        let mut command = place.imgmount().words(words).command();
        let command = command.stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let most = usize::try_from(usual.as_micros()).unwrap();
        std::thread::sleep(Duration::from_micros(numbers.below(most) as u64));
        let own = i32::try_from(child.id()).unwrap();
        let killed = match role {
            "command" => vec![own],
            role => place.processes(role),
        };
        for process in killed {
            // It may have ended by now.
            let kill = format!("kill -KILL {process}");
            let _ = Run::new("sh").args(["-c", &kill]).output();
        }
        // One that was not there to be killed yet stays in the foreground.
        let _ = Run::new("sh").args(["-c", &format!("kill {own}")]).output();
        child.wait().unwrap();
        // What is mounted and served can be unmounted; what is stale is cleared by the next.
        let again = || match place.imgmount().words("disk.img m").output() {
            output if output.status.success() => true,
            output => {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(said.contains("is mounted already"), "{said}");
                let _ = place.imgmount().words("umount m").output();
                false
            }
        };
        wait_until(SOON, again, || "not mounted again".to_owned());
        place.run("cmp").words("-n 16 m/large m/large").run();
        place.imgmount().words("umount m").run();
        place.assert_clean_within(SOON);
    }
}

/// Puts a script in the place of fusermount3, in a directory that comes first in the PATH.
fn helper(place: &Place, script: &str) -> String {
    let tools = place.directory("tools");
    let real = command::find("fusermount3").unwrap();
    let script = script.replace("REAL", real.to_str().unwrap());
    let write = Run::new("sh").args(["-c", "printf %s \"$1\" > \"$2\" && chmod 755 \"$2\"", "sh"]);
    let helper = tools.join("fusermount3");
    write.arg(script).arg(helper).run();
    format!("{}:/usr/bin:/bin", tools.display())
}

/// As from the terminal: to every process of the group.
fn interrupt(group: i32) {
    signal(-group, "INT");
}

#[test]
fn u04_ctrl_c_twice_reaches_no_fusermount3_that_is_at_work() {
    need!(root, fuse, tool "mke2fs");
    let (place, _) = place();
    let path = helper(
        &place,
        "#!/bin/sh\n[ \"$1\" = -u ] && sleep 1\nexec REAL \"$@\"\n",
    );
    let mut command = place.imgmount().words("-f disk.img m").command();
    command.env("PATH", path).stderr(Stdio::piped());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = command.spawn().unwrap();
    let group = i32::try_from(child.id()).unwrap();
    let serves = || place.run("cat").arg("m/large").output().status.success();
    wait_until(SOON, serves, || "not served".to_owned());
    for _ in 0..2 {
        interrupt(group);
        std::thread::sleep(SECOND / 4);
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    place.assert_clean_within(SOON);
}

/// A fusermount3 that mounts and dies before it hands on what it has opened.
#[test]
fn what_a_killed_fusermount3_leaves_is_taken_away() {
    need!(root, fuse, tool "mke2fs", tool "python3");
    let (place, _) = place();
    let script = "#!/usr/bin/env python3
import os, socket, subprocess, sys
if '-u' in sys.argv: os.execv('REAL', ['fusermount3'] + sys.argv[1:])
ours, theirs = socket.socketpair()
environment = dict(os.environ, _FUSE_COMMFD='0')
subprocess.run(['REAL'] + sys.argv[1:], stdin=theirs, env=environment, check=True)
open('mounted', 'w').close()
sys.exit(1)
";
    let path = helper(&place, script);
    let path = format!("{path}:{}", std::env::var("PATH").unwrap());
    is_the_hosts_fault_after(&place, &path, "mounted");
}

/// Mounts with the programs of `path`, which leave `done` behind and make it fail: exit 5, and nothing
/// is left.
fn is_the_hosts_fault_after(place: &Place, path: &str, done: &str) {
    let run = place.imgmount().words("disk.img m").env("PATH", path);
    let (code, said) = super::code_and_words(&run.output());
    assert_eq!(code, 5, "{said}");
    assert!(place.folder.join(done).exists(), "{said}");
    place.assert_clean_within(SOON);
}

#[test]
fn u01_a_mount_point_that_becomes_a_link_meanwhile_leads_nowhere() {
    need!(root, fuse, tool "mke2fs");
    let (place, _) = place();
    place.directory("other");
    let swap = "#!/bin/sh\n[ \"$1\" = -u ] || { mv m away; ln -s other m; }\nexec REAL \"$@\"\n";
    let path = helper(&place, swap);
    is_the_hosts_fault_after(&place, &path, "away");
}

/// The signals that end a mount, two at a time, at any moment of its end.
#[test]
fn u04_two_signals_at_any_distance_end_it_well() {
    need!(root, fuse, tool "mke2fs");
    let (place, _) = place();
    let mut numbers = Numbers(4714);
    for (first, second) in [
        ("TERM", "TERM"),
        ("INT", "INT"),
        ("HUP", "HUP"),
        ("TERM", "HUP"),
        ("INT", "TERM"),
    ] {
        let mut command = place.imgmount().words("-f disk.img m").command();
        let mut child = command.spawn().unwrap();
        let serves = || place.run("cat").arg("m/large").output().status.success();
        wait_until(SOON, serves, || "not served".to_owned());
        let own = child.id();
        signal(i32::try_from(own).unwrap(), first);
        std::thread::sleep(Duration::from_micros(numbers.below(30_000) as u64));
        // The second may come too late.
        let kill = format!("kill -{second} {own}");
        let _ = Run::new("sh").args(["-c", &kill]).output();
        assert!(child.wait().unwrap().success(), "{first} {second}");
        place.assert_clean_within(SOON);
    }
}

/// A log that nobody reads fills its pipe, and stops neither the mount nor its end.
#[test]
fn u05_whoever_does_not_read_the_log_stops_nothing() {
    need!(root, fuse, tool "mke2fs");
    let (place, _) = place();
    let mut command = place.imgmount().words("-f disk.img m").command();
    command
        .env("RUST_LOG", "fuser=debug,imgmount=warn")
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let serves = || place.run("cat").arg("m/large").output().status.success();
    wait_until(SOON, serves, || "not served".to_owned());
    let pipe = child.stderr.take().unwrap();
    let names = "i=0; while [ $i -lt 3000 ]; do [ -e m/name-that-nobody-has-$i ]; i=$((i+1)); done";
    place.run("sh").args(["-c", names]).run();
    let waiting = rustix::io::ioctl_fionread(pipe.as_fd()).unwrap();
    assert!(waiting > 50_000, "{waiting} bytes");
    assert!(place.run("cat").arg("m/large").stdout() == numbered(SIZE));
    // To the last byte.
    let end = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let end = std::fs::File::options()
        .write(true)
        .custom_flags(nonblock)
        .open(end);
    let mut end = end.unwrap();
    while end.write(b"x").is_ok() {}
    // Of what is in use when it goes the supervisor has something to say itself.
    let hold = "exec 3<m/large; echo; exec sleep 60";
    let mut user = place.run("sh").args(["-c", hold]).command();
    let mut user = user.stdout(Stdio::piped()).spawn().unwrap();
    user.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    signal(i32::try_from(child.id()).unwrap(), "TERM");
    let ended = || place.mounts().is_empty() && place.processes("").is_empty();
    let gone = || place.mounts().is_empty();
    wait_until(SOON, gone, || "it waits for a reader".to_owned());
    user.kill().unwrap();
    user.wait().unwrap();
    wait_until(SOON, ended, || "it waits for a reader".to_owned());
    let left = std::cell::RefCell::new(child);
    let ended = || left.borrow_mut().try_wait().unwrap().is_some();
    wait_until(SOON, ended, || "it waits for a reader".to_owned());
    drop(pipe);
    assert!(left.into_inner().wait().unwrap().success());
    place.assert_clean_within(SOON);
}

/// The command goes on without its mount, and a signal still reaches it.
#[test]
fn u02_the_mount_of_a_running_command_goes_with_its_worker() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let script = "echo $IMGMOUNT; exec sleep 99";
    let command = place.imgmount().words("run disk.img -- sh -c").arg(script);
    let mut command = command.command();
    let command = command.stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut point = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut point)
        .unwrap();
    let is_mounted = || {
        let table = std::fs::read_to_string("/proc/self/mounts").unwrap();
        table.contains(point.trim_end())
    };
    assert!(is_mounted());
    signal(place.processes("--worker")[0], "KILL");
    wait_until(SOON, || !is_mounted(), || "stale".to_owned());
    let removed = || !Path::new(point.trim_end()).exists();
    wait_until(SOON, removed, || "the directory stays".to_owned());
    assert!(child.try_wait().unwrap().is_none(), "the command runs");
    signal(i32::try_from(child.id()).unwrap(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    place.assert_clean_within(SOON);
}

/// One that ends well has not noticed it, perhaps.
#[test]
fn u02_a_command_that_ends_well_without_its_mount_is_not_believed() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    for (code, expected) in [(0, 5), (3, 3)] {
        let script = format!("echo $IMGMOUNT; read line; exit {code}");
        let command = place.imgmount().words("run disk.img -- sh -c").arg(script);
        let mut command = command.command();
        let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = streams.stderr(Stdio::piped()).spawn().unwrap();
        let mut point = String::new();
        let mut told = std::io::BufReader::new(child.stdout.take().unwrap());
        told.read_line(&mut point).unwrap();
        signal(place.processes("--worker")[0], "KILL");
        let is_gone = || !Path::new(point.trim_end()).exists();
        wait_until(SOON, is_gone, || "the directory stays".to_owned());
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let (found, words) = super::code_and_words(&child.wait_with_output().unwrap());
        assert_eq!(found, expected, "{words}");
        assert!(words.contains("signal 9"), "{words}");
        place.assert_clean_within(SOON);
    }
}
