//! C3P requests in the form of MS-CONFBAS §2.2.3.

use super::Person;

const NAMESPACES: &str = "xmlns=\"urn:ietf:params:xml:ns:cccp\" \
    xmlns:ci=\"urn:ietf:params:xml:ns:conference-info\" \
    xmlns:mscp=\"http://schemas.microsoft.com/rtc/2005/08/cccpextensions\" \
    xmlns:msci=\"http://schemas.microsoft.com/rtc/2005/08/confinfoextensions\"";

pub(crate) fn request(person: &Person, id: &str, inner: &str) -> String {
    let Person { aor, focus, .. } = person;
    format!(
        "<?xml version=\"1.0\"?><request {NAMESPACES} C3PVersion=\"1\" requestId=\"{id}\" \
         from=\"{aor}\" to=\"{focus}\">{inner}</request>"
    )
}

pub(crate) fn join(person: &Person) -> String {
    let Person { aor, focus, .. } = person;
    let inner = format!(
        "<addUser><conferenceKeys confEntity=\"{focus}\"/><ci:user entity=\"{aor}\">\
         <ci:roles><ci:entry>attendee</ci:entry></ci:roles>\
         <ci:endpoint entity=\"{{{aor}}}\"/></ci:user></addUser>"
    );
    request(person, "1", &inner)
}

fn keys(focus: &str) -> String {
    format!("<conferenceKeys confEntity=\"{focus}\"/>")
}

fn user_keys(focus: &str, user: &str) -> String {
    format!("<userKeys confEntity=\"{focus}\" userEntity=\"{user}\"/>")
}

pub(crate) fn lock(focus: &str, locked: bool) -> String {
    let keys = keys(focus);
    format!("<modifyConferenceLock>{keys}<locked>{locked}</locked></modifyConferenceLock>")
}

pub(crate) fn role(focus: &str, user: &str, role: &str) -> String {
    let keys = user_keys(focus, user);
    format!(
        "<modifyUserRoles>{keys}<ci:user-roles><ci:entry>{role}</ci:entry></ci:user-roles>\
         </modifyUserRoles>"
    )
}

pub(crate) fn delete_user(focus: &str, user: &str) -> String {
    format!("<deleteUser>{}</deleteUser>", user_keys(focus, user))
}

pub(crate) fn delete_conference(focus: &str) -> String {
    format!("<deleteConference>{}</deleteConference>", keys(focus))
}

pub(crate) fn get_conference(focus: &str) -> String {
    format!("<getConference>{}</getConference>", keys(focus))
}

/// With the certificate of whom secrets are for, in base64 (CB-218).
pub(crate) fn get_conference_for(focus: &str, certificate: &str) -> String {
    let keys = keys(focus);
    format!(
        "<getConference>{keys}<msci:encryption-key><msci:x509-certificate>{certificate}\
         </msci:x509-certificate></msci:encryption-key></getConference>"
    )
}

pub(crate) fn lobby(focus: &str, user: &str, access: &str) -> String {
    let keys = keys(focus);
    format!(
        "<setLobbyAccess>{keys}<userEntity>{user}</userEntity><access>{access}</access>\
         </setLobbyAccess>"
    )
}

pub(crate) fn dial_out(focus: &str, mcu: &str, user: &str, uri: &str) -> String {
    let keys = keys(focus);
    format!(
        "<addUser mscp:mcuUri=\"{mcu}\">{keys}<ci:user entity=\"{user}\">\
         <ci:endpoint entity=\"{{phone}}\" msci:refer-to-uri=\"{uri}\">\
         <ci:joining-method>dialed-out</ci:joining-method></ci:endpoint></ci:user></addUser>"
    )
}

/// What somebody's medium does: `block` or `unblock` what comes from them.
pub(crate) fn ingress(focus: &str, mcu: &str, of: (&str, &str, &str), filter: &str) -> String {
    let (user, endpoint, media) = of;
    format!(
        "<modifyEndpointMedia mscp:mcuUri=\"{mcu}\"><mediaKeys confEntity=\"{focus}\" \
         userEntity=\"{user}\" endpointEntity=\"{endpoint}\" mediaId=\"{media}\"/>\
         <ci:media id=\"{media}\"><msci:media-ingress-filter>{filter}</msci:media-ingress-filter>\
         </ci:media></modifyEndpointMedia>"
    )
}

/// What comes from everybody but `excluded`.
pub(crate) fn ingress_of_all(focus: &str, mcu: &str, filter: &str, excluded: &str) -> String {
    let keys = keys(focus);
    format!(
        "<modifyUsersMediaFilters mscp:mcuUri=\"{mcu}\">{keys}<mediaLabel>main-audio</mediaLabel>\
         <msci:media-ingress-filter>{filter}</msci:media-ingress-filter>\
         <excludeUser>{excluded}</excludeUser></modifyUsersMediaFilters>"
    )
}

pub(crate) fn dial_in(focus: &str, mcu: &str, user: &str) -> String {
    let keys = keys(focus);
    format!(
        "<addUser mscp:mcuUri=\"{mcu}\">{keys}<ci:user entity=\"{user}\">\
         <ci:endpoint entity=\"{{headset}}\"><ci:joining-method>dialed-in</ci:joining-method>\
         </ci:endpoint></ci:user></addUser>"
    )
}

/// The request that endorses whoever has this dialog with the focus (CB-074).
pub(crate) fn endorse(person: &Person, endorsed: &Person) -> String {
    let keys = keys(&person.focus);
    let dialog = endorsed.dialog.as_ref().unwrap();
    let tag = |value: &str| value.split(";tag=").nth(1).unwrap().to_owned();
    let (call, from, to) = (&dialog.call_id, tag(&dialog.local), tag(&dialog.remote));
    let inner = format!(
        "<endorseUser>{keys}<endorsee>{}</endorsee><ci:dialog-id><ci:call-id>{call}</ci:call-id>\
         <ci:from-tag>{from}</ci:from-tag><ci:to-tag>{to}</ci:to-tag></ci:dialog-id></endorseUser>",
        endorsed.aor
    );
    request(person, "1", &inner)
}

/// The sender records, or does not (CB-237).
pub(crate) fn recording(person: &Person, on: bool) -> String {
    let Person { aor, focus, .. } = person;
    let separator =
        "<cis:separator xmlns:cis=\"urn:ietf:params:xml:ns:conference-info-separator\"/>";
    let what = if on { "<msci:client-recording/>" } else { "" };
    format!(
        "<modifyEndpoint><endpointKeys confEntity=\"{focus}\" userEntity=\"{aor}\" \
         endpointEntity=\"{{{aor}}}\"/><ci:endpoint entity=\"{{{aor}}}\">{separator}{separator}{what}\
         </ci:endpoint></modifyEndpoint>"
    )
}

/// Tones when people come and go (CB-239).
pub(crate) fn announcements(focus: &str, mcu: &str, enabled: bool) -> String {
    let keys = keys(focus);
    format!(
        "<modifyConferenceAnnouncements mscp:mcuUri=\"{mcu}\">{keys}<enabled>{enabled}</enabled>\
         </modifyConferenceAnnouncements>"
    )
}

/// Attendees begin muted, and stay so (CB-244).
pub(crate) fn rules(focus: &str, mcu: &str) -> String {
    format!(
        "<modifyConference mscp:mcuUri=\"{mcu}\"><ci:conference-info entity=\"{focus}\" \
         state=\"partial\"><msci:conference-view ci:state=\"partial\"><msci:entity-view \
         ci:state=\"partial\" entity=\"{mcu}\"><msci:entity-settings><msci:mediaFiltersRules>\
         <msci:mayModifyOwnFilters><msci:role>default</msci:role><msci:value>false</msci:value>\
         </msci:mayModifyOwnFilters><msci:initialFilters><msci:role>attendee</msci:role>\
         <msci:ingressFilter>block</msci:ingressFilter></msci:initialFilters>\
         </msci:mediaFiltersRules></msci:entity-settings></msci:entity-view></msci:conference-view>\
         </ci:conference-info></modifyConference>"
    )
}

/// Somebody's audio is taken out of the conference, or brought back (CB-247.7, CB-247.8).
pub(crate) fn audio(focus: &str, mcu: &str, of: (&str, &str), there: bool) -> String {
    let (user, endpoint) = of;
    let keys = format!(
        "<mediaKeys confEntity=\"{focus}\" userEntity=\"{user}\" endpointEntity=\"{endpoint}\" \
         mediaId=\"1\"/>"
    );
    if there {
        format!(
            "<addEndpointMedia mscp:mcuUri=\"{mcu}\">{keys}<ci:media id=\"1\"><ci:type>audio</ci:type>\
             </ci:media></addEndpointMedia>"
        )
    } else {
        format!("<deleteEndpointMedia mscp:mcuUri=\"{mcu}\">{keys}</deleteEndpointMedia>")
    }
}

/// Somebody is called otherwise (CB-247.9).
pub(crate) fn rename(focus: &str, user: &str, display: &str) -> String {
    let keys = keys(focus);
    format!(
        "<modifyUser>{keys}<ci:user entity=\"{user}\"><ci:display-text>{display}</ci:display-text>\
         </ci:user></modifyUser>"
    )
}
