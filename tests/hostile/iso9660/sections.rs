//! I07: files of more sections than one piece of a directory has.

use imgmount::filesystem::Request;

use super::*;
use crate::hostile::opened::opened;

/// A file whose sections do not end is read in longer and longer pieces, which have a bound.
#[test]
fn i07_a_file_of_sections_without_end_takes_no_more_memory() {
    need!(tool "xorriso");
    const SECTORS: usize = (40 << 20) / SECTOR;
    let seed = Seed::make("-iso-level 3", fill);
    let (at, dot) = (seed.at("A.;1"), seed.at("\0"));
    let mut record = seed.bytes[at..at + usize::from(seed.bytes[at])].to_vec();
    record[25] = 0x80;
    let mut sector = record.repeat(SECTOR / record.len());
    sector.resize(SECTOR, 0);
    let block = both((seed.bytes.len() / SECTOR) as u32);
    let mut own = seed.bytes[dot..dot + usize::from(seed.bytes[dot])].to_vec();
    put(&mut own, 2, &block);
    put(&mut own, 10, &both((SECTORS * SECTOR) as u32));
    let mut bytes = seed.bytes.clone();
    put(&mut bytes, 16 * SECTOR + 158, &block);
    put(
        &mut bytes,
        16 * SECTOR + 166,
        &both((SECTORS * SECTOR) as u32),
    );
    bytes.extend(sector.repeat(SECTORS));
    put(&mut bytes, seed.bytes.len(), &own);
    let filesystem = opened("iso9660", &bytes);
    let root = filesystem.root();
    let measured = allocation_counter::measure(|| {
        let _ = filesystem.read_dir(&Request::new(0), root, 0, &mut |_| true);
    });
    // The listing has such pieces at once with the walk that finds out which names there are.
    let most = measured.bytes_max;
    assert!((16 << 20..56 << 20).contains(&most), "{most} bytes");
}

#[test]
fn i07_a_file_of_a_hundred_thousand_sections() {
    need!(tool "xorriso");
    let seed = Seed::make("-iso-level 3", fill);
    let at = seed.at("A.;1");
    let record = seed.bytes[at..at + usize::from(seed.bytes[at])].to_vec();
    let block = (seed.bytes.len() / SECTOR) as u32;
    let mut bytes = seed.bytes.clone();
    let dot = seed.at("\0");
    let mut directory = Vec::new();
    let mut add = |record: &[u8]| {
        let left = SECTOR - directory.len() % SECTOR;
        if left < record.len() {
            directory.resize(directory.len() + left, 0);
        }
        directory.extend(record);
    };
    let mut own = seed.bytes[dot..dot + usize::from(seed.bytes[dot])].to_vec();
    put(&mut own, 2, &both(block));
    add(&own);
    for number in 0..100_000 {
        let mut section = record.clone();
        section[25] = if number == 99_999 { 0 } else { 0x80 };
        add(&section);
    }
    directory.resize(directory.len().next_multiple_of(SECTOR), 0);
    let size = u32::try_from(directory.len()).unwrap();
    put(&mut directory, 10, &both(size));
    bytes.extend(directory);
    put(&mut bytes, 16 * SECTOR + 158, &both(block));
    let walked = walk(&bytes);
    let file = &walked.nodes["a"];
    assert_eq!(file.error(), None);
    assert_eq!(file.attributes.as_ref().unwrap().size, 300_000);
    let Seen::File(_, content, None) = &file.content else {
        panic!("{:?}", file.error());
    };
    assert!(content.iter().all(|byte| *byte == b'a'));
}
