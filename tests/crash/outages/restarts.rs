//! The server dies and comes back: with all it knew, with nothing, slowly.

use queue_tests::{RedisServer, signal, wait_until};

use super::site::{AWAY, Site};

/// What was acknowledged survives: `everysec` may put off even the write to the file.
const AOF: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// `kill -9` of the server under load; what it acknowledged it still knows, and what ended meanwhile is settled late: all that it
/// lent stays lent, so that nothing runs twice, and nothing that it took as ended comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_restarted_with_its_file() {
    let server = RedisServer::start(&AOF);
    let mut site = Site::at(&server.url()).await;
    site.hire(4);
    site.hire(4);
    site.hold().await;
    site.load();
    for round in 1..=3 {
        site.until_written("done", round * 50).await;
        server.kill();
        site.until_each_is_away(round).await;
        if round == 2 {
            // Ends while there is nobody to tell.
            site.let_go().await;
        }
        server.restart(&AOF);
        site.until_each_is_back(round).await;
    }
    site.until_written("done", 200).await;
    site.close().await;
    site.each_told_outages(3);
    site.nobody_was_taken_for_dead();
}

/// As by default: the file is brought to the disk once a second.
const EVERYSEC: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "everysec"];

/// With `everysec` a `kill -9` may cost what the server had not written yet, and a host that loses its power what the disk had
/// not: here all that came since the last time the file was known to be complete. What was accepted before that runs and its end is
/// stored, also where the end was forgotten; of what came later each job ends well or is gone without a trace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_restarted_with_a_file_that_lags_behind() {
    let server = RedisServer::start(&EVERYSEC);
    let mut site = Site::at(&server.url()).await;
    site.hire(4);
    site.hire(4);
    site.hold().await;
    site.load();
    for round in 1..=3 {
        site.until_written("done", round * 50).await;
        let sure = site.producer.accepted();
        let complete = server.append_only_file_written();
        let since = site.producer.accepted();
        wait_until("more is accepted", || async { site.producer.accepted() >= since + 20 }).await;
        server.kill();
        site.until_each_is_away(round).await;
        site.producer.doubt(sure);
        if round == 2 {
            // Ends while there is nobody to tell.
            site.let_go().await;
        }
        if round > 1 {
            server.lose_append_only_file_after(complete);
        }
        server.restart(&EVERYSEC);
        site.until_each_is_back(round).await;
    }
    site.until_more(50).await;
    site.close().await;
    site.each_told_outages(3);
    site.nothing_was_taken_back();
    let (_, forgotten) = site.producer.remembered().await;
    // Of the twenty one may have been in the file before its sender was told so.
    assert!(forgotten >= 2 * (20 - 1), "the file was cut twice in the middle of the load: {forgotten}");
}

/// What the server forgot is gone, with the workers' registration and the scripts. They go on with what comes, and what they
/// ran is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_empty() {
    let server = RedisServer::start(&[]);
    let mut site = Site::at(&server.url()).await;
    site.producer.send("first").await;
    site.hire(4);
    site.until_written("done", 1).await;
    site.send("crash.hold", ["forgotten"]).await;
    site.until_written("began", 1).await;
    server.kill();
    site.until_logged(AWAY).await;
    site.producer.forget();
    server.restart(&[]);
    site.until_it_goes_on().await;
    site.until_all_are_described().await;
    site.open_gate("all");
    site.until_logged("the lease of this task was lost before its end was stored").await;
    site.close().await;
    site.each_told_outages(1);
    site.nobody_was_taken_for_dead();
}

/// A server without its scripts is no outage at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_flushed() {
    let server = RedisServer::start(&[]);
    let mut site = Site::at(&server.url()).await;
    site.hire(4);
    site.load();
    for round in 1..=20 {
        site.until_written("done", round * 10).await;
        server.command(&["SCRIPT", "FLUSH"]);
    }
    site.close().await;
    site.each_told_outages(0);
    site.nobody_was_taken_for_dead();
}

/// A server that loads its file answers everything with LOADING: the worker waits, and what it holds stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loading() {
    let server = RedisServer::start(&[]);
    let mut site = Site::at(&server.url()).await;
    site.hire(2);
    site.hold().await;
    server.save_and_kill();
    site.until_logged(AWAY).await;
    server.restart_loading();
    site.let_go().await;
    assert!(!site.producer.try_send("refused").await);
    server.assert_loading();
    server.load_fast();
    site.until_it_goes_on().await;
    assert!(!site.written("done").contains_key("refused"), "what was refused was run");
    site.close().await;
    site.each_told_outages(1);
    site.nobody_was_taken_for_dead();
}

/// A worker that is started while there is no server says so and ends with code 3 at once, or, told to wait, comes up when
/// the server does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn started_too_early() {
    let server = RedisServer::start(&[]);
    let mut site = Site::at(&server.url()).await;
    server.kill();
    let mut refused = site.worker(1, &[]);
    assert_eq!(refused.end().await.code(), Some(3));
    site.until_logged("is unreachable").await;

    // Its first try is over by then.
    let mut given_up = site.worker(1, &["--wait", "3s"]);
    assert_eq!(given_up.end().await.code(), Some(3));
    let waiting = "waiting for the store";
    assert_eq!(site.logged(waiting), 1);
    let mut asked = site.worker(1, &["--wait", "1h"]);
    wait_until("it waits", || async { site.logged(waiting) == 2 }).await;
    signal(asked.pid(), "TERM");
    assert!(asked.end().await.success(), "asked to stop while it waits, it stops");

    let patient = site.worker(1, &["--wait", "1h"]);
    site.keep(patient);
    wait_until("it waits", || async { site.logged(waiting) == 3 }).await;
    server.restart(&[]);
    site.producer.send("first").await;
    site.close().await;
}
