//! Whole sectors of a compact disc, with what lies around the data: synchronisation, address,
//! subheader and error correction (ECMA-130, 14; the Yellow Book's and the Green Book's sectors). A
//! CUE sheet says which of the tracks have data; without it all sectors are taken for one track.

mod cue;
mod sheet;

use std::num::NonZeroU64;
use std::sync::Arc;

pub(super) use self::sheet::FORMAT as SHEET;
use super::Open;
use crate::error::{Error, Result};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::source::mapped::{Map, Mapped, Place, Run};
use crate::source::{SharedSource, Source};

pub(super) const FORMAT: Format<Open> = Format {
    name: "bin",
    claim,
    describe,
    open,
};

/// What every sector with data begins with.
const SYNC: [u8; 12] = [0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0];

/// Bytes of data in a sector.
const DATA: u64 = 2048;

/// Where a sector's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// Bytes of a sector in the image.
    sector: u64,
    /// Bytes before its data.
    skip: u64,
}

/// The data of a track.
struct Track {
    layout: Layout,
    /// The track's first byte in the image.
    start: u64,
    sectors: u64,
}

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    Ok(layout(source, 0)?.map(|_| Set::Alone))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let Some(layout) = layout(source, 0)? else {
        return Ok(Description::default());
    };
    let mode = if layout.skip == 16 { 1 } else { 2 };
    Ok(Description {
        facts: vec![
            ("mode", mode.to_string()),
            ("sector", format!("{} bytes", layout.sector)),
        ],
        ..Description::default()
    })
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let layout = layout(&**source, 0)?
        .ok_or_else(|| Error::corrupt("no two sectors begin with the pattern of a disc's"))?;
    Ok(vec![track(source, layout, 0, source.size(), context)])
}

/// How the sectors from byte `start` on are laid out: two of them begin with the pattern, as far
/// apart as sectors are with their subchannels or without, and the first says its mode.
fn layout(source: &dyn Source, start: u64) -> Result<Option<Layout>> {
    for sector in [2352_u64, 2448] {
        let next = start.saturating_add(sector);
        if source.size() < next.saturating_add(sector) {
            continue;
        }
        let (mut first, mut second) = ([0; 16], [0; 12]);
        source.read_exact_at(&mut first, start)?;
        source.read_exact_at(&mut second, next)?;
        let [pattern @ .., _, _, _, mode] = first;
        if pattern != SYNC || second != SYNC {
            continue;
        }
        let skip = match mode {
            1 => 16,
            // Form 1, whose subheader stands twice before the data.
            2 => 24,
            _ => continue,
        };
        return Ok(Some(Layout { sector, skip }));
    }
    Ok(None)
}

/// The data of the sectors from byte `start` to byte `end` as a disk.
fn track(source: &SharedSource, layout: Layout, start: u64, end: u64, context: &Context) -> Disk {
    let len = end.min(source.size()).saturating_sub(start);
    let sectors = len.checked_div(layout.sector).unwrap_or(0);
    let track = Track {
        layout,
        start,
        sectors,
    };
    let mapped = Mapped::new(track, vec![source.clone()], None, context.cache.clone());
    // Tables of hybrid discs count in 512 bytes, as Disk::alone says.
    Disk::alone(Arc::new(mapped))
}

impl Map for Track {
    fn size(&self) -> u64 {
        self.sectors.saturating_mul(DATA)
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let (index, inside) = (offset.div_euclid(DATA), offset.rem_euclid(DATA));
        if index >= self.sectors {
            return Err(Error::invalid("past the end of the track").at(offset));
        }
        let sector = index.saturating_mul(self.layout.sector);
        let place = self.start.saturating_add(sector);
        let place = place.saturating_add(self.layout.skip);
        let left = NonZeroU64::new(DATA.saturating_sub(inside));
        Ok(Run {
            place: Place::At {
                member: 0,
                offset: place.saturating_add(inside),
            },
            len: left.ok_or_else(|| Error::invalid("no sector").at(offset))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;
    use crate::source::{Memory, read_vec};

    /// Four sectors of `size` bytes in `mode`, each full of its number.
    fn disc(size: usize, mode: u8) -> SharedSource {
        let mut bytes = Vec::new();
        for number in 1..=4 {
            let mut sector = [&SYNC[..], &[0, 2, number, mode]].concat();
            let subheader = [0xee, 0xee, 8, 0xee].repeat(2);
            if mode == 2 {
                sector.extend(subheader);
            }
            sector.extend([number; 2048]);
            sector.resize(size, 0xee);
            bytes.extend(sector);
        }
        Arc::new(Memory(bytes))
    }

    #[test]
    fn the_data_of_sectors_in_both_modes() {
        for (size, mode) in [(2352, 1), (2352, 2), (2448, 1), (2448, 2)] {
            let source = disc(size, mode);
            assert_eq!(claim(&*source), Ok(Some(Set::Alone)), "{size} {mode}");
            let disks = open(&[source], &Context::new(Cache::new(1 << 20))).unwrap();
            let data = read_vec(&*disks[0].source, 0, 4 * 2048).unwrap();
            let expected = [[1; 2048], [2; 2048], [3; 2048], [4; 2048]].concat();
            assert!(data == expected, "{size} {mode}");
        }
    }

    #[test]
    fn other_bytes_are_no_disc() {
        for (size, mode) in [(2352, 0), (2352, 3), (2400, 1)] {
            assert_eq!(claim(&*disc(size, mode)), Ok(None), "{size} {mode}");
        }
        assert_eq!(claim(&Memory(vec![0; 10_000])), Ok(None));
        assert_eq!(claim(&Memory(SYNC.to_vec())), Ok(None));
    }
}
