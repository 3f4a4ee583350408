//! One connection through the proxy. Whole commands go one way and whole replies the other, so that what is to happen to one
//! happens to that one, however many are under way and however they are cut up on the way.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch::Receiver;

use super::{Fault, Faults, Hangs};
use crate::resp::{Asked, value};

/// Room for what is read at once, nearly always.
const ROOM: usize = 64 * 1024;

/// What happens to all connections that there are.
pub(super) struct Ends {
    cuts: Receiver<u64>,
    holes: Receiver<u64>,
    halves: Receiver<u64>,
}

impl Ends {
    /// From now on.
    pub(super) fn of(faults: &Faults) -> Self {
        let [cuts, holes, halves] = [&faults.cuts, &faults.holes, &faults.halves].map(|end| end.subscribe());
        Self { cuts, holes, halves }
    }
}

pub(super) async fn serve(client: TcpStream, server: String, mut ends: Ends, faults: Arc<Faults>) {
    if *faults.refusing.borrow() {
        return;
    }
    let Ok(upstream) = TcpStream::connect(&server).await else { return };
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = upstream.into_split();
    let asked = Asked::default();
    let is_hole = tokio::select! {
        () = requests(&mut from_client, &mut to_server, &faults, &asked) => false,
        () = replies(&mut from_server, &mut to_client, &faults, &asked, &mut ends.halves) => false,
        _ = ends.cuts.changed() => false,
        _ = ends.holes.changed() => true,
    };
    asked.unanswered().for_each(|hangs| faults.spares(hangs));
    if is_hole {
        // The server's end is gone, the client's stays open.
        drop((from_server, to_server));
        pending().await
    }
}

async fn requests(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, faults: &Faults, asked: &Asked<Hangs>) {
    let mut buffer = Vec::with_capacity(ROOM);
    while let Ok(1..) = from.read_buf(&mut buffer).await {
        speaking(faults).await;
        let (before, fault) = commands(&buffer, faults, asked);
        if to.write_all(&buffer[..before]).await.is_err() {
            return;
        }
        if let Some(fault) = fault {
            return hold_up(fault, &buffer[before..], to, faults).await;
        }
        buffer.drain(..before);
    }
}

/// Asks for the whole commands at the beginning of `bytes`. How far they go as they are, and what happens to the next.
fn commands(bytes: &[u8], faults: &Faults, asked: &Asked<Hangs>) -> (usize, Option<Fault>) {
    let mut at = 0;
    while let Some(length) = value(&bytes[at..]) {
        let command = &bytes[at..at + length];
        let (fault, hangs) = faults.meets(command);
        asked.ask(command, hangs);
        if fault.is_some() {
            return (at, fault);
        }
        at += length;
    }
    (at, None)
}

/// What happens to a request, and to all that comes after it.
async fn hold_up(fault: Fault, request: &[u8], to: &mut OwnedWriteHalf, faults: &Faults) {
    faults.happened.fetch_add(1, Ordering::SeqCst);
    let bytes = match fault {
        Fault::CutRequest(bytes) => bytes.min(request.len()),
        Fault::SwallowRequest => 0,
        _ => request.len(),
    };
    if fault == Fault::Late {
        let _ = faults.released.subscribe().wait_for(|released| *released).await;
    }
    let _ = to.write_all(&request[..bytes]).await;
    if fault == Fault::CloseTowardsServer {
        let _ = to.shutdown().await;
    }
    // Of a late one the client has gone; the reply is waited for all the same.
    if !matches!(fault, Fault::CutRequest(_)) {
        pending().await
    }
}

async fn replies(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    faults: &Faults,
    asked: &Asked<Hangs>,
    halves: &mut Receiver<u64>,
) {
    let mut buffer = Vec::with_capacity(ROOM);
    loop {
        let read = tokio::select! {
            read = from.read_buf(&mut buffer) => read,
            _ = halves.changed() => {
                let _ = to.shutdown().await;
                return pending().await;
            }
        };
        if !matches!(read, Ok(1..)) || !hand_on(&mut buffer, to, faults, asked).await {
            return;
        }
    }
}

/// Passes on the whole replies at the beginning of `buffer`; whether the connection goes on.
async fn hand_on(buffer: &mut Vec<u8>, to: &mut OwnedWriteHalf, faults: &Faults, asked: &Asked<Hangs>) -> bool {
    loop {
        let (before, next) = whole_replies(buffer, faults, asked);
        if pass(&buffer[..before], to, faults).await.is_err() {
            return false;
        }
        let Some((length, fault)) = next else {
            buffer.drain(..before);
            return true;
        };
        if !befall(fault, &buffer[before..before + length], to, faults).await {
            return false;
        }
        buffer.drain(..before + length);
    }
}

/// How far the whole replies at the beginning of `bytes` go as they are, how long the next is, and what happens to it.
fn whole_replies(bytes: &[u8], faults: &Faults, asked: &Asked<Hangs>) -> (usize, Option<(usize, Fault)>) {
    let mut at = 0;
    while let Some(length) = value(&bytes[at..]) {
        if let Some(fault) = faults.strikes(asked.answered(&bytes[at..at + length])) {
            return (at, Some((length, fault)));
        }
        at += length;
    }
    (at, None)
}

async fn pass(replies: &[u8], to: &mut OwnedWriteHalf, faults: &Faults) -> io::Result<()> {
    if replies.is_empty() {
        return Ok(());
    }
    speaking(faults).await;
    tokio::time::sleep(Duration::from_millis(faults.delay_ms.load(Ordering::SeqCst))).await;
    to.write_all(replies).await
}

/// What happens to a reply; whether the connection goes on.
async fn befall(fault: Fault, reply: &[u8], to: &mut OwnedWriteHalf, faults: &Faults) -> bool {
    if fault == Fault::Late {
        // Its request was counted.
        faults.late.send_modify(|late| *late += 1);
        return false;
    }
    faults.happened.fetch_add(1, Ordering::SeqCst);
    match fault {
        Fault::CutReply(bytes) => {
            let _ = to.write_all(&reply[..bytes.min(reply.len())]).await;
            false
        }
        Fault::Drip(pause) => drip(reply, pause, to).await.is_ok(),
        Fault::CloseTowardsClient => {
            let _ = to.shutdown().await;
            pending().await
        }
        _ => pending().await,
    }
}

async fn drip(reply: &[u8], pause: Duration, to: &mut OwnedWriteHalf) -> io::Result<()> {
    for byte in reply {
        tokio::time::sleep(pause).await;
        to.write_all(std::slice::from_ref(byte)).await?;
    }
    Ok(())
}

async fn speaking(faults: &Faults) {
    let mut silent = faults.silent.subscribe();
    // The sender lives in `faults`, so this cannot fail.
    let _ = silent.wait_for(|silent| !silent).await;
}
