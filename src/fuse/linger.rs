//! Waiting for the next request awake. Who works through a tree asks again some microseconds after
//! each answer, and to put a processor to sleep and wake it up takes longer than most answers do. So
//! a thread that has answered looks for the next request for a moment before it sleeps, as long as
//! requests do come so soon; it gives way to everybody else who could run meanwhile.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Nanoseconds: some times what it takes to put a thread to sleep and wake it.
const MOMENT: u64 = 50_000;

/// Nanoseconds within which only a request comes that was waiting already: whoever reads it does not
/// sleep anyway.
const AT_ONCE: u64 = 2_000;

/// After so many requests that came within a moment, the next is expected so soon too.
const USUAL: u32 = 4;

/// When the requests of one mount come.
pub(super) struct Linger {
    /// `None`: nobody lingers.
    device: Option<OwnedFd>,
    /// What time is counted from.
    start: Instant,
    /// When the last answer was given; 0 once the next request has come.
    answered: AtomicU64,
    /// Requests in a row that came within a moment of an answer, and not at once.
    soon: AtomicU32,
    /// One thread looks: a second would take the processor from who asks.
    looking: AtomicBool,
}

impl Linger {
    /// For the requests that come from `device`.
    pub(super) fn new(device: Option<OwnedFd>) -> Self {
        Self {
            device,
            start: Instant::now(),
            answered: AtomicU64::new(0),
            soon: AtomicU32::new(0),
            looking: AtomicBool::new(false),
        }
    }

    /// A request has come. Lingers once the value ends, which is to be after the answer.
    pub(super) fn begin(&self) -> Answering<'_> {
        self.came(self.now());
        Answering(self)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn came(&self, now: u64) {
        let waited = match self.answered.swap(0, Ordering::Relaxed) {
            0 => return, // Several are being answered.
            answered => now.saturating_sub(answered),
        };
        if (AT_ONCE..=MOMENT).contains(&waited) {
            self.soon.fetch_add(1, Ordering::Relaxed);
        } else {
            self.soon.store(0, Ordering::Relaxed);
        }
    }

    /// Whether the next request, after an answer that was given `now`, is worth waiting for.
    fn is_worth_it(&self, now: u64) -> bool {
        self.answered.store(now, Ordering::Relaxed);
        self.soon.load(Ordering::Relaxed) >= USUAL
    }

    fn linger(&self) {
        let begun = self.now();
        let Some(device) = self.device.as_ref().filter(|_| self.is_worth_it(begun)) else {
            return;
        };
        if self.looking.swap(true, Ordering::Acquire) {
            return;
        }
        let end = begun.saturating_add(MOMENT);
        while !has_request(device) && self.now() < end {
            std::thread::yield_now();
        }
        self.looking.store(false, Ordering::Release);
    }
}

/// A request that is being answered.
pub(super) struct Answering<'a>(&'a Linger);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.linger();
    }
}

fn has_request(device: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(device, PollFlags::IN)];
    // Whatever is wrong with it, who reads it will hear.
    poll(&mut asked, Some(&Timespec::default())) != Ok(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use std::io::Write;

    use super::*;

    /// Answers requests, each so long after the last answer; whether the next is then waited for.
    fn after(waits: &[u64]) -> bool {
        let linger = Linger::new(None);
        let mut now = 1;
        let mut worth_it = linger.is_worth_it(now);
        for wait in waits {
            now += wait;
            linger.came(now);
            now += 100;
            worth_it = linger.is_worth_it(now);
        }
        worth_it
    }

    #[test]
    fn only_who_asks_again_soon_and_has_done_so_is_waited_for() {
        assert!(!after(&[]));
        assert!(!after(&[10_000; 3]));
        assert!(after(&[10_000; 4]));
        assert!(after(&[10_000, 50_000, 2_000, 49_000, 3_000]));
        assert!(!after(&[10_000, 10_000, 10_000, 10_000, 50_001]));
        assert!(!after(&[1_999; 100]), "they queue");
    }

    #[test]
    fn a_request_or_the_end_of_the_device_ends_it_and_so_does_time() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let linger = Linger::new(Some(reader.into()));
        let expect = || linger.soon.store(USUAL, Ordering::Relaxed);
        expect();
        drop(linger.begin());
        assert!(!has_request(linger.device.as_ref().unwrap()));
        writer.write_all(b"request").unwrap();
        assert!(has_request(linger.device.as_ref().unwrap()));
        expect();
        drop(linger.begin());
        drop(writer);
        expect();
        drop(linger.begin());
        assert!(!linger.looking.load(Ordering::Relaxed));
    }
}
