//! What formats without a reader say of themselves in a few bytes: label and UUID as libblkid has
//! them, and what somebody needs to know who opens them with another tool.

use super::View;
use crate::format::Description;

const KIB: u64 = 1024;

/// Nothing.
pub(super) fn nothing(_: &View<'_>) -> Description {
    Description::default()
}

/// 16 bytes as a UUID; zeros are none.
fn uuid(view: &View<'_>, at: u64) -> Option<String> {
    let bytes: [u8; 16] = view.bytes(at);
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let groups = [0..4, 4..6, 6..8, 8..10, 10..16];
    let groups = groups.map(|group| digits.get(group).unwrap_or_default().concat());
    (bytes != [0; 16]).then(|| groups.join("-"))
}

/// Text of up to `len` bytes, to the first zero and without the blanks at its end.
fn text(view: &View<'_>, at: u64, len: usize) -> Option<Vec<u8>> {
    let mut bytes = view.read(at, len);
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    let bytes = bytes.trim_ascii_end().to_vec();
    (!bytes.is_empty()).then_some(bytes)
}

/// A label of `len` bytes and a UUID.
fn named(view: &View<'_>, (label, len): (u64, usize), id: u64) -> Description {
    Description {
        label: text(view, label, len),
        uuid: uuid(view, id),
        ..Description::default()
    }
}

fn only_label(label: Option<Vec<u8>>) -> Description {
    Description {
        label,
        ..Description::default()
    }
}

fn only_uuid(uuid: Option<String>) -> Description {
    Description {
        uuid,
        ..Description::default()
    }
}

/// `union swap_header` (linux/swap.h): the pages that it counts are of the size at whose end its
/// magic is, but these fields are always here. The first format has them not.
pub(super) fn swap(view: &View<'_>) -> Description {
    let is_second = view.le32(1024) == 1 || view.be32(1024) == 1;
    match is_second {
        true => named(view, (1024 + 28, 16), 1024 + 12),
        false => Description::default(),
    }
}

pub(super) fn xfs(view: &View<'_>) -> Description {
    named(view, (108, 12), 32)
}

pub(super) fn btrfs(view: &View<'_>) -> Description {
    named(view, (65536 + 0x12b, 256), 65536 + 0x20)
}

/// `struct f2fs_super_block`, whose label is UTF-16.
pub(super) fn f2fs(view: &View<'_>) -> Description {
    let bytes = view.read(1024 + 124, 1024);
    let (units, _) = bytes.as_chunks::<2>();
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
    let label: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    let label = String::from_utf16_lossy(&label);
    Description {
        label: (!label.is_empty()).then(|| label.into_bytes()),
        uuid: uuid(view, 1024 + 108),
        ..Description::default()
    }
}

pub(super) fn nilfs2(view: &View<'_>) -> Description {
    named(view, (1024 + 168, 80), 1024 + 152)
}

pub(super) fn jfs(view: &View<'_>) -> Description {
    named(view, (32768 + 152, 16), 32768 + 136)
}

/// Version 3.5 has neither.
pub(super) fn reiserfs(view: &View<'_>) -> Description {
    let is_old = view.has(65536 + 52, b"ReIsErFs") || !view.has(65536 + 52, b"ReIsEr");
    match is_old {
        true => Description::default(),
        false => named(view, (65536 + 100, 16), 65536 + 84),
    }
}

pub(super) fn reiser4(view: &View<'_>) -> Description {
    named(view, (65536 + 36, 16), 65536 + 20)
}

/// `struct ocfs2_super_block`, 192 bytes into the inode that has the magic, in the third block.
pub(super) fn ocfs2(view: &View<'_>) -> Description {
    let places = [1024, 2048, 4096, 8192];
    let found = places.into_iter().find(|at| view.has(*at, b"OCFSV2"));
    let at = found.unwrap_or_default();
    let field = |offset: u64| at.saturating_add(offset);
    named(view, (field(272), 64), field(336))
}

pub(super) fn gfs2(view: &View<'_>) -> Description {
    named(view, (65536 + 160, 64), 65536 + 256)
}

/// `drVN` of the master directory block: a string with its length before it.
pub(super) fn hfs(view: &View<'_>) -> Description {
    let [len] = view.bytes(1024 + 36);
    only_label(text(view, 1024 + 37, usize::from(len.min(27))))
}

/// The serial number.
pub(super) fn ntfs(view: &View<'_>) -> Description {
    let serial = u64::from_le_bytes(view.bytes(72));
    only_uuid((serial != 0).then(|| format!("{serial:016X}")))
}

pub(super) fn apfs(view: &View<'_>) -> Description {
    only_uuid(uuid(view, 72))
}

/// What `cache_sb` and `bch_sb` have in common; bcachefs shows the second UUID to users.
pub(super) fn bcachefs(view: &View<'_>) -> Description {
    named(view, (4096 + 72, 32), 4096 + 56)
}

/// `struct cache_sb`: of a backing device also where its data begin, in sectors, and whether what
/// they lack is in the cache.
pub(super) fn bcache(view: &View<'_>) -> Description {
    let version = view.le32(4096 + 16);
    let is_backing = matches!(version, 1 | 4);
    let start = match version {
        4 => u64::from_le_bytes(view.bytes(4096 + 184)),
        _ => 16,
    };
    let state = match view.le32(4096 + 108) >> 29 & 3 {
        0 => "no cache",
        1 => "clean",
        2 => "dirty",
        _ => "stale",
    };
    let role = if is_backing { "backing" } else { "cache" };
    let mut facts = vec![("role", role.to_owned())];
    if is_backing {
        facts.push(("data start", start.saturating_mul(512).to_string()));
        facts.push(("state", state.to_owned()));
    }
    Description {
        label: text(view, 4096 + 72, 32),
        uuid: uuid(view, 4096 + 40),
        facts,
        ..Description::default()
    }
}

pub(super) fn zonefs(view: &View<'_>) -> Description {
    named(view, (8, 32), 40)
}

pub(super) fn ubifs(view: &View<'_>) -> Description {
    only_uuid(uuid(view, 108))
}

/// The number of the image, in every erase counter's header.
pub(super) fn ubi(view: &View<'_>) -> Description {
    let number = view.be32(24);
    only_uuid((number != 0).then(|| number.to_string()))
}

/// `struct vdo_geometry_block`, behind magic, header and release.
pub(super) fn vdo(view: &View<'_>) -> Description {
    only_uuid(uuid(view, 40))
}

/// The identifiers of device and pool, 32 digits each, behind either copy of the magic.
pub(super) fn stratis(view: &View<'_>) -> Description {
    let (pool, device) = match view.has(516, super::volume::STRATIS) {
        true => (512 + 32, 512 + 64),
        false => (9 * 512 + 32, 9 * 512 + 64),
    };
    let id = |at: u64| {
        let digits = text(view, at, 32)?;
        let digits = String::from_utf8(digits).ok().filter(|it| it.len() == 32)?;
        let groups = [0..8, 8..12, 12..16, 16..20, 20..32];
        let groups = groups.map(|group| digits.get(group).unwrap_or_default().to_owned());
        Some(groups.join("-"))
    };
    Description {
        uuid: id(device),
        facts: id(pool).map(|pool| ("pool", pool)).into_iter().collect(),
        ..Description::default()
    }
}

/// The device's identifier, before the flags and the magic; version 9 put it one place on.
pub(super) fn drbd(view: &View<'_>) -> Description {
    let at = view.size().saturating_sub(4 * KIB);
    let is_nine = view.has(at.saturating_add(60), &[0x83, 0x74, 0x02, 0x6d]);
    let field = if is_nine { 48 } else { 40 };
    let id = u64::from_be_bytes(view.bytes(at.saturating_add(field)));
    only_uuid((id != 0).then(|| format!("{id:016x}")))
}

/// 32 digits behind the magic.
pub(super) fn drbd_settings(view: &View<'_>) -> Description {
    only_uuid(text(view, 11, 32).map(|id| crate::error::printable(&id)))
}

/// Name and identifier of the pool.
pub(super) fn mpool(view: &View<'_>) -> Description {
    named(view, (8, 32), 40)
}

/// `struct verity_sb` of cryptsetup.
pub(super) fn verity(view: &View<'_>) -> Description {
    let algorithm = text(view, 32, 32).unwrap_or_default();
    let blocks = u64::from_le_bytes(view.bytes(72));
    let bytes = blocks.saturating_mul(u64::from(view.le32(64)));
    Description {
        uuid: uuid(view, 16),
        facts: vec![
            ("hash", crate::error::printable(&algorithm)),
            ("hashed bytes", bytes.to_string()),
        ],
        ..Description::default()
    }
}

/// `struct superblock` of drivers/md/dm-integrity.c.
pub(super) fn integrity(view: &View<'_>) -> Description {
    let sectors = u64::from_le_bytes(view.bytes(16));
    Description {
        facts: vec![
            ("tag size", view.le16(10).to_string()),
            ("data bytes", sectors.saturating_mul(512).to_string()),
        ],
        ..Description::default()
    }
}

/// The physical volume's identifier (libfvde, "FileVault Drive Encryption", volume header).
pub(super) fn core_storage(view: &View<'_>) -> Description {
    only_uuid(uuid(view, 304).map(|uuid| uuid.to_uppercase()))
}

/// `struct vmfs_fs_info`, whose identifier is partly little-endian.
pub(super) fn vmfs(view: &View<'_>) -> Description {
    const AT: u64 = 0x20_0000;
    let id: [u8; 16] = view.bytes(AT + 9);
    let places: [&[usize]; 4] = [
        &[3, 2, 1, 0],
        &[7, 6, 5, 4],
        &[9, 8],
        &[10, 11, 12, 13, 14, 15],
    ];
    let groups = places.map(|group| {
        let bytes = group.iter().filter_map(|place| id.get(*place));
        bytes.map(|byte| format!("{byte:02x}")).collect::<String>()
    });
    Description {
        label: text(view, AT + 29, 128),
        uuid: (id != [0; 16]).then(|| groups.join("-")),
        ..Description::default()
    }
}

pub(super) fn befs(view: &View<'_>) -> Description {
    let is_first = view.has(32, b"1SFB") || view.has(32, b"BFS1");
    only_label(text(view, if is_first { 0 } else { 512 }, 32))
}

pub(super) fn romfs(view: &View<'_>) -> Description {
    only_label(text(view, 16, 512))
}

pub(super) fn cramfs(view: &View<'_>) -> Description {
    only_label(text(view, 48, 16))
}

pub(super) fn oracle_asm(view: &View<'_>) -> Description {
    only_label(text(view, 40, 24))
}

/// A journal has the superblock of ext.
pub(super) fn journal(view: &View<'_>) -> Description {
    named(view, (1024 + 120, 16), 1024 + 104)
}

/// `struct disk_pv` of LVM1, whose identifier is spelled as LVM2's.
pub(super) fn lvm1(view: &View<'_>) -> Description {
    let letters = text(view, 44, 32).and_then(|bytes| String::from_utf8(bytes).ok());
    let groups = [0..6, 6..10, 10..14, 14..18, 18..22, 22..26, 26..32];
    let uuid = letters
        .filter(|letters| letters.len() == 32)
        .map(|letters| {
            let groups = groups.map(|group| letters.get(group).unwrap_or_default().to_owned());
            groups.join("-")
        });
    Description {
        uuid,
        facts: text(view, 172, 128)
            .map(|name| ("volume group", crate::error::printable(&name)))
            .into_iter()
            .collect(),
        ..Description::default()
    }
}
