//! One HTTP request at a time: enough for an example to be its own customer.

use std::io;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Asks for `path` with `GET`.
///
/// # Errors
///
/// As [`post`].
pub async fn get(server: SocketAddr, path: &str) -> io::Result<(u16, Value)> {
    request(server, "GET", path, "").await
}

/// Sends `body` to `path` with `POST`; the answer's status and JSON (a text that is no JSON comes as a string).
///
/// # Errors
///
/// When the server cannot be reached or its answer is not HTTP.
pub async fn post(server: SocketAddr, path: &str, body: &Value) -> io::Result<(u16, Value)> {
    request(server, "POST", path, &body.to_string()).await
}

async fn request(server: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<(u16, Value)> {
    let mut socket = TcpStream::connect(server).await?;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n");
    let content = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    socket.write_all(format!("{head}{content}").as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, answer))
}

fn parse(answer: &str) -> Option<(u16, Value)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or_else(|_| Value::from(body))))
}
