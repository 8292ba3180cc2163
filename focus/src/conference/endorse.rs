//! endorseUser: somebody vouches for somebody else, by a dialog of its own
//! (MS-CONFBAS §3.3; CB-073 to CB-085).

use crate::access::{Decision, Identity, Role, decide};
use crate::answer;
use crate::c3p::{
    CommandReason, Diagnostics, EndorseUser, Reason, Request as C3pRequest, ResultBody, same_uri,
};
use crate::caller::Peer;
use crate::conference::Focus;
use crate::conference::join::{NotJoined, c3p_body};
use crate::info::DialogId;
use crate::output::SipAction;
use crate::roster::UserId;
use plenum_sip::endpoint::InviteId;
use plenum_sip::msg::{Headers, Request, StatusCode, Text};
use std::time::Instant;

impl Focus {
    /// CB-076 to CB-082: success or not is in the 200, after which the focus ends the dialog. Who
    /// may not endorse gets a 401 that is no challenge (trap 24).
    pub(super) fn endorse(
        &mut self,
        now: Instant,
        id: InviteId,
        peer: &Peer,
        request: &Request,
        body: &C3pRequest,
        endorse: &EndorseUser,
    ) -> Result<(), NotJoined> {
        let Some(role) = self.endorser_role(peer) else {
            let text = "You may not endorse anybody here";
            let answer = answer::warn(StatusCode::UNAUTHORIZED, &self.settings.agent, text);
            self.sip(SipAction::Reject { id, answer });
            return Ok(());
        };
        let endorsed = self.endorsed(endorse);
        let response = if let Some(user) = endorsed {
            let display = request.headers.from().ok().and_then(|from| from.display);
            let name = display.unwrap_or_else(|| body.from.clone());
            self.take_endorsement(now, user, role, (body.from.clone(), name));
            body.success(ResultBody::EndorseUser(Some(endorse.keys.clone())))
        } else {
            body.failed(
                Reason::OtherFailure,
                CommandReason::OtherFailure,
                Diagnostics::default(),
            )
        };
        self.accept_c3p(id, c3p_body(response.to_octets()));
        // It waits for the ACK (CB-081); the endorser is no participant (CB-084).
        self.sip(SipAction::Bye {
            id,
            reason: ENDORSED,
            headers: Headers::default(),
        });
        Ok(())
    }

    /// What somebody who can be believed, or knows the conference key, would be; `None` if not
    /// even let in.
    fn endorser_role(&self, peer: &Peer) -> Option<Role> {
        if peer.identity == Identity::Anonymous && !peer.key || !self.is_active() {
            return None;
        }
        let subject = peer.subject(false);
        let (record, access) = (&self.record, &self.access);
        match decide(&subject, access, &record.members, record.mode) {
            Decision::Admit(role) => Some(role),
            Decision::Lobby(_) | Decision::Refuse(_) => None,
        }
    }

    /// CB-075: who has this dialog with us, if it is the endorsee.
    fn endorsed(&self, endorse: &EndorseUser) -> Option<UserId> {
        let same = |dialog: &DialogId, remote: &str, local: &str| {
            (dialog.from_tag == remote && dialog.to_tag == local)
                || (dialog.from_tag == local && dialog.to_tag == remote)
        };
        let found = self.attendances.values().find(|attendance| {
            let secret = &attendance.dialog;
            let local = secret.local_tag.as_ref().and_then(Text::to_str);
            secret.call_id == endorse.dialog.call_id
                && local.is_some_and(|local| same(&endorse.dialog, &secret.remote_tag, local))
                && same_uri(&attendance.from, &endorse.endorsee)
        });
        found.map(|attendance| attendance.user)
    }

    fn take_endorsement(
        &mut self,
        now: Instant,
        user: UserId,
        role: Role,
        endorser: (String, String),
    ) {
        self.roster.set_endorser(user, endorser);
        if role == Role::Presenter {
            // It is there: it was found by its dialog.
            self.change_role(now, user, role).ok();
        }
        self.decide_on_user(now, user, true);
    }
}

const ENDORSED: Text = Text::from_static("SIP;cause=200;text=\"Endorsement done\"");
