//! Linux MD, software RAID: each member has a superblock that describes the whole array and says
//! what the member is to it.

mod array;
mod describe;
mod field;
mod journal;
mod layout;
mod makeup;
mod members;
mod name;
mod new;
mod old;
mod partial;
mod superblock;

use self::array::{Array, Shape};
use self::layout::MD_FEATURE_JOURNAL;
use self::members::{Member, State, Used};
use self::superblock::{Role, Superblock};
use super::raid::{self, Level};
use super::{Open, Opened};
use crate::error::{Error, Result};
use crate::format::{Context, Description, Format, Set, Volume};
use crate::number::to_u64;
use crate::source::{SharedSource, Source};

pub(super) const FORMAT: Format<Open> = Format {
    name: "linux_raid_member",
    claim,
    describe,
    open,
};

/// A member, with the superblock that it was claimed by.
struct Found {
    source: SharedSource,
    superblock: Superblock,
}

/// What is no data of a place belongs to the array, and does not make it whole. So does a member
/// whose superblock is damaged, as which it is known when it opens.
fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let Some(superblock) = Superblock::find(source) else {
        return Ok(None);
    };
    let set = superblock.set.to_string();
    let expected = superblock.disks;
    let is_whole = superblock.damage.is_none();
    Ok(Some(match superblock.role(superblock.number) {
        Role::Active(role) if is_whole && !superblock.is_replacement => Set::Member {
            set,
            role,
            expected,
            event: superblock.events,
            names: Vec::new(),
        },
        _ => Set::Beside { set, expected },
    }))
}

fn describe(source: &dyn Source) -> Result<Description> {
    Superblock::read(source).map(|superblock| describe::member(&superblock))
}

fn open(sources: &[SharedSource], context: &Context) -> Result<Opened> {
    let mut found = Vec::new();
    for source in sources {
        found.push(Found {
            superblock: Superblock::read(&**source)?,
            source: source.clone(),
        });
    }
    let ignore = context.options.ignore_checksums;
    let newest = newest(&found, ignore)?;
    let name = name::of(newest);
    let (source, description) = match Array::new(newest) {
        Ok(array) => {
            let members = members::judge(&found, newest, &array, ignore);
            let assembly = Assembly {
                name: &name,
                newest,
                array,
                places: members::places(&members, &array),
                members,
            };
            let source = assembly.check_journal(&found, context);
            let source = source.and_then(|()| assembly.source(context));
            assembly.note(&source, context);
            let missing = assembly.missing();
            let size = source.as_ref().ok().map(|source| source.size());
            let members = &assembly.members;
            let made = makeup::of(&name, size, newest, &found, members);
            let description = Description {
                volumes: made.told(context).into_iter().collect(),
                ..describe::array(newest, members, &missing)
            };
            (source, description)
        }
        Err(error) => (Err(error), describe::array(newest, &[], &[])),
    };
    Ok(Opened {
        volumes: vec![Volume {
            name,
            source,
            location: None,
            partition: None,
        }],
        description: Some(description),
    })
}

/// The superblock that was written last, among those that are whole.
fn newest(found: &[Found], ignore_checksums: bool) -> Result<&Superblock> {
    let all = found.iter().map(|it| &it.superblock);
    let whole = all.filter(|it| it.check(ignore_checksums).is_ok());
    // Of several it is the first: max_by_key() would give the last.
    let newest = whole.rev().max_by_key(|it| it.events);
    match (newest, found.first()) {
        (Some(newest), _) => Ok(newest),
        (None, Some(first)) => Err(first.superblock.damage.clone().unwrap_or_else(none)),
        (None, None) => Err(none()),
    }
}

fn none() -> Error {
    Error::corrupt("no member")
}

/// An array with its members where they belong.
struct Assembly<'a> {
    name: &'a str,
    newest: &'a Superblock,
    array: Array,
    members: Vec<Member>,
    /// Who has the data of each place, the best first.
    places: Vec<Vec<Used>>,
}

impl Assembly<'_> {
    /// The places that nobody has.
    fn missing(&self) -> Vec<u32> {
        let pairs = (0..self.array.disks).zip(&self.places);
        let missing = pairs.filter(|(_, used)| used.is_empty());
        missing.map(|(place, _)| place).collect()
    }

    /// Says who is not used, and what is missing.
    fn note(&self, source: &Result<SharedSource>, context: &Context) {
        let add = |text: String| context.notices.add(format!("{}: {text}", self.name));
        for member in &self.members {
            if let State::Refused(error) = &member.state {
                add(format!("member {} is not used: {error}", member.number));
            }
        }
        let missing = self.missing();
        match source {
            Err(error) => return add(error.to_string()),
            Ok(_) if missing.is_empty() => return,
            Ok(_) => {}
        }
        let (roles, disks) = (describe::roles(&missing), self.array.disks);
        // Where there are fewer members than roles it is said of every set.
        if to_u64(self.members.len()) >= u64::from(disks) {
            add(format!("no member of {disks} has {roles}"));
        }
        let has_parity = (4..=6).contains(&self.newest.level);
        if has_parity && !self.newest.is_clean {
            let text = "it was in use when it was last written: what is rebuilt by parity may be \
                        wrong where something was just being written";
            add(text.to_owned());
        }
    }

    fn check_journal(&self, found: &[Found], context: &Context) -> Result<()> {
        if !self.newest.has(MD_FEATURE_JOURNAL) {
            return Ok(());
        }
        match journal::check(found, self.newest) {
            Err(error) if context.options.no_replay => {
                context.notices.add(format!("{}: {error}", self.name));
                Ok(())
            }
            checked => checked,
        }
    }

    fn source(&self, context: &Context) -> Result<SharedSource> {
        let places: Result<Vec<_>> = self.places.iter().map(|it| place(it, context)).collect();
        let (places, cache) = (places?, context.cache.clone());
        let source = match self.array.shape {
            Shape::Same { level, size, .. } => raid::open(level, size, places, cache),
            Shape::Linear(_) => raid::all(places).map(|all| raid::linear(all, cache)),
            Shape::Striped(chunk, order) => {
                raid::all(places).map(|all| raid::striped(chunk, order, all, cache))
            }
        };
        source.map_err(|error| self.explain(&error))
    }

    /// Names the places that are missing, and why a member is not used.
    fn explain(&self, error: &Error) -> Error {
        let missing = describe::roles(&self.missing());
        let refused = self.members.iter().find_map(|member| match &member.state {
            State::Refused(why) => Some(format!("; member {} is not used: {why}", member.number)),
            _ => None,
        });
        let text = format!(
            "{}: no member has {missing}{}",
            error.message(),
            refused.unwrap_or_default()
        );
        Error::new(error.kind(), text).hint("--with adds the image that a member is on")
    }
}

/// What has the data of a place: the first of `used`, and where it cannot be read the next.
fn place(used: &[Used], context: &Context) -> Result<Option<SharedSource>> {
    let sources = used.iter().map(|used| used.source.clone());
    match used {
        [] => Ok(None),
        [only] => Ok(Some(only.source.clone())),
        [first, ..] => {
            let sources = sources.map(Some).collect();
            let size = first.source.size();
            raid::open(Level::Copied, size, sources, context.cache.clone()).map(Some)
        }
    }
}
