//! Turns a panic of a task's body into the error of that job, with its message, place and backtrace.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

use queue_core::task::{ErrorKind, Exception, TaskError};

/// The longest traceback kept, in bytes.
const MAX_TRACEBACK: usize = 16 * 1024;

thread_local! {
    /// Whether this thread is inside a task's body.
    static IN_BODY: Cell<bool> = const { Cell::new(false) };
    /// What the hook saw of the panic that is being unwound.
    static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

struct Seen {
    place: String,
    backtrace: String,
}

/// Puts our hook before the program's own: panics of bodies are reported as errors of their jobs, all others go on to
/// the hook that was there.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| if IN_BODY.get() { remember(info) } else { previous(info) }));
    });
}

fn remember(info: &PanicHookInfo<'_>) {
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let backtrace = if std::env::var_os("RUST_BACKTRACE").is_some_and(|v| v == "0") {
        String::new()
    } else {
        of_the_body(&Backtrace::force_capture().to_string())
    };
    SEEN.set(Some(Seen { place, backtrace }));
}

/// The frames between the panic machinery and where [`catch`] catches it.
fn of_the_body(frames: &str) -> String {
    let start = frames.find("core::panicking::panic").unwrap_or(0);
    let end = frames[start..].find("std::panicking::catch_unwind").map_or(frames.len(), |at| start + at);
    let mut end = end.min(start + MAX_TRACEBACK);
    while !frames.is_char_boundary(end) {
        end -= 1;
    }
    let cut = &frames[start..end];
    // The last line is the number of the frame that was cut off.
    cut.rfind('\n').map_or(cut, |at| &cut[..at]).to_owned()
}

/// Calls `body`; a panic in it is an error.
pub(crate) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, TaskError> {
    let outer = IN_BODY.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(body));
    IN_BODY.set(outer);
    outcome.map_err(|payload| panicked(payload.as_ref()))
}

/// A future that is polled under [`catch`].
pub(crate) struct Caught<F>(pub(crate) F);

impl<F: Future + Unpin> Future for Caught<F> {
    type Output = Result<F::Output, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match catch(|| Pin::new(&mut self.0).poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

fn panicked(payload: &(dyn Any + Send)) -> TaskError {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "the panic has no message".to_owned());
    let (message, traceback) = match SEEN.take() {
        Some(seen) => (format!("panicked at {}: {text}", seen.place), Some(seen.backtrace)),
        None => (format!("panicked: {text}"), None),
    };
    let traceback = traceback.filter(|text| !text.is_empty());
    let exception = Exception { exc_type: "Panic".into(), exc_module: "queue".into(), message, traceback };
    TaskError { kind: ErrorKind::Panicked, exception: Box::new(exception), replacement: None, again: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_message_place_and_backtrace() {
        install_hook();
        let error = catch(|| -> () { panic!("out of {}", "cheese") }).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Panicked);
        assert!(error.exception.message.contains("panics.rs:"), "{}", error.exception.message);
        assert!(error.exception.message.ends_with(": out of cheese"), "{}", error.exception.message);
        let traceback = error.exception.traceback.unwrap();
        assert!(traceback.contains("a_panic_is_an_error"), "{traceback}");
        assert!(!traceback.contains("test::run_test"), "{traceback}");
    }

    #[tokio::test]
    async fn a_future_that_panics_later_is_caught_too() {
        let body = Box::pin(async {
            tokio::task::yield_now().await;
            let list: Vec<u8> = Vec::new();
            list[3]
        });
        let error = Caught(body).await.unwrap_err();
        assert!(error.exception.message.contains("index out of bounds"), "{}", error.exception.message);
    }

    #[test]
    fn a_body_that_catches_its_own_panic_goes_on() {
        let outcome = catch(|| catch(|| panic!("inner")).is_err());
        assert!(outcome.unwrap());
    }
}
