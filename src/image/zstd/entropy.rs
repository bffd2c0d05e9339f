//! What one compressed block leaves to the next: the Huffman tree, three FSE tables and the three
//! recent offsets (RFC 8878, 3.1.1.3 and 3.1.1.5).
//!
//! To know it after a block the block's sequences have to be read, but not carried out, and no
//! literals unpacked. Parts may be unknown: where the blocks before were not looked at, what they
//! left is unknown until a block brings its own.

use std::sync::Arc;

use super::bits::Backward;
use super::fse::{Kind, Table};
use super::predefined;
use super::sections::{Mode, Sections};
use crate::number::to_usize;

/// The state between two blocks; `None` for what is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entropy {
    /// The Huffman tree description.
    pub(super) huffman: Option<Arc<[u8]>>,
    /// For literal lengths, offsets and match lengths.
    pub(super) tables: [Option<Arc<Table>>; 3],
    /// The recent offsets, the last one first.
    pub(super) recent: [Option<u64>; 3],
}

/// What the tables are for, in the order of [`Entropy::tables`].
pub(super) const KINDS: [Kind; 3] = [Kind::LiteralLengths, Kind::Offsets, Kind::MatchLengths];

impl Entropy {
    /// At the start of a frame. The tables are the predefined ones, since no block may repeat a
    /// table before one was there.
    pub(super) fn start() -> Self {
        Self {
            huffman: Some(predefined::HUFFMAN.into()),
            tables: KINDS.map(Table::predefined),
            recent: [1, 4, 8].map(Some),
        }
    }

    /// Whether everything is known.
    pub(super) fn is_known(&self) -> bool {
        self.huffman.is_some()
            && self.tables.iter().all(Option::is_some)
            && self.recent.iter().all(Option::is_some)
    }

    /// Goes over a compressed block and gives how many bytes it unpacks to; `None` where it is
    /// damaged or needs what is not known.
    pub(super) fn pass(&mut self, block: &[u8]) -> Option<u64> {
        let sections = Sections::parse(block);
        let passed = sections.and_then(|sections| {
            let stream = self.bring(block, &sections)?;
            self.sequences(stream, &sections)
        });
        if passed.is_none() {
            self.recent = [None; 3];
        }
        passed
    }

    /// Takes the tables that `block` brings, and gives where its sequences start.
    pub(super) fn bring<'block>(
        &mut self,
        block: &'block [u8],
        sections: &Sections,
    ) -> Option<&'block [u8]> {
        if let Some(range) = sections.huffman.clone() {
            self.huffman = Some(block.get(range)?.into());
        }
        let mut rest = block.get(sections.tables..)?;
        for ((table, kind), mode) in self.tables.iter_mut().zip(KINDS).zip(sections.modes) {
            match mode {
                Mode::Repeat => {}
                Mode::Predefined => *table = Table::predefined(kind),
                Mode::Rle => {
                    let (symbol, behind) = rest.split_first()?;
                    *table = Some(Table::single(kind, *symbol)?);
                    rest = behind;
                }
                Mode::Compressed => {
                    let (own, used) = Table::parse(kind, rest)?;
                    *table = Some(own);
                    rest = rest.get(used..)?;
                }
            }
        }
        Some(rest)
    }

    /// Reads the sequences in `stream`, and gives how many bytes they and the literals make.
    fn sequences(&mut self, stream: &[u8], sections: &Sections) -> Option<u64> {
        let mut total = u64::try_from(sections.literals).ok()?;
        if sections.sequences == 0 {
            return Some(total);
        }
        let tables = self.tables.clone();
        let [literal_lengths, offsets, match_lengths] = &tables;
        let mut bits = Backward::new(stream)?;
        let mut literal_length = Code::start(literal_lengths.as_deref()?, &mut bits)?;
        let mut offset = Code::start(offsets.as_deref()?, &mut bits)?;
        let mut match_length = Code::start(match_lengths.as_deref()?, &mut bits)?;
        for left in (0..sections.sequences).rev() {
            let offset_code = u32::from(offset.symbol()?);
            let offset_value =
                (1_u64 << (offset_code & 31)).checked_add(bits.take(offset_code)?)?;
            let matched = length(MATCH_LENGTHS, match_length.symbol()?, &mut bits)?;
            let literals = length(LITERAL_LENGTHS, literal_length.symbol()?, &mut bits)?;
            self.note(offset_value, literals == 0)?;
            total = total.checked_add(matched)?;
            if left > 0 {
                literal_length.next(&mut bits)?;
                match_length.next(&mut bits)?;
                offset.next(&mut bits)?;
            }
        }
        bits.is_empty().then_some(total)
    }

    /// Takes an Offset_Value into the recent offsets (3.1.1.5).
    fn note(&mut self, value: u64, no_literals: bool) -> Option<()> {
        let [first, second, third] = self.recent;
        self.recent = match (value, no_literals) {
            (1, false) => return Some(()),
            (1, true) | (2, false) => [second, first, third],
            (2, true) | (3, false) => [third, first, second],
            (3, true) => {
                let before = match first {
                    Some(first) => Some(first.checked_sub(1).filter(|it| *it > 0)?),
                    None => None,
                };
                [before, first, second]
            }
            _ => [Some(value.checked_sub(3)?), first, second],
        };
        Some(())
    }
}

/// One of the three interleaved FSE states.
struct Code<'table> {
    table: &'table Table,
    state: usize,
}

impl<'table> Code<'table> {
    fn start(table: &'table Table, bits: &mut Backward<'_>) -> Option<Self> {
        let state = to_usize(bits.take(table.log)?);
        Some(Self { table, state })
    }

    fn symbol(&self) -> Option<u8> {
        Some(self.table.states.get(self.state)?.symbol)
    }

    fn next(&mut self, bits: &mut Backward<'_>) -> Option<()> {
        let state = self.table.states.get(self.state)?;
        let more = bits.take(u32::from(state.bits))?;
        self.state = usize::from(state.base).checked_add(to_usize(more))?;
        Some(())
    }
}

/// The length that `symbol` and its extra bits stand for.
fn length(codes: &[(u32, u8)], symbol: u8, bits: &mut Backward<'_>) -> Option<u64> {
    let (base, extra) = codes.get(usize::from(symbol))?;
    u64::from(*base).checked_add(bits.take(u32::from(*extra))?)
}

/// Literals_Length_Code: baseline and extra bits (3.1.1.3.2.1.1).
#[rustfmt::skip]
const LITERAL_LENGTHS: &[(u32, u8)] = &[
    (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0),
    (8, 0), (9, 0), (10, 0), (11, 0), (12, 0), (13, 0), (14, 0), (15, 0),
    (16, 1), (18, 1), (20, 1), (22, 1), (24, 2), (28, 2), (32, 3), (40, 3),
    (48, 4), (64, 6), (128, 7), (256, 8), (512, 9), (1024, 10), (2048, 11), (4096, 12),
    (8192, 13), (16384, 14), (32768, 15), (65536, 16),
];

/// Match_Length_Code: baseline and extra bits.
#[rustfmt::skip]
const MATCH_LENGTHS: &[(u32, u8)] = &[
    (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0),
    (11, 0), (12, 0), (13, 0), (14, 0), (15, 0), (16, 0), (17, 0), (18, 0),
    (19, 0), (20, 0), (21, 0), (22, 0), (23, 0), (24, 0), (25, 0), (26, 0),
    (27, 0), (28, 0), (29, 0), (30, 0), (31, 0), (32, 0), (33, 0), (34, 0),
    (35, 1), (37, 1), (39, 1), (41, 1), (43, 2), (47, 2), (51, 3), (59, 3),
    (67, 4), (83, 4), (99, 5), (131, 7), (259, 8), (515, 9), (1027, 10), (2051, 11),
    (4099, 12), (8195, 13), (16387, 14), (32771, 15), (65539, 16),
];
