//! Who decodes what: the decoders at work, those that stand still, and what they passed.

use std::collections::VecDeque;
use std::sync::MutexGuard;

use super::decoding::{Decoding, Resting};
use super::index::{self, Index, Kept};
use super::run::Run;
use super::{Point, SPAN, Streamed};
use crate::error::{Error, Kind, Result};
use crate::lock::wait;
use crate::number::to_u64;

/// Decoders that stand still and are kept for who reads on.
const MOST_RESTING: u64 = 4;

/// Bytes that decoders may hold, those at work and those that rest. One may hold more.
const MOST_MEMORY: u64 = 64 << 20;

/// Spans that a decoder came by on its way and that somebody may ask for next.
const MOST_PASSED: usize = 32;

/// Places that could not be decoded, remembered so that nobody tries them again and again.
const MOST_FAILURES: usize = 64;

/// A decoder at work.
struct Working {
    number: u64,
    /// Where it is, at the least.
    at: u64,
}

/// Decoding from the point at `from` fails behind `at`.
struct Failure {
    from: u64,
    at: u64,
    error: Error,
}

/// All of them, and the index.
pub(super) struct Decoders {
    pub(super) index: Index,
    /// Where those that stand still are, and which of them are this stream's.
    decoding: Decoding,
    stream: u64,
    working: Vec<Working>,
    passed: VecDeque<(u64, Vec<u8>)>,
    failures: VecDeque<Failure>,
    number: u64,
    /// The most memory that one of them said to hold.
    memory: u64,
}

/// How a span is had.
pub(super) enum Found<'a> {
    /// A decoder has just come by.
    Passed(Vec<u8>),
    /// With a decoder that is at or before its start.
    Run(Run<'a>),
}

/// The next thing to do for a span.
enum Step {
    Passed(Vec<u8>),
    Take(Resting),
    Resume(u64, Kept),
    /// Another decoder is on its way there, or memory is short.
    Wait,
}

impl Decoders {
    /// Those of one stream among those of `decoding`.
    pub(super) fn new(mut index: Index, decoding: &Decoding) -> Self {
        index.join(decoding.clone());
        Self {
            index,
            stream: decoding.stream(),
            decoding: decoding.clone(),
            working: Vec::new(),
            passed: VecDeque::new(),
            failures: VecDeque::new(),
            number: 0,
            memory: 0,
        }
    }

    fn step(&mut self, span: u64) -> Result<Step> {
        let start = span.saturating_mul(SPAN);
        let (from, kept) = self.index.before(start);
        if let Some(error) = self.failure(from, start.saturating_add(SPAN)) {
            return Err(error);
        }
        // Zeros that a decoder came by are not kept, but for that they are zeros.
        if self.index.hole(span).is_some() {
            return Ok(Step::Passed(Vec::new()));
        }
        if let Some(index) = self.passed.iter().position(|(own, _)| *own == span)
            && let Some((_, bytes)) = self.passed.remove(index)
        {
            return Ok(Step::Passed(bytes));
        }
        let best = self.decoding.furthest(self.stream, from, start);
        let near = best.unwrap_or(from)..=start;
        if self.working.iter().any(|own| near.contains(&own.at)) {
            return Ok(Step::Wait);
        }
        let best = best.and_then(|at| self.decoding.take(self.stream, at));
        Ok(match best {
            Some(resting) => Step::Take(resting),
            None if !self.has_room() => Step::Wait,
            None => Step::Resume(from, kept),
        })
    }

    /// Whether one more decoder may work. Those that rest make room for it.
    fn has_room(&mut self) -> bool {
        let room = self.room();
        let working = to_u64(self.working.len()).saturating_add(1);
        while working.saturating_add(self.resting()) > room && self.drop_oldest() {}
        self.working.is_empty() || working <= room
    }

    /// So many decoders may be there at once.
    fn room(&self) -> u64 {
        MOST_MEMORY.checked_div(self.memory).unwrap_or(u64::MAX)
    }

    fn failure(&self, from: u64, end: u64) -> Option<Error> {
        let mut failures = self.failures.iter();
        let found = failures.find(|own| own.from == from && own.at < end)?;
        Some(found.error.clone())
    }

    fn start(&mut self, at: u64) -> u64 {
        self.number = self.number.wrapping_add(1);
        self.working.push(Working {
            number: self.number,
            at,
        });
        self.number
    }

    /// The decoder `number` is at `at` now.
    pub(super) fn moved(&mut self, number: u64, at: u64) {
        let own = self.working.iter_mut().find(|own| own.number == number);
        if let Some(own) = own {
            own.at = at;
        }
    }

    /// The decoder `number` works no more.
    pub(super) fn stop(&mut self, number: u64) {
        self.working.retain(|own| own.number != number);
    }

    /// Keeps a decoder that stands still.
    pub(super) fn rest(&mut self, resting: Resting) {
        self.memory = self.memory.max(resting.decoder.memory());
        self.decoding.rest(self.stream, resting);
        let room = self.room().max(1);
        let busy = to_u64(self.working.len());
        let too_many = |resting: u64| {
            resting > MOST_RESTING || resting > 1 && resting.saturating_add(busy) > room
        };
        while too_many(self.resting()) && self.drop_oldest() {}
    }

    /// How many stand still.
    fn resting(&self) -> u64 {
        to_u64(self.decoding.count(self.stream))
    }

    fn drop_oldest(&self) -> bool {
        self.decoding.drop_oldest(self.stream)
    }

    /// Keeps a span that a decoder came by for a while; gives the memory of another one.
    pub(super) fn pass(&mut self, span: u64, bytes: Vec<u8>) -> Vec<u8> {
        self.passed.retain(|(own, _)| *own != span);
        self.passed.push_back((span, bytes));
        match self.passed.len() > MOST_PASSED {
            true => self
                .passed
                .pop_front()
                .map_or_else(Vec::new, |(_, old)| old),
            false => Vec::new(),
        }
    }

    /// Drops everything that came from a stored index; whether there was anything.
    pub(super) fn distrust(&mut self) -> bool {
        let changed = self.index.drop_loaded();
        if changed {
            self.failures.clear();
            self.passed.clear();
        }
        changed
    }

    /// Remembers that decoding failed behind `at`, unless that may be another time's luck.
    pub(super) fn fail(&mut self, at: u64, error: &Error) {
        if error.kind() == Kind::Io {
            return;
        }
        if self.failures.len() >= MOST_FAILURES {
            self.failures.pop_front();
        }
        self.failures.push_back(Failure {
            from: self.index.before(at).0,
            at,
            error: error.clone(),
        });
    }
}

impl Drop for Decoders {
    fn drop(&mut self) {
        self.decoding.forget(self.stream);
    }
}

impl Streamed {
    /// The bytes of span `span`, or a decoder that can get to it.
    pub(super) fn find(&self, span: u64) -> Result<Found<'_>> {
        let mut decoders = self.lock();
        loop {
            match decoders.step(span)? {
                Step::Passed(bytes) => return Ok(Found::Passed(bytes)),
                Step::Take(resting) => {
                    let number = decoders.start(resting.at);
                    let due = decoders.index.due(resting.at);
                    drop(decoders);
                    return Ok(Found::Run(Run::new(self, number, resting, due)));
                }
                Step::Resume(output, kept) => {
                    let number = decoders.start(output);
                    let due = decoders.index.due(output);
                    drop(decoders);
                    match self.resume(number, output, &kept, due) {
                        Ok(run) => return Ok(Found::Run(run)),
                        Err(error) => decoders = self.without(output, error)?,
                    }
                }
                Step::Wait => {
                    decoders = wait(&self.moved, decoders);
                }
            }
        }
    }

    /// A point whose state is refused is none: it goes, and the one before it serves. Points of
    /// the format's own stay.
    fn without(&self, output: u64, error: Error) -> Result<MutexGuard<'_, Decoders>> {
        let mut decoders = self.lock();
        match decoders.index.remove(output) {
            true => Ok(decoders),
            false => Err(error),
        }
    }

    /// A decoder at the point at `output`.
    fn resume(&self, number: u64, output: u64, kept: &Kept, due: u64) -> Result<Run<'_>> {
        // Also where the codec panics.
        let mut run = Run::none(self, number, output, due);
        let resumed = index::unpack(kept).and_then(|state| {
            let input = kept.input;
            self.codec.resume(&Point {
                output,
                input,
                state,
            })
        });
        run.set(resumed?);
        Ok(run)
    }
}
