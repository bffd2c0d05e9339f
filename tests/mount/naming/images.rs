//! Small images of every format that names other files, with the name of one's choice in them.

use std::path::{Path, PathBuf};

use crate::container::{vhd, vhdx};
use crate::support::command::Run;
use crate::support::images::Scratch;

/// Bytes of the disks that they are of.
const SIZE: u64 = 1 << 20;

/// A kind of image that names a file.
pub struct Namer {
    pub title: &'static str,
    /// What the image is called.
    pub file: &'static str,
    /// Writes one to the path that names the file; `false` where it can have no such name.
    pub write: fn(&Path, &str) -> bool,
    /// What is damaged or missing is said and the rest is shown: it is no refusal.
    pub goes_on: bool,
}

impl Namer {
    const fn new(title: &'static str, file: &'static str, write: fn(&Path, &str) -> bool) -> Self {
        Self {
            title,
            file,
            write,
            goes_on: false,
        }
    }
}

pub const QEMU: [Namer; 4] = [
    Namer::new("qcow2 backing file", "image.qcow2", |image, name| {
        qcow2(image, name, false)
    }),
    Namer::new("qcow2 data file", "image.qcow2", |image, name| {
        qcow2(image, name, true)
    }),
    Namer::new("qcow backing file", "image.qcow", qcow),
    Namer::new("qed backing file", "image.qed", qed),
];

pub const TEXT: [Namer; 5] = [
    Namer::new("vmdk extent", "image.vmdk", |image, name| {
        let extent = format!("FLAT \"{name}\" 0");
        vmdk(image, &extent, "ffffffff", "") && is_line(name)
    }),
    Namer::new("vmdk parent", "image.vmdk", |image, name| {
        let hint = format!("parentFileNameHint=\"{name}\"\n");
        vmdk(image, "ZERO", "00000001", &hint) && is_line(name)
    }),
    Namer::new("ovf reference", "image.ovf", ovf),
    Namer::new("parallels image", "image.xml", parallels),
    Namer::new("cue file", "image.cue", cue),
];

pub const OTHER: [Namer; 3] = [
    Namer::new("vhd parent", "image.vhd", |image, name| {
        // A NUL ends the name.
        let fits = !name.contains('\0');
        fits && child(image, name, "vpc", "parent.vhd", vhd::differencing::child)
    }),
    Namer::new("vhdx parent", "image.vhdx", |image, name| {
        child(
            image,
            name,
            "vhdx",
            "parent.vhdx",
            vhdx::differencing::child,
        )
    }),
    Namer {
        goes_on: true,
        ..Namer::new("erofs device", "image.erofs", erofs)
    },
];

fn is_line(name: &str) -> bool {
    !name.contains(['\n', '\0', '"'])
}

fn is_xml(name: &str) -> bool {
    !name.contains(|letter: char| letter < ' ' && letter != '\n') && !name.contains(['<', '"'])
}

/// Puts `bytes` at byte `at`, behind the end if need be.
pub fn put(image: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    image.resize(image.len().max(end), 0);
    image[at..end].copy_from_slice(bytes);
}

fn written(image: &Path, bytes: &[u8]) -> bool {
    std::fs::write(image, bytes).unwrap();
    true
}

/// Version 3 with clusters of 64 KiB and an empty L1 table.
fn qcow2(image: &Path, name: &str, is_data: bool) -> bool {
    let length = name.len() as u32;
    let mut bytes = vec![0; 4 << 16];
    put(&mut bytes, 0, b"QFI\xfb\0\0\0\x03");
    put(&mut bytes, 20, &16_u32.to_be_bytes());
    put(&mut bytes, 24, &SIZE.to_be_bytes());
    put(&mut bytes, 36, &1_u32.to_be_bytes());
    put(&mut bytes, 40, &(1_u64 << 16).to_be_bytes());
    put(&mut bytes, 48, &(2_u64 << 16).to_be_bytes());
    put(&mut bytes, 56, &1_u32.to_be_bytes());
    put(&mut bytes, 96, &4_u32.to_be_bytes());
    put(&mut bytes, 100, &104_u32.to_be_bytes());
    if is_data {
        put(&mut bytes, 72, &4_u64.to_be_bytes());
        put(&mut bytes, 104, &0x4441_5441_u32.to_be_bytes());
        put(&mut bytes, 108, &length.to_be_bytes());
        put(&mut bytes, 112, name.as_bytes());
    } else {
        put(&mut bytes, 8, &112_u64.to_be_bytes());
        put(&mut bytes, 16, &length.to_be_bytes());
        put(&mut bytes, 112, name.as_bytes());
    }
    // Without a name there is no backing file.
    written(image, &bytes) && (is_data || !name.is_empty())
}

fn qcow(image: &Path, name: &str) -> bool {
    let mut bytes = vec![0; 2 << 12];
    put(&mut bytes, 0, b"QFI\xfb\0\0\0\x01");
    put(&mut bytes, 8, &48_u64.to_be_bytes());
    put(&mut bytes, 16, &(name.len() as u32).to_be_bytes());
    put(&mut bytes, 24, &SIZE.to_be_bytes());
    put(&mut bytes, 32, &[12, 9]);
    put(&mut bytes, 40, &4096_u64.to_be_bytes());
    put(&mut bytes, 48, name.as_bytes());
    written(image, &bytes) && !name.is_empty()
}

fn qed(image: &Path, name: &str) -> bool {
    let mut bytes = vec![0; 3 << 16];
    put(&mut bytes, 0, b"QED\0");
    put(&mut bytes, 4, &(1_u32 << 16).to_le_bytes());
    put(&mut bytes, 8, &1_u32.to_le_bytes());
    put(&mut bytes, 12, &1_u32.to_le_bytes());
    put(&mut bytes, 16, &1_u64.to_le_bytes());
    put(&mut bytes, 40, &(1_u64 << 16).to_le_bytes());
    put(&mut bytes, 48, &SIZE.to_le_bytes());
    put(&mut bytes, 56, &64_u32.to_le_bytes());
    put(&mut bytes, 60, &(name.len() as u32).to_le_bytes());
    put(&mut bytes, 64, name.as_bytes());
    written(image, &bytes)
}

fn vmdk(image: &Path, extent: &str, parent: &str, more: &str) -> bool {
    let text = format!(
        "# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID={parent}\n\
         createType=\"monolithicFlat\"\n{more}RW 2048 {extent}\n"
    );
    written(image, text.as_bytes())
}

fn ovf(image: &Path, name: &str) -> bool {
    let space = "http://schemas.dmtf.org/ovf/envelope/1";
    let text = format!(
        "<?xml version=\"1.0\"?><Envelope xmlns=\"{space}\" xmlns:ovf=\"{space}\"><References>\
         <File ovf:href=\"{name}\" ovf:id=\"f\"/></References><DiskSection>\
         <Disk ovf:capacity=\"1\" ovf:diskId=\"d\" ovf:fileRef=\"f\"/></DiskSection></Envelope>"
    );
    // An attribute's newlines are spaces.
    written(image, text.as_bytes()) && is_xml(name) && !name.contains('\n')
}

fn parallels(image: &Path, name: &str) -> bool {
    let guid = "<GUID>{5fbaabe3-6958-40ff-92a7-860e329aab41}</GUID>";
    let text = format!(
        "<?xml version='1.0'?><Parallels_disk_image Version='1.0'><Disk_Parameters>\
         <Disk_size>2048</Disk_size></Disk_Parameters><StorageData><Storage><Start>0</Start>\
         <End>2048</End><Blocksize>2048</Blocksize><Image>{guid}<Type>Plain</Type>\
         <File>{name}</File></Image></Storage></StorageData><Snapshots><Shot>{guid}\
         <ParentGUID>{{00000000-0000-0000-0000-000000000000}}</ParentGUID></Shot></Snapshots>\
         </Parallels_disk_image>"
    );
    written(image, text.as_bytes()) && is_xml(name)
}

fn cue(image: &Path, name: &str) -> bool {
    let text = format!("FILE \"{name}\" BINARY\n  TRACK 01 MODE1/2048\n    INDEX 01 00:00:00\n");
    // What is longer before its first track is taken for no sheet.
    written(image, text.as_bytes()) && is_line(name) && name.len() < 4000
}

/// A child of a disk that qemu-img makes in `format` and that is gone in the end.
fn child(
    image: &Path,
    name: &str,
    format: &str,
    parent: &str,
    make: fn(&Path, &str, &Path, u64, [&str; 2]) -> PathBuf,
) -> bool {
    if name.len() > 200 || name.is_empty() {
        return false;
    }
    let scratch = Scratch::new();
    let raw = scratch.file("raw", 9 << 20);
    let parent = scratch.join(parent);
    let convert = Run::new("qemu-img").args(["convert", "-f", "raw", "-O", format]);
    convert.arg(&raw).arg(&parent).run();
    let made = make(&parent, "child", &raw, 1, [name, name]);
    std::fs::copy(made, image).unwrap();
    true
}

fn erofs(image: &Path, name: &str) -> bool {
    const SUPERBLOCK: usize = 1024;
    let scratch = Scratch::new();
    let files = scratch.folder("files");
    std::fs::write(files.join("file"), vec![7; 10_000]).unwrap();
    let make = Run::new("mkfs.erofs").words("--quiet --chunksize=4096");
    let blob = format!("--blobdev={}", scratch.join("blob").display());
    make.arg(blob).arg(image).arg(files).run();
    let mut bytes = std::fs::read(image).unwrap();
    let slot = u16::from_le_bytes([bytes[SUPERBLOCK + 88], bytes[SUPERBLOCK + 89]]);
    // It has no checksum from here on.
    bytes[SUPERBLOCK + 8] &= !1;
    let tag = usize::from(slot) * 128;
    bytes[tag..tag + 64].fill(0);
    // A NUL ends the name.
    let fits = name.len() < 64 && !name.is_empty() && !name.contains('\0');
    if fits {
        put(&mut bytes, tag, name.as_bytes());
    }
    written(image, &bytes) && fits
}
