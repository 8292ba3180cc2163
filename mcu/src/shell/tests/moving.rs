//! From one conference to another, over real sockets.

use super::*;

const THERE: ConferenceId = ConferenceId(2);

fn adopt(endpoint: u64, from: (ConferenceId, u64)) -> Action {
    Action::Adopt {
        endpoint: EndpointId(endpoint),
        from: (from.0, EndpointId(from.1)),
        settings: settings(),
    }
}

/// Which of the phones hear sound while all speak.
fn hear(phones: &mut [&mut Phone]) -> Vec<bool> {
    let mut heard = vec![0; phones.len()];
    for _ in 0..80 {
        for (phone, heard) in phones.iter_mut().zip(&mut heard) {
            phone.speak();
            *heard += usize::from(phone.listen() == Some(true));
        }
    }
    heard.into_iter().map(|packets| packets >= 15).collect()
}

#[test]
fn an_endpoint_goes_to_another_conference_with_its_ports_and_session() {
    let mut bench = Bench::new(41_000..=41_099, limits());
    bench.create(ROOM);
    bench.create(THERE);
    let (mut stays, mut goes, mut waits) = (Phone::new(0x20), Phone::new(0x20), Phone::new(0xff));
    let rooms = [(ROOM, 1), (ROOM, 2), (THERE, 3)];
    for (phone, (room, n)) in [&mut stays, &mut goes, &mut waits].into_iter().zip(rooms) {
        let port = bench.add(room, n, phone.port()).unwrap();
        phone.server.set_port(port);
    }
    let heard = hear(&mut [&mut stays, &mut goes, &mut waits]);
    assert_eq!(heard, [true, true, false]);
    assert_eq!(bench.run(THERE, adopt(9, (ROOM, 2))).0, Ok(()));
    // What is on its way still sounds.
    hear(&mut [&mut stays, &mut goes, &mut waits]);
    let heard = hear(&mut [&mut stays, &mut goes, &mut waits]);
    assert_eq!(heard, [false, false, true], "who waits is silent");
    assert_eq!(bench.metrics.legs.get(), 3);

    let here = EndpointId(9);
    let again = Action::Renegotiate {
        endpoint: here,
        offer: Some(offer(goes.port())),
    };
    let (result, reports) = bench.run(THERE, again);
    assert_eq!(result, Ok(()));
    let answer = reports.iter().find_map(|report| match report {
        Report::Answer { sdp, .. } => Some(port_of(sdp)),
        _ => None,
    });
    assert_eq!(answer, Some(goes.server.port()), "the same session");
    assert_eq!(bench.run(ROOM, Action::Destroy).0, Ok(()));
    let (result, reports) = bench.run(THERE, Action::Remove { endpoint: here });
    assert_eq!(result, Ok(()));
    let removed = |report: &Report| matches!(report, Report::Removed { quality, .. } if quality.packets_received > 100);
    assert!(reports.iter().any(removed), "{reports:?}");
}

#[test]
fn who_cannot_go_stays() {
    let mut bench = Bench::new(41_100..=41_199, limits());
    bench.create(ROOM);
    let small = ConferenceSettings {
        max_endpoints: 1,
        language: "en".to_owned(),
        video: Default::default(),
        audio_only: true,
    };
    bench.run(THERE, Action::Create(small)).0.unwrap();
    let phone = Phone::new(0xff);
    bench.add(ROOM, 1, phone.port()).unwrap();
    bench.add(ROOM, 2, phone.port()).unwrap();
    let nobody = bench.run(THERE, adopt(9, (ROOM, 7))).0;
    assert_eq!(nobody, Err(McuError::Unknown("endpoint")));
    let nowhere = bench.run(ConferenceId(5), adopt(9, (ROOM, 1))).0;
    assert_eq!(nowhere, Err(McuError::Unknown("conference")));
    assert_eq!(bench.run(THERE, adopt(9, (ROOM, 1))).0, Ok(()));
    let full = bench.run(THERE, adopt(10, (ROOM, 2))).0;
    assert_eq!(full, Err(McuError::Full));
    let (result, _) = bench.run(
        ROOM,
        Action::Remove {
            endpoint: EndpointId(2),
        },
    );
    assert_eq!(result, Ok(()), "it is where it was");
}
