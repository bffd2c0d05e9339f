//! What everything in this reader stands on: the bytes, the geometry, and which of the disc's trees
//! is shown.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::descriptors::{self, Descriptors, Volume};
use super::record::{Record, Records, SECTOR};
use super::{rock_ridge, session, susp, zisofs};
use crate::error::{Error, Result};
use crate::filesystem::Inode;
use crate::filesystem::index::Index;
use crate::format::{Context, NameMap, Notices};
use crate::number::to_usize;
use crate::source::{SharedSource, Source, read_vec};

/// In a handle: the rest is the record's first byte, which its number does not tell.
const EXACT: u64 = 1 << 47;

/// An open disc.
pub(super) struct Core {
    /// Its bytes.
    pub(super) source: SharedSource,
    /// The logarithm of the logical block's size.
    pub(super) block_bits: u32,
    /// Logical blocks of the volume.
    pub(super) blocks: u32,
    /// The logical block of the root directory.
    pub(super) root: u64,
    /// Which tree it is, and what is read of it.
    pub(super) view: View,
    /// What becomes of plain names.
    pub(super) map: NameMap,
    /// Whether associated files are shown.
    pub(super) shows_associated: bool,
    /// The names of directories.
    pub(super) index: Index,
    /// The blocks of compressed files.
    pub(super) compressed: zisofs::Blocks,
    /// Where to say what is odd but no error.
    pub(super) notices: Arc<Notices>,
    /// Whether it was said that there is more behind a directory's records.
    pub(super) is_leftover_said: AtomicBool,
}

/// Which of its trees a disc shows, as the kernel chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Bytes of each System Use field before Rock Ridge's entries; `None` where they are not read.
    pub(super) skip: Option<usize>,
    /// Whether the root says that there are such entries.
    pub(super) is_declared: bool,
    /// Whether names are Joliet's.
    pub(super) is_joliet: bool,
    /// Whether records are High Sierra's.
    pub(super) high_sierra: bool,
}

/// Descriptors, and which session they are of.
pub(super) struct Session {
    /// Its first sector.
    pub(super) start: u64,
    /// What it has.
    pub(super) descriptors: Descriptors,
}

impl Session {
    /// The session of `source` that is shown.
    ///
    /// # Errors
    /// As [`session::all`] and [`session::choose`].
    pub(super) fn open(source: &dyn Source, context: &Context) -> Result<Self> {
        let start = session::choose(&session::all(source)?, context.options.session)?;
        let descriptors = Descriptors::read(source, start)?;
        Ok(Self { start, descriptors })
    }
}

impl Core {
    /// Opens the `session` of `source`: Rock Ridge where it is declared, then Joliet, then the plain
    /// tree, each unless the user does not want it.
    ///
    /// # Errors
    /// `Corrupt` where no primary descriptor is there, or its block size is none.
    pub(super) fn open(source: SharedSource, session: &Session, context: &Context) -> Result<Self> {
        let options = &context.options;
        let descriptors = &session.descriptors;
        let joliet = descriptors.joliet.as_ref().map(|joliet| &joliet.volume);
        let joliet = joliet.filter(|_| !options.no_joliet);
        let primary = descriptors
            .primary
            .as_ref()
            .or(joliet)
            .ok_or_else(|| descriptors::none(session.start))?;
        let mut core = Self {
            block_bits: primary.block_bits()?,
            blocks: primary.geometry.blocks.get(),
            root: primary.geometry.root,
            view: View {
                high_sierra: primary.high_sierra,
                ..View::default()
            },
            map: options.map,
            shows_associated: options.show_associated,
            index: Index::new(context.cache.clone()),
            compressed: zisofs::blocks(&source, &context.cache),
            notices: context.notices.clone(),
            is_leftover_said: AtomicBool::new(false),
            source,
        };
        core.note_oddities(primary, descriptors);
        if !options.no_rock_ridge && !primary.high_sierra {
            core.view = core.rock_ridge();
        }
        if let Some(joliet) = joliet
            && (!core.view.is_declared || core.is_empty(joliet))
        {
            core.root = joliet.geometry.root;
            core.view = View {
                is_joliet: true,
                ..View::default()
            };
        }
        Ok(core)
    }

    fn note_oddities(&self, primary: &Volume, descriptors: &Descriptors) {
        let note = |text: &str| {
            let error = Error::corrupt(text).at(primary.offset);
            self.notices.add(format!("iso9660: {error}"));
        };
        let geometry = &primary.geometry;
        if !geometry.blocks.agrees() || !geometry.block_size.agrees() {
            note("the size is not the same in both byte orders: the little-endian one is taken");
        }
        if !descriptors.terminated && !primary.high_sierra {
            note("no end of the volume descriptors");
        }
    }

    /// What the root says of Rock Ridge. As in the kernel, entries are read where nothing declares
    /// them, too.
    fn rock_ridge(&self) -> View {
        let declared = rock_ridge::declared(&self.susp_blocks(), self.root);
        View {
            skip: Some(declared.skip),
            is_declared: declared.is_declared,
            ..View::default()
        }
    }

    /// Where continuation areas are.
    pub(super) fn susp_blocks(&self) -> susp::Blocks<'_> {
        susp::Blocks {
            source: &*self.source,
            bits: self.block_bits,
        }
    }

    /// Whether the root has no entries while Joliet's has: there are discs like that.
    fn is_empty(&self, joliet: &Volume) -> bool {
        let count = |block: u64| {
            let place = self.block_offset(block).unwrap_or(u64::MAX);
            let bytes = read_vec(&*self.source, place, to_usize(SECTOR)).unwrap_or_default();
            let records = Records::new(&bytes, place, 0, false);
            records.take(3).filter(|(_, record)| record.is_ok()).count()
        };
        count(self.root) < 3 && count(joliet.geometry.root) > 0
    }

    /// Bytes of a logical block.
    pub(super) fn block_size(&self) -> u64 {
        1_u64.wrapping_shl(self.block_bits) // at most 2^11
    }

    /// The first byte of logical block `block`.
    ///
    /// # Errors
    /// `Corrupt` where it lies past the end of the disc.
    pub(super) fn block_offset(&self, block: u64) -> Result<u64> {
        let offset = block.saturating_mul(self.block_size());
        match offset < self.source.size() {
            true => Ok(offset),
            false => {
                let text = format!("block {block} is past the end of the image");
                Err(Error::corrupt(text).at(offset))
            }
        }
    }

    /// The handle of the directory whose extent begins at `block`: that of its first record, which
    /// is its own.
    pub(super) fn directory(&self, block: u64) -> Inode {
        let position = block.saturating_mul(self.block_size());
        self.handle(position, position.is_multiple_of(SECTOR))
    }

    /// The handle of the record at `position`: the kernel's inode number where the sectors of its
    /// directory lie `aligned`, so that the record is found from their start again.
    pub(super) fn handle(&self, position: u64, aligned: bool) -> Inode {
        Inode(match aligned {
            true => number(position),
            false => EXACT | position,
        })
    }

    /// The bytes of the record that `inode` stands for.
    ///
    /// # Errors
    /// `Corrupt` for a handle that no record has; as [`Source::read_exact_at`].
    pub(super) fn record_at(&self, inode: Inode) -> Result<Sector> {
        if inode.0 & EXACT != 0 {
            let position = inode.0 & !EXACT;
            return self.sector(position, position, false);
        }
        let place = inode.0.saturating_mul(32);
        let start = place
            .checked_div(SECTOR)
            .unwrap_or(0)
            .saturating_mul(SECTOR);
        let mut sector = self.sector(start, start, true)?;
        let mut records = sector.records(self);
        let mut position = start;
        while number(position) != inode.0 {
            let Some((from, Ok(_))) = records.next() else {
                return Err(Error::corrupt("no directory record is there").at(place));
            };
            position = start.saturating_add(crate::number::to_u64(from));
        }
        sector.skip = to_usize(position.saturating_sub(start));
        Ok(sector)
    }

    /// The record behind the one that ends at `position`.
    ///
    /// # Errors
    /// As [`Source::read_exact_at`].
    pub(super) fn record_behind(&self, position: u64, aligned: bool) -> Result<Sector> {
        let step = if aligned { SECTOR } else { self.block_size() };
        let start = position
            .checked_rem(step)
            .map_or(position, |over| position.saturating_sub(over));
        let here = self.sector(start, position, aligned)?;
        match here.bytes.get(here.skip) {
            Some(0) | None => {
                let next = start.saturating_add(step);
                self.sector(next, next, aligned)
            }
            Some(_) => Ok(here),
        }
    }

    /// The sector that begins at `start`, at the record at `position`. Where sectors are not known
    /// to begin, as many bytes as a record can have.
    fn sector(&self, start: u64, position: u64, aligned: bool) -> Result<Sector> {
        let left = self.source.size().saturating_sub(start);
        let len = match aligned {
            true => SECTOR,
            false => position.saturating_sub(start).saturating_add(255),
        };
        let past =
            || Error::corrupt("a directory record is past the end of the image").at(position);
        if left == 0 {
            return Err(past());
        }
        Ok(Sector {
            bytes: read_vec(&*self.source, start, to_usize(len.min(left)))?,
            start,
            skip: to_usize(position.saturating_sub(start)),
            aligned,
        })
    }
}

/// The number that the kernel gives the record at `position`.
pub(super) fn number(position: u64) -> u64 {
    position >> 5
}

/// The number that people see of `inode`.
pub(super) fn shown_number(inode: Inode) -> u64 {
    match inode.0 & EXACT {
        0 => inode.0,
        _ => number(inode.0 & !EXACT),
    }
}

/// Bytes of a directory, and where in them a record is.
pub(super) struct Sector {
    bytes: Vec<u8>,
    start: u64,
    skip: usize,
    /// Whether its start is that of a sector of the disc.
    pub(super) aligned: bool,
}

impl Sector {
    /// The record's first byte on the disc.
    pub(super) fn position(&self) -> u64 {
        self.start.saturating_add(crate::number::to_u64(self.skip))
    }

    /// The record; `None` where there is none.
    ///
    /// # Errors
    /// As [`Record::parse`].
    pub(super) fn record(&self, core: &Core) -> Result<Option<Record<'_>>> {
        let bytes = self.bytes.get(self.skip..).unwrap_or_default();
        Record::parse(bytes, self.position(), core.view.high_sierra)
    }

    /// The records from here on.
    pub(super) fn records(&self, core: &Core) -> Records<'_> {
        Records::new(&self.bytes, self.start, self.skip, core.view.high_sierra)
    }
}
