//! When a call to a provider fails: by the next trunk, to where it was redirected, or not at all.

use super::{Call, Trunks};
use crate::trunk::exchange::same;
use crate::trunk::outbound;
use plenum_sip::endpoint::{EndCause, Endpoint, Invite, InviteId};
use plenum_sip::msg::{Response, Scheme, StatusCode};
use std::time::Instant;

impl Trunks {
    /// Our call has failed: by the next trunk, to where it was redirected, or not at all.
    pub(super) fn on_refused(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        id: InviteId,
        response: &Response,
        unreachable: bool,
    ) {
        let cause = if unreachable {
            EndCause::Unreachable
        } else {
            EndCause::Rejected(response.status, response.reason.clone())
        };
        let invite = if response.status.is_redirect() {
            self.redirected(id, response)
        } else if unreachable || moves_on(response.status) {
            self.next_line(now, id)
        } else {
            None
        };
        // The call may be over by its own timer; then `Ended` is on its way.
        match invite {
            Some(invite) => endpoint.invite_instead(now, id, invite).ok(),
            None => endpoint.give_up(now, id, cause).ok(),
        };
        self.publish();
    }

    fn next_line(&mut self, now: Instant, id: InviteId) -> Option<Invite> {
        let Some(Call::Out(call)) = self.calls.get_mut(&id) else {
            return None;
        };
        let next = loop {
            let next = call.rest.pop_front()?;
            if self.lines.get(next).is_some_and(|line| {
                let fits = outbound::is_offered_enough(line, &call.wanted);
                fits && line.is_up() && line.is_free(now)
            }) {
                break next;
            }
        };
        let before = std::mem::replace(&mut call.line, next);
        let (wanted, number) = (call.wanted.clone(), call.number.clone());
        self.leave(before);
        let line = self.lines.get_mut(next)?;
        line.begin(now);
        self.metrics.failovers.inc();
        tracing::info!(
            trunk = line.config.name,
            "the call is tried by the next trunk"
        );
        Some(outbound::invite(line, &wanted, &number))
    }

    /// RFC 3261 §8.1.3.4: followed to the provider and to hosts that are allowed, to numbers that
    /// the rule of the call is for, and only so often.
    fn redirected(&mut self, id: InviteId, response: &Response) -> Option<Invite> {
        let Some(Call::Out(call)) = self.calls.get_mut(&id) else {
            return None;
        };
        let line = self.lines.get(call.line)?;
        if call.redirections >= line.config.redirects {
            return None;
        }
        let contacts = response.headers.contacts().ok()?;
        let uri = &contacts.first()?.uri;
        let host = uri.host.to_string();
        let allowed = uri.scheme == Scheme::Tel
            || same(&uri.host, &line.config.server.host)
            || line
                .config
                .redirect_hosts
                .iter()
                .any(|one| one.eq_ignore_ascii_case(&host));
        let number = line.config.plan.of_uri(uri)?;
        if !allowed || self.guard.rule_for(&number) != Some(call.rule) {
            tracing::warn!(trunk = line.config.name, %uri, "a redirection is not allowed");
            return None;
        }
        call.redirections += 1;
        call.number = number;
        self.metrics.redirections.inc();
        let mut invite = outbound::invite(line, &call.wanted, &call.number);
        if uri.is_sip() && !same(&uri.host, &line.config.server.host) {
            invite.uri = uri.detached();
            invite.uri.headers = None;
            invite.reach.targets.clear();
        }
        Some(invite)
    }
}

/// Failures of a trunk, not of the one called: the next one may do better.
fn moves_on(status: StatusCode) -> bool {
    matches!(status.code(), 401 | 407 | 408 | 500 | 502..=504)
}
