//! FSE tables: RFC 8878, 4.1.1.

use std::sync::Arc;

use super::bits::{Forward, highest_bit};
use super::predefined;
use crate::number::{to_u64, to_usize};

/// What a table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    LiteralLengths,
    Offsets,
    MatchLengths,
}

impl Kind {
    /// The largest Accuracy_Log (3.1.1.3.2.1).
    fn most_log(self) -> u32 {
        match self {
            Self::Offsets => 8,
            _ => 9,
        }
    }

    /// The largest code.
    fn most_symbol(self) -> u8 {
        match self {
            Self::LiteralLengths => 35,
            Self::Offsets => 31,
            Self::MatchLengths => 52,
        }
    }
}

/// One state: the symbol it stands for, and how the next state is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) symbol: u8,
    pub(super) bits: u8,
    pub(super) base: u16,
}

/// A decoding table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) log: u32,
    pub(super) states: Vec<State>,
    /// What describes it in a block or a dictionary; `None` for one of a single symbol (RLE_Mode),
    /// which a dictionary cannot hold.
    pub(super) description: Option<Vec<u8>>,
}

impl Table {
    /// The table that `bytes` begin with, and how many of them describe it; `None` where they are
    /// no description.
    pub(super) fn parse(kind: Kind, bytes: &[u8]) -> Option<(Arc<Self>, usize)> {
        let (log, counts, used) = distribution(kind, bytes)?;
        let table = Self {
            log,
            states: states(log, &counts)?,
            description: Some(bytes.get(..used)?.to_vec()),
        };
        Some((Arc::new(table), used))
    }

    /// The table of a block that brings none.
    pub(super) fn predefined(kind: Kind) -> Option<Arc<Self>> {
        Some(Self::parse(kind, predefined::description(kind))?.0)
    }

    /// The table of one symbol.
    pub(super) fn single(kind: Kind, symbol: u8) -> Option<Arc<Self>> {
        let state = State {
            symbol,
            ..State::default()
        };
        let table = Self {
            log: 0,
            states: vec![state],
            description: None,
        };
        (symbol <= kind.most_symbol()).then(|| Arc::new(table))
    }
}

/// Accuracy_Log, the probability of each symbol (-1 for "less than 1"), and the bytes used.
pub(super) fn distribution(kind: Kind, bytes: &[u8]) -> Option<(u32, Vec<i16>, usize)> {
    let mut bits = Forward::new(bytes);
    let log = u32::try_from(bits.take(4)).ok()?.checked_add(5)?;
    if log > kind.most_log() {
        return None;
    }
    let mut counts = Vec::new();
    let most = usize::from(kind.most_symbol()).checked_add(1)?;
    let mut left = 1_u64 << log;
    while left > 0 {
        let count = probability(&mut bits, left)?;
        left = left.checked_sub(u64::from(count.unsigned_abs()))?;
        counts.push(count);
        let mut more = if count == 0 { 3 } else { 0 };
        while more == 3 {
            more = bits.take(2);
            counts.extend(std::iter::repeat_n(0, to_usize(more)));
            if counts.len() > most {
                return None;
            }
        }
        if counts.len() > most {
            return None;
        }
    }
    Some((log, counts, bits.used()?))
}

/// The next probability, of which `left` are not yet given away.
fn probability(bits: &mut Forward<'_>, left: u64) -> Option<i16> {
    let most = left.checked_add(1)?;
    let width = highest_bit(most).checked_add(1)?;
    let mut value = bits.take(width);
    let low = (1_u64 << width.checked_sub(1)?).checked_sub(1)?;
    let threshold = (1_u64 << width).checked_sub(1)?.checked_sub(most)?;
    if value & low < threshold {
        bits.back();
        value &= low;
    } else if value > low {
        value = value.checked_sub(threshold)?;
    }
    i16::try_from(value).ok()?.checked_sub(1)
}

/// The states of a table whose symbols have these probabilities.
fn states(log: u32, counts: &[i16]) -> Option<Vec<State>> {
    let size = 1_usize << log;
    let mut states = vec![State::default(); size];
    let mut high = size;
    for (symbol, _) in (0_u8..).zip(counts).filter(|(_, count)| **count == -1) {
        high = high.checked_sub(1)?;
        states.get_mut(high)?.symbol = symbol;
    }
    let step = (size >> 1).checked_add(size >> 3)?.checked_add(3)?;
    let mut at = 0_usize;
    for (symbol, count) in (0_u8..).zip(counts) {
        for _ in 0..(*count).max(0) {
            states.get_mut(at)?.symbol = symbol;
            at = at.checked_add(step)? & size.checked_sub(1)?;
            while at >= high {
                at = at.checked_add(step)? & size.checked_sub(1)?;
            }
        }
    }
    let counts = counts.iter().map(|count| u64::from(count.unsigned_abs()));
    let mut next: Vec<u64> = counts.collect();
    for state in &mut states {
        let next = next.get_mut(usize::from(state.symbol))?;
        let bits = log.checked_sub(highest_bit(*next))?;
        let base = (*next << bits).checked_sub(to_u64(size))?;
        *next = next.checked_add(1)?;
        state.bits = u8::try_from(bits).ok()?;
        state.base = u16::try_from(base).ok()?;
    }
    Some(states)
}
