//! Messages of real clients of best effort notification, from a reference next to the repository:
//! subscriptions begin, end and are not answered where nothing may be answered.

use crate::subscribed::{Peer, roster, wire};
use crate::wire::header;
use plenum_sip::endpoint::{AcceptSubscription, SubscriptionEnd, Transport};
use std::path::PathBuf;

fn vector(name: &str) -> Option<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/spec");
    let path = folder.join("confbas-vectors/wire").join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        println!("{} is absent: not tested", path.display());
    }
    text.map(|text| text.replace("\r\n", "\n"))
}

#[test]
fn ms_confbas_4_3_1_and_4_3_2_subscribe_and_unsubscribe() {
    let (Some(subscribe), Some(unsubscribe)) = (
        vector("4.3.1-01-subscribe.sip"),
        vector("4.3.2-01-subscribe-expires-0.sip"),
    ) else {
        return;
    };
    let mut peer = Peer::new(wire());
    peer.wire.flow.transport = Transport::Tls;
    peer.wire.say(&subscribe);
    let (tx, expires) = peer.asked();
    assert_eq!(expires, 3600);
    let accept = AcceptSubscription {
        first: Some(roster("full")),
        ..AcceptSubscription::default()
    };
    let now = peer.wire.now;
    let id = peer.wire.endpoint.accept_subscription(now, tx, accept);
    let id = id.unwrap();
    let ok = peer.wire.hear().text;
    assert!(ok.starts_with("SIP/2.0 200 "), "{ok}");
    assert_eq!(header(&ok, "Expires"), "3600");
    let full = peer.notified();
    assert!(full.starts_with("BENOTIFY sip:bob@fabrikam.com;"), "{full}");
    assert!(full.ends_with("full"));
    // The same subscription ends: our tag, and the next CSeq.
    let ours = header(&ok, "To").split("tag=").nth(1).unwrap();
    let end = unsubscribe
        .replace("tag=0D440080", &format!("tag={ours}"))
        .replace("CSeq: 1 ", "CSeq: 2 ");
    peer.wire.say(&end);
    let ok = peer.wire.hear().text;
    assert!(ok.starts_with("SIP/2.0 200 "), "{ok}");
    assert_eq!(header(&ok, "Expires"), "0");
    assert_eq!(peer.ended(id), SubscriptionEnd::Unsubscribed);
    let last = peer.notified();
    assert!(last.starts_with("BENOTIFY "), "{last}");
    peer.settle();
}

#[test]
fn ms_sip_a_benotify_is_never_answered() {
    for name in [
        "4.2.1-03-benotify-user-joined.sip",
        "4.3.1-03-benotify-full.sip",
        "4.4.3-02-benotify-terminated.sip",
        "4.4.8-06-benotify-denied.sip",
    ] {
        let Some(benotify) = vector(name) else {
            continue;
        };
        let mut peer = Peer::new(wire());
        peer.wire.flow.transport = Transport::Tls;
        peer.wire.say(&benotify);
        peer.silent();
        assert_eq!(peer.wire.metrics.stray_notifications.get(), 1, "{name}");
        assert_eq!(peer.wire.endpoint.counts(), Default::default());
        assert!(peer.wire.events.is_empty());
    }
}
