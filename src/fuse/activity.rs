//! Whether a mount is used, as far as its own program can see: what the kernel answers from its memory
//! it never hears of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The open files and the requests of a mount.
#[derive(Debug)]
pub struct Activity {
    begun: Instant,
    /// Files and directories that are open, and requests that are being answered.
    going_on: AtomicU64,
    /// Milliseconds from `begun` to the last end of one.
    last: AtomicU64,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            going_on: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }
}

impl Activity {
    /// How long nothing was asked and nothing open; `None` while something is.
    #[must_use]
    pub fn idle(&self) -> Option<Duration> {
        let last = Duration::from_millis(self.last.load(Ordering::SeqCst));
        match self.going_on.load(Ordering::SeqCst) {
            0 => Some(self.begun.elapsed().saturating_sub(last)),
            _ => None,
        }
    }

    /// Something begins: a request, or a file is opened.
    pub(super) fn begin(&self) {
        self.going_on.fetch_add(1, Ordering::SeqCst);
    }

    /// It ends, which was begun.
    pub(super) fn end(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.fetch_max(now, Ordering::SeqCst);
        let less = |count: u64| Some(count.saturating_sub(1));
        let order = Ordering::SeqCst;
        let _ = self.going_on.fetch_update(order, order, less); // It never fails.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_use_and_idleness_counts_from_its_end() {
        let activity = Activity::default();
        std::thread::sleep(Duration::from_millis(20));
        assert!(activity.idle().unwrap() >= Duration::from_millis(20));
        activity.begin();
        activity.begin();
        activity.end();
        assert_eq!(activity.idle(), None);
        std::thread::sleep(Duration::from_millis(50));
        let before = Instant::now();
        activity.end();
        assert!(activity.idle().unwrap() <= before.elapsed() + Duration::from_millis(1));
    }
}
