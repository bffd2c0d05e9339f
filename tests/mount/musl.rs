//! The sandbox with another C library.

use crate::support::command::Run;
use crate::support::musl;

#[test]
fn the_list_of_system_calls_is_enough_for_musl_too() {
    need!(musl, fuse, tool "getfattr", tool "bzip2", tool "cryptsetup", tool "gzip", tool "lz4", tool "mkfs.erofs", tool "mkfs.exfat", tool "mkfs.fat", tool "mksquashfs", tool "mkudffs", tool "parted", tool "qemu-img", tool "sfdisk", tool "xorriso", tool "xz", tool "zstd");
    let program = musl::program();
    let program = program.to_str().unwrap();
    let tables = Run::new(program).arg("self-test").text();
    assert!(tables.ends_with("can do none of this\n"), "{tables}");
    for name in imgmount::stack::Registries::BUILT_IN.names() {
        super::sandbox::assert_served(program, name);
        crate::cli::apart::assert_read(program, name);
    }
}
