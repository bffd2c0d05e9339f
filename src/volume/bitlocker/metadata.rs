//! The metadata: three copies, of which the first whole one counts.

use super::boot_sector::BootSector;
use super::information::Information;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::source::Source;

/// What is known of a volume without its key.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) boot: BootSector,
    pub(super) information: Information,
    /// What is wrong with copies before the one that is used.
    pub(super) damage: Vec<Error>,
}

impl Metadata {
    /// Reads them.
    ///
    /// # Errors
    /// `Corrupt` where the boot sector cannot be, and where no copy is whole; the first one's
    /// reason. `Unsupported` for a version that is not read.
    pub(super) fn read(source: &dyn Source, ignore_checksums: bool) -> Result<Self> {
        let boot = BootSector::read(source).context(|| "boot sector")?;
        let mut damage = Vec::new();
        for (index, at) in boot.information.iter().enumerate() {
            let read = Information::read(source, &boot, *at, ignore_checksums);
            let number = index.saturating_add(1);
            match read.context(|| format!("metadata copy {number}")) {
                Ok(information) => {
                    return Ok(Self {
                        boot,
                        information,
                        damage,
                    });
                }
                Err(error) if error.kind() == Kind::Unsupported => return Err(error),
                Err(error) => damage.push(error),
            }
        }
        let first = damage.into_iter().next();
        let none = || Error::corrupt("the boot sector names no metadata");
        Err(first
            .unwrap_or_else(none)
            .context("no copy of the metadata is whole"))
    }
}
