//! Connections to a server, as cheap as a socket allows.
//!
//! The usual client keeps a task for each connection, through which every request and every answer pass. Here whoever asks writes
//! into the socket itself, and one of those that wait reads for all (`socket`); what arrives is read by a parser that copies
//! each text once (`reply`). `open` dials and says who we are. TLS, and RESP3 where a URL asks for it, are left to the crate.

mod looking;
mod open;
mod reply;
mod socket;
mod stream;

use std::sync::Arc;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};

pub(super) use self::open::open;
use self::socket::Socket;
pub(super) use self::socket::TOO_MANY;
use crate::message::write_int;

/// One connection; clones share it. A command may be asked for while others are under way: answers come in order.
#[derive(Debug, Clone)]
pub(super) struct Connection(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// Ours.
    Own { socket: Arc<Socket>, db: i64 },
    /// The crate's.
    Crate(MultiplexedConnection),
}

impl Connection {
    /// Whether it is known to be of no more use. One on which nothing is under way is looked at: a server that closed it has
    /// said so.
    pub(super) fn is_gone(&self) -> bool {
        match &self.0 {
            Kind::Own { socket, .. } => socket.is_gone(),
            Kind::Crate(_) => false,
        }
    }
}

impl Connection {
    /// `LPUSH list message`.
    pub(super) async fn push(&mut self, list: &str, message: &[u8]) -> RedisResult<()> {
        match &mut self.0 {
            Kind::Own { socket, .. } => {
                socket.ask_soon(packed_push(list, message)).await?.into_iter().try_for_each(fault)
            }
            Kind::Crate(connection) => redis::cmd("LPUSH").arg(list).arg(message).query_async(connection).await,
        }
    }
}

/// The whole request: what the crate would put together in a buffer of its own, and then copy.
fn packed_push(list: &str, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + list.len() + message.len());
    out.extend_from_slice(b"*3\r\n$5\r\nLPUSH\r\n");
    for text in [list.as_bytes(), message] {
        out.push(b'$');
        write_int(&mut out, text.len() as u64);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn fault(answer: Value) -> RedisResult<()> {
    answer.extract_error().map(drop)
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match &mut self.0 {
            Kind::Own { socket, .. } => Box::pin(one(socket, cmd)),
            Kind::Crate(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match &mut self.0 {
            Kind::Own { socket, .. } => Box::pin(several(socket, pipeline, offset, count)),
            Kind::Crate(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match &self.0 {
            Kind::Own { db, .. } => *db,
            Kind::Crate(connection) => connection.get_db(),
        }
    }
}

async fn one(socket: &Socket, cmd: &Cmd) -> RedisResult<Value> {
    let answers = socket.ask(cmd.get_packed_command(), 1).await?;
    Ok(answers.into_iter().next().unwrap_or(Value::Nil))
}

/// The answers to a pipeline but the first `offset`, which a transaction gives before what it did. One of those that is an error
/// is why the transaction was not begun, and its end may be refused itself.
async fn several(socket: &Socket, pipeline: &Pipeline, offset: usize, count: usize) -> RedisResult<Vec<Value>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut answers = socket.ask(pipeline.get_packed_pipeline(), offset + count).await?.into_iter();
    for before in answers.by_ref().take(offset) {
        before.extract_error()?;
    }
    if offset > 0 {
        return answers
            .map(|done| if let Value::ServerError(error) = done { Err(error.into()) } else { Ok(done) })
            .collect();
    }
    Ok(answers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_what_the_crate_would_send() {
        for message in [&b""[..], b"{}", b"\r\n\0\xff", &[b'x'; 100_000]] {
            let theirs = redis::cmd("LPUSH").arg("list:\u{e9}").arg(message).get_packed_command();
            assert_eq!(packed_push("list:\u{e9}", message), theirs);
        }
    }
}
