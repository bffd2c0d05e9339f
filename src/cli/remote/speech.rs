//! What the process says by itself: how far it is, and what is to be written.

use std::collections::HashMap;

use super::super::exit::Failure;
use super::super::output::Output;
use super::super::progress::Progress;
use super::nonsense;
use super::protocol::{End, PIECE, Said};
use crate::error::Error;
use crate::number::to_usize;
use crate::service::frames::Frames;

/// Bars at a time.
const MOST_BARS: usize = 16;

/// Why there is no end.
pub(super) enum Unheard {
    /// The process cannot be heard, or says what cannot be.
    Link(Error),
    /// The verb is over.
    Verb(Failure),
}

impl From<Error> for Unheard {
    fn from(error: Error) -> Self {
        Self::Link(error)
    }
}

/// Hears the process at the other end of `lane` until its job is begun or done.
pub(super) fn hear(lane: &mut Frames, mut output: Option<&mut Output>) -> Result<End, Unheard> {
    let mut bars: HashMap<u32, Progress> = HashMap::new();
    loop {
        match lane.expect::<Said>()? {
            Said::Begins { work, total } if bars.len() < MOST_BARS => {
                bars.insert(work, Progress::new(total));
            }
            Said::Begins { .. } => {}
            Said::Advances { work, bytes } => {
                if let Some(bar) = bars.get(&work) {
                    bar.advance(bytes);
                }
            }
            Said::Ends { work } => drop(bars.remove(&work)),
            Said::Output(length) => {
                let length = to_usize(length.into());
                let Some(output) = output.as_mut().filter(|_| length <= PIECE) else {
                    return Err(nonsense("it writes what nobody asked for").into());
                };
                let mut bytes = vec![0; length];
                lane.bytes(&mut bytes)?;
                output.page(&bytes).map_err(Unheard::Verb)?;
            }
            Said::Over(Ok(end)) => return Ok(end),
            Said::Over(Err(failure)) => return Err(Unheard::Verb(failure.tamed())),
        }
    }
}
