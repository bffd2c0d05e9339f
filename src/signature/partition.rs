//! Partition tables other than GPT and MBR: what the Linux kernel's `block/partitions` knows, what
//! libblkid knows, and two that others have. Those of Acorn machines are in [`acorn`].

mod acorn;

use super::Layer::Partition;
use super::{Signature, View};

pub(super) const SIGNATURES: &[Signature] = &[
    // Inside Macintosh, "SCSI Manager": driver descriptor and first entry of the map.
    Signature::checked("mac", Partition, |view| {
        view.has(0, b"ER") && [512, 1024, 2048].iter().any(|at| view.has(*at, b"PM"))
    }),
    Signature::checked("sun", Partition, is_sun),
    Signature::new("sgi", Partition, &[(0, &[0x0b, 0xe5, 0xa9, 0x41])]),
    Signature::checked("bsd", Partition, is_bsd),
    Signature::checked("ldm", Partition, is_ldm),
    // "IBMA" in EBCDIC.
    Signature::new("aix", Partition, &[(0, &[0xc9, 0xc2, 0xd4, 0xc1])]),
    Signature::checked("amiga", Partition, is_amiga),
    Signature::checked("dasd", Partition, is_dasd),
    Signature::checked("karma", Partition, |view| {
        let is_used = |at: u64| view.has(at, &[0x4d]);
        view.has(510, &[0x56, 0xab]) && [270 + 4, 286 + 4].into_iter().any(is_used)
    }),
    Signature::new("sysv68", Partition, &[(248, b"MOTOROLA")]),
    // The last 72 bytes of the first 16 KiB: magic, and that the rest is valid.
    Signature::new(
        "ultrix",
        Partition,
        &[(16384 - 72, &[0x57, 0x29, 0x03, 0, 1, 0, 0, 0])],
    ),
    // Without the MBR slice that they usually lie in.
    Signature::new(
        "solaris",
        Partition,
        &[(512 + 12, &[0xee, 0xde, 0x0d, 0x60, 1, 0, 0, 0])],
    ),
    Signature::checked("unixware", Partition, |view| {
        let label = 29 * 512;
        let vtoc = [0xee, 0xde, 0x0d, 0x60];
        view.has(label + 4, &[0x0d, 0x60, 0x5e, 0xca]) && view.has(label + 156, &vtoc)
    }),
    // NEC's PCs: an initial program loader where others have boot code.
    Signature::checked("pc98", Partition, |view| {
        view.has(4, b"IPL1") && view.has(510, &[0x55, 0xaa])
    }),
    Signature::checked("plan9", Partition, is_plan9).weak(),
    Signature::checked("acorn", Partition, acorn::is_acorn).weak(),
    Signature::checked("atari", Partition, is_atari).weak(),
];

/// The magic at the end of the first sector, whose 16-bit words are nothing when xored together.
fn is_sun(view: &View<'_>) -> bool {
    let sector: [u8; 512] = view.bytes(0);
    let (words, _) = sector.as_chunks::<2>();
    view.has(508, &[0xda, 0xbe])
        && words
            .iter()
            .fold(0, |sum, word| sum ^ u16::from_be_bytes(*word))
            == 0
}

/// The magic twice, at the start and in the middle of the label, in sector 1 or 0.
fn is_bsd(view: &View<'_>) -> bool {
    const MAGIC: &[u8] = &[0x57, 0x45, 0x56, 0x82];
    [512, 64, 128, 0].iter().any(|at: &u64| {
        let second = at.saturating_add(132);
        view.has(*at, MAGIC) && view.has(second, MAGIC)
    })
}

/// A dynamic disk with an MBR: an entry of its type, and the first private header.
fn is_ldm(view: &View<'_>) -> bool {
    let is_dynamic = |slot: u64| view.has(slot.saturating_mul(16).saturating_add(450), &[0x42]);
    let is_mbr = view.has(510, &[0x55, 0xaa]);
    is_mbr && (0..4).any(is_dynamic) && view.has(6 * 512, b"PRIVHEAD")
}

/// A Rigid Disk Block among the first 16, whose 32-bit words sum up to nothing. Windows writes its
/// disk signature into the word at 220, which counts as zero then.
fn is_amiga(view: &View<'_>) -> bool {
    (0..16).any(|block: u64| {
        let at = block.saturating_mul(512);
        if !view.has(at, b"RDSK") {
            return false;
        }
        let sector: [u8; 512] = view.bytes(at);
        let [longs] = view.bytes(at.saturating_add(7));
        let count = usize::from(longs & 0x7f);
        let (words, _) = sector.as_chunks::<4>();
        let words = words.iter().map(|word| u32::from_be_bytes(*word));
        let sum = words.take(count).fold(0, u32::wrapping_add);
        let trashed = view.be32(at.saturating_add(0xdc));
        sum == 0 || count > 55 && sum == trashed
    })
}

/// The volume label of an IBM DASD, in EBCDIC: "VOL1" of the compatible layout, behind a key of four
/// bytes, "LNX1" or "CMS1" of Linux's and CMS's own; in block 1 or 2 of 512 to 4096 bytes.
fn is_dasd(view: &View<'_>) -> bool {
    const VOL1: &[u8] = &[0xe5, 0xd6, 0xd3, 0xf1];
    const LNX1: &[u8] = &[0xd3, 0xd5, 0xe7, 0xf1];
    const CMS1: &[u8] = &[0xc3, 0xd4, 0xe2, 0xf1];
    [512, 1024, 2048, 4096, 8192].iter().any(|at: &u64| {
        let alone = [VOL1, LNX1, CMS1].iter().any(|magic| view.has(*at, magic));
        alone || view.has(at.saturating_add(4), VOL1)
    })
}

/// A text in the second sector, one line for each partition: name, first and last sector.
fn is_plan9(view: &View<'_>) -> bool {
    let sector: [u8; 512] = view.bytes(512);
    let line = sector.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let is_number = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    match words.as_slice() {
        [b"part", _, start, end] => is_number(start) && is_number(end),
        _ => false,
    }
}

/// AHDI and ICD have no magic: an entry in use with an identifier of three letters or digits is what
/// the kernel goes by, and libblkid by one that lies on a disk of the size in the sector as well.
fn is_atari(view: &View<'_>) -> bool {
    let sectors = u64::from(view.be32(0x1c2));
    sectors <= view.size().div_euclid(512)
        && (0..4).any(|slot: u64| {
            let at = slot.saturating_mul(12).saturating_add(0x1c6);
            let [flags, id @ ..] = view.bytes::<4>(at);
            let start = u64::from(view.be32(at.saturating_add(4)));
            let size = u64::from(view.be32(at.saturating_add(8)));
            let is_named = id.iter().all(u8::is_ascii_alphanumeric);
            let fits = start > 0 && size > 0 && start.saturating_add(size) <= sectors;
            flags & 1 != 0 && is_named && fits
        })
}
