//! What answers, offers and their ends are made of, for video.

use super::*;
use crate::crypto::keys::Seed;
use crate::metrics::Metrics;
use crate::sdp::tests::limits;
use crate::sdp::{Local, Session};
use crate::video::format::SendFormat;
use crate::video::frame::VideoCodec;
use crate::video::h264::PacketizationMode;
use crate::video::negotiated::NegotiatedVideo;
use bytes::Bytes;

fn local() -> LocalVideo {
    LocalVideo {
        rtp_port: 40_002,
        rtcp_port: 40_003,
        seed: Some(Seed::new([7; 32])),
        ice: None,
        codecs: vec![VideoCodec::H264, VideoCodec::Vp8],
        rows: 720,
        bitrate: 1_500_000,
        sources: (11, 12),
        cname: "us".to_owned(),
    }
}

fn session(video: LocalVideo) -> Session {
    let audio = Local {
        seed: Some(Seed::new([8; 32])),
        video: Some(Box::new(video)),
        ..Local::new("192.0.2.100".parse().unwrap(), 40_000, 7)
    };
    Session::new(audio, limits(), Metrics::default())
}

fn offer(video: &str) -> Bytes {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                m=audio 5000 RTP/AVP 8\r\n";
    Bytes::from(format!("{head}{}\r\n", video.replace('|', "\r\n")))
}

fn video_lines(answer: &Bytes) -> String {
    let text = std::str::from_utf8(answer).unwrap();
    let at = text.find("m=video").unwrap();
    text[at..].to_owned()
}

fn agreed(session: &Session) -> &NegotiatedVideo {
    &session.video().unwrap().video
}

#[test]
fn the_answer_in_full() {
    let mut session = session(local());
    let (answer, _) = session
        .handle_offer(&offer(
            "m=video 5002 RTP/AVP 96 97 98|b=TIAS:900000|a=rtpmap:96 H264/90000|\
             a=fmtp:96 profile-level-id=42801f;packetization-mode=0|a=rtpmap:97 H264/90000|\
             a=fmtp:97 profile-level-id=42801f;packetization-mode=1;max-fs=3600|\
             a=rtpmap:98 VP8/90000|a=rtcp-fb:* nack|a=rtcp-fb:* nack pli|a=rtcp-fb:97 ccm fir|\
             a=rtcp-fb:97 ccm tmmbr smaxpr=120|a=mid:v",
        ))
        .unwrap();
    assert_eq!(
        video_lines(&answer),
        "m=video 40002 RTP/AVP 97\r\nb=AS:1575\r\nb=TIAS:1500000\r\na=mid:v\r\n\
         a=rtpmap:97 H264/90000\r\n\
         a=fmtp:97 profile-level-id=42001f;packetization-mode=1\r\na=rtcp-fb:97 nack\r\n\
         a=rtcp-fb:97 nack pli\r\na=rtcp-fb:97 ccm fir\r\na=rtcp-fb:97 ccm tmmbr\r\n\
         a=msid:plenum video\r\na=ssrc:11 cname:us\r\na=sendrecv\r\n"
    );
    let video = agreed(&session);
    assert_eq!(
        video.send,
        SendFormat::H264(PacketizationMode::NonInterleaved)
    );
    assert_eq!((video.send_pt, video.receive_pt), (97, 97));
    assert_eq!(video.bitrate, 900_000, "RFC 3890");
    assert_eq!(video.limits.macroblocks, 3_600);
    assert!(video.feedback.tmmbr && !video.feedback.remb);
    assert_eq!(video.remote_rtp, Some("192.0.2.1:5002".parse().unwrap()));
    assert_eq!(video.remote_rtcp, Some("192.0.2.1:5003".parse().unwrap()));
}

#[test]
fn rfc4588_retransmissions_and_transport_wide_numbers_are_taken_up() {
    let vp8 = LocalVideo {
        codecs: vec![VideoCodec::Vp8],
        ..local()
    };
    let mut session = session(vp8);
    let (answer, _) = session
        .handle_offer(&offer(
            "m=video 5002 RTP/AVPF 96 97|a=rtpmap:96 VP8/90000|a=rtcp-fb:96 goog-remb|\
             a=rtcp-fb:96 transport-cc|a=rtcp-fb:96 nack|a=rtpmap:97 rtx/90000|a=fmtp:97 apt=96|\
             a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01|\
             a=fmtp:96 max-fs=1200;max-fr=30|a=imageattr:96 send * recv [x=640,y=360] [x=320,y=180]",
        ))
        .unwrap();
    let lines = video_lines(&answer);
    for line in [
        "m=video 40002 RTP/AVPF 96 97\r\n",
        "a=fmtp:96 max-fr=30;max-fs=3600\r\n",
        "a=fmtp:97 apt=96\r\n",
        "a=extmap:4 http://www.ietf.org/",
        "a=ssrc-group:FID 11 12\r\n",
    ] {
        assert!(lines.contains(line), "{line}: {lines}");
    }
    let video = agreed(&session);
    assert_eq!((video.send_rtx, video.receive_rtx), (Some(97), Some(97)));
    assert_eq!(video.transport_cc, Some(4));
    assert_eq!(video.limits.rows, 360, "RFC 6236");
    assert_eq!(video.limits.macroblocks_per_second, 36_000, "RFC 7741 §6.1");
}

#[test]
fn what_cannot_be_agreed_on_is_refused_and_the_call_goes_on() {
    for video in [
        "m=video 0 RTP/AVP 96|a=rtpmap:96 H264/90000",
        "m=video 5002 RTP/AVP 96|a=rtpmap:96 H263-1998/90000",
        "m=video 5002 RTP/AVP 96|a=rtpmap:96 H264/90000|a=content:slides",
        "m=video 5002 RTP/AVP 96|a=rtpmap:96 H264/90000|a=fmtp:96 packetization-mode=2",
        "m=video 5002 RTP/SAVP 96|a=rtpmap:96 H264/90000",
        "m=video 5002 TCP/RTP/AVP 96|a=rtpmap:96 H264/90000",
        "m=video 5002 RTP/AVP 96|c=IN IP6 2001:db8::1|a=rtpmap:96 H264/90000",
    ] {
        let mut session = session(local());
        let (answer, audio) = session.handle_offer(&offer(video)).unwrap();
        assert!(audio.remote_rtp.is_some());
        assert!(session.video().is_none(), "{video}");
        assert!(video_lines(&answer).starts_with("m=video 0 "), "{video}");
    }
}

#[test]
fn rfc3264_8_video_comes_holds_and_goes() {
    let mut session = session(local());
    let section = |port: u16, direction: &str| {
        offer(&format!(
            "m=video {port} RTP/AVP 96|a=rtpmap:96 H264/90000|a={direction}"
        ))
    };
    session.handle_offer(&section(5_002, "sendrecv")).unwrap();
    assert!(agreed(&session).sending && agreed(&session).receiving);
    session.handle_offer(&section(5_002, "sendonly")).unwrap();
    assert!(!agreed(&session).sending && agreed(&session).receiving);
    let held = session.create_offer().unwrap();
    assert!(video_lines(&held).starts_with("m=video 40002 RTP/AVP 96\r\n"));
    session.handle_answer(&section(5_002, "sendrecv")).unwrap();
    assert!(agreed(&session).sending);
    session.handle_offer(&section(0, "sendrecv")).unwrap();
    assert!(session.video().is_none());
}

#[test]
fn an_offer_of_ours_has_every_format_and_takes_what_comes_back() {
    let mut session = session(local());
    let said = session.create_offer().unwrap();
    let lines = video_lines(&said);
    assert!(
        lines.starts_with("m=video 40002 RTP/AVP 96 97 98 99 100 101\r\n"),
        "{lines}"
    );
    let answer = offer("m=video 6000 RTP/AVP 100|a=rtpmap:100 VP8/90000|a=rtcp-fb:100 nack pli");
    session.handle_answer(&answer).unwrap();
    let video = agreed(&session);
    assert_eq!((video.send, video.send_pt), (SendFormat::Vp8, 100));
    assert!(video.feedback.pli && !video.feedback.nack);
    assert_eq!(video.send_rtx, None);
}

#[test]
fn an_offer_of_ours_may_be_answered_with_audio_alone() {
    for answer in [offer("m=video 0 RTP/AVP 96"), offer("a=sendrecv")] {
        let mut session = session(local());
        session.create_offer().unwrap();
        session.handle_answer(&answer).unwrap();
        assert!(session.video().is_none());
    }
}

#[test]
fn rfc4568_video_has_keys_of_its_own() {
    let crypto =
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    let both =
        "m=audio 5000 RTP/SAVP 8|CRYPTO|m=video 5002 RTP/SAVP 96|a=rtpmap:96 H264/90000|CRYPTO";
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    let text = format!(
        "{head}{}\r\n",
        both.replace("CRYPTO", crypto).replace('|', "\r\n")
    );
    let mut session = session(local());
    let (answer, _) = session.handle_offer(&Bytes::from(text)).unwrap();
    let text = std::str::from_utf8(&answer).unwrap();
    let keys: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("a=crypto"))
        .collect();
    assert_eq!(keys.len(), 2, "{text}");
    assert_ne!(keys.first(), keys.last());
    assert!(session.video().unwrap().path().is_some());
}

/// Which sections are slides of an offer of audio and video, each with what is said of it.
fn slides(video: &[(u16, &str)]) -> Vec<usize> {
    let mut text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                    m=audio 5000 UDP/TLS/RTP/SAVPF 8\r\na=mid:0\r\n"
        .to_owned();
    for (port, said) in video {
        text +=
            &format!("m=video {port} UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n{said}\r\n");
    }
    let offer = crate::sdp::parse::parse(&Bytes::from(text), &limits()).unwrap();
    let all = 0..offer.media.len();
    all.filter(|index| remote::is_content(&offer, *index))
        .collect()
}

#[test]
fn rfc4796_a_browsers_second_section_is_slides_unless_it_says_otherwise() {
    assert_eq!(slides(&[(9, "a=mid:1"), (9, "a=mid:2")]), [2]);
    assert_eq!(
        slides(&[(9, "a=mid:1\r\na=content:slides"), (9, "a=mid:2")]),
        [1]
    );
    let people = "a=mid:1\r\na=content:main";
    assert!(slides(&[(9, people), (9, "a=mid:2\r\na=content:alt")]).is_empty());
    // A camera that was taken away keeps its place.
    assert_eq!(slides(&[(0, "a=mid:1"), (9, "a=mid:2")]), [2]);
    // What has no name is a telephone's, whose two are alternatives.
    assert!(slides(&[(9, "a=sendrecv"), (9, "a=sendrecv")]).is_empty());
    assert!(slides(&[(9, "a=mid:1")]).is_empty());
}
