//! Walks over the jobs of several queues and states, one bounded page at a time.

use std::collections::VecDeque;

use queue_core::QueueName;
use queue_core::store::{Cursor, Job, JobState, Page, Store, StoreError};

use crate::cursor::Position;
use crate::error::CliError;
use crate::out::Out;

/// How many jobs are asked for at once.
pub(crate) const PAGE: usize = 100;

/// What is walked over first: what runs, then what is next, what waits, and what is kept aside.
pub(crate) const ORDER: [JobState; 4] = [JobState::Leased, JobState::Ready, JobState::Scheduled, JobState::Dead];

/// A walk and where it stands.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    store: &'a dyn Store,
    places: VecDeque<(JobState, QueueName)>,
    cursor: Option<Cursor>,
    skip: usize,
    passed_over: Vec<(QueueName, StoreError)>,
}

/// A page and where it began.
#[derive(Debug)]
pub(crate) struct Step {
    /// The jobs, without those that the position says were looked at already.
    pub(crate) jobs: Vec<Job>,
    /// Where the page began.
    pub(crate) begin: Position,
}

impl<'a> Walk<'a> {
    /// Over all jobs of `queues` in `states`.
    pub(crate) fn new(store: &'a dyn Store, queues: &[QueueName], states: &[JobState]) -> Self {
        let mut places: Vec<_> =
            states.iter().flat_map(|state| queues.iter().map(|queue| (*state, queue.clone()))).collect();
        places.sort_by(|a, b| (rank(a.0), &a.1).cmp(&(rank(b.0), &b.1)));
        Self { store, places: places.into(), cursor: None, skip: 0, passed_over: Vec::new() }
    }

    /// Goes on from `position`; a queue that is gone by now is passed over.
    pub(crate) fn resume(mut self, position: Position) -> Self {
        let at = (rank(position.state), position.queue);
        self.places.retain(|(state, queue)| (rank(*state), queue) >= (at.0, &at.1));
        if self.places.front().is_some_and(|(state, queue)| rank(*state) == at.0 && *queue == at.1) {
            self.cursor = position.page;
            self.skip = position.skip;
        }
        self
    }

    /// The next page, perhaps an empty one; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Step>, StoreError> {
        let Some((state, queue)) = self.places.front().cloned() else { return Ok(None) };
        let page = match self.store.page(&queue, state, self.cursor.as_ref(), PAGE).await {
            // One queue that is none must not hide the others.
            Err(error @ StoreError::Foreign { .. }) => {
                self.passed_over.push((queue.clone(), error));
                Page { jobs: Vec::new(), next: None }
            }
            page => page?,
        };
        let begin = Position { queue, state, page: self.cursor.take(), skip: self.skip };
        let (mut jobs, skipped) = (page.jobs, self.skip);
        jobs.drain(..skipped.min(jobs.len()));
        self.cursor = page.next;
        self.skip = 0;
        if self.cursor.is_none() {
            self.places.pop_front();
        }
        Ok(Some(Step { jobs, begin }))
    }

    /// Reads a page again, because jobs of it were taken away and others moved up into their places.
    pub(crate) fn back(&mut self, begin: Position) {
        let place = (begin.state, begin.queue);
        if self.places.front() != Some(&place) {
            self.places.push_front(place);
        }
        self.cursor = begin.page;
        self.skip = begin.skip;
    }

    /// What was no queue, and why. Says so on stderr; where nothing was `found` beside it, that is the error.
    pub(crate) fn passed_over(self, out: Out, found: bool) -> Result<(), CliError> {
        let mut passed_over = self.passed_over.into_iter();
        if !found && let Some((_, error)) = passed_over.next() {
            return Err(error.into());
        }
        passed_over.for_each(|(queue, error)| out.of_queue(&queue, &CliError::from(error).to_string()));
        Ok(())
    }

    /// Whether there is nothing more.
    pub(crate) fn is_over(&self) -> bool {
        self.places.is_empty()
    }

    /// Where the next page begins.
    pub(crate) fn position(&self) -> Option<Position> {
        let (state, queue) = self.places.front().cloned()?;
        Some(Position { queue, state, page: self.cursor.clone(), skip: self.skip })
    }
}

fn rank(state: JobState) -> usize {
    match state {
        JobState::Leased => 0,
        JobState::Ready => 1,
        JobState::Scheduled => 2,
        JobState::Dead => 3,
    }
}
