//! The images of each format that other projects ship, against the trees that lie beside them:
//! every field that the expected tree has, and the hash of every file.

use crate::support::expected::{self, Collected, rows, rows_against};
use crate::support::images::{self, Scratch};
use crate::support::library;

use imgmount::service::open::Options;

/// Compares every image of `folder` with its expected tree, and finds at least `least` of them.
fn compare(folder: &str, least: usize) {
    need!(images, tool "zstd", tool "xz");
    let inside = format!("filesystem/{folder}/");
    let mut images = expected::collected(|file, _| file.starts_with(&inside));
    images.retain(|image| !image.expected[0].starts_with("refuse"));
    assert!(images.len() >= least, "only {} images", images.len());
    let mut wrong = Vec::new();
    let mut files = 0;
    for image in &images {
        files += compare_image(image, &mut |line| {
            wrong.push(format!("{}: {line}", image.file));
        });
    }
    println!("{} images, {files} files", images.len());
    let differences = wrong.join("\n");
    assert!(
        wrong.is_empty(),
        "{} differences:\n{differences}",
        wrong.len()
    );
}

fn compare_image(image: &Collected, say: &mut dyn FnMut(String)) -> usize {
    let scratch = Scratch::new();
    let path = images::unpack(&image.file, &scratch);
    let opened = library::open_with(&path, &Options::default());
    let filesystem = library::file_system(&opened);
    let found = library::walk(&*filesystem);
    let rows = rows(image, "-");
    assert!(!rows.is_empty(), "{}: nothing is expected", image.file);
    rows_against(&rows, &found, say);
    for row in rows {
        let hash = &row["target_or_sha256"];
        if row["type"] == "f" && hash != "-" {
            let bytes = library::read_path(&*filesystem, &row["path"]);
            let read = images::sha256_of(&bytes);
            if read != *hash {
                say(format!("{}: SHA-256 {read}, expected {hash}", row["path"]));
            }
        }
    }
    found.len()
}

#[test]
fn erofs() {
    compare("erofs", 3);
}

#[test]
fn udf() {
    compare("udf", 5);
}

#[test]
fn fat() {
    compare("fat", 10);
}

#[test]
fn squashfs() {
    compare("squashfs", 13);
}

#[test]
fn exfat() {
    compare("exfat", 3);
}
