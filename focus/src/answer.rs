//! Answers with the header fields that make them useful (RFC 3261 §20.33, §20.43).

use crate::refusal::Refusal;
use plenum_sip::endpoint::Answer;
use plenum_sip::msg::{HeaderName, StatusCode, Text};

/// The answer to what is refused. `agent` is who warns.
pub(crate) fn refuse(refusal: &Refusal, agent: &str) -> Answer {
    let mut answer = Answer::new(refusal.status());
    answer
        .headers
        .push(HeaderName::Warning, refusal.warning(agent));
    if let Some(after) = refusal.retry_after() {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        answer
            .headers
            .push(HeaderName::RetryAfter, seconds.max(1).to_string());
    }
    if let Refusal::Key(challenge) = refusal {
        answer
            .headers
            .push(HeaderName::WwwAuthenticate, challenge.clone());
    }
    if refusal == &Refusal::UnsupportedMedia {
        answer.headers.push(HeaderName::Accept, ACCEPT);
    }
    answer
}

/// A status with a warning in words.
pub(crate) fn warn(status: StatusCode, agent: &str, text: &str) -> Answer {
    let mut answer = Answer::new(status);
    answer
        .headers
        .push(HeaderName::Warning, format!("399 {agent} \"{text}\""));
    answer
}

/// What bodies are understood: in INVITE, re-INVITE and UPDATE.
pub(crate) const ACCEPT: Text = Text::from_static("application/sdp, application/cccp+xml");

/// What bodies are understood in INFO.
pub(crate) const ACCEPT_INFO: Text =
    Text::from_static("application/dtmf-relay, application/dtmf, application/media_control+xml");
