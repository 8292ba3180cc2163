//! Session timers in the messages of a call: RFC 4028.

use super::receive::Refusal;
use super::{CommandError, Endpoint, InviteId};
use crate::dialog::Modifying;
use crate::dialog::session_timer::{Asked, LEAST, Refresher as Side, SessionTimer};
use crate::msg::{HeaderName, Headers, Method, Refresher, Response, SessionExpires, StatusCode};
use crate::transaction::timer::{Owner, Timer};
use std::time::Instant;

impl Endpoint {
    /// `Session-Expires` and `Min-SE` of a request (RFC 4028 §7.1).
    pub(super) fn session_offer(&self, id: InviteId) -> Headers {
        let mut headers = Headers::new();
        let Some(usage) = self.usages.get(id) else {
            return headers;
        };
        if !self.supports("timer") {
            return headers;
        }
        let seconds = match (usage.timer, self.own_interval()) {
            (Some(timer), _) => timer.interval,
            (None, Some(ours)) => ours,
            (None, None) => return headers,
        };
        let refresher = usage.timer.map(|timer| match timer.refresher {
            Side::Us => Refresher::Uac,
            Side::Them => Refresher::Uas,
        });
        let seconds = seconds.max(usage.min_se);
        headers.push(
            HeaderName::SessionExpires,
            SessionExpires { seconds, refresher },
        );
        if usage.min_se > LEAST {
            headers.push(HeaderName::MinSe, usage.min_se.to_string());
        }
        headers
    }

    /// A 422 raises the interval (RFC 4028 §7.3); false if it does not say to what.
    pub(super) fn raise(&mut self, id: InviteId, response: &Response) -> bool {
        let Ok(Some(min_se)) = response.headers.min_se() else {
            return false;
        };
        let Some(usage) = self.usages.get_mut(id) else {
            return false;
        };
        if min_se <= usage.min_se {
            return false;
        }
        usage.min_se = min_se;
        if let Some(timer) = &mut usage.timer {
            timer.interval = timer.interval.max(min_se);
        }
        true
    }

    /// What the 2xx to our request says about the session's life (RFC 4028 §7.2). A peer that says
    /// nothing does not know the extension: we refresh for both, if we want to.
    pub(super) fn adopt_session(&mut self, now: Instant, id: InviteId, headers: &Headers) {
        if !self.supports("timer") {
            return;
        }
        let timer = match headers.session_expires() {
            Ok(Some(theirs)) => {
                let refresher = match theirs.refresher {
                    Some(Refresher::Uas) => Side::Them,
                    Some(Refresher::Uac) | None => Side::Us,
                };
                Some(SessionTimer {
                    interval: theirs.seconds.max(LEAST),
                    refresher,
                })
            }
            Ok(None) | Err(_) => {
                let least = self.usages.get(id).map_or(0, |usage| usage.min_se);
                let ours = self.own_interval();
                ours.map(|ours| SessionTimer {
                    interval: ours.max(least),
                    refresher: Side::Us,
                })
            }
        };
        self.run_session(now, id, timer);
    }

    /// Starts the session's timers anew.
    pub(super) fn run_session(&mut self, now: Instant, id: InviteId, timer: Option<SessionTimer>) {
        let owner = Owner::Usage(id);
        self.timers.clear(owner, Timer::Refresh);
        self.timers.clear(owner, Timer::Session);
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        usage.timer = timer;
        let Some(timer) = timer else { return };
        self.timers
            .set(owner, Timer::Session, now + timer.expires_after());
        if let Some(after) = timer.refresh_after() {
            self.timers.set(owner, Timer::Refresh, now + after);
        }
    }

    /// Our turn to refresh (RFC 4028 §7.4): by UPDATE if the peer allows it, else by re-INVITE with
    /// the unchanged session description.
    pub(super) fn on_refresh_timer(&mut self, now: Instant, id: InviteId) {
        let Some(usage) = self.usages.get(id) else {
            return;
        };
        let (method, body) = if usage.peer_updates {
            (Method::Update, None)
        } else {
            (Method::Invite, usage.local.clone())
        };
        let modifying = Modifying {
            method,
            body,
            refresh: true,
            tries: 0,
        };
        if self.start_modify(now, id, modifying) == Err(CommandError::Pending) {
            // Whatever is under way may refresh the session too; else it is tried again.
            self.timers
                .set(Owner::Usage(id), Timer::Refresh, now + self.config.times.t2);
        }
    }

    /// Seconds we ask for, if we use session timers.
    pub(super) fn own_interval(&self) -> Option<u32> {
        let wanted = self
            .config
            .session_expires
            .filter(|_| self.supports("timer"))?;
        Some(
            u32::try_from(wanted.as_secs())
                .unwrap_or(u32::MAX)
                .max(LEAST),
        )
    }

    /// The session timer of our 2xx (RFC 4028 §9).
    pub(super) fn answer_session(&self, id: InviteId, asked: &Asked) -> Option<SessionTimer> {
        let ours = self.own_interval();
        let peer = self
            .usages
            .get(id)
            .is_some_and(|usage| usage.peer_refreshes);
        let chosen = if peer {
            SessionTimer::choose_peer(asked, ours)
        } else {
            SessionTimer::choose(asked, ours)
        };
        chosen.filter(|_| self.supports("timer"))
    }

    /// What a request says about session timers.
    pub(super) fn session_asked(&self, headers: &Headers) -> Asked {
        let expires = headers.session_expires().ok().flatten();
        let refresher = expires.as_ref().and_then(|expires| expires.refresher);
        Asked {
            interval: expires.as_ref().map(|expires| expires.seconds),
            refresher: refresher.map(|refresher| match refresher {
                Refresher::Uac => Side::Them,
                Refresher::Uas => Side::Us,
            }),
            min_se: headers.min_se().ok().flatten().unwrap_or(0),
            supported: headers.supported().unwrap_or_default().has("timer")
                || headers.require().unwrap_or_default().has("timer"),
        }
    }

    /// 422 for an interval below ours (RFC 4028 §9), if the peer can make sense of it.
    pub(super) fn too_brief(&self, asked: &Asked) -> Option<Refusal> {
        let least = u32::try_from(self.config.min_se.as_secs())
            .unwrap_or(u32::MAX)
            .max(LEAST);
        let brief = asked.interval.is_some_and(|interval| interval < least);
        let refused = brief && asked.supported && self.supports("timer");
        refused.then(|| {
            let refusal = Refusal::new(StatusCode::SESSION_INTERVAL_TOO_SMALL);
            refusal.with(HeaderName::MinSe, least.to_string())
        })
    }
}

/// Session-Expires of our 2xx, with Require where the peer has to refresh (RFC 4028 §9).
pub(super) fn push_session(headers: &mut Headers, timer: Option<SessionTimer>) {
    let Some(timer) = timer else { return };
    let refresher = match timer.refresher {
        Side::Us => Refresher::Uas,
        Side::Them => Refresher::Uac,
    };
    if timer.refresher == Side::Them {
        headers.push(HeaderName::Require, crate::msg::Text::from_static("timer"));
    }
    let value = SessionExpires {
        seconds: timer.interval,
        refresher: Some(refresher),
    };
    headers.push(HeaderName::SessionExpires, value);
}
