//! Sources one after the other as one: the parts of a split image, the chunks of a file in an OVF, the
//! segments of an encrypted volume.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::SharedSource;
use super::mapped::{Map, Mapped, Place, Run};
use crate::cache::Cache;
use crate::error::{Error, Result};

struct Parts {
    /// Where each part ends.
    ends: Vec<u64>,
}

/// `parts` one after the other.
///
/// # Errors
/// `Corrupt` where they have more bytes than there are numbers for.
pub fn join(parts: Vec<SharedSource>, cache: Arc<Cache>) -> Result<SharedSource> {
    let (mut ends, mut end) = (Vec::with_capacity(parts.len()), 0_u64);
    for part in &parts {
        let next = end.checked_add(part.size());
        end = next.ok_or_else(|| Error::corrupt("the parts have over 2^64 bytes"))?;
        ends.push(end);
    }
    let mapped = Mapped::new(Parts { ends }, parts, None, cache);
    Ok(Arc::new(mapped))
}

impl Map for Parts {
    fn size(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        // Empty parts end where the one before them does.
        let member = self.ends.partition_point(|end| *end <= offset);
        let before = member.checked_sub(1).and_then(|it| self.ends.get(it));
        let start = before.copied().unwrap_or(0);
        let end = self.ends.get(member).copied().unwrap_or(0);
        let len = NonZeroU64::new(end.saturating_sub(offset));
        Ok(Run {
            place: Place::At {
                member,
                offset: offset.saturating_sub(start),
            },
            len: len.ok_or_else(|| Error::invalid("past the end").at(offset))?,
        })
    }
}
