//! RAID volumes: images that are arrays' members, and beside each a volume with what device-mapper
//! knows of it (drivers/md/dm-raid.c): whether it failed, or is only partly rebuilt, and where its
//! data begin: a reshape moves them over the room that LVM2 made at one end of each image, and they
//! stay where they are then.

use std::mem::offset_of;
use std::sync::Arc;

use zerocopy::FromBytes;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{Immutable, KnownLayout, Unaligned};

use super::super::raid::{Copies, Layout, Level, Rotation, Ten};
use super::kinds::Raid;
use super::layout::SECTOR;
use crate::error::{Error, Result, ResultExt};
use crate::number::to_u64;
use crate::source::window::Window;
use crate::source::{SharedSource, Source, read_vec};

/// `DM_RAID_MAGIC`, "DmRd".
const DM_RAID_MAGIC: u32 = 0x6452_6d44;

/// `SB_FLAG_RESHAPE_ACTIVE`, which counts where the extensions are there.
const SB_FLAG_RESHAPE_ACTIVE: u64 = 1;

/// `FEATURE_FLAG_SUPPORTS_V190`: the fields from `flags` on are there.
const FEATURE_FLAG_SUPPORTS_V190: u32 = 1;

/// `struct dm_raid_superblock`, as far as it says what state an image is in.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct DmRaidSuperblock {
    magic: U32,
    compat_features: U32,
    num_devices: U32,
    _array_position: U32,
    events: U64,
    failed_devices: U64,
    disk_recovery_offset: U64,
    _array_resync_offset: U64,
    _level: U32,
    _layout: U32,
    _stripe_sectors: U32,
    flags: U32,
    _reshape_position: U64,
    _new_level: U32,
    _new_layout: U32,
    _new_stripe_sectors: U32,
    _delta_disks: U32,
    _array_sectors: U64,
    /// In sectors.
    data_offset: U64,
    new_data_offset: U64,
}

/// What is known of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// How many images the array has.
    count: u64,
    events: u64,
    /// A bit for each image that failed.
    failed: u64,
    /// It has everything.
    is_whole: bool,
    flags: u64,
    /// The sector that its data begin at, and the one that they are to begin at.
    data_offset: u64,
    new_data_offset: u64,
}

/// What `meta` says of its image; `None` where it says nothing, as one that was never in use.
pub(super) fn state(meta: &dyn Source) -> Option<State> {
    let bytes = read_vec(meta, 0, 512).ok()?;
    let (superblock, _) = DmRaidSuperblock::read_from_prefix(&bytes).ok()?;
    if superblock.magic.get() != DM_RAID_MAGIC {
        return None;
    }
    let is_extended = superblock.compat_features.get() & FEATURE_FLAG_SUPPORTS_V190 != 0;
    let extension = |field: u64| if is_extended { field } else { 0 };
    Some(State {
        count: superblock.num_devices.get().into(),
        events: superblock.events.get(),
        failed: superblock.failed_devices.get(),
        is_whole: superblock.disk_recovery_offset.get() == u64::MAX,
        flags: extension(superblock.flags.get().into()),
        data_offset: extension(superblock.data_offset.get()),
        new_data_offset: extension(superblock.new_data_offset.get()),
    })
}

/// The images to read, each from its first byte of data on: none that failed, is being rebuilt or
/// was away, and none of which nobody knows where its data begin.
///
/// # Errors
/// `Unsupported` where the superblocks of these or the freshest, which is what the kernel goes by,
/// say of a reshape that is under way, or is not completed in the text; `Corrupt` for data behind an
/// image's end. Both with the field's byte of the volume that it stands in.
pub(super) fn to_read(
    raid: &Raid,
    level: Level,
    images: Vec<Option<SharedSource>>,
    states: &[Option<State>],
) -> Result<Vec<Option<SharedSource>>> {
    // `rs_is_reshapable`: the data of all other levels begin at 0.
    let is_reshapable = matches!(level, Level::Parity(..) | Level::Ten(_));
    let is_movable = is_reshapable && !raid.is_at_zero;
    let in_step = in_step(states, is_movable);
    let newest = newest(states);
    let mut to_read = Vec::new();
    let known = raid.images.iter().zip(states);
    for ((image, in_step), ((meta, _), state)) in images.into_iter().zip(in_step).zip(known) {
        let name = || meta.clone().unwrap_or_default();
        if let Some(state) = state.filter(|state| in_step || state.events == newest) {
            let count = is_reshapable.then_some(raid.images.len());
            state.check_settled(count, is_movable).context(name)?;
        }
        let image = image.filter(|_| in_step);
        to_read.push(match state.filter(|_| is_movable) {
            Some(state) => image.map(|it| state.data(it)).transpose().context(name)?,
            None => image,
        });
    }
    Ok(to_read)
}

impl State {
    /// That the array has `count` images, where that is to be so, and does not change its layout.
    fn check_settled(&self, count: Option<usize>, is_movable: bool) -> Result<()> {
        let refused = |text: String, field| Err(Error::unsupported(text).at(to_u64(field)));
        let (flags, data_offset, new) = (self.flags, self.data_offset, self.new_data_offset);
        if flags & SB_FLAG_RESHAPE_ACTIVE != 0 {
            let text = format!("flags is {flags:#x}: the array is being reshaped");
            return refused(text, offset_of!(DmRaidSuperblock, flags));
        }
        if let Some(count) = count.filter(|count| to_u64(*count) != self.count) {
            let text = format!(
                "num_devices is {}, and the text has {count} images",
                self.count
            );
            return refused(text, offset_of!(DmRaidSuperblock, num_devices));
        }
        if is_movable && data_offset != new {
            let text = format!("data_offset is {data_offset}, and is to be {new}");
            return refused(text, offset_of!(DmRaidSuperblock, data_offset));
        }
        Ok(())
    }

    /// `image` from its first byte of data on.
    fn data(&self, image: SharedSource) -> Result<SharedSource> {
        let (offset, size) = (self.data_offset, image.size());
        let start = offset.checked_mul(SECTOR).filter(|start| *start <= size);
        let start = start.ok_or_else(|| {
            let text = format!("data_offset is {offset}, and the image has {size} bytes");
            Error::corrupt(text).at(to_u64(offset_of!(DmRaidSuperblock, data_offset)))
        })?;
        let data = Window::new(image, start, size.saturating_sub(start))?;
        Ok(Arc::new(data))
    }
}

fn newest(states: &[Option<State>]) -> u64 {
    let events = states.iter().flatten().map(|state| state.events);
    events.max().unwrap_or(0)
}

/// Which of the images are in step. One that nothing is known of is, unless the data of others
/// begin elsewhere than at 0, where they may.
fn in_step(states: &[Option<State>], is_movable: bool) -> Vec<bool> {
    let known = || states.iter().flatten();
    let newest = newest(states);
    let freshest = known().filter(|state| state.events == newest);
    let failed = freshest.fold(0, |failed, state| failed | state.failed);
    let has_moved = is_movable && known().any(|state| state.data_offset != 0);
    let is_in_step = |(index, state): (usize, &Option<State>)| {
        let bit = u32::try_from(index)
            .ok()
            .and_then(|index| 1_u64.checked_shl(index));
        let has_failed = bit.is_some_and(|bit| failed & bit != 0);
        // As MD has it: one event less is no harm.
        let is_new = state.map_or(!has_moved, |it| {
            it.is_whole && it.events.saturating_add(1) >= newest
        });
        !has_failed && is_new
    };
    states.iter().enumerate().map(is_in_step).collect()
}

/// The level of the segment type, as LVM2 and device-mapper name it.
///
/// # Errors
/// `Unsupported` for a type that is not read; `Corrupt` for too few images.
pub(super) fn level(raid: &Raid) -> Result<Level> {
    use Rotation::*;
    let images = to_u64(raid.images.len());
    let five = |rotation| Ok(Level::Parity(raid.chunk, Layout::new(rotation, images, 1)?));
    let six = |rotation| Ok(Level::Parity(raid.chunk, Layout::new(rotation, images, 2)?));
    match raid.kind.as_str() {
        "raid0" | "raid0_meta" => Ok(Level::Striped(raid.chunk)),
        "raid1" => Ok(Level::Copied),
        "raid4" => five(ParityFirst),
        "raid5" | "raid5_ls" => five(LeftSymmetric),
        "raid5_la" => five(LeftAsymmetric),
        "raid5_ra" => five(RightAsymmetric),
        "raid5_rs" => five(RightSymmetric),
        "raid5_n" => five(ParityLast),
        "raid6" | "raid6_zr" => six(RotatingZeroRestart),
        "raid6_nr" => six(RotatingNRestart),
        "raid6_nc" => six(RotatingNContinue),
        "raid6_n_6" => six(ParityLast),
        "raid6_ls_6" => six(LeftSymmetric6),
        "raid6_la_6" => six(LeftAsymmetric6),
        "raid6_rs_6" => six(RightSymmetric6),
        "raid6_ra_6" => six(RightAsymmetric6),
        "raid6_0_6" => six(ParityFirst6),
        "raid10" | "raid10_near" if (1..=images).contains(&raid.copies) => {
            // Copies side by side have no section whose size would matter.
            let copies = Copies::near(raid.copies);
            Ok(Level::Ten(Ten::new(raid.chunk, images, copies, 0)?))
        }
        other => Err(Error::unsupported(format!(
            "segments of type {other} with {images} images are not supported"
        ))),
    }
}

/// How many images' worth of data there is.
pub(super) fn data_images(level: Level, images: usize) -> u64 {
    let images = to_u64(images);
    match level {
        Level::Striped(_) => images,
        Level::Copied => 1,
        Level::Parity(_, layout) => layout.data_disks(),
        Level::Ten(ten) => images.checked_div(ten.copies()).unwrap_or(1).max(1),
    }
}
