//! Containers of disks: virtual machine images, forensic images, compressed files.

use super::Layer::Image;
use super::{Signature, View};

pub(super) const SIGNATURES: &[Signature] = &[
    // QEMU: docs/interop/qcow2.txt, qed_spec.txt, parallels.txt.
    Signature::new("qcow", Image, &[(0, b"QFI\xfb\0\0\0\x01")]),
    Signature::checked("qcow2", Image, is_qcow2),
    Signature::new("qed", Image, &[(0, b"QED\0")]),
    Signature::new(
        "parallels",
        Image,
        &[(0, b"WithoutFreeSpace"), (0, b"WithouFreSpacExt")],
    ),
    Signature::new("bochs", Image, &[(0, b"Bochs Virtual HD Image")]),
    // VMware, "Virtual Disk Format 5.0": hosted sparse, ESX sparse, text descriptor.
    Signature::new(
        "vmdk",
        Image,
        &[(0, b"KDMV"), (0, b"COWD"), (0, b"# Disk DescriptorFile")],
    ),
    Signature::new("vdi", Image, &[(64, &[0x7f, 0x10, 0xda, 0xbe])]),
    // At the start of what is not fixed; a fixed disk is told by its reader.
    Signature::new("vhd", Image, &[(0, b"conectix")]),
    Signature::new("vhdx", Image, &[(0, b"vhdxfile")]),
    // Apple.
    Signature::checked("dmg", Image, |view| {
        view.has_before_end(512, b"koly\0\0\0\x04")
    })
    .at_end(512),
    Signature::new("encrypted dmg", Image, &[(0, b"encrcdsa")]),
    Signature::new("sparseimage", Image, &[(0, b"sprs\0\0\0\x03")]),
    // Forensics and distribution.
    Signature::new(
        "ewf",
        Image,
        &[(0, b"EVF\x09\x0d\x0a\xff\0"), (0, b"EVF2\x0d\x0a\x81\0")],
    ),
    Signature::new("aff", Image, &[(0, b"AFF10\x0d\x0a\0")]),
    Signature::new("cloop", Image, &[(0, b"#!/bin/sh\n#V2.0 Format\n")]),
    Signature::new("android-sparse", Image, &[(0, &[0x3a, 0xff, 0x26, 0xed])]),
    Signature::new("wim", Image, &[(0, b"MSWIM\0\0\0")]),
    // Files that may hold an image.
    Signature::new("gzip", Image, &[(0, &[0x1f, 0x8b, 0x08])]),
    Signature::new("xz", Image, &[(0, b"\xfd7zXZ\0")]),
    Signature::new("zstd", Image, &[(0, &[0x28, 0xb5, 0x2f, 0xfd])]),
    Signature::checked("bzip2", Image, |view| {
        view.has(0, b"BZh") && view.has(4, &[0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
    }),
    Signature::new("lz4", Image, &[(0, &[0x04, 0x22, 0x4d, 0x18])]),
    Signature::new("zip", Image, &[(0, b"PK\x03\x04")]),
    Signature::new("7z", Image, &[(0, b"7z\xbc\xaf\x27\x1c")]),
    Signature::new("tar", Image, &[(257, b"ustar\x0000"), (257, b"ustar  \0")]),
];

/// Any version but the first, whose format is another one.
fn is_qcow2(view: &View<'_>) -> bool {
    view.has(0, b"QFI\xfb") && !view.has(4, &[0, 0, 0, 1])
}
