//! zlib streams.

use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};

use crate::error::{Error, Result};
use crate::number::to_usize;

thread_local! {
    /// Its window and tables are 40 KiB, which cost more to make than a small block to unpack.
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(true));
}

pub(super) fn unpack(packed: &[u8], into: &mut [u8]) -> Result<usize> {
    INFLATE.with_borrow_mut(|inflate| {
        inflate.reset(true);
        let status = inflate.decompress(packed, into, FlushDecompress::Finish);
        match status.map_err(|error| Error::corrupt(error.to_string()))? {
            Status::StreamEnd => Ok(to_usize(inflate.total_out())),
            _ => {
                let (used, out) = (inflate.total_in(), inflate.total_out());
                let text = format!("no end after {used} bytes, which unpack to {out}");
                Err(Error::corrupt(text))
            }
        }
    })
}
