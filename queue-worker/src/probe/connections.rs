//! The probe's connections: few at once and none for long, so that nobody who can reach its port uses up the worker's files.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// How long to rest when the system gives no connection.
const REST: Duration = Duration::from_millis(100);

/// What those who connect may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// So many connections are open at once; the oldest goes for the next.
    pub(super) most: usize,
    /// How long a request's header may take.
    pub(super) header: Duration,
    /// How long a connection lasts, which is for one request.
    pub(super) life: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { most: 64, header: Duration::from_secs(10), life: Duration::from_secs(30) }
    }
}

/// Answers whoever connects, for ever.
pub(super) async fn serve(listener: &TcpListener, routes: &Router, bounds: Bounds) -> ! {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(bounds.header).keep_alive(false);
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "the probe was given no connection");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        open.retain(|one| !one.is_finished());
        // Who waits in the listen backlog behind silent ones would get no answer in time.
        if open.len() >= bounds.most
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes.clone()));
        let served = tokio::spawn(async move {
            // A client that went away or was too slow is no matter of ours.
            let _ = tokio::time::timeout(bounds.life, served).await;
        });
        open.push_back(served.abort_handle());
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn server(bounds: Bounds) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/", get("well")).route("/never", get(std::future::pending::<&'static str>));
        tokio::spawn(async move { serve(&listener, &routes, bounds).await });
        address
    }

    /// What comes until the connection ends.
    async fn all_of(mut stream: TcpStream) -> String {
        let mut answer = Vec::new();
        // It may end in a reset.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it ends");
        String::from_utf8(answer).unwrap()
    }

    async fn ask(address: SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n").as_bytes()).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn the_oldest_go_for_those_who_come() {
        let address = server(Bounds { most: 4, header: LONG, life: LONG }).await;
        let mut silent = Vec::new();
        for _ in 0..20 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        assert!(all_of(ask(address, "/").await).await.ends_with("well"));
        for stream in silent.drain(..17) {
            assert_eq!(all_of(stream).await, "");
        }
        // The last three are as young as the one that asked.
        for mut stream in silent {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await.unwrap();
            assert!(all_of(stream).await.ends_with("well"));
        }
    }

    #[tokio::test]
    async fn who_sends_no_request_is_cut_off() {
        let address = server(Bounds { header: Duration::from_millis(50), life: LONG, ..Bounds::default() }).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
        assert!(!all_of(slow).await.contains("well"));
    }

    #[tokio::test]
    async fn no_connection_lasts() {
        let address = server(Bounds { header: LONG, life: Duration::from_millis(50), ..Bounds::default() }).await;
        assert_eq!(all_of(ask(address, "/never").await).await, "");
    }
}
