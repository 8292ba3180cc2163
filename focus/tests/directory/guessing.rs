//! PINs and conference keys cannot be found by trying.

use super::*;

#[tokio::test(start_paused = true)]
async fn pins_are_not_guessed_by_calling_again_and_again() {
    let secret = ConferenceRecord {
        pin: Pin::new("987654"),
        ..board()
    };
    let mut server = Server::new(Policy::default(), Limits::default(), vec![secret]);
    let uri = "sip:board@conf.example.com";
    let (mut guesses, mut refused) = (0, 0);
    // One hour of a caller who calls again every second.
    for _ in 0..3_600 {
        tokio::time::advance(Duration::from_secs(1)).await;
        let (id, status, warning) = server.call(uri, stranger(1)).await;
        if status == 480 {
            assert!(
                warning.contains("Too many wrong PINs from your address"),
                "{warning}"
            );
            refused += 1;
            server.hang_up(id, EndCause::Local).await;
            continue;
        }
        assert_eq!(status, 200);
        server.ack(id).await;
        for pin in ["111111#", "222222#", "333333#"] {
            server.keys(pin).await;
            guesses += 1;
        }
        server.hang_up(id, EndCause::Local).await;
    }
    assert!(guesses <= 45, "{guesses} guesses in an hour");
    assert!(refused > 3_500);
    let (id, status, _) = server.call(uri, stranger(2)).await;
    assert_eq!(status, 200, "others are not concerned");
    server.ack(id).await;
    server.keys("987654#").await;
    assert_eq!(server.metrics.joins.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn cb_058_keys_are_not_guessed_and_activate_nothing() {
    let secret = ConferenceRecord {
        pin: Pin::new("987654"),
        ..board()
    };
    let mut server = Server::new(Policy::default(), Limits::default(), vec![secret]);
    let uri = "sip:board@conf.example.com";
    let body = ("application/cccp+xml", b"<request/>".as_slice());
    let guess = format!(
        "Digest username=\"x\", realm=\"board@conf.example.com\", nonce=\"n\", uri=\"{uri}\", \
         response=\"{}\", algorithm=MD5-sess, cnonce=\"c\", qop=auth, nc=00000001",
        "0".repeat(32)
    );
    let mut seen = BTreeMap::<u16, u32>::new();
    for second in 0..3_600 {
        tokio::time::advance(Duration::from_secs(1)).await;
        server.last_call += 1;
        server.around.sip.lock().unwrap().clear();
        let mut request = request(Method::Invite, uri, "eve", Some(body));
        if second > 0 {
            request
                .headers
                .push(HeaderName::Authorization, guess.clone());
        }
        let id = InviteId(server.last_call);
        let flow = flow(stranger(1));
        server.route(Event::Invite { id, request, flow }).await;
        let answer = match server.around.sip.lock().unwrap().first() {
            Some(SipAction::Reject { answer, .. }) => answer.clone(),
            other => panic!("{other:?}"),
        };
        *seen.entry(answer.status.code()).or_default() += 1;
        if second == 0 {
            let challenge = header(&answer, HeaderName::WwwAuthenticate);
            assert!(challenge.contains("algorithm=MD5-sess"), "{challenge}");
            assert!(
                challenge.contains("realm=\"board@conf.example.com\""),
                "{challenge}"
            );
        }
    }
    let guesses = server.metrics.pin_failures.get();
    assert!((3..=45).contains(&guesses), "{guesses} guesses in an hour");
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [401, 480]);
    assert!(server.directory.active().is_empty());
}

#[tokio::test(start_paused = true)]
async fn cb_058_keys_are_not_guessed_by_calls_with_media_either() {
    let secret = ConferenceRecord {
        pin: Pin::new("987654"),
        ..board()
    };
    let mut server = Server::new(Policy::default(), Limits::default(), vec![secret]);
    let uri = "sip:board@conf.example.com";
    let guess = |realm: &str| {
        format!(
            "Digest username=\"x\", realm=\"{realm}\", nonce=\"n\", uri=\"{uri}\", \
             response=\"{}\", algorithm=MD5-sess, cnonce=\"c\", qop=auth, nc=00000001",
            "0".repeat(32)
        )
    };
    let mut seen = BTreeMap::<(bool, u16), u32>::new();
    for second in 0..100 {
        let ours = second > 0;
        tokio::time::advance(Duration::from_secs(1)).await;
        server.last_call += 1;
        server.around.sip.lock().unwrap().clear();
        let mut request = request(Method::Invite, uri, "eve", Some(("application/sdp", OFFER)));
        let realm = if ours {
            "board@conf.example.com"
        } else {
            "elsewhere"
        };
        request
            .headers
            .push(HeaderName::Authorization, guess(realm));
        let id = InviteId(server.last_call);
        let flow = flow(stranger(1));
        server.route(Event::Invite { id, request, flow }).await;
        let status = match server.around.sip.lock().unwrap().first() {
            Some(SipAction::Reject { answer, .. }) => answer.status.code(),
            Some(SipAction::Accept { .. }) => 200,
            other => panic!("{other:?}"),
        };
        *seen.entry((ours, status)).or_default() += 1;
    }
    // Who has credentials for somebody else is asked for the PIN by voice.
    assert_eq!(seen.remove(&(false, 200)), Some(1));
    let guesses = server.metrics.pin_failures.get();
    assert!((3..=12).contains(&guesses), "{guesses} guesses");
    let refused: Vec<_> = seen.into_keys().collect();
    assert_eq!(refused, [(true, 401), (true, 480)]);
}
