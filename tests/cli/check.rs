//! `check`: what it finds, what it explains, and that a bug in either reader is seen.

use std::sync::Arc;

use imgmount::check::second::{Bytes, compare};
use imgmount::check::{Finding, Judgement, Second};
use imgmount::error::Result;
use imgmount::filesystem::{Attributes, Entry, FileSystem, Inode, Request, Usage};
use imgmount::service::open::Options;
use imgmount::source::{Extent, SharedSource, Source};
use serde_json::Value;

use crate::support::command::{Run, imgmount};
use crate::support::images::{Scratch, unpack};
use crate::support::library::{file_system, open_with};

/// An ext4 whose free blocks hold 0xaa, with a few files; debugfs then runs `requests`.
fn image(scratch: &Scratch, requests: &[&str]) -> std::path::PathBuf {
    let folder = scratch.folder("files");
    std::fs::create_dir_all(folder.join("sub/deep")).unwrap();
    std::fs::write(folder.join("hello"), "hello\n").unwrap();
    let content: Vec<u8> = (0..200_000_u32).map(|i| (i % 251 + 1) as u8).collect();
    std::fs::write(folder.join("sub/content"), content).unwrap();
    std::fs::write(folder.join("sub/deep/file"), "deep\n").unwrap();
    std::os::unix::fs::symlink("sub/content", folder.join("link")).unwrap();
    let image = scratch.join("image");
    std::fs::write(&image, vec![0xaa; 8 << 20]).unwrap();
    Run::new("mke2fs")
        .words("-q -F -t ext4 -b 1024 -E nodiscard,root_owner=0:0 -d")
        .arg(&folder)
        .arg(&image)
        .run();
    for request in requests {
        Run::new("debugfs")
            .args(["-w", "-R", request])
            .arg(&image)
            .run();
    }
    image
}

fn bytes_of(image: &std::path::Path) -> SharedSource {
    let file = std::fs::File::open(image).unwrap();
    Arc::new(imgmount::source::file::File::new(file).unwrap())
}

/// What the comparison of `ours` with the second reader's view of `bytes` finds.
fn findings(ours: &dyn FileSystem, bytes: SharedSource) -> (Second, Vec<Finding>) {
    let mut findings = Vec::new();
    let theirs = Box::new(Bytes::recovered(bytes.clone()));
    let second = compare("p1", ours, bytes, theirs, &mut |finding| {
        findings.push(finding)
    });
    (second, findings)
}

#[test]
fn a_sound_image_has_no_findings_and_every_file_is_compared() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let image = image(&scratch, &[]);
    let opened = open_with(&image, &Options::default());
    let ours = file_system(&opened);
    let (second, findings) = findings(&*ours, bytes_of(&image));
    assert!(findings.is_empty(), "{findings:?}");
    // The root, lost+found, sub, sub/deep, three files, one link.
    assert_eq!(
        second,
        Second::Compared {
            files: 8,
            beyond_reach: 0
        }
    );
    let text = imgmount().arg("check").arg(&image).text();
    assert!(text.ends_with("nothing is damaged\n"), "{text}");
}

#[test]
fn stale_bytes_of_unwritten_extents_are_explained_and_only_they() {
    need!(tool "mke2fs", tool "debugfs");
    let scratch = Scratch::new();
    let image = image(&scratch, &["fallocate hello 10 60", "sif hello size 61440"]);
    let opened = open_with(&image, &Options::default());
    let ours = file_system(&opened);
    let (_, found) = findings(&*ours, bytes_of(&image));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].judgement, Judgement::Explained);
    assert_eq!(found[0].path.as_deref(), Some(b"hello".as_slice()));
    assert!(found[0].cause.as_deref().unwrap().contains("unwritten"));
    // The same stale bytes where our reader says data: no cause, a disagreement.
    let lying = Wrapped {
        inner: ours,
        lie: Lie::NoHoles,
    };
    let (_, found) = findings(&lying, bytes_of(&image));
    assert!(
        found
            .iter()
            .any(|it| it.judgement == Judgement::Disagreement),
        "{found:?}"
    );
    assert_eq!(
        imgmount().arg("check").arg(&image).output().status.code(),
        Some(0)
    );
}

/// The kernel takes the upper half of the size for that of regular files alone; the second reader
/// took it for a link's too, and memory for all of it.
#[test]
fn e18_link_of_a_tebibyte() {
    need!(tool "mke2fs", tool "debugfs");
    let scratch = Scratch::new();
    let size = (256_u64 << 32) + 11;
    let image = image(&scratch, &[&format!("sif link size {size}")]);
    let out = imgmount().arg("check").arg(&image).output();
    assert_eq!(out.status.code(), Some(4), "{out:?}");
    let text = String::from_utf8(out.stdout).unwrap();
    let line = format!("link: the size is 11, or by the second reader {size}");
    assert!(text.contains(&line), "{text}");
}

#[test]
fn refused_times_are_explained_by_the_time_itself() {
    need!(tool "mke2fs", tool "debugfs");
    let scratch = Scratch::new();
    let image = image(&scratch, &["sif sub mtime @2500000000"]);
    let out = imgmount().args(["check", "--json"]).arg(&image).output();
    assert_eq!(out.status.code(), Some(0));
    let lines: Vec<Value> = String::from_utf8(out.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let explained: Vec<_> = lines
        .iter()
        .filter(|line| line["type"] == "explained")
        .collect();
    assert_eq!(explained.len(), 1, "{lines:?}");
    assert_eq!(explained[0]["path"], "sub");
    assert!(explained[0]["cause"].as_str().unwrap().contains("mtime"));
    let volume = lines.iter().find(|line| line["type"] == "volume").unwrap();
    // sub, and the three in it.
    assert_eq!(volume["second_reader"]["beyond_reach"], 4);
    assert_eq!(lines.last().unwrap()["bad"], 0);
}

#[test]
fn times_that_the_inode_has_no_room_for_are_explained() {
    need!(tool "mke2fs", tool "debugfs");
    let scratch = Scratch::new();
    let image = image(
        &scratch,
        &["sif hello mtime_extra 0x1234", "sif hello extra_isize 8"],
    );
    let opened = open_with(&image, &Options::default());
    let (_, found) = findings(&*file_system(&opened), bytes_of(&image));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].judgement, Judgement::Explained, "{found:?}");
    assert!(found[0].error.to_string().contains("mtime"));
    // With room for it, the same difference is nobody's known fault.
    let lying = Wrapped {
        inner: file_system(&opened),
        lie: Lie::Attribute(|it| it.atime.nanoseconds ^= 1),
    };
    let (_, found) = findings(&lying, bytes_of(&image));
    let sub = found
        .iter()
        .find(|it| it.path.as_deref() == Some(b"sub"))
        .unwrap();
    assert_eq!(sub.judgement, Judgement::Disagreement);
}

#[test]
fn inodes_and_entries_that_the_second_reader_refuses_are_explained() {
    need!(images, tool "zstd");
    let scratch = Scratch::new();
    let cases = [
        ("j_recover_csum3_64bit", "inodes of 128 bytes"),
        ("f_filetype", "entries without a type"),
    ];
    for (name, cause) in cases {
        let path = format!("hostile/e2fsprogs/e2fsprogs-{name}-image.img.zst");
        let image = unpack(&path, &scratch);
        let out = imgmount().arg("check").arg(&image).output();
        let text = String::from_utf8(out.stdout).unwrap();
        let explained: Vec<&str> = text
            .lines()
            .filter(|line| line.contains(": explained: "))
            .collect();
        assert!(
            !explained.is_empty() && explained.iter().all(|line| line.contains(cause)),
            "{text}"
        );
        assert!(!text.contains("disagreement"), "{text}");
    }
}

#[test]
fn a_bug_planted_in_our_reader_is_seen() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let image = image(&scratch, &[]);
    let opened = open_with(&image, &Options::default());
    let cases = [
        (Lie::Byte, "contents differ"),
        (Lie::Attribute(|it| it.mode ^= 0o001), "the mode"),
        (Lie::Attribute(|it| it.uid += 1), "the owner"),
        (Lie::Attribute(|it| it.gid += 1), "the group"),
        (Lie::Attribute(|it| it.size += 1), "the size"),
        (Lie::Attribute(|it| it.mtime.nanoseconds ^= 1), "mtime"),
        (Lie::Attribute(|it| it.mtime.seconds += 1), "mtime"),
        (Lie::Link, "the link leads to"),
        (Lie::Name, "only the second reader"),
    ];
    for (lie, expected) in cases {
        let lying = Wrapped {
            inner: file_system(&opened),
            lie,
        };
        let (_, found) = findings(&lying, bytes_of(&image));
        let seen = found.iter().any(|it| {
            it.judgement == Judgement::Disagreement && it.error.to_string().contains(expected)
        });
        assert!(seen, "{expected}: {found:?}");
    }
}

#[test]
fn a_bug_planted_in_the_second_reader_is_seen() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let image = image(&scratch, &[]);
    let bytes = std::fs::read(&image).unwrap();
    let opened = open_with(&image, &Options::default());
    let ours = file_system(&opened);
    // One byte of a file's content, which no checksum covers: 0x40 bytes into the pattern.
    let pattern: Vec<u8> = (0..1024_u32).map(|i| (i % 251 + 1) as u8).collect();
    let at = bytes
        .windows(1024)
        .position(|window| window == pattern)
        .unwrap() as u64
        + 0x40;
    let flipped = Flipped {
        source: bytes_of(&image),
        at,
    };
    let (_, found) = findings(&*ours, Arc::new(flipped));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].judgement, Judgement::Disagreement);
    assert_eq!(found[0].path.as_deref(), Some(b"sub/content".as_slice()));
    assert_eq!(found[0].error.offset(), Some(0x40));
}

#[test]
fn damage_is_found_named_and_gives_exit_code_4() {
    need!(tool "mke2fs", tool "debugfs");
    let scratch = Scratch::new();
    let image = image(&scratch, &[]);
    // A byte in the directory block of `sub`, under its checksum.
    let out = Run::new("debugfs")
        .args(["-R", "blocks sub"])
        .arg(&image)
        .text();
    let block: u64 = out.trim().parse().unwrap();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&image)
        .unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"X", block * 1024 + 32).unwrap();
    let out = imgmount().arg("check").arg(&image).output();
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(4), "{text}");
    assert!(text.contains("damage: /sub: "), "{text}");
    assert!(text.contains("checksum"), "{text}");
    // The rest was read all the same.
    assert!(text.contains("files, "), "{text}");
}

/// A volume of which one byte is wrong.
struct Flipped {
    source: SharedSource,
    at: u64,
}

impl Source for Flipped {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.source.read_exact_at(buf, offset)?;
        if let Some(index) = self.at.checked_sub(offset)
            && let Some(byte) = buf.get_mut(index as usize)
        {
            *byte ^= 0x10;
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        self.source.extent_at(offset)
    }
}

/// What a reader with a bug says wrong.
enum Lie {
    Byte,
    Attribute(fn(&mut Attributes)),
    Link,
    Name,
    NoHoles,
}

/// A reader with a bug.
struct Wrapped {
    inner: Arc<dyn FileSystem>,
    lie: Lie,
}

impl FileSystem for Wrapped {
    fn root(&self) -> Inode {
        self.inner.root()
    }

    fn lookup(&self, request: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        self.inner.lookup(request, dir, name)
    }

    fn attributes(&self, request: &Request, inode: Inode) -> Result<Attributes> {
        let mut attributes = self.inner.attributes(request, inode)?;
        if let Lie::Attribute(change) = self.lie {
            change(&mut attributes);
        }
        Ok(attributes)
    }

    fn read_dir(
        &self,
        request: &Request,
        dir: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        self.inner.read_dir(request, dir, cursor, &mut |entry| {
            (matches!(self.lie, Lie::Name) && entry.name == b"hello") || each(entry)
        })
    }

    fn read(&self, request: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        let count = self.inner.read(request, file, buf, offset)?;
        if matches!(self.lie, Lie::Byte) && count > 0 {
            buf[count / 2] ^= 1;
        }
        Ok(count)
    }

    fn extent_at(&self, request: &Request, file: Inode, offset: u64) -> Result<Extent> {
        let mut extent = self.inner.extent_at(request, file, offset)?;
        if matches!(self.lie, Lie::NoHoles) {
            extent.kind = imgmount::source::ExtentKind::Data;
        }
        Ok(extent)
    }

    fn read_link(&self, request: &Request, link: Inode) -> Result<Vec<u8>> {
        let mut target = self.inner.read_link(request, link)?;
        if matches!(self.lie, Lie::Link) {
            target.push(b'x');
        }
        Ok(target)
    }

    fn xattr_names(
        &self,
        request: &Request,
        inode: Inode,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        self.inner.xattr_names(request, inode, each)
    }

    fn xattr(&self, request: &Request, inode: Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
        self.inner.xattr(request, inode, name)
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }
}

#[test]
fn what_there_is_no_reader_for_is_not_called_undamaged() {
    need!(tool "mkfs.xfs");
    let scratch = Scratch::new();
    let image = scratch.file("image", 320 << 20);
    Run::new("mkfs.xfs").arg("-q").arg(&image).run();
    let text = imgmount().arg("check").arg(&image).text();
    assert!(text.contains("xfs: not read: "), "{text}");
    assert!(text.ends_with("no file system was read\n"), "{text}");
    let lines = imgmount().args(["check", "--json"]).arg(&image).text();
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["volumes"], &last["not_read"]),
        (&0.into(), &1.into())
    );
}
