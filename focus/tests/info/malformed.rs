//! Requests that are none: what is said of them, and to whom the answer can go.

use super::LIMITS;
use super::commands::{keys, request};
use super::generate::CONFERENCE;
use plenum_focus::c3p::*;
use plenum_focus::xml::Limits;

fn defect(document: &str) -> Malformed {
    *read_request(document.as_bytes(), &LIMITS).expect_err(document)
}

fn of_command(command: &str) -> Defect {
    let malformed = defect(&request(command));
    let response = malformed
        .response()
        .expect("everything to address it is there");
    assert_eq!(response.request_id, "0042");
    assert_eq!(
        (&*response.from, &*response.to),
        (CONFERENCE, "sip:dave@example.com")
    );
    assert_eq!(response.code, Code::Failure);
    assert_eq!(response.reason, Some(Reason::RequestMalformed.into()));
    malformed.defect
}

#[test]
fn cb_020_one_command() {
    let keys = keys();
    let one = format!("<deleteConference>{keys}</deleteConference>");
    assert_eq!(of_command(""), Defect::NoCommand);
    assert_eq!(of_command("<ci:user entity='sip:x@y'/>"), Defect::NoCommand);
    assert_eq!(of_command(&format!("{one}{one}")), Defect::SeveralCommands);
    assert_eq!(
        of_command(&format!("{one}<frobnicate/>")),
        Defect::SeveralCommands
    );
}

#[test]
fn cb_021_request_ids_are_digits() {
    let document = request(&format!("<deleteConference>{}</deleteConference>", keys()));
    for (id, expected) in [
        ("requestId='abc'", Defect::RequestId),
        ("requestId=''", Defect::RequestId),
        ("requestId='-1'", Defect::RequestId),
        ("requestId='1 2'", Defect::RequestId),
        ("requestId='١'", Defect::RequestId),
        ("", Defect::Missing("requestId")),
    ] {
        let malformed = defect(&document.replace("requestId='0042'", id));
        assert_eq!(malformed.defect, expected, "{id}");
        assert_eq!(malformed.response(), None, "nothing to answer to");
        assert_eq!(
            malformed.envelope.command.as_deref(),
            Some("deleteConference")
        );
    }
    let long = "9".repeat(60);
    let fine = document.replace("0042", &long);
    assert_eq!(
        read_request(fine.as_bytes(), &LIMITS).unwrap().request_id,
        long
    );
}

#[test]
fn the_envelope_must_say_from_whom_to_whom() {
    let document = request(&format!("<deleteConference>{}</deleteConference>", keys()));
    let without_from = document.replace("from='sip:dave@example.com'", "");
    assert_eq!(defect(&without_from).defect, Defect::Missing("from"));
    let tel = document.replace("from='sip:dave@example.com'", "from='tel:+1'");
    assert_eq!(defect(&tel).defect, Defect::NotASipUri("from"));
    let without_to = document.replace(&format!("to='{CONFERENCE}'"), "");
    assert_eq!(defect(&without_to).defect, Defect::Missing("to"));
    assert_eq!(defect("<request/>").defect, Defect::NotARequest);
    assert_eq!(
        defect("<response xmlns='urn:ietf:params:xml:ns:cccp'/>").defect,
        Defect::NotARequest
    );
    assert!(matches!(defect("<request").defect, Defect::Xml(_)));
}

#[test]
fn cb_172_a_request_too_large_is_called_so() {
    let limits = Limits {
        octets: 100,
        ..LIMITS
    };
    let malformed = read_request(request("").as_bytes(), &limits).unwrap_err();
    assert_eq!(malformed.defect.reason(), Reason::RequestTooLarge);
}

#[test]
fn cb_157_to_cb_160_keys() {
    for (keys, expected) in [
        ("", Defect::Missing("conferenceKeys")),
        ("<conferenceKeys/>", Defect::Missing("confEntity")),
        (
            "<conferenceKeys confEntity=''/>",
            Defect::Missing("confEntity"),
        ),
        (
            "<conferenceKeys confEntity='http://x'/>",
            Defect::NotASipUri("confEntity"),
        ),
        (
            "<conferenceKeys confEntity='sip:'/>",
            Defect::NotASipUri("confEntity"),
        ),
        (
            "<conferenceKeys confEntity='sip:a b'/>",
            Defect::NotASipUri("confEntity"),
        ),
        (
            "<conferenceKeys confEntity='sip:a@b'/><conferenceKeys confEntity='sip:a@b'/>",
            Defect::Repeated("conferenceKeys"),
        ),
    ] {
        let text = format!("<deleteConference>{keys}</deleteConference>");
        assert_eq!(of_command(&text), expected, "{keys}");
    }
    let user = |attributes: &str| {
        let roles = "<ci:user-roles><ci:entry>attendee</ci:entry></ci:user-roles>";
        of_command(&format!(
            "<modifyUserRoles><userKeys {attributes}/>{roles}</modifyUserRoles>"
        ))
    };
    assert_eq!(user("confEntity='sip:a@b'"), Defect::Missing("userEntity"));
    assert_eq!(
        user("confEntity='sip:a@b' userEntity='bob'"),
        Defect::NotASipUri("userEntity")
    );
    assert_eq!(user("userEntity='sip:a@b'"), Defect::Missing("confEntity"));
}

#[test]
fn cb_025_to_cb_028_join() {
    let keys = keys();
    let add = |user: &str| of_command(&format!("<addUser>{keys}{user}</addUser>"));
    let roles = "<ci:roles><ci:entry>attendee</ci:entry></ci:roles>";
    let endpoint = "<ci:endpoint entity='{E}'/>";
    let user = |inside: &str| {
        add(&format!(
            "<ci:user entity='sip:dave@example.com'>{inside}</ci:user>"
        ))
    };
    assert_eq!(add(""), Defect::Missing("user"));
    let two = "<ci:user entity='sip:a@b'/><ci:user entity='sip:a@b'/>";
    assert_eq!(add(two), Defect::Repeated("user"));
    assert_eq!(
        add(&format!("<ci:user>{roles}{endpoint}</ci:user>")),
        Defect::Missing("entity")
    );
    assert_eq!(user(endpoint), Defect::Missing("roles"));
    assert_eq!(user(roles), Defect::Missing("endpoint"));
    assert_eq!(
        user(&format!("{roles}{roles}{endpoint}")),
        Defect::Repeated("roles")
    );
    assert_eq!(
        user(&format!("{roles}{endpoint}{endpoint}")),
        Defect::Repeated("endpoint")
    );
    assert_eq!(
        user(&format!("{roles}<ci:endpoint/>")),
        Defect::Missing("entity")
    );
    let owner = roles.replace("attendee", "owner");
    assert_eq!(
        user(&format!("{owner}{endpoint}")),
        Defect::BadValue("entry")
    );
    let none = "<ci:roles/>";
    assert_eq!(user(&format!("{none}{endpoint}")), Defect::Missing("entry"));
    let both = "<ci:roles><ci:entry>attendee</ci:entry><ci:entry>presenter</ci:entry></ci:roles>";
    assert_eq!(
        user(&format!("{both}{endpoint}")),
        Defect::Repeated("entry")
    );
}

#[test]
fn cb_202_dial_out_names_an_mcu() {
    let keys = keys();
    let add = |mcu: &str, method: &str| {
        of_command(&format!(
            "<addUser {mcu}>{keys}<ci:user entity='sip:erin@example.com'><ci:endpoint entity='E'>\
             {method}</ci:endpoint></ci:user></addUser>"
        ))
    };
    let method = |value: &str| format!("<ci:joining-method>{value}</ci:joining-method>");
    let mcu = "mscp:mcuUri='sip:a@b;opaque=app:conf:chat:id:1'";
    assert_eq!(add("", &method("dialed-out")), Defect::Missing("mcuUri"));
    assert_eq!(
        add("mscp:mcuUri=''", &method("dialed-out")),
        Defect::Missing("mcuUri")
    );
    assert_eq!(
        add("mscp:mcuUri='chat'", &method("dialed-out")),
        Defect::NotASipUri("mcuUri")
    );
    assert_eq!(add(mcu, ""), Defect::Missing("joining-method"));
    assert_eq!(
        add(mcu, &method("focus-owner")),
        Defect::BadValue("joining-method")
    );
    assert_eq!(
        add(mcu, &method("beamed-in")),
        Defect::BadValue("joining-method")
    );
}

#[test]
fn cb_180_lock() {
    let keys = keys();
    let lock = |inside: &str| {
        of_command(&format!(
            "<modifyConferenceLock>{keys}{inside}</modifyConferenceLock>"
        ))
    };
    let policy = "<msci:admission-policy>anonymous</msci:admission-policy>";
    let autopromote = "<msci:autopromote>0</msci:autopromote>";
    let bypass = "<msci:pstn-lobby-bypass>true</msci:pstn-lobby-bypass>";
    assert_eq!(lock(""), Defect::Missing("locked"));
    assert_eq!(lock("<locked>yes</locked>"), Defect::BadValue("locked"));
    for some in [
        policy.to_owned(),
        autopromote.to_owned(),
        bypass.to_owned(),
        format!("{policy}{bypass}"),
        format!("{policy}{autopromote}"),
        format!("{autopromote}{bypass}"),
    ] {
        let text = format!("<locked>true</locked><cis:separator/>{some}");
        assert_eq!(lock(&text), Defect::AllOrNone, "{some}");
    }
    let text = format!(
        "<locked>true</locked>{policy}<msci:autopromote>4294967296</msci:autopromote>{bypass}"
    );
    assert_eq!(lock(&text), Defect::BadValue("autopromote"));
    let text = format!(
        "<locked>true</locked>{}{autopromote}{bypass}",
        policy.replace("anonymous", "all")
    );
    assert_eq!(lock(&text), Defect::BadValue("admission-policy"));
}

#[test]
fn cb_074_cb_188_cb_226_cb_235_what_else_is_missing() {
    let keys = keys();
    for (text, expected) in [
        (
            format!("<endorseUser>{keys}</endorseUser>"),
            Defect::Missing("endorsee"),
        ),
        (
            format!("<endorseUser>{keys}<endorsee>sip:a@b</endorsee></endorseUser>"),
            Defect::Missing("dialog-id"),
        ),
        (
            format!(
                "<deleteUser><userKeys confEntity='{CONFERENCE}' userEntity='sip:a@b'/>\
                <endpointEntity>E</endpointEntity></deleteUser>"
            ),
            Defect::BadValue("endpointEntity"),
        ),
        (
            format!("<setLobbyAccess>{keys}<access>granted</access></setLobbyAccess>"),
            Defect::Missing("userEntity"),
        ),
        (
            format!("<setLobbyAccess>{keys}<userEntity>sip:a@b</userEntity></setLobbyAccess>"),
            Defect::Missing("access"),
        ),
        (
            format!(
                "<setLobbyAccess>{keys}<userEntity>sip:a@b</userEntity><access>perhaps</access>\
                </setLobbyAccess>"
            ),
            Defect::BadValue("access"),
        ),
        (
            format!(
                "<modifyEndpoint><endpointKeys confEntity='{CONFERENCE}' userEntity='sip:a@b' \
                endpointEntity='{{e}}'/><ci:endpoint entity='{{E}}'/></modifyEndpoint>"
            ),
            Defect::Mismatch("endpoint"),
        ),
        (
            format!(
                "<modifyEndpointMedia><mediaKeys confEntity='{CONFERENCE}' userEntity='sip:a@b' \
                endpointEntity='E' mediaId='1'/><ci:media id='2'/></modifyEndpointMedia>"
            ),
            Defect::Mismatch("media"),
        ),
        (
            format!("<modifyUsersMediaFilters>{keys}</modifyUsersMediaFilters>"),
            Defect::Missing("mediaLabel"),
        ),
    ] {
        assert_eq!(of_command(&text), expected, "{text}");
    }
}

#[test]
fn cb_242_modify_conference_has_one_view_of_its_mcu() {
    let mcu = CONFERENCE.replace("focus", "audio-video");
    let modify = |attribute: &str, inside: &str| {
        of_command(&format!(
            "<modifyConference {attribute}><ci:conference-info entity='{CONFERENCE}'>{inside}\
             </ci:conference-info></modifyConference>"
        ))
    };
    let named = format!("mscp:mcuUri='{mcu}'");
    let view = |inside: &str| format!("<msci:conference-view>{inside}</msci:conference-view>");
    let own = format!("<msci:entity-view entity='{mcu}'/>");
    let other = "<msci:entity-view entity='sip:other@example.com'/>";
    assert_eq!(modify("", &view(&own)), Defect::Missing("mcuUri"));
    assert_eq!(modify(&named, ""), Defect::Missing("conference-view"));
    assert_eq!(modify(&named, &view("")), Defect::Missing("entity-view"));
    let two = view(&format!("{own}{own}"));
    assert_eq!(modify(&named, &two), Defect::Repeated("entity-view"));
    assert_eq!(
        modify(&named, &view(other)),
        Defect::Mismatch("entity-view")
    );
    let more = format!("<ci:users/>{}", view(&own));
    assert_eq!(modify(&named, &more), Defect::Unexpected("conference-info"));
}

#[test]
fn cb_022_to_cb_025_a_request_agrees_with_the_message_around_it() {
    let keys = keys();
    let text = format!(
        "<addUser>{keys}<user entity='sip:dave@example.com'><roles><entry>attendee</entry></roles>\
         <endpoint entity='E'/></user></addUser>"
    );
    let document = request(&text);
    let context = Context {
        from: "sip:dave@example.com",
        to: CONFERENCE,
    };
    let check = |document: &str| {
        let read = read_request(document.as_bytes(), &LIMITS).unwrap();
        read.check(&context)
    };
    assert_eq!(check(&document), Ok(()));
    let mixed_case = document.replace("sip:carol@", "sip:Carol@");
    assert_eq!(check(&mixed_case), Ok(()), "trap 16");
    let forged = document.replace("from='sip:dave@", "from='sip:carol@");
    assert_eq!(check(&forged), Err(ContextFault::From));
    let elsewhere = document.replace(&format!("to='{CONFERENCE}'"), "to='sip:x@example.com'");
    assert_eq!(check(&elsewhere), Err(ContextFault::To));
    let conference = format!("confEntity='{CONFERENCE}'");
    let other = document.replace(&conference, "confEntity='sip:x@example.com'");
    assert_eq!(check(&other), Err(ContextFault::ConfEntity));
    let somebody = document.replace("user entity='sip:dave@", "user entity='sip:erin@");
    assert_eq!(check(&somebody), Err(ContextFault::UserEntity));
}
