//! One Redis, and who works on it.

use std::process::Command;

use queue_core::store::StoreOptions;
use queue_core::{Client, ClientOptions, QueueName};
use queue_tests::{Celery, CeleryVersion, Program, RedisServer, bin};

/// A Redis of its own, and a Celery on it.
pub(crate) struct Scene {
    pub(crate) celery: Celery,
    redis: RedisServer,
}

impl Scene {
    pub(crate) fn new(version: CeleryVersion) -> Self {
        let redis = RedisServer::start(&[]);
        Self { celery: Celery::new(version, redis.url()), redis }
    }

    /// A Rust worker of this queue, which is also where its tasks send to.
    pub(crate) fn rust_worker(&self, queue: &str) -> Program {
        self.rust_worker_of(queue, 8)
    }

    /// A Rust worker that runs so many tasks at once.
    pub(crate) fn rust_worker_of(&self, queue: &str, concurrency: usize) -> Program {
        let mut command = Command::new(bin("interop-worker"));
        command.env("QUEUE_URL", self.redis.url()).arg(queue).arg(concurrency.to_string());
        Program::start(command)
    }

    /// A Rust client that sends to this queue.
    pub(crate) async fn rust_client(&self, queue: &str) -> Client {
        let default_queue = QueueName::new(queue).unwrap();
        let options = ClientOptions { default_queue, ..ClientOptions::default() };
        Client::connect_with(&self.redis.url(), StoreOptions::default(), options).await.unwrap()
    }

    /// Lets one task go on that waits at this gate, or will.
    pub(crate) fn open_gate(&self, gate: &str) {
        self.redis.command(&["RPUSH", &format!("gate:{gate}"), "open"]);
    }
}
