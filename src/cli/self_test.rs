//! `imgmount self-test`: whether what parses images is kept from everything else, on this system.

use super::arguments::SelfTest;
use super::exit::{Failure, Outcome};
use super::messages::say;
use super::open::WITHOUT_SANDBOX;
use super::output::Output;
use crate::error::Error;
use crate::service::sandbox::{Attempt, Wanted};
use crate::service::self_test::{Tried, self_test};

/// Prints what was tried and what came of it.
pub(crate) fn run(arguments: &SelfTest) -> Result<Outcome, Failure> {
    let wanted = match arguments.no_sandbox {
        true => Wanted::Off,
        false => Wanted::Usual,
    };
    if wanted == Wanted::Off {
        say(WITHOUT_SANDBOX);
    }
    let tried = self_test(wanted)?;
    let mut output = Output::stdout();
    for tried in &tried {
        output.text(&table(tried))?;
    }
    let all = || tried.iter().flat_map(|tried| &tried.attempts);
    let through = all().filter(|it| !it.is_refused).count();
    match through {
        0 => output.text("the processes that parse images can do none of this\n")?,
        _ => output.text(&format!("{through} of {} went through\n", all().count()))?,
    }
    output.finish()?;
    match through {
        0 => Ok(Outcome::Done),
        _ => Err(Failure::Reported(Error::invalid("the sandbox has holes"))),
    }
}

fn table(tried: &Tried) -> String {
    let line = |attempt: &Attempt| {
        let outcome = match attempt.is_refused {
            true => "refused",
            false => "NOT REFUSED",
        };
        let (what, answer) = (&attempt.what, &attempt.answer);
        format!("  {what:<28} {outcome} ({answer})\n")
    };
    let lines: String = tried.attempts.iter().map(line).collect();
    format!("{}:\n{lines}", tried.whose)
}
