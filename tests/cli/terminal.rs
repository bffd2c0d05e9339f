//! What a terminal gets: names that cannot command it, the disk map, the progress bar.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::verbs::image;
use crate::support::command::{Run, imgmount};
use crate::support::images::Scratch;
use crate::volume::bitlocker::made::{Made, password};

/// What a terminal of 80 columns gets from imgmount with `arguments`.
fn on_a_terminal(folder: &Path, arguments: &str) -> String {
    let program = env!("CARGO_BIN_EXE_imgmount");
    let command = format!("stty cols 80 rows 24; {program} {arguments}");
    Run::new("script")
        .args(["-qec", &command, "/dev/null"])
        .within(folder)
        .text()
}

#[test]
fn nothing_in_an_image_commands_a_terminal_and_json_is_exact() {
    need!(tool "mke2fs", tool "script", tool "tune2fs");
    let scratch = Scratch::new();
    let disk = image(&scratch);
    Run::new("tune2fs")
        .args(["-L", "a\x1b]0;x\x07\n"])
        .arg(&disk)
        .run();
    for arguments in [
        "info disk.raw",
        "info --json disk.raw",
        "ls disk.raw",
        "ls -lR disk.raw",
        "ls --json disk.raw",
        "check disk.raw",
    ] {
        let shown = on_a_terminal(scratch.path(), arguments);
        let commands = shown
            .chars()
            .filter(|c| c.is_control() && !matches!(c, '\r' | '\n'));
        assert_eq!(commands.count(), 0, "{arguments}: {shown:?}");
    }
    assert!(on_a_terminal(scratch.path(), "info disk.raw").contains("\"a\\x1b]0;x\\x07\\x0a\""));
    assert!(on_a_terminal(scratch.path(), "ls disk.raw").contains("esc\\x1b[31m"));
    let json = imgmount().args(["info", "--json"]).arg(&disk).text();
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["disks"][0]["content"]["label"], "a\x1b]0;x\x07\n");
}

#[test]
fn a_terminal_gets_the_disk_map_as_wide_as_it_is() {
    need!(tool "script", tool "sfdisk");
    let scratch = Scratch::new();
    let disk = scratch.file("disk.raw", 100 << 20);
    let script = "printf 'label: gpt\\nstart=20480, size=40960\\nstart=102400, size=81920\\n' | sfdisk -q disk.raw";
    Run::new("sh")
        .args(["-c", script])
        .within(scratch.path())
        .run();
    let shown = on_a_terminal(scratch.path(), "info disk.raw");
    let map = shown
        .lines()
        .find(|line| line.contains("[p1"))
        .unwrap()
        .trim_end();
    assert_eq!(map.chars().count(), 80, "{map}");
    // p1 from 10 to 30 of 100 MiB, p2 from 50 to 90.
    let column = |name: &str| {
        map.chars()
            .position(|c| c == '[')
            .unwrap()
            .max(map.split(name).next().unwrap().chars().count() - 1)
    };
    assert_eq!((column("p1"), column("p2")), (8, 40), "{map}");
    assert!(!imgmount().arg("info").arg(&disk).text().contains("[p1"));
}

/// imgmount with `arguments`, slowed down: each read of the image takes 400 ms longer.
fn slowly(arguments: &str) -> String {
    let program = env!("CARGO_BIN_EXE_imgmount");
    let delay = "-e trace=pread64 -e inject=pread64:delay_enter=400000";
    format!("strace -f -o /dev/null {delay} {program} {arguments}")
}

/// What a terminal gets from the shell's `command`.
fn typed(folder: &Path, command: &str) -> String {
    let script = Run::new("script").args(["-qec", command, "/dev/null"]);
    script.within(folder).env("TERM", "xterm").text()
}

#[test]
fn work_past_a_second_has_a_progress_bar_on_a_terminal_and_nowhere_else() {
    need!(tool "strace", tool "script", tool "mke2fs");
    let scratch = Scratch::new();
    let files = scratch.folder("files");
    let bytes: Vec<u8> = (0..8 << 20).map(|byte| (byte % 251) as u8).collect();
    std::fs::write(files.join("large"), &bytes).unwrap();
    let disk = scratch.file("disk.raw", 12 << 20);
    let mke2fs = Run::new("mke2fs").words("-q -F -t ext4 -O ^has_journal -d");
    mke2fs.arg(&files).arg(&disk).run();

    for (verb, bar) in [
        ("convert disk.raw converted", " of 12.00 MiB, "),
        ("cp disk.raw large copied", "MiB/s"),
    ] {
        let shown = typed(scratch.path(), &slowly(verb));
        assert!(shown.contains(bar), "{verb}: {shown:?}");
        // Its speed is that of all the work, not of what was done once the bar was there.
        assert!(!shown.contains("GiB/s"), "{verb}: {shown:?}");
        assert!(
            shown.trim_end_matches('\r').ends_with("\x1b[2K"),
            "it stays: {shown:?}"
        );
    }
    assert!(std::fs::read(scratch.join("copied")).unwrap() == bytes);
    assert!(std::fs::read(scratch.join("converted")).unwrap() == std::fs::read(&disk).unwrap());

    let quick = on_a_terminal(scratch.path(), "cp disk.raw large quick");
    assert_eq!(quick, "", "a bar for less than a second");
    let command = slowly("convert disk.raw silent");
    let piped = Run::new("sh").args(["-c", &command]).within(scratch.path());
    let output = piped.output();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

/// What a terminal gets of `arguments`, where `passphrase` is typed once it is asked for.
fn answered(folder: &Path, arguments: &str, passphrase: &str) -> String {
    let program = env!("CARGO_BIN_EXE_imgmount");
    let command = format!("timeout --foreground -k 1 60 {program} {arguments}");
    let run = Run::new("script").args(["-qec", &command, "/dev/null"]);
    let mut command = run.within(folder).command();
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = command.spawn().unwrap();
    let mut keyboard = terminal.stdin.take();
    // Without it the terminal is gone.
    let mut kept = None;
    let mut shown = terminal.stdout.take().unwrap();
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    loop {
        let count = shown.read(&mut bytes).unwrap();
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        if count == 0 {
            break;
        }
        if text.contains("Passphrase for disk")
            && let Some(mut keyboard) = keyboard.take()
        {
            writeln!(keyboard, "{passphrase}").unwrap();
            kept = Some(keyboard);
        }
    }
    drop(kept);
    assert!(terminal.wait().unwrap().success(), "{text}");
    text
}

/// It is in the background of the terminal, where the kernel stops whoever reads.
#[test]
fn a_passphrase_is_typed_for_the_process_that_reads_the_image() {
    need!(fuse, tool "script");
    let scratch = Scratch::new();
    let made = Made {
        protectors: vec![password("open sesame")],
        ..Made::default()
    };
    std::fs::write(scratch.join("disk.img"), made.disk()).unwrap();
    for command in ["ls disk.img", "run disk.img -- ls {}"] {
        let shown = answered(scratch.path(), command, "open sesame");
        assert!(shown.contains("bitlocker.img"), "{shown}");
        assert!(!shown.contains("sesame"), "{shown}");
    }
}
