//! What an operation costs, in bytes read of the image, in reads and in allocations: counted
//! where the bytes leave the image, below the cache.

use std::ops::Range;
use std::path::PathBuf;

use imgmount::filesystem::{Budget, FileSystem};

use crate::support::command::Run;
use crate::support::counted::{MIB, Opened, blocks_of, bytes_of, request};
use crate::support::images::Scratch;

/// `many/file-N` 100 times, `large` of 1 MiB in one piece, `sparse` of 1 GiB with a byte in its
/// middle, in an ext4 of `size` bytes with blocks of 4 KiB.
fn image(scratch: &Scratch, size: u64) -> PathBuf {
    let files = scratch.folder("files");
    std::fs::create_dir(files.join("many")).unwrap();
    for number in 0..100 {
        std::fs::write(files.join(format!("many/file-{number}")), b"x").unwrap();
    }
    std::fs::write(files.join("large"), large()).unwrap();
    let sparse = std::fs::File::create(files.join("sparse")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"x", 512 * MIB).unwrap();
    let image = scratch.file("image", size);
    let mke2fs = Run::new("mke2fs").words("-q -F -t ext4 -b 4096 -I 256 -d");
    mke2fs.arg(&files).arg(&image).run();
    image
}

fn large() -> Vec<u8> {
    (0..MIB).map(|at| (at % 251) as u8 + 1).collect()
}

#[test]
fn opening_reads_the_same_of_a_small_and_of_a_large_image() {
    need!(tool "mke2fs");
    let mut counts = Vec::new();
    for size in [64 * MIB, 4096 * MIB] {
        let scratch = Scratch::new();
        let opened = Opened::new(&image(&scratch, size));
        blocks_of(&opened.opening);
        counts.push(bytes_of(&opened.opening));
    }
    println!("{counts:?} bytes");
    assert!(counts.iter().all(|bytes| *bytes <= 512 << 10), "{counts:?}");
}

/// What was read of a file's contents, 128 KiB at a time, and of anything else.
fn split(reads: &[Range<u64>]) -> (Vec<Range<u64>>, Vec<Range<u64>>) {
    let is_contents = |read: &Range<u64>| read.end - read.start == 128 << 10;
    reads.iter().cloned().partition(is_contents)
}

#[test]
fn a_file_costs_its_bytes_and_a_few_blocks_of_metadata_once() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let opened = Opened::new(&image(&scratch, 64 * MIB));
    let file = opened.find("large");
    assert!(opened.read(file) == large());
    let reads = opened.take();
    // Each of its bytes once, in as many reads as there are requests; and of the rest a block or two.
    let (contents, mut metadata) = split(&reads);
    assert_eq!((bytes_of(&contents), contents.len()), (MIB, 8), "{reads:?}");
    assert!(blocks_of(&metadata) <= 2, "{metadata:?}");

    // The kernel keeps contents, and the host does: the next reader has them from there.
    assert!(opened.read(file) == large());
    opened.find("large");
    let (again, more) = split(&opened.take());
    assert_eq!((again, more), (contents, Vec::new()));
    metadata.extend(opened.opening);
    blocks_of(&metadata);
}

#[test]
fn a_listing_costs_the_directory_and_its_part_of_the_inode_table() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let opened = Opened::new(&image(&scratch, 64 * MIB));
    let folder = opened.find("many");
    assert_eq!(opened.list(folder).len(), 102);
    let mut reads = opened.take();
    // The directory, and 100 inodes of 256 bytes in a row, whose first blocks opening has read.
    let blocks = blocks_of(&reads);
    assert!((1..=3).contains(&blocks), "{blocks}: {reads:?}");
    reads.extend(opened.opening.clone());
    blocks_of(&reads);
    assert_eq!(opened.list(folder).len(), 102);
    assert_eq!(opened.take(), []);
}

#[test]
fn a_hole_costs_nothing() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let opened = Opened::new(&image(&scratch, 64 * MIB));
    let file = opened.find("sparse");
    let mut buf = vec![1; 1 << 20];
    let read = |buf: &mut [u8], offset| opened.tree.read(&request(), file, buf, offset);
    assert_eq!(read(&mut buf, 100 * MIB), Ok(1 << 20));
    assert!(buf.iter().all(|byte| *byte == 0));
    opened.take();
    for offset in (0..512).step_by(64) {
        assert_eq!(read(&mut buf, offset * MIB), Ok(1 << 20));
    }
    let extent = opened.tree.extent_at(&request(), file, 0).unwrap();
    assert_eq!(extent.len.get(), 512 * MIB);
    assert_eq!(opened.take(), []);
    assert_eq!(read(&mut buf, 512 * MIB), Ok(1 << 20));
    assert_eq!(buf[0], b'x');
    let (contents, metadata) = opened
        .take()
        .into_iter()
        .partition(|read| read.end - read.start == 4096);
    let (contents, metadata): (Vec<_>, Vec<_>) = (contents, metadata);
    assert!(contents.len() == 1 && blocks_of(&metadata) <= 1);
}

/// 20 files of 50 blocks with a hole behind each, so that their extents have a block of their own. The
/// budget of a request has a step for the inode and one for each block of its map.
#[test]
fn the_extents_of_what_was_read_last_are_not_read_again() {
    const FILES: usize = 20;
    const BLOCK: usize = 4096;
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let files = scratch.folder("files");
    let byte = |file: usize, block: usize| (1 + file * 7 + block) as u8;
    for file in 0..FILES {
        let holes = std::fs::File::create(files.join(format!("holes-{file}"))).unwrap();
        for block in 0..50 {
            let bytes = [byte(file, block); BLOCK];
            let offset = (2 * block * BLOCK) as u64;
            std::os::unix::fs::FileExt::write_all_at(&holes, &bytes, offset).unwrap();
        }
    }
    let image = scratch.file("image", 64 * MIB);
    let mke2fs = Run::new("mke2fs").words("-q -F -t ext4 -b 4096 -I 256 -d");
    mke2fs.arg(&files).arg(&image).run();
    let opened = Opened::new(&image);
    let inodes: Vec<_> = (0..FILES)
        .map(|file| opened.find(&format!("holes-{file}")))
        .collect();
    let read = |file: usize, block: usize, steps| {
        let mut request = request();
        request.budget = Budget::new(steps);
        let mut buf = [0; BLOCK];
        let offset = (2 * block * BLOCK) as u64;
        let read = opened.tree.read(&request, inodes[file], &mut buf, offset);
        assert!(read.is_err() || buf == [byte(file, block); BLOCK]);
        read.is_ok()
    };
    assert!(!read(0, 0, 1), "the first reads the block of extents");
    assert!(read(0, 0, 2));
    assert!(read(0, 49, 1), "it is remembered");
    assert!((1..FILES).all(|file| !read(file, 7, 1) && read(file, 7, 2)));
    assert!(read(FILES - 1, 49, 1));
    assert!(!read(0, 1, 1), "so many are not");
    assert!(read(0, 1, 2));
}

#[test]
fn what_is_cached_costs_no_allocation() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let opened = Opened::new(&image(&scratch, 64 * MIB));
    let (root, file, folder) = (
        opened.tree.root(),
        opened.find("large"),
        opened.find("many"),
    );
    opened.read(file);
    // The second use of a block moves it to where the cache keeps it.
    for path in ["large", "many/file-99"].repeat(2) {
        opened.find(path);
    }
    opened.list(folder);
    let request = request();
    let allocations = |work: &mut dyn FnMut()| allocation_counter::measure(work).count_total;
    let mut buf = vec![0; 128 << 10];
    let mut read = |len: usize| {
        allocations(&mut || {
            let got = opened.tree.read(&request, file, &mut buf[..len], 0);
            assert_eq!(got, Ok(len));
        })
    };
    assert_eq!((read(4096), read(128 << 10)), (0, 0));
    let attributes = allocations(&mut || {
        opened.tree.attributes(&request, file).unwrap();
    });
    assert_eq!(attributes, 0);
    let lookup = allocations(&mut || {
        let found = opened.tree.lookup(&request, root, b"large");
        assert_eq!(found, Ok(Some(file)));
        let found = opened.tree.lookup(&request, folder, b"file-99");
        assert!(found.is_ok_and(|found| found.is_some()));
    });
    assert_eq!(lookup, 0);
    let listing = allocations(&mut || {
        let mut each = |_: imgmount::filesystem::Entry<'_>, _: Option<&_>| true;
        opened
            .tree
            .read_dir_plus(&request, folder, 0, &mut each)
            .unwrap();
    });
    assert_eq!(listing, 0);
}

/// 20,000 files in 100 directories: find(1) reads the inode tables as far as they are used and the
/// blocks of the directories, each once, and little beside them.
#[test]
fn find_reads_the_metadata_and_a_fifth_more_at_most() {
    const FOLDERS: u64 = 100;
    const FILES: u64 = 200;
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let files = scratch.folder("files");
    for folder in 0..FOLDERS {
        let folder = files.join(format!("folder-{folder}"));
        std::fs::create_dir(&folder).unwrap();
        for file in 0..FILES {
            std::fs::write(folder.join(format!("a-file-with-a-usual-name-{file}")), "").unwrap();
        }
    }
    let image = scratch.file("image", 256 * MIB);
    let mke2fs = Run::new("mke2fs").words("-q -F -t ext4 -b 4096 -I 256 -d");
    mke2fs.arg(&files).arg(&image).run();
    let opened = Opened::new(&image);
    let untold = opened.untold();
    // `lost+found` and the root are there too.
    assert_eq!(opened.find_all() as u64, FOLDERS * FILES + FOLDERS + 2);
    let reads = opened.take();
    blocks_of(&reads);
    let name = "a-file-with-a-usual-name-100".len() as u64;
    let blocks_of_a_folder = (FILES * (8 + name.next_multiple_of(4))).div_ceil(4096);
    let needed = FOLDERS * FILES * 256 + FOLDERS * blocks_of_a_folder * 4096;
    let read = bytes_of(&reads);
    println!(
        "{needed} bytes of metadata, {read} read, in {} reads",
        reads.len()
    );
    assert!(read * 5 <= needed * 6, "{read} bytes for {needed}");
    // The host fetches a directory and the inodes in it while others are still looked at.
    let untold = opened.untold() - untold;
    assert!(
        untold <= 4,
        "{untold} of {} reads came as a surprise",
        reads.len()
    );
}

#[test]
fn a_large_file_is_read_with_its_bytes_and_a_twentieth_more_at_most() {
    const SIZE: u64 = 64;
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let files = scratch.folder("files");
    let bytes = large().repeat(SIZE as usize);
    std::fs::write(files.join("large"), &bytes).unwrap();
    let image = scratch.file("image", 128 * MIB);
    let mke2fs = Run::new("mke2fs").words("-q -F -t ext4 -b 4096 -I 256 -d");
    mke2fs.arg(&files).arg(&image).run();
    let opened = Opened::new(&image);
    let file = opened.find("large");
    assert!(opened.read(file) == bytes);
    let reads = opened.take();
    let read = bytes_of(&reads);
    println!("{read} bytes read of {SIZE} MiB, in {} reads", reads.len());
    assert!(read * 20 <= SIZE * MIB * 21, "{read} bytes");
    // The kernel asks for 128 KiB at a time; each is one read, straight to where it is wanted.
    assert!(reads.len() as u64 <= SIZE * 8 + 8, "{} reads", reads.len());
}

/// Counting what is allocated would read all of the second-level tables: 8 MiB here. That is for
/// `info` alone; what is read is the start of the disk, to see what it is.
#[test]
fn opening_a_container_reads_few_of_its_tables() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let image = scratch.join("disk.qcow2");
    let create = Run::new("qemu-img").words("create -q -f qcow2 -o preallocation=metadata");
    create.arg(&image).arg("64G").run();
    let read = bytes_of(&Opened::new(&image).opening);
    assert!(read < 4 * MIB, "{read} bytes were read");
}
