//! Looking, and mending what is found.

use std::collections::BTreeSet;

use queue_core::message::Draft;
use queue_core::store::{Cursor, Job, JobState, Outgoing, Settled, StoreError};
use queue_core::{Priority, Timestamp};
use queue_tests::{Bench, SECOND, TestWorker, dead_letter, label, labels};

const ALL: [JobState; 4] = [JobState::Ready, JobState::Scheduled, JobState::Leased, JobState::Dead];

/// One message in each state: `r`, `s`, `l` and `d`.
async fn one_of_each(bench: &Bench) -> TestWorker {
    bench.enqueue("mail", &["d", "l"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    let taken = worker.take(2).await;
    assert_eq!(worker.settle_one(dead_letter(&taken[0], "it broke")).await, Settled::Done);
    bench.enqueue("mail", &["r"]).await;
    bench.enqueue_in(60 * SECOND, "mail", "s").await;
    worker
}

async fn only(bench: &Bench, state: JobState) -> Job {
    let mut page = bench.page("mail", state, 10).await;
    assert_eq!(page.jobs.len(), 1, "{state:?}");
    assert!(page.next.is_none(), "{state:?}");
    page.jobs.remove(0)
}

fn found(jobs: &[Job]) -> Vec<String> {
    jobs.iter().map(|job| label(&job.payload)).collect()
}

/// All pages of a state, by pages of `limit`.
async fn every_page(bench: &Bench, queue: &str, state: JobState, limit: usize) -> Vec<Job> {
    let (mut jobs, mut cursor) = (Vec::new(), None::<Cursor>);
    for _ in 0..10_000 {
        let page = bench.store.page(&bench.queue(queue), state, cursor.as_ref(), limit).await.unwrap();
        jobs.extend(page.jobs);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return jobs,
        }
    }
    panic!("the pages have no end");
}

/// Counts tell the states apart, the steps, and name the oldest and the next.
async fn counts_by_state(bench: &Bench) {
    let low = Outgoing { priority: Priority::LOWEST, ..bench.message("mail", "low") };
    bench.store.enqueue(&[low]).await.unwrap();
    one_of_each(bench).await;
    bench.enqueue("mail", &["r2"]).await;
    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.scheduled, counts.leased, counts.dead, counts.suspects), (3, 1, 1, 1, 0));
    let steps: BTreeSet<_> = counts.by_step.iter().filter(|(_, count)| *count > 0).copied().collect();
    assert_eq!(steps, BTreeSet::from([(0, 2), (9, 1)]));
    assert!(["r", "low"].contains(&label(&counts.oldest.unwrap()).as_str()));
    assert!(counts.next_due.unwrap() > bench.store.now().await.unwrap());
}

/// The oldest is the one that waits longest, of whatever step: what is more urgent comes before it again and again.
async fn the_oldest_may_be_of_any_step(bench: &Bench) {
    let (queue, now) = (bench.queue("mail"), bench.store.now().await.unwrap().as_millis());
    // Since when one waits that runs again nobody says.
    for (label, priority, minutes, retries) in
        [("low", 9, 60, 0), ("middle", 4, 30, 0), ("urgent", 0, 1, 0), ("again", 6, 90, 2)]
    {
        let draft = Draft {
            sent_at: Some(Timestamp::from_millis(now - 60_000 * minutes)),
            retries,
            ..Draft::new("t", bench.id(label), queue.as_str())
        };
        let priority = Priority::new(priority);
        let message = Outgoing { priority, payload: draft.encode(), ..bench.message("mail", label) };
        bench.store.enqueue(&[message]).await.unwrap();
    }
    assert_eq!(label(&bench.counts("mail").await.oldest.unwrap()), "low");
}

/// A queue that nobody ever used has nothing.
async fn an_unknown_queue_is_empty(bench: &Bench) {
    let counts = bench.counts("nowhere").await;
    assert_eq!((counts.ready, counts.scheduled, counts.leased, counts.dead), (0, 0, 0, 0));
    assert!(counts.oldest.is_none() && counts.next_due.is_none());
    for state in ALL {
        assert!(every_page(bench, "nowhere", state, 10).await.is_empty());
    }
}

/// Suspects are ready, and counted apart.
async fn suspects_are_counted(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2", "m3"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    assert_eq!(a.take(2).await.len(), 2);
    assert_eq!(bench.bury(&[&b]).await, 2);
    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.suspects, counts.leased), (3, 2, 0));
    let jobs = every_page(bench, "mail", JobState::Ready, 1).await;
    let suspects: BTreeSet<_> = jobs.iter().filter(|job| job.suspect).map(|job| label(&job.payload)).collect();
    assert_eq!(suspects, ["m1", "m2"].map(str::to_owned).into());
    assert_eq!(jobs.len(), 3);
}

/// The queues with messages or workers are listed, sorted.
async fn queues_are_listed(bench: &Bench) {
    bench.enqueue("c with messages", &["m1"]).await;
    bench.enqueue_in(60 * SECOND, "b with one to come", "m2").await;
    let _worker = bench.worker("a", &["a with a worker"]).await;
    let queues = bench.store.queues().await.unwrap();
    assert!(queues.is_sorted());
    for name in ["a with a worker", "b with one to come", "c with messages"] {
        assert_eq!(queues.iter().filter(|queue| **queue == bench.queue(name)).count(), 1, "{name}: {queues:?}");
    }
}

/// Each job on a page says what its state knows of it.
async fn a_page_tells_the_story(bench: &Bench) {
    let worker = one_of_each(bench).await;
    let ready = only(bench, JobState::Ready).await;
    assert_eq!((label(&ready.payload).as_str(), ready.state, ready.step), ("r", JobState::Ready, 0));
    assert_eq!((ready.due, ready.worker, ready.dead), (None, None, None));
    assert_eq!(ready.queue, bench.queue("mail"));

    let scheduled = only(bench, JobState::Scheduled).await;
    assert_eq!((label(&scheduled.payload).as_str(), scheduled.state), ("s", JobState::Scheduled));
    assert_eq!(scheduled.due, bench.counts("mail").await.next_due);

    let leased = only(bench, JobState::Leased).await;
    assert_eq!((label(&leased.payload).as_str(), leased.state), ("l", JobState::Leased));
    assert_eq!(leased.worker.as_deref(), Some(worker.incarnation()));

    let dead = only(bench, JobState::Dead).await;
    assert_eq!((label(&dead.payload).as_str(), dead.state), ("d", JobState::Dead));
    assert_eq!(dead.dead.unwrap().1.error, "it broke");
}

/// On a queue that stands still, the pages of each state hold every job once, in order.
async fn pages_lose_nothing(bench: &Bench) {
    let worker = bench.worker("a", &["dead", "held"]).await;
    let names = |queue: &str| (0..130).map(|n| format!("{queue}{n:03}")).collect::<Vec<_>>();
    for queue in ["ready", "dead", "held"] {
        let messages: Vec<_> = names(queue).iter().map(|label| bench.message(queue, label)).collect();
        bench.store.enqueue(&messages).await.unwrap();
    }
    for (seconds, label) in (100..).zip(names("later")) {
        bench.enqueue_in(seconds * SECOND, "later", &label).await;
    }
    while let Some(delivery) = worker.take(1).await.pop() {
        if label(delivery.payload()).starts_with("dead") {
            assert_eq!(worker.settle_one(dead_letter(&delivery, "x")).await, Settled::Done);
        }
    }
    for limit in [1, 7, 50, 1000] {
        let pages = |queue, state| every_page(bench, queue, state, limit);
        assert_eq!(found(&pages("ready", JobState::Ready).await), names("ready"), "limit {limit}");
        assert_eq!(found(&pages("later", JobState::Scheduled).await), names("later"), "limit {limit}");
        let mut dead = found(&pages("dead", JobState::Dead).await);
        dead.reverse();
        assert_eq!(dead, names("dead"), "newest first, limit {limit}");
        let mut held = found(&pages("held", JobState::Leased).await);
        held.sort();
        assert_eq!(held, names("held"), "limit {limit}");
    }
}

/// Ready pages go by priority step, as a lease does.
async fn pages_follow_the_steps(bench: &Bench) {
    for (priority, label) in [(9, "p9"), (0, "p0"), (4, "p4"), (6, "p6"), (1, "p1")] {
        let message = Outgoing { priority: Priority::new(priority), ..bench.message("mail", label) };
        bench.store.enqueue(&[message]).await.unwrap();
    }
    for limit in [1, 2, 10] {
        let jobs = every_page(bench, "mail", JobState::Ready, limit).await;
        assert_eq!(found(&jobs), ["p0", "p1", "p4", "p6", "p9"]);
        assert_eq!(jobs.iter().map(|job| job.step).collect::<Vec<_>>(), [0, 0, 3, 6, 9]);
    }
}

/// Who asks for no job at all gets one: the walk over the pages comes to its end.
async fn a_page_has_a_job_at_least(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2"]).await;
    let queue = bench.queue("mail");
    let mut cursor = None;
    for label in ["m1", "m2"] {
        let page = bench.store.page(&queue, JobState::Ready, cursor.as_ref(), 0).await.unwrap();
        assert_eq!(found(&page.jobs), [label]);
        cursor = page.next;
    }
    if cursor.is_some() {
        let last = bench.store.page(&queue, JobState::Ready, cursor.as_ref(), 0).await.unwrap();
        assert!(last.jobs.is_empty() && last.next.is_none(), "{last:?}");
    }
}

/// Text that is no cursor is refused, in each state; so is the cursor of another state.
async fn garbage_is_no_cursor(bench: &Bench) {
    one_of_each(bench).await;
    for state in ALL {
        for garbage in ["", "garbage", "9999999999999999999999", "-1", "a:b:c", "\u{0}", "é"] {
            let cursor = Cursor(garbage.to_owned());
            match bench.store.page(&bench.queue("mail"), state, Some(&cursor), 10).await {
                Err(StoreError::BadCursor(said)) => assert_eq!(said, garbage),
                other => panic!("{state:?}, cursor {garbage:?}: {other:?}"),
            }
        }
    }
    bench.enqueue("other", &["m1", "m2"]).await;
    let next = bench.store.page(&bench.queue("other"), JobState::Ready, None, 1).await.unwrap().next.unwrap();
    for state in ALL.into_iter().filter(|state| *state != JobState::Ready) {
        let refused = bench.store.page(&bench.queue("other"), state, Some(&next), 1).await;
        assert!(matches!(refused, Err(StoreError::BadCursor(_))), "{state:?}: {refused:?}");
    }
}

/// A job is found by its id in each state, with all its copies.
async fn jobs_are_found_by_id(bench: &Bench) {
    one_of_each(bench).await;
    for (label, state) in
        [("r", JobState::Ready), ("s", JobState::Scheduled), ("l", JobState::Leased), ("d", JobState::Dead)]
    {
        let jobs = bench.store.find(&bench.id(label)).await.unwrap();
        assert_eq!(jobs.len(), 1, "{label}: {jobs:?}");
        assert_eq!((jobs[0].state, &jobs[0].queue), (state, &bench.queue("mail")));
        assert_eq!(found(&jobs), [label]);
    }
    assert!(bench.store.find(&bench.id("none")).await.unwrap().is_empty());
    bench.enqueue("other", &["r"]).await;
    assert_eq!(bench.store.find(&bench.id("r")).await.unwrap().len(), 2);
}

/// An id that only occurs in another message's text is not that message's.
async fn a_quoted_id_is_not_found(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    bench.enqueue("mail", &["m10"]).await;
    let child = bench.message("mail", "child");
    let quoting = String::from_utf8(child.payload.to_vec())
        .unwrap()
        .replace("\"lang\":\"rs\"", &format!("\"lang\":\"rs\",\"parent_id\":\"{}\"", bench.id("m1")));
    assert!(quoting.contains("parent_id"));
    bench.store.enqueue(&[Outgoing { payload: quoting.into(), ..child }]).await.unwrap();
    assert_eq!(found(&bench.store.find(&bench.id("m1")).await.unwrap()), ["m1"]);
}

/// Deleting takes what is ready, scheduled or dead, and counts it; nobody gets it any more.
async fn jobs_are_deleted(bench: &Bench) {
    let worker = one_of_each(bench).await;
    bench.enqueue("mail", &["stays"]).await;
    let mut keys = Vec::new();
    for label in ["r", "s", "d"] {
        keys.push(bench.store.find(&bench.id(label)).await.unwrap().remove(0).key);
    }
    assert_eq!(bench.store.delete(&keys).await.unwrap(), 3);
    assert_eq!(bench.store.delete(&keys).await.unwrap(), 0, "once");
    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.scheduled, counts.leased, counts.dead), (1, 0, 1, 0));
    bench.advance(120 * SECOND);
    assert_eq!(worker.finish_all().await, ["stays"]);
}

/// A leased message is not deleted under its worker's hands.
async fn a_leased_job_is_not_deleted(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    let delivery = worker.take_one().await;
    let key = bench.page("mail", JobState::Leased, 10).await.jobs.remove(0).key;
    assert!(matches!(bench.store.delete(&[key]).await, Err(StoreError::Leased)));
    assert!(matches!(bench.store.purge(&bench.queue("mail"), JobState::Leased).await, Err(StoreError::Leased)));
    assert_eq!(worker.finish(&delivery).await, Settled::Done);
}

/// A key that was looked at while the message was ready does not delete it once a worker has it.
async fn a_stale_key_deletes_nothing(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let key = bench.page("mail", JobState::Ready, 10).await.jobs.remove(0).key;
    let worker = bench.worker("a", &["mail"]).await;
    let delivery = worker.take_one().await;
    match bench.store.delete(&[key]).await {
        Ok(0) | Err(StoreError::Leased) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(worker.finish(&delivery).await, Settled::Done);
}

/// Deleting one of twins leaves the other.
async fn a_twin_is_deleted_alone(bench: &Bench) {
    bench.enqueue("mail", &["twin", "twin"]).await;
    let key = bench.page("mail", JobState::Ready, 10).await.jobs.remove(0).key;
    assert_eq!(bench.store.delete(&[key]).await.unwrap(), 1);
    assert_eq!(bench.counts("mail").await.ready, 1);
}

/// Purging empties one state of one queue, all its steps, and says how many there were.
async fn a_state_is_purged(bench: &Bench) {
    let worker = one_of_each(bench).await;
    let low = Outgoing { priority: Priority::LOWEST, ..bench.message("mail", "low") };
    bench.store.enqueue(&[low]).await.unwrap();
    bench.enqueue("other", &["stays"]).await;
    for (state, count) in [(JobState::Ready, 2), (JobState::Scheduled, 1), (JobState::Dead, 1)] {
        assert_eq!(bench.store.purge(&bench.queue("mail"), state).await.unwrap(), count, "{state:?}");
        assert_eq!(bench.store.purge(&bench.queue("mail"), state).await.unwrap(), 0, "{state:?}");
    }
    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.scheduled, counts.leased, counts.dead), (0, 0, 1, 0));
    assert_eq!(bench.counts("other").await.ready, 1);
    bench.advance(120 * SECOND);
    assert!(worker.take(10).await.is_empty());
}

/// Purging ready messages takes the suspects along.
async fn suspects_are_purged(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    assert_eq!(a.take(1).await.len(), 1);
    assert_eq!(bench.bury(&[&b]).await, 1);
    assert_eq!(bench.store.purge(&bench.queue("mail"), JobState::Ready).await.unwrap(), 2);
    assert!(b.take(10).await.is_empty());
}

/// Purging ready messages says nothing of the suspect that a worker holds: its deaths still count.
async fn a_purge_forgets_no_deaths(bench: &Bench) {
    bench.enqueue("mail", &["poison"]).await;
    let b = bench.worker("b", &["mail"]).await;
    for _ in 0..2 {
        let doomed = bench.worker("doomed", &["mail"]).await;
        assert_eq!(doomed.take(1).await.len(), 1);
        assert_eq!(bench.bury(&[&b]).await, 1);
    }
    let doomed = bench.worker("doomed", &["mail"]).await;
    assert_eq!(doomed.take_one().await.deaths, 1);
    bench.enqueue("mail", &["m1"]).await;
    assert_eq!(bench.store.purge(&bench.queue("mail"), JobState::Ready).await.unwrap(), 1);
    assert_eq!(bench.bury(&[&b]).await, 1);
    assert_eq!(b.take_one().await.deaths, 2);
}

/// A dead letter that is retried goes back into its queue with the bytes given, once.
async fn dead_letters_are_retried(bench: &Bench) {
    one_of_each(bench).await;
    let job = only(bench, JobState::Dead).await;
    let rewritten = bench.message("mail", "d, rewritten").payload;
    let retry = [(job.key.clone(), rewritten.clone())];
    assert_eq!(bench.store.retry_dead(&retry).await.unwrap(), 1);
    assert_eq!(bench.store.retry_dead(&retry).await.unwrap(), 0, "once");
    assert_eq!(bench.store.delete(&[job.key]).await.unwrap(), 0);
    assert_eq!(bench.counts("mail").await.dead, 0);

    let worker = bench.worker("b", &["mail"]).await;
    let taken = worker.take(10).await;
    assert_eq!(taken.len(), 2);
    let retried = taken.iter().find(|delivery| delivery.payload() == &rewritten).unwrap();
    assert_eq!((retried.step, retried.suspect, retried.deaths), (0, false, 0));
}

/// Retried with its own bytes, into its own step.
async fn a_retried_letter_keeps_its_step(bench: &Bench) {
    let low = Outgoing { priority: Priority::new(3), ..bench.message("mail", "low") };
    bench.store.enqueue(std::slice::from_ref(&low)).await.unwrap();
    let worker = bench.worker("a", &["mail"]).await;
    let delivery = worker.take_one().await;
    assert_eq!(worker.settle_one(dead_letter(&delivery, "x")).await, Settled::Done);
    let job = only(bench, JobState::Dead).await;
    assert_eq!(job.step, 3);
    assert_eq!(bench.store.retry_dead(&[(job.key, job.payload)]).await.unwrap(), 1);
    let again = worker.take_one().await;
    assert_eq!((again.step, again.payload()), (3, &low.payload));
}

/// A poisoned message that is retried has its count of deaths forgotten.
async fn a_retry_forgets_the_deaths(bench: &Bench) {
    bench.enqueue("mail", &["poison"]).await;
    let b = bench.worker("b", &["mail"]).await;
    for _ in 0..3 {
        let doomed = bench.worker("doomed", &["mail"]).await;
        assert_eq!(doomed.take(1).await.len(), 1);
        assert_eq!(bench.bury(&[&b]).await, 1);
    }
    let delivery = b.take_one().await;
    assert_eq!(delivery.deaths, 2);
    assert_eq!(b.settle_one(dead_letter(&delivery, "poison")).await, Settled::Done);
    let job = only(bench, JobState::Dead).await;
    assert_eq!(bench.store.retry_dead(&[(job.key, job.payload)]).await.unwrap(), 1);
    let again = b.take_one().await;
    assert_eq!((again.deaths, again.suspect), (0, false));
}

/// Retried letters wake a waiting worker.
async fn a_retry_wakes_a_worker(bench: &Bench) {
    one_of_each(bench).await;
    assert_eq!(bench.store.purge(&bench.queue("mail"), JobState::Ready).await.unwrap(), 1);
    let worker = bench.worker("b", &["mail"]).await;
    let waiting = worker.clone();
    let wait = tokio::spawn(async move { waiting.wait_for(1, queue_tests::PATIENCE).await });
    let job = only(bench, JobState::Dead).await;
    assert_eq!(bench.store.retry_dead(&[(job.key, job.payload)]).await.unwrap(), 1);
    let mut came = wait.await.unwrap();
    came.extend(worker.take(1).await);
    assert_eq!(labels(&came), ["d"]);
}

/// Workers are listed with what they said of themselves, what they hold and how long their lease stands.
async fn workers_are_listed(bench: &Bench) {
    bench.enqueue("one", &["m1", "m2"]).await;
    bench.enqueue("two", &["m3"]).await;
    let worker = bench.worker("a", &["one", "two"]).await;
    let other = bench.worker("b", &["two"]).await;
    assert_eq!(worker.take(3).await.len(), 3);
    let workers = bench.store.workers().await.unwrap();
    let mine: Vec<_> = workers.iter().filter(|info| info.incarnation == worker.incarnation()).collect();
    assert_eq!(mine.len(), 1, "once, however many queues it consumes");
    let info = mine[0];
    assert!(info.hostname.starts_with("a@"));
    assert_eq!((info.pid, info.concurrency, info.held), (std::process::id(), 4, 3));
    let queues: BTreeSet<_> = info.queues.iter().cloned().collect();
    assert_eq!(queues, ["one", "two"].map(|name| bench.queue(name)).into());
    let now = bench.store.now().await.unwrap();
    assert!(info.started <= now && info.lease_ends > now);
    let idle = workers.iter().find(|info| info.incarnation == other.incarnation()).unwrap();
    assert_eq!(idle.held, 0);
}

/// A heartbeat moves the end of the lease; a silent worker shows by its end lying in the past; a reclaimed one is gone.
async fn a_silent_worker_shows(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let ends = async || {
        let workers = bench.store.workers().await.unwrap();
        workers.iter().find(|info| info.incarnation == a.incarnation()).map(|info| info.lease_ends)
    };
    let first = ends().await.unwrap();
    bench.advance(3 * SECOND);
    let _ = a.pulse().await;
    assert!(ends().await.unwrap() > first);
    bench.advance(8 * SECOND);
    assert!(ends().await.unwrap() < bench.store.now().await.unwrap());
    let _ = bench.bury(&[&b]).await;
    assert!(ends().await.is_none());
}

queue_tests::conformance!(
    counts_by_state,
    the_oldest_may_be_of_any_step,
    an_unknown_queue_is_empty,
    suspects_are_counted,
    queues_are_listed,
    a_page_tells_the_story,
    pages_lose_nothing,
    pages_follow_the_steps,
    garbage_is_no_cursor,
    a_page_has_a_job_at_least,
    jobs_are_found_by_id,
    a_quoted_id_is_not_found,
    jobs_are_deleted,
    a_leased_job_is_not_deleted,
    a_stale_key_deletes_nothing,
    a_twin_is_deleted_alone,
    a_state_is_purged,
    suspects_are_purged,
    dead_letters_are_retried,
    a_retried_letter_keeps_its_step,
    a_retry_forgets_the_deaths,
    a_purge_forgets_no_deaths,
    a_retry_wakes_a_worker,
    workers_are_listed,
    a_silent_worker_shows,
);
