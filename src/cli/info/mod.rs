//! `imgmount info`: the layers of an image, for people and for programs.

mod graph;
mod json;
mod map;
mod text;

use std::path::Path;

use super::arguments::{Info, Showing};
use super::exit::{Failure, Outcome};
use super::json as values;
use super::output::Output;
use super::remote::protocol::Verb;
use super::{open, remote};
use crate::service::open::{Image, Seen};
use crate::service::sandbox::Confined;

/// Runs the verb: another process reads the image and makes the page.
pub(crate) fn run(arguments: &Info) -> Result<Outcome, Failure> {
    let request = open::wanted(&arguments.image, &Showing::default(), &arguments.opening)?;
    let is_terminal = Output::stdout().is_terminal();
    let verb = Verb::Info {
        json: arguments.json,
        width: is_terminal.then(terminal_width),
    };
    remote::pages(&request, verb)
}

/// What is to be said of an image, and how.
pub(crate) struct Page<'a> {
    pub(crate) image: &'a Path,
    pub(crate) json: bool,
    /// Columns of a terminal.
    pub(crate) width: Option<usize>,
    /// What keeps the process that makes it from anything else.
    pub(crate) confined: &'a Confined,
    pub(crate) output: Output,
}

impl Page<'_> {
    /// Writes it. What is damaged is part of the answer, not a failure to answer; of an image that
    /// is refused, what is known is said before the reason.
    pub(crate) fn write(
        mut self,
        opened: Result<Image, Failure>,
        seen: &Seen,
    ) -> Result<Outcome, Failure> {
        if self.json {
            let mut value = match &opened {
                Ok(image) => json::image(self.image, image),
                Err(failure) => json::refused(self.image, seen, failure.error()),
            };
            json::add_sandbox(&mut value, self.confined);
            self.output.text(&values::pretty(&value))?;
            self.output.text("\n")?;
        } else {
            let name = open::name_of(self.image);
            self.output.text(&match &opened {
                Ok(image) => text::image(&name, image, self.width),
                Err(_) => text::refused(&name, seen),
            })?;
        }
        self.output.finish()?;
        opened.map(|_| Outcome::Done)
    }
}

/// Columns of the terminal at standard output; 80 where it does not say.
fn terminal_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    match size {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => 80,
    }
}
