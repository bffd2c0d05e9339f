//! What `info` says of arrays and of members.

use super::array::{layout_name, level_name};
use super::members::{Member, State};
use super::superblock::{Role, Superblock};
use crate::format::Description;

/// Of the member with this superblock.
pub(super) fn member(superblock: &Superblock) -> Description {
    let role = match superblock.role(superblock.number) {
        Role::Active(place) => place.to_string(),
        Role::Spare => "spare".to_owned(),
        Role::Faulty => "faulty".to_owned(),
        Role::Journal => "journal".to_owned(),
    };
    let mut facts = shape(superblock);
    facts.push(("events", superblock.events.to_string()));
    facts.push(("device number", superblock.number.to_string()));
    facts.push(("role", role));
    let (start, len) = superblock.data;
    facts.push(("data offset", start.to_string()));
    facts.push(("data size", len.to_string()));
    if let Some(bytes) = superblock.recovered {
        facts.push(("rebuilt", bytes.to_string()));
    }
    let device = superblock.device.unwrap_or(superblock.set);
    Description {
        label: superblock.name.clone(),
        uuid: Some(device.to_string()),
        features: superblock.features(),
        facts,
        ..Description::default()
    }
}

/// Of the array with this newest superblock, in which the places have these members.
pub(super) fn array(newest: &Superblock, members: &[Member], missing: &[u32]) -> Description {
    let mut facts = shape(newest);
    let state = if newest.is_clean { "clean" } else { "active" };
    facts.push(("state", state.to_owned()));
    facts.push(("events", newest.events.to_string()));
    if let Some(minor) = newest.minor {
        facts.push(("preferred minor", minor.to_string()));
    }
    let lines: Vec<String> = members.iter().map(line).collect();
    if !lines.is_empty() {
        facts.push(("members", lines.join(", ")));
    }
    if !missing.is_empty() {
        facts.push(("missing", list(missing)));
    }
    Description {
        label: newest.name.clone(),
        uuid: Some(newest.set.to_string()),
        features: newest.features(),
        facts,
        ..Description::default()
    }
}

/// What all members of an array say.
fn shape(superblock: &Superblock) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("version", superblock.version.to_string()),
        ("level", level_name(superblock.level)),
    ];
    facts.extend(layout_name(superblock).map(|layout| ("layout", layout)));
    if superblock.chunk > 0 && superblock.level != 1 {
        facts.push(("chunk size", superblock.chunk.to_string()));
    }
    facts.push(("raid devices", superblock.disks.to_string()));
    facts
}

/// `2 has role 0`.
fn line(member: &Member) -> String {
    let number = member.number;
    match &member.state {
        State::Used(used) => {
            let kind = match used.is_replacement {
                true => "replaces",
                false => "has",
            };
            let rebuilt = match used.rebuilt {
                Some(bytes) => format!(", rebuilt up to byte {bytes}"),
                None => String::new(),
            };
            format!("{number} {kind} role {}{rebuilt}", used.place)
        }
        State::Idle(what) => format!("{number} {what}"),
        State::Refused(_) => format!("{number} not used"),
    }
}

/// `the roles 1, 3`.
pub(super) fn roles(places: &[u32]) -> String {
    match places {
        [one] => format!("the role {one}"),
        several => format!("the roles {}", list(several)),
    }
}

fn list(places: &[u32]) -> String {
    let places: Vec<String> = places.iter().map(u32::to_string).collect();
    places.join(", ")
}
