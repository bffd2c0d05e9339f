//! Compressed clusters: one deflate stream without a header, or one zstd frame, each of which gives
//! just one cluster.

use std::cell::Cell;

use flate2::{Decompress, FlushDecompress, Status};
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

use crate::error::{Error, Result};

/// The binary logarithm of the largest zstd window: 8 times the largest cluster.
const WINDOW_LOG: u32 = 24;

/// Bytes of a zstd context that a thread keeps: more than it has without a window of its own, which
/// a frame that says how long it is does not need.
const MOST_KEPT: usize = 1 << 20;

thread_local! {
    /// The decoders of a thread, for its next cluster: to make one takes the time that a few KiB take
    /// to decode, and their memory afresh from the kernel.
    static INFLATE: Cell<Option<Decompress>> = const { Cell::new(None) };
    static ZSTD: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

/// Inflates `packed`, behind which other bytes may follow, into all of `into`.
///
/// # Errors
/// `Corrupt` where it is no deflate stream, or gives more or less.
pub(in crate::image) fn deflate(packed: &[u8], into: &mut [u8]) -> Result<()> {
    with_inflate(false, |inflate| deflate_with(inflate, packed, into))
}

/// What `work` gives, with this thread's decoder of deflate, behind a header of zlib or without one.
pub(in crate::image) fn with_inflate<T>(zlib: bool, work: impl FnOnce(&mut Decompress) -> T) -> T {
    let mut inflate = INFLATE.take().unwrap_or_else(|| Decompress::new(zlib));
    inflate.reset(zlib);
    let result = work(&mut inflate);
    INFLATE.set(Some(inflate));
    result
}

fn deflate_with(inflate: &mut Decompress, packed: &[u8], into: &mut [u8]) -> Result<()> {
    let bad = |error: flate2::DecompressError| Error::corrupt(format!("deflate: {error}"));
    let status = inflate
        .decompress(packed, into, FlushDecompress::Finish)
        .map_err(bad)?;
    if usize::try_from(inflate.total_out()).ok() != Some(into.len()) {
        return Err(too_short(inflate.total_out(), into.len()));
    }
    if status == Status::StreamEnd {
        return Ok(());
    }
    // All is there; that it ends here shows only when more is asked for.
    let used = usize::try_from(inflate.total_in()).unwrap_or(packed.len());
    let rest = packed.get(used..).unwrap_or_default();
    let mut more = [0];
    let status = inflate.decompress(rest, &mut more, FlushDecompress::Finish);
    let is_over = usize::try_from(inflate.total_out()).ok() > Some(into.len());
    match status {
        _ if is_over => Err(too_long(into.len())),
        Ok(_) => Ok(()),
        Err(error) => Err(bad(error)),
    }
}

/// Unpacks the zstd frames in `packed`, behind which other bytes may follow, into all of `into`.
///
/// # Errors
/// `Corrupt` where it is no zstd, needs a window over 16 MiB, or gives more or less.
pub(in crate::image) fn zstd(packed: &[u8], into: &mut [u8]) -> Result<()> {
    let mut context = ZSTD.take().map_or_else(zstd_context, Ok)?;
    let result = zstd_with(&mut context, packed, into);
    if result.is_ok() && context.sizeof() <= MOST_KEPT {
        ZSTD.set(Some(context));
    }
    result
}

fn zstd_context() -> Result<DCtx<'static>> {
    let no_memory = || Error::new(crate::error::Kind::Io, "no memory for zstd");
    let mut context = DCtx::try_create().ok_or_else(no_memory)?;
    let limit = DParameter::WindowLogMax(WINDOW_LOG);
    context.set_parameter(limit).map_err(bad_zstd)?;
    Ok(context)
}

fn bad_zstd(code: usize) -> Error {
    Error::corrupt(format!("zstd: {}", get_error_name(code)))
}

fn zstd_with(context: &mut DCtx<'_>, packed: &[u8], into: &mut [u8]) -> Result<()> {
    context
        .reset(ResetDirective::SessionOnly)
        .map_err(bad_zstd)?;
    let len = into.len();
    let mut input = InBuffer::around(packed);
    let mut output = OutBuffer::around(into);
    loop {
        let before = (input.pos, output.pos());
        let left = context
            .decompress_stream(&mut output, &mut input)
            .map_err(bad_zstd)?;
        if output.pos() == len && left == 0 {
            return Ok(());
        }
        if (input.pos, output.pos()) == before {
            break;
        }
    }
    match output.pos() == len {
        true => Err(too_long(len)),
        false => {
            let got = crate::number::to_u64(output.pos());
            Err(too_short(got, len))
        }
    }
}

fn too_short(got: u64, wanted: usize) -> Error {
    Error::corrupt(format!("it unpacks to {got} bytes, not {wanted}"))
}

fn too_long(wanted: usize) -> Error {
    Error::corrupt(format!("it unpacks to more than {wanted} bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::fast();
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    type Unpack = fn(&[u8], &mut [u8]) -> Result<()>;
    type Pack = fn(&[u8]) -> Vec<u8>;

    #[test]
    fn q18_what_is_garbage_short_or_long_is_corrupt() {
        let zstd_of = |bytes: &[u8]| zstd::encode_all(bytes, 3).expect("memory");
        let cases: [(Unpack, Pack); 2] = [(deflate, deflated), (super::zstd, zstd_of)];
        for (unpack, pack) in cases {
            let bytes: Vec<u8> = (0..=255).cycle().take(4096).collect();
            let mut packed = pack(&bytes);
            packed.extend([0xa5; 300]);
            let mut into = vec![0; 4096];
            unpack(&packed, &mut into).expect("good, with other bytes behind it");
            assert_eq!(into, bytes);
            let refused = |packed: &[u8], len: usize| {
                let error = unpack(packed, &mut vec![0; len]).expect_err("bad");
                error.kind() == crate::error::Kind::Corrupt
            };
            assert!(refused(&packed, 4097) && refused(&packed, 4095));
            assert!(refused(&[0xff; 100], 4096) && refused(&[], 4096));
            assert!(refused(&packed[..packed.len() - 310], 4096));
        }
    }

    #[test]
    fn q18_a_window_of_2_gib_and_frames_of_nothing_are_corrupt() {
        // Magic, no single segment, window descriptor 21 << 3: 2^31 bytes.
        let wide = [0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0];
        assert!(super::zstd(&wide, &mut [0; 512]).is_err());
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
        assert!(super::zstd(&skippable, &mut [0; 512]).is_err());
    }
}
