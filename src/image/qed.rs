//! QEMU's enhanced disk images (QEMU's `docs/interop/qed_spec.txt`): clusters found through two
//! levels of tables, over a backing file. All numbers are little-endian.

use std::sync::Arc;

use zerocopy::FromBytes;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{Immutable, KnownLayout, Unaligned};

use super::two_levels::{self, Cluster, Decoded, Entries, Shape, TwoLevels};
use super::{Open, declared};
use crate::error::{Error, Result, ResultExt, printable};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::number::to_usize;
use crate::source::mapped::Mapped;
use crate::source::{SharedSource, Source, read_vec};

pub(super) const FORMAT: Format<Open> = Format {
    name: "qed",
    claim,
    describe,
    open,
};

const MAGIC: [u8; 4] = *b"QED\0";

/// The header ("Header").
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Layout {
    magic: [u8; 4],
    cluster_size: U32,
    /// Clusters of a table.
    table_size: U32,
    /// Clusters of the header.
    header_size: U32,
    features: U64,
    compat_features: U64,
    autoclear_features: U64,
    l1_table_offset: U64,
    image_size: U64,
    backing_filename_offset: U32,
    backing_filename_size: U32,
}

/// Bits of `features`.
const BACKING_FILE: u64 = 1;
const NEED_CHECK: u64 = 1 << 1;
const BACKING_FORMAT_NO_PROBE: u64 = 1 << 2;

/// Bytes of the longest name of a backing file, as in QEMU.
const MOST_NAME: u32 = 1023;

/// The header, checked.
struct Header {
    shape: Shape,
    /// Bytes of the header: no cluster lies before.
    header: u64,
    features: u64,
    backing_file: Option<Vec<u8>>,
}

impl Header {
    fn clusters(&self, source: &dyn Source) -> Clusters {
        Clusters {
            header: self.header,
            cluster: self.shape.cluster,
            file: source.size(),
        }
    }
}

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let len = MAGIC.len();
    let is_ours = source.size() >= 64 && read_vec(source, 0, len)? == MAGIC;
    Ok(is_ours.then_some(Set::Alone))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let Ok(header) = read(source) else {
        return Ok(Description::default());
    };
    let is_on = |bit: u64| header.features & bit != 0;
    let mut facts = vec![("cluster size", header.shape.cluster.to_string())];
    if header.backing_file.is_some() && is_on(BACKING_FORMAT_NO_PROBE) {
        facts.push(("backing format", "raw".to_owned()));
    }
    Ok(Description {
        features: is_on(NEED_CHECK)
            .then(|| "dirty".to_owned())
            .into_iter()
            .collect(),
        allocated: two_levels::allocated(source, &header.shape, &header.clusters(source)),
        facts,
        second_files: header.backing_file.into_iter().collect(),
        ..Description::default()
    })
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let image = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let header = read(&**image)?;
    if header.features & NEED_CHECK != 0 {
        let name = printable(&context.origin.name);
        let text = "it was not closed cleanly (need check bit)";
        context.notices.add(format!("qed: {name}: {text}"));
    }
    let backing = match &header.backing_file {
        Some(name) => {
            let is_raw = header.features & BACKING_FORMAT_NO_PROBE != 0;
            let disk = context.disk(declared::file_name(name), is_raw.then_some("raw"));
            Some(disk.context(|| "backing file")?.source)
        }
        None => None,
    };
    let map = TwoLevels {
        shape: header.shape,
        entries: header.clusters(&**image),
        image: image.clone(),
        has_backing: backing.is_some(),
    };
    let mapped = Mapped::new(map, vec![image.clone()], backing, context.cache.clone());
    Ok(vec![Disk::alone(Arc::new(mapped))])
}

fn read(source: &dyn Source) -> Result<Header> {
    let bytes = read_vec(source, 0, size_of::<Layout>()).context(|| "header")?;
    let layout = Layout::read_from_bytes(&bytes)
        .map_err(|_| Error::corrupt("the header is cut off").at(0))?;
    let features = layout.features.get();
    let unknown = features & !(BACKING_FILE | NEED_CHECK | BACKING_FORMAT_NO_PROBE);
    if unknown != 0 {
        let bit = unknown.trailing_zeros();
        let text = format!("feature bit {bit} is not known");
        return Err(Error::unsupported(text).at(16));
    }
    let shape = shape(&layout)?;
    let header_size = u64::from(layout.header_size.get());
    let header = header_size.saturating_mul(shape.cluster);
    if header_size == 0 || header > source.size() {
        let text = format!("header_size {header_size} is 0 or past the end of the file");
        return Err(Error::corrupt(text).at(12));
    }
    let l1 = shape.l1_offset;
    let needed = l1.checked_add(shape.l1_entries().saturating_mul(8));
    let is_there = needed.is_some_and(|end| end <= source.size());
    if !l1.is_multiple_of(shape.cluster) || l1 < header || !is_there {
        let text =
            format!("l1_table_offset {l1:#x} is no cluster behind the header and in the file");
        return Err(Error::corrupt(text).at(40));
    }
    Ok(Header {
        shape,
        header,
        features,
        backing_file: backing_file(source, &layout, header)?,
    })
}

/// The sizes ("Header", "Data clusters"; the bounds are QEMU's).
fn shape(layout: &Layout) -> Result<Shape> {
    let cluster = layout.cluster_size.get();
    if !cluster.is_power_of_two() || !(4096..=64 << 20).contains(&cluster) {
        let text = format!("cluster_size {cluster} is no power of two from 4096 to 64 MiB");
        return Err(Error::corrupt(text).at(4));
    }
    let table = layout.table_size.get();
    if !table.is_power_of_two() || table > 16 {
        let text = format!("table_size {table} is no power of two up to 16");
        return Err(Error::corrupt(text).at(8));
    }
    let cluster = u64::from(cluster);
    let shape = Shape {
        size: layout.image_size.get(),
        cluster,
        l1_offset: layout.l1_table_offset.get(),
        l2_entries: cluster.saturating_mul(u64::from(table)) / 8,
    };
    let size = shape.size;
    // Both levels have tables of one size.
    if !size.is_multiple_of(512)
        || size > i64::MAX.unsigned_abs()
        || shape.l1_entries() > shape.l2_entries
    {
        let text = format!("image_size {size} is not whole sectors, or more than the tables hold");
        return Err(Error::corrupt(text).at(48));
    }
    Ok(shape)
}

fn backing_file(source: &dyn Source, layout: &Layout, header: u64) -> Result<Option<Vec<u8>>> {
    if layout.features.get() & BACKING_FILE == 0 {
        return Ok(None);
    }
    let offset = layout.backing_filename_offset.get();
    let size = layout.backing_filename_size.get();
    if size > MOST_NAME || size == 0 {
        let text = format!("backing_filename_size {size} is not 1 to {MOST_NAME}");
        return Err(Error::corrupt(text).at(60));
    }
    let end = u64::from(offset).saturating_add(u64::from(size));
    if end > header {
        let text = format!("backing_filename_offset {offset:#x}: the name leaves the header");
        return Err(Error::corrupt(text).at(56));
    }
    let name = read_vec(source, u64::from(offset), to_usize(u64::from(size)));
    Ok(Some(name.context(|| "backing file's name")?))
}

struct Clusters {
    header: u64,
    cluster: u64,
    file: u64,
}

impl Clusters {
    fn place(&self, offset: u64) -> Decoded<u64> {
        match offset {
            _ if !offset.is_multiple_of(self.cluster) => {
                Err("no whole number of clusters".to_owned())
            }
            _ if offset < self.header => Err("in the header".to_owned()),
            _ if offset >= self.file => Err("past the end of the file".to_owned()),
            _ => Ok(offset),
        }
    }
}

impl Entries for Clusters {
    fn word(bytes: [u8; 8]) -> u64 {
        u64::from_le_bytes(bytes)
    }

    fn cluster(&self, entry: u64) -> Decoded<Cluster> {
        match entry {
            0 => Ok(Cluster::Nowhere),
            1 => Ok(Cluster::Zeros),
            offset => self.place(offset).map(Cluster::Plain),
        }
    }

    fn table(&self, entry: u64) -> Decoded<u64> {
        self.place(entry)
    }

    fn unpack(&self, _image: &dyn Source, _entry: u64, _into: &mut [u8]) -> Result<()> {
        Err(Error::corrupt("QED has no compressed clusters"))
    }
}
