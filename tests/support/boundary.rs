//! A TCP proxy that counts a worker's commands and stands still at one of them: before it goes to the server, or when the
//! server has done it and nobody has heard of it. Where it stands the test kills the worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::resp::{Asked, value};

/// On which side of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The command has not reached the server.
    Before,
    /// The server has done it; its reply has not been passed on.
    After,
}

/// Stands between one worker and its Redis server; all its connections end when it is dropped.
#[derive(Debug)]
pub struct Boundary {
    address: String,
    count: Arc<Count>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Count {
    /// At which command of all, from 1, and on which side of it.
    at: (usize, Side),
    commands: AtomicUsize,
    still: watch::Sender<bool>,
}

impl Boundary {
    /// A proxy in front of `server` (`host:port`) that stands still at the `nth` command.
    pub async fn start(server: String, nth: usize, side: Side) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let still = watch::Sender::new(false);
        let count = Arc::new(Count { at: (nth, side), commands: AtomicUsize::new(0), still });
        let shared = Arc::clone(&count);
        let accepting = tokio::spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                lines.spawn(serve(client, server.clone(), Arc::clone(&shared)));
            }
        });
        Self { address, count, accepting }
    }

    /// The URL of database 0 behind it.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Waits until it stands still.
    pub async fn reached(&self) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.count.still.subscribe().wait_for(|still| *still).await;
    }

    /// How many commands came so far.
    pub fn commands(&self) -> usize {
        self.count.commands.load(Ordering::SeqCst)
    }
}

impl Drop for Boundary {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Count {
    async fn stand_still(&self) -> ! {
        self.still.send_replace(true);
        std::future::pending().await
    }

    /// Goes on, unless another connection has come to the command.
    async fn go_on(&self) {
        if *self.still.borrow() {
            std::future::pending().await
        }
    }
}

async fn serve(client: TcpStream, server: String, count: Arc<Count>) {
    let Ok(upstream) = TcpStream::connect(&server).await else { return };
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = upstream.into_split();
    // To which command the reply must not be passed on.
    let asked = Asked::default();
    tokio::select! {
        () = requests(from_client, to_server, &count, &asked) => {}
        () = replies(from_server, to_client, &count, &asked) => {}
    }
}

/// Passes commands on, one by one.
async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: &Count, asked: &Asked<bool>) {
    let mut buffer = Vec::new();
    while let Ok(1..) = from.read_buf(&mut buffer).await {
        while let Some(length) = value(&buffer) {
            let number = count.commands.fetch_add(1, Ordering::SeqCst) + 1;
            if count.at == (number, Side::Before) {
                count.stand_still().await
            }
            count.go_on().await;
            let command: Vec<u8> = buffer.drain(..length).collect();
            asked.ask(&command, count.at == (number, Side::After));
            if to.write_all(&command).await.is_err() {
                return;
            }
        }
    }
}

/// Passes replies on, one by one.
async fn replies(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: &Count, asked: &Asked<bool>) {
    let mut buffer = Vec::new();
    while let Ok(1..) = from.read_buf(&mut buffer).await {
        while let Some(length) = value(&buffer) {
            let reply: Vec<u8> = buffer.drain(..length).collect();
            if asked.answered(&reply) {
                count.stand_still().await
            }
            count.go_on().await;
            if to.write_all(&reply).await.is_err() {
                return;
            }
        }
    }
}
