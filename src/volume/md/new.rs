//! Superblocks of version 1: 1.0 near the end, 1.1 at the start, 1.2 in the second 4 KiB.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::layout::{
    MD_DISK_ROLE_FAULTY, MD_DISK_ROLE_JOURNAL, MD_DISK_ROLE_MAX, MD_FEATURE_BAD_BLOCKS,
    MD_FEATURE_RAID0_LAYOUT, MD_FEATURE_RECOVERY_OFFSET, MD_FEATURE_REPLACEMENT,
    MD_FEATURE_RESHAPE_ACTIVE, MD_FEATURES, MD_SB_BYTES, MdpSuperblock1, SECTOR,
};
use super::superblock::{BadBlocks, Reshape, Role, Superblock, Uuid, Version, check_sum, checksum};
use crate::error::{Error, Result};
use crate::number::to_u64;

/// Bytes before `dev_roles`.
const HEAD: usize = size_of::<MdpSuperblock1>();

/// The first of `sb_csum`'s bytes.
const SB_CSUM: usize = offset_of!(MdpSuperblock1, sb_csum);

/// The superblock of version 1.`minor` in `bytes`, which are those at byte `at`; `None` for one of
/// another major version, and for one that was written for another place: that of a partition at
/// the end of a disk is not the disk's.
pub(super) fn parse(bytes: &[u8], minor: u8, at: u64) -> Option<Superblock> {
    let (sb, _) = MdpSuperblock1::ref_from_prefix(bytes).ok()?;
    let is_here = sb.super_offset.get().checked_mul(SECTOR) == Some(at);
    if sb.major_version.get() != 1 || !is_here {
        return None;
    }
    let roles = roles(sb, bytes);
    let (roles, damage) = match roles {
        Ok(roles) => (roles, damage(sb, bytes, at)),
        Err(error) => {
            let place = at.saturating_add(to_u64(offset_of!(MdpSuperblock1, max_dev)));
            (Vec::new(), Some(error.at(place)))
        }
    };
    let features = sb.feature_map.get();
    let has = |feature| features & feature != 0;
    let number = sb.dev_number.get();
    let is_journal = usize::try_from(number)
        .ok()
        .and_then(|number| roles.get(number))
        .is_some_and(|role| *role == Role::Journal);
    let recovered = has(MD_FEATURE_RECOVERY_OFFSET) || is_journal;
    let is_said = sb.level.get() != 0 || has(MD_FEATURE_RAID0_LAYOUT);
    Some(Superblock {
        version: Version::New(minor),
        place: at,
        set: Uuid(sb.set_uuid),
        device: Some(Uuid(sb.device_uuid)),
        name: Some(name(sb)),
        minor: None,
        // The upper bits are microseconds (`MD_SUPERBLOCK_1_TIME_SEC_MASK`).
        created: sb.ctime.get() & 0xff_ffff_ffff,
        level: sb.level.get(),
        layout: is_said.then(|| sb.layout.get()),
        chunk: u64::from(sb.chunksize.get()).saturating_mul(SECTOR),
        disks: sb.raid_disks.get(),
        size: sb.size.get().saturating_mul(SECTOR),
        reshape: has(MD_FEATURE_RESHAPE_ACTIVE).then(|| Reshape {
            position: sb.reshape_position.get().saturating_mul(SECTOR),
            level: sb.new_level.get(),
            more_disks: sb.delta_disks.get(),
        }),
        features,
        events: sb.events.get(),
        is_clean: sb.resync_offset.get() == u64::MAX,
        roles,
        number,
        data: (
            sb.data_offset.get().saturating_mul(SECTOR),
            sb.data_size.get().saturating_mul(SECTOR),
        ),
        recovered: recovered.then(|| sb.recovery_offset.get().saturating_mul(SECTOR)),
        is_replacement: has(MD_FEATURE_REPLACEMENT),
        bad_blocks: has(MD_FEATURE_BAD_BLOCKS).then(|| bad_blocks(sb, at)),
        damage,
    })
}

fn name(sb: &MdpSuperblock1) -> Vec<u8> {
    let bytes = sb.set_name.iter().copied();
    bytes.take_while(|byte| *byte != 0).collect()
}

/// The bytes that `max_dev` says are its own.
fn own<'a>(sb: &MdpSuperblock1, bytes: &'a [u8]) -> Result<&'a [u8]> {
    let max_dev = sb.max_dev.get();
    let len = u64::from(max_dev).saturating_mul(2);
    let len = usize::try_from(len)
        .ok()
        .and_then(|len| len.checked_add(HEAD));
    let own = len.and_then(|len| bytes.get(..len));
    own.ok_or_else(|| {
        let text = format!("max_dev {max_dev} is more than {MD_SB_BYTES} bytes have room for");
        Error::corrupt(text)
    })
}

fn roles(sb: &MdpSuperblock1, bytes: &[u8]) -> Result<Vec<Role>> {
    let own = own(sb, bytes)?.get(HEAD..).unwrap_or(&[]);
    let (roles, _) = own.as_chunks::<2>();
    let role = |bytes: &[u8; 2]| match u16::from_le_bytes(*bytes) {
        MD_DISK_ROLE_FAULTY => Role::Faulty,
        MD_DISK_ROLE_JOURNAL => Role::Journal,
        place if place < MD_DISK_ROLE_MAX => Role::Active(place.into()),
        _ => Role::Spare,
    };
    Ok(roles.iter().map(role).collect())
}

fn damage(sb: &MdpSuperblock1, bytes: &[u8], at: u64) -> Option<Error> {
    let mut summed = own(sb, bytes).ok()?.to_vec();
    if let Some(field) = summed.get_mut(SB_CSUM..).and_then(|rest| rest.get_mut(..4)) {
        field.fill(0);
    }
    let place = at.saturating_add(to_u64(SB_CSUM));
    let error = check_sum(sb.sb_csum.get(), checksum(&summed), place);
    let unknown = sb
        .feature_map
        .get()
        .checked_shr(u32::try_from(MD_FEATURES.len()).ok()?);
    error.or_else(|| {
        let map = sb.feature_map.get();
        let text = format!("feature_map {map:#x} has bits that are not known");
        let place = at.saturating_add(to_u64(offset_of!(MdpSuperblock1, feature_map)));
        (unknown != Some(0)).then(|| Error::unsupported(text).at(place))
    })
}

fn bad_blocks(sb: &MdpSuperblock1, at: u64) -> BadBlocks {
    let offset = sb.bblog_offset.get();
    let bytes = i64::from(offset).saturating_mul(512);
    BadBlocks {
        offset,
        at: at.checked_add_signed(bytes),
        len: sb.bblog_size.get(),
        shift: sb.bblog_shift,
    }
}
