//! Signs a worker off.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;

use super::arm::Arm;
use super::consumer::RedisConsumer;
use super::keys::TOMBSTONE_TTL_S;
use crate::store::{INTERNAL, StoreError};

/// See [`crate::store::Consumer::close`].
pub(super) async fn close(consumer: &RedisConsumer) -> Result<(), StoreError> {
    let shared = &*consumer.shared;
    shared.closed.store(true, Ordering::Release);
    join_all(consumer.arms.iter().map(Arm::end)).await;
    shared.inbox().clear();
    let script = &shared.store.scripts.close;
    // One list that takes nothing back, since something else is at its key, keeps no other from having its own.
    let mut first = Ok(());
    for lane in shared.lanes.iter().filter(|lane| lane.may_be_held()) {
        let (name, k) = (lane.incarnation(), &lane.keys);
        let (held, suspect) = (k.held(&name), k.suspects_held(&name));
        let mut call = script.call(&[&k.list, &held, &k.suspects, &suspect, &k.workers, &k.silent]);
        call.arg(&*name).arg(TOMBSTONE_TTL_S).arg(INTERNAL);
        match shared.store.link.script::<usize>(script, &call).await {
            Ok(_) => shared.ledger.forget_lane(lane.index),
            Err(error @ StoreError::Foreign { .. }) => first = first.and(Err(error)),
            Err(error) => return Err(error),
        }
    }
    first?;
    let mut gone = redis::cmd("DEL");
    gone.arg(shared.store.keys.worker(&shared.spec.incarnation));
    shared.store.link.query(&gone).await
}
