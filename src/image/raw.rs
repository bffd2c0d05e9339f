//! A raw image, or a block device: the bytes are the disk.

use super::Open;
use crate::error::{Error, Result};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::source::{SharedSource, Source};

pub(super) const FORMAT: Format<Open> = Format {
    name: "raw",
    claim,
    describe,
    open,
};

fn claim(_source: &dyn Source) -> Result<Option<Set>> {
    Ok(Some(Set::Alone))
}

fn describe(_source: &dyn Source) -> Result<Description> {
    Ok(Description::default())
}

fn open(members: &[SharedSource], _context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    Ok(vec![Disk::alone(source.clone())])
}
