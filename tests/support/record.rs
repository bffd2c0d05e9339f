//! What a file looks like, to the last field, and how two views of one tree differ.

use std::collections::BTreeMap;
use std::fmt::Write;

use imgmount::error::printable;

/// How many differences are printed.
const SHOWN: usize = 50;

/// A tree: path from its root (empty for the root itself) to record.
pub type Tree = BTreeMap<Vec<u8>, Record>;

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// `f d l c b p s`, as find(1) says it.
    pub kind: char,
    /// The low 12 bits of `st_mode`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    /// In 512 bytes.
    pub blocks: u64,
    pub block_size: u32,
    pub nlink: u32,
    /// Major and minor of a device.
    pub rdev: (u32, u32),
    /// Seconds and nanoseconds.
    pub atime: (i64, u32),
    pub mtime: (i64, u32),
    pub ctime: (i64, u32),
    /// Where the view has it.
    pub crtime: Option<(i64, u32)>,
    /// `FS_IOC_GETFLAGS`, where the view has it.
    pub flags: Option<u32>,
    pub ino: u64,
    /// Of a symbolic link.
    pub target: Option<Vec<u8>>,
    /// Of a regular file, or the error that reading gives.
    pub content: Option<Result<String, String>>,
    /// Of a regular file: the ranges of data, from and to.
    pub map: Option<Vec<(u64, u64)>>,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Of a directory: name to number and type as readdir gives them, `.` and `..` too.
    pub entries: Option<BTreeMap<Vec<u8>, (u64, char)>>,
}

impl Record {
    /// Field by field, as text, for comparison and for reading.
    fn fields(&self) -> Vec<(&'static str, String)> {
        let crtime = self
            .crtime
            .map_or_else(String::new, |time| format!("{time:?}"));
        let flags = self
            .flags
            .map_or_else(String::new, |flags| format!("{flags:#x}"));
        let target = self.target.as_deref().map(printable).unwrap_or_default();
        vec![
            ("type", self.kind.to_string()),
            ("mode", format!("{:04o}", self.mode)),
            ("uid", self.uid.to_string()),
            ("gid", self.gid.to_string()),
            ("size", self.size.to_string()),
            ("blocks", self.blocks.to_string()),
            ("block size", self.block_size.to_string()),
            ("nlink", self.nlink.to_string()),
            ("rdev", format!("{:?}", self.rdev)),
            ("atime", format!("{:?}", self.atime)),
            ("mtime", format!("{:?}", self.mtime)),
            ("ctime", format!("{:?}", self.ctime)),
            ("crtime", crtime),
            ("flags", flags),
            ("ino", self.ino.to_string()),
            ("target", target),
            ("content", format!("{:?}", self.content)),
            ("map", format!("{:?}", self.map)),
        ]
    }
}

/// What two views of one tree say, called by their names.
pub struct Comparison<'a> {
    /// The referee.
    pub expected: &'a Tree,
    /// Its name in messages.
    pub referee: &'a str,
    /// What is judged.
    pub found: &'a Tree,
    /// Fields left out because one of the views cannot have them.
    pub without: &'a [&'a str],
}

impl Comparison<'_> {
    /// Panics, under the heading `title`, with the first differences if there are any; gives the
    /// number of files compared.
    pub fn check(&self, title: &str) -> usize {
        let differences = self.differences();
        assert!(
            differences.is_empty(),
            "{title}: {} differences, the first of them:\n{}",
            differences.len(),
            differences[..differences.len().min(SHOWN)].join("\n")
        );
        assert!(!self.expected.is_empty(), "{title}: nothing compared");
        self.expected.len()
    }

    /// All differences, a line each.
    pub fn differences(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (path, expected) in self.expected {
            match self.found.get(path) {
                Some(found) => self.compare(path, expected, found, &mut lines),
                None => lines.push(format!("/{}: missing", printable(path))),
            }
        }
        for path in self.found.keys() {
            if !self.expected.contains_key(path) {
                lines.push(format!("/{}: not in {}", printable(path), self.referee));
            }
        }
        lines
    }

    fn compare(&self, path: &[u8], expected: &Record, found: &Record, lines: &mut Vec<String>) {
        let mut say = |field: &str, found: &str, expected: &str| {
            let path = printable(path);
            let referee = self.referee;
            let mut line = format!("/{path}: {field}: ");
            let _ = write!(line, "{found}, {referee} says {expected}");
            lines.push(line);
        };
        let pairs = expected.fields().into_iter().zip(found.fields());
        for ((field, expected), (_, found)) in pairs {
            if expected != found && !self.without.contains(&field) {
                say(field, &found, &expected);
            }
        }
        if !self.without.contains(&"xattrs") {
            maps(
                "xattr",
                &expected.xattrs,
                &found.xattrs,
                |value| short(value),
                &mut say,
            );
        }
        if let (Some(expected), Some(found)) = (&expected.entries, &found.entries)
            && !self.without.contains(&"entries")
        {
            maps(
                "entry",
                expected,
                found,
                |entry| format!("{entry:?}"),
                &mut say,
            );
        }
    }
}

/// Says where two maps differ.
fn maps<V: PartialEq>(
    what: &str,
    expected: &BTreeMap<Vec<u8>, V>,
    found: &BTreeMap<Vec<u8>, V>,
    show: impl Fn(&V) -> String,
    say: &mut dyn FnMut(&str, &str, &str),
) {
    let keys: std::collections::BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    for key in keys {
        let (expected, found) = (expected.get(key), found.get(key));
        if expected != found {
            let text = |value: Option<&V>| value.map_or_else(|| "nothing".to_owned(), &show);
            say(
                &format!("{what} {}", printable(key)),
                &text(found),
                &text(expected),
            );
        }
    }
}

fn short(value: &[u8]) -> String {
    let shown = value.get(..60).unwrap_or(value);
    format!("{} bytes {}", value.len(), printable(shown))
}
