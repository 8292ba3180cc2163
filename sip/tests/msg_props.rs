//! Properties of messages: nothing panics, and printing and parsing are inverse (RFC 3261 §7).

#![expect(clippy::unwrap_used, reason = "a test may")]

mod bounds;

use bytes::Bytes;
use plenum_sip::msg::{
    CSeq, Framing, HeaderName, Host, Message, Method, NameAddr, Request, Response, StatusCode,
    Text, Uri, Via, multipart, parse,
};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9.!%*_+`'~-]{1,12}"
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        "[a-z][a-z0-9-]{0,8}[a-z](\\.[a-z]{2,5}){0,2}"
            .prop_map(|name| Host::Name(Text::from(name))),
        any::<u32>().prop_map(|bits| Host::from(IpAddr::V4(Ipv4Addr::from(bits)))),
        any::<u128>().prop_map(|bits| Host::from(IpAddr::V6(Ipv6Addr::from(bits)))),
    ]
}

fn uri() -> impl Strategy<Value = Uri> {
    let sip = (
        any::<bool>(),
        prop::option::of("\\PC{1,12}"),
        host(),
        prop::option::of(any::<u16>()),
        prop::collection::vec(
            (
                "[a-z][a-z0-9-]{0,5}",
                prop::option::of("[A-Za-z0-9:+$&/.%4-9-]{1,8}"),
            ),
            0..3,
        ),
    );
    let sip = sip.prop_map(|(secure, user, host, port, params)| {
        let mut uri = Uri::sip(user.as_deref(), host, port);
        if secure {
            uri.scheme = plenum_sip::msg::Scheme::Sips;
        }
        for (name, value) in params {
            // A `%` of a generated value is made whole.
            let value = value.map(|value| value.replace('%', "%41"));
            uri.params.set(&name, value.as_deref());
        }
        uri
    });
    let tel = "\\+[0-9]{3,12}".prop_map(|number| format!("tel:{number};x=y").parse().unwrap());
    prop_oneof![8 => sip, 1 => tel]
}

fn address() -> impl Strategy<Value = NameAddr> {
    (
        prop::option::of("\\PC{0,16}"),
        uri(),
        prop::option::of(token()),
    )
        .prop_map(|(display, uri, tag)| {
            let address = NameAddr {
                display,
                ..NameAddr::new(uri)
            };
            match tag {
                Some(tag) => address.with_tag(&tag),
                None => address,
            }
        })
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        Just(Method::Invite),
        Just(Method::Options),
        Just(Method::Notify),
        Just(Method::Prack),
        token().prop_map(|token| Method::from_bytes(token.as_bytes()).unwrap()),
    ]
}

fn value() -> impl Strategy<Value = Text> {
    // Any octets but line breaks; white space at the ends is not part of a value.
    prop::collection::vec(any::<u8>(), 0..24).prop_map(|octets| {
        let octets: Vec<u8> = octets
            .into_iter()
            .filter(|octet| !matches!(octet, b'\r' | b'\n'))
            .collect();
        Text::copy_from(octets.trim_ascii())
    })
}

fn extra() -> impl Strategy<Value = Vec<(HeaderName, Text)>> {
    let name = prop_oneof![
        Just(HeaderName::Subject),
        Just(HeaderName::UserAgent),
        "[A-Z][a-z]{2,6}-[A-Z][a-z]{2,6}x".prop_map(|name| HeaderName::from_bytes(name.as_bytes())),
    ];
    prop::collection::vec((name, value()), 0..5)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..64)
}

prop_compose! {
    fn request()(
        method in method(), uri in uri(), from in address(), to in address(), contact in address(),
        host in host(), port in prop::option::of(any::<u16>()), branch in token(),
        call_id in "[A-Za-z0-9@.-]{1,20}", seq in 0_u32..1 << 31, extra in extra(), body in body(),
    ) -> Request {
        let mut via = Via::new("UDP", host, port);
        via.set_branch(&branch);
        let cseq = CSeq { seq, method: method.clone() };
        let mut request = Request::new(method, uri)
            .with(HeaderName::Via, via)
            .with(HeaderName::From, from)
            .with(HeaderName::To, to)
            .with(HeaderName::CallId, call_id)
            .with(HeaderName::CSeq, cseq)
            .with(HeaderName::Contact, contact);
        for (name, value) in extra {
            request.headers.push(name, value);
        }
        let length = body.len().to_string();
        request.with_body("application/octet-stream", body).with(HeaderName::ContentLength, length)
    }
}

fn read(octets: Bytes, framing: Framing) -> Message {
    parse(octets, &bounds::limits(), framing).unwrap()
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..512)) {
        drop(parse(Bytes::from(octets), &bounds::limits(), Framing::Datagram));
    }

    #[test]
    fn arbitrary_values_of_typed_fields_never_panic(value in "\\PC{0,40}", sharp in "[<>\"\\\\;,=@:%() a1*/\\[\\]]{0,40}") {
        for text in [Text::from(value), Text::from(sharp)] {
            let mut response = Response::new(StatusCode::OK);
            for name in [
                HeaderName::Via, HeaderName::From, HeaderName::Contact, HeaderName::Route,
                HeaderName::CSeq, HeaderName::RAck, HeaderName::ContentType, HeaderName::Accept,
                HeaderName::SessionExpires, HeaderName::Replaces, HeaderName::Event,
                HeaderName::RetryAfter, HeaderName::Reason, HeaderName::Warning, HeaderName::Date,
                HeaderName::Authorization, HeaderName::Privacy, HeaderName::Allow,
            ] {
                response.headers.push(name, text.clone());
            }
            let headers = &response.headers;
            drop((headers.vias(), headers.from(), headers.contacts(), headers.routes()));
            drop((headers.cseq(), headers.rack(), headers.content_type(), headers.accept()));
            drop((headers.session_expires(), headers.replaces(), headers.event()));
            drop((headers.retry_after(), headers.reason(), headers.warning(), headers.date()));
            drop((headers.authorization(), headers.privacy(), headers.allow()));
        }
    }

    #[test]
    fn a_printed_request_is_read_as_it_was(request in request()) {
        for framing in [Framing::Datagram, Framing::Stream] {
            prop_assert_eq!(read(request.print(), framing), Message::Request(request.clone()));
        }
    }

    #[test]
    fn a_printed_response_is_read_as_it_was(
        request in request(), code in 100_u16..700, reason in "\\PC{0,20}", body in body(),
    ) {
        let length = body.len().to_string();
        let response = request.response(StatusCode::new(code).unwrap())
            .with_reason(reason)
            .with_body("application/octet-stream", body)
            .with(HeaderName::ContentLength, length);
        prop_assert_eq!(read(response.print(), Framing::Stream), Message::Response(response));
    }

    #[test]
    fn a_printed_uri_is_read_as_it_was(uri in uri()) {
        let again = Uri::parse(&uri.to_octets()).unwrap();
        prop_assert_eq!(&again, &uri);
        prop_assert!(again.equivalent(&uri));
        prop_assert_eq!(again.to_string(), uri.to_string());
    }

    #[test]
    fn a_printed_address_is_read_as_it_was(address in address()) {
        prop_assert_eq!(&NameAddr::parse(&address.to_text()).unwrap(), &address);
        prop_assert_eq!(address.detached(), address);
    }

    #[test]
    fn a_cut_message_is_never_read_as_another(request in request(), cut in any::<prop::sample::Index>()) {
        // RFC 3261 §18.3: on a datagram every missing octet is noticed.
        let printed = request.print();
        let cut = cut.index(printed.len());
        prop_assert!(parse(printed.slice(..cut), &bounds::limits(), Framing::Datagram).is_err());
    }

    #[test]
    fn parts_of_a_body_come_out_as_they_went_in(parts in prop::collection::vec(body(), 1..5)) {
        let media = plenum_sip::msg::MediaType::parse(&Text::from("multipart/mixed;boundary=\"a b\"")).unwrap();
        let mut whole = Vec::new();
        for part in &parts {
            whole.extend_from_slice(b"--a b\r\nContent-Type: x/y\r\n\r\n");
            whole.extend_from_slice(part);
            whole.extend_from_slice(b"\r\n");
        }
        whole.extend_from_slice(b"--a b--\r\n");
        let found = multipart::parse(&Bytes::from(whole), &media).unwrap();
        let bodies: Vec<&[u8]> = found.iter().map(|part| part.body.as_ref()).collect();
        prop_assert_eq!(bodies, parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
}
