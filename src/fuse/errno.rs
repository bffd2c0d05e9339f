//! Errors as error numbers: the only place that knows both. What the kernel is told is one number,
//! so what is wrong is logged too, once for each object.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;

use fuser::Errno;

use crate::error::{Error, Kind};
use crate::lock::lock;

/// The error number that the kernel's own readers give in such a case.
pub(super) fn of(error: &Error) -> Errno {
    match error.kind() {
        Kind::Io | Kind::Bug => Errno::EIO,
        Kind::Corrupt => Errno::from_i32(libc::EUCLEAN),
        Kind::Unsupported => Errno::from_i32(libc::EOPNOTSUPP),
        Kind::Locked => Errno::from_i32(libc::ENOKEY),
        Kind::Denied | Kind::Refused => Errno::EACCES,
        Kind::NotFound => Errno::ENOENT,
        Kind::NotADirectory => Errno::ENOTDIR,
        Kind::IsADirectory => Errno::EISDIR,
        Kind::Invalid => Errno::EINVAL,
    }
}

/// As [`of`], for a request about an inode that the kernel knows: if it isn't there any more, the
/// kernel's handle is what is out of date.
pub(super) fn of_inode(error: &Error) -> Errno {
    match error.kind() {
        Kind::NotFound => Errno::from_i32(libc::ESTALE),
        _ => of(error),
    }
}

/// Which errors have been logged already, as hashes of their texts, which name the object.
#[derive(Default)]
pub(super) struct Reported(Mutex<HashSet<u64>>);

impl Reported {
    /// Logs `error` if it is about damage, and was not logged before. Gives whether it did.
    pub(super) fn report(&self, error: &Error) -> bool {
        /// A hostile image can be damaged in millions of places.
        const MOST: usize = 10_000;
        if !matches!(error.kind(), Kind::Io | Kind::Corrupt | Kind::Unsupported) {
            return false;
        }
        let text = error.to_string();
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        // A set of numbers is whole whatever happened to whoever held it.
        let mut seen = lock(&self.0);
        let new = seen.len() < MOST && seen.insert(hasher.finish());
        if new {
            log::error!("{text}");
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_the_kernels_number() {
        let number = |error: Error| i32::from(of(&error));
        assert_eq!(number(Error::corrupt("x")), libc::EUCLEAN);
        assert_eq!(number(Error::locked("x")), libc::ENOKEY);
        assert_eq!(number(Error::unsupported("x")), libc::EOPNOTSUPP);
        assert_eq!(number(Error::not_found("x")), libc::ENOENT);
        assert_eq!(
            i32::from(of_inode(&Error::not_found("x"))),
            libc::ESTALE,
            "u10"
        );
        assert_eq!(number(Error::new(Kind::Io, "x")), libc::EIO);
    }

    #[test]
    fn damage_is_reported_once_for_each_object_and_a_missing_name_never() {
        let reported = Reported::default();
        let inode = |number: u32| Error::corrupt("bad checksum").context(format!("inode {number}"));
        assert!(reported.report(&inode(12)));
        assert!(!reported.report(&inode(12)));
        assert!(reported.report(&inode(13)));
        assert!(!reported.report(&Error::not_found("no such entry")));
    }
}
