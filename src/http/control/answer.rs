//! What local control answers when it cannot do as it was told.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use plenum_focus::output::CommandError;
use plenum_focus::recording::NotRecorded;
use serde::Serialize;
use std::borrow::Cow;

/// A status, and why in words.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    status: StatusCode,
    error: Cow<'static, str>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
}

impl Failure {
    pub(super) const TOKEN: Self =
        Self::fixed(StatusCode::UNAUTHORIZED, "the token is missing or wrong");
    pub(super) const NO_PATH: Self = Self::fixed(StatusCode::NOT_FOUND, "there is no such path");
    pub(super) const METHOD: Self = Self::fixed(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path does not take this method",
    );
    pub(super) const NO_CONFERENCE: Self = Self::fixed(
        StatusCode::NOT_FOUND,
        "no conference of this name is active",
    );
    pub(super) const NO_ENDPOINT: Self = Self::fixed(
        StatusCode::NOT_FOUND,
        "there is no such endpoint in the conference",
    );
    pub(super) const NO_USER: Self = Self::fixed(
        StatusCode::NOT_FOUND,
        "there is no such user in the conference",
    );
    pub(super) const ROLE: Self = Self::fixed(
        StatusCode::BAD_REQUEST,
        "expected {\"role\": \"presenter\"} or {\"role\": \"attendee\"}",
    );
    pub(super) const NO_ADDRESS: Self = Self::fixed(
        StatusCode::BAD_REQUEST,
        "expected an address, or an IPv6 network of 64 bits",
    );
    pub(super) const NO_BAN: Self =
        Self::fixed(StatusCode::NOT_FOUND, "this address is not shut out");
    pub(super) const NO_RECORDING: Self =
        Self::fixed(StatusCode::NOT_FOUND, "there is no such recording");
    pub(super) const NO_PLACE: Self = Self::fixed(
        StatusCode::NOT_FOUND,
        "recordings have no place (recording.directory)",
    );
    pub(super) const BUSY: Self = Self::fixed(
        StatusCode::SERVICE_UNAVAILABLE,
        "the conference is too busy",
    );
    pub(super) const READERS: Self = Self::fixed(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many read events already (limits.http_event_readers)",
    );

    const fn fixed(status: StatusCode, error: &'static str) -> Self {
        Self {
            status,
            error: Cow::Borrowed(error),
        }
    }

    pub(super) fn new(status: StatusCode, error: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            error: error.into(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(Body { error: &self.error })).into_response()
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let status = match &error {
            CommandError::UnknownConference => return Self::NO_CONFERENCE,
            CommandError::BadUri(_) | CommandError::BadSeat(_) => StatusCode::BAD_REQUEST,
            CommandError::UnknownEndpoint | CommandError::UnknownUser => StatusCode::NOT_FOUND,
            CommandError::Recording(NotRecorded::Failed(_)) => StatusCode::SERVICE_UNAVAILABLE,
            CommandError::Recording(
                NotRecorded::Never | NotRecorded::Always | NotRecorded::Nobody | NotRecorded::Off,
            )
            | CommandError::NotWaiting
            | CommandError::NobodyPresents
            | CommandError::NoSlides
            | CommandError::Barred
            | CommandError::Ending => StatusCode::CONFLICT,
            CommandError::NotJoined(_) | CommandError::Mcu(_) => StatusCode::BAD_GATEWAY,
            CommandError::Refused(_) | CommandError::Busy => StatusCode::SERVICE_UNAVAILABLE,
            CommandError::Fault => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}
