//! The anti-forensic splitter: a key is written as many stripes, of which all are needed to have it
//! back, so that one overwritten sector destroys it (LUKS1 specification, 2.4).

use super::layout::STRIPES;
use crate::crypt::hash::Hash;
use crate::error::Result;
use crate::format::Secret;
use crate::number::to_usize;

/// How many stripes there are.
pub(super) fn stripes() -> usize {
    to_usize(u64::from(STRIPES))
}

/// The key of `len` bytes that `split` holds, which has all stripes.
pub(super) fn merge(split: &Secret, len: usize, hash: Hash) -> Result<Secret> {
    let mut key = Secret::zeros(len)?;
    let mut diffused = Secret::zeros(len)?;
    let mut stripes = split.bytes().chunks_exact(len.max(1)).take(stripes());
    let last = stripes.next_back();
    for stripe in stripes {
        add(key.bytes_mut(), stripe);
        diffuse(key.bytes(), diffused.bytes_mut(), hash);
        std::mem::swap(&mut key, &mut diffused);
    }
    add(key.bytes_mut(), last.unwrap_or_default());
    Ok(key)
}

fn add(key: &mut [u8], stripe: &[u8]) {
    for (byte, other) in key.iter_mut().zip(stripe) {
        *byte ^= other;
    }
}

/// Each piece of the length of a digest becomes that of its number and itself; the last one, which
/// may be shorter, the start of it.
fn diffuse(from: &[u8], into: &mut [u8], hash: Hash) {
    let pieces = from.chunks(hash.size()).zip(into.chunks_mut(hash.size()));
    for ((from, into), number) in pieces.zip(0_u32..) {
        hash.digest(&[&number.to_be_bytes(), from], into);
    }
}
