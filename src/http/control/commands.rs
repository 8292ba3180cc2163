//! One function for each path of local control.

use super::answer::Failure;
use super::templates::chosen;
use super::view::{Active, Call, Conference, Given, Promotion, Waiting};
use super::{Control, Target};
use crate::trunk::view::Trunk;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use plenum_focus::access::Role;
use plenum_focus::output::{Command, PictureCommand, Whom};
use plenum_focus::roster::UserId;
use plenum_mcu::control::EndpointId;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub(super) type Done = Result<StatusCode, Failure>;
pub(super) type Server = State<Arc<Control>>;

pub(super) async fn list(State(control): Server) -> Json<Vec<Active>> {
    let mut all = Vec::new();
    for name in control.directory.active() {
        // One that has ended in the meantime is not active.
        if let Some(snapshot) = control.directory.inspect(&name).await {
            all.push(Active::of(&snapshot));
        }
    }
    let active: BTreeSet<String> = all.iter().map(|one| one.name.clone()).collect();
    let configured = control.directory.configured();
    let inactive = configured.iter().map(|record| Active::inactive(record));
    all.extend(inactive.filter(|one| !active.contains(&one.name)));
    Json(all)
}

pub(super) async fn trunks(State(control): Server) -> Json<Vec<Trunk>> {
    let now = tokio::time::Instant::now().into_std();
    Json(control.trunks.list(now))
}

pub(super) async fn show(
    State(control): Server,
    target: Target,
) -> Result<Json<Conference>, Failure> {
    let snapshot = control.inspect(&target.name).await?;
    let now = tokio::time::Instant::now().into_std();
    Ok(Json(Conference::of(&snapshot, now)))
}

pub(super) async fn call(
    State(control): Server,
    target: Target,
    call: Result<Json<Call>, JsonRejection>,
) -> Result<Json<Call>, Failure> {
    let Json(call) = call.map_err(|error| Failure::new(error.status(), error.body_text()))?;
    let uri = call.to.clone();
    let ringing = RINGING;
    carry_out(&control, &target, Command::DialOut { uri, ringing }).await?;
    Ok(Json(call))
}

pub(super) async fn kick(State(control): Server, target: Target) -> Done {
    let endpoint = target.endpoint;
    carry_out(&control, &target, Command::Remove { endpoint }).await
}

pub(super) async fn remove(State(control): Server, target: Target) -> Done {
    let user = target.user;
    carry_out(&control, &target, Command::RemoveUser { user }).await
}

pub(super) async fn role(
    State(control): Server,
    target: Target,
    promotion: Result<Json<Promotion>, JsonRejection>,
) -> Done {
    let promotion = promotion.map_err(|error| Failure::new(error.status(), error.body_text()))?;
    let role = Role::from_token(&promotion.role).ok_or(Failure::ROLE)?;
    let user = target.user;
    carry_out(&control, &target, Command::SetRole { user, role }).await
}

pub(super) async fn layout(State(control): Server, target: Target, body: Bytes) -> Done {
    let (endpoint, choice) = (Some(target.endpoint), chosen(&control, &body)?);
    let command = PictureCommand::Layout { endpoint, choice };
    carry_out(&control, &target, Command::Pictures(command)).await
}

pub(super) async fn layout_of_all(State(control): Server, target: Target, body: Bytes) -> Done {
    let (endpoint, choice) = (None, chosen(&control, &body)?);
    let command = PictureCommand::Layout { endpoint, choice };
    carry_out(&control, &target, Command::Pictures(command)).await
}

pub(super) async fn revoke_floor(State(control): Server, target: Target) -> Done {
    carry_out(&control, &target, Command::RevokeFloor).await
}

pub(super) async fn give_floor(
    State(control): Server,
    target: Target,
    given: Result<Json<Given>, JsonRejection>,
) -> Done {
    let given = given.map_err(|error| Failure::new(error.status(), error.body_text()))?;
    let endpoint = EndpointId(given.endpoint);
    carry_out(&control, &target, Command::GiveFloor { endpoint }).await
}

pub(super) async fn mute(State(control): Server, target: Target) -> Done {
    set_muted(&control, &target, true).await
}

pub(super) async fn unmute(State(control): Server, target: Target) -> Done {
    set_muted(&control, &target, false).await
}

pub(super) async fn mute_all(State(control): Server, target: Target) -> Done {
    carry_out(&control, &target, Command::MuteAll(true)).await
}

pub(super) async fn unmute_all(State(control): Server, target: Target) -> Done {
    carry_out(&control, &target, Command::MuteAll(false)).await
}

pub(super) async fn lock(State(control): Server, target: Target) -> Done {
    carry_out(&control, &target, Command::Lock(true)).await
}

pub(super) async fn unlock(State(control): Server, target: Target) -> Done {
    carry_out(&control, &target, Command::Lock(false)).await
}

pub(super) async fn admit(State(control): Server, target: Target, body: Bytes) -> Done {
    carry_out(&control, &target, Command::Admit(whom(&body)?)).await
}

pub(super) async fn deny(State(control): Server, target: Target, body: Bytes) -> Done {
    carry_out(&control, &target, Command::Deny(whom(&body)?)).await
}

pub(super) async fn end(State(control): Server, target: Target) -> Done {
    carry_out(&control, &target, Command::End).await
}

/// A filter is set as a whole: what else was set for the endpoint stays.
async fn set_muted(control: &Control, target: &Target, muted: bool) -> Done {
    let snapshot = control.inspect(&target.name).await?;
    let mut endpoints = snapshot.endpoints.iter();
    let found = endpoints.find(|one| one.id == target.endpoint);
    let mut filter = found.ok_or(Failure::NO_ENDPOINT)?.filter;
    filter.muted = muted;
    let endpoint = target.endpoint;
    carry_out(control, target, Command::Filter { endpoint, filter }).await
}

/// Nothing, or `{}`: everybody.
fn whom(body: &[u8]) -> Result<Whom, Failure> {
    if body.is_empty() {
        return Ok(Whom::All);
    }
    let waiting: Waiting = serde_json::from_slice(body).map_err(|error| {
        let text = format!("expected nothing or {{\"user\": NUMBER}}: {error}");
        Failure::new(StatusCode::BAD_REQUEST, text)
    })?;
    let user = waiting.user.map(|user| Whom::User(UserId(user)));
    Ok(user.unwrap_or(Whom::All))
}

pub(super) async fn carry_out(control: &Control, target: &Target, command: Command) -> Done {
    control.directory.command(&target.name, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How long somebody who is called from here may ring.
const RINGING: Duration = Duration::from_secs(60);
