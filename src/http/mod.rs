//! Health, metrics, local control and joining by link over HTTP.
//!
//! | path | what |
//! |---|---|
//! | `GET /healthz` | 200 while the process lives |
//! | `GET /readyz` | 200 while new calls are taken, 503 during a drain |
//! | `GET /metrics` | Prometheus text format |
//! | `/v1/…` | local control, with token: see the module `control` |
//! | `/meet/…` | joining by link: see the module `join` |
//!
//! On the public side, over TLS, there is only `/meet/…`, and `/sip`, the WebSocket of browsers: see
//! the module `websocket`.
//!
//! [`server`] keeps the bounds.

pub mod control;
pub(crate) mod join;
pub mod server;
pub mod token;
pub(crate) mod websocket;

use crate::abuse::Watch;
use crate::feed::Feed;
use crate::observe;
use crate::recordings::Shelf;
use crate::trunk::view::Shown;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use control::Control;
use plenum_focus::shell::Directory;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use token::Token;
use tokio::sync::{Semaphore, watch};

/// What the HTTP interface shows and commands.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) registry: Registry,
    pub(crate) readiness: watch::Receiver<bool>,
    pub(crate) token: Token,
    pub(crate) directory: Directory,
    pub(crate) published: watch::Receiver<Arc<join::Published>>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) trunks: Shown,
    pub(crate) recordings: Option<Arc<Shelf>>,
    pub(crate) watch: Watch,
    /// Readers of live events at once.
    pub(crate) event_readers: usize,
    /// Layouts of somebody's own.
    pub(crate) templates: Arc<crate::templates::Shelf>,
}

/// What everybody may see.
#[derive(Debug)]
struct Health {
    registry: Registry,
    readiness: watch::Receiver<bool>,
    /// For gauges that fall by time alone.
    watch: Watch,
}

/// Everything that is served.
pub(crate) fn router(api: Api) -> Router {
    let join = join::router(join::Join {
        published: api.published,
        directory: api.directory.clone(),
    });
    let control = control::router(Control {
        token: api.token,
        directory: api.directory,
        feed: api.feed,
        trunks: api.trunks,
        recordings: api.recordings,
        watch: api.watch.clone(),
        templates: api.templates,
        readers: Arc::new(Semaphore::new(api.event_readers)),
        readiness: api.readiness.clone(),
    });
    let health = Health {
        registry: api.registry,
        readiness: api.readiness,
        watch: api.watch,
    };
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(health))
        .merge(control)
        .merge(join)
}

/// What the world may see.
pub(crate) fn public_router(join: join::Join, sockets: websocket::WebSockets) -> Router {
    join::router(join).merge(websocket::router(sockets))
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    if *health.readiness.borrow() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    }
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    health.watch.measure();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (
        [(header::CONTENT_TYPE, kind)],
        observe::render(&health.registry),
    )
        .into_response()
}
