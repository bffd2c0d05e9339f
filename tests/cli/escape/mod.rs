//! What `cp` and `tar` write stays where the user wanted it: hostile trees, each with what comes of
//! it. They run as root where the tests do, who could write anywhere, and beside each DEST lies what
//! the trees aim at: nothing of it may change, nor may anything be there that wasn't.

mod dest;
mod ext;
mod others;
mod trees;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::command::{Run, imgmount};
use crate::support::images::{Scratch, sha256_of};

/// A hostile tree, and what comes of it.
struct Case {
    name: &'static str,
    /// Makes the image.
    image: fn(&Place) -> PathBuf,
    /// What `cp` gets besides.
    options: &'static str,
    /// Its exit code.
    copied: i32,
    /// What is in DEST then; see [`listed`].
    inside: &'static [&'static str],
    /// The exit code of `tar`.
    archived: i32,
}

/// What most have in common.
const CASE: Case = Case {
    name: "",
    image: |_| PathBuf::new(),
    options: "",
    copied: 0,
    inside: &[],
    archived: 0,
};

/// A directory in which a tree is made and copied, and what it aims at.
struct Place {
    scratch: Scratch,
    /// `victim`, a file, `folder/inner`, and `link`, which leads to the file.
    outside: PathBuf,
}

impl Place {
    fn new() -> Self {
        let scratch = Scratch::new();
        let outside = scratch.folder("outside");
        std::fs::write(outside.join("victim"), "untouched").unwrap();
        std::fs::create_dir(outside.join("folder")).unwrap();
        std::fs::write(outside.join("folder/inner"), "untouched").unwrap();
        std::os::unix::fs::symlink("victim", outside.join("link")).unwrap();
        Self { scratch, outside }
    }

    /// A new directory of files to make an image of.
    fn files(&self) -> PathBuf {
        self.scratch.folder("files")
    }

    fn dest(&self) -> PathBuf {
        self.scratch.join("dest")
    }

    /// Every file here but what is in DEST, with all that a system call could have changed.
    fn fingerprint(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![self.scratch.path().to_owned()];
        while let Some(path) = waiting.pop() {
            let is_dest = path == self.dest();
            let metadata = path.symlink_metadata().unwrap();
            // The names in a directory are told by what is found in it.
            let changed = match path == self.scratch.path() || is_dest {
                true => 0,
                false => metadata.ctime_nsec(),
            };
            let content = match (metadata.is_file(), metadata.is_symlink()) {
                (true, _) => sha256_of(&std::fs::read(&path).unwrap()),
                (_, true) => std::fs::read_link(&path).unwrap().display().to_string(),
                _ => String::new(),
            };
            if metadata.is_dir() && !is_dest {
                let entries = std::fs::read_dir(&path).unwrap();
                waiting.extend(entries.map(|entry| entry.unwrap().path()));
            }
            if !is_dest {
                let (ino, mode, uid) = (metadata.ino(), metadata.mode(), metadata.uid());
                found.insert(path, format!("{ino} {mode:o} {uid} {changed} {content}"));
            }
        }
        found
    }

    /// Does `work`, which must not change anything but DEST.
    fn untouched<T>(&self, name: &str, work: impl FnOnce() -> T) -> T {
        let before = self.fingerprint();
        let done = work();
        assert_eq!(self.fingerprint(), before, "{name}: something beside DEST");
        done
    }

    /// Takes DEST away, whatever it has become.
    fn clear(&self) {
        Run::new("rm").arg("-rf").arg(self.dest()).run();
    }
}

fn code_and_words(output: &Output) -> (i32, String) {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), words)
}

/// What is in a directory, a line each: `d path`, `l path -> target`, `f path: content`, `p`, `s`,
/// `c` and `b`; bits beyond the permissions with their mode. Times and owners are the copy's own.
fn listed(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        /// What no system call takes is not looked at.
        const PATH_MAX: usize = 4096;
        if path.as_os_str().len() >= PATH_MAX {
            continue;
        }
        let metadata = path.symlink_metadata().unwrap();
        let kind = rustix::fs::FileType::from_raw_mode(metadata.mode());
        let name = path.strip_prefix(folder).unwrap().as_os_str();
        let mut name = name.as_bytes().escape_ascii().to_string();
        shorten(&mut name);
        let mut line = match kind {
            rustix::fs::FileType::Directory => {
                let entries = std::fs::read_dir(&path).unwrap();
                waiting.extend(entries.map(|entry| entry.unwrap().path()));
                format!("d {name}")
            }
            rustix::fs::FileType::Symlink => {
                let target = std::fs::read_link(&path).unwrap();
                let mut target = shown(&target);
                shorten(&mut target);
                format!("l {name} -> {target}")
            }
            rustix::fs::FileType::RegularFile if metadata.len() > 100 => {
                format!("f {name}: {} bytes", metadata.len())
            }
            rustix::fs::FileType::RegularFile => {
                let content = std::fs::read(&path).unwrap();
                format!("f {name}: {}", content.escape_ascii())
            }
            rustix::fs::FileType::Fifo => format!("p {name}"),
            rustix::fs::FileType::Socket => format!("s {name}"),
            rustix::fs::FileType::CharacterDevice => format!("c {name}"),
            _ => format!("b {name}"),
        };
        let beyond = metadata.permissions().mode() & 0o7000;
        if beyond != 0 {
            write!(line, " {beyond:o}").unwrap();
        }
        if metadata.nlink() > 1 && !metadata.is_dir() {
            write!(line, " ({} names)", metadata.nlink()).unwrap();
        }
        if path != folder && !name_is_made_by_mke2fs(&path) {
            lines.push(line);
        }
    }
    lines.sort();
    lines
}

/// Leaves of what is long its beginning and its length.
fn shorten(text: &mut String) {
    if text.len() > 80 {
        *text = format!("{}… {}", &text[..10], text.len());
    }
}

fn name_is_made_by_mke2fs(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "lost+found")
}

/// A link's target, the directory of the test left out.
fn shown(target: &Path) -> String {
    let text = target.display().to_string();
    match text.find("/outside") {
        Some(at) if text.starts_with('/') => text[at..].to_owned(),
        _ => text,
    }
}

/// What of the case did not come as it should.
fn run(case: &Case) -> Vec<String> {
    let place = Place::new();
    let image = (case.image)(&place);
    let name = case.name;
    let mut wrong = Vec::new();
    let output = place.untouched(name, || {
        let cp = imgmount().arg("cp").words(case.options).arg(&image);
        cp.arg("/").arg(place.dest()).output()
    });
    let (code, words) = code_and_words(&output);
    let inside = listed(&place.dest());
    if code != case.copied || inside != case.inside {
        wrong.push(format!("{name}: cp: {code}\n{words}{inside:#?}"));
    }
    let archive = place.scratch.join("a.tar");
    std::fs::write(&archive, "").unwrap();
    let output = place.untouched(name, || imgmount().arg("tar").arg(&image).output());
    let (code, words) = code_and_words(&output);
    if code != case.archived {
        wrong.push(format!("{name}: tar: {code}\n{words}"));
    }
    std::fs::write(&archive, output.stdout).unwrap();
    for program in ["tar", "bsdtar"] {
        place.clear();
        std::fs::create_dir(place.dest()).unwrap();
        place.untouched(name, || {
            // Whether it likes the archive is its own affair; where it writes is ours.
            let unpack = Run::new(program).arg("-xf").arg(&archive).arg("-C");
            unpack.arg(place.dest()).output()
        });
    }
    wrong
}

#[test]
fn no_tree_is_written_beside_dest() {
    need!(tool "mke2fs", tool "debugfs", tool "mkfs.fat", tool "mcopy", tool "mksquashfs", tool "xorriso", tool "bsdtar", root);
    let cases = || trees::CASES.iter().chain(others::CASES);
    let names: std::collections::BTreeSet<_> = cases().map(|case| case.name).collect();
    assert_eq!(names.len(), cases().count(), "each has a name of its own");
    assert!(names.len() + dest::COUNT >= 40, "{} trees", names.len());
    let wrong: Vec<String> = cases().flat_map(run).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
