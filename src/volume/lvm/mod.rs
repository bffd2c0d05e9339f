//! LVM2: physical volumes, of which each carries a label and most a text that describes the whole
//! group, and logical volumes made of their extents.

mod area;
mod assemble;
mod cached;
mod checksum;
mod group;
mod kinds;
mod label;
mod layout;
mod makeup;
mod member;
mod name;
mod overlay;
mod persistent;
mod pieces;
mod raid;
mod segment;
mod snapshot;
mod stacked;
mod text;
mod thin;
mod usage;
mod uuid;
mod visible;

use self::assemble::Assembler;
use self::group::{Group, Logical};
use self::makeup::Makeups;
use self::member::{Found, Member, Texts};
use self::uuid::Uuid;
use super::{Open, Opened};
use crate::error::{Error, Result};
use crate::format::{Context, Description, Format, Makeup, Set, Volume};
use crate::source::{SharedSource, Source};

pub(super) const FORMAT: Format<Open> = Format {
    name: "LVM2_member",
    claim,
    describe,
    open,
};

/// A member knows its group by the text on it; one without a text waits for another's to name it.
/// One whose label is damaged is claimed too, and says so when it is opened.
fn claim(source: &dyn Source) -> Result<Option<Set>> {
    if label::sector(source)?.is_none() {
        return Ok(None);
    }
    let Ok((member, group)) = Member::alone(source) else {
        return Ok(Some(Set::Alone));
    };
    let id = member.label.uuid;
    Ok(Some(match &group {
        None => Set::Stray { id: id.to_string() },
        Some(group) => Set::Member {
            set: group.uuid.to_string(),
            role: id.number(),
            expected: group::count(&group.physical),
            // A copy of a member is refused, however old it is: which of them is right?
            event: 0,
            names: group
                .physical
                .iter()
                .map(|it| it.uuid.to_string())
                .collect(),
        },
    }))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let (member, group) = Member::alone(source)?;
    let mut facts = Vec::new();
    match &group {
        Some(group) => facts.push(("volume group", group.name.clone())),
        None => facts.push(("volume group", "none that it says".to_owned())),
    }
    let size = member.label.device_size;
    facts.push(("device size", size.to_string()));
    Ok(Description {
        uuid: Some(member.label.uuid.to_string()),
        facts,
        ..Description::default()
    })
}

fn open(members: &[SharedSource], context: &Context) -> Result<Opened> {
    let mut texts = Texts::of_all(context.options.ignore_checksums);
    let mut found = Vec::new();
    for source in members {
        found.push(Found {
            member: Member::read(&**source, &mut texts)?,
            source: source.clone(),
        });
    }
    let Some(group) = texts.newest() else {
        return without_group(&found);
    };
    note(group, &found, context);
    let places = places(group, &found)?;
    let missing = missing(group, &places);
    let source = |place: &Option<usize>| found.get((*place)?).map(|it| it.source.clone());
    let physical = places.iter().map(source).collect();
    let mut assembler = Assembler::new(group, physical, context);
    let all = group.logical.iter().enumerate();
    let shown: Vec<(usize, &Logical)> = all.filter(|(_, logical)| is_shown(logical)).collect();
    let volumes = shown.iter().map(|(index, logical)| Volume {
        name: format!("{}/{}", group.name, logical.name),
        source: assembler.shown(*index),
        location: None,
        partition: None,
    });
    let volumes = volumes.collect();
    let shown: Vec<usize> = shown.into_iter().map(|(index, _)| index).collect();
    let sources = assembler.sources();
    let makeups = Makeups::new(&sources, &places).all(&shown, context);
    Ok(Opened {
        volumes,
        description: Some(of_group(group, &missing, makeups)),
    })
}

/// A pool is visible to LVM2, and has no bytes of its own.
fn is_shown(logical: &Logical) -> bool {
    logical.is_visible && stacked::pool_of(logical).is_none()
}

/// Physical volumes that are in no group, or whose text is lost.
fn without_group(found: &[Found]) -> Result<Opened> {
    let damage = found.iter().flat_map(|it| &it.member.damage).next();
    match damage {
        Some(error) => Err(error.clone()),
        None => Ok(Opened::default()),
    }
}

/// Says what is damaged and does not matter, as another text is whole.
fn note(group: &Group, found: &[Found], context: &Context) {
    let name = &group.name;
    let add = |text: String| context.notices.add(format!("volume group {name}: {text}"));
    for Found { member, .. } in found {
        let uuid = member.label.uuid;
        for error in &member.damage {
            add(format!(
                "physical volume {uuid}: {error}; another text is used"
            ));
        }
        if let Some(own) = member.seqno.filter(|own| *own < group.seqno) {
            let newest = group.seqno;
            add(format!(
                "physical volume {uuid} has the older text {own}; {newest} is used"
            ));
        }
    }
    if group.is_exported {
        add("it is exported: another machine was to import it".to_owned());
    }
}

/// The number of the member that each physical volume of the group is; `None` for a missing one.
fn places(group: &Group, found: &[Found]) -> Result<Vec<Option<usize>>> {
    let of = |wanted: Uuid| {
        let all = found.iter().enumerate();
        let mut places = all.filter(|(_, it)| it.member.label.uuid == wanted);
        match (places.next(), places.next()) {
            (Some(_), Some(_)) => Err(Error::corrupt(format!(
                "physical volume {wanted} is there twice"
            ))),
            (first, _) => Ok(first.map(|(place, _)| place)),
        }
    };
    group.physical.iter().map(|it| of(it.uuid)).collect()
}

fn missing(group: &Group, places: &[Option<usize>]) -> Vec<String> {
    let pairs = group.physical.iter().zip(places);
    let missing = pairs.filter(|(_, place)| place.is_none());
    missing.map(|(it, _)| it.uuid.to_string()).collect()
}

/// What `info` says of a group.
fn of_group(group: &Group, missing: &[String], volumes: Vec<Makeup>) -> Description {
    let mut facts = vec![
        ("extent size", group.extent.to_string()),
        ("seqno", group.seqno.to_string()),
    ];
    let mut add = |name, words: String| {
        if !words.is_empty() {
            facts.push((name, words));
        }
    };
    let all = group.logical.iter();
    let names = |which: fn(&&Logical) -> bool| {
        let names = all.clone().filter(which).map(|it| &it.name);
        name::list(names, ", ")
    };
    let tagged = all.clone().filter(|it| !it.tags.is_empty());
    let tagged = tagged.map(|it| format!("{}: {}", it.name, name::list(&it.tags, " ")));
    add("pools", names(|it| stacked::pool_of(it).is_some()));
    add("missing", missing.join(", "));
    add("tags", name::list(&group.tags, ", "));
    add("tagged volumes", name::list(tagged, ", "));
    add("hidden volumes", names(|it| !it.is_visible));
    let features = group.is_exported.then(|| "exported".to_owned());
    Description {
        label: Some(group.name.clone().into_bytes()),
        uuid: Some(group.uuid.to_string()),
        features: features.into_iter().collect(),
        facts,
        volumes,
        ..Description::default()
    }
}
