//! The ext images that other projects ship: against the trees that lie beside them, and against
//! the kernel.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use imgmount::filesystem::FileSystem;
use imgmount::service::open::Options;
use imgmount::stack::Content;

use crate::support::expected::{self, Collected, rows, rows_against};
use crate::support::images::{self, Scratch};
use crate::support::kernel::{Mounted, Part};
use crate::support::record::{Comparison, Tree};
use crate::support::{library, walk};

/// The images of both manifests whose layers, raw files and partition tables only, hold ext.
fn collected() -> Vec<Collected> {
    expected::collected(|file, layers| {
        let kind = file.split('/').next().unwrap();
        ["filesystem", "partition", "disk"].contains(&kind)
            && layers.contains("ext")
            && ["ext", "mbr", "gpt"]
                .iter()
                .any(|first| layers.starts_with(first))
    })
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
