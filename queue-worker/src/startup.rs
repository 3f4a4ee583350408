//! What is checked before a worker takes its first message: its tasks, their names, the states they need.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;
use queue_core::QueueName;
use queue_core::message::Message;
use queue_core::store::{ConnectError, Store, StoreOptions, connect_with};
use queue_core::task::{Body, StateMap, TaskDef, TaskOptions};

use crate::error::WorkerError;
use crate::execute::brevity::Brevity;
use crate::health::tally::Tally;
use crate::logging::causes;
use crate::reconnect::Tries;

/// Opens the store at `url`; one that does not answer yet is waited for, so long at most.
///
/// # Errors
///
/// When it cannot be opened by then, or never will.
pub(crate) async fn open(url: &str, options: StoreOptions, at_most: Duration) -> Result<Arc<dyn Store>, ConnectError> {
    let (began, mut tries) = (Instant::now(), Tries::default());
    loop {
        let error = match connect_with(url, options.clone()).await {
            Err(ConnectError::Store(error)) if error.is_transient() && began.elapsed() < at_most => error,
            opened => return opened,
        };
        if tries.is_first() {
            tracing::warn!(error = %causes(&error), hint = %error.hint(), ?at_most, "waiting for the store");
        }
        tokio::time::sleep(tries.next_wait().min(at_most.saturating_sub(began.elapsed()))).await;
    }
}

/// A task with its options, read once.
pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) options: TaskOptions,
    pub(crate) body: Body,
    pub(crate) builtin: bool,
    /// How many jobs of it were started.
    pub(crate) accepted: AtomicU64,
    pub(crate) brevity: Brevity,
    pub(crate) tally: Tally,
}

/// What is counted of messages whose task is not here is counted under this name: messages could have any.
const UNKNOWN: &str = "(unknown)";

/// The tasks of this binary, by name.
pub(crate) struct Tasks {
    /// Looked up several times for each job, by names that anybody may send.
    by_name: HashMap<&'static str, &'static Task, RandomState>,
    unknown: &'static Tally,
}

impl Tasks {
    /// Takes all `defs`, checked.
    ///
    /// # Errors
    ///
    /// [`WorkerError::DuplicateTask`] and [`WorkerError::MissingState`].
    pub(crate) fn new(defs: impl Iterator<Item = &'static TaskDef>, state: &StateMap) -> Result<Self, WorkerError> {
        let mut seen: HashMap<&'static str, &'static TaskDef> = HashMap::new();
        for def in defs {
            if let Some(other) = seen.insert(def.name, def) {
                return Err(duplicate(def, other));
            }
            check_states(def, state)?;
        }
        // Leaked on purpose: definitions are static already, and a process starts few workers. Jobs refer to their
        // task without counting references.
        let leak = |def: &'static TaskDef| -> &'static Task { Box::leak(Box::new(Task::new(def))) };
        let by_name = seen.into_iter().map(|(name, def)| (name, leak(def))).collect();
        Ok(Self { by_name, unknown: Box::leak(Box::new(Tally::new())) })
    }

    /// The task of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&'static Task> {
        self.by_name.get(name).copied()
    }

    /// Where the ends of jobs of this name are counted.
    pub(crate) fn tally(&self, name: &str) -> &'static Tally {
        self.get(name).map_or(self.unknown, |task| &task.tally)
    }

    /// What was counted, by name: of each task of this binary's own, and of others that had jobs.
    pub(crate) fn tallies(&self) -> Vec<(&'static str, &'static Tally)> {
        let own = self.all().into_iter().filter(|task| !task.builtin || !task.tally.is_empty());
        let unknown = Some((UNKNOWN, self.unknown)).filter(|(_, tally)| !tally.is_empty());
        own.map(|task| (task.name, &task.tally)).chain(unknown).collect()
    }

    /// Their names, sorted; the built-in ones last.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let mut all: Vec<_> = self.by_name.values().map(|task| (task.builtin, task.name)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, name)| name).collect()
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> Vec<&'static Task> {
        let mut all: Vec<_> = self.by_name.values().copied().collect();
        all.sort_unstable_by_key(|task| task.name);
        all
    }

    /// How many jobs were started.
    pub(crate) fn accepted(&self) -> u64 {
        self.by_name.values().map(|task| task.accepted.load(Ordering::Relaxed)).sum()
    }

    /// How many are not built in.
    pub(crate) fn own(&self) -> usize {
        self.by_name.values().filter(|task| !task.builtin).count()
    }

    /// The queues that tasks name as theirs, sorted.
    ///
    /// # Errors
    ///
    /// [`WorkerError::QueueName`] when a task names one that is none.
    pub(crate) fn queues(&self) -> Result<Vec<QueueName>, WorkerError> {
        let named = self.by_name.values().filter_map(|task| task.options.queue);
        let mut queues = named.map(QueueName::new).collect::<Result<Vec<_>, _>>()?;
        queues.sort_unstable();
        queues.dedup();
        Ok(queues)
    }

    /// Whether a run of `message` stores no result: the message says so, or else its task.
    pub(crate) fn ignores_result(&self, message: &Message) -> bool {
        let of_task = || self.get(&message.task).is_some_and(|task| task.options.ignore_result);
        message.ignore_result.unwrap_or_else(of_task)
    }

    /// What to say of a task that is not here.
    pub(crate) fn unknown(&self, name: &str) -> String {
        let near = nearest(name, self.names());
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        format!("task `{name}` is not registered with this worker{hint}")
    }
}

impl Task {
    fn new(def: &TaskDef) -> Self {
        Self {
            name: def.name,
            options: (def.options)(),
            body: def.body,
            builtin: def.builtin,
            accepted: AtomicU64::new(0),
            brevity: Brevity::default(),
            tally: Tally::new(),
        }
    }
}

fn duplicate(def: &TaskDef, other: &TaskDef) -> WorkerError {
    let place = |def: &TaskDef| format!("{}:{}", def.file, def.line);
    let (mut first, mut second) = (place(def), place(other));
    if second < first {
        std::mem::swap(&mut first, &mut second);
    }
    WorkerError::DuplicateTask { name: def.name, first, second }
}

fn check_states(def: &TaskDef, state: &StateMap) -> Result<(), WorkerError> {
    match (def.states)().into_iter().find(|need| !state.has(need.type_id)) {
        None => Ok(()),
        Some(need) => Err(WorkerError::MissingState { task: def.name, state: need.type_name }),
    }
}

/// The name most like `name`, if one is like it: at most a third of it differs, or its last part is the same.
fn nearest(name: &str, known: Vec<&'static str>) -> Option<&'static str> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let length = name.chars().count();
    let is_like = |far: usize| far * 3 <= length.max(3);
    // The lengths alone may differ by more, and a message's name may be of any length: to compare millions of letters would hold
    // up the worker.
    let comparable = known.iter().copied().filter(|one| is_like(one.chars().count().abs_diff(length)));
    let near = comparable.map(|one| (distance(name, one), one)).min();
    match near {
        Some((far, one)) if is_like(far) => Some(one),
        _ => known.into_iter().find(|one| last(one) == last(name)),
    }
}

/// How many letters to insert, delete or change to make `b` of `a` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_the_right_one() {
        let known = || vec!["shop.process_order", "shop.send_order_confirmation", "reports.build"];
        assert_eq!(nearest("shop.proces_order", known()), Some("shop.process_order"));
        assert_eq!(nearest("orders.tasks.build", known()), Some("reports.build"));
        assert_eq!(nearest("billing.charge", known()), None);
    }

    /// Whoever sends messages chooses their names, and the worker does nothing else while it compares.
    #[test]
    fn a_name_that_is_much_longer_than_all_others_is_like_none() {
        let known = vec!["shop.process_order", "reports.build"];
        assert_eq!(nearest(&"billing.charge".repeat(1 << 22), known.clone()), None);
        assert_eq!(nearest(&format!("{}.build", "reports".repeat(1 << 21)), known), Some("reports.build"));
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
