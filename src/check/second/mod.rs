//! The second reader of ext2, ext3 and ext4: the `ext4-view` crate, written by others from the same
//! documents. Where it and our own reader see different files in the same bytes, one is wrong.
//!
//! It gets the bytes *after* replay of the journal: its own replay ignores revoked blocks and does
//! not know fast commits, 32-bit journals and escaped blocks, so that a difference would mostly
//! tell of that. What is compared is the reading of everything else.
//!
//! It has known faults. A difference is put down to one only where the fault was seen to be at work
//! in that very inode; `causes` says how for each.

mod bytes;
mod causes;
mod compare;
mod inode;
mod raw;

pub use bytes::Bytes;

use ext4_view::{Ext4, Ext4Error, Ext4Read};

use super::{Finding, Second};
use crate::error::printable;
use crate::filesystem::FileSystem;
use crate::source::SharedSource;

/// Compares every file of `ours` with what the second reader finds in `theirs`; gives `each` the
/// differences. `bytes` is the volume after replay, where causes are looked for; `theirs` is
/// [`Bytes`] over it, but in tests.
pub fn compare(
    volume: &str,
    ours: &dyn FileSystem,
    bytes: SharedSource,
    theirs: Box<dyn Ext4Read>,
    each: &mut dyn FnMut(Finding),
) -> Second {
    let opened = guarded(|| Ext4::load(theirs));
    match opened {
        Ok(theirs) => {
            compare::Comparison::new(volume, ours, (theirs, raw::Raw::new(bytes)), each).run()
        }
        Err(reason) => Second::Unable(reason),
    }
}

/// What the second reader says, its panics included: it was not made for hostile input, and a
/// check must go on to the next file and volume.
fn guarded<T>(ask: impl FnOnce() -> Result<T, Ext4Error>) -> Result<T, String> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(ask)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(printable(error.to_string().as_bytes())),
        Err(_) => Err("it panicked".to_owned()),
    }
}
