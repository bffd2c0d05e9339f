//! One frame on its way through the C library, block by block.

use std::hash::Hasher;

use twox_hash::XxHash64;
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use super::dictionary::{self, LEAST_CONTENT};
use super::entropy::Entropy;
use super::frame::{Block, BlockType, Header};
use super::layout::BLOCK_HEADER;
use super::sections::{Mode, Sections};
use super::trail::{History, Trail};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::streamed::Cursor;
use crate::source::{SharedSource, read_vec, resize};

/// Bytes of the largest window that is kept in a point. Of larger ones few points would fit into
/// what an index may have, and each would need a decoder twice as large.
const MOST_KEPT: u64 = 32 << 20;

/// Bytes of the smallest content that points are put in.
const LEAST_POINTS: u64 = 4 << 20;

/// Bytes of a decoder's tables and buffers besides its windows.
const OVERHEAD: u64 = 512 << 10;

/// A frame that is unpacked in part.
pub(super) struct OpenFrame {
    source: SharedSource,
    /// Where it starts.
    start: u64,
    header: Header,
    cursor: Cursor,
    decoder: Decoder<'static>,
    /// Whether it was unpacked from its start: the library compares its checksum then.
    is_whole: bool,
    /// What the seek table says of the content, and what it is so far.
    checksum: Option<(u32, XxHash64)>,
    /// What points are made of, where there are to be some.
    kept: Option<(Trail, History)>,
    /// Bytes of the dictionary.
    resumed: u64,
    packed: Vec<u8>,
    has_ended: bool,
}

impl OpenFrame {
    /// The one at byte `at` of `source`.
    ///
    /// # Errors
    /// As [`Header::read`].
    pub(super) fn start(source: &SharedSource, at: u64, checksum: Option<u32>) -> Result<Self> {
        let header = Header::read(&**source, at)?;
        let decoder = Decoder::new().map_err(|error| refused(&error, at))?;
        let blocks = header.blocks(at);
        let large = header.content_size.is_none_or(|size| size >= LEAST_POINTS);
        let first = header.bytes.clone();
        let mut frame = Self {
            source: source.clone(),
            start: at,
            cursor: Cursor::new(source.clone(), blocks),
            decoder,
            is_whole: true,
            checksum: checksum.map(|checksum| (checksum, XxHash64::with_seed(0))),
            kept: None,
            resumed: 0,
            packed: Vec::new(),
            has_ended: false,
            header,
        };
        if large {
            frame.keep(Entropy::start(), &[]);
        }
        frame.feed(&first, &mut [])?;
        Ok(frame)
    }

    /// The frame whose block at byte `at` is next, by the `state` of a point there.
    ///
    /// # Errors
    /// `Corrupt` for a state that is none.
    pub(super) fn resume(source: &SharedSource, at: u64, state: &[u8]) -> Result<Self> {
        let wrong = || Error::corrupt("the state of a point is damaged").at(at);
        let (start, dictionary) = state.split_first_chunk().ok_or_else(wrong)?;
        let start = u64::from_le_bytes(*start);
        let header = Header::read(&**source, start)?;
        let (entropy, content) = dictionary::parse(dictionary).ok_or_else(wrong)?;
        if to_u64(content.len()) > header.window.max(to_u64(LEAST_CONTENT)) || at < start {
            return Err(wrong());
        }
        let decoder = Decoder::with_dictionary(dictionary);
        let first = header.of_rest();
        let mut frame = Self {
            source: source.clone(),
            start,
            cursor: Cursor::new(source.clone(), at),
            decoder: decoder.map_err(|error| refused(&error, at))?,
            is_whole: false,
            checksum: None,
            kept: None,
            resumed: to_u64(dictionary.len()),
            packed: Vec::new(),
            has_ended: false,
            header,
        };
        frame.keep(entropy, content);
        frame.feed(&first, &mut [])?;
        Ok(frame)
    }

    /// Keeps what points are made of from here on, where `entropy` and `content` are.
    fn keep(&mut self, entropy: Entropy, content: &[u8]) {
        let window = self.header.window;
        if window <= MOST_KEPT
            && let Some(mut history) = History::new(to_usize(window))
        {
            history.add(content);
            self.kept = Some((Trail::new(entropy), history));
        }
    }

    /// Unpacks the next block into the start of `into` and gives its bytes, which may be none.
    ///
    /// # Errors
    /// `Corrupt` for what the library refuses.
    pub(super) fn unpack(&mut self, into: &mut [u8]) -> Result<usize> {
        let at = self.cursor.position();
        let mut header = [0; BLOCK_HEADER];
        self.cursor.fill(&mut header)?;
        let block = Block::parse(header, self.header.most_block(), at)?;
        let trailer = if block.last && self.header.checksum {
            4
        } else {
            0
        };
        let end = BLOCK_HEADER.saturating_add(block.packed());
        let mut packed = std::mem::take(&mut self.packed);
        resize(&mut packed, end.saturating_add(trailer))?;
        let (head, rest) = packed.split_at_mut(BLOCK_HEADER);
        head.copy_from_slice(&header);
        self.cursor.fill(rest)?;
        let fed = if self.is_whole { packed.len() } else { end };
        let len = self.feed(packed.split_at(fed).0, into);
        let len = len.map_err(|error| error.at(at))?;
        let (own, _) = into.split_at(len);
        if let Some((trail, history)) = &mut self.kept {
            if block.kind == BlockType::Compressed {
                let bytes = packed.get(BLOCK_HEADER..end).unwrap_or_default();
                trail.add(bytes, at.saturating_add(to_u64(BLOCK_HEADER)));
            }
            history.add(own);
        }
        self.packed = packed;
        self.has_ended = block.last;
        self.compare(own, at)?;
        Ok(len)
    }

    /// Takes `own` into the checksum of the seek table, and compares that at the end.
    fn compare(&mut self, own: &[u8], at: u64) -> Result<()> {
        let Some((expected, hasher)) = &mut self.checksum else {
            return Ok(());
        };
        hasher.write(own);
        let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
        let found = u32::from_le_bytes([a, b, c, d]);
        if !self.has_ended || found == *expected {
            return Ok(());
        }
        let text = format!(
            "the frame's checksum is {found:#010x}, not {expected:#010x} as in the seek table"
        );
        Err(Error::corrupt(text).at(at))
    }

    /// Gives all of `bytes` to the library, and gives how many bytes came into `into`.
    fn feed(&mut self, bytes: &[u8], into: &mut [u8]) -> Result<usize> {
        let mut input = InBuffer::around(bytes);
        let mut output = OutBuffer::around(into);
        while input.pos < bytes.len() {
            let before = (input.pos, output.pos());
            let run = self.decoder.run(&mut input, &mut output);
            run.map_err(|error| Error::corrupt(error.to_string()))?;
            if (input.pos, output.pos()) == before {
                return Err(Error::corrupt("a block unpacks to more than it may"));
            }
        }
        Ok(output.pos())
    }

    /// Where the frame ends, once its last block was unpacked.
    pub(super) fn end(&self) -> Option<u64> {
        self.has_ended.then(|| self.cursor.position())
    }

    /// Where the next block is.
    pub(super) fn at(&self) -> u64 {
        self.cursor.position()
    }

    /// The state of a point before the next block, where there can be one.
    pub(super) fn state(&self) -> Option<Vec<u8>> {
        let (trail, history) = self.kept.as_ref()?;
        if history.len() < LEAST_CONTENT {
            return None;
        }
        let entropy = trail.entropy(&*self.source)?;
        let single = |table: &Option<std::sync::Arc<super::fse::Table>>| {
            table.as_ref().is_none_or(|it| it.description.is_none())
        };
        let [literal_lengths, offsets, match_lengths] = &entropy.tables;
        let missing = [literal_lengths, offsets, match_lengths].map(single);
        if missing.contains(&true) && !self.next_brings(missing)? {
            return None;
        }
        let mut state = self.start.to_le_bytes().to_vec();
        state.extend(dictionary::head(&entropy)?);
        history.append_to(&mut state)?;
        Some(state)
    }

    /// Whether the next block brings the tables that are `missing`.
    fn next_brings(&self, missing: [bool; 3]) -> Option<bool> {
        let at = self.cursor.position();
        let mut header = [0; BLOCK_HEADER];
        self.source.read_exact_at(&mut header, at).ok()?;
        let block = Block::parse(header, self.header.most_block(), at).ok()?;
        if block.kind != BlockType::Compressed {
            return Some(false);
        }
        let at = at.saturating_add(to_u64(BLOCK_HEADER));
        let sections = Sections::parse(&read_vec(&*self.source, at, block.size).ok()?)?;
        let mut modes = sections.modes.iter().zip(missing);
        Some(modes.all(|(mode, missing)| !missing || *mode != Mode::Repeat))
    }

    pub(super) fn memory(&self) -> u64 {
        let history = self.kept.as_ref().map_or(0, |(_, history)| history.len());
        let window = self.header.window.saturating_add(to_u64(history));
        window.saturating_add(self.resumed).saturating_add(OVERHEAD)
    }
}

/// The library would not begin.
fn refused(error: &std::io::Error, at: u64) -> Error {
    Error::corrupt(error.to_string()).at(at)
}
