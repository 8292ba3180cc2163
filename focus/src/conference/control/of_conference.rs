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
use crate::pin::Pin;
use crate::seal::seal;
use std::time::Instant;

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

    /// CB-219 to CB-223: the roster as a new subscriber gets it, and for whoever has the key of the
    /// certificate what subscribers are not told.
    pub(super) fn get_conference(&mut self, command: &GetConference) -> Result<Outcome, Failure> {
        let secrets = match &command.certificate {
            Some(certificate) => self
                .secrets_for(certificate)
                .ok_or(Failure::Command(CommandReason::InvalidEncryptionKey))?,
            None => Secrets::default(),
        };
        let info = Box::new(self.snapshot());
        Ok(Outcome::Done(ResultBody::GetConference(
            Some(info),
            secrets,
        )))
    }

    /// The conference key is what people nobody knows prove to know (CB-058): the PIN. Where there
    /// is none, it is what Simple Join tells (CB-296): the ID.
    fn secrets_for(&mut self, certificate: &str) -> Option<Secrets> {
        let Some(rng) = &mut self.rng else {
            return Some(Secrets::default());
        };
        let id = self.uris.id();
        let key = self.record.pin.as_ref().map_or(id, Pin::digits);
        let links = &self.settings.policy.links;
        let link = links
            .as_ref()
            .map(|base| format!("{base}/meet/{}/{id}", self.uris.user()));
        let web_external = match link {
            Some(link) => Some(seal(certificate, &link, rng)?),
            None => None,
        };
        Some(Secrets {
            conference_key: Some(seal(certificate, key, rng)?),
            web_internal: None,
            web_external,
        })
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
    /// begin, announcements, and how video is switched. It has no permissions to change.
    pub(super) fn modify_conference(
        &mut self,
        now: Instant,
        command: &ModifyConference,
    ) -> Result<Outcome, Failure> {
        let changes = &command.changes;
        if !changes.permission_options.is_empty() {
            return Err(Failure::Command(CommandReason::OtherFailure));
        }
        let intended = self.intended_sources(&changes.media)?;
        if let Some(intended) = intended {
            self.set_intended(now, intended);
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
