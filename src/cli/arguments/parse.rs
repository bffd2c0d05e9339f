//! From words to [`Arguments`], with a word about what is easily mistaken.

use std::ffi::OsString;
use std::path::Path;

use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::{Arguments, Mount, Verb};
use crate::service::open;

/// Parses a command line, the program's name first.
///
/// # Errors
/// clap's error: a mistake, or the text that `--help` and `--version` ask for.
pub fn parse(arguments: Vec<OsString>) -> Result<Arguments, clap::Error> {
    let first = arguments.get(1).cloned();
    let typed = typed(&arguments);
    let escaped = arguments.iter().any(|argument| argument == "--");
    let mut parsed = match plain_mount(&arguments) {
        Some(parsed) => parsed,
        None => Arguments::try_parse_from(arguments)
            .map_err(|error| explain_verb_named_like_a_file(error, first))?,
    };
    if let (None, Some(image)) = (&parsed.verb, &parsed.mount.image) {
        if !escaped {
            refuse_verb_behind_options(image)?;
        }
        parsed.verb = Some(Verb::Mount(parsed.mount.clone()));
    }
    if let Some(opening) = parsed.opening() {
        opening.typed = typed;
    }
    Ok(parsed)
}

/// A mount without a verb, parsed without making the options of all verbs, which takes longer than
/// everything else until the image is open. `None` for a verb, for a mistake, and where help is
/// asked for: all of those need the whole definition.
fn plain_mount(arguments: &[OsString]) -> Option<Arguments> {
    if arguments.get(1)?.to_str().is_some_and(is_verb) {
        return None;
    }
    let definition = Mount::augment_args(Command::new("imgmount"));
    let matches = definition.try_get_matches_from(arguments).ok()?;
    Some(Arguments {
        verb: None,
        mount: Mount::from_arg_matches(&matches).ok()?,
        completions: None,
        manual: false,
    })
}

/// The command line for messages that say it again with something added.
fn typed(arguments: &[OsString]) -> open::Typed {
    /// A longer one is for a program to remember, not for a message.
    const LONGEST: usize = 4096;
    let length: usize = arguments.iter().map(|word| word.len()).sum();
    let first = arguments.get(1).and_then(|word| word.to_str());
    match length > LONGEST {
        true => open::Typed::default(),
        false => open::Typed {
            before_options: if first.is_some_and(is_verb) { 2 } else { 1 },
            // However it was found.
            words: std::iter::once("imgmount".into())
                .chain(arguments.iter().skip(1).cloned())
                .collect(),
        },
    }
}

/// `imgmount info` where a file `info` lies in the current directory: most likely that file was
/// meant, and clap's words alone ("IMAGE is missing") would not say how.
fn explain_verb_named_like_a_file(mut error: clap::Error, first: Option<OsString>) -> clap::Error {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let Some(word) = first.and_then(|word| word.into_string().ok()) else {
        return error;
    };
    let missing = error.kind() == ErrorKind::MissingRequiredArgument;
    if missing && is_verb(&word) && Path::new(&word).exists() {
        let tip = format!("'{word}' is a verb; to mount the file of that name: imgmount -- {word}");
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    error
}

/// `imgmount -v info disk.raw`: options belong behind the verb, and `info` is no image.
fn refuse_verb_behind_options(image: &Path) -> Result<(), clap::Error> {
    let word = image.to_string_lossy();
    if !is_verb(&word) || image.exists() {
        return Ok(());
    }
    Err(Arguments::command().error(
        clap::error::ErrorKind::ArgumentConflict,
        format!(
            "there is no image '{word}'; if the verb was meant, it comes first: imgmount {word} ..."
        ),
    ))
}

/// Asked for every command line, and so without making all of clap's options to look among them.
fn is_verb(word: &str) -> bool {
    Verb::has_subcommand(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_mount_is_what_the_whole_definition_says() {
        let lines = [
            "imgmount disk.raw",
            "imgmount disk.raw point -f --idle-timeout 5m",
            "imgmount -p 2 --no-raw disk.raw point -o ro,allow_other",
            "imgmount -- info",
            "imgmount --no-raw info point",
            "imgmount disk.raw info",
            "imgmount -- -x ls",
        ];
        for line in lines {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let plain = plain_mount(&words).expect(line);
            let whole = Arguments::try_parse_from(&words).expect(line);
            assert_eq!(format!("{plain:?}"), format!("{whole:?}"), "{line}");
        }
        for line in [
            "imgmount",
            "imgmount ls disk.raw",
            "imgmount info",
            "imgmount --manual",
            "imgmount --completions bash",
            "imgmount --help",
            "imgmount -V",
            "imgmount --nonsense disk.raw",
            "imgmount one two three",
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert!(plain_mount(&words).is_none(), "{line}");
        }
    }
}
