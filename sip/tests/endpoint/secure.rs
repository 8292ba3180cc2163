//! `sips:` (RFC 3261 §26.2.2, RFC 5630), names to verify (RFC 5922), browsers (RFC 7118) and the end
//! of flows (RFC 5626).

use crate::wire::{Wire, address, header, request, response};
use plenum_sip::endpoint::{Accept, Body, Event, Flow, FlowId, InviteId, Output, Transport, Via};
use plenum_sip::msg::Text;

fn on(wire: &mut Wire, transport: Transport, id: u64) {
    wire.flow = Flow {
        id: FlowId(id),
        transport,
        local: address("192.0.2.1:5061"),
        remote: address("192.0.2.9:33000"),
    };
}

fn answer() -> Accept {
    Accept {
        body: Some(Body {
            content_type: Text::from_static("application/sdp"),
            octets: "answer".into(),
        }),
        ..Accept::default()
    }
}

/// A request as it comes over this transport to this URI.
fn over(transport: &str, uri: &str, n: u32, contact: &str) -> String {
    request("INVITE", n, "", "v=0")
        .replace("SIP/2.0/UDP", &format!("SIP/2.0/{transport}"))
        .replacen("sip:room@192.0.2.1", uri, 1)
        .replace("sip:peer@192.0.2.9:5062", contact)
}

fn called(wire: &mut Wire) -> InviteId {
    match wire.event() {
        Event::Invite { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rfc5630_5_3_sips_comes_over_tls_or_not_at_all() {
    let mut wire = Wire::new();
    let sips = "sips:room@192.0.2.1";
    wire.say(&over("UDP", sips, 1, "sip:peer@192.0.2.9"));
    assert_eq!(wire.status(), 416);
    wire.endpoint.set_secured(true);
    wire.say(&over("UDP", sips, 2, "sip:peer@192.0.2.9"));
    let refused = wire.hear().text;
    assert!(refused.starts_with("SIP/2.0 480"), "{refused}");
    assert!(header(&refused, "Warning").starts_with("380 "));
    on(&mut wire, Transport::Tls, 7);
    wire.say(&over("TLS", sips, 3, "sips:peer@192.0.2.9"));
    let id = called(&mut wire);
    wire.endpoint.accept(wire.now, id, answer()).unwrap();
    let ok = wire.hear().text;
    // RFC 3261 §12.1.1: our Contact is a sips: URI, whose transport TLS goes without saying.
    assert_eq!(header(&ok, "Contact"), "<sips:room@192.0.2.1:5061>");
}

#[test]
fn rfc3261_12_1_1_a_sips_contact_of_the_peer_gets_one_of_ours() {
    let mut wire = Wire::new();
    on(&mut wire, Transport::Tls, 7);
    for (n, contact, ours) in [
        (1, "sips:peer@192.0.2.9", "<sips:room@192.0.2.1:5061>"),
        (
            2,
            "sip:peer@192.0.2.9",
            "<sip:room@192.0.2.1:5061;transport=tls>",
        ),
    ] {
        wire.say(&over("TLS", "sip:room@192.0.2.1", n, contact));
        let id = called(&mut wire);
        wire.endpoint.accept(wire.now, id, answer()).unwrap();
        let ok = wire.hear().text;
        assert_eq!(header(&ok, "Contact"), ours);
    }
}

#[test]
fn rfc3261_18_2_2_a_response_whose_tls_connection_is_closed_goes_to_the_host_of_the_sent_by() {
    let mut wire = Wire::new();
    on(&mut wire, Transport::Tls, 7);
    let contact = "sip:peer@192.0.2.9";
    wire.say(
        &over("TLS", "sip:room@192.0.2.1", 1, contact)
            .replace("192.0.2.9:5062;", "peer.test:5071;"),
    );
    let id = called(&mut wire);
    wire.endpoint.handle_flow_closed(wire.now, wire.flow.id);
    wire.endpoint.accept(wire.now, id, answer()).unwrap();
    let sent = loop {
        match wire.endpoint.poll_output() {
            Output::Transmit { via, domain, .. } => break (via, domain),
            Output::Timeout(_) => panic!("no answer"),
            Output::Event(_) | Output::Resolve { .. } | Output::ExpectHeard { .. } => {}
        }
    };
    let (Via::Flow(flow), Some(domain)) = sent else {
        panic!("{sent:?}");
    };
    assert_eq!(
        (flow.remote.port(), domain.to_str()),
        (5071, Some("peer.test"))
    );
}

#[test]
fn rfc5922_4_the_host_that_was_asked_for_is_verified_and_not_what_it_was_resolved_to() {
    for (uri, route, domain) in [
        ("sips:ann@example.com", None, "example.com"),
        (
            "sips:ann@example.com",
            Some("<sip:proxy.example.net;transport=tls;lr>"),
            "proxy.example.net",
        ),
        ("sips:ann@192.0.2.7", None, "192.0.2.7"),
    ] {
        let mut wire = Wire::new();
        let route: Vec<&str> = route.into_iter().collect();
        let uri = plenum_sip::msg::Uri::parse(uri.as_bytes()).unwrap();
        let numeric = uri.host.ip().is_some();
        let invite = Wire::call(uri, 1, &route);
        wire.endpoint.invite(wire.now, invite);
        let mut domains = Vec::new();
        loop {
            match wire.endpoint.poll_output() {
                Output::Resolve { id, .. } => {
                    let target = plenum_sip::endpoint::Target {
                        transport: Transport::Tls,
                        remote: address("192.0.2.7:5061"),
                    };
                    wire.endpoint.handle_resolved(wire.now, id, vec![target]);
                }
                Output::Transmit { domain, bytes, .. } => {
                    domains.push(domain.unwrap());
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    assert!(header(&text, "Contact").starts_with("<sips:"), "{text}");
                }
                Output::ExpectHeard { flow, .. } => panic!("{flow:?}"),
                Output::Event(event) => panic!("{event:?}"),
                Output::Timeout(_) => break,
            }
        }
        assert_eq!(domains, [domain], "{numeric}");
    }
}

#[test]
fn rfc7118_5_a_browser_is_reached_on_its_websocket_whatever_its_contact_says() {
    let mut wire = Wire::new();
    on(&mut wire, Transport::Wss, 7);
    let nowhere = "sip:peer@df7jal23ls0d.invalid;transport=ws";
    wire.say(&over("WSS", "sip:room@192.0.2.1", 1, nowhere));
    let id = called(&mut wire);
    wire.endpoint.accept(wire.now, id, answer()).unwrap();
    assert!(wire.hear().text.starts_with("SIP/2.0 200"));
    wire.endpoint.bye(wire.now, id, None).unwrap();
    wire.pass(40_000);
    let bye = wire
        .sent
        .iter()
        .find(|sent| sent.text.starts_with("BYE"))
        .expect("no BYE");
    assert_eq!((bye.transport, bye.to), (Transport::Wss, wire.flow.remote));
    assert!(wire.resolve.is_empty());
}

#[test]
fn rfc5626_4_5_the_end_of_a_flow_names_the_calls_behind_it() {
    let mut wire = Wire::new();
    on(&mut wire, Transport::Tcp, 7);
    let mut calls = Vec::new();
    for n in [1, 2] {
        wire.say(&over("TCP", "sip:room@192.0.2.1", n, "sip:peer@192.0.2.9"));
        calls.push(called(&mut wire));
    }
    // The second one is heard of on another flow later.
    on(&mut wire, Transport::Tcp, 8);
    let ok = wire.sent.drain(..).count();
    assert!(ok <= 2);
    wire.endpoint
        .reject(
            wire.now,
            calls[1],
            plenum_sip::endpoint::Answer::new(plenum_sip::msg::StatusCode::NOT_FOUND),
        )
        .unwrap();
    wire.drain();
    assert!(matches!(wire.event(), Event::Ended { id, .. } if id == calls[1]));
    wire.endpoint
        .handle_certificate(FlowId(7), vec![Text::from_static("peer.test")]);
    assert_eq!(wire.endpoint.certificate_names(FlowId(7)), ["peer.test"]);
    wire.endpoint.handle_flow_closed(wire.now, FlowId(7));
    match wire.event() {
        Event::FlowClosed {
            flow,
            calls: behind,
        } => {
            assert_eq!((flow, behind), (FlowId(7), vec![calls[0]]));
        }
        other => panic!("{other:?}"),
    }
    assert!(wire.endpoint.certificate_names(FlowId(7)).is_empty());
}

#[test]
fn rfc3261_17_1_4_what_waits_on_a_closed_flow_fails_and_nothing_else() {
    let mut wire = Wire::new();
    on(&mut wire, Transport::Tcp, 7);
    wire.say(&over(
        "TCP",
        "sip:room@192.0.2.1",
        1,
        "sip:peer@gone.invalid",
    ));
    let id = called(&mut wire);
    wire.endpoint.accept(wire.now, id, answer()).unwrap();
    let ok = wire.hear().text;
    let ack = ok
        .lines()
        .filter(|line| {
            ["From", "To:", "Call"]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    wire.say(&format!(
        "ACK sip:room@192.0.2.1 SIP/2.0\nVia: SIP/2.0/TCP h;branch=z9hG4bKack\nMax-Forwards: 70\n\
         {ack}CSeq: 1 ACK\nContent-Length: 0\n\n"
    ));
    wire.endpoint.bye(wire.now, id, None).unwrap();
    wire.drain();
    assert_eq!(wire.endpoint.counts().byes, 1);
    wire.endpoint.handle_flow_closed(wire.now, FlowId(8));
    assert_eq!(wire.endpoint.counts().byes, 1);
    wire.endpoint.handle_flow_closed(wire.now, FlowId(7));
    wire.drain();
    assert_eq!(wire.endpoint.counts().byes, 0);
    // Late, and to nobody.
    let bye = wire.hear().text;
    wire.say(&response(&bye, 200, "x", "", ""));
}
