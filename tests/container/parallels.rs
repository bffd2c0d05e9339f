//! Parallels' expanding images against qemu-img. Bundles are among the collected images.

use super::{compare, compare_holes, converted, disk, guest};
use crate::support::command::{Run, imgmount};
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

/// A plain root, and over it the current state in an expanding image that replaces its first cluster.
#[test]
fn a_snapshot_of_a_bundle_is_shown_by_its_guid() {
    need!(tool "qemu-img", tool "qemu-io");
    let scratch = Scratch::new();
    let (size, guids) = (4 * 1024 * 1024_u64, [[b'a'; 8], *b"5fbaabe3"]);
    let before = guest::disk(&scratch, size, 7);
    let after = scratch.join("after.raw");
    std::fs::copy(&before, &after).unwrap();
    let write = Run::new("qemu-io")
        .words("-f raw -c")
        .arg("write -P 9 0 1M");
    write.arg(&after).run();
    std::fs::copy(&before, scratch.join("root.hds")).unwrap();
    // Of an image of nothing but the first cluster the others are those below it.
    let top = scratch.join("top.hds");
    let create = Run::new("qemu-img").words("create -q -f parallels -o cluster_size=1M");
    create.arg(&top).arg(size.to_string()).run();
    let write = Run::new("qemu-io")
        .words("-f parallels -c")
        .arg("write -P 9 0 1M");
    write.arg(&top).run();
    let guid = |index: usize| {
        let start = String::from_utf8_lossy(&guids[index]).into_owned();
        format!("{{{start}-6958-40ff-92a7-860e329aab41}}")
    };
    let nil = "{00000000-0000-0000-0000-000000000000}".to_owned();
    let image = |guid: String, kind, file| {
        format!("<Image><GUID>{guid}</GUID><Type>{kind}</Type><File>{file}</File></Image>")
    };
    let shot =
        |guid, parent| format!("<Shot><GUID>{guid}</GUID><ParentGUID>{parent}</ParentGUID></Shot>");
    let text = format!(
        "<?xml version='1.0' encoding='UTF-8'?><Parallels_disk_image Version='1.0'>
        <Disk_Parameters><Disk_size>{sectors}</Disk_size></Disk_Parameters>
        <StorageData><Storage><Start>0</Start><End>{sectors}</End><Blocksize>2048</Blocksize>
        {}{}</Storage></StorageData><Snapshots>{}{}</Snapshots></Parallels_disk_image>",
        image(guid(0), "Plain", "root.hds"),
        image(guid(1), "Compressed", "top.hds"),
        shot(guid(0), nil),
        shot(guid(1), guid(0)),
        sectors = size / 512,
    );
    let descriptor = scratch.join("DiskDescriptor.xml");
    std::fs::write(&descriptor, text).unwrap();

    let disk = |options: &[&str], wanted| {
        let out = scratch.join("out.raw");
        let convert = imgmount().words("convert --force").args(options);
        convert.arg(&descriptor).arg(&out).run();
        assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(wanted).unwrap());
    };
    disk(&[], &after);
    disk(&["--snapshot", &guid(0)], &before);
    disk(&["--snapshot", &guid(1).to_uppercase()], &after);
    let listed = imgmount().arg("info").arg(&descriptor).text();
    let words = format!("snapshots: {}, {{5fbaabe3-", guid(0));
    assert!(listed.contains(&words), "{listed}");
    let refused = imgmount().words("info --snapshot x").arg(&top).output();
    assert_eq!(refused.status.code(), Some(1));
    let refused = String::from_utf8_lossy(&refused.stderr);
    let words = "--snapshot x: one file of a bundle has no snapshots";
    assert!(refused.contains(words), "{refused}");
}
