//! Shows on a terminal that something goes on; draws nothing where stderr is none.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar of `total` steps.
pub(crate) fn bar(total: u64, verb: &'static str) -> ProgressBar {
    styled(Some(total), verb, "{msg} {bar:30} {pos}/{len} {eta}")
}

/// A sign of life where nobody knows how much there is. Goes when dropped.
pub(crate) fn searching() -> Searching {
    let bar = styled(None, "searching", "{spinner} {msg}, {elapsed}");
    bar.enable_steady_tick(Duration::from_millis(150));
    Searching(bar)
}

/// A sign of life; gone when dropped.
pub(crate) struct Searching(ProgressBar);

impl Drop for Searching {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn styled(total: Option<u64>, verb: &'static str, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(10)).with_message(verb);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
