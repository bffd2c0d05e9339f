//! What `info` says of a group: its disks, and what each volume is and lies on.

use super::group::{Group, On};
use super::records::{Component, Extent, Layout, Volume};
use crate::error::printable;
use crate::format::{Description, Ground, Makeup, Stretch};

/// What is known of `group`.
pub(super) fn describe(group: &Group) -> Description {
    let database = &group.database;
    let named = |name: &str, guid| format!("{} {guid}", printable(name.as_bytes()));
    let disks = database.disks.iter();
    let disks: Vec<String> = disks.map(|it| named(&it.name, it.guid)).collect();
    let missing: Vec<String> = group.missing().map(|it| named(&it.name, it.guid)).collect();
    let mut facts = vec![("sequence", database.sequence.to_string())];
    for (name, words) in [("disks", disks), ("missing", missing)] {
        if !words.is_empty() {
            facts.push((name, words.join(", ")));
        }
    }
    let volumes = database.volumes.iter().enumerate();
    let volumes = volumes.map(|(index, volume)| makeup(group, index, volume));
    Description {
        label: Some(database.name.clone().into_bytes()),
        uuid: Some(database.group.to_string()),
        facts,
        volumes: volumes.collect(),
        ..Description::default()
    }
}

fn makeup(group: &Group, index: usize, volume: &Volume) -> Makeup {
    let components = group.components(volume).unwrap_or_default();
    let kind = kind(&components);
    let mut facts = vec![("type", kind.to_owned())];
    if !volume.hint.is_empty() {
        facts.push(("drive", volume.hint.clone()));
    }
    let stretches = match components.as_slice() {
        [only] if only.layout == Layout::Spanned => in_order(group, only)
            .into_iter()
            .map(|extent| Stretch {
                start: extent.offset,
                len: extent.size,
                ..stretch(group, kind, &[extent])
            })
            .collect(),
        [] => Vec::new(),
        all => {
            let extents: Vec<&Extent> = all.iter().flat_map(|it| in_order(group, it)).collect();
            let mut stretch = stretch(group, kind, &extents);
            stretch.len = volume.size;
            stretch.facts.extend(all.iter().find_map(|it| chunk(it)));
            vec![stretch]
        }
    };
    Makeup {
        name: volume.name.clone(),
        shown: Some(index),
        uuid: Some(volume.guid.to_string()),
        size: Some(volume.size),
        facts,
        stretches,
        ..Makeup::default()
    }
}

/// What a volume of these components is called, in Windows and by ldmtool.
fn kind(components: &[&Component]) -> &'static str {
    match components {
        [] => "incomplete",
        [only] => match (only.layout, only.extents) {
            (Layout::Spanned, 1) => "simple",
            (Layout::Spanned, _) => "spanned",
            (Layout::Striped { .. }, _) => "striped",
            (Layout::Raid { .. }, _) => "RAID5",
        },
        _ => "mirrored",
    }
}

fn chunk(component: &Component) -> Option<(&'static str, String)> {
    match component.layout {
        Layout::Spanned => None,
        Layout::Striped { chunk, .. } | Layout::Raid { chunk, .. } => {
            Some(("chunk", chunk.to_string()))
        }
    }
}

/// The extents of a component in the order of its columns, and of the bytes in each.
fn in_order<'a>(group: &'a Group, component: &Component) -> Vec<&'a Extent> {
    let mut extents = group.extents(component).unwrap_or_default();
    extents.sort_by_key(|extent| (extent.column, extent.offset));
    extents
}

/// Bytes on `extents`, of which it names each.
fn stretch(group: &Group, kind: &str, extents: &[&Extent]) -> Stretch {
    let names = extents.iter().map(|extent| extent.name.as_str());
    let names: Vec<&str> = names.collect();
    Stretch {
        kind: kind.to_owned(),
        facts: vec![("extents", names.join(", "))],
        on: extents.iter().map(|it| ground(group, it)).collect(),
        ..Stretch::default()
    }
}

fn ground(group: &Group, extent: &Extent) -> Ground {
    match group.on(extent) {
        Ok(On::There(there)) => Ground::Member {
            member: there.member,
            offset: there.public.start.saturating_add(extent.start),
        },
        Ok(On::Missing(disk)) => Ground::Missing {
            id: disk.guid.to_string(),
        },
        Err(_) => Ground::Missing { id: "?".to_owned() },
    }
}
