//! Conversions between `usize` and `u64` that lose nothing. imgmount is built for 64-bit machines
//! only, which the assertion below holds; everything else on disk values is `try_from` and checked
//! arithmetic.
#![allow(clippy::as_conversions, clippy::cast_possible_truncation)]

const _: () = assert!(usize::BITS == 64, "imgmount needs a 64-bit machine");

/// A length or an index in memory as a number of bytes or blocks on disk.
#[must_use]
pub const fn to_u64(value: usize) -> u64 {
    value as u64
}

/// A number from disk as an index. It says nothing about bounds: index with `get`.
#[must_use]
pub const fn to_usize(value: u64) -> usize {
    value as usize
}
