//! Discs that are disks, too: an ISO 9660 file system and a partition table on the same bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgmount::filesystem::Request;
use imgmount::stack::{Content, Stack};
use imgmount::tree::{self, Layout, Tree};

use crate::partition::disk::{MIB, kind, open, open_as, sfdisk, table};
use crate::support::command::{Run, imgmount};
use crate::support::images::Scratch;

/// A disc that xorriso makes with `options`, from files among which are a boot loader and a FAT.
fn disc(scratch: &Scratch, options: &str) -> PathBuf {
    let files = scratch.folder("files");
    std::fs::write(files.join("boot.bin"), vec![0x90; 3000]).unwrap();
    std::fs::write(files.join("hello"), b"hello").unwrap();
    let efi = scratch.file("efi.img", 1440 << 10);
    Run::new("mkfs.fat").args(["-n", "EFIBOOT"]).arg(&efi).run();
    std::fs::copy(&efi, files.join("efi.img")).unwrap();
    std::fs::write(scratch.join("mbr.bin"), vec![0x90; 432]).unwrap();
    let xorriso = Run::new("xorriso").within(scratch.path());
    let xorriso = xorriso.words("-as mkisofs -quiet -R -V HYBRID -o disc.iso");
    let boot = "-b boot.bin -no-emul-boot -boot-load-size 4 -boot-info-table -eltorito-alt-boot";
    xorriso.words(boot).words(options).arg("files").run();
    scratch.join("disc.iso")
}

/// As Debian's installer has it: the first partition is the whole disc.
const ISOHYBRID: &str = "-e efi.img -no-emul-boot -isohybrid-mbr mbr.bin -isohybrid-gpt-basdat";

/// As grub-mkrescue has it: the first partition begins behind the table, the second is behind the
/// files.
const APPENDED: &str = "-e --interval:appended_partition_2:all:: -no-emul-boot \
    -append_partition 2 0xef efi.img -G mbr.bin --protective-msdos-label -partition_offset 16";

/// The same in a GPT.
const APPENDED_GPT: &str = "-e --interval:appended_partition_2:all:: -no-emul-boot \
    -append_partition 2 0xef efi.img -appended_part_as_gpt";

/// The table beside the file system of the disc, and the names of the volumes in it.
fn hybrid(stack: &Stack) -> (&'static str, Vec<&str>) {
    let content = &stack.disks[0].content;
    let Content::FileSystem {
        format: "iso9660",
        extra,
        beside,
        ..
    } = content
    else {
        panic!("{}", kind(content));
    };
    let names = extra.iter().map(|node| node.name.as_str());
    (beside[0].0, names.collect())
}

fn has(tree: &Tree, path: &str) -> bool {
    let request = Request::new(0);
    tree.resolve(&request, path.as_bytes(), false).is_ok()
}

#[test]
fn g09_a_hybrid_shows_its_files_and_its_partitions_besides() {
    need!(tool "xorriso", tool "mkfs.fat");
    let images = ["boot/1-x86", "boot/2-efi"];
    for (options, name, partitions) in [
        (ISOHYBRID, "mbr", &["p1", "p2"][..]),
        (APPENDED, "mbr", &["p1", "p2"]),
        (APPENDED_GPT, "gpt", &["p1", "p2", "p3"]),
    ] {
        let scratch = Scratch::new();
        let bytes = std::fs::read(disc(&scratch, options)).unwrap();
        let (stack, notices) = open(bytes.clone());
        assert_eq!(notices, Vec::<String>::new(), "{options}");
        assert_eq!(hybrid(&stack), (name, [&images, partitions].concat()));
        let stack = Arc::new(stack);
        let compose = |layout| {
            let options = tree::Options {
                layout,
                ..tree::Options::default()
            };
            Tree::compose(stack.clone(), &options).unwrap()
        };
        assert!(has(&compose(Layout::Auto), "hello"), "{options}");
        let volumes = compose(Layout::Volumes);
        for path in [
            "disk/hello",
            "disk.img",
            "p1.img",
            "p2.img",
            "boot/2-efi.img",
        ] {
            assert!(has(&volumes, path), "{options}: {path}");
        }
        // Each by itself, by its name.
        let (alone, _) = open_as(bytes.clone(), Some(name));
        assert_eq!(table(&alone).0, name);
        let (alone, _) = open_as(bytes, Some("iso9660"));
        assert_eq!(kind(&alone.disks[0].content), "file system iso9660");
    }
}

#[test]
fn info_shows_both_and_p_takes_a_partition() {
    need!(tool "xorriso", tool "mkfs.fat");
    let scratch = Scratch::new();
    let image = disc(&scratch, ISOHYBRID);
    let text = imgmount().arg("info").arg(&image).text();
    for line in [
        "iso9660  \"HYBRID\"",
        "on the same bytes: mbr  UUID=",
        "boot/2-efi  1.4 MiB",
        "p2  1.4 MiB",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let json: serde_json::Value =
        serde_json::from_slice(&imgmount().words("info --json").arg(&image).stdout()).unwrap();
    let content = &json["disks"][0]["content"];
    assert_eq!(content["beside"][0]["format"], "mbr");
    assert_eq!(content["volumes"].as_array().map(Vec::len), Some(4));
    let out = scratch.join("p2.raw");
    imgmount()
        .arg("convert")
        .arg(&image)
        .arg("p2")
        .arg(&out)
        .run();
    let same = |a: &Path, b: &Path| std::fs::read(a).unwrap() == std::fs::read(b).unwrap();
    assert!(same(&out, &scratch.join("efi.img")));
}

/// A stick that an installer was written to, partitioned anew without wiping it.
#[test]
fn partitions_made_over_an_old_disc_are_the_disk() {
    need!(tool "xorriso", tool "mkfs.fat", tool "sfdisk", tool "mke2fs");
    let scratch = Scratch::new();
    let old = std::fs::read(disc(&scratch, "-e efi.img -no-emul-boot")).unwrap();
    let script = "label: dos\nlabel-id: 0x0badcafe\n1: start=2048,size=16384,type=83\n";
    let mut bytes = std::fs::read(sfdisk(&scratch, 16 * MIB, script)).unwrap();
    let inner = scratch.file("ext4", 8 * MIB);
    Run::new("mke2fs").words("-q -F -t ext4").arg(&inner).run();
    let start = MIB as usize;
    bytes[512..start].copy_from_slice(&old[512..start]);
    bytes[start..][..8 << 20].copy_from_slice(&std::fs::read(inner).unwrap());
    let (stack, notices) = open(bytes.clone());
    let (format, nodes) = table(&stack);
    assert_eq!(
        (format, &*kind(&nodes[0].content)),
        ("mbr", "file system ext4")
    );
    assert!(
        notices[0].ends_with("--format iso9660 shows the other"),
        "{notices:?}"
    );
    // With nothing known in them, it is the disc that something is left of.
    bytes[start..].fill(0);
    let (stack, _) = open(bytes);
    assert_eq!(kind(&stack.disks[0].content), "file system iso9660");
}
