//! Leases messages into free slots.
//!
//! The loop asks for as many messages as there are free slots, and waits in the store when fewer came. It never
//! ends by an error: an outage is waited out.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use queue_core::store::{Delivery, LeaseRequest, Order, Share, StoreError};

use crate::engine::Engine;
use crate::intake::take_in;
use crate::queues::List;
use crate::reconnect::{Caller, Tries};
use crate::slots::Room;
use crate::weights::Credits;

/// The most messages asked for at once; drivers cap a lease there too.
const MAX_LEASE: usize = 1_000;
/// The longest wait in the store. The wait is what an idle worker sends, so it is long; what becomes due meanwhile
/// wakes it by itself.
const MAX_WAIT: Duration = Duration::from_secs(25);

/// Which part of a worker's places must be free for a lease ahead of what is read.
const AHEAD: usize = 8;

/// Leases until the worker stops.
pub(crate) async fn fetch(engine: Arc<Engine>) {
    let mut fetcher = Fetcher::new(&engine);
    let mut tries = Tries::default();
    loop {
        let began = Instant::now();
        let turn = tokio::select! {
            biased;
            // What a dropped call had leased is given back when the consumer is closed.
            () = engine.phase.stop.cancelled() => break,
            turn = fetcher.turn() => turn,
        };
        match turn {
            Ok(()) => tries.reset(),
            Err(error) => {
                engine.outage.failed(Caller::Fetch, began, &error);
                tokio::select! {
                    () = engine.phase.stop.cancelled() => break,
                    () = engine.outage.rest(&mut tries) => {}
                }
            }
        }
    }
    engine.outage.asks_no_more(Caller::Fetch);
}

fn credits(queues: &List) -> Credits {
    Credits::new(queues.iter().map(|(_, weight)| *weight))
}

struct Fetcher<'a> {
    engine: &'a Arc<Engine>,
    queues: List,
    credits: Credits,
}

impl<'a> Fetcher<'a> {
    fn new(engine: &'a Arc<Engine>) -> Self {
        let queues = engine.queues.now();
        Self { engine, credits: credits(&queues), queues }
    }

    /// Notices that the worker was told to consume other queues.
    fn look_at_queues(&mut self) {
        let now = self.engine.queues.now();
        if !Arc::ptr_eq(&now, &self.queues) {
            self.credits = credits(&now);
            self.queues = now;
        }
    }

    /// Leases as long as every slot is filled, and one wait when slots were left free.
    async fn turn(&mut self) -> Result<(), StoreError> {
        let engine = self.engine;
        engine.outage.aside(Caller::Fetch, engine.settler.room()).await;
        self.look_at_queues();
        if self.queues.is_empty() {
            engine.outage.aside(Caller::Fetch, engine.wakeups.nudged()).await;
            return Ok(());
        }
        let mut room = engine.outage.aside(Caller::Fetch, engine.slots.room(MAX_LEASE)).await;
        let mut deliveries = self.lease(&room, engine.slots.may_take_suspect()).await?;
        while let Some(more) = self.ahead(&deliveries, &room) {
            let suspect = engine.slots.may_take_suspect() && !deliveries.iter().any(|one| one.suspect);
            // The store is asked for more first: it answers while what came is read.
            let (next, ()) = tokio::join!(biased; self.lease(&more, suspect), take_in(engine, deliveries, &mut room));
            (room, deliveries) = (more, next?);
        }
        let all_filled = deliveries.len() >= room.size();
        take_in(engine, deliveries, &mut room).await;
        if !all_filled && room.size() > 0 {
            self.wait(&mut room).await?;
        }
        if room.size() == 0 {
            // There may be more work than slots.
            engine.control.scaling.wanted();
        }
        Ok(())
    }

    /// Room for a lease that need not wait until what came is read. There is likely to be more where all that was asked for came;
    /// and a small one would cost the store as much as a large one.
    fn ahead(&self, came: &[Delivery], room: &Room) -> Option<Room> {
        let engine = self.engine;
        let same_queues = Arc::ptr_eq(&engine.queues.now(), &self.queues);
        let full = came.len() >= room.size() && engine.settler.has_room() && same_queues;
        let places = full.then(|| engine.slots.places() / AHEAD)?;
        engine.slots.room_now(places.clamp(1, MAX_LEASE), MAX_LEASE)
    }

    async fn lease(&mut self, room: &Room, suspect: bool) -> Result<Vec<Delivery>, StoreError> {
        let request = self.request(room, suspect);
        let wanting = self.engine.health.intake.wants();
        let deliveries = self.engine.consumer.lease(&request).await?;
        self.engine.health.intake.note(deliveries.len());
        drop(wanting);
        self.answered().await;
        self.book(&request, &deliveries);
        Ok(deliveries)
    }

    async fn wait(&mut self, room: &mut Room) -> Result<(), StoreError> {
        let engine = self.engine;
        let request = self.request(room, engine.slots.may_take_suspect());
        let now = engine.time.now();
        let at_most = engine.wakeups.next_due(now).map_or(MAX_WAIT, |due| now.until(due).min(MAX_WAIT));
        let wanting = engine.health.intake.wants();
        let deliveries = tokio::select! {
            came = engine.consumer.wait(&request, at_most) => came?,
            // Something to lease that the wait does not see.
            () = engine.wakeups.nudged() => return Ok(()),
            () = engine.slots.suspect_cleared() => return Ok(()),
        };
        engine.health.intake.note(deliveries.len());
        drop(wanting);
        // A wait that brought nothing may have ended without a word from the store.
        if !deliveries.is_empty() {
            self.answered().await;
        }
        self.book(&request, &deliveries);
        take_in(engine, deliveries, room).await;
        // What just came goes before the next question: this thread has it next in line.
        tokio::task::yield_now().await;
        Ok(())
    }

    fn request(&self, room: &Room, suspect: bool) -> LeaseRequest {
        let config = &self.engine.config;
        let limit = NonZeroUsize::new(room.size()).unwrap_or(NonZeroUsize::MIN);
        let shares = if config.weighted { self.credits.shares(limit.get()) } else { vec![0; self.queues.len()] };
        let queues = self.queues.iter().zip(shares).map(|((queue, _), share)| Share { queue: queue.clone(), share });
        let order = if config.weighted { Order::Weighted } else { Order::Strict };
        LeaseRequest { queues: queues.collect(), order, limit, suspect }
    }

    fn book(&mut self, request: &LeaseRequest, deliveries: &[Delivery]) {
        if request.order == Order::Weighted {
            let shares: Vec<usize> = request.queues.iter().map(|queue| queue.share).collect();
            let taken = |share: &Share| deliveries.iter().filter(|one| one.queue == share.queue).count();
            let taken: Vec<usize> = request.queues.iter().map(taken).collect();
            self.credits.book(&shares, &taken);
        }
    }

    /// After an outage the store may be another one, with another clock.
    async fn answered(&mut self) {
        let was_away = self.engine.outage.answered(Caller::Fetch);
        if let Err(error) = self.engine.time.adjust(was_away).await {
            tracing::debug!(%error, "the store did not tell its time");
        }
    }
}
