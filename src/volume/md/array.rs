//! The array that a superblock describes, once its numbers have been looked at.

use std::num::NonZeroU64;

use super::super::raid::{Copies, Layout, Level, Order, Rotation, Ten};
use super::field::Field;
use super::superblock::{Superblock, Version};
use crate::error::{Error, Result};

/// `LEVEL_LINEAR`, and those that hold no data of their own.
const LEVEL_LINEAR: i32 = -1;
const LEVEL_MULTIPATH: i32 = -4;
const LEVEL_FAULTY: i32 = -5;

/// Places that a superblock has room for: `MD_SB_DISKS`, and roles in 4 KiB.
const MOST_OLD: u32 = 27;
const MOST_NEW: u32 = 1920;

/// An array whose numbers make sense.
#[derive(Clone, Copy, Debug)]
pub(super) struct Array {
    pub(super) shape: Shape,
    pub(super) disks: u32,
}

/// How its bytes lie on its members.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// One behind the other, each cut to whole chunks.
    Linear(NonZeroU64),
    /// RAID 0 over members that need not have the same size.
    Striped(NonZeroU64, Order),
    /// Members of which each uses so many bytes; and the array's size.
    Same { level: Level, used: u64, size: u64 },
}

impl Array {
    /// # Errors
    /// `Corrupt`, naming the field and its byte of the member; `Unsupported` for a level that has no
    /// data, and where the array is being reshaped.
    pub(super) fn new(superblock: &Superblock) -> Result<Self> {
        check_reshape(superblock)?;
        let disks = superblock.disks;
        let most = match superblock.version {
            Version::Old { .. } => MOST_OLD,
            Version::New(_) => MOST_NEW,
        };
        if disks == 0 || disks > most {
            let text = format!("raid_disks is {disks} and should be 1 to {most}");
            return Err(superblock.blame(Field::Disks, Error::corrupt(text)));
        }
        let shape = shape(superblock)?;
        Ok(Self { shape, disks })
    }
}

fn shape(superblock: &Superblock) -> Result<Shape> {
    let at = |field| move |error: Error| superblock.blame(field, error);
    let same = |level, used, size| same(superblock, level, used, size).map_err(at(Field::Size));
    match superblock.level {
        LEVEL_LINEAR => Ok(Shape::Linear(rounding(superblock)?)),
        0 => Ok(Shape::Striped(sectors(superblock)?, order(superblock)?)),
        1 => same(Level::Copied, superblock.size, Some(superblock.size)),
        4..=6 => {
            let chunk = power(superblock)?;
            let layout = parity_layout(superblock)?;
            let used = whole(superblock.size, chunk);
            let size = used.checked_mul(layout.data_disks());
            same(Level::Parity(chunk, layout), used, size)
        }
        10 => {
            let chunk = power(superblock)?;
            let used = whole(superblock.size, chunk);
            let disks = superblock.disks.into();
            let ten = Ten::new(chunk, disks, copies(superblock)?, used);
            let ten = ten.map_err(at(Field::Layout))?;
            same(Level::Ten(ten), used, Some(ten.array_size(used)))
        }
        level @ (LEVEL_MULTIPATH | LEVEL_FAULTY) => {
            let text = format!("arrays of level {} are not supported", level_name(level));
            Err(superblock.blame(Field::Level, Error::unsupported(text)))
        }
        level => {
            let text = format!("level is {level}");
            Err(superblock.blame(Field::Level, Error::corrupt(text)))
        }
    }
}

/// Members of which each uses `used` bytes, which make an array of `size`, where that can be.
fn same(superblock: &Superblock, level: Level, used: u64, size: Option<u64>) -> Result<Shape> {
    if used == 0 {
        let text = format!("size {} is less than a chunk", superblock.size);
        return Err(Error::corrupt(text));
    }
    let no_size = || Error::corrupt("size of the members gives the array no size");
    let size = size.filter(|size| *size > 0).ok_or_else(no_size)?;
    Ok(Shape::Same { level, used, size })
}

/// An array that is reshaped is in two shapes at once.
fn check_reshape(superblock: &Superblock) -> Result<()> {
    let Some(reshape) = superblock.reshape else {
        return Ok(());
    };
    let (from, to) = (level_name(superblock.level), level_name(reshape.level));
    let more = reshape.more_disks;
    let text = format!(
        "it is being reshaped from {from} to {to} with {more:+} members, at byte {} of it",
        reshape.position
    );
    let error = superblock.blame(Field::Reshape, Error::unsupported(text));
    Err(error.hint("the system that it is from finishes that"))
}

/// The chunk size, in whole sectors.
fn sectors(superblock: &Superblock) -> Result<NonZeroU64> {
    let chunk = superblock.chunk;
    let whole = NonZeroU64::new(chunk).filter(|chunk| chunk.get() & 511 == 0);
    whole.ok_or_else(|| {
        let error = Error::corrupt(format!("chunk size is {chunk} bytes"));
        superblock.blame(Field::Chunk, error)
    })
}

/// The chunk size of a level that needs a power of two.
fn power(superblock: &Superblock) -> Result<NonZeroU64> {
    let chunk = sectors(superblock)?;
    if chunk.is_power_of_two() {
        return Ok(chunk);
    }
    let text = format!("chunk size is {chunk} bytes, which is no power of two");
    Err(superblock.blame(Field::Chunk, Error::corrupt(text)))
}

fn whole(size: u64, chunk: NonZeroU64) -> u64 {
    (size / chunk).saturating_mul(chunk.get())
}

/// Members of a linear array are cut to whole chunks where it has any.
fn rounding(superblock: &Superblock) -> Result<NonZeroU64> {
    match superblock.chunk {
        0 => Ok(NonZeroU64::MIN),
        _ => sectors(superblock),
    }
}

/// `RAID0_ORIG_LAYOUT` and `RAID0_ALT_MULTIZONE_LAYOUT` of drivers/md/raid0.h.
fn order(superblock: &Superblock) -> Result<Order> {
    match superblock.layout {
        None | Some(0) => Ok(Order::Unknown),
        Some(1) => Ok(Order::Original),
        Some(2) => Ok(Order::Alternate),
        Some(other) => {
            let error = Error::corrupt(format!("layout of raid0 is {other}"));
            Err(superblock.blame(Field::Layout, error))
        }
    }
}

/// `ALGORITHM_…` of drivers/md/raid5.h. RAID 4 has parity on the last member, whatever it says.
fn parity_layout(superblock: &Superblock) -> Result<Layout> {
    use Rotation::*;
    let number = superblock.layout.unwrap_or_default();
    let parities = if superblock.level == 6 { 2 } else { 1 };
    let rotation = match (superblock.level, number) {
        (4, _) => ParityLast,
        (_, 0) => LeftAsymmetric,
        (_, 1) => RightAsymmetric,
        (_, 2) => LeftSymmetric,
        (_, 3) => RightSymmetric,
        (_, 4) => ParityFirst,
        (_, 5) => ParityLast,
        (6, 8) => RotatingZeroRestart,
        (6, 9) => RotatingNRestart,
        (6, 10) => RotatingNContinue,
        (6, 16) => LeftAsymmetric6,
        (6, 17) => RightAsymmetric6,
        (6, 18) => LeftSymmetric6,
        (6, 19) => RightSymmetric6,
        (6, 20) => ParityFirst6,
        (level, other) => {
            let error = Error::corrupt(format!("layout of raid{level} is {other}"));
            return Err(superblock.blame(Field::Layout, error));
        }
    };
    let layout = Layout::new(rotation, superblock.disks.into(), parities);
    layout.map_err(|error| superblock.blame(Field::Disks, error))
}

/// As setup_geo() of drivers/md/raid10.c takes `layout` apart.
fn copies(superblock: &Superblock) -> Result<Copies> {
    let layout = superblock.layout.unwrap_or_default();
    let (near, far) = (u64::from(layout & 0xff), u64::from(layout >> 8 & 0xff));
    let disks = u64::from(superblock.disks);
    let set = match layout >> 17 {
        0 => None,
        1 => disks.checked_div(far),
        2 => near.checked_mul(far),
        _ => {
            let error = Error::corrupt(format!("layout of raid10 is {layout:#x}"));
            return Err(superblock.blame(Field::Layout, error));
        }
    };
    Ok(Copies {
        near,
        far,
        has_offset: layout & 1 << 16 != 0,
        set,
    })
}

/// A level as mdadm names it.
pub(super) fn level_name(level: i32) -> String {
    match level {
        LEVEL_LINEAR => "linear".to_owned(),
        LEVEL_MULTIPATH => "multipath".to_owned(),
        LEVEL_FAULTY => "faulty".to_owned(),
        level => format!("raid{level}"),
    }
}

/// A layout as mdadm names it, where the level has any.
pub(super) fn layout_name(superblock: &Superblock) -> Option<String> {
    let number = superblock.layout?;
    let name = match (superblock.level, number) {
        (0, 1) => "original",
        (0, 2) => "alternate",
        (5 | 6, 0) => "left-asymmetric",
        (5 | 6, 1) => "right-asymmetric",
        (5 | 6, 2) => "left-symmetric",
        (5 | 6, 3) => "right-symmetric",
        (5 | 6, 4) => "parity-first",
        (5 | 6, 5) => "parity-last",
        (6, 8) => "ddf-zero-restart",
        (6, 9) => "ddf-N-restart",
        (6, 10) => "ddf-N-continue",
        (6, 16) => "left-asymmetric-6",
        (6, 17) => "right-asymmetric-6",
        (6, 18) => "left-symmetric-6",
        (6, 19) => "right-symmetric-6",
        (6, 20) => "parity-first-6",
        (10, _) => return Some(ten_name(number)),
        (0 | 5 | 6, other) => return Some(other.to_string()),
        _ => return None,
    };
    Some(name.to_owned())
}

fn ten_name(layout: u32) -> String {
    let (near, far) = (layout & 0xff, layout >> 8 & 0xff);
    let far_word = match layout & 1 << 16 {
        0 => "far",
        _ => "offset",
    };
    let mut words = vec![format!("near={near}"), format!("{far_word}={far}")];
    if far == 1 {
        words.pop();
    } else if near == 1 {
        words.remove(0);
    }
    if layout >> 17 != 0 {
        words.push("in sets".to_owned());
    }
    words.join(", ")
}
