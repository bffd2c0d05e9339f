//! Every registered format has an image by somebody else's tool, and is found in it; and the demo
//! disk is what its own tools say it is.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use imgmount::service::open::Options;
use imgmount::stack::{Content, Node};

use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::record::Comparison;
use crate::support::{debugfs, library};

/// The demo disk, unpacked.
fn demo(scratch: &Scratch) -> PathBuf {
    let packed = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/demo/demo.img.gz");
    let image = scratch.join("demo.img");
    std::fs::write(&image, Run::new("gzip").arg("-dc").arg(packed).stdout()).unwrap();
    image
}

/// The image in which the format `name` is to be found.
pub fn fixture(name: &str, scratch: &Scratch) -> Option<PathBuf> {
    match name {
        "raw" | "gpt" | "ext4" => Some(demo(scratch)),
        "erofs" => {
            let image = scratch.join("image.erofs");
            let mkfs = Run::new("mkfs.erofs").arg(&image);
            mkfs.arg(scratch.folder("nothing")).run();
            Some(image)
        }
        "qcow" | "qcow2" | "qed" | "vdi" | "vhdx" | "vmdk" => Some(converted(name, scratch)),
        "vhd" => Some(converted("vpc", scratch)),
        "gzip" | "lz4" | "zstd" => Some(packed(name, scratch)),
        "mbr" => Some(partitioned(
            "label: dos\nstart=2048, size=2048, type=83\n",
            scratch,
        )),
        "parallels" => Some(converted(name, scratch)),
        "split" => {
            let split = Run::new("split").words("-b 1M -a 3 --numeric-suffixes=1");
            split
                .arg(demo(scratch))
                .arg(scratch.join("demo.img."))
                .run();
            Some(scratch.join("demo.img.001"))
        }
        "android-sparse" => {
            let bytes = std::fs::read(demo(scratch)).unwrap();
            let blocks = u32::try_from(bytes.len() / 4096).unwrap();
            let fields = [0xed26_ff3a, 1, 12 << 16 | 28, 4096, blocks, 1, 0];
            let chunk = [0xcac1, blocks, blocks * 4096 + 12];
            let words = fields.into_iter().chain(chunk).flat_map(u32::to_le_bytes);
            let sparse = scratch.join("demo.simg");
            std::fs::write(&sparse, words.chain(bytes).collect::<Vec<u8>>()).unwrap();
            Some(sparse)
        }
        "tar" => {
            demo(scratch);
            Some(archived("demo.tar", &["demo.img"], scratch))
        }
        "ova" | "ovf" => {
            demo(scratch);
            let descriptor = r#"<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1">
                <References><File href="demo.img" id="f"/></References>
                <DiskSection><Disk diskId="d" fileRef="f"/></DiskSection></Envelope>"#;
            std::fs::write(scratch.join("demo.ovf"), descriptor).unwrap();
            let ova = archived("demo.ova", &["demo.ovf", "demo.img"], scratch);
            Some(if name == "ova" {
                ova
            } else {
                scratch.join("demo.ovf")
            })
        }
        "sun" | "sgi" => Some(partitioned(&format!("label: {name}\n"), scratch)),
        "mac" | "bsd" => {
            let image = scratch.file(name, 4 << 20);
            let parted = Run::new("parted").arg("-s").arg(&image);
            parted.args(["mklabel", name]).run();
            Some(image)
        }
        "ldm" => Some(crate::volume::ldm::first_disk(scratch)),
        "linux_raid_member" => Some(crate::volume::md::array(scratch)),
        "LVM2_member" => Some(crate::volume::lvm::group(scratch)),
        // Nothing but Windows makes one.
        "BitLocker" => {
            let image = scratch.join("bitlocker.img");
            let made = crate::volume::bitlocker::made::Made::default();
            std::fs::write(&image, made.disk()).unwrap();
            Some(image)
        }
        "crypto_LUKS" => Some(crate::volume::luks::fixture(scratch)),
        "squashfs" => {
            let folder = scratch.join("folder");
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("file"), b"in a squashfs\n").unwrap();
            let image = scratch.join("image");
            let pack = Run::new("mksquashfs").arg(&folder).arg(&image);
            pack.words("-noappend -quiet -no-progress").run();
            Some(image)
        }
        "xz" | "bzip2" => Some(packed(name, scratch)),
        "bin" => Some(crate::container::cd::bin(scratch).0),
        "cue" => Some(crate::container::cd::cue(scratch)),
        "iso9660" => {
            let files = scratch.folder("disc");
            std::fs::write(files.join("file"), "hello").unwrap();
            let image = scratch.join("disc.iso");
            let xorriso = Run::new("xorriso").words("-as mkisofs -quiet -R -o");
            xorriso.arg(&image).arg(&files).run();
            Some(image)
        }
        "udf" => {
            let image = scratch.join("new.udf");
            let mkudffs = Run::new("mkudffs").words("--new-file --blocksize=2048");
            mkudffs.arg(&image).arg("1000").stdout();
            Some(image)
        }
        "vfat" => {
            let image = scratch.join("vfat.img");
            Run::new("mkfs.fat").arg("-C").arg(&image).arg("1440").run();
            Some(image)
        }
        "exfat" => {
            let image = scratch.file(name, 4 << 20);
            Run::new("mkfs.exfat").arg(&image).run();
            Some(image)
        }
        _ => None,
    }
}

/// What opens the fixture of the format `name`, where that is encrypted.
pub fn key(name: &str, scratch: &Scratch) -> Vec<PathBuf> {
    let key = || crate::volume::luks::made::key_file(scratch);
    match name {
        "crypto_LUKS" => vec!["--key".into(), key()],
        _ => Vec::new(),
    }
}

/// The `files` of `scratch` in an archive called `name`.
fn archived(name: &str, files: &[&str], scratch: &Scratch) -> PathBuf {
    let archive = scratch.join(name);
    let tar = Run::new("tar").arg("-cf").arg(&archive).arg("-C");
    tar.arg(archive.parent().unwrap()).args(files).run();
    archive
}

/// The demo disk as qemu-img makes an image of `format` from it.
fn converted(format: &str, scratch: &Scratch) -> PathBuf {
    let image = scratch.join("demo.image");
    let convert = Run::new("qemu-img").words("convert -f raw -O").arg(format);
    convert.arg(demo(scratch)).arg(&image).run();
    image
}

/// The demo disk as the command `name` packs it.
fn packed(name: &str, scratch: &Scratch) -> PathBuf {
    let image = scratch.join("demo.packed");
    let bytes = Run::new(name)
        .args(["-q", "-c"])
        .arg(demo(scratch))
        .stdout();
    std::fs::write(&image, bytes).unwrap();
    image
}

/// A disk of 16 MiB with the partitions of an sfdisk `script`.
fn partitioned(script: &str, scratch: &Scratch) -> PathBuf {
    let image = scratch.file("partitioned", 16 << 20);
    let mut sfdisk = Run::new("sfdisk").arg("-q").arg(&image).command();
    let mut child = sfdisk.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(script.as_bytes()).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
    image
}

#[test]
fn every_registered_format_has_a_fixture_and_is_found_in_it() {
    need!(tool "bzip2", tool "cryptsetup", tool "gzip", tool "lz4", tool "mkfs.erofs", tool "mkfs.exfat", tool "mkfs.fat", tool "mksquashfs", tool "mkudffs", tool "parted", tool "qemu-img", tool "sfdisk", tool "xorriso", tool "xz", tool "zstd");
    let names = imgmount::image::FORMATS.iter().map(|format| format.name);
    let names = names.chain(
        imgmount::partition::FORMATS
            .iter()
            .map(|format| format.name),
    );
    let names = names.chain(imgmount::volume::FORMATS.iter().map(|format| format.name));
    let names = names.chain(
        imgmount::filesystem::FORMATS
            .iter()
            .map(|format| format.name),
    );
    for name in names {
        let scratch = Scratch::new();
        let image = fixture(name, &scratch);
        let image = image.unwrap_or_else(|| panic!("{name} is registered and has no fixture"));
        let found = formats(&image);
        assert!(
            found.contains(name),
            "{name} is not in its fixture, but {found:?}"
        );
    }
}

/// The names of the formats found in `image`.
fn formats(image: &Path) -> BTreeSet<&'static str> {
    let opened = library::open_with(image, &Options::default());
    let layers = opened.stack.layers.iter();
    let mut found: BTreeSet<_> = layers.map(|layer| layer.format).collect();
    for disk in &opened.stack.disks {
        add_formats(disk, &mut found);
    }
    found.extend(opened.stack.sets.iter().map(|set| set.format));
    found
}

fn add_formats(node: &Node, found: &mut BTreeSet<&'static str>) {
    match &node.content {
        Content::FileSystem { format, .. } | Content::Locked { format, .. } => {
            found.insert(*format);
        }
        Content::Table {
            format, children, ..
        } => {
            found.insert(*format);
            for child in children {
                add_formats(child, found);
            }
        }
        _ => {}
    }
}

/// What a test needs and `contrib/test` does not install would be skipped on every bare machine.
#[test]
fn every_tool_that_a_test_needs_is_installed_by_contrib_test() {
    /// What every system has, and what comes with another.
    const ALWAYS: [&str; 21] = [
        "split",
        "sh",
        "tar",
        "gzip",
        "cp",
        "cat",
        "diff",
        "stat",
        "mkfifo",
        "date",
        "script",
        "fdisk",
        "prlimit",
        "setpriv",
        "unshare",
        "tune2fs",
        "dumpe2fs",
        "e2fsck",
        "chattr",
        "resize2fs",
        "e4defrag",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = std::fs::read_to_string(root.join("contrib/test")).unwrap();
    let mut tools = BTreeSet::new();
    for file in crate::arrows::sources(&root.join("tests")) {
        let text = std::fs::read_to_string(file).unwrap();
        for behind in text.split("need!(").skip(1) {
            let arguments = behind.split(");").next().unwrap();
            for tool in arguments.split("tool \"").skip(1) {
                tools.insert(tool.split('"').next().unwrap().to_owned());
            }
        }
    }
    assert!(tools.contains("mke2fs"), "{tools:?}");
    for tool in tools {
        let installed = script.contains(&format!("    \"{tool} ")) || ALWAYS.contains(&&*tool);
        assert!(installed, "contrib/test does not install {tool}");
    }
}

#[test]
fn the_demo_disk_is_small_and_as_debugfs_says() {
    need!(root, tool "debugfs", tool "gzip");
    let packed = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/demo/demo.img.gz");
    assert!(std::fs::metadata(packed).unwrap().len() < 1 << 20);
    let scratch = Scratch::new();
    let image = demo(&scratch);
    let opened = library::open_with(&image, &Options::default());
    let found = library::walk(&*library::volume(&opened, "p2"));
    let within = format!("{}?offset={}", image.display(), 6144 * 512);
    let expected = debugfs::tree(Path::new(&within), &scratch);
    let comparison = Comparison {
        expected: &expected,
        referee: "debugfs",
        found: &found,
        without: &debugfs::WITHOUT,
    };
    let files = comparison.check("the demo disk");
    assert!(files > 20, "only {files} files");
}

/// Every format but `raw`, which has no structure, has a fuzz target that is called like it.
#[test]
fn every_format_has_a_fuzz_target() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/fuzz/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let targets = manifest.split("[[bin]]").skip(1).map(|target| {
        let name = target.lines().find_map(|line| line.strip_prefix("name = "));
        name.unwrap().trim_matches('"')
    });
    let targets: BTreeSet<&str> = targets.collect();
    let formats = imgmount::stack::Registries::BUILT_IN.names();
    let mut wanted: BTreeSet<&str> = formats.filter(|name| *name != "raw").collect();
    wanted.insert("stack");
    assert_eq!(targets, wanted);
}
