//! `imgmount info`: the layers of an image, for people and for programs.

mod graph;
mod json;
mod map;
mod text;

use super::arguments::Info;
use super::exit::{Failure, Outcome};
use super::json as values;
use super::open;
use super::output::Output;
use crate::service::open::Seen;

/// Runs the verb. What is damaged is part of the answer, not a failure to answer; of an image that
/// is refused, what is known is said before the reason.
pub(crate) fn run(arguments: &Info) -> Result<Outcome, Failure> {
    let seen = Seen::default();
    let opened = open::seen(&arguments.image, &arguments.opening, &seen);
    let mut output = Output::stdout();
    if arguments.json {
        let value = match &opened {
            Ok(image) => json::image(&arguments.image, image),
            Err(failure) => json::refused(&arguments.image, &seen, failure.error()),
        };
        output.text(&values::pretty(&value))?;
        output.text("\n")?;
    } else {
        let name = open::name_of(&arguments.image);
        let width = output.is_terminal().then(terminal_width);
        output.text(&match &opened {
            Ok(image) => text::image(&name, image, width),
            Err(_) => text::refused(&name, &seen),
        })?;
    }
    output.finish()?;
    opened.map(|_| Outcome::Done)
}

/// Columns of the terminal at standard output; 80 where it does not say.
fn terminal_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    match size {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => 80,
    }
}
