//! What mkfs.erofs makes in other ways: through our own mount, on several devices, of an archive,
//! with larger blocks, and as it was made before Linux 5.4.

use std::path::Path;

use super::sets::{WITHOUT, made, packed, same_as, source};
use super::{too_old, unpadded};
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::kernel::Mounted;
use crate::support::record::Comparison;
use crate::support::skip::skip;
use crate::support::through::Through;
use crate::support::{library, walk};

use imgmount::service::open::Options;

#[test]
fn the_mount_shows_what_the_kernel_shows() {
    need!(
        loop, fuse, kernel "ext4", kernel "erofs",
        tool "mke2fs", tool "mkfs.erofs", tool "setcap", tool "setfacl"
    );
    if let Some(reason) = too_old() {
        skip(module_path!(), &reason);
        return;
    }
    for options in ["-zlz4hc -C65536 -Efragments,ztailpacking", "-zzstd -m4096"] {
        let scratch = Scratch::new();
        let image = made(options, &scratch);
        let mounted = Mounted::new(&image, "erofs", "ro", &scratch.join("expected"));
        let through = Through::new(&image, "", &scratch.join("found"));
        let comparison = Comparison {
            expected: &walk::mounted(mounted.path()),
            referee: "Linux",
            found: &walk::mounted(through.path()),
            without: &WITHOUT,
        };
        comparison.check(options);
        assert_eq!(statfs(through.path()), statfs(mounted.path()), "{options}");
    }
}

/// What statfs(2) says that FUSE carries.
fn statfs(path: &Path) -> [u64; 6] {
    let stat = rustix::fs::statfs(path).unwrap();
    [
        stat.f_bsize as u64,
        stat.f_blocks,
        stat.f_bfree,
        stat.f_files,
        stat.f_ffree,
        stat.f_namelen as u64,
    ]
}

/// Data on a device of its own: the kernel is told which, we find it beside the image by its tag,
/// or behind the image at its own block.
#[test]
fn another_device() {
    need!(
        loop, kernel "ext4", kernel "erofs",
        tool "mke2fs", tool "mkfs.erofs", tool "setcap", tool "setfacl"
    );
    if let Some(reason) = too_old() {
        skip(module_path!(), &reason);
        return;
    }
    let scratch = Scratch::new();
    let image = scratch.join("image.erofs");
    let blob = scratch.join("blob");
    let options = format!("--chunksize=4096 --blobdev={}", blob.display());
    packed(&options, source(&scratch).path(), &image);
    let device = Run::new("losetup").words("--find --show").arg(&blob).text();
    let option = format!("ro,device={}", device.trim());
    let mounted = Mounted::new(&image, "erofs", &option, &scratch.join("expected"));
    Run::new("losetup").arg("-d").arg(device.trim()).run();

    // Joined on at the block that the device table gives it.
    let mut bytes = std::fs::read(&image).unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let slot = usize::from(u16::from_le_bytes(bytes[1112..1114].try_into().unwrap())) * 128;
    let start = number(slot + 68) as usize * 4096;
    let blocks = number(slot + 64) as usize;
    let joined = scratch.join("joined");
    let data = std::fs::read(&blob).unwrap();
    let mut whole = bytes.clone();
    whole.resize(start, 0);
    whole.extend(&data);
    whole.resize(start + blocks * 4096, 0);
    std::fs::write(&joined, &whole).unwrap();
    same_as(mounted.path(), &joined, "joined");
    drop(mounted);
    let flat = Mounted::new(&joined, "erofs", "ro", &scratch.join("flat"));
    same_as(flat.path(), &joined, "joined, for the kernel too");

    // Beside the image, under the name in its slot.
    bytes[slot..slot + 4].copy_from_slice(b"blob");
    unpadded::seal(&mut bytes);
    std::fs::write(&image, &bytes).unwrap();
    same_as(flat.path(), &image, "beside");
    std::fs::remove_file(&blob).unwrap();
    let opened = library::open_with(&image, &Options::default());
    let filesystem = library::file_system(&opened);
    let far = library::find(&*filesystem, b"contents/large");
    let error = filesystem
        .read(&library::request(), far, &mut [0; 10], 0)
        .unwrap_err();
    assert!(error.to_string().contains("device 1: blob"), "{error}");
}

#[test]
fn an_archive() {
    need!(
        loop, kernel "ext4", kernel "erofs",
        tool "mke2fs", tool "mkfs.erofs", tool "setcap", tool "setfacl", tool "tar"
    );
    if let Some(reason) = too_old() {
        skip(module_path!(), &reason);
        return;
    }
    let scratch = Scratch::new();
    let archive = scratch.join("archive.tar");
    let source = source(&scratch);
    let tar = Run::new("tar").words("--create --format=posix --xattrs --xattrs-include=*");
    tar.words("--exclude=socket --file")
        .arg(&archive)
        .arg("-C")
        .arg(source.path())
        .arg(".")
        .run();
    for options in ["--tar=f", "--tar=f -zlz4hc -Efragments"] {
        let image = scratch.join("tarred");
        let mkfs = Run::new("mkfs.erofs").words("--quiet").words(options);
        mkfs.arg(&image).arg(&archive).run();
        let mounted = Mounted::new(&image, "erofs", "ro", &scratch.join("expected"));
        same_as(mounted.path(), &image, options);
        mounted.unmount();
    }
}

/// No kernel with small pages reads these; fsck.erofs does.
#[test]
fn blocks_that_are_larger_than_pages() {
    need!(tool "mkfs.erofs", tool "fsck.erofs", tool "diff");
    if let Some(reason) = too_old() {
        skip(module_path!(), &reason);
        return;
    }
    for options in [
        "-b16384",
        "-b65536 -zlz4hc",
        "-b16384 -zlzma -C65536 -Efragments,dedupe",
    ] {
        let scratch = Scratch::new();
        let source = scratch.folder("source");
        for (number, len) in [0, 100, 16_384, 16_385, 70_000, 900_000]
            .into_iter()
            .enumerate()
        {
            let name = format!("text-{len}");
            std::fs::write(source.join(name), super::tree::text(len, number as u64)).unwrap();
            let name = format!("noise-{len}");
            std::fs::write(source.join(name), super::tree::noise(len, number as u64)).unwrap();
        }
        let image = scratch.join("image");
        let mkfs = Run::new("mkfs.erofs").words("--quiet").words(options);
        let output = mkfs.arg(&image).arg(&source).output();
        if String::from_utf8_lossy(&output.stderr).contains("invalid block size") {
            skip(module_path!(), "needs an mkfs.erofs for blocks over 4 KiB");
            return;
        }
        assert!(output.status.success(), "{options}");
        let extracted = scratch.join("extracted");
        let fsck = Run::new("fsck.erofs").arg(format!("--extract={}", extracted.display()));
        fsck.arg(&image).run();
        let opened = library::open_with(&image, &Options::default());
        let filesystem = library::file_system(&opened);
        for entry in std::fs::read_dir(&extracted).unwrap() {
            let entry = entry.unwrap();
            let found = library::read_path(&*filesystem, entry.file_name().to_str().unwrap());
            let expected = std::fs::read(entry.path()).unwrap();
            assert!(found == expected, "{options}: {:?}", entry.path());
        }
    }
}

/// Before Linux 5.4 what is packed stood at the beginning of its block.
#[test]
fn lz4_without_padding() {
    need!(
        loop, kernel "ext4", kernel "erofs",
        tool "mke2fs", tool "mkfs.erofs", tool "setcap", tool "setfacl"
    );
    if let Some(reason) = too_old() {
        skip(module_path!(), &reason);
        return;
    }
    let scratch = Scratch::new();
    let image = made("-zlz4hc -Elegacy-compress", &scratch);
    let mut bytes = std::fs::read(&image).unwrap();
    let moved = unpadded::unpad(&mut bytes);
    assert!(moved > 100, "{moved} clusters");
    std::fs::write(&image, &bytes).unwrap();
    let mounted = Mounted::new(&image, "erofs", "ro", &scratch.join("expected"));
    same_as(mounted.path(), &image, "without padding");
}
