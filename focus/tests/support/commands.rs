//! The commands, and a meeting to give them in.

use super::c3p::*;
use super::*;
use plenum_focus::access::{Members, Role};
use plenum_focus::c3p::{
    AddUser, Code, Coded, Command as C3pCommand, CommandReason, DeleteEndpointMedia, DeleteUser,
    EndpointMedia, EntityChanges, GetConference, LobbyAccess, MediaKeys, ModifyConference,
    ModifyConferenceAnnouncements, ModifyConferenceLock, ModifyUserRoles, ModifyUsersMediaFilters,
    Reason, Response, ResultBody, SetLobbyAccess, UserKeys,
};
use plenum_focus::info::{Endpoint, JoiningMethod, Media, MediaFilter, MediaFiltersRules, User};
use plenum_sip::endpoint::Invite;

pub const PIA: u64 = 1;
pub const ANN: u64 = 2;

/// pia presents, ann attends; both by C3P.
pub fn meeting() -> Bench {
    meeting_of(ConferenceRecord {
        members: Members {
            presenters: vec![aor("pia")],
            ..Members::default()
        },
        origin: Origin::Configured,
        entry_tone: false,
        exit_tone: false,
        ..configured()
    })
}

pub fn meeting_of(record: ConferenceRecord) -> Bench {
    let mut bench = Bench::new(record);
    bench.joined(PIA, "pia");
    bench.joined(ANN, "ann");
    bench
}

pub fn user_keys(user: &str) -> UserKeys {
    UserKeys {
        conf_entity: conference_uri(),
        user_entity: aor(user),
    }
}

pub fn lock(locked: bool) -> C3pCommand {
    C3pCommand::ModifyConferenceLock(ModifyConferenceLock {
        keys: keys(),
        locked,
        policy: None,
    })
}

pub fn promote(user: &str, role: Role) -> C3pCommand {
    C3pCommand::ModifyUserRoles(ModifyUserRoles {
        keys: user_keys(user),
        role,
        mcu_uri: None,
    })
}

pub fn delete(user: &str) -> C3pCommand {
    C3pCommand::DeleteUser(DeleteUser {
        keys: user_keys(user),
        client_reason: None,
        mcu_uri: None,
    })
}

pub fn get() -> C3pCommand {
    C3pCommand::GetConference(GetConference {
        keys: keys(),
        notify: None,
        certificate: None,
    })
}

pub fn access(users: &[&str], access: LobbyAccess) -> C3pCommand {
    C3pCommand::SetLobbyAccess(SetLobbyAccess {
        keys: keys(),
        users: users.iter().map(|user| aor(user)).collect(),
        access,
        mcu_uri: None,
    })
}

pub fn mute(user: &str, endpoint: &str, filter: MediaFilter) -> C3pCommand {
    let media = Media {
        ingress_filter: Some(filter),
        ..Media::new("1")
    };
    C3pCommand::ModifyEndpointMedia(EndpointMedia {
        keys: MediaKeys {
            conf_entity: conference_uri(),
            user_entity: aor(user),
            endpoint_entity: endpoint.into(),
            media_id: "1".into(),
        },
        media,
        mcu_uri: Some(mcu_uri()),
    })
}

pub fn mute_all(exclude_roles: &[&str], exclude_users: &[&str]) -> C3pCommand {
    let owned = |list: &[&str]| list.iter().map(|&entry| entry.to_owned()).collect();
    C3pCommand::ModifyUsersMediaFilters(ModifyUsersMediaFilters {
        keys: keys(),
        media_labels: vec!["main-audio".into(), "smell".into()],
        ingress: Some(MediaFilter::Block),
        egress: None,
        exclude_roles: owned(exclude_roles),
        exclude_users: owned(exclude_users),
        mcu_uri: Some(mcu_uri()),
    })
}

pub fn dial(user: &str, method: JoiningMethod, refer_to: Option<&str>) -> C3pCommand {
    let endpoint = Endpoint {
        joining_method: Some(method),
        refer_to_uri: refer_to.map(ToOwned::to_owned),
        ..Endpoint::new("{phone}")
    };
    C3pCommand::AddUser(AddUser {
        keys: keys(),
        mcu_uri: Some(mcu_uri()),
        allow_session_replace: false,
        user: User {
            endpoints: vec![endpoint],
            ..User::new(aor(user))
        },
    })
}

pub fn announcements(enabled: bool) -> C3pCommand {
    C3pCommand::ModifyConferenceAnnouncements(ModifyConferenceAnnouncements {
        keys: keys(),
        enabled,
        mcu_uri: Some(mcu_uri()),
    })
}

pub fn rules(rules: MediaFiltersRules) -> C3pCommand {
    C3pCommand::ModifyConference(ModifyConference {
        mcu_uri: mcu_uri(),
        conf_entity: conference_uri(),
        changes: EntityChanges {
            media_filters_rules: Some(rules),
            ..EntityChanges::default()
        },
    })
}

pub fn reasons(response: &Response) -> (Option<Reason>, Option<CommandReason>) {
    let known = |coded: &Coded<Reason>| match coded {
        Coded::Known(reason) => *reason,
        Coded::Other(other) => panic!("{other}"),
    };
    let command = response
        .result
        .as_ref()
        .and_then(|result| result.reason.as_ref());
    let command = command.map(|coded| match coded {
        Coded::Known(reason) => *reason,
        Coded::Other(other) => panic!("{other}"),
    });
    (response.reason.as_ref().map(known), command)
}

pub fn succeeded(response: Response) -> ResultBody {
    assert_eq!(response.code, Code::Success, "{response:?}");
    response.result.unwrap().body
}

pub fn failed(response: &Response, reason: Reason, command: Option<CommandReason>) {
    assert_eq!(response.code, Code::Failure, "{response:?}");
    assert_eq!(reasons(response), (Some(reason), command));
}

/// The command itself failed, for this reason.
pub fn failed_for(response: &Response, reason: CommandReason) {
    failed(response, Reason::OtherFailure, Some(reason));
}

/// The call that the focus asked for is known by this id from now on.
pub fn placed(bench: &mut Bench, id: u64) -> Box<Invite> {
    let call = bench.actions().into_iter().find_map(|action| match action {
        SipAction::Invite {
            dial_out, invite, ..
        } => Some((dial_out, invite)),
        _ => None,
    });
    let (dial_out, invite) = call.expect("a call");
    bench
        .focus
        .handle_placed(bench.now, dial_out, Some(InviteId(id)));
    bench.drain();
    invite
}

/// Somebody's audio: a call to the MCU-Conference-URI.
pub fn audio(bench: &mut Bench, id: u64, user: &str) -> (EndpointId, String) {
    bench.sip(invite(id, &mcu_uri(), user, trusted(1), Some(OFFER)));
    bench.ack(id, None);
    let endpoint = bench.last_endpoint();
    (endpoint, format!("audio-{}", endpoint.0 & 0x00FF_FFFF))
}

pub fn muted(bench: &Bench, endpoint: EndpointId) -> bool {
    bench
        .focus
        .roster()
        .endpoint(endpoint)
        .unwrap()
        .filter
        .muted
}

pub fn byes(actions: &[SipAction]) -> Vec<(u64, String)> {
    let byes = actions.iter().filter_map(|action| match action {
        SipAction::Bye { id, reason, .. } => Some((id.0, reason.to_string())),
        _ => None,
    });
    byes.collect()
}

pub fn media_keys(user: &str, endpoint: &str, media: &str) -> MediaKeys {
    MediaKeys {
        conf_entity: conference_uri(),
        user_entity: aor(user),
        endpoint_entity: endpoint.into(),
        media_id: media.into(),
    }
}

pub fn delete_audio(user: &str, endpoint: &str, media: &str) -> C3pCommand {
    C3pCommand::DeleteEndpointMedia(DeleteEndpointMedia {
        keys: media_keys(user, endpoint, media),
        mcu_uri: Some(mcu_uri()),
    })
}

pub fn add_media(user: &str, endpoint: &str, kind: &str) -> C3pCommand {
    let media = Media {
        media_type: Some(kind.into()),
        ..Media::new("1")
    };
    C3pCommand::AddEndpointMedia(EndpointMedia {
        keys: media_keys(user, endpoint, "1"),
        media,
        mcu_uri: Some(mcu_uri()),
    })
}

pub fn rename(user: &str, display: Option<&str>, role: Option<Role>) -> C3pCommand {
    C3pCommand::ModifyUser(AddUser {
        keys: keys(),
        mcu_uri: None,
        allow_session_replace: false,
        user: User {
            display_text: display.map(ToOwned::to_owned),
            role,
            ..User::new(aor(user))
        },
    })
}
