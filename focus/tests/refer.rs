//! REFER to the focus (RFC 3515, RFC 4579 §5.5, §5.11).

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test looks at what it is about"
)]

#[cfg(test)]
mod support;

use plenum_focus::output::SipAction;
use plenum_sip::endpoint::{Event, InviteId, NotifierId, ServerTxId};
use plenum_sip::msg::{HeaderName, Method};
use support::*;

const URI: &str = "sip:standup@conf.example.com";

fn refer(bench: &mut Bench, invite: Option<u64>, user: &str, to: &str) -> Vec<SipAction> {
    let mut request = request(Method::Refer, URI, user, None);
    request.headers.push(HeaderName::ReferTo, format!("<{to}>"));
    bench.actions();
    bench.sip(Event::Refer {
        tx: ServerTxId(5),
        invite: invite.map(InviteId),
        request,
        flow: flow(trusted(1)),
    });
    bench.actions()
}

fn refused(actions: &[SipAction]) -> Option<u16> {
    actions.iter().find_map(|action| match action {
        SipAction::Respond { answer, .. } => Some(answer.status.code()),
        _ => None,
    })
}

/// Accepts as the endpoint does; the id of its subscription is 50.
fn accepted(bench: &mut Bench, actions: &[SipAction]) {
    let subscription = actions.iter().find_map(|action| match action {
        SipAction::AcceptRefer { subscription, .. } => Some(*subscription),
        _ => None,
    });
    let id = Some(NotifierId(50));
    bench
        .focus
        .handle_subscribed(bench.now, subscription.unwrap(), id);
    bench.drain();
}

fn told(bench: &mut Bench) -> Option<u16> {
    bench.actions().into_iter().find_map(|action| match action {
        SipAction::NotifyRefer {
            id: NotifierId(50),
            status,
        } => Some(status.code()),
        _ => None,
    })
}

#[test]
fn rfc4579_5_5_a_presenter_refers_somebody_in() {
    for (end, status) in [(200, 200), (486, 486), (404, 404)] {
        let mut bench = Bench::new(configured_ad_hoc());
        bench.join(1, "ann");
        let actions = refer(
            &mut bench,
            Some(1),
            "ann",
            "sip:zoe@example.org;method=INVITE",
        );
        accepted(&mut bench, &actions);
        let placed = actions
            .iter()
            .chain(&bench.sip)
            .find_map(|action| match action {
                SipAction::Invite {
                    dial_out, invite, ..
                } => Some((*dial_out, invite.uri.to_string())),
                _ => None,
            });
        let (dial_out, uri) = placed.unwrap();
        assert_eq!(uri, "sip:zoe@example.org");
        bench
            .focus
            .handle_placed(bench.now, dial_out, Some(InviteId(9)));
        bench.drain();
        assert_eq!(told(&mut bench), None);
        let id = InviteId(9);
        if end == 200 {
            let response = response(200, Some(ANSWER));
            bench.sip(Event::Answered { id, response });
        } else {
            let status = plenum_sip::msg::StatusCode::new(end).unwrap();
            let cause = plenum_sip::endpoint::EndCause::Rejected(status, "".into());
            bench.sip(Event::Ended { id, cause });
        }
        assert_eq!(told(&mut bench), Some(status));
    }
}

#[test]
fn rfc4579_5_11_removing_by_refer() {
    let mut bench = Bench::new(configured_ad_hoc());
    bench.join(1, "ann");
    bench.join(2, "bob");
    bench.join(3, "carl");
    let bye = |user: &str| format!("sip:{user}@example.com;method=BYE");
    assert_eq!(
        refused(&refer(&mut bench, Some(2), "bob", &bye("carl"))),
        Some(403)
    );
    assert_eq!(
        refused(&refer(&mut bench, Some(1), "ann", &bye("zoe"))),
        Some(404)
    );
    let actions = refer(&mut bench, None, "ann", &bye("carl"));
    accepted(&mut bench, &actions);
    assert_eq!(told(&mut bench), Some(200));
    assert_eq!(bench.left(), ["Booted"]);
    let actions = refer(&mut bench, Some(2), "bob", &bye("bob"));
    accepted(&mut bench, &actions);
    assert_eq!(bench.focus.roster().users().count(), 1);
}

#[test]
fn who_and_what_may_not() {
    let mut bench = Bench::new(configured_ad_hoc());
    bench.join(1, "ann");
    bench.join(2, "bob");
    assert_eq!(
        refused(&refer(&mut bench, None, "zoe", "sip:x@example.org")),
        Some(403)
    );
    assert_eq!(
        refused(&refer(&mut bench, Some(2), "bob", "sip:x@example.org")),
        Some(403)
    );
    let odd = "sip:x@example.org;method=SUBSCRIBE";
    assert_eq!(refused(&refer(&mut bench, Some(1), "ann", odd)), Some(488));
    let actions = refer(&mut bench, Some(1), "ann", "mailto:x@example.org");
    accepted(&mut bench, &actions);
    assert_eq!(told(&mut bench), Some(416));
}
