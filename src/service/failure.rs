//! Why a service failed, as far as the exit code has to tell cases apart.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};

/// Who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The image, or what is in it: refused, locked or denied.
    Image,
    /// What was asked for makes no sense.
    Usage,
    /// The host: no /dev/fuse, no fusermount3, a mount point that cannot be one.
    Host,
}

/// An error, and who is to blame for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Who is to blame.
    pub cause: Cause,
    /// What is wrong.
    pub error: Error,
}

impl Failure {
    /// The user asked for something that makes no sense.
    #[must_use]
    pub fn usage(error: Error) -> Self {
        Self {
            cause: Cause::Usage,
            error,
        }
    }

    /// The host cannot do it.
    #[must_use]
    pub fn host(error: Error) -> Self {
        Self {
            cause: Cause::Host,
            error,
        }
    }
}

/// What is said of `count` requests that failed by bugs of this program.
#[must_use]
pub fn bugs(count: u64) -> Error {
    let text = format!("{count} requests failed by bugs in imgmount");
    Error::new(Kind::Bug, text).hint("the log says where; please report them")
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            cause: Cause::Image,
            error,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?}", self.cause, self.error)
    }
}

impl std::error::Error for Failure {}
