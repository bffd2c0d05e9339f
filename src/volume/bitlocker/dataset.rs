//! The dataset: who the volume is, what protects its key, and the sealed key.

use zerocopy::FromBytes;

use super::datum::{self, Datum};
use super::guid::Guid;
use super::layout::{self, kind, role};
use super::protector::Protector;
use super::sealed::Sealed;
use crate::error::{Error, Result, ResultExt};
use crate::number::{to_u64, to_usize};

/// What a volume's dataset says.
#[derive(Debug)]
pub(super) struct Dataset {
    /// The volume's identifier.
    pub(super) id: Guid,
    /// `FvekType`: how the volume is said to be encrypted. The sealed key knows it for certain.
    pub(super) method: u16,
    /// The machine, the volume and the day, as Windows noted them.
    pub(super) description: Option<String>,
    /// In the order on disk.
    pub(super) protectors: Vec<Protector>,
    /// The key that the volume is encrypted with, sealed with the volume's master key.
    pub(super) key: Option<Sealed>,
}

impl Dataset {
    /// The dataset at the start of `bytes`, which are at byte `at`.
    ///
    /// # Errors
    /// `Corrupt`, naming the field.
    pub(super) fn parse(bytes: &[u8], at: u64) -> Result<Self> {
        let (head, datums) = datums(bytes, at)?;
        let mut found = Self {
            id: Guid(head.Identification),
            method: head.FvekType.get(),
            description: None,
            protectors: Vec::new(),
            key: None,
        };
        for datum in &datums {
            if datum.is(role::VOLUME_MASTER_KEY_INFO, kind::VOLUME_MASTER_KEY_INFO) {
                let number = found.protectors.len();
                let protector = Protector::parse(datum);
                let protector = protector.context(|| format!("protector {number}"))?;
                found.protectors.push(protector);
            } else if datum.is(
                role::FULL_VOLUME_ENCRYPTION_KEY,
                kind::AES_CCM_ENCRYPTED_KEY,
            ) {
                found.key = Some(Sealed::parse(datum)?);
            } else if datum.is(role::DESCRIPTION, kind::UNICODE) {
                found.description = Some(datum.text());
            }
        }
        Ok(found)
    }
}

/// The head of the dataset at the start of `bytes`, which are at byte `at`, and what it holds.
pub(super) fn datums(bytes: &[u8], at: u64) -> Result<(&layout::Dataset, Vec<Datum<'_>>)> {
    let short = || Error::corrupt("the dataset is cut off").at(at);
    let (head, _) = layout::Dataset::ref_from_prefix(bytes).map_err(|_| short())?;
    let field = |value: u32| to_usize(value.into());
    let (start, end) = (field(head.StartOffset.get()), field(head.EndOffset.get()));
    let size = field(head.Size.get());
    let least = size_of::<layout::Dataset>();
    if size > bytes.len() || end > size || start > end || start < least {
        let text = format!(
            "a dataset of {} bytes has Size {size}, StartOffset {start} and EndOffset {end}",
            bytes.len()
        );
        return Err(Error::corrupt(text).at(at));
    }
    let inner = bytes.get(start..end).ok_or_else(short)?;
    let datums = datum::all(inner, at.saturating_add(to_u64(start)))?;
    Ok((head, datums))
}
