use super::assign::{Absent, Content, Pane, Person, Request, Seat, Viewer, place};
use super::*;
use std::time::{Duration, Instant};

const BOB: SourceId = SourceId(1);
const SALLY: SourceId = SourceId(2);
const ANDY: SourceId = SourceId(3);
const MARK: SourceId = SourceId(4);
const EVE: SourceId = SourceId(5);

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    Instant::now()
}

pub(super) fn person(source: SourceId, importance: u32) -> Person {
    Person {
        source,
        identity: Identity(source.0 + 100),
        importance,
        pin: None,
        floor: false,
        video: true,
    }
}

/// Bob in pane 1, Sally in 2, Andy in 3, Mark in 4; Eve is not placed.
fn roster() -> Vec<Person> {
    vec![
        person(EVE, 0),
        person(ANDY, 2),
        person(BOB, 4),
        person(MARK, 1),
        person(SALLY, 3),
    ]
}

/// Everybody of the list has led, one after another, the last one now.
pub(super) fn spoken(order: &[SourceId]) -> Speech {
    let mut speech = Speech::new(SpeechSettings::default());
    let mut at = now();
    for source in order {
        for _ in 0..100 {
            at += Duration::from_millis(20);
            speech.observe(at, &[(*source, -30.0)]);
        }
    }
    assert_eq!(speech.active(), order.last().copied());
    speech
}

fn placement(self_pane: SelfPaneMode, active_speaker: ActiveSpeakerMode) -> Placement {
    Placement {
        highest_importance: Some(4),
        self_pane,
        active_speaker,
    }
}

pub(super) fn request<'a>(
    roster: &'a [Person],
    speech: &'a Speech,
    viewer: Option<SourceId>,
) -> Request<'a> {
    Request {
        layout: Layout::AllEqualNinths,
        template: None,
        roster,
        seats: &[],
        absent: Absent::Tile,
        placement: Placement::default(),
        speech,
        viewer: Viewer {
            source: viewer,
            pins: &[],
            self_view: false,
        },
        content: None,
        audio_tiles: true,
        before: &[],
    }
}

/// Panes as letters: `BSAM` and `E`, `.` for blank, `?` for an absent person, `#` for content.
fn letters(panes: &[Pane]) -> String {
    let letter = |content: Content| match content {
        Content::Blank => '.',
        Content::Absent(_) => '?',
        Content::Shared(_) => '#',
        Content::Source(SourceId(n)) => "BSAMEfghijklmnopqrstuvwxyz"
            .chars()
            .nth(usize::try_from(n).unwrap() - 1)
            .unwrap(),
    };
    panes.iter().map(|pane| letter(pane.content)).collect()
}

#[test]
fn cm_081_the_names_are_exact_and_others_are_refused() {
    for layout in Layout::ALL {
        assert_eq!(layout.name().parse(), Ok(layout));
    }
    for wrong in ["", "allequal", "onePlusFour", "automatic "] {
        assert_eq!(wrong.parse::<Layout>(), Err(UnknownLayout));
    }
}

#[test]
fn cm_082_dynamic_layouts_grow_and_static_ones_do_not() {
    let count = |layout, people| arrange::arrange(layout, None, people).frames.len();
    for people in 1..=10 {
        assert_eq!(count(Layout::AllEqual, people), people);
        assert_eq!(count(Layout::OnePlusN, people), people);
        assert_eq!(count(Layout::Automatic, people), people);
        for (layout, panes) in [
            (Layout::SpeakerOnly, 1),
            (Layout::AllEqualQuarters, 4),
            (Layout::AllEqualNinths, 9),
            (Layout::AllEqualSixteenths, 16),
            (Layout::AllEqualTwentyFifths, 25),
            (Layout::OnePlusFive, 6),
            (Layout::OnePlusSeven, 8),
            (Layout::OnePlusNine, 10),
        ] {
            assert_eq!(count(layout, people), panes, "{layout}");
            assert!(!layout.is_dynamic());
        }
    }
    assert_eq!(count(Layout::Telepresence, 99), 7);
    assert_eq!(count(Layout::Stacked, 99), 6);
}

#[test]
fn cm_085_086_every_layout_has_the_family_of_the_table() {
    let large = [
        "automatic",
        "telepresence",
        "stacked",
        "onePlusFive",
        "onePlusSeven",
        "onePlusNine",
        "onePlusN",
    ];
    for layout in Layout::ALL {
        let expected = match layout.name() {
            "speakerOnly" => "Speaker Only",
            name if large.contains(&name) => "Speaker Large",
            _ => "All Equal",
        };
        assert_eq!(layout.family(false).title(), expected, "{layout}");
    }
    assert_eq!(Layout::Automatic.family(true).title(), "Custom");
    assert_eq!(Layout::AllEqual.family(true).title(), "All Equal");
}

#[test]
fn cm_097_a_template_is_shown_where_it_says() {
    let third = 1.0 / 3.0;
    let template = Template::new(&[
        (0.0, 0.0, 2.0 * third, 1.0, 0),
        (2.0 * third, 0.0, third, 0.5, 0),
        (2.0 * third, 0.5, third, 0.5, 0),
    ])
    .unwrap();
    let (roster, speech) = (roster(), spoken(&[]));
    let request = Request {
        layout: Layout::Automatic,
        template: Some(&template),
        ..request(&roster, &speech, None)
    };
    let pixels: Vec<_> = place(&request)
        .iter()
        .map(|pane| pane.frame.rect.on(1280, 720))
        .collect();
    let edges: Vec<_> = pixels.iter().map(|p| (p.x, p.y, p.w, p.h)).collect();
    assert_eq!(
        edges,
        [(0, 0, 852, 720), (852, 0, 426, 360), (852, 360, 426, 360)]
    );
}

#[test]
fn cm_097_templates_that_overlap_or_leave_the_canvas_are_refused() {
    let make = |panes: &[(f64, f64, f64, f64, u8)]| Template::new(panes).err();
    assert_eq!(make(&[]), Some(TemplateError::Count));
    assert_eq!(
        make(&[(0.5, 0.0, 0.6, 1.0, 0)]),
        Some(TemplateError::Outside(1))
    );
    assert_eq!(
        make(&[(0.0, 0.0, 0.0, 1.0, 0)]),
        Some(TemplateError::Outside(1))
    );
    assert_eq!(
        make(&[(0.0, 0.0, f64::NAN, 1.0, 0)]),
        Some(TemplateError::Outside(1))
    );
    let whole = (0.0, 0.0, 1.0, 1.0, 0);
    assert_eq!(
        make(&[whole, (0.5, 0.5, 0.5, 0.5, 0)]),
        Some(TemplateError::Overlap(1, 2))
    );
    assert_eq!(make(&[whole, (0.5, 0.5, 0.5, 0.5, 1)]), None);
    assert_eq!(make(&[whole; 65]), Some(TemplateError::Count));
}

#[test]
fn cm_101_each_importance_owns_a_pane_and_it_stays_blank_without_its_person() {
    let speech = spoken(&[]);
    let placing = placement(SelfPaneMode::Itself, ActiveSpeakerMode::None);
    let mut all = roster();
    let show = |roster: &[Person]| {
        letters(&place(&Request {
            placement: placing,
            ..request(roster, &speech, None)
        }))
    };
    assert_eq!(show(&all), "BSAME....");
    all.retain(|person| person.source != ANDY);
    assert_eq!(show(&all), "BS.ME....");
    all.push(person(SourceId(6), 2));
    assert_eq!(show(&all), "BSfME....");
}

#[test]
fn cm_102_the_three_self_pane_modes() {
    let (roster, speech) = (roster(), spoken(&[]));
    for (mode, expected) in [
        (SelfPaneMode::Skip, "BAME"),
        (SelfPaneMode::Itself, "BSAM"),
        (SelfPaneMode::Blank, "B.AM"),
    ] {
        let request = Request {
            layout: Layout::AllEqualQuarters,
            placement: placement(mode, ActiveSpeakerMode::None),
            ..request(&roster, &speech, Some(SALLY))
        };
        assert_eq!(letters(&place(&request)), expected, "{mode:?}");
    }
    assert_eq!("skip".parse(), Ok(SelfPaneMode::Skip));
    assert!("both".parse::<SelfPaneMode>().is_err());
}

#[test]
fn cm_103_112_the_conference_overrides_the_space_each_value_by_itself() {
    let space = PanePlacement {
        highest_importance: Some(4),
        self_pane: Some(SelfPaneMode::Blank),
        active_speaker: Some(ActiveSpeakerMode::AllowSelf),
    };
    let unset = PanePlacement::default();
    let effective = PanePlacement::effective(&unset, &space);
    assert_eq!(effective.active_speaker, ActiveSpeakerMode::AllowSelf);
    assert_eq!(effective.self_pane, SelfPaneMode::Blank);
    let conference = PanePlacement {
        active_speaker: Some(ActiveSpeakerMode::None),
        ..unset
    };
    let effective = PanePlacement::effective(&conference, &space);
    assert_eq!(effective.active_speaker, ActiveSpeakerMode::None);
    assert_eq!(effective.highest_importance, Some(4));
    assert_eq!(
        PanePlacement::effective(&unset, &unset),
        Placement::default()
    );
}

#[test]
fn cm_113_active_speaker_mode_without_placement_does_nothing() {
    let (roster, speech) = (roster(), spoken(&[SALLY, BOB]));
    let request = Request {
        placement: Placement {
            highest_importance: None,
            ..placement(SelfPaneMode::Skip, ActiveSpeakerMode::AllowSelf)
        },
        ..request(&roster, &speech, None)
    };
    let plain = Request {
        placement: Placement::default(),
        ..request
    };
    assert_eq!(place(&request), place(&plain));
}

/// Speakers one after another, who looks, and the panes of CM-114 to CM-117.
type SpeakerCase = (
    ActiveSpeakerMode,
    SelfPaneMode,
    &'static [SourceId],
    SourceId,
    &'static str,
);

const SPEAKER_CASES: [SpeakerCase; 10] = {
    use ActiveSpeakerMode::{AllowSelf, None, SuppressSelf};
    use SelfPaneMode::{Blank, Itself, Skip};
    [
        (None, Itself, &[BOB], ANDY, "BSAM."),
        (AllowSelf, Itself, &[BOB], BOB, "BBSAM"),
        (AllowSelf, Itself, &[BOB], MARK, "BBSAM"),
        (AllowSelf, Itself, &[SALLY], BOB, "SBSAM"),
        (SuppressSelf, Itself, &[SALLY, BOB], ANDY, "BBSAM"),
        (SuppressSelf, Skip, &[SALLY, BOB], ANDY, "BBSM."),
        (SuppressSelf, Blank, &[SALLY, BOB], BOB, "S.SAM"),
        (SuppressSelf, Blank, &[SALLY, BOB], SALLY, "BB.AM"),
        (SuppressSelf, Skip, &[BOB], BOB, ".SAM."),
        (AllowSelf, Itself, &[], BOB, ".BSAM"),
    ]
};

#[test]
fn cm_114_117_the_active_speaker_in_pane_1() {
    let mut all = roster();
    all.retain(|person| person.source != EVE);
    for (mode, self_pane, order, viewer, expected) in SPEAKER_CASES {
        let speech = spoken(order);
        let request = Request {
            placement: placement(self_pane, mode),
            ..request(&all, &speech, Some(viewer))
        };
        let seen: String = letters(&place(&request)).chars().take(5).collect();
        assert_eq!(
            seen, expected,
            "{mode:?} {self_pane:?} {order:?} {viewer:?}"
        );
    }
}

#[test]
fn cm_118_the_last_pane_falls_off() {
    let (roster, speech) = (roster(), spoken(&[BOB]));
    let request = Request {
        layout: Layout::AllEqualQuarters,
        placement: placement(SelfPaneMode::Itself, ActiveSpeakerMode::AllowSelf),
        ..request(&roster, &speech, None)
    };
    assert_eq!(letters(&place(&request)), "BBSA");
}

#[test]
fn cm_119_beside_content_the_speaker_is_first_and_doubled_only_within_the_row() {
    let mut all: Vec<Person> = (1..=8_u32)
        .map(|n| person(SourceId(u64::from(n)), 9 - n))
        .collect();
    all.push(person(SourceId(9), 0));
    let show = |speaker: SourceId| {
        let speech = spoken(&[speaker]);
        letters(&place(&Request {
            placement: Placement {
                highest_importance: Some(8),
                self_pane: SelfPaneMode::Itself,
                active_speaker: ActiveSpeakerMode::AllowSelf,
            },
            content: Some(SourceId(9)),
            ..request(&all, &speech, None)
        }))
    };
    assert_eq!(show(SourceId(5)), "#EBSAME");
    assert_eq!(show(SourceId(6)), "#fBSAME");
}

#[test]
fn cm_120_a_speaker_who_leaves_gives_way_to_the_previous_one() {
    let all = roster();
    let mut speech = spoken(&[SALLY, EVE]);
    let show = |speech: &Speech, roster: &[Person]| {
        let seen = letters(&place(&Request {
            placement: placement(SelfPaneMode::Itself, ActiveSpeakerMode::AllowSelf),
            ..request(roster, speech, None)
        }));
        seen.chars().next().unwrap()
    };
    assert_eq!(
        show(&speech, &all),
        'E',
        "who is not placed appears in pane 1"
    );
    let without: Vec<Person> = all
        .into_iter()
        .filter(|person| person.source != EVE)
        .collect();
    speech.remove(EVE);
    assert_eq!(show(&speech, &without), 'S');
}

#[test]
fn cm_121_a_cough_changes_nothing_and_a_second_of_speech_does() {
    let mut speech = spoken(&[BOB]);
    let mut at = now() + Duration::from_secs(60);
    let mut feed = |speech: &mut Speech, who: &[(SourceId, f32)], ms: u64| {
        let mut changed = None;
        for step in 0..ms / 20 {
            at += Duration::from_millis(20);
            if speech.observe(at, who) {
                changed.get_or_insert((step + 1) * 20);
            }
        }
        changed
    };
    assert_eq!(feed(&mut speech, &[(SALLY, -20.0)], 200), None);
    assert_eq!(feed(&mut speech, &[], 2000), None);
    assert_eq!(speech.active(), Some(BOB));
    assert!(feed(&mut speech, &[(SALLY, -20.0)], 1000).is_some());
    // Straight afterwards another one: within a second as well.
    assert!(feed(&mut speech, &[(ANDY, -20.0)], 1000).is_some());
    // Talking over each other at one level moves nobody.
    assert_eq!(
        feed(&mut speech, &[(ANDY, -20.0), (MARK, -18.0)], 5000),
        None
    );
    assert!(feed(&mut speech, &[(ANDY, -30.0), (MARK, -18.0)], 1000).is_some());
}

#[test]
fn seats_are_bound_to_identities() {
    let speech = spoken(&[]);
    let seats = [
        Seat {
            identity: Identity(SALLY.0 + 100),
            pane: 1,
        },
        Seat {
            identity: Identity(MARK.0 + 100),
            pane: 3,
        },
    ];
    let mut all = vec![
        person(BOB, 0),
        person(SALLY, 0),
        person(ANDY, 0),
        person(MARK, 0),
    ];
    let show = |roster: &[Person], absent| {
        letters(&place(&Request {
            layout: Layout::AllEqualQuarters,
            seats: &seats,
            absent,
            ..request(roster, &speech, None)
        }))
    };
    assert_eq!(show(&all, Absent::Tile), "SBMA");
    all.remove(1);
    assert_eq!(show(&all, Absent::Tile), "?BMA");
    assert_eq!(show(&all, Absent::Blank), ".BMA");
    assert_eq!(show(&all, Absent::Fill), "BAM.");
    // The same person by another call: back in the same pane.
    all.push(Person {
        identity: Identity(SALLY.0 + 100),
        ..person(EVE, 0)
    });
    assert_eq!(show(&all, Absent::Tile), "EBMA");
}

#[test]
fn precedence_is_pin_importance_floor_loudest() {
    let mut all: Vec<Person> = (1..=5).map(|n| person(SourceId(n), 0)).collect();
    let speech = spoken(&[EVE]);
    let show = |roster: &[Person], pins: &[SourceId]| {
        letters(&place(&Request {
            layout: Layout::SpeakerOnly,
            viewer: Viewer {
                pins,
                ..Viewer::default()
            },
            ..request(roster, &speech, None)
        }))
    };
    assert_eq!(show(&all, &[]), "E");
    all[1].floor = true;
    assert_eq!(show(&all, &[]), "S");
    all[2].importance = 7;
    assert_eq!(show(&all, &[]), "A");
    all[3].pin = Some(0);
    assert_eq!(show(&all, &[]), "M");
    assert_eq!(show(&all, &[BOB]), "B");
}

#[test]
fn the_speaker_sees_the_previous_one_large_and_never_the_own_picture() {
    let all: Vec<Person> = (1..=3).map(|n| person(SourceId(n), 0)).collect();
    // The last one of these speaks.
    let speech = spoken(&[ANDY, BOB]);
    for self_view in [false, true] {
        let request = Request {
            layout: Layout::OnePlusN,
            viewer: Viewer {
                source: Some(BOB),
                pins: &[],
                self_view,
            },
            ..request(&all, &speech, Some(BOB))
        };
        let expected = if self_view { "ABS" } else { "AS" };
        assert_eq!(letters(&place(&request)), expected);
        let alone = Request {
            layout: Layout::SpeakerOnly,
            ..request
        };
        assert_eq!(letters(&place(&alone)), "A", "not oneself, who speaks");
    }
}

#[test]
fn whoever_is_shown_keeps_the_pane() {
    let mut all: Vec<Person> = (1..=6).map(|n| person(SourceId(n), 0)).collect();
    let mut before = Vec::new();
    let mut show = |roster: &[Person], speech: &Speech, layout| {
        let panes = place(&Request {
            layout,
            before: &before,
            ..request(roster, speech, None)
        });
        let seen = letters(&panes);
        before = panes;
        seen
    };
    let quarters = Layout::AllEqualQuarters;
    assert_eq!(show(&all, &spoken(&[]), quarters), "BSAM");
    assert_eq!(
        show(&all, &spoken(&[BOB, ANDY]), quarters),
        "BSAM",
        "all of them are shown already"
    );
    assert_eq!(
        show(&all, &spoken(&[BOB, EVE]), quarters),
        "BSAE",
        "who was last gives way"
    );
    all.remove(1);
    assert_eq!(
        show(&all, &spoken(&[BOB, EVE]), quarters),
        "BMAE",
        "only the free pane is filled"
    );
    let five = Layout::OnePlusFive;
    assert_eq!(
        show(&all, &spoken(&[ANDY]), five),
        "AMBEf.",
        "speaker and former first change places"
    );
}

#[test]
fn audio_only_people_have_tiles_unless_they_are_turned_off() {
    let mut all = vec![person(BOB, 0), person(SALLY, 0)];
    all[0].video = false;
    let speech = spoken(&[]);
    let show = |audio_tiles| {
        letters(&place(&Request {
            layout: Layout::AllEqual,
            audio_tiles,
            ..request(&all, &speech, None)
        }))
    };
    assert_eq!((show(true).as_str(), show(false).as_str()), ("BS", "S"));
}
