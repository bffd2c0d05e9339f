//! The feature sets.

use std::path::{Path, PathBuf};

use imgmount::service::open::Options;

use super::{collisions, workload};
use crate::support::command::Run;
use crate::support::images::{self, Scratch};
use crate::support::kernel::Mounted;
use crate::support::record::Comparison;
use crate::support::{library, walk};

/// How many names the biggest directory of a set gets.
const MANY: u32 = 1500;

/// The size of a set's file system.
const SIZE: u64 = 200 << 20;

/// A file system to be made: its mke2fs arguments, and debugfs requests that change the superblock
/// before the kernel writes.
struct Set {
    mke2fs: &'static str,
    /// Arguments of tune2fs, run before the kernel writes, unless empty.
    tune2fs: &'static str,
    /// Requests for debugfs before the kernel writes.
    debugfs: &'static [&'static str],
    /// Arguments of tune2fs, run after the kernel wrote, unless empty.
    finally: &'static str,
}

const PLAIN: Set = Set {
    mke2fs: "",
    tune2fs: "",
    debugfs: &[],
    finally: "",
};

/// A test for each set, by its name.
macro_rules! sets {
    ($($name:ident: { $($field:ident: $value:expr),+ $(,)? },)+) => {
        $(
            #[test]
            fn $name() {
                need!(loop, kernel "ext4", tool "mke2fs", tool "debugfs", tool "tune2fs");
                compare(stringify!($name), &Set { $($field: $value,)+ ..PLAIN });
            }
        )+
    };
}

sets! {
    ext2_1k: { mke2fs: "-t ext2 -b 1024" },
    ext2_4k: { mke2fs: "-t ext2 -b 4096" },
    ext2_revision_0: { mke2fs: "-t ext2 -r 0 -b 1024" },
    ext3_1k: { mke2fs: "-t ext3 -b 1024" },
    ext3_2k: { mke2fs: "-t ext3 -b 2048" },
    ext4_1k: { mke2fs: "-t ext4 -b 1024" },
    ext4_2k: { mke2fs: "-t ext4 -b 2048" },
    ext4_4k: { mke2fs: "-t ext4 -b 4096" },
    without_extents: { mke2fs: "-t ext4 -O ^extent,^64bit" },
    without_64bit: { mke2fs: "-t ext4 -O ^64bit" },
    group_checksums: { mke2fs: "-t ext4 -O ^metadata_csum,uninit_bg" },
    meta_block_groups: { mke2fs: "-t ext4 -b 1024 -g 1024 -O meta_bg,^resize_inode" },
    meta_block_groups_32bit: { mke2fs: "-t ext4 -b 1024 -g 1024 -O meta_bg,^resize_inode,^64bit" },
    bigalloc_16k: { mke2fs: "-t ext4 -O bigalloc -C 16384" },
    bigalloc_64k: { mke2fs: "-t ext4 -b 1024 -O bigalloc -C 65536" },
    inline_data: { mke2fs: "-t ext4 -O inline_data -I 256" },
    inline_data_in_1k_inodes: { mke2fs: "-t ext4 -O inline_data -I 1024" },
    inodes_of_128: { mke2fs: "-t ext4 -I 128" },
    inodes_of_512: { mke2fs: "-t ext4 -I 512" },
    inodes_of_1024: { mke2fs: "-t ext4 -I 1024" },
    inodes_of_4096: { mke2fs: "-t ext4 -b 4096 -I 4096 -N 6000" },
    sparse_super2: { mke2fs: "-t ext4 -O sparse_super2,^resize_inode" },
    without_sparse_super: { mke2fs: "-t ext4 -O ^sparse_super,^flex_bg,^resize_inode" },
    one_flexible_group: { mke2fs: "-t ext4 -G 64 -g 2048 -b 1024" },
    checksum_seed: { mke2fs: "-t ext4 -O metadata_csum_seed", finally: "-U random" },
    large_attributes: { mke2fs: "-t ext4 -O ea_inode" },
    large_attributes_1k: { mke2fs: "-t ext4 -b 1024 -O ea_inode,inline_data" },
    encrypt: { mke2fs: "-t ext4 -O encrypt" },
    project_and_quota: { mke2fs: "-t ext4", finally: "-O project,quota" },
    multiple_mount_protection: { mke2fs: "-t ext4 -O mmp" },
    orphan_file: { mke2fs: "-t ext4 -O orphan_file" },
    large_dir: { mke2fs: "-t ext4 -O large_dir -b 1024" },
    fast_commit: { mke2fs: "-t ext4 -O fast_commit" },
    small_files_only: { mke2fs: "-t ext4 -O ^huge_file,^dir_nlink,^large_file,^extra_isize" },
    without_file_types: { mke2fs: "-t ext4 -O ^filetype" },
    without_directory_index: { mke2fs: "-t ext4 -O ^dir_index" },
    verity_and_stable_inodes: { mke2fs: "-t ext4 -O verity,stable_inodes" },
    without_journal: { mke2fs: "-t ext4 -O ^has_journal" },
    packed_metadata: { mke2fs: "-t ext4 -b 1024 -E packed_meta_blocks=1" },
    hash_legacy: { mke2fs: "-t ext4 -b 1024", tune2fs: "-E hash_alg=legacy" },
    hash_tea: { mke2fs: "-t ext4 -b 1024", tune2fs: "-E hash_alg=tea" },
    hash_legacy_unsigned: { mke2fs: "-t ext4 -b 1024", tune2fs: "-E hash_alg=legacy", debugfs: UNSIGNED },
    hash_half_md4_unsigned: { mke2fs: "-t ext4 -b 1024", debugfs: UNSIGNED },
    hash_tea_unsigned: { mke2fs: "-t ext4 -b 1024", tune2fs: "-E hash_alg=tea", debugfs: UNSIGNED },
}

/// `s_flags`: directory hashes are of unsigned characters, as on ARM.
const UNSIGNED: &[&str] = &["set_super_value flags 2"];

/// Makes the set, lets the kernel write, and compares the library's view with the kernel's.
fn compare(name: &str, set: &Set) {
    let scratch = Scratch::new();
    let image = make(set, &scratch);
    let copy = scratch.join("copy");
    images::copy(&image, &copy);
    let expected = {
        let mounted = Mounted::recovered(&copy, &scratch.join("expected"));
        walk::mounted(mounted.path())
    };
    let before = images::sha256(&image);
    let opened = library::open_with(&image, &Options::default());
    let found = library::walk(&*library::file_system(&opened));
    let comparison = Comparison {
        expected: &expected,
        referee: "Linux",
        found: &found,
        without: &[],
    };
    let files = comparison.check(name);
    assert!(files > MANY as usize / 2, "{name}: only {files} files");
    assert_eq!(images::sha256(&image), before, "{name}: the image changed");
    println!("{name}: {files} files are equal");
}

/// A file system made with the arguments `mke2fs` and written into by the kernel.
pub fn made(mke2fs: &'static str, scratch: &Scratch) -> PathBuf {
    make(&Set { mke2fs, ..PLAIN }, scratch)
}

/// The set's file system, written into by the kernel.
fn make(set: &Set, scratch: &Scratch) -> PathBuf {
    let image = scratch.file("image", SIZE);
    Run::new("mke2fs")
        .words("-q -F")
        .words(set.mke2fs)
        .args(["-E", &format!("hash_seed={}", collisions::SEED)])
        .arg(&image)
        .run();
    tune2fs(set.tune2fs, &image);
    for request in set.debugfs {
        Run::new("debugfs")
            .args(["-w", "-R", request])
            .arg(&image)
            .run();
    }
    let mounted = Mounted::new(&image, "ext4", "rw", &scratch.join("written"));
    workload::everything(mounted.path(), MANY);
    mounted.unmount();
    tune2fs(set.finally, &image);
    image
}

fn tune2fs(arguments: &str, image: &Path) {
    if !arguments.is_empty() {
        Run::new("tune2fs").words(arguments).arg(image).run();
    }
}

/// As many hard links as ext4 allows, and more directories in one than a link count can tell
/// (`dir_nlink`: it becomes 1).
#[test]
fn as_many_links_and_directories_as_go() {
    need!(loop, kernel "ext4", tool "mke2fs");
    let scratch = Scratch::new();
    let image = scratch.file("image", 256 << 20);
    let make = Run::new("mke2fs").words("-q -F -t ext4 -b 1024 -N 70000");
    make.arg(&image).run();
    let mounted = Mounted::new(&image, "ext4", "rw,noatime", &scratch.join("written"));
    let links = workload::folder(mounted.path(), "links");
    let directories = workload::folder(mounted.path(), "directories");
    std::fs::write(links.join("0"), b"linked").unwrap();
    for number in 1..65_000 {
        std::fs::hard_link(links.join("0"), links.join(number.to_string())).unwrap();
    }
    for number in 0..65_100 {
        std::fs::create_dir(directories.join(number.to_string())).unwrap();
    }
    let expected = ["links", "directories", "links/64999"].map(|path| {
        let record = walk::look(&mounted.path().join(path));
        (path.as_bytes().to_vec(), record)
    });
    assert_eq!(expected[2].1.nlink, 65_000);
    assert_eq!(expected[1].1.nlink, 1);
    mounted.unmount();
    let opened = library::open_with(&image, &Options::default());
    let filesystem = library::file_system(&opened);
    let found = ["links", "directories", "links/64999"].map(|path| {
        let inode = library::find(&*filesystem, path.as_bytes());
        (
            path.as_bytes().to_vec(),
            library::look(&*filesystem, inode).0,
        )
    });
    let comparison = Comparison {
        expected: &expected.into(),
        referee: "Linux",
        found: &found.into(),
        without: &[],
    };
    comparison.check("links");
}
