//! Checks what no walk over the files touches.

use super::boot;
use super::core::Core;
use crate::error::{Error, ResultExt};
use crate::filesystem::Request;

/// Gives `each` what is wrong. Ends early once the request's budget is spent.
pub(super) fn verify(core: &Core<'_>, _request: &Request, each: &mut dyn FnMut(Error)) {
    let backup = boot::SECTORS.saturating_mul(core.geometry.sector_size().into());
    for (start, name) in [(0, "main boot region"), (backup, "backup boot region")] {
        if let Err(error) = boot::region(&*core.source, start).context(|| name) {
            each(error);
        }
    }
}
