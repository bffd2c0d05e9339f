//! QEMU's copy-on-write images, versions 2 and 3: clusters found through two levels of tables,
//! perhaps compressed, over a backing file, with snapshots inside and the data perhaps in another
//! file.

mod encryption;
mod entry;
mod extensions;
mod header;
mod layout;
mod map;
mod snapshots;
#[cfg(test)]
mod tests;
pub(super) mod unpack;

use std::sync::Arc;

use self::encryption::{Cipher, Guest};
use self::header::{Compression, Header, Table};
use self::map::Clusters;
use super::{Open, declared};
use crate::error::{Error, Result, ResultExt, printable};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::Mapped;
use crate::source::{SharedSource, Source, read_vec};

pub(super) const FORMAT: Format<Open> = Format {
    name: "qcow2",
    claim,
    describe,
    open,
};

/// Bytes of second-level tables that are read to count what is allocated.
const MOST_COUNTED: u64 = 16 << 20;

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    if source.size() < 8 {
        return Ok(None);
    }
    let start = read_vec(source, 0, 8)?;
    // The first version is another format.
    let is_ours = start.starts_with(&layout::MAGIC) && !start.ends_with(&[0, 0, 0, 1]);
    Ok(is_ours.then_some(Set::Alone))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let Ok(header) = header::read(source) else {
        return Ok(Description::default());
    };
    let mut facts = vec![
        ("version", header.version.to_string()),
        ("cluster size", header.cluster().to_string()),
        ("refcount bits", header.refcount_bits.to_string()),
    ];
    if header.compression == Compression::Zstd {
        facts.push(("compression", "zstd".to_owned()));
    }
    if let Some(format) = &header.extensions.backing_format {
        facts.push(("backing format", printable(format)));
    }
    facts.extend(encryption::facts(source, &header));
    let snapshots = snapshots::all(source, &header).into_iter().flatten();
    for snapshot in snapshots.map_while(Result::ok).take(snapshots::MOST_LISTED) {
        let text = format!(
            "{}, {} bytes, made {} s after 1970",
            snapshot.shown(),
            snapshot.size,
            snapshot.date
        );
        facts.push(("snapshot", text));
    }
    if to_usize(header.snapshots.into()) > snapshots::MOST_LISTED {
        facts.push(("snapshots", format!("{} in all", header.snapshots)));
    }
    let second_files = [&header.backing_file, &header.extensions.data_file];
    let second_files = second_files.into_iter().flatten().cloned().collect();
    Ok(Description {
        features: features(&header),
        allocated: allocated(source, &header),
        facts,
        second_files,
        ..Description::default()
    })
}

fn features(header: &Header) -> Vec<String> {
    let encrypted = header.crypt_method != 0;
    let features = [
        (header.incompatible & layout::DIRTY != 0, "dirty"),
        (header.incompatible & layout::CORRUPT != 0, "corrupt"),
        (header.has_data_file(), "external data file"),
        (
            header.autoclear & layout::RAW_EXTERNAL != 0,
            "raw external data",
        ),
        (header.has_extended_l2(), "extended L2 entries"),
        (
            header.compatible & layout::LAZY_REFCOUNTS != 0,
            "lazy refcounts",
        ),
        (header.autoclear & layout::BITMAPS != 0, "bitmaps"),
        (encrypted, "encrypted"),
    ];
    let features = features.into_iter().filter(|(is_on, _)| *is_on);
    features.map(|(_, name)| name.to_owned()).collect()
}

/// Bytes of the clusters in use, by the first-level table's word: each second-level table's
/// clusters are counted, unless that is too much to read for a description.
fn allocated(source: &dyn Source, header: &Header) -> Option<u64> {
    let tables = header.l1.entries.min(MOST_COUNTED / 8);
    let l1 = read_vec(source, header.l1.offset, header::table_bytes(tables)).ok()?;
    let (entries, _) = l1.as_chunks::<8>();
    let offsets = entries
        .iter()
        .map(|it| u64::from_be_bytes(*it) & layout::OFFSET);
    let offsets: Vec<u64> = offsets.filter(|offset| *offset != 0).collect();
    if to_u64(offsets.len()).saturating_mul(header.cluster().get()) > MOST_COUNTED {
        return None;
    }
    let mut count = 0_u64;
    for offset in offsets {
        let len = to_usize(header.cluster().get());
        let table = read_vec(source, offset, len).ok()?;
        let entries = table.chunks_exact(to_usize(header.l2_entry()));
        let used = entries.filter(|entry| entry.iter().take(8).any(|byte| *byte != 0));
        count = count.saturating_add(to_u64(used.count()));
    }
    Some(count.saturating_mul(header.cluster().get()))
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let image = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let header = header::read(&**image)?;
    let (l1, size) = table(&**image, &header, context)?;
    header.check_table(&**image, l1, size)?;
    note(&**image, &header, context);
    let data = match header.has_data_file() {
        true => Some(data_file(&header, context).context(|| "data file")?),
        false => None,
    };
    let backing = backing(&header, context).context(|| "backing file")?;
    let cipher = encryption::unlock(image, &header, context)?;
    let data = match &cipher {
        Cipher::File(cipher) => {
            let data = data.unwrap_or_else(|| image.clone());
            Some(encryption::of_file(data, cipher.clone())?)
        }
        Cipher::None | Cipher::Guest(_) => data,
    };
    let mut members = vec![image.clone()];
    members.extend(data.clone());
    let clusters = Clusters {
        l1,
        size,
        image: image.clone(),
        data_member: usize::from(data.is_some()),
        data: data.unwrap_or_else(|| image.clone()),
        has_backing: backing.is_some(),
        header,
    };
    let cache = context.cache.clone();
    let disk: SharedSource = match cipher {
        Cipher::Guest(cipher) => {
            let map = Guest { clusters, cipher };
            Arc::new(Mapped::new(map, members, backing, cache))
        }
        Cipher::None | Cipher::File(_) => Arc::new(Mapped::new(clusters, members, backing, cache)),
    };
    Ok(vec![Disk::alone(disk)])
}

/// The first-level table and the size: the disk's own, or those of the snapshot that is wanted.
fn table(image: &dyn Source, header: &Header, context: &Context) -> Result<(Table, u64)> {
    match &context.options.snapshot {
        None => Ok((header.l1, header.size)),
        Some(wanted) => {
            let snapshot = snapshots::find(image, header, wanted)?;
            let size = header::whole_sectors(snapshot.size, snapshot.size_at)?;
            Ok((snapshot.l1, size))
        }
    }
}

/// Says what is odd and does not matter to who only reads.
fn note(image: &dyn Source, header: &Header, context: &Context) {
    let name = printable(&context.origin.name);
    let add = |text: &str| context.notices.add(format!("qcow2: {name}: {text}"));
    if header.incompatible & layout::DIRTY != 0 {
        add("it was not closed cleanly (dirty bit); its reference counts are not used here");
    }
    if header.incompatible & layout::CORRUPT != 0 {
        add("it is marked corrupt; qemu-img check says more");
    }
    if let Err(error) = header.check_refcounts(image) {
        add(&format!("{error}; its reference counts are not used here"));
    }
    if let Err(error) = snapshots::check(image, header) {
        add(&format!("its snapshots cannot be listed: {error}"));
    }
}

fn data_file(header: &Header, context: &Context) -> Result<SharedSource> {
    let name = header.extensions.data_file.as_deref();
    let missing = || Error::corrupt("there is no name of it in the header");
    let name = name.ok_or_else(|| missing().at(72))?;
    context.file(declared::file_name(name))
}

fn backing(header: &Header, context: &Context) -> Result<Option<SharedSource>> {
    let Some(name) = &header.backing_file else {
        return Ok(None);
    };
    let format = header.extensions.backing_format.as_deref();
    let format = format.map(declared::format);
    let disk = context.disk(declared::file_name(name), format.as_deref())?;
    Ok(Some(disk.source))
}
