//! A volume group as its text describes it: who it is, its physical and its logical volumes.

use std::collections::HashMap;
use std::num::NonZeroU64;

use super::layout::SECTOR;
use super::name;
use super::segment::{self, Segment};
use super::text::{self, Section, Text};
use super::uuid::Uuid;
use super::visible;
use crate::error::{Error, Result, ResultExt, printable};
use crate::number::to_u64;

/// How many logical volumes there may be. Each is a name that has to be held.
const MOST_LOGICAL: usize = 1 << 16;

/// How many physical volumes there may be. Groups of a few hundred are large.
const MOST_PHYSICAL: usize = 1 << 13;

/// A volume group.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) uuid: Uuid,
    /// Each change of the group makes it one more.
    pub(super) seqno: u64,
    /// Bytes of an extent.
    pub(super) extent: NonZeroU64,
    pub(super) is_exported: bool,
    pub(super) tags: Vec<String>,
    /// In the order of the text.
    pub(super) physical: Vec<Physical>,
    /// In the order of the text.
    pub(super) logical: Vec<Logical>,
    /// By name, the number of each physical and of each logical volume: LVM2 keeps the two apart,
    /// and a logical volume may be called `pv0`.
    physical_names: HashMap<String, usize>,
    logical_names: HashMap<String, usize>,
}

/// What an area of a segment lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A physical volume, by its place in [`Group::physical`].
    Physical(usize),
    /// A logical volume, by its place in [`Group::logical`].
    Logical(usize),
}

/// A physical volume of the group.
pub(super) struct Physical {
    pub(super) uuid: Uuid,
    /// Where its first extent is, in bytes.
    pub(super) start: u64,
    /// How many extents it has.
    pub(super) extents: u64,
}

/// A logical volume.
pub(super) struct Logical {
    pub(super) name: String,
    /// Nothing is found by it: one that makes no sense does no harm.
    pub(super) uuid: Option<Uuid>,
    pub(super) is_visible: bool,
    pub(super) tags: Vec<String>,
    /// Its segments, from the first extent on without a gap; or why they make no sense.
    pub(super) segments: Result<Vec<Segment>>,
}

impl Logical {
    /// How many extents it has.
    pub(super) fn extents(&self) -> u64 {
        let segments = self.segments.as_deref().unwrap_or_default();
        segments.last().map_or(0, Segment::end)
    }
}

impl Group {
    /// Reads a group from its text.
    ///
    /// # Errors
    /// `Corrupt` for what cannot be a group; what is wrong with one logical volume is said there.
    pub(super) fn parse(text: &Text) -> Result<Self> {
        Self::of_text(&text::parse(text)?)
    }

    /// The same without its logical volumes, whatever is wrong with them.
    ///
    /// # Errors
    /// As [`Group::parse`].
    pub(super) fn parse_physical(text: &Text) -> Result<Self> {
        Self::of_text(&text::parse_only(text, "physical_volumes")?)
    }

    fn of_text(all: &Section<'_>) -> Result<Self> {
        let version = all.number("version")?.unwrap_or(1);
        if version != 1 {
            let text = format!("version {version} of the metadata text");
            return Err(Error::unsupported(text).at(all.place("version")));
        }
        let first = all.sections().next();
        let none = || Error::corrupt("the text has no group").at(all.at);
        let (name, section) = first.ok_or_else(none)?;
        let name = name::of(name).map_err(|error| error.at(section.at))?;
        Self::of(name.clone(), section).context(|| format!("volume group {name}"))
    }

    fn of(name: String, section: &Section<'_>) -> Result<Self> {
        let mut group = Self {
            name,
            uuid: uuid(section)?,
            seqno: section.need("seqno")?,
            extent: extent(section)?,
            is_exported: section.says("status", "EXPORTED"),
            tags: tags(section),
            physical: Vec::new(),
            logical: Vec::new(),
            physical_names: HashMap::new(),
            logical_names: HashMap::new(),
        };
        if let Some(volumes) = section.section("physical_volumes") {
            for (name, volume) in volumes.sections() {
                group.add_physical(name, volume)?;
            }
        }
        if let Some(volumes) = section.section("logical_volumes") {
            for (name, volume) in volumes.sections() {
                group.add_logical(name, volume)?;
            }
        }
        visible::settle(&mut group);
        Ok(group)
    }

    fn add_physical(&mut self, name: &[u8], section: &Section<'_>) -> Result<()> {
        let name = name::of(name).map_err(|error| error.at(section.at))?;
        if self.physical.len() >= MOST_PHYSICAL {
            let text = format!("more than {MOST_PHYSICAL} physical volumes");
            return Err(Error::unsupported(text).at(section.at));
        }
        let physical = Physical::of(section).context(|| format!("physical volume {name}"))?;
        let number = self.physical.len();
        self.physical.push(physical);
        add_name(&mut self.physical_names, name, number).map_err(|error| error.at(section.at))
    }

    fn add_logical(&mut self, name: &[u8], section: &Section<'_>) -> Result<()> {
        let name = name::of(name).map_err(|error| error.at(section.at))?;
        if self.logical.len() >= MOST_LOGICAL {
            let text = format!("more than {MOST_LOGICAL} logical volumes");
            return Err(Error::unsupported(text).at(section.at));
        }
        let number = self.logical.len();
        self.logical.push(Logical {
            name: name.clone(),
            uuid: uuid(section).ok(),
            is_visible: section.says("status", "VISIBLE"),
            tags: tags(section),
            segments: segment::all(section),
        });
        add_name(&mut self.logical_names, name, number).map_err(|error| error.at(section.at))
    }

    /// What an area calls `name`: a physical volume before a logical one.
    ///
    /// # Errors
    /// `Corrupt` where nothing is.
    pub(super) fn owner(&self, name: &str) -> Result<Owner> {
        match self.physical_names.get(name) {
            Some(number) => Ok(Owner::Physical(*number)),
            None => self.number(name).map(Owner::Logical),
        }
    }

    /// The number of the logical volume called `name`, whatever the physical ones are called.
    ///
    /// # Errors
    /// `Corrupt` where none is.
    pub(super) fn number(&self, name: &str) -> Result<usize> {
        let number = self.logical_names.get(name).copied();
        let none = || Error::corrupt(format!("no volume is called {}", name::cut(name)));
        number.ok_or_else(none)
    }

    /// Bytes of `extents`.
    ///
    /// # Errors
    /// `Corrupt` for more than there can be.
    pub(super) fn bytes(&self, extents: u64) -> Result<u64> {
        let bytes = extents.checked_mul(self.extent.get());
        let bytes = bytes.filter(|bytes| i64::try_from(*bytes).is_ok());
        bytes.ok_or_else(|| {
            let text = format!("{extents} extents of {} bytes are too many", self.extent);
            Error::corrupt(text)
        })
    }
}

impl Physical {
    fn of(section: &Section<'_>) -> Result<Self> {
        let start = section.need("pe_start")?;
        let bytes = start.checked_mul(SECTOR);
        Ok(Self {
            uuid: uuid(section)?,
            start: bytes
                .ok_or_else(|| section.wrong("pe_start", format!("pe_start is {start}")))?,
            extents: section.need("pe_count")?,
        })
    }
}

fn add_name(names: &mut HashMap<String, usize>, name: String, number: usize) -> Result<()> {
    match names.insert(name, number) {
        None => Ok(()),
        Some(_) => Err(Error::corrupt("two volumes have one name")),
    }
}

fn uuid(section: &Section<'_>) -> Result<Uuid> {
    let text = section.text("id").unwrap_or_default();
    let wrong = || {
        let text = printable(text);
        section.wrong("id", format!("id is \"{}\"", name::cut(&text)))
    };
    Uuid::parse(text).ok_or_else(wrong)
}

/// `extent_size`, which has 32 bits.
fn extent(section: &Section<'_>) -> Result<NonZeroU64> {
    let sectors = section.need("extent_size")?;
    let fits = u32::try_from(sectors).is_ok();
    let bytes = fits.then(|| sectors.saturating_mul(SECTOR));
    let bytes = bytes.and_then(NonZeroU64::new);
    bytes.ok_or_else(|| section.wrong("extent_size", format!("extent_size is {sectors}")))
}

fn tags(section: &Section<'_>) -> Vec<String> {
    section.texts("tags").map(printable).collect()
}

/// How many of `all` are physical volumes of a group, as a number that a set has room for.
pub(super) fn count<T>(all: &[T]) -> u32 {
    u32::try_from(to_u64(all.len())).unwrap_or(u32::MAX)
}
