//! File systems of today's systems, and swap. Those of clusters and of older systems are in [`other`].
//!
//! [`other`]: super::other

use super::Layer::FileSystem;
use super::volume::BCACHE;
use super::{Signature, View, identity};

pub(super) const SIGNATURES: &[Signature] = &[
    Signature::new("xfs", FileSystem, &[(0, b"XFSB")]).saying(identity::xfs),
    Signature::new("btrfs", FileSystem, &[(0x1_0040, b"_BHRfS_M")]).saying(identity::btrfs),
    Signature::checked("bcachefs", FileSystem, |view| {
        let old = view.has(4096 + 24, BCACHE) && view.le32(4096 + 8) != 8;
        view.has(4096 + 24, BCACHEFS) || old
    })
    .saying(identity::bcachefs),
    Signature::new("f2fs", FileSystem, &[(1024, &[0x10, 0x20, 0xf5, 0xf2])]).saying(identity::f2fs),
    Signature::new("erofs", FileSystem, &[(1024, &[0xe2, 0xe1, 0xf5, 0xe0])]),
    Signature::checked("squashfs", FileSystem, |view| {
        view.has(0, b"hsqs") && view.le16(28) >= 4
    }),
    // The reader of the younger version refuses these by their number.
    Signature::checked("squashfs3", FileSystem, is_old_squashfs).weak(),
    Signature::new(
        "cramfs",
        FileSystem,
        &[
            (0, &[0x45, 0x3d, 0xcd, 0x28]),
            (0, &[0x28, 0xcd, 0x3d, 0x45]),
        ],
    )
    .saying(identity::cramfs),
    Signature::new("romfs", FileSystem, &[(0, b"-rom1fs-")]).saying(identity::romfs),
    Signature::new("ntfs", FileSystem, &[(3, b"NTFS    ")]).saying(identity::ntfs),
    Signature::new("exfat", FileSystem, &[(3, b"EXFAT   ")]),
    Signature::new("ReFS", FileSystem, &[(3, b"ReFS\0\0\0\0")]),
    Signature::checked("vfat", FileSystem, |view| {
        is_fat(view) && begins_like_fat(view)
    }),
    Signature::checked("vfat", FileSystem, |view| {
        is_fat(view) && !begins_like_fat(view)
    })
    .weak(),
    // ECMA-119 and ECMA-167: a disc with both is named by the younger, which such discs are made for.
    Signature::checked("iso9660", FileSystem, |view| {
        (view.has(32769, b"CD001") || view.has(32777, b"CDROM")) && !is_udf(view)
    }),
    Signature::checked("udf", FileSystem, is_udf),
    Signature::checked("hfsplus", FileSystem, is_hfsplus),
    Signature::checked("hfs", FileSystem, |view| {
        view.has(1024, b"BD") && !is_hfsplus(view)
    })
    .weak()
    .saying(identity::hfs),
    Signature::new("apfs", FileSystem, &[(32, b"NXSB")]).saying(identity::apfs),
    Signature::new(
        "jfs",
        FileSystem,
        &[(32768, b"JFS1\x01\0\0\0"), (32768, b"JFS1\x02\0\0\0")],
    )
    .saying(identity::jfs),
    Signature::new(
        "reiserfs",
        FileSystem,
        &[
            (65536 + 52, b"ReIsErFs"),
            (65536 + 52, b"ReIsEr2Fs"),
            (65536 + 52, b"ReIsEr3Fs"),
            (8192 + 52, b"ReIsErFs"),
            (8192 + 20, b"ReIsErFs"),
        ],
    )
    .saying(identity::reiserfs),
    Signature::new("reiser4", FileSystem, &[(65536, b"ReIsEr4")]).saying(identity::reiser4),
    Signature::checked("nilfs2", FileSystem, |view| {
        view.has(1024, &[2, 0, 0, 0, 0, 0, 0x34, 0x34])
    })
    .saying(identity::nilfs2),
    Signature::new("zonefs", FileSystem, &[(0, b"SFOZ")]).saying(identity::zonefs),
    Signature::new("ubifs", FileSystem, &[(0, &[0x31, 0x18, 0x10, 0x06])]).saying(identity::ubifs),
    Signature::checked("jbd", FileSystem, is_journal)
        .weak()
        .without_files()
        .saying(identity::journal),
    Signature::new(
        "xfs_external_log",
        FileSystem,
        &[
            (0, &[0xfe, 0xed, 0xba, 0xbe]),
            (512, &[0xfe, 0xed, 0xba, 0xbe]),
        ],
    )
    .weak()
    .without_files(),
    Signature::checked("swap", FileSystem, |view| {
        !is_suspended(view) && at_page_end(view, &[b"SWAPSPACE2", b"SWAP-SPACE"])
    })
    .lacking("swapped pages are no files")
    .saying(identity::swap),
    Signature::checked("swsuspend", FileSystem, is_suspended)
        .without_files()
        .saying(identity::swap),
];

const BCACHEFS: &[u8] = &[
    0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9, 0xd9, 0x6a, 0x60, 0xcf, 0x80, 0x3d, 0xf7, 0xef,
];

/// Versions before 4, in either byte order; the kernel reads none of them.
fn is_old_squashfs(view: &View<'_>) -> bool {
    view.has(0, b"sqsh") || view.has(0, b"hsqs") && view.le16(28) < 4
}

/// A BIOS parameter block that holds together (Microsoft, FAT specification, 3.1), and no name of
/// another file system in the same place.
fn is_fat(view: &View<'_>) -> bool {
    let sector = view.le16(11);
    let [cluster] = view.bytes(13);
    let [fats] = view.bytes(16);
    let [media] = view.bytes(21);
    let sectors = u32::from(view.le16(19)).max(view.le32(32));
    let others: [&[u8; 8]; 4] = [b"NTFS    ", b"EXFAT   ", b"-FVE-FS-", b"ReFS\0\0\0\0"];
    matches!(sector, 512 | 1024 | 2048 | 4096)
        && cluster.is_power_of_two()
        && view.le16(14) > 0
        && (1..=8).contains(&fats)
        && (media == 0xf0 || media >= 0xf8)
        && sectors > 0
        && !others.iter().any(|name| view.has(3, *name))
        && !view.has(424, &[0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a])
}

/// The jump over the parameter block, or the name that most tools write behind it.
fn begins_like_fat(view: &View<'_>) -> bool {
    let [jump, _, nop] = view.bytes(0);
    let jumps = jump == 0xe9 || jump == 0xeb && nop == 0x90;
    jumps || view.has(54, b"FAT") || view.has(82, b"FAT32")
}

/// The volume recognition sequence: an NSR descriptor among the first, which are 2 KiB or a larger
/// sector apart (ECMA-167, 2/8).
fn is_udf(view: &View<'_>) -> bool {
    let nsr = |step: u64| {
        (0..16).any(|index: u64| {
            let at = index.saturating_mul(step).saturating_add(32769);
            view.has(at, b"NSR02") || view.has(at, b"NSR03")
        })
    };
    nsr(2048) || nsr(4096)
}

/// By itself, or embedded in a plain HFS for the firmware's sake.
fn is_hfsplus(view: &View<'_>) -> bool {
    let alone = view.has(1024, b"H+\0\x04") || view.has(1024, b"HX\0\x05");
    alone || view.has(1024, b"BD") && (view.has(1148, b"H+") || view.has(1148, b"HX"))
}

/// An ext file system that is a journal for another one (JOURNAL_DEV).
fn is_journal(view: &View<'_>) -> bool {
    view.has(1024 + 56, &[0x53, 0xef]) && view.le32(1024 + 96) & 8 != 0
}

/// `names` in the last ten bytes of a page, of any size that Linux has.
fn at_page_end(view: &View<'_>, names: &[&[u8; 10]]) -> bool {
    [4096_u64, 8192, 16384, 32768, 65536].iter().any(|page| {
        let at = page.saturating_sub(10);
        names.iter().any(|name| view.has(at, *name))
    })
}

/// A swap area that holds a suspended system, by swsusp or TuxOnIce.
fn is_suspended(view: &View<'_>) -> bool {
    let names: [&[u8; 10]; 4] = [
        b"S1SUSPEND\0",
        b"S2SUSPEND\0",
        b"ULSUSPEND\0",
        b"LINHIB0001",
    ];
    let tux_on_ice = [0xed, 0xc3, 0x02, 0xe9, 0x98, 0x56, 0xe5, 0x0c];
    at_page_end(view, &names) || view.has(0, &tux_on_ice)
}
