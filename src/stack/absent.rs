//! Members that never came, or came too late: one line for whoever mounts what the others hold.

use super::Assembly;
use super::probe::Found;
use crate::error::printable;

/// How many members are named.
const FEW: usize = 8;

/// What to say of `set`, from which `found` was opened; `None` where all members are there.
pub(super) fn line(set: &Assembly, found: &Found) -> Option<String> {
    let there = u32::try_from(set.members.len()).unwrap_or(u32::MAX);
    if there >= set.expected {
        return None;
    }
    let description = match found {
        Found::Table { description, .. } | Found::FileSystem { description, .. } => description,
        Found::Leaf(_) | Found::Member { .. } => &Default::default(),
    };
    let label = description.label.as_deref().map(printable);
    let label = label.map(|label| format!(" {label}"));
    let mut facts = description.facts.iter();
    let missing = facts.find(|(name, _)| *name == "missing");
    let missing = missing.map(|(_, ids)| format!("; missing: {}", few(ids.split(", "))));
    Some(format!(
        "{}{} {}: {there} of {} members are there: {}{}",
        set.format,
        label.unwrap_or_default(),
        printable(set.set.as_bytes()),
        set.expected,
        few(set.members.iter().map(String::as_str)),
        missing.unwrap_or_default()
    ))
}

/// What to say of `set`, which was opened before without the members that it has here.
pub(super) fn late(set: &Assembly) -> String {
    format!(
        "{} {}: opened before {} turned up, and once more with that alone: what needs all members \
         is in neither",
        set.format,
        printable(set.set.as_bytes()),
        few(set.members.iter().map(String::as_str)),
    )
}

fn few<'a>(names: impl Iterator<Item = &'a str> + Clone) -> String {
    let first: Vec<&str> = names.clone().take(FEW).collect();
    let more = names.count().saturating_sub(FEW);
    match more {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
