//! What each member is good for: by the newest superblock, which alone knows who failed since.

use std::sync::Arc;

use super::Found;
use super::array::{Array, Shape};
use super::field::Field;
use super::partial;
use super::superblock::{Role, Superblock};
use crate::error::{Error, Result};
use crate::source::SharedSource;
use crate::source::window::Window;

/// A member, and what it is good for.
pub(super) struct Member {
    /// Its number, which is no place in the array.
    pub(super) number: u32,
    pub(super) state: State,
}

/// What a member is good for.
pub(super) enum State {
    /// It has the data of a place.
    Used(Used),
    /// Nothing: a spare, a journal.
    Idle(&'static str),
    /// Nothing, which is not as it should be.
    Refused(Error),
}

/// Data of a place in the array.
#[derive(Clone)]
pub(super) struct Used {
    pub(super) place: u32,
    pub(super) source: SharedSource,
    /// How far it is rebuilt, where it is not all there.
    pub(super) rebuilt: Option<u64>,
    /// It is to take the place of another.
    pub(super) is_replacement: bool,
}

/// What each of `found` is good for in `array`, by the newest of their superblocks.
pub(super) fn judge(
    found: &[Found],
    newest: &Superblock,
    array: &Array,
    ignore_checksums: bool,
) -> Vec<Member> {
    let member = |it: &Found| Member {
        number: it.superblock.number,
        state: state(it, newest, array, ignore_checksums).unwrap_or_else(State::Refused),
    };
    found.iter().map(member).collect()
}

fn state(it: &Found, newest: &Superblock, array: &Array, ignore_checksums: bool) -> Result<State> {
    let own = &it.superblock;
    own.check(ignore_checksums)?;
    let place = match newest.role(own.number) {
        // Of two with the same count each knows best what it is itself.
        role if own.events < newest.events => role,
        _ => own.role(own.number),
    };
    let place = match place {
        Role::Active(place) => place,
        Role::Spare => return Ok(State::Idle("spare")),
        Role::Journal => return Ok(State::Idle("journal")),
        Role::Faulty => return Err(Error::corrupt("the array has it as failed")),
    };
    check_events(own, newest)?;
    if place >= array.disks {
        let text = format!("its role is {place} of {} raid_disks", array.disks);
        return Err(own.blame(Field::Role(own.number), Error::corrupt(text)));
    }
    let rebuilt = own.recovered;
    if rebuilt == Some(0) {
        return Err(Error::corrupt("nothing of it is rebuilt yet"));
    }
    let data = data(own, &it.source, array)?;
    Ok(State::Used(Used {
        place,
        source: partial::readable(data, own, &*it.source)?,
        rebuilt,
        is_replacement: own.is_replacement,
    }))
}

/// A member that was away has missed what was written since; one event less is no harm, since the
/// superblocks are written one after the other. Where there is no redundancy the array could not
/// run without it.
fn check_events(own: &Superblock, newest: &Superblock) -> Result<()> {
    let (events, most) = (own.events, newest.events);
    if newest.level <= 0 || events.saturating_add(1) >= most {
        return Ok(());
    }
    let text = format!("its event count is {events} and others have {most}: it was away");
    Err(Error::corrupt(text))
}

/// The bytes of a member that are the array's.
fn data(superblock: &Superblock, source: &SharedSource, array: &Array) -> Result<SharedSource> {
    let (start, len) = superblock.data;
    let end = start.checked_add(len);
    if end.is_none_or(|end| end > source.size()) {
        let size = source.size();
        let text = format!(
            "data_offset {start} and data_size {len} are past the {size} bytes of the member"
        );
        let field = match start < size {
            true => Field::DataSize,
            false => Field::DataOffset,
        };
        return Err(superblock.blame(field, Error::corrupt(text)));
    }
    let used = match array.shape {
        Shape::Same { used, .. } => used,
        Shape::Linear(chunk) | Shape::Striped(chunk, _) => {
            (len / chunk).saturating_mul(chunk.get())
        }
    };
    if used > len {
        let text = format!("size {used} is more than the {len} bytes that the member has for it");
        return Err(superblock.blame(Field::Size, Error::corrupt(text)));
    }
    Ok(Arc::new(Window::new(source.clone(), start, used)?))
}

/// The data of each place: all who have it, the best first.
pub(super) fn places(members: &[Member], array: &Array) -> Vec<Vec<Used>> {
    let of = |place: u32| {
        let used = members.iter().filter_map(|member| match &member.state {
            State::Used(used) if used.place == place => Some(used.clone()),
            _ => None,
        });
        let mut used: Vec<Used> = used.collect();
        used.sort_by_key(|used| (used.is_replacement, used.rebuilt.is_some()));
        used
    };
    (0..array.disks).map(of).collect()
}
