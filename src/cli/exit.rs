//! Exit codes, and which failure gets which.
//!
//! The table in imgmount(1), "EXIT STATUS", says the same.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};
use crate::service::failure::{self, Cause};

/// The exit code for a bug of this program.
const BUG: u8 = 6;

/// How a verb that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// All was well: 0.
    Done,
    /// Some of it was damaged, and has been reported: 4.
    PartlyDamaged,
    /// Some of it failed by bugs of this program, and has been reported: 6.
    Bug,
    /// What a command that was run for the user returned.
    Command(u8),
}

impl Outcome {
    /// What it is where also `error` has been reported.
    pub(crate) fn with(self, error: &Error) -> Self {
        match (self, error.kind()) {
            (Self::Bug, _) | (_, Kind::Bug) => Self::Bug,
            _ => Self::PartlyDamaged,
        }
    }

    /// The process's exit code.
    pub(crate) fn code(self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::PartlyDamaged => ExitCode::from(4),
            Self::Bug => ExitCode::from(BUG),
            Self::Command(code) => ExitCode::from(code),
        }
    }
}

/// Why a verb failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Failure {
    /// The image, or what was asked of it: 1, or 3 where it is locked or denied, 6 where a bug of
    /// this program is why.
    Image(Error),
    /// The command line: 2.
    Usage(Error),
    /// The host: no /dev/fuse, no room, a mount point that cannot be one: 5.
    Host(Error),
    /// As `Image`, and has been said already.
    Reported(Error),
    /// Nobody reads the output any more: 5, without a word.
    OutputClosed,
}

impl Failure {
    /// The host refused `doing`.
    pub(crate) fn host(doing: impl std::fmt::Display, error: &std::io::Error) -> Self {
        Self::Host(Error::io(doing, error))
    }

    /// What is wrong, where that is more than a closed output.
    pub(crate) fn error(&self) -> Option<&Error> {
        match self {
            Self::Image(error) | Self::Usage(error) | Self::Host(error) | Self::Reported(error) => {
                Some(error)
            }
            Self::OutputClosed => None,
        }
    }

    /// The same as another process may have said it; see [`Error::tamed`].
    pub(crate) fn tamed(self) -> Self {
        match self {
            Self::Image(error) => Self::Image(error.tamed()),
            Self::Usage(error) => Self::Usage(error.tamed()),
            Self::Host(error) => Self::Host(error.tamed()),
            Self::Reported(error) => Self::Reported(error.tamed()),
            Self::OutputClosed => Self::OutputClosed,
        }
    }

    /// Writing the output failed.
    pub(crate) fn output(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::host("standard output", error),
        }
    }

    /// Says what is wrong on standard error, in one line, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if let Self::Image(error) | Self::Usage(error) | Self::Host(error) = self {
            super::messages::complain(error);
        }
        ExitCode::from(self.number())
    }

    fn number(&self) -> u8 {
        match self {
            Self::Image(error) | Self::Reported(error) => match error.kind() {
                Kind::Locked | Kind::Denied => 3,
                Kind::Bug => BUG,
                _ => 1,
            },
            Self::Usage(_) => 2,
            Self::Host(_) | Self::OutputClosed => 5,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Image(error)
    }
}

impl From<failure::Failure> for Failure {
    fn from(failure: failure::Failure) -> Self {
        match failure.cause {
            Cause::Image => Self::Image(failure.error),
            Cause::Usage => Self::Usage(failure.error),
            Cause::Host => Self::Host(failure.error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_the_documented_number() {
        let number = |failure: Failure| failure.number();
        assert_eq!(number(Error::corrupt("x").into()), 1);
        assert_eq!(number(Error::not_found("x").into()), 1);
        assert_eq!(number(Error::locked("x").into()), 3);
        assert_eq!(number(Error::new(Kind::Denied, "x").into()), 3);
        assert_eq!(number(Error::new(Kind::Bug, "x").into()), 6);
        assert_eq!(number(Failure::Usage(Error::invalid("x"))), 2);
        assert_eq!(number(Failure::Host(Error::invalid("x"))), 5);
        let closed = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(matches!(Failure::output(&closed), Failure::OutputClosed));
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert!(matches!(Failure::output(&full), Failure::Host(_)));
    }
}
