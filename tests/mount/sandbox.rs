//! What the process that parses images can do: nothing else.

use super::{Place, SOON, code_and_words, everybody};
use crate::support::command::Run;
use crate::support::images::Scratch;

/// Everything that is asked of a mount, of every file in it.
const EVERYTHING: &str = "cd $IMGMOUNT && ls -laR . > /dev/null
    find . -type f -size -8M -print0 | xargs -0 -r cat > /dev/null
    find . -type l -print0 | xargs -0 -r readlink > /dev/null
    getfattr -h -R -d -m - . > /dev/null
    stat -f . > /dev/null
    dd if=disk.img of=/dev/null bs=1M count=64 conv=sparse status=none";

#[test]
fn a_worker_that_serves_a_mount_can_do_nothing_else() {
    need!(fuse);
    for who in everybody() {
        let place = Place::new(who);
        let words = place.imgmount().arg("self-test").text();
        let lines: Vec<&str> = words.lines().collect();
        let refused = |lines: &[&str]| {
            let refused = lines.iter().filter(|line| line.contains(" refused ("));
            refused.count()
        };
        let heading = |line: &&str| line.ends_with(':');
        let tables: Vec<usize> = lines.split(heading).map(refused).collect();
        // Nothing, the process of a mount, that of a verb.
        assert!(tables.len() == 3 && tables[1] > 33, "{words}");
        assert_eq!(tables[1], tables[2], "{words}");
        assert_eq!(tables[1] + tables[2] + 3, lines.len(), "{words}");
        place.assert_clean_within(SOON);
    }
}

/// What goes through is no success, in each of the two: told from a run without the sandbox.
#[test]
fn a_self_test_fails_where_anything_goes_through() {
    need!(fuse);
    for who in everybody() {
        let place = Place::new(who);
        let output = place.imgmount().words("self-test --no-sandbox").output();
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words}");
        for what in [
            "open a file",
            "start a process",
            "look at a file with a flag",
            "signal another process",
        ] {
            let line = format!("  {what:<28} NOT REFUSED");
            assert_eq!(words.matches(&line).count(), 2, "{what}: {words}");
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("without the sandbox"), "{said}");
        place.assert_clean_within(SOON);
    }
}

#[test]
fn what_holds_of_the_sandbox_is_told_and_to_be_without_is_told_each_time() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        let line = |options: &str| {
            let words = format!("run {options} disk.img -- true");
            code_and_words(&place.imgmount().words(&words).output()).1
        };
        assert_eq!(line(""), "");
        assert_eq!(line("--require-sandbox"), "");
        let told = line("-v");
        assert!(
            told.contains("sandbox: ") && told.contains("Landlock ABI"),
            "{told}"
        );
        assert!(
            told.contains("system call filter") && !told.contains("without"),
            "{told}"
        );
        assert!(line("--no-sandbox").contains("without the sandbox"));
        place.assert_clean_within(SOON);
    }
}

#[test]
fn the_worker_is_nobody_with_no_rights_whoever_mounts() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        place.mount();
        place.run("cat").arg("m/hello").run();
        let workers = place.processes("--worker");
        let path = format!("/proc/{}/status", workers[0]);
        let status = std::fs::read_to_string(path).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        assert_eq!(field("Seccomp:"), "2");
        assert_eq!(field("NoNewPrivs:"), "1");
        assert_eq!(field("CapEff:"), "0000000000000000");
        assert_eq!(field("CapPrm:"), "0000000000000000");
        assert!(!field("Uid:").split_whitespace().any(|uid| uid == "0"));
        place.imgmount().words("umount m").run();
        place.assert_clean_within(SOON);
    }
}

/// With all of the sandbox required, a system call that is not on the list ends the worker.
#[test]
fn every_format_is_served_with_the_system_calls_of_the_list() {
    need!(fuse, tool "getfattr", tool "bzip2", tool "gzip", tool "lz4", tool "mkfs.erofs", tool "mkfs.exfat", tool "mkfs.fat", tool "mksquashfs", tool "mkudffs", tool "parted", tool "qemu-img", tool "sfdisk", tool "xorriso", tool "xz", tool "zstd");
    for name in imgmount::stack::Registries::BUILT_IN.names() {
        assert_served(env!("CARGO_BIN_EXE_imgmount"), name);
    }
}

/// That `program` serves the fixture of the format `name` with the system calls of the list.
pub fn assert_served(program: &str, name: &str) {
    let scratch = Scratch::new();
    let image = crate::fixtures::fixture(name, &scratch).expect(name);
    let run = Run::new(program).words("run --require-sandbox --layout volumes");
    let run = run.args(crate::fixtures::key(name, &scratch));
    let run = run.arg(&image).args(["--", "sh", "-ec", EVERYTHING]);
    let (code, words) = code_and_words(&run.output());
    assert!(
        code == 0 && !words.contains("signal"),
        "{name}: {code} {words}"
    );
}
