//! Completions and the manual page imgmount(1): options and verbs from the one definition of the
//! command line, the rest written by hand in `manual.roff`.

use std::collections::HashSet;

use clap::{Command, CommandFactory, Id};
use clap_complete::Shell as Target;
use clap_mangen::Man;

use super::arguments::{Arguments, Shell};

/// What the manual says besides the command line.
const BY_HAND: &str = include_str!("manual.roff");

const OPTIONS: &str = "\
.SH OPTIONS
These are the options of a mount, in groups.
A verb has those of the groups that make sense for it;
\\fBimgmount\\fR \\fIVERB\\fR \\fB\\-\\-help\\fR lists them.
";

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

/// The manual page.
///
/// # Errors
/// None that can come up: it is written to memory.
pub(crate) fn page() -> std::io::Result<String> {
    let mut command = Arguments::command().disable_help_flag(true);
    command.build();
    let shared: HashSet<Id> = options(&command);
    let mut text = String::from(".TH IMGMOUNT 1 2026-11-21 imgmount \"User Commands\"\n");
    text.push_str(
        ".SH NAME\nimgmount \\- show what is inside a disk image as files, without root\n",
    );
    text.push_str(&synopsis(&command));
    let (before, after) = BY_HAND.split_once(".\\\" VERBS\n").unwrap_or((BY_HAND, ""));
    text.push_str(before);
    text.push_str(".SH VERBS\n");
    for verb in command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "mount")
    {
        text.push_str(&section(verb, &shared)?);
    }
    text.push_str(OPTIONS);
    text.push_str(&rendered(&command)?);
    text.push_str(after);
    Ok(text)
}

fn options(command: &Command) -> HashSet<Id> {
    let options = command
        .get_arguments()
        .filter(|argument| !argument.is_positional());
    options.map(|argument| argument.get_id().clone()).collect()
}

fn synopsis(command: &Command) -> String {
    let mut text = String::from(
        ".SH SYNOPSIS\n\\fBimgmount\\fR [\\fIOPTIONS\\fR] \\fIIMAGE\\fR [\\fIMOUNTPOINT\\fR]\n",
    );
    for verb in command.get_subcommands() {
        text.push_str(".br\n");
        text.push_str(&usage(verb));
    }
    text
}

/// `imgmount ls [OPTIONS] IMAGE [PATH]...` in roff.
fn usage(verb: &Command) -> String {
    let usage = verb.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").replace(['<', '>'], "");
    let words = usage.split(' ').map(|word| {
        let is_name = word.chars().any(|c| c.is_ascii_uppercase());
        let font = if is_name { "\\fI" } else { "\\fB" };
        format!("{font}{}\\fR", word.replace('-', "\\-"))
    });
    words.collect::<Vec<_>>().join(" ") + "\n"
}

/// One verb, with the options that only it has.
fn section(verb: &Command, shared: &HashSet<Id>) -> std::io::Result<String> {
    let mut own = verb.clone().disable_help_flag(true);
    let hidden: Vec<Id> = options(verb).intersection(shared).cloned().collect();
    for id in hidden {
        own = own.mut_arg(id, |argument| argument.hide(true));
    }
    let about = verb
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let heading = format!(".SS \"imgmount {}\"\n{about}.\n", verb.get_name());
    Ok(heading + &rendered(&own)?)
}

/// The arguments as clap_mangen writes them, its sections made subsections, without the first
/// heading.
fn rendered(command: &Command) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    Man::new(command.clone()).render_options_section(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut out = String::new();
    for line in text.lines() {
        match line.strip_prefix(".SH ") {
            Some("OPTIONS") => {}
            Some(heading) => out.push_str(&format!(".SS {heading}\n")),
            // Beside the space that is there already.
            None if line == ".br" => {}
            None => wrap(line, &mut out),
        }
    }
    Ok(out)
}

/// Adds `line` in pieces that manual pages' tools like, which means nothing in running text.
fn wrap(line: &str, out: &mut String) {
    const WIDEST: usize = 78;
    let mut width = 0_usize;
    for word in line.split_inclusive(' ') {
        let length = word.chars().count();
        if width > 0 && width.saturating_add(length) > WIDEST && !line.starts_with('.') {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            width = 0;
        }
        out.push_str(word);
        width = width.saturating_add(length);
    }
    out.push('\n');
}
