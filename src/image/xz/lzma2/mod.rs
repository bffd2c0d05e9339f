//! An LZMA2 decoder that can stop anywhere, be written down, and go on from there later.
//!
//! The crates that decode LZMA2 keep their state to themselves, and a block of an xz file has no
//! point inside from which a decoder could start: what is kept here is the only way to read the
//! middle of a large block without everything before it.

mod dictionary;
mod model;
mod range;
mod state;

use self::dictionary::Dictionary;
use self::model::{Model, Properties};
use self::range::Range;
pub(super) use self::state::Kept;
use super::input::Input;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};

/// Bytes that a chunk can have packed.
const MOST_PACKED: usize = 1 << 16;
/// Bytes that a chunk can unpack to.
const MOST_UNPACKED: usize = 1 << 21;

/// The decoder.
pub(super) struct Lzma2 {
    dictionary: Dictionary,
    model: Option<Model>,
    chunk: Chunk,
    /// The chunk's bytes as they are packed.
    packed: Vec<u8>,
    /// No chunk may use the dictionary before one has reset it.
    needs_reset: bool,
    /// No chunk may use the properties before one has set them.
    needs_properties: bool,
    ended: bool,
}

/// Where the decoder stands in a chunk.
#[derive(Clone, Copy, Default)]
struct Chunk {
    /// Where its packed bytes lie in the file.
    start: u64,
    /// Packed bytes of it.
    packed: usize,
    /// Packed bytes that were taken.
    taken: usize,
    /// Bytes that it still unpacks to.
    left: usize,
    /// The range decoder's state; `None` for a chunk that is stored.
    coder: Option<(u32, u32)>,
}

impl Lzma2 {
    /// A decoder at the start of a block that unpacks to `size` bytes, if that is known, and has a
    /// dictionary of `dictionary` bytes: no more than either is allocated.
    pub(super) fn new(dictionary: u32, size: u64) -> Result<Self> {
        let needed = u64::from(dictionary).min(size);
        Ok(Self {
            dictionary: Dictionary::new(to_usize(needed))?,
            model: None,
            chunk: Chunk::default(),
            packed: Vec::new(),
            needs_reset: true,
            needs_properties: true,
            ended: false,
        })
    }

    /// Bytes of its dictionary.
    pub(super) fn memory(&self) -> u64 {
        to_u64(self.dictionary.len())
    }

    /// Unpacks into `buf`. Short is no end; 0 is, where `buf` is not empty.
    pub(super) fn decode(&mut self, input: &mut Input, buf: &mut [u8]) -> Result<usize> {
        if buf.is_empty() || self.ended {
            return Ok(0);
        }
        if self.chunk.left == 0 {
            self.next_chunk(input)?;
            if self.ended {
                return Ok(0);
            }
        }
        let most = buf.len().min(self.chunk.left);
        let start = self.chunk.start;
        let len = self.run(most, buf).map_err(|error| error.at(start))?;
        self.chunk.left = self.chunk.left.saturating_sub(len);
        if self.chunk.left == 0 {
            self.end_chunk().map_err(|error| error.at(start))?;
        }
        Ok(len)
    }

    /// One run through the dictionary, copied to the front of `buf`.
    fn run(&mut self, most: usize, buf: &mut [u8]) -> Result<usize> {
        let mut writer = self.dictionary.run(most);
        match (self.chunk.coder, &mut self.model) {
            (Some((range, code)), Some(model)) => {
                let mut coder = Range::new(range, code, &self.packed, self.chunk.taken);
                let far = |_| Error::corrupt("an LZMA2 chunk points back before its beginning");
                model.run(&mut coder, &mut writer).map_err(far)?;
                let (range, code, taken) = coder.state();
                self.chunk.coder = Some((range, code));
                self.chunk.taken = taken;
            }
            _ => {
                let rest = self.packed.get(self.chunk.taken..).unwrap_or(&[]);
                let len = writer.put_all(rest.get(..most).unwrap_or(rest));
                self.chunk.taken = self.chunk.taken.saturating_add(len);
            }
        }
        let (start, at) = (writer.start, writer.at);
        let run = self.dictionary.end(start, at);
        let len = run.len().min(buf.len());
        let (front, _) = buf.split_at_mut(len);
        front.copy_from_slice(run.split_at(len).0);
        match len {
            0 => Err(Error::corrupt("an LZMA2 chunk is cut off")),
            len => Ok(len),
        }
    }

    /// A chunk that is unpacked has taken all its bytes, and nothing is left in the coder.
    fn end_chunk(&mut self) -> Result<()> {
        let Some((range, code)) = self.chunk.coder else {
            return Ok(());
        };
        let mut coder = Range::new(range, code, &self.packed, self.chunk.taken);
        coder.normalize();
        let (_, code, taken) = coder.state();
        let pending = self.model.as_ref().map_or(0, Model::pending);
        match code == 0 && taken == self.packed.len() && pending == 0 {
            true => Ok(()),
            false => Err(Error::corrupt("an LZMA2 chunk does not end where it says")),
        }
    }

    /// Reads a chunk's header (lzma2_decoder.c of XZ Utils is the reference) and its packed bytes.
    fn next_chunk(&mut self, input: &mut Input) -> Result<()> {
        let at = input.at();
        let wrong = |what: &str| Error::corrupt(format!("LZMA2 chunk: {what}")).at(at);
        let [control] = input.array()?;
        if control == 0 {
            self.ended = true;
            return Ok(());
        }
        if control >= 0xe0 || control == 1 {
            self.needs_reset = false;
            self.needs_properties = true;
            self.dictionary.reset();
        } else if self.needs_reset {
            return Err(wrong("the dictionary is used before it is reset"));
        }
        match control {
            0x80.. => self.packed_chunk(control, input).map_err(|e| e.at(at))?,
            1 | 2 => {
                let left = usize::from(u16::from_be_bytes(input.array()?)).saturating_add(1);
                self.chunk = Chunk {
                    packed: left,
                    left,
                    ..Chunk::default()
                };
            }
            _ => return Err(wrong(&format!("control byte {control:#x} is not known"))),
        }
        self.chunk.start = input.at();
        self.read_packed(input)?;
        if self.chunk.coder.is_some() {
            self.start_coder().map_err(|error| error.at(at))?;
        }
        Ok(())
    }

    fn packed_chunk(&mut self, control: u8, input: &mut Input) -> Result<()> {
        let high = usize::from(control & 0x1f) << 16;
        let low = usize::from(u16::from_be_bytes(input.array()?));
        let packed = usize::from(u16::from_be_bytes(input.array()?)).saturating_add(1);
        if control >= 0xc0 {
            let [byte] = input.array()?;
            let wrong = || Error::corrupt(format!("LZMA2 chunk: properties {byte:#x}"));
            self.model = Some(Model::new(Properties::new(byte).ok_or_else(wrong)?));
            self.needs_properties = false;
        } else if self.needs_properties {
            let text = "LZMA2 chunk: the properties are used before they are set";
            return Err(Error::corrupt(text));
        } else if control >= 0xa0
            && let Some(model) = &mut self.model
        {
            model.reset();
        }
        self.chunk = Chunk {
            packed,
            left: (high | low).saturating_add(1),
            coder: Some((0, 0)),
            ..Chunk::default()
        };
        Ok(())
    }

    fn read_packed(&mut self, input: &mut Input) -> Result<()> {
        self.packed.resize(self.chunk.packed, 0);
        input.fill(&mut self.packed)
    }

    /// The first five bytes of a packed chunk: a zero and the first code.
    fn start_coder(&mut self) -> Result<()> {
        let Some(&[0, a, b, c, d]) = self.packed.first_chunk::<5>() else {
            return Err(Error::corrupt("LZMA2 chunk: it does not begin with a zero"));
        };
        self.chunk.coder = Some((u32::MAX, u32::from_be_bytes([a, b, c, d])));
        self.chunk.taken = 5;
        Ok(())
    }

    /// Appends all that is needed to go on from here to `into`; the last part is the dictionary.
    pub(super) fn keep(&self, into: &mut Vec<u8>) {
        let (range, code) = self.chunk.coder.unwrap_or((0, 0));
        let flags = [
            self.needs_reset,
            self.needs_properties,
            self.ended,
            self.chunk.coder.is_some(),
            self.model.is_some(),
        ];
        into.extend(flags.map(u8::from));
        into.extend(self.chunk.start.to_le_bytes());
        for value in [self.chunk.packed, self.chunk.taken, self.chunk.left] {
            into.extend(to_u64(value).to_le_bytes());
        }
        into.extend(range.to_le_bytes());
        into.extend(code.to_le_bytes());
        if let Some(model) = &self.model {
            model.keep(into);
        }
        let (position, parts) = self.dictionary.keep();
        into.extend(to_u64(position).to_le_bytes());
        for part in parts {
            into.extend(part);
        }
    }

    /// Takes back what [`Lzma2::keep`] gave; `None` where it cannot have given that. All that is
    /// left of `kept` is the dictionary.
    pub(super) fn restore(&mut self, kept: &mut Kept<'_>, input: &mut Input) -> Option<Result<()>> {
        let flags: [u8; 5] = kept.array()?;
        let [needs_reset, needs_properties, ended, coder, model] = flags.map(|flag| flag != 0);
        let chunk = Chunk {
            start: kept.long()?,
            packed: kept.size()?,
            taken: kept.size()?,
            left: kept.size()?,
            coder: coder.then_some((0, 0)),
        };
        let range = (kept.word()?, kept.word()?);
        self.model = match model {
            true => Some(Model::restore(kept)?),
            false => None,
        };
        self.chunk = Chunk {
            coder: chunk.coder.map(|_| range),
            ..chunk
        };
        let position = kept.size()?;
        self.dictionary
            .restore(position, kept.take(kept.0.len())?)?;
        (self.needs_reset, self.needs_properties, self.ended) =
            (needs_reset, needs_properties, ended);
        let sound = chunk.packed <= MOST_PACKED
            && chunk.taken <= chunk.packed
            && chunk.left <= MOST_UNPACKED
            && (coder || chunk.left <= chunk.packed);
        if !sound || (coder && !model) {
            return None;
        }
        if chunk.left == 0 {
            return Some(Ok(()));
        }
        Some(
            input
                .seek(chunk.start)
                .and_then(|()| self.read_packed(input)),
        )
    }
}
