//! Both ends of the socket: what the worker asks and what it gets.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::*;
use crate::error::Kind;
use crate::service::answers::Answers;
use crate::service::image_file;
use crate::service::keys::Handed;
use crate::service::mount::Request;

/// What a worker asks about the image in `folder` while `ask` runs, answered as a supervisor does.
fn asked<T>(folder: &Path, allow: &[PathBuf], ask: impl FnOnce(Arc<Supervisor>) -> T) -> T {
    asked_with(folder, allow, &[], ask)
}

/// The same, with images added to it.
fn asked_with<T>(
    folder: &Path,
    allow: &[PathBuf],
    with: &[PathBuf],
    ask: impl FnOnce(Arc<Supervisor>) -> T,
) -> T {
    let mut request = Request::new(folder.join("image"));
    request.open.allow_files = allow.to_vec();
    request.open.with = with.to_vec();
    let image = image_file::open(&request.image).unwrap();
    let mut answers = Answers::new(&request, &image, Handed::default()).unwrap();
    answers.keep_in(folder.join("cache"));
    let (ours, theirs) = Channel::pair().unwrap();
    let answering = std::thread::spawn(move || {
        while let Some((Report::Asks(question), _)) = ours.receive().unwrap() {
            let (answer, descriptor) = answers.answer(question, &[]);
            let descriptor = descriptor.as_ref().map(AsFd::as_fd);
            ours.send_now(&answer, descriptor).unwrap();
        }
    });
    let got = ask(Arc::new(Supervisor::new(theirs)));
    answering.join().unwrap();
    got
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("other")).unwrap();
    for name in ["image", "base", "other/base", "other/root"] {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    folder
}

#[test]
fn a_worker_gets_the_files_that_the_policy_gives_and_no_other() {
    let folder = folder();
    let path = folder.path().canonicalize().unwrap();
    let allowed = path.join("other/base");
    let read = |neighbour: &Neighbour| {
        crate::source::read_vec(
            &*neighbour.source,
            0,
            crate::number::to_usize(neighbour.source.size()),
        )
        .unwrap()
    };
    let notices = Arc::<Notices>::default();
    asked(&path, &[allowed], |supervisor| {
        let beside = Beside::image(supervisor, notices.clone());
        let base = beside.open(b"base").unwrap();
        assert_eq!(
            (&base.name[..], read(&base)),
            (&b"base"[..], b"base".to_vec())
        );
        let file = File::open(path.join("base")).unwrap();
        assert_eq!(base.identity, neighbours::identity(&file));
        assert_eq!(base.neighbours.names().unwrap(), [&b"base"[..], b"image"]);

        let other = base.neighbours.open(b"other/base").unwrap();
        assert_eq!(read(&other), b"other/base");
        assert_eq!(
            read(&other.neighbours.open(b"root").unwrap()),
            b"other/root"
        );
        assert_eq!(other.neighbours.names().unwrap(), [&b"base"[..], b"root"]);

        for (name, kind) in [
            (&b"/etc/passwd"[..], Kind::Refused),
            (b"nbd://x", Kind::Refused),
            (b"other/root", Kind::Refused),
            (b"nothing", Kind::NotFound),
            (&[b'x'; 1 << 20], Kind::Corrupt),
            (b"\xff\0", Kind::Corrupt),
        ] {
            let error = beside.open(name).err().unwrap();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().len() < 4096);
        }
        let error = beside.open(b"/etc/passwd").err().unwrap().to_string();
        assert!(
            error.contains("(imgmount --allow-file /etc/passwd /"),
            "{error}"
        );
    });
}

#[test]
fn a_worker_may_ask_from_many_threads_and_many_times() {
    let folder = folder();
    for number in 0..5000 {
        let name = format!("{number:04}{}", "x".repeat(100));
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    asked(folder.path(), &[], |supervisor| {
        let beside = &Beside::image(supervisor.clone(), Arc::default());
        let kept = &Kept::image(supervisor);
        std::thread::scope(|scope| {
            for thread in 0_u8..4 {
                scope.spawn(move || {
                    let layer = kept.layer(&[thread]);
                    for round in 0..20 {
                        assert_eq!(beside.open(b"base").unwrap().name, b"base");
                        assert_eq!(beside.names().unwrap().len(), 5002);
                        layer.save(&[thread; 100_000]);
                        assert_eq!(layer.load().unwrap(), [thread; 100_000], "{round}");
                    }
                });
            }
        });
    });
}

#[test]
fn once_everything_is_open_there_are_no_second_files_and_what_is_kept_still_is() {
    let folder = folder();
    let path = folder.path().canonicalize().unwrap();
    let mut request = Request::new(path.join("image"));
    request.open.allow_directories = vec![path.join("other")];
    request.open.with = vec![path.join("other/root")];
    let image = image_file::open(&request.image).unwrap();
    let mut answers = Answers::new(&request, &image, Handed::default()).unwrap();
    answers.keep_in(path.join("cache"));
    let file = |name: &Path| Question::File {
        home: 0,
        name: name.as_os_str().as_encoded_bytes().to_vec(),
    };
    let names = [Path::new("base").to_owned(), path.join("other/base")];
    for name in &names {
        let (answer, _) = answers.answer(file(name), &[]);
        assert!(matches!(answer, Answer::File { .. }), "{answer:?}");
    }
    answers.settle();
    let others = [Question::Other { number: 0 }, Question::Names { home: 0 }];
    for question in names.iter().map(|name| file(name)).chain(others) {
        let (answer, descriptor) = answers.answer(question, &[]);
        let Answer::Refused(error) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(descriptor.is_none());
    }
    let layer = LayerKey::default();
    let (answer, _) = answers.answer(Question::Save { layer, length: 1 }, &[]);
    assert!(matches!(answer, Answer::Here), "{answer:?}");
}

#[test]
fn what_a_worker_keeps_is_there_for_the_next() {
    let folder = folder();
    let loaded = || {
        asked(folder.path(), &[], |supervisor| {
            let kept = Kept::image(supervisor);
            [kept.load(), kept.layer(b"in").load()]
        })
    };
    assert_eq!(loaded(), [None, None]);
    asked(folder.path(), &[], |supervisor| {
        let kept = Kept::image(supervisor);
        kept.save(b"outer");
        kept.layer(b"in").save(b"inner");
    });
    assert_eq!(loaded(), [Some(b"outer".to_vec()), Some(b"inner".to_vec())]);
}

#[test]
fn a_worker_that_asks_for_what_it_cannot_have_gets_nothing() {
    let folder = folder();
    asked(folder.path(), &[], |supervisor| {
        let layer = LayerKey::default();
        let ask = |question| supervisor.ask(question);
        let name = b"base".to_vec();
        assert!(ask(Question::File { home: 1, name }).is_err());
        assert!(ask(Question::Names { home: usize::MAX }).is_err());
        assert!(matches!(ask(Question::Saved), Ok((Answer::Nothing, None))));
        let length = (256 << 20) + 1;
        assert!(matches!(
            ask(Question::Save { layer, length }),
            Ok((Answer::Nothing, None))
        ));
        // It gets no more room than it asked for.
        let (_, room) = ask(Question::Save { layer, length: 10 }).unwrap();
        let mut room = File::from(room.unwrap());
        assert!(room.write_all(&[1; 11]).is_err());
        assert!(room.set_len(11).is_err());
    });
}

/// The limit on a worker's addresses does not count memory that it has open and writes to.
#[test]
fn a_worker_gets_no_more_memory_in_all_than_one_index_may_have() {
    const PIECE: u64 = 100 << 20;
    let folder = folder();
    asked(folder.path(), &[], |supervisor| {
        let room = |layer: u8, length| {
            let layer = [layer; 32];
            supervisor.ask(Question::Save { layer, length }).unwrap().1
        };
        let given: Vec<_> = (0..4).map(|layer| room(layer, PIECE)).collect();
        let given: Vec<_> = given.iter().map(Option::is_some).collect();
        assert_eq!(given, [true, true, false, false]);
        // What is left is enough for a small one, until it is not.
        assert!(room(4, 56 << 20).is_some());
        assert!(room(5, 1).is_none());
        let beside = Beside::image(supervisor.clone(), Arc::default());
        assert_eq!(beside.names().unwrap_err().kind(), Kind::Invalid);
    });
}

#[test]
fn without_a_supervisor_there_is_an_error_and_no_end() {
    let (ours, theirs) = Channel::pair().unwrap();
    drop(ours);
    let supervisor = Arc::new(Supervisor::new(theirs));
    let beside = Beside::image(supervisor.clone(), Arc::default());
    assert_eq!(beside.open(b"base").err().unwrap().kind(), Kind::Io);
    let kept = Kept::image(supervisor);
    kept.save(b"x");
    assert_eq!(kept.load(), None);
}

#[test]
fn a_worker_gets_each_image_that_the_user_added_once_and_the_files_beside_it() {
    let folder = folder();
    let path = folder.path().canonicalize().unwrap();
    let with = [path.join("other/root")];
    let notices = Arc::<Notices>::default();
    asked_with(&path, &[], &with, |supervisor| {
        let beside = Beside::image(supervisor, notices.clone());
        let other = beside.other(0).unwrap();
        assert_eq!(other.name, b"root");
        let read = |source: &dyn crate::source::Source| {
            crate::source::read_vec(source, 0, crate::number::to_usize(source.size())).unwrap()
        };
        assert_eq!(read(&*other.source), b"other/root");
        let base = other.neighbours.open(b"base").unwrap();
        assert_eq!(read(&*base.source), b"other/base");
        for number in [0, 1] {
            let error = beside.other(number).err().unwrap();
            assert!(error.to_string().contains("there is none of"), "{error}");
        }
    });
}
