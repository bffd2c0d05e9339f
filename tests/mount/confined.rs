//! What a process that parses an image has and what it lacks, as the kernel tells it.

use std::path::Path;
use std::process::Stdio;

use super::{Place, SOON, Who, everybody, signal, wait_until};
use crate::support::command::Run;
use crate::support::images::Scratch;

/// The processes of `role` about `image`.
fn processes(role: &str, image: &Path) -> Vec<i32> {
    let about = image.file_name().unwrap().as_encoded_bytes();
    let folder = image.parent().unwrap();
    let is_its = |process: &i32| {
        let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        words.get(1) == Some(&role.as_bytes())
            && words.iter().any(|word| word.ends_with(about))
            && links(*process)
                .iter()
                .any(|link| Path::new(link).starts_with(folder))
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(is_its).collect()
}

/// What each descriptor of `process` is.
fn links(process: i32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{process}/fd"));
    let paths = entries.into_iter().flatten().flatten();
    let links = paths.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let mut links: Vec<String> = links.map(|it| it.display().to_string()).collect();
    links.sort();
    links
}

/// How many of `links` begin like each of these; panics where one is none of them.
fn counted<const N: usize>(links: &[String], known: [&str; N]) -> [usize; N] {
    let all = known.map(|known| links.iter().filter(|link| link.starts_with(known)).count());
    assert_eq!(all.iter().sum::<usize>(), links.len(), "{links:?}");
    all
}

/// The soft limit called `name`.
fn limit(process: i32, name: &str) -> u64 {
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[0], words[1], "{name}: the hard limit is another");
    words[0].parse().unwrap()
}

/// A verb that waits to be read, and the process that reads the image for it once that has opened it.
fn waiting_verb(
    place: &Place,
    before: &str,
    how: impl Fn(i32) -> bool,
) -> (std::process::Child, i32) {
    let script = format!("{before} $IMGMOUNT cat disk.img large 7< /etc/passwd 8<> /dev/null");
    let mut command = place.run("sh").arg("-c").arg(script);
    command = command.env("IMGMOUNT", env!("CARGO_BIN_EXE_imgmount"));
    let child = command.command().stdout(Stdio::piped()).spawn().unwrap();
    let reader = || {
        processes("--reader", &place.image)
            .into_iter()
            .find(|it| how(*it))
    };
    wait_until(SOON, || reader().is_some(), || "no reader".to_owned());
    (child, reader().unwrap())
}

fn is_open(reader: i32) -> bool {
    limit(reader, "Max open files") == 64
}

fn large(who: Who) -> Place {
    let files = Scratch::new();
    std::fs::write(files.join("large"), super::numbered(8 << 20)).unwrap();
    std::fs::write(files.join("hello"), "hello\n").unwrap();
    Place::with_files(who, files.path(), "24M")
}

#[test]
fn a_worker_has_the_descriptors_that_it_needs_and_no_other() {
    need!(root, fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        place.directory("m");
        let script = "exec \"$0\" disk.img m 7< /etc/passwd 8<> /dev/zero";
        let program = place.program.clone();
        place.run("sh").args(["-c", script]).arg(program).run();
        place.run("cat").arg("m/hello").run();
        let worker = place.processes("--worker")[0];
        let links = links(worker);
        let image = place.image.to_str().unwrap();
        let known = ["/dev/null", "pipe:", "socket:", image, "/dev/fuse"];
        let [null, pipe, socket, images, fuse] = counted(&links, known);
        assert_eq!((null, pipe, socket, images), (2, 1, 1, 1), "{links:?}");
        assert!((1..=4).contains(&fuse), "{links:?}");
        assert_eq!(limit(worker, "Max open files"), 64);
        assert_eq!(limit(worker, "Max core file size"), 0);
        place.imgmount().words("umount m").run();
        place.assert_clean_within(SOON);
    }
}

/// Also where the kernel, or the filter of a container, does not know how to close them all.
#[test]
fn a_verbs_process_has_the_descriptors_that_it_needs_and_no_other() {
    need!(root, tool "mke2fs", tool "strace");
    let place = large(Who::Self_);
    let old = "exec strace -f -o /dev/null -e trace=close_range -e inject=close_range:error=ENOSYS";
    for before in ["exec", old] {
        let (mut child, reader) = waiting_verb(&place, before, is_open);
        let links = links(reader);
        let known = [
            "/dev/null",
            "pipe:",
            "socket:",
            place.image.to_str().unwrap(),
        ];
        let [null, pipe, sockets, images] = counted(&links, known);
        assert_eq!((null, pipe, images), (2, 1, 1), "{before}: {links:?}");
        assert!((2..=4).contains(&sockets), "{before}: {links:?}");
        assert_eq!(limit(reader, "Max core file size"), 0);
        drop(child.stdout.take());
        child.wait().unwrap();
    }
}

#[test]
fn an_image_in_many_files_has_a_descriptor_for_each_and_64_more() {
    need!(root, fuse, tool "mke2fs", tool "split");
    let place = Place::new(Who::Self_);
    let split = place
        .run("split")
        .words("-b 64k -a 3 --numeric-suffixes=1 disk.img part.");
    split.run();
    place.directory("m");
    place.imgmount().words("part.001 m").run();
    place.run("cat").arg("m/large").run();
    let worker = processes("--worker", &place.folder.join("part.001"))[0];
    let parts = links(worker)
        .iter()
        .filter(|link| link.contains("/part."))
        .count();
    assert_eq!(parts, 128);
    let most = limit(worker, "Max open files");
    assert!((128 + 64..128 + 64 + 20).contains(&most), "{most}");
    place.imgmount().words("umount m").run();
}

#[test]
fn capabilities_that_an_ordinary_user_was_given_are_given_up() {
    need!(root, fuse, tool "mke2fs", tool "setpriv");
    let place = Place::new(Who::Nobody);
    place.directory("m");
    let caps = "+net_admin,+setpcap,+sys_ptrace";
    let words = format!("--inh-caps={caps} --ambient-caps={caps} --reuid=65534 --regid=65534");
    let mut run = Run::new("setpriv").words(&words).arg("--clear-groups");
    run = run
        .arg(&place.program)
        .words("disk.img m")
        .within(&place.folder);
    run.env("HOME", &place.folder).run();
    place.run("cat").arg("m/hello").run();
    let worker = processes("--worker", &place.image)[0];
    let status = std::fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(
            status.contains(&format!("{set}:\t0000000000000000\n")),
            "{status}"
        );
    }
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}

/// Not even one that does not run any more.
#[test]
fn no_process_reads_an_image_for_a_verb_that_has_ended() {
    need!(root, tool "mke2fs");
    let place = large(Who::Self_);
    for is_time in [is_open, |_| true] {
        let (mut child, reader) = waiting_verb(&place, "exec", is_time);
        if limit(reader, "Max core file size") == 0 {
            signal(reader, "STOP");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let is_alive = || {
            let stat = std::fs::read_to_string(format!("/proc/{reader}/stat"));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        wait_until(SOON, || !is_alive(), || "it is still there".to_owned());
    }
}

/// `info --json` where calls of the kernel answer as `injected` says: the exit code, what was said,
/// and what it tells of the sandbox.
fn told(place: &Place, injected: &[&str], options: &str) -> (i32, String, serde_json::Value) {
    let mut run = place.run("strace").words("-f -o /dev/null");
    let calls: Vec<&str> = injected
        .iter()
        .map(|it| it.split(':').next().unwrap())
        .collect();
    run = run.args(["-e".to_owned(), format!("trace={}", calls.join(","))]);
    for injected in injected {
        run = run.args(["-e".to_owned(), format!("inject={injected}")]);
    }
    run = run
        .arg(&place.program)
        .words("info --json disk.img")
        .words(options);
    let output = run.output();
    let page = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), words, page)
}

#[test]
fn what_is_missing_is_told_once_and_nothing_goes_on_where_all_is_required() {
    need!(root, tool "mke2fs", tool "strace");
    let place = Place::new(Who::Self_);
    let (code, words, page) = told(&place, &["close_range:error=ENOSYS"], "--require-sandbox");
    assert_eq!((code, &*words), (0, ""));
    assert_eq!(page["sandbox"]["missing"], serde_json::json!([]));
    let holds = page["sandbox"]["holds"].as_array().unwrap().clone();
    for held in ["no capabilities", "not dumpable", "64 descriptors"] {
        assert!(holds.contains(&held.into()), "{holds:?}");
    }
    for (injected, missing) in [
        ("landlock_create_ruleset:error=EOPNOTSUPP", "Landlock: "),
        ("seccomp:error=EINVAL", "a system call filter: "),
        ("capset:error=EPERM", "dropped capabilities: "),
        ("setresuid:error=EPERM", "a user of its own: "),
    ] {
        let (code, words, page) = told(&place, &[injected], "");
        assert_eq!(code, 0, "{words}");
        let first = page["sandbox"]["missing"][0].as_str().unwrap();
        assert!(first.starts_with(missing), "{injected}: {first}");
        let notices = words.matches("the sandbox is without").count();
        let in_page = page["notices"]
            .to_string()
            .contains("the sandbox is without");
        assert!(notices == 1 || in_page, "{injected}: {words} {page}");
        let (code, words, _) = told(&place, &[injected], "--require-sandbox");
        assert_eq!(code, 3, "{injected}: {words}");
        assert!(
            words.contains(missing) && words.contains("--require-sandbox"),
            "{words}"
        );
    }
}

/// What a newer Landlock has more, the filter makes up for: nobody is told unasked.
#[test]
fn an_older_landlock_is_not_all_of_the_sandbox() {
    need!(root, tool "mke2fs", tool "strace");
    let place = Place::new(Who::Self_);
    let old = "landlock_create_ruleset:retval=2:when=1";
    let (code, words, page) = told(&place, &[old], "");
    assert_eq!((code, &*words), (0, ""));
    let sandbox = page["sandbox"].to_string();
    assert!(sandbox.contains("\"Landlock ABI 2\""), "{sandbox}");
    assert!(
        sandbox.contains("what Landlock ABI 6 has more"),
        "{sandbox}"
    );
    assert_eq!(page["notices"], serde_json::json!([]));
    let (code, words, _) = told(&place, &[old], "--require-sandbox");
    assert_eq!(code, 3, "{words}");
    assert!(words.contains("what Landlock ABI 6 has more"), "{words}");
}

#[test]
fn without_the_sandbox_info_says_so_too() {
    need!(tool "mke2fs");
    let place = Place::new(Who::Self_);
    let output = place
        .imgmount()
        .words("info --json --no-sandbox disk.img")
        .output();
    let page: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        page["sandbox"]["missing"],
        serde_json::json!(["all of it: --no-sandbox"])
    );
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(words.matches("without the sandbox").count(), 1, "{words}");
}
