//! Commands as clients write them: in the form of the schema and in that of the examples.

use super::LIMITS;
use super::generate::CONFERENCE;
use super::schema::assert_valid;
use plenum_focus::c3p::*;
use plenum_focus::info::{AdmissionPolicy, MediaFilter, Role};

/// A request of dave around a command, with all prefixes declared.
pub(crate) fn request(command: &str) -> String {
    format!(
        "<request xmlns='urn:ietf:params:xml:ns:cccp' \
           xmlns:ci='urn:ietf:params:xml:ns:conference-info' \
           xmlns:cis='urn:ietf:params:xml:ns:conference-info-separator' \
           xmlns:msci='http://schemas.microsoft.com/rtc/2005/08/confinfoextensions' \
           xmlns:msci2='http://schemas.microsoft.com/rtc/2008/12/confinfoextensions' \
           xmlns:msav='http://schemas.microsoft.com/rtc/2005/08/avconfinfoextensions' \
           xmlns:msmcu='http://schemas.microsoft.com/rtc/2009/03/commonmcuextensions' \
           xmlns:mscp='http://schemas.microsoft.com/rtc/2005/08/cccpextensions' \
           C3PVersion='1' requestId='0042' from='sip:dave@example.com' to='{CONFERENCE}'>\
         {command}</request>"
    )
}

pub(crate) fn keys() -> String {
    format!("<conferenceKeys confEntity='{CONFERENCE}'/>")
}

/// The command, which is one.
fn command(text: &str) -> Command {
    let document = request(text);
    let read = read_request(document.as_bytes(), &LIMITS).expect(text);
    assert_eq!(read.request_id, "0042", "CB-021: leading zeros are kept");
    assert_eq!(read.from, "sip:dave@example.com");
    let context = Context {
        from: "sip:dave@EXAMPLE.com",
        to: CONFERENCE,
    };
    assert_eq!(read.check(&context), Ok(()), "{text}");
    let again = read_request(&read.to_octets(), &LIMITS);
    assert_eq!(again.as_ref(), Ok(&read), "written anew");
    read.command
}

fn mcu(kind: &str) -> String {
    CONFERENCE.replace("focus", kind)
}

const JOINED: &str = "<roles><entry>attendee</entry></roles><endpoint entity='{7A0C-11}'/>";

#[test]
fn cb_024_join_in_both_forms() {
    let keys = keys();
    let schema = format!(
        "<addUser>{keys}<ci:user entity='sip:dave@example.com'><ci:roles><ci:entry>attendee\
         </ci:entry></ci:roles><ci:endpoint entity='{{7A0C-11}}'/></ci:user></addUser>"
    );
    let example =
        format!("<addUser>{keys}<user entity=' sip:dave@example.com\n'>{JOINED}</user></addUser>");
    let moved = format!(
        "<addUser>{keys}<user xmlns='urn:ietf:params:xml:ns:conference-info' \
         entity='sip:dave@example.com'>{JOINED}</user></addUser>"
    );
    for text in [schema, example, moved] {
        let Command::AddUser(add) = command(&text) else {
            panic!("{text}")
        };
        assert_eq!(add.form(), AddUserForm::Join);
        assert_eq!(add.user.entity, "sip:dave@example.com");
        assert_eq!(add.user.role, Some(Role::Attendee));
        assert_eq!(add.endpoint().unwrap().entity, "{7A0C-11}");
    }
}

#[test]
fn cb_029_cb_030_cb_031_what_a_client_says_of_its_endpoint() {
    let keys = keys();
    let Command::AddUser(add) = command(&format!(
        "<addUser>{keys}<ci:user entity='sip:dave@example.com'><ci:display-text>Dave &amp; Co\
         </ci:display-text><ci:roles><ci:entry>presenter</ci:entry></ci:roles>\
         <ci:endpoint entity='{{E}}' msci:endpoint-uri='sip:dave@example.com;gruu;opaque=x'>\
         <ci:status>connected</ci:status><ci:joining-method>dialed-in</ci:joining-method>\
         <msci:authMethod>enterprise</msci:authMethod><msci:clientInfo><cis:separator/>\
         <msci2:lobby-capable>true</msci2:lobby-capable></msci:clientInfo><cis:separator/>\
         <msci:session-on-behalf-of><msci:entity>sip:boss@example.com</msci:entity>\
         </msci:session-on-behalf-of><cis:separator/><msci:client-recording/>\
         </ci:endpoint></ci:user></addUser>"
    )) else {
        panic!()
    };
    let endpoint = add.endpoint().unwrap();
    assert_eq!(add.user.display_text.as_deref(), Some("Dave & Co"));
    assert_eq!(
        endpoint.session_on_behalf_of.as_deref(),
        Some("sip:boss@example.com")
    );
    assert_eq!(
        endpoint.client_info.as_ref().unwrap().lobby_capable,
        Some(true)
    );
    assert!(endpoint.client_recording);
    assert_eq!(endpoint.auth_method, None, "CB-059");
    assert_eq!(endpoint.status, None, "only the focus says so");
}

#[test]
fn cb_202_cb_209_dial_out_and_dial_in_with_bare_attributes() {
    let (keys, chat, av) = (keys(), mcu("chat"), mcu("audio-video"));
    let Command::AddUser(out) = command(&format!(
        "<addUser mcuUri='{av}'>{keys}<user entity='sip:erin@example.net'><roles><entry>attendee\
         </entry></roles><endpoint entity='{{E}}' refer-to-uri='sip:erin@192.0.2.7?X-A=b'>\
         <joining-method>dialed-out</joining-method></endpoint></user></addUser>"
    )) else {
        panic!()
    };
    assert_eq!(out.form(), AddUserForm::DialOut);
    assert_eq!(out.mcu_uri, Some(av));
    let endpoint = out.endpoint().unwrap();
    assert_eq!(
        endpoint.refer_to_uri.as_deref(),
        Some("sip:erin@192.0.2.7?X-A=b")
    );
    let Command::AddUser(dial_in) = command(&format!(
        "<addUser mscp:mcuUri='{chat}' mscp:allow-session-replace='1'>{keys}\
         <ci:user entity='sip:dave@example.com'><ci:endpoint entity='{{E}}'>\
         <ci:joining-method>dialed-in</ci:joining-method></ci:endpoint></ci:user></addUser>"
    )) else {
        panic!()
    };
    assert_eq!(dial_in.form(), AddUserForm::DialIn);
    assert!(dial_in.allow_session_replace);
    assert_eq!(dial_in.user.role, None, "attendee by default");
}

#[test]
fn cb_074_endorse_user() {
    let keys = keys();
    let Command::EndorseUser(endorse) = command(&format!(
        "<endorseUser>{keys}<endorsee>sip:frank@example.com</endorsee><ci:dialog-id><ci:call-id>a@b\
         </ci:call-id><ci:from-tag>f</ci:from-tag><ci:to-tag>t</ci:to-tag></ci:dialog-id>\
         </endorseUser>"
    )) else {
        panic!()
    };
    assert_eq!(endorse.endorsee, "sip:frank@example.com");
    assert_eq!(
        (&*endorse.dialog.call_id, &*endorse.dialog.to_tag),
        ("a@b", "t")
    );
}

#[test]
fn cb_176_modify_user_roles() {
    let text = format!(
        "<modifyUserRoles><userKeys confEntity='{CONFERENCE}' userEntity='sip:erin@example.com'/>\
         <user-roles><entry>presenter</entry></user-roles></modifyUserRoles>"
    );
    let Command::ModifyUserRoles(modify) = command(&text) else {
        panic!()
    };
    assert_eq!(modify.role, Role::Presenter);
    assert_eq!(modify.keys.user_entity, "sip:erin@example.com");
}

#[test]
fn cb_180_modify_conference_lock_with_all_or_none() {
    let keys = keys();
    let plain = format!("<modifyConferenceLock>{keys}<locked>1</locked></modifyConferenceLock>");
    let Command::ModifyConferenceLock(lock) = command(&plain) else {
        panic!()
    };
    assert!(lock.locked && lock.policy.is_none());
    let prefixed = "<cis:separator/><msci:admission-policy>anonymous</msci:admission-policy>\
        <msci:autopromote>2147483648</msci:autopromote>\
        <msci:pstn-lobby-bypass>0</msci:pstn-lobby-bypass>";
    let bare = prefixed.replace("msci:", "").replace("cis:", "");
    for policy in [prefixed, &bare] {
        let text = format!(
            "<modifyConferenceLock>{keys}<locked>false</locked>{policy}</modifyConferenceLock>"
        );
        let Command::ModifyConferenceLock(lock) = command(&text) else {
            panic!()
        };
        let policy = lock.policy.unwrap();
        assert_eq!(policy.admission_policy, AdmissionPolicy::Anonymous);
        assert_eq!(policy.autopromote, 0x8000_0000, "trap 14");
        assert!(!policy.pstn_lobby_bypass);
    }
}

#[test]
fn cb_188_delete_user() {
    let user = format!("<userKeys confEntity='{CONFERENCE}' userEntity='sip:erin@example.com'/>");
    for (attribute, inside, reason) in [
        ("", "", None),
        (
            " client-reason='participantEjected'",
            "",
            Some(ClientReason::ParticipantEjected),
        ),
        (" client-reason='boredom'", "<endpointEntity/>", None),
        ("", "<endpointEntity> </endpointEntity>", None),
    ] {
        let text = format!("<deleteUser{attribute}>{user}{inside}</deleteUser>");
        let Command::DeleteUser(delete) = command(&text) else {
            panic!()
        };
        assert_eq!(delete.client_reason, reason);
    }
}

#[test]
fn cb_196_cb_218_cb_226_conference_and_lobby() {
    let keys = keys();
    let delete = command(&format!("<deleteConference>{keys}</deleteConference>"));
    assert_eq!(delete.conf_entity(), Some(CONFERENCE));
    let Command::GetConference(get) = command(&format!(
        "<getConference>{keys}<notify>true</notify><msci:encryption-key><msci:x509-certificate>\
         MIIB\n AAAA </msci:x509-certificate></msci:encryption-key></getConference>"
    )) else {
        panic!()
    };
    assert_eq!(
        (get.notify, get.certificate.as_deref()),
        (Some(true), Some("MIIBAAAA"))
    );
    let Command::SetLobbyAccess(set) = command(&format!(
        "<setLobbyAccess>{keys}<userEntity>sip:a@example.com</userEntity><userEntity> \
         sip:b@example.com</userEntity><access>denied</access></setLobbyAccess>"
    )) else {
        panic!()
    };
    assert_eq!(set.users, ["sip:a@example.com", "sip:b@example.com"]);
    assert_eq!(set.access, LobbyAccess::Denied);
}

#[test]
fn cb_235_modify_endpoint_says_that_one_records() {
    let text = |recording: &str| {
        format!(
            "<modifyEndpoint><endpointKeys confEntity='{CONFERENCE}' \
             userEntity='sip:dave@example.com' endpointEntity='{{E}}'/><ci:endpoint entity='{{E}}'>\
             {recording}</ci:endpoint></modifyEndpoint>"
        )
    };
    for (inside, recording) in [
        (
            "<cis:separator/><cis:separator/><msci:client-recording/>",
            true,
        ),
        ("", false),
    ] {
        let Command::ModifyEndpoint(modify) = command(&text(inside)) else {
            panic!()
        };
        assert_eq!(modify.endpoint.client_recording, recording);
    }
}

#[test]
fn cb_239_cb_242_modify_conference_in_settings_or_state() {
    let (keys, av) = (keys(), mcu("audio-video"));
    let Command::ModifyConferenceAnnouncements(modify) = command(&format!(
        "<modifyConferenceAnnouncements mscp:mcuUri='{av}'>{keys}<enabled>true</enabled>\
         </modifyConferenceAnnouncements>"
    )) else {
        panic!()
    };
    assert!(modify.enabled);
    for part in ["entity-settings", "entity-state"] {
        let Command::ModifyConference(modify) = command(&format!(
            "<modifyConference mscp:mcuUri='{av}'><ci:conference-info entity='{CONFERENCE}' \
             state='partial'><msci:conference-view ci:state='partial'><msci:entity-view \
             ci:state='partial' entity='{av}'><msci:{part}><msci:mediaFiltersRules>\
             <msci:mayModifyOwnFilters><msci:role>default</msci:role><msci:value>false</msci:value>\
             </msci:mayModifyOwnFilters><msci:initialFilters><msci:role>default</msci:role>\
             <msci:ingressFilter>block</msci:ingressFilter></msci:initialFilters>\
             </msci:mediaFiltersRules></msci:{part}></msci:entity-view></msci:conference-view>\
             </ci:conference-info></modifyConference>"
        )) else {
            panic!()
        };
        let rules = modify.changes.media_filters_rules.expect(part);
        assert_eq!(rules.may_modify_own_filters, [("default".into(), false)]);
        assert_eq!(rules.initial_filters[0].ingress, Some(MediaFilter::Block));
    }
}

#[test]
fn cb_247_7_to_10_the_commands_of_the_mixer() {
    let (keys, av) = (keys(), mcu("audio-video"));
    let media_keys = format!(
        "<mediaKeys confEntity='{CONFERENCE}' userEntity='sip:dave@example.com' \
         endpointEntity='{{E}}' mediaId='1'/>"
    );
    let media = "<ci:media id='1'><ci:type>audio</ci:type>\
        <msci:media-ingress-filter>block</msci:media-ingress-filter></ci:media>";
    for name in ["addEndpointMedia", "modifyEndpointMedia"] {
        let text = format!("<{name} mscp:mcuUri='{av}'>{media_keys}{media}</{name}>");
        let command = command(&text);
        assert_eq!(command.name(), name);
        let (Command::AddEndpointMedia(media) | Command::ModifyEndpointMedia(media)) = command
        else {
            panic!()
        };
        assert_eq!(media.media.ingress_filter, Some(MediaFilter::Block));
    }
    let delete = command(&format!(
        "<deleteEndpointMedia>{media_keys}</deleteEndpointMedia>"
    ));
    assert_eq!(delete.user_entity(), Some("sip:dave@example.com"));
    let Command::ModifyUsersMediaFilters(mute) = command(&format!(
        "<modifyUsersMediaFilters mscp:mcuUri='{av}'>{keys}<mediaLabel>main-audio</mediaLabel>\
         <msci:media-ingress-filter>block</msci:media-ingress-filter><excludeRole>presenter\
         </excludeRole><excludeUser>sip:carol@example.com</excludeUser></modifyUsersMediaFilters>"
    )) else {
        panic!()
    };
    assert_eq!(mute.exclude_roles, ["presenter"]);
    let modify = command(&format!(
        "<modifyUser mscp:mcuUri='{av}'>{keys}<ci:user entity='sip:dave@example.com'/></modifyUser>"
    ));
    assert_eq!(modify.name(), "modifyUser");
}

#[test]
fn cb_175_cb_248_others_are_not_supported() {
    for name in [
        "addConference",
        "getAvailableMcuTypes",
        "getConferences",
        "getEncryptionKey",
        "getConferencingCapabilities",
        "frobnicate",
    ] {
        assert_eq!(
            command(&format!("<{name}/>")),
            Command::Unsupported(name.into())
        );
    }
}

#[test]
fn cb_009_what_a_command_does_not_need_is_ignored() {
    let keys = keys();
    let text = format!(
        "<x:note xmlns:x='urn:x'/><addUser x:y='1' xmlns:x='urn:x' z='2'>{keys}<x:user/>\
         <ci:user entity='sip:dave@example.com'><x:roles/><ci:roles><ci:entry>attendee</ci:entry>\
         </ci:roles><ci:endpoint entity='{{E}}'><x:y><x:z/></x:y><ci:unheard-of/></ci:endpoint>\
         </ci:user><x:addUser/></addUser>"
    );
    assert_eq!(command(&text).name(), "addUser");
}

#[test]
fn cb_163_cb_164_levels_and_first_party() {
    use CommandName as Name;
    for &name in Name::ALL {
        let conference = [
            Name::ModifyConferenceLock,
            Name::DeleteConference,
            Name::GetConference,
            Name::ModifyConference,
            Name::ModifyConferenceAnnouncements,
            Name::ModifyUsersMediaFilters,
        ];
        assert_eq!(
            name.level() == Some(Level::Conference),
            conference.contains(&name),
            "{name}"
        );
    }
    let user = |user: &str| {
        let text = format!(
            "<deleteUser><userKeys confEntity='{CONFERENCE}' userEntity='{user}'/></deleteUser>"
        );
        read_request(request(&text).as_bytes(), &LIMITS).unwrap()
    };
    assert!(
        user("sip:dave@EXAMPLE.COM").is_first_party(),
        "RFC 3261 §19.1.4"
    );
    assert!(
        !user("sip:Dave@example.com").is_first_party(),
        "RFC 3261 §19.1.4"
    );
    let keys = keys();
    let text = format!(
        "<setLobbyAccess>{keys}<userEntity>sip:dave@example.com</userEntity>\
         <access>granted</access></setLobbyAccess>"
    );
    let lobby = read_request(request(&text).as_bytes(), &LIMITS).unwrap();
    assert!(!lobby.is_first_party(), "trap 53");
}

#[test]
fn cb_043_cb_044_responses_answer_their_request() {
    let text = format!("<deleteConference>{}</deleteConference>", keys());
    let request = read_request(request(&text).as_bytes(), &LIMITS).unwrap();
    let pending = request.pending().by(mcu("chat"));
    assert_eq!(pending.request_id, "0042");
    assert_eq!(
        (&*pending.from, &*pending.to),
        (CONFERENCE, "sip:dave@example.com")
    );
    assert_eq!(pending.code, Code::Pending);
    let failure = request.failed(
        Reason::Unauthorized,
        CommandReason::OtherFailure,
        Diagnostics::public(3126, "Not \"now\"", "focus.example.com"),
    );
    let read = read_response(&failure.to_octets(), &LIMITS).unwrap();
    assert_eq!(read, failure);
    assert_eq!(read.reason, Some(Reason::Unauthorized.into()), "trap 25");
    let result = read.result.unwrap();
    assert_eq!(result.reason, Some(CommandReason::OtherFailure.into()));
    let (key, value) = &result.diagnostics.0[0];
    assert_eq!(key, "ms-diagnostics-public", "CB-161");
    assert_eq!(
        value,
        "3126;reason=\"Not \\\"now\\\"\";source=\"focus.example.com\""
    );
}

#[test]
fn cb_174_reasons_of_later_days_are_read() {
    let text = format!(
        "<response xmlns='urn:ietf:params:xml:ns:cccp' requestId='1' from='{CONFERENCE}' \
         to='sip:dave@example.com' code='failure' reason='tooLate'>\
         <addUser reason='userAsleep'/></response>"
    );
    let read = read_response(text.as_bytes(), &LIMITS).unwrap();
    assert_eq!(read.reason.as_ref().unwrap().as_str(), "tooLate");
    let reason = read.result.as_ref().unwrap().reason.as_ref().unwrap();
    assert_eq!(reason.as_str(), "userAsleep");
    assert_eq!(read_response(&read.to_octets(), &LIMITS).unwrap(), read);
}

#[test]
fn cb_046_to_cb_049_the_answer_to_a_join() {
    let text = format!(
        "<addUser>{}<user entity='sip:dave@example.com'>{JOINED}</user></addUser>",
        keys()
    );
    let request = read_request(request(&text).as_bytes(), &LIMITS).unwrap();
    let Command::AddUser(add) = &request.command else {
        panic!()
    };
    let response = request.success(add.granted(Role::Presenter));
    let octets = response.to_octets();
    assert_valid([("granted".to_owned(), octets.as_slice())]);
    let Some(ResultBody::AddUser(result)) = response.result.map(|result| result.body) else {
        panic!()
    };
    assert_eq!(result.keys.as_ref(), Some(&add.keys), "CB-046");
    let user = result.user.unwrap();
    assert_eq!(user.entity, "sip:dave@example.com", "CB-047");
    assert_eq!(user.role, Some(Role::Presenter), "CB-048");
    assert!(user.endpoints.is_empty(), "CB-049");
}
