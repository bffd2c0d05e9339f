//! Formats that are known by their magic and not read: `info` names them, so that nobody has to
//! wonder, and two magics in one volume are noticed.

use crate::error::Result;
use crate::source::Source;

/// What kind of thing a signature stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// A disk image container.
    Image,
    /// A volume manager's member.
    Volume,
    /// A file system, or swap.
    FileSystem,
}

/// One magic.
#[derive(Debug)]
pub struct Signature {
    /// The format's customary name: `XFS`, `LVM2`.
    pub name: &'static str,
    /// Its layer.
    pub layer: Layer,
    /// Byte offset and bytes, all of which must be there.
    pub magic: &'static [(u64, &'static [u8])],
}

/// Every signature.
pub const SIGNATURES: &[Signature] = &[];

/// The signatures that `source` carries, in table order.
///
/// # Errors
/// As [`Source::read_exact_at`]; a source too short for a magic just does not carry it.
pub fn find(_source: &dyn Source) -> Result<Vec<&'static Signature>> {
    Ok(Vec::new())
}
