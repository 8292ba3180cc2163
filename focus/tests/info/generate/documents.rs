//! Random conference documents.

use plenum_focus::info::*;
use plenum_focus::xml::{Attribute, Element, Namespace, Ns};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;

pub(crate) const CONFERENCE: &str = "sip:carol@example.com;gruu;opaque=app:conf:focus:id:K7QW2M9T";

/// Text with everything that must be escaped or kept.
pub(crate) fn text() -> BoxedStrategy<String> {
    "[ a-zA-Z0-9<>&\"'\t\n\r\\]äß\u{85}\u{2028}漢\u{1F600}]{0,12}".boxed()
}

pub(crate) fn word() -> BoxedStrategy<String> {
    "[a-z][a-z0-9-]{0,8}".boxed()
}

pub(crate) fn uri() -> BoxedStrategy<String> {
    "sip:[a-z]{1,6}@example\\.(com|net)".boxed()
}

pub(crate) fn token<T: Copy + std::fmt::Debug + 'static>(
    all: &'static [T],
) -> impl Strategy<Value = T> {
    select(all)
}

pub(crate) fn time() -> BoxedStrategy<DateTime> {
    (0..253_402_300_799_u64)
        .prop_map(DateTime::from_unix_seconds)
        .boxed()
}

pub(crate) fn cms() -> BoxedStrategy<CmsData> {
    "([A-Za-z0-9+/]{4}){1,5}"
        .prop_map(|text| CmsData::from_base64(&text).unwrap())
        .boxed()
}

fn leaf() -> BoxedStrategy<Element> {
    let attribute = (word(), text(), any::<bool>()).prop_map(|(local, value, foreign)| Attribute {
        namespace: if foreign {
            Namespace::Foreign("urn:example:a".into())
        } else {
            Namespace::Unqualified
        },
        local: local.into(),
        value,
    });
    (word(), of(attribute), text())
        .prop_map(|(local, attribute, text)| {
            let mut element = Element::new(Namespace::Foreign("urn:example:x".into()), &local);
            element.attributes.extend(attribute);
            element.text = text;
            element
        })
        .boxed()
}

/// A foreign element, or one with children, which may be in no namespace at all.
pub(crate) fn extension() -> BoxedStrategy<Extension> {
    (leaf(), vec((leaf(), any::<bool>()), 0..3))
        .prop_filter_map("sensitive", |(mut element, children)| {
            if !children.is_empty() {
                element.text.clear();
            }
            for (mut child, unqualified) in children {
                if unqualified {
                    child.namespace = Namespace::Unqualified;
                }
                element.children.push(child);
            }
            Extension::new(element)
        })
        .boxed()
}

fn execution() -> BoxedStrategy<Execution> {
    (of(time()), of(text()), of(uri()))
        .prop_map(|(when, reason, by)| Execution { when, reason, by })
        .boxed()
}

pub(crate) fn media() -> BoxedStrategy<Media> {
    (
        word(),
        (of(text()), of(text()), of(text()), of(text())),
        of(token(MediaStatus::ALL)),
        of(token(MediaFilter::ALL)),
        of(token(MediaFilter::ALL)),
        any::<(bool, bool, bool)>(),
        (of(word()), vec(uri(), 0..3)),
    )
        .prop_map(
            |(id, texts, status, ingress_filter, egress_filter, marks, (layout, seen))| Media {
                id,
                display_text: texts.0,
                media_type: texts.1,
                label: texts.2,
                src_id: texts.3,
                status,
                ingress_filter,
                egress_filter,
                presenting: marks.0,
                barred: marks.2,
                talking: marks.1,
                layout,
                seen,
            },
        )
        .boxed()
}

fn client_info() -> BoxedStrategy<ClientInfo> {
    (of(text()), of(text()), of(text()), of(any::<bool>()))
        .prop_map(
            |(conversation_id, thread_id, user_agent, lobby_capable)| ClientInfo {
                conversation_id,
                thread_id,
                user_agent,
                lobby_capable,
            },
        )
        .boxed()
}

fn capabilities() -> BoxedStrategy<Extension> {
    prop_oneof![
        Just(Extension::new(Element::new(Ns::Msim, "endpoint-capabilities")).unwrap()),
        Just(Extension::new(Element::new(Ns::Msav, "endpoint-capabilities")).unwrap()),
        extension(),
    ]
    .boxed()
}

/// What a client may say of an endpoint.
pub(crate) fn client_endpoint() -> BoxedStrategy<Endpoint> {
    (
        "\\{[0-9A-F]{4}-[0-9A-F]{4}\\}",
        (of(text()), of(text()), of(uri()), of(uri())),
        (of(text()), of(execution()), of(execution())),
        vec(media(), 0..3),
        (of(client_info()), of(capabilities()), of(uri())),
        (of(any::<bool>()), any::<bool>(), vec(extension(), 0..2)),
    )
        .prop_map(|(entity, ids, infos, media, client, groups)| Endpoint {
            epid: ids.0,
            sip_instance: ids.1,
            endpoint_uri: ids.2,
            refer_to_uri: ids.3,
            display_text: infos.0,
            referred: infos.1,
            joining_info: infos.2,
            media,
            client_info: client.0,
            capabilities: client.1,
            session_on_behalf_of: client.2,
            is_pstn_endpoint: groups.0,
            client_recording: groups.1,
            extensions: groups.2,
            ..Endpoint::new(entity)
        })
        .boxed()
}

pub(crate) fn endpoint() -> BoxedStrategy<Endpoint> {
    (
        client_endpoint(),
        (
            of(select(vec![
                "focus".to_owned(),
                "chat".into(),
                "audio-video".into(),
            ])),
            of(text()),
        ),
        (
            of(token(EndpointStatus::ALL)),
            of(token(JoiningMethod::ALL)),
            of(token(DisconnectionMethod::ALL)),
            of(execution()),
        ),
        (
            of(token(Role::ALL)),
            of(token(AuthMethod::ALL)),
            of(token(AccessMethod::ALL)),
            token(State::ALL),
        ),
    )
        .prop_map(|(endpoint, ids, progress, rest)| Endpoint {
            session_type: ids.0,
            asserted_identity: ids.1,
            status: progress.0,
            joining_method: progress.1,
            disconnection_method: progress.2,
            disconnection_info: progress.3,
            role: rest.0,
            auth_method: rest.1,
            access_method: rest.2,
            state: rest.3,
            ..endpoint
        })
        .boxed()
}

pub(crate) fn user() -> BoxedStrategy<User> {
    (
        uri(),
        token(State::ALL),
        of(text()),
        of(token(Role::ALL)),
        vec(endpoint(), 0..3),
        of(uri()),
        of((uri(), text())),
    )
        .prop_map(
            |(entity, state, display_text, role, endpoints, smtp, endorser)| User {
                entity,
                state,
                display_text,
                role,
                endpoints,
                smtp_address: smtp,
                endorser: endorser.map(|(entity, display_name)| Endorser {
                    entity,
                    display_name,
                }),
            },
        )
        .boxed()
}

pub(crate) fn rules() -> BoxedStrategy<MediaFiltersRules> {
    let initial = (
        word(),
        of(token(MediaFilter::ALL)),
        of(token(MediaFilter::ALL)),
    );
    (vec((word(), any::<bool>()), 0..3), vec(initial, 0..3))
        .prop_map(|(may, initial)| MediaFiltersRules {
            may_modify_own_filters: may,
            initial_filters: initial
                .into_iter()
                .map(|(role, ingress, egress)| InitialFilters {
                    role,
                    ingress,
                    egress,
                })
                .collect(),
        })
        .boxed()
}

pub(crate) fn medium() -> BoxedStrategy<ConferenceMedium> {
    let video = (of(word()), vec(uri(), 0..2)).prop_map(|(mode, sources)| VideoParameters {
        mode,
        intended_primary_presenter_source: sources,
    });
    (
        word(),
        of(text()),
        text(),
        of(token(MediaStatus::ALL)),
        of(video),
    )
        .prop_map(
            |(label, display_text, media_type, status, video)| ConferenceMedium {
                label,
                display_text,
                media_type,
                status,
                video,
            },
        )
        .boxed()
}

fn av_state() -> BoxedStrategy<AvState> {
    (of(word()), of(uri()), vec(uri(), 0..2))
        .prop_map(|(video_mode, speaker, sources)| AvState {
            video_mode,
            dominant_speaker: speaker,
            intended_prime_presenter_source: sources,
        })
        .boxed()
}

pub(crate) fn options() -> BoxedStrategy<Vec<PermissionOption>> {
    let option = (text(), text(), any::<bool>());
    vec(option, 0..3)
        .prop_map(|options| {
            options
                .into_iter()
                .map(|(name, value, mutable)| PermissionOption {
                    name,
                    value,
                    mutable,
                })
                .collect()
        })
        .boxed()
}

fn entity_state() -> BoxedStrategy<EntityState> {
    (
        (of(text()), of(text()), of(any::<u32>())),
        (of(any::<bool>()), of(any::<bool>()), of(rules())),
        (vec(medium(), 0..3), of(av_state()), vec(text(), 0..3)),
        (
            options(),
            vec((text(), text()), 0..3),
            vec(extension(), 0..2),
        ),
    )
        .prop_map(|(who, flags, media, groups)| EntityState {
            application: who.0,
            display_text: who.1,
            user_count: who.2,
            active: flags.0,
            locked: flags.1,
            media_filters_rules: flags.2,
            media: media.0,
            av_state: media.1,
            session_ids: media.2,
            permission_options: groups.0,
            permissions: groups
                .1
                .into_iter()
                .map(|(name, value)| Permission { name, value })
                .collect(),
            extensions: groups.2,
        })
        .boxed()
}

pub(crate) fn view() -> BoxedStrategy<EntityView> {
    let capabilities = (
        of((any::<bool>(), any::<bool>())),
        of(text()),
        vec(extension(), 0..2),
    )
        .prop_map(
            |(audio_video, control_permission, extensions)| Capabilities {
                audio_video,
                control_permission,
                extensions,
            },
        );
    (
        uri(),
        token(State::ALL),
        of(capabilities),
        of(entity_state()),
    )
        .prop_map(|(entity, state, capabilities, entity_state)| EntityView {
            entity,
            state,
            capabilities,
            entity_state,
        })
        .boxed()
}

fn access() -> BoxedStrategy<Access> {
    let flag = || of(any::<bool>());
    (
        (flag(), any::<bool>(), of(any::<u32>()), of(any::<u32>())),
        (flag(), flag(), of(text()), flag()),
        (flag(), of(13..15_u32), flag()),
    )
        .prop_map(|(first, second, third)| Access {
            lobby_capable: first.0,
            anonymous_type_allowed: first.1,
            autopromote: first.2,
            autopromote_allowed: first.3,
            pstn_lobby_bypass: second.0,
            pstn_lobby_bypass_allowed: second.1,
            disclaimer_title: second.2,
            recording_allowed: second.3,
            externaluser_recording_allowed: third.0,
            server_mode: third.1,
            recording_notification: third.2,
        })
        .boxed()
}

pub(crate) fn description() -> BoxedStrategy<Description> {
    let conf_uri =
        (uri(), of(text()), token(Purpose::ALL)).prop_map(|(uri, display_text, purpose)| ConfUri {
            uri,
            display_text,
            purpose,
        });
    let organizer = (of(uri()), of(text())).prop_map(|(entity, display_name)| Organizer {
        entity,
        display_name,
    });
    let pstn = (of("[1-9][0-9]{0,6}"), of(uri()), of(uri())).prop_map(|(id, inside, outside)| {
        PstnAccess {
            id,
            internal_url: inside,
            external_url: outside,
        }
    });
    (
        (of(text()), vec(conf_uri, 0..4), of(text()), of(organizer)),
        (
            of(text()),
            of(time()),
            of(time()),
            of(any::<bool>()),
            of(time()),
        ),
        (of(token(AdmissionPolicy::ALL)), vec(extension(), 0..2)),
        (of(pstn), of(access())),
    )
        .prop_map(|(what, when, policy, groups)| Description {
            subject: what.0,
            conf_uris: what.1,
            maximum_user_count: None,
            disclaimer: what.2,
            organizer: what.3,
            conference_id: when.0,
            last_update: when.1,
            last_activate: when.2,
            is_active: when.3,
            expiry_time: when.4,
            admission_policy: policy.0,
            notification_data: policy.1,
            pstn_access: groups.0,
            access: groups.1,
        })
        .boxed()
}

pub(crate) fn info() -> BoxedStrategy<ConferenceInfo> {
    let users = (token(State::ALL), vec(user(), 0..4)).prop_map(|(state, mut users)| {
        users.sort_by(|one, other| one.entity.cmp(&other.entity));
        users.dedup_by(|one, other| one.entity == other.entity);
        Users {
            state,
            users: users.into_iter().map(Arc::new).collect(),
        }
    });
    let view = (token(State::ALL), vec(view(), 0..4)).prop_map(|(state, views)| ConferenceView {
        state,
        entities: views.into_iter().map(Arc::new).collect(),
    });
    (
        token(State::ALL),
        any::<u32>(),
        of(description()),
        of(users),
        of(view),
    )
        .prop_map(
            |(state, version, description, users, view)| ConferenceInfo {
                state,
                version: Some(version),
                description,
                users,
                view,
                ..ConferenceInfo::new(CONFERENCE)
            },
        )
        .boxed()
}
