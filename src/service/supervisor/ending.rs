//! How a mount ends: it is unmounted at once, or when nobody uses it any more, or after a while all
//! the same.

use std::time::{Duration, Instant};

use super::super::attach::{Attached, Detached};
use super::super::failure::Failure;
use super::super::mount_point::MountPoint;
use super::super::shown;

/// How long files may stay in use after a signal asked for the end.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is tried again meanwhile.
const BETWEEN: Duration = Duration::from_millis(50);

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
            Self::Detached | Self::Killed => Self::Killed,
        }
    }

    /// Tries to unmount, if that was asked for; gives the time of the next attempt.
    pub(super) fn next_try(&mut self, mount: &mut Mount) -> Result<Option<Instant>, Failure> {
        let Self::Asked(until) = *self else {
            return Ok(None);
        };
        let lazy = until.is_none_or(|until| Instant::now() >= until);
        if mount.detach(lazy)? == Detached::Done {
            if lazy {
                log::warn!("{} was in use", shown(mount.point.path()));
            }
            *self = Self::Detached;
            return Ok(None);
        }
        if lazy {
            // Another mount covers ours, which goes with the worker.
            *self = Self::Detached;
            return Ok(None);
        }
        Ok(Instant::now().checked_add(BETWEEN))
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
    pub(super) fn clear(&mut self) {
        let Some(attached) = self.attached.take() else {
            return;
        };
        if let Err(failure) = attached.clear() {
            log::warn!("{failure}");
        }
        self.point.remove();
    }
}
