//! What other users of the same machine try: mounts and names that are not what they were a moment
//! ago.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{Place, SOON, Who, signal};
use crate::support::command::Run;

/// Puts `one` in the place of `other`, and the other way round, as fast as it goes, until `stop`.
fn swap(one: &Path, other: &Path, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
    }
}

/// Ends the swapping, also when the test panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A directory on the way to the mount point changes places with a symbolic link, which leads to a
/// directory where somebody else's file system is mounted under the same name.
#[test]
fn u01_a_path_that_is_swapped_for_a_link_unmounts_nothing_else() {
    need!(root, fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let (folder, others) = (place.directory("d"), place.directory("v"));
    place.directory("d/mnt");
    let other = place.directory("v/mnt");
    Run::new("mount")
        .args(["-t", "tmpfs", "tmpfs"])
        .arg(&other)
        .run();
    let link = place.folder.join("l");
    std::os::unix::fs::symlink(&others, &link).unwrap();
    let is_there = || {
        let table = std::fs::read_to_string("/proc/self/mounts").unwrap();
        table.contains(&format!(" {} tmpfs ", other.display()))
    };
    assert!(is_there());
    for round in 0..6 {
        if !folder.is_dir() || folder.is_symlink() {
            renameat_with(CWD, &folder, CWD, &link, RenameFlags::EXCHANGE).unwrap();
        }
        if place.processes("").is_empty() {
            place.imgmount().words("disk.img d/mnt").run();
        }
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _stopped = Stop(&stop);
            scope.spawn(|| swap(&folder, &link, &stop));
            match round % 2 {
                // Now it is there and now it is not.
                0 => (0..10).for_each(|_| {
                    let _ = place.imgmount().words("umount d/mnt").output();
                }),
                _ => {
                    signal(place.processes("--supervisor")[0], "TERM");
                    let ended = || place.processes("").is_empty();
                    super::wait_until(SOON, ended, || "it waits".to_owned());
                }
            }
        });
        assert!(is_there(), "round {round}");
    }
}

#[test]
fn u01_what_another_program_left_stays() {
    need!(root, fuse, tool "mke2fs");
    for (kind, shown) in [
        ("fuse.other", "fuse.other"),
        (
            "fuse.e\x1b]0;title\x07\x1b[31m",
            "fuse.e\\x1b]0;title\\x07\\x1b[31m",
        ),
    ] {
        let place = Place::new(Who::Self_);
        let point = place.directory("m");
        let device = std::fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&device);
        let data = format!("fd={number},rootmode=40000,user_id=0,group_id=0");
        let data = std::ffi::CString::new(data).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("other", &point, kind, flags, data.as_c_str()).unwrap();
        drop(device);
        let (code, words) = super::code_and_words(&place.imgmount().words("disk.img m").output());
        assert_eq!(code, 5);
        let dead = format!("a dead {shown} mount is at");
        assert!(words.contains(&dead), "{words:?}");
        assert_eq!(place.mounts().len(), 1);
    }
}

/// A directory of the user's with a path of `length` bytes.
fn long_folder(place: &Place, length: usize) -> PathBuf {
    let mut folder = place.folder.clone();
    while let left @ 2.. = length - folder.as_os_str().len() {
        folder.push("d".repeat((left - 1).min(200)));
        if !folder.is_dir() {
            place.directory(folder.to_str().unwrap());
        }
    }
    folder
}

/// What fusermount3 reads of the table of mounts, a line at a time, is 4 KiB.
#[test]
fn a_long_path_of_image_and_mount_point_leaves_a_mount_that_its_user_can_unmount() {
    need!(root, fuse, tool "mke2fs");
    let place = Place::new(Who::Nobody);
    let folder = long_folder(&place, 2030);
    std::fs::rename(&place.image, folder.join("disk.img")).unwrap();
    place.run("mkdir").arg("m").within(&folder).run();
    for unmount in ["fusermount3 -u m", "imgmount umount m"] {
        let mount = place.imgmount().words("disk.img m");
        mount.within(&folder).run();
        let hello = place.run("cat").arg("m/hello").within(&folder).text();
        assert_eq!(hello, "hello, world\n");
        let (program, words) = unmount.split_once(' ').unwrap();
        let program = match program {
            "imgmount" => place.imgmount(),
            program => place.run(program),
        };
        program.words(words).within(&folder).run();
        place.assert_clean_within(SOON);
    }
    // One whose own path leaves no room in a line is none for fusermount3.
    let point = long_folder(&place, 3950);
    let (code, said) = super::code_and_words(
        &place
            .imgmount()
            .arg(folder.join("disk.img"))
            .arg(point)
            .output(),
    );
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("could not unmount it again"), "{said}");
    place.assert_clean_within(SOON);
}

/// Whoever moved one mount onto another sees it first.
#[test]
fn u01_the_mount_that_is_seen_is_the_one_that_is_unmounted() {
    need!(root, fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    for (name, point) in [("one", "a"), ("two", "b")] {
        let image = place.folder.join(name);
        std::fs::copy(&place.image, &image).unwrap();
        place.directory(point);
        place.imgmount().arg(&image).arg(point).run();
    }
    let private = format!(
        "mount --make-private {0} 2>&-; mount --move a b",
        place.folder.display()
    );
    place.run("sh").arg("-c").arg(private).run();
    assert_eq!(place.mounts().len(), 2);
    for name in ["one", "two"] {
        let source = place.folder.join(name).display().to_string();
        assert!(place.mounts().iter().any(|line| line.starts_with(&source)));
        place.imgmount().words("umount b").run();
        let gone = !place.mounts().iter().any(|line| line.starts_with(&source));
        assert!(gone, "{name}: {:?}", place.mounts());
    }
    place.assert_clean_within(SOON);
}

/// A mount that another one lies on is not to be taken away, and nobody says that it was.
#[test]
fn u01_a_covered_mount_that_stays_is_told() {
    need!(root, fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let script = "mount -t tmpfs tmpfs $IMGMOUNT; echo $IMGMOUNT";
    let run = place.imgmount().words("run disk.img -- sh -c").arg(script);
    let output = run.output();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{words}");
    let text = "stays mounted, and nothing serves it: it is covered";
    assert!(words.contains(text), "{words}");
    let point = String::from_utf8(output.stdout).unwrap();
    let point = Path::new(point.trim_end());
    Run::new("umount").arg(point).run();
    place.imgmount().arg("umount").arg(point).run();
    std::fs::remove_dir(point).unwrap();
    place.assert_clean_within(SOON);
}
