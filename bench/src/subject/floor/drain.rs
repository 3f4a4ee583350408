//! Empties the queue that our own producer has filled: the lease and settle pair of a worker, without a worker. Two
//! connections, a thread each; the settle of one batch and the lease of the next travel together.
//!
//! The arguments of the scripts are spelled here as `queue-core/src/store/redis/` spells them: when that changes, this
//! must too, and says so by failing.

use std::time::{Duration, Instant};

use super::resp::{Bare, Reply};
use crate::Outcome;

const LEASE: &str = include_str!("../../../../queue-core/src/store/redis/lua/lease.lua");
const SETTLE: &str = include!("../../../../queue-core/src/store/redis/lua/settle/script.rs");
const CONNECTIONS: u64 = 2;
const TTL_S: &str = "86400";

/// Which commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pair {
    /// Plain ones in a `MULTI`: `LMOVE` each, then `LREM` each, with results `SET` and `PUBLISH`.
    Plain,
    /// The scripts that our workers call.
    Scripts,
}

/// Takes all messages out, `batch` at a time; how long that took.
pub(crate) fn drain(port: u16, pair: Pair, results: bool, batch: usize, count: u64) -> Outcome<Duration> {
    let mut scripts = Bare::connect(port)?;
    scripts.add(&[b"SCRIPT", b"LOAD", LEASE.as_bytes()]);
    scripts.add(&[b"SCRIPT", b"LOAD", SETTLE.as_bytes()]);
    let mut hashes = Vec::new();
    Reply::Array(scripts.exchange()?).texts(&mut hashes);
    let [lease, settle] = <[_; 2]>::try_from(hashes).map_err(|_| "no hashes")?;
    let begun = Instant::now();
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let (lease, settle) = (lease.clone(), settle.clone());
            std::thread::spawn(move || {
                let held = format!("{{bench}}:held:floor{number}").into_bytes();
                let incarnation = format!("floor{number}").into_bytes();
                let side = Side { pair, results, batch, lease, settle, held, incarnation, number, done: 0 };
                side.run(Bare::connect(port)?)
            })
        })
        .collect();
    let mut done = 0;
    for thread in threads {
        done += thread.join().map_err(|_| "a connection panicked")??;
    }
    if done != count {
        return Err(format!("{done} of {count} came out").into());
    }
    Ok(begun.elapsed())
}

/// One connection.
struct Side {
    pair: Pair,
    results: bool,
    batch: usize,
    lease: Vec<u8>,
    settle: Vec<u8>,
    held: Vec<u8>,
    incarnation: Vec<u8>,
    number: u64,
    done: u64,
}

impl Side {
    /// How many it settled.
    fn run(mut self, mut bare: Bare) -> Outcome<u64> {
        let mut messages: Vec<Vec<u8>> = Vec::new();
        loop {
            if !messages.is_empty() {
                self.add_settle(&mut bare, &messages);
            }
            self.add_lease(&mut bare);
            let mut replies = bare.exchange()?;
            let leased = replies.pop().ok_or("no reply")?;
            if !messages.is_empty() && self.pair == Pair::Scripts {
                expect_done(replies.pop(), messages.len())?;
            }
            self.done += messages.len() as u64;
            messages.clear();
            leased.texts(&mut messages);
            // Messages are objects; the kind of the reply is not.
            messages.retain(|text| text.first() == Some(&b'{'));
            if messages.is_empty() {
                return Ok(self.done);
            }
        }
    }

    fn add_lease(&self, bare: &mut Bare) {
        let batch = self.batch.to_string().into_bytes();
        match self.pair {
            Pair::Plain => {
                bare.add(&[b"MULTI"]);
                for _ in 0..self.batch {
                    bare.add(&[b"LMOVE", b"bench", &self.held, b"RIGHT", b"LEFT"]);
                }
                bare.add(&[b"EXEC"]);
            }
            Pair::Scripts => bare.add(&[
                b"EVALSHA",
                &self.lease,
                b"6",
                b"bench",
                &self.held,
                b"{bench}:workers",
                b"{bench}:suspects",
                b"{bench}:suspects:held:floor",
                b"{bench}:deaths",
                b"0",
                b"8000",
                &batch,
                b"1",
                &self.incarnation,
                &batch,
            ]),
        }
    }

    fn add_settle(&self, bare: &mut Bare, messages: &[Vec<u8>]) {
        let meta = |at: usize| {
            let id = format!("{:08x}-0000-4000-8000-{:012x}", self.number, self.done + at as u64);
            let value = format!(
                "{{\"status\": \"SUCCESS\", \"result\": null, \"traceback\": null, \"children\": [], \"date_done\": \
                 \"2026-01-01T00:00:00.000000+00:00\", \"task_id\": \"{id}\"}}"
            );
            (format!("celery-task-meta-{id}").into_bytes(), value.into_bytes())
        };
        if self.pair == Pair::Plain {
            bare.add(&[b"MULTI"]);
            for (at, message) in messages.iter().enumerate() {
                bare.add(&[b"LREM", &self.held, b"-1", message]);
                if self.results {
                    let (key, value) = meta(at);
                    bare.add(&[b"SET", &key, &value, b"EX", TTL_S.as_bytes()]);
                    bare.add(&[b"PUBLISH", &key, &value]);
                }
            }
            bare.add(&[b"EXEC"]);
            return;
        }
        // One group of plain settlements, told by where it stands: the last of the list, all of it.
        bare.begin(18 + messages.len() * if self.results { 2 } else { 0 });
        for word in
            [&b"EVALSHA"[..], &self.settle, b"1", &self.held, b"0", b"8000", b"60", b"60", b"60", b"0", b"", b"1"]
        {
            bare.word(word);
        }
        bare.word(&self.held);
        bare.word(messages.len().to_string().as_bytes());
        bare.word(if self.results { TTL_S.as_bytes() } else { b"" });
        bare.word(messages.len().to_string().as_bytes());
        bare.word(messages.last().map_or(&[][..], Vec::as_slice));
        bare.word(b"0");
        for at in (0..messages.len()).filter(|_| self.results) {
            let (key, value) = meta(at);
            bare.word(&key);
            bare.word(&value);
        }
    }
}

/// All of a batch were settled.
fn expect_done(reply: Option<Reply>, count: usize) -> Outcome<()> {
    if let Some(Reply::Array(parts)) = reply
        && let Some(Reply::Array(groups)) = parts.into_iter().next()
        && matches!(groups.as_slice(), [Reply::Number(done)] if usize::try_from(*done) == Ok(count))
    {
        return Ok(());
    }
    Err("the settle script did not settle: its arguments have changed".into())
}
