//! Members of volume groups and arrays, and encrypted volumes.

use super::Layer::Volume;
use super::{Signature, View};

const KIB: u64 = 1024;

pub(super) const SIGNATURES: &[Signature] = &[
    Signature::checked("linux_raid_member", Volume, is_md_at_end).at_end(128 * KIB),
    Signature::checked("linux_raid_member", Volume, |view| {
        is_md_1(view, 0) || is_md_1(view, 4096)
    }),
    // SNIA Common RAID Disk Data Format 2.0, anchor header.
    Signature::checked("ddf_raid_member", Volume, |view| {
        [512, 257 * 512]
            .iter()
            .any(|it| view.has_before_end(*it, &[0xde, 0x11, 0xde, 0x11]))
    })
    .at_end(129 * KIB),
    Signature::checked("isw_raid_member", Volume, |view| {
        view.has_before_end(KIB, b"Intel Raid ISM Cfg Sig. ")
    })
    .at_end(KIB),
    Signature::checked("nvidia_raid_member", Volume, |view| {
        view.has_before_end(KIB, b"NVIDIA")
    })
    .at_end(KIB),
    Signature::checked("lsi_mega_raid_member", Volume, |view| {
        view.has_before_end(512, b"$XIDE$")
    })
    .at_end(512),
    Signature::checked("hpt45x_raid_member", Volume, |view| {
        [[0xf3, 0x16, 0x78, 0x5a], [0xfd, 0x16, 0x78, 0x5a]]
            .iter()
            .any(|magic| view.has_before_end(11 * 512, magic))
    })
    .at_end(11 * 512),
    Signature::checked("jmicron_raid_member", Volume, is_jmicron).at_end(512),
    Signature::checked("via_raid_member", Volume, is_via).at_end(512),
    Signature::checked("silicon_medley_raid_member", Volume, is_silicon).at_end(512),
    Signature::checked("drbd", Volume, is_drbd).at_end(4 * KIB),
    Signature::checked("LVM2_member", Volume, is_lvm2),
    Signature::new("LVM1_member", Volume, &[(0, b"HM\x01\0"), (0, b"HM\x02\0")]).weak(),
    Signature::checked("crypto_LUKS", Volume, is_luks),
    Signature::checked("BitLocker", Volume, is_bitlocker),
    Signature::checked("bcache", Volume, |view| {
        view.has(4096 + 24, BCACHE) && view.le32(4096 + 8) == 8
    }),
    Signature::new(
        "stratis",
        Volume,
        &[(512 + 4, b"!Stra0tis\x86\xff\x02^\x41rh")],
    ),
    Signature::new("vdo", Volume, &[(0, b"dmvdo001")]),
    Signature::new("DM_integrity", Volume, &[(0, b"integrt\0")]),
    Signature::new("DM_verity_hash", Volume, &[(0, b"verity\0\0\x01\0\0\0")]),
    Signature::new("DM_snapshot_cow", Volume, &[(0, b"SnAp\x01\0\0\0")]),
    Signature::new(
        "VMFS_volume_member",
        Volume,
        &[(0x10_0000, &[0x0d, 0xd0, 0x01, 0xc0])],
    ),
    Signature::new("ubi", Volume, &[(0, b"UBI#\x01")]),
    Signature::checked("zfs_member", Volume, is_zfs),
    Signature::new(
        "ceph_bluestore",
        Volume,
        &[(0, b"bluestore block device\n")],
    ),
];

/// Old bcachefs has it too, and a checksum where bcache says that its superblock is in sector 8.
pub(super) const BCACHE: &[u8] = &[
    0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81,
];

const MD_MAGIC: [u8; 4] = [0xfc, 0x4e, 0x2b, 0xa9];

/// Version 0.90 in the last whole 64 KiB but one, in either byte order; version 1.0 8 KiB before
/// the end, on 4 KiB (linux/raid/md_p.h).
fn is_md_at_end(view: &View<'_>) -> bool {
    let mut swapped = MD_MAGIC;
    swapped.reverse();
    let old = (view.size() & !0xffff).checked_sub(64 * KIB);
    let is_old = |at| view.has(at, &MD_MAGIC) || view.has(at, &swapped);
    let new = view.size().checked_sub(8 * KIB).map(|at| at & !0xfff);
    old.is_some_and(is_old) || new.is_some_and(|at| is_md_1(view, at))
}

/// Magic and major version 1.
fn is_md_1(view: &View<'_>, at: u64) -> bool {
    view.has(at, &MD_MAGIC) && view.le32(at.saturating_add(4)) == 1
}

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

/// The magic of an uberblock, in either byte order, among the first label's 128.
fn is_zfs(view: &View<'_>) -> bool {
    let little = [0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0];
    let big = [0, 0, 0, 0, 0, 0xba, 0xb1, 0x0c];
    let slot = |slot: u64| slot.saturating_mul(KIB).saturating_add(128 * KIB);
    (0..128)
        .map(slot)
        .any(|at| view.has(at, &little) || view.has(at, &big))
}

fn is_drbd(view: &View<'_>) -> bool {
    let Some(at) = view.size().checked_sub(4 * KIB) else {
        return false;
    };
    let magics = [0x67, 0x6a, 0x6b, 0x6d].map(|last| [0x83, 0x74, 0x02, last]);
    let has = |offset: u64| {
        magics
            .iter()
            .any(|it| view.has(at.saturating_add(offset), it))
    };
    has(60) || has(64)
}

/// The last sector, of which 16-bit words sum up to zero or one.
fn is_jmicron(view: &View<'_>) -> bool {
    let Some(at) = view.size().checked_sub(512) else {
        return false;
    };
    let sector: [u8; 128] = view.bytes(at);
    let (words, _) = sector.as_chunks::<2>();
    let sum = words.iter().fold(0_u16, |sum, word| {
        sum.wrapping_add(u16::from_le_bytes(*word))
    });
    view.has(at, b"JM") && sum <= 1
}

/// The last sector, whose first 50 bytes sum up to the next.
fn is_via(view: &View<'_>) -> bool {
    let Some(at) = view.size().checked_sub(512) else {
        return false;
    };
    let sector: [u8; 51] = view.bytes(at);
    let [magic_low, magic_high, version, ..] = sector;
    let (body, sum) = sector.split_at(50);
    let found = body.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    (magic_low, magic_high) == (0x55, 0xaa) && version <= 2 && [found] == *sum
}

/// The last sector: its magic, and a disk number under eight.
fn is_silicon(view: &View<'_>) -> bool {
    view.has_before_end(512 - 0x60, &[0, 0, 0, 0x2f])
}
