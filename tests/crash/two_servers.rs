//! Messages on one Redis, results on another: a settle takes several steps then, and a worker is killed between any two of them.

use queue_core::{Call, group};
use queue_tests::{Bench, Child, Driver, Fault, PATIENCE, Proxy, RedisServer, script_hash, wait_until};

use crate::leftovers;
use crate::scene::{QUEUE, Scene};

const SLOTS: usize = 4;
const JOBS: usize = 80;
const PARTS: u64 = 5;

#[derive(Debug, Clone, Copy)]
enum Server {
    Messages,
    Results,
}

/// Two servers, a proxy before each, and a scene whose workers go through them.
struct Stage {
    servers: [RedisServer; 2],
    proxies: [Proxy; 2],
    scene: Scene,
}

impl Stage {
    async fn new() -> Self {
        let servers = [RedisServer::start(&[]), RedisServer::start(&[])];
        let proxies = [Proxy::start(servers[0].address()).await, Proxy::start(servers[1].address()).await];
        let results = servers[1].url();
        let bench = Bench::at(Driver::Redis, &servers[0].url(), |options| options.results = Some(results)).await;
        Self { servers, proxies, scene: Scene::new(&bench).await }
    }

    fn hire(&self) -> Child {
        let [messages, results] = self.proxies.each_ref().map(Proxy::url);
        self.scene.worker_with(SLOTS, &[], &[("QUEUE_URL", &messages), ("QUEUE_RESULT_URL", &results)])
    }

    /// The next settle stands still there.
    fn arm(&self, server: Server, fault: Fault) {
        self.proxies[server as usize].arm(&script_hash("settle"), fault);
    }

    /// A settle stands still, and its worker is killed.
    async fn kill_at(&self, mut worker: Child, server: Server) {
        wait_until("a settle stands still", || async { self.proxies[server as usize].lost() > 0 }).await;
        worker.kill();
    }

    /// How many jobs are there, and how many results on the other server.
    async fn left_and_stored(&self) -> (usize, usize) {
        let counts = self.scene.bench.counts(QUEUE).await;
        let stored = self.servers[1].command(&["EVAL", "return #redis.call('KEYS', 'celery-task-meta-*')", "0"]);
        ((counts.ready + counts.leased) as usize, stored.trim().trim_start_matches(':').parse().unwrap())
    }

    /// The end: nobody is blamed, results are where they should be, and nothing is left but what goes by itself.
    async fn close(&self, heir: Child) {
        self.scene.until_empty().await;
        self.scene.stop(heir).await;
        assert!(self.scene.dead().await.is_empty());
        assert!(!self.servers[0].command(&["KEYS", "*-meta-*"]).contains("celery"), "a result among the messages");
        self.scene.dismiss_undertaker().await;
        self.servers.iter().for_each(|server| _ = leftovers::keys(&server.url()));
    }
}

/// A worker dies there among its settles. Each job ends with its result on the results' server; one whose message had gone runs no
/// more.
async fn killed_there((server, fault, torn): (Server, Fault, bool)) {
    let stage = Stage::new().await;
    let scene = &stage.scene;
    let mut jobs = Vec::new();
    let victim = stage.hire();
    for n in 0..JOBS {
        jobs.push(scene.send("crash.note", [format!("j{n}")]).await);
        if n == JOBS / 2 {
            scene.until_written("done", JOBS / 4).await;
            stage.arm(server, fault);
        }
    }
    stage.kill_at(victim, server).await;
    // What the server was told it does after its client has died.
    wait_until("it has happened or not", || async {
        let (left, stored) = stage.left_and_stored().await;
        if torn { stored + left > JOBS } else { stored + left == JOBS }
    })
    .await;
    let held = scene.bench.counts(QUEUE).await.leased as usize;
    let ran = scene.written("done").len();
    assert!(held <= SLOTS, "{held} held by one worker");
    assert_eq!(scene.bury().await, held);

    let heir = stage.hire();
    scene.until_written("done", JOBS).await;
    stage.close(heir).await;
    let done = scene.written("done");
    let twice = done.values().sum::<usize>() - JOBS;
    assert!(twice <= held, "{twice} of {ran} ran twice, {held} were held");
    assert_eq!(stage.left_and_stored().await, (0, JOBS));
    for (n, job) in jobs.iter().enumerate() {
        let by = scene.ran_by(job).await;
        assert!(scene.has_written("done", &format!("j{n}"), by), "the result of j{n} is of {by}, which did not run it");
    }
}

/// A worker dies there while the parts of a chord end: the body runs once, with the values of all.
async fn chord_killed_there((server, fault, _): (Server, Fault, bool)) {
    let stage = Stage::new().await;
    let scene = &stage.scene;
    let queue = scene.bench.queue(QUEUE);
    let call = |task| Call::named(task).queue(queue.as_str());
    let chord = group((0..PARTS).map(|n| call("crash.part").args([n]))).then(call("crash.total").partial());
    let chord = scene.client().send(chord).await.unwrap();
    stage.arm(server, fault);
    stage.kill_at(stage.hire(), server).await;
    scene.bury().await;
    let heir = stage.hire();
    assert_eq!(chord.get(PATIENCE).await.unwrap(), (0..PARTS).sum::<u64>());
    stage.close(heir).await;
    let bodies = scene.lines("run").into_iter().filter(|run| run[0] == "total").count();
    assert_eq!(bodies, 1, "the body ran {bodies} times");
}

macro_rules! places {
    ($($case:ident: $server:ident, $fault:ident, $torn:literal;)+) => {
        $(mod $case {
            use queue_tests::Fault;

            use super::{Server, chord_killed_there, killed_there};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn jobs() {
                killed_there((Server::$server, Fault::$fault, $torn)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn chord() {
                chord_killed_there((Server::$server, Fault::$fault, $torn)).await;
            }
        })+
    };
}

// In the order in which a settle comes by, and whether results are stored then whose messages are still there.
places! {
    before_the_results: Results, SwallowRequest, false;
    after_the_results: Results, SwallowReply, true;
    before_the_messages: Messages, SwallowRequest, true;
    after_the_messages: Messages, SwallowReply, false;
}
