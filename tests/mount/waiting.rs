//! Who is told that a mount is ready, where it is written down, and when it goes by itself.

use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{Place, SOON, Who, code_and_words, everybody, signal, wait_until};
use crate::support::command::Run;

const SECOND: Duration = Duration::from_secs(1);

/// A shell that runs imgmount, which is its `$0`.
fn shell(place: &Place, script: &str) -> Run {
    let imgmount = place.imgmount().command();
    place
        .run("sh")
        .args(["-c", script])
        .arg(imgmount.get_program())
}

fn unmount(place: &Place) {
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}

#[test]
fn at_the_ready_fd_comes_a_line_and_the_end_once_the_tree_is_there() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        place.directory("m");
        // The pipe ends although the mount is served in the background.
        let script = "exec $0 --ready-fd 7 disk.img m 7>&1 >&2";
        assert_eq!(shell(&place, script).text(), "ready\n");
        assert_eq!(place.run("cat").arg("m/hello").text(), "hello, world\n");
        unmount(&place);
        let script = "exec $0 --ready-fd 1 disk.img m";
        assert_eq!(shell(&place, script).text(), "ready\n");
        unmount(&place);

        let script = "exec $0 -f --ready-fd 7 disk.img m 7>&1 >&2";
        let mut command = shell(&place, script).command();
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut words = String::new();
        let mut pipe = child.stdout.take().unwrap();
        pipe.read_to_string(&mut words).unwrap();
        assert_eq!(words, "ready\n");
        assert_eq!(place.run("cat").arg("m/hello").text(), "hello, world\n");
        assert!(child.try_wait().unwrap().is_none());
        signal(i32::try_from(child.id()).unwrap(), "TERM");
        assert!(child.wait().unwrap().success());
        place.assert_clean_within(SOON);
    }
}

#[test]
fn at_the_ready_fd_comes_the_end_alone_where_nothing_is_mounted() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    place.directory("m");
    std::fs::write(place.folder.join("empty"), "").unwrap();
    for (words, code) in [
        ("disk.img missing", 5),
        ("empty m", 1),
        ("-f empty m", 1),
        ("-o alow_other disk.img m", 2),
    ] {
        let script = format!("exec $0 --ready-fd 7 {words} 7>&1 >&2");
        let output = shell(&place, &script).output();
        assert_eq!(output.status.code(), Some(code), "{words}");
        assert_eq!(output.stdout, b"", "{words}");
    }
    let output = place.imgmount().words("--ready-fd 99 disk.img m").output();
    let (code, said) = code_and_words(&output);
    assert_eq!(code, 2);
    assert!(said.contains("--ready-fd 99 is no open"), "{said}");
    place.assert_clean_within(SOON);
}

#[test]
fn u05_where_nobody_can_be_told_of_the_place_it_is_unmounted_again() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    for words in ["", "-f"] {
        let script = format!("exec $0 {words} disk.img >/dev/full");
        let (code, said) = code_and_words(&shell(&place, &script).output());
        assert_eq!(code, 5);
        assert!(said.contains("No space left"), "{said}");
        place.assert_clean_within(SOON);
        assert!(!place.folder.join("disk").exists());
    }
}

#[test]
fn the_pid_file_names_the_process_that_unmounts_and_goes_with_it() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        place.directory("m");
        place.directory("other");
        let file = place.folder.join("pid");
        let number = || -> i32 {
            std::fs::read_to_string(&file)
                .unwrap()
                .trim()
                .parse()
                .unwrap()
        };
        place.imgmount().words("--pid-file pid disk.img m").run();
        assert_eq!(place.processes("--supervisor"), [number()]);
        let found = file.metadata().unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o644);
        assert_eq!(found.uid(), place.folder.metadata().unwrap().uid());
        // A second one would take its place.
        let again = place.imgmount().words("-o pid_file=pid disk.img other");
        let (code, said) = code_and_words(&again.output());
        assert_eq!(code, 5);
        let expected = format!("names process {}, which runs", number());
        assert!(said.contains(&expected), "{said}");
        assert_eq!(place.mounts().len(), 1);
        signal(number(), "TERM");
        place.assert_clean_within(SOON);
        assert!(!file.exists());

        // Who is killed leaves it, and the next replaces it.
        place.imgmount().words("-o pid_file=pid disk.img m").run();
        let killed = number();
        signal(killed, "KILL");
        let gone = || place.processes("--supervisor").is_empty();
        wait_until(SOON, gone, || "still there".to_owned());
        place.imgmount().words("umount m").run();
        assert_eq!(number(), killed);
        place.imgmount().words("--pid-file pid disk.img m").run();
        assert_ne!(number(), killed);
        unmount(&place);
        assert!(!file.exists());
    }
}

#[test]
fn nothing_is_mounted_where_the_pid_file_cannot_be_written() {
    need!(root, fuse, tool "mke2fs");
    let place = Place::new(Who::Nobody);
    place.directory("m");
    std::fs::write(place.folder.join("letter"), "Dear reader").unwrap();
    let roots = place.folder.join("roots");
    std::fs::create_dir(&roots).unwrap();
    for (file, why) in [
        ("letter", "holds something else than a number"),
        ("m", "is no regular file"),
        ("missing/pid", "No such file"),
        ("roots/pid", "Permission denied"),
    ] {
        let run = place.imgmount().arg("--pid-file").arg(file);
        let (code, said) = code_and_words(&run.words("disk.img m").output());
        assert_eq!(code, 5, "{said}");
        assert!(said.contains(file) && said.contains(why), "{said}");
        place.assert_clean_within(SOON);
    }
    let letter = std::fs::read_to_string(place.folder.join("letter"));
    assert_eq!(letter.unwrap(), "Dear reader");
}

/// A service manager's socket, and its name in the environment.
fn manager(place: &Place, is_abstract: bool) -> (UnixDatagram, String) {
    let name = place.folder.join("notify").to_str().unwrap().to_owned();
    let _ = std::fs::remove_file(&name);
    let (address, name) = match is_abstract {
        true => {
            let address = SocketAddr::from_abstract_name(&name).unwrap();
            (address, format!("@{name}"))
        }
        false => (SocketAddr::from_pathname(&name).unwrap(), name),
    };
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    if !is_abstract {
        let all = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(&name, all).unwrap();
    }
    socket.set_read_timeout(Some(SOON)).unwrap();
    (socket, name)
}

fn heard(socket: &UnixDatagram) -> String {
    let mut packet = [0; 4096];
    let length = socket.recv(&mut packet).unwrap();
    String::from_utf8_lossy(&packet[..length]).into_owned()
}

#[test]
fn a_service_manager_hears_when_it_is_ready_and_when_it_stops() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        let point = place.directory("m");
        for (is_abstract, foreground) in
            [(false, true), (true, true), (false, false), (true, false)]
        {
            let (socket, name) = manager(&place, is_abstract);
            let words = if foreground {
                "-f disk.img m"
            } else {
                "disk.img m"
            };
            let mut command = place.imgmount().words(words).command();
            let mut child = command.env("NOTIFY_SOCKET", &name).spawn().unwrap();
            let ready = heard(&socket);
            let process = match foreground {
                true => i32::try_from(child.id()).unwrap(),
                false => {
                    assert!(child.wait().unwrap().success());
                    place.processes("--supervisor")[0]
                }
            };
            let place_of = format!("STATUS=mounted at {}", point.display());
            let main = format!("MAINPID={process}");
            let lines: Vec<_> = ready.lines().collect();
            assert_eq!(lines, ["READY=1", &main, &place_of]);
            signal(process, "TERM");
            assert!(heard(&socket).starts_with("STOPPING=1\n"));
            place.assert_clean_within(SOON);
            if foreground {
                assert!(child.wait().unwrap().success());
            }
        }
    }
}

#[test]
fn a_service_manager_hears_of_an_end_by_others_and_nothing_of_a_failure() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    place.directory("m");
    let (socket, name) = manager(&place, false);
    let mount = |words: &str| {
        let run = place.imgmount().words(words).env("NOTIFY_SOCKET", &name);
        run.output().status.code()
    };
    for end in ["umount", "worker"] {
        assert_eq!(mount("disk.img m"), Some(0));
        assert!(heard(&socket).starts_with("READY=1\n"));
        match end {
            "umount" => place.imgmount().words("umount m").run(),
            _ => signal(place.processes("--worker")[0], "KILL"),
        }
        assert!(heard(&socket).starts_with("STOPPING=1\n"), "{end}");
        place.assert_clean_within(SOON);
    }
    assert_eq!(mount("disk.img missing"), Some(5));
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 64]).is_err());
    // One that is gone, or never was, is no reason not to mount.
    drop(socket);
    assert_eq!(mount("disk.img m"), Some(0));
    unmount(&place);
}

/// As nobody, who mounts through fusermount3, with one that keeps its environment first.
#[test]
fn the_programs_that_it_starts_do_not_speak_to_the_service_manager() {
    need!(root, fuse, tool "mke2fs");
    let place = Place::new(Who::Nobody);
    place.directory("m");
    let tools = place.directory("tools");
    let real = crate::support::command::find("fusermount3").unwrap();
    let script = format!("#!/bin/sh\nenv >> seen\nexec {} \"$@\"\n", real.display());
    let helper = tools.join("fusermount3");
    // By another process: one that is open for writing cannot be run.
    let write = "printf %s \"$1\" > \"$2\" && chmod 755 \"$2\"";
    let write = Run::new("sh").args(["-c", write, "sh"]);
    write.arg(script).arg(&helper).run();
    let (socket, name) = manager(&place, false);
    let path = format!("{}:/usr/bin:/bin", tools.display());
    let run = place.imgmount().words("disk.img m").env("PATH", path);
    run.env("NOTIFY_SOCKET", name).run();
    assert!(heard(&socket).starts_with("READY=1\n"));
    unmount(&place);
    let seen = std::fs::read_to_string(place.folder.join("seen")).unwrap();
    assert!(seen.contains("_FUSE_COMMFD=0"), "{seen}");
    assert!(!seen.contains("NOTIFY_SOCKET"), "{seen}");
}

#[test]
fn what_nobody_uses_is_unmounted_after_the_idle_timeout() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        place.directory("m");
        let mounted = Instant::now();
        let words = "-f --idle-timeout 1s disk.img m";
        let child = place.imgmount().words(words).command().spawn();
        assert!(child.unwrap().wait().unwrap().success());
        assert!(mounted.elapsed() >= SECOND);
        place.assert_clean_within(SOON);
        let said = place.imgmount().words("-o idle_timeout=1 disk.img").text();
        let point = Path::new(said.trim_end());
        place.assert_clean_within(SOON);
        assert!(!point.exists());
    }
}

/// Ends with this value.
struct Holder(std::process::Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill(); // It may have ended already.
        self.0.wait().unwrap();
    }
}

#[test]
fn whoever_reads_or_has_something_open_is_no_idler() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        // A file, a directory that is open, and one that somebody is in.
        let mut holders = Vec::new();
        for (name, hold) in [
            ("file", "exec sleep 99 <file/hello"),
            ("open", "exec sleep 99 <open"),
            ("inside", "cd inside && exec sleep 99"),
        ] {
            place.directory(name);
            let run = place.imgmount().words("--idle-timeout 1 disk.img");
            run.arg(name).run();
            let child = place.run("sh").args(["-c", hold]).command().spawn();
            holders.push(Holder(child.unwrap()));
        }
        place.directory("read");
        place
            .imgmount()
            .words("--idle-timeout 4 disk.img read")
            .run();
        let begun = Instant::now();
        // What is in the kernel's memory after the first time.
        while begun.elapsed() < 5 * SECOND {
            let text = place.run("cat").arg("read/hello").text();
            assert_eq!(text, "hello, world\n");
            std::thread::sleep(SECOND / 4);
        }
        assert_eq!(place.mounts().len(), 4);
        drop(holders);
        place.assert_clean_within(SOON);
    }
}

#[test]
fn the_unit_for_systemd_is_one_and_starts_what_it_says() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let point = place.directory("m");
    let unit = include_str!("../../contrib/systemd/imgmount@.service");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let words: Vec<_> = line.unwrap().split(' ').skip(1).collect();
    let (socket, name) = manager(&place, false);
    let image = place.image.to_str().unwrap();
    let words = words.iter().map(|word| match *word {
        "%f" => image,
        "%t/imgmount/%i" => point.to_str().unwrap(),
        word => word,
    });
    let mut command = place.imgmount().args(words).command();
    let mut child = command.env("NOTIFY_SOCKET", name).spawn().unwrap();
    let main = format!("READY=1\nMAINPID={}\n", child.id());
    assert!(heard(&socket).starts_with(&main));
    assert_eq!(place.run("cat").arg("m/hello").text(), "hello, world\n");
    signal(i32::try_from(child.id()).unwrap(), "TERM");
    assert!(child.wait().unwrap().success());
    place.assert_clean_within(SOON);
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    need!(tool "systemd-analyze");
    let scratch = crate::support::images::Scratch::new();
    let unit = include_str!("../../contrib/systemd/imgmount@.service");
    // Which has to be there.
    let unit = unit.replace("/usr/bin/imgmount", env!("CARGO_BIN_EXE_imgmount"));
    let path = scratch.join("imgmount@images-disk.service");
    std::fs::write(&path, unit).unwrap();
    let run = Run::new("systemd-analyze").words("--man=no verify");
    let output = run.arg(&path).output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let about: Vec<_> = said
        .lines()
        .filter(|line| line.contains("imgmount"))
        .collect();
    assert_eq!(about, Vec::<&str>::new());
}

/// All of them find the place free, and one of them mounts there.
#[test]
fn u01_of_those_who_mount_at_one_place_at_the_same_time_one_does() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        place.directory("m");
        for words in ["disk.img m", "disk.img"].repeat(3) {
            let commands = (0..4).map(|_| {
                let mut command = place.imgmount().words(words).command();
                let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
                command.spawn().unwrap()
            });
            let commands: Vec<_> = commands.collect();
            let ended = commands.into_iter();
            let ended = ended.map(|command| command.wait_with_output().unwrap());
            let (done, refused): (Vec<_>, Vec<_>) = ended.partition(|it| it.status.success());
            assert_eq!((done.len(), place.mounts().len()), (1, 1), "{refused:?}");
            for output in refused {
                let (code, said) = super::code_and_words(&output);
                assert_eq!(code, 5, "{said}");
                // What is mounted between two looks has something in it.
                let known = ["is mounted already", "is not empty"];
                assert!(known.iter().any(|known| said.contains(known)), "{said}");
            }
            let point = words.split(' ').nth(1).unwrap_or("disk");
            place.imgmount().args(["umount", point]).run();
            place.assert_clean_within(SOON);
            assert!(!place.folder.join("disk").exists());
        }
    }
}
