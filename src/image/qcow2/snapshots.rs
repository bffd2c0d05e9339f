//! Internal snapshots: each has a first-level table of its own.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::header::{Header, Table};
use super::layout;
use crate::error::{Error, Result, printable};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// As QEMU: an image with more was not made by it.
const MOST: u32 = 65_536;

/// Bytes of the whole table, as in QEMU.
const MOST_BYTES: u64 = 64 << 20;

/// How many snapshots are listed.
pub(super) const MOST_LISTED: usize = 100;

/// Bytes of an id or a name that are shown: what QEMU itself takes.
const MOST_SHOWN: usize = 255;

/// Bytes of extra data that are looked at, as in QEMU.
const MOST_EXTRA: u32 = 1024;

/// Where the size of the disk stands in an entry: behind the size of the machine's state, in the
/// extra data.
const SIZE: usize = size_of::<layout::Snapshot>() + 8;

/// A state of the disk that was kept.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) id: Vec<u8>,
    pub(super) name: Vec<u8>,
    pub(super) l1: Table,
    /// Bytes of the disk then.
    pub(super) size: u64,
    /// The byte that they stand at.
    pub(super) size_at: u64,
    /// Seconds since 1970.
    pub(super) date: u32,
}

/// All snapshots, oldest first, each read when it is come to: their names together may be long. An
/// error ends them.
///
/// # Errors
/// `Corrupt` where the table counts too many, is too long or leaves the file.
pub(super) fn all<'a>(
    source: &'a dyn Source,
    header: &'a Header,
) -> Result<impl Iterator<Item = Result<Snapshot>> + 'a> {
    let count = header.snapshots;
    if count > MOST {
        let text = format!("nb_snapshots {count} is over {MOST}");
        return Err(Error::corrupt(text).at(60));
    }
    let start = header.snapshots_offset;
    let mut at = start;
    Ok((0..count).map(move |_| {
        let (snapshot, next) = read(source, header, at)?;
        if next.saturating_sub(start) > MOST_BYTES {
            let text = format!("nb_snapshots {count}: they take over {MOST_BYTES} bytes");
            return Err(Error::corrupt(text).at(at));
        }
        at = next;
        Ok(snapshot)
    }))
}

/// Fails where [`all`] does.
pub(super) fn check(source: &dyn Source, header: &Header) -> Result<()> {
    all(source, header)?.try_for_each(|snapshot| snapshot.map(|_| ()))
}

/// The snapshot that the user calls `wanted`: by its id, else by its name.
///
/// # Errors
/// `NotFound`, with those that there are.
pub(super) fn find(source: &dyn Source, header: &Header, wanted: &str) -> Result<Snapshot> {
    let (mut named, mut names) = (None, Vec::new());
    for snapshot in all(source, header)? {
        let snapshot = snapshot?;
        if snapshot.id == wanted.as_bytes() {
            return Ok(snapshot);
        }
        if names.len() < MOST_LISTED {
            names.push(snapshot.shown());
        }
        if named.is_none() && snapshot.name == wanted.as_bytes() {
            named = Some(snapshot);
        }
    }
    if let Some(named) = named {
        return Ok(named);
    }
    let wanted = printable(wanted.as_bytes());
    let error = Error::not_found(format!("--snapshot {wanted}: no snapshot is called that"));
    let all = to_usize(header.snapshots.into());
    let listed = names.join(", ");
    Err(match names.len() {
        0 => error.hint("the image has no snapshots"),
        some if some < all => error.hint(format!("it has: {listed}, … ({all} in all)")),
        _ => error.hint(format!("it has: {listed}")),
    })
}

impl Snapshot {
    /// Id and name, escaped and cut.
    pub(super) fn shown(&self) -> String {
        let cut = |name: &[u8]| printable(name.get(..MOST_SHOWN).unwrap_or(name));
        format!("{} ({})", cut(&self.id), cut(&self.name))
    }
}

/// The snapshot whose entry stands at byte `at`, and where the next one stands.
fn read(source: &dyn Source, header: &Header, at: u64) -> Result<(Snapshot, u64)> {
    let past = || Error::corrupt("snapshots_offset: the snapshot table leaves the file").at(at);
    let bytes = read_vec(source, at, size_of::<layout::Snapshot>()).map_err(|_| past())?;
    let entry = layout::Snapshot::read_from_bytes(&bytes).map_err(|_| past())?;
    let extra = entry.extra_data_size.get();
    if extra > MOST_EXTRA {
        let text = format!("extra_data_size {extra} of a snapshot is over {MOST_EXTRA}");
        return Err(Error::corrupt(text).at(at));
    }
    let id_size = usize::from(entry.id_str_size.get());
    let name_size = usize::from(entry.name_size.get());
    let extra_size = to_usize(u64::from(extra));
    let rest = extra_size.saturating_add(id_size).saturating_add(name_size);
    let behind = at.saturating_add(to_u64(bytes.len()));
    let rest = read_vec(source, behind, rest).map_err(|_| past())?;
    let (extra, names) = rest.split_at(extra_size.min(rest.len()));
    let (id, name) = names.split_at(id_size.min(names.len()));
    let field = |offset: usize| at.saturating_add(to_u64(offset));
    let size = extra.get(8..16).and_then(|size| size.try_into().ok());
    let snapshot = Snapshot {
        id: id.to_vec(),
        name: name.to_vec(),
        l1: Table {
            offset: entry.l1_table_offset.get(),
            entries: u64::from(entry.l1_size.get()),
            offset_at: field(offset_of!(layout::Snapshot, l1_table_offset)),
            entries_at: field(offset_of!(layout::Snapshot, l1_size)),
        },
        size: size.map_or(header.size, u64::from_be_bytes),
        size_at: field(SIZE),
        date: entry.date_sec.get(),
    };
    let next = behind.saturating_add(to_u64(rest.len()));
    Ok((snapshot, next.next_multiple_of(8)))
}
