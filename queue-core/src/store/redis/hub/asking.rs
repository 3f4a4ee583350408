//! Asks the server for subscriptions.

use redis::aio::PubSubSink;

use super::Channel;
use crate::store::redis::link::broken;

/// Subscribes to names and patterns; which of them the server refused. One that a user may not listen to (ACL) must not
/// cost the others theirs.
pub(super) async fn subscribe(
    sink: &mut PubSubSink,
    (names, patterns): (Vec<&str>, Vec<&str>),
) -> Result<Vec<Channel>, redis::RedisError> {
    let mut refused = Vec::new();
    if !names.is_empty() && is_refusal(sink.subscribe(&names).await)? {
        for name in names {
            if is_refusal(sink.subscribe(name).await)? {
                refused.push(Channel::Named(name.to_owned()));
            }
        }
    }
    for pattern in patterns {
        if is_refusal(sink.psubscribe(pattern).await)? {
            refused.push(Channel::Pattern(pattern.to_owned()));
        }
    }
    Ok(refused)
}

/// Whether the server said no; an error when the connection is of no more use.
fn is_refusal(answer: redis::RedisResult<()>) -> redis::RedisResult<bool> {
    match answer {
        Ok(()) => Ok(false),
        Err(error) if broken(&error) => Err(error),
        Err(error) => {
            tracing::debug!(%error, "the server refuses a subscription");
            Ok(true)
        }
    }
}

/// Names and patterns apart.
pub(super) fn by_kind<'a>(channels: impl Iterator<Item = &'a Channel>) -> (Vec<&'a str>, Vec<&'a str>) {
    let (mut names, mut patterns) = (Vec::new(), Vec::new());
    for channel in channels {
        match channel {
            Channel::Named(name) => names.push(name.as_str()),
            Channel::Pattern(pattern) => patterns.push(pattern.as_str()),
        }
    }
    (names, patterns)
}
