//! The database of a group as one of its disks has it: a header, and blocks with records or pieces of
//! them, in any order.
//!
//! A change to it is made in two steps. First new records are written and old ones are marked; the
//! header says "change" so far, and who finds it so takes the change back. Then the header says
//! "commit", and who finds it so goes through with the change: old records go, and new ones are
//! marked as usual. So what is read here is the database before, or after, and never between.

use std::collections::BTreeMap;
use std::mem::offset_of;

use zerocopy::FromBytes;

use super::fields::{Fields, Places, shown};
use super::guid::Guid;
use super::header::Region;
use super::layout::{
    BlockHeader, Counts, DATABASE, DatabaseHeader, RECORD_BLOCK, RecordHeader, until_zero,
};
use super::records::{Component, Disk, Extent, Record, Volume};
use crate::error::{Error, Result, ResultExt, printable};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes of the largest database. Windows has less than 1 MiB.
const MOST: u64 = 4 << 20;

/// How many things are said that are wrong with records; a hostile database has many more.
const MOST_DAMAGE: usize = 16;

const _: () = assert!(size_of::<DatabaseHeader>() == 0xb1);

/// What a database says.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) group: Guid,
    /// The byte of the disk that the header names it at.
    pub(super) group_at: u64,
    /// The group's name.
    pub(super) name: String,
    /// The higher is the newer.
    pub(super) sequence: u64,
    /// The change that was under way.
    pub(super) unfinished: Option<&'static str>,
    pub(super) volumes: Vec<Volume>,
    pub(super) components: Vec<Component>,
    pub(super) extents: Vec<Extent>,
    pub(super) disks: Vec<Disk>,
    /// What could not be read of it.
    pub(super) damage: Damage,
}

/// What is wrong with records.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// The first few.
    pub(super) errors: Vec<Error>,
    /// How many there are besides.
    pub(super) more: usize,
}

impl Damage {
    fn add(&mut self, error: Error) {
        match self.errors.len() < MOST_DAMAGE {
            true => self.errors.push(error),
            false => self.more = self.more.saturating_add(1),
        }
    }

    /// How much is wrong.
    pub(super) fn count(&self) -> usize {
        self.errors.len().saturating_add(self.more)
    }
}

/// What the header says of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Update {
    Clean,
    Change,
    Commit,
}

impl Update {
    /// Whether a record that is marked so counts.
    fn takes(self, record: u16) -> Result<bool> {
        match record {
            0 => Ok(true),
            // To be deleted.
            1 => Ok(self != Self::Commit),
            // Written, and not active yet.
            2 => Ok(self == Self::Commit),
            _ => Err(Error::corrupt(format!("update_status is {record}"))),
        }
    }
}

/// Reads the database at `region`.
///
/// # Errors
/// `Corrupt` and `Unsupported` for what is wrong with its header. What is wrong with records is in
/// [`Database::damage`].
pub(super) fn read(source: &dyn Source, region: Region) -> Result<Database> {
    if region.size > MOST {
        let text = format!("a database of {} bytes is over {MOST}", region.size);
        return Err(Error::unsupported(text).at(region.start));
    }
    let bytes = read_vec(source, region.start, to_usize(region.size))?;
    let database = parse(&bytes, region.start).map_err(|error| error.at(region.start));
    database.context(|| "VMDB")
}

/// The database in `bytes`, which are at byte `at` of the disk.
fn parse(bytes: &[u8], at: u64) -> Result<Database> {
    let field = |behind: usize| at.saturating_add(to_u64(behind));
    let header = DatabaseHeader::read_from_prefix(bytes);
    let (header, _) = header.map_err(|_| Error::corrupt("cut off"))?;
    let update = header.check(at)?;
    let group_at = field(offset_of!(DatabaseHeader, disk_group_guid));
    let mut database = Database {
        group: header.group().map_err(|error| error.at(group_at))?,
        group_at,
        name: shown(until_zero(&header.disk_group_name)),
        sequence: match update {
            Update::Commit => header.pending.get(),
            Update::Clean | Update::Change => header.committed.get(),
        },
        unfinished: match update {
            Update::Clean => None,
            Update::Change => Some("a change to it was begun, and is left out"),
            Update::Commit => Some("a change to it was not finished, and is made"),
        },
        volumes: Vec::new(),
        components: Vec::new(),
        extents: Vec::new(),
        disks: Vec::new(),
        damage: Damage::default(),
    };
    for record in header.records(bytes, at, &mut database.damage)? {
        let group = format!("VBLK group {}", record.group);
        match record.parse(update).context(|| group) {
            Ok(Some(record)) => database.add(record),
            Ok(None) => {}
            Err(error) => database.damage.add(error),
        }
    }
    let (counts, counts_at) = match update {
        Update::Commit => (
            header.pending_counts,
            offset_of!(DatabaseHeader, pending_counts),
        ),
        Update::Clean | Update::Change => (
            header.committed_counts,
            offset_of!(DatabaseHeader, committed_counts),
        ),
    };
    database.check_counts(counts, field(counts_at));
    Ok(database)
}

impl DatabaseHeader {
    /// What is under way. The header is at byte `at`.
    fn check(&self, at: u64) -> Result<Update> {
        let field = |behind: usize| at.saturating_add(to_u64(behind));
        if self.signature != *DATABASE {
            let found = printable(&self.signature);
            return Err(Error::corrupt(format!("its signature is \"{found}\"")));
        }
        let version = (self.version_major.get(), self.version_minor.get());
        if version != (4, 10) {
            let text = format!("version is {}.{}, not 4.10", version.0, version.1);
            let behind = match version.0 {
                4 => offset_of!(DatabaseHeader, version_minor),
                _ => offset_of!(DatabaseHeader, version_major),
            };
            return Err(Error::unsupported(text).at(field(behind)));
        }
        match self.update_status.get() {
            1 => Ok(Update::Clean),
            2 => Ok(Update::Change),
            3 => Ok(Update::Commit),
            other => {
                let error = Error::corrupt(format!("update_status is {other}"));
                Err(error.at(field(offset_of!(DatabaseHeader, update_status))))
            }
        }
    }

    fn group(&self) -> Result<Guid> {
        let text = until_zero(&self.disk_group_guid);
        Guid::parse(text).ok_or_else(|| {
            let text = printable(text);
            Error::corrupt(format!("disk_group_guid is \"{text}\", no identifier"))
        })
    }

    /// The records in the blocks of `bytes`, which are at byte `at`, each put together from its
    /// fragments.
    fn records<'a>(
        &self,
        bytes: &'a [u8],
        at: u64,
        damage: &mut Damage,
    ) -> Result<Vec<Pieces<'a>>> {
        let mut groups: BTreeMap<u32, Pieces<'a>> = BTreeMap::new();
        let first = at.saturating_add(u64::from(self.header_size.get()));
        let size = u64::from(self.block_size.get());
        for (number, block) in (0_u64..).zip(self.blocks(bytes, at)?) {
            let at = first.saturating_add(number.saturating_mul(size));
            match fragment(block, at) {
                Ok(None) => {}
                Ok(Some((header, data))) => {
                    let group = header.group.get();
                    let pieces = groups.entry(group).or_insert_with(|| Pieces::new(group));
                    pieces.add(&header, at, data);
                }
                Err(error) => damage.add(error.context(format!("block {number}"))),
            }
        }
        Ok(groups.into_values().collect())
    }

    /// The blocks behind the header, which is at byte `at`.
    fn blocks<'a>(&self, bytes: &'a [u8], at: u64) -> Result<std::slice::ChunksExact<'a, u8>> {
        let field = |behind: usize| at.saturating_add(to_u64(behind));
        let (count, size) = (self.blocks.get(), self.block_size.get());
        let least = size_of::<BlockHeader>().saturating_add(size_of::<RecordHeader>());
        if u64::from(size) < to_u64(least) || size > 4096 {
            let error = Error::corrupt(format!("block_size is {size}"));
            return Err(error.at(field(offset_of!(DatabaseHeader, block_size))));
        }
        let start = self.header_size.get();
        if u64::from(start) < to_u64(size_of::<Self>()) || to_u64(bytes.len()) < u64::from(start) {
            let error = Error::corrupt(format!("header_size is {start}"));
            return Err(error.at(field(offset_of!(DatabaseHeader, header_size))));
        }
        let end = u64::from(count).saturating_mul(u64::from(size));
        let blocks = bytes.get(to_usize(u64::from(start))..to_usize(end));
        let blocks = blocks.ok_or_else(|| {
            let all = bytes.len();
            let text = format!("{count} blocks of {size} bytes do not fit into its {all} bytes");
            Error::corrupt(text).at(field(offset_of!(DatabaseHeader, blocks)))
        })?;
        Ok(blocks.chunks_exact(to_usize(u64::from(size))))
    }
}

/// The fragment in a block, which is at byte `at`; `None` where the block is not in use.
fn fragment(block: &[u8], at: u64) -> Result<Option<(BlockHeader, &[u8])>> {
    let header = BlockHeader::read_from_prefix(block);
    let (header, data) = header.map_err(|_| Error::corrupt("cut off"))?;
    if header.signature != *RECORD_BLOCK {
        let found = printable(&header.signature);
        return Err(Error::corrupt(format!("its signature is \"{found}\"")).at(at));
    }
    let (number, count) = (header.fragment.get(), header.fragments.get());
    if count == 0 {
        return Ok(None);
    }
    if number >= count {
        let text = format!("fragment {number} of {count} (VBLK {})", header.sequence);
        let at = at.saturating_add(to_u64(offset_of!(BlockHeader, fragment)));
        return Err(Error::corrupt(text).at(at));
    }
    Ok(Some((header, data)))
}

/// The fragments of a record, as far as they are there.
struct Pieces<'a> {
    group: u32,
    count: u16,
    /// Each with the byte that its block is at.
    pieces: BTreeMap<u16, (u64, &'a [u8])>,
    wrong: Option<Error>,
}

impl<'a> Pieces<'a> {
    fn new(group: u32) -> Self {
        Self {
            group,
            count: 0,
            pieces: BTreeMap::new(),
            wrong: None,
        }
    }

    /// Adds the fragment in the block at byte `at`.
    fn add(&mut self, header: &BlockHeader, at: u64, data: &'a [u8]) {
        let field = |behind: usize| at.saturating_add(to_u64(behind));
        let (number, count) = (header.fragment.get(), header.fragments.get());
        if self.count != 0 && self.count != count {
            let text = format!("it has {} fragments, and then {count}", self.count);
            let error = Error::corrupt(text).at(field(offset_of!(BlockHeader, fragments)));
            self.wrong.get_or_insert(error);
        }
        self.count = count;
        if self.pieces.insert(number, (at, data)).is_some() {
            let text = format!("fragment {number} is there twice");
            let error = Error::corrupt(text).at(field(offset_of!(BlockHeader, fragment)));
            self.wrong.get_or_insert(error);
        }
    }

    fn parse(self, update: Update) -> Result<Option<Record>> {
        if let Some(error) = self.wrong {
            return Err(error);
        }
        if self.pieces.len() != usize::from(self.count) {
            let (there, count) = (self.pieces.len(), self.count);
            let text = format!("{there} of {count} fragments are there");
            let first = self.pieces.values().next().map_or(0, |(at, _)| *at);
            let at = first.saturating_add(to_u64(offset_of!(BlockHeader, fragments)));
            return Err(Error::corrupt(text).at(at));
        }
        let pieces = self.pieces.into_values();
        let pieces: Vec<(u64, &[u8])> = pieces
            .map(|(at, data)| (at.saturating_add(to_u64(size_of::<BlockHeader>())), data))
            .collect();
        let places = Places::new(&pieces);
        let bytes: Vec<u8> = pieces.iter().flat_map(|(_, data)| *data).copied().collect();
        let header = RecordHeader::read_from_prefix(&bytes);
        let (header, data) = header.map_err(|_| Error::corrupt("cut off"))?;
        let takes = update.takes(header.update_status.get());
        let field = |behind: usize| places.byte(behind);
        if !takes.map_err(|error| error.at(field(offset_of!(RecordHeader, update_status))))? {
            return Ok(None);
        }
        let size = header.size.get();
        let data = data.get(..to_usize(u64::from(size))).ok_or_else(|| {
            let text = format!("its size is {size}, and its fragments have {}", data.len());
            Error::corrupt(text).at(field(offset_of!(RecordHeader, size)))
        })?;
        let fields = Fields::new(data, &places, size_of::<RecordHeader>());
        let record = Record::parse(header.kind, header.flags, fields);
        record.map_err(|error| error.at(field(offset_of!(RecordHeader, kind))))
    }
}

impl Database {
    fn add(&mut self, record: Record) {
        match record {
            Record::Volume(volume) => self.volumes.push(volume),
            Record::Component(component) => self.components.push(component),
            Record::Extent(extent) => self.extents.push(extent),
            Record::Disk(disk) => self.disks.push(disk),
            Record::Group(group) => self.name = group.name,
        }
    }

    /// Compares what is there with `counts`, which the header has at byte `at`.
    fn check_counts(&mut self, counts: Counts, at: u64) {
        let counts = [
            ("volumes", counts.volumes, self.volumes.len()),
            ("components", counts.components, self.components.len()),
            ("extents", counts.extents, self.extents.len()),
            ("disks", counts.disks, self.disks.len()),
        ];
        for ((what, said, found), index) in counts.into_iter().zip(0_u64..) {
            if u64::from(said) != to_u64(found) {
                let text = format!("VMDB counts {said} {what}, and {found} are there");
                let at = at.saturating_add(index.saturating_mul(4));
                self.damage.add(Error::corrupt(text).at(at));
            }
        }
    }
}
