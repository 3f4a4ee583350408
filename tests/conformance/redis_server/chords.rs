//! Chords on Celery's own keys, among Celery's workers.

use queue_core::TaskId;
use queue_core::store::{ChordPart, ChordStep, JobState, Settled, Settlement};
use queue_tests::{
    Bench, Chord, Driver, Proxy, RedisServer, dead_letter, done, result, script_hash, with_chord, with_result,
};
use serde_json::Value;

use crate::drain::drain;

async fn own_server() -> (RedisServer, Bench) {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    (server, bench)
}

async fn ask<T: ::redis::FromRedisValue>(bench: &Bench, words: &[&str]) -> T {
    let mut connection = ::redis::Client::open(bench.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let (name, arguments) = words.split_first().unwrap();
    ::redis::cmd(name).arg(arguments).query_async(&mut connection).await.unwrap()
}

/// What a Celery 5.7 left in the backend in the middle of a chord, and after it.
fn capture(name: &str) -> Value {
    let path = format!("{}/fixtures/celery/results.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap().replace("NaN", "null")).unwrap();
    file["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap().clone()
}

/// Our parts of a chord leave the bytes that Celery's leave, and so does its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_are_celerys() {
    let (_server, bench) = own_server().await;
    let case = capture("chord_ok");
    let theirs = case["snapshots"]["two_of_three_done"]["db1"].as_object().unwrap();
    let group = theirs.keys().find_map(|key| key.strip_prefix("celery-taskset-meta-")?.strip_suffix(".j")).unwrap();
    let key = |suffix: &str| format!("celery-taskset-meta-{group}{suffix}");
    let members = theirs[&key(".j")]["members"].as_array().unwrap();

    let chord = Chord::of_group(&bench, group);
    bench.store.begin_chords(&[chord.start(3)]).await.unwrap();
    let worker = bench.worker("a", &["mail"]).await;
    for member in members {
        let ChordStep::Part(part) = chord.part("m", Some(member[1].as_f64().unwrap() as i64), "") else {
            unreachable!()
        };
        let (raw, id) = (member[0]["raw"].as_str().unwrap().to_owned(), member[0]["parsed"][1].as_str().unwrap());
        let part = ChordPart { member: raw.into(), id: TaskId::new(id).unwrap(), ..part };
        let settlement = with_chord(Settlement::early(), ChordStep::Part(part));
        assert_eq!(worker.settle_one(settlement).await, Settled::Done);
    }

    let ours: Vec<(String, f64)> = ask(&bench, &["ZRANGE", &key(".j"), "0", "-1", "WITHSCORES"]).await;
    let expected = members.iter().map(|m| (m[0]["raw"].as_str().unwrap().to_owned(), m[1].as_f64().unwrap()));
    assert_eq!(ours, expected.collect::<Vec<_>>());
    let mut ours: Vec<String> = ask(&bench, &["SMEMBERS", &key(".d")]).await;
    ours.sort();
    assert_eq!(Value::from(ours), theirs[&key(".d")]["members"]);
    assert_eq!(Value::from(ask::<String>(&bench, &["GET", &key(".s")]).await), theirs[&key(".s")]["value"]);
    for suffix in [".j", ".d", ".s"] {
        let ttl: i64 = ask(&bench, &["TTL", &key(suffix)]).await;
        assert!((1..=30 * 86_400).contains(&ttl), "{suffix}: {ttl}");
    }
    let mut keys: Vec<String> = ask(&bench, &["KEYS", &key("*")]).await;
    keys.sort();
    assert_eq!(keys, [key(".d"), key(".j"), key(".s")]);

    assert_eq!(chord.finish(&bench, &worker, "m3", 1).await, Settled::Done);
    let claim: String = ask(&bench, &["GET", &key(".c")]).await;
    assert_eq!(claim, "claim of m3");
    let delivery = worker.take_one().await;
    assert_eq!(worker.settle_one(chord.end(&delivery, "m3", false)).await, Settled::Done);
    let left: Vec<String> = ask(&bench, &["KEYS", &key("*")]).await;
    assert_eq!(left, [key(".c")]);
    assert_eq!(
        Value::from(ask::<String>(&bench, &["GET", &key(".c")]).await),
        case["redis_after"]["db1"][&key(".c")]["value"]
    );
    let ttl: i64 = ask(&bench, &["TTL", &key(".c")]).await;
    assert!((200..=300).contains(&ttl), "{ttl}");
}

/// A part without an index is counted as Celery counts it: at `+inf`.
async fn no_index_is_celerys(bench: &Bench) {
    let (chord, worker) = (Chord::new(bench, "chord"), bench.worker("a", &["mail"]).await);
    let settlement = with_chord(Settlement::early(), chord.part("m1", None, "m1"));
    assert_eq!(worker.settle_one(settlement).await, Settled::Done);
    let key = format!("celery-taskset-meta-{}", chord.group);
    let counted: Vec<String> = ask(bench, &["SMEMBERS", &format!("{key}.d")]).await;
    assert_eq!(counted, [format!("{}:+inf", bench.id("m1"))]);
    let scored: Vec<(String, String)> = ask(bench, &["ZRANGE", &format!("{key}.j"), "0", "-1", "WITHSCORES"]).await;
    assert_eq!(scored[0].1, "inf");
}

/// Parts of a Celery 5.7, of a Celery up to 5.6 (which does not write down who is counted) and of ours make one chord; a
/// part that ran again here counts once, whoever ran it first.
async fn parts_of_all_versions_mix(bench: &Bench) {
    let (chord, worker) = (Chord::new(bench, "chord"), bench.worker("a", &["mail"]).await);
    bench.store.begin_chords(&[chord.start(3)]).await.unwrap();
    let key = format!("celery-taskset-meta-{}", chord.group);
    let (parts, counted) = (format!("{key}.j"), format!("{key}.d"));
    let member = |label: &str| String::from_utf8(chord.member(label, label).to_vec()).unwrap();
    let _: i64 = ask(bench, &["ZADD", &parts, "0", &member("old")]).await;
    let _: i64 = ask(bench, &["ZADD", &parts, "1", &member("new")]).await;
    let _: i64 = ask(bench, &["SADD", &counted, &format!("{}:1", bench.id("new"))]).await;

    for (label, index) in [("old", 0), ("new", 1)] {
        let again = with_chord(Settlement::early(), chord.part(label, Some(index), "another result"));
        assert_eq!(worker.settle_one(again).await, Settled::Done);
    }
    let now: Vec<String> = ask(bench, &["ZRANGE", &parts, "0", "-1"]).await;
    assert_eq!(now, [member("old"), member("new")]);

    assert_eq!(chord.finish(bench, &worker, "ours", 2).await, Settled::Done);
    assert_eq!(worker.take_one().await.payload(), chord.dispatch());
    let all = bench.store.chord_parts(&chord.group).await.unwrap().members;
    assert_eq!(all, ["old", "new", "ours"].map(|label| chord.member(label, label)));
}

/// A dispatch is registered with its worker's lists: also where the server forgot who that is.
async fn a_dispatch_registers_its_worker(bench: &Bench) {
    let (chord, a) = (Chord::new(bench, "chord"), bench.worker("a", &["mail"]).await);
    bench.store.begin_chords(&[chord.start(1)]).await.unwrap();
    let forgotten: i64 = ask(bench, &["DEL", &format!("{{{}}}:workers", bench.queue("mail"))]).await;
    assert_eq!(forgotten, 1);
    let settlement = with_chord(Settlement::early(), chord.part("m1", Some(0), "m1"));
    assert_eq!(a.settle_one(settlement).await, Settled::Done);
    let b = bench.worker("b", &["mail"]).await;
    assert_eq!(bench.bury(&[&b]).await, 1);
    assert_eq!(b.take_one().await.payload(), chord.dispatch());
}

/// Something else where the workers of a queue are fails no part: nobody could be told to hold the dispatch, so it waits for whoever
/// comes. With something else where it would wait nothing happens.
async fn a_dispatch_needs_no_registry(bench: &Bench) {
    let (chord, a) = (Chord::new(bench, "chord"), bench.worker("a", &["mail"]).await);
    bench.store.begin_chords(&[chord.start(1)]).await.unwrap();
    bench.enqueue("mail", &["m1"]).await;
    let delivery = a.take_one().await;
    let settlement = with_chord(done(&delivery), chord.part("m1", Some(0), "m1"));
    let [suspects, workers] = ["suspects", "workers"].map(|key| format!("{{{}}}:{key}", bench.queue("mail")));
    for key in [&suspects, &workers] {
        let _: String = ask(bench, &["SET", key, "hello"]).await;
    }
    let error = a.settle(std::slice::from_ref(&settlement)).await.unwrap_err();
    assert!(!error.outcome_unknown() && !error.is_transient(), "{error:?}");
    assert_eq!(a.held().await.unwrap(), 1);

    let _: i64 = ask(bench, &["DEL", &suspects]).await;
    assert_eq!(a.settle_one(settlement).await, Settled::Done);
    assert_eq!(a.held().await.unwrap(), 0);
    let waits: Vec<String> = ask(bench, &["LRANGE", &suspects, "0", "-1"]).await;
    assert_eq!(waits, [String::from_utf8(chord.dispatch().to_vec()).unwrap()]);
    assert_eq!(ask::<String>(bench, &["GET", &workers]).await, "hello");
    let _: i64 = ask(bench, &["DEL", &workers]).await;
    assert_eq!(a.take_one().await.payload(), chord.dispatch());
}

/// No key of a chord outlives the others, however long whose results are kept; without a size none stays for ever.
async fn the_keys_end_together(bench: &Bench) {
    let worker = bench.worker("a", &["mail"]).await;
    for (name, begins) in [("begun", true), ("forgotten", false)] {
        let chord = Chord::new(bench, name).kept_for(3600 * queue_tests::SECOND);
        if begins {
            bench.store.begin_chords(&[chord.start(5)]).await.unwrap();
        }
        let keys = if begins { &[".j", ".d", ".t", ".s"][..] } else { &[".j", ".d", ".t"] };
        for (index, chord) in [chord.clone(), chord.clone().kept_for_ever(), chord].into_iter().enumerate() {
            let part = chord.part(&format!("m{index}"), Some(index as i64), "");
            let settlement = with_chord(with_chord(Settlement::early(), part), chord.grow(1));
            assert_eq!(worker.settle_one(settlement).await, Settled::Done);
            let mut ttls = Vec::new();
            for suffix in keys {
                let key = format!("celery-taskset-meta-{}{suffix}", chord.group);
                ttls.push(ask::<i64>(bench, &["TTL", &key]).await);
            }
            let for_ever = begins && index > 0;
            assert!(
                ttls.iter().all(|left| (*left == -1) == for_ever && left.abs_diff(ttls[0]) < 2),
                "{name}: {ttls:?}"
            );
        }
    }
}

/// While Celery sends the body, our late part does not send it again.
async fn celerys_claim_is_respected(bench: &Bench) {
    let (chord, worker) = (Chord::new(bench, "chord"), bench.worker("a", &["mail"]).await);
    bench.store.begin_chords(&[chord.start(1)]).await.unwrap();
    let claim = format!("celery-taskset-meta-{}.c", chord.group);
    let _: String = ask(bench, &["SET", &claim, "celery's", "EX", "6"]).await;
    assert_eq!(chord.finish(bench, &worker, "m1", 0).await, Settled::Done);
    assert!(worker.take(10).await.is_empty());
    bench.enqueue("mail", &["m2"]).await;
    let delivery = worker.take_one().await;
    assert_eq!(worker.settle_one(chord.end(&delivery, "m1", false)).await, Settled::ChordTaken);
}

/// Wherever a dispatch goes, it is never in the list that Python reads; and it is dispatched all the same.
async fn python_never_sees_a_dispatch(bench: &Bench) {
    let (chord, a) = (Chord::new(bench, "chord"), bench.worker("a", &["mail"]).await);
    bench.store.begin_chords(&[chord.start(1)]).await.unwrap();
    let queue = bench.queue("mail");
    let seen = async || ask::<i64>(bench, &["LLEN", queue.as_str()]).await;
    assert_eq!(chord.finish(bench, &a, "m1", 0).await, Settled::Done);
    let delivery = a.take_one().await;
    assert_eq!(a.return_all(&[delivery]).await, 1);
    assert_eq!(seen().await, 0, "given back");

    let delivery = a.take_one().await;
    assert!(a.absolve(&delivery.tag).await.unwrap().is_some());
    a.close().await.unwrap();
    assert_eq!(seen().await, 0, "signed off");

    let b = bench.worker("b", &["mail"]).await;
    let delivery = b.take_one().await;
    assert_eq!(delivery.payload(), chord.dispatch());
    let mut later = bench.message_in(60 * queue_tests::SECOND, "mail", "dispatch").await;
    later.payload = chord.dispatch().clone();
    let now = queue_core::store::Outgoing { due: None, ..later.clone() };
    let settlement = Settlement { follow: vec![now, later], ..done(&delivery) };
    assert_eq!(b.settle_one(settlement).await, Settled::Done);
    bench.advance(61 * queue_tests::SECOND);
    assert_eq!((b.pulse().await.promoted, seen().await), (1, 0), "sent on");

    let delivery = b.take_one().await;
    assert_eq!(b.settle_one(dead_letter(&delivery, "boom")).await, Settled::Done);
    let dead = bench.page("mail", JobState::Dead, 10).await.jobs.remove(0);
    assert_eq!(bench.store.retry_dead(&[(dead.key, dead.payload)]).await.unwrap(), 1);
    assert_eq!(seen().await, 0, "retried by hand");
    assert_eq!(drain(bench, "mail", &[&b], 2).await, ["dispatch", "dispatch"]);
}

/// A key of another type in a chord's place: an error, and nothing of the settlement happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_part_does_not_happen() {
    let (server, bench) = own_server().await;
    let worker = bench.worker("a", &["mail"]).await;
    for (suffix, words) in [
        (".j", vec!["RPUSH", "x"]),
        (".d", vec!["SET", "x"]),
        (".s", vec!["SADD", "3"]),
        (".t", vec!["SET", "many"]),
        (".c", vec!["RPUSH", "x"]),
    ] {
        let chord = Chord::new(&bench, &format!("chord{suffix}"));
        let key = format!("celery-taskset-meta-{}{suffix}", chord.group);
        server.command(&[words[0], &key, words[1]]);
        bench.enqueue("mail", &["m1"]).await;
        let delivery = worker.take_one().await;
        let settlement = with_result(done(&delivery), result(&bench.id("m1"), "SUCCESS", 1));
        let settlement = with_chord(with_chord(settlement, chord.grow(1)), chord.part("m1", Some(0), "m1"));
        let error = worker.settle(std::slice::from_ref(&settlement)).await.unwrap_err();
        assert!(!error.outcome_unknown(), "{suffix}: {error:?}");
        assert!(bench.result("m1").await.is_none());
        assert_eq!(worker.held().await.unwrap(), 1, "{suffix}");

        server.command(&["DEL", &key]);
        assert_eq!(worker.settle_one(settlement).await, Settled::Done);
        let _: i64 = ask(&bench, &["DEL", &format!("celery-task-meta-{}", bench.id("m1"))]).await;
    }
}

/// The answer to the last part's settlement is lost: the dispatch it leased is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispatch_nobody_heard_of_is_found() {
    let address = queue_tests::redis_url().trim_start_matches("redis://").trim_end_matches("/0").to_owned();
    let proxy = Proxy::start(address).await;
    let bench = Bench::at(Driver::Redis, &proxy.url(), |_| ()).await;
    let worker = bench.worker("a", &["mail"]).await;
    for round in 0..5 {
        let chord = Chord::new(&bench, &format!("chord{round}"));
        bench.store.begin_chords(&[chord.start(1)]).await.unwrap();
        bench.enqueue("mail", &["m1"]).await;
        let delivery = worker.take_one().await;
        let settlement = [with_chord(done(&delivery), chord.part("m1", Some(0), "m1"))];
        proxy.lose_reply(&script_hash("settle"));
        let _ = worker.settle(&settlement).await;
        assert_eq!(proxy.lost(), round + 1, "the fault should have happened");
        queue_tests::wait_until("it settles", || async { worker.settle(&settlement).await.is_ok() }).await;
        let dispatch = queue_tests::wait_for("the dispatch", || async {
            worker.lease(&worker.request(5)).await.ok().filter(|came| !came.is_empty())
        })
        .await;
        assert_eq!(dispatch[0].payload(), chord.dispatch());
        assert_eq!(worker.settle_one(chord.end(&dispatch[0], "m1", false)).await, Settled::Done);
        assert_eq!(worker.held().await.unwrap(), 0);
    }
}

queue_tests::on_driver!(
    redis,
    Redis: no_index_is_celerys,
    parts_of_all_versions_mix,
    a_dispatch_registers_its_worker,
    a_dispatch_needs_no_registry,
    the_keys_end_together,
    celerys_claim_is_respected,
    python_never_sees_a_dispatch
);

queue_tests::on_driver!(redis_two, RedisTwo: a_dispatch_needs_no_registry);
