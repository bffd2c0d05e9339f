//! `imgmount convert`: the disk, or one volume, as a sparse raw file.

mod copy;
mod target;

use std::path::Path;

use super::arguments::{Convert, Showing};
use super::exit::{Failure, Outcome};
use super::open;
use super::remote::Volume;
use crate::error::Error;
use copy::{copy, threads};
use target::Target;

/// Runs the verb.
pub(crate) fn run(arguments: &Convert) -> Result<Outcome, Failure> {
    let Some((out, volume)) = arguments.volume_and_out.split_last() else {
        return Err(Failure::Usage(Error::invalid("no OUT")));
    };
    let request = open::wanted(&arguments.image, &Showing::default(), &arguments.opening)?;
    let name = open::name_of(&arguments.image);
    let volume = volume
        .first()
        .map(|name| name.to_string_lossy().into_owned());
    let source = Volume::open(&request, volume, threads())?;
    let out = Path::new(out);
    let target = Target::create(out, source.passed(), arguments.force)?;
    match copy(&source, &target) {
        Ok(()) => Ok(Outcome::Done),
        Err(trouble) => {
            target.abandon(out);
            let failure = || trouble.within(&name, &open::name_of(out));
            Err(source.over().unwrap_or_else(failure))
        }
    }
}

/// Why a copy ended early.
#[derive(Debug)]
enum Trouble {
    Read(Error),
    Write(std::io::Error),
}

impl Trouble {
    fn within(self, image: &str, out: &str) -> Failure {
        match self {
            Self::Read(error) => Failure::Image(error.context(image)),
            Self::Write(error) => Failure::host(format!("write {out}"), &error),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Read(error)
    }
}

#[cfg(test)]
mod tests;
