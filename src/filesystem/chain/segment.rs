//! [`SPAN`] clusters of a chain, as the cache keeps them: pairs of a position in the segment and
//! the cluster there, one for each run, and behind them how the walk goes on.

use std::collections::BTreeMap;

use super::{Link, Run, SPAN, Walk, Window};
use crate::cache::Block;
use crate::error::Result;

/// Bytes of a pair.
const PAIR: usize = 8;

/// Bytes behind the pairs: a [`Tail`].
const TAIL: usize = 20;

/// What is behind the last cluster of a segment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// The next segment, from the cluster on.
    More,
    /// Nothing.
    End,
    /// Nothing that could be read: the last cluster is marked as bad.
    Bad,
    /// The cluster, which was in the chain before.
    Loop,
    /// The cluster, which is none.
    Nowhere,
}

impl Behind {
    const ALL: [Self; 5] = [Self::More, Self::End, Self::Bad, Self::Loop, Self::Nowhere];
}

/// How a segment ends.
#[derive(Clone, Copy)]
struct Tail {
    behind: Behind,
    /// The cluster behind the segment.
    next: u32,
    /// The last cluster of the segment; 0 where it has none.
    last: u32,
    /// Clusters in the segment.
    count: u32,
    /// The cluster which the chain must not come back to.
    tortoise: u32,
}

/// Where a walk stands at the start of a segment.
#[derive(Clone, Copy)]
pub(super) struct State {
    next: u32,
    last: u32,
    tortoise: u32,
}

impl State {
    /// At the start of the chain from `first` on.
    pub(super) fn start(first: u32) -> Self {
        Self {
            next: first,
            last: 0,
            tortoise: 0,
        }
    }
}

/// A segment.
pub(super) struct Segment(pub(super) Block);

impl Segment {
    /// Walks segment `number` from `state` on.
    ///
    /// # Errors
    /// What makes the table unreadable, which is not kept.
    pub(super) fn make(walk: &Walk<'_>, number: u32, state: State) -> Result<Block> {
        let mut walked = Walked::default();
        let tail = walked.follow(walk, number, state)?;
        let len = walked.runs.len().saturating_mul(PAIR);
        let mut block = Vec::with_capacity(len.saturating_add(TAIL));
        for (position, cluster) in walked.runs {
            block.extend(position.to_le_bytes());
            block.extend(cluster.to_le_bytes());
        }
        let behind = Behind::ALL.iter().zip(0_u32..);
        let behind = behind.filter(|(kind, _)| **kind == tail.behind);
        let behind = behind.map(|(_, number)| number).sum();
        for word in [behind, tail.next, tail.last, tail.count, tail.tortoise] {
            block.extend(word.to_le_bytes());
        }
        Ok(Block::new(block))
    }

    /// The run at `position` of the segment, as far as it lies in it.
    pub(super) fn run_at(&self, position: u32) -> Option<Run> {
        let pairs = self.pairs();
        let behind = pairs.partition_point(|pair| split(pair).0 <= position);
        let (start, cluster) = split(pairs.get(behind.checked_sub(1)?)?);
        let end = pairs.get(behind).map(|pair| split(pair).0);
        let end = end.unwrap_or(self.tail().count);
        let skip = position.checked_sub(start)?;
        let count = end.checked_sub(position).filter(|count| *count > 0)?;
        let cluster = cluster.checked_add(skip)?;
        Some(Run { cluster, count })
    }

    /// Where the walk goes on behind the segment; `None` at the end of the chain.
    ///
    /// # Errors
    /// What breaks the chain.
    pub(super) fn end(&self, walk: &Walk<'_>) -> Result<Option<State>> {
        let Tail {
            behind,
            next,
            last,
            tortoise,
            ..
        } = self.tail();
        let entry = (last != 0).then_some(last);
        match behind {
            Behind::More => Ok(Some(State {
                next,
                last,
                tortoise,
            })),
            Behind::End => Ok(None),
            Behind::Bad => Err(walk.wrong(entry, "marks a bad cluster in a chain")),
            Behind::Loop => Err(walk.wrong(entry, format!("leads back to cluster {next}"))),
            Behind::Nowhere if entry.is_none() => Err(walk.wrong(None, walk.range())),
            Behind::Nowhere => Err(walk.wrong(entry, format!("is {next}, which {}", walk.range()))),
        }
    }

    /// Whether the chain has a segment behind it.
    pub(super) fn goes_on(&self) -> bool {
        self.tail().behind == Behind::More
    }

    fn pairs(&self) -> &[[u8; PAIR]] {
        let len = self.0.len().saturating_sub(TAIL);
        self.0.get(..len).unwrap_or_default().as_chunks().0
    }

    fn tail(&self) -> Tail {
        let start = self.0.len().saturating_sub(TAIL);
        let words = self.0.get(start..).unwrap_or_default().as_chunks().0;
        let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
        let mut word = || words.next().unwrap_or(0);
        let behind = usize::try_from(word()).unwrap_or(usize::MAX);
        Tail {
            behind: *Behind::ALL.get(behind).unwrap_or(&Behind::End),
            next: word(),
            last: word(),
            count: word(),
            tortoise: word(),
        }
    }
}

fn split(pair: &[u8; PAIR]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = *pair;
    let position = u32::from_le_bytes([a, b, c, d]);
    (position, u32::from_le_bytes([e, f, g, h]))
}

/// What a walk through one segment has found.
#[derive(Default)]
struct Walked {
    /// Position and first cluster of every run.
    runs: Vec<(u32, u32)>,
    /// First cluster and length of the same runs, for what was seen before.
    seen: BTreeMap<u32, u32>,
    count: u32,
}

impl Walked {
    /// Follows the chain to the end of the segment.
    fn follow(&mut self, walk: &Walk<'_>, number: u32, state: State) -> Result<Tail> {
        let mut window = Window::default();
        let (mut next, mut last, mut tortoise) = (state.next, state.last, state.tortoise);
        let behind = loop {
            if !walk.has(next) {
                break Behind::Nowhere;
            }
            if next == tortoise || self.has(next) || walk.is_too_long(number) {
                break Behind::Loop;
            }
            if self.count == SPAN {
                break Behind::More;
            }
            if self.count == 0 && (number == 0 || number.is_power_of_two()) {
                tortoise = next;
            }
            self.add(next);
            last = next;
            match walk.table.link(walk.request, &mut window, last)? {
                Link::To(cluster) => next = cluster,
                Link::End => break Behind::End,
                Link::Bad => break Behind::Bad,
            }
        };
        Ok(Tail {
            behind,
            next,
            last,
            count: self.count,
            tortoise,
        })
    }

    /// Adds the next cluster of the chain.
    fn add(&mut self, cluster: u32) {
        let position = self.count;
        self.count = position.saturating_add(1);
        if let Some((start, first)) = self.runs.last() {
            let length = position.saturating_sub(*start);
            if first.checked_add(length) == Some(cluster) {
                self.seen.insert(*first, length.saturating_add(1));
                return;
            }
        }
        self.runs.push((position, cluster));
        self.seen.insert(cluster, 1);
    }

    /// Whether `cluster` was in the segment before.
    fn has(&self, cluster: u32) -> bool {
        let before = self.seen.range(..=cluster).next_back();
        before.is_some_and(|(first, length)| cluster.saturating_sub(*first) < *length)
    }
}
