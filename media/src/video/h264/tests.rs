use super::*;
use crate::video::frame::{PackError, PayloadError, Payloads};
use proptest::prelude::*;

fn stream(units: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for unit in units {
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(unit);
    }
    out
}

fn round(frame: &[u8], mode: PacketizationMode, max: usize) -> (Payloads, Vec<u8>, Contents) {
    let mut payloads = Payloads::default();
    pack(frame, mode, max, &mut payloads).unwrap();
    let mut out = Vec::new();
    let none = ParameterSets::default();
    let contents = unpack(payloads.iter().map(|(p, _)| p), &none, 1 << 20, &mut out).unwrap();
    (payloads, out, contents)
}

#[test]
fn rfc6184_5_7_parameter_sets_share_an_aggregation_packet() {
    let frame = stream(&[&[0x67, 1, 2], &[0x68, 3], &[0x65; 3000]]);
    let (payloads, out, contents) = round(&frame, PacketizationMode::NonInterleaved, 1200);
    assert_eq!(payloads.len(), 4);
    let first = payloads.iter().next().unwrap().0;
    assert_eq!(first, [0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x68, 3]);
    assert!(begins_frame(first));
    assert_eq!(out, frame);
    assert!(contents.keyframe && contents.parameter_sets && contents.picture);
}

#[test]
fn rfc6184_5_8_fragments_carry_type_start_and_end() {
    let frame = stream(&[&[0x65; 2500]]);
    let (payloads, out, _) = round(&frame, PacketizationMode::NonInterleaved, 1000);
    let heads: Vec<_> = payloads
        .iter()
        .map(|(p, last)| (p[0], p[1], last))
        .collect();
    assert_eq!(
        heads,
        [(0x7c, 0x85, false), (0x7c, 0x05, false), (0x7c, 0x45, true)]
    );
    assert_eq!(out, frame);
}

#[test]
fn rfc6184_6_2_single_nal_unit_mode_sends_units_as_they_are_or_refuses() {
    let frame = stream(&[&[0x67, 1], &[0x65, 0x88, 5, 6]]);
    let (payloads, out, _) = round(&frame, PacketizationMode::SingleNal, 100);
    assert_eq!(
        payloads.iter().map(|(p, _)| p.len()).collect::<Vec<_>>(),
        [2, 4]
    );
    assert_eq!(out, frame);
    let mut payloads = Payloads::default();
    let large = stream(&[&[0x65; 101]]);
    assert_eq!(
        pack(&large, PacketizationMode::SingleNal, 100, &mut payloads),
        Err(PackError::NalTooLarge(101))
    );
}

#[test]
fn rfc6184_5_8_fragments_in_disorder_are_refused() {
    let none = ParameterSets::default();
    for case in [
        &[&[0x7c, 0x05, 1][..]][..],
        &[&[0x7c, 0x85, 1]],
        &[&[0x7c, 0x85, 1], &[0x7c, 0x85, 1]],
        &[&[0x7c, 0x85, 1], &[0x7c, 0x41, 1]],
        &[&[0x7c, 0x85, 1], &[0x41, 1]],
    ] {
        let made = unpack(case.iter().copied(), &none, 100, &mut Vec::new());
        assert_eq!(made, Err(PayloadError::Disorder), "{case:?}");
    }
}

#[test]
fn rfc6184_5_2_interleaved_packet_types_are_refused() {
    for kind in [0_u8, 25, 26, 27, 29, 30, 31] {
        let made = unpack(
            [&[kind, 1, 2][..]].into_iter(),
            &ParameterSets::default(),
            9,
            &mut vec![],
        );
        assert_eq!(made, Err(PayloadError::PacketType(kind)));
    }
}

#[test]
fn rfc6184_8_1_parameter_sets_of_sdp_stand_before_a_keyframe_without() {
    let params =
        Params::parse("sprop-parameter-sets=Z0LgHg==,aM4G4g==;packetization-mode=1").unwrap();
    let mut out = Vec::new();
    let contents = unpack([&[0x65, 0x88][..]].into_iter(), &params.sets, 99, &mut out).unwrap();
    assert!(contents.keyframe);
    let expected = stream(&[
        &[0x67, 0x42, 0xe0, 0x1e],
        &[0x68, 0xce, 0x06, 0xe2],
        &[0x65, 0x88],
    ]);
    assert_eq!(out, expected);
}

#[test]
fn a_frame_begins_at_its_first_macroblock() {
    assert!(begins_frame(&[0x41, 0x9a]));
    assert!(!begins_frame(&[0x41, 0x40]));
    assert!(begins_frame(&[0x7c, 0x85, 0x88]));
    assert!(!begins_frame(&[0x7c, 0x05, 0x88]));
    assert!(begins_frame(&[0x09, 0x10]));
    assert!(!begins_frame(&[]));
}

#[test]
fn rfc6184_8_1_profile_level_id_is_read_and_written() {
    for (text, profile, level) in [
        ("42e01f", Profile::ConstrainedBaseline, 31),
        ("42001e", Profile::Baseline, 30),
        ("4d0028", Profile::Main, 40),
        ("640c1f", Profile::ConstrainedHigh, 31),
        ("640028", Profile::High, 40),
        ("42f00b", Profile::ConstrainedBaseline, 9),
    ] {
        let params = Params::parse(&format!("profile-level-id={text}")).unwrap();
        assert_eq!(
            (params.profile, params.level),
            (profile, Level::new(level)),
            "{text}"
        );
        let written = params.to_string();
        assert_eq!(
            Params::parse(&written).unwrap().level,
            params.level,
            "{written}"
        );
        assert_eq!(
            Params::parse(&written).unwrap().profile,
            profile,
            "{written}"
        );
    }
    assert_eq!(
        Params::parse("profile-level-id=xyz"),
        Err(ParamsError::Profile)
    );
    assert_eq!(
        Params::parse("packetization-mode=2"),
        Err(ParamsError::Mode)
    );
}

#[test]
fn rfc6184_8_1_limits_beyond_the_level_count_and_lower_ones_do_not() {
    let params = Params::parse(
        "profile-level-id=42801f; max-fs=8160; max-mbps=245000; max-br=90000; future=1",
    )
    .unwrap();
    assert_eq!(params.frame_macroblocks(), 8_160);
    assert_eq!(params.macroblocks_per_second(), 245_000);
    assert_eq!(params.bits_per_second(), 90_000_000);
    let params = Params::parse("profile-level-id=42e01f;max-fs=10;max-br=1").unwrap();
    assert_eq!(params.frame_macroblocks(), 3_600);
    assert_eq!(params.bits_per_second(), 14_000_000);
}

#[test]
fn rfc6184_8_2_2_an_answer_keeps_profile_and_mode_and_the_lower_level() {
    let own = Params::own(40, PacketizationMode::NonInterleaved);
    let offer = Params::parse("profile-level-id=4d001f;packetization-mode=0").unwrap();
    let answer = offer.answer(&own);
    assert_eq!(
        answer.to_string(),
        "profile-level-id=4d001f;packetization-mode=0"
    );
    let offer =
        Params::parse("profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1");
    let answer = offer.unwrap().answer(&own);
    assert_eq!(
        answer.to_string(),
        "profile-level-id=42e028;packetization-mode=1;level-asymmetry-allowed=1"
    );
}

fn units() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let unit = (1_u8..24, proptest::collection::vec(1_u8.., 1..900));
    proptest::collection::vec(
        unit.prop_map(|(kind, mut body)| {
            body.insert(0, 0x60 | kind);
            body
        }),
        0..6,
    )
}

proptest! {
    #[test]
    fn what_is_packed_is_unpacked(units in units(), max in 20_usize..400) {
        let mut units = units;
        units.push(vec![0x65, 0x88]);
        let refs: Vec<&[u8]> = units.iter().map(Vec::as_slice).collect();
        let frame = stream(&refs);
        let (payloads, out, contents) = round(&frame, PacketizationMode::NonInterleaved, max);
        prop_assert_eq!(out, frame);
        prop_assert!(contents.keyframe);
        prop_assert!(payloads.iter().all(|(payload, _)| payload.len() <= max));
        let both = |p: &[u8]| p[0] & 0x1f == 28 && p[1] & 0xc0 == 0xc0;
        prop_assert!(!payloads.iter().any(|(p, _)| both(p)));
    }

    #[test]
    fn hostile_payloads_do_not_panic(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..10),
    ) {
        let mut out = Vec::new();
        let sets = ParameterSets::default();
        let _ = unpack(payloads.iter().map(Vec::as_slice), &sets, 100, &mut out);
        prop_assert!(out.len() <= 100);
    }

    #[test]
    fn hostile_parameters_do_not_panic(fmtp in "[ -~]{0,80}") {
        if let Ok(params) = Params::parse(&fmtp) {
            prop_assert!(Params::parse(&params.to_string()).is_ok());
        }
    }
}
