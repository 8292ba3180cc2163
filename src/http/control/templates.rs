//! Layouts of somebody's own, and which layout is chosen by its name.

use super::Control;
use super::answer::Failure;
use super::view::{Choice as Words, Rectangles, TemplateView};
use crate::templates::Refused;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use plenum_focus::output::Choice;
use plenum_mcu::control::UnknownLayout;
use std::sync::Arc;

type Server = State<Arc<Control>>;

pub(super) async fn list(State(control): Server) -> Json<Vec<TemplateView>> {
    Json(control.templates.list())
}

pub(super) async fn put(
    State(control): Server,
    Path(name): Path<String>,
    body: Result<Json<Rectangles>, JsonRejection>,
) -> Result<StatusCode, Failure> {
    let Json(body) = body.map_err(|error| Failure::new(error.status(), error.body_text()))?;
    control.templates.put(&name, body.panes)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn delete(
    State(control): Server,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    control.templates.delete(&name)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The layout or template that a body names. Nothing, or `{}`: the conference's own.
pub(super) fn chosen(control: &Control, body: &[u8]) -> Result<Option<Choice>, Failure> {
    let bad = |text: String| Failure::new(StatusCode::BAD_REQUEST, text);
    if body.is_empty() {
        return Ok(None);
    }
    let words: Words = serde_json::from_slice(body).map_err(|error| {
        bad(format!(
            "expected nothing or {{\"layout\": \"NAME\"}}: {error}"
        ))
    })?;
    let Some(name) = words.layout else {
        return Ok(None);
    };
    match (name.parse(), control.templates.find(&name)) {
        (Ok(layout), _) => Ok(Some(Choice::Layout(layout))),
        (Err(_), Some(template)) => Ok(Some(Choice::Template(template))),
        (Err(unknown), None) => {
            let unknown: UnknownLayout = unknown;
            Err(bad(format!("{unknown}; nor is there such a template")))
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let status = match &refused {
            Refused::Name | Refused::Pane(_) | Refused::Template(_) => StatusCode::BAD_REQUEST,
            Refused::Configured => StatusCode::CONFLICT,
            Refused::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
            Refused::Unknown => StatusCode::NOT_FOUND,
        };
        Self::new(status, refused.to_string())
    }
}
