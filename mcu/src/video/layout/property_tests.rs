use super::assign::{Content, Person, Request, Viewer, place};
use super::tests::{person, request, spoken};
use super::*;
use proptest::prelude::*;

fn people() -> impl Strategy<Value = Vec<Person>> {
    let one = (
        0_u32..6,
        proptest::option::of(0_u32..3),
        any::<bool>(),
        any::<bool>(),
    );
    proptest::collection::vec(one, 0..30).prop_map(|all| {
        let make = |(index, (importance, pin, floor, video)): (usize, _)| Person {
            importance,
            pin,
            floor,
            video,
            ..person(SourceId(u64::try_from(index).unwrap() + 1), 0)
        };
        all.into_iter().enumerate().map(make).collect()
    })
}

fn placements() -> impl Strategy<Value = Placement> {
    let modes = [
        ActiveSpeakerMode::None,
        ActiveSpeakerMode::AllowSelf,
        ActiveSpeakerMode::SuppressSelf,
    ];
    let selves = [
        SelfPaneMode::Skip,
        SelfPaneMode::Itself,
        SelfPaneMode::Blank,
    ];
    (proptest::option::of(1_u32..8), 0_usize..3, 0_usize..3).prop_map(move |(highest, a, b)| {
        Placement {
            highest_importance: highest,
            self_pane: selves[a],
            active_speaker: modes[b],
        }
    })
}

proptest! {
    /// No pane leaves the canvas, none of one height overlap, also in pixels of any canvas.
    #[test]
    fn frames_stay_inside_and_apart(
        layout in 0_usize..13, people in 0_usize..40, width in 16_usize..2000, height in 16_usize..1200,
    ) {
        let frames = arrange::arrange(Layout::ALL[layout], None, people).frames;
        prop_assert!(!frames.is_empty());
        for (index, a) in frames.iter().enumerate() {
            prop_assert!(a.rect.x + a.rect.w <= UNIT && a.rect.y + a.rect.h <= UNIT);
            let p = a.rect.on(width, height);
            prop_assert!(p.x + p.w <= width && p.y + p.h <= height);
            for b in &frames[..index] {
                let q = b.rect.on(width, height);
                let apart = p.x + p.w <= q.x || q.x + q.w <= p.x || p.y + p.h <= q.y || q.y + q.h <= p.y;
                prop_assert!(a.z != b.z || (!a.rect.overlaps(b.rect) && apart));
            }
        }
    }

    /// Nobody is shown twice, the speaker's pane apart; nobody is shown who is not here; nobody sees the own
    /// picture who does not want to; a second look changes nothing.
    #[test]
    fn every_assignment_keeps_the_rules(
        roster in people(), placement in placements(), layout in 0_usize..13, viewer in 0_u64..30,
        speakers in proptest::collection::vec(1_u64..20, 0..4), self_view: bool,
    ) {
        let mut order: Vec<SourceId> = Vec::new();
        for id in speakers { if order.last() != Some(&SourceId(id)) { order.push(SourceId(id)); } }
        let speech = spoken(&order);
        let viewer = Some(SourceId(viewer)).filter(|v| v.0 > 0);
        let asked = Request {
            layout: Layout::ALL[layout],
            placement,
            viewer: Viewer { source: viewer, pins: &[], self_view },
            ..request(&roster, &speech, viewer)
        };
        let panes = place(&asked);
        let speaking = usize::from(
            placement.highest_importance.is_some() && placement.active_speaker != ActiveSpeakerMode::None);
        let mut shown: Vec<SourceId> = panes.iter().skip(speaking).filter_map(|pane| match pane.content {
            Content::Source(source) => Some(source),
            Content::Blank | Content::Absent(_) | Content::Shared(_) => None,
        }).collect();
        prop_assert!(shown.iter().all(|s| roster.iter().any(|p| p.source == *s)));
        let may_see = self_view || placement.self_pane == SelfPaneMode::Itself;
        prop_assert!(may_see || !shown.iter().any(|s| Some(*s) == viewer));
        shown.sort_unstable();
        let all = shown.len();
        shown.dedup();
        prop_assert_eq!(shown.len(), all);
        let again = place(&Request { before: &panes, ..asked });
        prop_assert_eq!(panes, again);
    }

    /// When somebody who was not shown leaves, the picture of a static layout stays as it is.
    #[test]
    fn an_unrelated_change_moves_nobody(
        roster in people(), placement in placements(), layout in 5_usize..12, leaver in 0_usize..30,
    ) {
        let speech = spoken(&[]);
        let asked = Request {
            layout: Layout::ALL[layout],
            placement,
            ..request(&roster, &speech, None)
        };
        let panes = place(&asked);
        let Some(leaver) = roster.get(leaver) else { return Ok(()) };
        let seen = panes.iter().any(|pane| pane.content == Content::Source(leaver.source));
        prop_assume!(!seen);
        let rest: Vec<Person> = roster.iter().filter(|p| p.source != leaver.source).copied().collect();
        let after = place(&Request { roster: &rest, before: &panes, ..asked });
        prop_assert_eq!(panes, after);
    }
}
