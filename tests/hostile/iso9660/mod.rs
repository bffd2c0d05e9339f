//! I01 to I09: discs that xorriso made, broken field by field.

mod descriptors;
mod records;
mod sections;
mod system_use;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use imgmount::error::Kind;
use imgmount::filesystem::FileType;
use imgmount::format::Options;

use super::expect::blames;
use super::one_name;
use super::walk::{BadSector, Node, Seen, Walk, walk, walk_source, walk_with};
use crate::support::command::Run;
use crate::support::images::Scratch;

const SECTOR: usize = 2048;

/// A disc with Rock Ridge, the same with Joliet alone, and where its directory records are.
struct Seed {
    bytes: Vec<u8>,
    /// By their plain names; the first of each.
    records: BTreeMap<Vec<u8>, usize>,
}

impl Seed {
    fn make(options: &str, fill: impl Fn(&Path)) -> Self {
        Self::made(Run::new("xorriso").words("-as mkisofs"), options, fill)
    }

    fn made(command: Run, options: &str, fill: impl Fn(&Path)) -> Self {
        let scratch = Scratch::new();
        let files = scratch.folder("files");
        fill(&files);
        let image: PathBuf = scratch.join("disc.iso");
        let command = command.words("-quiet -o").arg(&image);
        command.words(options).arg(&files).run();
        let bytes = std::fs::read(image).unwrap();
        let records = records(&bytes);
        Self { bytes, records }
    }

    fn at(&self, name: &str) -> usize {
        self.records[name.as_bytes()]
    }

    fn changed(&self, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        change(&mut bytes);
        assert!(bytes != self.bytes, "nothing is changed");
        bytes
    }
}

/// Where records begin: in sectors that begin with a directory's own.
fn records(bytes: &[u8]) -> BTreeMap<Vec<u8>, usize> {
    let mut found = BTreeMap::new();
    for start in (16 * SECTOR..bytes.len()).step_by(SECTOR) {
        let is_first = bytes[start] >= 34 && bytes[start + 32..][..2] == [1, 0];
        let mut at = start;
        while is_first && bytes[at] >= 34 {
            let name = bytes[at + 33..][..bytes[at + 32].into()].to_vec();
            found.entry(name).or_insert(at);
            at += usize::from(bytes[at]);
        }
    }
    found
}

fn fill(files: &Path) {
    std::fs::create_dir(files.join("dir")).unwrap();
    std::fs::create_dir(files.join("other")).unwrap();
    for (name, text) in [
        ("a", "aaa"),
        ("dir/one", "1"),
        ("dir/two", "22"),
        ("dir/zzz", "333"),
    ] {
        std::fs::write(files.join(name), text).unwrap();
    }
    std::fs::write(files.join("other/kept"), vec![7; 5000]).unwrap();
    std::os::unix::fs::symlink("dir/one", files.join("link")).unwrap();
}

fn rock_ridge() -> &'static Seed {
    static SEED: OnceLock<Seed> = OnceLock::new();
    SEED.get_or_init(|| Seed::make("-R", fill))
}

fn joliet() -> &'static Seed {
    static SEED: OnceLock<Seed> = OnceLock::new();
    SEED.get_or_init(|| Seed::made(Run::new("genisoimage"), "-J", fill))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// A number in both byte orders.
fn both(number: u32) -> Vec<u8> {
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}

/// What is broken in `bytes`: `hit` gives an error with `words` at byte `at`, and every file but it
/// and what is below it is as in `seed`.
fn fails(seed: &Seed, bytes: &[u8], hit: &str, words: &str, at: usize) -> Walk {
    let walked = walk(bytes);
    corrupt(&walked, hit, words, at);
    for (path, node) in &walk(&seed.bytes).nodes {
        if path != hit && !path.starts_with(&format!("{hit}/")) {
            assert_eq!(content(&walked.nodes[path]), content(node), "{path}");
        }
    }
    walked
}

/// `path` gives an error with `words` at byte `at`.
fn corrupt(walked: &Walk, path: &str, words: &str, at: usize) {
    assert!(walked.refused.is_none(), "{:?}", walked.refused);
    let error = walked.nodes[path].error();
    let error = error.unwrap_or_else(|| panic!("{path} is whole: {words}"));
    blames(error, Kind::Corrupt, &[words], at as u64);
}

/// Every file is as in `seed`, in spite of what is broken in `bytes`.
fn is_whole(seed: &Seed, bytes: &[u8]) -> Walk {
    assert!(bytes != seed.bytes, "nothing is changed");
    let walked = walk(bytes);
    assert!(walked.refused.is_none(), "{:?}", walked.refused);
    for (path, node) in &walk(&seed.bytes).nodes {
        assert_eq!(content(&walked.nodes[path]), content(node), "{path}");
    }
    walked
}

/// Every file but those of `hit` is as in `seed`.
fn others_are_whole(seed: &Seed, walked: &Walk, hit: &[&str]) {
    assert!(walked.refused.is_none(), "{:?}", walked.refused);
    for (path, node) in &walk(&seed.bytes).nodes {
        if !hit.contains(&path.as_str()) {
            assert_eq!(content(&walked.nodes[path]), content(node), "{path}");
        }
    }
}

/// A notice has `words`, and ends with the byte `at`.
fn notices(walked: &Walk, words: &str, at: usize) {
    let end = format!(" at byte {at:#x}");
    let holds = |notice: &String| notice.contains(words) && notice.ends_with(&end);
    let notices = &walked.notices;
    assert!(notices.iter().any(holds), "{words}{end}: {notices:?}");
}

/// The little-endian half of the number at `at`.
fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn content(node: &Node) -> &Seen {
    &node.content
}

/// Refused with `words` at byte `at`.
fn refused(bytes: &[u8], words: &str, at: usize) {
    let walked = walk(bytes);
    let (error, has_raw) = walked.refused.expect("refused");
    assert!(has_raw, "no raw file");
    blames(&error, Kind::Corrupt, &[words], at as u64);
}

/// The first System Use entry called `signature` of the record at `at`.
fn entry(bytes: &[u8], at: usize, signature: &[u8]) -> usize {
    let length = usize::from(bytes[at]);
    let found = bytes[at..at + length]
        .windows(2)
        .position(|two| two == signature);
    at + found.unwrap_or_else(|| panic!("no {}", String::from_utf8_lossy(signature)))
}
