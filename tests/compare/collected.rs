//! The ext images that other projects ship: against the trees that lie beside them, and against
//! the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use imgmount::error::printable;
use imgmount::filesystem::FileSystem;
use imgmount::service::open::Options;
use imgmount::stack::Content;

use crate::support::images::{self, Scratch};
use crate::support::kernel::{Mounted, Part};
use crate::support::record::{Comparison, Record, Tree};
use crate::support::{library, walk};

/// An image of a manifest, with the file of its expected trees.
struct Collected {
    file: String,
    expected: Vec<String>,
}

/// The images of both manifests whose layers, raw files and partition tables only, hold ext.
fn collected() -> Vec<Collected> {
    let mut found = Vec::new();
    for manifest in ["manifest-a.tsv", "manifest-b.tsv"] {
        let text = fs::read_to_string(images::folder().unwrap().join(manifest)).unwrap();
        let mut lines = text
            .lines()
            .map(|line| line.split('\t').collect::<Vec<_>>());
        let header = lines.next().unwrap();
        let column = |name| header.iter().position(|field| *field == name).unwrap();
        let (file, layers, expected) = (column("file"), column("layers"), column("expected"));
        for line in lines {
            let kind = line[file].split('/').next().unwrap();
            let layers = line[layers];
            if ["filesystem", "partition", "disk"].contains(&kind)
                && layers.contains("ext")
                && ["ext", "mbr", "gpt"]
                    .iter()
                    .any(|first| layers.starts_with(first))
            {
                found.push(Collected {
                    file: line[file].to_owned(),
                    expected: line[expected].split(',').map(str::to_owned).collect(),
                });
            }
        }
    }
    found
}

#[test]
fn every_image_is_as_its_expected_tree_and_the_kernel_say() {
    need!(loop, kernel "ext4", images, tool "zstd", tool "xz");
    let collected = collected();
    assert!(collected.len() >= 12, "only {} images", collected.len());
    let mut wrong = Vec::new();
    let mut files = 0;
    for image in &collected {
        let scratch = Scratch::new();
        let path = images::unpack(&image.file, &scratch);
        for (volume, filesystem, location) in volumes(&path) {
            let found = library::walk(&*filesystem);
            files += found.len();
            let mut say = |line: String| wrong.push(format!("{} {volume}: {line}", image.file));
            let rows = rows(image, &volume);
            assert!(!rows.is_empty(), "{}: no rows for {volume}", image.file);
            rows_against(&rows, &found, &mut say);
            kernel_against(&path, location, &found, &scratch, &mut say);
        }
    }
    println!("{} images, {files} files", collected.len());
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The ext file systems in `image`: the volume's name (`-` for the whole), the reader, and where
/// it lies.
type Volumes = Vec<(String, Arc<dyn FileSystem>, Part)>;

fn volumes(image: &Path) -> Volumes {
    let opened = library::open_with(image, &Options::default());
    let size = fs::metadata(image).unwrap().len();
    let disk = &opened.stack.disks[0];
    match &disk.content {
        Content::FileSystem { filesystem, .. } => {
            vec![("-".to_owned(), filesystem.clone(), (0, size))]
        }
        Content::Table { children, .. } => children
            .iter()
            .filter_map(|node| match &node.content {
                Content::FileSystem { filesystem, .. } => Some((
                    node.name.clone(),
                    filesystem.clone(),
                    node.location.unwrap(),
                )),
                _ => None,
            })
            .collect(),
        _ => panic!("{}: nothing found", image.display()),
    }
}

/// The rows of one volume, column name to value.
type Row = BTreeMap<String, String>;

fn rows(image: &Collected, volume: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for name in image
        .expected
        .iter()
        .filter(|name| !name.ends_with(".parts.tsv"))
    {
        let path = images::folder().unwrap().join("expected").join(name);
        let text = fs::read_to_string(path).unwrap();
        let mut lines = text
            .lines()
            .map(|line| line.split('\t').collect::<Vec<_>>());
        let header = lines.next().unwrap();
        for line in lines {
            let pairs = header.iter().zip(line);
            let row: Row = pairs
                .map(|(key, value)| ((*key).to_owned(), value.to_owned()))
                .collect();
            let of_volume = row.get("volume").is_none_or(|of| of == volume);
            if of_volume && row["type"] != "vol" {
                rows.push(row);
            }
        }
    }
    rows
}

/// Says where `found` differs from the rows. Hashes are the kernel's to compare: they are made
/// here over whole files, and in the walk over pieces.
fn rows_against(rows: &[Row], found: &Tree, say: &mut dyn FnMut(String)) {
    let mut left: std::collections::BTreeSet<String> =
        found.keys().map(|path| name_of(path)).collect();
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

/// Says where `found` differs from the kernel's mount of a copy.
fn kernel_against(
    image: &Path,
    location: Part,
    found: &Tree,
    scratch: &Scratch,
    say: &mut dyn FnMut(String),
) {
    let copy = scratch.join("copy");
    images::copy(image, &copy);
    let at = scratch.join("expected");
    let mounted = match Mounted::of_part(&copy, Some(location), "ext4", "ro,noatime", &at) {
        Ok(mounted) => mounted,
        Err(why) => return say(format!("the kernel mounts it no more: {why}")),
    };
    let comparison = Comparison {
        expected: &walk::mounted(mounted.path()),
        referee: "Linux",
        found,
        without: &[],
    };
    comparison.differences().into_iter().for_each(say);
    mounted.unmount();
    fs::remove_file(copy).unwrap();
}

/// The hashes of whole files, which the comparison by pieces above does not have.
#[test]
fn contents_have_the_expected_hashes() {
    need!(images, tool "zstd", tool "xz");
    let mut hashes = 0;
    for image in collected() {
        let scratch = Scratch::new();
        let path = images::unpack(&image.file, &scratch);
        for (volume, filesystem, _) in volumes(&path) {
            for row in rows(&image, &volume) {
                let hash = &row["target_or_sha256"];
                if row["type"] == "f" && hash != "-" {
                    let bytes = library::read_path(&*filesystem, &row["path"]);
                    let found = images::sha256_of(&bytes);
                    assert_eq!(found, *hash, "{} {volume} {}", image.file, row["path"]);
                    hashes += 1;
                }
            }
        }
    }
    assert!(hashes > 700, "only {hashes} files");
}
