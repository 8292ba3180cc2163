//! Calls with video over real sockets: what is left of a call when its video fails or finds no room.

use super::*;
use crate::shell::VideoSetup;

fn bench(ports: std::ops::RangeInclusive<u16>, limits: Limits, breaks: bool) -> Bench {
    let (send, events) = sync_channel(10_000);
    let sink: EventSink = Arc::new(move |event: McuEvent| {
        let asked = matches!(event.report, Report::KeyframeNeeded { .. });
        drop(send.try_send(event));
        assert!(!(breaks && asked), "a fault on purpose");
    });
    let config = Config {
        bind_v4: Some(Ipv4Addr::LOCALHOST),
        ports,
        workers: 1,
        video: Some(VideoSetup {
            codecs: vec![plenum_media::video::frame::VideoCodec::Vp8],
            rows: 180,
            ..VideoSetup::default()
        }),
        ..Config::default()
    };
    Bench::with_config(config, limits, sink, events)
}

fn with_video(port: u16) -> Bytes {
    let mut offer = offer(30_000).to_vec();
    let video = format!("m=video {port} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-mux\r\n");
    offer.extend(video.bytes());
    Bytes::from(offer)
}

/// The port of the video section in the answer, or in our offer.
fn video_port(reports: &[Report]) -> u16 {
    let text = reports.iter().find_map(|report| match report {
        Report::Answer { sdp, .. } | Report::Offer { sdp, .. } => {
            Some(String::from_utf8(sdp.to_vec()).unwrap())
        }
        _ => None,
    });
    let text = text.unwrap();
    let section = text.lines().find_map(|line| line.strip_prefix("m=video "));
    section.unwrap().split(' ').next().unwrap().parse().unwrap()
}

fn add(bench: &mut Bench, conference: ConferenceId, endpoint: u64, port: u16) -> u16 {
    let action = Action::Add {
        endpoint: EndpointId(endpoint),
        offer: Some(with_video(port)),
        settings: settings(),
    };
    let (result, reports) = bench.run(conference, action);
    result.unwrap();
    video_port(&reports)
}

fn renegotiate(bench: &mut Bench, endpoint: u64, offer: Option<Bytes>) -> u16 {
    let endpoint = EndpointId(endpoint);
    let (result, reports) = bench.run(ROOM, Action::Renegotiate { endpoint, offer });
    result.unwrap();
    video_port(&reports)
}

#[test]
fn a_call_goes_without_video_where_its_threads_have_no_room() {
    let mut few = limits();
    few.conferences = 40;
    few.video.mailbox = 1;
    let mut bench = bench(41_300..=41_499, few, false);
    let mut without = 0;
    for n in 0..40 {
        let conference = ConferenceId(n);
        bench.create(conference);
        without += u64::from(add(&mut bench, conference, n, 30_002) == 0);
    }
    assert!(without > 0, "the threads kept up with all");
    assert_eq!(bench.metrics.video.refused.get(), without);
    assert_eq!(bench.metrics.legs.get(), 40);
}

#[test]
fn a_panic_ends_the_video_of_one_call_and_the_next_offers_are_told_so() {
    let mut bench = bench(41_500..=41_519, limits(), true);
    bench.create(ROOM);
    let [broken, other] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
    let server = add(&mut bench, ROOM, 1, port(&broken));
    add(&mut bench, ROOM, 2, port(&other));

    // Pictures that cannot be decoded, of a peer that can be asked by signalling only (RFC 5168): the sink breaks.
    for sequence in 1..10 {
        let mut packet = vec![0x80, 96 | 0x80, 0, sequence, 0, 0, sequence, 0, 0, 0, 0, 1];
        packet.extend([0x10, 0x31, 0, 0, 0]);
        broken.send_to(&packet, ("127.0.0.1", server)).unwrap();
    }
    let ended = |report: &Report| {
        matches!(
            report,
            Report::Video {
                endpoint: EndpointId(1),
                video: None
            }
        )
    };
    bench.wait_for(ended);
    assert_eq!(bench.metrics.video.failed.get(), 1);

    // The other one is served still.
    other.set_nonblocking(true).unwrap();
    let mut buffer = [0; 2_048];
    while other.recv_from(&mut buffer).is_ok() {}
    other.set_nonblocking(false).unwrap();
    other.set_read_timeout(Some(PATIENCE)).unwrap();
    other.recv_from(&mut buffer).unwrap();

    // What is broken is not agreed on any more; after that it may begin anew.
    assert_eq!(renegotiate(&mut bench, 1, None), 0);
    let endpoint = EndpointId(1);
    bench.run(ROOM, Action::Rollback { endpoint }).0.unwrap();
    let again = Some(with_video(port(&broken)));
    assert_eq!(renegotiate(&mut bench, 1, again.clone()), 0);
    assert_ne!(renegotiate(&mut bench, 1, again), 0);
}
