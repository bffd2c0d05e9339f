//! The collected disks with FAT in a partition.

use imgmount::service::open::Options;

use crate::support::expected::{collected, rows, rows_against};
use crate::support::images::{self, Scratch};
use crate::support::library;

/// Differencing disks have their parents beside them.
#[test]
fn partitions_of_collected_disks_are_as_expected() {
    need!(images, tool "xz");
    let wanted = |file: &str, layers: &str| {
        file.starts_with("container/vhd") && layers.ends_with("mbr>(vfat)")
    };
    let disks = collected(wanted);
    assert_eq!(disks.len(), 4);
    for disk in disks {
        let scratch = Scratch::new();
        let path = images::unpack(&disk.file, &scratch);
        if disk.file.contains("differential") {
            images::unpack(&disk.file.replace("differential", "parent"), &scratch);
        }
        let opened = library::open_with(&path, &Options::default());
        let found = library::walk(&*library::volume(&opened, "p1"));
        let mut wrong = Vec::new();
        rows_against(&rows(&disk, "p1"), &found, &mut |line| wrong.push(line));
        // Left out of the expected tree since its readers spell it differently: Dissect knows
        // nothing of Windows NT's lower-case flags, 7-Zip does.
        wrong.retain(|line| line != "a_directory/a_file: not in the expected tree");
        assert_eq!(wrong, [""; 0], "{}", disk.file);
    }
}
