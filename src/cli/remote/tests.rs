//! The verb's side of the streams, with good and with lying processes at the other end.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::mpsc;

use serde::Serialize;

use super::super::entries::{self, Files};
use super::super::exit::{Failure, Outcome};
use super::super::names::Room;
use super::super::output::{Captured, Output};
use super::super::reader::answer;
use super::super::testing::{Memory, directory, file, symlink};
use super::protocol::{About, Ahead, Ask, End, Entries, Found, PIECE, Part, Said};
use super::{Begun, Link, Parts, Remote, Volume, speech, until_gone};
use crate::error::{Error, Kind};
use crate::filesystem::{FileSystem, Inode, Request};
use crate::number::to_u64;
use crate::service::frames::Frames;
use crate::service::passed::Passed;
use crate::source::HostBytes;

fn begun(lanes: Vec<Frames>, end: End) -> Begun {
    let link = Link {
        reading: None,
        name: "disk.raw".to_owned(),
    };
    Begun {
        lanes,
        passed: Passed::default(),
        link,
        end,
    }
}

fn tree() -> End {
    End::Tree {
        root: Inode(2),
        notices: Vec::new(),
    }
}

/// A tree whose questions `process` answers, in a thread.
fn remote(ahead: Ahead, process: impl FnOnce(&mut Frames) + Send + 'static) -> Remote {
    let (one, mut other) = Frames::pair().unwrap();
    std::thread::spawn(move || process(&mut other));
    Remote::of(begun(vec![one], tree()), ahead).ok().unwrap()
}

/// `memory` from afar.
fn served(ahead: Ahead, memory: fn() -> Memory) -> Remote {
    remote(ahead, move |lane| {
        let (memory, mut buf) = (memory(), Vec::new());
        while let Ok(Some(ask)) = lane.receive::<Ask>() {
            match ask {
                Ask::Notices { .. } => {
                    let none = Ok::<Vec<String>, Error>(Vec::new());
                    lane.send(&none, &[]).unwrap();
                }
                ask => answer(&memory, 0, &ask, &mut buf, lane).unwrap(),
            }
        }
    })
}

fn sample() -> Memory {
    let mut memory = Memory::default();
    let dir = memory.add(b"dir", directory());
    for number in 0..2000 {
        memory.add_to(dir, format!("{number}").as_bytes(), file(b"few"));
    }
    memory.add(b"link", symlink(b"dir/7"));
    let big: Vec<u8> = (0..=250).cycle().take(PIECE + 77).collect();
    memory.add(b"big", file(&big));
    let mut sparse = file(&[7; 9000]);
    sparse.holes = vec![0..4096, 8192..9000];
    sparse.xattrs.insert(b"user.a".to_vec(), b"1".to_vec());
    sparse.xattrs.insert(b"user.b".to_vec(), Vec::new());
    memory.add(b"sparse", sparse);
    let bad = memory.add(b"bad", file(&[1; 500]));
    memory.bad.insert(bad.0);
    memory
}

/// Everything that can be asked about `inode`.
fn everything(files: &dyn Files, inode: Inode) -> String {
    let request = || Request::new(0);
    let attributes = files.attributes(&request(), inode);
    let xattrs = entries::xattrs(files, inode);
    let mut buf = vec![0; 1 << 20];
    let (mut offset, mut reads) = (0, Vec::new());
    loop {
        let read = files.read(&request(), inode, &mut buf, offset);
        let count = read.as_ref().map_or(0, |count| *count);
        reads.push((read, buf[..count].to_vec()));
        offset = offset.saturating_add(to_u64(count));
        if count == 0 {
            break;
        }
    }
    let extents =
        [0, 1, 4096, 8999, 9000, u64::MAX].map(|at| files.extent_at(&request(), inode, at));
    let link = files.read_link(&request(), inode);
    let names = entries::sorted(files, inode, &Room::default());
    let found = files.lookup(&request(), inode, b"dir");
    let root = files.volume_root(inode);
    format!("{attributes:?} {xattrs:?} {reads:?} {extents:?} {link:?} {names:?} {found:?} {root:?}")
}

#[test]
fn a_tree_is_the_same_from_afar() {
    let memory = sample();
    for ahead in [
        Ahead::Nothing,
        Ahead::Links,
        Ahead::XattrNames,
        Ahead::Xattrs,
        Ahead::Contents,
    ] {
        let remote = served(ahead, sample);
        assert_eq!(remote.root(), memory.root());
        let inodes = memory.nodes.keys().copied().chain([999_999]);
        let some = inodes.filter(|number| *number < 20 || *number > 2005);
        for inode in some.map(Inode) {
            let same = everything(&memory, inode) == everything(&remote, inode);
            assert!(same, "inode {} {ahead:?}", inode.0);
        }
    }
}

/// One file with more extended attributes than are read, and one beside it.
fn too_many_xattrs() -> Memory {
    let mut memory = Memory::default();
    let mut node = file(b"");
    for number in 0..100 {
        let name = format!("user.{number}").into_bytes();
        node.xattrs.insert(name, vec![7; 60_000]);
    }
    memory.add(b"a", node);
    memory.add(b"b", file(b""));
    memory
}

#[test]
fn extended_attributes_that_cannot_be_read_are_an_error_of_one_file() {
    let request = || Request::new(0);
    for ahead in [Ahead::Nothing, Ahead::XattrNames, Ahead::Contents] {
        let remote = served(ahead, too_many_xattrs);
        let (named, error) = entries::sorted(&remote, remote.root(), &Room::default());
        assert_eq!(error, None);
        for (name, inode) in named.iter() {
            assert!(remote.attributes(&request(), inode).is_ok());
            let error = entries::xattrs(&remote, inode).err();
            assert_eq!(error.is_some(), name == b"a", "{ahead:?} {error:?}");
            let names = entries::xattr_names(&remote, inode, 0);
            // The names alone are few; with the values they are asked for in one.
            let is_known = ahead < Ahead::Xattrs || name == b"b";
            assert_eq!(names.is_ok(), is_known, "{ahead:?}");
            assert!(error.is_none_or(|error| error.to_string().contains("1024 KiB")));
        }
    }
}

#[test]
fn what_was_asked_for_ahead_does_not_disturb_what_is_wanted() {
    let (memory, remote) = (sample(), served(Ahead::Nothing, sample));
    let big = memory.lookup(&Request::new(0), memory.root(), b"big");
    let big = big.unwrap().unwrap();
    for (offset, length) in [
        (0, 100),
        (100, 100),
        (200, 100),
        (250, 100),
        (350, 7),
        (0, 9),
    ] {
        let (mut here, mut there) = (vec![0; length], vec![1; length]);
        let both: [(&dyn Files, _); 2] = [(&memory, &mut here), (&remote, &mut there)];
        for (files, buf) in both {
            let read = files.read(&Request::new(0), big, buf, offset);
            assert_eq!(read, Ok(length));
            assert!(files.attributes(&Request::new(0), big).is_ok());
        }
        assert_eq!(here, there);
    }
}

/// What a verb that asks `asks` comes to.
fn verb(remote: Remote, asks: impl FnOnce(&Remote)) -> Result<Outcome, Failure> {
    until_gone(|| {
        asks(&remote);
        Ok(Outcome::Done)
    })
}

fn is_host_error(result: &Result<Outcome, Failure>) -> bool {
    matches!(result, Err(Failure::Host(error)) if error.to_string().starts_with("disk.raw: "))
}

/// Answers the first question with `answer` and `bytes`, and goes.
fn lie<T: Serialize + Send + 'static>(answer: T, bytes: Vec<u8>) -> Remote {
    remote(Ahead::Contents, move |lane| {
        let _ = lane.receive::<Ask>();
        let _ = lane.send(&answer, &bytes);
    })
}

fn about(content: u32) -> Result<Vec<Found>, Error> {
    Ok(vec![Ok(About {
        attributes: file(b"").attributes,
        xattrs: None,
        link: None,
        extent: None,
        content: Some(content),
    })])
}

#[test]
fn a_process_that_lies_ends_the_verb_and_does_no_harm() {
    let request = || Request::new(0);
    let attributes = |files: &Remote| drop(files.attributes(&request(), Inode(1)));
    let read = |files: &Remote| drop(files.read(&request(), Inode(1), &mut [0; 10], 0));
    let lookup = |files: &Remote| drop(files.lookup(&request(), Inode(1), b"x"));
    let names = |files: &Remote| drop(entries::sorted(files, Inode(1), &Room::default()));
    let results = [
        verb(remote(Ahead::Contents, |_| {}), lookup),
        verb(lie(7_u8, vec![]), lookup),
        verb(lie([u64::MAX; 30], vec![0xff; 9999]), names),
        verb(lie(about(u32::MAX), vec![0; 99]), attributes),
        verb(lie(about(99), vec![0; 98]), attributes),
        verb(lie(Ok::<_, Error>(11_u32), vec![0; 11]), read),
        verb(lie(Ok::<_, Error>(u32::MAX), vec![]), read),
        // A length of zero in an extent.
        verb(lie(Ok::<_, Error>((0_u32, 0_u64)), vec![]), |files| {
            drop(files.extent_at(&request(), Inode(1), 5));
        }),
    ];
    for (number, result) in results.iter().enumerate() {
        assert!(is_host_error(result), "{number}: {result:?}");
    }
}

#[test]
fn garbage_of_any_kind_is_survived() {
    let mut seed = 1_u64;
    for _ in 0..300 {
        let mut bytes = Vec::new();
        for _ in 0..200 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Small numbers are tags and lengths that can be.
            let byte = u8::try_from(seed >> 56).unwrap();
            bytes.push(if byte & 1 == 0 { byte & 7 } else { byte });
        }
        let files = remote(Ahead::Contents, move |lane| {
            let _ = lane.receive::<Ask>();
            for part in bytes.chunks(40) {
                let _ = lane.send(&Raw(part.to_vec()), &[]);
            }
        });
        let result = verb(files, |files| drop(everything(files, Inode(3))));
        assert!(result.is_ok() || is_host_error(&result), "{result:?}");
    }
}

/// Bytes that are a message as they are.
struct Raw(Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for byte in &self.0 {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}

#[test]
fn names_that_no_file_can_have_are_refused_where_they_always_were() {
    let evil: Entries = [&b"../x"[..], b"a/b", b"", b"..", b"a\0", b"good"]
        .map(|name| (name.to_vec(), Inode(1)))
        .to_vec();
    let files = remote(Ahead::Contents, move |lane| {
        let _ = lane.receive::<Ask>();
        lane.send(&Ok::<_, Error>(evil), &[]).unwrap();
        lane.send(&Ok::<_, Error>(Entries::new()), &[]).unwrap();
        let _ = lane.receive::<Ask>();
    });
    let (entries, error) = entries::sorted(&files, Inode(1), &Room::default());
    assert_eq!(entries.iter().count(), 1);
    assert_eq!(error.map(|error| error.kind()), Some(Kind::Corrupt));
}

#[test]
fn a_directory_of_too_many_names_ends_with_an_error_of_its_own() {
    let many = || {
        let mut memory = Memory::default();
        for _ in 0..600_000 {
            memory.add_entry(memory.root(), &[b'n'; 255], Inode(7));
        }
        memory
    };
    let long = served(Ahead::Nothing, many);
    let (entries, error) = entries::sorted(&long, long.root(), &Room::default());
    assert_eq!(entries.iter().count(), 1);
    let error = error.unwrap();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.to_string().contains("more than 160 MiB"), "{error}");
    // A process that does not end it is not believed.
    let endless = remote(Ahead::Nothing, |lane| {
        let some: Entries = vec![(vec![b'n'; 255], Inode(7)); 512];
        while lane.send(&Ok::<_, Error>(&some), &[]).is_ok() {}
    });
    let result = verb(endless, |files| {
        drop(entries::sorted(files, Inode(1), &Room::default()))
    });
    assert!(is_host_error(&result), "{result:?}");
}

#[test]
fn an_error_from_afar_says_nothing_that_a_terminal_obeys() {
    let lied = Error::corrupt("\x1b[2J\n\u{9b}x")
        .context("\r")
        .hint("\x07");
    let files = lie(Err::<Option<Inode>, _>(lied), vec![]);
    let error = files.lookup(&Request::new(0), Inode(1), b"x").unwrap_err();
    let text = error.to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

#[test]
fn pages_are_written_and_a_terminal_obeys_nothing_in_them() {
    let page = "größe\n\x1b[31m\u{9b}\r\n".as_bytes();
    for (terminal, shown) in [
        (false, "größe\n\x1b[31m\u{9b}\r\n"),
        (true, "größe\n\\x1b[31m\\xc2\\x9b\\x0d\n"),
    ] {
        let (mut one, mut other) = Frames::pair().unwrap();
        let length = u32::try_from(page.len()).unwrap();
        other.send(&Said::Output(length), page).unwrap();
        let over: Result<End, Failure> = Ok(End::Verb(Outcome::Done));
        other.send(&Said::Over(over), &[]).unwrap();
        let captured = Captured::default();
        let mut output = Output::to(Box::new(captured.clone()), terminal);
        assert!(speech::hear(&mut one, Some(&mut output)).is_ok());
        assert_eq!(String::from_utf8(captured.bytes()).unwrap(), shown);
    }
}

#[test]
fn output_that_nobody_asked_for_and_bars_without_end_come_to_nothing() {
    let (mut one, mut other) = Frames::pair().unwrap();
    let sender = std::thread::spawn(move || {
        for work in 0..1000 {
            let total = Some(0);
            other.send(&Said::Begins { work, total }, &[]).unwrap();
            let bytes = u64::MAX;
            other.send(&Said::Advances { work, bytes }, &[]).unwrap();
        }
        other.send(&Said::Ends { work: 7_000 }, &[]).unwrap();
        other.send(&Said::Output(3), b"abc").unwrap();
    });
    let heard = speech::hear(&mut one, None);
    assert!(matches!(heard, Err(speech::Unheard::Link(_))));
    sender.join().unwrap();
}

#[test]
fn a_volume_is_read_by_many_and_its_end_is_one_failure() {
    let (asked, count) = mpsc::channel();
    let mut lanes = Vec::new();
    for _ in 0..2 {
        let (one, mut other) = Frames::pair().unwrap();
        lanes.push(one);
        let asked = asked.clone();
        std::thread::spawn(move || {
            while let Ok(Some(ask)) = other.receive::<Ask>() {
                asked.send(()).unwrap();
                match ask {
                    Ask::VolumeRead { offset: 77, .. } => return,
                    Ask::VolumeRead { length, .. } => {
                        let length = usize::try_from(length).unwrap();
                        let good = Ok::<(), Error>(());
                        other.send(&good, &vec![5; length]).unwrap();
                    }
                    _ => other
                        .send(&Err::<(), _>(Error::corrupt("bad")), &[])
                        .unwrap(),
                }
            }
        });
    }
    let end = End::Volume {
        size: 64 << 20,
        notices: Vec::new(),
    };
    let volume = Volume::of(begun(lanes, end)).ok().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                let mut buf = vec![0; PIECE + 5];
                volume.read(&mut buf, 100).unwrap();
                assert!(buf.iter().all(|byte| *byte == 5));
                let told = volume.parts(0, 1, &mut buf);
                assert_eq!(told.unwrap_err().kind(), Kind::Corrupt);
            });
        }
    });
    assert_eq!(count.try_iter().count(), 15);
    assert!(volume.over().is_none());
    assert!(volume.read(&mut [0; 10], 77).is_err());
    assert!(matches!(volume.over(), Some(Failure::Host(_))));
}

/// A volume of 100 bytes, whose process answers the first question with `answer` and `bytes`, and
/// then sends nines.
fn told(answer: Vec<Part>, bytes: Vec<u8>) -> Volume {
    let (one, mut other) = Frames::pair().unwrap();
    std::thread::spawn(move || {
        let _ = other.receive::<Ask>();
        let _ = other.send(&Ok::<_, Error>(answer), &bytes);
        while let Ok(Some(Ask::VolumeRead { length, .. })) = other.receive() {
            let length = usize::try_from(length).unwrap();
            let _ = other.send(&Ok::<(), Error>(()), &vec![9; length]);
        }
    });
    let end = End::Volume {
        size: 100,
        notices: Vec::new(),
    };
    Volume::of(begun(vec![one], end)).ok().unwrap()
}

fn zeros(length: u64) -> Part {
    Part::Zeros(NonZeroU64::new(length).unwrap())
}

fn sent(length: u32) -> Part {
    Part::Sent(NonZeroU32::new(length).unwrap())
}

fn host(offset: u64, length: u64) -> HostBytes {
    HostBytes {
        device: 1,
        inode: 2,
        offset,
        len: NonZeroU64::new(length).unwrap(),
    }
}

#[test]
fn parts_are_believed_as_far_as_they_can_be_true() {
    let good = [
        vec![zeros(1)],
        vec![zeros(90)],
        vec![sent(7), Part::Host(host(u64::MAX, 8)), zeros(75)],
        vec![sent(20)],
    ];
    for parts in good {
        let mut buf = Vec::new();
        let volume = told(parts.clone(), vec![5; 20]);
        assert_eq!(volume.parts(10, 20, &mut buf), Ok(parts.clone()));
        let sent = parts.iter().filter(|part| matches!(part, Part::Sent(_)));
        let sent = sent.map(Part::len).sum::<u64>();
        assert_eq!(buf, vec![5; usize::try_from(sent).unwrap()]);
    }
    let bad = [
        vec![],
        vec![zeros(91)],
        vec![zeros(u64::MAX)],
        vec![zeros(20), zeros(1)],
        vec![sent(21)],
        vec![sent(u32::MAX)],
        vec![zeros(1), sent(20)],
        vec![Part::Host(host(0, 21))],
        vec![Part::Host(host(0, u64::MAX)), zeros(1)],
    ];
    for parts in bad {
        let volume = told(parts.clone(), vec![5; 20]);
        let mut buf = Vec::new();
        assert!(volume.parts(10, 20, &mut buf).is_err(), "{parts:?}");
        assert!(buf.is_empty());
        assert!(matches!(volume.over(), Some(Failure::Host(_))));
    }
}

#[test]
fn a_file_that_was_not_passed_on_is_not_read_and_the_process_has_to_send_the_bytes() {
    let volume = told(vec![zeros(1)], Vec::new());
    assert!(volume.parts(0, 1, &mut Vec::new()).is_ok());
    let mut buf = [0; 10];
    volume.read_host(&host(0, 10), 0, &mut buf, 0).unwrap();
    assert_eq!(buf, [9; 10]);
}
