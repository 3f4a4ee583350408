//! Sentinels hand the queue over to a replica.

use queue_tests::SentinelSet;

use super::site::{AWAY, Site};
use crate::scene::QUEUE;

/// Under load for a while; then the replicas know all that there is.
async fn let_them_catch_up(site: &mut Site, set: &SentinelSet) {
    site.load();
    site.until_written("done", 50).await;
    site.unload().await;
    set.until_caught_up().await;
}

/// The master is killed, with one of the sentinels that the URL names. A replica takes over: what was accepted is there, what
/// ran ends well, and what comes is consumed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_master_is_replaced() {
    let mut set = SentinelSet::start(None).await;
    let mut site = Site::at(&set.url("")).await;
    site.hire(4);
    site.hire_at(&set.celery_url(), 4, &[]);
    site.hold().await;
    assert_eq!(site.bench.counts(QUEUE).await.leased, 1);
    let_them_catch_up(&mut site, &set).await;

    set.kill_a_sentinel();
    let old = set.master().port();
    set.master().kill();
    site.until_logged(AWAY).await;
    site.open_gate("all");
    let master = set.until_other_master(old).await;
    site.until_it_goes_on().await;
    site.close_at(&master.url()).await;
    site.each_told_outages(1);
    site.nothing_was_taken_back();
}

/// A replica is promoted while the master is well and workers hold leases: they follow it, and their leases stand. Servers
/// with a password, which nobody hears of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_is_followed() {
    let set = SentinelSet::start(Some("s3cret")).await;
    let mut site = Site::at(&set.url(":s3cret@")).await;
    site.hire(4);
    site.hold().await;
    let_them_catch_up(&mut site, &set).await;

    let old = set.master_port();
    set.fail_over();
    set.until_other_master(old).await;
    site.until_it_goes_on().await;
    site.let_go().await;
    let master = format!("redis://:s3cret@127.0.0.1:{}/0", set.master_port());
    site.close_at(&master).await;
    site.each_told_some(0..=1);
    assert!(!site.log().contains("s3cret"), "a secret was logged");
    site.nobody_was_taken_for_dead();
}
