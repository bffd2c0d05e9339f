//! A progress bar on standard error, for work that takes longer than a second on a terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long work goes on before the bar appears.
const PATIENCE: Duration = Duration::from_secs(1);

/// The progress of one piece of work, in bytes.
pub(crate) struct Progress {
    started: Instant,
    /// Counts from the start, so that its speed is that of all the work; is seen later.
    bar: ProgressBar,
    terminal: bool,
}

impl Progress {
    /// Work of `total` bytes, where that is known beforehand.
    pub(crate) fn new(total: Option<u64>) -> Self {
        Self {
            started: Instant::now(),
            bar: bar(total),
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// `bytes` more are done.
    pub(crate) fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        if self.terminal && self.bar.is_hidden() && self.started.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Says something on standard error without tearing the bar.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| super::messages::say(line));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar that is not seen yet.
fn bar(total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => {
            "{wide_bar} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left"
        }
        None => "{spinner} {binary_bytes}, {binary_bytes_per_sec}, {elapsed}",
    };
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
