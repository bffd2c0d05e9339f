//! Skipping, loudly: libtest has no word for it, so that each skip is a line in the file that
//! `IMGMOUNT_SKIPS` names, which `contrib/test` counts. Where `CI=true`, a skip that is not listed
//! with its reason in `tests/skips.txt` fails its test instead.

use std::io::Write;
use std::path::Path;

use super::{command, images};

/// Leaves the test, with a count, where the host lacks something:
/// `need!(root, fuse, images, loop, namespace, kernel "ext4", tool "mke2fs")`.
#[allow(unused_macros, reason = "groups come and go with features")]
macro_rules! need {
    ($($what:tt $($value:literal)?),+ $(,)?) => {
        $(
            if let Some(reason) = $crate::support::skip::missing(stringify!($what), concat!("", $($value)?)) {
                $crate::support::skip::skip(module_path!(), &reason);
                return;
            }
        )+
    };
}

/// What is missing of the kind `what` (with its `value`), or nothing.
pub fn missing(what: &str, value: &str) -> Option<String> {
    let absent = |is_there: bool, reason: String| (!is_there).then_some(reason);
    match what {
        "root" => absent(is_root(), "needs root".to_owned()),
        "fuse" => absent(fuse(), "needs /dev/fuse and fusermount3".to_owned()),
        "images" => absent(
            images::folder().is_some(),
            "needs ../shared/images".to_owned(),
        ),
        "loop" => absent(
            is_root() && Path::new("/dev/loop-control").exists(),
            "needs root and loop devices".to_owned(),
        ),
        "kernel" => absent(
            kernel_has(value),
            format!("needs a kernel that mounts {value}"),
        ),
        "namespace" => absent(
            own_mounts(),
            "needs a mount namespace of its own".to_owned(),
        ),
        "musl" => absent(
            super::musl::can_be_built(),
            "needs Rust's library for musl and musl-gcc".to_owned(),
        ),
        "tool" => absent(command::find(value).is_some(), format!("needs {value}")),
        other => panic!("need!({other}): no such need"),
    }
}

/// Notes that the running test, of the module `module`, was skipped for `reason`.
pub fn skip(module: &str, reason: &str) {
    let group = module.split("::").nth(1).unwrap_or(module).to_owned();
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("?").to_owned();
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(
        !in_ci || listed(reason),
        "skipped under CI=true, and tests/skips.txt does not list it: {reason}"
    );
    eprintln!("SKIPPED {test}: {reason}");
    if let Some(file) = std::env::var_os("IMGMOUNT_SKIPS") {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
            .unwrap();
        // One write: tests run side by side.
        file.write_all(format!("{group}\t{test}\t{reason}\n").as_bytes())
            .unwrap();
    }
}

/// Whether `tests/skips.txt` lists `reason`: each line is `REASON: WHY IT IS ALLOWED`.
fn listed(reason: &str) -> bool {
    include_str!("../skips.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .any(|(allowed, _)| allowed == reason)
}

/// Whether this process is root, able to mount.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether unshare(1) gives mounts of one's own.
fn own_mounts() -> bool {
    let unshare = command::find("unshare");
    unshare.is_some()
        && command::Run::new("unshare")
            .words("-m true")
            .output()
            .status
            .success()
}

fn fuse() -> bool {
    Path::new("/dev/fuse").exists() && command::find("fusermount3").is_some()
}

fn kernel_has(file_system: &str) -> bool {
    std::fs::read_to_string("/proc/filesystems")
        .is_ok_and(|list| list.lines().any(|line| line.trim() == file_system))
}
