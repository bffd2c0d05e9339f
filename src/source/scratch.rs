//! Memory for a moment: what a request reads, looks at and forgets.
//!
//! A thread that answers requests reads the same few blocks of metadata for each. Their memory is
//! its own, is used again, and is never asked of the allocator once the thread is warm.

use std::cell::RefCell;
use std::ops::Deref;

use super::{Source, check_range, head, zeroed};
use crate::error::Result;

/// Pieces that a thread keeps: more than any structure needs at once.
const KEPT: usize = 8;

/// The largest piece that is kept, in bytes: the largest block of a file system, and a packed
/// cluster of 64 KiB, which may have some bytes more than that.
const LARGEST: usize = 72 << 10;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Some bytes that were read. Their memory goes back to the thread that drops them.
pub struct Scratch {
    /// At least `len` bytes; what lies behind them is of an earlier use.
    memory: Vec<u8>,
    len: usize,
}

impl Deref for Scratch {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or(&[])
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        // The thread may be ending, and its pool be gone.
        let _ = POOL.try_with(|pool| {
            if let Ok(mut pool) = pool.try_borrow_mut()
                && pool.len() < KEPT
                && memory.len() <= LARGEST
            {
                pool.push(memory);
            }
        });
    }
}

/// `len` bytes at `offset`, as [`super::read_vec`], for a caller that drops them soon.
///
/// # Errors
/// As [`super::read_vec`].
pub fn read_scratch(source: &dyn Source, offset: u64, len: usize) -> Result<Scratch> {
    check_range(source, offset, len)?;
    let mut scratch = scratch(len)?;
    source.read_exact_at(head(&mut scratch.memory, len), offset)?;
    Ok(scratch)
}

/// The same for what is packed: what comes out of it is what is kept, so that it is read as the
/// contents of a file are.
///
/// # Errors
/// As [`super::read_vec`].
pub fn read_packed(source: &dyn Source, offset: u64, len: usize) -> Result<Scratch> {
    check_range(source, offset, len)?;
    let mut scratch = scratch(len)?;
    source.read_contents_at(head(&mut scratch.memory, len), offset)?;
    Ok(scratch)
}

/// `len` bytes of anything.
fn scratch(len: usize) -> Result<Scratch> {
    let pooled = POOL.with(|pool| pool.try_borrow_mut().ok().and_then(|mut pool| pool.pop()));
    let memory = match pooled {
        Some(memory) if memory.len() >= len => memory,
        _ => zeroed(len)?,
    };
    Ok(Scratch { memory, len })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[test]
    fn a_warm_thread_asks_for_no_memory() {
        let source = Memory((0..=255).cycle().take(10_000).collect());
        let first = |offset| {
            read_scratch(&source, offset, 4096)
                .unwrap()
                .first()
                .copied()
        };
        assert_eq!(first(7), Some(7));
        let asked = allocation_counter::measure(|| {
            assert_eq!(first(9), Some(9));
            let smaller = read_scratch(&source, 3, 16).unwrap();
            assert_eq!(*smaller, (3..19).collect::<Vec<u8>>()[..]);
        });
        assert_eq!(asked.count_total, 1, "the vector of this test alone");
    }

    #[test]
    fn what_leaves_the_source_is_refused_and_huge_pieces_are_not_kept() {
        let source = Memory(vec![1; LARGEST * 2]);
        assert!(read_scratch(&source, 1, LARGEST * 2).is_err());
        drop(read_scratch(&source, 0, LARGEST * 2).unwrap());
        let kept = POOL.with(|pool| pool.borrow().iter().map(Vec::len).max());
        assert!(kept.unwrap_or(0) <= LARGEST);
    }
}
