//! What is said on standard error: messages, and the log.

use std::io::{IsTerminal, Write};

use env_logger::{Target, WriteStyle};

use crate::error::Error;
use crate::service::patience::StandardError;

/// Writes one line to standard error; where that is closed or full there is nobody to tell.
pub(crate) fn say(line: &str) {
    // At once: the process that reads the image writes its log to the same place.
    let _ = std::io::stderr()
        .lock()
        .write_all(format!("{line}\n").as_bytes());
}

/// Writes an error as one line to standard error.
pub(crate) fn complain(error: &Error) {
    say(&format!("imgmount: {error}"));
}

/// What to log, in the language of `RUST_LOG`, which wins over `-v`. Without both, only what
/// failed unexpectedly: what the user must know is said by the verbs themselves.
pub(crate) fn log_filter(verbosity: u8) -> String {
    let level = match verbosity {
        0 => "error",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    std::env::var("RUST_LOG").unwrap_or_else(|_| level.to_owned())
}

/// Starts the log on standard error, which waits for nobody: this process may be the one that has a
/// mount to take away.
pub(crate) fn start_log(verbosity: u8) {
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(&log_filter(verbosity));
    builder.write_style(style());
    builder.target(Target::Pipe(Box::new(StandardError)));
    // It fails only when there is a logger already, which then does the work.
    let _ = builder.try_init();
}

/// As env_logger decides it for standard error itself: colours on a terminal that has any.
fn style() -> WriteStyle {
    let has = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|name| name == "dumb");
    match std::io::stderr().is_terminal() && !is_dumb && !has("NO_COLOR") {
        true => WriteStyle::Always,
        false => WriteStyle::Never,
    }
}
