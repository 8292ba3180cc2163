//! The whole tick with real legs and codecs: tones in, decoded tones out.

mod phone;
mod sound;
mod unconfirmed;

use std::time::Duration;

use plenum_media::negotiated::Codec;

use crate::audio::level;
use crate::control::{
    Ambience, Audience, EndpointId, McuError, MediaFilter, PlaybackId, Prompt, Report, Sentence,
    Stage,
};

use super::Order;
use phone::{Room, Says, limits, negotiated, residual_db, tone_db};

const G711: Codec = Codec::Pcmu;
/// From here on jitter buffers, fades and filters have settled.
const SETTLED: u64 = 50;

/// Tones that fall on no common harmonic.
const HZ: [f32; 5] = [440.0, 700.0, 1_010.0, 1_330.0, 1_650.0];

#[test]
fn everybody_hears_the_others_and_not_himself() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
        let mut room = Room::new(limits());
        for n in 0..3_u64 {
            room.join(n, codec, 20, Says::Tone(HZ[n as usize], 0.25));
        }
        room.join(3, codec, 20, Says::Silence);
        room.run(150);
        for listener in 0..4_u64 {
            let heard = room.heard(listener, SETTLED);
            for talker in 0..3_u64 {
                let db = tone_db(&heard, HZ[talker as usize]);
                if talker == listener {
                    assert!(
                        db < -12.0 - 50.0,
                        "{codec:?}: {listener} hears himself at {db} dB"
                    );
                } else {
                    assert!(
                        (-13.0..-11.0).contains(&db),
                        "{codec:?}: {talker} at {db} dB"
                    );
                }
            }
        }
    }
}

#[test]
fn the_mixer_adds_no_more_than_the_codec_does() {
    // G.711 alone leaves some −38 dB behind a sine; Opus at 40 kb/s and the resampling are below.
    for (codec, most) in [
        (Codec::Pcmu, -36.0),
        (Codec::Pcma, -36.0),
        (Codec::G722, -30.0),
    ] {
        let mut room = Room::new(limits());
        room.join(0, codec, 20, Says::Tone(1_010.0, 0.3));
        room.join(1, codec, 20, Says::Silence);
        room.run(150);
        let heard = room.heard(1, SETTLED);
        let db = residual_db(&heard, &[1_010.0]);
        assert!(db < most, "{codec:?}: THD+N {db} dB");
    }
}

#[test]
fn three_loud_talkers_do_not_clip() {
    let mut room = Room::new(limits());
    for n in 0..3_u64 {
        room.join(n, Codec::Opus, 20, Says::Tone(HZ[n as usize], 0.98));
    }
    room.join(3, Codec::Pcmu, 20, Says::Silence);
    room.run(150);
    let heard = room.heard(3, SETTLED);
    let clipped = heard.iter().filter(|x| x.abs() >= 0.999).count();
    assert_eq!(clipped, 0);
    // Clipping a sum three times too loud would leave distortion at −10 dB.
    let db = residual_db(&heard, &HZ[..3]);
    assert!(db < -20.0, "{db} dB beside the three tones");
}

#[test]
fn listeners_share_one_encode_and_a_silent_one_costs_none() {
    let mut room = Room::new(limits());
    room.join(0, G711, 20, Says::Tone(440.0, 0.3));
    room.join(1, G711, 20, Says::Tone(700.0, 0.3));
    for n in 2..40 {
        room.join(n, G711, 20, Says::Silence);
    }
    room.run(SETTLED);
    room.conference.take_work();
    room.run(100);
    let work = room.conference.take_work();
    assert_eq!(work.encodes, 300, "one shared, two of the talkers' own");
    assert_eq!(work.decodes, 200, "only the talkers");
    assert_eq!(work.packets, 4_000);
}

#[test]
fn a_muted_leg_is_not_decoded_and_not_heard() {
    let mut room = Room::new(limits());
    for n in 0..2_u64 {
        room.join(n, Codec::Opus, 20, Says::Tone(HZ[n as usize], 0.3));
    }
    room.run(SETTLED);
    let muted = MediaFilter {
        muted: true,
        ..MediaFilter::default()
    };
    room.filter(0, muted);
    room.run(10);
    room.conference.take_work();
    room.run(100);
    assert_eq!(room.conference.take_work().decodes, 100);
    let heard = room.heard(1, SETTLED + 20);
    assert!(tone_db(&heard, HZ[0]) < -70.0);
    let told = room.reports.iter().any(|report| {
        matches!(report, Report::Media { endpoint: EndpointId(0), filter, .. } if filter.muted)
    });
    assert!(told);
}

/// MS-CONFBAS CB-244: newcomers may come muted, and the roster says so.
#[test]
fn who_comes_muted_is_told_to_be() {
    let mut room = Room::new(limits());
    for (n, muted) in [(0, true), (1, false)] {
        let filter = MediaFilter {
            muted,
            ..MediaFilter::default()
        };
        let settings = crate::control::EndpointSettings {
            filter,
            ..phone::settings()
        };
        room.join_with(n, G711, 20, Says::Silence, settings);
    }
    room.run(1);
    let told = |id: u64| {
        room.reports.iter().any(|report| {
            matches!(report, Report::Media { endpoint, filter, .. } if endpoint.0 == id && filter.muted)
        })
    };
    assert!(told(0) && !told(1));
}

#[test]
fn deaf_hears_prompts_only_and_gains_apply() {
    let mut room = Room::new(limits());
    for n in 0..4_u64 {
        room.join(n, G711, 20, Says::Silence);
    }
    room.phones.get_mut(&0).unwrap().says = Says::Tone(440.0, 0.25);
    let filter = MediaFilter::default();
    room.filter(
        1,
        MediaFilter {
            deaf: true,
            ..filter
        },
    );
    room.filter(
        2,
        MediaFilter {
            gain_out_db: -12.0,
            ..filter
        },
    );
    room.run(100);
    assert!(tone_db(&room.heard(1, SETTLED), 440.0) < -70.0);
    let (quiet, plain) = (room.heard(2, SETTLED), room.heard(3, SETTLED));
    let difference = tone_db(&plain, 440.0) - tone_db(&quiet, 440.0);
    assert!((difference - 12.0).abs() < 0.5, "{difference}");

    room.filter(
        0,
        MediaFilter {
            gain_in_db: 6.0,
            ..filter
        },
    );
    room.run(100);
    let louder = tone_db(&room.heard(3, 110), 440.0) - tone_db(&plain, 440.0);
    assert!((louder - 6.0).abs() < 0.5, "{louder}");

    let entry = Order::Play {
        playback: PlaybackId(1),
        to: Audience::All,
        prompts: vec![Prompt::EntryTone],
        over_mix: true,
    };
    room.order(entry).unwrap();
    room.run(20);
    assert!(
        level::dbov_of(&room.heard(1, 200)) > -40.0,
        "the deaf hear what is announced"
    );
}

#[test]
fn only_the_loudest_are_heard() {
    let mut room = Room::new(limits());
    for n in 0..5_u64 {
        let amplitude = if n == 2 { 0.05 } else { 0.2 };
        room.join(n, G711, 20, Says::Tone(HZ[n as usize], amplitude));
    }
    room.join(5, G711, 20, Says::Silence);
    room.run(150);
    let heard = room.heard(5, SETTLED);
    for (n, hz) in HZ.into_iter().enumerate() {
        let db = tone_db(&heard, hz);
        assert_eq!(db > -30.0, n != 2, "{n} at {db} dB");
    }
    assert_eq!(
        room.phones[&5].received[140].csrcs, 4,
        "RFC 3550 §7.1: the contributors"
    );
    assert_eq!(
        room.phones[&0].received[140].csrcs, 3,
        "others than himself"
    );
}

#[test]
fn packets_keep_sequence_and_time_for_every_packet_time() {
    for (ptime, packets) in [(10, 2 * 120), (20, 120), (30, 80), (40, 60), (60, 40)] {
        let mut room = Room::new(limits());
        room.join(0, G711, ptime, Says::Silence);
        room.join(1, G711, ptime, Says::Silence);
        room.run(37);
        // In the middle of a packet the listener gets a signal of his own, and later goes back.
        room.phones.get_mut(&0).unwrap().says = Says::Tone(440.0, 0.3);
        room.run(20);
        room.phones.get_mut(&0).unwrap().says = Says::Silence;
        room.run(63);
        for phone in room.phones.values() {
            assert_eq!(phone.received.len(), packets, "{ptime} ms");
            for pair in phone.received.windows(2) {
                assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
                let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
                assert_eq!(step, u32::from(ptime) * 8, "{ptime} ms");
                assert_eq!(pair[0].payload.len(), usize::from(ptime) * 8);
            }
        }
    }
}

#[test]
fn changing_between_shared_and_own_signal_is_inaudible() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let mut room = Room::new(limits());
        room.join(0, codec, 20, Says::Tone(440.0, 0.3));
        room.join(1, codec, 20, Says::Silence);
        room.join(2, codec, 20, Says::Silence);
        room.run(100);
        // The listener coughs: own encoder now, lingering, and back to the shared one.
        room.phones.get_mut(&1).unwrap().says = Says::Tone(700.0, 0.2);
        room.run(10);
        room.phones.get_mut(&1).unwrap().says = Says::Silence;
        room.run(150);
        let heard = room.heard(1, SETTLED);
        // 20 ms at a time, the tone stays where it is and nothing stands beside it.
        for (n, chunk) in heard.chunks_exact(960 * 5).enumerate() {
            let (db, rest) = (tone_db(chunk, 440.0), residual_db(chunk, &[440.0]));
            assert!((-11.5..-9.5).contains(&db), "{codec:?} chunk {n}: {db} dB");
            assert!(rest < -25.0, "{codec:?} chunk {n}: {rest} dB beside it");
        }
    }
}

#[test]
fn talk_and_the_active_speaker_are_reported() {
    let mut room = Room::new(limits());
    room.join(0, G711, 20, Says::Silence);
    room.join(1, G711, 20, Says::Silence);
    room.run(20);
    room.phones.get_mut(&1).unwrap().says = Says::Tone(440.0, 0.2);
    room.run(20);
    room.phones.get_mut(&1).unwrap().says = Says::Silence;
    room.run(250);
    let told: Vec<String> = room.reports.iter().map(|r| format!("{r:?}")).collect();
    let expected = [
        "Talking { endpoint: EndpointId(1), talking: true }",
        "ActiveSpeaker { endpoint: Some(EndpointId(1)) }",
        "Talking { endpoint: EndpointId(1), talking: false }",
        "ActiveSpeaker { endpoint: None }",
    ];
    assert_eq!(told, expected);
}

#[test]
fn who_is_apart_hears_only_what_is_meant_for_him() {
    let mut room = Room::new(limits());
    room.join(0, G711, 20, Says::Tone(440.0, 0.3));
    room.join(1, G711, 20, Says::Silence);
    room.join_at(2, G711, 20, Says::Tone(700.0, 0.3), Stage::Apart);
    let pin = Order::Play {
        playback: PlaybackId(9),
        to: Audience::One(EndpointId(2)),
        prompts: vec![Prompt::Sentence(Sentence::EnterPin)],
        over_mix: false,
    };
    room.run(SETTLED);
    room.order(pin).unwrap();
    room.run(200);
    assert!(
        tone_db(&room.heard(1, SETTLED), 700.0) < -70.0,
        "he is not heard"
    );
    let heard = room.heard(2, SETTLED);
    assert!(level::dbov_of(&heard) > -30.0, "he hears the prompt");
    assert!(
        tone_db(&heard[960 * 180..], 440.0) < -70.0,
        "and not the conference"
    );
    let played = |r: &Report| {
        matches!(
            r,
            Report::Played {
                playback: PlaybackId(9)
            }
        )
    };
    assert_eq!(room.reports.iter().filter(|r| played(r)).count(), 1);

    let endpoint = EndpointId(2);
    let stage = Stage::Mix;
    room.order(Order::Place { endpoint, stage }).unwrap();
    room.run(100);
    assert!(tone_db(&room.heard(1, 270), 700.0) > -12.0, "now he is");
    assert!(tone_db(&room.heard(2, 270), 440.0) > -12.0, "and he hears");
}

#[test]
fn who_is_alone_hears_music_until_somebody_comes() {
    let mut room = Room::new(limits());
    room.join(0, G711, 20, Says::Silence);
    let music = Order::Ambience {
        to: Audience::One(EndpointId(0)),
        ambience: Ambience::Music,
    };
    room.order(music).unwrap();
    room.run(200);
    assert!(level::dbov_of(&room.heard(0, SETTLED)) > -45.0);
    room.join(1, G711, 20, Says::Silence);
    room.run(100);
    assert!(level::dbov_of(&room.heard(0, 205)) < -70.0);
    room.order(Order::Remove {
        endpoint: EndpointId(1),
    })
    .unwrap();
    room.run(100);
    assert!(level::dbov_of(&room.heard(0, 305)) > -45.0);
}

#[test]
fn a_prompt_to_one_lowers_the_conference_for_him_alone() {
    let mut room = Room::new(limits());
    room.join(0, G711, 20, Says::Tone(440.0, 0.3));
    room.join(1, G711, 20, Says::Silence);
    room.join(2, G711, 20, Says::Silence);
    room.run(SETTLED);
    let muted = Order::Play {
        playback: PlaybackId(1),
        to: Audience::One(EndpointId(1)),
        prompts: vec![Prompt::Sentence(Sentence::Muted)],
        over_mix: true,
    };
    room.order(muted).unwrap();
    room.run(40);
    let (him, other) = (room.heard(1, SETTLED + 5), room.heard(2, SETTLED + 5));
    let lowered = tone_db(&other, 440.0) - tone_db(&him, 440.0);
    assert!((10.0..14.0).contains(&lowered), "{lowered}");
    assert!(
        residual_db(&other, &[440.0]) < -30.0,
        "the other hears no prompt"
    );
}

#[test]
fn a_stopped_playback_and_a_refused_one() {
    let mut room = Room::new(limits());
    room.join(0, G711, 20, Says::Silence);
    let play = |n: u64, prompts: usize| Order::Play {
        playback: PlaybackId(n),
        to: Audience::One(EndpointId(0)),
        prompts: vec![Prompt::Sentence(Sentence::Welcome); prompts],
        over_mix: false,
    };
    for n in 0..4 {
        room.order(play(n, 1)).unwrap();
    }
    assert_eq!(
        room.order(play(4, 1)),
        Err(McuError::Overloaded("waiting playbacks"))
    );
    let long = Err(McuError::Overloaded("prompts in one playback"));
    assert_eq!(room.order(play(5, 17)), long);
    for n in [0, 2] {
        let playback = PlaybackId(n);
        room.order(Order::Stop { playback }).unwrap();
    }
    room.run(1);
    let unknown = room.order(Order::Stop {
        playback: PlaybackId(2),
    });
    assert_eq!(unknown, Err(McuError::Unknown("playback")));
    let played: Vec<u64> = room
        .reports
        .iter()
        .filter_map(|report| match report {
            Report::Played { playback } => Some(playback.0),
            _ => None,
        })
        .collect();
    assert_eq!(played, [2, 0]);
}

#[test]
fn silence_is_comfort_noise_where_agreed_and_encoded_elsewhere() {
    let mut room = Room::new(limits());
    room.join(0, G711, 20, Says::Silence);
    room.join(1, G711, 20, Says::Silence);
    let mut agreed = negotiated(1, G711, 20);
    agreed.send_cn_pt = Some(13);
    room.order(Order::Apply {
        endpoint: EndpointId(1),
        negotiated: Box::new(agreed),
    })
    .unwrap();
    room.run(100);
    assert_eq!(room.phones[&0].received.len(), 100);
    let noise = |r: &&phone::Received| r.payload_type == 13;
    let received = &room.phones[&1].received;
    assert!(received.iter().filter(noise).count() >= 1, "RFC 3389");
    assert!(received.len() < 30, "{}", received.len());
    // Timestamps go on with time, so that what follows is played at its time.
    room.phones.get_mut(&0).unwrap().says = Says::Tone(440.0, 0.3);
    room.run(20);
    let received = &room.phones[&1].received;
    let (first, last) = (received.first().unwrap(), received.last().unwrap());
    let passed = last.timestamp.wrapping_sub(first.timestamp);
    assert_eq!(u64::from(passed), (last.tick - first.tick) * 160);
}

#[test]
fn hold_stops_sending_and_is_reported() {
    let mut room = Room::new(limits());
    room.join(0, G711, 20, Says::Silence);
    room.join(1, G711, 20, Says::Silence);
    room.run(10);
    let mut hold = negotiated(0, G711, 20);
    hold.sending = false;
    let endpoint = EndpointId(0);
    let negotiated = Box::new(hold);
    room.order(Order::Apply {
        endpoint,
        negotiated,
    })
    .unwrap();
    let told = |r: &Report| matches!(r, Report::Media { on_hold: true, .. });
    assert!(room.reports.iter().any(told));
    room.run(10);
    assert_eq!(room.phones[&0].received.len(), 10);
    assert_eq!(room.phones[&1].received.len(), 20);
}

#[test]
fn rfc3264_8_4_a_peer_that_sends_nothing_any_more_is_reported_and_still_hears() {
    let mut room = Room::new(limits());
    room.join(0, G711, 20, Says::Silence);
    room.join(1, G711, 20, Says::Silence);
    room.run(10);
    let mut muted = negotiated(0, G711, 20);
    muted.receiving = false;
    let endpoint = EndpointId(0);
    let negotiated = Box::new(muted);
    room.order(Order::Apply {
        endpoint,
        negotiated,
    })
    .unwrap();
    let told = |r: &Report| {
        matches!(
            r,
            Report::Media {
                silent: true,
                on_hold: false,
                ..
            }
        )
    };
    assert!(room.reports.iter().any(told));
    room.run(10);
    assert_eq!(room.phones[&0].received.len(), 20);
}

#[test]
fn missed_ticks_move_the_timestamps_and_no_more() {
    let mut room = Room::new(limits());
    room.join(0, G711, 20, Says::Silence);
    room.join(1, G711, 20, Says::Silence);
    room.run(10);
    room.now += Duration::from_millis(60);
    room.conference.skip(room.now, 3);
    room.run(10);
    let received = &room.phones[&1].received;
    assert_eq!(received.len(), 20);
    let step = received[10].timestamp.wrapping_sub(received[9].timestamp);
    assert_eq!(step, 160 * 4);
}

#[test]
fn a_removed_endpoint_is_reported_with_its_quality() {
    let mut room = Room::new(limits());
    room.join(0, G711, 20, Says::Tone(440.0, 0.3));
    room.join(1, G711, 20, Says::Silence);
    room.run(100);
    let endpoint = EndpointId(0);
    room.order(Order::Remove { endpoint }).unwrap();
    let quality = room.reports.iter().find_map(|report| match report {
        Report::Removed {
            endpoint: EndpointId(0),
            quality,
        } => Some(quality.clone()),
        _ => None,
    });
    let quality = quality.unwrap();
    assert_eq!(quality.codec, "PCMU/8000");
    assert_eq!((quality.packets_received, quality.packets_sent), (100, 100));
    assert_eq!(quality.packets_lost, 0);
    assert!(
        quality.delay <= Duration::from_millis(30),
        "{:?}",
        quality.delay
    );
    assert_eq!(room.conference.len(), 1);
    assert_eq!(
        room.order(Order::Remove { endpoint }),
        Err(McuError::Unknown("endpoint"))
    );
}

#[test]
fn decoding_is_bounded_when_nobody_tells_a_level() {
    let mut room = Room::new(limits());
    for n in 0..40_u64 {
        room.join(n, Codec::G722, 20, Says::Tone(300.0 + 20.0 * n as f32, 0.1));
    }
    room.run(SETTLED);
    room.conference.take_work();
    room.run(100);
    let decodes = room.conference.take_work().decodes;
    assert!(decodes <= 12 * 100, "{decodes}");
    assert!(
        decodes >= 8 * 100,
        "but others than the chosen are looked at: {decodes}"
    );
}

#[test]
fn without_levels_the_loudest_is_still_found() {
    let mut room = Room::new(limits());
    for n in 0..60_u64 {
        room.join(n, Codec::G722, 20, Says::Tone(300.0, 0.02));
    }
    room.run(SETTLED);
    room.phones.get_mut(&57).unwrap().says = Says::Tone(2_000.0, 0.5);
    room.run(60);
    let heard = room.heard(3, SETTLED + 40);
    assert!(tone_db(&heard, 2_000.0) > -10.0, "within 0.8 s among 60");
}
