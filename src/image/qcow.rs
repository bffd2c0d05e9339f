//! QEMU's first copy-on-write images (QEMU's `block/qcow.c`): clusters found through two levels of
//! tables, perhaps compressed, over a backing file. All numbers are big-endian.

use std::sync::Arc;

use zerocopy::FromBytes;
use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{Immutable, KnownLayout, Unaligned};

use super::qcow2::unpack;
use super::two_levels::{self, Cluster, Decoded, Entries, Shape, TwoLevels};
use super::{Open, declared};
use crate::error::{Error, Result, ResultExt};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::Mapped;
use crate::source::{SharedSource, Source, read_vec};

pub(super) const FORMAT: Format<Open> = Format {
    name: "qcow",
    claim,
    describe,
    open,
};

/// Magic and version; other versions are qcow2.
const START: [u8; 8] = *b"QFI\xfb\0\0\0\x01";

/// The header, `QCowHeader`.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Layout {
    magic: [u8; 4],
    version: U32,
    backing_file_offset: U64,
    backing_file_size: U32,
    mtime: U32,
    size: U64,
    cluster_bits: u8,
    l2_bits: u8,
    padding: U16,
    crypt_method: U32,
    l1_table_offset: U64,
}

/// In an entry: the cluster is compressed (`QCOW_OFLAG_COMPRESSED`).
const COMPRESSED: u64 = 1 << 63;

/// Bytes of the longest name of a backing file.
const MOST_NAME: u32 = 1023;

/// The header, checked.
struct Header {
    shape: Shape,
    cluster_bits: u8,
    crypt_method: u32,
    backing_file: Option<Vec<u8>>,
}

impl Header {
    fn clusters(&self, source: &dyn Source) -> Clusters {
        Clusters {
            bits: u32::from(self.cluster_bits),
            file: source.size(),
        }
    }
}

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let is_ours = source.size() >= 48 && read_vec(source, 0, START.len())? == START;
    Ok(is_ours.then_some(Set::Alone))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let Ok(header) = read(source) else {
        return Ok(Description::default());
    };
    let is_encrypted = header.crypt_method != 0;
    let facts = vec![
        ("version", "1".to_owned()),
        ("cluster size", header.shape.cluster.to_string()),
    ];
    Ok(Description {
        features: is_encrypted
            .then(|| "encrypted".to_owned())
            .into_iter()
            .collect(),
        facts,
        allocated: two_levels::allocated(source, &header.shape, &header.clusters(source)),
        second_files: header.backing_file.into_iter().collect(),
        ..Description::default()
    })
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let image = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let header = read(&**image)?;
    match header.crypt_method {
        0 => {}
        1 => {
            let text = "the disk is encrypted (AES), which is not supported yet";
            return Err(Error::locked(text)
                .at(36)
                .hint("qemu-img convert with --object secret decrypts it"));
        }
        other => {
            let text = format!("crypt_method {other} is not known");
            return Err(Error::unsupported(text).at(36));
        }
    }
    let backing = match &header.backing_file {
        Some(name) => {
            // The format has no place for the backing file's own.
            let disk = context.disk(declared::file_name(name), None);
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
    let (cluster_bits, l2_bits) = (layout.cluster_bits, layout.l2_bits);
    if !(9..=16).contains(&cluster_bits) {
        let text = format!("cluster_bits {cluster_bits} is not 9 to 16");
        return Err(Error::corrupt(text).at(32));
    }
    if !(6..=13).contains(&l2_bits) {
        let text = format!("l2_bits {l2_bits} is not 6 to 13");
        return Err(Error::corrupt(text).at(33));
    }
    let power = |bits: u8| 1_u64.checked_shl(u32::from(bits)).unwrap_or(1);
    let size = layout.size.get();
    let shape = Shape {
        // Whole sectors, as QEMU has it.
        size: size.saturating_sub(size % 512),
        cluster: power(cluster_bits),
        l1_offset: layout.l1_table_offset.get(),
        l2_entries: power(l2_bits),
    };
    let l1 = shape.l1_entries().saturating_mul(8);
    if size <= 1 || size > i64::MAX.unsigned_abs() || l1 > 1 << 31 {
        let text = format!("size {size} is none, or needs an L1 table over 2 GiB");
        return Err(Error::corrupt(text).at(24));
    }
    let offset = shape.l1_offset;
    let is_there = offset
        .checked_add(l1)
        .is_some_and(|end| end <= source.size());
    if offset < to_u64(size_of::<Layout>()) || !is_there {
        let text = format!("l1_table_offset {offset:#x} is in the header or past the end");
        return Err(Error::corrupt(text).at(40));
    }
    Ok(Header {
        shape,
        cluster_bits,
        crypt_method: layout.crypt_method.get(),
        backing_file: backing_file(source, &layout)?,
    })
}

fn backing_file(source: &dyn Source, layout: &Layout) -> Result<Option<Vec<u8>>> {
    let offset = layout.backing_file_offset.get();
    let size = layout.backing_file_size.get();
    if offset == 0 || size == 0 {
        return Ok(None);
    }
    if size > MOST_NAME {
        let text = format!("backing_file_size {size} is over {MOST_NAME}");
        return Err(Error::corrupt(text).at(16));
    }
    let name = read_vec(source, offset, to_usize(u64::from(size)));
    let past = |_| Error::corrupt(format!("backing_file_offset {offset:#x}: past the end")).at(8);
    Ok(Some(name.map_err(past)?))
}

struct Clusters {
    bits: u32,
    /// Bytes of the file.
    file: u64,
}

impl Clusters {
    /// Offset and bytes of the compressed cluster of `entry`: the flag, as many bits of length as a
    /// cluster has, then the offset.
    fn packed(&self, entry: u64) -> (u64, u64) {
        let shift = 63_u32.saturating_sub(self.bits);
        let mask = |bits: u32| 1_u64.checked_shl(bits).unwrap_or(0).wrapping_sub(1);
        let length = entry.checked_shr(shift).unwrap_or(0) & mask(self.bits);
        (entry & mask(shift), length)
    }
}

impl Entries for Clusters {
    fn word(bytes: [u8; 8]) -> u64 {
        u64::from_be_bytes(bytes)
    }

    fn cluster(&self, entry: u64) -> Decoded<Cluster> {
        match entry {
            0 => Ok(Cluster::Nowhere),
            packed if packed & COMPRESSED != 0 => Ok(Cluster::Compressed(packed)),
            // As in QEMU: behind compressed clusters others lie at any sector.
            odd if !odd.is_multiple_of(512) => Err("no whole number of sectors".to_owned()),
            past if past >= self.file => Err("past the end of the file".to_owned()),
            offset => Ok(Cluster::Plain(offset)),
        }
    }

    fn table(&self, entry: u64) -> Decoded<u64> {
        match entry {
            header if header < to_u64(size_of::<Layout>()) => Err("in the header".to_owned()),
            past if past >= self.file => Err("past the end of the file".to_owned()),
            offset => Ok(offset),
        }
    }

    fn unpack(&self, image: &dyn Source, entry: u64, into: &mut [u8]) -> Result<()> {
        let (offset, length) = self.packed(entry);
        let packed = read_vec(image, offset, to_usize(length)).map_err(|error| {
            let text = format!("a compressed cluster of {length} bytes: {error}");
            Error::corrupt(text).at(offset)
        })?;
        unpack::deflate(&packed, into)
            .map_err(|error| error.at(offset).context("compressed cluster"))
    }
}
