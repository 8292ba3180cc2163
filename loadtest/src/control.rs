//! The few C3P requests that load is made of (MS-CONFBAS §2.2.3).

const NAMESPACES: &str = "xmlns=\"urn:ietf:params:xml:ns:cccp\" \
    xmlns:ci=\"urn:ietf:params:xml:ns:conference-info\" \
    xmlns:msci=\"http://schemas.microsoft.com/rtc/2005/08/confinfoextensions\" \
    xmlns:cis=\"urn:ietf:params:xml:ns:conference-info-separator\"";

fn request(user: &str, conference: &str, id: u32, inner: &str) -> String {
    format!(
        "<request {NAMESPACES} C3PVersion=\"1\" requestId=\"{id}\" from=\"{user}\" \
         to=\"{conference}\">{inner}</request>"
    )
}

/// Joins (CB-024).
pub fn join(user: &str, conference: &str) -> String {
    let inner = format!(
        "<addUser><conferenceKeys confEntity=\"{conference}\"/><ci:user entity=\"{user}\"><ci:roles>\
         <ci:entry>attendee</ci:entry></ci:roles><ci:endpoint entity=\"{{1}}\"/></ci:user></addUser>"
    );
    request(user, conference, 1, &inner)
}

/// Says that the sender records (CB-237).
pub fn recording(user: &str, conference: &str) -> String {
    let inner = format!(
        "<modifyEndpoint><endpointKeys confEntity=\"{conference}\" userEntity=\"{user}\" \
         endpointEntity=\"{{1}}\"/><ci:endpoint entity=\"{{1}}\"><cis:separator/><cis:separator/>\
         <msci:client-recording/></ci:endpoint></modifyEndpoint>"
    );
    request(user, conference, 2, &inner)
}

/// Takes everybody's sound, or gives it back, but that of one user (CB-247.10).
pub fn mute_all(user: &str, conference: &str, taken: bool, excluded: &str) -> String {
    let filter = if taken { "block" } else { "unblock" };
    let inner = format!(
        "<modifyUsersMediaFilters><conferenceKeys confEntity=\"{conference}\"/>\
         <mediaLabel>main-audio</mediaLabel>\
         <msci:media-ingress-filter>{filter}</msci:media-ingress-filter>\
         <excludeUser>{excluded}</excludeUser></modifyUsersMediaFilters>"
    );
    request(user, conference, 3, &inner)
}

/// Whether a document says that somebody's sound was taken, or given back.
pub fn tells_of_filter(document: &str, taken: bool) -> bool {
    document.contains(if taken {
        "media-ingress-filter>block<"
    } else {
        "media-ingress-filter>unblock<"
    })
}

/// Whether this is the final word on a command, a good one.
pub fn is_success(body: &str) -> bool {
    body.contains("code=\"success\"")
}
