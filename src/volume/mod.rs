//! Partitions → volumes: the registry of volume managers.

mod bitlocker;
mod ldm;
mod luks;
mod lvm;
mod md;
mod raid;

use crate::error::Result;
use crate::format::{Context, Description, Format, Volume};
use crate::source::SharedSource;

/// How a volume manager opens: the members of its set in, its volumes out.
pub type Open = fn(&[SharedSource], &Context) -> Result<Opened>;

/// What the members of a set hold together.
#[derive(Default)]
pub struct Opened {
    /// Its volumes, in the manager's order.
    pub volumes: Vec<Volume>,
    /// What it says of itself, where that is more than each of its members says.
    pub description: Option<Description>,
}

/// Every volume manager, in probe order. A member of an array comes before what the array may hold,
/// whose magic a mirror's members begin with; of sets that lack members the first manager's are
/// opened first too.
pub const FORMATS: &[Format<Open>] = &[
    md::FORMAT,
    bitlocker::FORMAT,
    ldm::FORMAT,
    lvm::FORMAT,
    luks::FORMAT,
];
