//! Calls from a provider: whose they are, which number they are for, and who calls.

use super::Line;
use crate::config::{CalledIn, Recognition};
use crate::signalling::speaks_for;
use plenum_focus::access::Identity;
use plenum_focus::caller::Vouched;
use plenum_sip::endpoint::Flow;
use plenum_sip::msg::{HeaderName, Headers, NameAddr, Request, Text, Uri};

/// Where a number leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// To this conference.
    Conference(String),
    /// Nowhere: nobody has said so in `numbers`.
    Unknown(Option<String>),
}

/// Whether the call is this trunk's. What was registered is known by a token nobody else has seen,
/// not by its user part, which anybody can guess.
/// `names`: what the verified certificate of the peer speaks for.
pub(crate) fn recognises(line: &Line, request: &Request, (flow, names): (&Flow, &[Text])) -> bool {
    line.config.recognise.iter().any(|way| match way {
        Recognition::Address => {
            let source = flow.remote.ip().to_canonical();
            let known = line.servers.iter();
            line.config
                .from
                .iter()
                .any(|network| network.contains(source))
                || known
                    .clone()
                    .any(|one| one.target.remote.ip().to_canonical() == source)
        }
        Recognition::Registration => {
            let token = request.uri.param("line");
            token.is_some_and(|token| token == *line.token.as_str())
        }
        Recognition::Certificate => {
            let config = &line.config;
            let server = [config.server.host.to_string()];
            let known: &[String] = match config.certificate_names.as_slice() {
                [] => &server,
                some => some,
            };
            speaks_for(names, known)
        }
        // Asked for where no other way has recognised it.
        Recognition::Digest => false,
    })
}

/// Whether a call to one of its numbers is this trunk's if it presents the credentials for it.
pub(crate) fn asks(line: &Line, request: &Request) -> bool {
    line.config.recognise.contains(&Recognition::Digest)
        && matches!(destination(line, request), Destination::Conference(_))
}

/// The number that was called, where the trunk says it stands.
pub(crate) fn called(line: &Line, request: &Request) -> Option<String> {
    let plan = &line.config.plan;
    let headers = &request.headers;
    let other = match line.config.called_in {
        CalledIn::RequestUri => None,
        CalledIn::To => headers.to().ok(),
        CalledIn::PCalledPartyId => {
            let name = HeaderName::from_static("P-Called-Party-ID");
            addresses(headers, &name).into_iter().next()
        }
        // The last Diversion is the first number that was called (RFC 5806 §5).
        CalledIn::Diversion => addresses(headers, &HeaderName::Diversion).pop(),
        CalledIn::HistoryInfo => addresses(headers, &HeaderName::HistoryInfo)
            .into_iter()
            .next(),
    };
    let other = other.and_then(|address| plan.of_uri(&address.uri));
    other.or_else(|| plan.of_uri(&request.uri))
}

/// Where the call is to go.
pub(crate) fn destination(line: &Line, request: &Request) -> Destination {
    let number = called(line, request);
    let to = number
        .as_deref()
        .and_then(|number| super::number::lead(&line.config.numbers, number));
    to.map_or(Destination::Unknown(number), Destination::Conference)
}

/// Who calls (RFC 3325 §5, RFC 3323 §4.1), as the roster shows it.
pub(crate) fn caller(line: &Line, request: &Request) -> Vouched {
    let headers = &request.headers;
    let plan = &line.config.plan;
    let asserted = line
        .config
        .trust_identity
        .then(|| {
            let asserted = headers.p_asserted_identity().ok();
            let remote = || headers.remote_party_id().ok();
            let asserted = asserted.and_then(|all| all.into_iter().next());
            asserted.or_else(|| remote().and_then(|all| all.into_iter().next()))
        })
        .flatten();
    let address = asserted.clone().or_else(|| headers.from().ok());
    let hidden = headers.privacy().is_ok_and(|privacy| {
        ["id", "user", "header"]
            .iter()
            .any(|kind| privacy.has(kind))
    }) || asserted
        .is_some_and(|one| one.params.get("privacy").is_some_and(|it| it == "full"));
    let shown = address.filter(|address| !hidden && !is_anonymous(&address.uri));
    let number = shown.as_ref().and_then(|address| plan.of_uri(&address.uri));
    let aor = shown.as_ref().map(|address| match &number {
        Some(number) => format!("sip:{number}@{}", line.config.server.host),
        None => format!("sip:{}@{}", address.uri.user_decoded(), address.uri.host),
    });
    let name = shown
        .and_then(|address| address.display)
        .filter(|name| !name.trim().is_empty());
    Vouched {
        identity: match aor {
            Some(_) => Identity::Federated,
            None => Identity::Anonymous,
        },
        aor,
        display: name.or(number),
        trusted: true,
        phone: true,
        key: false,
        media: line.config.terms(),
    }
}

/// The same request, for the conference it is for.
pub(crate) fn redirect(request: &mut Request, conference: &str, host: plenum_sip::msg::Host) {
    request.uri = Uri::sip(Some(conference), host, None);
}

fn addresses(headers: &Headers, name: &HeaderName) -> Vec<NameAddr> {
    let values = headers.get_all(name);
    let each = values.flat_map(|value| split(&value.to_str_lossy()));
    each.filter_map(|one| NameAddr::parse(&one).ok())
        .take(MOST)
        .collect()
}

/// A list at its commas outside of quotes and brackets.
fn split(value: &str) -> Vec<Text> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut quoted, mut inside) = (false, false);
    for c in value.chars() {
        match c {
            '"' => quoted = !quoted,
            '<' if !quoted => inside = true,
            '>' if !quoted => inside = false,
            ',' if !quoted && !inside => {
                parts.push(Text::from(std::mem::take(&mut part).trim()));
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    parts.push(Text::from(part.trim()));
    parts
}

/// RFC 3323 §4.1.1.3.
fn is_anonymous(uri: &Uri) -> bool {
    let user = uri.user_decoded();
    let host = uri.host.to_string();
    host.eq_ignore_ascii_case("anonymous.invalid")
        || ["anonymous", "unknown", "restricted", "unavailable"]
            .iter()
            .any(|word| user.eq_ignore_ascii_case(word))
}

/// Values of one header field that are looked at.
const MOST: usize = 16;
