//! Connections and requests of the public side of HTTP.

use super::sentry::{Evidence, Offence};
use super::watch::Watch;
use crate::http::server::Ends;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// Marks an answer that says in a friendly way that there is nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeadsNowhere;

/// A place for a connection; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    watch: Watch,
    source: IpAddr,
}

impl Place {
    /// A place for a connection from this address; `None`: it is to be closed.
    pub(crate) fn take(watch: &Watch, source: IpAddr) -> Option<Self> {
        let watch = watch.clone();
        watch.connect(source).then_some(Self { watch, source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.watch.disconnect(self.source);
    }
}

/// The router, watched.
pub(crate) fn watched(router: Router, watch: Watch) -> Router {
    router.layer(from_fn_with_state(watch, look))
}

async fn look(State(watch): State<Watch>, request: Request, next: Next) -> Response {
    let ends = request.extensions().get::<Ends>();
    let Some(remote) = ends.map(|ends| ends.remote.ip()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let source = watch.visitor(remote, request.headers());
    if watch.is_banned(source) {
        let close = [(header::CONNECTION, "close")];
        return (StatusCode::FORBIDDEN, close).into_response();
    }
    if !watch.request(source) {
        let later = [(header::RETRY_AFTER, "5"), (header::CONNECTION, "close")];
        return (StatusCode::TOO_MANY_REQUESTS, later).into_response();
    }
    let mut response = next.run(request).await;
    let nowhere = response.extensions_mut().remove::<LeadsNowhere>().is_some();
    let refused = [
        StatusCode::NOT_FOUND,
        StatusCode::BAD_REQUEST,
        StatusCode::FORBIDDEN,
        StatusCode::METHOD_NOT_ALLOWED,
    ];
    if nowhere || refused.contains(&response.status()) {
        watch.offence(source, Offence::Probe, Evidence::Proven);
    }
    response
}
