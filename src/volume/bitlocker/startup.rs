//! Startup key files, `{GUID}.BEK`: a dataset with one key in it.

use super::dataset::datums;
use super::guid::Guid;
use super::layout::{self, kind, role};
use super::sealed::Key;
use crate::error::Result;
use crate::number::to_u64;

/// What such a file holds.
#[derive(Debug)]
pub(super) struct StartupKey {
    /// The protector that it is for.
    pub(super) id: Guid,
    pub(super) key: Key,
}

/// Reads `bytes` as such a file; `None` where they are something else.
///
/// # Errors
/// `Corrupt` for one that is damaged.
pub(super) fn read(bytes: &[u8]) -> Result<Option<StartupKey>> {
    if !is_one(bytes) {
        return Ok(None);
    }
    let (_, datums) = datums(bytes, 0)?;
    for datum in datums {
        if !datum.is(role::STARTUP_KEY, kind::EXTERNAL_INFO) {
            continue;
        }
        let (head, _) = datum.parse::<layout::ExternalInfo>()?;
        let properties = datum.properties::<layout::ExternalInfo>()?;
        if let Some(key) = properties.iter().find(|it| it.kind == kind::KEY) {
            return Ok(Some(StartupKey {
                id: Guid(head.Identifier),
                key: Key::parse(key)?,
            }));
        }
    }
    Ok(None)
}

/// Whether they begin as such a file, in words that no text has: their number, version 1, the
/// size of the head.
fn is_one(bytes: &[u8]) -> bool {
    use zerocopy::FromBytes;
    let head = layout::Dataset::ref_from_prefix(bytes);
    head.is_ok_and(|(head, _)| {
        let size = u64::from(head.Size.get());
        head.Version.get() == 1 && head.StartOffset.get() == 48 && size == to_u64(bytes.len())
    })
}
