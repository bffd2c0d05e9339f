//! What the decoder needs in the middle of a frame, as a dictionary: RFC 8878, 5.
//!
//! The C library unpacks frames from their start only, and its state can be neither saved nor set.
//! But a dictionary sets at the start of a frame what is left from the block before, and the bytes
//! that matches may refer back to: so the rest of a frame, behind a header of our own, is a frame
//! that was compressed with such a dictionary. In a [`Point`](crate::source::streamed::Point) it
//! is the state.

use std::sync::Arc;

use super::entropy::{Entropy, KINDS};
use super::fse::Table;
use super::layout::DICTIONARY;
use super::sections::huffman_len;

/// Any number but 0, which stands for none.
const ID: u32 = 1;

/// Bytes of content at least.
pub(super) const LEAST_CONTENT: usize = 8;

/// The dictionary for `entropy`, of which everything is known, without its content. A table of a
/// single symbol, which no dictionary holds, becomes the predefined one: the next block must not
/// repeat it.
pub(super) fn head(entropy: &Entropy) -> Option<Vec<u8>> {
    let [literal_lengths, offsets, match_lengths] = &entropy.tables;
    let mut bytes = DICTIONARY.to_le_bytes().to_vec();
    bytes.extend(ID.to_le_bytes());
    bytes.extend_from_slice(entropy.huffman.as_deref()?);
    let [kind_literals, kind_offsets, kind_matches] = KINDS;
    for (table, kind) in [
        (offsets, kind_offsets),
        (match_lengths, kind_matches),
        (literal_lengths, kind_literals),
    ] {
        let own = table.as_deref()?.description.clone();
        let or_other = own.or_else(|| Table::predefined(kind)?.description.clone());
        bytes.extend(or_other?);
    }
    for offset in entropy.recent {
        bytes.extend(u32::try_from(offset?).ok()?.to_le_bytes());
    }
    Some(bytes)
}

/// What a dictionary that [`head`] made holds, and its content; `None` for one that it did not make.
pub(super) fn parse(bytes: &[u8]) -> Option<(Entropy, &[u8])> {
    let rest = bytes.strip_prefix(&DICTIONARY.to_le_bytes())?;
    let rest = rest.strip_prefix(&ID.to_le_bytes())?;
    let (huffman, mut rest) = rest.split_at_checked(huffman_len(rest)?)?;
    let [kind_literals, kind_offsets, kind_matches] = KINDS;
    let mut next = |kind| {
        let (table, used) = Table::parse(kind, rest)?;
        rest = rest.get(used..)?;
        Some(table)
    };
    let offsets = next(kind_offsets)?;
    let match_lengths = next(kind_matches)?;
    let literal_lengths = next(kind_literals)?;
    let (recent, content) = rest.split_at_checked(12)?;
    let mut recent = recent.chunks_exact(4).map(|bytes| {
        let offset = u32::from_le_bytes(bytes.try_into().ok()?);
        Some(u64::from(offset))
    });
    if content.len() < LEAST_CONTENT {
        return None;
    }
    let entropy = Entropy {
        huffman: Some(Arc::from(huffman)),
        tables: [literal_lengths, offsets, match_lengths].map(Some),
        recent: [recent.next()??, recent.next()??, recent.next()??].map(Some),
    };
    Some((entropy, content))
}
