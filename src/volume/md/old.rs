//! Superblocks of version 0.90, in the byte order of the machine that wrote them.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::layout::{
    MD_DISK_FAULTY, MD_DISK_REMOVED, MD_DISK_SYNC, MD_SB_CLEAN, MdpDisk, MdpSuper,
};
use super::superblock::{Reshape, Role, Superblock, Uuid, Version, check_sum, checksum};
use crate::error::Error;
use crate::number::to_u64;

/// The first of `sb_csum`'s bytes.
const SB_CSUM: usize = offset_of!(MdpSuper, sb_csum);

/// The superblock in `bytes`, which are those at byte `at`; `None` for one of another major version.
pub(super) fn parse(bytes: &[u8], is_big: bool, at: u64) -> Option<Superblock> {
    let mut bytes = bytes.to_vec();
    if is_big {
        bytes
            .as_chunks_mut::<4>()
            .0
            .iter_mut()
            .for_each(|word| word.reverse());
    }
    let (sb, _) = MdpSuper::ref_from_prefix(&bytes).ok()?;
    if sb.major_version.get() != 0 {
        return None;
    }
    let [first, second] = sb.events.map(|word| u64::from(word.get()));
    let (low, high) = if is_big {
        (second, first)
    } else {
        (first, second)
    };
    let number = sb.this_disk.number.get();
    // 0.91 is what it becomes while it is reshaped.
    let is_reshaped = sb.minor_version.get() >= 91;
    let at_the_end = sb
        .reshape_position
        .iter()
        .all(|word| word.get() == u32::MAX);
    let reshape = Reshape {
        position: 0,
        level: sb.new_level.get(),
        more_disks: sb.delta_disks.get(),
    };
    Some(Superblock {
        version: Version::Old { is_big },
        place: at,
        set: uuid(sb),
        device: None,
        name: None,
        minor: Some(sb.md_minor.get()),
        created: sb.ctime.get().into(),
        level: sb.level.get(),
        layout: (sb.level.get() != 0).then(|| sb.layout.get()),
        chunk: sb.chunk_size.get().into(),
        disks: sb.raid_disks.get(),
        size: u64::from(sb.size.get()).saturating_mul(1024),
        reshape: (is_reshaped && !at_the_end).then_some(reshape),
        features: 0,
        events: high << 32 | low,
        is_clean: sb.state.get() & MD_SB_CLEAN != 0,
        roles: sb.disks.iter().map(role).collect(),
        number,
        data: (0, at),
        recovered: None,
        is_replacement: false,
        bad_blocks: None,
        damage: damage(sb, &bytes, at),
    })
}

fn uuid(sb: &MdpSuper) -> Uuid {
    let words = [sb.set_uuid0, sb.set_uuid1, sb.set_uuid2, sb.set_uuid3];
    let mut uuid = [0; 16];
    let (chunks, _) = uuid.as_chunks_mut::<4>();
    for (chunk, word) in chunks.iter_mut().zip(words) {
        *chunk = word.get().to_be_bytes();
    }
    Uuid(uuid)
}

/// One that is not in step is on its way, and nobody says how far.
fn role(disk: &MdpDisk) -> Role {
    match disk.state.get() {
        state if state & (MD_DISK_FAULTY | MD_DISK_REMOVED) != 0 => Role::Faulty,
        state if state & MD_DISK_SYNC != 0 => Role::Active(disk.raid_disk.get()),
        _ => Role::Spare,
    }
}

fn damage(sb: &MdpSuper, bytes: &[u8], at: u64) -> Option<Error> {
    let minor = sb.minor_version.get();
    if !(90..=91).contains(&minor) {
        let place = at.saturating_add(to_u64(offset_of!(MdpSuper, minor_version)));
        return Some(Error::unsupported(format!("minor_version is {minor}")).at(place));
    }
    let mut summed = bytes.to_vec();
    if let Some(field) = summed.get_mut(SB_CSUM..).and_then(|rest| rest.get_mut(..4)) {
        field.fill(0);
    }
    let place = at.saturating_add(to_u64(SB_CSUM));
    check_sum(sb.sb_csum.get(), checksum(&summed), place)
}
