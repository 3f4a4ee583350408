//! What a server's error means to us.

use std::error::Error;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::client::TOO_MANY;
use super::link::broken;
use crate::store::StoreError;

/// Sorts `error`; `sent` when the command was on its way, so that it may have happened.
pub(super) fn map_error(url: &str, error: RedisError, sent: bool) -> StoreError {
    let url = url.to_owned();
    if matches!(error.kind(), ErrorKind::AuthenticationFailed) {
        return StoreError::Unauthorized { url, source: Box::new(error) };
    }
    // A pipeline or a transaction fails for what its first command failed of.
    let first = error.clone().into_server_errors().and_then(|all| Some(all.first()?.1.code().to_owned()));
    let code = first.or_else(|| error.code().map(str::to_owned));
    let code = inside_script(&error).or_else(|| inside_transaction(&error)).or(code);
    if let Some(meaning) = code.as_deref().and_then(meaning) {
        return meaning(url, Box::new(error));
    }
    match code.as_deref() {
        Some("WRONGTYPE") => StoreError::Foreign { url, why: error.to_string() },
        // It says so and closes; the next one may find room.
        Some("ERR") if error.detail().is_some_and(|why| why.starts_with(TOO_MANY)) => {
            StoreError::Unreachable { url, unknown: false, source: Box::new(error) }
        }
        _ if is_server_error(&error) => StoreError::Refused { url, source: Box::new(error) },
        _ if error.is_connection_refusal() => StoreError::Unreachable { url, unknown: false, source: Box::new(error) },
        // Half a reply, or one that is none of Redis's, says as little as a line that was cut.
        _ if broken(&error) || matches!(error.kind(), ErrorKind::Parse) => {
            StoreError::Unreachable { url, unknown: sent, source: Box::new(error) }
        }
        _ => StoreError::Refused { url, source: Box::new(error) },
    }
}

/// What was found; `None` where the key holds something else.
pub(super) fn unless_foreign<T>(found: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match found {
        Err(StoreError::Foreign { .. }) => Ok(None),
        found => found.map(Some),
    }
}

/// A server's URL and its words, as the error that they are.
type Meaning = fn(String, Box<dyn Error + Send + Sync>) -> StoreError;

/// What a refusal means to us by its first word; `None` where the rest of it must be looked at.
pub(super) fn meaning(code: &str) -> Option<Meaning> {
    Some(match code {
        "NOAUTH" | "WRONGPASS" | "NOPERM" => |url, source| StoreError::Unauthorized { url, source },
        // MISCONF: the server cannot write its snapshots and therefore takes no writes.
        "OOM" | "MISCONF" => |url, source| StoreError::Full { url, source },
        "READONLY" => |url, source| StoreError::ReadOnly { url, source },
        "LOADING" | "MASTERDOWN" | "TRYAGAIN" | "CLUSTERDOWN" | "BUSY" | "NOREPLICAS" => {
            |url, source| StoreError::Unreachable { url, unknown: false, source }
        }
        _ => return None,
    })
}

/// Before Redis 7 an error inside a script comes as `ERR Error running script …: -OOM …`: its own code is in the text.
fn inside_script(error: &RedisError) -> Option<String> {
    let text = error.detail().filter(|text| text.starts_with("Error running script"))?;
    let own = text.split(": -").nth(1)?;
    Some(own.split(' ').next()?.to_owned())
}

/// The end of a transaction that is refused comes as `EXECABORT Transaction discarded because of: OOM …`.
fn inside_transaction(error: &RedisError) -> Option<String> {
    let why = error.detail()?.strip_prefix("Transaction discarded because of: ")?;
    Some(why.split(' ').next()?.to_owned())
}

fn is_server_error(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError) | ErrorKind::Extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_transaction_says_what_it_was_refused_for() {
        let refused =
            "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.\r\n";
        let error = redis::parse_redis_value(refused.as_bytes()).and_then(redis::Value::extract_error).unwrap_err();
        assert!(matches!(map_error("redis://x", error, true), StoreError::Full { .. }));
    }
}
