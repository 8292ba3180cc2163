//! RFC 5769 gives messages to compare with; ours are made here and compared octet for octet.

use proptest::prelude::*;

use super::*;

const ID: TransactionId = TransactionId([
    0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
]);

fn request(key: &Key) -> Vec<u8> {
    Writer::new(Class::Request, Method::BINDING, ID)
        .attribute(kind::USERNAME, b"evtj:h6vY")
        .attribute(kind::PRIORITY, &0x6e00_01ff_u32.to_be_bytes())
        .integrity(key)
        .fingerprint()
}

#[test]
fn rfc5769_2_1_integrity_and_fingerprint_of_the_sample_request() {
    // The sample request of RFC 5769 §2.1, which pads with spaces.
    let sample: [u8; 108] = [
        0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6,
        0x86, 0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74,
        0x65, 0x73, 0x74, 0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e,
        0x00, 0x01, 0xff, 0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36,
        0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20,
        0x20, 0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e,
        0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5,
        0x7a, 0x3b, 0xcf,
    ];
    let message = Message::parse(&sample).unwrap();
    assert_eq!(message.class, Class::Request);
    assert_eq!(message.method, Method::BINDING);
    assert!(message.has_fingerprint());
    let key = Key::short_term("VOkJxbRl1RmTxUk/WvJxBt");
    assert!(message.is_signed_with(&key));
    assert!(!message.is_signed_with(&Key::short_term("VOkJxbRl1RmTxUk/WvJxBu")));
    assert_eq!(message.attribute(kind::USERNAME), Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.number(kind::PRIORITY), Some(0x6e00_01ff));
    assert_eq!(
        message.long_number(kind::ICE_CONTROLLED),
        Some(0x932f_f9b1_5126_3b36)
    );
}

#[test]
fn rfc8489_what_we_write_reads_back() {
    let key = Key::short_term("secret");
    let bytes = request(&key);
    let message = Message::parse(&bytes).unwrap();
    assert!(message.is_signed_with(&key) && message.has_fingerprint());
    for address in [
        "192.0.2.1:32853",
        "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
    ] {
        let address: SocketAddr = address.parse().unwrap();
        let bytes = Writer::new(Class::Success, Method::BINDING, ID)
            .xor_address(kind::XOR_MAPPED_ADDRESS, address)
            .fingerprint();
        let read = Message::parse(&bytes).unwrap();
        assert_eq!(read.xor_address(kind::XOR_MAPPED_ADDRESS), Some(address));
    }
    let methods = [Method::ALLOCATE, Method::CHANNEL_BIND, Method(0xfff)];
    for method in methods {
        for class in [
            Class::Request,
            Class::Indication,
            Class::Success,
            Class::Error,
        ] {
            let bytes = Writer::new(class, method, ID)
                .error_code(438, "Stale Nonce")
                .finish();
            let read = Message::parse(&bytes).unwrap();
            assert_eq!(
                (read.class, read.method, read.error_code()),
                (class, method, Some(438))
            );
        }
    }
}

#[test]
fn rfc8489_9_2_2_the_long_term_key_depends_on_user_realm_and_password() {
    // RFC 8489 §9.2.2: MD5("user:realm:pass") = 8493fbc53ba582fb4c044c456bdc40eb.
    let known = [
        0x84, 0x93, 0xfb, 0xc5, 0x3b, 0xa5, 0x82, 0xfb, 0x4c, 0x04, 0x4c, 0x45, 0x6b, 0xdc, 0x40,
        0xeb,
    ];
    let bytes = request(&Key(hmac::Key::new(
        hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        &known,
    )));
    let message = Message::parse(&bytes).unwrap();
    assert!(message.is_signed_with(&Key::long_term("user", "realm", "pass")));
    assert!(!message.is_signed_with(&Key::long_term("user", "realm", "pasS")));
}

#[test]
fn rfc8489_14_5_nothing_after_the_integrity_counts() {
    let key = Key::short_term("secret");
    let bytes = Writer::new(Class::Request, Method::BINDING, ID)
        .attribute(kind::USERNAME, b"a:b")
        .integrity(&key)
        .attribute(kind::USE_CANDIDATE, &[])
        .finish();
    let message = Message::parse(&bytes).unwrap();
    assert!(message.is_signed_with(&key));
    assert_eq!(message.attribute(kind::USE_CANDIDATE), None);
}

#[test]
fn rfc8489_6_3_what_is_no_message_is_refused() {
    let whole = request(&Key::short_term("secret"));
    assert!(is_stun(&whole) && !is_stun(&[0x80, 0]) && !is_stun(&[]));
    for cut in 0..whole.len() {
        assert!(Message::parse(&whole[..cut]).is_err());
    }
    let mut wrong = whole;
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(Message::parse(&wrong).unwrap_err(), StunError::Fingerprint);
    let mut many = Writer::new(Class::Request, Method::BINDING, ID);
    for _ in 0..=MAX_ATTRIBUTES {
        many = many.attribute(kind::SOFTWARE, b"");
    }
    assert_eq!(
        Message::parse(&many.finish()).unwrap_err(),
        StunError::Attributes
    );
    let unknown = Writer::new(Class::Request, Method::BINDING, ID)
        .attribute(0x7777, b"?")
        .attribute(0x8777, b"?")
        .finish();
    let unknown = Message::parse(&unknown).unwrap();
    assert_eq!(unknown.not_understood().collect::<Vec<_>>(), [0x7777]);
}

proptest! {
    #[test]
    fn rfc8489_any_octet_changed_breaks_the_integrity(at in 0_usize..84, bit in 0_u8..8) {
        let key = Key::short_term("secret");
        let mut bytes = request(&key);
        let signed = bytes.len() - 8;
        let at = at % signed;
        bytes[at] ^= 1 << bit;
        let valid = Message::parse(&bytes).is_ok_and(|m| m.is_signed_with(&key));
        prop_assert!(!valid);
    }

    #[test]
    fn rfc8489_arbitrary_octets_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::parse(&bytes) {
            let _ = message.attributes().count();
            let _ = message.error_code();
            let _ = message.xor_address(kind::XOR_MAPPED_ADDRESS);
        }
    }
}
