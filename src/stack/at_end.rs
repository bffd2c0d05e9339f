//! Members of arrays beside what their bytes look like else. Superblocks at the end leave the start
//! to what the array holds, and others leave what was there before: libblkid too believes a member
//! of an array before a file system.

use super::probe::{Claim, Found, Reader, Subject, recognised};
use super::shared;
use crate::format::Set;
use crate::signature::{Layer, Signature};

impl Subject<'_> {
    /// The member of an array whose superblock lies at the end, among `all` signatures; and the
    /// claims, without that of its reader where a partition of `table` covers the superblock.
    pub(super) fn array_at_end(
        &self,
        all: &[&'static Signature],
        table: Option<&Found>,
        mut claims: Vec<Claim>,
    ) -> (Vec<Claim>, Option<Found>) {
        let at_end = |found: &&&Signature| found.at_end.is_some() && found.layer == Layer::Volume;
        let Some(array) = all.iter().find(at_end) else {
            return (claims, None);
        };
        let (format, volumes) = match table {
            Some(Found::Table {
                format, volumes, ..
            }) => (Some(*format), volumes.as_slice()),
            _ => (None, &[][..]),
        };
        let is_chosen = format.is_some() && self.context.options.format.as_deref() == format;
        if is_chosen || shared::claim(&claims, volumes).is_some() {
            return (claims, None);
        }
        let places = volumes.iter().filter_map(|volume| volume.location);
        let ends = places.map(|(start, len)| start.saturating_add(len));
        if ends.max() > array.at_end.map(|end| end.start(self.source.size())) {
            claims.retain(|claim| claim.reader.name() != array.name);
            return (claims, None);
        }
        let is_own = |claim: &&Claim| claim.reader.name() == array.name;
        let found = match claims.iter().find(is_own) {
            Some(claim) => Some(self.open(claim)),
            None => {
                let is_unread = !self.unread(&[*array]).is_empty();
                (is_unread && format.is_some()).then(|| recognised(array, &**self.source))
            }
        };
        (claims, found)
    }
}

/// The member of a set that is the only thing here besides file systems.
pub(super) fn member_before_filesystems<'a>(
    claims: &'a [Claim],
    signatures: &[&'static Signature],
) -> Option<&'a Claim> {
    let mut volumes = claims
        .iter()
        .filter(|claim| matches!(claim.reader, Reader::Volume(_)));
    let member = volumes.next()?;
    let mut known = signatures.iter().filter(|found| found.is_content());
    let is_alone = volumes.next().is_none() && known.all(|found| found.layer == Layer::FileSystem);
    let is_member = matches!(member.set, Set::Member { .. } | Set::Beside { .. });
    (is_alone && is_member).then_some(member)
}
