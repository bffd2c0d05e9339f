//! Whether this is one, and what `info` says of it.

use zerocopy::FromBytes;

use super::boot_sector::{Geometry, Root, SLOT, plausible};
use super::entry::{DirectoryEntry, Use};
use super::floppy;
use super::layout::RawBootSector;
use super::table::{Table, Width};
use super::usage;
use crate::error::Result;
use crate::filesystem::Request;
use crate::filesystem::chain::Window;
use crate::format::{Description, Set};
use crate::number::to_usize;
use crate::source::{Source, read_vec};

/// Others that put a parameter block of FAT, or something like it, in front of their own.
const OTHERS: [&[u8; 8]; 4] = [b"NTFS    ", b"EXFAT   ", b"-FVE-FS-", b"ReFS\0\0\0\0"];

/// The same, where FAT has the name of its kind (OS/2).
const OTHER_KINDS: [&[u8; 8]; 2] = [b"JFS     ", b"HPFS    "];

/// BitLocker To Go, which is a small FAT to those who don't know it: its GUID, at byte 424.
const TO_GO: [u8; 8] = [0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a];

/// Clusters of the root directory that are looked through for the label.
const MOST_CLUSTERS: usize = 100;

/// Rules of a parameter block that have to hold where the rest of the sector says that it is FAT.
const ENOUGH: usize = 5;

/// A parameter block whose every field is possible, and one of: the name that most tools write, the
/// signature at the end of the sector, a FAT that begins as one does. The kernel asks for the
/// first alone; boot code of others passes that now and then. With name and signature a field or
/// two may be damaged, so that the volume is listed as what it is.
pub(super) fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let mut sector = [0; 512];
    if source.size() < 512 {
        return Ok(None);
    }
    source.read_exact_at(&mut sector, 0)?;
    let Ok(raw) = RawBootSector::ref_from_bytes(&sector) else {
        return Ok(None);
    };
    let is_signed = raw.signature == [0x55, 0xaa];
    let claimed = !is_other(&sector)
        && match Geometry::of(raw) {
            Ok(geometry) => is_named(&sector) || is_signed || has_media(source, raw, &geometry),
            Err(_) => is_named(&sector) && is_signed && plausible(raw) >= ENOUGH,
        };
    let claimed = claimed || floppy::geometry(source)?.is_some();
    Ok(claimed.then_some(Set::Alone))
}

fn is_other(sector: &[u8; 512]) -> bool {
    let name = |at: usize| sector.get(at..).and_then(|rest| rest.first_chunk::<8>());
    let is = |at, names: &[&[u8; 8]]| name(at).is_some_and(|name| names.contains(&name));
    is(3, &OTHERS) || is(54, &OTHER_KINDS) || name(424) == Some(&TO_GO)
}

fn is_named(sector: &[u8; 512]) -> bool {
    let has = |at: usize, text: &[u8]| sector.get(at..).is_some_and(|rest| rest.starts_with(text));
    let named = [&b"FAT12   "[..], b"FAT16   ", b"FAT     ", b"MSDOS"];
    let named_32 = [&b"FAT32   "[..], b"MSWIN"];
    named.iter().any(|name| has(54, name)) || named_32.iter().any(|name| has(82, name))
}

/// «FAT\[0\]» holds the media byte, and all other bits are set.
fn has_media(source: &dyn Source, raw: &RawBootSector, geometry: &Geometry) -> bool {
    let start = read_vec(source, geometry.fat_offset, 3).unwrap_or_default();
    start.first() == Some(&raw.BPB_Media) && start.get(1) == Some(&0xff)
}

/// Label, serial number and facts, as far as they can be read.
pub(super) fn describe(source: &dyn Source) -> Result<Description> {
    let geometry = Geometry::read(source)?;
    let label = label(source, &geometry);
    let label = label.or(geometry.label.filter(|label| label != b"NO NAME    "));
    Ok(Description {
        label: label.and_then(|label| trimmed(&label)),
        uuid: geometry.serial.map(serial),
        features: Vec::new(),
        facts: facts(source, &geometry),
        allocated: allocated(source, &geometry),
        ..Description::default()
    })
}

fn trimmed(label: &[u8; 11]) -> Option<Vec<u8>> {
    let end = label.iter().rposition(|byte| !matches!(byte, b' ' | 0))?;
    label.get(..=end).map(<[u8]>::to_vec)
}

/// As DOS and blkid spell it.
fn serial(number: u32) -> String {
    format!("{:04X}-{:04X}", number >> 16, number & 0xffff)
}

fn facts(source: &dyn Source, geometry: &Geometry) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("type", geometry.width.name().to_owned()),
        ("sector size", geometry.sector_size.to_string()),
        ("cluster size", geometry.cluster_size().to_string()),
        ("clusters", geometry.clusters.to_string()),
    ];
    if is_dirty(source, geometry) {
        facts.push(("state", "not clean".to_owned()));
    }
    facts
}

/// Whether the boot sector or «FAT\[1\]» says that the volume was not unmounted.
pub(super) fn is_dirty(source: &dyn Source, geometry: &Geometry) -> bool {
    let clean = match geometry.width {
        Width::Fat12 => return geometry.dirty,
        Width::Fat16 => (3, 0x80),
        Width::Fat32 => (7, 0x08),
    };
    let byte = geometry.fat_offset.saturating_add(clean.0);
    let byte = read_vec(source, byte, 1).ok();
    let byte = byte.and_then(|bytes| bytes.first().copied());
    geometry.dirty || byte.is_some_and(|byte| byte & clean.1 == 0)
}

/// Bytes in use, by the FAT, or on FAT32 by the FSInfo sector.
fn allocated(source: &dyn Source, geometry: &Geometry) -> Option<u64> {
    let free = match geometry.width {
        Width::Fat32 => usage::hint(source, geometry)?,
        Width::Fat12 | Width::Fat16 => usage::count(source, geometry),
    };
    let used = u64::from(geometry.clusters.saturating_sub(free));
    Some(used.saturating_mul(geometry.cluster_size()))
}

/// The label in the root directory.
fn label(source: &dyn Source, geometry: &Geometry) -> Option<[u8; 11]> {
    let request = Request::new(0);
    let table = Table { source, geometry };
    match geometry.root {
        Root::Fixed { offset, entries } => {
            let len = to_usize(entries.saturating_mul(SLOT));
            label_in(&read_vec(source, offset, len).ok()?).ok()
        }
        Root::Cluster(first) => {
            let (mut cluster, mut window) = (first, Window::default());
            for _ in 0..MOST_CLUSTERS {
                let offset = geometry.cluster_offset(cluster).ok()?;
                let left = source.size().saturating_sub(offset);
                let len = to_usize(geometry.cluster_size().min(left));
                match label_in(&read_vec(source, offset, len).ok()?) {
                    Ok(label) => return Some(label),
                    Err(true) => return None,
                    Err(false) => {}
                }
                cluster = table.value(&request, &mut window, cluster).ok()?;
            }
            None
        }
    }
}

/// The label among the entries in `bytes`; where there is none, whether the list ends there.
fn label_in(bytes: &[u8]) -> std::result::Result<[u8; 11], bool> {
    let (entries, _) = bytes.as_chunks::<32>();
    for entry in entries
        .iter()
        .filter_map(|entry| DirectoryEntry::new(entry))
    {
        match entry.purpose() {
            Use::Last => return Err(true),
            Use::Label if !entry.is_directory() => return Ok(entry.label()),
            _ => {}
        }
    }
    Err(false)
}
