//! The records of the database: a group, its disks, and volumes that are made of components, which
//! are made of extents.

use super::fields::Fields;
use super::guid::Guid;
use super::layout::until_zero;
use crate::error::{Error, Result, ResultExt, printable};

/// A record.
#[derive(Debug)]
pub(super) enum Record {
    Volume(Volume),
    Component(Component),
    Extent(Extent),
    Disk(Disk),
    Group(Group),
}

/// A volume: one component, or several that have the same bytes.
#[derive(Debug)]
pub(super) struct Volume {
    /// The byte of a disk that its record is at.
    pub(super) at: u64,
    pub(super) id: u64,
    pub(super) name: String,
    /// Whether one component may be missing an extent.
    pub(super) is_raid: bool,
    /// How many components it has.
    pub(super) components: u64,
    /// Bytes.
    pub(super) size: u64,
    pub(super) guid: Guid,
    /// The drive letter that it had, as `E:`.
    pub(super) hint: String,
}

/// A copy of a volume.
#[derive(Debug)]
pub(super) struct Component {
    /// The byte of a disk that its record is at.
    pub(super) at: u64,
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) volume: u64,
    /// How many extents it has.
    pub(super) extents: u64,
    pub(super) layout: Layout,
    /// Why its bytes are not to be believed.
    pub(super) stale: Option<&'static str>,
}

/// How the bytes of a component lie on its extents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// On one behind the other.
    Spanned,
    /// In chunks of so many bytes on so many columns in turn.
    Striped { chunk: u64, columns: u64 },
    /// The same, with parity.
    Raid { chunk: u64, columns: u64 },
}

/// A piece of a disk.
#[derive(Debug)]
pub(super) struct Extent {
    /// The byte of a disk that its record is at.
    pub(super) at: u64,
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) component: u64,
    pub(super) disk: u64,
    /// The first byte, in the public region of the disk.
    pub(super) start: u64,
    /// Bytes.
    pub(super) size: u64,
    pub(super) column: u64,
    /// The first byte in its column.
    pub(super) offset: u64,
    /// Why its bytes are not to be believed.
    pub(super) stale: Option<&'static str>,
}

/// A disk of the group.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) guid: Guid,
}

/// The group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
}

/// The flags of components and extents that say that what is in them is old (dmdiag's names).
const COMPONENT_STALE: [(u32, &str); 3] = [(2, "recover"), (4, "iofail"), (8, "pending")];
const EXTENT_STALE: [(u32, &str); 2] = [(8, "recover"), (16, "kdetach")];

impl Record {
    /// Reads a record of `kind` with the optional fields that `flags` say; `None` for an empty one.
    ///
    /// # Errors
    /// `Corrupt` where a field is wrong; `Unsupported` for a kind or a revision of which nothing is
    /// known.
    pub(super) fn parse(kind: u8, flags: u8, mut fields: Fields<'_>) -> Result<Option<Self>> {
        if kind & 0x0f == 0 {
            return Ok(None);
        }
        let id = fields.id("id")?;
        let name = fields.name("name")?;
        let what = format!("{id:#x} \"{}\"", printable(name.as_bytes()));
        let record = match kind {
            0x51 => volume(id, name, flags, fields).map(Self::Volume),
            0x32 => component(id, name, flags, fields).map(Self::Component),
            0x33 => extent(id, name, flags, fields).map(Self::Extent),
            0x34 | 0x44 => disk(id, name, kind, fields).map(Self::Disk),
            0x35 | 0x45 => Ok(Self::Group(Group { name })),
            _ => Err(Error::unsupported(format!("a record of type {kind:#04x}"))),
        };
        record.map(Some).context(|| what)
    }
}

fn volume(id: u64, name: String, flags: u8, mut fields: Fields<'_>) -> Result<Volume> {
    fields.counted("type")?;
    fields.counted("drive letter assignment")?;
    fields.bytes("state", 14)?;
    let [policy] = fields.array("read policy")?;
    let is_raid = match policy {
        1..=3 => false,
        4 => true,
        _ => {
            let error = Error::unsupported(format!("read policy {policy}"));
            return Err(fields.wrong(error));
        }
    };
    fields.counted("number")?;
    fields.skip(4)?;
    let components = fields.count("number of components")?;
    fields.skip(16)?;
    let size = fields.sectors("size")?;
    fields.skip(5)?;
    let guid = Guid(fields.array("guid")?);
    for (flag, field) in [(0x08, "id 1"), (0x20, "id 2"), (0x80, "column size")] {
        if flags & flag != 0 {
            fields.counted(field)?;
        }
    }
    let hint = match flags & 0x02 {
        0 => String::new(),
        _ => fields.name("hint")?,
    };
    Ok(Volume {
        at: fields.record(),
        id,
        name,
        is_raid,
        components,
        size,
        guid,
        hint,
    })
}

fn component(id: u64, name: String, flags: u8, mut fields: Fields<'_>) -> Result<Component> {
    fields.counted("state")?;
    let [layout] = fields.array("layout")?;
    if !matches!(layout, 1..=3) {
        let error = Error::unsupported(format!("layout {layout}"));
        return Err(fields.wrong(error));
    }
    let state = u32::from_be_bytes(fields.array("flags")?);
    let extents = fields.count("number of extents")?;
    fields.skip(16)?;
    let volume = fields.id("volume")?;
    fields.counted("log")?;
    let (chunk, columns) = match flags & 0x10 {
        0 => (0, 1),
        _ => (
            fields.sectors("stripe size")?,
            fields.count("number of columns")?,
        ),
    };
    let layout = match layout {
        1 => Layout::Striped { chunk, columns },
        3 => Layout::Raid { chunk, columns },
        _ => Layout::Spanned,
    };
    Ok(Component {
        at: fields.record(),
        id,
        name,
        volume,
        extents,
        layout,
        stale: stale(state, &COMPONENT_STALE),
    })
}

fn extent(id: u64, name: String, flags: u8, mut fields: Fields<'_>) -> Result<Extent> {
    let state = u32::from_be_bytes(fields.array("flags")?);
    fields.skip(8)?;
    Ok(Extent {
        at: fields.record(),
        id,
        name,
        start: fields.fixed_sectors("start")?,
        offset: fields.fixed_sectors("offset in column")?,
        size: fields.sectors("size")?,
        component: fields.id("component")?,
        disk: fields.id("disk")?,
        column: match flags & 0x08 {
            0 => 0,
            _ => fields.count("column")?,
        },
        stale: stale(state, &EXTENT_STALE),
    })
}

fn disk(id: u64, name: String, kind: u8, mut fields: Fields<'_>) -> Result<Disk> {
    let guid = match kind {
        0x44 => Guid(fields.array("disk_guid")?),
        _ => {
            let text = until_zero(fields.counted("disk_guid")?);
            Guid::parse(text).ok_or_else(|| {
                let text = printable(text);
                let error = Error::corrupt(format!("disk_guid is \"{text}\", no identifier"));
                fields.wrong(error)
            })?
        }
    };
    Ok(Disk { id, name, guid })
}

fn stale(flags: u32, words: &[(u32, &'static str)]) -> Option<&'static str> {
    let mut set = words.iter().filter(|(flag, _)| flags & flag != 0);
    set.next().map(|(_, word)| *word)
}
