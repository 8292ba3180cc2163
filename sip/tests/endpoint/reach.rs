//! Where our requests go and what they say of where we are (RFC 3261 §8.1.1.8, §12.2.1.1, §18.1.1).

use crate::wire::{Wire, address, header, request, response};
use plenum_sip::endpoint::{Accept, Body, Event, FlowId, InviteId, Sources, Transport};
use plenum_sip::msg::{Method, Text};

/// Without anything advertised, an invitation names the address that the target reaches us at.
#[test]
fn rfc3261_8_1_1_8_a_call_of_ours_names_where_we_listen() {
    let mut wire = Wire::with(|config| config.advertised.clear());
    wire.endpoint.set_sources(Sources::new(|target| {
        (target.transport == Transport::Udp).then(|| address("192.0.2.77:5066"))
    }));
    wire.invite("sip:bob@192.0.2.9", 10, &[]);
    let invite = wire.hear().text;
    assert!(
        header(&invite, "Via").starts_with("SIP/2.0/UDP 192.0.2.77:5066;"),
        "{invite}"
    );
    let contact = header(&invite, "Contact");
    assert!(contact.contains("192.0.2.77:5066>"), "{contact}");
}

fn description() -> Body {
    Body {
        content_type: Text::from_static("application/sdp"),
        octets: "v=0".into(),
    }
}

/// The server takes the call that was just made, and hears the ACK.
fn take_call(wire: &mut Wire, over: &dyn Fn(String) -> String) -> InviteId {
    let Event::Invite { id, .. } = wire.event() else {
        panic!("no INVITE");
    };
    let accept = Accept {
        body: Some(description()),
        ..Accept::default()
    };
    wire.endpoint.accept(wire.now, id, accept).unwrap();
    let to = format!("To: {}", header(&wire.hear().text, "To"));
    let ack = request("ACK", 1, "", "").replace("To: <sip:room@192.0.2.1>", &to);
    wire.say(&over(ack));
    id
}

/// Behind a NAT those inside are told the inner address, whatever is advertised to all others.
#[test]
fn rfc3261_8_1_1_8_what_we_are_reached_at_goes_by_the_peers_network() {
    for (peer, named) in [
        ("10.0.0.9", "10.0.0.5:5066"),
        ("198.51.100.9", "192.0.2.1:5060"),
    ] {
        let mut wire = Wire::new();
        let sources = Sources::new(|_| Some(address("10.0.0.5:5066")));
        let inside: std::net::IpAddr = [10, 0, 0, 9].into();
        let told = move |peer| (peer == inside).then_some([10, 0, 0, 5].into());
        wire.endpoint.set_sources(sources.telling(told));
        wire.invite(&format!("sip:bob@{peer}"), 10, &[]);
        let invite = wire.hear().text;
        let via = header(&invite, "Via");
        assert!(via.starts_with(&format!("SIP/2.0/UDP {named};")), "{via}");
        let contact = header(&invite, "Contact");
        assert!(contact.contains(&format!("{named}>")), "{contact}");
    }
}

/// On a connection that we have opened nobody reaches us; the peer is told where we listen, whatever it is told of the
/// address.
#[test]
fn rfc3261_8_1_1_8_a_connection_of_ours_is_not_where_we_listen() {
    for (own, told, named) in [
        ("192.0.2.1:5060", None, "192.0.2.1:5060"),
        ("192.0.2.1:49152", None, "192.0.2.1:5062"),
        ("192.0.2.1:49152", Some([10, 0, 0, 5]), "10.0.0.5:5062"),
    ] {
        let mut wire = Wire::with(|config| config.advertised.clear());
        let sources = Sources::new(|_| Some(address("192.0.2.1:5062")));
        let sources = sources.listening(|_, port| port < 6000);
        let sources = sources.telling(move |_| told.map(std::net::IpAddr::from));
        wire.endpoint.set_sources(sources);
        wire.flow.transport = Transport::Tcp;
        wire.flow.local = address(own);
        let tcp = |text: String| text.replace("SIP/2.0/UDP", "SIP/2.0/TCP");
        wire.say(&tcp(request("INVITE", 1, "", "v=0")));
        let Event::Invite { id, .. } = wire.event() else {
            panic!("no INVITE");
        };
        let accept = Accept {
            body: Some(description()),
            ..Accept::default()
        };
        wire.endpoint.accept(wire.now, id, accept).unwrap();
        let answer = wire.hear().text;
        let contact = header(&answer, "Contact");
        assert!(
            contact.contains(&format!("{named};transport=tcp>")),
            "{own}: {contact}"
        );
    }
}

/// A caller over TCP whose connection is gone is reached at its Contact.
#[test]
fn rfc3261_12_2_1_1_a_lost_connection_is_not_the_end_of_the_dialog() {
    for closed in [false, true] {
        let mut wire = Wire::new();
        wire.flow.transport = Transport::Tcp;
        wire.flow.remote = address("192.0.2.9:40001");
        let tcp = |text: String| text.replace("SIP/2.0/UDP", "SIP/2.0/TCP");
        let contact = "<sip:peer@192.0.2.9:5062;transport=tcp>";
        let invite = request("INVITE", 1, "", "v=0");
        wire.say(&tcp(invite.replace("<sip:peer@192.0.2.9:5062>", contact)));
        let id = take_call(&mut wire, &tcp);
        wire.endpoint.bye(wire.now, id, None).unwrap();
        let first = wire.hear();
        assert_eq!(first.to, address("192.0.2.9:40001"), "the open connection");
        // It cannot be written to, or it ends before the answer.
        if closed {
            wire.endpoint.handle_flow_closed(wire.now, FlowId(1));
        } else {
            wire.endpoint
                .handle_send_failed(wire.now, first.tx.unwrap());
        }
        let second = wire.hear();
        assert_eq!(
            (second.transport, second.to),
            (Transport::Tcp, address("192.0.2.9:5062"))
        );
        assert!(second.text.starts_with("BYE sip:peer@192.0.2.9:5062"));
        let via = |text: &str| header(text, "Via").to_owned();
        assert_ne!(via(&first.text), via(&second.text), "RFC 3263 §4.3");
        // A drain waits for the answer, which is no event.
        let counts = wire.endpoint.counts();
        assert_eq!((counts.usages, counts.byes), (0, 1));
        wire.say(&tcp(response(&second.text, 200, "", "", "")));
        assert_eq!(wire.endpoint.counts().byes, 0);
    }
}

/// A Contact that changes in an answer does not lead away from the stream the peer holds.
#[test]
fn rfc3261_12_2_1_2_a_refreshed_target_leaves_an_open_connection_in_use() {
    let mut wire = Wire::new();
    wire.flow.transport = Transport::Tcp;
    wire.flow.remote = address("192.0.2.9:40001");
    let tcp = |text: String| text.replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    wire.say(&tcp(request("INVITE", 1, "", "v=0")));
    let id = take_call(&mut wire, &tcp);
    wire.endpoint
        .modify(wire.now, id, Method::Invite, Some(description()))
        .unwrap();
    let asked = wire.hear();
    let elsewhere = "Contact: <sip:moved@192.0.2.10:5099;transport=tcp>\n";
    wire.say(&tcp(response(&asked.text, 200, "", elsewhere, "v=0")));
    wire.endpoint.bye(wire.now, id, None).unwrap();
    let ack = wire.hear();
    let bye = wire.hear();
    for (method, heard) in [("ACK", &ack), ("BYE", &bye)] {
        let begin = format!("{method} sip:moved@192.0.2.10:5099");
        assert!(heard.text.starts_with(&begin), "{}", heard.text);
        assert_eq!(heard.to, address("192.0.2.9:40001"), "{method}");
    }
}

/// A BYE that nobody answers is counted until its transaction gives up, and no longer.
#[test]
fn rfc3261_17_1_2_2_an_unanswered_bye_is_counted_while_it_is_repeated() {
    let mut wire = Wire::new();
    wire.say(&request("INVITE", 1, "", "v=0"));
    let id = take_call(&mut wire, &|ack| ack);
    wire.endpoint.bye(wire.now, id, None).unwrap();
    wire.pass(31_000);
    assert_eq!(wire.endpoint.counts().byes, 1);
    wire.pass(2_000);
    assert_eq!(wire.endpoint.counts().byes, 0);
}

/// A BYE that nobody ordered says why it comes.
#[test]
fn rfc3326_2_a_bye_has_its_reason() {
    let mut wire = Wire::new();
    wire.say(&request(
        "INVITE",
        1,
        "Supported: timer\nSession-Expires: 90;refresher=uac\n",
        "v=0",
    ));
    take_call(&mut wire, &|ack| ack);
    wire.pass(90_000);
    let bye = wire.hear().text;
    assert!(bye.starts_with("BYE "), "RFC 4028 §10: {bye}");
    assert_eq!(
        header(&bye, "Reason"),
        "SIP;cause=408;text=\"The session was not refreshed\""
    );
}
