//! Calls to a provider: the INVITE as it wants it (RFC 3261 §8.1.1, RFC 3323, RFC 3325).

use super::Line;
use crate::config::{IdentityHeader, NumberFormat, Protection};
use plenum_sip::endpoint::{Invite, Reach};
use plenum_sip::msg::{HeaderName, Host, NameAddr, Text, Uri};

/// The call `wanted` by a conference, to this number by this trunk.
pub(crate) fn invite(line: &Line, wanted: &Invite, number: &str) -> Invite {
    let config = &line.config;
    let target = address(line, number);
    let mut headers = wanted.headers.clone();
    let own = own_address(line, wanted);
    let shown = NameAddr {
        display: wanted.from.display.clone(),
        ..NameAddr::new(own)
    };
    identify(line, &shown, &mut headers);
    let from = if config.anonymous {
        // RFC 3323 §4.1.1.3.
        let nobody = Uri::sip(
            Some("anonymous"),
            Host::Name(Text::from_static("anonymous.invalid")),
            None,
        );
        NameAddr::new(nobody).with_display("Anonymous")
    } else {
        shown
    };
    let mut contact = wanted.contact.clone().unwrap_or_default();
    if let Some(registration) = &line.registration {
        contact.seen_as.clone_from(&registration.contact().seen_as);
    }
    Invite {
        uri: target.clone(),
        to: NameAddr::new(target),
        from,
        contact: Some(contact),
        body: wanted.body.clone(),
        headers,
        route: line.route(),
        no_session: wanted.no_session,
        reach: Reach {
            targets: line.ways(),
            credentials: line.credentials(),
            another_way: true,
            ..Reach::default()
        },
    }
}

/// Whether the offer keeps what the trunk demands: the focus asks what that is before it makes one, and a SIGHUP may
/// have changed it since.
pub(crate) fn is_offered_enough(line: &Line, wanted: &Invite) -> bool {
    let required = line.config.protection == Some(Protection::Required);
    let secured = || {
        let body = wanted.body.as_ref().map(|body| &body.octets);
        body.is_none_or(|sdp| !sdp.windows(PLAIN.len()).any(|part| part == PLAIN))
    };
    !required || secured()
}

/// A number as the provider reads it.
fn address(line: &Line, number: &str) -> Uri {
    let config = &line.config;
    let plan = &config.plan;
    let user = match config.number_format {
        NumberFormat::E164 => number.to_owned(),
        NumberFormat::Digits => number.trim_start_matches('+').to_owned(),
        NumberFormat::International => plan.international(number),
        NumberFormat::National => plan.national(number),
    };
    let server = &config.server;
    let mut uri = Uri::sip(Some(&user), server.host.clone(), server.port);
    uri.scheme = server.scheme.clone();
    uri.params = server.params.clone();
    if config.user_phone {
        uri = uri.with_param("user", Some("phone"));
    }
    uri
}

/// Who we are to the provider: the caller id, else the address of record.
fn own_address(line: &Line, wanted: &Invite) -> Uri {
    let config = &line.config;
    match (&config.caller_id, &config.aor.user) {
        (Some(number), _) => {
            let host = config.aor.host.clone();
            let uri = Uri::sip(Some(number), host, None);
            if config.user_phone {
                uri.with_param("user", Some("phone"))
            } else {
                uri
            }
        }
        (None, Some(_)) => config.aor.clone(),
        (None, None) => wanted.from.uri.clone(),
    }
}

/// RFC 3325 §9: who calls, for the provider to believe; and RFC 3323 §4.2: not to be shown.
fn identify(line: &Line, shown: &NameAddr, headers: &mut plenum_sip::msg::Headers) {
    let anonymous = line.config.anonymous;
    match line.config.identity {
        IdentityHeader::None => {}
        IdentityHeader::PAssertedIdentity => headers.push(HeaderName::PAssertedIdentity, shown),
        IdentityHeader::PPreferredIdentity => headers.push(HeaderName::PPreferredIdentity, shown),
        IdentityHeader::RemotePartyId => {
            let privacy = if anonymous { "full" } else { "off" };
            let party = shown.clone().with_param("party", Some("calling"));
            let party = party.with_param("screen", Some("no"));
            let party = party.with_param("privacy", Some(privacy));
            headers.push(HeaderName::RemotePartyId, &party);
        }
    }
    if anonymous {
        headers.push(HeaderName::Privacy, Text::from_static("id"));
    }
}

/// The profile of media that are not encrypted (RFC 3551).
const PLAIN: &[u8] = b" RTP/AVP";
