//! What one disk, partition or volume holds. The order in which answers are weighed:
//!
//! 1. What the user named with `--format`.
//! 2. A volume manager that a partition table names as the owner of some of its partitions: the
//!    member, and the partitions as volumes besides.
//! 3. A member of an array whose superblock lies at the end: what looks like a partition table, a
//!    file system or another volume manager's member at its start belongs to the array. (Unless a
//!    partition covers that superblock, which is then the partition's.)
//! 4. A file system that may be a hybrid, beside a table whose partitions all lie inside it or
//!    behind it: the file system, and the partitions as volumes besides its files.
//! 5. A partition table with a partition that holds something known.
//! 6. A file system or volume manager over the whole, beside a table with nothing behind it: what
//!    `mkfs` on a whole disk leaves, since it keeps the first 1024 bytes. The same when a partition
//!    starts at byte 0: both are the same bytes.
//! 7. The same beside a GPT of which only the copy at the end of the disk is left.
//! 8. A partition table all the same.
//! 9. An encrypted volume before what is left over beside it. A member of a set, as a volume manager
//!    has it, before a file system, which its volumes may hold or which is left over; then whatever
//!    the magics say.

use std::sync::Arc;

use super::at_end::member_before_filesystems;
use super::{Beside, Content, Registries, bridge, shared};
use crate::error::{Error, Kind, Result};
use crate::filesystem::FileSystem;
use crate::format::{Context, Description, Format, Set, Volume};
use crate::signature::{self, Layer, Signature};
use crate::source::window::Window;
use crate::source::{SharedSource, Source};

/// How deep containers may nest; the disk is depth 0.
pub(super) const DEPTH: usize = 8;

/// How much of a disk is its start, where every table has its first copy.
const HEAD: u64 = 64 * 1024;

/// What is looked at.
pub(super) struct Subject<'a> {
    pub(super) registries: &'a Registries,
    pub(super) context: &'a Context,
    pub(super) source: &'a SharedSource,
    /// How many disks, partitions and volumes it lies in.
    pub(super) depth: usize,
    /// It starts at byte 0 of what holds it: its table is the one that led here.
    pub(super) at_zero: bool,
    /// For notices: its name.
    pub(super) name: &'a str,
}

/// What was found.
pub(super) enum Found {
    /// Nothing further in it.
    Leaf(Content),
    /// Volumes.
    Table {
        format: &'static str,
        description: Description,
        volumes: Vec<Volume>,
    },
    /// A file system, and what it holds besides files.
    FileSystem {
        format: &'static str,
        description: Description,
        filesystem: Arc<dyn FileSystem>,
        extra: Vec<Volume>,
        beside: Vec<Beside>,
    },
    /// A member of a set.
    Member {
        reader: Reader,
        description: Description,
        set: Set,
        /// Partitions of the table that it shares the disk with on purpose.
        extra: Vec<Volume>,
        beside: Vec<Beside>,
    },
}

/// A reader of whole volumes.
#[derive(Clone, Copy)]
pub(super) enum Reader {
    Volume(&'static Format<crate::volume::Open>),
    FileSystem(&'static Format<crate::filesystem::Open>),
}

impl Reader {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Volume(format) => format.name,
            Self::FileSystem(format) => format.name,
        }
    }

    fn claim(&self, source: &dyn Source) -> Result<Option<Set>> {
        match self {
            Self::Volume(format) => (format.claim)(source),
            Self::FileSystem(format) => (format.claim)(source),
        }
    }

    pub(super) fn describe(&self, source: &dyn Source) -> Description {
        let described = match self {
            Self::Volume(format) => (format.describe)(source),
            Self::FileSystem(format) => (format.describe)(source),
        };
        described.unwrap_or_default()
    }

    /// Opens `members`; a failure is the content, with its reason.
    pub(super) fn open(&self, members: &[SharedSource], context: &Context) -> Found {
        let description = members
            .first()
            .map(|first| self.describe(&**first))
            .unwrap_or_default();
        let opened = match self {
            Self::Volume(format) => (format.open)(members, context).map(|opened| Found::Table {
                format: format.name,
                description: opened.description.unwrap_or_else(|| description.clone()),
                volumes: opened.volumes,
            }),
            Self::FileSystem(format) => {
                (format.open)(members, context).map(|opened| Found::FileSystem {
                    format: format.name,
                    description: description.clone(),
                    filesystem: opened.filesystem.into(),
                    extra: opened.extra,
                    beside: Vec::new(),
                })
            }
        };
        opened.unwrap_or_else(|error| damaged(self.name(), description, error))
    }
}

/// A reader that says "mine", and whether alone.
pub(super) struct Claim {
    pub(super) reader: Reader,
    pub(super) set: Set,
}

/// What is in `subject`.
pub(super) fn examine(subject: &Subject<'_>) -> Found {
    match look(subject) {
        Ok(found) => found,
        Err(error) => Found::Leaf(Content::Unknown {
            what: format!("cannot be read: {error}"),
            looked_for: subject.registries.names().collect(),
        }),
    }
}

fn look(subject: &Subject<'_>) -> Result<Found> {
    if let Some(header) = &subject.context.header {
        return Ok(subject.by_header(&**header));
    }
    let claims = subject.claims();
    if let Some(found) = subject.forced(&claims) {
        return Ok(found);
    }
    let all = signature::find(&**subject.source);
    let signatures = subject.unread(&all);
    let table = subject.table(&signatures);
    let (claims, array) = subject.array_at_end(&all, table.as_ref(), claims);
    match (array, table) {
        (Some(array), _) => Ok(array),
        (None, Some(table)) => Ok(subject.weigh(table, &claims, &signatures)),
        (None, None) => subject.without_table(&claims, &signatures),
    }
}

impl Subject<'_> {
    /// What says that it is its own. A reader that fails to look at a bad block claims nothing.
    fn claims(&self) -> Vec<Claim> {
        let volumes = self.registries.volume.iter().map(Reader::Volume);
        let filesystems = self.registries.filesystem.iter().map(Reader::FileSystem);
        let claim = |reader: Reader| {
            let set = reader.claim(&**self.source).ok().flatten()?;
            Some(Claim { reader, set })
        };
        volumes.chain(filesystems).filter_map(claim).collect()
    }

    /// The magics of formats that no reader of ours decides about.
    pub(super) fn unread(&self, all: &[&'static Signature]) -> Vec<&'static Signature> {
        let mut found = all.to_vec();
        let has_reader = |name| self.registries.names().any(|reader| reader == name);
        found.retain(|signature| signature.layer != Layer::Image && !has_reader(signature.name));
        found
    }

    /// The format that the user named, where this layer knows it: on everything that claims it,
    /// and on the whole disk in any case, for an error that says what is missing.
    fn forced(&self, claims: &[Claim]) -> Option<Found> {
        let wanted = self.context.options.format.as_deref()?;
        let claimed = claims.iter().find(|claim| claim.reader.name() == wanted);
        if let Some(claim) = claimed {
            return Some(self.open(claim));
        }
        let filesystem = |format: &&Format<_>| format.name == wanted && self.depth == 0;
        let format = self.registries.filesystem.iter().find(filesystem)?;
        if self.has_table() {
            return None;
        }
        let reader = Reader::FileSystem(format);
        Some(reader.open(std::slice::from_ref(self.source), self.context))
    }

    pub(super) fn open(&self, claim: &Claim) -> Found {
        match &claim.set {
            Set::Alone
            | Set::Sealed { .. }
            | Set::Trailer
            | Set::Hybrid { .. }
            | Set::Bridge { .. } => claim
                .reader
                .open(std::slice::from_ref(self.source), self.context),
            member @ (Set::Member { .. } | Set::Beside { .. } | Set::Stray { .. }) => {
                Found::Member {
                    reader: claim.reader,
                    description: claim.reader.describe(&**self.source),
                    set: member.clone(),
                    extra: Vec::new(),
                    beside: Vec::new(),
                }
            }
        }
    }

    /// What the manager that claims the detached `header` makes of the subject.
    fn by_header(&self, header: &dyn Source) -> Found {
        let managers = self.registries.volume.iter().map(Reader::Volume);
        let mut claiming = managers.filter(|it| matches!(it.claim(header), Ok(Some(_))));
        match claiming.next() {
            Some(reader) => reader.open(std::slice::from_ref(self.source), self.context),
            None => {
                let error = Error::unsupported("the detached header is of no known format");
                damaged("header", Description::default(), error)
            }
        }
    }

    fn has_table(&self) -> bool {
        let claims = |format: &Format<crate::partition::Open>| {
            matches!((format.claim)(&**self.source), Ok(Some(_)))
        };
        self.registries.partition.iter().any(claims)
    }

    /// The first partition table that claims the subject and opens; else the first one's reason.
    fn table(&self, signatures: &[&'static Signature]) -> Option<Found> {
        if self.at_zero {
            return None;
        }
        let forced = self.context.options.format.as_deref();
        let is_forced = |format: &Format<_>| Some(format.name) == forced;
        let only = self.registries.partition.iter().any(is_forced);
        let mut refused = None;
        for format in self.registries.partition {
            if only && !is_forced(format) {
                continue;
            }
            let opened = match (format.claim)(&**self.source) {
                Ok(Some(_)) => self.open_table(format),
                Ok(None) | Err(_) => continue,
            };
            if matches!(opened, Found::Table { .. }) {
                self.note_refused(refused.as_ref());
                return Some(opened);
            }
            refused.get_or_insert(opened);
        }
        let known = signatures
            .iter()
            .find(|found| found.layer == Layer::Partition);
        refused.or_else(|| known.map(|found| recognised(found, &**self.source)))
    }

    pub(super) fn note_refused(&self, refused: Option<&Found>) {
        if let Some(Found::Leaf(Content::Damaged { error, .. })) = refused {
            self.notice(error.to_string());
        }
    }

    /// Whether nothing of the table is left at the start of the disk, where a file system is that
    /// was made over it.
    fn is_leftover(&self, format: &str) -> bool {
        let len = self.source.size().min(HEAD);
        let Ok(head) = Window::new(self.source.clone(), 0, len) else {
            return false;
        };
        let mut formats = self.registries.partition.iter();
        let format = formats.find(|known| known.name == format);
        format.is_some_and(|format| !matches!((format.claim)(&head), Ok(Some(_))))
    }

    fn open_table(&self, format: &Format<crate::partition::Open>) -> Found {
        let description = (format.describe)(&**self.source).unwrap_or_default();
        if self.depth >= DEPTH {
            let error = Error::unsupported(format!("nesting depth is over {DEPTH}"));
            return damaged(format.name, description, error);
        }
        match (format.open)(std::slice::from_ref(self.source), self.context) {
            Ok(volumes) => Found::Table {
                format: format.name,
                description,
                volumes,
            },
            Err(error) => damaged(format.name, description, error),
        }
    }

    /// Whether the table or what claims the whole is to be believed.
    fn weigh(&self, table: Found, claims: &[Claim], signatures: &[&'static Signature]) -> Found {
        let Found::Table {
            format, volumes, ..
        } = &table
        else {
            return self.beside_broken_table(table, claims, signatures);
        };
        if self.context.options.format.as_deref() == Some(format) {
            return table;
        }
        if let Some(claim) = shared::claim(claims, volumes) {
            return self.managed(claim, table);
        }
        let Some(claim) = claims.first() else {
            return table;
        };
        if claims
            .iter()
            .any(|claim| shared::is_hybrid(&claim.set, volumes))
        {
            return self.hybrid(table, claims, signatures);
        }
        let at_zero = volumes
            .iter()
            .any(|volume| volume.location.is_some_and(|(start, _)| start == 0));
        let name = claim.reader.name();
        let held = || volumes.iter().any(|volume| self.holds_something(volume));
        if !at_zero && !self.is_leftover(format) && held() {
            self.notice(format!(
                "{name} over the whole disk beside a {format} table with known contents: the table \
                 is shown, --format {name} shows the other"
            ));
            return table;
        }
        let opened = match self.without_table(claims, signatures) {
            Ok(opened) if !matches!(opened, Found::Leaf(Content::Damaged { .. })) => opened,
            _ => return table,
        };
        self.notice(format!(
            "{name} over the whole disk beside a {format} table: {name} is shown, --format \
             {format} shows the other"
        ));
        opened
    }

    fn beside_broken_table(
        &self,
        table: Found,
        claims: &[Claim],
        signatures: &[&'static Signature],
    ) -> Found {
        if claims.is_empty() && !signatures.iter().any(|found| found.is_content()) {
            return table;
        }
        self.without_table(claims, signatures).unwrap_or(table)
    }

    fn holds_something(&self, volume: &Volume) -> bool {
        let Ok(source) = &volume.source else {
            return false;
        };
        let inner = Subject { source, ..*self };
        let has_content = !inner.claims().is_empty() || inner.has_table();
        has_content || !inner.unread(&signature::find(&**source)).is_empty()
    }

    pub(super) fn without_table(
        &self,
        claims: &[Claim],
        signatures: &[&'static Signature],
    ) -> Result<Found> {
        if let Some(found) = self.over_leftovers(claims, signatures) {
            return Ok(found);
        }
        let magics = || signatures.iter().filter(|found| found.is_content());
        let mut names: Vec<&'static str> = claims.iter().map(|claim| claim.reader.name()).collect();
        names.extend(magics().map(|found| found.name));
        names.dedup();
        if let [_, _] = names.as_slice()
            && let Some((older, younger)) = bridge::pair(claims)
        {
            return Ok(self.bridged(older, younger));
        }
        if let Some(member) = member_before_filesystems(claims, signatures) {
            return Ok(self.open(member));
        }
        match (claims.first(), names.as_slice()) {
            (_, [first, _, ..]) => Ok(damaged(
                first,
                Description::default(),
                several_formats(&names),
            )),
            (Some(claim), _) => Ok(self.open(claim)),
            (None, _) => match magics().next().or(signatures.first()) {
                Some(found) => Ok(recognised(found, &**self.source)),
                None => self.unknown(),
            },
        }
    }

    fn unknown(&self) -> Result<Found> {
        let names = self.registries.names();
        let images = self.registries.image.len();
        Ok(Found::Leaf(Content::Unknown {
            what: super::unknown::describe(&**self.source)?,
            looked_for: names.skip(images).collect(),
        }))
    }

    pub(super) fn notice(&self, text: String) {
        self.context.notices.add(format!("{}: {text}", self.name));
    }
}

pub(super) fn recognised(found: &Signature, source: &dyn Source) -> Found {
    Found::Leaf(Content::Recognised {
        name: found.name.to_owned(),
        lacks: found.lacks,
        description: found.describe(source),
    })
}

/// What `error` keeps from being opened.
pub(super) fn damaged(format: &'static str, description: Description, error: Error) -> Found {
    let error = error.context(format);
    Found::Leaf(match error.kind() {
        Kind::Locked => Content::Locked {
            format,
            description,
            error,
        },
        _ => Content::Damaged {
            format,
            description,
            error,
        },
    })
}

fn several_formats(names: &[&str]) -> Error {
    Error::unsupported(format!("several formats: {}", names.join(", ")))
        .hint("pass --format NAME to say which it is")
}
