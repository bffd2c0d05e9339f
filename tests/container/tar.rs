//! Images in archives by GNU tar, bsdtar and Python.

use std::path::{Path, PathBuf};

use imgmount::service::open::{Options, open};

use super::{compare, disk, guest};
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;

const SIZE: u64 = 5 * 1024 * 1024 + 512;

/// `files`, which are in `scratch`, in an archive, by a `program` with `words`.
fn packed(scratch: &Scratch, words: &str, files: &[&str]) -> PathBuf {
    let archive = scratch.join("archive.tar");
    let (program, words) = words.split_once(' ').unwrap();
    let run = Run::new(program).words(words).arg(&archive);
    let run = run
        .arg("-C")
        .arg(scratch.join("guest.raw").parent().unwrap());
    run.args(files).run();
    archive
}

fn names(image: &Path, options: &Options) -> Vec<String> {
    let opened = library::open_with(image, options);
    let disks = opened.stack.disks.iter();
    disks.map(|node| node.name.clone()).collect()
}

fn with_disk(name: &str) -> Options {
    let mut options = Options::default();
    options.format.disk = Some(name.to_owned());
    options
}

#[test]
fn every_kind_of_archive_with_and_without_holes() {
    need!(tool "tar", tool "bsdtar");
    for (seed, words) in [
        (1, "tar --format=v7 -cf"),
        (2, "tar --format=ustar -cf"),
        (3, "tar --format=gnu -cf"),
        (4, "tar --format=posix -cf"),
        (5, "tar --sparse --format=gnu -cf"),
        (6, "tar --sparse --format=posix --sparse-version=0.0 -cf"),
        (7, "tar --sparse --format=posix --sparse-version=0.1 -cf"),
        (8, "tar --sparse --format=posix --sparse-version=1.0 -cf"),
        (9, "bsdtar --format=pax -cf"),
        (10, "bsdtar --format=ustar -cf"),
        (11, "bsdtar --format=gnutar -cf"),
    ] {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, SIZE, seed);
        let archive = packed(&scratch, words, &["guest.raw"]);
        println!("{words}");
        compare(&disk(&archive), &raw);
    }
}

#[test]
fn names_too_long_for_a_header() {
    need!(tool "tar");
    for format in ["gnu", "posix"] {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, 1 << 20, 1);
        let long = format!("{}/{}.img", "d".repeat(150), "n".repeat(180));
        let inner = scratch.join(&long);
        std::fs::create_dir(inner.parent().unwrap()).unwrap();
        std::fs::copy(&raw, &inner).unwrap();
        let archive = packed(&scratch, &format!("tar --format={format} -cf"), &[&long]);
        compare(&disk(&archive), &raw);
        let opened = library::open_with(&archive, &Options::default());
        assert_eq!(opened.stack.layers[1].name, long.as_bytes());
    }
}

#[test]
fn a_file_of_many_holes_by_gnu_tar_and_python() {
    need!(tool "tar", tool "python3");
    let scratch = Scratch::new();
    let raw = scratch.file("guest.raw", 64 << 20);
    let file = std::fs::File::options().write(true).open(&raw).unwrap();
    for index in 0..500_u64 {
        use std::os::unix::fs::FileExt;
        file.write_all_at(&index.to_le_bytes(), index * 128 * 1024)
            .unwrap();
    }
    for words in [
        "tar --sparse --format=gnu -cf",
        "tar --sparse --format=posix -cf",
    ] {
        let archive = packed(&scratch, words, &["guest.raw"]);
        let disk = disk(&archive);
        compare(&disk, &raw);
        let hole = disk.extent_at(64 * 1024).unwrap();
        assert_eq!(hole.kind, imgmount::source::ExtentKind::Zeros);
    }
    let archive = scratch.join("python.tar");
    let script =
        "import sys,tarfile; tarfile.open(sys.argv[1],'w').add(sys.argv[2],'./x/guest.raw')";
    let python = Run::new("python3").args(["-c", script]);
    python.arg(&archive).arg(&raw).run();
    compare(&disk(&archive), &raw);
}

#[test]
fn several_images_are_disks_and_one_is_chosen_by_name() {
    need!(tool "tar", tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 1);
    let other = scratch.join("other.vdi");
    let convert = Run::new("qemu-img").words("convert -O vdi");
    convert.arg(&raw).arg(&other).run();
    std::fs::write(scratch.join("README"), "text").unwrap();
    let files = ["README", "guest.raw", "other.vdi"];
    let archive = packed(&scratch, "tar -cf", &files);
    assert_eq!(names(&archive, &Options::default()), ["disk1", "disk2"]);
    for name in ["disk2", "other", "other.vdi"] {
        let options = with_disk(name);
        assert_eq!(names(&archive, &options), [name]);
        compare(&super::disk_with(&archive, &options), &raw);
    }
    let error = open(&archive, &with_disk("disk3")).err().unwrap();
    let text = error.to_string();
    assert!(
        text.contains("disk1 (guest.raw), disk2 (other.vdi)"),
        "{text}"
    );
}

/// A disk that nothing was written to has no bytes in such an archive, and is a disk all the same.
#[test]
fn a_disk_that_is_all_hole() {
    need!(tool "tar");
    for words in [
        "tar -cf",
        "tar --sparse --format=gnu -cf",
        "tar --sparse --format=posix --sparse-version=0.0 -cf",
        "tar --sparse --format=posix --sparse-version=0.1 -cf",
        "tar --sparse --format=posix --sparse-version=1.0 -cf",
    ] {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, 1 << 20, 1);
        let blank = scratch.file("blank.raw", 3 << 20);
        std::fs::write(scratch.join("empty.raw"), "").unwrap();
        let files = ["empty.raw", "blank.raw", "guest.raw"];
        let archive = packed(&scratch, words, &files);
        let opened = library::open_with(&archive, &Options::default());
        let disks = &opened.stack.disks;
        assert_eq!(disks.len(), 2, "{words}");
        for (node, expected) in disks.iter().zip([&blank, &raw]) {
            compare(node.source.as_ref().unwrap(), expected);
        }
    }
}

/// A file that has two names has its bytes once in an archive: the second name may be that of an
/// extent, or of what another image stands on.
#[test]
fn files_that_are_links_of_others() {
    need!(tool "tar", tool "bsdtar", tool "qemu-img");
    for words in [
        "tar --format=v7 -cf",
        "tar --format=ustar -cf",
        "tar --format=gnu -cf",
        "tar --format=posix -cf",
        "tar --sparse --format=gnu -cf",
        "tar --sparse --format=posix -cf",
        "bsdtar --format=pax -cf",
        "bsdtar --format=ustar -cf",
        "bsdtar --format=gnutar -cf",
    ] {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, 3 << 20, 1);
        // One that is too long for a header, where there is something to put it in.
        let is_short = words.contains("v7") || words.contains("ustar");
        let long = format!("{}.raw", "n".repeat(if is_short { 40 } else { 180 }));
        for name in ["linked.raw", &long] {
            std::fs::hard_link(&raw, scratch.join(name)).unwrap();
        }
        let create = Run::new("qemu-img").words("create -q -f qcow2 -F raw -b");
        let create = create
            .arg(scratch.join(&long))
            .arg(scratch.join("top.qcow2"));
        create.run();
        let base = Run::new("qemu-img").words("rebase -u -F raw -b");
        base.arg(&long).arg(scratch.join("top.qcow2")).run();
        let files = ["guest.raw", &long, "linked.raw", "top.qcow2"];
        let archive = packed(&scratch, words, &files);
        let image = library::open_with(&archive, &Options::default());
        assert_eq!(image.notices.all(), [""; 0], "{words}");
        // The one that another stands on is no disk by itself.
        assert_eq!(image.stack.disks.len(), 3, "{words}");
        for node in &image.stack.disks {
            compare(node.source.as_ref().unwrap(), &raw);
        }
        let unpacked = scratch.join("unpacked");
        std::fs::create_dir(&unpacked).unwrap();
        let unpack = Run::new(words.split(' ').next().unwrap()).words("-xf");
        unpack.arg(&archive).arg("-C").arg(&unpacked).run();
        for name in files.iter().take(3) {
            compare(&disk(&unpacked.join(name)), &raw);
        }
    }
}

/// Machines as they are copied: each disk with the eleven states that it stands on.
#[test]
fn as_many_disks_on_as_many_files_as_are_allowed_by_themselves() {
    need!(tool "tar", tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 1 << 20, 1);
    let (mut files, mut below) = (Vec::new(), "guest.raw".to_owned());
    let first = scratch.join("vm0-0.qcow2");
    let convert = Run::new("qemu-img").words("convert -O qcow2");
    convert.arg(&raw).arg(&first).run();
    for state in 0..12 {
        let name = format!("vm0-{state}.qcow2");
        if state > 0 {
            let create = Run::new("qemu-img").words("create -q -f qcow2 -F qcow2 -b");
            create.arg(&below).arg(scratch.join(&name)).run();
        }
        files.push(name.clone());
        below = name;
    }
    // The others are the same: what they stand on is shared, and each has a last state of its own.
    for machine in 1..30 {
        let name = format!("vm{machine}.qcow2");
        std::fs::copy(scratch.join("vm0-11.qcow2"), scratch.join(&name)).unwrap();
        files.push(name);
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let archive = packed(&scratch, "tar -cf", &files);
    let opened = library::open_with(&archive, &Options::default());
    assert_eq!(opened.stack.disks.len(), 30, "{:?}", opened.notices.all());
    let last = opened.stack.disks[29].source.clone().unwrap();
    compare(&last, &raw);
}

#[test]
fn an_archive_without_an_image_is_refused_with_what_it_holds() {
    need!(tool "tar");
    let scratch = Scratch::new();
    guest::disk(&scratch, 1 << 20, 1);
    for name in ["a.txt", "b.txt"] {
        std::fs::write(scratch.join(name), "text").unwrap();
    }
    let archive = packed(&scratch, "tar -cf", &["a.txt", "b.txt"]);
    let text = open(&archive, &Options::default())
        .err()
        .unwrap()
        .to_string();
    assert!(
        text.contains("no disk image") && text.contains("a.txt"),
        "{text}"
    );
    assert_eq!(names(&archive, &with_disk("b.txt")), ["b.txt"]);
}

#[test]
fn an_archive_that_is_cut_off_is_refused() {
    need!(tool "tar");
    let scratch = Scratch::new();
    guest::disk(&scratch, SIZE, 1);
    let archive = packed(&scratch, "tar -cf", &["guest.raw"]);
    for size in [513, 100_000, SIZE] {
        let file = std::fs::File::options().write(true).open(&archive).unwrap();
        file.set_len(size).unwrap();
        let text = open(&archive, &Options::default())
            .err()
            .unwrap()
            .to_string();
        assert!(text.contains("past the end of the archive"), "{text}");
    }
}
