//! Shows on a terminal that something goes on; draws nothing where stderr is none, and nothing for what is quickly done.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

/// Fewer steps than this are done before anybody could read a bar.
const WORTH_A_BAR: u64 = 1000;
/// What takes no longer needs no sign of life.
const QUICK: Duration = Duration::from_millis(400);

/// A bar of `total` steps.
pub(crate) fn bar(total: u64, verb: &'static str) -> ProgressBar {
    let bar = styled(Some(total), verb, "{msg} {bar:30} {pos}/{len} {eta}");
    if total >= WORTH_A_BAR {
        bar.set_draw_target(target());
    }
    bar
}

/// A sign of life where nobody knows how much there is. Goes when dropped.
pub(crate) fn searching() -> Searching {
    let bar = styled(None, "searching", "{spinner} {msg}, {elapsed}");
    let later = bar.clone();
    let task = tokio::spawn(async move {
        tokio::time::sleep(QUICK).await;
        later.set_draw_target(target());
        later.enable_steady_tick(Duration::from_millis(150));
    });
    Searching { bar, task }
}

/// A sign of life; gone when dropped.
pub(crate) struct Searching {
    bar: ProgressBar,
    task: JoinHandle<()>,
}

impl Drop for Searching {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

fn target() -> ProgressDrawTarget {
    ProgressDrawTarget::stderr_with_hz(10)
}

fn styled(total: Option<u64>, verb: &'static str, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden()).with_message(verb);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
