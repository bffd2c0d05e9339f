//! Datums: typed pieces behind one another, of which some hold others.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::layout;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};

/// One datum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datum<'a> {
    pub(super) role: u16,
    pub(super) kind: u16,
    /// Where it starts, from the start of the volume or the file.
    pub(super) at: u64,
    body: &'a [u8],
}

impl<'a> Datum<'a> {
    /// Whether it is a `kind` that is there for `role`.
    pub(super) fn is(&self, role: u16, kind: u16) -> bool {
        (self.role, self.kind) == (role, kind)
    }

    /// The structure that its kind has behind the head, and what stands behind that.
    ///
    /// # Errors
    /// `Corrupt` where it is too short.
    pub(super) fn parse<T>(&self) -> Result<(&'a T, &'a [u8])>
    where
        T: FromBytes + KnownLayout + Immutable + Unaligned + 'a,
    {
        T::ref_from_prefix(self.body).map_err(|_| {
            let (size, kind) = (self.body.len(), self.kind);
            Error::corrupt(format!("a datum of type {kind} has {size} bytes")).at(self.at)
        })
    }

    /// The datums behind its structure `T`.
    ///
    /// # Errors
    /// As [`all`], and [`Datum::parse`].
    pub(super) fn properties<T>(&self) -> Result<Vec<Self>>
    where
        T: FromBytes + KnownLayout + Immutable + Unaligned + 'a,
    {
        let (_, rest) = self.parse::<T>()?;
        let skipped = self.body.len().saturating_sub(rest.len());
        let head = size_of::<layout::Datum>();
        all(
            rest,
            self.at.saturating_add(to_u64(head.saturating_add(skipped))),
        )
    }

    /// Its text: UTF-16 up to a zero.
    pub(super) fn text(&self) -> String {
        let (units, _) = self.body.as_chunks::<2>();
        let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
        let units = units.take_while(|unit| *unit != 0);
        char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    }
}

/// The datums in `bytes`, which start at byte `at`. Zeros fill what is left over.
///
/// # Errors
/// `Corrupt` for one that is shorter than its own head, or reaches past the end.
pub(super) fn all(bytes: &[u8], at: u64) -> Result<Vec<Datum<'_>>> {
    let mut found = Vec::new();
    let (mut rest, mut at) = (bytes, at);
    while let Ok((head, _)) = layout::Datum::ref_from_prefix(rest) {
        let size = to_usize(head.Size.get().into());
        if size == 0 && rest.iter().all(|byte| *byte == 0) {
            break;
        }
        let datum = first(rest, at).ok_or_else(|| {
            let text = format!("a datum has Size {size} where {} are left", rest.len());
            Error::corrupt(text).at(at)
        })?;
        found.push(datum);
        rest = rest.get(size..).unwrap_or_default();
        at = at.saturating_add(to_u64(size));
    }
    Ok(found)
}

/// The first datum in `bytes`, which start at byte `at`; `None` where there is none.
pub(super) fn first(bytes: &[u8], at: u64) -> Option<Datum<'_>> {
    let (head, body) = layout::Datum::ref_from_prefix(bytes).ok()?;
    let len = to_usize(head.Size.get().into()).checked_sub(size_of::<layout::Datum>())?;
    Some(Datum {
        role: head.Role.get(),
        kind: head.Type.get(),
        at,
        body: body.get(..len)?,
    })
}
