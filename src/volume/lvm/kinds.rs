//! Segments on other logical volumes: arrays, snapshots, thin volumes, caches.

use std::num::NonZeroU64;

use super::layout::SECTOR;
use super::text::Section;
use crate::error::{Error, Result, printable};

/// What such a segment stands on, by the volumes' names.
#[derive(Debug, PartialEq)]
pub(super) enum Stacked {
    Raid(Raid),
    /// `snapshot`: `store` has the exceptions of a snapshot of `origin`.
    Snapshot {
        origin: String,
        store: String,
        /// The exceptions are on their way into the origin.
        merges: bool,
    },
    /// `thin-pool`, which has no bytes of its own.
    ThinPool {
        metadata: String,
        data: String,
        transaction: u64,
    },
    /// `thin`.
    Thin {
        pool: String,
        device: u64,
        /// What has the blocks that were never written.
        origin: Option<String>,
        /// The volume that it becomes the contents of, and which it is hidden behind.
        merge: Option<String>,
    },
    /// `cache-pool`, which has no bytes of its own.
    CachePool {
        metadata: String,
        data: String,
    },
    /// `cache`: `pool` is one, or a volume that has metadata and data in these ranges.
    Cache {
        pool: String,
        origin: String,
        ranges: Option<Ranges>,
    },
    /// `writecache`.
    WriteCache {
        cache: String,
        origin: String,
    },
}

/// An array.
#[derive(Debug, PartialEq)]
pub(super) struct Raid {
    /// The segment's type.
    pub(super) kind: String,
    /// Bytes of a chunk.
    pub(super) chunk: NonZeroU64,
    /// How often RAID 10 has each chunk.
    pub(super) copies: u64,
    /// Each image, and the volume with what is known of it.
    pub(super) images: Vec<(Option<String>, String)>,
    /// The data of all images begin at 0, whatever the superblocks say: the text tells the kernel to
    /// write that into them, as the space for a reshape was given back.
    pub(super) is_at_zero: bool,
}

impl Raid {
    /// How many extents of a segment of `count` can be written to. Of each image that is not
    /// counted as parity `reshape_count` extents are room to reshape in, which LVM2 counts in
    /// (`_seg_len` of lib/activate/dev_manager.c): also the copies of RAID 10.
    ///
    /// # Errors
    /// `Corrupt` where nothing is left.
    pub(super) fn extents(&self, section: &Section<'_>, count: u64) -> Result<u64> {
        let each = section.number("reshape_count")?.unwrap_or(0);
        let images = u64::from(super::group::count(&self.images));
        let with_room = images.saturating_sub(self.parities());
        let left = each
            .checked_mul(with_room)
            .and_then(|room| count.checked_sub(room));
        left.filter(|left| *left > 0).ok_or_else(|| {
            let text =
                format!("reshape_count is {each} for {with_room} images, of {count} extents");
            section.wrong("reshape_count", text)
        })
    }

    /// Images' worth of parity.
    fn parities(&self) -> u64 {
        match self.kind.get(..5) {
            Some("raid4" | "raid5") => 1,
            Some("raid6") => 2,
            _ => 0,
        }
    }
}

/// Where a cache's metadata and data are in one volume: first byte and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ranges {
    pub(super) metadata: (u64, u64),
    pub(super) data: (u64, u64),
}

/// The segment of type `kind` that `section` describes; `None` where the type is none of these.
///
/// # Errors
/// `Corrupt` for what lacks something or makes no sense.
pub(super) fn of(kind: &[u8], section: &Section<'_>) -> Result<Option<Stacked>> {
    let name = |key: &str| -> Result<String> {
        let name = section.text(key).map(printable);
        name.ok_or_else(|| section.wrong(key, format!("there is no volume called {key}")))
    };
    Ok(Some(match kind {
        kind if kind.starts_with(b"raid") => Stacked::Raid(raid(kind, section)?),
        b"snapshot" => match section.text("merging_store") {
            Some(store) => Stacked::Snapshot {
                origin: name("origin")?,
                store: printable(store),
                merges: true,
            },
            None => Stacked::Snapshot {
                origin: name("origin")?,
                store: name("cow_store")?,
                merges: false,
            },
        },
        b"thin-pool" => Stacked::ThinPool {
            metadata: name("metadata")?,
            data: name("pool")?,
            transaction: section.number("transaction_id")?.unwrap_or(0),
        },
        b"thin" => Stacked::Thin {
            pool: name("thin_pool")?,
            device: section.need("device_id")?,
            origin: section.text("external_origin").map(printable),
            merge: section.text("merge").map(printable),
        },
        b"cache-pool" => Stacked::CachePool {
            metadata: name("metadata")?,
            data: name("data")?,
        },
        b"cache" => Stacked::Cache {
            pool: name("cache_pool")?,
            origin: name("origin")?,
            ranges: ranges(section)?,
        },
        b"writecache" => Stacked::WriteCache {
            cache: name("writecache")?,
            origin: name("origin")?,
        },
        _ => return Ok(None),
    }))
}

fn raid(kind: &[u8], section: &Section<'_>) -> Result<Raid> {
    let kind = printable(kind);
    // LVM2 writes it for the kernel only, and takes it out again once that has begun.
    let data_offset = section.number("data_offset")?;
    if data_offset.is_some_and(|offset| offset > 1) {
        let error = Error::unsupported(format!("{kind} that is being reshaped"));
        return Err(error.at(section.place("data_offset")));
    }
    let names = section.texts("raids").chain(section.texts("raid0_lvs"));
    let mut images = Vec::new();
    let mut meta = None;
    for name in names.map(printable) {
        match name.contains("_rmeta_") {
            true => meta = Some(name),
            false => images.push((meta.take(), name)),
        }
    }
    let said = section
        .number("device_count")?
        .or(section.number("stripe_count")?);
    let found = u64::from(super::group::count(&images));
    if said != Some(found) || found == 0 {
        let said = said.unwrap_or(0);
        let text = format!("{said} images of {kind}, and {found} are there");
        return Err(section.wrong("raids", text));
    }
    let sectors = section.number("stripe_size")?.unwrap_or(0);
    let chunk = sectors.checked_mul(SECTOR).and_then(NonZeroU64::new);
    let whole = || (kind == "raid1").then_some(NonZeroU64::MIN);
    let wrong = || section.wrong("stripe_size", format!("stripe_size is {sectors}"));
    Ok(Raid {
        chunk: chunk.or_else(whole).ok_or_else(wrong)?,
        copies: section.number("data_copies")?.unwrap_or(2),
        images,
        is_at_zero: data_offset.is_some(),
        kind,
    })
}

fn ranges(section: &Section<'_>) -> Result<Option<Ranges>> {
    if section.number("metadata_len")?.is_none() {
        return Ok(None);
    }
    let bytes = |key: &str| -> Result<u64> {
        let sectors = section.need(key)?;
        let bytes = sectors.checked_mul(SECTOR);
        bytes.ok_or_else(|| section.wrong(key, format!("{key} is {sectors}")))
    };
    Ok(Some(Ranges {
        metadata: (bytes("metadata_start")?, bytes("metadata_len")?),
        data: (bytes("data_start")?, bytes("data_len")?),
    }))
}
