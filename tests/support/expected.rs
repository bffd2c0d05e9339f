//! The expected trees that lie beside the collected images, and how they are compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use imgmount::error::printable;

use super::images;
use super::record::{Record, Tree};

/// An image of a manifest.
pub struct Collected {
    /// As [`images::unpack`] wants it.
    pub file: String,
    /// Its layers, outermost first: `gpt,ext4`.
    pub layers: String,
    /// The files of its expected trees, or why it is to be refused.
    pub expected: Vec<String>,
}

/// The images of both manifests that `wanted` takes, by file and layers.
pub fn collected(wanted: impl Fn(&str, &str) -> bool) -> Vec<Collected> {
    let mut found = Vec::new();
    for manifest in ["manifest-a.tsv", "manifest-b.tsv"] {
        for row in table(&fs::read_to_string(images::folder().unwrap().join(manifest)).unwrap()) {
            if wanted(&row["file"], &row["layers"]) {
                found.push(Collected {
                    file: row["file"].clone(),
                    layers: row["layers"].clone(),
                    expected: row["expected"].split(',').map(str::to_owned).collect(),
                });
            }
        }
    }
    found
}

/// The rows of a table with a head, its columns separated by tabs.
fn table(text: &str) -> Vec<Row> {
    let mut lines = text.lines().map(|line| line.split('\t'));
    let header: Vec<&str> = lines.next().unwrap().collect();
    let row = |line| {
        let pairs = header.iter().zip(line);
        pairs.map(|(key, value): (&&str, &str)| ((*key).to_owned(), value.to_owned()))
    };
    lines.map(|line| row(line).collect()).collect()
}

/// The rows of one volume, column name to value.
pub type Row = BTreeMap<String, String>;

/// The expected rows of `volume` in `image`; `-` is a file system without a partition table.
pub fn rows(image: &Collected, volume: &str) -> Vec<Row> {
    let trees = image.expected.iter();
    let mut rows = Vec::new();
    for name in trees.filter(|name| !name.ends_with(".parts.tsv")) {
        let path = images::folder().unwrap().join("expected").join(name);
        rows.extend(table(&fs::read_to_string(path).unwrap()));
    }
    rows.retain(|row| {
        let of_volume = row.get("volume").is_none_or(|of| of == volume);
        of_volume && row["type"] != "vol"
    });
    rows
}

/// Says where `found` differs from the rows. Hashes are the kernel's to compare: they are made
/// here over whole files, and in the walk over pieces.
pub fn rows_against(rows: &[Row], found: &Tree, say: &mut dyn FnMut(String)) {
    let mut left: BTreeSet<String> = found.keys().map(|path| name_of(path)).collect();
    for row in rows {
        let path = &row["path"];
        left.remove(path);
        let Some((_, record)) = found.iter().find(|(found, _)| name_of(found) == *path) else {
            say(format!("{path}: missing"));
            continue;
        };
        for (column, value) in columns(record) {
            let hashed = format!("sha256:{}", images::sha256_of(value.as_bytes()));
            if ![&value, &hashed, "-"].contains(&row[column].as_str()) {
                say(format!(
                    "{path}: {column}: {value}, expected {}",
                    row[column]
                ));
            }
        }
        if row["xattrs"] != "-" && !row["xattrs"].is_empty() {
            xattrs_against(path, &row["xattrs"], record, say);
        }
    }
    for path in left {
        say(format!("{path}: not in the expected tree"));
    }
}

fn name_of(path: &[u8]) -> String {
    if path.is_empty() {
        ".".to_owned()
    } else {
        printable(path)
    }
}

/// The record as the columns of the expected trees have it.
fn columns(record: &Record) -> Vec<(&'static str, String)> {
    let (seconds, nanoseconds) = record.mtime;
    let mtime = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    let mut columns = vec![
        ("type", record.kind.to_string()),
        ("mode", format!("{:04o}", record.mode)),
        ("uid", record.uid.to_string()),
        ("gid", record.gid.to_string()),
        ("mtime_ns", mtime.to_string()),
        ("nlink", record.nlink.to_string()),
    ];
    if record.kind == 'f' || record.kind == 'l' {
        columns.push(("size", record.size.to_string()));
    }
    if let Some(target) = &record.target {
        columns.push(("target_or_sha256", printable(target)));
    }
    columns
}

fn xattrs_against(path: &str, expected: &str, record: &Record, say: &mut dyn FnMut(String)) {
    let expected: BTreeMap<String, String> = serde_json::from_str(expected).unwrap();
    for (name, value) in &expected {
        let Some(found) = record.xattrs.get(name.as_bytes()) else {
            say(format!("{path}: xattr {name}: missing"));
            continue;
        };
        let hex = images::hex(found);
        let text = String::from_utf8_lossy(found);
        if value.starts_with("sha256:") || *value == hex || *value == text {
            continue;
        }
        if value.strip_prefix("hex:") != Some(&hex) {
            say(format!("{path}: xattr {name}: {hex}, expected {value}"));
        }
    }
    if expected.len() != record.xattrs.len() {
        say(format!(
            "{path}: {} xattrs, expected {}",
            record.xattrs.len(),
            expected.len()
        ));
    }
}
