//! What the root directory holds besides files: the allocation bitmap, the up-case table, the
//! label and the GUID (7.1 to 7.3, 7.5).

use zerocopy::FromBytes;

use super::core::Core;
use super::directory::{Directory, Placed, Step};
use super::kind;
use super::layout::{RawBitmap, RawGuid, RawLabel, RawUpcase};
use super::stream::Stream;
use crate::error::Result;
use crate::filesystem::{Request, names};

/// Entries of the root directory that are looked at: libblkid looks no further for the label, and
/// formatters put them first.
const MOST: u64 = 10_000;

/// `BitmapFlags`: it belongs to the second FAT.
const SECOND: u8 = 1;

/// What was found.
#[derive(Default)]
pub(super) struct VolumeEntries {
    /// The bitmap in use.
    pub(super) bitmap: Option<Stream>,
    /// The one that belongs to the FAT that is not in use.
    pub(super) other_bitmap: Option<Stream>,
    /// The up-case table and its `TableChecksum`.
    pub(super) upcase: Option<(Stream, u32)>,
    /// The label, as UTF-8.
    pub(super) label: Option<Vec<u8>>,
    /// The GUID, in its customary spelling.
    pub(super) guid: Option<String>,
}

impl VolumeEntries {
    /// Looks for them.
    ///
    /// # Errors
    /// What makes the root directory unreadable at its very start; further on it costs what is
    /// behind.
    pub(super) fn find(core: &Core<'_>, request: &Request) -> Result<Self> {
        let mut found = Self::default();
        let root = Directory::root(core);
        let mut seen = false;
        let walked = root.each(core, request, 0, &mut |placed| {
            seen = true;
            found.take(core, placed);
            Ok(match placed.index < MOST {
                true => Step::Next,
                false => Step::Stop,
            })
        });
        match walked {
            Err(error) if !seen => Err(error),
            Err(error) => {
                core.notice(error);
                Ok(found)
            }
            Ok(()) => Ok(found),
        }
    }

    fn take(&mut self, core: &Core<'_>, placed: &Placed) {
        let raw = &placed.raw;
        match placed.kind() {
            kind::BITMAP => self.take_bitmap(core, placed),
            kind::UPCASE if self.upcase.is_none() => self.upcase = upcase(placed),
            kind::LABEL if self.label.is_none() => self.label = label(raw),
            kind::GUID if self.guid.is_none() => self.guid = guid(raw),
            _ => {}
        }
    }

    fn take_bitmap(&mut self, core: &Core<'_>, placed: &Placed) {
        let Ok(raw) = RawBitmap::read_from_bytes(&placed.raw) else {
            return;
        };
        let stream = Stream {
            first: raw.FirstCluster.get(),
            length: raw.DataLength.get(),
            contiguous: false,
            entry: placed.handle.place,
        };
        let second = raw.BitmapFlags & SECOND != 0;
        match second == core.geometry.second {
            true => self.bitmap.get_or_insert(stream),
            false => self.other_bitmap.get_or_insert(stream),
        };
    }
}

fn upcase(placed: &Placed) -> Option<(Stream, u32)> {
    let raw = RawUpcase::read_from_bytes(&placed.raw).ok()?;
    let stream = Stream {
        first: raw.FirstCluster.get(),
        length: raw.DataLength.get(),
        contiguous: false,
        entry: placed.handle.place,
    };
    Some((stream, raw.TableChecksum.get()))
}

fn label(raw: &[u8]) -> Option<Vec<u8>> {
    let raw = RawLabel::read_from_bytes(raw).ok()?;
    let units = raw.VolumeLabel.iter().take(raw.CharacterCount.into());
    let label = names::from_utf16(units.map(|unit| unit.get()));
    (!label.is_empty()).then_some(label)
}

/// The GUID of the volume in the entry `raw`.
fn guid(raw: &[u8]) -> Option<String> {
    let raw = RawGuid::read_from_bytes(raw).ok()?;
    Some(crate::format::guid(&raw.VolumeGuid))
}
