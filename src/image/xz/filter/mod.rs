//! The filters between LZMA2 and the data (5.3): what they do is undone in place, and each needs no
//! more than a few bytes of what follows.

mod branch;
mod x86;

use super::layout::filter_id;
use super::lzma2::Kept;
use crate::error::{Error, Result};
use crate::number::to_u64;
use branch::Branch;
use x86::X86;

/// One filter, with the bytes that wait for those behind them.
pub(super) struct Filter {
    kind: Kind,
    /// The position that branches count from, of the first byte of `held`.
    position: u32,
    held: Vec<u8>,
}

enum Kind {
    /// Distance, and the last 256 bytes by position modulo 256.
    Delta(usize, Box<[u8; 256]>),
    X86(X86),
    Branch(Branch),
}

impl Filter {
    /// The filter `id` with its properties.
    ///
    /// # Errors
    /// `Unsupported` for one that is not known; `Corrupt` for properties that it cannot have.
    pub(super) fn new(id: u64, properties: &[u8]) -> Result<Self> {
        let name = name(id);
        let kind = match id {
            filter_id::DELTA => return delta(properties),
            filter_id::X86 => Kind::X86(X86::default()),
            _ => {
                let unknown = || Error::unsupported(format!("filter {name} ({id:#x})"));
                Kind::Branch(Branch::new(id).ok_or_else(unknown)?)
            }
        };
        let position = match properties {
            [] => 0,
            [a, b, c, d] => u32::from_le_bytes([*a, *b, *c, *d]),
            _ => return Err(wrong_properties(id, properties)),
        };
        let alignment = match &kind {
            Kind::Branch(branch) => branch.alignment(),
            _ => 1,
        };
        if !position.is_multiple_of(alignment) {
            let text =
                format!("filter {name}: start offset {position} is no multiple of {alignment}");
            return Err(Error::corrupt(text));
        }
        Ok(Self {
            kind,
            position,
            held: Vec::new(),
        })
    }

    /// Takes `bytes` in and appends to `out` what is final.
    pub(super) fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(bytes);
        let done = match &mut self.kind {
            Kind::Delta(distance, past) => {
                delta_pass(*distance, past, self.position, &mut self.held)
            }
            Kind::X86(x86) => x86.pass(self.position, &mut self.held),
            Kind::Branch(branch) => branch.pass(self.position, &mut self.held),
        };
        let done = done.min(self.held.len());
        let moved = u32::try_from(done).unwrap_or(0);
        self.position = self.position.wrapping_add(moved);
        out.extend(self.held.drain(..done));
    }

    /// Nothing follows: what was held is as it is.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }

    /// Appends what is needed to go on.
    pub(super) fn keep(&self, into: &mut Vec<u8>) {
        into.extend(self.position.to_le_bytes());
        into.extend(to_u64(self.held.len()).to_le_bytes());
        into.extend(&self.held);
        match &self.kind {
            Kind::Delta(_, past) => into.extend(&**past),
            Kind::X86(x86) => x86.keep(into),
            Kind::Branch(_) => {}
        }
    }

    /// Takes back what [`Filter::keep`] gave for the same filter.
    pub(super) fn restore(&mut self, kept: &mut Kept<'_>) -> Option<()> {
        self.position = kept.word()?;
        let held = kept.size()?;
        self.held = kept.take(held)?.to_vec();
        match &mut self.kind {
            Kind::Delta(_, past) => **past = kept.array()?,
            Kind::X86(x86) => x86.restore(kept)?,
            Kind::Branch(_) => {}
        }
        Some(())
    }
}

/// The name of a filter as xz's own options have it.
pub(super) fn name(id: u64) -> &'static str {
    match id {
        filter_id::DELTA => "delta",
        filter_id::X86 => "x86",
        filter_id::POWERPC => "powerpc",
        filter_id::IA64 => "ia64",
        filter_id::ARM => "arm",
        filter_id::ARM_THUMB => "armthumb",
        filter_id::SPARC => "sparc",
        filter_id::ARM64 => "arm64",
        filter_id::RISCV => "riscv",
        filter_id::LZMA2 => "lzma2",
        _ => "unknown",
    }
}

fn wrong_properties(id: u64, properties: &[u8]) -> Error {
    let len = properties.len();
    Error::corrupt(format!("filter {} has {len} bytes of properties", name(id)))
}

fn delta(properties: &[u8]) -> Result<Filter> {
    let [distance] = properties else {
        return Err(wrong_properties(filter_id::DELTA, properties));
    };
    let distance = usize::from(*distance).saturating_add(1);
    Ok(Filter {
        kind: Kind::Delta(distance, Box::new([0; 256])),
        position: 0,
        held: Vec::new(),
    })
}

/// Every byte is the difference to the one `distance` before it.
fn delta_pass(distance: usize, past: &mut [u8; 256], position: u32, bytes: &mut [u8]) -> usize {
    let [low, ..] = position.to_le_bytes();
    let mut at = usize::from(low);
    for byte in bytes.iter_mut() {
        let before = past.get(at.wrapping_sub(distance) & 0xff).copied();
        *byte = byte.wrapping_add(before.unwrap_or(0));
        if let Some(slot) = past.get_mut(at & 0xff) {
            *slot = *byte;
        }
        at = at.wrapping_add(1);
    }
    bytes.len()
}
