//! One decoder at work, from where it stands to what is wanted of it.

use std::sync::atomic::Ordering;

use super::decoding::Resting;
use super::index::{self, Kept};
use super::{Decoder, SPAN, Streamed, Work};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{head, zeroed};

/// Bytes to pass over from which on somebody may want to see the progress.
const LONG: u64 = 32 << 20;

/// A decoder at work. Dropped, also by a panic, it lets go those who wait for it.
pub(super) struct Run<'a> {
    stream: &'a Streamed,
    number: u64,
    at: u64,
    /// Where the next point should be put.
    due: u64,
    decoder: Option<Box<dyn Decoder>>,
    /// The last byte of the stream was given.
    ended: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(stream: &'a Streamed, number: u64, resting: Resting, due: u64) -> Self {
        let mut run = Self::none(stream, number, resting.at, due);
        run.set(resting.decoder);
        run
    }

    /// Without a decoder yet.
    pub(super) fn none(stream: &'a Streamed, number: u64, at: u64, due: u64) -> Self {
        Self {
            stream,
            number,
            at,
            due,
            decoder: None,
            ended: false,
        }
    }

    pub(super) fn set(&mut self, decoder: Box<dyn Decoder>) {
        self.decoder = Some(decoder);
    }

    /// Goes on to `output`; whole spans on the way are kept for a while. Whether it got there: not
    /// where the stream ends before.
    pub(super) fn skip_to(&mut self, output: u64) -> Result<bool> {
        let total = output.saturating_sub(self.at);
        let known = (output < u64::MAX).then_some(total);
        let work = (total > LONG).then(|| self.stream.listener.begin(known));
        let mut buf = Vec::new();
        while self.at < output && !self.ended {
            let from = self.at;
            let boundary = (from / SPAN).saturating_add(1).saturating_mul(SPAN);
            let len = to_usize(boundary.min(output).saturating_sub(from));
            if buf.len() != to_usize(SPAN) {
                buf = zeroed(to_usize(SPAN))?;
            }
            let got = self.fill(head(&mut buf, len))?;
            if to_u64(got) == SPAN {
                buf = self.pass(from / SPAN, buf);
            }
            advance(work.as_deref(), got);
        }
        Ok(self.at >= output)
    }

    /// Decodes into `into`, all of it or up to the end of the stream; gives how many bytes.
    pub(super) fn fill(&mut self, into: &mut [u8]) -> Result<usize> {
        let mut len = 0_usize;
        while len < into.len() && !self.ended {
            let rest = into.split_at_mut(len).1;
            len = len.saturating_add(self.decode(rest)?);
        }
        Ok(len)
    }

    /// Whether this is the end of the stream. It may cost a look at what follows.
    pub(super) fn is_end(&mut self) -> Result<bool> {
        if !self.ended {
            self.decode(&mut [0; 512])?;
        }
        Ok(self.ended)
    }

    /// Lets the decoder rest where it got to, or remembers why it got no further.
    pub(super) fn finish<T>(mut self, result: Result<T>) -> Result<T> {
        let decoder = self.decoder.take();
        if let (true, Some(decoder)) = (result.is_ok() && !self.ended, decoder) {
            let at = self.at;
            self.stream.lock().rest(Resting { at, decoder });
        }
        result
    }

    fn decode(&mut self, buf: &mut [u8]) -> Result<usize> {
        let gone = || Error::invalid("no decoder is there");
        let decoder = self.decoder.as_mut().ok_or_else(gone)?;
        let decoded = decoder.decode(buf);
        let len = match decoded {
            Ok(len) if len <= buf.len() => len,
            Ok(_) => return Err(Error::corrupt("the decoder gave more than was asked for")),
            Err(error) => return Err(self.fail(error)),
        };
        self.at = self.at.saturating_add(to_u64(len));
        self.stream
            .decoded
            .fetch_add(to_u64(len), Ordering::Relaxed);
        self.note(len == 0)?;
        Ok(len)
    }

    /// Takes down how far it is, and puts a point where one is due.
    fn note(&mut self, ended: bool) -> Result<()> {
        self.ended = ended;
        let due = self.at >= self.due;
        let mut decoders = self.stream.lock();
        let index = &mut decoders.index;
        index.reached = index.reached.max(self.at);
        if ended {
            index.end = Some(self.at);
        }
        if !due || ended {
            return Ok(());
        }
        let wanted = index.wants(self.at);
        if !wanted {
            self.due = index.due(self.at);
            return Ok(());
        }
        drop(decoders);
        self.put_point()
    }

    fn put_point(&mut self) -> Result<()> {
        let point = self.decoder.as_ref().and_then(|decoder| decoder.point());
        let Some(point) = point.filter(|point| point.output == self.at) else {
            return Ok(());
        };
        let kept = Kept {
            input: point.input,
            state: index::pack(&point.state)?,
            known: false,
        };
        let mut decoders = self.stream.lock();
        decoders.index.add(point.output, kept);
        self.due = decoders.index.due(self.at);
        Ok(())
    }

    /// Remembers that it can't be decoded here, and from where it can be again.
    fn fail(&mut self, error: Error) -> Error {
        let decoder = self.decoder.as_ref();
        let next = decoder.and_then(|decoder| decoder.behind_damage());
        let next = next.filter(|point| point.output >= self.at);
        let packed = next.and_then(|point| {
            let state = index::pack(&point.state).ok()?;
            Some((point.output, point.input, state))
        });
        self.decoder = None;
        let mut decoders = self.stream.lock();
        decoders.fail(self.at, &error);
        if let Some((output, input, state)) = packed {
            let known = false;
            let kept = Kept {
                input,
                state,
                known,
            };
            decoders.index.add(output, kept);
        }
        error
    }

    /// Keeps the span that was decoded on the way, unless it is zeros; gives the memory for the
    /// next.
    fn pass(&mut self, span: u64, bytes: Vec<u8>) -> Vec<u8> {
        let zeros = super::is_zeros(&bytes);
        let mut decoders = self.stream.lock();
        decoders.moved(self.number, self.at);
        self.stream.moved.notify_all();
        if zeros {
            decoders.index.add_hole(span);
            return bytes;
        }
        decoders.pass(span, bytes)
    }
}

fn advance(work: Option<&dyn Work>, len: usize) {
    if let Some(work) = work {
        work.advance(to_u64(len));
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.stream.lock().stop(self.number);
        self.stream.moved.notify_all();
    }
}
