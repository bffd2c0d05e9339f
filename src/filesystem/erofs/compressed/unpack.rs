//! The algorithms: LZ4 blocks, LZMA without a header (MicroLZMA), raw deflate, zstd frames.
//!
//! What is packed stands at the end of its blocks, behind zeros; in images from before Linux 5.4 an
//! LZ4 block stands at their beginning, before whatever. A file may have only the first bytes of
//! what a cluster unpacks to; otherwise it has to unpack to just what the file has.

use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status};
use lzma_rust2::LzmaReader;
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

use super::lz4;
use crate::error::{Error, Kind, Result};
use crate::number::{to_u64, to_usize};

/// The numbers of the algorithms are their places here.
pub(in super::super) const NAMES: [&str; 4] = ["lz4", "lzma", "deflate", "zstd"];
/// The binary logarithm of the largest zstd window: over what a cluster unpacks to.
const WINDOW_LOG: u32 = 24;
/// The smallest dictionary of LZMA.
const LEAST_DICTIONARY: u32 = 4096;

/// The name of `algorithm`.
///
/// # Errors
/// `Unsupported` where it has none.
pub(super) fn name(algorithm: u8) -> Result<&'static str> {
    let name = NAMES.get(usize::from(algorithm)).copied();
    name.ok_or_else(|| Error::unsupported(format!("compression algorithm {algorithm}")))
}

/// Steps of a request that it takes to unpack `len` bytes by `algorithm`, at the worst.
pub(super) fn steps(algorithm: u8, len: u64) -> u64 {
    match algorithm {
        0 => len / 512,
        1 => len / 4,
        _ => len / 64,
    }
}

/// How to unpack.
#[derive(Clone, Copy)]
pub(super) struct Task {
    pub(super) algorithm: u8,
    pub(super) zero_padding: bool,
    /// There may be more than is wanted.
    pub(super) partial: bool,
}

impl Task {
    /// Unpacks `packed` into all of `into`.
    ///
    /// # Errors
    /// `Corrupt` where it is damaged, or unpacks to less or, unless it may, to more.
    pub(super) fn run(self, packed: &[u8], into: &mut [u8]) -> Result<()> {
        let name = name(self.algorithm)?;
        let named = |error: Error| error.context(name);
        if self.algorithm == 0 && !self.zero_padding {
            return lz4::first(packed, into).map_err(named);
        }
        let zeros = packed.iter().take_while(|byte| **byte == 0).count();
        let packed = packed.get(zeros..).filter(|rest| !rest.is_empty());
        let packed = packed.ok_or_else(|| named(Error::corrupt("nothing but zeros")))?;
        match (self.algorithm, self.partial) {
            (0, false) => lz4::all(packed, into),
            (0, true) => lz4::first(packed, into),
            (1, partial) => lzma(packed, into, partial),
            (2, partial) => deflate(packed, into, partial),
            (_, partial) => zstd(packed, into, partial),
        }
        .map_err(named)
    }
}

/// LZMA whose first byte, always 0, gives way to its properties, inverted. It has no end of its own:
/// it ends when all is there. A size that is not known is written as the largest number.
fn lzma(packed: &[u8], into: &mut [u8], partial: bool) -> Result<()> {
    let bad = |error: std::io::Error| Error::corrupt(error.to_string());
    let (properties, rest) = packed.split_first().unwrap_or((&0xff, &[]));
    // No distance is longer than what there is, so no larger dictionary is of use.
    let dictionary = u32::try_from(into.len()).unwrap_or(u32::MAX);
    let dictionary = dictionary.max(LEAST_DICTIONARY);
    let input = [0].chain(rest);
    let size = if partial {
        u64::MAX
    } else {
        to_u64(into.len())
    };
    let mut reader =
        LzmaReader::new_with_props(input, size, !properties, dictionary, None).map_err(bad)?;
    reader.read_exact(into).map_err(bad)
}

fn deflate(packed: &[u8], into: &mut [u8], partial: bool) -> Result<()> {
    let mut inflate = Decompress::new(false);
    let bad = |error: flate2::DecompressError| Error::corrupt(error.to_string());
    let status = inflate
        .decompress(packed, into, FlushDecompress::Finish)
        .map_err(bad)?;
    let len = to_usize(inflate.total_out());
    if len != into.len() {
        return Err(too_short(len, into.len()));
    }
    if partial || status == Status::StreamEnd {
        return Ok(());
    }
    // All is there; that it ends here shows only when more is asked for.
    let rest = packed.get(to_usize(inflate.total_in())..).unwrap_or(&[]);
    let mut more = [0];
    let status = inflate
        .decompress(rest, &mut more, FlushDecompress::Finish)
        .map_err(bad)?;
    match status {
        Status::StreamEnd if to_usize(inflate.total_out()) == len => Ok(()),
        _ => Err(too_long(len)),
    }
}

fn zstd(packed: &[u8], into: &mut [u8], partial: bool) -> Result<()> {
    let bad = |code| Error::corrupt(get_error_name(code).to_owned());
    let no_memory = || Error::new(Kind::Io, "no memory");
    let mut context = DCtx::try_create().ok_or_else(no_memory)?;
    let limit = DParameter::WindowLogMax(WINDOW_LOG);
    context.set_parameter(limit).map_err(bad)?;
    let len = into.len();
    let mut input = InBuffer::around(packed);
    let mut output = OutBuffer::around(into);
    loop {
        let before = (input.pos, output.pos());
        let left = context
            .decompress_stream(&mut output, &mut input)
            .map_err(bad)?;
        let is_full = output.pos() == len;
        if is_full && (partial || left == 0) {
            return Ok(());
        }
        if left == 0 || (input.pos, output.pos()) == before {
            return Err(match is_full {
                true => too_long(len),
                false => too_short(output.pos(), len),
            });
        }
    }
}

pub(super) fn too_short(got: usize, wanted: usize) -> Error {
    Error::corrupt(format!("it unpacks to {got} bytes, not {wanted}"))
}

pub(super) fn too_long(wanted: usize) -> Error {
    Error::corrupt(format!("it unpacks to more than {wanted} bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::best();
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn padding_is_skipped_and_the_length_has_to_fit_unless_a_part_is_wanted() {
        let text = b"again and again and again and again and once more".repeat(40);
        let packed = [
            (0, lz4_flex::block::compress(&text)),
            (2, deflated(&text)),
            (3, zstd::encode_all(&text[..], 5).expect("memory")),
        ];
        for (algorithm, packed) in packed {
            let padded = [&[0; 77][..], &packed].concat();
            let task = |partial| Task {
                algorithm,
                zero_padding: true,
                partial,
            };
            let run = |partial, len: usize| {
                let mut into = vec![0xa5; len];
                let done = task(partial).run(&padded, &mut into);
                done.map(|()| into)
            };
            let (len, half) = (text.len(), text.len() / 2);
            assert!(run(false, len).is_ok_and(|got| got == text), "{algorithm}");
            assert!(
                run(true, half).is_ok_and(|got| got == text[..half]),
                "{algorithm}"
            );
            assert!(run(false, half).is_err(), "{algorithm}");
            assert!(run(false, len.saturating_add(1)).is_err(), "{algorithm}");
            assert!(run(true, len.saturating_add(1)).is_err(), "{algorithm}");
            assert!(task(false).run(&[0; 4096], &mut [0; 8]).is_err());
        }
    }
}
