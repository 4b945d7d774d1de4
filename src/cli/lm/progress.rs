//! How far a long piece of work is.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on a terminal; nothing where standard error is piped.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// So many of these.
    pub(super) fn new(total: u64, what: &str) -> Self {
        let bar = ProgressBar::new(total);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} {prefix}, {eta} left  {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        Self { bar }
    }

    /// So many are done now.
    pub(super) fn at(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// What stands behind the bar.
    pub(super) fn tell(&self, message: &str) {
        self.bar.set_message(message.to_owned());
    }

    /// Does something that prints, the bar out of its way.
    pub(super) fn hidden(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
