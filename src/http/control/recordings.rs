//! Recordings: begun, ended, listed, downloaded, deleted. Whoever has the token may do all of it.

use super::answer::Failure;
use super::range::{self, Wanted};
use super::{Control, Target};
use crate::recordings::index::Recording;
use crate::recordings::{NotDeleted, Shelf};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use futures_util::stream;
use plenum_focus::output::Command;
use plenum_focus::recording::RecordOrder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
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

/// A file, as far as it is written now, or a part of it (RFC 9110 §14).
pub(super) async fn download(
    State(control): Server,
    Path((id, number)): Path<(String, String)>,
    asked: HeaderMap,
) -> Result<Response, Failure> {
    let number: Option<usize> = number.parse().ok();
    let number = number.and_then(|number| number.checked_sub(1));
    let path = number.and_then(|number| shelf(&control).ok()?.file(&id, number));
    let path = path.ok_or(Failure::NO_RECORDING)?;
    let over = shelf(&control)?
        .find(&id)
        .is_some_and(|it| it.state.is_over());
    let opened = tokio::task::spawn_blocking(move || open(&path).map(|file| (file, path))).await;
    let opened = opened.ok().and_then(Result::ok);
    let ((file, length), path) = opened.ok_or(Failure::NO_RECORDING)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let kind = if name.ends_with(".webm") {
        "video/webm"
    } else {
        "audio/x-matroska"
    };
    // Names are not given twice, and what is over does not change.
    let tag = over.then(|| format!("\"{name}-{length}\""));
    let field = |name: HeaderName| asked.get(name).and_then(|value| value.to_str().ok());
    let (range, if_range) = (field(header::RANGE), field(header::IF_RANGE));
    let (status, part) = match range::wanted(range, if_range, tag.as_deref(), length) {
        Wanted::Whole => (StatusCode::OK, 0..length),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Nothing => return Ok(unsatisfied(length)),
    };
    let mut headers = vec![
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_LENGTH, (part.end - part.start).to_string()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    headers.extend(tag.map(|tag| (header::ETAG, tag)));
    if status == StatusCode::PARTIAL_CONTENT {
        let said = format!("bytes {}-{}/{length}", part.start, part.end - 1);
        headers.push((header::CONTENT_RANGE, said));
    }
    let chunks = stream::try_unfold((file, part), |(file, part)| async {
        let read = tokio::task::spawn_blocking(move || chunk(file, part)).await;
        read.map_err(io::Error::other).flatten()
    });
    let headers = AppendHeaders(headers);
    Ok((status, headers, Body::from_stream(chunks)).into_response())
}

/// RFC 9110 §15.5.17.
fn unsatisfied(length: u64) -> Response {
    let said = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
    let failure = Failure::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "the file has no such octets",
    );
    (said, failure).into_response()
}

/// A file, and how long it is now.
fn open(path: &std::path::Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

/// What is read, and what is to be read after it.
type Piece = (Bytes, (File, Range<u64>));

/// The next piece of a part of a file, and the rest; `None` at its end.
fn chunk(file: File, part: Range<u64>) -> io::Result<Option<Piece>> {
    let left = usize::try_from(part.end.saturating_sub(part.start)).unwrap_or(CHUNK);
    if left == 0 {
        return Ok(None);
    }
    let mut piece = vec![0; left.min(CHUNK)];
    let read = file.read_at(&mut piece, part.start)?;
    if read == 0 {
        // It has become shorter; the length that was said cannot be kept.
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    piece.truncate(read);
    let start = part.start + u64::try_from(read).unwrap_or(0);
    Ok(Some((Bytes::from(piece), (file, start..part.end))))
}

fn shelf(control: &Control) -> Result<&Arc<Shelf>, Failure> {
    control.recordings.as_ref().ok_or(Failure::NO_PLACE)
}

/// Octets read from a file at a time.
const CHUNK: usize = 65_536;
