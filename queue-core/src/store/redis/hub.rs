//! A subscribed connection for all listeners of a runtime: whoever wants a channel's messages registers here.
//!
//! Each runtime that uses the store has one of its own: a runtime takes its tasks with it when it ends, so that nobody in
//! another one could rely on them. The connection is made when somebody first subscribes there and remade, with all its channels,
//! after it broke; every listener is then told (without a payload) to look for what it may have missed. One whose channel the
//! server refuses is told so again and again, since it hears nothing else.

mod asking;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{PubSub, PubSubSink, PubSubStream};
use tokio::runtime;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::asking::{by_kind, subscribe};
use super::errors::map_error;
use super::lines::{Lines, Rest};
use super::link::Connector;
use super::refusals::Refusals;
use super::switch;
use crate::store::StoreError;

type Listener = Arc<dyn Fn(News<'_>) + Send + Sync>;

/// What a listener is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum News<'a> {
    /// The subscription stands, for the first time or again.
    Stands,
    /// Nothing is heard for a while: the connection broke, or the server refuses the channel.
    Broke,
    /// A message.
    Message(&'a [u8]),
}

/// What is subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Channel {
    /// One channel.
    Named(String),
    /// All channels that fit a pattern.
    Pattern(String),
}

impl Channel {
    fn text(&self) -> &str {
        match self {
            Self::Named(text) | Self::Pattern(text) => text,
        }
    }
}

/// How often an idle connection is asked whether it still stands.
const PING: Duration = Duration::from_secs(30);
/// How often those are told to look for themselves whose channel is refused.
const LOOK: Duration = Duration::from_millis(200);

/// See the module.
#[derive(Debug)]
pub(super) struct Hub {
    connector: Connector,
    refusals: Refusals,
    states: Arc<States>,
}

/// By the runtimes that they are of.
type States = Mutex<HashMap<runtime::Id, Arc<State>>>;

/// What is of one runtime.
struct State {
    connector: Connector,
    refusals: Refusals,
    listeners: Mutex<Listeners>,
    /// Channels were added or removed.
    changed: Notify,
}

#[derive(Default)]
struct Listeners {
    channels: HashMap<Channel, Vec<(u64, Listener)>>,
    /// The youngest's id.
    last: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("url", &self.connector.url).finish_non_exhaustive()
    }
}

/// Ends its subscription when dropped.
pub(super) struct Subscription {
    state: Weak<State>,
    channel: Channel,
    id: u64,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let Some(state) = self.state.upgrade() else { return };
        let mut listeners = state.lock();
        if let Some(of_channel) = listeners.channels.get_mut(&self.channel) {
            of_channel.retain(|(id, _)| *id != self.id);
            if of_channel.is_empty() {
                listeners.channels.remove(&self.channel);
                state.changed.notify_one();
            }
        }
    }
}

impl Hub {
    /// `every_result` is the pattern of the channels of results.
    pub(super) fn new(connector: Connector, every_result: &str) -> Self {
        Self { connector, refusals: Refusals::new(every_result), states: Arc::default() }
    }

    /// Calls `listener` for each message of `channel`, and with `None` whenever it is to look for itself: the
    /// subscription (again) stands, or broke.
    pub(super) fn subscribe(
        &self,
        channel: String,
        listener: impl Fn(Option<&[u8]>) + Send + Sync + 'static,
    ) -> Subscription {
        self.listen(Channel::Named(channel), move |news| match news {
            News::Message(payload) => listener(Some(payload)),
            News::Stands | News::Broke => listener(None),
        })
    }

    /// Tells `listener` all about `channel`, as long as this runtime lives.
    pub(super) fn listen(&self, channel: Channel, listener: impl Fn(News<'_>) + Send + Sync + 'static) -> Subscription {
        let state = self.state();
        let id = state.add(channel.clone(), Arc::new(listener));
        Subscription { state: Arc::downgrade(&state), channel, id }
    }

    /// That of the runtime in which it is asked for.
    fn state(&self) -> Arc<State> {
        let runtime = runtime::Handle::current().id();
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.get(&runtime) {
            return Arc::clone(state);
        }
        let state = Arc::new(State {
            connector: self.connector.clone(),
            refusals: self.refusals.clone(),
            listeners: Mutex::default(),
            changed: Notify::new(),
        });
        states.insert(runtime, Arc::clone(&state));
        // Unlocked first: a runtime that is about to end drops at once what it is given.
        drop(states);
        tokio::spawn(run(Running { runtime, state: Arc::downgrade(&state), states: Arc::downgrade(&self.states) }));
        state
    }
}

/// Takes what is of a runtime away when its task ends, however that happens: a runtime drops its tasks.
struct Running {
    runtime: runtime::Id,
    state: Weak<State>,
    states: Weak<States>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(states) = self.states.upgrade() else { return };
        let mut states = states.lock().unwrap_or_else(PoisonError::into_inner);
        // A runtime that came later may have the same id.
        let ours = states.get(&self.runtime).is_some_and(|state| Arc::as_ptr(state) == self.state.as_ptr());
        let gone = if ours { states.remove(&self.runtime) } else { None };
        // Unlocked first: listeners go with it, and what they hold.
        drop(states);
        drop(gone);
    }
}

impl State {
    fn lock(&self) -> std::sync::MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, channel: Channel, listener: Listener) -> u64 {
        let mut listeners = self.lock();
        // Under the lock, so that who is younger has the higher number.
        listeners.last += 1;
        let id = listeners.last;
        listeners.channels.entry(channel).or_default().push((id, listener));
        self.changed.notify_one();
        id
    }

    fn tell(&self, channel: &Channel, news: News<'_>) {
        let of_channel: Vec<Listener> = {
            let listeners = self.lock();
            listeners.channels.get(channel).into_iter().flatten().map(|(_, listener)| listener.clone()).collect()
        };
        for listener in of_channel {
            listener(news);
        }
    }
}

impl State {
    /// Tells those listeners of a channel that have not heard the same before.
    fn tell_untold(&self, channel: &Channel, before: Option<Answer>, news: News<'_>) {
        let untold: Vec<Listener> = {
            let listeners = self.lock();
            let of_channel = listeners.channels.get(channel).into_iter().flatten();
            of_channel.filter(|(id, _)| before.is_none_or(|b| *id > b.youngest)).map(|(_, l)| l.clone()).collect()
        };
        untold.iter().for_each(|listener| listener(news));
    }

    /// Who was refused hears nothing by itself.
    fn tell_refused(&self, told: &Told) {
        told.iter().filter(|(_, answer)| !answer.stands).for_each(|(channel, _)| self.tell(channel, News::Broke));
    }

    fn tell_all(&self) {
        let channels: Vec<Channel> = self.lock().channels.keys().cloned().collect();
        channels.iter().for_each(|channel| self.tell(channel, News::Broke));
    }
}

/// Per channel what its listeners were told.
type Told = HashMap<Channel, Answer>;

/// What the server answered to a subscription.
#[derive(Debug, Clone, Copy)]
struct Answer {
    /// The youngest listener that was told.
    youngest: u64,
    /// It stands; otherwise the server refused it, and whoever comes later asks again.
    stands: bool,
}

/// What was known of the lines.
#[derive(Debug, Clone, Copy)]
struct Seen {
    switches: u64,
    doubts: u64,
}

impl Seen {
    fn now(lines: &Lines) -> Self {
        Self { switches: lines.switches(), doubts: lines.doubts() }
    }
}

async fn run(running: Running) {
    let (weak, mut rest) = (&running.state, Rest::default());
    loop {
        let Some(state) = weak.upgrade() else { return };
        let lines = Arc::clone(&state.connector.lines);
        let seen = Seen::now(&lines);
        let connected = state.connector.open_subscribed().await;
        let stood = connected.is_ok();
        drop(state);
        match connected.map(PubSub::split) {
            Ok(halves) => {
                rest.reset();
                if let Err(error) = serve(weak, halves, seen).await {
                    tracing::debug!(%error, "the subscribed connection broke");
                }
            }
            Err(error) => tracing::debug!(%error, "the subscribed connection cannot be made"),
        }
        if let (Some(state), true) = (weak.upgrade(), stood) {
            state.connector.note_broken();
        }
        // Nobody hears anything now; whoever listens may look for itself.
        if let Some(state) = weak.upgrade() {
            state.tell_all();
        }
        rest.take(&lines).await;
    }
}

/// Keeps the connection's channels the same as the listeners'; ends when the connection does.
async fn serve(
    weak: &Weak<State>,
    (mut sink, mut stream): (PubSubSink, PubSubStream),
    mut seen: Seen,
) -> Result<(), StoreError> {
    let (mut told, mut look, mut ping) = (Told::new(), Instant::now(), Instant::now() + PING);
    loop {
        let Some(state) = weak.upgrade() else { return Ok(()) };
        switch::watch(&state.connector);
        let lines = &state.connector.lines;
        // From here on, so that no doubt is missed that comes while something is awaited below.
        let doubted = lines.doubted();
        // Another line got no answer, or leads to the wrong server by now: is this one dead too?
        let now = Seen::now(lines);
        let before = std::mem::replace(&mut seen, now);
        if now.switches != before.switches || (now.doubts != before.doubts && !stands(&state, &mut sink).await) {
            return Ok(());
        }
        let synced = tokio::time::timeout(state.connector.response_timeout, sync(&state, &mut sink, &mut told)).await;
        match synced {
            Ok(done) => done?,
            Err(elapsed) => return Err(state.connector.unreachable(elapsed, false)),
        }
        let refused = told.values().any(|answer| !answer.stands);
        tokio::select! {
            message = stream.next() => {
                let Some(message) = message else { return Ok(()) };
                ping = Instant::now() + PING;
                state.tell(&channel_of(&message), News::Message(message.get_payload_bytes()));
            }
            () = state.changed.notified() => {}
            () = doubted => {}
            () = tokio::time::sleep_until(look), if refused => {
                look = Instant::now() + LOOK;
                state.tell_refused(&told);
            }
            () = tokio::time::sleep_until(ping) => {
                if !stands(&state, &mut sink).await {
                    return Ok(());
                }
                ping = Instant::now() + PING;
            }
        }
    }
}

async fn stands(state: &State, sink: &mut PubSubSink) -> bool {
    let pong = tokio::time::timeout(state.connector.response_timeout, sink.ping::<redis::Value>()).await;
    matches!(pong, Ok(Ok(_)))
}

/// By which subscription a message came.
fn channel_of(message: &redis::Msg) -> Channel {
    match message.get_pattern() {
        Ok(pattern) if message.from_pattern() => Channel::Pattern(pattern),
        _ => Channel::Named(message.get_channel_name().to_owned()),
    }
}

/// Subscribes to what is new, tells the new listeners, unsubscribes from what nobody wants.
async fn sync(state: &State, sink: &mut PubSubSink, told: &mut Told) -> Result<(), StoreError> {
    let (fresh, gone) = changes(state, told);
    let failed = |error| map_error(&state.connector.url, error, false);
    let stood = |channel: &Channel| told.get(channel).is_some_and(|answer| answer.stands);
    let new = fresh.iter().map(|(channel, _)| channel).filter(|one| !stood(one));
    let refused = subscribe(sink, by_kind(new)).await.map_err(failed)?;
    refused.iter().for_each(|channel| state.refusals.say(channel.text()));
    let (names, patterns) = by_kind(gone.iter());
    if !names.is_empty() {
        sink.unsubscribe(&names).await.map_err(failed)?;
    }
    if !patterns.is_empty() {
        sink.punsubscribe(&patterns).await.map_err(failed)?;
    }
    for channel in gone {
        told.remove(&channel);
    }
    for (channel, youngest) in fresh {
        let stands = !refused.contains(&channel);
        let before = told.insert(channel.clone(), Answer { youngest, stands });
        let news = if stands { News::Stands } else { News::Broke };
        state.tell_untold(&channel, before.filter(|answer| answer.stands == stands), news);
    }
    Ok(())
}

/// Channels with listeners that were not told yet (with the youngest's id), and channels without any.
fn changes(state: &State, told: &Told) -> (Vec<(Channel, u64)>, Vec<Channel>) {
    let listeners = state.lock();
    let youngest = listeners.channels.iter().filter_map(|(name, of)| Some((name, of.iter().map(|(id, _)| *id).max()?)));
    let fresh = youngest.filter(|(name, id)| told.get(*name).is_none_or(|known| known.youngest < *id));
    let fresh = fresh.map(|(name, id)| (name.clone(), id)).collect();
    let gone = told.keys().filter(|name| !listeners.channels.contains_key(*name)).cloned().collect();
    (fresh, gone)
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
