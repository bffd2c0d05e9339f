//! What an array lies on, for `info`: who has each place, in their order.

use super::Found;
use super::array::{layout_name, level_name};
use super::members::{Member, State};
use super::superblock::Superblock;
use crate::format::{Ground, Makeup, Stretch};

/// How many of the places that nobody has are told one by one.
const MOST_MISSING: usize = 64;

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
            on: grounds(newest.disks, found, members),
        }],
        ..Makeup::default()
    }
}

/// Who has each of the places. Of those that nobody has the first are told, and how many more
/// there are: one superblock may say that there are two thousand.
fn grounds(places: u32, found: &[Found], members: &[Member]) -> Vec<Ground> {
    let (mut on, mut missing) = (Vec::new(), 0_usize);
    for place in 0..places {
        let ground = member_at(place, found, members);
        missing = missing.saturating_add(usize::from(ground.is_none()));
        if ground.is_some() || missing <= MOST_MISSING {
            let id = || format!("role {place}");
            on.push(ground.unwrap_or_else(|| Ground::Missing { id: id() }));
        }
    }
    let more = missing.saturating_sub(MOST_MISSING);
    if more > 0 {
        let id = format!("{more} more roles");
        on.push(Ground::Missing { id });
    }
    on
}

/// Who has `place`; one that is to replace another only where there is no other.
fn member_at(place: u32, found: &[Found], members: &[Member]) -> Option<Ground> {
    let all = members.iter().zip(found).enumerate();
    let mut at_place = all.filter_map(|(number, (member, found))| match &member.state {
        State::Used(used) if used.place == place => {
            Some((used.is_replacement, number, found.superblock.data.0))
        }
        _ => None,
    });
    let first = at_place.next();
    let best = at_place.fold(first, |best, next| best.min(Some(next)));
    best.map(|(_, member, offset)| Ground::Member { member, offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_absent_members_the_first_are_told_one_by_one() {
        let missing = |id: &str| Ground::Missing { id: id.to_owned() };
        let few = grounds(64, &[], &[]);
        assert_eq!((few.len(), &few[63]), (64, &missing("role 63")));
        let many = grounds(1920, &[], &[]);
        assert_eq!((many.len(), &many[64]), (65, &missing("1856 more roles")));
    }
}
