//! What libarchive's bsdtar says is in an image, by its mtree(5) listing.

use std::collections::BTreeMap;
use std::path::Path;

use imgmount::error::printable;
use imgmount::filesystem::FileSystem;

use super::command::Run;
use super::record::{Record, Tree};
use super::{images, library};

/// Path, without `./` before it, to keyword and value.
pub type Listing = BTreeMap<Vec<u8>, BTreeMap<String, Vec<u8>>>;

/// Everything in `image`.
pub fn listing(image: &Path) -> Listing {
    let mut at = std::ffi::OsString::from("@");
    at.push(image);
    parse(&bsdtar().arg(at).stdout())
}

/// Everything in `image` as it is extracted into `folder` with bsdtar's `options`, which cannot
/// list with them.
pub fn extracted(image: &Path, options: &str, folder: &Path) -> Listing {
    let run = Run::new("bsdtar").env("LC_ALL", "C.UTF-8");
    let run = run.args(["-xp", "--options", options, "-f"]).arg(image);
    run.arg("-C").arg(folder).run();
    parse(&bsdtar().arg("-C").arg(folder).arg(".").stdout())
}

fn bsdtar() -> Run {
    let run = Run::new("bsdtar").env("LC_ALL", "C.UTF-8");
    run.words("--format=mtree --options mtree:all -cf -")
}

fn parse(text: &[u8]) -> Listing {
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter(|line| line.starts_with(b"."))
        .map(line)
        .collect()
}

fn line(line: &[u8]) -> (Vec<u8>, BTreeMap<String, Vec<u8>>) {
    let mut words = line.split(|byte| *byte == b' ');
    let path = unescaped(words.next().unwrap());
    let path = path.strip_prefix(b"./").unwrap_or(&[]).to_vec();
    let pair = |word: &[u8]| {
        let at = word.iter().position(|byte| *byte == b'=').unwrap_or(0);
        let key = String::from_utf8(word[..at].to_vec()).unwrap();
        (key, unescaped(&word[(at + 1).min(word.len())..]))
    };
    (path, words.map(pair).collect())
}

/// Without `\NNN` for a byte.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    loop {
        rest = match rest {
            [
                b'\\',
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                behind @ ..,
            ] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                behind
            }
            [byte, behind @ ..] => {
                bytes.push(*byte);
                behind
            }
            [] => return bytes,
        };
    }
}

/// Says where the files of `filesystem` are not as `listing` has them; gives how many there are.
/// Contents are compared, too. `without` are keywords that bsdtar cannot know.
pub fn compare(
    listing: &Listing,
    filesystem: &dyn FileSystem,
    without: &[&str],
    say: &mut dyn FnMut(String),
) -> usize {
    let found = library::walk(filesystem);
    for (path, expected) in listing {
        let Some(record) = found.get(path) else {
            say(format!("{}: missing", printable(path)));
            continue;
        };
        for (key, ours) in columns(record) {
            let theirs = expected.get(key).map(|value| printable(value));
            // bsdtar has the contents of a hard link with its first name only.
            let linked = key == "size" && record.nlink > 1 && theirs.as_deref() == Some("0");
            if !without.contains(&key) && !linked && theirs.as_ref().is_some_and(|it| *it != ours) {
                let path = printable(path);
                say(format!(
                    "{path}: {key}: {ours}, bsdtar says {}",
                    theirs.unwrap()
                ));
            }
        }
        contents(path, expected, filesystem, &found, say);
    }
    for path in found.keys().filter(|path| !listing.contains_key(*path)) {
        say(format!("{}: not in bsdtar's listing", printable(path)));
    }
    found.len()
}

fn contents(
    path: &[u8],
    expected: &BTreeMap<String, Vec<u8>>,
    filesystem: &dyn FileSystem,
    found: &Tree,
    say: &mut dyn FnMut(String),
) {
    let hash = expected.get("sha256digest");
    let (Some(hash), Some(record)) = (hash, found.get(path)) else {
        return;
    };
    let theirs = expected.get("size").map_or(&b""[..], |size| size);
    if record.kind == 'f' && record.size.to_string().as_bytes() == theirs {
        let bytes = library::read_path(filesystem, &printable(path));
        if images::sha256_of(&bytes).as_bytes() != hash {
            say(format!("{}: other contents than bsdtar's", printable(path)));
        }
    }
}

fn columns(record: &Record) -> Vec<(&'static str, String)> {
    let kind = match record.kind {
        'f' => "file",
        'd' => "dir",
        'l' => "link",
        'c' => "char",
        'b' => "block",
        'p' => "fifo",
        _ => "socket",
    };
    let mut columns = vec![
        ("type", kind.to_owned()),
        ("mode", format!("{:o}", record.mode)),
        ("uid", record.uid.to_string()),
        ("gid", record.gid.to_string()),
        ("time", format!("{}.{}", record.mtime.0, record.mtime.1)),
    ];
    match record.kind {
        'f' => columns.push(("size", record.size.to_string())),
        'l' => columns.push(("link", printable(record.target.as_deref().unwrap_or(b"")))),
        'b' | 'c' => {
            let (major, minor) = record.rdev;
            columns.push(("device", format!("native,{major},{minor}")));
        }
        _ => {}
    }
    columns
}
