//! `stats`: what this worker did, and what it stands on.

use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use crate::engine::Engine;
use crate::host;

/// See the module.
pub(super) fn stats(engine: &Engine) -> Value {
    let slots = engine.slots.concurrency();
    let mut all = json!({
        "total": totals(engine),
        "pid": std::process::id(),
        "clock": engine.client.lamport().now().to_string(),
        "uptime": engine.control.started.elapsed().as_secs(),
        "pool": {
            "implementation": "queue_worker:Slots",
            "max-concurrency": slots,
            "processes": [std::process::id()],
            "max-tasks-per-child": "N/A",
            "put-guarded-by-semaphore": true,
            "timeouts": [0, 0],
            "writes": "N/A",
            "stuck": engine.slots.stuck_now(),
        },
        "broker": broker(engine.client.store().display_url()),
        "prefetch_count": engine.slots.places(),
        "rusage": host::usage(),
    });
    if let Some((max, min)) = engine.control.scaling.bounds() {
        all["autoscaler"] = json!({ "max": max, "min": min, "current": slots, "qty": engine.jobs.running() });
    }
    all
}

/// How many jobs of each task were started; tasks that never were are left out, as in Celery.
fn totals(engine: &Engine) -> Value {
    let counts = engine.tasks.all().into_iter().map(|task| (task.name, task.accepted.load(Ordering::Relaxed)));
    Value::Object(counts.filter(|(_, n)| *n > 0).map(|(name, n)| (name.to_owned(), n.into())).collect::<Map<_, _>>())
}

/// The store in kombu's words. The URL's secrets are masked already.
fn broker(masked: &str) -> Value {
    let url = url::Url::parse(masked).ok();
    let part = |part: Option<&str>| part.filter(|text| !text.is_empty()).map(str::to_owned);
    let transport = masked.split(':').next().unwrap_or_default();
    let of_redis = transport.starts_with("redis");
    let default_port = of_redis.then_some(6379);
    let path = url.as_ref().map(|url| url.path().trim_start_matches('/'));
    json!({
        "transport": if of_redis { "redis" } else { transport },
        "hostname": part(url.as_ref().and_then(url::Url::host_str)).unwrap_or_else(|| masked.to_owned()),
        "port": url.as_ref().and_then(url::Url::port).or(default_port),
        "userid": part(url.as_ref().map(url::Url::username)),
        "virtual_host": part(path).unwrap_or_else(|| if of_redis { "0".to_owned() } else { masked.to_owned() }),
        "ssl": transport == "rediss",
        "insist": false,
        "connect_timeout": 5,
        "transport_options": {},
        "login_method": null,
        "uri_prefix": null,
        "heartbeat": 0,
        "failover_strategy": null,
        "alternates": [],
        "credential_provider": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_described_as_kombu_would() {
        let redis = broker("redis://:***@db1:6390/2");
        assert_eq!(
            (&redis["hostname"], &redis["port"], &redis["virtual_host"]),
            (&json!("db1"), &json!(6390), &json!("2"))
        );
        let plain = broker("rediss://db1");
        assert_eq!((&plain["port"], &plain["virtual_host"], &plain["ssl"]), (&json!(6379), &json!("0"), &json!(true)));
        let file = broker("sqlite:queue.db");
        assert_eq!((&file["transport"], &file["hostname"]), (&json!("sqlite"), &json!("sqlite:queue.db")));
    }
}
