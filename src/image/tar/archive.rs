//! The archive as a directory: its members by name, for one another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::entry::{Member, Sparse, Walk};
use super::links;
use super::sparse::Pieces;
use crate::cache::Cache;
use crate::error::{Error, Kind, Result, ResultExt, printable};
use crate::format::{Context, Identity, Neighbour, Neighbours, Room};
use crate::lock::lock;
use crate::source::SharedSource;
use crate::source::mapped::Mapped;
use crate::source::window::Window;

/// How many headers are read.
const MOST_HEADERS: u64 = 100_000;

/// Bytes of all names together.
const MOST_NAMES: usize = 16 << 20;

/// The members with holes that are in use, by the byte that theirs begin at: however often one is
/// named, its pieces are in memory once.
type Maps = Mutex<BTreeMap<u64, Weak<Mapped<Pieces>>>>;

/// How many archives there were.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The regular files of an archive, read in place.
#[derive(Clone)]
pub(in crate::image) struct Archive {
    source: SharedSource,
    members: Arc<Vec<Member>>,
    /// Their numbers by name, those of one name as in the archive.
    by_name: Arc<Vec<usize>>,
    maps: Arc<Maps>,
    cache: Arc<Cache>,
    room: Room,
    /// What tells its members from those of other archives: no device of the host has this number.
    number: u64,
    /// The directory of the image that the others are neighbours of, with `/` behind it.
    directory: Vec<u8>,
}

impl Archive {
    /// Lists `source`. Where its end is far it stops as soon as what is left can be no more than
    /// what every archive ends in, unless it has to be `thorough`.
    pub(in crate::image) fn read(
        source: &SharedSource,
        context: &Context,
        thorough: bool,
    ) -> Result<Self> {
        let mut walk = Walk::new(&**source, thorough, MOST_HEADERS);
        let (mut members, mut names) = (Vec::new(), 0_usize);
        while let Some(member) = walk.next()? {
            let link = member.link.as_ref().map_or(0, Vec::len);
            names = names.saturating_add(member.name.len()).saturating_add(link);
            if names > MOST_NAMES {
                return Err(Error::unsupported("an archive of too many members"));
            }
            members.push(member);
        }
        let members = links::resolve(members, &context.notices);
        let mut by_name: Vec<usize> = (0..members.len()).collect();
        by_name.sort_by_key(|index| members.get(*index).map(|member| &member.name));
        Ok(Self {
            source: source.clone(),
            members: Arc::new(members),
            by_name: Arc::new(by_name),
            maps: Arc::default(),
            cache: context.cache.clone(),
            room: context.room.clone(),
            number: u64::MAX.saturating_sub(NUMBER.fetch_add(1, Ordering::Relaxed)),
            directory: Vec::new(),
        })
    }

    /// Every name and how many bytes it has, those of its holes too, in the archive's order.
    pub(in crate::image) fn files(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let members = self.members.iter();
        members.map(|member| (member.name.as_slice(), member.size()))
    }

    /// The bytes of the member that is called `name` in full; of several the last, as it would be
    /// unpacked. `None` where there is none.
    pub(in crate::image) fn bytes(&self, name: &[u8]) -> Result<Option<SharedSource>> {
        let found = self.member(name).map(|member| self.open_member(member));
        found.transpose().context(|| printable(name))
    }

    /// The others as they are for an image called `name`: by their names in its directory.
    pub(in crate::image) fn beside(&self, name: &[u8]) -> Self {
        let slash = name.iter().rposition(|byte| *byte == b'/');
        let end = slash.map_or(0, |slash| slash.saturating_add(1));
        Self {
            directory: name.get(..end).unwrap_or_default().to_vec(),
            ..self.clone()
        }
    }

    fn member(&self, name: &[u8]) -> Option<&Member> {
        let named = |index: &usize| self.members.get(*index);
        let is_before = |index: &usize| named(index).is_some_and(|it| it.name.as_slice() <= name);
        let end = self.by_name.partition_point(is_before);
        let last = self.by_name.get(end.checked_sub(1)?)?;
        named(last).filter(|member| member.name == name)
    }

    fn open_member(&self, member: &Member) -> Result<SharedSource> {
        let end = member.offset.checked_add(member.stored);
        let size = self.source.size();
        if end.is_none_or(|end| end > size) {
            let text = format!("size {} is past the end of the archive", member.stored);
            return Err(Error::corrupt(text).at(member.offset));
        }
        match member.sparse {
            Sparse::No => {
                let window = Window::new(self.source.clone(), member.offset, member.stored);
                Ok(Arc::new(window?))
            }
            _ => Ok(self.with_holes(member)?),
        }
    }

    /// `member`, which has holes.
    fn with_holes(&self, member: &Member) -> Result<Arc<Mapped<Pieces>>> {
        let mut maps = lock(&self.maps);
        maps.retain(|_, map| map.strong_count() > 0);
        if let Some(known) = maps.get(&member.offset).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let pieces = Pieces::read(&*self.source, member, &self.room);
        let pieces = pieces.map_err(|error| error.at(member.offset))?;
        let members = vec![self.source.clone()];
        let map = Arc::new(Mapped::new(pieces, members, None, self.cache.clone()));
        maps.insert(member.offset, Arc::downgrade(&map));
        Ok(map)
    }

    /// The full name of what the image in `directory` calls `name`.
    fn resolve(&self, name: &[u8]) -> Result<Vec<u8>> {
        let mut parts = name.split(|byte| *byte == b'/');
        if name.is_empty() || parts.any(|part| part == b"..") || name.starts_with(b"/") {
            let text = format!("{} leads out of the archive", printable(name));
            return Err(Error::new(Kind::Refused, text));
        }
        let mut name = name;
        while let Some(rest) = name.strip_prefix(b"./") {
            name = rest;
        }
        Ok([&self.directory, name].concat())
    }

    /// Whether there is a member that an image beside it calls `name`.
    pub(in crate::image) fn holds(&self, name: &[u8]) -> Result<bool> {
        Ok(self.member(&self.resolve(name)?).is_some())
    }

    /// The same member by what an image beside it calls it.
    pub(in crate::image) fn named(&self, name: &[u8]) -> Result<Option<SharedSource>> {
        self.bytes(&self.resolve(name)?)
    }
}

impl Neighbours for Archive {
    fn open(&self, name: &[u8]) -> Result<Neighbour> {
        let full = self.resolve(name)?;
        let missing = || {
            let text = format!("{} is not in the archive", printable(name));
            Error::not_found(text)
        };
        let member = self.member(&full).ok_or_else(missing)?;
        Ok(Neighbour {
            source: self.open_member(member).context(|| printable(&full))?,
            name: full.get(self.directory.len()..).unwrap_or(name).to_vec(),
            identity: Some(Identity {
                device: self.number,
                inode: member.offset,
            }),
            neighbours: Arc::new(self.beside(&full)),
        })
    }

    fn names(&self) -> Result<Vec<Vec<u8>>> {
        let own = |name: &[u8]| {
            let name = name.strip_prefix(self.directory.as_slice())?;
            (!name.contains(&b'/')).then(|| name.to_vec())
        };
        let names = self.files().filter_map(|(name, _)| own(name));
        Ok(names.take(10_000).collect())
    }
}
