//! Extended attributes that are not there, of which `ls -l` asks for two of each file.

use std::path::Path;

use rustix::io::Errno;

use super::serving::{count_of, requests_of};
use super::{Place, Who};
use crate::support::command::Run;
use crate::support::images::Scratch;

const COUNT: usize = 3000;
/// More than the names' own inodes: mke2fs makes whole blocks of them.
const INODES: usize = 2 * COUNT;
/// What is asked for in vain before anybody looks whether it is worth asking.
const MANY: usize = 256;
/// Inodes that are looked at for each question after that.
const STEP: usize = 512;

fn name(number: usize) -> String {
    format!("some-file-{number}")
}

/// A file system of many files.
fn place() -> Place {
    let files = Scratch::new();
    for number in 0..COUNT {
        std::fs::write(files.join(&name(number)), "").unwrap();
    }
    Place::with_files(Who::Self_, files.path(), "64M")
}

/// What each file's attribute `user.wanted` is.
fn ask(point: &Path) -> Vec<Result<Vec<u8>, Errno>> {
    let ask = |number| {
        let mut value = vec![0; 1000];
        let found = rustix::fs::lgetxattr(point.join(name(number)), "user.wanted", &mut value[..]);
        found.map(|size| value[..size].to_vec())
    };
    (0..COUNT).map(ask).collect()
}

#[test]
fn where_no_file_has_attributes_the_kernel_learns_not_to_ask() {
    need!(fuse, tool "mke2fs");
    let place = place();
    let requests = requests_of(&place, |point| {
        let answers = ask(point);
        assert_eq!(answers[..MANY], vec![Err(Errno::NODATA); MANY]);
        assert_eq!(answers[COUNT - 1], Err(Errno::OPNOTSUPP));
        let listed = rustix::fs::llistxattr(point.join(name(7)), &mut [0_u8; 100][..]);
        assert_eq!(listed, Ok(0), "a list is still one, and empty");
    });
    let asked = count_of(&requests, "GETXATTR");
    assert!(asked > MANY, "{asked} in {} requests", requests.len());
    // One more is asked for when all inodes were seen, and eight groups may end in a shorter step.
    let most = MANY + INODES / STEP + 8 + 1;
    assert!(asked <= most, "{asked} of {most}");
}

/// The last file has one: in its inode, or in a block.
#[test]
fn one_attribute_anywhere_is_found_however_many_were_asked_for_in_vain() {
    need!(fuse, tool "mke2fs", tool "debugfs");
    for length in [5, 600] {
        let place = place();
        let value = vec![b'v'; length];
        let kept = place.folder.join("value");
        std::fs::write(&kept, &value).unwrap();
        let last = name(COUNT - 1);
        let set = format!("ea_set -f {} {last} user.wanted", kept.display());
        Run::new("debugfs")
            .args(["-w", "-R", &set])
            .arg(&place.image)
            .run();
        let requests = requests_of(&place, |point| {
            for _ in 0..2 {
                let answers = ask(point);
                let (found, without) = answers.split_last().unwrap();
                assert_eq!(*found, Ok(value.clone()));
                assert_eq!(*without, vec![Err(Errno::NODATA); COUNT - 1]);
            }
        });
        assert_eq!(count_of(&requests, "GETXATTR"), 2 * COUNT, "{length}");
    }
}
