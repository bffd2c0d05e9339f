//! Requests that no common program makes, and files that would give rights.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{RawDir, SeekFrom, seek};

use super::{Place, SOON, Who};
use crate::support::command::Run;
use crate::support::images::Scratch;

const FILES: usize = 400;

/// The names from the place on where `folder` is, as far as they can be read.
fn names(folder: &std::fs::File) -> (Vec<String>, bool) {
    let mut space = vec![std::mem::MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(folder.as_fd(), &mut space);
    let mut found = Vec::new();
    while let Some(entry) = entries.next() {
        let Ok(entry) = entry else {
            return (found, false);
        };
        found.push(entry.file_name().to_str().unwrap().to_owned());
        assert!(found.len() <= FILES + 3, "no end");
    }
    (found, true)
}

#[test]
fn u08_wherever_a_directory_is_read_from_there_are_entries_of_it_or_an_error() {
    need!(fuse, tool "mke2fs");
    let files = Scratch::new();
    for number in 0..FILES {
        std::fs::write(files.join(&format!("file-{number:03}")), "").unwrap();
    }
    let place = Place::with_files(Who::Self_, files.path(), "8M");
    let point = place.mount();
    let folder = std::fs::File::open(&point).unwrap();
    let (all, whole) = names(&folder);
    assert!(whole && all.len() == FILES + 3, "{}", all.len());
    let known: BTreeSet<_> = all.iter().cloned().collect();
    assert_eq!(known.len(), all.len());
    let mut number = 1_u64;
    let powers = (0..63).map(|bit| 1_u64 << bit);
    let around = powers.flat_map(|power| [power - 1, power, power + 1]);
    let anywhere = std::iter::repeat_with(|| {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        number >> 1
    });
    for offset in around.chain(anywhere.take(200)) {
        if seek(&folder, SeekFrom::Start(offset)).is_ok() {
            let (found, _) = names(&folder);
            assert!(found.iter().all(|name| known.contains(name)), "{offset}");
        }
    }
    seek(&folder, SeekFrom::Start(0)).unwrap();
    assert_eq!(names(&folder), (all, true));
    drop(folder);
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}

/// Cursors are good for whoever has the directory open, and after the kernel has forgotten all that
/// was in it.
#[test]
fn u08_a_place_in_a_directory_is_found_again_after_a_forget() {
    need!(fuse, tool "mke2fs");
    let files = Scratch::new();
    for number in 0..FILES {
        std::fs::write(files.join(&format!("some-file-{number}")), "").unwrap();
    }
    let place = Place::with_files(Who::Self_, files.path(), "8M");
    let point = place.mount();
    let list = |from: u64| {
        let folder = std::fs::File::open(&point).unwrap();
        seek(&folder, SeekFrom::Start(from)).unwrap();
        let mut space = vec![std::mem::MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(folder.as_fd(), &mut space);
        let mut listed = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry.unwrap();
            listed.push((entry.file_name().to_owned(), entry.next_entry_cookie()));
        }
        listed
    };
    let all = list(0);
    assert_eq!(all.len(), FILES + 3);
    for name in std::fs::read_dir(&point).unwrap() {
        std::fs::symlink_metadata(name.unwrap().path()).unwrap();
    }
    // It is root's to say; without that, the kernel forgets when it likes.
    let _ = std::fs::write("/proc/sys/vm/drop_caches", "2");
    for (index, (name, cursor)) in all.iter().enumerate().step_by(97) {
        assert_eq!(list(*cursor), all[index + 1..], "behind {name:?}");
    }
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}

#[test]
fn u12_programs_that_would_give_rights_give_none() {
    need!(root, fuse, tool "mke2fs", tool "setcap", tool "getcap");
    let files = Scratch::new();
    let (suid, capable) = (files.join("suid"), files.join("capable"));
    let program = |name: &str| crate::support::command::find(name).unwrap();
    super::copy_program(&program("id"), &suid);
    super::copy_program(&program("cat"), &capable);
    Run::new("chmod").arg("6755").arg(&suid).run();
    let setcap = Run::new("setcap").arg("cap_setuid,cap_net_raw+ep");
    setcap.arg(&capable).run();
    let place = Place::with_files(Who::Self_, files.path(), "16M");
    let point = place.directory("m");
    let nobody = |script: &str| {
        let run = Run::new("sh").args(["-c", script]);
        run.by_nobody(Path::new("/")).arg("sh").arg(&point).output()
    };
    let said = |script: &str| String::from_utf8_lossy(&nobody(script).stdout).into_owned();
    place.imgmount().words("-o allow_other disk.img m").run();
    let listed = |path: &Path| {
        let text = Run::new("getcap").arg(path).text();
        text.split_once(' ').unwrap().1.to_owned()
    };
    assert_eq!(listed(&point.join("capable")), listed(&capable));
    assert_eq!(said("stat -c %a $1/suid"), "6755\n");
    assert_eq!(said("$1/suid -u; $1/suid -g"), "65534\n65534\n");
    let status = said("$1/capable /proc/self/status");
    let effective = status.lines().find(|line| line.starts_with("CapEff:"));
    assert_eq!(effective, Some("CapEff:\t0000000000000000"));
    place.imgmount().words("umount m").run();
    let options = "-o allow_other,noexec,suid disk.img m";
    place.imgmount().words(options).run();
    for name in ["suid", "capable"] {
        let output = nobody(&format!("exec $1/{name} /proc/self/status"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(126), "{said}");
        assert!(said.contains("Permission denied"), "{said}");
    }
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}
