//! Sentinels hand the queue over to a replica, under load.
//!
//! A replica hears of what happens after it has been answered. So what was accepted, or ended, in the last moments of a master may
//! be unknown to the next: of what was accepted then each job ends well or is gone without a trace, and what had ended may run again.

use queue_tests::{SentinelSet, wait_until};

use super::site::{AWAY, Site};
use crate::scene::QUEUE;

/// So many jobs take a second to be sent, or longer.
const A_SECOND: usize = 250;

/// The load goes on; how many jobs were accepted that the replicas know of.
async fn let_them_know_some(site: &mut Site, set: &SentinelSet) -> usize {
    site.load();
    site.until_written("done", 50).await;
    let known = site.producer.accepted();
    set.until_caught_up().await;
    known
}

/// What was known runs and its end is stored, what comes is consumed, and what lasted through it ran once. Nobody was taken for dead.
async fn goes_on_at(site: &mut Site, master: &str) {
    site.until_it_goes_on().await;
    site.until_more(50).await;
    site.let_go().await;
    site.close_at(master).await;
    site.nothing_was_taken_back();
    assert_eq!(site.logged("silent for so long"), 0, "{}", site.log());
    site.producer.remembered().await;
    assert_eq!(site.written("done")["long"], 1);
}

/// The master is killed, with one of the sentinels that the URL names, and a replica takes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_master_is_replaced() {
    let mut set = SentinelSet::start(None).await;
    let mut site = Site::at(&set.url("")).await;
    site.hire(4);
    site.hire_at(&set.celery_url(), 4, &[]);
    site.hold().await;
    assert_eq!(site.bench.counts(QUEUE).await.leased, 1);
    let known = let_them_know_some(&mut site, &set).await;

    set.kill_a_sentinel();
    let old = set.master().port();
    set.master().kill();
    site.until_logged(AWAY).await;
    site.open_gate("all");
    let master = set.until_other_master(old).await;
    // No answer of the old one is on its way any more.
    site.producer.doubt(known);
    goes_on_at(&mut site, &master.url()).await;
    site.each_told_outages(1);
}

/// A replica is promoted while the master is well and workers hold leases: they follow it at once, and their leases stand. Servers
/// with a password, which nobody hears of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_is_followed() {
    let set = SentinelSet::start(Some("s3cret")).await;
    let mut site = Site::at(&set.url(":s3cret@")).await;
    site.hire(4);
    site.hold().await;
    let known = let_them_know_some(&mut site, &set).await;

    let old = set.master_port();
    set.fail_over();
    set.until_other_master(old).await;
    // The old one takes messages for some seconds more, which are lost; by then nobody sends to it.
    let so_far = site.producer.accepted();
    wait_until("more is accepted", || async { site.producer.accepted() >= so_far + A_SECOND }).await;
    site.producer.doubt(known);
    goes_on_at(&mut site, &format!("redis://:s3cret@127.0.0.1:{}/0", set.master_port())).await;
    site.each_told_some(0..=1);
    assert!(!site.log().contains("s3cret"), "a secret was logged");
}
