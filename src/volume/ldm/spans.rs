//! Where the bytes of a column are: on pieces of disks, one behind the other.

use std::num::NonZeroU64;

use crate::error::{Error, Result};
use crate::source::mapped::{Map, Place, Run};

/// A column in pieces.
pub(super) struct Spans {
    /// From byte 0 on, without a gap, each on the member of its own number.
    spans: Vec<Span>,
    size: u64,
}

/// A piece of a column.
pub(super) struct Span {
    /// Its first byte in the column, and how many there are.
    pub(super) start: u64,
    pub(super) size: u64,
    /// Its first byte on the disk.
    pub(super) offset: u64,
}

impl Spans {
    /// Those, which follow on each other from byte 0 on.
    pub(super) fn new(spans: Vec<Span>) -> Self {
        let end = |span: &Span| span.start.saturating_add(span.size);
        let size = spans.last().map_or(0, end);
        Self { spans, size }
    }
}

impl Map for Spans {
    fn size(&self) -> u64 {
        self.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let nowhere = || Error::corrupt("no extent is there").at(offset);
        let behind = self.spans.partition_point(|span| span.start <= offset);
        let member = behind.checked_sub(1).ok_or_else(nowhere)?;
        let span = self.spans.get(member).ok_or_else(nowhere)?;
        let skip = offset.saturating_sub(span.start);
        let left = NonZeroU64::new(span.size.saturating_sub(skip));
        Ok(Run {
            place: Place::At {
                member,
                offset: span.offset.saturating_add(skip),
            },
            len: left.ok_or_else(nowhere)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_on_each_other() {
        let span = |start, size, offset| Span {
            start,
            size,
            offset,
        };
        let map = Spans::new(vec![span(0, 100, 7), span(100, 50, 1000)]);
        assert_eq!(map.size(), 150);
        let found = |at| {
            let run = map.run_at(at, 0).unwrap();
            match run.place {
                Place::At { member, offset } => (member, offset, run.len.get()),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(found(0), (0, 7, 100));
        assert_eq!(found(99), (0, 106, 1));
        assert_eq!(found(100), (1, 1000, 50));
        assert!(map.run_at(150, 0).is_err());
    }
}
