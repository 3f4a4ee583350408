//! A socket that many share without a task of its own.
//!
//! Whoever asks writes its request into the socket itself. Of those that wait for answers one is the *reader*: the socket wakes it,
//! it reads for all, and wakes those whose answers it found. When its own is there, or it is dropped, the next of them becomes
//! the reader. A reader may be slow to be polled (its task holds it and waits for something else), so whoever waits for a while
//! beside it takes its place.
//!
//! A call that is dropped leaves its request to go, with the next one if there was no room for all of it and nobody else waits, and
//! its answer to be thrown away: both keep their place in the order.

mod ask;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use redis::{RedisError, RedisResult, Value};
use smallvec::SmallVec;
use tokio::io::AsyncWrite;
use tokio_util::io::poll_read_buf;

use self::ask::Ask;
use super::looking::{Looking, When, usual};
use super::reply::Replies;
use super::stream::Duplex;

/// How long somebody waits beside a reader before it reads itself.
const PATIENCE: Duration = Duration::from_millis(50);
/// Room for what arrives: at least, and at most at once.
const ROOM: usize = 16 << 10;
const MAX_ROOM: usize = 1 << 20;

/// So much may wait to be sent behind a request whose caller gave up. A server that reads nothing while callers give up and ask again must not cost all memory.
const MAX_UNSENT: usize = 64 << 20;

/// Pauses of the processor between two looks, together less than a look takes.
const SPINS: usize = 16;

/// How a server says that it has no room for another connection.
pub(in crate::store::redis) const TOO_MANY: &str = "max number of clients";

/// The answers to one request.
pub(super) type Answers = SmallVec<[Value; 1]>;

/// See the module.
pub(super) struct Socket(Mutex<State>);

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

struct State {
    stream: Box<dyn Duplex>,
    arrived: BytesMut,
    replies: Replies,
    /// What the socket had no room for.
    unsent: BytesMut,
    /// In the order of their requests.
    calls: VecDeque<Call>,
    /// The number of the first of them.
    first: u64,
    /// How many at the beginning have all their answers.
    answered: usize,
    /// Whose waker the stream has.
    reader: Option<u64>,
    /// Why nothing goes any more.
    gone: Option<RedisError>,
    /// Who is to be woken once the lock is free.
    wake: SmallVec<[Waker; 4]>,
    looking: Looking,
}

struct Call {
    left: usize,
    answers: Answers,
    waker: Option<Waker>,
    /// Nobody waits for it: its answers were taken, or it was dropped.
    over: bool,
}

impl Socket {
    pub(super) fn new(stream: Box<dyn Duplex>) -> Self {
        Self(Mutex::new(State {
            stream,
            arrived: BytesMut::new(),
            replies: Replies::default(),
            unsent: BytesMut::new(),
            calls: VecDeque::new(),
            first: 0,
            answered: 0,
            reader: None,
            gone: None,
            wake: SmallVec::new(),
            looking: Looking::new(usual()),
        }))
    }

    /// Sends a request that has so many answers, at least one, and waits for them. An error of the server's is an answer.
    ///
    /// # Errors
    ///
    /// The connection broke, or what came was no answer; then every call fails from now on.
    pub(super) fn ask(&self, request: Vec<u8>, answers: usize) -> Ask<'_> {
        Ask::new(self, request, answers, false)
    }

    /// Like [`Socket::ask`], for one answer that is likely to come at once: looks for it before it sleeps.
    pub(super) fn ask_soon(&self, request: Vec<u8>) -> Ask<'_> {
        Ask::new(self, request, 1, true)
    }

    /// Looks for the answer to a call until then, as long as it is alone.
    fn look(&self, number: u64, until: Instant) {
        loop {
            let over = self.with(|state| {
                let answered = state.peek(number);
                let late = !answered && Instant::now() >= until;
                if answered || late {
                    state.looking.note(answered);
                }
                answered || late || !state.is_alone()
            });
            if over {
                return;
            }
            // Off the lock for a moment: another may come.
            (0..SPINS).for_each(|_| std::hint::spin_loop());
        }
    }

    /// Whether it broke.
    pub(super) fn is_gone(&self) -> bool {
        let mut state = self.lock();
        state.listen();
        state.gone.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something, then wakes whom that concerns.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let done = act(&mut state);
        let woken = std::mem::take(&mut state.wake);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        done
    }
}

impl State {
    /// Takes in a request.
    fn begin(&mut self, request: &[u8], answers: usize, cx: &mut Context<'_>) -> u64 {
        self.listen();
        // What stops the line was given up; a large request that somebody waits for is not cut off by the next.
        let given_up = self.calls.get(self.answered).is_some_and(|call| call.over);
        if given_up && self.unsent.len() > MAX_UNSENT {
            self.fail(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        let number = self.first + self.calls.len() as u64;
        self.calls.push_back(Call { left: answers, answers: Answers::new(), waker: None, over: false });
        if self.gone.is_none() {
            let sent = if self.unsent.is_empty() { self.write(request, cx) } else { 0 };
            self.unsent.extend_from_slice(&request[sent..]);
        }
        number
    }

    /// Writes and reads what can be; the answers to a call when they are all there, `None` of them when it can't get them.
    fn go_on(&mut self, number: u64, impatient: bool, cx: &mut Context<'_>) -> Poll<Option<RedisResult<Answers>>> {
        // Nobody need wake who is here.
        let known = self.call(number).and_then(|call| call.waker.take());
        self.flush(cx);
        if impatient || self.reader.is_none_or(|reader| reader == number) {
            self.read_for(number, cx);
        }
        let answered = self.is_answered(number);
        if !answered && self.gone.is_none() {
            let Some(call) = self.call(number) else { return Poll::Ready(None) };
            call.waker = known.filter(|waker| waker.will_wake(cx.waker())).or_else(|| Some(cx.waker().clone()));
            return Poll::Pending;
        }
        let answers = if answered { self.call(number).map(|call| std::mem::take(&mut call.answers)) } else { None };
        self.let_go(number);
        Poll::Ready(answers.map(Ok).or_else(|| self.gone.clone().map(Err)))
    }

    fn call(&mut self, number: u64) -> Option<&mut Call> {
        self.calls.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn is_answered(&self, number: u64) -> bool {
        number < self.first + self.answered as u64
    }

    /// Nobody waits for this call any more.
    fn let_go(&mut self, number: u64) {
        if let Some(call) = self.call(number) {
            call.over = true;
            call.waker = None;
        }
        self.clear();
        if self.reader == Some(number) {
            self.reader = None;
        }
        // Whoever was to read, or to write the rest, may have been this one.
        if self.reader.is_none() || !self.unsent.is_empty() {
            let next = self.calls.iter_mut().skip(self.answered).find_map(|call| call.waker.take());
            self.wake.extend(next);
        }
    }

    /// Removes calls from the beginning that have their answers and nobody who waits for them.
    fn clear(&mut self) {
        while self.answered > 0 && self.calls.front().is_some_and(|call| call.over) {
            self.calls.pop_front();
            self.first += 1;
            self.answered -= 1;
        }
    }

    /// Looks whether a connection on which nobody waits was closed.
    fn listen(&mut self) {
        let awaited = self.calls.iter().skip(self.answered).any(|call| !call.over);
        if !awaited && self.reader.is_none() {
            let mut nobody = Context::from_waker(Waker::noop());
            self.flush(&mut nobody);
            while self.gone.is_none() && self.read_more(&mut nobody) {}
        }
    }

    /// Reads until a call has its answers, or nothing more is there: then the stream wakes it.
    fn read_for(&mut self, number: u64, cx: &mut Context<'_>) {
        let before = self.reader.replace(number).filter(|before| *before != number);
        // Who read until now waits beside this one, and must know to be as impatient.
        let replaced = before.and_then(|before| self.call(before)?.waker.take());
        self.wake.extend(replaced);
        while !self.is_answered(number) && self.gone.is_none() && self.read_more(cx) {}
    }

    /// Whether one call is under way, and nothing of it still to be sent.
    fn is_alone(&self) -> bool {
        self.calls.len() == 1 && self.unsent.is_empty() && self.reader.is_none() && self.gone.is_none()
    }

    /// When to look for the answer to a call that has just begun, or whose sender let the others go first.
    fn when_to_look(&mut self, began: bool) -> When {
        let alone = self.is_alone();
        match (began, alone) {
            (true, false) => When::Never,
            (true, true) => self.looking.begin(),
            (false, _) => self.looking.go_on(alone),
        }
    }

    /// Reads what is there, if anything; whether the call has its answers, or can't get them.
    fn peek(&mut self, number: u64) -> bool {
        match self.stream.read_now(&mut self.arrived) {
            Ok(0) => self.fail(closed()),
            Ok(_) => self.hand_out(),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => self.fail(error.into()),
        }
        self.is_answered(number) || self.gone.is_some()
    }

    /// Reads once; whether anything was there.
    fn read_more(&mut self, cx: &mut Context<'_>) -> bool {
        self.arrived.reserve(self.replies.missing().clamp(ROOM, MAX_ROOM));
        match poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.arrived) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => self.fail(closed()),
            Poll::Ready(Ok(_)) => self.hand_out(),
            Poll::Ready(Err(error)) => self.fail(error.into()),
        }
        true
    }

    /// Gives what arrived to those it is for.
    fn hand_out(&mut self) {
        loop {
            let value = match self.replies.next(&mut self.arrived) {
                Ok(Some(value)) => value,
                Ok(None) => break,
                Err(error) => return self.fail(error),
            };
            if let Some(error) = farewell(&value) {
                return self.fail(error);
            }
            let Some(call) = self.calls.get_mut(self.answered) else {
                return self.fail(io::Error::other("the server answered what nobody had asked").into());
            };
            call.answers.push(value);
            call.left -= 1;
            if call.left == 0 {
                self.wake.extend(call.waker.take());
                self.answered += 1;
                self.clear();
            }
        }
        if self.arrived.is_empty() && self.arrived.capacity() > MAX_ROOM {
            self.arrived = BytesMut::new();
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) {
        while !self.unsent.is_empty() && self.gone.is_none() {
            let unsent = std::mem::take(&mut self.unsent);
            let sent = self.write(&unsent, cx);
            self.unsent = unsent;
            self.unsent.advance(sent);
            if sent == 0 {
                return;
            }
        }
        if self.unsent.capacity() > MAX_ROOM {
            self.unsent = BytesMut::new();
        }
    }

    /// Writes once; how much of it went. With 0 the stream wakes this one when there is room, or the socket is gone.
    fn write(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> usize {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Pending => return 0,
            Poll::Ready(Ok(0)) => self.fail(io::Error::from(io::ErrorKind::WriteZero).into()),
            Poll::Ready(Ok(sent)) => return sent,
            Poll::Ready(Err(error)) => {
                self.hear_out(cx);
                self.fail(error.into());
            }
        }
        0
    }

    /// Nothing goes any more. A server that takes no such request says so before it closes, and then not the line is to blame.
    fn hear_out(&mut self, cx: &mut Context<'_>) {
        while self.gone.is_none() && self.read_more(cx) {}
    }

    fn fail(&mut self, error: RedisError) {
        self.gone.get_or_insert(error);
        self.unsent.clear();
        let waiting = self.calls.iter_mut().filter_map(|call| call.waker.take());
        self.wake.extend(waiting);
    }
}

/// What a server says before it closes on somebody who has just come, whatever was asked: that there is no room, or that nobody
/// may from there.
fn farewell(value: &Value) -> Option<RedisError> {
    let Value::ServerError(error) = value else { return None };
    let full = error.details().is_some_and(|why| why.starts_with(TOO_MANY));
    (full || error.code() == "DENIED").then(|| error.clone().into())
}

fn closed() -> RedisError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
