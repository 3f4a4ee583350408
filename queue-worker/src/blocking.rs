//! Threads for tasks that are plain functions.
//!
//! Not tokio's blocking pool: a body that never returns keeps its thread for ever, and must not use up what the rest
//! of the process (DNS, files) runs on. A thread waits a while for its next job and then ends.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long an idle thread waits for its next job.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs on named threads, as many as there are jobs at once.
#[derive(Clone, Default)]
pub(crate) struct BlockingPool(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Threads that wait for a job.
    idle: usize,
}

impl BlockingPool {
    /// Runs `job` on an idle thread or on a new one.
    ///
    /// # Errors
    ///
    /// When the operating system gives no more threads; `job` is then dropped.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.0.lock();
        // Each job in the line has an idle thread of its own, so none waits for a body to end.
        if state.idle > state.jobs.len() {
            state.jobs.push_back(Box::new(job));
            self.0.ready.notify_one();
            return Ok(());
        }
        drop(state);
        let shared = Arc::clone(&self.0);
        std::thread::Builder::new().name("queue-task".into()).spawn(move || shared.serve(Box::new(job))).map(drop)
    }
}

impl Shared {
    fn serve(&self, first: Job) {
        let mut next = Some(first);
        while let Some(job) = next {
            job();
            next = self.next_job();
        }
    }

    /// The next job; `None` when none came for a while.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.lock();
        state.idle += 1;
        let waited = self.ready.wait_timeout_while(state, IDLE, |state| state.jobs.is_empty());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state.jobs.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn jobs_run_at_once_beside_one_that_does_not_end() {
        let pool = BlockingPool::default();
        let (release, stuck) = channel::<()>();
        pool.run(move || assert!(stuck.recv().is_err())).unwrap();
        let (done, all) = channel();
        for n in 0..20 {
            let done = done.clone();
            pool.run(move || done.send(n).unwrap()).unwrap();
        }
        let mut seen: Vec<i32> = all.iter().take(20).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
        drop(release);
    }

    #[test]
    fn an_idle_thread_takes_the_next_job() {
        let pool = BlockingPool::default();
        let (tell, names) = channel();
        let first = tell.clone();
        pool.run(move || first.send(std::thread::current().id()).unwrap()).unwrap();
        let thread = names.recv().unwrap();
        while pool.0.lock().idle == 0 {
            std::thread::yield_now();
        }
        pool.run(move || tell.send(std::thread::current().id()).unwrap()).unwrap();
        assert_eq!(names.recv().unwrap(), thread);
    }
}
