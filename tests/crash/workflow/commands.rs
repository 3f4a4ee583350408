//! Killed at a command to Redis: before the server has it, or when the server has done it and the worker has not heard.
//! Some commands by chance in every run, all of them by hand.

use queue_tests::{Boundary, Driver, Side};

use super::runs::Runs;
use super::{Place, Play, Rounds};

/// Commands that a worker which does all alone sends at least, on a host that has the time for it.
const AT_LEAST: usize = 100;
/// Commands tried in a run that is not by hand.
const SAMPLE: u64 = 3;
/// How often at most, for that: a worker on a busy host finds more to do at a time, and may be done after fewer commands.
const TRIES: usize = 20;

async fn each_command(side: Side) {
    let (place, rounds) = (Place::new(Driver::Redis), Rounds::new());
    let Place::Redis(server) = &place else { unreachable!() };
    let (mut cuts, mut twice, mut bodies) = (0, 0, 0);
    let mut chance = fastrand::Rng::with_seed(rounds.seed);
    for number in 1.. {
        let nth = if rounds.by_hand { number } else { chance.usize(1..=AT_LEAST) };
        let bench = place.bench().await;
        let what = format!("{side:?} command {nth}, QUEUE_CRASH_SEED={}", rounds.seed);
        eprintln!("{what}");
        let cut = Boundary::start(server.address(), nth, side).await;
        let Some(runs) = die_at(Play::new(&bench, what).await, cut).await else {
            if rounds.by_hand || number == TRIES {
                break;
            }
            continue;
        };
        cuts += 1;
        twice += runs.twice();
        bodies += runs.bodies() - 1;
        if !rounds.by_hand && cuts == SAMPLE {
            break;
        }
    }
    assert!(cuts >= if rounds.by_hand { AT_LEAST as u64 } else { SAMPLE }, "only {cuts} commands");
    eprintln!("{side:?}: cut at {cuts} commands; ran twice: {twice} bodies, {bodies} of chords");
}

/// The worker behind `cut` dies where it stands still, and another one comes; `None` when all was done before.
async fn die_at(mut play: Play, cut: Boundary) -> Option<Runs> {
    let mut victim = play.worker(0, &[("QUEUE_URL", &cut.url())]);
    tokio::select! {
        () = cut.reached() => victim.kill(),
        () = play.results() => {
            // Nothing holds it up any more.
            assert!(!play.stop_or_die(victim).await);
            return None;
        }
    }
    drop(cut);
    play.bury(0).await;
    let heir = play.worker(1, &[]);
    Some(play.finish(heir).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_each_command_to_redis() {
    each_command(Side::Before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_each_command_to_redis() {
    each_command(Side::After).await;
}
