//! Killed at a step, by its name.

use queue_core::failpoint::STEPS;
use queue_tests::Driver;

use super::runs::Runs;
use super::{Place, Play, Rounds, died};

/// How often a worker passes a step at least that is alone with the chord and the chain.
fn passes(step: &str) -> usize {
    match step {
        // Until its first second heartbeat all may be done.
        "beat.before" | "beat.answered" | "beat.reclaimed" => 1,
        "message.decoded" | "body.before" | "body.done" | "settle.built" => 70,
        "lease.answered" | "settle.before" | "settle.answered" | "commit.synced" => 18,
        "commit.before" | "commit.after" | "commit.told" => 40,
        chord => {
            assert!(chord.starts_with("chord."), "{chord}");
            1
        }
    }
}

/// Plays one step as often as asked.
async fn play(driver: Driver, step: &str) {
    let (place, rounds) = (Place::new(driver), Rounds::new());
    let (mut killed, mut twice, mut bodies) = (0, 0, 0);
    for (round, mut chance) in rounds.each() {
        let at = format!("{step}@{}", chance.usize(1..=passes(step)));
        let bench = place.bench().await;
        let play = Play::new(&bench, format!("{driver:?}, {at}, {round}")).await;
        eprintln!("{}", play.what);
        let (died, runs) = match chance.bool() {
            _ if step == "beat.reclaimed" => (true, die_reclaiming(play, &at, &mut chance).await),
            true => die_alone(play, &at).await,
            false => die_in_company(play, &at).await,
        };
        killed += usize::from(died);
        twice += runs.twice();
        bodies += runs.bodies() - 1;
    }
    let rounds = rounds.count;
    eprintln!(
        "{driver:?}, {step}: {rounds} rounds, {killed} killed there; ran twice: {twice} bodies, {bodies} of chords"
    );
}

/// The only worker dies; then another one comes.
async fn die_alone(mut play: Play, at: &str) -> (bool, Runs) {
    let mut victim = play.victim(0, at);
    died(&mut victim).await;
    play.bury(0).await;
    let heir = play.worker(1, &[]);
    (true, play.finish(heir).await)
}

/// One of two workers dies, unless the other one was so fast that it never came to the step.
async fn die_in_company(mut play: Play, at: &str) -> (bool, Runs) {
    let mut victim = play.victim(0, at);
    let other = play.worker(1, &[]);
    let dead = tokio::select! {
        () = died(&mut victim) => true,
        () = play.results() => play.stop_or_die(victim).await,
    };
    if dead {
        play.bury(0).await;
    }
    (dead, play.finish(other).await)
}

/// One worker dies somewhere, the next one while it takes back what the first one held.
async fn die_reclaiming(mut play: Play, at: &str, chance: &mut fastrand::Rng) -> Runs {
    let mut victim = play.victim(0, &format!("body.done@{}", chance.usize(1..=passes("body.done"))));
    died(&mut victim).await;
    play.killed += 1;
    let mut sweeper = play.victim(1, at);
    died(&mut sweeper).await;
    play.bury(1).await;
    let heir = play.worker(2, &[]);
    play.finish(heir).await
}

/// Makes a test of each step, per driver that has it, and one that no step is forgotten.
macro_rules! steps {
    ($($module:ident, $driver:ident: { $($case:ident = $step:literal),+ $(,)? })+) => {
        $(mod $module {
            use queue_tests::Driver;

            pub(super) const STEPS: &[&str] = &[$($step),+];

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::play(Driver::$driver, $step).await;
                }
            )+
        })+
    };
}

steps! {
    sqlite_file, SqliteFile: {
        beat_before = "beat.before", beat_answered = "beat.answered", beat_reclaimed = "beat.reclaimed",
        lease_answered = "lease.answered", message_decoded = "message.decoded",
        body_before = "body.before", body_done = "body.done",
        settle_built = "settle.built", settle_before = "settle.before", settle_answered = "settle.answered",
        chord_leased = "chord.leased", chord_parts_read = "chord.parts-read", chord_built = "chord.built",
        chord_before_settle = "chord.before-settle", chord_settled = "chord.settled",
        commit_before = "commit.before", commit_after = "commit.after", commit_synced = "commit.synced", commit_told = "commit.told",
    }
    redis, Redis: {
        beat_before = "beat.before", beat_answered = "beat.answered", beat_reclaimed = "beat.reclaimed",
        lease_answered = "lease.answered", message_decoded = "message.decoded",
        body_before = "body.before", body_done = "body.done",
        settle_built = "settle.built", settle_before = "settle.before", settle_answered = "settle.answered",
        chord_leased = "chord.leased", chord_parts_read = "chord.parts-read", chord_built = "chord.built",
        chord_before_settle = "chord.before-settle", chord_settled = "chord.settled",
    }
}

#[test]
fn no_step_is_forgotten() {
    assert_eq!(sqlite_file::STEPS, STEPS);
    let of_redis: Vec<_> = STEPS.iter().copied().filter(|step| !step.starts_with("commit.")).collect();
    assert_eq!(redis::STEPS, of_redis);
    let table = include_str!("../../../docs/fences.md");
    let rows: Vec<_> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ")).collect();
    let rows: Vec<_> = rows.into_iter().map(|(name, _)| name).filter(|name| STEPS.contains(name)).collect();
    assert_eq!(rows, STEPS, "the rows of docs/fences.md");
}
