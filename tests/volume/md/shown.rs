//! What a user gets: a degraded array's files, by the verbs and in a mount.

use std::path::PathBuf;

use super::super::rows::spread;
use super::made::Array;
use crate::support::command::{Run, imgmount};
use crate::support::images::{Scratch, sha256_of};

/// An ext4 with the numbers from 1 to 4000 in a file, and what is in that.
pub fn ext4(scratch: &Scratch, size: usize) -> (Vec<u8>, String) {
    let folder = scratch.folder("files");
    let numbers: String = (1..=4000).map(|number| format!("{number}\n")).collect();
    std::fs::write(folder.join("numbers"), &numbers).unwrap();
    std::fs::write(folder.join("hello"), "on an array\n").unwrap();
    let path = scratch.file("ext4", size as u64);
    let mke2fs = Run::new("mke2fs").words("-q -F -t ext4 -b 1024 -L inside -d");
    mke2fs.arg(folder).arg(&path).run();
    (std::fs::read(path).unwrap(), sha256_of(numbers.as_bytes()))
}

/// The images of an array with `data` on rows that look like `rows`.
pub fn images(scratch: &Scratch, array: &Array, rows: &str, data: &[u8]) -> Vec<PathBuf> {
    let members = spread(rows, false, array.chunk, data);
    let image = |(number, data): (usize, &Vec<u8>)| {
        let path = scratch.join(&format!("{}-{number}.img", array.id));
        std::fs::write(&path, array.member(number, data)).unwrap();
        path
    };
    members.iter().enumerate().map(image).collect()
}

/// A mirror with one member, which has an ext4.
pub fn array(scratch: &Scratch) -> PathBuf {
    let (data, _) = ext4(scratch, 1 << 20);
    let path = scratch.join("mirror.img");
    let array = Array::new("1.2", 1, 0, 0, 1);
    std::fs::write(&path, array.member(0, &data)).unwrap();
    path
}

#[test]
fn a_raid5_of_three_of_four_images_is_read_in_any_order() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let (data, hash) = ext4(&scratch, 3 << 20);
    let array = Array::new("1.2", 5, 2, 65536, 4);
    let all = images(&scratch, &array, "012P 12P0 2P01 P012", &data);
    for order in [[0, 1, 2], [3, 1, 0], [2, 3, 0], [1, 3, 2]] {
        let [first, second, third] = order.map(|number: usize| &all[number]);
        let run = |verb: &str| {
            let run = imgmount().arg(verb).arg(first);
            run.arg("--with").arg(second).arg("--with").arg(third)
        };
        let names = run("ls").arg("md0").text();
        assert_eq!(names, "hello\nlost+found\nnumbers\n", "{order:?}");
        let numbers = run("cat").arg("md0/numbers").stdout();
        assert_eq!(sha256_of(&numbers), hash);
        let output = run("info").output();
        let info = String::from_utf8(output.stdout).unwrap();
        assert!(info.contains("3 of 4 members"), "{info}");
        assert!(
            info.contains("level: raid5; layout: left-symmetric"),
            "{info}"
        );
        let gone = 6 - order.iter().sum::<usize>();
        let disks = ["disk", "disk2", "disk3"];
        let on = (0..4).map(
            |role| match order.iter().position(|number| *number == role) {
                Some(image) => format!("{} at 8.0 KiB", disks[image]),
                None => format!("role {role} (missing)"),
            },
        );
        let on: Vec<String> = on.collect();
        let line = format!("raid5 on {}; layout: left-symmetric", on.join(", "));
        assert!(info.contains(&line), "{line}\n{info}");
        assert!(info.contains(&format!("missing: {gone}")), "{info}");
        let notice = info.lines().last().unwrap();
        assert!(notice.contains("3 of 4 members are there"), "{info}");
        assert!(notice.ends_with(&format!("missing: {gone}")), "{info}");
    }
    need!(fuse);
    let run = imgmount()
        .args(["run", "--with"])
        .arg(&all[0])
        .arg("--with");
    let run = run.arg(&all[3]).arg(&all[2]);
    let run = run.args(["--", "sha256sum", "{}/md0/numbers"]);
    assert!(run.text().starts_with(&hash));
}

#[test]
fn a_raid6_without_two_is_read_and_its_images_stay_as_they_are() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let (data, hash) = ext4(&scratch, 3 << 20);
    let array = Array::new("1.0", 6, 2, 65536, 5);
    let rows = "Q012P 012PQ 12PQ0 2PQ01 PQ012";
    let all = images(&scratch, &array, rows, &data);
    let state = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        (
            sha256_of(&bytes),
            std::fs::metadata(path).unwrap().modified().unwrap(),
        )
    };
    let before: Vec<_> = all.iter().map(state).collect();
    for [first, second, third] in [[0, 1, 2], [4, 2, 0], [3, 4, 1]] {
        let run = imgmount()
            .arg("cat")
            .arg(&all[first])
            .arg("--with")
            .arg(&all[second]);
        let run = run.arg("--with").arg(&all[third]).arg("md0/numbers");
        assert_eq!(sha256_of(&run.stdout()), hash);
    }
    let after: Vec<_> = all.iter().map(state).collect();
    assert!(before == after);
    let error = imgmount()
        .arg("cat")
        .arg(&all[0])
        .arg("md0/numbers")
        .output();
    let words = String::from_utf8(error.stderr).unwrap();
    assert!(words.contains("4 of 5 members are missing"), "{words}");
    assert!(
        words.contains("no member has the roles 1, 2, 3, 4"),
        "{words}"
    );
    assert!(words.contains("--with"), "{words}");
    assert_eq!(error.status.code(), Some(1));
}
