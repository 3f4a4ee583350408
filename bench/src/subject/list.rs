//! All subjects and their set-ups.

use std::path::Path;
use std::time::Duration;

use super::{Kind, Results, Subject};

const OURS: &str = "queue";
/// The name of ours without `--threads`.
pub(crate) const OURS_BY_DEFAULT: &str = "queue, a thread per core";

fn base(name: &'static str, kind: Kind, adapter: &'static str, settings: &'static str) -> Subject {
    Subject {
        name,
        kind,
        adapter,
        variant: "",
        concurrency: 10,
        threads: None,
        processes: 1,
        jobs: 10_000,
        results: Results::Both,
        outer: &[],
        settings,
        gap: Duration::from_millis(10),
        acks: true,
        program: Err("not installed".to_owned()),
    }
}

/// The name of ours on Redis.
pub(crate) fn ours() -> Subject {
    Subject {
        concurrency: 200,
        threads: Some(1),
        jobs: 200_000,
        outer: &["evalsha", "blmove"],
        ..base(
            OURS,
            Kind::Ours,
            OURS,
            "concurrency 200, prefetch 400, --threads 1, since the server needs the other core (`queue, a thread per core` is without it, drains only; `queue, linked statically` has its libc within, by the build that docs/operations.md names, idle only); every job acknowledged and recovered",
        )
    }
}

/// The name of ours with its libc within.
pub(crate) const OURS_STATIC: &str = "queue, linked statically";

/// Ours with its libc within; what it takes in memory idle, and nothing else.
pub(crate) fn ours_static(ours: &Subject, program: Result<Vec<String>, String>) -> Subject {
    Subject { name: OURS_STATIC, program, ..ours.clone() }
}

/// Another build of ours: an earlier one, or one with other settings of the compiler.
pub(crate) fn another_build(program: &Path) -> Subject {
    let program = std::path::absolute(program).map_err(|error| error.to_string());
    Subject {
        name: "queue, another build",
        program: program.map(|path| vec![path.to_string_lossy().into_owned()]),
        ..ours()
    }
}

/// Ours as it is without `--threads`; its drains only, since it sends as the other does.
pub(crate) fn ours_by_default(ours: &Subject) -> Subject {
    Subject { name: OURS_BY_DEFAULT, threads: None, ..ours.clone() }
}

/// The peers.
pub(crate) fn peers() -> Vec<Subject> {
    let python = |name, adapter, settings| base(name, Kind::Python, adapter, settings);
    vec![
        Subject {
            variant: "prefork",
            concurrency: 2,
            jobs: 3000,
            acks: false,
            ..python(
                "Celery prefork",
                "celery",
                "5.7.0, -P prefork -c 2, prefetch multiplier 100, acks_late off, no gossip, mingle, heartbeat",
            )
        },
        Subject {
            variant: "prefork-late",
            concurrency: 2,
            jobs: 3000,
            ..python(
                "Celery prefork, acks_late",
                "celery",
                "as above, acks_late and reject_on_worker_lost on, visibility timeout 10 s",
            )
        },
        Subject {
            variant: "threads",
            jobs: 3000,
            acks: false,
            ..python("Celery threads", "celery", "5.7.0, -P threads -c 10, prefetch multiplier 100, acks_late off")
        },
        Subject {
            variant: "threads-late",
            jobs: 3000,
            ..python("Celery threads, acks_late", "celery", "as above, acks_late on, visibility timeout 10 s")
        },
        Subject {
            concurrency: 16,
            processes: 2,
            // All it asks for is one script.
            outer: &["evalsha"],
            ..python(
                "dramatiq",
                "dramatiq",
                "2.2.1, 2 processes of 16 threads, heartbeat timeout 5 s, dead letters and results off unless asked",
            )
        },
        Subject {
            jobs: 2000,
            concurrency: 1,
            processes: 2,
            results: Results::Always,
            acks: false,
            ..python(
                "RQ",
                "rq",
                "3.0.0, 2 processes of SimpleWorker (no fork a job), result_ttl 500 s; enqueue_many by the 500",
            )
        },
        Subject {
            concurrency: 50,
            processes: 2,
            ..python(
                "taskiq",
                "taskiq",
                "0.13.0, taskiq-redis 1.2.4 ListQueueBroker, 2 processes of 50 async tasks, uvloop; results in RedisAsyncResultBackend",
            )
        },
        Subject {
            concurrency: 4,
            processes: 2,
            acks: false,
            ..python(
                "huey",
                "huey",
                "3.5.4, RedisHuey blocking, 2 processes of 4 threads; results kept only when asked",
            )
        },
        Subject {
            concurrency: 100,
            jobs: 30_000,
            outer: &["evalsha", "bzpopmin"],
            ..base(
                "BullMQ",
                Kind::Node,
                "bullmq",
                "6.7.0, 1 process, concurrency 100, addBulk by the 1000; without results: removeOnComplete",
            )
        },
        Subject {
            concurrency: 100,
            jobs: 50_000,
            results: Results::Never,
            acks: false,
            ..base(
                "rusty-sidekiq",
                Kind::Rust,
                "sidekiq",
                "0.15.2, 100 workers, pool of 110 connections; bulk: 64 pushes at once",
            )
        },
        Subject {
            variant: "default",
            concurrency: 100,
            jobs: 5000,
            results: Results::Always,
            outer: &["evalsha", "eval"],
            ..base(
                "apalis-redis, default",
                Kind::Rust,
                "apalis",
                "1.0.0, Config::default() (batches of 10, locks, events, results on), concurrency 100; heartbeat 2 s, 3 missed; looks every 100 ms while idle, every ms for latency",
            )
        },
        Subject {
            variant: "fastest",
            concurrency: 1000,
            jobs: 7000,
            results: Results::Always,
            outer: &["evalsha", "eval"],
            ..base(
                "apalis-redis, fastest",
                Kind::Rust,
                "apalis",
                "1.0.0, locks and events off, results on, batches of 1000, concurrency 1000, at most 7,000 jobs waiting; heartbeat 2 s, 3 missed; looks every 100 ms while idle, every ms for latency",
            )
        },
        Subject {
            concurrency: 100,
            jobs: 20_000,
            results: Results::Never,
            acks: false,
            gap: Duration::from_millis(370),
            ..base(
                "rusty-celery",
                Kind::Rust,
                "celery",
                "0.5.5, prefetch 1000, acks_late off; bulk: 64 sends at once; it looks once a second while idle, which cannot be set",
            )
        },
    ]
}
