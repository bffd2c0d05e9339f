//! The streams of a file, found from its end: each ends in its index and a footer that says where
//! the index begins. Streams may follow one another, with zeros between them (2.2).

use zerocopy::FromBytes;

use super::check::Check;
use super::index::{self, Record};
use super::layout::{EDGE, FOOTER_MAGIC, HEADER_MAGIC, StreamFooter, StreamHeader};
use crate::error::{Error, Result, ResultExt};
use crate::number::{to_u64, to_usize};
use crate::source::Source;

/// Streams that a file may have. Programs that pack in parallel write one for each MiB or more.
const MOST_STREAMS: usize = 1 << 18;
/// Blocks that a file may have: their places take 32 bytes each.
pub(super) const MOST_BLOCKS: usize = 1 << 20;
/// Bytes of zeros that may stand between streams, in all.
const MOST_PADDING: u64 = 16 << 20;

/// Where one block lies, in the file and in what it unpacks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The byte of the file at which its header begins.
    pub(super) input: u64,
    /// Bytes of header, packed data and check.
    pub(super) unpadded: u64,
    /// The first byte that it unpacks to.
    pub(super) output: u64,
    /// Which stream it is in.
    stream: u32,
}

/// The blocks of all streams.
pub(super) struct Blocks {
    blocks: Vec<Block>,
    /// The check of each stream.
    checks: Vec<Check>,
    /// Bytes that all unpack to.
    pub(super) size: u64,
}

impl Blocks {
    /// Block `number` and the end of what it unpacks to.
    pub(super) fn get(&self, number: usize) -> Option<(Block, u64)> {
        let block = self.blocks.get(number)?;
        let next = self.blocks.get(number.saturating_add(1));
        Some((*block, next.map_or(self.size, |next| next.output)))
    }

    /// The number of the block that holds byte `output`.
    pub(super) fn at(&self, output: u64) -> Option<usize> {
        let behind = self.blocks.partition_point(|block| block.output <= output);
        behind.checked_sub(1).filter(|_| output < self.size)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        let checks = self.checks.len().saturating_mul(size_of::<Check>());
        let blocks = self.blocks.len().saturating_mul(size_of::<Block>());
        blocks.saturating_add(checks)
    }

    pub(super) fn check(&self, block: &Block) -> Check {
        let stream = to_usize(u64::from(block.stream));
        self.checks.get(stream).copied().unwrap_or(Check::None)
    }

    /// The checks in use, each once, in the order of the streams.
    pub(super) fn checks(&self) -> Vec<Check> {
        let mut checks = self.checks.clone();
        checks.dedup();
        checks
    }

    pub(super) fn streams(&self) -> usize {
        self.checks.len()
    }
}

/// One stream, as its two ends and its index describe it.
struct Stream {
    /// Where its first block begins.
    start: u64,
    check: Check,
    records: Vec<Record>,
}

/// Finds all streams of `source` and their blocks.
///
/// # Errors
/// `Corrupt` where one does not end in a footer, or its parts disagree; `Unsupported` for more
/// streams or blocks than are kept in memory.
pub(super) fn find(source: &dyn Source) -> Result<Blocks> {
    let mut end = source.size();
    let (mut streams, mut padding, mut room) = (Vec::new(), 0_u64, MOST_BLOCKS);
    while end > 0 {
        let padded = end;
        end = before_padding(source, end)?;
        padding = padding.saturating_add(padded.saturating_sub(end));
        if padding > MOST_PADDING {
            let text = format!("stream padding is over {MOST_PADDING} bytes");
            return Err(Error::unsupported(text).at(end));
        }
        let stream = stream_before(source, end, room).context(|| "stream")?;
        end = stream.start.saturating_sub(EDGE);
        room = room.saturating_sub(stream.records.len());
        streams.push(stream);
        if streams.len() > MOST_STREAMS {
            let text = format!("more than {MOST_STREAMS} streams");
            return Err(Error::unsupported(text));
        }
    }
    streams.reverse();
    join(&streams)
}

/// The end of the last stream in the first `end` bytes: zeros behind it, in fours, are padding.
fn before_padding(source: &dyn Source, end: u64) -> Result<u64> {
    let mut end = end;
    let mut buf = [0; 4096];
    let stop = end.saturating_sub(MOST_PADDING.saturating_add(1));
    while end > stop {
        let len = to_usize(end).min(buf.len());
        let (tail, _) = buf.split_at_mut(len);
        let start = end.saturating_sub(to_u64(len));
        source.read_exact_at(tail, start)?;
        let zeros = tail.iter().rev().take_while(|byte| **byte == 0).count();
        let zeros = zeros & !3;
        end = end.saturating_sub(to_u64(zeros));
        if zeros < len {
            break;
        }
    }
    Ok(end)
}

/// The stream whose footer ends at `end`, with at most `room` blocks.
fn stream_before(source: &dyn Source, end: u64, room: usize) -> Result<Stream> {
    let cut = || {
        Error::corrupt(
            "the file does not end in a stream footer: it is cut off, or has more behind",
        )
        .at(end)
    };
    let footer_at = end.checked_sub(EDGE).ok_or_else(cut)?;
    let mut bytes = [0; 12];
    source.read_exact_at(&mut bytes, footer_at)?;
    let footer = StreamFooter::ref_from_bytes(&bytes).map_err(|_| cut())?;
    if footer.footer_magic_bytes != FOOTER_MAGIC {
        return Err(cut());
    }
    let summed = bytes.get(4..10).unwrap_or(&[]);
    if crc32fast::hash(summed) != footer.crc32.get() {
        return Err(Error::corrupt("the stream footer's CRC32 is wrong").at(footer_at));
    }
    let backward_size = u64::from(footer.backward_size.get());
    let index_size = backward_size.saturating_add(1).saturating_mul(4);
    let past = || {
        let text = format!("backward_size {backward_size} leads before the file's beginning");
        Error::corrupt(text).at(footer_at)
    };
    let index_at = footer_at.checked_sub(index_size).ok_or_else(past)?;
    let records = index::read(source, index_at, footer_at, room).context(|| "index")?;
    let packed = index::padded(&records).filter(|packed| *packed <= index_at);
    let short = || Error::corrupt("the index lists more than there is before it").at(index_at);
    let start = index_at.saturating_sub(packed.ok_or_else(short)?);
    let header_at = start.checked_sub(EDGE).ok_or_else(short)?;
    let flags = header(source, header_at)?;
    if flags != footer.stream_flags {
        let text = "stream_flags of header and footer are not the same";
        return Err(Error::corrupt(text).at(footer_at));
    }
    let check = Check::new(flags).map_err(|error| error.at(header_at))?;
    Ok(Stream {
        start,
        check,
        records,
    })
}

/// The stream flags in the header at `at`.
///
/// # Errors
/// `Corrupt` where there is no header.
pub(super) fn header(source: &dyn Source, at: u64) -> Result<[u8; 2]> {
    let mut bytes = [0; 12];
    source.read_exact_at(&mut bytes, at)?;
    let wrong = |what: &str| Error::corrupt(format!("the stream header's {what}")).at(at);
    let header = StreamHeader::ref_from_bytes(&bytes).map_err(|_| wrong("bytes are missing"))?;
    if header.header_magic_bytes != HEADER_MAGIC {
        return Err(wrong("magic bytes are not there"));
    }
    if crc32fast::hash(&header.stream_flags) != header.crc32.get() {
        return Err(wrong("CRC32 is wrong"));
    }
    Ok(header.stream_flags)
}

/// The blocks of `streams` in one row. Empty ones, which nobody reads, are left out.
fn join(streams: &[Stream]) -> Result<Blocks> {
    let count = streams.iter().map(|stream| stream.records.len());
    let count = count.fold(0, usize::saturating_add);
    let mut blocks = Vec::new();
    let short = |_| Error::new(crate::error::Kind::Io, "no memory for the list of blocks");
    blocks.try_reserve_exact(count).map_err(short)?;
    let mut output: u64 = 0;
    for (number, stream) in (0..).zip(streams) {
        let mut input = stream.start;
        for record in &stream.records {
            if record.uncompressed > 0 {
                blocks.push(Block {
                    input,
                    unpadded: record.unpadded,
                    output,
                    stream: number,
                });
            }
            input = input.saturating_add(record.padded());
            let sum = output.checked_add(record.uncompressed);
            let sum = sum.filter(|sum| *sum < 1 << 63);
            output = sum.ok_or_else(|| Error::corrupt("the sizes in the index are over 2^63"))?;
        }
    }
    Ok(Blocks {
        blocks,
        checks: streams.iter().map(|stream| stream.check).collect(),
        size: output,
    })
}
