//! Reads the blocks that a read found missing: in as few pieces as their places and the holes
//! between them allow.

use std::cell::Cell;

use super::{BLOCK, Cached, Missing, PIECE, start_of};
use crate::cache::Block;
use crate::error::Result;
use crate::number::{to_u64, to_usize};
use crate::source::streams::Read;
use crate::source::{ExtentKind, Source, copied, head, zeroed};

/// Bytes of a hole worth two reads instead of one. Reading that much from memory costs about as
/// much as one more call.
const HOLE: u64 = 64 << 10;

/// Missing blocks that lie side by side: the first of a list.
struct Group {
    count: usize,
    hole: bool,
}

impl Cached {
    /// Reads `missing`, in the order of their numbers, into the cache and where they are wanted.
    pub(super) fn read_missing(&self, missing: Vec<Missing<'_, '_>>, read: Read) -> Result<()> {
        let mut missing = missing;
        while !missing.is_empty() {
            let group = self.group(&missing);
            let rest = missing.split_off(group.count.min(missing.len()));
            if group.hole {
                fill_with_zeros(missing);
            } else {
                self.read_group(missing, read)?;
            }
            missing = rest;
        }
        Ok(())
    }

    /// The longest group at the head of `missing` that is one hole, or one read.
    fn group(&self, missing: &[Missing<'_, '_>]) -> Group {
        let first = missing.first().map_or(0, |own| own.ticket.number());
        let numbers = first..first.saturating_add(to_u64(PIECE) / BLOCK);
        let side_by_side = missing
            .iter()
            .zip(numbers)
            .take_while(|(own, number)| own.ticket.number() == *number);
        let end = first.saturating_add(to_u64(side_by_side.count()));
        let (kind, known) = self.extent_of(first);
        let hole = kind != ExtentKind::Data && known > first;
        let end = if hole {
            end.min(known)
        } else {
            self.data_end(first, end)
        };
        Group {
            count: to_usize(end.saturating_sub(first)),
            hole,
        }
    }

    /// Where to stop reading from block `first` on: at `end`, or before a hole worth it.
    fn data_end(&self, first: u64, end: u64) -> u64 {
        let mut number = first;
        while number < end {
            let (kind, known) = self.extent_of(number);
            let bytes = known.saturating_sub(number).saturating_mul(BLOCK);
            if kind != ExtentKind::Data && number > first && bytes >= HOLE {
                return number;
            }
            number = known.max(number.saturating_add(1));
        }
        end
    }

    /// What block `number` begins in, and the first block that is not wholly in the same
    /// extent. What cannot be told is data: the read will say what is wrong.
    fn extent_of(&self, number: u64) -> (ExtentKind, u64) {
        let start = start_of(number);
        let Ok(extent) = self.inner.extent_at(start) else {
            return (ExtentKind::Data, number);
        };
        let end = start.saturating_add(extent.len.get());
        let next = if end >= self.size() {
            end.div_ceil(BLOCK)
        } else {
            end / BLOCK
        };
        (extent.kind, next)
    }

    /// Reads a group in one piece; where that fails, the wanted blocks each alone.
    fn read_group(&self, group: Vec<Missing<'_, '_>>, read: Read) -> Result<()> {
        let mut bytes = SCRATCH.take();
        let result = self.read_bytes(&group, &mut bytes);
        if result.is_ok() {
            self.hand_out(group, &bytes);
        } else {
            self.streams.stumble(read);
            let wanted = group.into_iter().filter(|own| own.wanted.is_some());
            for own in wanted {
                self.read_alone(own, &mut bytes)?;
            }
        }
        SCRATCH.set(bytes);
        Ok(())
    }

    /// Reads one block, or if that fails just what is wanted of it.
    fn read_alone(&self, own: Missing<'_, '_>, bytes: &mut Vec<u8>) -> Result<()> {
        let group = vec![own];
        let Err(error) = self.read_bytes(&group, bytes) else {
            self.hand_out(group, bytes);
            return Ok(());
        };
        for own in group {
            own.ticket.fail(error.clone());
            own.wanted.map_or(Ok(()), |wanted| self.read_part(wanted))?;
        }
        Ok(())
    }

    /// Reads the blocks of a group, which lie side by side, to the start of `bytes`.
    fn read_bytes(&self, group: &[Missing<'_, '_>], bytes: &mut Vec<u8>) -> Result<()> {
        let lens = group.iter().map(|own| self.len_of(own.ticket.number()));
        let len = lens.sum();
        let first = group.first().map_or(0, |own| own.ticket.number());
        if bytes.len() < len {
            *bytes = zeroed(len).inspect_err(|_| self.cache.relieve())?;
        }
        self.inner.read_exact_at(head(bytes, len), start_of(first))
    }

    fn hand_out(&self, group: Vec<Missing<'_, '_>>, bytes: &[u8]) {
        let mut rest = bytes;
        for own in group {
            let (bytes, tail) = rest.split_at(self.len_of(own.ticket.number()));
            rest = tail;
            if let Some(wanted) = own.wanted {
                wanted.copy_from(bytes);
            }
            match copied(bytes) {
                Ok(bytes) => own.ticket.fill(Block::from(bytes)),
                // Whoever waits for it reads it once more.
                Err(_) => self.cache.relieve(),
            }
        }
    }
}

thread_local! {
    /// Where a thread reads to before the bytes are cut into blocks: at most [`PIECE`] bytes. A
    /// source below that caches too finds it taken, and makes one for itself.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Gives up the tickets: whoever waits asks the source about the hole for himself.
fn fill_with_zeros(missing: Vec<Missing<'_, '_>>) {
    for wanted in missing.into_iter().filter_map(|own| own.wanted) {
        wanted.into.fill(0);
    }
}
