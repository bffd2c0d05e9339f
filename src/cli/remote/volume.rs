//! A volume that another process reads, from several threads at once.

use std::ops::Range;
use std::sync::{Condvar, Mutex};

use serde::de::DeserializeOwned;

use super::super::exit::Failure;
use super::protocol::{Ask, End, PIECE, Part, Verb};
use super::{Begun, Link, begin, nonsense};
use crate::error::{Error, Kind, Result};
use crate::lock::{lock, wait};
use crate::number::{to_u64, to_usize};
use crate::service::frames::Frames;
use crate::service::mount::Request;
use crate::service::passed::Passed;
use crate::source::{HostBytes, resize};

/// What is copied whole.
pub(crate) trait Parts: Sync {
    /// Its size in bytes.
    fn size(&self) -> u64;

    /// What it consists of from `offset` on, in order: as much of `length` bytes as is told at once,
    /// at least one part. Those that are [`Part::Sent`] stand in `buf`, one after the other. Only
    /// zeros at the end reach past `length`, and nothing past the volume.
    ///
    /// # Errors
    /// Those of the first part.
    fn parts(&self, offset: u64, length: u64, buf: &mut Vec<u8>) -> Result<Vec<Part>>;

    /// Fills `buf` from byte `skip` of the part `host` on, which is byte `offset` of all.
    ///
    /// # Errors
    /// What makes a byte of them unreadable.
    fn read_host(&self, host: &HostBytes, skip: u64, buf: &mut [u8], offset: u64) -> Result<()>;
}

/// The volume. Says at its end what was odd about the image since it was opened.
pub(crate) struct Volume {
    size: u64,
    /// Those that no thread uses now.
    lanes: Mutex<Vec<Frames>>,
    /// What need not come through them.
    passed: Passed,
    returned: Condvar,
    link: Mutex<Link>,
    /// Why nothing more can be read.
    over: Mutex<Option<Failure>>,
    said: usize,
}

impl Volume {
    /// The one that `name` names in the image, or its disk, for as many as `threads` threads.
    pub(crate) fn open(
        request: &Request,
        name: Option<String>,
        threads: usize,
    ) -> std::result::Result<Self, Failure> {
        let begun = begin(request, threads.max(1), Verb::Volume(name), None)?;
        Self::of(begun)
    }

    pub(super) fn of(begun: Begun) -> std::result::Result<Self, Failure> {
        let Begun {
            mut link,
            lanes,
            passed,
            end,
        } = begun;
        let End::Volume { size, notices } = end else {
            return Err(link.failure(nonsense("it opens no volume")));
        };
        super::files::say_notices(&link.name, &notices);
        Ok(Self {
            size,
            lanes: Mutex::new(lanes),
            passed,
            returned: Condvar::new(),
            link: Mutex::new(link),
            over: Mutex::default(),
            said: notices.len(),
        })
    }

    /// The files that it is read from.
    pub(crate) const fn passed(&self) -> &Passed {
        &self.passed
    }

    /// Why nothing more can be read, where that is so.
    pub(crate) fn over(&self) -> Option<Failure> {
        lock(&self.over).take()
    }

    /// Fills `buf` with the bytes at `offset`, as the process reads them.
    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        let mut offset = offset;
        for part in buf.chunks_mut(PIECE) {
            let length = u32::try_from(part.len()).unwrap_or_default();
            let ask = Ask::VolumeRead { offset, length };
            self.ask(&ask, |lane, ()| lane.bytes(part))?;
            offset = offset.saturating_add(to_u64(part.len()));
        }
        Ok(())
    }

    /// Asks on a lane that nobody uses. `hear` takes what follows the answer.
    fn ask<A: DeserializeOwned, T>(
        &self,
        ask: &Ask,
        hear: impl FnOnce(&mut Frames, A) -> Result<T>,
    ) -> Result<T> {
        let mut lanes = lock(&self.lanes);
        let mut lane = loop {
            match lanes.pop() {
                Some(lane) => break lane,
                None => {
                    lanes = wait(&self.returned, lanes);
                }
            }
        };
        drop(lanes);
        let heard = exchange(&mut lane, ask, hear);
        // Also one that is broken: the others are too, and say so at once.
        lock(&self.lanes).push(lane);
        self.returned.notify_one();
        heard.unwrap_or_else(|error| Err(self.gone(error)))
    }

    fn gone(&self, error: Error) -> Error {
        let mut over = lock(&self.over);
        if over.is_none() {
            *over = Some(lock(&self.link).failure(error));
        }
        Error::new(Kind::Io, "the process that reads the image ended")
    }
}

/// The outer error is that of the lane, the inner one the answer.
fn exchange<A: DeserializeOwned, T>(
    lane: &mut Frames,
    ask: &Ask,
    hear: impl FnOnce(&mut Frames, A) -> Result<T>,
) -> Result<Result<T>> {
    lane.send(ask, &[])?;
    match lane.expect::<Result<A>>()? {
        Ok(answer) => hear(lane, answer).map(Ok),
        Err(error) => Ok(Err(error.tamed())),
    }
}

impl Parts for Volume {
    fn size(&self) -> u64 {
        self.size
    }

    fn parts(&self, offset: u64, length: u64, buf: &mut Vec<u8>) -> Result<Vec<Part>> {
        let wanted = offset..offset.saturating_add(length);
        let ask = Ask::VolumeParts { offset, length };
        self.ask(&ask, |lane, parts: Vec<Part>| {
            let parts = fitting(parts, &wanted, self.size)?;
            let count = sent(&parts);
            if count > PIECE {
                return Err(nonsense("it sends more than there is room for"));
            }
            if buf.len() < count {
                resize(buf, count)?;
            }
            lane.bytes(buf.get_mut(..count).unwrap_or_default())?;
            Ok(parts)
        })
    }

    fn read_host(&self, host: &HostBytes, skip: u64, buf: &mut [u8], offset: u64) -> Result<()> {
        match self.passed.read(host, skip, buf) {
            Ok(()) => Ok(()),
            // The process knows what to call it, and perhaps a second copy.
            Err(_) => self.read(buf, offset),
        }
    }
}

/// How many bytes of `parts` are sent.
fn sent(parts: &[Part]) -> usize {
    let sent = parts.iter().map(|part| match part {
        Part::Sent(length) => to_usize(length.get().into()),
        Part::Zeros(_) | Part::Host(_) => 0,
    });
    sent.fold(0, usize::saturating_add)
}

/// `parts` as far as a volume of `size` bytes has them.
///
/// # Errors
/// `Corrupt` where they are not what was `wanted`.
fn fitting(parts: Vec<Part>, wanted: &Range<u64>, size: u64) -> Result<Vec<Part>> {
    let mut at = wanted.start;
    for part in &parts {
        let end = at.saturating_add(part.len());
        let most = match part {
            Part::Zeros(_) => size,
            Part::Host(_) | Part::Sent(_) => wanted.end.min(size),
        };
        if at >= wanted.end || end > most {
            return Err(nonsense("it tells of what nobody asked for"));
        }
        at = end;
    }
    match parts.is_empty() {
        true => Err(nonsense("it tells of nothing")),
        false => Ok(parts),
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if lock(&self.over).is_some() {
            return;
        }
        let said = self.said;
        if let Ok(notices) = self.ask(&Ask::Notices { said }, |_, notices: Vec<String>| {
            Ok(notices)
        }) {
            super::files::say_notices(&lock(&self.link).name, &notices);
        }
        // The streams end first: that is how the process knows.
        lock(&self.lanes).clear();
    }
}
