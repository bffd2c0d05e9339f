//! Partition tables other than GPT and MBR.

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
    [512, 64, 0].iter().any(|at: &u64| {
        let second = at.saturating_add(132);
        view.has(*at, MAGIC) && view.has(second, MAGIC)
    })
}
