//! REFER from a peer: RFC 3515 §2.4, with its implicit subscription.

use super::holder::call_of;
use super::receive::Refusal;
use super::server::{Arrival, Extra};
use super::subscription::{Asking, Extent};
use super::{CommandError, Endpoint, Event, NotifierId, ServerTxId};
use crate::event::command::{AcceptRefer, Notification, Standing};
use crate::event::notifier::{Item, Mode, Stage};
use crate::event::{Holder, Key, refer};
use crate::msg::{HeaderName, Headers, Request, StatusCode, Text};
use std::time::Instant;

impl Endpoint {
    /// A REFER that is new to its transaction.
    pub(super) fn on_refer(&mut self, now: Instant, holder: Option<Holder>, arrival: Arrival) {
        match self.read_refer(holder, &arrival) {
            Ok((asking, tag)) => {
                let tx = self.open_asking(now, holder, &arrival, asking, tag);
                self.event(Event::Refer {
                    tx,
                    invite: call_of(holder),
                    request: arrival.request,
                    flow: arrival.from,
                });
            }
            Err(refusal) => self.refuse_event(now, holder, &arrival, refusal),
        }
    }

    fn read_refer(
        &mut self,
        holder: Option<Holder>,
        arrival: &Arrival,
    ) -> Result<(Asking, Option<u64>), Refusal> {
        let request: &Request = &arrival.request;
        // §2.4.2: "MUST contain exactly one Refer-To".
        if request.headers.refer_to().is_err() || !request.headers.has(&HeaderName::Contact) {
            return Err(Refusal::new(StatusCode::BAD_REQUEST));
        }
        let (home, tag) = self.find_home(holder, arrival)?;
        let key = Key::refer(request.headers.cseq().map_or(0, |cseq| cseq.seq));
        let members = holder.and_then(|holder| self.members(holder));
        let first = members.is_none_or(|members| !members.referred);
        let lasts = self.config.events.refer_expires.as_secs();
        let asking = Asking {
            home,
            event: key.field(first),
            key,
            expires: u32::try_from(lasts).unwrap_or(u32::MAX),
            mode: Mode::Notify,
            extent: Extent::Refer {
                unwanted: refer::wants_silence(&request.headers),
                spared: refer::bears_silence(&request.headers),
            },
        };
        Ok((asking, tag))
    }

    /// Accepts a REFER, and notifies `SIP/2.0 100 Trying` (RFC 3515 §2.4.4); `notify_refer` goes
    /// on from there. `None`: there is nobody to tell (RFC 4488). Refuse with `respond_with`.
    ///
    /// # Errors
    /// [`CommandError::Gone`]: the transaction, its dialog or its call is over;
    /// [`CommandError::WrongState`]: it is no `Refer`; [`CommandError::BadStatus`]: no 2xx.
    pub fn accept_refer(
        &mut self,
        now: Instant,
        tx: ServerTxId,
        accept: AcceptRefer,
    ) -> Result<Option<NotifierId>, CommandError> {
        if !accept.status.is_success() {
            return Err(CommandError::BadStatus);
        }
        let asking = self.take_asking(now, tx, |extent| matches!(extent, Extent::Refer { .. }))?;
        let silent = match asking.extent {
            Extent::Refer { unwanted, spared } => unwanted || (spared && accept.silent),
            Extent::Subscription { .. } => false,
        };
        let expires = asking.expires;
        let id = self.insert_notifier(now, tx, asking, expires, accept.contact);
        let mut headers = Headers::with_capacity(8);
        if let Some(notifier) = self.notifiers.get_mut(id) {
            notifier.stage = Stage::Alive(Standing::Active);
            let home = notifier.home;
            headers = self.holder_headers(tx, home);
            if let Some(members) = self.members_mut(home) {
                members.referred = true;
            }
        }
        if silent {
            headers.push(HeaderName::ReferSub, Text::from_static("false"));
        }
        headers.append(&accept.headers);
        let extra = Extra {
            headers,
            ..Extra::default()
        };
        self.reply(now, tx, accept.status, extra);
        if silent {
            self.forget_notifier(id);
            return Ok(None);
        }
        let trying = Notification::of(refer::fragment(StatusCode::TRYING, None));
        self.enqueue(now, id, Item::from(trying));
        Ok(Some(id))
    }
}
