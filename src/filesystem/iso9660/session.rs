//! The sessions of a disc. An image has no table of contents to say where they begin, so they are
//! looked for where writers put them: behind the one before, or, where the first sectors were
//! overwritten to lead to the newest session, from sector 32 on, to which the first one's
//! descriptors are copied then.

use super::descriptors::{Descriptors, Volume};
use super::record::SECTOR;
use crate::error::{Error, Result};
use crate::source::Source;

/// As many as a disc has tracks.
const MOST: usize = 99;

/// The sector to which the first session's descriptors are copied on media that is overwritten.
const COPY: u64 = 32;

/// Sectors between the end of a session and the next one: none, the run-out blocks, or the lead-out
/// and lead-in of a compact disc behind its first and its further sessions.
const GAPS: [u64; 4] = [0, 150, 6900, 11_400];

/// The first sectors of all sessions, oldest first.
///
/// # Errors
/// As [`Descriptors::read`], for the first.
pub(super) fn all(source: &dyn Source) -> Result<Vec<u64>> {
    let Some(first) = Descriptors::read(source, 0)?.primary else {
        return Ok(vec![0]);
    };
    let copied = chain(source, COPY);
    let newest = copied.last().and_then(|start| primary(source, *start));
    // What stands there may as well be a file that is an image by itself.
    if newest.is_some_and(|newest| newest.geometry.root == first.geometry.root) {
        return Ok(copied);
    }
    Ok(chain(source, 0))
}

/// The session that is shown: the `wanted` one, counted from 1, or the last.
///
/// # Errors
/// `NotFound` where there are fewer.
pub(super) fn choose(sessions: &[u64], wanted: Option<u32>) -> Result<u64> {
    let count = sessions.len();
    let found = match wanted {
        None => sessions.last(),
        Some(number) => number
            .checked_sub(1)
            .and_then(|index| sessions.get(usize::try_from(index).ok()?)),
    };
    found.copied().ok_or_else(|| {
        let number = wanted.unwrap_or_default();
        Error::not_found(format!(
            "session {number}: the disc has {count}, counted from 1"
        ))
    })
}

/// The session at sector `start`, if there is one, and those behind it.
fn chain(source: &dyn Source, start: u64) -> Vec<u64> {
    let mut found = Vec::new();
    let mut next = primary(source, start).map(|volume| (start, volume));
    while let Some((start, volume)) = next.filter(|_| found.len() < MOST) {
        found.push(start);
        next = behind(source, start, &volume);
    }
    found
}

/// The session behind the one that begins at `start`.
fn behind(source: &dyn Source, start: u64, volume: &Volume) -> Option<(u64, Volume)> {
    let sectors = volume.size().div_ceil(SECTOR);
    // Most writers count a session's own blocks, others from the start of the disc.
    let ends = [start.saturating_add(sectors), sectors];
    let places = ends.into_iter().flat_map(|end| {
        let aligned = [16, 32].map(|unit: u64| end.next_multiple_of(unit));
        let gaps = GAPS.map(|gap| end.saturating_add(gap));
        gaps.into_iter().chain(aligned)
    });
    let mut later = places.filter(|place| *place > start);
    later.find_map(|place| Some((place, primary(source, place)?)))
}

fn primary(source: &dyn Source, start: u64) -> Option<Volume> {
    Descriptors::read(source, start).ok()?.primary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_counted_from_one_and_the_last_is_shown() {
        let starts = [0, 174, 348];
        assert_eq!(choose(&starts, None), Ok(348));
        assert_eq!(choose(&starts, Some(1)), Ok(0));
        assert_eq!(choose(&starts, Some(3)), Ok(348));
        for wanted in [0, 4, u32::MAX] {
            let error = choose(&starts, Some(wanted)).unwrap_err();
            assert_eq!(
                error.message(),
                format!("session {wanted}: the disc has 3, counted from 1")
            );
        }
    }
}
