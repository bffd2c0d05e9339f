//! One physical volume as it is found: its label, and which texts are on it.

use super::area::{self, MOST_TEXT};
use super::group::Group;
use super::label::{self, Label, Range};
use super::text::Text;
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::{SharedSource, Source};

/// Bytes of the texts that are parsed of one physical volume: LVM2 makes two areas at most.
const MOST_OF_ONE: u64 = 2 * MOST_TEXT;
/// Bytes of the texts that are parsed of all physical volumes of a group, which usually have the same.
const MOST_OF_ALL: u64 = 8 * MOST_TEXT;

/// A physical volume, and what it knows of its group.
pub(super) struct Member {
    pub(super) label: Label,
    /// The number of the newest text of its metadata areas; `None` where it has none.
    pub(super) seqno: Option<u64>,
    /// What is wrong with its other areas.
    pub(super) damage: Vec<Error>,
}

/// The texts of some physical volumes. Only what the newest says is kept, and a text that is the same
/// byte for byte is not parsed again.
pub(super) struct Texts {
    newest: Option<(Vec<u8>, Group)>,
    /// Bytes that may be parsed, and those of them that were.
    most: u64,
    parsed: u64,
    ignore_checksums: bool,
    /// The logical volumes are of no interest.
    only_physical: bool,
}

impl Texts {
    /// Of a group with many physical volumes.
    pub(super) fn of_all(ignore_checksums: bool) -> Self {
        Self {
            newest: None,
            most: MOST_OF_ALL,
            parsed: 0,
            ignore_checksums,
            only_physical: false,
        }
    }

    /// What the newest of them says.
    pub(super) fn newest(&self) -> Option<&Group> {
        self.newest.as_ref().map(|(_, group)| group)
    }

    /// Reads the text in the area at `range` of `source`; gives its number.
    fn read(&mut self, source: &dyn Source, range: Range) -> Result<Option<u64>> {
        let text = area::text(source, range, self.ignore_checksums)?;
        text.map(|text| self.parse(text)).transpose()
    }

    fn parse(&mut self, text: Text) -> Result<u64> {
        if let Some((bytes, group)) = &self.newest
            && *bytes == text.bytes
        {
            return Ok(group.seqno);
        }
        let parsed = self.parsed.saturating_add(to_u64(text.bytes.len()));
        if parsed > self.most {
            let (before, most) = (self.parsed, self.most);
            let text = format!(
                "its text is not parsed: those parsed before it have {before} bytes, and with it \
                 that would be over {most}"
            );
            return Err(Error::unsupported(text));
        }
        self.parsed = parsed;
        let group = match self.only_physical {
            true => Group::parse_physical(&text),
            false => Group::parse(&text),
        }?;
        let seqno = group.seqno;
        if self.newest().is_none_or(|newest| newest.seqno < seqno) {
            self.newest = Some((text.bytes, group));
        }
        Ok(seqno)
    }
}

impl Member {
    /// Reads the label of `source`, whatever its checksums are, and what the newest of its texts says
    /// of who is in the group. The logical volumes are left out: each of a hundred physical volumes
    /// has the same text of all of them, and is asked by itself.
    ///
    /// # Errors
    /// `Corrupt` for a label that is not whole. What is wrong with the texts is in `damage`.
    pub(super) fn alone(source: &dyn Source) -> Result<(Self, Option<Group>)> {
        let mut texts = Texts {
            most: MOST_OF_ONE,
            only_physical: true,
            ..Texts::of_all(true)
        };
        let member = Self::read(source, &mut texts)?;
        Ok((member, texts.newest.map(|(_, group)| group)))
    }

    /// Reads the label of `source`, and its texts into `texts`.
    ///
    /// # Errors
    /// As [`Member::alone`].
    pub(super) fn read(source: &dyn Source, texts: &mut Texts) -> Result<Self> {
        let label = label::read(source, texts.ignore_checksums)?;
        let mut member = Self {
            label,
            seqno: None,
            damage: Vec::new(),
        };
        for range in member.label.metadata_areas.clone() {
            match texts.read(source, range) {
                Ok(seqno) => member.seqno = member.seqno.max(seqno),
                Err(error) => member.damage.push(error),
            }
        }
        Ok(member)
    }
}

/// A member with its bytes.
pub(super) struct Found {
    pub(super) source: SharedSource,
    pub(super) member: Member,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text that is a whole group, and differs from the others.
    fn text(number: u32) -> Text {
        let id = ["aaaaaa", "aaaa", "aaaa", "aaaa", "aaaa", "aaaa", "aaaaaa"].join("-");
        let group = format!("vg0 {{ id = \"{id}\" seqno = 1 extent_size = 8 }}");
        let bytes = format!("creation_time = {number}\n{group}\n").into_bytes();
        Text {
            at: 0,
            first: to_u64(bytes.len()),
            behind: 0,
            bytes,
        }
    }

    #[test]
    fn why_a_text_is_not_parsed_is_told_as_it_is() {
        let mut texts = Texts {
            most: 200,
            ..Texts::of_all(false)
        };
        let len = text(1).bytes.len();
        assert!((67..100).contains(&len), "{len}");
        for number in [1, 1, 2] {
            assert_eq!(texts.parse(text(number)), Ok(1));
        }
        let error = texts.parse(text(3)).unwrap_err().to_string();
        let before = 2 * len;
        let words = "its text is not parsed: those parsed before it have";
        let all = format!("{words} {before} bytes, and with it that would be over 200");
        assert_eq!(error, all);
        // The one that is kept is still known.
        assert_eq!(texts.parse(text(1)), Ok(1));
    }
}
