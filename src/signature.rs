//! Formats that are known by their magic and not read: `info` names them, so that nobody has to
//! wonder, and two magics in one volume are noticed.

use crate::error::Result;
use crate::source::Source;

/// What kind of thing a signature stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// A disk image container.
    Image,
    /// A partition table.
    Partition,
    /// A volume manager's member.
    Volume,
    /// A file system, or swap.
    FileSystem,
}

/// One magic.
#[derive(Debug)]
pub struct Signature {
    /// The format's customary name: `xfs`, `LVM2_member`.
    pub name: &'static str,
    /// Its layer.
    pub layer: Layer,
    /// Byte offset and bytes, all of which must be there.
    pub magic: &'static [(u64, &'static [u8])],
    /// Whether it is short or loose: it names what nothing else claims and contradicts nothing.
    pub weak: bool,
    /// Whether it lies in the last bytes instead of the first, where what it wraps has its own.
    pub at_end: bool,
    /// How many of the last bytes it may take, where it lies at the end.
    pub reach: u64,
}

impl Signature {
    /// Whether it stands for the content of a disk or volume and is no mere hint.
    #[must_use]
    pub fn is_content(&self) -> bool {
        !self.weak && matches!(self.layer, Layer::Volume | Layer::FileSystem)
    }
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
