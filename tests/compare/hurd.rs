//! A file system of the Hurd: its inodes keep other things than Linux's where Linux has more bits.

use std::fs::File;
use std::os::unix::fs::FileExt;

use imgmount::service::open::Options;

use crate::support::command::Run;
use crate::support::debugfs;
use crate::support::images::{self, Scratch};
use crate::support::kernel::Mounted;
use crate::support::record::Comparison;
use crate::support::{library, walk};

/// `h_i_mode_high`, where Linux has the high bits of the attribute block.
const MODE_HIGH: u64 = 0x76;

#[test]
fn high_bits_of_the_mode_are_no_attribute_block() {
    need!(loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    let scratch = Scratch::new();
    let image = scratch.file("image", 4 << 20);
    let mke2fs = Run::new("mke2fs").words("-q -F -t ext2 -b 1024 -o hurd");
    mke2fs.arg(&image).run();
    let mounted = Mounted::new(&image, "ext4", "rw", &scratch.join("written"));
    for name in ["plain", "attributed"] {
        std::fs::write(mounted.path().join(name), name).unwrap();
    }
    let attributed = mounted.path().join("attributed");
    super::workload::set(&attributed, "user.large", &[b'v'; 600]).unwrap();
    mounted.unmount();
    let file = File::options().write(true).open(&image).unwrap();
    for name in ["plain", "attributed"] {
        // "Inode 12 is part of block group 0\n\tlocated at block 41, offset 0x0580"
        let said = debugfs::ask(&image, &format!("imap /{name}\n")).remove(0);
        let said = String::from_utf8(said).unwrap();
        let number = |before: &str| said.split_once(before).unwrap().1.split([',', '\n']).next();
        let block: u64 = number("at block ").unwrap().parse().unwrap();
        let offset = u64::from_str_radix(number("offset 0x").unwrap(), 16).unwrap();
        let at = block * 1024 + offset + MODE_HIGH;
        file.write_all_at(&[0xff, 0], at).unwrap();
    }
    let copy = scratch.join("copy");
    images::copy(&image, &copy);
    let mounted = Mounted::recovered(&copy, &scratch.join("expected"));
    let opened = library::open_with(&image, &Options::default());
    let comparison = Comparison {
        expected: &walk::mounted(mounted.path()),
        referee: "Linux",
        found: &library::walk(&*library::file_system(&opened)),
        without: &[],
    };
    assert_eq!(comparison.check("hurd"), 4);
}

/// On a file system of the Hurd the kernel writes nanoseconds, but not `i_extra_isize`, and then
/// attributes behind it that it does not find again.
#[test]
fn fields_behind_an_i_extra_isize_of_0_are_in_use() {
    need!(loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    let scratch = Scratch::new();
    let image = scratch.file("image", 4 << 20);
    let mke2fs = Run::new("mke2fs").words("-q -F -t ext3 -b 1024 -I 256 -o hurd");
    mke2fs.arg(&image).run();
    let mounted = Mounted::new(&image, "ext4", "rw", &scratch.join("written"));
    let path = mounted.path().join("file");
    std::fs::write(&path, b"with nanoseconds").unwrap();
    super::workload::set(&path, "user.small", b"in the inode").unwrap();
    mounted.unmount();
    let said = debugfs::ask(&image, "stat /file\n").remove(0);
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("Size of extra inode fields: 0"), "{said}");
    let copy = scratch.join("copy");
    images::copy(&image, &copy);
    let mounted = Mounted::recovered(&copy, &scratch.join("expected"));
    let expected = walk::mounted(mounted.path());
    assert!(expected[&b"file"[..]].crtime.is_some());
    let opened = library::open_with(&image, &Options::default());
    let comparison = Comparison {
        expected: &expected,
        referee: "Linux",
        found: &library::walk(&*library::file_system(&opened)),
        without: &[],
    };
    comparison.check("hurd");
}
