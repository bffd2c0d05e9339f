//! Completions and manual page, from the one definition of the command line.

use clap::CommandFactory;
use clap_complete::Shell as Target;

use super::arguments::{Arguments, Shell};

/// The completions for `shell`.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => Target::Bash,
        Shell::Zsh => Target::Zsh,
        Shell::Fish => Target::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "imgmount", &mut text);
    text
}
