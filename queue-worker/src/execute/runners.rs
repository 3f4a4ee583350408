//! Runs short bodies without making a task of the runtime of each.
//!
//! Most bodies either end in their first poll, or wait for something. A job whose task mostly does the first goes
//! into a line; as many runners as the runtime has threads take from it and poll each job once. One that is not done then
//! becomes a task of its own, which the runtime polls anew, so that no wake-up is lost.
//!
//! A body that blocks its thread holds up its own runner only: the others take from the same line, and when all are held up
//! (`block_in_place` leaves the runtime its threads) there are more from second to second.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::task::coop::has_budget_remaining;
use tokio_util::sync::ReusableBoxFuture;

use super::Run;
use crate::engine::Engine;
use crate::jobs::Held;

/// How long a runner polls bodies until it lets the runtime's other tasks go first.
const TURN: Duration = Duration::from_micros(200);

/// The line, and how many runners take from it.
#[derive(Default)]
pub(crate) struct Runners(Mutex<Line>);

#[derive(Default)]
struct Line {
    ready: VecDeque<Run>,
    runners: usize,
    /// How many were taken from it, ever; and when it was looked at last.
    taken: u64,
    seen: u64,
}

impl Runners {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job; `None` ends the runner that asked.
    fn next(&self) -> Option<Run> {
        let mut line = self.lock();
        let next = line.ready.pop_front();
        match next {
            Some(_) => line.taken += 1,
            None => line.runners -= 1,
        }
        next
    }

    /// Whether there are jobs in it and none was taken since this was asked last.
    fn is_held_up(&self) -> bool {
        let mut line = self.lock();
        let held_up = !line.ready.is_empty() && line.taken == line.seen;
        line.seen = line.taken;
        line.runners += usize::from(held_up);
        held_up
    }
}

/// Starts `run`: as a task of its own, or, when its task is likely to be done at once, with `brief`.
pub(crate) fn start(run: Run, brief: &mut Vec<Run>) {
    if run.task.brevity.is_likely() {
        brief.push(run);
    } else {
        let held = Arc::clone(&run.held);
        spawn(run.run(), &held);
    }
}

/// Lines up jobs that are likely to be done at once.
pub(crate) fn line_up(engine: &Arc<Engine>, runs: Vec<Run>) {
    if runs.is_empty() {
        return;
    }
    let mut line = engine.runners.lock();
    line.ready.extend(runs);
    let most = engine.runtime.metrics().num_workers().min(line.ready.len());
    let more = most.saturating_sub(line.runners);
    line.runners += more;
    drop(line);
    (0..more).for_each(|_| open(engine));
}

/// Opens one more runner when all are held up; to be asked from time to time.
pub(crate) fn relieve(engine: &Arc<Engine>) {
    if engine.runners.is_held_up() {
        open(engine);
    }
}

fn open(engine: &Arc<Engine>) {
    let runner = Runner { engine: Arc::clone(engine), ended: false };
    engine.runtime.spawn(runner.serve());
}

fn spawn(run: impl Future<Output = ()> + Send + 'static, held: &Held) {
    let running = tokio::spawn(run);
    // Set once, here; whoever cuts it off says so first and looks for this then.
    let _ = held.abort.set(running.abort_handle());
    if held.course.is_cut_off() {
        running.abort();
    }
}

struct Runner {
    engine: Arc<Engine>,
    ended: bool,
}

impl Runner {
    async fn serve(mut self) {
        let mut place = None;
        let (mut since, mut wakes) = (Instant::now(), self.engine.wakes.count());
        // A task waits for this thread, and no other can take it from there: it goes before the next body.
        let mut owed = false;
        while let Some(run) = self.engine.runners.next() {
            if !run.task.brevity.is_likely() {
                let held = Arc::clone(&run.held);
                spawn(run.run(), &held);
                owed = true;
                continue;
            }
            owed |= self.engine.wakes.count() != wakes;
            if owed || since.elapsed() > TURN || !has_budget_remaining() {
                tokio::task::yield_now().await;
                (since, wakes) = (Instant::now(), self.engine.wakes.count());
            }
            owed = !begin(run, &mut place);
        }
        self.ended = true;
    }
}

impl Drop for Runner {
    /// A runner that panicked, which none should, leaves the line to another.
    fn drop(&mut self) {
        if !self.ended && std::thread::panicking() {
            open(&self.engine);
        }
    }
}

/// Polls `run` once, in `place`, which keeps its memory for the next. False when it became a task.
fn begin(run: Run, place: &mut Option<ReusableBoxFuture<'static, ()>>) -> bool {
    let (task, held) = (run.task, Arc::clone(&run.held));
    let mut running = match place.take() {
        Some(mut place) => {
            place.set(run.run());
            place
        }
        None => ReusableBoxFuture::new(run.run()),
    };
    match running.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(()) => {
            *place = Some(running);
            true
        }
        Poll::Pending => {
            task.brevity.waited();
            spawn(running, &held);
            false
        }
    }
}
