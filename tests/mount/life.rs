//! How a mount comes and goes, and who may die.

use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Place, SOON, Who, everybody, numbered, signal, wait_until};
use crate::support::command::Run;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn thirty_times_in_a_row_nothing_is_left() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        let point = place.directory("m");
        for _ in 0..30 {
            place.imgmount().words("disk.img m").run();
            let hello = place.run("cat").arg("m/hello").text();
            assert_eq!(hello, "hello, world\n");
            place.run("fusermount3").args(["-u", "m"]).run();
            place.assert_clean_within(SOON);
        }
        assert!(point.is_dir());
    }
}

#[test]
fn umount_takes_it_away_and_refuses_what_is_not_ours() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        place.mount();
        place.imgmount().words("umount m").run();
        place.assert_clean_within(SOON);
        let again = place.imgmount().words("umount m").output();
        let (code, words) = super::code_and_words(&again);
        assert_eq!(code, 5);
        assert!(words.contains("nothing is mounted"), "{words}");
        let proc = place.imgmount().words("umount /proc").output();
        let (code, words) = super::code_and_words(&proc);
        assert_eq!(code, 5);
        assert!(
            words.contains("a mount of proc, not of imgmount"),
            "{words}"
        );
    }
}

#[test]
fn a_busy_mount_says_by_whom() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    place.mount();
    // By another process: whatever tests beside this one start has open what this one has, until it
    // is the program that it is to be.
    let mut command = place
        .run("sh")
        .args(["-c", "exec sleep 99 <m/hello"])
        .command();
    let mut holder = command.spawn().unwrap();
    let name = || std::fs::read_to_string(format!("/proc/{}/comm", holder.id())).unwrap();
    wait_until(SOON, || name() == "sleep\n", || "no holder".to_owned());
    let (code, words) = super::code_and_words(&place.imgmount().words("umount m").output());
    assert_eq!(code, 5);
    let by = format!("is in use by sleep ({}) (fusermount3", holder.id());
    assert!(words.contains(&by), "{words}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}

/// Whoever has been told to end needs a moment for it.
#[test]
fn umount_waits_a_moment_for_whoever_is_about_to_end() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    place.mount();
    let mut command = place
        .run("sh")
        .args(["-c", "exec 3<m/hello; : > held; exec sleep 0.2"])
        .command();
    let mut holder = command.spawn().unwrap();
    let held = || place.folder.join("held").exists();
    wait_until(SOON, held, || "no holder".to_owned());
    place.imgmount().words("umount m").run();
    assert!(holder.wait().unwrap().success());
    place.assert_clean_within(SOON);
}

#[test]
fn without_a_mount_point_one_is_made_and_removed_again() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        let said = place.imgmount().arg("disk.img").text();
        let point = place.folder.join("disk");
        assert_eq!(Path::new(said.trim_end()), point);
        assert_eq!(place.run("cat").arg("disk/hello").text(), "hello, world\n");
        place.run("fusermount3").args(["-u", "disk"]).run();
        place.assert_clean_within(SOON);
        assert!(!point.exists());
    }
}

#[test]
fn when_umount_returns_the_next_mount_can_come() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        let point = place.folder.join("disk");
        for unmount in ["umount disk", "fusermount3 -u disk"]
            .into_iter()
            .cycle()
            .take(20)
        {
            place.imgmount().arg("disk.img").run();
            assert_eq!(place.run("cat").arg("disk/hello").text(), "hello, world\n");
            match unmount.split_once(' ') {
                Some(("umount", _)) => {
                    place.imgmount().words(unmount).run();
                    assert!(!point.exists());
                }
                _ => place.run("fusermount3").words("-u disk").run(),
            }
        }
        place.assert_clean_within(SOON);
        assert!(!point.exists());
    }
}

#[test]
fn a_directory_that_was_there_before_stays() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let point = place.directory("disk");
    place.imgmount().arg("disk.img").run();
    place.imgmount().words("umount disk").run();
    place.assert_clean_within(SOON);
    assert!(point.is_dir());
}

/// The best of three, since everything else that is tested runs beside this.
#[test]
fn a_killed_worker_leaves_no_stale_mount_for_a_second() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        let point = place.directory("m");
        let mut took = Vec::new();
        for _ in 0..3 {
            place.imgmount().words("disk.img m").run();
            let [worker] = place.processes("--worker")[..] else {
                panic!("{:?}", place.processes("--worker"));
            };
            let killed = Instant::now();
            signal(worker, "KILL");
            wait_until(SOON, || place.mounts().is_empty(), || "stale".to_owned());
            took.push(killed.elapsed());
            place.assert_clean_within(SOON);
            assert!(point.read_dir().unwrap().next().is_none());
        }
        assert!(took.iter().any(|time| *time < SECOND), "{took:?}");
    }
}

/// Ends the threads that look at it, also when the test panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn u02_a_worker_killed_at_any_moment_under_load_leaves_nothing() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let point = place.directory("m");
    for round in 0..25_u64 {
        place.imgmount().words("disk.img m").run();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _stopped = Stop(&stop);
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // What it reads is right, or an error.
                    if let Ok(bytes) = std::fs::read(point.join("large")) {
                        assert_eq!(bytes, numbered(1 << 20));
                    }
                    let _ = std::fs::read_dir(&point).map(Iterator::count);
                }
            });
            std::thread::sleep(Duration::from_micros(round * 700));
            signal(place.processes("--worker")[0], "KILL");
            place.assert_clean_within(SOON);
        });
    }
}

#[test]
fn u03_a_killed_supervisor_does_not_stop_reads() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        place.mount();
        signal(place.processes("--supervisor")[0], "KILL");
        wait_until(
            SOON,
            || place.processes("--supervisor").is_empty(),
            String::new,
        );
        let large = place.run("cat").arg("m/large").stdout();
        assert_eq!(large, numbered(1 << 20));
        place.imgmount().words("umount m").run();
        place.assert_clean_within(SOON);
    }
}

#[test]
fn what_two_killed_processes_leave_is_cleared_by_the_next_mount_and_by_umount() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        place.directory("m");
        for clear in ["disk.img m", "umount m"] {
            if place.mounts().is_empty() {
                place.imgmount().words("disk.img m").run();
            }
            signal(place.processes("--supervisor")[0], "KILL");
            wait_until(
                SOON,
                || place.processes("--supervisor").is_empty(),
                String::new,
            );
            signal(place.processes("--worker")[0], "KILL");
            wait_until(SOON, || place.processes("").is_empty(), String::new);
            assert_eq!(place.mounts().len(), 1, "it is stale");
            place.imgmount().words(clear).run();
        }
        place.assert_clean_within(SOON);
    }
}

#[test]
fn u04_each_ending_signal_unmounts() {
    need!(fuse, tool "mke2fs");
    for name in ["TERM", "INT", "HUP"] {
        let place = Place::new(Who::Self_);
        place.mount();
        let supervisor = place.processes("--supervisor")[0];
        signal(supervisor, name);
        place.assert_clean_within(SOON);
    }
}

#[test]
fn u04_sigpipe_and_a_signal_to_the_worker_change_nothing_and_a_second_one_is_no_harm() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let point = place.mount();
    let supervisor = place.processes("--supervisor")[0];
    signal(supervisor, "PIPE");
    for name in ["TERM", "INT", "HUP", "PIPE"] {
        signal(place.processes("--worker")[0], name);
    }
    assert_eq!(
        std::fs::read(point.join("large")).unwrap(),
        numbered(1 << 20)
    );
    for _ in 0..2 {
        // The second may come too late.
        let kill = format!("kill {supervisor}");
        let _ = Run::new("sh").args(["-c", &kill]).output();
    }
    place.assert_clean_within(SOON);
}

#[test]
fn u04_a_busy_mount_goes_after_two_seconds_and_whoever_has_a_file_open_reads_on() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let point = place.mount();
    let held = std::fs::File::open(point.join("large")).unwrap();
    let asked = Instant::now();
    signal(place.processes("--supervisor")[0], "TERM");
    wait_until(
        4 * SECOND,
        || place.mounts().is_empty(),
        || "mounted".to_owned(),
    );
    assert!(asked.elapsed() >= 2 * SECOND - Duration::from_millis(100));
    let mut bytes = vec![0; 1 << 20];
    held.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, numbered(1 << 20));
    drop(held);
    place.assert_clean_within(SOON);
}

#[test]
fn u04_whoever_asks_again_and_again_does_not_wait() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let point = place.mount();
    let held = std::fs::File::open(point.join("large")).unwrap();
    let supervisor = place.processes("--supervisor")[0];
    for _ in 0..3 {
        let kill = format!("kill {supervisor}");
        let _ = Run::new("sh").args(["-c", &kill]).output();
        std::thread::sleep(Duration::from_millis(100));
    }
    place.assert_clean_within(SOON);
    assert!(held.read_at(&mut [0; 16], 1 << 19).is_err());
}

#[test]
fn in_the_foreground_it_stays_until_ctrl_c() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        place.directory("m");
        let mut command = place.imgmount().words("-f disk.img m").command();
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        wait_until(
            5 * SECOND,
            || place.mounts().len() == 1,
            || "not mounted".to_owned(),
        );
        wait_until(
            5 * SECOND,
            || place.run("cat").arg("m/hello").output().status.success(),
            || "not served".to_owned(),
        );
        assert!(child.try_wait().unwrap().is_none());
        signal(i32::try_from(child.id()).unwrap(), "INT");
        assert!(child.wait().unwrap().success());
        place.assert_clean_within(SOON);
        let mut words = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut words)
            .unwrap();
        assert_eq!(words, "");
    }
}

#[test]
fn in_the_foreground_a_dead_worker_is_an_error() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    place.directory("m");
    let mut command = place.imgmount().words("-f disk.img m").command();
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let serves = || place.run("cat").arg("m/hello").output().status.success();
    wait_until(5 * SECOND, serves, || "not served".to_owned());
    signal(place.processes("--worker")[0], "KILL");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("killed by signal 9"), "{words}");
    place.assert_clean_within(SOON);
}

#[test]
fn u05_a_closed_or_full_standard_error_is_no_harm() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let point = place.directory("m");
    let program = env!("CARGO_BIN_EXE_imgmount");
    for streams in ["2>&-", ">&- 2>&- <&-", ">/dev/full 2>/dev/full"] {
        let script = format!("exec {program} -v disk.img m {streams}");
        place.run("sh").arg("-c").arg(script).run();
        assert_eq!(
            std::fs::read(point.join("hello")).unwrap(),
            b"hello, world\n"
        );
        place.imgmount().words("umount m").run();
        place.assert_clean_within(SOON);
    }
    let script = format!("ulimit -f 0; exec {program} disk.img m");
    place.run("sh").arg("-c").arg(script).run();
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
    let script = format!("ulimit -f 0; exec {program} -f -vv disk.img m 2>log");
    let mut child = place
        .run("sh")
        .arg("-c")
        .arg(script)
        .command()
        .spawn()
        .unwrap();
    wait_until(
        5 * SECOND,
        || place.mounts().len() == 1,
        || "not mounted".to_owned(),
    );
    assert_eq!(
        std::fs::read(point.join("large")).unwrap(),
        numbered(1 << 20)
    );
    signal(i32::try_from(child.id()).unwrap(), "TERM");
    assert!(child.wait().unwrap().success());
    place.assert_clean_within(SOON);
}

#[test]
fn run_passes_on_the_exit_code_and_leaves_nothing() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        let run = |script: &str| {
            let run = place.imgmount().words("run disk.img -- sh -c").arg(script);
            let output = run.arg("{}").output();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            (output.status.code(), text)
        };
        let (code, text) = run("cat $IMGMOUNT/hello && [ $0 = $IMGMOUNT ] && echo $0; exit 7");
        assert_eq!(code, Some(7));
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("hello, world"));
        let point = lines.next().unwrap();
        assert!(!Path::new(point).exists(), "{point}");
        assert_eq!(run("kill -9 $$").0, Some(137));
        assert_eq!(run("ls -ld $IMGMOUNT/hello >/dev/null").0, Some(0));
        let missing = place
            .imgmount()
            .words("run disk.img -- /no/such/program")
            .output();
        assert_eq!(super::code_and_words(&missing).0, 2);
        place.assert_clean_within(SOON);
    }
}

/// A shell that ignores a signal from its start on cannot catch it, and select(2) knows no descriptor
/// past 1023.
#[test]
fn run_starts_the_command_as_it_was_started_itself() {
    need!(fuse, tool "mke2fs", tool "prlimit");
    let place = Place::new(Who::Self_);
    let program = place.imgmount().command();
    let script = "grep SigIgn /proc/self/status; ulimit -Sn; ulimit -Hn";
    let limited = |run: Run| {
        let text = run.args(["-c", script]).text();
        let (ignored, limits) = text.split_once('\n').unwrap();
        let ignored = ignored.trim_start_matches("SigIgn:").trim();
        // Two of the signals behind these are the C library's own, and differ by how it starts one.
        let ignored = u64::from_str_radix(ignored, 16).unwrap() & 0x7fff_ffff;
        (ignored, limits.to_owned())
    };
    let limit = || place.run("prlimit").arg("--nofile=64:2048");
    let within = limit().arg(program.get_program());
    let within = limited(within.words("run disk.img -- sh"));
    assert_eq!(within, limited(limit().arg("sh")));
    assert_eq!(within.1, "64\n2048\n");
    place.assert_clean_within(SOON);
}

#[test]
fn nothing_of_the_users_stays_open_in_the_background() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    place.directory("m");
    let program = env!("CARGO_BIN_EXE_imgmount");
    std::fs::write(place.folder.join("lock"), "").unwrap();
    let script = format!("exec 7<lock; SECRET=1 {program} disk.img m");
    // The output ends although the mount is there: nobody has the pipe.
    place.run("sh").arg("-c").arg(script).run();
    for process in place.processes("") {
        let open = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        let open = open
            .flatten()
            .map(|entry| std::fs::read_link(entry.path()).unwrap());
        assert!(open.into_iter().all(|path| !path.ends_with("lock")));
        assert_eq!(
            std::fs::read_link(format!("/proc/{process}/cwd")).unwrap(),
            Path::new("/")
        );
    }
    let worker = place.processes("--worker")[0];
    assert_eq!(
        std::fs::read(format!("/proc/{worker}/environ")).unwrap(),
        b""
    );
    let limits = std::fs::read_to_string(format!("/proc/{worker}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.contains("core file"))
        .unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let status = std::fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}
