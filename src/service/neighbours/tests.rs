//! The policy against real directories.

mod beneath;

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use crate::error::{Error, Kind};

/// A directory `vm` with an image in it and things beside it, and a directory `other`.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for directory in ["vm", "vm/sub", "other"] {
            std::fs::create_dir(tree.at(directory)).unwrap();
        }
        for file in [
            "vm/image",
            "vm/base",
            "vm/sub/base",
            "other/base",
            "other/root",
        ] {
            std::fs::write(tree.at(file), file).unwrap();
        }
        tree
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// What stands in the file that `image` calls `name`, where `allowed` are allowed.
    fn read(&self, image: &str, allowed: &[&str], name: &str) -> Result<String> {
        let files: Vec<PathBuf> = allowed.iter().map(|path| self.at(path)).collect();
        let words = Words {
            files: &files,
            ..Words::default()
        };
        self.read_with(image, words, name)
    }

    /// The same with all that can be allowed.
    fn read_with(&self, image: &str, words: Words<'_>, name: &str) -> Result<String> {
        let typed = ["imgmount", "ls", "image"].map(OsString::from).to_vec();
        let policy = Policy::new(words, (typed, 2))?;
        let home = Arc::new(Home::of(&self.at(image)));
        let mut found = policy.open(&home, name.as_bytes())?;
        let mut text = String::new();
        found.file.read_to_string(&mut text).unwrap();
        Ok(text)
    }

    fn refusal(&self, name: &str) -> Error {
        self.read("vm/image", &[], name).unwrap_err()
    }
}

fn nothing_allowed() -> Policy {
    Policy::new(Words::default(), (Vec::new(), 0)).unwrap()
}

#[test]
fn a_file_beside_the_image_is_opened_by_its_name_or_its_whole_path() {
    let tree = Tree::new();
    let whole = tree.at("vm/base");
    let whole = whole.to_str().unwrap();
    for name in ["base", "./base", "../vm/base", whole] {
        assert_eq!(
            tree.read("vm/image", &[], name).unwrap(),
            "vm/base",
            "{name}"
        );
    }
    // Through whatever links the directory of the image was named.
    symlink("vm", tree.at("link")).unwrap();
    let linked = tree.at("link/base");
    for name in ["base", whole, linked.to_str().unwrap()] {
        assert_eq!(
            tree.read("link/image", &[], name).unwrap(),
            "vm/base",
            "{name}"
        );
    }
}

#[test]
fn an_image_that_is_a_link_has_what_lies_beside_either_name() {
    let tree = Tree::new();
    symlink("../vm/image", tree.at("other/current")).unwrap();
    std::fs::write(tree.at("vm/extent"), "extent").unwrap();
    let read = |name: &str| tree.read("other/current", &[], name).unwrap();
    assert_eq!(read("base"), "other/base");
    assert_eq!(read("extent"), "extent");
    assert_eq!(read(tree.at("vm/extent").to_str().unwrap()), "extent");
}

#[test]
fn q11_anything_elsewhere_is_refused_with_the_command_that_would_allow_it() {
    let tree = Tree::new();
    let root = tree.0.path().canonicalize().unwrap();
    let root = root.to_str().unwrap();
    for (name, path) in [
        ("/etc/passwd", "/etc/passwd".to_owned()),
        ("../other/base", format!("{root}/other/base")),
        ("sub/base", format!("{root}/vm/sub/base")),
        ("../nothing", format!("{root}/nothing")),
        ("/proc/self/environ", "/proc/self/environ".to_owned()),
    ] {
        let error = tree.refusal(name);
        assert_eq!(error.kind(), Kind::Refused);
        assert_eq!(
            error.to_string(),
            format!(
                "references another file: {name}; allow with --allow-file PATH, or its directory \
                 with --allow-dir DIR (imgmount ls --allow-file {path} image)"
            )
        );
    }
}

#[test]
fn q11_what_is_no_file_name_is_never_followed() {
    let tree = Tree::new();
    for name in ["json:{\"file\":1}", "nbd://host/x", "http://host/x", "fd:3"] {
        std::fs::write(tree.at("vm").join(name.replace('/', "")), "x").unwrap();
        let error = tree.refusal(name);
        assert_eq!(error.kind(), Kind::Refused);
        assert_eq!(
            error.to_string(),
            format!("references another file: {name}, which is no file name and is never followed")
        );
    }
    let long = "x".repeat(4000);
    assert!(tree.refusal(&format!("nbd://{long}")).to_string().len() < 2000);
    assert_eq!(tree.refusal("").kind(), Kind::Corrupt);
    assert_eq!(tree.refusal("a\0b").kind(), Kind::Corrupt);
}

#[test]
fn q11_a_link_beside_the_image_is_not_followed_without_the_users_word() {
    let tree = Tree::new();
    symlink("../other/base", tree.at("vm/link")).unwrap();
    symlink("/proc/self/environ", tree.at("vm/proc")).unwrap();
    let error = tree.refusal("link").to_string();
    assert!(
        error.contains("another file: link, a symbolic link; allow with"),
        "{error}"
    );
    let hint = format!("--allow-file {} image)", tree.at("vm/link").display());
    assert!(error.ends_with(&hint), "{error}");
    // Exactly that command allows it.
    let read = tree.read("vm/image", &["vm/link"], "link");
    assert_eq!(read.unwrap(), "other/base");
    let kernels = tree.read("vm/image", &["vm/proc"], "proc").unwrap_err();
    assert!(
        kernels
            .to_string()
            .contains("a file that the kernel makes up"),
        "{kernels}"
    );
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    let tree = Tree::new();
    let make = |name: &str, kind| {
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, tree.at(name), kind, mode, 0).unwrap();
    };
    make("vm/fifo", rustix::fs::FileType::Fifo);
    let _socket = std::os::unix::net::UnixListener::bind(tree.at("vm/socket")).unwrap();
    for name in ["fifo", "socket", "sub"] {
        let error = tree.refusal(name);
        assert_eq!(
            error.to_string(),
            format!("references another file: {name}: it is not a regular file")
        );
        let path = format!("vm/{name}");
        let allowed = tree.read("vm/image", &[&path], name).unwrap_err();
        assert!(
            [Kind::Unsupported, Kind::Io].contains(&allowed.kind()),
            "{allowed}"
        );
    }
    let missing = tree.refusal("nothing");
    assert_eq!(missing.kind(), Kind::NotFound);
    assert!(
        missing.to_string().contains("there is no such file in "),
        "{missing}"
    );
}

#[test]
fn what_the_user_allowed_is_opened_whatever_the_image_calls_it() {
    let tree = Tree::new();
    symlink("other", tree.at("alias")).unwrap();
    let alias = tree.at("alias/base");
    let real = tree.at("other/base");
    for allowed in ["other/base", "alias/base", "vm/../other/base"] {
        for name in [
            "../other/base",
            "../alias/base",
            alias.to_str().unwrap(),
            real.to_str().unwrap(),
        ] {
            let read = tree.read("vm/image", &[allowed], name);
            assert_eq!(read.unwrap(), "other/base", "{allowed} {name}");
        }
    }
    // That alone.
    let read = |name| tree.read("vm/image", &["other/base"], name);
    assert_eq!(read("base").unwrap(), "vm/base");
    assert_eq!(read("../other/root").unwrap_err().kind(), Kind::Refused);
    let missing = tree
        .read("vm/image", &["other/nothing"], "base")
        .unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
    assert!(
        missing.to_string().starts_with("--allow-file /"),
        "{missing}"
    );
}

#[test]
fn an_allowed_file_has_a_directory_of_its_own() {
    let tree = Tree::new();
    let words = Words {
        files: &[tree.at("other/base")],
        ..Words::default()
    };
    let policy = Policy::new(words, (Vec::new(), 0)).unwrap();
    let beside = Beside::new(&tree.at("vm/image"), policy, Arc::default());
    let base = beside.open(b"../other/base").unwrap();
    assert_eq!(base.name, b"base");
    let root = base.neighbours.open(b"root").unwrap();
    assert_eq!(
        crate::source::read_vec(&*root.source, 0, 10).unwrap(),
        b"other/root"
    );
    assert!(base.neighbours.open(b"image").is_err());
    let mut names = base.neighbours.names().unwrap();
    names.sort();
    assert_eq!(names, [&b"base"[..], b"root"]);
}

#[test]
fn q12_one_file_under_two_names_is_one_file() {
    let tree = Tree::new();
    std::fs::hard_link(tree.at("vm/image"), tree.at("vm/hard")).unwrap();
    let policy = nothing_allowed();
    let beside = Beside::new(&tree.at("vm/image"), policy, Arc::default());
    let image = identity(std::fs::File::open(tree.at("vm/image")).unwrap());
    assert_eq!(beside.open(b"hard").unwrap().identity, image);
    assert_ne!(beside.open(b"base").unwrap().identity, image);
}

#[test]
fn names_are_those_of_regular_files_and_not_without_end() {
    let tree = Tree::new();
    symlink("base", tree.at("vm/link")).unwrap();
    let names = |image| Home::of(&tree.at(image)).names();
    assert_eq!(names("vm/image").unwrap(), [&b"base"[..], b"image"]);
    let before = names("other/base").unwrap().len();
    let fill = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            std::fs::write(tree.at(&format!("other/{number}")), "").unwrap();
        }
    };
    fill(before..100_000);
    assert_eq!(names("other/base").unwrap().len(), 100_000);
    fill(100_000..100_001);
    let error = names("other/base").unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    let words = "has over 100000 files: it is not searched";
    assert!(error.to_string().ends_with(words), "{error}");
}

#[test]
fn u06_a_second_file_that_changes_is_told_by_its_name() {
    let tree = Tree::new();
    let notices = Arc::new(Notices::default());
    let policy = nothing_allowed();
    let beside = Beside::new(&tree.at("vm/image"), policy, notices.clone());
    let base = beside.open(b"base").unwrap();
    std::fs::write(tree.at("vm/base"), "ba").unwrap();
    let error = base.source.read_exact_at(&mut [0; 7], 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "base: the image is shorter than it was at byte 0x0"
    );
    let told = notices.all();
    assert!(
        told[0].starts_with("base: the image was written to while"),
        "{told:?}"
    );
}

#[test]
fn q11_what_is_swapped_in_while_it_is_opened_is_never_followed() {
    let tree = Tree::new();
    let at = |name: &str| tree.at("vm").join(name);
    symlink("../other/base", at("link")).unwrap();
    let mode = rustix::fs::Mode::RUSR;
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), fifo, mode, 0).unwrap();
    std::fs::hard_link(at("base"), at("target")).unwrap();
    let policy = nothing_allowed();
    let home = Arc::new(Home::of(&at("image")));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for name in ["link", "fifo", "base"] {
                    // Over what is there, so that there always is something.
                    std::fs::hard_link(at(name), at("next")).unwrap();
                    std::fs::rename(at("next"), at("target")).unwrap();
                }
            }
        });
        let mut opened = 0;
        for _ in 0..4000 {
            let Ok(mut found) = policy.open(&home, b"target") else {
                continue;
            };
            let mut text = String::new();
            found.file.read_to_string(&mut text).unwrap();
            assert_eq!(text, "vm/base");
            opened += 1;
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(opened >= 10, "{opened}");
    });
}
