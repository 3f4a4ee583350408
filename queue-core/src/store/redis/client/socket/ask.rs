//! The wait of one caller.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use redis::RedisResult;
use tokio::time::Sleep;

use super::super::looking::When;
use super::{Answers, PATIENCE, Socket, closed};

/// A request and the wait for its answers.
pub(in crate::store::redis::client) struct Ask<'a> {
    socket: &'a Socket,
    request: Vec<u8>,
    answers: usize,
    number: Option<u64>,
    patience: Option<Pin<Box<Sleep>>>,
    looks: bool,
}

impl Future for Ask<'_> {
    type Output = RedisResult<Answers>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ask = self.get_mut();
        let mut impatient = false;
        let began = ask.number.is_none();
        let number = ask.number.unwrap_or_else(|| ask.begin(cx));
        if std::mem::take(&mut ask.looks) {
            match ask.socket.with(|state| state.when_to_look(began)) {
                When::Never => {}
                When::Now(until) => ask.socket.look(number, until),
                When::Later => {
                    ask.looks = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        loop {
            let polled = ask.socket.with(|state| state.go_on(number, impatient, cx));
            if polled.is_ready() {
                ask.number = None;
                return polled.map(|answers| answers.ok_or_else(closed)?);
            }
            let Poll::Ready(()) = ask.bide(cx) else { return Poll::Pending };
            impatient = true;
        }
    }
}

impl<'a> Ask<'a> {
    pub(super) fn new(socket: &'a Socket, request: Vec<u8>, answers: usize, looks: bool) -> Self {
        Self { socket, request, answers, number: None, patience: None, looks }
    }

    fn begin(&mut self, cx: &mut Context<'_>) -> u64 {
        let request = std::mem::take(&mut self.request);
        let number = self.socket.with(|state| state.begin(&request, self.answers, cx));
        *self.number.insert(number)
    }

    /// Ready when somebody else should have read the answer by now.
    fn bide(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let state = self.socket.lock();
        // Whoever is to write the rest may be as slow as a reader.
        if state.reader == self.number && state.unsent.is_empty() {
            self.patience = None;
            return Poll::Pending;
        }
        drop(state);
        let patience = self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(PATIENCE)));
        ready!(patience.as_mut().poll(cx));
        self.patience = None;
        Poll::Ready(())
    }
}

impl Drop for Ask<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.socket.with(|state| state.let_go(number));
        }
    }
}
