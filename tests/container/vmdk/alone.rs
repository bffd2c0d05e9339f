//! An extent opened by itself, and files beside a disk that are none.

use std::path::Path;

use imgmount::service::open::{Options, open};

use super::generate::{self, kinds};
use super::{convert, refused};
use crate::container::{compare, disk, disk_with, guest};
use crate::support::images::Scratch;

const SIZE: u64 = 3 * 1024 * 1024;

/// What opening `image` as VMDK and nothing else gives.
fn forced() -> Options {
    let mut options = Options::default();
    options.format.format = Some("vmdk".to_owned());
    options
}

#[test]
fn an_extent_says_which_descriptor_to_open() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 31);
    let options = "subformat=twoGbMaxExtentSparse";
    let image = convert(&raw, "my disk.vmdk", options, &scratch);
    for other in ["a.vmdk", "my disk-000001.vmdk", "notes.txt"] {
        let line = "RW 8 SPARSE \"other.vmdk\"";
        generate::descriptor(&scratch.join(other), "vmfsSparse", line);
    }
    let extent = scratch.join("my disk-s001.vmdk");
    let error = refused(&extent);
    assert!(error.contains("my disk.vmdk names it"), "{error}");
    std::fs::rename(&image, scratch.join("renamed.vmdk")).unwrap();
    assert!(refused(&extent).contains("renamed.vmdk names it"));
    std::fs::remove_file(scratch.join("renamed.vmdk")).unwrap();
    let error = refused(&extent);
    assert!(error.contains("--format vmdk shows this extent"), "{error}");
    compare(&disk_with(&extent, &forced()), &raw);
    let notices = open(&extent, &forced()).unwrap().notices.all();
    assert!(notices[0].contains("one extent of a disk"), "{notices:?}");
}

#[test]
fn extents_of_esxi_too() {
    let scratch = Scratch::new();
    let cowd = generate::cowd(100, 1, &kinds(100, 1), 1);
    let se = generate::se_sparse(800, &kinds(100, 2), 2);
    for (name, extent, kind) in [
        ("one", cowd, ("vmfsSparse", "VMFSSPARSE")),
        ("two", se, ("seSparse", "SESPARSE")),
    ] {
        let sectors = if name == "one" { 100 } else { 800 };
        generate::described(&scratch, name, kind, sectors, &extent);
        let error = refused(&scratch.join(&format!("{name}-extent.vmdk")));
        assert!(error.contains(&format!("{name}.vmdk names it")), "{error}");
    }
}

#[test]
fn a_flat_extent_is_raw_and_a_change_tracking_file_is_no_disk() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 32);
    convert(&raw, "disk.vmdk", "subformat=monolithicFlat", &scratch);
    compare(&disk(&scratch.join("disk-flat.vmdk")), &raw);
    let tracking = scratch.join("disk-ctk.vmdk");
    let mut bytes = vec![0; 4096];
    bytes[..16].copy_from_slice(&[0xa2, 0x72, 0x19, 0xf6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0]);
    std::fs::write(&tracking, bytes).unwrap();
    let error = refused(&tracking);
    assert!(error.contains("change tracking file"), "{error}");
    assert!(error.contains("disk.vmdk is the disk"), "{error}");
}

#[test]
fn a_disk_whose_changes_are_tracked_is_read_without_the_tracking_file() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 33);
    let image = convert(&raw, "disk.vmdk", "subformat=monolithicFlat", &scratch);
    edit(&image, "version=1", "version=3");
    let tracked = "# Change Tracking File\nchangeTrackPath=\"disk-ctk.vmdk\"\n\n# The Disk Data";
    edit(&image, "# The Disk Data", tracked);
    compare(&disk(&image), &raw);
}

#[test]
fn devices_and_encrypted_disks_are_refused_by_name() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 34);
    let image = convert(&raw, "disk.vmdk", "subformat=monolithicFlat", &scratch);
    let text = std::fs::read_to_string(&image).unwrap();
    for kind in [
        "fullDevice",
        "partitionedDevice",
        "vmfsRDM",
        "vmfsPassthroughRawDeviceMap",
    ] {
        std::fs::write(&image, text.replace("monolithicFlat", kind)).unwrap();
        let error = refused(&image);
        assert!(
            error.contains(&format!("createType {kind} stands for a device")),
            "{error}"
        );
    }
    std::fs::write(&image, text.replace("monolithicFlat", "newKind")).unwrap();
    assert!(refused(&image).contains("createType newKind is not known"));
    std::fs::write(&image, text.replace("FLAT", "VMFSRDM")).unwrap();
    assert!(refused(&image).contains("VMFSRDM extent stands for a device"));
    let encrypted =
        text.split('\0').next().unwrap().to_owned() + "ddb.iofilters = \"vmwarevmcrypt\"\n";
    std::fs::write(&image, encrypted).unwrap();
    let error = refused(&image);
    assert!(error.contains("encrypted by VMware"), "{error}");
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from));
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}
