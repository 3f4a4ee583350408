//! What may happen, and in which proportions.

use proptest::collection::vec;
use proptest::prelude::*;

/// How many workers there are.
pub(crate) const WORKERS: usize = 3;

/// One thing that happens. `worker` is one of three; `pick` chooses among what it has in its hands.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Enqueue {
        count: usize,
        priority: i64,
        due_in_ms: Option<u64>,
        queue: usize,
    },
    Lease {
        worker: usize,
        limit: usize,
        suspect: bool,
    },
    Wait {
        worker: usize,
        limit: usize,
    },
    Settle {
        worker: usize,
        pick: usize,
        ending: End,
        again: bool,
    },
    SettleAll {
        worker: usize,
    },
    GiveBack {
        worker: usize,
        pick: usize,
    },
    Absolve {
        worker: usize,
        pick: usize,
    },
    Progress {
        worker: usize,
        pick: usize,
    },
    Beat {
        worker: usize,
    },
    /// The clock moves with nobody beating: a nap of the store, or of all its workers.
    Pass {
        ms: u64,
    },
    /// Everybody but this worker lives on until it is taken for dead; it may act again later.
    Reclaim {
        worker: usize,
    },
    /// Dies without a word; another one starts.
    Crash {
        worker: usize,
    },
    /// Signs off; another one starts.
    Close {
        worker: usize,
    },
    /// The next call's future is dropped after so many polls.
    DropNext {
        polls: usize,
    },
    /// The next call reaches the server and its reply does not come back.
    LoseNext,
    RetryDead {
        queue: usize,
    },
    Delete {
        queue: usize,
    },
}

/// How a delivery ends.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Done,
    Retry { due_in_ms: Option<u64> },
    Dead,
}

/// Up to fifty of them.
pub(crate) fn sequence() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 1..50)
}

fn op() -> impl Strategy<Value = Op> {
    let worker = || 0..WORKERS;
    let due = || prop_oneof![3 => Just(None), 1 => (0_u64..20_000).prop_map(Some)];
    let ending = prop_oneof![
        3 => Just(End::Done),
        2 => due().prop_map(|due_in_ms| End::Retry { due_in_ms }),
        1 => Just(End::Dead),
    ];
    let passing = prop_oneof![3 => 1_u64..3_000, 1 => 3_000_u64..15_000, 1 => Just(7_200_000)];
    prop_oneof![
        4 => (1..4_usize, 0..10_i64, due(), 0..2_usize)
            .prop_map(|(count, priority, due_in_ms, queue)| Op::Enqueue { count, priority, due_in_ms, queue }),
        5 => (worker(), 1..5_usize, any::<bool>())
            .prop_map(|(worker, limit, suspect)| Op::Lease { worker, limit, suspect }),
        2 => (worker(), 1..3_usize).prop_map(|(worker, limit)| Op::Wait { worker, limit }),
        6 => (worker(), any::<usize>(), ending, any::<bool>())
            .prop_map(|(worker, pick, ending, again)| Op::Settle { worker, pick, ending, again }),
        1 => worker().prop_map(|worker| Op::SettleAll { worker }),
        1 => (worker(), any::<usize>()).prop_map(|(worker, pick)| Op::GiveBack { worker, pick }),
        1 => (worker(), any::<usize>()).prop_map(|(worker, pick)| Op::Absolve { worker, pick }),
        1 => (worker(), any::<usize>()).prop_map(|(worker, pick)| Op::Progress { worker, pick }),
        3 => worker().prop_map(|worker| Op::Beat { worker }),
        2 => passing.prop_map(|ms| Op::Pass { ms }),
        2 => worker().prop_map(|worker| Op::Reclaim { worker }),
        1 => worker().prop_map(|worker| Op::Crash { worker }),
        1 => worker().prop_map(|worker| Op::Close { worker }),
        2 => (1..6_usize).prop_map(|polls| Op::DropNext { polls }),
        2 => Just(Op::LoseNext),
        1 => (0..2_usize).prop_map(|queue| Op::RetryDead { queue }),
        1 => (0..2_usize).prop_map(|queue| Op::Delete { queue }),
    ]
}
