//! A partition's place on its disk, as the Linux kernel takes it: one that ends past the disk is
//! cut, one that starts there is listed and cannot be read.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::{Notices, Partition, Volume};
use crate::source::SharedSource;
use crate::source::window::Window;

/// How many overlaps are named; one partition over all others gives one each.
const MOST_OVERLAPS: usize = 16;

/// The partition `partition` at `start`, `len` bytes long, of `disk`. `scheme` is for notices.
pub(super) fn volume(
    disk: &SharedSource,
    (start, len): (u64, u64),
    partition: Partition,
    scheme: &str,
    notices: &Notices,
) -> Volume {
    let name = format!("p{}", partition.number);
    let end = start.saturating_add(len);
    let size = disk.size();
    if start < size && end > size {
        let cut = end.saturating_sub(size);
        notices.add(format!(
            "{scheme}: {name} ends {cut} bytes past the end of the disk and is cut there"
        ));
    }
    Volume {
        source: window(disk, start, end.min(size)),
        name,
        location: Some((start, len)),
        partition: Some(partition),
    }
}

/// A partition that is listed with its reason and has no bytes.
pub(super) fn unreadable(partition: Partition, error: Error) -> Volume {
    Volume {
        name: format!("p{}", partition.number),
        source: Err(error),
        location: None,
        partition: Some(partition),
    }
}

fn window(disk: &SharedSource, start: u64, end: u64) -> Result<SharedSource> {
    match end.checked_sub(start) {
        Some(len) if len > 0 => Ok(Arc::new(Window::new(disk.clone(), start, len)?)),
        _ => Err(Error::corrupt(format!(
            "starts past the end of the disk of {} bytes",
            disk.size()
        ))
        .at(start)),
    }
}

/// Says which partitions share bytes; one that only holds others is not meant, nor one that begins
/// with the table itself, as that of a hybrid disc does for the whole of it.
pub(super) fn note_overlaps(volumes: &[Volume], scheme: &str, notices: &Notices) {
    let is_container = |volume: &&Volume| {
        let partition = volume.partition.as_ref();
        partition.is_some_and(|partition| partition.container)
    };
    let mut ranges: Vec<(u64, u64, &str)> = volumes
        .iter()
        .filter(|volume| !is_container(volume))
        .filter_map(|volume| {
            let (start, len) = volume.location.filter(|(start, _)| *start > 0)?;
            Some((start, start.saturating_add(len), volume.name.as_str()))
        })
        .collect();
    ranges.sort_unstable();
    let mut named: usize = 0;
    let mut furthest: Option<(u64, &str)> = None;
    for (start, end, name) in ranges {
        if let Some((reached, other)) = furthest
            && start < reached
            && named < MOST_OVERLAPS
        {
            named = named.saturating_add(1);
            notices.add(format!("{scheme}: {name} overlaps {other}"));
        }
        if furthest.is_none_or(|(reached, _)| end > reached) {
            furthest = Some((end, name));
        }
    }
}
