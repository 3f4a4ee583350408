//! The probe: `/live`, `/ready` and `/metrics` over HTTP, for orchestrators and Prometheus.
//!
//! It answers from a thread and a runtime of its own, so that it also answers when the bodies of tasks block the worker's.
//! What it says comes from what the parts of the worker note anyway; only the queues' depths are asked of the store, when
//! somebody wants them. Nothing that happens here can end the worker.

mod connections;
mod depths;
mod metrics;
mod verdict;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::connections::Bounds;
use self::depths::Depths;
use self::verdict::{Facts, Verdict};
use crate::engine::Engine;
use crate::error::WorkerError;

/// A probe that answers until it is dropped or closed.
pub(crate) struct Probe {
    address: SocketAddr,
    board: Arc<Board>,
    stop: DropGuard,
    stopped: CancellationToken,
}

/// What the probe reads from.
#[derive(Default)]
struct Board {
    /// Empty while the worker starts.
    engine: OnceLock<Arc<Engine>>,
    depths: Depths,
}

impl Probe {
    /// Listens there, and answers from now on.
    ///
    /// # Errors
    ///
    /// [`WorkerError::ProbeHost`] when there is no such host, [`WorkerError::Probe`] when none of its addresses can be had,
    /// [`WorkerError::Io`] when the system gives no thread.
    pub(crate) async fn start(host_and_port: &str) -> Result<Self, WorkerError> {
        let (listener, bound) = listen(host_and_port).await?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped, board) = (CancellationToken::new(), CancellationToken::new(), Arc::new(Board::default()));
        let (ending, ended, shown) = (stop.clone(), stopped.clone().drop_guard(), Arc::clone(&board));
        std::thread::Builder::new().name("queue-probe".into()).spawn(move || {
            let _ended = ended;
            runtime.block_on(ending.run_until_cancelled(serve(listener, shown)));
        })?;
        tracing::info!(address = %bound, "the probe answers: /live, /ready, /metrics");
        Ok(Self { address: bound, board, stop: stop.drop_guard(), stopped })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it tells of this worker.
    pub(crate) fn show(&self, engine: &Arc<Engine>) {
        // Set once, at the start.
        let _ = self.board.engine.set(Arc::clone(engine));
    }

    /// Ends it; afterwards the address is free.
    pub(crate) async fn close(self) {
        drop(self.stop);
        self.stopped.cancelled().await;
    }
}

/// Listens on the first address that can be had.
async fn listen(host_and_port: &str) -> Result<(TcpListener, SocketAddr), WorkerError> {
    let unknown = |source| WorkerError::ProbeHost { given: host_and_port.to_owned(), source };
    let mut why = unknown(io::Error::from(io::ErrorKind::NotFound));
    for address in tokio::net::lookup_host(host_and_port).await.map_err(unknown)? {
        let bound = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            let bound = listener.local_addr()?;
            Ok((listener, bound))
        });
        match bound {
            Ok(bound) => return Ok(bound),
            Err(source) => why = WorkerError::Probe { address, source },
        }
    }
    Err(why)
}

async fn serve(listener: TcpListener, board: Arc<Board>) {
    let routes = Router::new()
        .route("/", get(index))
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(board);
    match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => connections::serve(&listener, &routes, Bounds::default()).await,
        Err(error) => tracing::error!(%error, "the probe ended; the worker goes on without it"),
    }
}

async fn index() -> &'static str {
    "queue worker\n/live     200 while its event loop turns\n/ready    200 while it takes jobs\n/metrics  for Prometheus\n"
}

async fn live(State(board): State<Arc<Board>>) -> Response {
    answer(&Facts::of(board.engine.get().map(|engine| &**engine)).live())
}

async fn ready(State(board): State<Arc<Board>>) -> Response {
    answer(&Facts::of(board.engine.get().map(|engine| &**engine)).ready())
}

fn answer(verdict: &Verdict) -> Response {
    let status = if verdict.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = format!("{}\n", serde_json::to_string(verdict).unwrap_or_default());
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics(State(board): State<Arc<Board>>) -> Response {
    let Some(engine) = board.engine.get() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the worker is starting\n").into_response();
    };
    let depths = board.depths.now(engine).await;
    match metrics::page(engine, depths) {
        Ok(page) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
