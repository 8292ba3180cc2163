//! Who may show slides, by role, by the operator and by C3P (CB-247.7), and whom the operator gives their floor to.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and looks at what it is about"
)]

#[cfg(test)]
mod support;

use plenum_focus::access::{Members, Role};
use plenum_focus::c3p::{Command as C3pCommand, CommandReason, EndpointMedia, Reason, ResultBody};
use plenum_focus::info::{Media, MediaFilter};
use plenum_focus::output::{Command, LooksChange, PictureCommand};
use plenum_focus::record::{ConferenceRecord, Origin, SlidesOf};
use plenum_mcu::control::{Action, EndpointId, Report, VideoMedia};
use support::c3p::*;
use support::commands::*;
use support::*;

/// Somebody with a stream of slides, in a meeting that pia presents and ann attends.
fn screen(bench: &mut Bench, id: u64, user: &str) -> (EndpointId, String) {
    let (endpoint, entity) = audio(bench, id, user);
    let content = Some(VideoMedia {
        codec: "VP8/90000",
        sends: true,
        receives: true,
    });
    bench.report(Report::Content { endpoint, content });
    (endpoint, entity)
}

fn of_presenters() -> Bench {
    meeting_of(ConferenceRecord {
        members: Members {
            presenters: vec![aor("pia")],
            ..Members::default()
        },
        origin: Origin::Configured,
        slides: SlidesOf::Presenters,
        ..configured()
    })
}

/// What the mixer knows.
fn barred(bench: &Bench, endpoint: EndpointId) -> bool {
    let roster = bench.focus.roster();
    roster.endpoint(endpoint).unwrap().looks.barred
}

fn slides_of(bench: &mut Bench, user: &str) -> Media {
    let ResultBody::GetConference(Some(info), _) = succeeded(bench.outcome(PIA, "pia", get()))
    else {
        panic!("another command")
    };
    let endpoints = &info.user(&aor(user)).unwrap().endpoints;
    let mut media = endpoints.iter().flat_map(|endpoint| &endpoint.media);
    media.find(|media| media.id == "3").unwrap().clone()
}

fn filter(user: &str, endpoint: &str, ingress: MediaFilter) -> C3pCommand {
    C3pCommand::ModifyEndpointMedia(EndpointMedia {
        keys: media_keys(user, endpoint, "3"),
        media: Media {
            ingress_filter: Some(ingress),
            ..Media::new("3")
        },
        mcu_uri: Some(mcu_uri()),
    })
}

fn allow(bench: &mut Bench, endpoint: EndpointId, allowed: Option<bool>) {
    let change = LooksChange::Slides(allowed);
    let command = PictureCommand::Looks { endpoint, change };
    bench.command(Command::Pictures(command));
}

#[test]
fn cb_176_slides_are_of_presenters_as_long_as_they_are() {
    let mut bench = of_presenters();
    let (pias, _) = screen(&mut bench, 3, "pia");
    let (anns, _) = screen(&mut bench, 4, "ann");
    assert!(!barred(&bench, pias) && barred(&bench, anns));
    let media = slides_of(&mut bench, "ann");
    assert!(media.barred);
    assert_eq!(media.ingress_filter, Some(MediaFilter::Block));
    assert!(!slides_of(&mut bench, "pia").barred);
    succeeded(bench.outcome(PIA, "pia", promote("ann", Role::Presenter)));
    assert!(!barred(&bench, anns), "with the role");
    succeeded(bench.outcome(PIA, "pia", promote("ann", Role::Attendee)));
    assert!(barred(&bench, anns));
    // What is said of one endpoint goes before its role.
    allow(&mut bench, anns, Some(true));
    allow(&mut bench, pias, Some(false));
    assert!(barred(&bench, pias) && !barred(&bench, anns));
    allow(&mut bench, anns, None);
    assert!(barred(&bench, anns));
}

#[test]
fn cb_247_7_a_presenter_says_by_c3p_who_may_show_slides() {
    let mut bench = meeting();
    let (anns, entity) = screen(&mut bench, 3, "ann");
    assert!(!barred(&bench, anns), "everybody");
    let response = bench.outcome(ANN, "ann", filter("ann", &entity, MediaFilter::Block));
    failed(
        &response,
        Reason::Unauthorized,
        Some(CommandReason::OtherFailure),
    );
    succeeded(bench.outcome(PIA, "pia", filter("ann", &entity, MediaFilter::Block)));
    assert!(barred(&bench, anns));
    succeeded(bench.outcome(PIA, "pia", filter("ann", &entity, MediaFilter::Unblock)));
    assert!(!barred(&bench, anns));
    let (_, plain) = audio(&mut bench, 4, "pia");
    let response = bench.outcome(PIA, "pia", filter("pia", &plain, MediaFilter::Block));
    failed_for(&response, CommandReason::MediaDoesntExist);
}

#[test]
fn rfc8855_4_1_the_operator_gives_the_floor_to_who_can_and_may_have_it() {
    let mut bench = of_presenters();
    let (pias, _) = screen(&mut bench, 3, "pia");
    let (anns, _) = screen(&mut bench, 4, "ann");
    bench.obeying = false;
    let mut give = |endpoint| {
        let request = bench.command(Command::GiveFloor { endpoint });
        let told = bench.mcu.pop_back().map(|command| command.action);
        let given = matches!(told, Some(Action::GiveFloor { endpoint: to }) if to == endpoint);
        (bench.completed(request).unwrap(), given)
    };
    assert_eq!(give(pias), ("Ok(())".to_owned(), true));
    assert_eq!(give(anns), ("Err(Barred)".to_owned(), false));
    let nobody = EndpointId(999);
    assert_eq!(give(nobody), ("Err(UnknownEndpoint)".to_owned(), false));
    bench.report(Report::Content {
        endpoint: pias,
        content: None,
    });
    let request = bench.command(Command::GiveFloor { endpoint: pias });
    assert_eq!(bench.completed(request).unwrap(), "Err(NoSlides)");
}
