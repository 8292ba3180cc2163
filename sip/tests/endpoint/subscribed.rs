//! A peer made of text that subscribes, inside a call or outside of one.

use crate::wire::{Sent, Wire, header, request, response};
use bytes::Bytes;
use plenum_sip::endpoint::{
    Accept, AcceptSubscription, Body, Event, InviteId, Notification, NotifierEvent, NotifierId,
    ServerTxId, SubscriptionEnd,
};
use plenum_sip::msg::{Method, Text};

pub(crate) const WATCH: &str =
    "Event: conference\nAccept: application/conference-info+xml\nExpires: 600\n";

pub(crate) fn wire() -> Wire {
    wire_with(|_| ())
}

pub(crate) fn wire_with(adjust: impl Fn(&mut plenum_sip::endpoint::Config)) -> Wire {
    Wire::with(|config| {
        config
            .allow
            .extend([Method::Subscribe, Method::Notify, Method::Refer]);
        adjust(config);
    })
}

pub(crate) fn roster(text: &str) -> Notification {
    Notification::of(Body {
        content_type: Text::from_static("application/conference-info+xml"),
        octets: Bytes::from(text.to_owned()),
    })
}

/// The dialog as the peer sees it.
pub(crate) struct Peer {
    pub(crate) wire: Wire,
    pub(crate) n: u32,
    pub(crate) to: String,
    pub(crate) seq: u32,
    pub(crate) invite: Option<InviteId>,
}

impl Peer {
    pub(crate) fn new(wire: Wire) -> Self {
        Self {
            wire,
            n: 1,
            to: "<sip:room@192.0.2.1>".to_owned(),
            seq: 0,
            invite: None,
        }
    }

    /// With a call that is up.
    pub(crate) fn in_call(wire: Wire) -> Self {
        let mut peer = Self::new(wire);
        peer.say("INVITE", "", "offer");
        let id = match peer.wire.event() {
            Event::Invite { id, .. } => id,
            other => panic!("{other:?}"),
        };
        let accept = Accept {
            body: roster("answer").body,
            ..Accept::default()
        };
        peer.wire
            .endpoint
            .accept(peer.wire.now, id, accept)
            .unwrap();
        let ok = peer.wire.hear().text;
        header(&ok, "To").clone_into(&mut peer.to);
        peer.seq = 0;
        peer.say("ACK", "", "");
        assert!(matches!(peer.wire.event(), Event::Acked { .. }));
        peer.invite = Some(id);
        peer
    }

    /// The peer's next request in its dialog, or the one that makes it.
    pub(crate) fn say(&mut self, method: &str, extra: &str, body: &str) {
        self.seq += 1;
        let seq = self.seq;
        let text = request(method, self.n, extra, body)
            .replace("To: <sip:room@192.0.2.1>", &format!("To: {}", self.to))
            .replace("CSeq: 1", &format!("CSeq: {seq}"))
            .replace(
                &format!("branch=z9hG4bKpeer{}\n", self.n),
                &format!("branch=z9hG4bK{}{method}{seq}\n", self.n),
            );
        // A type of its own stands for the usual one.
        let text = if extra.contains("Content-Type") {
            text.replace("Content-Type: application/sdp\n", "")
        } else {
            text
        };
        self.wire.say(&text);
    }

    pub(crate) fn asked(&mut self) -> (ServerTxId, u32) {
        match self.wire.event() {
            Event::Subscribe {
                tx,
                expires,
                invite,
                ..
            } => {
                assert_eq!(invite, self.invite);
                (tx, expires)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Subscribes, and is accepted without a first notification.
    pub(crate) fn subscribe(
        &mut self,
        extra: &str,
        accept: AcceptSubscription,
    ) -> (NotifierId, Sent) {
        self.say("SUBSCRIBE", extra, "");
        let (tx, _) = self.asked();
        let id = self
            .wire
            .endpoint
            .accept_subscription(self.wire.now, tx, accept);
        let ok = self.wire.hear();
        assert!(ok.text.starts_with("SIP/2.0 200 "), "{}", ok.text);
        header(&ok.text, "To").clone_into(&mut self.to);
        (id.unwrap(), ok)
    }

    pub(crate) fn notify(&mut self, id: NotifierId, text: &str) {
        let now = self.wire.now;
        self.wire.endpoint.notify(now, id, roster(text)).unwrap();
    }

    /// The next message is a notification: its text.
    pub(crate) fn notified(&mut self) -> String {
        let sent = self.wire.hear();
        assert!(sent.text.contains("NOTIFY "), "{}", sent.text);
        assert_eq!(sent.tx.is_some(), sent.text.starts_with("NOTIFY "));
        sent.text
    }

    pub(crate) fn answer(&mut self, notify: &str, status: u16, extra: &str) {
        self.wire.say(&response(notify, status, "", extra, ""));
    }

    pub(crate) fn silent(&mut self) {
        self.wire.drain();
        assert!(self.wire.sent.is_empty(), "{:?}", self.wire.sent);
    }

    pub(crate) fn event(&mut self, id: NotifierId) -> NotifierEvent {
        match self.wire.event() {
            Event::Notifier { id: which, event } => {
                assert_eq!(which, id);
                event
            }
            // Told beside what it means for subscriptions.
            Event::FlowClosed { .. } => self.event(id),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn due(&mut self, id: NotifierId) {
        let event = self.event(id);
        assert!(matches!(event, NotifierEvent::Due { .. }), "{event:?}");
    }

    pub(crate) fn delivered(&mut self, id: NotifierId) {
        let event = self.event(id);
        assert!(
            matches!(event, NotifierEvent::Delivered { .. }),
            "{event:?}"
        );
    }

    pub(crate) fn ended(&mut self, id: NotifierId) -> SubscriptionEnd {
        match self.event(id) {
            NotifierEvent::Ended(cause) => cause,
            other => panic!("{other:?}"),
        }
    }

    /// Time passes, and nothing is left but the call.
    pub(crate) fn settle(&mut self) {
        self.wire.pass(100_000);
        let counts = self.wire.endpoint.counts();
        let left = (counts.notifiers, counts.subscribers, counts.dialogs);
        assert_eq!(left, (0, 0, 0));
        assert_eq!(counts.usages, usize::from(self.invite.is_some()));
        assert_eq!(counts.client_transactions + counts.server_transactions, 0);
    }
}
