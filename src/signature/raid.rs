//! Members of arrays: Linux's own, SNIA's, and those of RAID firmware, which keep their metadata in
//! the last sectors.

use super::Layer::Volume;
use super::{Signature, View};

const KIB: u64 = 1024;

/// What mdadm assembles.
const CONTAINER: &str = "arrays of this firmware are not assembled; mdadm --assemble does";

/// What is left to Linux' dmraid, or to the firmware.
const FIRMWARE: &str = "arrays of this firmware are not assembled; dmraid -ay does";

pub(super) const SIGNATURES: &[Signature] = &[
    Signature::checked("linux_raid_member", Volume, is_md_old).at_end_from(md_old),
    Signature::checked("linux_raid_member", Volume, |view| {
        view.size() >= 8 * KIB && is_md_1(view, md_1_0(view.size()))
    })
    .at_end_from(md_1_0),
    Signature::checked("linux_raid_member", Volume, |view| {
        is_md_1(view, 0) || is_md_1(view, 4096)
    }),
    // SNIA Common RAID Disk Data Format 2.0, anchor header; the secondary one by some firmware.
    Signature::checked("ddf_raid_member", Volume, |view| {
        [[0xde, 0x11, 0xde, 0x11], [0x11, 0xde, 0x11, 0xde]]
            .iter()
            .any(|magic| from_end(view, 1, 0, magic) || from_end(view, 257, 0, magic))
    })
    .at_end(129 * KIB)
    .lacking(CONTAINER),
    // Two sectors before the end, of 512 or 4096 bytes.
    Signature::checked("isw_raid_member", Volume, |view| {
        [2, 16]
            .iter()
            .any(|sectors| from_end(view, *sectors, 0, b"Intel Raid ISM Cfg Sig. "))
    })
    .at_end(8 * KIB)
    .lacking(CONTAINER),
    Signature::checked("lsi_mega_raid_member", Volume, |view| {
        from_end(view, 1, 0, b"$XIDE$")
    })
    .at_end(512)
    .lacking(FIRMWARE),
    Signature::checked("via_raid_member", Volume, is_via)
        .at_end(512)
        .lacking(FIRMWARE),
    Signature::checked("silicon_medley_raid_member", Volume, is_silicon)
        .at_end(512)
        .lacking(FIRMWARE),
    Signature::checked("nvidia_raid_member", Volume, |view| {
        from_end(view, 2, 0, b"NVIDIA")
    })
    .at_end(KIB)
    .lacking(FIRMWARE),
    // Where most of them put it, and where the others do.
    Signature::checked("promise_fasttrack_raid_member", Volume, |view| {
        is_promise(view, &[63])
    })
    .at_end(63 * 512)
    .lacking(FIRMWARE),
    Signature::checked("promise_fasttrack_raid_member", Volume, |view| {
        is_promise(view, &PROMISE)
    })
    .at_end(3087 * 512)
    .lacking(FIRMWARE),
    Signature::checked("hpt45x_raid_member", Volume, |view| {
        from_end(view, 11, 0, &[0xf3, 0x16, 0x78, 0x5a])
            || from_end(view, 11, 0, &[0xfd, 0x16, 0x78, 0x5a])
    })
    .at_end(11 * 512)
    .lacking(FIRMWARE),
    // In the tenth sector, where an MBR disk has nothing.
    Signature::new(
        "hpt37x_raid_member",
        Volume,
        &[
            (4608 + 32, &[0xf0, 0x16, 0x78, 0x5a]),
            (4608 + 32, &[0xfd, 0x16, 0x78, 0x5a]),
        ],
    )
    .lacking(FIRMWARE),
    Signature::checked("adaptec_raid_member", Volume, |view| {
        from_end(view, 1, 0, &[0x37, 0xfc, 0x4d, 0x1e]) && from_end(view, 1, 256, b"DPTM")
    })
    .at_end(512)
    .lacking(FIRMWARE),
    Signature::checked("jmicron_raid_member", Volume, is_jmicron)
        .at_end(512)
        .lacking(FIRMWARE),
];

/// How many sectors before the end FastTrak controllers put their metadata, if not 63.
const PROMISE: [u64; 12] = [255, 256, 16, 399, 591, 675, 735, 911, 974, 991, 951, 3087];

const MD_MAGIC: [u8; 4] = [0xfc, 0x4e, 0x2b, 0xa9];

/// Where version 0.90 is: in the last whole 64 KiB (linux/raid/md_p.h, `MD_NEW_SIZE_SECTORS`).
fn md_old(size: u64) -> u64 {
    (size & !0xffff).saturating_sub(64 * KIB)
}

/// Where version 1.0 is: 8 KiB before the end, on 4 KiB.
fn md_1_0(size: u64) -> u64 {
    size.saturating_sub(8 * KIB) & !0xfff
}

/// Version 0.90, in either byte order.
fn is_md_old(view: &View<'_>) -> bool {
    let mut swapped = MD_MAGIC;
    swapped.reverse();
    let at = md_old(view.size());
    view.size() >= 64 * KIB && (view.has(at, &MD_MAGIC) || view.has(at, &swapped))
}

/// Magic and major version 1.
fn is_md_1(view: &View<'_>, at: u64) -> bool {
    view.has(at, &MD_MAGIC) && view.le32(at.saturating_add(4)) == 1
}

/// Where the last `sectors` sectors begin, on a disk that is no floppy.
fn sector_from_end(view: &View<'_>, sectors: u64) -> Option<u64> {
    let end = view.size() & !511;
    let is_large = view.size() >= 64 * KIB;
    let at = end.checked_sub(sectors.saturating_mul(512));
    at.filter(|_| is_large)
}

/// Whether `magic` stands at byte `offset` of the last `sectors` sectors.
fn from_end(view: &View<'_>, sectors: u64, offset: u64, magic: &[u8]) -> bool {
    let at = sector_from_end(view, sectors);
    at.is_some_and(|at| view.has(at.saturating_add(offset), magic))
}

fn is_promise(view: &View<'_>, places: &[u64]) -> bool {
    let has = |sectors: &u64| from_end(view, *sectors, 0, b"Promise Technology, Inc.");
    view.size() >= 256 * KIB && places.iter().any(has)
}

/// The sum of 16-bit little-endian words, of which nothing is carried.
fn sum_of_words(bytes: &[u8]) -> u16 {
    let (words, _) = bytes.as_chunks::<2>();
    words.iter().fold(0_u16, |sum, word| {
        sum.wrapping_add(u16::from_le_bytes(*word))
    })
}

/// The last sector, of which 16-bit words sum up to zero or one.
fn is_jmicron(view: &View<'_>) -> bool {
    let Some(at) = sector_from_end(view, 1) else {
        return false;
    };
    let sector: [u8; 128] = view.bytes(at);
    view.has(at, b"JM") && sum_of_words(&sector) <= 1
}

/// The last sector, whose first 50 bytes sum up to the next.
fn is_via(view: &View<'_>) -> bool {
    let Some(at) = sector_from_end(view, 1) else {
        return false;
    };
    let sector: [u8; 51] = view.bytes(at);
    let [magic_low, magic_high, version, ..] = sector;
    let (body, sum) = sector.split_at(50);
    let found = body.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    (magic_low, magic_high) == (0x55, 0xaa) && version <= 2 && [found] == *sum
}

/// The last sector: its magic, a disk number under eight, and 16-bit words that sum up to nothing
/// with the checksum behind them.
fn is_silicon(view: &View<'_>) -> bool {
    let Some(at) = sector_from_end(view, 1) else {
        return false;
    };
    let [disk] = view.bytes(at.saturating_add(0x116));
    let summed: [u8; 0x140] = view.bytes(at);
    view.has(at.saturating_add(0x60), &[0, 0, 0, 0x2f]) && disk < 8 && sum_of_words(&summed) == 0
}
