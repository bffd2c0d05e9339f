//! What a bug in a reader costs: the program with one more file system, which panics when it is
//! asked for certain things. This binary is both: called `imgmount` it is that program, and the
//! processes that it starts of itself are too; else it runs the tests, and reports as libtest does.
#![allow(missing_docs, unreachable_pub)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod format;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use format::{GOOD, MAGIC, NAMES, OPENS, PANICS, REGISTRIES};

/// A test, and whether it needs a mount.
type Test = (&'static str, bool, fn(&Place));

const TESTS: &[Test] = &[
    ("a_bug_costs_one_file_of_a_verb", false, verbs),
    ("a_bug_costs_one_finding_of_a_check", false, check),
    ("a_bug_at_opening_refuses_the_image", false, opening),
    ("a_bug_costs_one_request_and_umount_says_so", true, umount),
    ("a_mount_that_met_no_bug_ends_well", true, well),
    (
        "a_mount_in_the_foreground_ends_with_the_bug",
        true,
        foreground,
    ),
    (
        "a_mount_with_the_number_of_one_that_has_gone_says_so",
        true,
        succession,
    ),
    ("a_command_that_met_a_bug_ends_with_it", true, run),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    if arguments.next().as_deref() == Some("imgmount") {
        return imgmount::cli::main_with(REGISTRIES);
    }
    let filters: Vec<String> = arguments.filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| filters.is_empty() || filters.iter().any(|it| name.contains(it));
    let can_mount = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .is_ok();
    let mut failed = Vec::new();
    for (name, mounts, test) in TESTS {
        let name = format!("planted::{name}");
        if !is_wanted(&name) {
            continue;
        }
        let result = match mounts & !can_mount {
            true => "ignored, no /dev/fuse",
            false => match std::panic::catch_unwind(|| test(&Place::new())) {
                Ok(()) => "ok",
                Err(_) => {
                    failed.push(name.clone());
                    "FAILED"
                }
            },
        };
        println!("test {name} ... {result}");
    }
    match failed.is_empty() {
        true => println!("\ntest result: ok."),
        false => println!(
            "\nfailures:\n    {}\n\ntest result: FAILED.",
            failed.join("\n    ")
        ),
    }
    ExitCode::from(if failed.is_empty() { 0 } else { 101 })
}

/// A directory with two images: `disk.img` opens, and `bad.img` doesn't.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, last) in [("disk.img", OPENS), ("bad.img", PANICS)] {
            let mut bytes = MAGIC.to_vec();
            bytes.push(last);
            bytes.resize(4096, 0);
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        std::fs::create_dir(folder.path().join("m")).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program, to be run here.
    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg0("imgmount").args(words.split(' '));
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// The exit code, standard output and standard error of it.
    fn imgmount(&self, words: &str) -> (i32, Vec<u8>, String) {
        said(self.command(words).output().unwrap())
    }

    fn is_mounted(&self) -> bool {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        table.contains(self.0.path().to_str().unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_mounted() {
            let mut umount = Command::new("fusermount3");
            umount.args(["-u", "-z"]).arg(self.path("m"));
            let _ = umount.status();
        }
    }
}

fn said(output: Output) -> (i32, Vec<u8>, String) {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), output.stdout, words)
}

/// The number in `N requests failed by bugs in imgmount`.
fn faults(words: &str) -> Option<u64> {
    let (before, _) = words.split_once(" requests failed by bugs in imgmount")?;
    before.rsplit(' ').next()?.parse().ok()
}

fn verbs(place: &Place) {
    let (code, bytes, words) = place.imgmount("cat disk.img /read /lock /attributes /good");
    assert_eq!((code, &*bytes), (6, GOOD), "{words}");
    for name in ["read", "lock", "attributes"] {
        let line = format!("{name}: a bug in imgmount: planted in {name} (please report it)");
        let found = |it: &str| it.starts_with("imgmount: disk.img: ") && it.ends_with(&line);
        assert!(words.lines().any(found), "{words}");
    }

    let (code, bytes, words) = place.imgmount("ls -l disk.img");
    let listed = String::from_utf8(bytes).unwrap();
    assert_eq!(code, 6, "{words}");
    for name in NAMES.iter().filter(|name| **name != "attributes") {
        assert!(listed.contains(name), "{name}: {listed}{words}");
    }

    let (code, _, words) = place.imgmount("cp disk.img / out");
    assert_eq!(code, 6, "{words}");
    assert_eq!(std::fs::read(place.path("out/good")).unwrap(), GOOD);
    assert!(!place.path("out/attributes").exists());

    let (code, archive, words) = place.imgmount("tar disk.img");
    assert_eq!(code, 6, "{words}");
    let mut archive = tar::Archive::new(&archive[..]);
    let names: Vec<_> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        ["./", "./good", "./lock", "./names/", "./read"],
        "{words}"
    );
}

fn check(place: &Place) {
    let (code, bytes, words) = place.imgmount("check disk.img");
    let page = String::from_utf8(bytes).unwrap();
    assert_eq!(code, 6, "{page}{words}");
    for name in NAMES.iter().filter(|name| **name != "good") {
        let line = format!("disk: damage: /{name}: a bug in imgmount: ");
        assert!(
            page.lines().any(|it| it.starts_with(&line)),
            "{name}: {page}"
        );
    }
    assert!(!page.contains("/good"), "{page}");
}

fn opening(place: &Place) {
    for words in [
        "ls bad.img",
        "cp bad.img / out",
        "info bad.img",
        "check bad.img",
        "bad.img m",
    ] {
        let (code, _, said) = place.imgmount(words);
        assert_eq!(code, 6, "{words}: {said}");
        let own = said
            .lines()
            .filter(|line| line.starts_with("imgmount: bad.img: "));
        let own: Vec<_> = own.collect();
        let [line] = own.as_slice() else {
            panic!("{words}: {said}");
        };
        assert!(line.contains("a bug in imgmount: "), "{line}");
        assert!(line.contains("planted at opening"), "{line}");
        assert!(line.ends_with("(please report it)"), "{line}");
        assert!(!place.path("out").exists());
        assert!(!place.is_mounted());
    }
}

/// Meets each bug in the mount at `point`; the one good file can be read before, between and after.
fn meet_all(point: &Path) {
    let number = |result: std::io::Result<Vec<u8>>| result.unwrap_err().raw_os_error();
    let eio = Some(rustix::io::Errno::IO.raw_os_error());
    let read = |name: &str| std::fs::read(point.join(name));
    let stat = |name: &str| point.join(name).metadata().map(|_| Vec::new());
    let list = |name: &str| {
        let entries = std::fs::read_dir(point.join(name))?;
        entries
            .collect::<std::io::Result<Vec<_>>>()
            .map(|_| Vec::new())
    };
    let xattr = |name: &str| {
        let found = rustix::fs::getxattr(point.join(name), "user.x", &mut [0_u8; 8]);
        found.map(|_| Vec::new()).map_err(std::io::Error::from)
    };
    for (name, met) in [
        ("read", number(read("read"))),
        // The lock that it held is taken by each read.
        ("lock", number(read("lock"))),
        ("attributes", number(stat("attributes"))),
        ("names", number(list("names"))),
        ("xattrs", number(xattr("xattrs"))),
    ] {
        assert_eq!(met, eio, "{name}");
        // Not from the kernel's cache.
        let good = std::fs::File::open(point.join("good")).unwrap();
        let _ = rustix::fs::fadvise(&good, 0, None, rustix::fs::Advice::DontNeed);
        assert_eq!(read("good").unwrap(), GOOD, "after {name}");
    }
}

fn umount(place: &Place) {
    let (code, _, words) = place.imgmount("disk.img m");
    assert_eq!(code, 0, "{words}");
    let entries = std::fs::read_dir(place.path("m")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let mut all = NAMES.map(std::ffi::OsString::from);
    all.sort();
    assert_eq!(names, all, "one file does not hide the others");
    meet_all(&place.path("m"));
    let (code, _, words) = place.imgmount("umount m");
    assert_eq!(code, 6, "{words}");
    assert!(faults(&words).is_some_and(|count| count >= 5), "{words}");
    assert!(words.starts_with("imgmount: m: "), "{words}");
    assert!(!place.is_mounted());
}

fn well(place: &Place) {
    let (code, _, words) = place.imgmount("disk.img m");
    assert_eq!(code, 0, "{words}");
    assert_eq!(std::fs::read(place.path("m/good")).unwrap(), GOOD);
    assert_eq!(place.imgmount("umount m"), (0, Vec::new(), String::new()));
    assert!(!place.is_mounted());
}

fn foreground(place: &Place) {
    let mut command = place.command("-f disk.img m");
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !place.path("m/good").exists() {
        assert!(Instant::now() < deadline, "it never mounts");
        std::thread::sleep(Duration::from_millis(10));
    }
    meet_all(&place.path("m"));
    let unmounted = place.imgmount("umount m");
    let (code, _, words) = said(child.wait_with_output().unwrap());
    assert_eq!((code, unmounted.0), (6, 6), "{words}{}", unmounted.2);
    assert_eq!(faults(&words), faults(&unmounted.2), "{words}");
    assert!(
        words.contains("a bug in imgmount, please report it: "),
        "{words}"
    );
    assert!(
        words.contains("tests/planted/format.rs"),
        "it says where: {words}"
    );
}

/// The kernel gives the number of a mount that has gone to the next, whose supervisor may begin
/// before the other has ended.
fn succession(place: &Place) {
    let (code, _, words) = place.imgmount("disk.img m");
    assert_eq!(code, 0, "{words}");
    let device = rustix::fs::stat(place.path("m")).unwrap().st_dev;
    assert_eq!(place.imgmount("umount m").0, 0);
    let number = format!(
        "imgmount/{}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device)
    );
    // Taken as by the supervisor that ends, as soon as that has.
    let name = SocketAddr::from_abstract_name(number).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let taken = loop {
        if let Ok(taken) = UnixListener::bind_addr(&name) {
            break taken;
        }
        assert!(Instant::now() < deadline, "the first supervisor never ends");
    };
    let mounts = place.command("disk.img m").spawn().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    drop(taken);
    let (code, _, words) = said(mounts.wait_with_output().unwrap());
    assert_eq!(code, 0, "{words}");
    meet_all(&place.path("m"));
    let (code, _, words) = place.imgmount("umount m");
    assert_eq!(code, 6, "{words}");
    assert!(faults(&words).is_some_and(|count| count >= 5), "{words}");
}

fn run(place: &Place) {
    let run = |script: &str| {
        let mut command = place.command("run disk.img -- sh -c");
        said(command.arg(script).output().unwrap())
    };
    let (code, bytes, words) = run("cat \"$IMGMOUNT/good\"");
    assert_eq!((code, &*bytes), (0, GOOD), "{words}");
    assert_eq!(words, "");
    let (code, bytes, words) = run("cat \"$IMGMOUNT/read\"; cat \"$IMGMOUNT/good\"");
    assert_eq!((code, &*bytes), (6, GOOD), "{words}");
    assert!(faults(&words).is_some(), "{words}");
    let (code, _, words) = run("cat \"$IMGMOUNT/read\"; exit 3");
    assert_eq!(code, 3, "{words}");
    assert!(faults(&words).is_some(), "{words}");
}
