//! Volumes by mkfs.exfat that exfat-fuse wrote to, against what exfat-fuse, fsck.exfat, dump.exfat,
//! the Sleuth Kit and libblkid say of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use imgmount::filesystem::Timestamp;
use imgmount::format;
use imgmount::service::open::Options;

use crate::support::command::Run;
use crate::support::images::{Scratch, hex, sha256_of};
use crate::support::library;
use crate::support::record::Comparison;
use crate::support::walk;

/// A loop device, which goes away with it.
pub struct Device(String);

impl Device {
    pub fn new(image: &Path, sector: u32) -> Self {
        let losetup = Run::new("losetup").words("--find --show --sector-size");
        let device = losetup.arg(sector.to_string()).arg(image).text();
        Self(device.trim().to_owned())
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = Run::new("losetup").arg("-d").arg(&self.0).output();
    }
}

/// A volume that exfat-fuse has mounted over a loop device; both go away with it. With a block
/// device umount(8) waits until all is written.
pub struct Mounted {
    pub at: PathBuf,
    _device: Device,
}

impl Mounted {
    pub fn new(device: Device, at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        let mount = Run::new("mount.exfat-fuse").env("LC_ALL", "C.UTF-8");
        mount.words("-o noatime").arg(&device.0).arg(at).run();
        let at = at.to_path_buf();
        let _device = device;
        Self { at, _device }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Run::new("umount").arg(&self.at).output();
    }
}

/// What a volume is made with.
struct Shape {
    sector: u32,
    cluster: &'static str,
    mebibytes: u64,
    /// Files in its largest directory.
    files: usize,
}

/// Makes a volume; gives its image and the loop device, whose sectors it has.
fn formatted(shape: &Shape, scratch: &Scratch) -> (PathBuf, Device) {
    let image = scratch.file("exfat.img", shape.mebibytes << 20);
    let device = Device::new(&image, shape.sector);
    let mkfs = Run::new("mkfs.exfat").env("LC_ALL", "C.UTF-8");
    let mkfs = mkfs.args(["-c", shape.cluster, "-L", "Größe 日本"]);
    mkfs.arg(&device.0).run();
    (image, device)
}

/// Files of every kind that exfat-fuse can write below `root`.
fn fill(root: &Path, files: usize) {
    for folder in ["empty", "deep/deeper/deepest", "many", "Ünï 日本 😀"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("nothing"), "").unwrap();
    fs::write(root.join("deep/deeper/deepest/one byte"), "1").unwrap();
    fs::write(root.join("Ünï 日本 😀/ÀÉÎ.txt"), "case").unwrap();
    let long = "n".repeat(255);
    fs::write(root.join(&long), "a name of 255 units").unwrap();
    fs::write(
        root.join("many").join("長".repeat(85)),
        "a name of 255 bytes",
    )
    .unwrap();
    for index in 0..files {
        let name = format!("many/file {index}{}", "x".repeat(index % 40));
        fs::write(root.join(name), index.to_string()).unwrap();
    }
    for index in (0..files).step_by(3) {
        let name = format!("many/file {index}{}", "x".repeat(index % 40));
        fs::remove_file(root.join(name)).unwrap();
    }
    // In turns, so that neither has its clusters in one piece.
    let files = ["turn a", "turn b"].map(|name| fs::File::create(root.join(name)).unwrap());
    for round in 0..60_u64 {
        for (file, base) in files.iter().zip([0, 100]) {
            let bytes = vec![base + round as u8; 5000];
            file.write_all_at(&bytes, round * 5000).unwrap();
            file.sync_all().unwrap();
        }
    }
    let sparse = fs::File::create(root.join("grown")).unwrap();
    sparse.write_all_at(b"start", 0).unwrap();
    sparse.set_len(300_000).unwrap();
}

/// What exfat-fuse has otherwise: it shows all as 0777 of one link with numbers of its own, and
/// knows no birth and no holes.
const WITHOUT: [&str; 9] = [
    "mode", "uid", "gid", "nlink", "ino", "crtime", "flags", "map", "entries",
];

fn compare(shape: &Shape) {
    let scratch = Scratch::new();
    let (image, device) = formatted(shape, &scratch);
    fill(&Mounted::new(device, &scratch.join("mnt")).at, shape.files);
    let device = Device::new(&image, shape.sector);
    let mounted = Mounted::new(device, &scratch.join("again"));
    let expected = walk::mounted(&mounted.at);
    let free = rustix::fs::statvfs(&mounted.at).unwrap();
    drop(mounted);
    let said = Run::new("fsck.exfat").arg("-n").arg(&image).text();
    assert!(said.contains("clean"), "{said}");
    let opened = library::open_with(&image, &Options::default());
    assert_eq!(opened.notices.all(), Vec::<String>::new());
    let filesystem = library::file_system(&opened);
    let found = library::walk(&*filesystem);
    // Its block size is a page's, whatever the cluster's.
    let without: Vec<_> = WITHOUT.into_iter().chain(["block size"]).collect();
    let comparison = Comparison {
        expected: &expected,
        referee: "exfat-fuse",
        found: &found,
        without: &without,
    };
    let files = comparison.check(&format!("clusters of {}", shape.cluster));
    assert!(files > shape.files / 2, "only {files}");
    let usage = filesystem.usage();
    assert_eq!(u64::from(usage.block_size), free.f_bsize);
    // It counts the sectors before the clusters as room too.
    assert_eq!(usage.free, free.f_bfree);
}

#[test]
fn the_same_tree_as_exfat_fuse() {
    need!(loop, fuse, tool "mkfs.exfat", tool "mount.exfat-fuse", tool "fsck.exfat");
    for shape in [
        (512, "512", 8, 400),
        (512, "4K", 16, 400),
        (512, "128K", 128, 400),
        (4096, "4K", 16, 400),
        (4096, "32K", 64, 400),
        (512, "32M", 2048, 10),
    ] {
        let (sector, cluster, mebibytes, files) = shape;
        compare(&Shape {
            sector,
            cluster,
            mebibytes,
            files,
        });
    }
}

/// A volume of 16 MiB with those files, for other programs to look at.
fn filled(scratch: &Scratch) -> PathBuf {
    let shape = Shape {
        sector: 512,
        cluster: "4K",
        mebibytes: 16,
        files: 400,
    };
    let (image, device) = formatted(&shape, scratch);
    fill(&Mounted::new(device, &scratch.join("mnt")).at, shape.files);
    image
}

/// Path, size and the three times of each file by fls(1), and what icat(1) gives of it.
#[test]
fn the_same_files_and_times_as_the_sleuth_kit() {
    need!(loop, fuse, tool "mkfs.exfat", tool "mount.exfat-fuse", tool "fls", tool "icat");
    let scratch = Scratch::new();
    let image = filled(&scratch);
    let opened = library::open_with(&image, &Options::default());
    let filesystem = library::file_system(&opened);
    let found = library::walk(&*filesystem);
    let listed = Run::new("fls")
        .words("-f exfat -r -p -u -m /")
        .arg(&image)
        .text();
    let mut compared = BTreeSet::new();
    for line in listed.lines() {
        let columns: Vec<&str> = line.split('|').collect();
        let path = columns[1].trim_start_matches('/');
        if path.starts_with('$') || path.contains("Volume Label") {
            continue;
        }
        let record = &found[path.as_bytes()];
        let number = |index: usize| columns[index].parse::<i64>().unwrap();
        assert_eq!(record.size as i64, number(6), "{path}: size");
        // The Sleuth Kit leaves out what the ten milliseconds add to the double seconds.
        let double = |seconds: i64| seconds - seconds % 2;
        assert_eq!(double(record.atime.0), number(7), "{path}: atime");
        assert_eq!(double(record.mtime.0), number(8), "{path}: mtime");
        assert_eq!(
            double(record.crtime.unwrap().0),
            number(10),
            "{path}: crtime"
        );
        if record.kind == 'f' && record.size < 100_000 {
            let icat = Run::new("icat").words("-f exfat").arg(&image);
            let bytes = icat.arg(columns[2]).stdout();
            let inode = library::find(&*filesystem, path.as_bytes());
            let mut own = vec![0; bytes.len()];
            let request = library::request();
            filesystem.read(&request, inode, &mut own, 0).unwrap();
            assert_eq!(sha256_of(&own), sha256_of(&bytes), "{path}");
        }
        compared.insert(path.to_owned());
    }
    // Besides the root, all.
    assert_eq!(compared.len() + 1, found.len());
}

#[test]
fn label_serial_number_and_room_as_other_programs_say() {
    need!(loop, fuse, tool "mkfs.exfat", tool "mount.exfat-fuse", tool "dump.exfat", tool "blkid");
    let scratch = Scratch::new();
    let image = filled(&scratch);
    let dumped = Run::new("dump.exfat").arg(&image).text();
    let said = |name: &str| {
        let line = dumped.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit([':', '\t']).next().unwrap().trim().to_owned()
    };
    let description = describe(&image);
    let label = String::from_utf8(description.label.unwrap()).unwrap();
    let blkid = |tag: &str| {
        let blkid = Run::new("blkid").words("-p -o value -s").arg(tag);
        blkid.arg(&image).text().trim().to_owned()
    };
    assert_eq!(label, blkid("LABEL"));
    assert_eq!(description.uuid.unwrap(), blkid("UUID"));
    let facts: BTreeMap<_, _> = description.facts.into_iter().collect();
    assert_eq!(facts["cluster size"], said("Cluster size"));
    assert_eq!(facts["sectors"], said("Volume Length"));
    let number = |name: &str| said(name).parse::<u64>().unwrap();
    let usage = library::file_system(&library::open_with(&image, &Options::default())).usage();
    assert_eq!(usage.blocks, number("Total Clusters"));
    assert_eq!(usage.free, number("Free Clusters"));
    let used = (usage.blocks - usage.free) * u64::from(usage.block_size);
    assert_eq!(description.allocated, Some(used));
}

/// What `info` says of the volume `image`.
fn describe(image: &Path) -> imgmount::format::Description {
    let mut formats = imgmount::filesystem::FORMATS.iter();
    let format = formats.find(|format| format.name == "exfat").unwrap();
    let source = imgmount::source::file::File::new(fs::File::open(image).unwrap()).unwrap();
    (format.describe)(&source).unwrap()
}

/// Modes by the masks, and the read-only bit, which takes the rights to write from files alone.
#[test]
fn owner_masks_and_the_read_only_bit() {
    need!(loop, fuse, tool "mkfs.exfat", tool "mount.exfat-fuse");
    let scratch = Scratch::new();
    let image = filled(&scratch);
    let owner = format::Owner {
        uid: 1000,
        gid: 100,
        fmask: 0o137,
        dmask: 0o027,
    };
    let options = Options {
        format: format::Options {
            owner,
            ..format::Options::default()
        },
        ..Options::default()
    };
    let set = |path: &str, bits: u8| {
        let opened = library::open_with(&image, &options);
        let inode = library::find(&*library::file_system(&opened), path.as_bytes());
        let place = (inode.0 >> 1) * 32;
        let file = fs::OpenOptions::new().read(true).write(true).open(&image);
        let file = file.unwrap();
        let mut set = [0; 96];
        file.read_exact_at(&mut set, place).unwrap();
        set[4] |= bits;
        let sum = set
            .iter()
            .enumerate()
            .filter(|(at, _)| !matches!(at, 2 | 3));
        let sum = sum.fold(0_u16, |sum, (_, byte)| {
            sum.rotate_right(1).wrapping_add(u16::from(*byte))
        });
        set[2..4].copy_from_slice(&sum.to_le_bytes());
        file.write_all_at(&set, place).unwrap();
    };
    set("nothing", 0x07);
    set("empty", 0x03);
    let opened = library::open_with(&image, &options);
    let filesystem = library::file_system(&opened);
    let look = |path: &str| {
        let inode = match path {
            "" => filesystem.root(),
            _ => library::find(&*filesystem, path.as_bytes()),
        };
        let attributes = filesystem.attributes(&library::request(), inode).unwrap();
        let bits = filesystem.xattr(&library::request(), inode, b"system.fat_attrib");
        let owner = (attributes.uid, attributes.gid);
        assert_eq!(owner, (1000, 100), "{path}");
        (attributes.mode, hex(&bits.unwrap().unwrap()))
    };
    assert_eq!(look(""), (0o750, "10000000".to_owned()));
    assert_eq!(look("empty"), (0o750, "13000000".to_owned()));
    assert_eq!(look("nothing"), (0o440, "27000000".to_owned()));
    assert_eq!(look("turn a"), (0o640, "20000000".to_owned()));
}

/// Whatever the letters' case, and with dots at the end, as the kernel's driver looks names up.
#[test]
fn names_are_found_whatever_their_case() {
    need!(loop, fuse, tool "mkfs.exfat", tool "mount.exfat-fuse");
    let scratch = Scratch::new();
    let image = filled(&scratch);
    let opened = library::open_with(&image, &Options::default());
    let filesystem = library::file_system(&opened);
    let lookup = |folder: &str, name: &str| {
        let folder = library::find(&*filesystem, folder.as_bytes());
        let found = filesystem.lookup(&library::request(), folder, name.as_bytes());
        found.unwrap()
    };
    let text = lookup("Ünï 日本 😀", "ÀÉÎ.txt");
    assert!(text.is_some());
    for name in ["àéî.TXT", "ÀéÎ.Txt", "àéî.txt.", "ÀÉÎ.txt..."] {
        assert_eq!(lookup("Ünï 日本 😀", name), text, "{name}");
    }
    for name in [
        "aei.txt",
        "ÀÉÎ.txt ",
        "ÀÉÎ",
        "...",
        ".ÀÉÎ.txt",
        "ÀÉÎ.txt\u{ffff}",
    ] {
        assert_eq!(lookup("Ünï 日本 😀", name), None, "{name}");
    }
    assert!(lookup("many", "FILE 1X").is_some());
    let root = filesystem.root();
    let found = filesystem.lookup(&library::request(), root, "ÜNÏ 日本 😀".as_bytes());
    assert!(found.unwrap().is_some());
}

/// The root has no times on disk.
#[test]
fn the_root_is_from_1970() {
    need!(tool "mkfs.exfat");
    let scratch = Scratch::new();
    let image = scratch.file("exfat.img", 4 << 20);
    Run::new("mkfs.exfat").arg(&image).run();
    let opened = library::open_with(&image, &Options::default());
    let filesystem = library::file_system(&opened);
    let root = filesystem.attributes(&library::request(), filesystem.root());
    let root = root.unwrap();
    assert_eq!(
        (root.ino, root.nlink, root.mtime),
        (1, 2, Timestamp::default())
    );
}
