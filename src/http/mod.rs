//! Health, metrics, local control and joining by link over HTTP.
//!
//! | path | what |
//! |---|---|
//! | `GET /healthz` | 200 while the process lives |
//! | `GET /readyz` | 200 while new calls are taken, 503 during a drain |
//! | `GET /metrics` | Prometheus text format |
//! | `GET /v1/conferences` | the active conferences, with token |
//! | `POST /v1/conferences/{name}/calls` | call `{"to": "sip:…"}` into it, with token |
//! | `/meet/…` | joining by link: see the module `join` |
//!
//! [`server`] keeps the bounds.

pub(crate) mod join;
pub mod server;
pub mod token;

use crate::observe;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use plenum_focus::output::{Command, CommandError};
use plenum_focus::record::ConferenceName;
use plenum_focus::shell::Directory;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use token::Token;
use tokio::sync::watch;

/// What the HTTP interface shows and commands.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) registry: Registry,
    pub(crate) readiness: watch::Receiver<bool>,
    pub(crate) token: Token,
    pub(crate) directory: Directory,
    pub(crate) published: watch::Receiver<Arc<join::Published>>,
}

/// The body of a request to call somebody.
#[derive(Debug, Deserialize, Serialize)]
pub struct Call {
    /// The SIP URI to call.
    pub to: String,
}

/// An active conference.
#[derive(Debug, Deserialize, Serialize)]
pub struct Active {
    /// Its name.
    pub name: String,
    /// How many endpoints are in it.
    pub endpoints: usize,
    /// Whether it is locked.
    pub locked: bool,
}

/// Everything that is served.
pub(crate) fn router(api: Api) -> Router {
    let join = join::router(join::Join {
        published: api.published.clone(),
        directory: api.directory.clone(),
    });
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/conferences", get(conferences))
        .route("/v1/conferences/{name}/calls", post(call))
        .with_state(Arc::new(api))
        .merge(join)
}

async fn ready(State(api): State<Arc<Api>>) -> Response {
    if *api.readiness.borrow() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    }
}

async fn metrics(State(api): State<Arc<Api>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (
        [(header::CONTENT_TYPE, kind)],
        observe::render(&api.registry),
    )
        .into_response()
}

async fn conferences(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    if !may(&api, &headers) {
        return refused();
    }
    let mut all = Vec::new();
    for name in api.directory.active() {
        if let Some(conference) = api.directory.inspect(&name).await {
            all.push(Active {
                name: name.to_string(),
                endpoints: conference.endpoints.len(),
                locked: conference.locked,
            });
        }
    }
    axum::Json(all).into_response()
}

async fn call(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    axum::Json(call): axum::Json<Call>,
) -> Response {
    if !may(&api, &headers) {
        return refused();
    }
    let Some(name) = ConferenceName::new(&name, NAME_BYTES) else {
        return (StatusCode::NOT_FOUND, "not the name of a conference\n").into_response();
    };
    let command = Command::DialOut {
        uri: call.to,
        ringing: RINGING,
    };
    match api.directory.command(&name, command).await {
        Ok(()) => (StatusCode::OK, "joined\n").into_response(),
        Err(error) => (status(&error), format!("{error}\n")).into_response(),
    }
}

fn may(api: &Api, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION);
    given.is_some_and(|value| api.token.is_authorization(value.as_bytes()))
}

fn refused() -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (
        StatusCode::UNAUTHORIZED,
        challenge,
        "the token is missing or wrong\n",
    )
        .into_response()
}

fn status(error: &CommandError) -> StatusCode {
    match error {
        CommandError::BadUri(_) => StatusCode::BAD_REQUEST,
        CommandError::UnknownConference
        | CommandError::UnknownEndpoint
        | CommandError::UnknownUser => StatusCode::NOT_FOUND,
        CommandError::NotWaiting => StatusCode::CONFLICT,
        CommandError::NotJoined(_) => StatusCode::BAD_GATEWAY,
        CommandError::Refused(_)
        | CommandError::Mcu(_)
        | CommandError::Ending
        | CommandError::Busy
        | CommandError::Fault => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// How long somebody who is called from here may ring.
const RINGING: Duration = Duration::from_secs(60);
/// No conference has a longer name.
const NAME_BYTES: usize = 128;
