//! The threads that decode ahead of sequential readers.
//!
//! They are the program's, started when the first stream of decoded blocks is read, as many as
//! there are processors. What they have no time for is not queued up: whoever comes to the block
//! first decodes it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};

use crate::lock::lock;

/// More threads than this wait for memory.
const MOST_THREADS: usize = 8;

/// What a thread is given to do.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// The threads, and the way to them.
pub(super) struct Pool {
    jobs: SyncSender<Job>,
    threads: usize,
}

impl Pool {
    /// Hands `job` to a thread that is free, or soon will be; says whether there was one.
    pub(super) fn offer(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }

    /// As many jobs as are worth being under way.
    pub(super) fn most_jobs(&self) -> usize {
        self.threads.saturating_mul(2)
    }
}

/// `None` where there is one processor, or the host gives no threads.
pub(super) fn pool() -> Option<&'static Pool> {
    static POOL: OnceLock<Option<Pool>> = OnceLock::new();
    POOL.get_or_init(start).as_ref()
}

fn start() -> Option<Pool> {
    let processors = crate::sys::processors();
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
        let next = lock(jobs).recv();
        match next {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}
