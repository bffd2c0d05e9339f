//! The images that other projects ship, against the trees that lie beside them: every field that
//! the expected tree has, and the hash of every file.

use imgmount::format::Options;
use imgmount::stack::Content;

use super::open;
use crate::support::expected::{self, Collected, rows, rows_against};
use crate::support::images::{self, Scratch};
use crate::support::library;

#[test]
fn every_collected_disc_is_as_expected() {
    need!(images, tool "zstd", tool "xz");
    let mut images = expected::collected(|file, _| file.starts_with("filesystem/iso9660/"));
    images.retain(|image| !image.expected[0].starts_with("refuse"));
    assert!(images.len() >= 15, "only {} images", images.len());
    let mut wrong = Vec::new();
    for image in &images {
        compare(image, &mut |line| {
            wrong.push(format!("{}: {line}", image.file))
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn compare(image: &Collected, say: &mut dyn FnMut(String)) {
    let scratch = Scratch::new();
    let path = images::unpack(&image.file, &scratch);
    let opened = open(
        &path,
        Options {
            // Discs with UDF as well hold the same by both, but for the sessions.
            format: image.file.contains("-multi-").then(|| "iso9660".to_owned()),
            // The expected trees are of the first session.
            session: image.file.contains("-multi-").then_some(1),
            ..Options::default()
        },
    );
    let filesystem = library::file_system(&opened);
    let mut rows = rows(image, "-");
    assert!(!rows.is_empty(), "{}: nothing is expected", image.file);
    if is_plain(&opened.stack.disks[0].content) {
        // Plain names are expected as on the disc; the kernel shows them in lower case.
        for row in &mut rows {
            let path = row["path"].to_lowercase();
            row.insert("path".to_owned(), path);
            // Nothing says how many names a file has; the kernel says one.
            row.insert("nlink".to_owned(), "1".to_owned());
        }
    }
    let found = library::walk(&*filesystem);
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
}

fn is_plain(content: &Content) -> bool {
    let Some((_, description)) = content.described() else {
        return false;
    };
    let named = |feature: &String| feature == "rock-ridge" || feature.starts_with("joliet");
    !description.features.iter().any(named)
}
