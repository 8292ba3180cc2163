//! What happens in conferences, as lines of JSON: for whoever reads them live, and as conference
//! detail records.
//!
//! A line is written once, however many read it, and not at all when nobody does. Nobody waits:
//! a reader that is slow misses lines and is told so, records that cannot be kept are counted.

use crate::http::control::view::{joining_name, session_name};
use crate::records::{Metrics, Records};
use plenum_focus::detail::DetailRecord;
use plenum_focus::info::datetime::DateTime;
use plenum_focus::output::ConferenceEvent;
use plenum_focus::record::ConferenceName;
use plenum_focus::roster::UserId;
use plenum_focus::shell::EventSink;
use plenum_mcu::control::{ConferenceId, EndpointId, MediaFilter, Quality};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::broadcast::{self, Receiver, Sender};

/// An event, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Where it happened.
    pub(crate) conference: Option<ConferenceName>,
    /// What kind it is of, in one word.
    pub(crate) kind: &'static str,
    /// All of it: a JSON object.
    pub(crate) data: Arc<str>,
}

/// Passes events on to the next sink, to readers, and to the records.
#[derive(Debug)]
pub(crate) struct Feed {
    next: Arc<dyn EventSink>,
    names: Mutex<BTreeMap<ConferenceId, ConferenceName>>,
    lines: Sender<Line>,
    records: Option<Records>,
    pub(crate) metrics: Metrics,
}

impl Feed {
    /// In front of `next`; `backlog` lines are kept for readers that are slow.
    pub(crate) fn new(
        next: Arc<dyn EventSink>,
        backlog: usize,
        records: Option<Records>,
        metrics: Metrics,
    ) -> Self {
        let (lines, _) = broadcast::channel(backlog.max(1));
        Self {
            next,
            names: Mutex::default(),
            lines,
            records,
            metrics,
        }
    }

    /// Every line from now on.
    pub(crate) fn subscribe(&self) -> Receiver<Line> {
        self.lines.subscribe()
    }

    /// Waits until all records so far are in the file, `within` at most.
    pub(crate) async fn flush(&self, within: Duration) {
        if let Some(records) = &self.records {
            records.flush(within).await;
        }
    }

    fn tell(&self, name: Option<ConferenceName>, event: &ConferenceEvent) {
        if self.lines.receiver_count() == 0 {
            return;
        }
        let Some((kind, mut data)) = describe(event) else {
            return;
        };
        if let Value::Object(fields) = &mut data {
            fields.insert("at".to_owned(), date(now()).to_string().into());
            let name = name.as_ref().map(ConferenceName::as_str);
            fields.insert("conference".to_owned(), name.into());
        }
        let line = Line {
            conference: name,
            kind,
            data: data.to_string().into(),
        };
        // Readers may have gone in the meantime.
        drop(self.lines.send(line));
    }

    /// Each holder of the lock makes one change.
    fn names(&self) -> MutexGuard<'_, BTreeMap<ConferenceId, ConferenceName>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventSink for Feed {
    fn event(&self, conference: ConferenceId, event: &ConferenceEvent) {
        self.next.event(conference, event);
        if let ConferenceEvent::Activated { name } = event {
            self.names().insert(conference, name.clone());
        }
        let name = if let ConferenceEvent::Ended { .. } = event {
            self.names().remove(&conference)
        } else {
            self.names().get(&conference).cloned()
        };
        self.tell(name, event);
        if let (ConferenceEvent::Detail(detail), Some(records)) = (event, &self.records) {
            let mut line = record(detail, now()).to_string();
            line.push('\n');
            records.keep(&line);
        }
    }
}

/// The word for an event, and what is told of it; `None` for what is internal.
fn describe(event: &ConferenceEvent) -> Option<(&'static str, Value)> {
    Some(match event {
        ConferenceEvent::Activated { .. } => ("activated", json!({})),
        ConferenceEvent::Refused { source, refusal } => (
            "refused",
            json!({ "source": source, "reason": refusal.to_string() }),
        ),
        ConferenceEvent::Admitted {
            endpoint,
            user,
            aor,
            source,
            joining,
        } => (
            "admitted",
            json!({
                "endpoint": endpoint.0,
                "user": user.0,
                "aor": aor,
                "source": source,
                "joining": joining_name(*joining),
            }),
        ),
        ConferenceEvent::Waiting { endpoint, user } => ("waiting", whose(*endpoint, *user)),
        ConferenceEvent::Role { user, role } => {
            ("role", json!({ "user": user.0, "role": role.as_str() }))
        }
        ConferenceEvent::Joined { endpoint, user } => ("joined", whose(*endpoint, *user)),
        ConferenceEvent::Left {
            endpoint,
            user,
            aor,
            reason,
            stayed,
            ..
        } => (
            "left",
            json!({
                "endpoint": endpoint.0,
                "user": user.0,
                "aor": aor,
                "reason": reason.text(),
                "stayed_ms": milliseconds(*stayed),
            }),
        ),
        ConferenceEvent::Detail(detail) => ("detail", record(detail, now())),
        ConferenceEvent::Media { .. }
        | ConferenceEvent::Talking { .. }
        | ConferenceEvent::ActiveSpeaker { .. }
        | ConferenceEvent::Presenter { .. } => return describe_media(event),
        ConferenceEvent::Locked(locked) => ("locked", json!({ "locked": locked })),
        ConferenceEvent::Recording { state, reason } => (
            "recording",
            json!({ "state": state.as_str(), "reason": reason }),
        ),
        ConferenceEvent::WrongPin { endpoint, source } => (
            "wrong-pin",
            json!({ "endpoint": endpoint.0, "source": source }),
        ),
        ConferenceEvent::WrongNumber { endpoint, source } => (
            "wrong-number",
            json!({ "endpoint": endpoint.0, "source": source }),
        ),
        ConferenceEvent::DialOutFailed { uri, error } => (
            "dial-out-failed",
            json!({ "to": uri, "reason": error.to_string() }),
        ),
        ConferenceEvent::Ending => ("ending", json!({})),
        ConferenceEvent::Ended { fault } => ("ended", json!({ "fault": fault })),
        ConferenceEvent::PinSettled { .. } | ConferenceEvent::Completed { .. } => return None,
    })
}

/// The same for what concerns media; `None` for everything else.
fn describe_media(event: &ConferenceEvent) -> Option<(&'static str, Value)> {
    if let ConferenceEvent::Media {
        endpoint,
        filter: MediaFilter { muted, deaf, .. },
        on_hold,
    } = event
    {
        let media = json!({
            "endpoint": endpoint.0, "muted": muted, "deaf": deaf, "holds": on_hold,
        });
        return Some(("media", media));
    }
    if let ConferenceEvent::Talking { endpoint, talking } = event {
        let talk = json!({ "endpoint": endpoint.0, "talking": talking });
        return Some(("talking", talk));
    }
    if let ConferenceEvent::ActiveSpeaker { endpoint } = event {
        let endpoint = endpoint.map(|endpoint| endpoint.0);
        return Some(("speaker", json!({ "endpoint": endpoint })));
    }
    if let ConferenceEvent::Presenter { endpoint } = event {
        let endpoint = endpoint.map(|endpoint| endpoint.0);
        return Some(("presenter", json!({ "endpoint": endpoint })));
    }
    None
}

fn whose(endpoint: EndpointId, user: UserId) -> Value {
    json!({ "endpoint": endpoint.0, "user": user.0 })
}

/// A conference detail record, of somebody who has left so long after 1970.
fn record(detail: &DetailRecord, left: Duration) -> Value {
    let stay = detail.waited.saturating_add(detail.stayed);
    json!({
        "conference": detail.conference.as_str(),
        "conference_id": detail.conference_id,
        "endpoint": detail.endpoint.0,
        "user": detail.user.0,
        "entity": detail.entity,
        "aor": detail.aor,
        "display": detail.display,
        "role": detail.role.as_str(),
        "session": session_name(detail.session),
        "joining": joining_name(detail.joining),
        "source": detail.source,
        "arrived": date(left.saturating_sub(stay)).to_string(),
        "left": date(left).to_string(),
        "waited_ms": milliseconds(detail.waited),
        "stayed_ms": milliseconds(detail.stayed),
        "method": detail.reason.method().as_str(),
        "reason": detail.reason.text(),
        "quality": quality(&detail.quality),
    })
}

fn quality(quality: &Quality) -> Value {
    json!({
        "codec": quality.codec,
        "packets_received": quality.packets_received,
        "packets_sent": quality.packets_sent,
        "packets_lost": quality.packets_lost,
        "concealed": quality.concealed,
        "jitter_ms": milliseconds(quality.jitter),
        "delay_ms": milliseconds(quality.delay),
        "skew_ppm": quality.skew_ppm,
    })
}

fn milliseconds(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is a shell: records and events carry the time of day"
)]
fn now() -> Duration {
    // A clock before 1970 is not set; the epoch says so.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn date(since_1970: Duration) -> DateTime {
    DateTime::from_unix_seconds(since_1970.as_secs())
}

#[cfg(test)]
mod tests;
