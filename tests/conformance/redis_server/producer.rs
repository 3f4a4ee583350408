//! A producer whose line is cut, goes silent or drips: `send` ends, and what it says is true.

mod told;

use std::sync::Arc;
use std::time::Duration;

use queue_core::store::Store;
use queue_core::{Call, Client, ClientOptions, QueueName, SendError, Signature};
use queue_tests::{Bench, Driver, Fault, PATIENCE, Proxy, RedisServer, SECOND, redis_url, wait_until};

/// How long an answer is waited for: one that is swallowed costs a test as long.
const PATIENT: Duration = Duration::from_millis(400);

/// A store behind a proxy with little patience, which has connected.
async fn behind_proxy() -> (Bench, Proxy) {
    behind_proxy_within(PATIENT).await
}

/// A store behind a proxy that waits so long for an answer, and twice as long for a connection.
async fn behind_proxy_within(patient: Duration) -> (Bench, Proxy) {
    let url = redis_url();
    let server = url.trim_start_matches("redis://").trim_end_matches("/0").to_owned();
    let proxy = Proxy::start(server).await;
    (Bench::hasty(Driver::Redis, &proxy.url(), patient).await, proxy)
}

/// A store past the proxy, with all the patience there is.
async fn direct() -> Arc<dyn Store> {
    Bench::at(Driver::Redis, &redis_url(), |_| ()).await.store
}

fn client(bench: &Bench, retry_for: Duration, numbered: bool) -> Client {
    let options = ClientOptions { default_queue: bench.queue("mail"), retry_for, numbered, ..ClientOptions::default() };
    Client::with_options(bench.store.clone(), options)
}

/// How something is sent, and how many messages that are.
#[derive(Debug, Clone, Copy)]
enum How {
    Plain,
    Numbered,
    Many,
    Later,
    Keyed,
    KeyedLater,
    Group,
    Chord,
}

const ALL: [How; 8] =
    [How::Plain, How::Numbered, How::Many, How::Later, How::Keyed, How::KeyedLater, How::Group, How::Chord];

/// What the request of a send has in it, and nothing else that goes over the line.
const TASK: &str = "producer.task";

#[queue_core::task(name = "producer.task")]
async fn task(text: String) {
    drop(text);
}

impl How {
    /// How many messages it is.
    fn size(self) -> u64 {
        match self {
            Self::Many => 5,
            Self::Group | Self::Chord => 3,
            Self::Plain | Self::Numbered | Self::Later | Self::Keyed | Self::KeyedLater => 1,
        }
    }

    async fn send(self, bench: &Bench, client: &Client, key: &str) -> Result<(), SendError> {
        self.send_to(&bench.queue("mail"), client, key).await
    }

    async fn send_to(self, queue: &QueueName, client: &Client, key: &str) -> Result<(), SendError> {
        let call = || task.s("x".repeat(300)).queue(queue.as_str());
        let hour = Duration::from_secs(3600);
        let members = || (0..3).map(|_| Signature::from(call()));
        match self {
            Self::Plain | Self::Numbered => client.send(call()).await.map(drop),
            Self::Many => client.send_many((0..5).map(|_| call())).await.map(drop),
            Self::Later => client.send(call().countdown(hour)).await.map(drop),
            Self::Keyed => client.send(call().idempotency_key(key)).await.map(drop),
            Self::KeyedLater => client.send(call().countdown(hour).idempotency_key(key)).await.map(drop),
            Self::Group => {
                let mut group = Signature::group(members());
                group.set_key(key);
                client.send(group).await.map(drop)
            }
            Self::Chord => client.send(Signature::chord(members(), call().into())).await.map(drop),
        }
    }
}

/// How many messages are in the store, seen past the proxy.
async fn stored(direct: &dyn Store, bench: &Bench) -> u64 {
    stored_in(direct, &bench.queue("mail")).await
}

async fn stored_in(direct: &dyn Store, queue: &QueueName) -> u64 {
    let counts = direct.counts(queue).await.unwrap();
    counts.ready + counts.scheduled + counts.leased
}

/// A try that arrives when another one has been taken long since, after what was sent has run: refused by its number or key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_try_that_arrives_late_is_refused() {
    let (bench, proxy) = behind_proxy().await;
    let direct = direct().await;
    let worker = bench.worker_on(&direct, "a", &["mail"]).await;
    let mut late = 0;
    for how in [How::Numbered, How::Many, How::Keyed, How::Group, How::Chord] {
        let client = client(&bench, PATIENCE, matches!(how, How::Numbered));
        wait_until("the line is back", || async { client.ask_store_time().await.is_ok() }).await;
        proxy.arm(TASK, Fault::Late);
        how.send(&bench, &client, bench.id(&format!("{how:?}")).as_str()).await.unwrap();
        late += 1;
        assert_eq!(proxy.lost(), late);
        let taken = worker.take(10).await;
        assert_eq!(taken.len() as u64, how.size(), "{how:?}");
        let ends: Vec<_> = taken.iter().map(queue_tests::done).collect();
        worker.settle(&ends).await.unwrap();
        proxy.release(late).await;
        assert_eq!(stored(&*direct, &bench).await, 0, "{how:?} came again");
    }
}

/// While nothing passes, every way to send ends by itself and says that nothing was sent; afterwards it works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_send_hangs() {
    let (bench, proxy) = behind_proxy().await;
    let direct = direct().await;
    let client = client(&bench, Duration::from_millis(100), false);
    wait_until("the line stands", || async { client.ask_store_time().await.is_ok() }).await;
    for stop in [Proxy::silence, Proxy::refuse] {
        stop(&proxy, true);
        proxy.cut();
        // Whoever sends before the cut has come to pass may still get through.
        wait_until("the line is down", || async { bench.store.now().await.is_err() }).await;
        for how in ALL {
            // Accepted and then silent, or closed at once: there was no connection, so that nothing can have happened.
            let error = how.send(&bench, &client, "never").await.unwrap_err();
            assert!(error.is_transient(), "{how:?}: {error:?}");
        }
        stop(&proxy, false);
        wait_until("the line is back", || async { client.ask_store_time().await.is_ok() }).await;
        assert_eq!(stored(&*direct, &bench).await, 0);
    }
    let error = async {
        proxy.refuse(true);
        proxy.cut();
        wait_until("the line is down", || async { bench.store.now().await.is_err() }).await;
        How::Plain.send(&bench, &client, "").await.unwrap_err()
    };
    assert!(!error.await.outcome_unknown());
    // While it is away the client goes on trying, and what it sends arrives.
    let patient = self::client(&bench, PATIENCE, false);
    let sending = tokio::spawn({
        let queue = bench.queue("mail");
        async move { patient.send(Call::named("t").queue(queue.as_str())).await.map(drop) }
    });
    let tried = proxy.connections();
    wait_until("it was tried again", || async { proxy.connections() > tried + 1 }).await;
    proxy.refuse(false);
    sending.await.unwrap().unwrap();
    assert_eq!(stored(&*direct, &bench).await, 1);
}

/// A server that sleeps does what it was asked when it wakes: also of that nothing twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_sleeps_takes_it_once() {
    let server = RedisServer::start(&[]);
    let bench = Bench::hasty(Driver::Redis, &server.url(), PATIENT).await;
    let direct = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let client = client(&bench, PATIENCE, true);
    for how in [How::Numbered, How::Many, How::Later, How::Keyed, How::Group, How::Chord] {
        let before = stored(&*direct.store, &bench).await;
        client.ask_store_time().await.unwrap();
        let nap = server.nap();
        let key = bench.id(&format!("{how:?}"));
        // The first try lies unread before the server when the client gives it up.
        let (sent, ()) = tokio::join!(how.send(&bench, &client, key.as_str()), async {
            tokio::time::sleep(3 * PATIENT).await;
            drop(nap);
        });
        sent.unwrap();
        assert_eq!(stored(&*direct.store, &bench).await - before, how.size(), "{how:?}");
    }
}

/// Of many batches each is tried again for as long as one call is, however long those before it took.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_batch_is_tried_again_too() {
    const MANY: usize = 1001;
    let (bench, proxy) = behind_proxy_within(PATIENCE).await;
    // What a busy host takes to notice a cut is less.
    let patience = 3 * SECOND;
    let client = client(&bench, patience, false);
    // The scripts are loaded.
    How::Many.send(&bench, &client, "").await.unwrap();
    // The first batch takes longer than the client's patience.
    proxy.delay(patience + patience / 4);
    proxy.arm("the last of them", Fault::CutReply(0));
    let text = |n| if n == MANY { "the last of them" } else { "x" };
    let calls = (1..=MANY).map(|n| task.s(text(n)).queue(bench.queue("mail").as_str())).collect::<Vec<_>>();
    let sending = tokio::spawn(async move { client.send_many(calls).await.map(drop) });
    wait_until("the last one's reply is lost", || async { proxy.lost() == 1 }).await;
    proxy.delay(Duration::ZERO);
    sending.await.unwrap().unwrap();
    assert_eq!((proxy.lost(), bench.counts("mail").await.ready), (1, MANY as u64 + How::Many.size()));
}

/// Turns a server's refusal on or off.
type Switch<'a> = &'a dyn Fn();

/// A line that broke while nobody used it, or went dead, is noticed before a plain call goes out on it: that is no unknown outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_broke_while_idle_is_made_anew() {
    // An answer that is late would be an unknown outcome, too.
    let patient = 2 * SECOND;
    let (bench, proxy) = behind_proxy_within(patient).await;
    let client = client(&bench, PATIENCE, false);
    for (end, sent) in [Proxy::cut, Proxy::black_hole].into_iter().zip(1..) {
        How::Plain.send(&bench, &client, "").await.unwrap();
        let made = proxy.connections();
        end(&proxy);
        // Nobody uses it for as long as an answer may take.
        tokio::time::sleep(patient + patient / 4).await;
        How::Plain.send(&bench, &client, "").await.unwrap();
        assert_eq!((proxy.connections(), bench.counts("mail").await.ready), (made + 1, 2 * sent));
    }
}

/// What the server refuses is known not to have happened, and is taken once it refuses no more, within the client's patience.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_known() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let set = |name: &str, value: &str| {
        let answer = server.command(&["CONFIG", "SET", name, value]);
        assert!(answer.starts_with("+OK"), "{answer}");
    };
    let refusals: [(&str, Switch<'_>, Switch<'_>); 4] = [
        ("OOM", &|| set("maxmemory", "1"), &|| set("maxmemory", "0")),
        ("READONLY", &|| drop(server.command(&["REPLICAOF", "127.0.0.1", "1"])), &|| {
            drop(server.command(&["REPLICAOF", "NO", "ONE"]));
        }),
        ("MISCONF", &|| server.fail_to_save(), &|| server.save_again()),
        ("NOREPLICAS", &|| set("min-replicas-to-write", "3"), &|| set("min-replicas-to-write", "0")),
    ];
    for (code, refuse, relent) in refusals {
        for how in ALL {
            let numbered = matches!(how, How::Numbered);
            let hasty = client(&bench, Duration::from_millis(1), numbered);
            hasty.ask_store_time().await.unwrap();
            let key = bench.id(&format!("{code} {how:?}")).to_string();
            let before = stored(&*bench.store, &bench).await;
            refuse();
            let error = how.send(&bench, &hasty, &key).await.unwrap_err();
            assert!(!error.outcome_unknown() && error.is_transient(), "{code}, {how:?}: {error:?}");
            let patient = client(&bench, PATIENCE, numbered);
            let (sent, ()) = tokio::join!(how.send(&bench, &patient, &key), async {
                tokio::task::yield_now().await;
                relent();
            });
            sent.unwrap();
            assert_eq!(stored(&*bench.store, &bench).await - before, how.size(), "{code}, {how:?}");
        }
    }
}

/// A producer that sends rarely, whose name leads to another master by now while its line stands, to a replica: the first write
/// that is refused ends that line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rare_send_leaves_a_demoted_master() {
    let (old, new) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let proxy = Proxy::start(old.address()).await;
    let bench = Bench::at(Driver::Redis, &proxy.url(), |_| ()).await;
    let client = client(&bench, PATIENCE, false);
    client.ask_store_time().await.unwrap();
    proxy.lead_to(new.address());
    let answer = old.command(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]);
    assert!(answer.starts_with("+OK"), "{answer}");
    How::Plain.send(&bench, &client, "").await.unwrap();
    assert_eq!(new.command(&["LLEN", bench.queue("mail").as_str()]), ":1\r\n");
}

/// A queue is listed also where the first send to it was given up before it was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_is_given_up_hides_no_queue() {
    let (bench, proxy) = behind_proxy_within(PATIENCE).await;
    let (store, first) = (Arc::clone(&bench.store), [bench.message("fresh", "m1")]);
    proxy.arm("SADD", Fault::SwallowRequest);
    let given_up = tokio::spawn(async move { store.enqueue(&first).await });
    wait_until("it is under way", || async { proxy.lost() == 1 }).await;
    given_up.abort();
    proxy.cut();
    let second = [bench.message("fresh", "m2")];
    wait_until("another one is taken", || async { bench.store.enqueue(&second).await.is_ok() }).await;
    assert!(direct().await.queues().await.unwrap().contains(&bench.queue("fresh")));
}

/// A server that loads its file takes nothing, and says so; who has the patience is served when it is done, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_loads_is_waited_for() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let hasty = ALL.map(|how| (how, client(&bench, Duration::from_millis(1), matches!(how, How::Numbered))));
    for (_, client) in &hasty {
        client.ask_store_time().await.unwrap();
    }
    server.save_and_kill();
    server.restart_loading();
    // What finds the old line broken does not know whether it was sent.
    wait_until("the line is made anew", || async {
        !How::Plain.send(&bench, &hasty[0].1, "").await.unwrap_err().outcome_unknown()
    })
    .await;
    for (how, client) in &hasty {
        let error = how.send(&bench, client, &bench.id(&format!("{how:?}")).to_string()).await.unwrap_err();
        assert!(!error.outcome_unknown() && error.is_transient(), "{how:?}: {error:?}");
    }
    server.assert_loading();
    let all = async {
        for how in ALL {
            let patient = client(&bench, PATIENCE, matches!(how, How::Numbered));
            how.send(&bench, &patient, &bench.id(&format!("{how:?}")).to_string()).await.unwrap();
        }
    };
    tokio::join!(all, async {
        tokio::task::yield_now().await;
        server.load_fast();
    });
    assert_eq!(stored(&*bench.store, &bench).await, ALL.map(How::size).iter().sum::<u64>());
}

/// A password that was changed: the line that is made anew is refused, and nothing was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_password_is_known() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let client = client(&bench, Duration::from_millis(1), false);
    let answer = server.command(&["CONFIG", "SET", "requirepass", "another"]);
    assert!(answer.starts_with("+OK"), "{answer}");
    let owner = redis::Client::open(format!("redis://:another@{}/0", server.address())).unwrap();
    let mut owner = owner.get_multiplexed_async_connection().await.unwrap();
    let kill = || redis::cmd("CLIENT").arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]).to_owned();
    let _: i64 = kill().query_async(&mut owner).await.unwrap();
    wait_until("it is refused", || async {
        let error = How::Plain.send(&bench, &client, "").await.unwrap_err();
        !error.outcome_unknown() && !error.is_transient()
    })
    .await;
    let length: i64 = redis::cmd("LLEN").arg(bench.queue("mail").as_str()).query_async(&mut owner).await.unwrap();
    assert_eq!(length, 0);
}

/// A list that is none is found before anything of a batch is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_all_or_nothing() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    server.command(&["SET", bench.queue("post").as_str(), "hello"]);
    let client = client(&bench, PATIENCE, false);
    let call = |queue: &str, key: &str| Call::named("t").queue(bench.queue(queue).as_str()).idempotency_key(key);
    let error = client.send_many([call("mail", "a"), call("post", "b")]).await.unwrap_err();
    assert!(!error.outcome_unknown() && !error.is_transient(), "{error:?}");
    assert_eq!(bench.counts("mail").await.ready, 0);
    client.send(call("mail", "a")).await.unwrap();
    assert_eq!(bench.counts("mail").await.ready, 1);
}
