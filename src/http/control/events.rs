//! `GET /v1/events`: what happens in conferences, while it happens, as server-sent events (the
//! HTML standard's `text/event-stream`). `?conference=NAME` tells of one conference only.
//!
//! Each event has a name (`joined`, `left`, `talking`, …) and one line of JSON with at least
//! `conference` and `at`. Nobody waits for a reader: one that has fallen behind by more than
//! `limits.http_event_backlog` events gets `cut` and is disconnected, so that it knows to look at
//! the conference anew.

use super::Control;
use super::answer::Failure;
use crate::feed::Line;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use plenum_focus::record::ConferenceName;
use prometheus_client::metrics::counter::Counter;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// What a reader wants to hear of.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    conference: Option<String>,
}

pub(super) async fn stream(
    State(control): State<Arc<Control>>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Failure> {
    let only = match wanted.conference {
        None => None,
        Some(name) => {
            let name = ConferenceName::new(&name, super::NAME_BYTES);
            Some(name.ok_or(Failure::NO_CONFERENCE)?)
        }
    };
    let place = Arc::clone(&control.readers).try_acquire_owned();
    let reader = Reader {
        lines: control.feed.subscribe(),
        only,
        cut: control.feed.metrics.readers_cut.clone(),
        open: true,
        readiness: control.readiness.clone(),
        _place: place.map_err(|_| Failure::READERS)?,
    };
    let events = stream::unfold(reader, Reader::next);
    let events = Sse::new(events).keep_alive(KeepAlive::default());
    Ok(events.into_response())
}

struct Reader {
    lines: Receiver<Line>,
    only: Option<ConferenceName>,
    cut: Counter,
    open: bool,
    readiness: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        while self.open {
            let received = tokio::select! {
                received = self.lines.recv() => received,
                () = over(&mut self.readiness) => return None,
            };
            let event = match received {
                Ok(line) if self.only.is_some() && self.only != line.conference => continue,
                Ok(line) => Event::default().event(line.kind).data(&*line.data),
                Err(RecvError::Lagged(missed)) => {
                    self.cut.inc();
                    self.open = false;
                    let data = format!("{{\"missed\":{missed}}}");
                    Event::default().event("cut").data(data)
                }
                Err(RecvError::Closed) => return None,
            };
            return Some((Ok(event), self));
        }
        None
    }
}

/// Completes when the server ends; a drain alone does not end it.
async fn over(readiness: &mut watch::Receiver<bool>) {
    while readiness.changed().await.is_ok() {}
}
