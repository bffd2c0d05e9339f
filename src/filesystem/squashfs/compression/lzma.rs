//! LZMA: xz streams with the filters of xz, and streams with LZMA's own old header.

use std::io::Read;

use lzma_rust2::{LzmaReader, XzReader};

use crate::error::{Error, Result};

/// KiB of memory for a dictionary and the decoder's tables. mksquashfs gives no dictionary over the
/// block size, which is 1 MiB at most; the decoder allocates as much of it as is unpacked.
const MOST_KIB: u32 = 4 << 10;

/// Bytes of the old header: properties, size of the dictionary, size of what is packed.
const HEADER: usize = 13;

pub(super) fn unpack_xz(packed: &[u8], into: &mut [u8]) -> Result<usize> {
    all(XzReader::new_mem_limit(packed, false, MOST_KIB), into)
}

pub(super) fn unpack_alone(packed: &[u8], into: &mut [u8]) -> Result<usize> {
    let short = || Error::corrupt(format!("{} bytes are no stream", packed.len()));
    let (header, body) = packed.split_first_chunk::<HEADER>().ok_or_else(short)?;
    let [properties, a, b, c, d, size @ ..] = *header;
    // Nothing lies further back than the block is long.
    let most = u32::try_from(into.len()).unwrap_or(u32::MAX);
    let dictionary = u32::from_le_bytes([a, b, c, d]).min(most);
    let size = u64::from_le_bytes(size);
    let reader = LzmaReader::new_with_props(body, size, properties, dictionary, None);
    all(reader.map_err(corrupt)?, into)
}

/// Reads all that `reader` gives, which has to fit.
fn all(mut reader: impl Read, into: &mut [u8]) -> Result<usize> {
    let mut len: usize = 0;
    while let Some(rest) = into.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest).map_err(corrupt)? {
            0 => return Ok(len),
            more => len = len.saturating_add(more),
        }
    }
    // What checks there are come behind the last byte.
    match reader.read(&mut [0]).map_err(corrupt)? {
        0 => Ok(len),
        _ => Err(Error::corrupt(format!(
            "it unpacks to more than {len} bytes"
        ))),
    }
}

fn corrupt(error: std::io::Error) -> Error {
    Error::corrupt(error.to_string())
}
