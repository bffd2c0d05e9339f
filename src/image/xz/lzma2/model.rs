//! What LZMA knows between two symbols, and how one symbol is decoded (LZMA specification,
//! "Decoding of the LZMA packet").

use super::dictionary::Writer;
use super::range::{Probabilities, Range, index};

// Where each kind of probability begins in the one array. Kinds that depend on the state have one
// for each of its 12 values, those that depend on the position 16 for each.
const IS_MATCH: usize = 0;
const IS_REP0_LONG: usize = 192;
const IS_REP: usize = 384;
const IS_REP_G0: usize = 396;
const IS_REP_G1: usize = 408;
const IS_REP_G2: usize = 420;
const DISTANCE_SLOT: usize = 432;
const DISTANCE_SPECIAL: usize = 688;
const DISTANCE_ALIGN: usize = 816;
const MATCH_LENGTH: usize = 832;
const REP_LENGTH: usize = 1346;
const LITERAL: usize = 1860;
/// Probabilities of one kind of literal.
const LITERAL_SIZE: usize = 0x300;

// Where the parts of a length begin: two choices, then 8 for each position, and 256.
const CHOICE: usize = 0;
const CHOICE_2: usize = 1;
const LOW: usize = 2;
const MID: usize = 130;
const HIGH: usize = 258;

/// Shortest match.
const SHORTEST: usize = 2;
/// States below this follow a literal.
const LITERAL_STATES: usize = 7;
/// States there are.
const STATES: usize = 12;

/// The `lc`, `lp` and `pb` of LZMA: what literals and positions depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Properties {
    /// High bits of the byte before that choose a literal's probabilities.
    literal_context: u32,
    literal_mask: usize,
    position_mask: usize,
    /// As on disk.
    pub(super) byte: u8,
}

impl Properties {
    /// From the byte `(pb * 5 + lp) * 9 + lc`; `None` where LZMA2 forbids it.
    pub(super) fn new(byte: u8) -> Option<Self> {
        let (lc, rest) = (u32::from(byte) % 9, u32::from(byte) / 9);
        let (lp, pb) = (rest % 5, rest / 5);
        let allowed = pb <= 4 && lc.checked_add(lp)? <= 4;
        allowed.then_some(Self {
            literal_context: lc,
            literal_mask: (1_usize << lp).wrapping_sub(1),
            position_mask: (1_usize << pb).wrapping_sub(1),
            byte,
        })
    }

    /// How many probabilities are in use.
    fn count(self) -> usize {
        let kinds = self.literal_mask.wrapping_add(1) << self.literal_context;
        LITERAL.wrapping_add(LITERAL_SIZE.wrapping_mul(kinds))
    }
}

/// What is known between two symbols.
pub(super) struct Model {
    properties: Properties,
    probabilities: Probabilities,
    state: usize,
    /// The last four distances, each less 1.
    reps: [usize; 4],
    /// Bytes that the last match still has to copy, by the first distance.
    pending: usize,
}

/// The stream points back before its beginning.
pub(super) struct TooFar;

impl Model {
    pub(super) fn new(properties: Properties) -> Self {
        Self {
            properties,
            probabilities: Probabilities::new(),
            state: 0,
            reps: [0; 4],
            pending: 0,
        }
    }

    pub(super) fn reset(&mut self) {
        self.probabilities.reset();
        self.state = 0;
        self.reps = [0; 4];
    }

    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    /// Appends all of it to `into`.
    pub(super) fn keep(&self, into: &mut Vec<u8>) {
        into.push(self.properties.byte);
        into.push(u8::try_from(self.state).unwrap_or(0));
        for value in self.reps.iter().chain([&self.pending]) {
            into.extend(crate::number::to_u64(*value).to_le_bytes());
        }
        for value in self.probabilities.head(self.properties.count()) {
            into.extend(value.to_le_bytes());
        }
    }

    /// Takes back what [`Model::keep`] gave.
    pub(super) fn restore(bytes: &mut super::state::Kept<'_>) -> Option<Self> {
        let mut model = Self::new(Properties::new(bytes.byte()?)?);
        model.state = usize::from(bytes.byte()?);
        for value in &mut model.reps {
            *value = bytes.size()?;
        }
        model.pending = bytes.size()?;
        let count = model.properties.count();
        for slot in model.probabilities.head_mut(count) {
            *slot = bytes.half()?;
            // What decoding can lead to; anything else could take a range to 0.
            if !(31..=2017).contains(slot) {
                return None;
            }
        }
        let sound = model.state < STATES && model.pending <= 273;
        sound.then_some(model)
    }

    /// Decodes until `writer` has no room.
    pub(super) fn run(
        &mut self,
        range: &mut Range<'_>,
        writer: &mut Writer<'_>,
    ) -> Result<(), TooFar> {
        if self.pending > 0 {
            self.repeat(writer, self.pending)?;
        }
        while writer.has_room() {
            let place = writer.position() & self.properties.position_mask;
            let by_both = (self.state << 4).wrapping_add(place);
            let is_match = IS_MATCH.wrapping_add(by_both);
            if !range.bit(&mut self.probabilities, is_match) {
                self.literal(range, writer);
                continue;
            }
            let is_rep = IS_REP.wrapping_add(self.state);
            let len = match range.bit(&mut self.probabilities, is_rep) {
                false => self.new_match(range, place),
                true => self.old_match(range, place),
            };
            self.repeat(writer, len)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn repeat(&mut self, writer: &mut Writer<'_>, len: usize) -> Result<(), TooFar> {
        let [distance, ..] = self.reps;
        if !writer.reaches(distance) {
            return Err(TooFar);
        }
        self.pending = writer.repeat(distance, len);
        Ok(())
    }

    #[inline(always)]
    fn literal(&mut self, range: &mut Range<'_>, writer: &mut Writer<'_>) {
        let context = self.properties.literal_context;
        let high = usize::from(writer.previous()) >> (8_u32.wrapping_sub(context));
        let kind = ((writer.position() & self.properties.literal_mask) << context) | high;
        let base = LITERAL.wrapping_add(kind.wrapping_mul(LITERAL_SIZE));
        let mut symbol: u32 = 1;
        if self.state < LITERAL_STATES {
            for _ in 0..8 {
                let at = base.wrapping_add(index(symbol));
                symbol = (symbol << 1) | range.number_bit(&mut self.probabilities, at);
            }
        } else {
            // Unlike what stands where the last match would go on: as long as the bits are the
            // same as there, other probabilities are used.
            let mut expected = u32::from(writer.back(self.reps[0]));
            let mut offset = 0x100;
            for _ in 0..8 {
                expected <<= 1;
                let bit = expected & offset;
                let at = base.wrapping_add(index(offset.wrapping_add(bit).wrapping_add(symbol)));
                let got = range.number_bit(&mut self.probabilities, at);
                symbol = (symbol << 1) | got;
                offset &= bit ^ got.wrapping_sub(1);
            }
        }
        writer.put(symbol.to_le_bytes()[0]);
        self.state = match self.state {
            0..=3 => 0,
            4..=9 => self.state.wrapping_sub(3),
            _ => self.state.wrapping_sub(6),
        };
    }

    #[inline(always)]
    fn new_match(&mut self, range: &mut Range<'_>, place: usize) -> usize {
        self.state = self.next(7, 10);
        let len = self.length(range, MATCH_LENGTH, place);
        let kind = len.wrapping_sub(SHORTEST).min(3);
        let distance = self.distance(range, kind);
        self.reps = [distance, self.reps[0], self.reps[1], self.reps[2]];
        len
    }

    #[inline(always)]
    fn old_match(&mut self, range: &mut Range<'_>, place: usize) -> usize {
        let state = self.state;
        let [first, second, third, fourth] = self.reps;
        if !range.bit(&mut self.probabilities, IS_REP_G0.wrapping_add(state)) {
            let by_both = (state << 4).wrapping_add(place);
            let long = IS_REP0_LONG.wrapping_add(by_both);
            if !range.bit(&mut self.probabilities, long) {
                self.state = self.next(9, 11);
                return 1;
            }
        } else if !range.bit(&mut self.probabilities, IS_REP_G1.wrapping_add(state)) {
            self.reps = [second, first, third, fourth];
        } else if !range.bit(&mut self.probabilities, IS_REP_G2.wrapping_add(state)) {
            self.reps = [third, first, second, fourth];
        } else {
            self.reps = [fourth, first, second, third];
        }
        self.state = self.next(8, 11);
        self.length(range, REP_LENGTH, place)
    }

    #[inline(always)]
    fn next(&self, after_literal: usize, after_match: usize) -> usize {
        match self.state < LITERAL_STATES {
            true => after_literal,
            false => after_match,
        }
    }

    #[inline(always)]
    fn length(&mut self, range: &mut Range<'_>, base: usize, place: usize) -> usize {
        let probabilities = &mut self.probabilities;
        let by_place = base.wrapping_add(place << 3);
        if !range.bit(probabilities, base.wrapping_add(CHOICE)) {
            let low = range.tree(probabilities, by_place.wrapping_add(LOW), 3);
            return index(low).wrapping_add(SHORTEST);
        }
        if !range.bit(probabilities, base.wrapping_add(CHOICE_2)) {
            let mid = range.tree(probabilities, by_place.wrapping_add(MID), 3);
            return index(mid).wrapping_add(SHORTEST + 8);
        }
        let high = range.tree(probabilities, base.wrapping_add(HIGH), 8);
        index(high).wrapping_add(SHORTEST + 16)
    }

    #[inline(always)]
    fn distance(&mut self, range: &mut Range<'_>, kind: usize) -> usize {
        let probabilities = &mut self.probabilities;
        let slots = DISTANCE_SLOT.wrapping_add(kind << 6);
        let slot = range.tree(probabilities, slots, 6);
        if slot < 4 {
            return index(slot);
        }
        let bits = (slot >> 1).wrapping_sub(1);
        let high = (2 | (slot & 1)) << bits;
        let low = if slot < 14 {
            let base = DISTANCE_SPECIAL.wrapping_add(index(high.wrapping_sub(slot)));
            range.reverse_tree(probabilities, base.wrapping_sub(1), bits)
        } else {
            let direct = range.direct(bits.wrapping_sub(4)) << 4;
            direct.wrapping_add(range.reverse_tree(probabilities, DISTANCE_ALIGN, 4))
        };
        index(high.wrapping_add(low))
    }
}
