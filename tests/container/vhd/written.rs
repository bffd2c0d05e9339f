//! What qemu-img writes: every subformat and option, disks overwritten by qemu-io, sizes by geometry
//! and by `current_size`.

use std::path::Path;

use super::{CREATOR, CURRENT_SIZE, GEOMETRY, Vhd, compare_holes, convert, notices};
use crate::container::{compare, converted, disk, guest};
use crate::support::command::Run;
use crate::support::images::Scratch;

/// Data, zeros and holes, of a size that no block ends at.
const SIZE: u64 = 9 * 1024 * 1024 + 3 * 512;

/// Compares the disk in `image` and its holes with what qemu-img makes of it.
fn compare_with_qemu(image: &Path, scratch: &Scratch) {
    let expected = converted(image, "-f vpc", scratch);
    let disk = disk(image);
    compare(&disk, &expected);
    compare_holes(&disk, image, "-f vpc");
}

fn written(options: &str) {
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 61);
    let image = convert(&raw, "disk.vhd", options, &scratch);
    compare_with_qemu(&image, &scratch);
    assert_eq!(notices(&image), [""; 0]);
    let size = disk(&image).size();
    for seed in 0..3 {
        guest::overwrite(&image, "vpc", size, seed, 40);
        compare_with_qemu(&image, &scratch);
    }
}

#[test]
fn dynamic() {
    need!(tool "qemu-img", tool "qemu-io");
    written("");
    written("subformat=dynamic,force_size=on");
}

#[test]
fn fixed() {
    need!(tool "qemu-img", tool "qemu-io");
    written("subformat=fixed");
    written("subformat=fixed,force_size=on");
}

/// Azure takes fixed disks of whole MiB and nothing else.
#[test]
fn fixed_for_azure() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 11 << 20, 62);
    let image = convert(&raw, "disk.vhd", "subformat=fixed,force_size=on", &scratch);
    assert_eq!(image.metadata().unwrap().len(), (11 << 20) + 512);
    compare(&disk(&image), &raw);
    assert_eq!(notices(&image), [""; 0]);
}

/// Disks of over 127 GiB have the largest geometry there is, whoever made them.
#[test]
fn large() {
    need!(tool "qemu-img", tool "qemu-io");
    for (size, options) in [("200G", ""), ("2040G", "force_size=on"), ("127G", "")] {
        let scratch = Scratch::new();
        let image = scratch.join("disk.vhd");
        let mut create = Run::new("qemu-img").words("create -q -f vpc");
        if !options.is_empty() {
            create = create.args(["-o", options]);
        }
        create.arg(&image).arg(size).run();
        let mut io = Run::new("qemu-io").words("-f vpc");
        for write in ["write -P 7 100G 3M", "write -P 8 126G 64k"] {
            io = io.args(["-c", write]);
        }
        io.arg(&image).run();
        let disk = disk(&image);
        compare_holes(&disk, &image, "-f vpc");
        let mut buf = vec![0; 4096];
        disk.read_exact_at(&mut buf, 126 << 30).unwrap();
        assert_eq!(buf, [8; 4096]);
    }
}

/// The size that qemu-img shows for every creator, geometry smaller and larger than `current_size`.
#[test]
fn size_by_creator() {
    need!(tool "qemu-img");
    let creators: [&[u8; 4]; 11] = [
        b"vpc ", b"vs  ", b"qemu", b"qem2", b"win ", b"d2v ", b"tap\0", b"CTXS", b"CXS\0",
        b"wa\0\0", b"vbox",
    ];
    // Cylinders, heads and sectors; the last one is the largest.
    let geometries = [[0, 79, 16, 63], [0, 8, 4, 17], [0xff, 0xff, 16, 255]];
    for subformat in ["dynamic", "fixed"] {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, 40 << 20, 63);
        let options = format!("subformat={subformat},force_size=on");
        let image = convert(&raw, "disk.vhd", &options, &scratch);
        let mut vhd = Vhd::of(&image);
        vhd.put_footer(CURRENT_SIZE, &(32_u64 << 20).to_be_bytes());
        for (creator, geometry) in creators
            .iter()
            .flat_map(|creator| geometries.iter().map(move |geometry| (creator, geometry)))
        {
            vhd.put_footer(CREATOR, *creator);
            vhd.put_footer(GEOMETRY, geometry);
            vhd.write(&image);
            let info = Run::new("qemu-img").words("info -f vpc --output=json");
            let info: serde_json::Value =
                serde_json::from_slice(&info.arg(&image).stdout()).unwrap();
            let size = info["virtual-size"].as_u64().unwrap();
            let name = String::from_utf8_lossy(*creator);
            assert_eq!(disk(&image).size(), size, "{name} {geometry:?}");
        }
    }
}

#[test]
fn footers_of_511_bytes() {
    need!(tool "qemu-img");
    for subformat in ["dynamic", "fixed"] {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, 3 << 20, 64);
        let options = format!("subformat={subformat},force_size=on");
        let image = convert(&raw, "disk.vhd", &options, &scratch);
        let mut vhd = Vhd::of(&image);
        vhd.0.pop();
        vhd.write(&image);
        compare(&disk(&image), &raw);
        assert_eq!(notices(&image), [""; 0]);
    }
}
