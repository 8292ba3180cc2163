//! Recordings: begun, ended, listed, downloaded, deleted. Whoever has the token may do all of it.

use super::answer::Failure;
use super::{Control, Target};
use crate::recordings::index::Recording;
use crate::recordings::{NotDeleted, Shelf};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use plenum_focus::output::Command;
use plenum_focus::recording::RecordOrder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

type Server = State<Arc<Control>>;

/// `…/record/start`, `pause`, `stop`.
pub(super) async fn order(
    State(control): Server,
    Path(path): Path<BTreeMap<String, String>>,
    target: Target,
) -> Result<StatusCode, Failure> {
    let order = match path.get("order").map(String::as_str) {
        Some("start") => RecordOrder::Start,
        Some("pause") => RecordOrder::Pause,
        Some("stop") => RecordOrder::Stop,
        Some(_) | None => return Err(Failure::NO_PATH),
    };
    let done = control
        .directory
        .command(&target.name, Command::Record(order));
    done.await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list(State(control): Server) -> Json<Vec<Recording>> {
    let shelf = control.recordings.as_deref();
    Json(shelf.map(Shelf::list).unwrap_or_default())
}

pub(super) async fn show(
    State(control): Server,
    Path(id): Path<String>,
) -> Result<Json<Recording>, Failure> {
    let found = shelf(&control)?.find(&id);
    found.map(Json).ok_or(Failure::NO_RECORDING)
}

pub(super) async fn delete(
    State(control): Server,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    let shelf = Arc::clone(shelf(&control)?);
    let deleted = tokio::task::spawn_blocking(move || shelf.delete(&id)).await;
    match deleted {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT),
        Ok(Err(NotDeleted::Unknown)) => Err(Failure::NO_RECORDING),
        Ok(Err(error @ NotDeleted::Running)) => {
            Err(Failure::new(StatusCode::CONFLICT, error.to_string()))
        }
        Ok(Err(error @ NotDeleted::Io(_))) => Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            error.to_string(),
        )),
        Err(error) => Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            error.to_string(),
        )),
    }
}

/// A file, as far as it is written now.
pub(super) async fn download(
    State(control): Server,
    Path((id, number)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let number: Option<usize> = number.parse().ok();
    let number = number.and_then(|number| number.checked_sub(1));
    let path = number.and_then(|number| shelf(&control).ok()?.file(&id, number));
    let path = path.ok_or(Failure::NO_RECORDING)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let kind = if name.ends_with(".webm") {
        "video/webm"
    } else {
        "audio/x-matroska"
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    let opened = tokio::task::spawn_blocking(move || File::open(path)).await;
    let file = opened
        .ok()
        .and_then(Result::ok)
        .ok_or(Failure::NO_RECORDING)?;
    let chunks = stream::try_unfold(file, |file| async {
        let read = tokio::task::spawn_blocking(move || chunk(file)).await;
        read.map_err(io::Error::other).flatten()
    });
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// The next piece of a file, and the rest; `None` at its end.
fn chunk(mut file: File) -> io::Result<Option<(Bytes, File)>> {
    let mut piece = vec![0; CHUNK];
    let read = file.read(&mut piece)?;
    piece.truncate(read);
    Ok((read > 0).then(|| (Bytes::from(piece), file)))
}

fn shelf(control: &Control) -> Result<&Arc<Shelf>, Failure> {
    control.recordings.as_ref().ok_or(Failure::NO_PLACE)
}

/// Octets read from a file at a time.
const CHUNK: usize = 65_536;
