//! The answers, over a file system that has everything a hostile image could make of one.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation
)]

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fuser::Errno;

use super::answers::{Answer, Answers, Seek};
use super::{Events, Options};
use crate::error::{Error, Result};
use crate::filesystem::{
    Attributes, Entry, FileSystem, FileType, Inode, Request, Timestamp, Usage,
};
use crate::format::Description;
use crate::source::{Extent, ExtentKind, Memory};
use crate::stack::{Content, Node, Stack};
use crate::tree::{self, Tree};

const ROOT: u64 = 2;
const GOOD: u64 = 12;
const PANICS: u64 = 13;
const BAD: u64 = 14;
const PAGE: usize = 4096;
/// `/good` has eight pages; page 3 cannot be read, pages 4 and 5 are a hole.
const SIZE: u64 = 8 * 4096;

/// Names and numbers of the root's entries.
const ENTRIES: [(&[u8], u64); 3] = [(b"good", GOOD), (b"panics", PANICS), (b"b\xffd", BAD)];

#[derive(Default)]
struct Fake {
    reads: Arc<AtomicU64>,
    /// How often it was asked whether it has attributes at all: it knows at the third time.
    looked: AtomicU64,
    /// What was told of before it is read.
    ahead: Arc<Mutex<Vec<u64>>>,
}

impl FileSystem for Fake {
    fn root(&self) -> Inode {
        Inode(ROOT)
    }

    fn lookup(&self, _: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        assert_eq!(dir, Inode(ROOT), "only the root is a directory");
        let found = ENTRIES.iter().find(|(entry, _)| *entry == name);
        Ok(found.map(|(_, number)| Inode(*number)))
    }

    fn attributes(&self, _: &Request, inode: Inode) -> Result<Attributes> {
        let kind = match inode.0 {
            ROOT => FileType::Directory,
            GOOD | PANICS => FileType::Regular,
            BAD => return Err(Error::corrupt("bad checksum").context("inode 14")),
            other => return Err(Error::not_found(format!("no inode {other}"))),
        };
        Ok(Attributes {
            ino: inode.0,
            kind,
            mode: 0o644,
            uid: 1,
            gid: 2,
            size: SIZE,
            blocks: 64,
            block_size: 4096,
            nlink: 1,
            rdev: (0, 0),
            atime: Timestamp::default(),
            mtime: Timestamp::default(),
            ctime: Timestamp::default(),
            crtime: None,
            flags: 0x8_0000,
            generation: 7,
        })
    }

    fn read_dir(
        &self,
        _: &Request,
        _: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        for (place, (name, number)) in (1..).zip(ENTRIES) {
            let entry = Entry {
                name,
                inode: Inode(number),
                kind: Some(FileType::Regular),
                next: place,
            };
            if place > cursor && !each(entry) {
                return Ok(());
            }
        }
        Err(Error::corrupt("the next block is bad"))
    }

    fn read(&self, _: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        assert_ne!(file.0, PANICS, "planted");
        let end = SIZE.min(offset + buf.len() as u64);
        let bad = 3 * PAGE as u64..4 * PAGE as u64;
        if offset < bad.end && end > bad.start {
            return Err(Error::corrupt("bad page").at(bad.start));
        }
        let len = end.saturating_sub(offset) as usize;
        buf[..len].fill(7);
        Ok(len)
    }

    fn ahead(&self, _: &Request, inode: Inode) {
        self.ahead.lock().unwrap().push(inode.0);
    }

    fn extent_at(&self, _: &Request, _: Inode, offset: u64) -> Result<Extent> {
        let (kind, end) = match offset / PAGE as u64 {
            0..4 => (ExtentKind::Data, 4),
            4 => (ExtentKind::Absent, 5),
            5 => (ExtentKind::Zeros, 6),
            _ => (ExtentKind::Data, 8),
        };
        let len = NonZeroU64::new(end * PAGE as u64 - offset).unwrap();
        Ok(Extent { kind, len })
    }

    fn read_link(&self, _: &Request, _: Inode) -> Result<Vec<u8>> {
        Err(Error::invalid("no link"))
    }

    fn xattr_names(&self, _: &Request, _: Inode, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        each(b"user.a");
        each(b"user.of\0two");
        each(b"trusted.b");
        Ok(())
    }

    fn xattr(&self, _: &Request, _: Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let known = [&b"user.a"[..], b"trusted.b"].contains(&name);
        Ok(known.then(|| b"value".to_vec()))
    }

    fn has_no_xattrs(&self, _: &Request) -> bool {
        self.looked.fetch_add(1, Ordering::Relaxed) >= 2
    }

    fn usage(&self) -> Usage {
        Usage {
            name_max: 255,
            ..Usage::default()
        }
    }
}

fn answers() -> (Answers, Arc<AtomicU64>) {
    answers_and(|| ())
}

/// The same, which calls `fails` for a request that a panic has cost.
fn answers_and(fails: impl Fn() + Send + Sync + 'static) -> (Answers, Arc<AtomicU64>) {
    let fake = Fake::default();
    let reads = fake.reads.clone();
    (answers_over(fake, fails), reads)
}

fn answers_over(fake: Fake, fails: impl Fn() + Send + Sync + 'static) -> Answers {
    let disk = Node {
        name: "disk".to_owned(),
        source: Ok(Arc::new(Memory(vec![0; 512]))),
        location: None,
        partition: None,
        content: Content::FileSystem {
            format: "fake",
            description: Description::default(),
            filesystem: Arc::new(fake),
            extra: Vec::new(),
            beside: Vec::new(),
        },
    };
    let stack = Stack {
        layers: Vec::new(),
        digests: Vec::new(),
        disks: vec![disk],
        sets: Vec::new(),
    };
    let tree = Tree::compose(Arc::new(stack), &tree::Options::default()).unwrap();
    let events = Events {
        begins: Box::new(|| ()),
        fails: Box::new(fails),
        activity: None,
    };
    Answers::new(tree, Options::default(), events)
}

fn number<T>(answer: Answer<T>) -> i32 {
    answer.err().map_or(0, i32::from)
}

/// What a read of `file` is answered.
fn bytes_of(
    answers: &Answers,
    request: &Request,
    file: u64,
    range: (u64, u32),
    direct: bool,
) -> Answer<Vec<u8>> {
    let mut bytes = vec![1; 3];
    let done = answers.read(request, Inode(file), range, direct, &mut bytes);
    done.map(|()| bytes)
}

#[test]
fn a_panic_costs_one_request() {
    let failed = Arc::new(AtomicU64::new(0));
    let counter = failed.clone();
    let (answers, _) = answers_and(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let read = |file| {
        answers.guard(0, |request| {
            bytes_of(&answers, request, file, (0, 4096), false)
        })
    };
    assert_eq!(number(read(PANICS)), libc::EIO);
    assert_eq!(read(GOOD).unwrap(), vec![7; PAGE]);
    assert_eq!(number(read(PANICS)), libc::EIO);
    let flags = answers.guard(0, |request| answers.flags(request, Inode(GOOD)));
    assert_eq!(flags.unwrap().1, 7);
    assert_eq!(failed.load(Ordering::Relaxed), 2);
}

#[test]
fn u10_a_number_that_was_never_given_is_stale() {
    let (answers, _) = answers();
    let request = Request::new(0);
    for never in [0, 999, u64::MAX, 3 << 62 | 5] {
        let found = answers.attributes(&request, Inode(never));
        assert_eq!(number(found), libc::ESTALE, "{never:#x}");
        answers.forget(Inode(never), 1);
    }
}

#[test]
fn the_root_has_the_number_of_the_file_system_and_a_missing_name_is_no_error() {
    let (answers, _) = answers();
    let request = Request::new(0);
    assert_eq!(answers.attributes(&request, Inode(1)).unwrap().ino.0, ROOT);
    let found = answers.lookup(&request, Inode(1), b"good").unwrap();
    assert_eq!(found.unwrap().ino.0, GOOD);
    assert!(
        answers
            .lookup(&request, Inode(1), b"none")
            .unwrap()
            .is_none()
    );
    let bad = answers.lookup(&request, Inode(1), b"b\xffd");
    assert_eq!(number(bad), libc::EUCLEAN);
    let long = answers.lookup(&request, Inode(1), &[b'a'; 256]);
    assert_eq!(number(long), libc::ENAMETOOLONG);
}

#[test]
fn one_bad_page_fails_a_read_that_touches_it_and_no_other() {
    let (answers, reads) = answers();
    let request = Request::new(0);
    let read = |offset, size, direct| bytes_of(&answers, &request, GOOD, (offset, size), direct);
    assert_eq!(number(read(0, 8 * 4096, false)), libc::EUCLEAN);
    assert_eq!(reads.load(Ordering::Relaxed), 1, "the kernel asks by page");
    assert_eq!(read(0, 3 * 4096, false).unwrap().len(), 3 * PAGE);
    assert_eq!(read(4 * 4096, 8 * 4096, false).unwrap().len(), 4 * PAGE);
    assert_eq!(number(read(3 * 4096, 4096, false)), libc::EUCLEAN);
    assert_eq!(read(4096, 4 * 4096, true).unwrap().len(), 2 * PAGE);
    assert_eq!(number(read(3 * 4096, 2 * 4096, true)), libc::EUCLEAN);
    assert_eq!(read(SIZE, 4096, true).unwrap(), b"");
}

#[test]
fn a_damaged_directory_gives_what_came_before_and_then_its_error() {
    let (answers, _) = answers();
    let request = Request::new(0);
    let list = |cursor, room: usize| {
        let mut names = Vec::new();
        let done = answers.read_dir(&request, Inode(1), cursor, &mut |entry, name, next| {
            let fits = names.len() < room;
            if fits {
                names.push((entry.ino.0, name.to_vec(), next));
            }
            fits
        });
        done.map(|()| names)
    };
    let all = list(0, 10).unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(all[2], (BAD, b"b\xffd".to_vec(), 3));
    assert_eq!(list(0, 2).unwrap(), all[..2]);
    assert_eq!(list(2, 2).unwrap(), all[2..]);
    assert_eq!(number(list(3, 2)), libc::EUCLEAN);
}

#[test]
fn an_entry_without_attributes_is_listed_in_a_way_the_kernel_does_not_keep() {
    let (answers, _) = answers();
    let mut sizes = Vec::new();
    let request = Request::new(0);
    let mut take = |entry: &fuser::FileAttr, _: &[u8], _| {
        sizes.push((entry.ino.0, entry.size));
        true
    };
    answers
        .read_dir_plus(&request, Inode(1), 0, &mut take)
        .unwrap();
    assert_eq!(sizes, [(GOOD, SIZE), (PANICS, SIZE), (BAD, u64::MAX)]);
}

#[test]
fn seeking_finds_data_and_holes_as_the_kernel_does() {
    let (answers, _) = answers();
    let request = Request::new(0);
    let seek = |offset, to| answers.seek(&request, Inode(GOOD), offset, to);
    let page = PAGE as i64;
    assert_eq!(seek(5, Seek::Data).unwrap(), 5);
    assert_eq!(seek(5, Seek::Hole).unwrap(), 4 * page);
    assert_eq!(seek(4 * page, Seek::Data).unwrap(), 6 * page);
    assert_eq!(seek(6 * page, Seek::Hole).unwrap(), 8 * page);
    for beyond in [8 * page, -1, i64::MAX] {
        assert_eq!(number(seek(beyond, Seek::Hole)), libc::ENXIO);
        assert_eq!(number(seek(beyond, Seek::Data)), libc::ENXIO);
    }
}

#[test]
fn trusted_attributes_are_shown_to_root_alone_and_names_with_a_nul_to_nobody() {
    let (answers, _) = answers();
    let names = |uid| {
        answers
            .xattr_names(&Request::new(uid), Inode(GOOD))
            .unwrap()
    };
    assert_eq!(names(0), b"user.a\0trusted.b\0");
    assert_eq!(names(1000), b"user.a\0");
    let value = |uid, name: &[u8]| answers.xattr(&Request::new(uid), Inode(GOOD), name);
    assert_eq!(value(0, b"trusted.b").unwrap(), b"value");
    assert_eq!(number(value(1000, b"trusted.b")), libc::ENODATA);
    assert_eq!(number(value(0, b"user.none")), libc::ENODATA);
    assert_eq!(value(1000, b"user.a").unwrap(), b"value");
}

#[test]
fn attributes_are_not_looked_for_any_more_once_many_were_in_vain_and_there_are_none() {
    let (answers, _) = answers();
    let request = Request::new(0);
    let ask = || number(answers.xattr(&request, Inode(GOOD), b"user.none"));
    for _ in 0..256 {
        assert_eq!(ask(), libc::ENODATA, "few questions start no search");
    }
    let said = [ask(), ask(), ask()];
    assert_eq!(said, [libc::ENODATA, libc::ENODATA, libc::ENOSYS]);
}

#[test]
fn what_nobody_may_execute_is_not_executable_and_flags_are_as_in_lsattr() {
    let (answers, _) = answers();
    let request = Request::new(1000);
    let access = |execute| number(answers.access(&request, Inode(GOOD), execute));
    assert_eq!(access(false), 0);
    assert_eq!(access(true), libc::EACCES);
    assert_eq!(number(answers.access(&request, Inode(1), true)), 0);
    assert_eq!(answers.flags(&request, Inode(GOOD)).unwrap(), (0x8_0000, 7));
    let link = answers.read_link(&request, Inode(GOOD));
    assert_eq!(number(link), i32::from(Errno::EINVAL));
}

#[test]
fn what_follows_is_told_of_after_the_answer_and_nothing_that_nobody_reads() {
    let fake = Fake::default();
    let told = fake.ahead.clone();
    let answers = answers_over(fake, || ());
    let request = Request::new(0);
    let good = answers.lookup(&request, Inode(1), b"good").unwrap();
    assert!(told.lock().unwrap().is_empty(), "nobody waits for it");
    answers.looked_up(&good.unwrap());
    let list = answers.read_dir_plus(&request, Inode(1), 0, &mut |_, _, _| true);
    let list = list.unwrap();
    answers.listed(&list);
    answers.was_read(Inode(GOOD), 4096);
    answers.was_read(Inode(GOOD), 0);
    answers.listed(&list);
    answers.was_read(Inode(PANICS), 0);
    assert_eq!(
        *told.lock().unwrap(),
        [GOOD, GOOD, PANICS],
        "what is behind it"
    );
}
