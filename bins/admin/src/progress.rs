//! Progress of long work: a bar on standard error where that is a terminal, nothing where it is piped.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How the bar looks.
const TEMPLATE: &str = "{wide_bar} {human_pos}/{human_len} {msg}, {eta} left";

/// The progress of work whose size is known.
pub struct Progress(ProgressBar);

impl Progress {
    /// At the beginning of so many of `what`.
    pub fn over(total: i64, what: &'static str) -> Self {
        let total = u64::try_from(total).unwrap_or(0);
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self(bar)
    }

    /// So many are done.
    pub fn at(&self, done: i64) {
        self.0.set_position(u64::try_from(done).unwrap_or(0));
    }

    /// All is done, and the bar gone.
    pub fn end(self) {
        self.0.finish_and_clear();
    }
}
