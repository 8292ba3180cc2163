//! What typed header fields mean, form by form (RFC 3261 §20, §25.1 and the RFCs of the fields).

#![expect(clippy::panic, reason = "a test may")]

use plenum_sip::msg::{
    AuthParams, Contacts, Date, HeaderName, Headers, Host, Method, NameAddr, Refresher, Replaces,
    Request, Response, StatusCode, Text, Uri, Via,
};

fn headers(fields: &[(&'static str, &str)]) -> Headers {
    fields
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), Text::from(*value)))
        .collect()
}

fn address(text: &str) -> NameAddr {
    NameAddr::parse(&Text::from(text)).unwrap_or_else(|reason| panic!("{text}: {reason}"))
}

fn uri(text: &str) -> Uri {
    text.parse()
        .unwrap_or_else(|reason| panic!("{text}: {reason}"))
}

/// RFC 3261 §7.3.3, §7.3.1: compact names and any case are the same name.
#[test]
fn names_match_in_any_case_and_in_compact_form() {
    for (spelled, name) in [
        ("v", HeaderName::Via),
        ("VIA", HeaderName::Via),
        ("f", HeaderName::From),
        ("T", HeaderName::To),
        ("i", HeaderName::CallId),
        ("call-id", HeaderName::CallId),
        ("m", HeaderName::Contact),
        ("x", HeaderName::SessionExpires),
        ("k", HeaderName::Supported),
        ("l", HeaderName::ContentLength),
        ("c", HeaderName::ContentType),
        ("e", HeaderName::ContentEncoding),
        ("o", HeaderName::Event),
        ("u", HeaderName::AllowEvents),
        ("r", HeaderName::ReferTo),
        ("b", HeaderName::ReferredBy),
        ("s", HeaderName::Subject),
        ("www-authenticate", HeaderName::WwwAuthenticate),
        ("SIP-ETag", HeaderName::SipEtag),
        ("p-asserted-identity", HeaderName::PAssertedIdentity),
    ] {
        assert_eq!(
            HeaderName::from_bytes(spelled.as_bytes()),
            name,
            "{spelled}"
        );
    }
    let unknown = HeaderName::from_bytes(b"X-Odd");
    assert_eq!(unknown.as_str(), "X-Odd");
    assert_eq!(unknown, HeaderName::from_bytes(b"x-oDD"));
    assert_ne!(HeaderName::from_bytes(b"z"), HeaderName::Via);
}

/// RFC 3261 §19.1.1: the parts of a URI.
#[test]
fn the_parts_of_a_sip_uri() {
    let uri = uri("sips:al%69ce;day=tue:s%20cret@[2001:DB8::1]:05061;lr;x=a:b?subject=hi&to=%41");
    assert_eq!(uri.user.as_ref().unwrap(), &"al%69ce;day=tue");
    assert_eq!(uri.user_decoded(), "alice;day=tue");
    assert_eq!(uri.password.as_ref().unwrap(), &"s%20cret");
    assert_eq!(uri.host, Host::V6("2001:db8::1".parse().unwrap()));
    assert_eq!(uri.port, Some(5061));
    assert_eq!(uri.param("LR").unwrap(), "");
    assert_eq!(uri.param("x").unwrap(), "a:b");
    assert_eq!(uri.headers.as_ref().unwrap(), &"subject=hi&to=%41");
    assert!(uri.param("y").is_none());
}

/// A URI prints as it was spelled until a part of it is changed.
#[test]
fn a_uri_keeps_its_spelling_until_it_is_changed() {
    let spelled = "SIP:a@[2001:DB8:0::1]:05060;Transport=UDP";
    let mut uri = uri(spelled);
    assert_eq!(uri.to_string(), spelled);
    assert_eq!(uri.clone().to_string(), spelled);
    uri.params.set("transport", Some("tcp"));
    assert_eq!(uri.to_string(), "sip:a@[2001:db8::1]:5060;transport=tcp");
    assert_eq!(uri.without_params().to_string(), "sip:a@[2001:db8::1]:5060");
}

/// RFC 3261 §19.1.4, in the classes of its examples.
#[test]
fn equivalence_of_uris() {
    let same = [
        (
            "sip:%61lice@Example.COM;transport=TCP",
            "SIP:alice@eXample.com;Transport=tcp",
        ),
        ("sip:bob@example.com", "sip:bob@example.com;new=1"),
        ("sip:bob@example.com;x=1;y=2", "sip:bob@example.com;y=2;x=1"),
        ("sip:h@example.com?a=1&b=2", "sip:h@example.com?b=2&a=1"),
        ("tel:+123", "tel:+123"),
    ];
    let other = [
        ("sip:Alice@example.com", "sip:alice@example.com"),
        ("sip:bob@example.com", "sip:bob@example.com:5060"),
        ("sip:bob@example.com", "sip:bob@example.com;transport=udp"),
        ("sip:bob@example.com;x=1", "sip:bob@example.com;x=2"),
        ("sip:bob@example.com", "sips:bob@example.com"),
        ("sip:bob@example.com", "sip:bob@example.com?subject=x"),
        ("sip:bob@192.0.2.4", "sip:bob@phone.example.com"),
        ("sip:example.com", "sip:bob@example.com"),
        ("tel:+123", "sip:+123@example.com"),
    ];
    for (a, b) in same {
        assert!(
            uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)),
            "{a} {b}"
        );
    }
    for (a, b) in other {
        assert!(
            !uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)),
            "{a} {b}"
        );
    }
}

/// A user that must be escaped is (RFC 3261 §19.1.2).
#[test]
fn a_built_uri_escapes_its_user() {
    let uri = Uri::sip(Some("two words@é"), Host::Name(Text::from("h")), Some(5080));
    assert_eq!(uri.to_string(), "sip:two%20words%40%C3%A9@h:5080");
    assert_eq!(uri.user_decoded(), "two words@é");
}

/// RFC 3261 §20.10: in angle brackets parameters are the URI's, without them the field's.
#[test]
fn whose_parameters_of_an_address() {
    let bracketed = address("\"A \\\"B\\\", C\" <sip:a@b;lr;tag=no> ;tag = x ; q=\"1;2\"");
    assert_eq!(bracketed.display.as_deref(), Some("A \"B\", C"));
    assert_eq!(bracketed.tag().unwrap(), "x");
    assert_eq!(bracketed.uri.param("tag").unwrap(), "no");
    assert_eq!(bracketed.params.get_unquoted("q").unwrap(), "1;2");
    let bare = address("sip:a@b;tag=y");
    assert_eq!(bare.tag().unwrap(), "y");
    assert!(bare.uri.params.is_empty());
    assert_eq!(
        address("Two Words<tel:+1>").display.as_deref(),
        Some("Two Words")
    );
    let printed = address("a <sip:a@b>").with_tag("1").to_string();
    assert_eq!(printed, "\"a\" <sip:a@b>;tag=1");
}

/// RFC 3261 §7.3.1: several values in one field and several fields are one list.
#[test]
fn lists_span_fields() {
    let headers = headers(&[
        ("Route", "<sip:a;lr>, \"x, <y>\" <sip:b;lr>"),
        ("Via", "SIP/2.0/UDP h1;branch=z9hG4bK1, SIP/2.0/TCP h2"),
        ("Route", "<sip:c;lr>"),
        ("v", "SIP / 2.0 / TLS h3:5061 ;branch = z"),
    ]);
    let hosts: Vec<String> = headers
        .routes()
        .unwrap()
        .iter()
        .map(|route| route.uri.host.to_string())
        .collect();
    assert_eq!(hosts, ["a", "b", "c"]);
    assert_eq!(headers.vias().unwrap().len(), 3);
    assert_eq!(headers.via().unwrap().branch().unwrap(), "z9hG4bK1");
    assert_eq!(headers.vias().unwrap()[2].branch().unwrap(), "z");
}

/// RFC 3261 §20.10: `Contact: *`, none, and many.
#[test]
fn contacts() {
    assert_eq!(
        headers(&[("Contact", "*")]).contacts().unwrap(),
        Contacts::Star
    );
    assert!(headers(&[]).contacts().unwrap().first().is_none());
    let many = headers(&[("Contact", "<sip:a@b>;expires=5, sip:c@d;q=1")])
        .contacts()
        .unwrap();
    assert!(matches!(many, Contacts::List(list) if list.len() == 2));
}

/// RFC 3261 §18.2.1, RFC 3581 §4: `received` and `rport`, every other octet as it was.
#[test]
fn stamping_the_topmost_via() {
    let cases = [
        (
            "SIP/2.0/UDP host.example;branch=z",
            "SIP/2.0/UDP host.example;branch=z;received=192.0.2.9",
        ),
        (
            "SIP/2.0/UDP 192.0.2.9:5070;branch=z",
            "SIP/2.0/UDP 192.0.2.9:5070;branch=z",
        ),
        (
            "SIP/2.0/UDP 192.0.2.9;RPORT;branch=z",
            "SIP/2.0/UDP 192.0.2.9;rport=4000;branch=z;received=192.0.2.9",
        ),
        (
            "SIP / 2.0/UDP  10.0.0.1:5070;rport;branch=z, SIP/2.0/TCP next;branch=y",
            "SIP / 2.0/UDP  10.0.0.1:5070;rport=4000;branch=z;received=192.0.2.9, SIP/2.0/TCP next;branch=y",
        ),
        (
            "SIP/2.0/UDP 10.0.0.1;received=6.6.6.6",
            "SIP/2.0/UDP 10.0.0.1;received=192.0.2.9",
        ),
        (
            "SIP/2.0/UDP 192.0.2.9;received=6.6.6.6;branch=z",
            "SIP/2.0/UDP 192.0.2.9;branch=z",
        ),
    ];
    for (before, after) in cases {
        let mut headers = headers(&[("Via", before)]);
        headers
            .stamp_via("[::ffff:192.0.2.9]:4000".parse().unwrap())
            .unwrap();
        assert_eq!(headers.get(&HeaderName::Via).unwrap(), &after);
    }
    let mut via = headers(&[("Via", "SIP/2.0/UDP h;rport;branch=z")])
        .via()
        .unwrap();
    assert_eq!((via.rport(), via.received()), (Some(None), None));
    via.set_rport(Some(7));
    via.set_received("2001:db8::1".parse().unwrap());
    let again = Via::parse(&via.to_text()).unwrap();
    assert_eq!(again.rport(), Some(Some(7)));
    assert_eq!(again.received(), Some("2001:db8::1".parse().unwrap()));
}

/// RFC 3261 §20.16, RFC 3262 §7.2.
#[test]
fn sequence_numbers() {
    let headers = headers(&[
        ("CSeq", "0009 \t INVITE"),
        ("RAck", "1  2 PRACK"),
        ("RSeq", "4294967295"),
    ]);
    assert_eq!(headers.cseq().unwrap().to_string(), "9 INVITE");
    let rack = headers.rack().unwrap();
    assert_eq!((rack.rseq, rack.seq, rack.method), (1, 2, Method::Prack));
    assert_eq!(headers.rseq().unwrap(), Some(u32::MAX));
}

/// RFC 4028 §4, §5.
#[test]
fn session_timers() {
    let headers = headers(&[("x", "1800;Refresher=UAS;odd"), ("Min-SE", "90;ext=1")]);
    let expires = headers.session_expires().unwrap().unwrap();
    assert_eq!(
        (expires.seconds, expires.refresher),
        (1800, Some(Refresher::Uas))
    );
    assert_eq!(expires.to_string(), "1800;refresher=uas");
    assert_eq!(headers.min_se().unwrap(), Some(90));
}

/// RFC 3891 §6.1, and as it travels in Refer-To (RFC 3515 §2.1).
#[test]
fn replaces() {
    let value = headers(&[("Replaces", "a@b;from-tag=f;to-tag=t;early-only")])
        .replaces()
        .unwrap();
    let value = value.unwrap();
    assert_eq!(
        (value.call_id.to_string(), value.early_only),
        ("a@b".to_owned(), true)
    );
    assert_eq!(
        (value.to_tag.to_string(), value.from_tag.to_string()),
        ("t".into(), "f".into())
    );
    let refer = headers(&[(
        "Refer-To",
        "<sip:a@b?Replaces=c%40d%3Bto-tag%3D1%3Bfrom-tag%3D2>",
    )]);
    let target = refer.refer_to().unwrap();
    let escaped = target
        .uri
        .headers
        .as_ref()
        .unwrap()
        .as_bytes()
        .strip_prefix(b"Replaces=");
    assert_eq!(
        Replaces::parse_escaped(escaped.unwrap()).unwrap().call_id,
        "c@d"
    );
    assert!(headers(&[("Replaces", "a@b;to-tag=1")]).replaces().is_err());
}

/// RFC 3261 §20.32, §20.37, §20.5; RFC 3323 §4.2.
#[test]
fn token_lists() {
    let headers = headers(&[
        ("Require", "100rel"),
        ("k", "timer, Replaces ,, norefersub"),
        ("Supported", ""),
        ("Allow", "INVITE, UPDATE"),
        ("Privacy", "id; critical"),
    ]);
    assert!(headers.require().unwrap().has("100REL"));
    assert_eq!(
        headers.supported().unwrap().to_string(),
        "timer, Replaces, norefersub"
    );
    assert!(headers.allows(&Method::Update) && !headers.allows(&Method::Prack));
    assert!(headers.privacy().unwrap().has("critical"));
    assert!(Headers::new().allow().unwrap().is_none());
}

/// RFC 3261 §20.1, §20.11, §20.15.
#[test]
fn media_types() {
    let headers = headers(&[
        ("Accept", "application/sdp;level=1, text/*;q=0.7, */*;q=0"),
        ("c", "Multipart / Mixed ; boundary=\"a b\""),
        ("Content-Disposition", "session;handling=optional"),
    ]);
    let media = headers.content_type().unwrap().unwrap();
    assert!(media.is("multipart", "mixed"));
    assert_eq!(media.params.get_unquoted("BOUNDARY").unwrap(), "a b");
    let accept = headers.accept().unwrap().unwrap();
    assert!(accept.iter().all(|range| !range.is("text", "html")));
    assert!(accept[2].covers(&media) && !accept[1].covers(&media));
    assert!(
        headers
            .content_disposition()
            .unwrap()
            .unwrap()
            .is_optional()
    );
}

/// RFC 6665 §8.2.
#[test]
fn events() {
    let headers = headers(&[
        ("o", "conference.winfo;id=7"),
        (
            "Subscription-State",
            "terminated;reason=timeout;retry-after=30;expires=0",
        ),
    ]);
    let event = headers.event().unwrap().unwrap();
    assert_eq!(
        (event.package.to_string(), event.id()),
        ("conference.winfo".into(), Some("7".into()))
    );
    let state = headers.subscription_state().unwrap().unwrap();
    assert_eq!((state.expires(), state.retry_after()), (Some(0), Some(30)));
    assert_eq!(state.reason().unwrap(), "timeout");
}

/// RFC 3261 §20.33, §20.43; RFC 3326 §2.
#[test]
fn notices() {
    let headers = headers(&[
        ("Retry-After", "120 (soon \\) (really)) ;duration=60"),
        (
            "Reason",
            "Q.850;cause=16;text=\"Normal, clear\", SIP ;cause=200",
        ),
        (
            "Warning",
            "399 conf.example \"Locked by \\\"Ann\\\"\", 370 x:5060 \"b\"",
        ),
    ]);
    let retry = headers.retry_after().unwrap().unwrap();
    assert_eq!((retry.seconds, retry.duration), (120, Some(60)));
    assert_eq!(retry.comment.unwrap(), "soon \\) (really)");
    let reasons = headers.reason().unwrap();
    assert_eq!(
        (reasons[0].cause, reasons[0].text.as_deref()),
        (Some(16), Some("Normal, clear"))
    );
    assert_eq!(
        reasons[0].to_string(),
        "Q.850;cause=16;text=\"Normal, clear\""
    );
    let warnings = headers.warning().unwrap();
    assert_eq!(warnings[0].text, "Locked by \"Ann\"");
    assert_eq!(
        (warnings[1].code, warnings[1].agent.to_string()),
        (370, "x:5060".into())
    );
}

/// RFC 3261 §20.17, on both sides of leap days.
#[test]
fn dates() {
    for (text, unix_seconds) in [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Tue, 29 Feb 2000 12:34:56 GMT", 951_827_696),
        ("Sat, 13 Nov 2010 23:29:00 GMT", 1_289_690_940),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 4_133_980_799),
    ] {
        let date = Date::parse(&Text::from(text)).unwrap();
        assert_eq!(date, Date { unix_seconds }, "{text}");
        assert_eq!(date.to_string(), text);
    }
    for bad in [
        "Fri, 01 Jan 2010 16:00:00 EST",
        "01 Jan 2010",
        "",
        "Fri, 01 Foo 2010 16:00:00 GMT",
    ] {
        assert!(Date::parse(&Text::from(bad)).is_err(), "{bad}");
    }
}

/// RFC 3261 §20.44, and other schemes than Digest; secrets do not get into logs.
#[test]
fn credentials() {
    let text = "NTLM qop=\"auth\", realm=\"SIP, Service\", opaque=\"x\", empty";
    let credentials = headers(&[("Proxy-Authorization", text)])
        .proxy_authorization()
        .unwrap();
    assert_eq!(credentials[0].scheme, "NTLM");
    assert_eq!(credentials[0].get("REALM").unwrap(), "SIP, Service");
    assert!(!format!("{credentials:?}").contains("Service"));
    let challenge = AuthParams::new("Digest")
        .with("realm", "\"a\"")
        .with("algorithm", "SHA-256");
    assert_eq!(
        challenge.to_string(),
        "Digest realm=\"a\", algorithm=SHA-256"
    );
}

/// RFC 3261 §20.24: display of identities (RFC 3325 §9.1).
#[test]
fn identities() {
    let headers = headers(&[
        ("P-Asserted-Identity", "\"Ann\" <sip:ann@x>, tel:+15550100"),
        (
            "Remote-Party-ID",
            "\"Ann\" <sip:ann@x>;party=calling;privacy=off",
        ),
        ("Referred-By", "<sip:boss@x>;cid=\"1@x\""),
    ]);
    assert_eq!(headers.p_asserted_identity().unwrap().len(), 2);
    assert_eq!(
        headers.remote_party_id().unwrap()[0]
            .params
            .get("party")
            .unwrap(),
        "calling"
    );
    assert_eq!(
        headers.referred_by().unwrap().unwrap().uri.user_decoded(),
        "boss"
    );
}

/// RFC 3261 §8.2.6: what a response copies, in the order of the request, octet for octet.
#[test]
fn a_response_copies_what_it_must() {
    let request = Request::new(Method::Options, uri("sip:a@b"))
        .with(
            HeaderName::Via,
            "SIP/2.0/UDP  one;branch=1, SIP/2.0/UDP two",
        )
        .with(HeaderName::Timestamp, "54 0.1")
        .with(HeaderName::Subject, "not this")
        .with(HeaderName::Via, "SIP/2.0/UDP three")
        .with(HeaderName::From, "x  <sip:x@y>;tag=1")
        .with(HeaderName::To, "\"T\"<sip:a@b>")
        .with(HeaderName::CallId, "c")
        .with(HeaderName::CSeq, "1 OPTIONS");
    let response = request
        .response(StatusCode::OK)
        .with_to_tag("t")
        .with_to_tag("u");
    let printed = String::from_utf8(response.print().to_vec()).unwrap();
    assert_eq!(
        printed,
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP  one;branch=1, SIP/2.0/UDP two\r\nVia: SIP/2.0/UDP three\r\n\
         From: x  <sip:x@y>;tag=1\r\nTo: \"T\"<sip:a@b>;tag=t\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    assert!(
        request
            .response(StatusCode::TRYING)
            .headers
            .has(&HeaderName::Timestamp)
    );
}

/// A value from outside cannot start a field of its own.
#[test]
fn line_breaks_in_values_become_spaces() {
    let response = Response::new(StatusCode::OK)
        .with_reason("OK\r\nA: b")
        .with(HeaderName::Subject, "x\r\nInjected: y\n");
    let printed = String::from_utf8(response.print().to_vec()).unwrap();
    assert!(
        printed.starts_with("SIP/2.0 200 OK  A: b\r\nSubject: x  Injected: y \r\n"),
        "{printed}"
    );
    let address = address("<sip:a@b>").with_display("a\r\nb");
    assert_eq!(address.to_string(), "\"a  b\" <sip:a@b>");
}

/// Replacing keeps the place of a field; a list keeps its order.
#[test]
fn changing_fields() {
    let mut headers = headers(&[("To", "a"), ("X", "1"), ("From", "b"), ("x", "2")]);
    headers.set(HeaderName::from_static("X"), "3");
    headers.prepend(HeaderName::Via, "v");
    headers.remove(&HeaderName::From);
    let values: Vec<String> = headers
        .iter()
        .map(|field| field.value.to_string())
        .collect();
    assert_eq!(values, ["v", "a", "3"]);
}
