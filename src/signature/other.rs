//! File systems of clusters, of other systems and of older ones.

use super::Layer::FileSystem;
use super::{Signature, View, identity};

pub(super) const SIGNATURES: &[Signature] = &[
    // One magic, told apart by the format of the file system and of its locking.
    Signature::checked("gfs", FileSystem, |view| {
        view.has(65536, GFS) && gfs_formats(view) == (1309, 1401)
    }),
    Signature::checked("gfs2", FileSystem, |view| {
        let (format, locking) = gfs_formats(view);
        view.has(65536, GFS) && (1801..1900).contains(&format) && locking == 1900
    })
    .saying(identity::gfs2),
    // Its header begins with two versions; libblkid looks for the name without them, 8 KiB on.
    Signature::new(
        "ocfs",
        FileSystem,
        &[(8, b"OracleCFS"), (8192, b"OracleCFS")],
    ),
    Signature::new(
        "ocfs2",
        FileSystem,
        &[
            (1024, b"OCFSV2"),
            (2048, b"OCFSV2"),
            (4096, b"OCFSV2"),
            (8192, b"OCFSV2"),
        ],
    )
    .saying(identity::ocfs2),
    Signature::new("oracleasm", FileSystem, &[(32, b"ORCLDISK")]).saying(identity::oracle_asm),
    Signature::checked("scoutfs_meta", FileSystem, |view| is_scoutfs(view, 1)),
    Signature::checked("scoutfs_data", FileSystem, |view| is_scoutfs(view, 0)),
    Signature::checked("exfs", FileSystem, |view| {
        let block = view.be32(4);
        view.has(0, b"EXFS") && block.is_power_of_two() && (512..=65536).contains(&block)
    }),
    Signature::new("nss", FileSystem, &[(4096, b"SPB5")]),
    Signature::new("hpfs", FileSystem, &[(8192, &[0x49, 0xe8, 0x95, 0xf9])]),
    Signature::checked("ufs", FileSystem, is_ufs),
    Signature::new(
        "befs",
        FileSystem,
        &[(32, b"1SFB"), (32, b"BFS1"), (544, b"1SFB"), (544, b"BFS1")],
    )
    .saying(identity::befs),
    // At the start, or behind the first cylinder of a floppy with 9, 15 or 18 sectors to a track.
    Signature::new(
        "sysv",
        FileSystem,
        &[
            (1016, SYSV),
            (9 * 1024 + 1016, SYSV),
            (15 * 1024 + 1016, SYSV),
            (18 * 1024 + 1016, SYSV),
            (1016, SYSV_BIG),
            (9 * 1024 + 1016, SYSV_BIG),
            (15 * 1024 + 1016, SYSV_BIG),
            (18 * 1024 + 1016, SYSV_BIG),
        ],
    ),
    // The kernel has `s_magic` at byte 2040; libblkid looks for three of its bytes at 2048.
    Signature::new(
        "xenix",
        FileSystem,
        &[
            (2040, &[0x44, 0x55, 0x2b, 0]),
            (2040, &[0, 0x2b, 0x55, 0x44]),
            (2048, &[0x44, 0x55, 0x2b]),
            (2048, &[0x2b, 0x55, 0x44]),
        ],
    )
    .weak(),
    Signature::new("bfs", FileSystem, &[(0, &[0xce, 0xfa, 0xad, 0x1b])]),
    Signature::new(
        "efs",
        FileSystem,
        &[
            (512 + 28, &[0, 0x07, 0x29, 0x59]),
            (512 + 28, &[0, 0x07, 0x29, 0x5a]),
        ],
    ),
    Signature::new(
        "vxfs",
        FileSystem,
        &[
            (1024, &[0xf5, 0xfc, 0x01, 0xa5]),
            (8192, &[0xa5, 0x01, 0xfc, 0xf5]),
        ],
    ),
    Signature::new(
        "VMFS",
        FileSystem,
        &[(0x20_0000, &[0x5e, 0xf1, 0xab, 0x2f])],
    )
    .saying(identity::vmfs),
    Signature::checked("minix", FileSystem, is_minix).weak(),
];

const GFS: &[u8] = &[0x01, 0x16, 0x19, 0x70, 0, 0, 0, 1];

const SYSV: &[u8] = &[0x20, 0x7e, 0x18, 0xfd];

const SYSV_BIG: &[u8] = &[0xfd, 0x18, 0x7e, 0x20];

/// `sb_fs_format` and `sb_multihost_format`, behind the block's header.
fn gfs_formats(view: &View<'_>) -> (u32, u32) {
    (view.be32(65536 + 24), view.be32(65536 + 28))
}

/// The superblock of either device, whose lowest flag is `is_meta`.
fn is_scoutfs(view: &View<'_>, is_meta: u32) -> bool {
    let magic = view.has(65536 + 4, &[0x8b, 0x42, 0x3c, 0x10]);
    magic && view.le32(65536 + 48) & 1 == is_meta
}

/// 4.4BSD, UFS2, and HP-UX's and others' variants with large blocks, long names and other features.
const UFS: [u32; 6] = [
    0x0001_1954,
    0x1954_0119,
    0x0009_5014,
    0x0019_5612,
    0x0061_2195,
    0x0523_1994,
];

/// The magic near the end of a superblock, at any of its usual places, in either byte order.
fn is_ufs(view: &View<'_>) -> bool {
    let magics = UFS.map(|magic| [magic.to_le_bytes(), magic.to_be_bytes()]);
    let places = [0, 8192, 65536, 262_144].map(|at: u64| at.saturating_add(1372));
    places
        .iter()
        .any(|at| magics.iter().flatten().any(|magic| view.has(*at, magic)))
}

/// Two bytes, and the log of the zone size, which nobody ever made other than zero.
fn is_minix(view: &View<'_>) -> bool {
    let plain: [[u8; 2]; 4] = [[0x7f, 0x13], [0x8f, 0x13], [0x68, 0x24], [0x78, 0x24]];
    let swapped = plain.map(|[low, high]| [high, low]);
    let old = plain
        .iter()
        .chain(&swapped)
        .any(|magic| view.has(1024 + 16, magic));
    let third = view.has(1024 + 24, &[0x5a, 0x4d]);
    old && view.le16(1024 + 10) == 0 && view.le16(1024) > 0 || third && view.le32(1024) > 0
}
