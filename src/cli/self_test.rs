//! `imgmount self-test`: whether what parses images is kept from everything else, on this system.

use super::arguments::SelfTest;
use super::exit::{Failure, Outcome};
use super::output::Output;
use crate::error::Error;
use crate::service::mount::self_test;
use crate::service::sandbox::Wanted;

/// Prints what was tried and what came of it.
pub(crate) fn run(arguments: &SelfTest) -> Result<Outcome, Failure> {
    let attempts = self_test(match arguments.no_sandbox {
        true => Wanted::Off,
        false => Wanted::Usual,
    })?;
    let mut output = Output::stdout();
    for attempt in &attempts {
        let outcome = match attempt.is_refused {
            true => "refused",
            false => "NOT REFUSED",
        };
        let (what, answer) = (&attempt.what, &attempt.answer);
        output.text(&format!("{what:<26} {outcome} ({answer})\n"))?;
    }
    let through = attempts.iter().filter(|it| !it.is_refused).count();
    match through {
        0 => output.text("the process that parses images can do none of this\n")?,
        _ => output.text(&format!("{through} of {} went through\n", attempts.len()))?,
    }
    output.finish()?;
    match through {
        0 => Ok(Outcome::Done),
        _ => Err(Failure::Reported(Error::invalid("the sandbox has holes"))),
    }
}
