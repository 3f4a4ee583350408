//! How soon workers consume again: for each way in which a Redis goes away, the time from when it answers again until they begin
//! a body. By hand only, since it is a matter of time.

mod report;
mod scene;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use self::report::Times;
use self::scene::{Scene, Server};

/// An outage goes on for so long after all have noticed: the pauses between tries have grown to their longest by then.
const LASTS: Duration = Duration::from_secs(3);
/// A sleep that outlasts every timeout.
const SLEEP_S: &str = "12";
/// So much has to be done when the store goes away, or comes when it is back: more than all of them begin before it is over.
const BACKLOG: usize = 600;
const AOF: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "everysec"];

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Outages {
    /// The worker program.
    pub worker: PathBuf,
    /// How often each outage is played.
    pub rounds: usize,
    /// How many workers there are.
    pub workers: usize,
    /// How many jobs each runs at once.
    pub slots: usize,
    /// Tells of the progress, a line at a time.
    pub tell: fn(&str),
}

/// How a store goes away.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Restarted,
    Emptied,
    LinesCut,
    Asleep,
    Full,
    HandedOver,
}

const KINDS: [(Kind, &str); 6] = [
    (Kind::Restarted, "killed, restarted with its file"),
    (Kind::Emptied, "killed, restarted empty"),
    (Kind::LinesCut, "every connection killed"),
    (Kind::Asleep, "asleep for 12 s"),
    (Kind::Full, "full, then room"),
    (Kind::HandedOver, "killed, a replica takes over"),
];

/// What one round came to, since the store answered again.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// Until the first body began.
    first: Duration,
    /// Until each worker had begun one.
    each: Duration,
}

impl Outages {
    /// Plays them all.
    pub async fn run(&self) -> Times {
        let mut times = Times::new(self.rounds, self.workers, self.slots);
        for (kind, name) in KINDS {
            for number in 1..=self.rounds {
                let round = self.play(kind).await;
                let (first, each) = (round.first.as_secs_f64(), round.each.as_secs_f64());
                (self.tell)(&format!("{name}, {number}: {first:.3} s, each worker {each:.3} s"));
                times.add(name, round);
            }
        }
        times
    }

    async fn play(&self, kind: Kind) -> Round {
        let server = match kind {
            Kind::HandedOver => Server::sentinels().await,
            Kind::Restarted => Server::redis(&AOF),
            Kind::Emptied | Kind::LinesCut | Kind::Full => Server::redis(&[]),
            Kind::Asleep => Server::that_sleeps(),
        };
        let scene = Scene::start(self, server).await;
        match kind {
            Kind::Emptied | Kind::LinesCut => scene.until_idle().await,
            _ => scene.send(BACKLOG).await,
        }
        let back = match kind {
            Kind::Restarted => restarted(&scene, &AOF).await,
            Kind::Emptied => {
                let back = restarted(&scene, &[]).await;
                scene.send(BACKLOG).await;
                back
            }
            Kind::LinesCut => lines_cut(&scene).await,
            Kind::Asleep => asleep(&scene).await,
            Kind::Full => full(&scene).await,
            Kind::HandedOver => handed_over(&scene).await,
        };
        scene.begun_since(back).await
    }
}

/// When the store answers again, and what the workers had begun before it could.
struct Back {
    at: Instant,
    begun: Vec<usize>,
}

/// All workers have noticed, the outage lasts for a while, and no body begins any more.
async fn last(scene: &Scene) -> Vec<usize> {
    scene.until_all_notice().await;
    tokio::time::sleep(LASTS).await;
    scene.begun()
}

async fn restarted(scene: &Scene, flags: &[&str]) -> Back {
    let server = scene.server.master();
    server.kill();
    let begun = last(scene).await;
    server.restart(flags);
    while !server.command(&["PING"]).starts_with("+PONG") {}
    Back { at: Instant::now(), begun }
}

async fn lines_cut(scene: &Scene) -> Back {
    let (server, begun) = (scene.server.master(), scene.begun());
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    let at = Instant::now();
    scene.send(BACKLOG).await;
    Back { at, begun }
}

async fn asleep(scene: &Scene) -> Back {
    let url = scene.server.master().url();
    let sleeping = tokio::task::spawn_blocking(move || {
        let mut server = redis::Client::open(url).unwrap().get_connection().unwrap();
        redis::cmd("DEBUG").arg("SLEEP").arg(SLEEP_S).query::<()>(&mut server).unwrap();
        Instant::now()
    });
    let begun = last(scene).await;
    Back { at: sleeping.await.unwrap(), begun }
}

async fn full(scene: &Scene) -> Back {
    let server = scene.server.master();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let begun = last(scene).await;
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    Back { at: Instant::now(), begun }
}

/// It is back when the first of the sentinels names a master that is one: before, nobody could know it.
async fn handed_over(scene: &Scene) -> Back {
    let set = scene.server.set();
    set.until_caught_up().await;
    let old = set.master_port();
    set.master().kill();
    scene.until_all_notice().await;
    let begun = scene.begun();
    set.until_one_names_another(old).await;
    Back { at: Instant::now(), begun }
}
