//! The server is well, and the lines to it are not.

use std::time::Duration;

use queue_tests::{Proxy, RedisServer, wait_until};

use super::site::Site;

/// A server, a proxy before it, and a scene whose workers shall go through the proxy.
async fn behind_a_proxy() -> (RedisServer, Proxy, Site) {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address()).await;
    let site = Site::at(&server.url()).await;
    (server, proxy, site)
}

/// Every connection of everybody is killed under load, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_clients_killed_again_and_again() {
    let server = RedisServer::start(&[]);
    let url = server.url();
    let mut site = Site::at(&url).await;
    let workers = [site.hire_at(&url, 4, &[]).to_string(), site.hire_at(&url, 4, &[]).to_string()];
    site.load();
    for _ in 1..=20 {
        // More than either held when its lines broke: its next try has come before the next fault.
        let done = || workers.each_ref().map(|pid| site.lines("done").iter().filter(|line| line[1] == *pid).count());
        let before = done();
        wait_until("both go on", || async { done().iter().zip(before).all(|(now, before)| *now >= before + 20) }).await;
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    }
    site.close().await;
    // A line that breaks is none, but for one whose second try met the next fault.
    site.each_told_some(0..=1);
    site.nobody_was_taken_for_dead();
}

/// Cuts, half-closed connections, and none that can be made for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_half_closed_and_refused() {
    let (_server, proxy, mut site) = behind_a_proxy().await;
    site.hire_at(&proxy.url(), 4, &[]);
    site.load();
    for round in 1..=6 {
        site.until_written("done", round * 30).await;
        let before = proxy.connections();
        proxy.refuse(round % 3 == 0);
        if round % 2 == 0 {
            proxy.cut()
        } else {
            proxy.half_close()
        }
        // Those that broke come back, also where they are refused first.
        wait_until("it connects again", || async { proxy.connections() > before }).await;
        proxy.refuse(false);
    }
    site.until_written("done", 250).await;
    site.close().await;
    // So often they were refused.
    site.each_told_some(0..=2);
    site.nobody_was_taken_for_dead();
}

/// Replies take long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delayed() {
    let (_server, proxy, mut site) = behind_a_proxy().await;
    proxy.delay(Duration::from_millis(200));
    site.hire_at(&proxy.url(), 20, &[]);
    for n in 0..100 {
        site.producer.send(&format!("slow{n}")).await;
    }
    site.close().await;
    site.each_told_outages(0);
    site.nobody_was_taken_for_dead();
}

/// A black hole swallows the connections there are: they stay open and nothing comes, for ever. What the heartbeat finds out
/// is true for the connection that waits in silence too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn black_holed() {
    let (_server, proxy, mut site) = behind_a_proxy().await;
    site.hire_at(&proxy.url(), 4, &[("CRASH_RESPONSE_MS", "60000")]);
    site.producer.send("first").await;
    site.until_all_ended().await;

    // Idle: only the heartbeat speaks, and is not answered. Its new connection is well.
    site.until_all_beat().await;
    let before = proxy.connections();
    proxy.black_hole();
    wait_until("it connects again", || async { proxy.connections() > before }).await;
    // The connection that waits for messages would learn of it in 35 seconds, the one that leases in a minute.
    site.producer.send("second").await;
    site.close().await;
    // None, where the host gives the heartbeat's second try its two seconds.
    site.each_told_some(0..=1);
    site.nobody_was_taken_for_dead();
}

/// The same while nobody waits for messages, since the only slot is busy: the connection that waits next is not the dead one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn black_holed_while_busy() {
    let (_server, proxy, mut site) = behind_a_proxy().await;
    site.hire_at(&proxy.url(), 1, &[]);
    // It comes while the worker waits, which makes the connection; after that it waits no more.
    site.producer.send("first").await;
    site.until_all_ended().await;
    site.hold().await;
    site.until_all_beat().await;
    let before = proxy.connections();
    proxy.black_hole();
    wait_until("it connects again", || async { proxy.connections() > before }).await;
    site.let_go().await;
    site.until_it_goes_on().await;
    for n in 0..5 {
        site.producer.send(&format!("one{n}")).await;
        site.until_all_ended().await;
    }
    site.close().await;
    // None, where the host gives the heartbeat's second try its two seconds.
    site.each_told_some(0..=1);
    site.nobody_was_taken_for_dead();
}
