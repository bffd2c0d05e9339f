//! All of a volume, copied by several threads.

use std::panic::resume_unwind;
use std::sync::Mutex;

use super::super::progress::Progress;
use super::super::remote::Parts;
use super::super::remote::protocol::Part;
use super::Trouble;
use super::target::Target;
use crate::lock::lock;
use crate::number::{to_u64, to_usize};
use crate::source::HostBytes;
use crate::sys;

/// Bytes of which one thread takes at least so many. No unit that a container packs by itself is
/// larger, but for the blocks of some compressed files.
pub(super) const CHUNK: u64 = 2 << 20;

/// Bytes that one thread takes at the most.
pub(super) const MOST_SHARE: u64 = 16 << 20;

/// Shares for each thread, if they are not too small.
pub(super) const SHARES: u64 = 8;

/// Bytes that are read at a time from a file of the host: few enough to be in the processor's own
/// cache still when they are looked at and written.
const HOST_PIECE: u64 = 512 << 10;

/// More threads than this wait for the disk.
pub(super) const MOST_THREADS: usize = 16;

/// How many threads copy: what costs time is unpacking.
pub(super) fn threads() -> usize {
    sys::processors().min(MOST_THREADS)
}

/// Copies all of `source`, with several threads.
pub(super) fn copy(source: &dyn Parts, out: &Target) -> Result<(), Trouble> {
    let size = source.size();
    let threads = threads().min(to_usize(size.div_ceil(CHUNK))).max(1);
    let work = Work {
        source,
        out,
        share: share(size, threads),
        next: Mutex::new(0),
        progress: Progress::new(Some(size)),
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| work.copy())).collect();
        let mut result = work.copy();
        for other in others {
            // A thread that panicked has said so; the panic goes on here.
            let other = other.join().unwrap_or_else(|panic| resume_unwind(panic));
            result = result.and(other);
        }
        result
    })?;
    out.finish(size).map_err(Trouble::Write)
}

/// Bytes that one thread takes at a time of `size`: some for each of `threads`, so that none is left
/// with much when the others are done.
pub(super) fn share(size: u64, threads: usize) -> u64 {
    let some = to_u64(threads).saturating_mul(SHARES);
    let share = size.checked_div(some).unwrap_or(size);
    let share = share.clamp(CHUNK, MOST_SHARE);
    share.saturating_sub(share % CHUNK)
}

/// What several threads copy, share by share.
struct Work<'a> {
    source: &'a dyn Parts,
    out: &'a Target,
    /// Bytes that one of them takes at a time.
    share: u64,
    /// Where nobody has begun yet; the end once somebody failed.
    next: Mutex<u64>,
    progress: Progress,
}

/// What one of them reads into.
#[derive(Default)]
struct Buffers {
    sent: Vec<u8>,
    host: Vec<u8>,
}

impl Work<'_> {
    fn copy(&self) -> Result<(), Trouble> {
        let mut buffers = Buffers::default();
        while let Some((start, end)) = self.take() {
            let result = self.copy_share(start, end, &mut buffers);
            if result.is_err() {
                *lock(&self.next) = self.source.size();
                return result;
            }
        }
        Ok(())
    }

    /// The next share: where it starts and ends.
    fn take(&self) -> Option<(u64, u64)> {
        let mut next = lock(&self.next);
        let start = *next;
        let left = self.source.size().saturating_sub(start);
        *next = start.saturating_add(self.share.min(left));
        (left > 0).then_some((start, *next))
    }

    fn copy_share(&self, start: u64, end: u64, buffers: &mut Buffers) -> Result<(), Trouble> {
        let mut at = start;
        while at < end {
            let left = end.saturating_sub(at);
            let parts = self.source.parts(at, left, &mut buffers.sent)?;
            let begun = at;
            let mut sent = buffers.sent.as_slice();
            for part in parts {
                match part {
                    Part::Zeros(_) => {}
                    Part::Sent(_) => {
                        let (bytes, rest) = sent.split_at(to_usize(part.len()).min(sent.len()));
                        self.out.write(bytes, at).map_err(Trouble::Write)?;
                        sent = rest;
                    }
                    Part::Host(host) => self.copy_host(&host, at, &mut buffers.host)?,
                }
                at = at.saturating_add(part.len());
            }
            self.progress.advance(at.min(end).saturating_sub(begun));
        }
        self.skip_to(at);
        Ok(())
    }

    /// Copies what lies in a file of the host, which is byte `offset` of all.
    fn copy_host(&self, host: &HostBytes, offset: u64, buf: &mut Vec<u8>) -> Result<(), Trouble> {
        buf.resize(to_usize(HOST_PIECE), 0);
        let mut skip = 0;
        while skip < host.len.get() {
            let length = HOST_PIECE.min(host.len.get().saturating_sub(skip));
            let piece = buf.get_mut(..to_usize(length)).unwrap_or_default();
            let at = offset.saturating_add(skip);
            self.source.read_host(host, skip, piece, at)?;
            self.out.write(piece, at).map_err(Trouble::Write)?;
            skip = skip.saturating_add(length);
        }
        Ok(())
    }

    /// Nobody needs to begin before `offset`: a hole reaches there.
    fn skip_to(&self, offset: u64) {
        let mut next = lock(&self.next);
        if *next < offset {
            self.progress.advance(offset.saturating_sub(*next));
            *next = offset;
        }
    }
}
