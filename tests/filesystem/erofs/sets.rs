//! What mkfs.erofs can make, to the last field as the kernel shows it.

use std::path::{Path, PathBuf};

use imgmount::service::open::Options;

use super::tree;
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::kernel::Mounted;
use crate::support::record::Comparison;
use crate::support::{library, walk};

/// What the kernel's EROFS does not have: a birth time, and flags.
pub const WITHOUT: [&str; 2] = ["crtime", "flags"];

/// A test for each set of options, by its name.
macro_rules! sets {
    ($($name:ident: $options:expr,)+) => {
        $(
            #[test]
            fn $name() {
                need!(
                    loop, kernel "ext4", kernel "erofs",
                    tool "mke2fs", tool "mkfs.erofs", tool "setcap", tool "setfacl"
                );
                if let Some(reason) = super::too_old() {
                    crate::support::skip::skip(module_path!(), &reason);
                    return;
                }
                compare(stringify!($name), $options);
            }
        )+
    };
}

sets! {
    plain: "",
    extended_inodes: "-Eforce-inode-extended",
    compact_inodes: "-Eforce-inode-compact --all-root --ignore-mtime -T 1700000000",
    without_inline_data: "-Enoinline_data",
    blocks_of_512: "-b512",
    blocks_of_1024: "-b1024",
    blocks_of_2048: "-b2048",
    chunks: "--chunksize=4096",
    chunks_of_64k: "--chunksize=65536",
    chunk_indexes: "--chunksize=4096 -Eforce-chunk-indexes",
    chunk_block_map: "--chunksize=4096 -Eforce-inode-blockmap",
    small_chunks: "-b512 --chunksize=512",
    lz4: "-zlz4",
    lz4_512: "-zlz4 -b512",
    lz4hc: "-zlz4hc,level=12",
    lz4_full_indexes: "-zlz4hc -Elegacy-compress",
    lz4_large: "-zlz4hc -C65536",
    lz4_large_full: "-zlz4hc -C65536 -Elegacy-compress",
    lz4_largest: "-zlz4 -C1048576",
    lz4_tails: "-zlz4hc -Eztailpacking",
    lz4_tails_full: "-zlz4hc -Eztailpacking,legacy-compress",
    lz4_tails_large: "-zlz4hc -C65536 -Eztailpacking",
    lz4_fragments: "-zlz4hc -Efragments",
    lz4_fragments_full: "-zlz4hc -C65536 -Efragments,legacy-compress",
    lz4_all_fragments: "-zlz4hc -Eall-fragments",
    lz4_dedupe: "-zlz4hc -Ededupe",
    lz4_dedupe_fragments: "-zlz4hc -C65536 -Ededupe,fragments,ztailpacking",
    lzma: "-zlzma",
    lzma_large: "-zlzma,level=9 -C1048576 -Efragments,dedupe",
    lzma_tails: "-zlzma -C16384 -Eztailpacking",
    deflate: "-zdeflate,level=9",
    deflate_large: "-zdeflate -C65536 -Efragments,ztailpacking,dedupe",
    zstd: "-zzstd,level=3",
    zstd_large: "-zzstd,level=19 -C262144 -Eall-fragments,dedupe",
    zstd_1024: "-zzstd -b1024 -C4096 -Eztailpacking",
    two_algorithms: "-zlz4hc:lzma",
    xattrs_inline: "-x-1",
    xattrs_shared: "-x1",
    xattr_prefix: "-x5 --xattr-prefix=user.verylongprefix.",
    xattr_prefix_packed: "-zlz4hc -Efragments --xattr-prefix=user.verylongprefix.",
    xattr_filter: "-Exattr-name-filter",
    all_root: "--all-root",
    uuid_and_label: "-U 00112233-4455-6677-8899-aabbccddeeff -L a-label",
    bits_48: "-E48bit",
    bits_48_lz4: "-zlz4hc -E48bit",
    bits_48_zstd: "-zzstd -C65536 -E48bit,fragments",
    bits_48_lzma: "-zlzma -C65536 -E48bit,dedupe",
    bits_48_side_by_side: "-zlz4 -E48bit --max-extent-bytes=16384",
    bits_48_of_one_size: "-zzstd -C4096 -E48bit,dedupe --max-extent-bytes=8192",
    without_dots: "-E48bit,dot-omitted",
    metabox: "-m4096",
    metabox_zstd: "-zzstd -m4096",
    metabox_lz4_large: "-zlz4hc -C65536 -Eztailpacking -m65536",
    metabox_directories: "-zlz4hc -m4096 --zD=1",
    meta_zone: "--MZ=i",
    directories_compressed: "-zlz4hc --zD=1",
}

fn compare(name: &str, options: &str) {
    let scratch = Scratch::new();
    let image = made(options, &scratch);
    let mounted = Mounted::new(&image, "erofs", "ro", &scratch.join("expected"));
    same_as(mounted.path(), &image, name);
}

/// The library sees in `image` what the kernel shows at `expected`.
pub fn same_as(expected: &Path, image: &Path, title: &str) {
    let opened = library::open_with(image, &Options::default());
    let found = library::walk(&*library::file_system(&opened));
    let comparison = Comparison {
        expected: &walk::mounted(expected),
        referee: "Linux",
        found: &found,
        without: &WITHOUT,
    };
    let files = comparison.check(title);
    println!("{title}: {files} files are equal");
}

/// An image of [`tree::fill`], made with `options`.
pub fn made(options: &str, scratch: &Scratch) -> PathBuf {
    let image = scratch.join("image.erofs");
    let source = source(scratch);
    packed(options, source.path(), &image);
    image
}

/// What [`tree::fill`] makes, on a file system that can hold all of it.
pub fn source(scratch: &Scratch) -> Mounted {
    let disk = scratch.file("source.ext4", 64 << 20);
    Run::new("mke2fs")
        .words("-q -F -t ext4 -b 4096 -I 256")
        .arg(&disk)
        .run();
    let source = Mounted::new(&disk, "ext4", "rw,noatime", &scratch.join("source"));
    std::fs::remove_dir(source.path().join("lost+found")).unwrap();
    tree::fill(source.path());
    source
}

/// Packs the tree at `source` into `image`.
pub fn packed(options: &str, source: &Path, image: &Path) {
    let mkfs = Run::new("mkfs.erofs").words("--quiet").words(options);
    mkfs.arg(image).arg(source).run();
}
