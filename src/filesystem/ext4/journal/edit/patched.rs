//! A volume some of whose blocks are other than on disk: what recovery would write, kept in
//! memory.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::{Arc, RwLock};

use crate::error::{Error, Result};
use crate::filesystem::Budget;
use crate::lock::{alone, shared};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::{Map, Place, Run};
use crate::source::{Extent, SharedSource, Source, check_range, read_vec};

/// The most that is kept in memory: thousands of times what a real recovery changes.
const MOST_BYTES: usize = 64 << 20;

/// The most steps that editing may take, a block read being one: seconds.
const MOST_STEPS: u64 = 1 << 20;

/// The patched blocks. Clones are the same ones.
#[derive(Clone)]
pub(in crate::filesystem::ext4) struct Patched {
    volume: SharedSource,
    block_size: usize,
    blocks: Arc<RwLock<BTreeMap<u64, Box<[u8]>>>>,
    budget: Arc<Budget>,
}

impl Patched {
    pub(super) fn new(volume: SharedSource, block_size: usize) -> Self {
        Self {
            volume,
            block_size,
            blocks: Arc::default(),
            budget: Arc::new(Budget::new(MOST_STEPS)),
        }
    }

    /// The volume without the changes.
    pub(super) fn volume(&self) -> SharedSource {
        self.volume.clone()
    }

    /// Takes `steps` from the work that editing may cost.
    pub(super) fn spend(&self, steps: u64) -> Result<()> {
        self.budget.spend(steps)
    }

    /// Number of blocks that differ from the volume.
    pub(super) fn len(&self) -> usize {
        self.read().len()
    }

    /// Block `number` as it is now.
    pub(super) fn block(&self, number: u64) -> Result<Vec<u8>> {
        self.spend(1)?;
        if let Some(block) = self.read().get(&number) {
            return Ok(block.to_vec());
        }
        let offset = number.saturating_mul(to_u64(self.block_size));
        read_vec(&*self.volume, offset, self.block_size)
    }

    /// Makes block `number` be `bytes`.
    ///
    /// # Errors
    /// `Corrupt` past the most that is kept: no real log asks for that.
    pub(super) fn set_block(&self, number: u64, bytes: Vec<u8>) -> Result<()> {
        let offset = number.saturating_mul(to_u64(self.block_size));
        check_range(&*self.volume, offset, self.block_size)?;
        let mut blocks = alone(&self.blocks);
        let most = MOST_BYTES.checked_div(self.block_size).unwrap_or(0);
        if blocks.len() >= most && !blocks.contains_key(&number) {
            return Err(Error::corrupt(format!(
                "recovery changes over {most} blocks"
            )));
        }
        blocks.insert(number, bytes.into_boxed_slice());
        Ok(())
    }

    /// `len` bytes at `offset`, inside one block.
    pub(super) fn bytes(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let (number, skip) = self.split(offset);
        let block = self.block(number)?;
        let bytes = skip.checked_add(len).and_then(|end| block.get(skip..end));
        bytes
            .map(<[u8]>::to_vec)
            .ok_or_else(|| Error::corrupt("it crosses the end of a block").at(offset))
    }

    /// Changes the bytes at `offset`, inside one block.
    pub(super) fn set_bytes(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let (number, skip) = self.split(offset);
        let mut block = self.block(number)?;
        let place = skip
            .checked_add(bytes.len())
            .and_then(|end| block.get_mut(skip..end))
            .ok_or_else(|| Error::corrupt("it crosses the end of a block").at(offset))?;
        if place == bytes {
            return Ok(());
        }
        place.copy_from_slice(bytes);
        self.set_block(number, block)
    }

    fn split(&self, offset: u64) -> (u64, usize) {
        let size = to_u64(self.block_size).max(1);
        let skip = offset.checked_rem(size).unwrap_or(0);
        (offset.checked_div(size).unwrap_or(0), to_usize(skip))
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<u64, Box<[u8]>>> {
        shared(&self.blocks)
    }
}

/// The patched volume while it changes: nothing of it is cached.
pub(super) struct Live(pub(super) Patched);

impl Source for Live {
    fn size(&self) -> u64 {
        self.0.volume.size()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        let (mut rest, mut at) = (buf, offset);
        while !rest.is_empty() {
            let (number, skip) = self.0.split(at);
            let block = self.0.block(number)?;
            let from = block.get(skip..).unwrap_or(&[]);
            let count = from.len().min(rest.len());
            let (head, tail) = rest.split_at_mut(count);
            head.copy_from_slice(from.get(..count).unwrap_or(&[]));
            rest = tail;
            at = at.saturating_add(to_u64(count));
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        self.0.volume.extent_at(offset)
    }
}

impl Map for Patched {
    fn size(&self) -> u64 {
        self.volume.size()
    }

    fn run_at(&self, offset: u64, attempt: u8) -> Result<Run> {
        if attempt > 0 {
            return Err(Error::not_found("there is no second copy").at(offset));
        }
        let size = to_u64(self.block_size);
        let (number, skip) = self.split(offset);
        let blocks = self.read();
        let next = blocks.range(number..).next().map(|(next, _)| *next);
        let (place, end) = if next == Some(number) {
            let place = Place::Packed { unit: number, skip };
            (place, number.saturating_add(1).saturating_mul(size))
        } else {
            let place = Place::At { member: 0, offset };
            (
                place,
                next.map_or(self.size(), |next| next.saturating_mul(size)),
            )
        };
        let len = NonZeroU64::new(end.saturating_sub(offset)).unwrap_or(NonZeroU64::MIN);
        Ok(Run { place, len })
    }

    fn unit(&self, unit: u64) -> Result<usize> {
        match self.read().get(&unit) {
            Some(block) => Ok(block.len()),
            None => Err(Error::corrupt(format!("block {unit} is not patched"))),
        }
    }

    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
        match self.read().get(&unit) {
            Some(block) if block.len() == into.len() => {
                into.copy_from_slice(block);
                Ok(())
            }
            _ => Err(Error::corrupt(format!("block {unit} is not patched"))),
        }
    }
}
