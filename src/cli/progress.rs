//! A progress bar on standard error, for work that takes longer than a second on a terminal.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::format;
use crate::source::streamed::Work;

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

impl Work for Progress {
    fn advance(&self, bytes: u64) {
        Progress::advance(self, bytes);
    }
}

/// Bars for what lasts while an image is opened. What is done later has a bar of its verb's own.
pub(crate) struct Bars(AtomicBool);

impl Bars {
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(true))
    }

    /// The image is open.
    pub(crate) fn close(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl format::Progress for Bars {
    fn begin(&self, total: Option<u64>) -> Box<dyn Work> {
        match self.0.load(Ordering::Relaxed) {
            true => Box::new(Progress::new(total)),
            false => Box::new(format::Nobody),
        }
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
