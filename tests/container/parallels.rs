//! Parallels' expanding images against qemu-img. Bundles are among the collected images.

use super::{compare, compare_holes, converted, disk, guest};
use crate::support::command::Run;
use crate::support::images::Scratch;

#[test]
fn expanding_images_are_as_qemu_img_reads_them() {
    need!(tool "qemu-img", tool "qemu-io");
    let size = 9 * 1024 * 1024 + 512;
    for (seed, options) in [
        (1, ""),
        (2, "-o cluster_size=64k"),
        (3, "-o cluster_size=32256"),
        (4, "-o cluster_size=2M"),
    ] {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, size, seed);
        let image = scratch.join("disk.hdd");
        let convert = Run::new("qemu-img").words("convert -f raw -O parallels");
        convert.words(options).arg(raw).arg(&image).run();
        guest::overwrite(&image, "parallels", size, seed + 10, 40);
        let raw = converted(&image, "-f parallels", &scratch);
        compare(&disk(&image), &raw);
        // qemu-img does not look for holes in the file under an allocated cluster.
        let dense = scratch.join("dense.hdd");
        let copy = Run::new("cp").arg("--sparse=never");
        copy.arg(&image).arg(&dense).run();
        compare_holes(&disk(&dense), &dense, "-f parallels");
    }
}

#[test]
fn a_bundle_split_into_storages() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let size = 6 * 1024 * 1024_u64;
    let raw = guest::disk(&scratch, size, 5);
    let bytes = std::fs::read(&raw).unwrap();
    let mut storages = String::new();
    let ranges = [(0_u64, 4096_u64), (4096, 4096 + 2048), (4096 + 2048, 12288)];
    for (index, (start, end)) in ranges.into_iter().enumerate() {
        let part = scratch.join(&format!("part{index}"));
        std::fs::write(&part, &bytes[(start * 512) as usize..(end * 512) as usize]).unwrap();
        let image = scratch.join(&format!("part{index}.hds"));
        let convert = Run::new("qemu-img").words("convert -f raw -O parallels");
        convert.arg(&part).arg(&image).run();
        let (kind, file) = match index {
            1 => ("Plain", format!("part{index}")),
            _ => ("Compressed", format!("part{index}.hds")),
        };
        storages += &format!(
            "<Storage><Start>{start}</Start><End>{end}</End><Blocksize>2048</Blocksize><Image>
            <GUID>{{5FBAABE3-6958-40ff-92a7-860e329aab41}}</GUID><Type>{kind}</Type>
            <File>{file}</File></Image></Storage>"
        );
    }
    let text = format!(
        "<?xml version='1.0' encoding='UTF-8'?><Parallels_disk_image Version='1.0'>
        <Disk_Parameters><Disk_size>12288</Disk_size></Disk_Parameters>
        <StorageData>{storages}</StorageData><Snapshots><Shot>
        <GUID>{{5fbaabe3-6958-40ff-92a7-860e329aab41}}</GUID>
        <ParentGUID>{{00000000-0000-0000-0000-000000000000}}</ParentGUID></Shot></Snapshots>
        </Parallels_disk_image>"
    );
    let descriptor = scratch.join("DiskDescriptor.xml");
    std::fs::write(&descriptor, text).unwrap();
    compare(&disk(&descriptor), &raw);
}
