//! Who is shut out, and who is let in again.

use super::Control;
use super::answer::Failure;
use crate::abuse::source_of;
use crate::abuse::view::{Ban, Order};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

type Server = State<Arc<Control>>;

pub(super) async fn list(State(control): Server) -> Json<Vec<Ban>> {
    Json(control.watch.list())
}

pub(super) async fn ban(
    State(control): Server,
    order: Result<Json<Order>, JsonRejection>,
) -> Result<StatusCode, Failure> {
    let Json(order) = order.map_err(|error| Failure::new(error.status(), error.body_text()))?;
    let source = source_of(&order.source).ok_or(Failure::NO_ADDRESS)?;
    control
        .watch
        .ban(source, order.seconds.map(Duration::from_secs));
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn lift(
    State(control): Server,
    Path(source): Path<String>,
) -> Result<StatusCode, Failure> {
    let source = source_of(&source).ok_or(Failure::NO_ADDRESS)?;
    if control.watch.lift(source) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Failure::NO_BAN)
    }
}
