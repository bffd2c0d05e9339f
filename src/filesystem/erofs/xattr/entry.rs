//! One attribute: its index, its name, its value (`erofs_xattr_entry`).

use zerocopy::FromBytes;

use super::super::core::Core;
use super::super::layout::RawXattr;
use super::PREFIXES;
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::number::{to_u64, to_usize};

/// `e_name_index`: the lower bits are the number of a long prefix.
const LONG: u8 = 0x80;

/// An attribute.
pub(super) struct Attribute {
    /// What stands before its name.
    index: u8,
    name: Vec<u8>,
    pub(super) value: Vec<u8>,
}

impl Attribute {
    /// The first of those in `bytes`.
    ///
    /// # Errors
    /// `Corrupt` where it goes on behind them.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let cut = || Error::corrupt("an attribute goes on behind the others");
        let (raw, rest) = RawXattr::read_from_prefix(bytes).map_err(|_| cut())?;
        let (name, rest) = rest
            .split_at_checked(raw.e_name_len.into())
            .ok_or_else(cut)?;
        let value = rest.get(..raw.e_value_size.get().into()).ok_or_else(cut)?;
        let attribute = Self {
            index: raw.e_name_index,
            name: name.to_vec(),
            value: value.to_vec(),
        };
        match attribute.len() <= bytes.len() {
            true => Ok(attribute),
            false => Err(cut()),
        }
    }

    /// The attribute at byte `start` of the volume, or of the metabox.
    ///
    /// # Errors
    /// What makes it unreadable.
    pub(super) fn read(
        core: &Core,
        request: &Request,
        in_metabox: bool,
        start: u64,
    ) -> Result<Self> {
        let mut head = [0; size_of::<RawXattr>()];
        core.read_metadata(request, in_metabox, &mut head, start)?;
        let raw = RawXattr::read_from_bytes(&head)
            .map_err(|_| Error::corrupt("an attribute is cut off"))?;
        let len = usize::from(raw.e_name_len).saturating_add(raw.e_value_size.get().into());
        let behind = start.saturating_add(to_u64(head.len()));
        let mut name = core.metadata(request, in_metabox, behind, len)?;
        let value = name.split_off(usize::from(raw.e_name_len).min(len));
        Ok(Self {
            index: raw.e_name_index,
            name,
            value,
        })
    }

    /// Bytes of it on disk: a multiple of 4.
    pub(super) fn len(&self) -> usize {
        let len = size_of::<RawXattr>()
            .saturating_add(self.name.len())
            .saturating_add(self.value.len());
        len.next_multiple_of(4)
    }

    /// Its name as people see it; `None` for what the kernel does not show.
    ///
    /// # Errors
    /// What makes the long prefixes unreadable.
    pub(super) fn full_name(&self, core: &Core, request: &Request) -> Result<Option<Vec<u8>>> {
        let Some((index, infix)) = self.prefix(core, request)? else {
            return Ok(None);
        };
        let prefix = PREFIXES.iter().find(|(number, _)| *number == index);
        Ok(prefix.map(|(_, prefix)| [*prefix, infix, &self.name].concat()))
    }

    /// Whether it is called `short` behind the prefix of `index`.
    ///
    /// # Errors
    /// What makes the long prefixes unreadable.
    pub(super) fn is(
        &self,
        core: &Core,
        request: &Request,
        index: u8,
        short: &[u8],
    ) -> Result<bool> {
        let Some((own, infix)) = self.prefix(core, request)? else {
            return Ok(false);
        };
        let rest = short.strip_prefix(infix);
        Ok(own == index && rest == Some(&self.name))
    }

    /// The index of its prefix, and what stands between that and its name.
    fn prefix<'a>(&self, core: &'a Core, request: &Request) -> Result<Option<(u8, &'a [u8])>> {
        if self.index & LONG == 0 {
            return Ok(Some((self.index, &[])));
        }
        let number = to_usize((self.index & !LONG).into());
        let prefix = core.prefixes(request)?.get(number);
        Ok(prefix.map(|prefix| (prefix.index, prefix.infix.as_slice())))
    }
}
