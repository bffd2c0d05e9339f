//! What `--allow-dir` allows, and what it does not.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

impl Tree {
    /// What stands in the file that `vm/image` calls `name`, where all in `directory` is allowed.
    fn beneath(&self, directory: &str, name: &str) -> Result<String> {
        let directories = [self.at(directory)];
        let words = Words {
            directories: &directories,
            ..Words::default()
        };
        self.read_with("vm/image", words, name)
    }
}

/// A [`Tree`] whose `other` has a directory with a file, things that are no files, and links of
/// every kind, of which none may be followed.
fn tree() -> Tree {
    let tree = Tree::new();
    for directory in ["other/a", "other/a/b", "aside"] {
        std::fs::create_dir(tree.at(directory)).unwrap();
    }
    for file in ["other/a/b/deep", "other/a/file", "aside/secret", "others"] {
        std::fs::write(tree.at(file), file).unwrap();
    }
    for (target, link) in [
        ("../aside/secret", "other/out"),
        ("base", "other/in"),
        ("../aside", "other/way out"),
        ("a", "other/way in"),
        ("/proc/self", "other/magic"),
        ("nothing", "other/dangling"),
    ] {
        symlink(target, tree.at(link)).unwrap();
    }
    let mode = rustix::fs::Mode::RUSR;
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, tree.at("other/fifo"), fifo, mode, 0).unwrap();
    tree
}

#[test]
fn every_regular_file_in_it_and_beneath_is_opened() {
    let tree = tree();
    for (name, file) in [
        ("../other/base", "other/base"),
        ("../other/a/file", "other/a/file"),
        ("../other//a/./b/deep", "other/a/b/deep"),
    ] {
        for name in [name, tree.at(file).to_str().unwrap()] {
            assert_eq!(tree.beneath("other", name).unwrap(), file, "{name}");
        }
    }
    // However the directory itself was named.
    symlink("other", tree.at("named")).unwrap();
    let through = tree.at("named/a/file");
    for name in ["../other/a/file", through.to_str().unwrap()] {
        assert_eq!(tree.beneath("named", name).unwrap(), "other/a/file");
    }
    // What lies beside the image is, as without.
    assert_eq!(tree.beneath("other", "base").unwrap(), "vm/base");
    assert_eq!(tree.beneath("vm", "sub/base").unwrap(), "vm/sub/base");
}

#[test]
fn q11_nothing_else_is_opened_for_it() {
    let tree = tree();
    let or = "; allow with --allow-file PATH, or its directory with --allow-dir DIR";
    let link = ", a symbolic link; allow with --allow-file PATH (";
    let behind = ", behind a symbolic link; allow with --allow-file PATH (";
    for (name, words) in [
        ("../others", or),
        ("../aside/secret", or),
        ("../other/../aside/secret", or),
        ("../other/a/../../aside/secret", or),
        ("../other/a/../base", or),
        ("../other/a/b/../../../aside/secret", or),
        ("../other", or),
        ("/etc/passwd", or),
        ("../other/out", link),
        ("../other/in", link),
        ("../other/dangling", link),
        ("../other/way out/secret", behind),
        ("../other/way in/file", behind),
        ("../other/magic/environ", behind),
    ] {
        let error = tree.beneath("other", name).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{name}");
        let start = format!("references another file: {name}{words}");
        assert!(error.to_string().starts_with(&start), "{error}");
    }
    for (name, kind) in [
        ("../other/nothing", Kind::NotFound),
        ("../other/nothing/file", Kind::NotFound),
        ("../other/base/file", Kind::NotFound),
        ("../other/fifo", Kind::Unsupported),
        ("../other/a", Kind::Unsupported),
    ] {
        let error = tree.beneath("other", name).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    // A link beside the image is not followed into it.
    symlink("../other/base", tree.at("vm/link")).unwrap();
    let error = tree.beneath("other", "link").unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    // Nor does any directory make up files.
    let error = tree.beneath("/", "/proc/self/environ").unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    let error = tree.beneath("/", "/proc/version").unwrap_err();
    assert!(error.message().contains("the kernel makes up"), "{error}");
}

#[test]
fn what_is_opened_in_it_has_a_directory_of_its_own() {
    let tree = tree();
    let directories = [tree.at("other")];
    let words = Words {
        directories: &directories,
        ..Words::default()
    };
    let policy = Policy::new(words, (Vec::new(), 0)).unwrap();
    let beside = Beside::new(&tree.at("vm/image"), policy, Arc::default());
    let file = beside.open(b"../other/a/file").unwrap();
    assert_eq!(file.name, b"file");
    assert_eq!(file.neighbours.names().unwrap(), [b"file"]);
    let deep = file.neighbours.open(b"b/deep").unwrap();
    assert_eq!(deep.neighbours.names().unwrap(), [b"deep"]);
    assert!(deep.neighbours.open(b"../file").is_ok());
    let error = deep.neighbours.open(b"../../../aside/secret");
    assert_eq!(error.err().unwrap().kind(), Kind::Refused);
}

#[test]
fn what_is_no_directory_is_said_at_once() {
    let tree = tree();
    for (path, kind) in [("nothing", Kind::NotFound), ("other/base", Kind::Io)] {
        let error = tree.beneath(path, "base").unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().starts_with("--allow-dir /"), "{error}");
    }
}

#[test]
fn q11_a_directory_that_is_swapped_for_a_link_meanwhile_is_not_followed() {
    let tree = tree();
    std::fs::write(tree.at("aside/file"), "aside/file").unwrap();
    let directories = [tree.at("other")];
    let words = Words {
        directories: &directories,
        ..Words::default()
    };
    let home = Arc::new(Home::of(&tree.at("vm/image")));
    symlink("../aside", tree.at("other/link")).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let [a, link, old] = ["other/a", "other/link", "other/old"].map(|path| tree.at(path));
            while !done.load(Ordering::Relaxed) {
                for (from, to) in [(&a, &old), (&link, &a), (&a, &link), (&old, &a)] {
                    std::fs::rename(from, to).unwrap();
                }
            }
        });
        let mut opened = 0;
        for _ in 0..4000 {
            // Anew each time: what was opened once stays what it was.
            let policy = Policy::new(words, (Vec::new(), 0)).unwrap();
            if let Ok(mut found) = policy.open(&home, b"../other/a/file") {
                let mut text = String::new();
                found.file.read_to_string(&mut text).unwrap();
                assert_eq!(text, "other/a/file");
                opened += 1;
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(opened >= 10, "{opened}");
    });
}
