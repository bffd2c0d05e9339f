//! Volumes as sources: extents make columns, columns components, and the components of a volume are
//! copies of each other.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use super::super::raid::{self, Level, Rotation};
use super::group::{Group, On};
use super::records::{Component, Disk, Extent, Layout, Volume};
use super::spans::{Span, Spans};
use crate::error::{Error, Kind, Result, ResultExt, printable};
use crate::format::Context;
use crate::number::to_u64;
use crate::source::SharedSource;
use crate::source::mapped::Mapped;
use crate::source::window::Window;

/// Makes the volumes of a group.
pub(super) struct Assembler<'a> {
    group: &'a Group,
    context: &'a Context,
    /// Whether disks count that were away when the database was written. They do where there is
    /// nothing else to read.
    takes_old: bool,
}

/// A column of a component.
struct Column {
    /// Bytes.
    size: u64,
    /// Its bytes, or which disk is missing.
    source: std::result::Result<SharedSource, String>,
    /// Why its bytes are not to be believed.
    stale: Option<String>,
}

impl<'a> Assembler<'a> {
    /// For the volumes of `group`.
    pub(super) fn new(group: &'a Group, context: &'a Context) -> Self {
        Self {
            group,
            context,
            takes_old: false,
        }
    }

    /// The bytes of `volume`.
    ///
    /// # Errors
    /// Why it cannot be had: what contradicts itself, or which disk is missing.
    pub(super) fn volume(&self, volume: &Volume) -> Result<SharedSource> {
        let found = self.find(volume);
        found.map_err(|error| blame(error, volume.at))
    }

    fn find(&self, volume: &Volume) -> Result<SharedSource> {
        if volume.size == 0 {
            return Err(Error::corrupt("size is 0"));
        }
        let components = self.group.components(volume)?;
        let mut made = self.made(volume, &components);
        if made.as_ref().is_err_and(|it| it.kind() == Kind::NotFound) {
            let lenient = Self {
                takes_old: true,
                ..*self
            };
            made = lenient.made(volume, &components).or(made);
        }
        made.map_err(|error| match self.missing(&components) {
            missing if error.kind() == Kind::NotFound && !missing.is_empty() => not_there(&missing),
            _ => error,
        })
    }

    /// The disks of `components` that are missing, each once.
    fn missing(&self, components: &[&Component]) -> Vec<String> {
        let extents = components.iter().flat_map(|it| self.group.extents(it));
        let mut missing = Vec::new();
        for extent in extents.flatten() {
            if let Ok(On::Missing(disk)) = self.group.on(extent) {
                missing.push(is_missing(disk));
            }
        }
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    fn made(&self, volume: &Volume, components: &[&Component]) -> Result<SharedSource> {
        match components {
            [only] => self.named(volume, only, false),
            copies => self.mirror(volume, copies),
        }
    }

    /// The copies that are there and in step: at least one.
    fn mirror(&self, volume: &Volume, components: &[&Component]) -> Result<SharedSource> {
        let copies = components.iter().map(|it| self.named(volume, it, true));
        let copies: Vec<Result<SharedSource>> = copies.collect();
        let lost: Vec<Error> = copies.iter().filter_map(|it| it.clone().err()).collect();
        let members: Vec<Option<SharedSource>> = copies.into_iter().map(Result::ok).collect();
        if let (true, Some(first)) = (members.iter().all(Option::is_none), lost.first()) {
            return Err(first.clone());
        }
        for error in lost {
            self.note(volume, &format!("{error}; another copy is read"));
        }
        let cache = self.context.cache.clone();
        raid::open(Level::Copied, volume.size, members, cache)
    }

    fn named(&self, volume: &Volume, one: &Component, is_copy: bool) -> Result<SharedSource> {
        let name = || format!("component {}", printable(one.name.as_bytes()));
        let found = self.component(volume, one, is_copy);
        found.map_err(|error| blame(error, one.at)).context(name)
    }

    fn component(&self, volume: &Volume, it: &Component, is_copy: bool) -> Result<SharedSource> {
        let columns = self.columns(it)?;
        let level = level(volume, it.layout, &columns)?;
        let stale = it.stale.map(|word| format!("it is out of step ({word})"));
        let mut stale = stale
            .into_iter()
            .chain(columns.iter().find_map(|it| it.stale.clone()));
        let is_parity = matches!(level, Some(Level::Parity(..)));
        match stale.next().filter(|_| !is_parity) {
            Some(text) if is_copy => return Err(Error::not_found(text)),
            Some(text) => self.note(volume, &format!("{text}; there is nothing else to read")),
            None => {}
        }
        match level {
            Some(level) => self.array(volume, level, columns),
            None => spanned(volume, columns),
        }
    }

    /// The columns of a component, by their number.
    fn columns(&self, component: &Component) -> Result<Vec<Column>> {
        let mut columns: BTreeMap<u64, Vec<&Extent>> = BTreeMap::new();
        for extent in self.group.extents(component)? {
            let number = match component.layout {
                Layout::Spanned => 0,
                Layout::Striped { .. } | Layout::Raid { .. } => extent.column,
            };
            columns.entry(number).or_default().push(extent);
        }
        let said = match component.layout {
            Layout::Spanned => 1,
            Layout::Striped { columns, .. } | Layout::Raid { columns, .. } => columns,
        };
        if to_u64(columns.len()) != said || columns.keys().last() >= Some(&said) {
            let found: Vec<String> = columns.keys().take(8).map(u64::to_string).collect();
            let text = format!(
                "number of columns is {said}, and there are {}",
                found.join(", ")
            );
            return Err(Error::corrupt(text));
        }
        let columns = columns.into_values().map(|extents| self.column(extents));
        columns.collect()
    }

    /// The extents of a column, in its order.
    fn column(&self, mut extents: Vec<&Extent>) -> Result<Column> {
        extents.sort_by_key(|extent| extent.offset);
        let (mut members, mut spans, mut missing) = (Vec::new(), Vec::new(), None);
        let mut stale = None;
        let mut size: u64 = 0;
        for extent in extents {
            let name = printable(extent.name.as_bytes());
            let on = self.group.on(extent).map_err(|error| error.at(extent.at));
            let on = on.context(|| format!("extent {name}"))?;
            if extent.offset != size {
                let (at, before) = (extent.offset, size);
                let text = format!("extent {name}: it begins at {at}, and those before end at");
                return Err(Error::corrupt(format!("{text} {before}")).at(extent.at));
            }
            match on {
                On::Missing(disk) => missing = missing.or(Some(is_missing(disk))),
                On::There(there) => {
                    spans.push(Span {
                        start: size,
                        size: extent.size,
                        offset: there.public.start.saturating_add(extent.start),
                    });
                    members.push(there.source.clone());
                    if there.is_behind && !self.takes_old {
                        let text =
                            "is on a disk that was away when the newest database was written";
                        stale.get_or_insert(format!("extent {name} {text}"));
                    }
                }
            }
            let word = extent.stale;
            stale = stale.or(word.map(|word| format!("extent {name} is out of step ({word})")));
            size = size.saturating_add(extent.size);
        }
        let cache = self.context.cache.clone();
        Ok(Column {
            size,
            source: match missing {
                Some(disk) => Err(disk),
                None => Ok(Arc::new(Mapped::new(
                    Spans::new(spans),
                    members,
                    None,
                    cache,
                ))),
            },
            stale,
        })
    }

    fn array(&self, volume: &Volume, level: Level, columns: Vec<Column>) -> Result<SharedSource> {
        let is_parity = matches!(level, Level::Parity(..));
        let usable = |column: Column| match column.stale {
            Some(text) if is_parity => Err(text),
            _ => column.source,
        };
        let columns: Vec<_> = columns.into_iter().map(usable).collect();
        let lost = columns.iter().filter_map(|it| it.clone().err());
        let lost: Vec<String> = lost.collect();
        let members = columns.into_iter().map(std::result::Result::ok).collect();
        let opened = raid::open(level, volume.size, members, self.context.cache.clone());
        match opened {
            Err(error) if error.kind() == Kind::NotFound => Err(not_there(&lost)),
            Err(error) => Err(error),
            Ok(source) => {
                for text in lost {
                    self.note(volume, &format!("{text}; its bytes are had by parity"));
                }
                Ok(source)
            }
        }
    }

    fn note(&self, volume: &Volume, text: &str) {
        let group = printable(self.group.database.name.as_bytes());
        let volume = printable(volume.name.as_bytes());
        let notices = &self.context.notices;
        notices.add(format!("disk group {group}: volume {volume}: {text}"));
    }
}

/// The one column of a spanned component.
fn spanned(volume: &Volume, columns: Vec<Column>) -> Result<SharedSource> {
    let column = columns.into_iter().next();
    let column = column.ok_or_else(|| Error::corrupt("it has no extents"))?;
    let source = column.source.map_err(|disk| not_there(&[disk]))?;
    Ok(Arc::new(Window::new(source, 0, volume.size)?))
}

/// How the bytes of a component lie on its columns; `None` for on one alone.
///
/// # Errors
/// `Corrupt` where they do not hold the volume.
fn level(volume: &Volume, layout: Layout, columns: &[Column]) -> Result<Option<Level>> {
    let is_raid = matches!(layout, Layout::Raid { .. });
    if is_raid != volume.is_raid {
        let (a, b) = ("layout", "the volume's read policy");
        let (one, other) = if is_raid { (a, b) } else { (b, a) };
        return Err(Error::corrupt(format!(
            "{one} is RAID5, and {other} is not"
        )));
    }
    let (level, holds) = match layout {
        Layout::Spanned => (None, least(columns)),
        Layout::Striped { chunk, .. } => {
            let (chunk, each) = chunks(chunk, columns)?;
            let all = each.saturating_mul(to_u64(columns.len()));
            (Some(Level::Striped(chunk)), all)
        }
        Layout::Raid { chunk, .. } => {
            let (chunk, each) = chunks(chunk, columns)?;
            let rows = raid::Layout::new(Rotation::LeftSymmetric, to_u64(columns.len()), 1)?;
            let all = each.saturating_mul(rows.data_disks());
            (Some(Level::Parity(chunk, rows)), all)
        }
    };
    if holds < volume.size {
        let text = format!("it holds {holds} bytes, and the volume has {}", volume.size);
        return Err(Error::corrupt(text));
    }
    Ok(level)
}

/// Bytes of the smallest column.
fn least(columns: &[Column]) -> u64 {
    let sizes = columns.iter().map(|column| column.size);
    sizes.min().unwrap_or(0)
}

/// A chunk of `chunk` bytes, and how much of each column is whole chunks.
fn chunks(chunk: u64, columns: &[Column]) -> Result<(NonZeroU64, u64)> {
    let chunk = NonZeroU64::new(chunk);
    let chunk = chunk.ok_or_else(|| Error::corrupt("stripe size is 0"))?;
    let least = least(columns);
    Ok((chunk, least.saturating_sub(least % chunk)))
}

/// What `error` is about is the record at byte `at`, if it does not say more. The records are right
/// where a disk is missing, so that no byte is to blame for it.
fn blame(error: Error, at: u64) -> Error {
    match error.kind() {
        Kind::NotFound => error,
        _ => error.at(at),
    }
}

fn is_missing(disk: &Disk) -> String {
    let name = printable(disk.name.as_bytes());
    format!("disk {name} ({}) is missing", disk.guid)
}

fn not_there(lost: &[String]) -> Error {
    let error = Error::not_found(lost.join(", "));
    error.hint("--with adds the image that it is on")
}
