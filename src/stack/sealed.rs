//! Encrypted volumes, what they were made over, and what was made over them.
//!
//! LUKS2 has its header twice. Whoever makes a file system or a physical volume over it writes over
//! the first and need not reach the second; and `luksFormat` leaves alone what lies behind its own
//! headers.

use super::probe::{Claim, Found, Reader, Subject};
use crate::format::Set;
use crate::signature::{Layer, Signature};

impl Subject<'_> {
    /// What is opened where all else is left over, with a notice of what that is.
    pub(super) fn over_leftovers(
        &self,
        claims: &[Claim],
        signatures: &[&'static Signature],
    ) -> Option<Found> {
        let claim = over_leftovers(claims, signatures)?;
        let shown = claim.reader.name();
        for other in claims.iter().map(|claim| claim.reader.name()) {
            if other != shown {
                self.notice(format!(
                    "what is left of {other} beside {shown} is not shown; --format {other} shows it"
                ));
            }
        }
        Some(self.open(claim))
    }
}

/// The claim beside which all else is left over: that of an encrypted volume whose first header is
/// whole; or that of what lies where such a header was.
fn over_leftovers<'a>(claims: &'a [Claim], signatures: &[&'static Signature]) -> Option<&'a Claim> {
    let is_sealed = |claim: &&Claim| matches!(claim.set, Set::Sealed { .. });
    let sealed = claims.iter().find(is_sealed)?;
    let mut others = claims.iter().filter(|claim| !is_sealed(claim));
    let mut known = signatures.iter().filter(|found| found.is_content());
    if sealed.set == (Set::Sealed { is_whole: true }) {
        let is_over = others.all(is_left_over);
        let is_over = is_over && known.all(|found| found.layer == Layer::FileSystem);
        return is_over.then_some(sealed);
    }
    let first = others.next()?;
    let is_over = others.next().is_none() && known.next().is_none() && !is_damaged(first);
    is_over.then_some(first)
}

/// What an encrypted volume may have been made over. A member of an array is not: the array may hold
/// the volume.
fn is_left_over(claim: &Claim) -> bool {
    match claim.reader {
        Reader::FileSystem(_) => true,
        Reader::Volume(_) => matches!(claim.set, Set::Stray { .. }) || is_damaged(claim),
    }
}

/// A member of a set that cannot say of which.
fn is_damaged(claim: &Claim) -> bool {
    matches!(claim.reader, Reader::Volume(_)) && claim.set == Set::Alone
}
