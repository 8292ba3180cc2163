//! Local control under `/v1`: what operators see and command, with the token.
//!
//! | path | what |
//! |---|---|
//! | `GET /v1/conferences` | the active conferences, then the configured ones that are not |
//! | `GET /v1/conferences/{name}` | one of them: users, endpoints, lobby, lock |
//! | `DELETE /v1/conferences/{name}` | ends it |
//! | `POST /v1/conferences/{name}/calls` | calls `{"to": "sip:…"}` into it |
//! | `DELETE /v1/conferences/{name}/participants/{endpoint}` | removes an endpoint |
//! | `POST …/participants/{endpoint}/mute`, `/unmute` | what the conference hears of it |
//! | `POST …/participants/{endpoint}/layout`, `POST /v1/conferences/{name}/layout` | `{"layout": "allEqual"}`, or nothing for the conference's own |
//! | `PUT /v1/conferences/{name}/floor` | `{"endpoint": 7}` gives it the floor of slides, whoever has it |
//! | `DELETE /v1/conferences/{name}/floor` | takes the floor of slides away from whoever has it |
//! | `DELETE /v1/conferences/{name}/users/{user}` | removes a user with all endpoints |
//! | `POST /v1/conferences/{name}/users/{user}/role` | `{"role": "presenter"}` or `"attendee"` |
//! | `POST /v1/conferences/{name}/mute-all`, `/unmute-all` | of everybody but presenters |
//! | `POST /v1/conferences/{name}/lock`, `/unlock` | whether anybody new gets in |
//! | `POST /v1/conferences/{name}/admit`, `/deny` | who waits: all, or `{"user": 3}` |
//! | `POST /v1/conferences/{name}/record/start`, `…/pause`, `…/stop` | its recording; `start` goes on after a pause |
//! | `GET /v1/recordings` | the recordings there are: see the module `recordings` |
//! | `GET /v1/recordings/{id}` | one of them |
//! | `GET /v1/recordings/{id}/{number}` | its file of this number, the first is 1 |
//! | `DELETE /v1/recordings/{id}` | deletes one that has ended |
//! | `GET /v1/templates` | layouts of somebody's own, from the configuration and made |
//! | `PUT /v1/templates/{name}` | makes one: `{"panes": [[x, y, width, height], …]}` |
//! | `DELETE /v1/templates/{name}` | deletes one that was made |
//! | `GET /v1/trunks` | the trunks: registration, servers, calls, what is wrong |
//! | `GET /v1/bans` | who is shut out: see the module `abuse` |
//! | `POST /v1/bans` | bans `{"source": "192.0.2.7", "seconds": 3600}` |
//! | `DELETE /v1/bans/{address}` | ends a ban |
//! | `GET /v1/events` | server-sent events: see the module `events` |
//!
//! A command is answered when it was carried out: 204, for a call 200. Every failure has a body
//! `{"error": "…"}` in words. A name in a path is percent-encoded.

mod answer;
mod bans;
mod commands;
mod events;
mod pictures;
mod range;
mod recordings;
mod templates;
pub mod view;

use super::token::Token;
use crate::abuse::Watch;
use crate::feed::Feed;
use crate::recordings::Shelf as Recordings;
use crate::templates::Shelf;
use crate::trunk::view::Shown;
use answer::Failure;
use axum::Router;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use plenum_focus::record::ConferenceName;
use plenum_focus::roster::UserId;
use plenum_focus::shell::{Directory, Snapshot};
use plenum_mcu::control::EndpointId;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// What local control shows and commands.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) token: Token,
    pub(crate) directory: Directory,
    pub(crate) feed: Arc<Feed>,
    pub(crate) trunks: Shown,
    pub(crate) recordings: Option<Arc<Recordings>>,
    pub(crate) watch: Watch,
    pub(crate) templates: Arc<Shelf>,
    /// Places for readers of events.
    pub(crate) readers: Arc<Semaphore>,
    /// Ends with the server.
    pub(crate) readiness: watch::Receiver<bool>,
}

/// Everything at `/v1`.
pub(crate) fn router(control: Control) -> Router {
    let control = Arc::new(control);
    let guard = from_fn_with_state(Arc::clone(&control), guarded);
    let conference = Router::new()
        .route("/", get(commands::show).delete(commands::end))
        .route("/calls", post(commands::call))
        .route("/participants/{endpoint}", delete(commands::kick))
        .route("/participants/{endpoint}/mute", post(commands::mute))
        .route("/participants/{endpoint}/unmute", post(commands::unmute))
        .route("/participants/{endpoint}/layout", post(commands::layout))
        .route("/participants/{endpoint}/looks", post(pictures::looks))
        .route("/participants/{endpoint}/view", put(pictures::view))
        .route("/layout", post(commands::layout_of_all))
        .route("/placement", put(pictures::placement))
        .route("/seats", put(pictures::seats))
        .route(
            "/floor",
            put(commands::give_floor).delete(commands::revoke_floor),
        )
        .route("/users/{user}", delete(commands::remove))
        .route("/users/{user}/role", post(commands::role))
        .route("/mute-all", post(commands::mute_all))
        .route("/unmute-all", post(commands::unmute_all))
        .route("/record/{order}", post(recordings::order))
        .route("/lock", post(commands::lock))
        .route("/unlock", post(commands::unlock))
        .route("/admit", post(commands::admit))
        .route("/deny", post(commands::deny));
    let v1 = Router::new()
        .route("/conferences", get(commands::list))
        .nest("/conferences/{name}", conference)
        .route("/events", get(events::stream))
        .route("/trunks", get(commands::trunks))
        .route("/recordings", get(recordings::list))
        .route(
            "/recordings/{recording}",
            get(recordings::show).delete(recordings::delete),
        )
        .route("/recordings/{recording}/{file}", get(recordings::download))
        .route("/templates", get(templates::list))
        .route(
            "/templates/{template}",
            put(templates::put).delete(templates::delete),
        )
        .route("/bans", get(bans::list).post(bans::ban))
        .route("/bans/{source}", delete(bans::lift))
        .method_not_allowed_fallback(|| async { Failure::METHOD })
        .fallback(|| async { Failure::NO_PATH })
        .with_state(control)
        .layer(guard);
    Router::new().nest("/v1", v1)
}

/// Nothing is told to who does not have the token, not even which paths there are.
async fn guarded(State(control): State<Arc<Control>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION);
    if given.is_some_and(|value| control.token.is_authorization(value.as_bytes())) {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (challenge, Failure::TOKEN).into_response()
}

/// The conference in a path, and the endpoint or user where it names one.
#[derive(Debug)]
struct Target {
    name: ConferenceName,
    endpoint: EndpointId,
    user: UserId,
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<BTreeMap<String, String>>::from_request_parts(parts, state).await;
        let Path(path) = path
            .map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "the path is not readable text"))?;
        let name = path
            .get("name")
            .and_then(|name| ConferenceName::new(name, NAME_BYTES));
        let name = name.ok_or(Failure::NO_CONFERENCE)?;
        let endpoint = match path.get("endpoint").map(|digits| digits.parse()) {
            None => EndpointId(0),
            Some(Ok(number)) => EndpointId(number),
            Some(Err(_)) => return Err(Failure::NO_ENDPOINT),
        };
        let user = match path.get("user").map(|digits| digits.parse()) {
            None => UserId(0),
            Some(Ok(number)) => UserId(number),
            Some(Err(_)) => return Err(Failure::NO_USER),
        };
        Ok(Self {
            name,
            endpoint,
            user,
        })
    }
}

impl Control {
    async fn inspect(&self, name: &ConferenceName) -> Result<Snapshot, Failure> {
        match self.directory.inspect(name).await {
            Some(snapshot) => Ok(snapshot),
            None if self.directory.active().contains(name) => Err(Failure::BUSY),
            None => Err(Failure::NO_CONFERENCE),
        }
    }
}

/// No conference has a longer name.
const NAME_BYTES: usize = 128;

#[cfg(test)]
mod tests;
