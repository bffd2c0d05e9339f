//! `-o`: mount options in the spelling of mount(8) and fstab(5).

use std::ffi::OsStr;

use super::failure::Failure;
use super::mount::Request;
use crate::error::Error;

impl Request {
    /// Applies one `-o` argument: options separated by commas, as mount(8) and fstab(5) spell them,
    /// and `partition=`, `layout=`, `format=`, `offset=`, … for what fstab has no option letters for.
    ///
    /// # Errors
    /// `Usage` for an option that is not known, with the nearest that is.
    pub fn set_options(&mut self, options: &OsStr) -> Result<(), Failure> {
        let _ = options;
        Err(Failure::usage(Error::unsupported("options")))
    }
}
