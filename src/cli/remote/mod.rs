//! The image as a verb sees it: read by another process, of which only names and bytes are heard.
//! Nothing that it says is believed further than it can be checked.

mod files;
pub(crate) mod protocol;
mod speech;
mod volume;

use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::exit::{Failure, Outcome};
use super::open::name_of;
use super::output::Output;
use crate::error::{Error, Kind};
use crate::service::frames::Frames;
use crate::service::mount::Request;
use crate::service::passed::Passed;
use crate::service::reading::{self, Reading, Started};
use protocol::{End, Job, Verb};

pub(crate) use self::files::Remote;
pub(crate) use self::volume::{Parts, Volume};

/// The process that reads the image.
struct Link {
    /// None in tests, which play the process themselves.
    reading: Option<Reading>,
    /// The image, for messages.
    name: String,
}

impl Link {
    /// Why nothing more can be heard after `error`. The process is at its end then.
    fn failure(&mut self, error: Error) -> Failure {
        let error = match (&mut self.reading, error.kind()) {
            (Some(reading), Kind::Corrupt) => {
                reading.kill();
                astray(&error)
            }
            (Some(reading), _) => reading.death(),
            (None, _) => error,
        };
        let error = error.tamed().context(self.name.as_str());
        match error.kind() {
            // It may not go on, as the user wished.
            Kind::Denied => Failure::Image(error),
            _ => Failure::Host(error),
        }
    }
}

fn astray(error: &Error) -> Error {
    let text = format!("the process that reads the image makes no sense: {error}");
    Error::new(Kind::Io, text)
}

/// The process says what cannot be.
fn nonsense(what: &str) -> Error {
    Error::corrupt(what)
}

/// The end of a walk whose files can no longer be asked for.
struct Gone(Failure);

/// Runs a verb; where the process that it asks ends, ends the verb there and then, whatever it
/// would make of one file that cannot be read.
pub(crate) fn until_gone(
    verb: impl FnOnce() -> Result<Outcome, Failure>,
) -> Result<Outcome, Failure> {
    match catch_unwind(AssertUnwindSafe(verb)) {
        Ok(result) => result,
        Err(panic) => match panic.downcast::<Gone>() {
            Ok(gone) => Err(gone.0),
            Err(panic) => resume_unwind(panic),
        },
    }
}

/// What a job has begun. The streams end before the process is waited for: that is how it knows.
struct Begun {
    lanes: Vec<Frames>,
    passed: Passed,
    link: Link,
    end: End,
}

/// Starts a process with `verb` for a job, and hears it until it can be asked, or is done. What it
/// says for standard output goes to `output`.
fn begin(
    request: &Request,
    lanes: usize,
    verb: Verb,
    output: Option<&mut Output>,
) -> Result<Begun, Failure> {
    // Only who copies a volume reads in them; a descriptor for each would be too many for others.
    let passed = match verb {
        Verb::Volume(_) => Passed::readable(),
        _ => Passed::default(),
    };
    let Started {
        reading,
        mut lanes,
        notices,
    } = reading::start(request, lanes, &passed)?;
    let name = name_of(&request.image);
    let job = Job {
        name: name.clone(),
        image: request.image.as_os_str().as_bytes().to_vec(),
        uid: rustix::process::geteuid().as_raw(),
        notices,
        verb,
    };
    let mut link = Link {
        reading: Some(reading),
        name,
    };
    let Some(lane) = lanes.first_mut() else {
        return Err(Failure::Host(Error::invalid("no stream to the process")));
    };
    let sent = lane.send(&job, &[]);
    let heard = sent.map_err(speech::Unheard::from);
    let heard = heard.and_then(|()| speech::hear(lane, output));
    match heard {
        Ok(end) => Ok(Begun {
            lanes,
            passed,
            link,
            end,
        }),
        Err(speech::Unheard::Link(error)) => Err(link.failure(error)),
        Err(speech::Unheard::Verb(failure)) => {
            drop(lanes); // It may wait for its words to be heard.
            Err(failure)
        }
    }
}

/// Runs a verb that is all done by the other process: it says what to write.
pub(crate) fn pages(request: &Request, verb: Verb) -> Result<Outcome, Failure> {
    let mut output = Output::stdout();
    let begun = begin(request, 1, verb, Some(&mut output));
    // What is known of an image that is refused comes before the reason.
    output.finish()?;
    let mut begun = begun?;
    match begun.end {
        End::Verb(outcome) => Ok(outcome),
        _ => Err(begun
            .link
            .failure(nonsense("it ends as another verb would"))),
    }
}

#[cfg(test)]
mod tests;
