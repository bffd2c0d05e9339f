//! Compressed grains. "Virtual Disk Format 5.0", section "Stream-Optimized Compressed": each has a
//! marker with its place on the disk and its packed size; then a zlib stream, filled up to a sector.

use flate2::{Decompress, FlushDecompress, Status};

use super::layout::{GrainMarker, SECTOR, read};
use super::sparse::Sparse;
use crate::error::{Error, Result};
use crate::image::qcow2::unpack::with_inflate;
use crate::number::{to_u64, to_usize};
use crate::source::read_packed;

/// What stands in front of a compressed grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// A marker: the grain's first sector, and its packed size.
    Marked,
    /// Its packed size alone, in 32 bits.
    Sized,
}

/// Bytes by which a packed grain may be larger than the grain: far more than zlib adds to what it
/// cannot pack.
const MOST_GROWTH: u64 = 64 << 10;

/// Unpacks the compressed grain at byte `at` of the file of `sparse`, which begins at byte `start`
/// of the extent, into all of `into`.
///
/// # Errors
/// `Corrupt` for another grain's marker, a size that cannot be, and a stream that does not give just
/// this grain.
pub(super) fn unpack(
    sparse: &Sparse,
    packing: Packing,
    at: u64,
    start: u64,
    into: &mut [u8],
) -> Result<()> {
    let (begin, size) = match packing {
        Packing::Marked => marked(sparse, at, start)?,
        Packing::Sized => {
            let size: zerocopy::little_endian::U32 = read(&*sparse.source, at, "packed grain")?;
            (at.saturating_add(4), u64::from(size.get()))
        }
    };
    let most = sparse.grain.saturating_add(MOST_GROWTH);
    if size == 0 || size > most {
        let text = format!("a packed grain's size {size} is not 1 to {most} bytes");
        return Err(Error::corrupt(text).at(at));
    }
    let file = sparse.source.size();
    if begin.checked_add(size).is_none_or(|end| end > file) {
        let text = format!("a packed grain's size {size} leads out of the file's {file} bytes");
        return Err(Error::corrupt(text).at(at));
    }
    let packed = read_packed(&*sparse.source, begin, to_usize(size))?;
    with_inflate(true, |zlib| {
        inflate(zlib, &packed, into, to_usize(sparse.grain))
    })
    .map_err(|error| error.at(at))
}

/// Where the packed bytes of the grain with a marker begin, and how many they are.
fn marked(sparse: &Sparse, at: u64, start: u64) -> Result<(u64, u64)> {
    let marker: GrainMarker = read(&*sparse.source, at, "grain marker")?;
    let sector = start.checked_div(SECTOR).unwrap_or(0);
    if marker.lba.get() != sector {
        let lba = marker.lba.get();
        let text = format!("a grain marker's lba {lba} where sector {sector} was expected");
        return Err(Error::corrupt(text).at(at));
    }
    let begin = at.saturating_add(to_u64(size_of::<GrainMarker>()));
    Ok((begin, u64::from(marker.size.get())))
}

/// Unpacks all of `packed` into `into`. The last grain of an extent may be stored whole, with up to
/// `grain` bytes.
fn inflate(zlib: &mut Decompress, packed: &[u8], into: &mut [u8], grain: usize) -> Result<()> {
    let wanted = to_u64(into.len());
    let mut status = run(zlib, packed, into)?;
    if status != Status::StreamEnd && zlib.total_out() == wanted {
        // Room for what the disk's end cuts off, and for a byte more to see that there is none.
        let mut beyond = vec![0; grain.saturating_sub(into.len()).saturating_add(1)];
        status = run(zlib, packed, &mut beyond)?;
    }
    let found = zlib.total_out();
    match status {
        _ if found > to_u64(grain) => {
            let text = format!("a packed grain has more bytes than a grain's {grain}");
            Err(Error::corrupt(text))
        }
        Status::StreamEnd if found < wanted => {
            let text = format!("a packed grain has {found} bytes where {wanted} are wanted");
            Err(Error::corrupt(text))
        }
        Status::StreamEnd => Ok(()),
        _ => Err(Error::corrupt(format!(
            "a packed grain ends early, after {found} of {wanted} bytes"
        ))),
    }
}

fn run(zlib: &mut Decompress, packed: &[u8], into: &mut [u8]) -> Result<Status> {
    let rest = packed.get(to_usize(zlib.total_in())..).unwrap_or(&[]);
    let done = zlib.decompress(rest, into, FlushDecompress::Finish);
    done.map_err(|error| Error::corrupt(format!("a packed grain: {error}")))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn inflate(packed: &[u8], into: &mut [u8], grain: usize) -> Result<()> {
        with_inflate(true, |zlib| super::inflate(zlib, packed, into, grain))
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(bytes).unwrap();
        zlib.finish().unwrap()
    }

    #[test]
    fn just_a_grain_or_the_part_of_it_that_the_disk_has() {
        let grain = [7; 4096];
        for wanted in [4096, 512, 4095] {
            let mut into = vec![0; wanted];
            inflate(&packed(&grain), &mut into, 4096).unwrap();
            assert_eq!(into, grain[..wanted]);
        }
        let mut behind = packed(&grain[..512]);
        behind.extend([0; 100]);
        inflate(&behind, &mut [0; 512], 4096).unwrap();
    }

    #[test]
    fn less_more_and_garbage_are_errors() {
        let error = |packed: &[u8]| {
            inflate(packed, &mut [0; 512], 1024)
                .unwrap_err()
                .to_string()
        };
        assert!(error(&packed(&[1; 100])).contains("has 100 bytes where 512"));
        assert!(error(&packed(&[1; 1025])).contains("more bytes than a grain"));
        assert!(error(&packed(&[1; 1 << 20])).contains("more bytes than a grain"));
        assert!(error(b"no zlib at all").contains("a packed grain"));
        let whole = packed(&(0..=255).cycle().take(1024).collect::<Vec<u8>>());
        for cut in 0..whole.len() {
            error(&whole[..cut]);
        }
        let mut wrong = packed(&[1; 512]);
        let last = wrong.len() - 1;
        wrong[last] ^= 1; // the checksum
        error(&wrong);
    }
}
