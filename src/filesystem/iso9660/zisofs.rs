//! zisofs: files in compressed blocks, each found by a table of where it begins (libisofs,
//! doc/zisofs2_format.txt). Rock Ridge says that a file is one (ZF); its own header is not looked
//! at, as in the kernel.

use std::io::Read as _;
use std::sync::Arc;

use flate2::read::ZlibDecoder;

use super::content;
use super::core::Core;
use super::node::Node;
use super::rock_ridge::Compressed;
use crate::cache::{Block, Cache};
use crate::error::{Error, Kind, Result, printable};
use crate::number::{to_u64, to_usize};
use crate::source::decoded::{Decoded, Decoder, undecoded};
use crate::source::{SharedSource, read_vec};

/// The blocks of all compressed files of a disc.
pub(super) type Blocks = Decoded<Zlib>;

/// The logarithms of the sizes that blocks have: writers make no others than 15 to 20.
const BLOCK_BITS: std::ops::RangeInclusive<u8> = 12..=20;

/// Decodes blocks of a disc.
pub(super) struct Zlib {
    source: SharedSource,
}

/// One compressed block.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    /// Its first byte on the disc.
    place: u64,
    /// Bytes there.
    packed: usize,
    /// Bytes of the file.
    size: usize,
}

/// Blocks of `source`, kept in `cache`.
pub(super) fn blocks(source: &SharedSource, cache: &Arc<Cache>) -> Blocks {
    let source = source.clone();
    Decoded::new(Arc::new(Zlib { source }), cache.clone())
}

impl Decoder for Zlib {
    type Unit = Unit;

    fn number(unit: &Unit) -> u64 {
        unit.place
    }

    fn decode(&self, unit: &Unit) -> Result<Block> {
        let packed = read_vec(&*self.source, unit.place, unit.packed)?;
        let mut bytes = undecoded(unit.size)?;
        let mut decoder = ZlibDecoder::new(&*packed);
        decoder.read_exact(&mut bytes).map_err(|error| {
            let text = format!("a compressed block of {} bytes: {error}", unit.packed);
            Error::corrupt(text).at(unit.place)
        })?;
        Ok(Block::from(bytes))
    }
}

/// Reads the first part of `buf`, which has bytes of the file from `at` on; gives its length.
///
/// # Errors
/// `Unsupported` for what is no zlib; `Corrupt` for a table or a block that is damaged.
pub(super) fn read(
    core: &Core,
    node: &Node,
    compressed: &Compressed,
    buf: &mut [u8],
    at: u64,
) -> Result<usize> {
    let table = Table::new(core, node, compressed)?;
    let (index, skip) = (at >> compressed.block_bits, at & table.mask());
    let size = table.size_of(index);
    let len = size.saturating_sub(to_usize(skip)).min(buf.len());
    let (piece, _) = buf.split_at_mut(len);
    let note = core.compressed.note(node.position, at, len);
    match table.unit(index)? {
        // A block of zeros is not stored.
        None => piece.fill(0),
        Some(unit) => {
            let block = core.compressed.block(&unit, note.visit)?;
            let bytes = block.get(to_usize(skip)..).and_then(|rest| rest.get(..len));
            let other = || Error::corrupt("two files have one compressed block").at(unit.place);
            piece.copy_from_slice(bytes.ok_or_else(other)?);
            let ahead = (index.saturating_add(1)..).map_while(|index| table.unit(index).ok());
            let ahead = ahead.take(64).flatten();
            core.compressed.ahead(note, to_usize(table.mask()), ahead);
        }
    }
    Ok(len)
}

/// Where the blocks of one file begin.
struct Table<'a> {
    core: &'a Core,
    node: &'a Node,
    compressed: &'a Compressed,
    /// Bytes of one entry.
    entry: u64,
}

impl<'a> Table<'a> {
    fn new(core: &'a Core, node: &'a Node, compressed: &'a Compressed) -> Result<Self> {
        let entry = match (compressed.version, &compressed.algorithm) {
            (1, b"pz") => 4,
            (2, b"PZ") => 8,
            (version, letters) => {
                let letters = printable(letters);
                let text = format!("compression «{letters}» of zisofs {version}");
                return Err(Error::unsupported(text).at(node.position));
            }
        };
        if !BLOCK_BITS.contains(&compressed.block_bits) {
            let text = format!("blocks of 2^{} bytes (ZF)", compressed.block_bits);
            return Err(Error::corrupt(text).at(node.position));
        }
        Ok(Self {
            core,
            node,
            compressed,
            entry,
        })
    }

    fn mask(&self) -> u64 {
        1_u64
            .wrapping_shl(self.compressed.block_bits.into())
            .saturating_sub(1)
    }

    /// Bytes of the file in block `index`.
    fn size_of(&self, index: u64) -> usize {
        let start = index.saturating_mul(self.mask().saturating_add(1));
        let left = self.compressed.size.saturating_sub(start);
        to_usize(left.min(self.mask().saturating_add(1)))
    }

    /// Block `index`; none where it is all zeros, or past the end.
    fn unit(&self, index: u64) -> Result<Option<Unit>> {
        let size = self.size_of(index);
        let (from, to) = (self.pointer(index)?, self.pointer(index.saturating_add(1))?);
        let wrong = |text: String| {
            let place = self.place(index).unwrap_or(self.node.position);
            Error::corrupt(text).at(place)
        };
        let packed = to.checked_sub(from);
        // What does not get smaller has a few bytes more at most.
        let most = to_u64(size).saturating_mul(2).saturating_add(1024);
        let packed = packed.filter(|packed| *packed <= most).ok_or_else(|| {
            wrong(format!(
                "compressed block {index} from byte {from} to byte {to}"
            ))
        })?;
        if packed == 0 || size == 0 {
            return Ok(None);
        }
        let (place, len) = content::place(self.core, self.node, from)?;
        if len < packed {
            let text = format!("compressed block {index} is not in one piece");
            return Err(Error::new(Kind::Corrupt, text).at(place));
        }
        Ok(Some(Unit {
            place,
            packed: to_usize(packed),
            size,
        }))
    }

    /// The byte of the disc that the entry of block `index` lies at.
    fn place(&self, index: u64) -> Result<u64> {
        let at = index.saturating_mul(self.entry);
        let at = at.saturating_add(self.compressed.header);
        let (place, _) = content::place(self.core, self.node, at)?;
        Ok(place)
    }

    /// Where block `index` begins in what is stored.
    fn pointer(&self, index: u64) -> Result<u64> {
        let place = self.place(index)?;
        let mut bytes = [0; 8];
        let (entry, _) = bytes.split_at_mut(to_usize(self.entry));
        self.core.source.read_exact_at(entry, place)?;
        Ok(u64::from_le_bytes(bytes))
    }
}
