//! How far a volume is encrypted.

use super::layout;
use crate::error::{Error, Result};

/// Whether something is being done to the volume, as `FVE_STATE` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// It was decrypted, and nothing of it is encrypted any more.
    Decrypted,
    /// Nothing: all of it is encrypted.
    Encrypted,
    /// It is being encrypted or decrypted, or that is paused.
    Switching,
    /// The same, and what was being moved when the machine stopped is in a log.
    Dirty,
}

/// How far a volume is encrypted.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) doing: Doing,
    /// The first byte that is not encrypted, and everything behind it: a volume is encrypted from
    /// its start and decrypted from its end. `None` where there is none.
    pub(super) plain_from: Option<u64>,
    /// Bytes from there on that the log has.
    pub(super) logged: u64,
}

impl State {
    /// What `raw`, which lies at byte `at`, says.
    ///
    /// # Errors
    /// `Unsupported` for a state that nobody has described.
    pub(super) fn new(raw: &layout::Information, at: u64) -> Result<Self> {
        let logged = u64::from(raw.StateSize.get());
        let doing = match raw.CurrentState.get() {
            1 => Doing::Decrypted,
            2 if logged > 0 => Doing::Dirty,
            2 | 3 | 5 => Doing::Switching,
            4 => Doing::Encrypted,
            other => {
                let error = Error::unsupported(format!("CurrentState {other}"));
                return Err(error.at(at.saturating_add(12)));
            }
        };
        let offset = raw.StateOffset.get();
        let plain_from = match doing {
            Doing::Decrypted => Some(0),
            // Vista leaves it zero while all is encrypted.
            _ => (offset > 0).then_some(offset),
        };
        Ok(Self {
            doing,
            plain_from,
            logged: if doing == Doing::Dirty { logged } else { 0 },
        })
    }

    /// For people, of a volume of `size` bytes.
    pub(super) fn describe(&self, size: u64) -> String {
        let part = match self.plain_from {
            Some(end) if end < size => format!("encrypted up to byte {end} of {size}"),
            _ => "encrypted".to_owned(),
        };
        match self.doing {
            Doing::Decrypted => "decrypted".to_owned(),
            Doing::Encrypted => part,
            Doing::Switching => format!("{part}, conversion paused"),
            Doing::Dirty => format!("{part}, conversion interrupted"),
        }
    }
}
