//! What is read of a disc, below the cache.

use crate::support::command::Run;
use crate::support::counted::{Opened, bytes_of};
use crate::support::images::Scratch;

#[test]
fn a_walk_reads_the_directories_and_little_else() {
    need!(tool "xorriso");
    let scratch = Scratch::new();
    let files = scratch.folder("files");
    for folder in 0..40 {
        let folder = files.join(format!("folder{folder:03}"));
        std::fs::create_dir(&folder).unwrap();
        for file in 0..250 {
            std::fs::write(folder.join(format!("a file with some name {file:04}")), "x").unwrap();
        }
    }
    std::fs::write(files.join("large"), vec![7; 8 << 20]).unwrap();
    let image = scratch.join("disc.iso");
    let xorriso = Run::new("xorriso").words("-as mkisofs -quiet -R -o");
    xorriso.arg(&image).arg(&files).run();
    let bytes = std::fs::read(&image).unwrap();
    let own = |sector: &&[u8]| sector[0] >= 34 && sector[32..34] == [1, 0];
    let size = |sector: &[u8]| u64::from(u32::from_le_bytes(sector[10..14].try_into().unwrap()));
    let sectors = bytes.chunks(2048).skip(16).filter(own);
    let directories: u64 = sectors.map(size).sum();
    assert!(directories > 1 << 20, "{directories}");
    let opened = Opened::new(&image);
    assert_eq!(opened.find_all(), 1 + 40 + 40 * 250 + 1);
    let read = bytes_of(&opened.take());
    let opening = bytes_of(&opened.opening);
    println!("{read} bytes of {directories} in directories, and {opening} to open it");
    // Every format looks where it may be; that is the same for a disc of any size.
    assert!(opening < 1 << 20, "{opening}");
    assert!(read * 5 < directories * 6, "{read} of {directories}");
    let read = opened.read(opened.find("large"));
    assert!(read == vec![7; 8 << 20]);
    let read = bytes_of(&opened.take());
    assert!(read * 50 < (8 << 20) * 51, "{read}");
}
