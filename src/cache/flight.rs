//! One reader per block: who reads it, who waits, and what they are told.

use std::sync::{Arc, Condvar, Mutex};

use super::{Block, Cache, Key, Visit};
use crate::error::{Error, Result};
use crate::lock::{lock, wait};

/// A block that is being read.
#[derive(Default)]
pub(super) struct Flight {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
enum State {
    #[default]
    Running,
    /// The answer for everybody who waits.
    Done(Result<Block>),
    /// The reader gave up without an answer: it panicked, or only read ahead.
    Abandoned,
}

impl Flight {
    /// Tells those who wait. The flight has landed, so that nobody can join it any more: where nobody
    /// else holds it, nobody waits, and the system call that would wake them is saved.
    fn end(self: &Arc<Self>, state: State) {
        if Arc::strong_count(self) > 1 {
            *lock(&self.state) = state;
            self.ended.notify_all();
        }
    }
}

/// The duty to read one block. Dropped without a word, also by a panic, it sends those who wait to
/// try for themselves.
#[must_use]
pub struct Ticket<'a> {
    cache: &'a Cache,
    key: Key,
    visit: Visit,
    flight: Arc<Flight>,
    finished: bool,
}

impl<'a> Ticket<'a> {
    pub(super) fn new(cache: &'a Cache, key: Key, visit: Visit, flight: Arc<Flight>) -> Self {
        Self {
            cache,
            key,
            visit,
            flight,
            finished: false,
        }
    }

    /// The number of the block.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.key.1
    }

    /// Hands the block in, for the cache and all who wait.
    pub fn fill(self, block: Block) {
        self.end(Ok(block));
    }

    /// Says why the block cannot be read, to all who wait. It is not kept.
    pub fn fail(self, error: Error) {
        self.end(Err(error));
    }

    pub(super) fn end(mut self, result: Result<Block>) {
        self.finished = true;
        let block = result.as_ref().ok().cloned();
        self.cache.land(self.key, self.visit, block);
        self.flight.end(State::Done(result));
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.cache.land(self.key, self.visit, None);
            self.flight.end(State::Abandoned);
        }
    }
}

/// Waits for the block that another thread reads.
#[must_use]
pub struct Waiter(Arc<Flight>);

impl Waiter {
    pub(super) fn new(flight: Arc<Flight>) -> Self {
        Self(flight)
    }

    /// What the reader got, its error included; `None` where it gave up, so that the caller looks
    /// again.
    #[must_use]
    pub fn wait(self) -> Option<Result<Block>> {
        let mut state = lock(&self.0.state);
        loop {
            match &*state {
                State::Done(result) => return Some(result.clone()),
                State::Abandoned => return None,
                State::Running => {}
            }
            state = wait(&self.0.ended, state);
        }
    }
}
