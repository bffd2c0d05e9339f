//! What must come of each of the broken images that other projects ship, by the program itself: its
//! end, what is read of it, memory and time. `outcomes.tsv` states it, image by image; that what is
//! read is right is held to the kernel in `collected`.

use std::collections::BTreeMap;
use std::path::Path;

use super::collected::collected;
use crate::support::command::Run;
use crate::support::images::{self, Scratch};

/// Runs the program named last with its arguments, for a minute at most, and says on the last line
/// how it ended, the most memory that it or a process of its own had, in KiB, and the processor's
/// seconds.
const MEASURED: &str = "import os, subprocess, sys
run = subprocess.Popen(['timeout', '--kill-after=5', '120'] + sys.argv[1:])
_, status, used = os.wait4(run.pid, 0)
print()
print(os.waitstatus_to_exitcode(status), used.ru_maxrss, used.ru_utime + used.ru_stime)";

/// KiB that the contract allows.
const MOST_KIB: u64 = 256 << 10;

/// The most that one image may take, in a debug build on a busy machine.
const MOST_SECONDS: f64 = 60.0;

/// End and file systems read, by the images' names.
fn stated() -> BTreeMap<&'static str, (i32, &'static str)> {
    let lines = include_str!("outcomes.tsv").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    let line = |line: &'static str| {
        let fields: Vec<&str> = line.split('\t').collect();
        (fields[0], (fields[1].parse().unwrap(), fields[2]))
    };
    lines.map(line).collect()
}

#[test]
fn every_collected_image_comes_to_its_stated_outcome() {
    need!(images, tool "zstd", tool "xz", tool "python3");
    let mut stated = stated();
    let (mut wrong, mut worst) = (Vec::new(), (0, 0.0));
    for path in collected("hostile") {
        let name = path.strip_prefix("hostile/").unwrap();
        let Some((status, formats)) = stated.remove(name) else {
            wrong.push(format!("{name}: nothing is stated"));
            continue;
        };
        let scratch = Scratch::new();
        let image = images::unpack(&path, &scratch);
        let (found, kib, seconds) = checked(&image);
        if found != (status, formats.to_owned()) {
            wrong.push(format!(
                "{name}: stated {status} {formats}, found {found:?}"
            ));
        }
        if kib > MOST_KIB || seconds > MOST_SECONDS {
            wrong.push(format!("{name}: {kib} KiB, {seconds} s"));
        }
        worst = (kib.max(worst.0), seconds.max(worst.1));
    }
    wrong.extend(stated.keys().map(|name| format!("{name}: is not there")));
    println!("at most {} KiB and {:.1} s", worst.0, worst.1);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The end of `imgmount check` and the file systems that it read; KiB and seconds.
fn checked(image: &Path) -> ((i32, String), u64, f64) {
    let run = Run::new("python3").args(["-c", MEASURED]);
    let run = run.arg(env!("CARGO_BIN_EXE_imgmount"));
    let name = image.file_name().unwrap();
    let run = run.args(["check", "--json"]).arg(name);
    let said = run.within(image.parent().unwrap()).text();
    let (lines, last) = said.trim_end().rsplit_once('\n').unwrap();
    let used: Vec<&str> = last.split(' ').collect();
    let mut formats = Vec::new();
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        if value["type"] == "volume" {
            formats.push(value["format"].as_str().unwrap().to_owned());
        }
    }
    let formats = match formats.is_empty() {
        true => "-".to_owned(),
        false => formats.join(","),
    };
    let status = used[0].parse().unwrap();
    let (kib, seconds) = (used[1].parse().unwrap(), used[2].parse().unwrap());
    ((status, formats), kib, seconds)
}
