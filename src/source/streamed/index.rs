//! What is known of a stream: its points, where it is zeros, and where it ends.
//!
//! Points that the decoders gave are kept compressed, and never more of them than fit into
//! [`MOST_STATES`]: where they would not, every second one goes and the distance between them
//! doubles from there on. Points of the format's own index cost nothing of that and all stay.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::decoding::Decoding;
use super::{MOST_WINDOW, Point};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};

/// Bytes that all states may take. A 4 GiB disk in gzip, with a point every 4 MiB and windows that
/// do not compress at all, needs 32 MiB.
const MOST_STATES: u64 = 40 << 20;

/// Bytes between two points at first.
pub(super) const SPACING: u64 = 4 << 20;

/// Points of our own that a stream may have where the states of all streams take what they may.
const MOST_WHEN_FULL: usize = 16;

/// Ranges of zeros that are remembered at most: 24 bytes and a tree's share of a node each.
const MOST_HOLES: usize = 200_000;

/// Points of our own that are kept at most, where their states take next to nothing.
const MOST_POINTS: usize = 200_000;

/// A point as it is kept.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) input: u64,
    /// The state, compressed; `None` where there is none.
    pub(super) state: Option<Arc<Vec<u8>>>,
    /// It comes from the format's own index.
    pub(super) known: bool,
}

/// What is known of one stream.
pub(super) struct Index {
    /// By the output before them.
    pub(super) points: BTreeMap<u64, Kept>,
    /// Spans that are zeros: first to behind the last.
    pub(super) holes: BTreeMap<u64, u64>,
    /// Where the stream ends, once somebody was there.
    pub(super) end: Option<u64>,
    /// How far it reaches at least: as far as it was decoded.
    pub(super) reached: u64,
    /// Some of it came from a file.
    loaded: bool,
    /// Bytes between points of our own.
    spacing: u64,
    /// Bytes of the states.
    states: u64,
    own: usize,
    /// What all streams hold.
    decoding: Decoding,
}

impl Index {
    /// Nothing but the `known` points of the format, and the start.
    pub(super) fn new(known: Vec<Point>) -> Result<Self> {
        let mut index = Self {
            points: BTreeMap::new(),
            holes: BTreeMap::new(),
            end: None,
            reached: 0,
            loaded: false,
            spacing: SPACING,
            states: 0,
            own: 0,
            decoding: Decoding::default(),
        };
        for point in std::iter::once(Point::start()).chain(known) {
            let kept = Kept {
                input: point.input,
                state: pack(&point.state)?,
                known: true,
            };
            index.points.insert(point.output, kept);
        }
        Ok(index)
    }

    /// Counts it among those of `decoding`.
    pub(super) fn join(&mut self, decoding: Decoding) {
        let states = self.states;
        self.set_states(0);
        self.decoding = decoding;
        self.set_states(states);
    }

    fn set_states(&mut self, states: u64) {
        self.decoding.keep(self.states, states);
        self.states = states;
    }

    /// The last point at or before `output`. There always is one, the start.
    pub(super) fn before(&self, output: u64) -> (u64, Kept) {
        let found = self.points.range(..=output).next_back();
        let start = || Kept {
            input: 0,
            state: None,
            known: true,
        };
        found.map_or_else(|| (0, start()), |(at, kept)| (*at, kept.clone()))
    }

    /// Where the first point behind `output` is.
    pub(super) fn after(&self, output: u64) -> Option<u64> {
        let next = output.checked_add(1)?;
        self.points.range(next..).next().map(|(at, _)| *at)
    }

    /// The first place from `output` on where a point should be put.
    pub(super) fn due(&self, output: u64) -> u64 {
        let before = self.before(output).0;
        let due = before.saturating_add(self.spacing).max(output);
        match self.after(output) {
            Some(next) if next.saturating_sub(due) < self.spacing / 2 => {
                next.saturating_add(self.spacing)
            }
            _ => due,
        }
    }

    /// Whether a point at `output` is worth its place.
    pub(super) fn wants(&self, output: u64) -> bool {
        let half = self.spacing / 2;
        let next = self.after(output.saturating_sub(1));
        let free = next.is_none_or(|next| next.saturating_sub(output) >= half);
        free && output.saturating_sub(self.before(output).0) >= half
    }

    /// Adds a point that a decoder gave, its state packed by [`pack`].
    pub(super) fn add(&mut self, output: u64, kept: Kept) {
        let old = self.points.get(&output);
        if old.is_some() {
            return;
        }
        self.set_states(self.states.saturating_add(size_of_state(&kept)));
        self.own = self.own.saturating_add(1);
        self.points.insert(output, kept);
        while self.own > MOST_POINTS || self.states > MOST_STATES && self.own > 1 {
            self.thin();
        }
        if self.decoding.is_full() && self.own > MOST_WHEN_FULL {
            self.thin();
        }
        if self.decoding.is_full() {
            self.remove(output);
        }
    }

    /// Removes the point at `output`, unless the format itself knows it; whether that was so.
    pub(super) fn remove(&mut self, output: u64) -> bool {
        let own = self.points.get(&output).is_some_and(|kept| !kept.known);
        if own && let Some(kept) = self.points.remove(&output) {
            self.set_states(self.states.saturating_sub(size_of_state(&kept)));
            self.own = self.own.saturating_sub(1);
        }
        own
    }

    /// What a file said, in place of what was known: nothing but the format's own points.
    pub(super) fn set_loaded(&mut self, end: Option<u64>, reached: u64, holes: Vec<(u64, u64)>) {
        (self.end, self.reached, self.loaded) = (end, reached, true);
        self.holes.extend(holes);
    }

    /// Drops all but the format's own points, if any of it came from a file; whether that was so.
    pub(super) fn drop_loaded(&mut self) -> bool {
        if !std::mem::take(&mut self.loaded) {
            return false;
        }
        self.points.retain(|_, kept| kept.known);
        self.holes.clear();
        self.set_states(0);
        (self.end, self.reached, self.own) = (None, 0, 0);
        true
    }

    /// Every second own point goes.
    fn thin(&mut self) {
        self.spacing = self.spacing.saturating_mul(2);
        let mut odd = false;
        self.points.retain(|_, kept| {
            odd ^= !kept.known;
            kept.known || odd
        });
        let own = self.points.values().filter(|kept| !kept.known);
        self.own = own.clone().count();
        let states = own.map(size_of_state).sum();
        self.set_states(states);
    }

    /// Remembers that span `span` is zeros.
    pub(super) fn add_hole(&mut self, span: u64) {
        let next = span.saturating_add(1);
        let before = self.holes.range(..=span).next_back();
        let (start, end) = match before {
            Some((_, end)) if *end > span => return,
            Some((start, end)) if *end == span => (*start, next),
            _ => (span, next),
        };
        let end = self.holes.remove(&end).unwrap_or(end);
        if self.holes.len() < MOST_HOLES || self.holes.contains_key(&start) {
            self.holes.insert(start, end);
        }
    }

    /// The hole that span `span` lies in.
    pub(super) fn hole(&self, span: u64) -> Option<Range<u64>> {
        let (start, end) = self.holes.range(..=span).next_back()?;
        (*end > span).then_some(*start..*end)
    }

    /// The first span of the next hole behind `span`.
    pub(super) fn next_hole(&self, span: u64) -> Option<u64> {
        let next = span.checked_add(1)?;
        self.holes.range(next..).next().map(|(start, _)| *start)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.set_states(0);
    }
}

fn size_of_state(kept: &Kept) -> u64 {
    kept.state.as_ref().map_or(0, |state| to_u64(state.len()))
}

/// A state as it is kept: its length, then zstd's bytes at its fastest level.
pub(super) fn pack(state: &[u8]) -> Result<Option<Arc<Vec<u8>>>> {
    if state.is_empty() {
        return Ok(None);
    }
    let packed = zstd::bulk::compress(state, 1);
    let packed = packed.map_err(|error| Error::io("compress a point", &error))?;
    let mut kept = to_u64(state.len()).to_le_bytes().to_vec();
    kept.extend(packed);
    kept.shrink_to_fit();
    Ok(Some(Arc::new(kept)))
}

/// The state that [`pack`] packed, from whatever came back from a file.
pub(super) fn unpack(kept: &Kept) -> Result<Vec<u8>> {
    let Some(packed) = &kept.state else {
        return Ok(Vec::new());
    };
    let wrong = || Error::corrupt("a stored point of the stream is damaged");
    let (len, packed) = packed.split_first_chunk::<8>().ok_or_else(wrong)?;
    let len = u64::from_le_bytes(*len);
    // A state is a window and some tables.
    if len > MOST_WINDOW.saturating_add(1 << 20) {
        return Err(wrong());
    }
    // What the length claims is allocated before it is known to be there: fallibly.
    let mut state = crate::source::zeroed(to_usize(len))?;
    let got = zstd::bulk::decompress_to_buffer(packed, &mut state);
    match got {
        Ok(got) if got == state.len() => Ok(state),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::unwrap_used)]

    use super::*;
    use crate::source::testing::Scattered;

    fn kept(state: &[u8]) -> Kept {
        Kept {
            input: 1,
            state: pack(state).unwrap(),
            known: false,
        }
    }

    #[test]
    fn a_state_comes_back_as_it_was() {
        for len in [0, 1, 40_000, 1 << 20] {
            let state = Scattered(len).bytes(to_usize(len));
            assert!(unpack(&kept(&state)).unwrap() == state);
        }
        let mut damaged = kept(&[7; 1000]);
        damaged.state = Some(Arc::new(vec![0xff; 20]));
        assert!(unpack(&damaged).is_err());
        damaged.state = Some(Arc::new(vec![1; 3]));
        assert!(unpack(&damaged).is_err());
    }

    #[test]
    fn points_stay_under_their_cap_and_keep_an_even_distance() {
        let mut index = Index::new(vec![Point {
            output: 77 * SPACING,
            ..Point::start()
        }])
        .unwrap();
        let state = Scattered(1).bytes(1 << 20);
        let mut at = 0;
        for _ in 0..200 {
            at = index.due(at).max(at + SPACING);
            if index.wants(at) {
                index.add(at, kept(&state));
            }
            assert!(index.states <= MOST_STATES);
        }
        assert!(index.points.contains_key(&(77 * SPACING)));
        assert!(index.own >= 20, "{}", index.own);
        let outputs: Vec<u64> = index.points.keys().copied().collect();
        let most = outputs.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(
            most.unwrap() <= 2 * index.spacing,
            "{most:?} {}",
            index.spacing
        );
    }

    /// Each by itself would have room for all of them.
    #[test]
    fn points_of_many_streams_have_one_bound() {
        let decoding = Decoding::default();
        let state = Scattered(1).bytes(8 << 20);
        let stream = || {
            let mut index = Index::new(Vec::new()).unwrap();
            index.join(decoding.clone());
            for number in 1..5 {
                index.add(number * SPACING, kept(&state));
            }
            index
        };
        let streams: Vec<Index> = (0..4).map(|_| stream()).collect();
        let counts: Vec<usize> = streams.iter().map(|index| index.own).collect();
        assert_eq!(counts, [4, 3, 0, 0]);
        assert!(!decoding.is_full());
        drop(streams);
        assert_eq!(stream().own, 4);
    }

    #[test]
    fn holes_grow_together_in_any_order() {
        let mut index = Index::new(Vec::new()).unwrap();
        for span in [5, 7, 6, 9, 6, 8, 4, 20] {
            index.add_hole(span);
        }
        assert_eq!(index.hole(6), Some(4..10));
        assert_eq!(index.hole(3), None);
        assert_eq!(index.hole(10), None);
        assert_eq!(index.next_hole(3), Some(4));
        assert_eq!(index.next_hole(4), Some(20));
        assert_eq!(index.holes.len(), 2);
    }
}
