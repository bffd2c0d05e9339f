//! Windows' dynamic disks: the Logical Disk Manager's groups of disks, of which each carries the same
//! database of what volumes there are and where their pieces lie.
//!
//! A member is a whole disk, not a partition of it: extents are counted on the disk, an MBR's entries
//! are placeholders, and in a GPT the database is in one partition and the pieces in another.

mod assemble;
mod contents;
mod database;
mod describe;
mod fields;
mod gpt;
mod group;
mod guid;
mod header;
mod layout;
mod member;
mod records;
mod spans;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use self::assemble::Assembler;
use self::database::Database;
use self::group::{Group, There};
use self::guid::Guid;
use self::member::Member;
use super::{Open, Opened};
use crate::error::{Error, Result, ResultExt, printable};
use crate::format::{Context, Description, Format, Set, Volume};
use crate::source::{SharedSource, Source};

pub(super) const FORMAT: Format<Open> = Format {
    name: "ldm",
    claim,
    describe,
    open,
};

/// A disk whose private header is damaged in every copy is claimed too, and says so when it is
/// opened. One whose database is damaged knows its group all the same.
fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let member = match Member::read(source, true) {
        Ok(None) => return Ok(None),
        Err(_) => return Ok(Some(Set::Alone)),
        Ok(Some(member)) => member,
    };
    let database = member.database.as_ref().ok();
    let disks = database.map(|database| database.disks.iter());
    let disks = disks.into_iter().flatten();
    let names: Vec<String> = disks.map(|disk| disk.guid.to_string()).collect();
    Ok(Some(Set::Member {
        set: member.header.group.to_string(),
        role: member.header.disk.number(),
        expected: u32::try_from(names.len()).unwrap_or(u32::MAX),
        event: database.map_or(0, |database| database.sequence),
        names,
    }))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let Some(member) = Member::read(source, true)? else {
        return Ok(Description::default());
    };
    let header = &member.header;
    let (major, minor) = header.version;
    let mut facts = vec![("version", format!("{major}.{minor}"))];
    if let Ok(database) = &member.database {
        facts.push(("disk group", database.name.clone()));
        facts.push(("sequence", database.sequence.to_string()));
        let mut disks = database.disks.iter();
        let own = disks.find(|disk| disk.guid == header.disk);
        facts.extend(own.map(|disk| ("disk", disk.name.clone())));
    }
    Ok(Description {
        uuid: Some(header.disk.to_string()),
        facts,
        ..Description::default()
    })
}

fn open(members: &[SharedSource], context: &Context) -> Result<Opened> {
    let ignore = context.options.ignore_checksums;
    let mut found = Vec::new();
    let mut refused = Vec::new();
    for (number, source) in members.iter().enumerate() {
        match Member::read(&**source, ignore) {
            Ok(Some(member)) => found.push((number, member)),
            Ok(None) => refused.push(Error::corrupt("it is no dynamic disk")),
            Err(error) => refused.push(error),
        }
    }
    let there = there(&found, members);
    let found: Vec<Member> = found.into_iter().map(|(_, member)| member).collect();
    note(&found, context);
    let group = Group::new(newest(found, refused, context)?, there);
    let assembler = Assembler::new(&group, context);
    let volumes = group.database.volumes.iter().map(|volume| Volume {
        name: path(&group.database.name, &volume.name),
        source: assembler
            .volume(volume)
            .context(|| printable(volume.name.as_bytes())),
        location: None,
        partition: None,
    });
    Ok(Opened {
        volumes: volumes.collect(),
        description: Some(describe::describe(&group)),
    })
}

/// The disks that are there, each with its number among the `members`.
fn there(found: &[(usize, Member)], members: &[SharedSource]) -> BTreeMap<Guid, There> {
    let sequence = |member: &Member| member.database.as_ref().ok().map(|it| it.sequence);
    let newest = found
        .iter()
        .filter_map(|(_, member)| sequence(member))
        .max();
    let there = found.iter().filter_map(|(number, member)| {
        let disk = There {
            source: members.get(*number)?.clone(),
            member: *number,
            public: member.header.public,
            is_behind: sequence(member).is_some_and(|own| Some(own) < newest),
        };
        Some((member.header.disk, disk))
    });
    there.collect()
}

/// `GROUP/VOLUME`, also where either has no name.
fn path(group: &str, volume: &str) -> String {
    let named = |name: &str, other: &str| match name {
        "" => other.to_owned(),
        name => name.to_owned(),
    };
    format!("{}/{}", named(group, "ldm"), named(volume, "volume"))
}

/// The database with the highest sequence number, and of those that have it one that is whole. What
/// is wrong with others, and with disks that are `refused`, is said.
///
/// # Errors
/// What is wrong with the first, where there is none.
fn newest(found: Vec<Member>, refused: Vec<Error>, context: &Context) -> Result<Database> {
    let (mut databases, mut errors) = (Vec::new(), refused);
    for member in found {
        let disk = member.header.disk;
        match member.database {
            Ok(database) => databases.push((disk, database)),
            Err(error) => errors.push(error.context(format!("disk {disk}"))),
        }
    }
    databases.sort_by_key(|(_, it)| (Reverse(it.sequence), it.damage.count()));
    let mut databases = databases.into_iter();
    let Some((_, newest)) = databases.next() else {
        let error = errors.into_iter().next();
        return Err(error.unwrap_or_else(|| Error::corrupt("there is no database")));
    };
    let name = printable(newest.name.as_bytes());
    let add = |text: String| context.notices.add(format!("disk group {name}: {text}"));
    for error in errors {
        add(format!("{error}; another disk's database is used"));
    }
    if let Some(text) = newest.unfinished {
        add(text.to_owned());
    }
    for error in &newest.damage.errors {
        add(error.to_string());
    }
    if newest.damage.more > 0 {
        add(format!(
            "and {} more records are damaged",
            newest.damage.more
        ));
    }
    for (disk, older) in databases.filter(|(_, it)| it.sequence < newest.sequence) {
        let (one, other) = (older.sequence, newest.sequence);
        add(format!(
            "disk {disk} has the older database {one}; {other} is used"
        ));
    }
    Ok(newest)
}

/// Says what is damaged and does not matter, as another copy on the disk is whole.
fn note(found: &[Member], context: &Context) {
    for member in found {
        let disk = member.header.disk;
        for error in &member.damage {
            let text = format!(
                "{}: disk {disk}: {error}; another copy is used",
                FORMAT.name
            );
            context.notices.add(text);
        }
    }
}
