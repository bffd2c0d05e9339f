//! `imgmount info`: the layers of an image, for people and for programs.

mod json;
mod map;
mod text;

use super::arguments::Info;
use super::exit::{Failure, Outcome};
use super::json as values;
use super::open;
use super::output::Output;

/// Runs the verb. What is damaged is part of the answer, not a failure to answer.
pub(crate) fn run(arguments: &Info) -> Result<Outcome, Failure> {
    let image = open::image(&arguments.image, &arguments.opening)?;
    let mut output = Output::stdout();
    if arguments.json {
        let value = json::image(&arguments.image, &image);
        output.text(&values::pretty(&value))?;
        output.text("\n")?;
    } else {
        let width = output.is_terminal().then(terminal_width);
        output.text(&text::image(
            &open::name_of(&arguments.image),
            &image,
            width,
        ))?;
    }
    output.finish()?;
    Ok(Outcome::Done)
}

/// Columns of the terminal at standard output; 80 where it does not say.
fn terminal_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    match size {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => 80,
    }
}
