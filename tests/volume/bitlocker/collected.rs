//! The collected volumes, by every key that each of them has: bytes by cryptsetup's recorded hashes
//! and libbde, and what stands in their metadata by other readers.

use std::sync::Arc;

use imgmount::error::Result;
use imgmount::source::{Memory, SharedSource, Source, read_vec};
use imgmount::stack::{Content, Stack};
use sha2::{Digest, Sha256};

use super::{context, look};
use crate::support::images::{self, Scratch};

/// A collected volume.
pub struct Collected {
    /// Below `volume/bitlocker`.
    pub name: String,
    /// Its bytes when unlocked.
    pub hash: String,
    /// Each of its keys: a text, or what is in the file.
    pub keys: Vec<Vec<u8>>,
}

/// All of them that open.
pub fn all() -> Vec<Collected> {
    let folder = images::folder().unwrap();
    let manifest = std::fs::read_to_string(folder.join("manifest-b.tsv")).unwrap();
    let rows = manifest
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let rows = rows
        .filter(|row| row[0].starts_with("volume/bitlocker/") && row[5].starts_with("bitlocker>"));
    let mut found = Vec::new();
    for row in rows {
        let (features, password) = (row[6], row[9]);
        let hash = features
            .split([';', ' '])
            .find_map(|word| word.strip_prefix("volume_sha256="));
        let keys = password.split_whitespace().filter_map(key);
        if let Some(hash) = hash {
            found.push(Collected {
                name: row[0].rsplit_once('/').unwrap().1.to_owned(),
                hash: hash.to_owned(),
                keys: keys.collect(),
            });
        }
    }
    found
}

/// A key as the manifest writes it.
fn key(word: &str) -> Option<Vec<u8>> {
    let (kind, text) = word.split_once(':')?;
    match kind {
        "pass" | "recovery" => Some(text.as_bytes().to_vec()),
        "bek" => {
            let folder = images::folder().unwrap().join("volume/bitlocker");
            Some(std::fs::read(folder.join(text)).unwrap())
        }
        _ => None,
    }
}

/// The volume, unpacked.
pub fn unpack(name: &str) -> SharedSource {
    let scratch = Scratch::new();
    let path = images::unpack(&format!("volume/bitlocker/{name}"), &scratch);
    Arc::new(Memory(std::fs::read(path).unwrap()))
}

/// The unlocked volume, or why there is none.
pub fn unlocked(stack: &Stack) -> Result<SharedSource> {
    match &stack.disks[0].content {
        Content::Table { children, .. } => {
            assert_eq!(children.len(), 1);
            assert_eq!(children[0].name, "bitlocker");
            children[0].source.clone()
        }
        Content::Locked { error, .. } | Content::Damaged { error, .. } => Err(error.clone()),
        _ => panic!("no BitLocker"),
    }
}

/// The SHA-256 of all its bytes.
pub fn hash(source: &dyn Source) -> String {
    let mut hash = Sha256::new();
    let mut at = 0;
    while at < source.size() {
        let len = (source.size() - at).min(4 << 20);
        hash.update(read_vec(source, at, len as usize).unwrap());
        at += len;
    }
    images::hex(&hash.finalize())
}

#[test]
fn every_volume_has_the_bytes_that_cryptsetup_and_libbde_give() {
    need!(images, tool "xz");
    assert_eq!(check(|name| !name.contains("elephant")), 11);
}

#[test]
fn the_diffused_volume_has_the_bytes_that_cryptsetup_and_libbde_give() {
    need!(images, tool "xz");
    assert_eq!(check(|name| name.contains("elephant")), 2);
}

/// Compares the volumes that `wanted` takes; how often one was opened.
fn check(wanted: impl Fn(&str) -> bool) -> usize {
    let mut opened = 0;
    for volume in all().into_iter().filter(|volume| wanted(&volume.name)) {
        let disk = unpack(&volume.name);
        let mut keys: Vec<Option<&Vec<u8>>> = volume.keys.iter().map(Some).collect();
        if keys.is_empty() {
            keys.push(None); // A clear key.
        }
        for (number, key) in keys.into_iter().enumerate() {
            let keys: Vec<&[u8]> = key.iter().map(|key| key.as_slice()).collect();
            let context = context(&keys);
            let stack = look(disk.clone(), &context);
            let source = unlocked(&stack).unwrap();
            assert_eq!(source.size(), disk.size());
            // All keys lead to one key of the sectors, and its bytes are compared once.
            if number == 0 {
                assert_eq!(hash(&*source), volume.hash, "{}", volume.name);
            }
            let start = read_vec(&*source, 0, 512).unwrap();
            assert!(
                [&b"NTFS    "[..], b"MSDOS5.0"].contains(&&start[3..11]),
                "{}",
                volume.name
            );
            assert!(!context.keys.has_useless());
            let notices = context.notices.all();
            let is_ours = |notice: &String| notice.contains("BitLocker");
            assert!(!notices.iter().any(is_ours), "{notices:?}");
            opened += 1;
        }
    }
    opened
}
