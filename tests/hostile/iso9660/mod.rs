//! I01 to I09: discs that xorriso made, broken field by field.

mod descriptors;
mod records;
mod system_use;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use imgmount::error::{Error, Kind};
use imgmount::filesystem::FileType;

use super::one_name;
use super::walk::{Node, Seen, Walk, walk};
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

/// What is broken in `bytes`: every other file is as in `seed`, and each of `paths` has an error of
/// the kind `Corrupt`.
fn fails(seed: &Seed, bytes: &[u8], paths: &[&str]) -> Walk {
    let walked = walk(bytes);
    assert!(walked.refused.is_none(), "{:?}", walked.refused);
    for path in paths {
        let error = walked.nodes[*path]
            .error()
            .unwrap_or_else(|| panic!("{path} is whole"));
        assert_eq!(error.kind(), Kind::Corrupt, "{path}: {error}");
        assert!(error.offset().is_some(), "{path}: {error}");
    }
    for (path, node) in &walk(&seed.bytes).nodes {
        let is_hit = paths
            .iter()
            .any(|hit| path == hit || path.starts_with(&format!("{hit}/")));
        if !is_hit {
            assert_eq!(content(&walked.nodes[path]), content(node), "{path}");
        }
    }
    walked
}

fn content(node: &Node) -> &Seen {
    &node.content
}

fn refused(bytes: &[u8]) -> Error {
    let walked = walk(bytes);
    let (error, has_raw) = walked.refused.expect("refused");
    assert!(has_raw, "no raw file");
    error
}

/// The first System Use entry called `signature` of the record at `at`.
fn entry(bytes: &[u8], at: usize, signature: &[u8]) -> usize {
    let length = usize::from(bytes[at]);
    let found = bytes[at..at + length]
        .windows(2)
        .position(|two| two == signature);
    at + found.unwrap_or_else(|| panic!("no {}", String::from_utf8_lossy(signature)))
}
