//! What it costs to take back what a dead worker held, and a heartbeat, beside a long queue.

use std::num::NonZeroUsize;
use std::time::Duration;

use queue_core::QueueName;
use queue_core::store::{LeaseRequest, Order, Share, StoreOptions, WorkerSpec, connect_with};

use super::meter::{Calls, Meter};
use crate::Outcome;
use crate::subject::ours::QUEUE;

/// How many jobs the dead worker held.
const HELD: usize = 500;
/// Of its lease, and again of the grace: short, so that nobody waits for its death for long.
const PATIENCE: Duration = Duration::from_millis(400);

/// One worker leases and falls silent; another takes back what it held.
pub(super) async fn measure(meter: &mut Meter<'_>) -> Outcome<()> {
    let options = StoreOptions { lease: PATIENCE, grace: PATIENCE, ..StoreOptions::default() };
    let store = connect_with(&meter.trial.url, options).await?;
    let queue = QueueName::new(QUEUE)?;
    let (silent, alive) =
        (store.consumer(worker("silent", &queue)).await?, store.consumer(worker("alive", &queue)).await?);
    let share = Share { queue, share: HELD };
    let limit = NonZeroUsize::new(HELD).ok_or("none held")?;
    let request = LeaseRequest { queues: vec![share], order: Order::Strict, limit, suspect: false };
    let mut held = Vec::new();
    while held.len() < HELD {
        let more = silent.lease(&request).await?;
        if more.is_empty() {
            return Err("too few are left to be held".into());
        }
        held.extend(more);
    }
    let held = held.len();
    // The first beat after its lease finds it silent, the first after the grace takes back.
    let moment = PATIENCE + Duration::from_millis(100);
    tokio::time::sleep(moment).await;
    alive.beat().await?;
    tokio::time::sleep(moment).await;
    let mut reclaimed = 0;
    let beat = async || {
        reclaimed = alive.beat().await?.reclaimed;
        Ok(())
    };
    meter.cost_of("reclaim, for each job", Calls::scripts().once(), held as f64, beat).await?;
    if reclaimed != held {
        return Err(format!("of {held} jobs {reclaimed} were reclaimed").into());
    }
    meter.cost("heartbeat", Calls::scripts(), async || Ok(alive.beat().await.map(drop)?)).await?;
    alive.close().await?;
    silent.close().await?;
    Ok(())
}

fn worker(name: &str, queue: &QueueName) -> WorkerSpec {
    WorkerSpec {
        incarnation: queue_core::TaskId::random().as_str().replace('-', "").into(),
        hostname: format!("{name}@benchmark"),
        pid: std::process::id(),
        concurrency: HELD,
        queues: vec![queue.clone()],
    }
}
