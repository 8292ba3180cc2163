//! Why an endpoint left: one typed reason for the roster, the record and the BYE (RFC 4575 §5.7.3,
//! RFC 3326).

use crate::refusal::Refusal;
use plenum_sip::endpoint::EndCause;
use plenum_sip::msg::StatusCode;

/// Why an endpoint left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisconnectReason {
    /// The peer hung up, or pressed the keys for it.
    Departed,
    /// The caller gave up before the call was answered.
    Cancelled,
    /// Somebody with the right to removed it.
    Booted,
    /// Somebody with the right to sent it away from the lobby (CB-232).
    Denied,
    /// The same user called again.
    Replaced,
    /// The conference was ended.
    ConferenceEnded,
    /// The server is going down.
    Drained,
    /// The PIN was not known.
    WrongPin,
    /// No conference has the number that was keyed in at the entry.
    WrongNumber,
    /// No number was keyed in at the entry.
    NoNumber,
    /// It went on from the entry to a conference.
    WentOn,
    /// The conference was locked while the caller keyed in the PIN.
    LockedOut,
    /// The focus or its mixer refused.
    Refused(Refusal),
    /// The peer's SDP answer never came, or was useless.
    NoAnswerSdp,
    /// The peer's media stopped coming.
    MediaLost,
    /// The peer never acknowledged the call.
    NoAck,
    /// The session timer ran out.
    SessionExpired,
    /// The peer forgot the call.
    DialogGone,
    /// The one called could not be reached.
    Unreachable,
    /// Calling out was not allowed, or not possible; why, in words.
    NotPlaced(Box<str>),
    /// The one called is busy.
    Busy,
    /// The one called did not answer in time.
    NoAnswer,
    /// The one called refused with this status.
    Rejected(StatusCode),
    /// The server failed.
    Fault,
}

/// How a participant is told that somebody else ended their being there (MS-CONFBAS §3.8.5.1,
/// CB-190, CB-191, CB-198, CB-199, CB-232; trap 27).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The one word in `Subscription-State`.
    pub token: &'static str,
    /// The number of `ms-diagnostics-public`.
    pub number: u32,
    /// The words of the BYE and of the diagnostics.
    pub text: &'static str,
}

/// The values of `disconnection-method` (RFC 4575 §5.7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the schema's")]
pub enum DisconnectionMethod {
    Departed,
    Booted,
    Failed,
    Busy,
}

impl DisconnectionMethod {
    /// The word of the schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Departed => "departed",
            Self::Booted => "booted",
            Self::Failed => "failed",
            Self::Busy => "busy",
        }
    }
}

impl DisconnectReason {
    /// What it is called in a conference document.
    pub fn method(&self) -> DisconnectionMethod {
        match self {
            Self::Departed | Self::Cancelled | Self::WentOn => DisconnectionMethod::Departed,
            Self::Booted
            | Self::Denied
            | Self::Replaced
            | Self::ConferenceEnded
            | Self::Drained
            | Self::WrongPin
            | Self::WrongNumber
            | Self::NoNumber
            | Self::LockedOut => DisconnectionMethod::Booted,
            Self::Busy => DisconnectionMethod::Busy,
            Self::Refused(_)
            | Self::NoAnswerSdp
            | Self::MediaLost
            | Self::NoAck
            | Self::SessionExpired
            | Self::DialogGone
            | Self::Unreachable
            | Self::NotPlaced(_)
            | Self::NoAnswer
            | Self::Rejected(_)
            | Self::Fault => DisconnectionMethod::Failed,
        }
    }

    /// How participants are told of it, if the protocol has words for it.
    pub fn verdict(&self) -> Option<Verdict> {
        let (token, number, text) = match self {
            Self::Booted => ("ParticipantRemoved", 3118, "Participant Removed"),
            Self::Denied => ("ParticipantDenied", 3119, "Participant Denied"),
            Self::ConferenceEnded => (
                "ConferenceTerminated",
                3116,
                "Conference Terminated - Organizer Ended Session",
            ),
            Self::Departed
            | Self::Cancelled
            | Self::Replaced
            | Self::Drained
            | Self::WrongPin
            | Self::WrongNumber
            | Self::NoNumber
            | Self::WentOn
            | Self::LockedOut
            | Self::Refused(_)
            | Self::NoAnswerSdp
            | Self::MediaLost
            | Self::NoAck
            | Self::SessionExpired
            | Self::DialogGone
            | Self::Unreachable
            | Self::NotPlaced(_)
            | Self::Busy
            | Self::NoAnswer
            | Self::Rejected(_)
            | Self::Fault => return None,
        };
        Some(Verdict {
            token,
            number,
            text,
        })
    }

    /// In words.
    pub fn text(&self) -> String {
        match self {
            Self::Departed => "Left the conference".into(),
            Self::Cancelled => "Hung up before the answer".into(),
            Self::Booted => "Removed from the conference".into(),
            Self::Denied => "Not admitted to the conference".into(),
            Self::Replaced => "Replaced by a later call".into(),
            Self::ConferenceEnded => "The conference is over".into(),
            Self::Drained => "The server is going down".into(),
            Self::WrongPin => "Wrong PIN".into(),
            Self::WrongNumber => "No conference has this number".into(),
            Self::NoNumber => "No conference number was keyed in".into(),
            Self::WentOn => "Went on to a conference".into(),
            Self::LockedOut => "The conference is locked".into(),
            Self::Refused(refusal) => refusal.to_string(),
            Self::NoAnswerSdp => "No usable answer to the offer".into(),
            Self::MediaLost => "No media came".into(),
            Self::NoAck => "No ACK came".into(),
            Self::SessionExpired => "The session timer ran out".into(),
            Self::DialogGone => "The call is unknown to the other side".into(),
            Self::Unreachable => "Not reachable".into(),
            Self::NotPlaced(why) => why.to_string(),
            Self::Busy => "Busy".into(),
            Self::NoAnswer => "No answer".into(),
            Self::Rejected(status) => format!("Refused with {}", status.code()),
            Self::Fault => "A fault of the server".into(),
        }
    }

    /// The value of the `Reason` header field of our BYE or CANCEL (RFC 3326 §2).
    pub fn header(&self) -> String {
        let cause = match self {
            Self::Departed
            | Self::Cancelled
            | Self::Booted
            | Self::Replaced
            | Self::WentOn
            | Self::ConferenceEnded => 200,
            Self::Drained => 503,
            Self::Denied | Self::WrongPin | Self::LockedOut | Self::NotPlaced(_) => 403,
            Self::Refused(refusal) => refusal.status().code(),
            Self::WrongNumber => 404,
            Self::NoAnswerSdp => 488,
            Self::MediaLost
            | Self::NoAck
            | Self::NoNumber
            | Self::SessionExpired
            | Self::NoAnswer => 408,
            Self::DialogGone => 481,
            Self::Unreachable => 480,
            Self::Busy => 486,
            Self::Rejected(status) => status.code(),
            Self::Fault => 500,
        };
        let text: String = self
            .text()
            .chars()
            .map(|c| if c == '"' || c == '\\' { '\'' } else { c })
            .collect();
        format!("SIP;cause={cause};text=\"{text}\"")
    }

    /// Why a call ended, by what the SIP endpoint says.
    pub fn from_end(cause: &EndCause) -> Self {
        match cause {
            EndCause::Bye(_) | EndCause::Local => Self::Departed,
            EndCause::Cancelled => Self::Cancelled,
            EndCause::Rejected(status, _) => match status.code() {
                486 | 600 => Self::Busy,
                408 | 480 | 487 => Self::NoAnswer,
                _ => Self::Rejected(*status),
            },
            EndCause::NoAck => Self::NoAck,
            EndCause::Unreachable => Self::Unreachable,
            EndCause::SessionExpired => Self::SessionExpired,
            EndCause::DialogGone => Self::DialogGone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4575_5_7_3_each_reason_is_one_of_four() {
        let rejected = |code| {
            let status = StatusCode::new(code).unwrap();
            DisconnectReason::from_end(&EndCause::Rejected(status, "x".into()))
        };
        for (reason, method) in [
            (DisconnectReason::Departed, "departed"),
            (DisconnectReason::WrongPin, "booted"),
            (DisconnectReason::MediaLost, "failed"),
            (rejected(486), "busy"),
            (rejected(600), "busy"),
            (rejected(404), "failed"),
            (rejected(480), "failed"),
        ] {
            assert_eq!(reason.method().as_str(), method, "{reason:?}");
        }
        assert_eq!(rejected(480), DisconnectReason::NoAnswer);
    }

    #[test]
    fn rfc3326_2_reason_headers() {
        assert_eq!(
            DisconnectReason::MediaLost.header(),
            "SIP;cause=408;text=\"No media came\""
        );
        let quoted = Refusal::Incompatible {
            warn_code: 305,
            reason: "\"x\\".into(),
        };
        assert_eq!(
            DisconnectReason::Refused(quoted).header(),
            "SIP;cause=488;text=\"No agreement on media: 'x'\""
        );
    }
}
