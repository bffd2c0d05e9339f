//! What opening costs of an image of which only the size is large: as much as of a small one, in
//! bytes read and in memory. No table is loaded whole.

use std::path::Path;

use imgmount::filesystem::FileSystem;

use crate::support::command::Run;
use crate::support::counted::{MIB, Opened, bytes_of, request};
use crate::support::images::Scratch;

/// Bytes that opening `image` reads, and the most that it has allocated at once, cache included.
fn cost(image: &Path) -> (u64, u64) {
    let mut opened = None;
    let asked = allocation_counter::measure(|| opened = Some(Opened::new(image)));
    let opened = opened.unwrap();
    let root = opened.tree.root();
    assert!(opened.tree.attributes(&request(), root).is_ok());
    (bytes_of(&opened.opening), asked.bytes_max)
}

/// An ext4 of 15 TiB with 100 million inodes in 122,880 groups: the largest that fits into a file
/// of an ext4.
#[test]
fn an_ext4_of_15_tib_is_opened_as_a_small_one() {
    need!(tool "mke2fs", tool "debugfs");
    let scratch = Scratch::new();
    let make = |name: &str, inodes: &str, size: &str| {
        let image = scratch.join(name);
        let mke2fs = Run::new("mke2fs").words("-q -F -t ext4 -b 4096 -O ^has_journal -E");
        let lazily = "lazy_itable_init=1,nodiscard";
        mke2fs
            .args([lazily, "-N", inodes])
            .arg(&image)
            .arg(size)
            .run();
        image
    };
    let (small, large) = (
        make("small", "16384", "64M"),
        make("large", "100000000", "15T"),
    );
    let geometry = Run::new("debugfs").args(["-R", "show_super_stats -h"]);
    let geometry = geometry.arg(&large).text();
    let count = geometry
        .lines()
        .find_map(|line| line.strip_prefix("Inode count:"));
    assert!(count.unwrap().trim().parse::<u64>().unwrap() >= 100_000_000);
    let (small, large) = (cost(&small), cost(&large));
    println!("64 MiB: {small:?}, 15 TiB: {large:?} (bytes read, bytes of memory)");
    assert!(large.0 <= small.0 + MIB / 2, "{small:?} {large:?}");
    assert!(large.1 <= small.1 + MIB, "{small:?} {large:?}");
}

#[test]
fn a_container_of_64_tib_is_opened_as_one_of_64_gib() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    for format in ["qcow2", "vhdx"] {
        let of = |size: &str| {
            let image = scratch.join(&format!("{format}.{size}"));
            let create = Run::new("qemu-img").words("create -q -f").arg(format);
            create.arg(&image).arg(size).run();
            cost(&image)
        };
        let (small, large) = (of("64G"), of("64T"));
        println!("{format}: 64 GiB: {small:?}, 64 TiB: {large:?} (bytes read, bytes of memory)");
        assert!(large.0 <= 4 * MIB, "{format}: {small:?} {large:?}");
        assert!(
            large.1 <= small.1 + 4 * MIB,
            "{format}: {small:?} {large:?}"
        );
    }
}
