//! El Torito: the images that a disc boots, as its boot catalogue lists them. What makes no sense in
//! there is left out: nothing but firmware reads it.

use std::sync::Arc;

use zerocopy::FromBytes;

use super::core::Session;
use super::layout::{RawBootEntry, RawBootHeader};
use super::record::SECTOR;
use crate::format::Volume;
use crate::number::to_usize;
use crate::source::window::Window;
use crate::source::{SharedSource, Source, read_vec};

/// Bytes of a catalogue that are looked at: 63 images and their headers.
const CATALOG: u64 = 2 * SECTOR;

/// What begins a record of the catalogue.
const VALIDATION: u8 = 1;
const BOOTABLE: u8 = 0x88;
const HEADER: u8 = 0x90;
const FINAL_HEADER: u8 = 0x91;
const EXTENSION: u8 = 0x44;

/// Platforms with a meaning.
const X86: u8 = 0;
const EFI: u8 = 0xef;

/// Bytes of a sector as boot catalogues count them.
const VIRTUAL: u64 = 512;

/// One image.
struct Image {
    platform: u8,
    entry: RawBootEntry,
}

/// Where an image lies: its name, first byte and bytes.
pub(super) type Place = (String, u64, u64);

/// The images of a session, and a line about each.
pub(super) fn images(source: &dyn Source, session: &Session) -> Vec<(Place, String)> {
    let Some(catalog) = session.descriptors.catalog else {
        return Vec::new();
    };
    let start = u64::from(catalog).saturating_mul(SECTOR);
    let len = source.size().saturating_sub(start).min(CATALOG);
    let bytes = read_vec(source, start, to_usize(len)).unwrap_or_default();
    let found = parse(&bytes).unwrap_or_default();
    let numbered = (1..).zip(found);
    let places = numbered.filter_map(|(number, image): (u32, Image)| image.place(source, number));
    places.collect()
}

/// The images of a session as volumes.
pub(super) fn volumes(source: &SharedSource, session: &Session) -> Vec<Volume> {
    let images = images(&**source, session).into_iter();
    let volumes = images.map(|((name, start, size), _)| Volume {
        name: format!("boot/{name}"),
        source: Window::new(source.clone(), start, size)
            .map(|window| -> SharedSource { Arc::new(window) }),
        location: Some((start, size)),
        partition: None,
    });
    volumes.collect()
}

/// The images that a catalogue lists; `None` where it is none.
fn parse(catalog: &[u8]) -> Option<Vec<Image>> {
    let (validation, mut rest) = RawBootHeader::read_from_prefix(catalog).ok()?;
    if validation.header_id != VALIDATION || validation.key != [0x55, 0xaa] {
        return None;
    }
    let mut images = Vec::new();
    rest = take(rest, validation.platform_id, 1, &mut images);
    while let Ok((header, behind)) = RawBootHeader::read_from_prefix(rest) {
        if !matches!(header.header_id, HEADER | FINAL_HEADER) {
            break;
        }
        let count = header.count.get();
        rest = take(behind, header.platform_id, count, &mut images);
        if header.header_id == FINAL_HEADER {
            break;
        }
    }
    Some(images)
}

/// Takes `count` entries of a section, and gives what is behind them.
fn take<'a>(entries: &'a [u8], platform: u8, count: u16, images: &mut Vec<Image>) -> &'a [u8] {
    let mut rest = entries;
    let mut left = count;
    while let Ok((entry, behind)) = RawBootEntry::read_from_prefix(rest) {
        let is_extension = entry.boot_indicator == EXTENSION;
        if left == 0 && !is_extension {
            break;
        }
        if !is_extension {
            left = left.saturating_sub(1);
            if matches!(entry.boot_indicator, 0 | BOOTABLE) && entry.load_rba.get() > 0 {
                images.push(Image { platform, entry });
            }
        }
        rest = behind;
    }
    rest
}

impl Image {
    fn place(&self, source: &dyn Source, number: u32) -> Option<(Place, String)> {
        let sector = u64::from(self.entry.load_rba.get());
        let start = sector.checked_mul(SECTOR)?;
        let left = source.size().checked_sub(start).filter(|left| *left > 0)?;
        let size = self
            .size(source, start)
            .clamp(VIRTUAL, left.max(VIRTUAL))
            .min(left);
        let (platform, word) = match self.platform {
            X86 => ("x86", "x86"),
            1 => ("PowerPC", "ppc"),
            2 => ("Macintosh", "mac"),
            EFI => ("EFI", "efi"),
            _ => ("an unknown platform", "other"),
        };
        let name = format!("{number}-{word}");
        let bootable = match self.entry.boot_indicator {
            BOOTABLE => "",
            _ => ", not bootable",
        };
        let media = self.media();
        let note =
            format!("{platform}, {media}, {size} bytes at sector {sector}{bootable}: boot/{name}");
        Some(((name, start, size), note))
    }

    fn media(&self) -> &'static str {
        match self.entry.media_type & 0x0f {
            0 => "no emulation",
            1 => "floppy of 1.2 MB",
            2 => "floppy of 1.44 MB",
            3 => "floppy of 2.88 MB",
            4 => "hard disk",
            _ => "unknown media",
        }
    }

    /// Bytes of the image. The catalogue has those that firmware loads at first, which is less for a
    /// boot loader, and nothing or one sector for what goes up to the end.
    fn size(&self, source: &dyn Source, start: u64) -> u64 {
        let loaded = u64::from(self.entry.sector_count.get()).saturating_mul(VIRTUAL);
        let head = head(source, start);
        match self.entry.media_type & 0x0f {
            1 => 1_228_800,
            2 => 1_474_560,
            3 => 2_949_120,
            4 => end_of_first_partition(&head).unwrap_or(loaded).max(loaded),
            _ => {
                let known = info_table(&head, start).or_else(|| fat_size(&head));
                match known {
                    Some(known) => known.max(loaded),
                    None if self.platform == EFI && loaded <= VIRTUAL => u64::MAX,
                    None => loaded.max(SECTOR),
                }
            }
        }
    }
}

/// The first sector of an image, as far as it is there.
fn head(source: &dyn Source, start: u64) -> Vec<u8> {
    let len = source.size().saturating_sub(start).min(VIRTUAL);
    read_vec(source, start, to_usize(len)).unwrap_or_default()
}

fn le16(head: &[u8], at: usize) -> Option<u64> {
    let bytes = head.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes).into())
}

fn le32(head: &[u8], at: usize) -> Option<u64> {
    let bytes = head.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes).into())
}

/// The length that `-boot-info-table` puts into a loader, behind the sectors of the volume
/// descriptor and of the loader itself.
fn info_table(head: &[u8], start: u64) -> Option<u64> {
    let is_own = le32(head, 8)? == 16 && le32(head, 12)?.saturating_mul(SECTOR) == start;
    le32(head, 16).filter(|_| is_own)
}

/// The size of a FAT file system by its parameter block.
fn fat_size(head: &[u8]) -> Option<u64> {
    let sector = le16(head, 11).filter(|size| matches!(size, 512 | 1024 | 2048 | 4096))?;
    let is_fat = head.get(13)?.is_power_of_two() && matches!(head.get(16)?, 1 | 2);
    let count = le16(head, 19)?.max(le32(head, 32)?);
    Some(count.saturating_mul(sector)).filter(|size| is_fat && *size > 0)
}

/// Where the first partition ends, which is all that an emulated hard disk may have.
fn end_of_first_partition(head: &[u8]) -> Option<u64> {
    let is_mbr = head.get(510..512)? == [0x55, 0xaa];
    let end = le32(head, 446 + 8)?.saturating_add(le32(head, 446 + 12)?);
    Some(end.saturating_mul(VIRTUAL)).filter(|size| is_mbr && *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::to_u64;
    use crate::source::Memory;

    fn entry(indicator: u8, media: u8, count: u16, sector: u32) -> Vec<u8> {
        let mut bytes = vec![indicator, media, 0, 0, 0, 0];
        bytes.extend(count.to_le_bytes());
        bytes.extend(sector.to_le_bytes());
        bytes.resize(32, 0);
        bytes
    }

    fn header(id: u8, platform: u8, count: u16) -> Vec<u8> {
        let mut bytes = vec![id, platform];
        bytes.extend(count.to_le_bytes());
        bytes.resize(30, 0);
        bytes.extend([0x55, 0xaa]);
        bytes
    }

    fn listed(catalog: &[u8]) -> Option<Vec<(u8, u32)>> {
        let images = parse(catalog)?;
        let listed = images
            .iter()
            .map(|image| (image.platform, image.entry.load_rba.get()));
        Some(listed.collect())
    }

    #[test]
    fn the_default_entry_and_sections_with_extensions() {
        let catalog = [
            header(1, 0, 0),
            entry(0x88, 0, 4, 30),
            header(0x90, 0xef, 2),
            entry(0x88, 0, 1, 40),
            entry(0x44, 0, 0, 0),
            entry(0, 0, 1, 41),
            header(0x91, 2, 1),
            entry(0x88, 0, 1, 50),
            header(0x91, 3, 1),
        ];
        let expected = vec![(0, 30), (0xef, 40), (0xef, 41), (2, 50)];
        assert_eq!(listed(&catalog.concat()), Some(expected));
    }

    #[test]
    fn garbage_is_no_catalogue_and_an_entry_of_it_no_image() {
        assert_eq!(listed(&[0xee; 4096]), None);
        assert_eq!(listed(b"\x01"), None);
        let catalog = [header(1, 0, 0), entry(7, 0, 4, 30), vec![0x90; 4096]].concat();
        assert_eq!(listed(&catalog), Some(vec![]));
        let many = [
            header(1, 0, 0),
            entry(0x88, 0, 4, 30),
            header(0x90, 0, u16::MAX),
        ]
        .concat();
        assert_eq!(listed(&many), Some(vec![(0, 30)]));
    }

    #[test]
    fn how_large_images_are() {
        let mut disc = vec![0; 64 << 10];
        let size = |disc: &[u8], platform, media, count| {
            let source = Memory(disc.to_vec());
            let raw = entry(0x88, media, count, 1);
            let (entry, _) = RawBootEntry::read_from_prefix(&raw).unwrap();
            let image = Image { platform, entry };
            image.place(&source, 1).map(|((_, _, size), _)| size)
        };
        let rest = to_u64(disc.len()) - SECTOR;
        assert_eq!(size(&disc, X86, 0, 4), Some(2048));
        assert_eq!(size(&disc, X86, 0, 0), Some(2048));
        assert_eq!(size(&disc, EFI, 0, 1), Some(rest));
        assert_eq!(size(&disc, EFI, 0, 8), Some(4096));
        assert_eq!(size(&disc, X86, 2, 1), Some(rest));
        disc[2048 + 8..][..12].copy_from_slice(&[16, 0, 0, 0, 1, 0, 0, 0, 0x10, 0x27, 0, 0]);
        assert_eq!(size(&disc, X86, 0, 4), Some(10_000));
        disc[2048 + 12] = 9;
        disc[2048 + 11..][..10].copy_from_slice(&[0, 2, 1, 1, 0, 2, 0, 0, 64, 0]);
        assert_eq!(size(&disc, EFI, 0, 0), Some(64 * 512));
    }
}
