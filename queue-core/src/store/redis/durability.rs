//! What this server's durability rests on, told in words.

use super::inner::Inner;
use super::link::Link;
use crate::store::{Durability, StoreError};

/// The oldest server that has all commands we use (`LMOVE`, `BLMOVE`, `ZRANGE … BYSCORE`).
const OLDEST: (u32, u32) = (6, 2);

/// Refuses servers that are too old.
pub(super) async fn check_version(store: &Inner) -> Result<(), StoreError> {
    check_server(&store.link).await?;
    if store.has_two_servers() { check_server(store.results_link()).await } else { Ok(()) }
}

async fn check_server(link: &Link) -> Result<(), StoreError> {
    let info: String = link.query(redis::cmd("INFO").arg("server")).await?;
    let version = field(&info, "redis_version").unwrap_or("0");
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < OLDEST {
        let why = format!("Redis {version} is too old, at least {}.{} is needed", OLDEST.0, OLDEST.1);
        return Err(StoreError::Foreign { url: link.url().to_owned(), why });
    }
    Ok(())
}

/// See [`crate::store::Broker::durability`].
pub(super) async fn durability(store: &Inner) -> Result<Durability, StoreError> {
    let mut found = of_server(&store.link).await?;
    if store.has_two_servers() {
        let results = of_server(store.results_link()).await?;
        found.version = format!("{}; of the results: {}", found.version, results.version);
        found.summary = format!("{}; of the results: {}", found.summary, results.summary);
        found.warnings.extend(results.warnings.into_iter().map(|warning| format!("of the results: {warning}")));
    }
    Ok(found)
}

async fn of_server(link: &Link) -> Result<Durability, StoreError> {
    let server: String = link.query(redis::cmd("INFO").arg("server")).await?;
    let version = format!("Redis {}", field(&server, "redis_version").unwrap_or("?"));
    let info: String = link.query(redis::cmd("INFO").arg("persistence")).await?;
    let memory: String = link.query(redis::cmd("INFO").arg("memory")).await?;
    let mut warnings = Vec::new();
    let policy = field(&memory, "maxmemory_policy").unwrap_or("noeviction");
    if policy != "noeviction" && field(&memory, "maxmemory").is_some_and(|max| max != "0") {
        warnings.push(format!("maxmemory-policy is `{policy}`: a full server deletes jobs; set it to `noeviction`"));
    }
    let aof = field(&info, "aof_enabled") == Some("1");
    let summary = if aof {
        match appendfsync(link).await.as_deref() {
            Some("always") => "appendfsync always: what was acknowledged survives a crash of the server".to_owned(),
            Some("no") => {
                "appendfsync no: a crash of the server may undo what the system had not written yet".to_owned()
            }
            Some(_) => "appendfsync everysec: a crash of the server may undo its last two seconds".to_owned(),
            None => "append-only file: how often it is synced cannot be seen with this user".to_owned(),
        }
    } else {
        warnings.push("no append-only file: a crash of the server loses all jobs since its last snapshot".to_owned());
        "snapshots only, if any".to_owned()
    };
    Ok(Durability { version, summary, warnings })
}

/// `None` where the user may not ask.
async fn appendfsync(link: &Link) -> Option<String> {
    let answer: Vec<String> = link.query(redis::cmd("CONFIG").arg("GET").arg("appendfsync")).await.ok()?;
    answer.into_iter().nth(1)
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
}
