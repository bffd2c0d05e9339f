//! How many bytes all blocks unpack to: bzip2 says it nowhere, so every block is decoded once, on
//! all processors.
//!
//! Every magic in the file is taken for a block by whoever looks at it. Which of them are blocks
//! shows afterwards, when they are followed from the first: each says where it ends.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::block::Running;
use super::{bits, walk};
use crate::error::{Error, Kind, Result};
use crate::lock::lock;
use crate::number::to_u64;
use crate::source::streamed::{Listener, Point, Survey, Work};
use crate::source::{SharedSource, zeroed};

/// Blocks that are looked at ahead of those before them: what they gave is kept in memory.
const MOST_AHEAD: usize = 1 << 20;
/// Magics that are no blocks, from which on nobody looks ahead any more: by chance there are none.
const MOST_FALSE: usize = 16;
/// Bytes between two points at least, which is the least that is decoded at once.
const SPACING: u64 = 256 << 10;

/// A block that was decoded: where it ends, and how many bytes it gave.
type Found = Result<(u64, u64)>;

/// What the threads share.
struct Shared<'a> {
    source: &'a SharedSource,
    /// The bit from which on nobody has looked yet.
    from: Mutex<u64>,
    found: Mutex<BTreeMap<u64, Found>>,
    /// How many of what was found were no blocks.
    wrong: AtomicUsize,
    stop: AtomicBool,
    /// Bytes that were gone through and that nobody has heard of.
    passed: AtomicU64,
}

/// Decodes all blocks.
///
/// # Errors
/// `Io` where the file cannot be read, or memory is short.
pub(super) fn measure(source: &SharedSource, listener: &dyn Listener) -> Result<Survey> {
    let work = listener.begin(Some(source.size()));
    let shared = Shared {
        source,
        from: Mutex::new(32),
        found: Mutex::default(),
        wrong: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        passed: AtomicU64::new(0),
    };
    let threads = crate::sys::processors();
    std::thread::scope(|scope| {
        for _ in 1..threads {
            let worker = std::thread::Builder::new();
            // Where there can be no more threads, those that are there do it.
            if worker.spawn_scoped(scope, || shared.work(None)).is_err() {
                break;
            }
        }
        shared.work(Some(&*work));
    });
    follow(source, &lock(&shared.found))
}

impl Shared<'_> {
    fn work(&self, work: Option<&dyn Work>) {
        let Ok(mut buf) = zeroed(64 << 10) else {
            return;
        };
        while !self.stop.load(Ordering::Relaxed) {
            let Ok(Some((start, passed))) = self.next() else {
                break;
            };
            self.passed.fetch_add(passed / 8, Ordering::Relaxed);
            if let Some(work) = work {
                work.advance(self.passed.swap(0, Ordering::Relaxed));
            }
            if bits::read(&**self.source, start, 48).ok() != Some(bits::BLOCK_MAGIC) {
                continue;
            }
            let decoded = decode(self.source, start, &mut buf);
            let is_wrong = usize::from(decoded.is_err());
            let wrong = self.wrong.fetch_add(is_wrong, Ordering::Relaxed);
            let mut found = lock(&self.found);
            found.insert(start, decoded);
            if found.len() > MOST_AHEAD || wrong > MOST_FALSE {
                self.stop.store(true, Ordering::Relaxed);
            }
        }
    }

    /// The next magic that nobody has looked at, and the bits up to it.
    fn next(&self) -> Result<Option<(u64, u64)>> {
        let mut from = lock(&self.from);
        let found = bits::find(&**self.source, *from, u64::MAX)?;
        Ok(found.map(|start| {
            let passed = start.saturating_sub(*from);
            *from = start.saturating_add(1);
            (start, passed)
        }))
    }
}

fn decode(source: &SharedSource, start: u64, buf: &mut [u8]) -> Found {
    let mut running = Running::new(source, start)?;
    let mut size: u64 = 0;
    loop {
        match running.decode(buf)? {
            0 => return Ok((running.end, size)),
            len => size = size.saturating_add(to_u64(len)),
        }
    }
}

/// Goes from block to block, beginning with the first. What nobody looked at is decoded now.
fn follow(source: &SharedSource, found: &BTreeMap<u64, Found>) -> Result<Survey> {
    let mut survey = Survey {
        reached: 0,
        points: Vec::new(),
        damage: None,
    };
    let mut next = walk::first_block(&**source)?;
    let mut buf = zeroed(64 << 10)?;
    while let Some(start) = next {
        let looked_at = found.get(&start).cloned();
        match looked_at.unwrap_or_else(|| decode(source, start, &mut buf)) {
            Ok((end, size)) => {
                add(&mut survey, start);
                survey.reached = survey.reached.saturating_add(size);
                next = match walk::next_block(&**source, end) {
                    Ok(next) => next,
                    Err(error) => return Ok(damaged(survey, error)),
                };
            }
            Err(error) if error.kind() == Kind::Io => return Err(error),
            Err(error) => return Ok(damaged(survey, error)),
        }
    }
    Ok(survey)
}

fn add(survey: &mut Survey, start: u64) {
    let last = survey.points.last().map_or(0, |point| point.output);
    // In a very large file they are further apart, so that there are never many.
    let spacing = SPACING.max(survey.reached >> 16);
    if survey.reached.saturating_sub(last) >= spacing {
        survey.points.push(Point {
            output: survey.reached,
            input: start,
            state: Vec::new(),
        });
    }
}

fn damaged(survey: Survey, error: Error) -> Survey {
    let damage = Some(error);
    Survey { damage, ..survey }
}
