//! Checks what no walk over the files touches: both boot regions, the up-case table, and whether
//! the allocation bitmap says of every cluster what files and directories say.

use super::allocation;
use super::boot;
use super::core::Core;
use super::upcase::Upcase;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::Request;

/// Gives `each` what is wrong. Ends early once the request's budget is spent.
pub(super) fn verify(core: &Core<'_>, request: &Request, each: &mut dyn FnMut(Error)) {
    let mut check = |result: Result<()>| {
        if let Err(error) = result {
            each(error);
        }
    };
    check(region(core, 0).context(|| "main boot region"));
    let backup = boot::SECTORS.saturating_mul(core.geometry.sector_size().into());
    check(region(core, backup).context(|| "backup boot region"));
    let upcase = Upcase::read(core, request);
    check(upcase.map(|_| ()).context(|| "up-case table"));
    let compared = allocation::compare(core, request, each);
    if let Err(error) = compared {
        each(error.context("allocation bitmap"));
    }
}

/// The region at byte `start` has to be whole, and of this volume.
fn region(core: &Core<'_>, start: u64) -> Result<()> {
    let found = boot::region(&*core.source, start)?;
    if found.is_of(&core.geometry) {
        return Ok(());
    }
    Err(Error::corrupt("its fields are not those of the volume").at(start))
}
