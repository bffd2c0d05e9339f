//! What a walk reads.

use std::fs;

use imgmount::filesystem::FileSystem;
use imgmount::format::Options;

use crate::support::command::Run;
use crate::support::counted::{BLOCK, Opened, blocks_of, bytes_of, request};
use crate::support::images::Scratch;
use crate::support::udf::BLOCK as UDF_BLOCK;

/// Folders, and files in each.
const FOLDERS: usize = 40;
const FILES: usize = 100;

/// `find` reads every file entry and every directory, each once, and hardly more; looking every
/// name up afterwards reads nothing.
#[test]
fn find_reads_what_it_shows_and_hardly_more() {
    need!(tool "genisoimage");
    let scratch = Scratch::new();
    let source = scratch.join("source");
    for folder in 0..FOLDERS {
        let folder = source.join(format!("folder {folder}"));
        fs::create_dir_all(&folder).unwrap();
        for file in 0..FILES {
            fs::write(
                folder.join(format!("a file with a name {file}")),
                [b'x'; 3000],
            )
            .unwrap();
        }
    }
    let image = scratch.join("disc.iso");
    let genisoimage = Run::new("genisoimage").words("-quiet -udf -R -o");
    genisoimage.arg(&image).arg(&source).run();
    let options = Options {
        format: Some("udf".to_owned()),
        ..Options::default()
    };
    let opened = Opened::with(&image, options);
    assert_eq!(opened.find_all(), 1 + FOLDERS + FOLDERS * FILES);
    let reads = opened.take();
    let blocks = blocks_of(&reads); // which fails where one is read twice
    // A file entry is a block; so is a directory's, and its entries of 40 + 24 bytes lie in another.
    let entries = FOLDERS * FILES + 2 * (FOLDERS + 1) + FOLDERS * (FILES * 64 / UDF_BLOCK);
    let shown = (entries * UDF_BLOCK) as u64;
    let ratio = bytes_of(&reads) as f64 / shown as f64;
    println!(
        "{blocks} blocks, {} bytes for {shown}: {ratio:.3}",
        bytes_of(&reads)
    );
    assert!(ratio < 1.2, "{ratio:.3}");
    assert!(blocks * BLOCK < shown * 6 / 5, "{blocks} blocks");
    for folder in 0..FOLDERS {
        let found = opened.find(&format!("folder {folder}"));
        for file in 0..FILES {
            let name = format!("a file with a name {file}");
            let found = opened.tree.lookup(&request(), found, name.as_bytes());
            assert!(found.unwrap().is_some());
        }
    }
    assert_eq!(bytes_of(&opened.take()), 0);
}
