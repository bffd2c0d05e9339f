//! A volume that another process reads, from several threads at once.

use std::sync::{Condvar, Mutex};

use serde::de::DeserializeOwned;

use super::super::exit::Failure;
use super::protocol::{Ask, End, PIECE, Verb};
use super::{Begun, Link, begin, nonsense};
use crate::error::{Error, Kind, Result};
use crate::lock::{lock, wait};
use crate::number::{to_u64, to_usize};
use crate::service::frames::Frames;
use crate::service::mount::Request;
use crate::source::{Extent, Source, check_range};

/// The volume. Says at its end what was odd about the image since it was opened.
pub(crate) struct Volume {
    size: u64,
    /// Those that no thread uses now.
    lanes: Mutex<Vec<Frames>>,
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
            end,
        } = begun;
        let End::Volume { size, notices } = end else {
            return Err(link.failure(nonsense("it opens no volume")));
        };
        super::files::say_notices(&link.name, &notices);
        Ok(Self {
            size,
            lanes: Mutex::new(lanes),
            returned: Condvar::new(),
            link: Mutex::new(link),
            over: Mutex::default(),
            said: notices.len(),
        })
    }

    /// Why nothing more can be read, where that is so.
    pub(crate) fn over(&self) -> Option<Failure> {
        lock(&self.over).take()
    }

    /// Asks on a lane that nobody uses, and reads what follows the answer into `buf`.
    fn ask<T: DeserializeOwned>(&self, ask: &Ask, buf: &mut [u8]) -> Result<T> {
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
        let heard = exchange(&mut lane, ask, buf);
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
fn exchange<T: DeserializeOwned>(
    lane: &mut Frames,
    ask: &Ask,
    buf: &mut [u8],
) -> Result<Result<T>> {
    lane.send(ask, &[])?;
    let answer = lane.expect::<Result<T>>()?;
    if answer.is_ok() {
        lane.bytes(buf)?;
    }
    Ok(answer.map_err(Error::tamed))
}

impl Source for Volume {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        let mut offset = offset;
        for part in buf.chunks_mut(PIECE) {
            let length = u32::try_from(part.len()).unwrap_or_default();
            self.ask::<()>(&Ask::VolumeRead { offset, length }, part)?;
            offset = offset.saturating_add(to_u64(to_usize(length.into())));
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        self.ask(&Ask::VolumeExtent { offset }, &mut [])
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if lock(&self.over).is_some() {
            return;
        }
        let said = self.said;
        if let Ok(notices) = self.ask::<Vec<String>>(&Ask::Notices { said }, &mut []) {
            super::files::say_notices(&lock(&self.link).name, &notices);
        }
        // The streams end first: that is how the process knows.
        lock(&self.lanes).clear();
    }
}
