//! A block device as the image.

use std::path::Path;

use super::{Place, SOON, Who, code_and_words, numbered};
use crate::support::command::Run;
use crate::support::images::Scratch;

/// A loop device over a file, which goes with this value.
struct Loop(String);

impl Loop {
    fn new(file: &Path) -> Self {
        let device = Run::new("losetup").words("--find --show").arg(file).text();
        Self(device.trim_end().to_owned())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Run::new("losetup").arg("-d").arg(&self.0).output();
    }
}

/// The size in a line of a disk, without what is allocated of it: `8.0 MiB  1.9 MiB`.
fn whole_size(line: &str) -> String {
    match line.strip_prefix("└─ disk  ") {
        Some(sizes) => {
            let size = sizes.split("  ").next().unwrap();
            format!("└─ disk  {size}")
        }
        None => line.to_owned(),
    }
}

#[test]
fn a_block_device_gives_the_same_answers_as_the_file_on_it() {
    need!(root, fuse, loop, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let point = place.directory("m");
    let device = Loop::new(&place.image);
    for words in ["ls -lR", "ls -lR --json", "check", "info"] {
        let of = |image: &str| {
            let output = place.imgmount().words(words).arg(image).output();
            assert!(output.status.success(), "{words} {image}");
            String::from_utf8(output.stdout).unwrap()
        };
        // The loop device has the file open for writing, of which `info` says so.
        let file = of("disk.img");
        let lines = file.lines().filter(|line| !line.contains("notice"));
        let lines = lines.filter(|line| !line.contains("in use"));
        let file: Vec<_> = lines
            .map(|line| line.replace("disk.img", &device.0))
            // A device does not say how much of the file behind it is there.
            .map(|line| {
                line.split(" allocated")
                    .next()
                    .map_or(String::new(), whole_size)
            })
            .collect();
        assert_eq!(of(&device.0).lines().collect::<Vec<_>>(), file, "{words}");
    }
    place.imgmount().arg(&device.0).arg("m").run();
    let large = std::fs::read(point.join("large")).unwrap();
    assert_eq!(large, numbered(1 << 20));
    assert!(place.mounts()[0].starts_with(&device.0));
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
    place
        .imgmount()
        .arg("convert")
        .arg(&device.0)
        .arg("out")
        .run();
    let bytes = |name: &str| std::fs::read(place.folder.join(name)).unwrap();
    assert!(bytes("out") == bytes("disk.img"));
}

#[test]
fn a_block_device_that_is_mounted_is_listed_with_a_notice() {
    need!(root, fuse, loop, kernel "ext4", tool "mke2fs", namespace);
    let place = Place::new(Who::Self_);
    let device = Loop::new(&place.image);
    let script = "imgmount=$0; $1 || exit 9; exec $imgmount ls $2";
    // The mount goes with its namespace.
    let listed = |before: &str| {
        let run = Run::new("unshare").words("-m sh -c").arg(script);
        let run = run.arg(env!("CARGO_BIN_EXE_imgmount")).arg(before);
        code_and_words(&run.arg(&device.0).output())
    };
    assert_eq!(listed("true"), (0, String::new()));
    let scratch = Scratch::new();
    let point = scratch.folder("m");
    let (code, words) = listed(&format!("mount -o ro {} {}", device.0, point.display()));
    assert_eq!(code, 0, "{words}");
    assert!(
        words.contains("is mounted or is held by the kernel"),
        "{words}"
    );
}
