//! Who is seen where: placement, seats, filters of pictures and the switching of video (CM-080 to CM-121, CB-283 to
//! CB-286).

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and looks at what it is about"
)]

#[cfg(test)]
mod support;

use plenum_focus::c3p::{
    Command as C3pCommand, CommandReason, EndpointMedia, EntityChanges, MediaKeys,
    ModifyConference, ModifyUsersMediaFilters, Reason, ResultBody,
};
use plenum_focus::info::{
    ConferenceInfo, ConferenceMedium, EntityView, Media, MediaFilter, MediaStatus, VideoParameters,
};
use plenum_focus::output::{Choice, Command, LooksChange, PictureCommand};
use plenum_focus::record::{ConferenceRecord, Person, SeatFor};
use plenum_mcu::control::{
    Absent, Action, ActiveSpeakerMode, ConferenceVideo, EndpointId, EndpointVideo, Identity,
    Layout, PaneContent, PanePlacement, Report, SelfPaneMode, VideoMedia,
};
use support::c3p::*;
use support::commands::*;
use support::*;

const CAMERA: VideoMedia = VideoMedia {
    codec: "H264/90000",
    sends: true,
    receives: true,
};

/// Somebody with a camera, in a meeting whose mixer waits to be obeyed.
fn camera(bench: &mut Bench, id: u64, user: &str) -> (EndpointId, String) {
    let (endpoint, entity) = audio(bench, id, user);
    bench.report(Report::Video {
        endpoint,
        video: Some(CAMERA),
    });
    (endpoint, entity)
}

fn document(bench: &mut Bench) -> ConferenceInfo {
    let ResultBody::GetConference(Some(info), _) = succeeded(bench.outcome(PIA, "pia", get()))
    else {
        panic!("another command")
    };
    *info
}

fn pictures_of(bench: &mut Bench, user: &str) -> Option<Media> {
    let info = document(bench);
    let endpoints = &info.user(&aor(user))?.endpoints;
    let mut media = endpoints.iter().flat_map(|endpoint| &endpoint.media);
    media.find(|media| media.id == "2").cloned()
}

fn looks(bench: &Bench, endpoint: EndpointId) -> EndpointVideo {
    bench
        .focus
        .roster()
        .endpoint(endpoint)
        .unwrap()
        .looks
        .clone()
}

/// modifyEndpointMedia of somebody's pictures.
fn modify(user: &str, endpoint: &str, media: Media) -> C3pCommand {
    C3pCommand::ModifyEndpointMedia(EndpointMedia {
        keys: MediaKeys {
            conf_entity: conference_uri(),
            user_entity: aor(user),
            endpoint_entity: endpoint.into(),
            media_id: "2".into(),
        },
        media,
        mcu_uri: Some(mcu_uri()),
    })
}

fn blocking(ingress: Option<MediaFilter>, egress: Option<MediaFilter>) -> Media {
    Media {
        ingress_filter: ingress,
        egress_filter: egress,
        ..Media::new("2")
    }
}

fn choosing(layout: &str) -> Media {
    Media {
        layout: Some(layout.into()),
        ..Media::new("2")
    }
}

/// modifyConference: how video is switched.
fn switching(mode: &str, sources: &[&str]) -> C3pCommand {
    let medium = ConferenceMedium {
        label: "main-video".into(),
        display_text: None,
        media_type: "video".into(),
        status: None,
        video: Some(VideoParameters {
            mode: Some(mode.into()),
            intended_primary_presenter_source: sources.iter().map(|user| aor(user)).collect(),
        }),
    };
    C3pCommand::ModifyConference(ModifyConference {
        mcu_uri: mcu_uri(),
        conf_entity: conference_uri(),
        changes: EntityChanges {
            media: vec![medium],
            ..EntityChanges::default()
        },
    })
}

#[test]
fn cb_284_cb_285_main_video_is_in_the_view_while_somebody_has_it() {
    let mut bench = meeting();
    let (phone, _) = audio(&mut bench, 3, "ann");
    let view = |bench: &mut Bench| {
        document(bench)
            .entity_view(&mcu_uri())
            .map(|view| EntityView::clone(view))
            .unwrap()
    };
    let labels = |bench: &mut Bench| -> Vec<String> {
        let media = view(bench).entity_state.unwrap().media;
        media.into_iter().map(|medium| medium.label).collect()
    };
    assert_eq!(labels(&mut bench), ["main-audio"]);
    assert_eq!(
        view(&mut bench).capabilities.unwrap().audio_video,
        Some((true, false))
    );
    for (sends, receives, status) in [
        (true, true, MediaStatus::SendRecv),
        (true, false, MediaStatus::SendOnly),
        (false, true, MediaStatus::RecvOnly),
        (false, false, MediaStatus::Inactive),
    ] {
        let video = Some(VideoMedia {
            sends,
            receives,
            ..CAMERA
        });
        bench.report(Report::Video {
            endpoint: phone,
            video,
        });
        let media = pictures_of(&mut bench, "ann").unwrap();
        assert_eq!(media.status, Some(status));
        assert_eq!(media.media_type.as_deref(), Some("video"));
        assert_eq!(media.label.as_deref(), Some("main-video"));
    }
    assert_eq!(labels(&mut bench), ["main-audio", "main-video"]);
    assert_eq!(
        view(&mut bench).capabilities.unwrap().audio_video,
        Some((true, true))
    );
    bench.report(Report::ActiveSpeaker {
        endpoint: Some(phone),
    });
    let state = view(&mut bench).entity_state.unwrap().av_state.unwrap();
    assert_eq!(state.dominant_speaker, Some(aor("ann")));
    assert_eq!(
        state.video_mode.as_deref(),
        Some("dominant-speaker-switched")
    );
    bench.report(Report::Video {
        endpoint: phone,
        video: None,
    });
    assert_eq!(pictures_of(&mut bench, "ann"), None);
    assert_eq!(labels(&mut bench), ["main-audio"]);
}

#[test]
fn cb_247_7_cb_286_pictures_are_blocked_and_unblocked() {
    let mut bench = meeting();
    let (phone, entity) = camera(&mut bench, 3, "ann");
    let (_, of_pia) = camera(&mut bench, 4, "pia");
    let (block, unblock) = (Some(MediaFilter::Block), Some(MediaFilter::Unblock));
    let response = bench.outcome(PIA, "pia", modify("ann", &entity, blocking(block, None)));
    assert_eq!(response.responder, Some(mcu_uri()), "CB-154");
    succeeded(response);
    assert!(looks(&bench, phone).hidden && !looks(&bench, phone).blind);
    assert!(!muted(&bench, phone), "her voice goes on");
    let media = pictures_of(&mut bench, "ann").unwrap();
    assert_eq!(
        (media.ingress_filter, media.egress_filter),
        (block, unblock)
    );
    succeeded(bench.outcome(ANN, "ann", modify("ann", &entity, blocking(unblock, block))));
    assert!(!looks(&bench, phone).hidden && looks(&bench, phone).blind);
    // What is somebody else's, and what is not there.
    let response = bench.outcome(ANN, "ann", modify("pia", &of_pia, blocking(block, None)));
    failed(
        &response,
        Reason::Unauthorized,
        Some(CommandReason::OtherFailure),
    );
    bench.report(Report::Video {
        endpoint: phone,
        video: None,
    });
    let response = bench.outcome(PIA, "pia", modify("ann", &entity, blocking(block, None)));
    failed_for(&response, CommandReason::MediaDoesntExist);
}

#[test]
fn cb_247_10_pictures_of_all_are_blocked_by_their_label() {
    let mut bench = meeting();
    let (ann, _) = camera(&mut bench, 3, "ann");
    let (pia, _) = camera(&mut bench, 4, "pia");
    let command = C3pCommand::ModifyUsersMediaFilters(ModifyUsersMediaFilters {
        keys: keys(),
        media_labels: vec!["main-video".into()],
        ingress: Some(MediaFilter::Block),
        egress: None,
        exclude_roles: vec!["presenter".into()],
        exclude_users: Vec::new(),
        mcu_uri: Some(mcu_uri()),
    });
    let ResultBody::ModifyUsersMediaFilters(result) = succeeded(bench.outcome(PIA, "pia", command))
    else {
        panic!("another command")
    };
    assert!(result.unsupported_media_labels.is_empty());
    assert!(looks(&bench, ann).hidden && !muted(&bench, ann));
    assert!(!looks(&bench, pia).hidden);
}

#[test]
fn cb_247_8_pictures_are_taken_out_and_brought_back() {
    let mut bench = meeting();
    let (phone, entity) = camera(&mut bench, 3, "ann");
    succeeded(bench.outcome(PIA, "pia", delete_audio("ann", &entity, "2")));
    assert!(looks(&bench, phone).hidden && looks(&bench, phone).blind);
    assert_eq!(pictures_of(&mut bench, "ann"), None);
    let again = bench.outcome(PIA, "pia", delete_audio("ann", &entity, "2"));
    failed_for(&again, CommandReason::MediaDoesntExist);
    let response = bench.outcome(ANN, "ann", add_media("ann", &entity, "video"));
    failed(
        &response,
        Reason::Unauthorized,
        Some(CommandReason::OtherFailure),
    );
    succeeded(bench.outcome(PIA, "pia", add_media("ann", &entity, "video")));
    assert!(!looks(&bench, phone).hidden && !looks(&bench, phone).blind);
    assert!(pictures_of(&mut bench, "ann").is_some());
    let there = bench.outcome(PIA, "pia", add_media("ann", &entity, "video"));
    failed_for(&there, CommandReason::MediaExistsAlready);
}

#[test]
fn cm_089_cm_093_a_layout_is_chosen_by_c3p_where_that_is_allowed() {
    let mut bench = meeting();
    let (phone, entity) = camera(&mut bench, 3, "ann");
    succeeded(bench.outcome(ANN, "ann", modify("ann", &entity, choosing("allEqual"))));
    assert_eq!(looks(&bench, phone).layout, Some(Layout::AllEqual));
    let media = pictures_of(&mut bench, "ann").unwrap();
    assert_eq!(media.layout.as_deref(), Some("allEqual"), "CM-094");
    let response = bench.outcome(ANN, "ann", modify("ann", &entity, choosing("allequal")));
    failed_for(&response, CommandReason::OtherFailure);
    let change = LooksChange::ChangeLayout(Some(false));
    bench.command(Command::Pictures(PictureCommand::Looks {
        endpoint: phone,
        change,
    }));
    let response = bench.outcome(ANN, "ann", modify("ann", &entity, choosing("stacked")));
    failed(
        &response,
        Reason::Unauthorized,
        Some(CommandReason::OtherFailure),
    );
    bench.keys(phone, "*2");
    assert_eq!(
        looks(&bench, phone).layout,
        Some(Layout::AllEqual),
        "nor by a key"
    );
    succeeded(bench.outcome(PIA, "pia", modify("ann", &entity, choosing("stacked"))));
    assert_eq!(looks(&bench, phone).layout, Some(Layout::Stacked));
}

#[test]
fn cb_283_3_cb_285_a_presenter_says_whom_everybody_sees() {
    let mut bench = meeting();
    let (ann, _) = camera(&mut bench, 3, "ann");
    let (pia, _) = camera(&mut bench, 4, "pia");
    let manual = "manual-switched";
    let response = bench.outcome(ANN, "ann", switching(manual, &["ann"]));
    failed(
        &response,
        Reason::Unauthorized,
        Some(CommandReason::OtherFailure),
    );
    for wrong in [
        switching(manual, &[]),
        switching(manual, &["nobody"]),
        switching("sideways", &["ann"]),
    ] {
        failed_for(
            &bench.outcome(PIA, "pia", wrong),
            CommandReason::OtherFailure,
        );
    }
    assert_eq!(looks(&bench, ann).pin, None);
    succeeded(bench.outcome(PIA, "pia", switching(manual, &["ann"])));
    assert_eq!(
        (looks(&bench, ann).pin, looks(&bench, pia).pin),
        (Some(0), None)
    );
    let info = document(&mut bench);
    let state = info
        .entity_view(&mcu_uri())
        .unwrap()
        .entity_state
        .clone()
        .unwrap();
    let av = state.av_state.unwrap();
    assert_eq!(av.video_mode.as_deref(), Some(manual));
    assert_eq!(av.intended_prime_presenter_source, [aor("ann")]);
    // Another device of hers is meant as well.
    let (second, _) = camera(&mut bench, 5, "ann");
    assert_eq!(looks(&bench, second).pin, Some(0));
    succeeded(bench.outcome(PIA, "pia", switching("dominant-speaker-switched", &[])));
    assert_eq!(
        (looks(&bench, second).pin, looks(&bench, pia).pin),
        (None, None)
    );
}

#[test]
fn who_is_seen_where_is_in_the_roster_of_those_who_speak_c3p() {
    let mut bench = meeting();
    let (ann, _) = camera(&mut bench, 3, "ann");
    let (pia, _) = camera(&mut bench, 4, "pia");
    let panes = vec![
        PaneContent::Endpoint(pia),
        PaneContent::Blank,
        PaneContent::Absent(Identity(9)),
        PaneContent::Endpoint(ann),
    ];
    bench.report(Report::Seen {
        endpoint: ann,
        panes,
    });
    let media = pictures_of(&mut bench, "ann").unwrap();
    assert_eq!(media.seen, [&*aor("pia"), "-", "-", &*aor("ann")]);
    assert_eq!(media.layout.as_deref(), Some("automatic"));
    assert!(pictures_of(&mut bench, "pia").unwrap().seen.is_empty());
}

/// What the mixer was told of the conference last.
fn told(bench: &mut Bench, command: PictureCommand) -> ConferenceVideo {
    bench.obeying = false;
    bench.command(Command::Pictures(command));
    let told = bench.mcu.iter().rev().find_map(|command| {
        let Action::Pictures(pictures) = &command.action else {
            return None;
        };
        Some(ConferenceVideo::clone(pictures))
    });
    bench.obeying = true;
    bench.drain();
    told.unwrap()
}

#[test]
fn cm_103_cm_112_the_running_conference_goes_before_its_record() {
    let space = PanePlacement {
        highest_importance: Some(4),
        self_pane: Some(SelfPaneMode::Blank),
        active_speaker: Some(ActiveSpeakerMode::AllowSelf),
    };
    let mut bench = Bench::new(ConferenceRecord {
        placement: space,
        ..record()
    });
    let conference = PanePlacement {
        active_speaker: Some(ActiveSpeakerMode::None),
        ..PanePlacement::default()
    };
    let pictures = told(&mut bench, PictureCommand::Placement(conference));
    assert_eq!(pictures.placement.active_speaker, ActiveSpeakerMode::None);
    assert_eq!(pictures.placement.self_pane, SelfPaneMode::Blank);
    assert_eq!(pictures.placement.highest_importance, Some(4));
    let pictures = told(
        &mut bench,
        PictureCommand::Placement(PanePlacement::default()),
    );
    assert_eq!(
        pictures.placement.active_speaker,
        ActiveSpeakerMode::AllowSelf
    );
}

fn seat(user: &str, pane: usize) -> SeatFor {
    SeatFor {
        aor: aor(user),
        name: String::new(),
        pane,
    }
}

fn person(user: &str) -> Person {
    Person {
        aor: aor(user),
        ..Person::default()
    }
}

#[test]
fn cm_101_who_comes_again_has_the_same_seat_and_importance() {
    let ann = Person {
        name: Some("Ann Otter".into()),
        importance: 3,
        seat: Some(2),
        ..person("ann")
    };
    let mut bench = Bench::new(ConferenceRecord {
        people: vec![ann],
        ..record()
    });
    let first = bench.join(3, "ann");
    let before = looks(&bench, first);
    assert_eq!(before.importance, 3);
    assert_ne!(before.identity, Identity::default());
    let pictures = bench.focus.conference_video();
    assert_eq!(pictures.seats.len(), 1);
    assert_eq!(pictures.seats[0].seat.identity, before.identity);
    assert_eq!(
        (pictures.seats[0].seat.pane, &*pictures.seats[0].name),
        (2, "Ann Otter")
    );
    let bob = bench.join(4, "bob");
    assert_eq!(looks(&bench, bob), EndpointVideo::default());
    bench.bye(3);
    let second = bench.join(5, "ann");
    assert_ne!(first, second);
    assert_eq!(looks(&bench, second), before);
    // Somebody who only says that he is she has no seat of hers.
    bench.call(6, "ann", stranger(9));
    let liar = bench.last_endpoint();
    assert_eq!(looks(&bench, liar), EndpointVideo::default());
}

#[test]
fn cm_096_seats_are_given_while_the_conference_runs_and_odd_ones_refused() {
    let mut bench = Bench::new(record());
    let ann = bench.join(3, "ann");
    assert_eq!(looks(&bench, ann).identity, Identity::default());
    let seats = vec![seat("ann", 1), seat("bob", 3)];
    let absent = Absent::Blank;
    let pictures = told(&mut bench, PictureCommand::Seats { seats, absent });
    assert_eq!(pictures.absent, Absent::Blank);
    let panes: Vec<_> = pictures
        .seats
        .iter()
        .map(|it| (it.seat.pane, &*it.name))
        .collect();
    assert_eq!(panes, [(1, "ann"), (3, "bob")]);
    assert_eq!(looks(&bench, ann).identity, pictures.seats[0].seat.identity);
    for seats in [
        vec![seat("ann", 0)],
        vec![seat("ann", 65)],
        vec![seat("ann", 1), seat("bob", 1)],
        vec![seat("ann", 1), seat("ann", 2)],
        vec![SeatFor {
            aor: "ann".into(),
            ..seat("ann", 1)
        }],
    ] {
        let command = PictureCommand::Seats { seats, absent };
        let request = bench.command(Command::Pictures(command));
        let completed = bench.completed(request).unwrap();
        assert!(completed.contains("BadSeat"), "{completed}");
    }
    assert_eq!(bench.focus.conference_video().seats.len(), 2, "as before");
    // A view of one's own: whom, and where.
    let change = LooksChange::View {
        pins: vec![ann],
        seats: Some(vec![seat("eve", 4)]),
    };
    let endpoint = bench.join(4, "bob");
    bench.command(Command::Pictures(PictureCommand::Looks {
        endpoint,
        change,
    }));
    let own = looks(&bench, endpoint);
    assert_eq!(own.pins, [ann]);
    let eve = bench.join(5, "eve");
    assert_eq!(own.seats.unwrap()[0].identity, looks(&bench, eve).identity);
}

#[test]
fn cm_081_a_key_skips_the_layout_in_force_and_a_new_mixer_has_the_operators() {
    let mut bench = Bench::new(record());
    let phone = bench.join(3, "ann");
    bench.report(Report::Video {
        endpoint: phone,
        video: Some(CAMERA),
    });
    let choice = Some(Choice::Layout(Layout::SpeakerOnly));
    let endpoint = None;
    let pictures = told(&mut bench, PictureCommand::Layout { endpoint, choice });
    assert_eq!(pictures.layout, Layout::SpeakerOnly);
    bench.keys(phone, "*2");
    assert_eq!(looks(&bench, phone).layout, Some(Layout::AllEqual));
    assert_eq!(bench.focus.conference_video().layout, Layout::SpeakerOnly);
}
