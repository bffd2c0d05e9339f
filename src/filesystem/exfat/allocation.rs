//! Compares the allocation bitmap with the clusters that files, directories and tables have.
//!
//! Of every cluster one bit says whether it was met. A volume with more clusters than that is worth
//! memory is gone through several times, for a part of the clusters each.

use std::collections::HashSet;
use std::ops::Range;

use zerocopy::FromBytes;

use super::bitmap::Bitmap;
use super::checksum;
use super::core::Core;
use super::directory::Directory;
use super::file::File;
use super::kind;
use super::layout::{RawEntry, RawSecondary};
use super::set;
use super::stream::Stream;
use crate::error::{Error, Result};
use crate::filesystem::chain::{FIRST, Link, Run, Table, Window};
use crate::filesystem::{FileType, Request};
use crate::number::{to_u64, to_usize};
use crate::source::zeroed;

/// Clusters that are compared in one pass: 32 MiB of memory.
const MOST: u32 = 1 << 28;

/// Clusters that are marked for a step of the request's budget.
const CLUSTERS_PER_STEP: u64 = 1024;

/// `GeneralSecondaryFlags` (6.4.2): clusters may be allocated.
const ALLOCATION_POSSIBLE: u8 = 1;
/// `GeneralSecondaryFlags`: the clusters have no chain.
const NO_FAT_CHAIN: u8 = 2;

/// Gives `each` what is wrong.
///
/// # Errors
/// What makes the bitmap unreadable; the budget is spent.
pub(super) fn compare(
    core: &Core<'_>,
    request: &Request,
    each: &mut dyn FnMut(Error),
) -> Result<()> {
    let mut start = FIRST;
    while start < core.geometry.end() {
        let count = core.geometry.end().saturating_sub(start).min(MOST);
        let mut walk = Walk {
            core,
            request,
            each,
            marks: Marks::new(start, count)?,
            waiting: Vec::new(),
            seen: HashSet::new(),
        };
        walk.tables()?;
        walk.directories()?;
        walk.against_bitmap()?;
        start = start.saturating_add(count);
    }
    Ok(())
}

/// A bit for each of some clusters.
struct Marks {
    start: u32,
    bits: Vec<u8>,
}

impl Marks {
    fn new(start: u32, count: u32) -> Result<Self> {
        let bits = zeroed(to_usize(count.div_ceil(8).into()))?;
        Ok(Self { start, bits })
    }

    /// The places of the bits of `clusters`, as far as there are any.
    fn bits_of(&self, clusters: &Range<u32>) -> Range<usize> {
        let place = |cluster: u32| to_usize(cluster.saturating_sub(self.start).into());
        let all = self.bits.len().saturating_mul(8);
        place(clusters.start).min(all)..place(clusters.end).min(all)
    }

    /// Sets the bits of `clusters`, eight at a time; gives the first that was set already.
    fn mark(&mut self, clusters: &Range<u32>) -> Option<u32> {
        let Range { start, end } = self.bits_of(clusters);
        let bytes = self.bits.get_mut(start / 8..end.div_ceil(8))?;
        let mut met = None;
        for (byte, index) in bytes.iter_mut().zip(start / 8..) {
            let first = index.saturating_mul(8);
            let left_out = [
                start.saturating_sub(first),
                first.saturating_add(8).saturating_sub(end),
            ];
            let [low, high] = left_out.map(|count| u32::try_from(count).unwrap_or(8));
            let mask = 0xff_u8.unbounded_shl(low) & 0xff_u8.unbounded_shr(high);
            if *byte & mask != 0 && met.is_none() {
                met = Some((first, (*byte & mask).trailing_zeros()));
            }
            *byte |= mask;
        }
        let (first, bit) = met?;
        let place = u32::try_from(first).ok()?.checked_add(bit)?;
        self.start.checked_add(place)
    }
}

/// One pass.
struct Walk<'a> {
    core: &'a Core<'a>,
    request: &'a Request,
    each: &'a mut dyn FnMut(Error),
    marks: Marks,
    /// Directories to go through.
    waiting: Vec<Directory>,
    /// The first clusters of those that were met.
    seen: HashSet<u32>,
}

impl Walk<'_> {
    /// Whether what is no cluster's matter is to be said, which is once.
    fn is_first(&self) -> bool {
        self.marks.start == FIRST
    }

    fn tables(&mut self) -> Result<()> {
        let entries = &self.core.entries;
        let (bitmap, other) = (entries.bitmap, entries.other_bitmap);
        let upcase = entries.upcase.map(|(stream, _)| stream);
        let streams = [
            ("bitmap", bitmap),
            ("other bitmap", other),
            ("up-case table", upcase),
        ];
        for (name, stream) in streams {
            if let Some(stream) = stream {
                self.stream(stream, name)?;
            }
        }
        Ok(())
    }

    fn directories(&mut self) -> Result<()> {
        let root = Directory::root(self.core);
        self.seen.insert(root.stream.first);
        self.stream(root.stream, "root directory")?;
        self.waiting.push(root);
        while let Some(directory) = self.waiting.pop() {
            let (core, request) = (self.core, self.request);
            let mut result = Ok(());
            // What makes it unreadable was said by who walks over all files.
            let _ = directory.files(core, request, 0, &mut |_, file| {
                result = self.file(&file);
                result.is_ok()
            });
            result?;
        }
        Ok(())
    }

    fn file(&mut self, file: &File) -> Result<()> {
        self.request.spend(1)?;
        let name = set::context(file.handle);
        if self.is_first() {
            self.name_hash(file);
            self.name_units(file);
        }
        self.extras(file, &name)?;
        if file.stream.length == 0 {
            return Ok(());
        }
        self.stream(file.stream, &name)?;
        if file.kind() == FileType::Directory
            && self.seen.insert(file.stream.first)
            && let Ok(directory) = Directory::of(self.core, file)
        {
            self.waiting.push(directory);
        }
        Ok(())
    }

    /// The kernel's driver finds no file by its name whose `NameHash` is wrong.
    fn name_hash(&mut self, file: &File) {
        let units = file.units.iter();
        let hash = checksum::name(units.map(|unit| self.core.upcase.capital(*unit)));
        if hash != file.hash {
            let stored = file.hash;
            let error = Error::corrupt(format!("NameHash {stored:#06x} should be {hash:#06x}"));
            let error = error.at(file.handle.place);
            (self.each)(error.context(set::context(file.handle)));
        }
    }

    /// 7.7.3: what no name may hold, and drivers show all the same.
    fn name_units(&mut self, file: &File) {
        const FORBIDDEN: &str = "\"*/:<>?\\|";
        let forbidden = |unit: &&u16| {
            let character = char::from_u32(u32::from(**unit));
            **unit < 0x20 || character.is_some_and(|character| FORBIDDEN.contains(character))
        };
        if let Some(unit) = file.units.iter().find(forbidden) {
            let error = Error::corrupt(format!("the name holds the character {unit:#06x}"));
            let error = error.at(file.handle.place);
            (self.each)(error.context(set::context(file.handle)));
        }
    }

    /// The clusters of what vendors keep beside a file.
    fn extras(&mut self, file: &File, name: &str) -> Result<()> {
        if file.entries <= 3 {
            return Ok(());
        }
        let bytes = set::read(self.core, self.request, file.handle)?;
        let entries: &[RawEntry] = bytes.as_chunks().0;
        for entry in entries {
            let [kind, ..] = entry;
            let Ok(raw) = RawSecondary::read_from_bytes(entry) else {
                continue;
            };
            let flags = raw.GeneralSecondaryFlags;
            let length = raw.DataLength.get();
            let owns = kind::is_benign_secondary(*kind) && flags & ALLOCATION_POSSIBLE != 0;
            if owns && length > 0 {
                let stream = Stream {
                    first: raw.FirstCluster.get(),
                    length,
                    contiguous: flags & NO_FAT_CHAIN != 0,
                    entry: file.handle.place,
                };
                self.stream(stream, name)?;
            }
        }
        Ok(())
    }

    /// Marks the clusters of `stream`, all of its chain.
    fn stream(&mut self, stream: Stream, name: &str) -> Result<()> {
        let wanted = self.core.geometry.clusters_for(stream.length);
        let is_root = stream.first == self.core.geometry.root;
        let (mut met, mut index) = (None, 0_u64);
        while !stream.contiguous || index < wanted {
            self.request.spend(1)?;
            let Ok(Some(run)) = stream.run_at(self.core, self.request, index) else {
                break;
            };
            met = met.or(self.run(run)?);
            index = index.saturating_add(run.count.into());
        }
        if let Some(cluster) = met {
            let text = format!("cluster {cluster} belongs to something else too");
            (self.each)(Error::corrupt(text).at(stream.entry).context(name));
        }
        if index != wanted && !is_root && self.is_first() {
            let text = format!("{index} clusters, and DataLength needs {wanted}");
            (self.each)(Error::corrupt(text).at(stream.entry).context(name));
        }
        Ok(())
    }

    /// Marks a run; gives the first of its clusters that was met before. Sets of a few bytes can
    /// each claim all of the volume, so that it costs by the number of clusters.
    fn run(&mut self, run: Run) -> Result<Option<u32>> {
        let clusters = run.cluster..run.cluster.saturating_add(run.count);
        let marked = to_u64(self.marks.bits_of(&clusters).len());
        self.request.spend(marked / CLUSTERS_PER_STEP)?;
        Ok(self.marks.mark(&clusters))
    }

    fn against_bitmap(&mut self) -> Result<()> {
        let (core, request) = (self.core, self.request);
        let mut lost = Found::default();
        let mut unmarked = Found::default();
        let mut window = Window::default();
        let first = u64::from(self.marks.start.saturating_sub(FIRST) / 8);
        let marks = &self.marks.bits;
        let behind = first.saturating_add(to_u64(marks.len()));
        Bitmap::of(core)?.each(request, first, behind, &mut |start, bytes| {
            let skip = to_usize(start.saturating_sub(first));
            let met = marks.iter().skip(skip);
            for ((used, met), byte) in bytes.iter().zip(met).zip(start..) {
                if used == met {
                    continue;
                }
                let number = |bit: u32| {
                    let cluster = byte.saturating_mul(8).saturating_add(bit.into());
                    u32::try_from(cluster).map_or(u32::MAX, |number| number.saturating_add(FIRST))
                };
                for bit in 0..8 {
                    let is = |bits: u8| bits.wrapping_shr(bit) & 1 != 0;
                    match (is(*used), is(*met)) {
                        (true, false) if !is_bad(core, request, &mut window, number(bit)) => {
                            lost.add(number(bit));
                        }
                        (false, true) => unmarked.add(number(bit)),
                        _ => {}
                    }
                }
            }
        })?;
        self.say(&lost, "clusters are in use and belong to nothing");
        self.say(&unmarked, "clusters belong to something and are not in use");
        Ok(())
    }

    fn say(&mut self, found: &Found, what: &str) {
        let Found { count, first } = found;
        if *count > 0 {
            let text = format!("{count} {what}, the first is {first}");
            let at = self.core.geometry.place(*first);
            (self.each)(Error::corrupt(text).at(at).context("allocation bitmap"));
        }
    }
}

/// Clusters of one kind.
#[derive(Default)]
struct Found {
    count: u64,
    first: u32,
}

impl Found {
    fn add(&mut self, cluster: u32) {
        if self.count == 0 {
            self.first = cluster;
        }
        self.count = self.count.saturating_add(1);
    }
}

/// Bad clusters are in use so that nobody takes them.
fn is_bad(core: &Core<'_>, request: &Request, window: &mut Window, cluster: u32) -> bool {
    let exists = (FIRST..core.geometry.end()).contains(&cluster);
    exists && matches!(core.fat.link(request, window, cluster), Ok(Link::Bad))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_marked_bit_for_bit() {
        const ALL: Range<u32> = 100..160;
        for first in 90..170 {
            for end in first..175 {
                for known in [0, 104, 107, 108, 131, 159] {
                    let mut marks = Marks::new(ALL.start, 60).unwrap();
                    assert_eq!(marks.mark(&(known..known + 1)), None);
                    let is_met = (first..end).contains(&known) && ALL.contains(&known);
                    assert_eq!(marks.mark(&(first..end)), is_met.then_some(known));
                    for cluster in ALL {
                        let is_marked = (first..end).contains(&cluster) || cluster == known;
                        let again = marks.mark(&(cluster..cluster + 1));
                        assert_eq!(again.is_some(), is_marked, "{cluster} of {first}..{end}");
                    }
                }
            }
        }
    }
}
