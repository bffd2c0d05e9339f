//! The time between a mount that can be used and its end.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::super::attach::Detached;
use super::super::failure::{self, Failure};
use super::super::notify;
use super::super::process::{self, Log};
use super::super::shown;
use super::ending::{Ending, PATIENCE};
use super::{Happened, Supervisor, wait_for};
use crate::error::Error;

/// When a mount that nobody uses is unmounted.
pub(super) struct Idle {
    /// Never, without it.
    timeout: Option<Duration>,
    /// When the worker was last believed that nobody does.
    believed: Instant,
    /// It has said so since.
    said: bool,
}

impl Idle {
    pub(super) fn after(timeout: Option<Duration>) -> Self {
        Self {
            timeout,
            believed: Instant::now(),
            said: false,
        }
    }

    /// The worker says that nobody uses the mount.
    pub(super) fn say(&mut self) {
        self.said = true;
    }

    /// Whether it has said so, and no sooner than it had to.
    fn is_due(&mut self) -> bool {
        let said = std::mem::take(&mut self.said);
        // Its clock may be a little ahead of this one.
        let soonest = self.timeout.and_then(|timeout| timeout.checked_div(2));
        let due = said && soonest.is_some_and(|soonest| self.believed.elapsed() >= soonest);
        if due {
            self.believed = Instant::now();
        }
        due
    }
}

impl Supervisor {
    /// Stays until it is unmounted: by a signal, by somebody else, or since nobody uses it.
    ///
    /// # Errors
    /// `Host` where the worker died.
    pub(in super::super) fn stay(mut self, log: Log) -> Result<(), Failure> {
        let mut ending = Ending::NotAsked;
        loop {
            let deadline = ending.next_try(&mut self.mount);
            let happened = self.wait(None, deadline, log)?;
            if happened.worker {
                break;
            }
            if happened.signal.is_some() {
                if ending == Ending::NotAsked {
                    notify::stopping();
                }
                ending = ending.hurried();
                if ending == Ending::Killed {
                    self.worker.kill();
                }
            }
            if ending == Ending::NotAsked && self.idle.is_due() && self.detach_unused() {
                notify::stopping();
                ending = Ending::Detached;
            }
        }
        if ending == Ending::NotAsked {
            notify::stopping();
        }
        self.finish(ending, log)
    }

    /// Unmounts, unless the kernel knows of somebody who uses it.
    fn detach_unused(&mut self) -> bool {
        match self.mount.detach(false) {
            Ok(Detached::Done) => {
                log::info!("{} was not used", shown(self.mount.point.path()));
                true
            }
            Ok(Detached::Busy) => false,
            Err(failure) => {
                log::warn!("{failure}");
                false
            }
        }
    }

    /// Ends the worker, and takes away the mount, which is dead without it. Gives how it ended.
    pub(in super::super) fn bury(&mut self) -> Option<ExitStatus> {
        let (status, left) = self.leave();
        if let Err(failure) = left {
            log::error!("{failure}");
        }
        // The kernel gives its number to the next one, whose supervisor wants the name.
        if let Some(last_words) = self.last_words.take() {
            last_words.say(self.faults);
        }
        status
    }

    /// How the worker ended, and why the mount stays where it does.
    fn leave(&mut self) -> (Option<ExitStatus>, Result<(), Failure>) {
        self.worker.kill();
        (self.worker.wait(), self.mount.clear())
    }

    /// Waits as [`Supervisor::wait`] does, once there is no worker any more.
    ///
    /// # Errors
    /// `Io` where the kernel does not let it.
    pub(in super::super) fn wait_alone(&mut self, other: PollFd<'_>) -> Result<Happened, Error> {
        let mut happened = Happened::default();
        let mut watched = [other, PollFd::new(&self.signals, PollFlags::IN)];
        wait_for(&mut watched, None)?;
        let [other, _] = watched;
        happened.other = !other.revents().is_empty();
        happened.signal = self.signals.take();
        Ok(happened)
    }

    fn finish(mut self, ending: Ending, log: Log) -> Result<(), Failure> {
        // It has ended, or says what it has no reason to say any more.
        let (status, left) = self.leave();
        let faults = self.faults();
        if faults > 0 {
            if let Err(failure) = &left {
                log::warn!("{failure}");
            }
            let bugs = failure::bugs(faults);
            if log == Log::System {
                self.worker.note(bugs.to_string().as_bytes());
            }
            return Err(bugs.into());
        }
        left?;
        let well = status.is_some_and(|status| status.success());
        if well || ending == Ending::Killed {
            return Ok(());
        }
        Err(Failure::host(process::death(status.as_ref())))
    }

    /// Unmounts; after a while also what is in use. Gives how many requests failed by bugs.
    pub(in super::super) fn end(mut self) -> Result<u64, Failure> {
        let mut ending = Ending::NotAsked.hurried();
        let last = Instant::now().checked_add(PATIENCE.saturating_mul(2));
        loop {
            let next = ending.next_try(&mut self.mount);
            let happened = self.wait(None, next.or(last), Log::Show)?;
            // What it has to keep is kept by then.
            let late = last.is_none_or(|last| Instant::now() >= last);
            if late {
                self.mount.detach(true)?;
            }
            if happened.worker || late {
                let faults = self.faults();
                return self.leave().1.map(|()| faults);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_believed_only_as_often_as_it_can_be_right() {
        let mut never = Idle::after(None);
        never.say();
        assert!(!never.is_due());
        const HOUR: Duration = Duration::from_secs(3600);
        let mut idle = Idle::after(Some(HOUR));
        idle.say();
        assert!(!idle.is_due(), "too soon");
        idle.believed = idle.believed.checked_sub(HOUR / 2).unwrap();
        assert!(!idle.is_due(), "said before, and not since");
        idle.say();
        assert!(idle.is_due());
        idle.say();
        assert!(!idle.is_due(), "too soon after the last time");
    }
}
