//! Unpacking ahead: while a sequential reader has one packed unit unpacked, the next ones are
//! unpacked on the other processors.
//!
//! The threads are the program's, started when the first stream of packed units is read, as many as
//! there are processors. What they have no time for is not queued up: whoever comes to the unit
//! first unpacks it, and each is unpacked once.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Map, Mapped, Place, unpacked};
use crate::number::to_u64;
use crate::source::streams::Read;

/// Bytes that are unpacked ahead of one stream, and more only where one unit is larger.
const MOST_AHEAD: usize = 4 << 20;

/// More threads than this wait for memory.
const MOST_THREADS: usize = 8;

type Job = Box<dyn FnOnce() + Send>;

impl<M: Map + 'static> Mapped<M> {
    /// Has the units behind byte `next` unpacked that are not there yet. `size` is that of the
    /// unit before.
    pub(super) fn unpack_ahead(&self, next: u64, size: usize, read: Read) {
        let Some(pool) = pool() else {
            return;
        };
        let most = MOST_AHEAD.checked_div(size).unwrap_or(1);
        let most = most.clamp(1, pool.threads.saturating_mul(2));
        let mut at = next;
        for _ in 0..most {
            if at >= self.map.size() {
                return;
            }
            // A run of something else ends the look ahead: the reader will come to it and go on.
            let Ok(run) = self.map.run_at(at, 0) else {
                return;
            };
            let Place::Packed { unit, skip } = run.place else {
                return;
            };
            if !self.map.may_be_ahead(unit) {
                return;
            }
            let Ok(size) = self.map.unit(unit) else {
                return;
            };
            if !self.cache.knows(self.layer, unit) && !pool.offer(self.job(unit, size, read)) {
                return;
            }
            let left = to_u64(size.saturating_sub(skip)).max(1);
            at = at.saturating_add(run.len.get().min(left));
        }
    }

    fn job(&self, unit: u64, size: usize, read: Read) -> Job {
        let (map, cache) = (self.map.clone(), self.cache.clone());
        let layer = self.layer;
        Box::new(move || {
            // Dropped without a word where it cannot be unpacked: the reader will hear why.
            if let Some(ticket) = cache.claim(layer, unit, read.visit)
                && let Ok(block) = unpacked(&*map, unit, size)
            {
                ticket.fill(block);
            }
        })
    }
}

/// The threads, and the way to them.
struct Pool {
    jobs: SyncSender<Job>,
    threads: usize,
}

impl Pool {
    /// Hands `job` to a thread that is free, or soon will be; says whether there was one.
    fn offer(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }
}

/// `None` where there is one processor, or the host gives no threads.
fn pool() -> Option<&'static Pool> {
    static POOL: OnceLock<Option<Pool>> = OnceLock::new();
    POOL.get_or_init(start).as_ref()
}

fn start() -> Option<Pool> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    if processors < 2 {
        return None;
    }
    let (jobs, receiver) = sync_channel(processors.saturating_mul(2));
    let receiver = Arc::new(Mutex::new(receiver));
    let started = (0..processors.min(MOST_THREADS)).map_while(|_| {
        let receiver = receiver.clone();
        let builder = std::thread::Builder::new().name("unpack".to_owned());
        builder.spawn(move || work(&receiver)).ok()
    });
    let threads = started.count();
    (threads > 0).then_some(Pool { jobs, threads })
}

/// A thread's life. A decoder that panics ends it; the reader then meets the same panic, where it
/// is answered.
fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}
