//! What an array lies on, for `info`: who has each place, in their order.

use super::Found;
use super::array::{layout_name, level_name};
use super::members::{Member, State};
use super::superblock::Superblock;
use crate::format::{Ground, Makeup, Stretch};

/// Of the array called `name`, of `size` bytes, whose `found` are good for what `members` says.
pub(super) fn of(
    name: &str,
    size: Option<u64>,
    newest: &Superblock,
    found: &[Found],
    members: &[Member],
) -> Makeup {
    let mut facts = Vec::new();
    facts.extend(layout_name(newest).map(|layout| ("layout", layout)));
    if newest.chunk > 0 && newest.level != 1 {
        facts.push(("chunk", newest.chunk.to_string()));
    }
    let on = (0..newest.disks).map(|place| ground(place, found, members));
    Makeup {
        name: name.to_owned(),
        shown: Some(0),
        uuid: Some(newest.set.to_string()),
        size,
        stretches: vec![Stretch {
            start: 0,
            len: size.unwrap_or_default(),
            kind: level_name(newest.level),
            facts,
            on: on.collect(),
        }],
        ..Makeup::default()
    }
}

/// Who has `place`; one that is to replace another only where there is no other.
fn ground(place: u32, found: &[Found], members: &[Member]) -> Ground {
    let all = members.iter().zip(found).enumerate();
    let mut at_place = all.filter_map(|(number, (member, found))| match &member.state {
        State::Used(used) if used.place == place => {
            Some((used.is_replacement, number, found.superblock.data.0))
        }
        _ => None,
    });
    let first = at_place.next();
    let best = at_place.fold(first, |best, next| best.min(Some(next)));
    match best {
        Some((_, member, offset)) => Ground::Member { member, offset },
        None => Ground::Missing {
            id: format!("role {place}"),
        },
    }
}
