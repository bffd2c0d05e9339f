//! Chains of clusters, each linked to the next by a table: FAT and exFAT.
//!
//! A chain is walked once and kept in the one cache as runs of consecutive clusters, in segments of
//! [`SPAN`] clusters. Each segment ends with what the walk needs to go on, so that a seek costs a
//! search in one segment where the chain was walked before, and a walk from the nearest segment
//! that is still there otherwise. Nothing but the cache is kept.
//!
//! A cluster that was in the segment before ends the chain as a loop, at the very link that closes
//! it. Longer loops are found later (Brent's algorithm, with a tortoise that waits at the start of
//! every segment whose number is a power of two), and at the latest when the chain is longer than
//! there are clusters.

mod segment;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;

use self::segment::{Segment, State};
pub(super) use self::window::Window;
use super::Request;
use crate::cache::{Cache, Layer};
use crate::error::{Error, Result};

/// The first cluster that there is.
pub(super) const FIRST: u32 = 2;

/// Clusters of a chain that one segment covers.
const SPAN: u32 = 4096;

/// What a table says of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// The chain goes on there, if there is such a cluster.
    To(u32),
    /// The chain ends here.
    End,
    /// The cluster is marked as bad.
    Bad,
}

/// A table of links between clusters, whose numbers start at [`FIRST`].
pub(super) trait Table {
    /// The number behind the last cluster.
    fn end(&self) -> u32;

    /// The byte at which the entry of `cluster` starts.
    fn place(&self, cluster: u32) -> u64;

    /// The entry of `cluster`, which exists; `window` holds the piece of the table that was read
    /// last.
    ///
    /// # Errors
    /// As [`Window::bytes`].
    fn link(&self, request: &Request, window: &mut Window, cluster: u32) -> Result<Link>;
}

/// Consecutive clusters of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The first of them.
    pub(super) cluster: u32,
    /// How many, at least 1.
    pub(super) count: u32,
}

/// The chains of one file system.
pub(super) struct Chains {
    cache: Arc<Cache>,
    layer: Layer,
}

impl Chains {
    /// No chain yet; what is walked is kept in `cache`.
    pub(super) fn new(cache: Arc<Cache>) -> Self {
        let layer = cache.layer();
        Self { cache, layer }
    }

    /// The clusters from number `index` (of 0) on of the chain that starts with cluster `first`;
    /// `None` where the chain ends before.
    ///
    /// # Errors
    /// `Corrupt` where the chain is broken before `index`: it leads to a cluster that there is not,
    /// to a free or bad one, or back into itself. What makes the table unreadable.
    pub(super) fn run_at(
        &self,
        request: &Request,
        table: &dyn Table,
        first: u32,
        index: u32,
    ) -> Result<Option<Run>> {
        let walk = Walk {
            request,
            table,
            first,
        };
        let wanted = index.checked_div(SPAN).unwrap_or(0);
        let inside = index.checked_rem(SPAN).unwrap_or(0);
        let (mut number, mut segment) = self.nearest(&walk, wanted)?;
        loop {
            if number == wanted
                && let Some(run) = segment.run_at(inside)
            {
                return Ok(Some(run));
            }
            let state = match segment.end(&walk)? {
                Some(state) if number < wanted => state,
                _ => return Ok(None),
            };
            number = number.saturating_add(1);
            segment = self.segment(&walk, number, state)?;
        }
    }

    /// How many clusters the chain that starts with cluster `first` has.
    ///
    /// # Errors
    /// As [`Chains::run_at`].
    pub(super) fn length(&self, request: &Request, table: &dyn Table, first: u32) -> Result<u32> {
        let mut length: u32 = 0;
        while let Some(run) = self.run_at(request, table, first, length)? {
            length = length.saturating_add(run.count);
        }
        Ok(length)
    }

    /// The last segment up to number `wanted` that is in the cache, with its number; the first
    /// where none is, and where the chain ends in the first.
    fn nearest(&self, walk: &Walk<'_>, wanted: u32) -> Result<(u32, Segment)> {
        if let Some(segment) = self.kept(walk, wanted) {
            return Ok((wanted, segment));
        }
        let first = self.kept(walk, 0);
        if first.as_ref().is_none_or(Segment::goes_on) {
            // A file says how long it is, and the volume how long a chain can be.
            let last = wanted.saturating_sub(1).min(walk.last_segment());
            let kept = (1..=last).rev();
            let mut kept = kept.filter_map(|number| Some((number, self.kept(walk, number)?)));
            if let Some(found) = kept.next() {
                return Ok(found);
            }
        }
        let made = || self.segment(walk, 0, State::start(walk.first));
        Ok((0, first.map_or_else(made, Ok)?))
    }

    /// Segment `number`, if it is in the cache.
    fn kept(&self, walk: &Walk<'_>, number: u32) -> Option<Segment> {
        let key = key(walk.first, number);
        let block = self.cache.get(self.layer, key, self.cache.visit());
        block.map(Segment)
    }

    fn segment(&self, walk: &Walk<'_>, number: u32, state: State) -> Result<Segment> {
        let key = key(walk.first, number);
        let make = || Segment::make(walk, number, state);
        let visit = self.cache.visit();
        let block = self.cache.visit_or_read(self.layer, key, visit, make)?;
        Ok(Segment(block))
    }
}

/// A chain that is walked.
struct Walk<'a> {
    request: &'a Request,
    table: &'a dyn Table,
    first: u32,
}

impl Walk<'_> {
    /// Whether the table has `cluster`.
    fn has(&self, cluster: u32) -> bool {
        (FIRST..self.table.end()).contains(&cluster)
    }

    /// The number of the last segment that a chain can have.
    fn last_segment(&self) -> u32 {
        self.table.end().checked_div(SPAN).unwrap_or(0)
    }

    /// Whether a chain with a segment `number` has more clusters than there are.
    fn is_too_long(&self, number: u32) -> bool {
        number > self.last_segment()
    }

    /// What is wrong with the number of a cluster that the table does not have.
    fn range(&self) -> String {
        let last = self.table.end().saturating_sub(1);
        format!("is none of the clusters {FIRST} to {last}")
    }

    /// What is wrong where the entry of cluster `last`, or the start of the chain where there is
    /// none, says `what`.
    fn wrong(&self, last: Option<u32>, what: impl std::fmt::Display) -> Error {
        match last {
            Some(last) => {
                Error::corrupt(format!("FAT entry {last} {what}")).at(self.table.place(last))
            }
            None => Error::corrupt(format!("first cluster {} {what}", self.first)),
        }
    }
}

fn key(first: u32, number: u32) -> u64 {
    u64::from(first) << 32 | u64::from(number)
}
