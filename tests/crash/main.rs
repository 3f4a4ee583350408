//! Real workers, really killed: what was accepted is run, what ran twice is no more than what was running, and nobody is
//! blamed for a neighbour.
//!
//! Time is shortened in one place only: after a kill the test takes back what the dead process held, with a clock of its
//! own that is ahead ([`scene::Scene::bury`]). `somebody_else_takes_over` leaves that to a living worker and the true clock.
#![allow(clippy::unwrap_used, reason = "tests stop at what should not happen")]

mod kill;
mod leftovers;
mod outages;
mod poison;
mod scene;
mod signals;
mod soak;
mod sqlite;
mod two_servers;
mod workflow;

/// Makes tests of cases, one per driver that several processes can share.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        queue_tests::on_driver!(sqlite_file, SqliteFile: $($case),+);
        queue_tests::on_driver!(redis, Redis: $($case),+);
    };
}
pub(crate) use on_both;
