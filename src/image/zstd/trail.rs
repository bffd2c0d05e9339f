//! The compressed blocks that a decoder came by, from which the state between two blocks can be
//! told where it is wanted.
//!
//! Reading the sequences of every block would cost half of what unpacking costs. But a block's
//! tables are mostly its own, and after three new offsets nothing is left of the recent ones: so
//! the last few blocks tell all, and only these are read again, when a point is put.

use std::collections::VecDeque;

use super::entropy::Entropy;
use super::sections::{Mode, Sections};
use crate::source::{Source, read_vec};

/// Blocks that are remembered. Where so many hold no three new offsets there is no point.
const MOST_BLOCKS: usize = 64;

/// Where a block's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    at: u64,
    len: usize,
}

/// The blocks that last brought a Huffman tree and each table; `None` where it was [`Trail::base`].
type Brought = [Option<Place>; 4];

/// The way of one decoder through one frame.
pub(super) struct Trail {
    /// What was known where the decoder started.
    base: Entropy,
    /// The last compressed blocks, and what had been brought before each.
    blocks: VecDeque<(Place, Brought)>,
    /// Whether blocks were forgotten.
    is_cut: bool,
    brought: Brought,
}

impl Trail {
    pub(super) fn new(base: Entropy) -> Self {
        Self {
            base,
            blocks: VecDeque::new(),
            is_cut: false,
            brought: [None; 4],
        }
    }

    /// The decoder passed the compressed `block`, whose bytes are at byte `at` of the file.
    pub(super) fn add(&mut self, block: &[u8], at: u64) {
        let Some(sections) = Sections::parse(block) else {
            return;
        };
        let place = Place {
            at,
            len: block.len(),
        };
        if self.blocks.len() >= MOST_BLOCKS {
            self.blocks.pop_front();
            self.is_cut = true;
        }
        self.blocks.push_back((place, self.brought));
        let [literal_lengths, offsets, match_lengths] =
            sections.modes.map(|mode| mode != Mode::Repeat);
        let brings = [
            sections.huffman.is_some(),
            literal_lengths,
            offsets,
            match_lengths,
        ];
        for (brought, _) in self.brought.iter_mut().zip(brings).filter(|it| it.1) {
            *brought = Some(place);
        }
    }

    /// The state behind the last block, where the blocks tell it.
    pub(super) fn entropy(&self, source: &dyn Source) -> Option<Entropy> {
        let all = self.blocks.len();
        let mut count = all.min(2);
        loop {
            let entropy = self.entropy_from(all.checked_sub(count)?, source)?;
            if entropy.is_known() {
                return Some(entropy);
            }
            if count == all {
                return None;
            }
            count = count.saturating_mul(4).min(all);
        }
    }

    /// The same by the blocks from number `first` on; perhaps not all of it.
    fn entropy_from(&self, first: usize, source: &dyn Source) -> Option<Entropy> {
        let before = self.blocks.get(first).map_or(self.brought, |it| it.1);
        let mut entropy = self.tables(before, source)?;
        if first == 0 && !self.is_cut {
            entropy.recent = self.base.recent;
        }
        for (place, _) in self.blocks.iter().skip(first) {
            entropy.pass(&read_vec(source, place.at, place.len).ok()?);
        }
        Some(entropy)
    }

    /// The tables that `brought` names.
    fn tables(&self, brought: Brought, source: &dyn Source) -> Option<Entropy> {
        let base = Entropy {
            recent: [None; 3],
            ..self.base.clone()
        };
        let from = |place: Option<Place>| {
            let mut entropy = base.clone();
            if let Some(place) = place {
                let block = read_vec(source, place.at, place.len).ok()?;
                entropy.bring(&block, &Sections::parse(&block)?)?;
            }
            Some(entropy)
        };
        let [huffman, literal_lengths, offsets, match_lengths] = brought;
        let [own_literal_lengths, _, _] = from(literal_lengths)?.tables;
        let [_, own_offsets, _] = from(offsets)?.tables;
        let [_, _, own_match_lengths] = from(match_lengths)?.tables;
        Some(Entropy {
            huffman: from(huffman)?.huffman,
            tables: [own_literal_lengths, own_offsets, own_match_lengths],
            recent: [None; 3],
        })
    }
}

/// The last bytes of a frame's output, as many as its window.
pub(super) struct History {
    bytes: Vec<u8>,
    window: usize,
    /// Where the next byte goes, once the window is full.
    next: usize,
}

impl History {
    /// `None` where memory is short.
    pub(super) fn new(window: usize) -> Option<Self> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(window).ok()?;
        Some(Self {
            bytes,
            window,
            next: 0,
        })
    }

    /// Adds what was unpacked.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let room = self
            .window
            .saturating_sub(self.bytes.len())
            .min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.bytes.extend_from_slice(first);
        let mut rest = rest.split_at(rest.len().saturating_sub(self.window)).1;
        while !rest.is_empty() && self.is_full() {
            let room = self.window.saturating_sub(self.next).min(rest.len());
            let (now, later) = rest.split_at(room);
            let end = self.next.saturating_add(room);
            if let Some(into) = self.bytes.get_mut(self.next..end) {
                into.copy_from_slice(now);
            }
            self.next = if end >= self.window { 0 } else { end };
            rest = later;
        }
    }

    fn is_full(&self) -> bool {
        self.window > 0 && self.bytes.len() >= self.window
    }

    /// Puts all of it behind `head`, the oldest byte first.
    pub(super) fn append_to(&self, head: &mut Vec<u8>) -> Option<()> {
        head.try_reserve_exact(self.bytes.len()).ok()?;
        let (newer, older) = self.bytes.split_at(self.next.min(self.bytes.len()));
        head.extend_from_slice(older);
        head.extend_from_slice(newer);
        Some(())
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}
