//! What a server's error means to us.

use redis::{ErrorKind, RedisError, ServerErrorKind};

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
    match code.as_deref() {
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => StoreError::Unauthorized { url, source: Box::new(error) },
        // MISCONF: the server cannot write its snapshots and therefore takes no writes.
        Some("OOM" | "MISCONF") => StoreError::Full { url, source: Box::new(error) },
        Some("READONLY") => StoreError::ReadOnly { url, source: Box::new(error) },
        Some("LOADING" | "MASTERDOWN" | "TRYAGAIN" | "CLUSTERDOWN" | "BUSY" | "NOREPLICAS") => {
            StoreError::Unreachable { url, unknown: false, source: Box::new(error) }
        }
        Some("WRONGTYPE") => StoreError::Foreign { url, why: error.to_string() },
        _ if is_server_error(&error) => StoreError::Refused { url, source: Box::new(error) },
        _ if error.is_connection_refusal() => StoreError::Unreachable { url, unknown: false, source: Box::new(error) },
        // Half a reply, or one that is none of Redis's, says as little as a line that was cut.
        _ if broken(&error) || matches!(error.kind(), ErrorKind::Parse) => {
            StoreError::Unreachable { url, unknown: sent, source: Box::new(error) }
        }
        _ => StoreError::Refused { url, source: Box::new(error) },
    }
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
