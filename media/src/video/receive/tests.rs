//! Both sides against each other over a network that loses, with virtual time.

use super::*;
use crate::random::SplitMix;
use crate::video::feedback::Feedback;
use crate::video::format::SendFormat;
use crate::video::frame::Payloads;
use crate::video::rate::RateSettings;
use crate::video::rtx::HistoryLimits;
use crate::video::send::{SendEvent, VideoSend, VideoSender};
use std::collections::VecDeque;

const LIMITS: AssemblerLimits = AssemblerLimits {
    packets: 500,
    frame_octets: 500_000,
    missing: 200,
    requests: 8,
    patience: Duration::from_millis(200),
    keyframe_patience: Duration::from_secs(5),
};
const HISTORY: HistoryLimits = HistoryLimits {
    packets: 1000,
    octets: 1_000_000,
    age: Duration::from_secs(1),
    share_percent: 50,
};
const RATE: RateSettings = RateSettings {
    start: 1_000_000,
    floor: 100_000,
    ceiling: 2_000_000,
};

struct Outcome {
    frames: usize,
    keyframes_asked: usize,
    target: u32,
    in_order: bool,
}

fn agreed(rtx: bool, transport_cc: bool) -> (VideoSend, VideoReceive) {
    let send = VideoSend {
        format: SendFormat::Vp8,
        payload_type: 96,
        ssrc: 11,
        rtx: rtx.then_some((97, 12)),
        transport_cc: transport_cc.then_some(3),
        mid: None,
        max_payload: 1200,
    };
    let receive = VideoReceive {
        formats: vec![(96, ReceiveFormat::Vp8)],
        rtx: rtx.then_some(97),
        transport_cc: transport_cc.then_some(3),
        nack: true,
        pli: true,
        fir: false,
    };
    (send, receive)
}

/// Ten seconds at 25 frames a second, 20 ms each way.
fn run(loss: f32, rtx: bool, transport_cc: bool) -> Outcome {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let begin = Instant::now();
    let mut random = SplitMix::new(7);
    let (send, receive) = agreed(rtx, transport_cc);
    let mut sender = VideoSender::new(send, HISTORY, RATE, 0xffff_fffe_ffff_fff0, begin);
    let mut receiver = VideoReceiver::new(receive, LIMITS, begin);
    receiver.set_round_trip(Duration::from_millis(40));
    let (mut there, mut back) = (VecDeque::new(), VecDeque::new());
    let mut outcome = Outcome {
        frames: 0,
        keyframes_asked: 0,
        target: 0,
        in_order: true,
    };
    let (mut keyframe, mut last) = (true, i64::MIN);
    let way = Duration::from_millis(20);
    for ms in 0..10_000_u64 {
        let now = begin + Duration::from_millis(ms);
        if ms % 40 == 0 {
            let mut frame = vec![0x55; 5000];
            frame[0] = u8::from(!std::mem::take(&mut keyframe));
            let mut payloads = Payloads::default();
            sender.pack(&frame, frame[0] == 0, &mut payloads).unwrap();
            let timestamp = i64::try_from(ms * 90).unwrap();
            sender.handle_frame(now, &payloads, timestamp, Duration::from_millis(40));
        }
        while let Some(datagram) = sender.poll_datagram(now) {
            if random.unit() >= loss {
                there.push_back((now + way, datagram));
            }
        }
        while there.front().is_some_and(|(at, _)| *at <= now) {
            let (_, datagram): (_, Vec<u8>) = there.pop_front().unwrap();
            receiver.handle_packet(now, &Packet::parse(&datagram).unwrap());
        }
        while let Some(frame) = receiver.poll_frame(now) {
            outcome.frames += 1;
            outcome.in_order &= frame.timestamp > last;
            last = frame.timestamp;
        }
        let mut out = Vec::new();
        receiver.write_feedback(now, 99, &mut out);
        back.push_back((now + way, out));
        while back.front().is_some_and(|(at, _)| *at <= now) {
            let (_, out): (_, Vec<u8>) = back.pop_front().unwrap();
            let mut said: Vec<Feedback> = Vec::new();
            feedback::read(&out, &mut |feedback| said.push(feedback));
            for feedback in said {
                sender.handle_feedback(now, &feedback, &mut |event| {
                    if event == SendEvent::KeyframeNeeded {
                        keyframe = true;
                        outcome.keyframes_asked += 1;
                    }
                });
            }
        }
        outcome.target = sender.target(now);
    }
    outcome
}

#[test]
fn without_loss_every_frame_comes_and_nothing_is_asked_for() {
    let outcome = run(0.0, true, true);
    assert!(
        outcome.frames >= 248 && outcome.in_order,
        "{}",
        outcome.frames
    );
    assert!(outcome.keyframes_asked <= 1);
    assert_eq!(outcome.target, 1_000_000);
}

#[test]
fn rfc4588_five_percent_loss_is_repaired() {
    for rtx in [true, false] {
        let outcome = run(0.05, rtx, false);
        assert!(
            outcome.frames >= 240 && outcome.in_order,
            "{rtx}: {}",
            outcome.frames
        );
        assert!(
            outcome.keyframes_asked <= 3,
            "{rtx}: {}",
            outcome.keyframes_asked
        );
    }
}

#[test]
fn a_terrible_path_still_shows_pictures_now_and_then() {
    let outcome = run(0.4, true, true);
    assert!(
        outcome.frames > 20 && outcome.in_order,
        "{}",
        outcome.frames
    );
}
