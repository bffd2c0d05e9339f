//! What the process says by itself: how far it is, and what is to be written.

use std::cell::Cell;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::remote::protocol::Said;
use crate::error::Result;
use crate::format::{Nobody, Progress};
use crate::lock::lock;
use crate::service::frames::FrameWriter;
use crate::source::streamed::Work;

/// How often it is said how far some work is.
const BETWEEN: Duration = Duration::from_millis(50);

/// Bytes of output that are sent together.
const BUFFER: usize = 64 << 10;

/// The verb's own process, as one that listens.
pub(super) struct Told {
    lane: Mutex<FrameWriter>,
    next: AtomicU32,
    /// The image is open: what is done later has a bar of its verb's own.
    is_open: AtomicBool,
}

impl Told {
    pub(super) fn new(lane: FrameWriter) -> Self {
        Self {
            lane: Mutex::new(lane),
            next: AtomicU32::new(0),
            is_open: AtomicBool::new(false),
        }
    }

    /// The image is open, or refused.
    pub(super) fn close(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }

    pub(super) fn say(&self, said: &Said) -> Result<()> {
        self.say_with(said, &[])
    }

    fn say_with(&self, said: &Said, bytes: &[u8]) -> Result<()> {
        lock(&self.lane).send(said, bytes)
    }

    /// Work of the verb's own.
    pub(super) fn begin_anyway(self: &Arc<Self>, total: Option<u64>) -> Bar {
        let work = self.next.fetch_add(1, Ordering::Relaxed);
        // Who cannot be told has gone, and this process ends as soon as it writes anything else.
        let _ = self.say(&Said::Begins { work, total });
        Bar {
            told: self.clone(),
            work,
            untold: Cell::new(0),
            last: Cell::new(Instant::now()),
        }
    }
}

impl Progress for Shared {
    fn begin(&self, total: Option<u64>) -> Box<dyn Work> {
        match self.0.is_open.load(Ordering::Relaxed) {
            false => Box::new(self.0.begin_anyway(total)),
            true => Box::new(Nobody),
        }
    }
}

/// For what lasts while the image is opened.
pub(super) struct Shared(pub(super) Arc<Told>);

/// One piece of work.
pub(super) struct Bar {
    told: Arc<Told>,
    work: u32,
    untold: Cell<u64>,
    last: Cell<Instant>,
}

impl Bar {
    pub(super) fn advance(&self, bytes: u64) {
        let bytes = self.untold.get().saturating_add(bytes);
        self.untold.set(bytes);
        if self.last.get().elapsed() >= BETWEEN {
            let work = self.work;
            let _ = self.told.say(&Said::Advances { work, bytes });
            self.untold.set(0);
            self.last.set(Instant::now());
        }
    }
}

impl Work for Bar {
    fn advance(&self, bytes: u64) {
        Bar::advance(self, bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        let _ = self.told.say(&Said::Ends { work: self.work });
    }
}

/// Standard output, which the verb's own process has.
pub(super) struct Lines {
    told: Arc<Told>,
    untold: Vec<u8>,
}

impl Lines {
    pub(super) fn new(told: Arc<Told>) -> Self {
        Self {
            told,
            untold: Vec::new(),
        }
    }

    /// Sends the first `count` bytes.
    fn send(&mut self, count: usize) -> std::io::Result<()> {
        let rest = self.untold.split_off(count.min(self.untold.len()));
        let bytes = std::mem::replace(&mut self.untold, rest);
        let length = u32::try_from(bytes.len()).unwrap_or_default();
        let said = match length {
            0 => Ok(()),
            _ => self.told.say_with(&Said::Output(length), &bytes),
        };
        said.map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Lines {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let some = buf.get(..BUFFER).unwrap_or(buf);
        self.untold.extend_from_slice(some);
        if self.untold.len() >= BUFFER {
            // Whole lines, and so whole characters.
            let line = self.untold.iter().rposition(|byte| *byte == b'\n');
            self.send(line.map_or(BUFFER, |at| at.saturating_add(1)))?;
        }
        Ok(some.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.send(usize::MAX)
    }
}
