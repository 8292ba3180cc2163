//! Commands about the conference (CB-180 to CB-187, CB-218 to CB-225, CB-239 to CB-246).

use super::{Failure, Outcome};
use crate::access::{Access, Autopromote};
use crate::c3p::{
    CommandReason, GetConference, LockPolicy, LockResult, ModifyConference,
    ModifyConferenceAnnouncements, ModifyConferenceLock, ResultBody,
};
use crate::conference::Focus;
use crate::info::Secrets;
use crate::output::ConferenceEvent;

impl Focus {
    /// CB-180 to CB-183: all of it, or nothing.
    pub(super) fn modify_lock(
        &mut self,
        command: &ModifyConferenceLock,
    ) -> Result<Outcome, Failure> {
        let before = self.access;
        let mut access = Access {
            locked: command.locked,
            ..before
        };
        if let Some(policy) = &command.policy {
            access.admission = policy.admission_policy;
            access.autopromote = Autopromote(policy.autopromote);
            access.pstn_lobby_bypass = policy.pstn_lobby_bypass;
            if !self.record.permitted.permits(&access) {
                return Err(Failure::Command(CommandReason::OtherFailure));
            }
        }
        self.access = access;
        self.touch_views();
        if before.locked != access.locked {
            self.event(ConferenceEvent::Locked(access.locked));
        }
        let applied = command.policy.map(|_| LockPolicy {
            admission_policy: access.admission,
            autopromote: access.autopromote.0,
            pstn_lobby_bypass: access.pstn_lobby_bypass,
        });
        Ok(Outcome::Done(ResultBody::ModifyConferenceLock(
            LockResult {
                conf_entity: Some(command.keys.conf_entity.clone()),
                locked: Some(access.locked),
                policy: applied,
            },
        )))
    }

    /// CB-219, CB-222, CB-223: the roster as a new subscriber gets it, without secrets.
    pub(super) fn get_conference(&self, command: &GetConference) -> Result<Outcome, Failure> {
        let garbage = command
            .certificate
            .as_deref()
            .is_some_and(|it| !is_certificate(it));
        if garbage {
            return Err(Failure::Command(CommandReason::InvalidEncryptionKey));
        }
        let info = Box::new(self.snapshot());
        let secrets = Secrets::default();
        Ok(Outcome::Done(ResultBody::GetConference(
            Some(info),
            secrets,
        )))
    }

    /// CB-239 to CB-241: tones when people come and go.
    pub(super) fn modify_announcements(
        &mut self,
        command: &ModifyConferenceAnnouncements,
    ) -> Outcome {
        self.announcements = Some(command.enabled);
        Outcome::Done(ResultBody::ModifyConferenceAnnouncements(command.enabled))
    }

    /// CB-242 to CB-246: what the mixer lets participants do with their filters, how newcomers
    /// begin, and announcements. It has no permissions to change.
    pub(super) fn modify_conference(
        &mut self,
        command: &ModifyConference,
    ) -> Result<Outcome, Failure> {
        let changes = &command.changes;
        if !changes.permission_options.is_empty() {
            return Err(Failure::Command(CommandReason::OtherFailure));
        }
        if let Some(rules) = &changes.media_filters_rules {
            self.filter_rules = rules.clone();
        }
        if let Some(enabled) = changes.entry_exit_announcements {
            self.announcements = Some(enabled);
        }
        self.touch_views();
        let conf_entity = Some(command.conf_entity.clone());
        Ok(Outcome::Done(ResultBody::ModifyConference(conf_entity)))
    }
}

/// Whether base64 is a DER SEQUENCE with a length in the long form, as every certificate is.
fn is_certificate(base64: &str) -> bool {
    let digits = base64.trim_end_matches('=');
    let well_formed = digits
        .bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || octet == b'+' || octet == b'/');
    // The first octets, 0x30 0x82 or 0x81: as base64, "MI".
    well_formed && base64.len().is_multiple_of(4) && base64.len() > 128 && digits.starts_with("MI")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cb_223_garbage_is_no_certificate() {
        for (text, right) in [
            (format!("MII{}", "A".repeat(129)), true),
            (format!("MII{}=", "A".repeat(128)), true),
            ("MIIA".into(), false),
            (format!("abc{}", "A".repeat(129)), false),
            (format!("MII!{}", "A".repeat(128)), false),
        ] {
            assert_eq!(is_certificate(&text), right, "{text}");
        }
    }
}
