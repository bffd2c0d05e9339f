//! One physical volume as it is found: its label, and the newest text on it.

use super::area;
use super::group::Group;
use super::label::{self, Label};
use crate::error::{Error, Result};
use crate::source::{SharedSource, Source};

/// A physical volume, and what it knows of its group.
pub(super) struct Member {
    pub(super) label: Label,
    /// The newest text of its metadata areas; `None` where it has none.
    pub(super) group: Option<Group>,
    /// What is wrong with its other areas.
    pub(super) damage: Vec<Error>,
}

impl Member {
    /// Reads the label of `source`, and its texts.
    ///
    /// # Errors
    /// `Corrupt` for a label that is not whole. What is wrong with the texts is in `damage`.
    pub(super) fn read(source: &dyn Source, ignore_checksums: bool) -> Result<Self> {
        let label = label::read(source, ignore_checksums)?;
        let mut member = Self {
            label,
            group: None,
            damage: Vec::new(),
        };
        for range in member.label.metadata_areas.clone() {
            let text = area::text(source, range, ignore_checksums);
            let text = text.and_then(|text| text.map(|text| Group::parse(&text)).transpose());
            match text {
                Ok(group) => member.offer(group),
                Err(error) => member.damage.push(error),
            }
        }
        Ok(member)
    }

    fn offer(&mut self, group: Option<Group>) {
        let newest = self.group.as_ref().map(|group| group.seqno);
        if group.as_ref().map(|group| group.seqno) > newest {
            self.group = group;
        }
    }
}

/// A member with its bytes.
pub(super) struct Found {
    pub(super) source: SharedSource,
    pub(super) member: Member,
}
