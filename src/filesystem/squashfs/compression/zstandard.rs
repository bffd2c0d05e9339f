//! zstd frames.

use std::cell::RefCell;

use zstd::zstd_safe::{DCtx, get_error_name};

use crate::error::{Error, Kind, Result};

thread_local! {
    /// A context is over 100 KiB.
    static CONTEXT: RefCell<Option<DCtx<'static>>> = RefCell::new(DCtx::try_create());
}

/// All of a block is there at once, so that the block itself is the window.
pub(super) fn unpack(packed: &[u8], into: &mut [u8]) -> Result<usize> {
    CONTEXT.with_borrow_mut(|context| {
        let missing = || Error::new(Kind::Io, "no memory for a context");
        let context = context.as_mut().ok_or_else(missing)?;
        let unpacked = context.decompress(into, packed);
        unpacked.map_err(|code| Error::corrupt(get_error_name(code)))
    })
}
