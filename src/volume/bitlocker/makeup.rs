//! What the unlocked volume lies on, for `info`.

use super::method::Method;
use super::regions::Regions;
use crate::format::{Ground, Makeup, Stretch};
use crate::source::mapped::{Map, Place};

/// Stretches that are listed; bitmaps may make more.
const MOST: usize = 1024;

/// The volume called `name`, whose sectors are encrypted by `method`, if any is.
pub(super) fn of(regions: &Regions, name: &str, method: Option<Method>) -> Makeup {
    Makeup {
        name: name.trim_start_matches('/').to_owned(),
        shown: Some(0),
        size: Some(regions.size()),
        stretches: stretches(regions, method),
        ..Makeup::default()
    }
}

fn stretches(regions: &Regions, method: Option<Method>) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = Vec::new();
    let mut start = 0;
    while start < regions.size() && all.len() < MOST {
        let (kind, at, len) = match regions.run_at(start, 0) {
            Ok(run) => {
                let (kind, at) = kind(run.place, method);
                (kind, at, run.len.get())
            }
            Err(_) => match regions.unreadable(start) {
                Some((why, len)) => (why.to_owned(), Some(start), len),
                None => break,
            },
        };
        push(&mut all, (kind, at), start, len);
        start = start.saturating_add(len.max(1));
    }
    if start < regions.size() {
        let kind = (format!("over {MOST} stretches"), None);
        let left = regions.size().saturating_sub(start);
        push(&mut all, kind, start, left);
    }
    all
}

/// Adds what is kept `(how, where)`, to the last one where it follows that in every way.
fn push(all: &mut Vec<Stretch>, (kind, at): (String, Option<u64>), start: u64, len: u64) {
    let member = |offset| Ground::Member { member: 0, offset };
    let next = Stretch {
        start,
        len,
        kind,
        on: at.map(member).into_iter().collect(),
        ..Stretch::default()
    };
    match all.last_mut() {
        Some(last) if follows(last, &next) => last.len = last.len.saturating_add(next.len),
        _ => all.push(next),
    }
}

/// How the bytes at `place` are kept, and where on the locked volume.
fn kind(place: Place, method: Option<Method>) -> (String, Option<u64>) {
    match (place, method) {
        (
            Place::At {
                member: Regions::DECRYPTED,
                offset,
            },
            Some(method),
        ) => (method.to_string(), Some(offset)),
        (Place::At { offset, .. }, _) => ("plain".to_owned(), Some(offset)),
        _ => ("zeros for metadata".to_owned(), None),
    }
}

fn follows(last: &Stretch, next: &Stretch) -> bool {
    let place = |stretch: &Stretch| match stretch.on.first() {
        Some(Ground::Member { offset, .. }) => Some(*offset),
        _ => None,
    };
    let end = place(last).map(|at| at.saturating_add(last.len));
    last.kind == next.kind && end == place(next)
}
