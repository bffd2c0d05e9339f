//! How a mount ends: it is unmounted at once, or when nobody uses it any more, or after a while all
//! the same.

use std::time::{Duration, Instant};

use super::super::attach::{Attached, Detached};
use super::super::failure::Failure;
use super::super::mount_point::MountPoint;
use super::super::shown;
use crate::error::{Error, Kind};

/// How long files may stay in use after a signal asked for the end.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is tried again meanwhile.
const BETWEEN: Duration = Duration::from_millis(50);
/// And once it was hindered by something else than files in use.
const LATER: Duration = Duration::from_secs(1);

/// The mount itself and the directory that was made for it.
pub(super) struct Mount {
    pub(super) attached: Option<Attached>,
    pub(super) point: MountPoint,
}

/// How far an end that was asked for has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    NotAsked,
    /// Files may be in use until then.
    Asked(Option<Instant>),
    /// It could not be unmounted although nobody was waited for, and is tried again: another mount
    /// covers it, or a program that is needed could not be started.
    Stuck,
    /// It is unmounted; the worker serves whoever still has files open.
    Detached,
    /// It was asked for once too often to wait for them.
    Killed,
}

impl Ending {
    /// The next step on a signal.
    pub(super) fn hurried(self) -> Self {
        match self {
            Self::NotAsked => Self::Asked(Instant::now().checked_add(PATIENCE)),
            Self::Asked(_) => Self::Asked(Some(Instant::now())),
            Self::Stuck | Self::Detached | Self::Killed => Self::Killed,
        }
    }

    /// Tries to unmount, if that was asked for; gives the time of the next attempt. Whoever reads
    /// reads on, whatever hinders it.
    pub(super) fn next_try(&mut self, mount: &mut Mount) -> Option<Instant> {
        let lazy = match *self {
            Self::Asked(until) => until.is_none_or(|until| Instant::now() >= until),
            Self::Stuck => true,
            Self::NotAsked | Self::Detached | Self::Killed => return None,
        };
        let detached = mount.detach(lazy);
        if let Ok(Detached::Done) = detached {
            if lazy {
                log::warn!("{} was in use", shown(mount.point.path()));
            }
            *self = Self::Detached;
            return None;
        }
        if let Err(failure) = &detached
            && *self != Self::Stuck
        {
            log::warn!("{failure}");
        }
        if lazy {
            *self = Self::Stuck;
        }
        let between = match detached {
            Ok(_) if !lazy => BETWEEN,
            _ => LATER,
        };
        Instant::now().checked_add(between)
    }
}

impl Mount {
    /// Unmounts; `lazy` also what is in use.
    pub(super) fn detach(&mut self, lazy: bool) -> Result<Detached, Failure> {
        let Some(attached) = &self.attached else {
            return Ok(Detached::Done);
        };
        let detached = attached.detach(lazy)?;
        if detached == Detached::Done {
            self.attached = None;
            self.point.remove();
        }
        Ok(detached)
    }

    /// Takes away what is left once the worker is gone.
    ///
    /// # Errors
    /// `Host` where it stays.
    pub(super) fn clear(&mut self) -> Result<(), Failure> {
        let Some(attached) = self.attached.take() else {
            return Ok(());
        };
        let cleared = attached.clear();
        self.point.remove();
        match cleared? {
            Detached::Done => Ok(()),
            Detached::Busy => {
                let place = shown(self.point.path());
                let text = format!("{place} stays mounted, and nothing serves it: it is covered");
                let hint = format!("unmount what covers it, then imgmount umount {place}");
                Err(Failure::host(Error::new(Kind::Denied, text).hint(hint)))
            }
        }
    }
}
