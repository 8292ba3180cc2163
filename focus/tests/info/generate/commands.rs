//! Random requests and responses.

use super::*;
use plenum_focus::c3p::*;
use plenum_focus::info::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

fn keys() -> BoxedStrategy<ConferenceKeys> {
    (uri(), of(text()))
        .prop_map(|(conf_entity, conference_id)| ConferenceKeys {
            conf_entity,
            conference_id,
        })
        .boxed()
}

fn endpoint_keys() -> BoxedStrategy<EndpointKeys> {
    (uri(), uri(), "[{}a-zA-Z ]{1,9}")
        .prop_map(|(conf, user, endpoint)| EndpointKeys {
            conf_entity: conf,
            user_entity: user,
            endpoint_entity: endpoint,
        })
        .boxed()
}

fn media_keys() -> BoxedStrategy<MediaKeys> {
    (endpoint_keys(), word())
        .prop_map(|(keys, media_id)| MediaKeys {
            conf_entity: keys.conf_entity,
            user_entity: keys.user_entity,
            endpoint_entity: keys.endpoint_entity,
            media_id,
        })
        .boxed()
}

fn user_keys() -> BoxedStrategy<UserKeys> {
    (uri(), uri())
        .prop_map(|(conf_entity, user_entity)| UserKeys {
            conf_entity,
            user_entity,
        })
        .boxed()
}

fn lock_policy() -> BoxedStrategy<LockPolicy> {
    (token(AdmissionPolicy::ALL), any::<u32>(), any::<bool>())
        .prop_map(
            |(admission_policy, autopromote, pstn_lobby_bypass)| LockPolicy {
                admission_policy,
                autopromote,
                pstn_lobby_bypass,
            },
        )
        .boxed()
}

fn add_user() -> BoxedStrategy<AddUser> {
    let method = select(vec![JoiningMethod::DialedIn, JoiningMethod::DialedOut]);
    (
        keys(),
        of(uri()),
        any::<bool>(),
        (
            uri(),
            of(text()),
            token(Role::ALL),
            client_endpoint(),
            method,
        ),
    )
        .prop_map(|(keys, mcu_uri, allow_session_replace, user)| AddUser {
            keys,
            allow_session_replace,
            user: User {
                display_text: user.1,
                role: Some(user.2),
                endpoints: vec![Endpoint {
                    joining_method: mcu_uri.as_ref().map(|_| user.4),
                    ..user.3
                }],
                ..User::new(user.0)
            },
            mcu_uri,
        })
        .boxed()
}

fn endpoint_media() -> BoxedStrategy<EndpointMedia> {
    (media_keys(), media(), of(uri()))
        .prop_map(|(keys, media, mcu_uri)| EndpointMedia {
            media: Media {
                id: keys.media_id.clone(),
                ..media
            },
            keys,
            mcu_uri,
        })
        .boxed()
}

fn conference_commands() -> BoxedStrategy<Command> {
    let filter = || of(token(MediaFilter::ALL));
    let changes = (
        of(rules()),
        vec(medium(), 0..2),
        of(any::<bool>()),
        options(),
    )
        .prop_map(
            |(media_filters_rules, media, entry_exit_announcements, permission_options)| {
                EntityChanges {
                    media_filters_rules,
                    media,
                    entry_exit_announcements,
                    permission_options,
                }
            },
        );
    prop_oneof![
        (keys(), any::<bool>(), of(lock_policy())).prop_map(|(keys, locked, policy)| {
            Command::ModifyConferenceLock(ModifyConferenceLock {
                keys,
                locked,
                policy,
            })
        }),
        keys().prop_map(Command::DeleteConference),
        (keys(), of(any::<bool>()), of(cms())).prop_map(|(keys, notify, certificate)| {
            Command::GetConference(GetConference {
                keys,
                notify,
                certificate: certificate.map(|data| data.as_base64().to_owned()),
            })
        }),
        (keys(), any::<bool>(), of(uri())).prop_map(|(keys, enabled, mcu_uri)| {
            Command::ModifyConferenceAnnouncements(ModifyConferenceAnnouncements {
                keys,
                enabled,
                mcu_uri,
            })
        }),
        (uri(), uri(), changes).prop_map(|(mcu_uri, conf_entity, changes)| {
            Command::ModifyConference(ModifyConference {
                mcu_uri,
                conf_entity,
                changes,
            })
        }),
        (
            (keys(), vec(word(), 1..3), filter(), filter()),
            (vec(word(), 0..2), vec(uri(), 0..2), of(uri())),
        )
            .prop_map(|(what, except)| {
                Command::ModifyUsersMediaFilters(ModifyUsersMediaFilters {
                    keys: what.0,
                    media_labels: what.1,
                    ingress: what.2,
                    egress: what.3,
                    exclude_roles: except.0,
                    exclude_users: except.1,
                    mcu_uri: except.2,
                })
            }),
    ]
    .boxed()
}

fn user_commands() -> BoxedStrategy<Command> {
    prop_oneof![
        add_user().prop_map(Command::AddUser),
        add_user().prop_map(Command::ModifyUser),
        (keys(), uri(), word(), word(), word()).prop_map(|(keys, endorsee, id, from, to)| {
            Command::EndorseUser(EndorseUser {
                keys,
                endorsee,
                dialog: DialogId {
                    call_id: id,
                    from_tag: from,
                    to_tag: to,
                },
            })
        }),
        (user_keys(), token(Role::ALL), of(uri())).prop_map(|(keys, role, mcu_uri)| {
            Command::ModifyUserRoles(ModifyUserRoles {
                keys,
                role,
                mcu_uri,
            })
        }),
        (user_keys(), of(token(ClientReason::ALL)), of(uri())).prop_map(
            |(keys, client_reason, mcu_uri)| Command::DeleteUser(DeleteUser {
                keys,
                client_reason,
                mcu_uri,
            })
        ),
        (keys(), vec(uri(), 1..4), token(LobbyAccess::ALL), of(uri())).prop_map(
            |(keys, users, access, mcu_uri)| Command::SetLobbyAccess(SetLobbyAccess {
                keys,
                users,
                access,
                mcu_uri,
            })
        ),
        (endpoint_keys(), client_endpoint(), of(uri())).prop_map(|(keys, endpoint, mcu_uri)| {
            Command::ModifyEndpoint(ModifyEndpoint {
                endpoint: Box::new(Endpoint {
                    entity: keys.endpoint_entity.clone(),
                    ..endpoint
                }),
                keys,
                mcu_uri,
            })
        }),
        endpoint_media().prop_map(Command::AddEndpointMedia),
        endpoint_media().prop_map(Command::ModifyEndpointMedia),
        (media_keys(), of(uri())).prop_map(|(keys, mcu_uri)| {
            Command::DeleteEndpointMedia(DeleteEndpointMedia { keys, mcu_uri })
        }),
    ]
    .boxed()
}

pub(crate) fn request() -> BoxedStrategy<Request> {
    (
        "[0-9]{1,20}",
        uri(),
        uri(),
        prop_oneof![conference_commands(), user_commands()],
    )
        .prop_map(|(id, from, to, command)| Request::new(id, from, to, command))
        .boxed()
}

fn bodies() -> BoxedStrategy<ResultBody> {
    let add = || {
        (of(keys()), of(user()), vec((word(), word()), 0..3)).prop_map(
            |(keys, user, connection_info)| AddUserResult {
                keys,
                user,
                connection_info,
            },
        )
    };
    let users = || (of(keys()), of(user())).prop_map(|(keys, user)| UserResult { keys, user });
    let lock = (of(uri()), of(any::<bool>()), of(lock_policy())).prop_map(
        |(conf_entity, locked, policy)| LockResult {
            conf_entity,
            locked,
            policy,
        },
    );
    let secrets = (of(cms()), of(cms()), of(cms())).prop_map(|(key, inside, outside)| Secrets {
        conference_key: key,
        web_internal: inside,
        web_external: outside,
    });
    let described = (info(), description(), secrets).prop_map(|(info, description, secrets)| {
        let description = Some(description);
        let info = ConferenceInfo {
            description,
            ..info
        };
        ResultBody::GetConference(Some(Box::new(info)), secrets)
    });
    let status = prop_oneof![
        token(LobbyStatus::ALL).prop_map(Coded::from),
        "other[A-Z]{3}".prop_map(Coded::Other),
    ];
    let media_result = || (of(endpoint_keys()), of(media()));
    prop_oneof![
        add().prop_map(ResultBody::AddUser),
        add().prop_map(ResultBody::ModifyUser),
        of(keys()).prop_map(ResultBody::EndorseUser),
        users().prop_map(ResultBody::ModifyUserRoles),
        users().prop_map(ResultBody::DeleteUser),
        lock.prop_map(ResultBody::ModifyConferenceLock),
        of(uri()).prop_map(ResultBody::DeleteConference),
        described,
        (of(keys()), vec((uri(), status), 0..3))
            .prop_map(|(keys, statuses)| ResultBody::SetLobbyAccess(keys, statuses)),
        (of(endpoint_keys()), of(endpoint())).prop_map(|(keys, endpoint)| {
            ResultBody::ModifyEndpoint(keys, endpoint.map(Box::new))
        }),
        any::<bool>().prop_map(ResultBody::ModifyConferenceAnnouncements),
        of(uri()).prop_map(ResultBody::ModifyConference),
        media_result().prop_map(|(keys, media)| ResultBody::AddEndpointMedia(keys, media)),
        media_result().prop_map(|(keys, media)| ResultBody::ModifyEndpointMedia(keys, media)),
        media_result().prop_map(|(keys, media)| ResultBody::DeleteEndpointMedia(keys, media)),
        (
            keys(),
            vec(word(), 0..2),
            vec(uri(), 0..2),
            vec(word(), 0..2)
        )
            .prop_map(|(keys, roles, users, labels)| {
                ResultBody::ModifyUsersMediaFilters(MediaFiltersResult {
                    keys,
                    unsupported_roles: roles,
                    unknown_users: users,
                    unsupported_media_labels: labels,
                })
            }),
    ]
    .boxed()
}

pub(crate) fn response() -> BoxedStrategy<Response> {
    let reason = prop_oneof![
        token(Reason::ALL).prop_map(Coded::from),
        "other[A-Z]{3}".prop_map(Coded::Other),
    ];
    let result = (
        vec((word(), word()), 0..2),
        of(token(CommandReason::ALL)),
        of(uri()),
        bodies(),
    )
        .prop_map(|(diagnostics, reason, mcu_uri, body)| {
            // The schema gives these neither a reason of their own nor an MCU.
            let endorse = matches!(body, ResultBody::EndorseUser(_));
            let without_mcu = endorse
                || matches!(
                    body,
                    ResultBody::ModifyConferenceLock(_)
                        | ResultBody::DeleteConference(_)
                        | ResultBody::GetConference(..)
                );
            CommandResult {
                diagnostics: Diagnostics(diagnostics),
                reason: match reason {
                    Some(_) if endorse => Some(CommandReason::OtherFailure.into()),
                    reason => reason.map(Coded::from),
                },
                mcu_uri: mcu_uri.filter(|_| !without_mcu),
                body,
            }
        });
    (
        ("[0-9]{1,20}", uri(), uri(), of(uri())),
        (token(Code::ALL), of(reason), of(text()), of(any::<u32>())),
        of(result),
    )
        .prop_map(|(who, how, result)| Response {
            responder: who.3,
            reason: how.1,
            display_string: how.2,
            retry_after: how.3,
            result,
            ..Response::new(who.0, who.1, who.2, how.0)
        })
        .boxed()
}
