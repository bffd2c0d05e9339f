//! Members of volume groups, encrypted volumes, and what else device mapper and its like stand on.

use super::Layer::Volume;
use super::{Signature, View, identity};

const KIB: u64 = 1024;

pub(super) const SIGNATURES: &[Signature] = &[
    Signature::checked("drbd", Volume, is_drbd)
        .at_end(4 * KIB)
        .saying(identity::drbd)
        .lacking("its data begin at its first byte; --format NAME takes them for what they are"),
    Signature::new("drbdmanage_control_volume", Volume, &[(0, b"$DRBDmgr=q")])
        .saying(identity::drbd_settings)
        .lacking("it holds the settings of DRBD and no files"),
    Signature::new("drbdproxy_datalog", Volume, &[(0, b"DRBDdlh*")])
        .lacking("it holds a log of DRBD and no files"),
    Signature::checked("LVM2_member", Volume, is_lvm2),
    Signature::new("LVM1_member", Volume, &[(0, b"HM\x01\0"), (0, b"HM\x02\0")])
        .weak()
        .saying(identity::lvm1)
        .lacking("LVM1 is not read; vgconvert -M2 of LVM2 before 2.03 makes it LVM2"),
    Signature::checked("crypto_LUKS", Volume, is_luks),
    Signature::checked("BitLocker", Volume, is_bitlocker),
    Signature::checked("cs_fvault2", Volume, is_core_storage)
        .saying(identity::core_storage)
        .lacking("Core Storage and FileVault 2 are not read; fvdemount of libfvde does"),
    Signature::checked("bcache", Volume, |view| {
        view.has(4096 + 24, BCACHE) && view.le32(4096 + 8) == 8
    })
    .saying(identity::bcache)
    .lacking("caches are not read; a backing device that is not dirty is, with --offset"),
    Signature::new(
        "stratis",
        Volume,
        &[(512 + 4, STRATIS), (9 * 512 + 4, STRATIS)],
    )
    .saying(identity::stratis)
    .lacking("Stratis' pools are not read; stratisd does"),
    Signature::new("vdo", Volume, &[(0, b"dmvdo001")])
        .saying(identity::vdo)
        .lacking("what VDO packs is not read; the kernel's dm-vdo does"),
    Signature::new("DM_integrity", Volume, &[(0, b"integrt\0")])
        .saying(identity::integrity)
        .lacking("data between checksums are not read; integritysetup open does"),
    Signature::new("DM_verity_hash", Volume, &[(0, b"verity\0\0\x01\0\0\0")])
        .saying(identity::verity)
        .lacking("it holds the hashes of another volume, which is shown but not verified"),
    // A snapshot that ran full is marked invalid, and still one.
    Signature::new(
        "DM_snapshot_cow",
        Volume,
        &[(0, b"SnAp\x01\0\0\0"), (0, b"SnAp\0\0\0\0")],
    )
    .lacking("it holds what differs from a volume that it does not name"),
    Signature::new(
        "VMFS_volume_member",
        Volume,
        &[(0x10_0000, &[0x0d, 0xd0, 0x01, 0xc0])],
    )
    .lacking("VMFS is not read; vmfs-fuse or vmfs6-fuse does"),
    Signature::new("ubi", Volume, &[(0, b"UBI#\x01")])
        .saying(identity::ubi)
        .lacking("UBI's volumes are not read; ubireader_extract_images does"),
    Signature::checked("zfs_member", Volume, is_zfs)
        .lacking("ZFS is not read; zpool import -o readonly=on does"),
    Signature::new(
        "ceph_bluestore",
        Volume,
        &[(0, b"bluestore block device\n")],
    )
    .lacking("it holds objects of Ceph and no files; ceph-objectstore-tool reads them"),
    Signature::new("mpool", Volume, &[(0, b"mpoolDev")])
        .saying(identity::mpool)
        .lacking("it holds objects and no files"),
    Signature::checked("opensvc_hb", Volume, |view| {
        view.has(4, &[0x3d, 0xc1, 0x3c, 0x87, 0xc0, 0x5b, 0xe3, 0xb6]) && view.le32(12) == 1
    })
    .lacking("it holds the state of a cluster and no files"),
];

/// Either of the two copies of the static header.
pub(super) const STRATIS: &[u8] = b"!Stra0tis\x86\xff\x02^\x41rh";

/// Old bcachefs has it too, and a checksum where bcache says that its superblock is in sector 8.
pub(super) const BCACHE: &[u8] = &[
    0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81,
];

/// The header, or where something wrote over it LUKS2's second one, at any of its places.
fn is_luks(view: &View<'_>) -> bool {
    let second = |size: u32| view.has((16 * KIB) << size, b"SKUL\xba\xbe\0\x02");
    view.has(0, b"LUKS\xba\xbe") || (0..9).any(second)
}

/// The label may be in any of the first four sectors.
fn is_lvm2(view: &View<'_>) -> bool {
    let label =
        |at: &u64| view.has(*at, b"LABELONE") && view.has(at.saturating_add(24), b"LVM2 001");
    [0, 512, 1024, 1536].iter().any(label)
}

/// By its OEM name; BitLocker To Go looks like FAT32 and has its GUID behind the boot code.
fn is_bitlocker(view: &View<'_>) -> bool {
    const TO_GO: &[u8] = &[
        0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0,
        0x01,
    ];
    view.has(3, b"-FVE-FS-") || view.has(424, TO_GO)
}

/// A physical volume of Apple's Core Storage that FileVault 2 encrypts (libfvde, "FileVault Drive
/// Encryption"): version, checksum method, block type, key length and cipher.
fn is_core_storage(view: &View<'_>) -> bool {
    let versions = view.has(8, &[1, 0, 0x10, 0]) && view.le32(90) == 1;
    view.has(88, b"CS") && versions && view.le32(168) == 16 && view.le32(172) == 2
}

/// The magic of an uberblock, in either byte order, in the first or the last of the four labels, in
/// each of them behind 128 KiB. What is left of two others is not worth reading half a MiB of every
/// volume.
fn is_zfs(view: &View<'_>) -> bool {
    /// Looked at in one piece, which takes no more memory than a read had before.
    const PIECE: usize = 16 * 1024;
    const RING: u64 = 128 * KIB;
    let little = [0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0];
    let big = [0, 0, 0, 0, 0, 0xba, 0xb1, 0x0c];
    let has_magic = |bytes: &[u8]| {
        let slots = bytes.chunks_exact(1024);
        slots
            .filter_map(|slot| slot.first_chunk())
            .any(|magic| *magic == little || *magic == big)
    };
    let end = view.size() & !(256 * KIB).wrapping_sub(1);
    let labels = [0, end.saturating_sub(256 * KIB)];
    labels.iter().any(|label| {
        let start = label.saturating_add(128 * KIB);
        let end = start.saturating_add(RING);
        let mut pieces = (start..end).step_by(PIECE);
        end <= view.size() && pieces.any(|piece| view.with(piece, PIECE, has_magic))
    })
}

/// The last 4 KiB, by versions 0.7, 8, 8.4 while it is in use, and 9.
fn is_drbd(view: &View<'_>) -> bool {
    let Some(at) = view.size().checked_sub(4 * KIB - 60) else {
        return false;
    };
    let magics = [0x6a, 0x6b, 0x6c, 0x6d].map(|last| [0x83, 0x74, 0x02, last]);
    magics.iter().any(|magic| view.has(at, magic))
}
