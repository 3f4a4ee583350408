//! A store that several runtimes share, at once or one after the other: what it does beside a call goes on whichever of them ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use queue_core::TaskId;
use queue_core::store::{Interest, Topic, connect};
use queue_tests::{Bench, Driver, PATIENCE, RedisServer, SECOND, result, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// A server, a store on it that was opened in the first runtime, in which somebody has waited for a result; and another runtime.
fn scene() -> (RedisServer, Bench, [Runtime; 2]) {
    let (server, runtimes) = (RedisServer::start(&[]), [(); 2].map(|()| Runtime::new().unwrap()));
    let bench = runtimes[0].block_on(async {
        let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
        let waited = bench.store.wait_result(&bench.id("none"), |_| true, Duration::from_millis(10)).await;
        assert_eq!(waited.unwrap(), None);
        bench
    });
    (server, bench, runtimes)
}

/// Waits for a result that is not there yet; whether it came.
async fn wait_for_result(server: &RedisServer, bench: &Bench) -> JoinHandle<bool> {
    let (store, id) = (Arc::clone(&bench.store), bench.id("r1"));
    let waiting = tokio::spawn(async move { store.wait_result(&id, |_| true, PATIENCE).await.unwrap().is_some() });
    let id = bench.id("r1");
    wait_until("it is listened to", || async { server.command(&["PUBSUB", "CHANNELS"]).contains(id.as_str()) }).await;
    waiting
}

/// Stores it. What was under way on a line of the runtime that ended makes that line an error once.
async fn put(bench: &Bench) {
    let result = [result(&bench.id("r1"), "SUCCESS", 1)];
    wait_until("it is stored", || async { bench.store.put_results(&result).await.is_ok() }).await;
}

/// Who waits for a result hears of it, although the first runtime that ever waited is gone.
#[test]
fn a_wait_in_a_later_runtime_hears() {
    let (server, bench, [first, second]) = scene();
    drop(first);
    second.block_on(async {
        let waiting = wait_for_result(&server, &bench).await;
        put(&bench).await;
        assert!(waiting.await.unwrap());
    });
}

/// So does who had begun to wait before it ended.
#[test]
fn a_wait_outlives_another_runtime() {
    let (server, bench, [first, second]) = scene();
    let waiting = second.block_on(wait_for_result(&server, &bench));
    drop(first);
    second.block_on(async {
        put(&bench).await;
        assert!(waiting.await.unwrap());
    });
}

/// A worker that starts in a later runtime hears of revocations.
#[test]
fn a_worker_in_a_later_runtime_hears_of_revocations() {
    let (_server, bench, [first, second]) = scene();
    drop(first);
    second.block_on(async {
        let (worker, id) = (bench.worker("a", &["mail"]).await, TaskId::random());
        assert_eq!(worker.revoked(&[&id]).await.unwrap(), [false]);
        bench.store.revoke(std::slice::from_ref(&id), 600 * SECOND).await.unwrap();
        wait_until("it hears of it", || async { worker.revoked(&[&id]).await.unwrap() == [true] }).await;
    });
}

/// A listening ends with the runtime in which it began, and says so; one in another runtime goes on.
#[test]
fn a_listening_lives_as_long_as_its_runtime() {
    let (_server, bench, [first, second]) = scene();
    let mut ended = first.block_on(bench.store.listen(Interest::Control)).unwrap();
    let mut goes_on = second.block_on(bench.store.listen(Interest::Control)).unwrap();
    drop(first);
    second.block_on(async {
        let end = tokio::time::timeout(PATIENCE, ended.next()).await.expect("it says so");
        assert_eq!(end, None);
        // On the line that broke with its runtime nothing is sent.
        wait_until("it is sent", || async { bench.store.publish(&Topic::Control, b"post").await.is_ok() }).await;
        let post = tokio::time::timeout(PATIENCE, goes_on.next()).await.expect("it hears");
        assert_eq!(post.unwrap(), "post");
    });
}

/// A sentinel that names a master and counts those who subscribe; its address.
async fn sentinel(master: u16, subscribed: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let port = master.to_string();
    let answer = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (answer, subscribed) = (answer.clone(), Arc::clone(&subscribed));
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                while let Ok(read @ 1..) = client.read(&mut buffer).await {
                    let text = String::from_utf8_lossy(&buffer[..read]).to_lowercase();
                    subscribed.fetch_add(text.matches("\r\nsubscribe").count(), Ordering::SeqCst);
                    let greetings = "+OK\r\n".repeat(text.matches("setinfo").count());
                    let asked = if text.contains("get-master-addr-by-name") { &*answer } else { "" };
                    let said = format!("{greetings}{asked}");
                    if client.write_all(said.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// The sentinels are listened to in whichever runtime there is.
#[test]
fn sentinels_are_listened_to_in_a_later_runtime() {
    let master = RedisServer::start(&[]);
    let [aside, first, second] = [(); 3].map(|()| Runtime::new().unwrap());
    let subscribed = Arc::new(AtomicUsize::new(0));
    let address = aside.block_on(sentinel(master.port(), Arc::clone(&subscribed)));
    let times = || subscribed.load(Ordering::SeqCst);
    let store = first.block_on(async {
        let store = connect(&format!("redis+sentinel://{address}/mymaster/0")).await.unwrap();
        wait_until("it is listened to", || async { times() > 0 }).await;
        store
    });
    drop(first);
    second.block_on(async {
        let before = times();
        wait_until("the line is made anew", || async { store.now().await.is_ok() }).await;
        wait_until("it is listened to again", || async { times() > before }).await;
    });
}
