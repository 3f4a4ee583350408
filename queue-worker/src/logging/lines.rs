//! Where lines go: to stderr, those about jobs that ended well many at a time.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// What is gathered at most before it is written.
const MOST: usize = 64 << 10;
/// Of what this module says at `info` a settle follows, which writes it.
const GATHERED: &str = "queue_worker::execute";

/// Lines that are not written yet. Its lock is held while lines are written, which keeps them in order.
static GATHER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Makes a [`Line`] of each event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines;

/// One line.
#[derive(Debug)]
pub(super) struct Line {
    may_wait: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { may_wait: false }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Line {
        Line { may_wait: *about.level() == Level::INFO && about.target() == GATHERED }
    }
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        put(&mut GATHER.lock().unwrap_or_else(PoisonError::into_inner), line, self.may_wait, &mut io::stderr())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what was gathered.
pub(crate) fn write_out() {
    // A log that nobody takes is no reason to stop; whoever reads stderr knows that it ended.
    let _ = empty(&mut GATHER.lock().unwrap_or_else(PoisonError::into_inner), &mut io::stderr());
}

fn put(gathered: &mut Vec<u8>, line: &[u8], may_wait: bool, out: &mut impl Write) -> io::Result<usize> {
    gathered.extend_from_slice(line);
    if !may_wait || gathered.len() >= MOST {
        empty(gathered, out)?;
    }
    Ok(line.len())
}

/// Lines that could not be written are not kept: there would be ever more of them.
fn empty(gathered: &mut Vec<u8>, out: &mut impl Write) -> io::Result<()> {
    let written = if gathered.is_empty() { Ok(()) } else { out.write_all(gathered) };
    gathered.clear();
    gathered.shrink_to(MOST);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_may_wait_goes_before_the_next_that_may_not() {
        let (mut gathered, mut out) = (Vec::new(), Vec::new());
        put(&mut gathered, b"one\n", true, &mut out).unwrap();
        put(&mut gathered, b"two\n", true, &mut out).unwrap();
        assert!(out.is_empty());
        put(&mut gathered, b"three\n", false, &mut out).unwrap();
        assert_eq!(out, b"one\ntwo\nthree\n");
        empty(&mut gathered, &mut out).unwrap();
        assert_eq!(out, b"one\ntwo\nthree\n");
    }

    #[test]
    fn no_more_than_so_much_is_gathered() {
        let (mut gathered, mut out, line) = (Vec::new(), Vec::new(), [b'x'; 1000]);
        for _ in 0..1000 {
            put(&mut gathered, &line, true, &mut out).unwrap();
            assert!(gathered.len() < MOST);
        }
        empty(&mut gathered, &mut out).unwrap();
        assert_eq!(out.len(), 1_000_000);
    }

    #[test]
    fn what_nobody_takes_is_let_go() {
        let mut gathered = Vec::new();
        put(&mut gathered, b"one\n", true, &mut Closed).unwrap();
        assert!(put(&mut gathered, b"two\n", false, &mut Closed).is_err());
        assert!(gathered.is_empty());
    }
}
