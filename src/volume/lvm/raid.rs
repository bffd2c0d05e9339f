//! RAID volumes: images that are arrays' members, and beside each a volume with what device-mapper
//! knows of it (drivers/md/dm-raid.c): whether it failed, or is only partly rebuilt.

use zerocopy::FromBytes;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{Immutable, KnownLayout, Unaligned};

use super::super::raid::{Copies, Layout, Level, Rotation, Ten};
use super::kinds::Raid;
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::{Source, read_vec};

/// `DM_RAID_MAGIC`, "DmRd".
const DM_RAID_MAGIC: u32 = 0x6452_6d44;

/// `SB_FLAG_RESHAPE_ACTIVE`, which counts where the extensions are there.
const SB_FLAG_RESHAPE_ACTIVE: u32 = 1;

/// `FEATURE_FLAG_SUPPORTS_V190`: the fields from `flags` on are there.
const FEATURE_FLAG_SUPPORTS_V190: u32 = 1;

/// `struct dm_raid_superblock`, as far as it says what state an image is in.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct DmRaidSuperblock {
    magic: U32,
    compat_features: U32,
    _num_devices: U32,
    _array_position: U32,
    events: U64,
    failed_devices: U64,
    disk_recovery_offset: U64,
    _array_resync_offset: U64,
    _level: U32,
    _layout: U32,
    _stripe_sectors: U32,
    flags: U32,
}

/// What is known of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    events: u64,
    /// A bit for each image that failed.
    failed: u64,
    /// It has everything.
    is_whole: bool,
    reshapes: bool,
}

/// What `meta` says of its image; `None` where it says nothing, as one that was never in use.
pub(super) fn state(meta: &dyn Source) -> Option<State> {
    let bytes = read_vec(meta, 0, 512).ok()?;
    let (superblock, _) = DmRaidSuperblock::read_from_prefix(&bytes).ok()?;
    if superblock.magic.get() != DM_RAID_MAGIC {
        return None;
    }
    let extended = superblock.compat_features.get() & FEATURE_FLAG_SUPPORTS_V190 != 0;
    Some(State {
        events: superblock.events.get(),
        failed: superblock.failed_devices.get(),
        is_whole: superblock.disk_recovery_offset.get() == u64::MAX,
        reshapes: extended && superblock.flags.get() & SB_FLAG_RESHAPE_ACTIVE != 0,
    })
}

/// Which of the images are in step: none that failed, is being rebuilt or was away.
///
/// # Errors
/// `Unsupported` where the array is being reshaped.
pub(super) fn in_step(states: &[Option<State>]) -> Result<Vec<bool>> {
    let known = || states.iter().flatten();
    if known().any(|state| state.reshapes) {
        return Err(Error::unsupported("it is being reshaped"));
    }
    let newest = known().map(|state| state.events).max().unwrap_or(0);
    let freshest = known().filter(|state| state.events == newest);
    let failed = freshest.fold(0, |failed, state| failed | state.failed);
    let is_in_step = |(index, state): (usize, &Option<State>)| {
        let bit = u32::try_from(index)
            .ok()
            .and_then(|index| 1_u64.checked_shl(index));
        let has_failed = bit.is_some_and(|bit| failed & bit != 0);
        // As MD has it: one event less is no harm.
        let is_new = state.is_none_or(|it| it.is_whole && it.events.saturating_add(1) >= newest);
        !has_failed && is_new
    };
    Ok(states.iter().enumerate().map(is_in_step).collect())
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
