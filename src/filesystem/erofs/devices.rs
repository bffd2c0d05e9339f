//! Where bytes are: on the first device, which is the image, or on one of those that its device
//! table lists.
//!
//! A chunk says its device; everything else has an address in the one space that the first device
//! and those of the others that have a place in it make up. An image may hold all of that space,
//! its other devices joined on behind it: then it is read as the whole. Otherwise each device is a
//! file of its own, called by the tag in its slot; where it cannot be had, only what lies on it
//! cannot be read.

use std::sync::Arc;

use zerocopy::FromBytes;

use super::features::{BITS_48, DEVICE_TABLE};
use super::layout::RawDevice;
use super::superblock::{PLACE, Superblock};
use crate::error::{Error, Result, printable};
use crate::format::Context;
use crate::number::to_u64;
use crate::source::window::Window;
use crate::source::{SharedSource, Source, read_vec};

/// Devices that are followed; each may be a file to open.
const MOST: u64 = 4096;

/// Bytes of a slot.
const SLOT: u64 = 128;

/// All devices.
pub(super) struct Devices {
    first: SharedSource,
    /// Device 1 and those after it.
    others: Vec<Device>,
    /// The bits of a chunk's device number that count.
    mask: u16,
}

/// A slot of the device table.
pub(super) struct Slot {
    /// Its file's name, as the image has it; empty where the image has none.
    pub(super) tag: Vec<u8>,
    /// Blocks it has.
    pub(super) blocks: u64,
    /// Its first byte in the one space, and how many it has there; none where it has no place.
    place: Option<(u64, u64)>,
}

struct Device {
    slot: Slot,
    source: Result<SharedSource>,
}

impl Devices {
    /// The devices of `superblock`, whose first is `first`; the others are opened as the policy for
    /// second files allows.
    ///
    /// # Errors
    /// `Corrupt` for a device table that cannot be read. A device that is not there is no error.
    pub(super) fn open(
        first: SharedSource,
        superblock: &Superblock,
        context: &Context,
    ) -> Result<Self> {
        let slots = slots(&*first, superblock)?;
        let count = u16::try_from(slots.len()).unwrap_or(u16::MAX);
        let others = slots.into_iter().zip(1_u64..).map(|(slot, number)| {
            let at =
                table(superblock).saturating_add(number.saturating_sub(1).saturating_mul(SLOT));
            let source = slot.open(&first, number, context);
            let source = source.map_err(|error| error.at(at));
            if let Err(error) = &source {
                context
                    .notices
                    .add(error.clone().context("erofs").to_string());
            }
            Device { slot, source }
        });
        Ok(Self {
            others: others.collect(),
            first,
            mask: mask(count),
        })
    }

    /// Fills `buf` from byte `address` of the one space.
    ///
    /// # Errors
    /// As [`Source::read_exact_at`], and what makes the device unreadable; `Corrupt` past its end.
    pub(super) fn read(&self, buf: &mut [u8], address: u64) -> Result<()> {
        let (source, offset) = self.locate(address)?;
        read_inside(&**source, buf, offset)
    }

    /// The source that holds byte `address` of the one space, and the byte there.
    fn locate(&self, address: u64) -> Result<(&SharedSource, u64)> {
        for device in &self.others {
            let (start, size) = device.slot.place.unwrap_or((0, 0));
            match address.checked_sub(start) {
                Some(offset) if offset < size => return Ok((device.source()?, offset)),
                _ => {}
            }
        }
        Ok((&self.first, address))
    }

    /// Fills `buf` from byte `offset` of the device that a chunk calls `id`.
    ///
    /// # Errors
    /// As [`Devices::read`]; `Corrupt` for a device that there is not.
    pub(super) fn read_chunk(&self, id: u16, buf: &mut [u8], offset: u64) -> Result<()> {
        match self.device(id)? {
            None => self.read(buf, offset),
            Some(device) => read_inside(&**device.source()?, buf, offset),
        }
    }

    /// The device that a chunk calls `id`; none for the one space.
    fn device(&self, id: u16) -> Result<Option<&Device>> {
        let Some(index) = usize::from(id & self.mask).checked_sub(1) else {
            return Ok(None);
        };
        let unknown = || Error::corrupt(format!("device {id} is not in the device table"));
        self.others.get(index).map(Some).ok_or_else(unknown)
    }

    /// Blocks of all devices.
    pub(super) fn blocks(&self, superblock: &Superblock) -> u64 {
        let others = self.others.iter().map(|device| device.slot.blocks);
        others.fold(superblock.blocks, u64::saturating_add)
    }
}

/// Fills `buf` from byte `offset` of `source`. It is the image that asks for what is past the end,
/// not who reads it.
fn read_inside(source: &dyn Source, buf: &mut [u8], offset: u64) -> Result<()> {
    let size = source.size();
    let end = offset.checked_add(to_u64(buf.len()));
    if end.is_none_or(|end| end > size) {
        let text = format!("{} bytes are past the end of {size} bytes", buf.len());
        return Err(Error::corrupt(text).at(offset));
    }
    source.read_exact_at(buf, offset)
}

impl Device {
    fn source(&self) -> Result<&SharedSource> {
        self.source.as_ref().map_err(Clone::clone)
    }
}

impl Slot {
    fn of(raw: &RawDevice, superblock: &Superblock) -> Result<Self> {
        let wide = superblock.features.has(BITS_48);
        let high = |half: u16| if wide { u64::from(half) << 32 } else { 0 };
        let blocks = high(raw.blocks_hi.get()) | u64::from(raw.blocks_lo.get());
        let start = high(raw.uniaddr_hi.get()) | u64::from(raw.uniaddr_lo.get());
        let place = match start {
            0 => None,
            _ => Some((
                superblock.block_offset(start)?,
                superblock.block_offset(blocks)?,
            )),
        };
        let tag = raw.tag.split(|byte| *byte == 0).next().unwrap_or(&[]);
        Ok(Self {
            tag: tag.to_vec(),
            blocks,
            place,
        })
    }

    /// Its part of `first`, where that holds it.
    fn joined(&self, first: &SharedSource) -> Result<Option<SharedSource>> {
        match self.place {
            Some((start, size)) if self.is_in(&**first) => {
                Ok(Some(Arc::new(Window::new(first.clone(), start, size)?)))
            }
            _ => Ok(None),
        }
    }

    fn open(&self, first: &SharedSource, number: u64, context: &Context) -> Result<SharedSource> {
        if let Some(joined) = self.joined(first)? {
            return Ok(joined);
        }
        let named = |error: Error| error.context(format!("device {number}"));
        if self.tag.is_empty() {
            let text = format!(
                "another file of {} blocks, which the image does not name, holds data of its own",
                self.blocks
            );
            return Err(named(
                Error::not_found(text)
                    .hint("joined on behind the image, at its own block, it is found"),
            ));
        }
        context
            .file(&self.tag)
            .map_err(|error| named(error.context(printable(&self.tag))))
    }

    /// Whether the image holds it, so that no second file is wanted.
    pub(super) fn is_in(&self, first: &dyn Source) -> bool {
        let end = self.place.and_then(|(start, size)| start.checked_add(size));
        end.is_some_and(|end| end <= first.size())
    }
}

/// The device table of `superblock` on its first device.
///
/// # Errors
/// `Corrupt` where it does not lie in it.
pub(super) fn slots(first: &dyn Source, superblock: &Superblock) -> Result<Vec<Slot>> {
    if !superblock.features.has(DEVICE_TABLE) {
        return Ok(Vec::new());
    }
    let count = u64::from(superblock.raw.extra_devices.get());
    if count > MOST {
        let text = format!("extra_devices {count} is over {MOST}");
        return Err(Error::unsupported(text).at(PLACE));
    }
    let start = table(superblock);
    let len = count.saturating_mul(SLOT);
    let named = |error: Error| error.context(format!("device table of {count} devices"));
    if start.saturating_add(len) > first.size() {
        let text = format!("devt_slotoff: {len} bytes are past the end");
        return Err(named(Error::corrupt(text).at(start)));
    }
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let bytes = read_vec(first, start, len).map_err(named)?;
    let slots = <[RawDevice]>::ref_from_bytes(&bytes);
    let slots = slots.map_err(|_| Error::corrupt("device table").at(start))?;
    slots
        .iter()
        .map(|raw| Slot::of(raw, superblock).map_err(|error| error.at(start)))
        .collect()
}

/// Where the device table begins.
fn table(superblock: &Superblock) -> u64 {
    u64::from(superblock.raw.devt_slotoff.get()).saturating_mul(SLOT)
}

/// All bits that numbers up to `count` have.
fn mask(count: u16) -> u16 {
    match count {
        0 => 0,
        _ => u16::MAX.wrapping_shr(count.leading_zeros()),
    }
}
