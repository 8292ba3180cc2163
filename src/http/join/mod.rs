//! Simple Join (MS-CONFBAS §2.2.6): a link that opens a conference.
//!
//! | path | what |
//! |---|---|
//! | `/meet/<user>/<conference-id>` | the page: starts a native client, or says how to call |
//! | the same with `?ocsmeet` or `.ocsmeet` | the ocsmeet document itself |
//! | `/meet/JavaScript/…`, `/meet/Resources/…`, `/meet/JavaScriptResourceHandler.ashx` | what the page is made of |
//! | `/meet/web`, `/meet/web/…` | the web client: see the module `web` |
//!
//! `<user>` is the user part of the conference-URI: the organizer's, or the name of the conference
//! where there is none. `<conference-id>` is the ID or the name. Links to conferences that are
//! configured always work, those to ad-hoc ones while they are active.
//!
//! # What a page tells an outsider
//!
//! A link that leads nowhere is answered 200 with an empty `conf-uri`, for whatever reason (CB-293,
//! trap 75): malformed, another user, no such conference, one that is over. These answers differ in
//! nothing but the echoed URL and the time spent, which the protocol wants to be there. A link to a
//! conference shows its URI, which is what the protocol is for; so who guesses one knows that it
//! exists. The page does not say whether anybody is there, whether the conference is locked, has a
//! PIN or a subject, nor who is invited: it is made from its name and ID alone. Links that lead nowhere
//! count against whoever asks for them: see the module `abuse`.
//!
//! # Escaping
//!
//! The URL is its sender's, and ends up in XML, inside a script, inside HTML. HTML is written by
//! maud, chosen over string formatting because it escapes every inserted value unless told
//! otherwise, checks the nesting at compile time, and is one small macro without a run-time.
//! The two contexts it does not know have a type each in [`escape`]; [`link`] makes path segments.
//! The policy sent along allows no script but ours, so that a mistake here would still not run.
//!
//! # Where this differs from the examples of the document
//!
//! * `onload` stands in `Launch.js` and not on `<body>`: an inline handler would need a policy that
//!   allows any. The document's script evaluates its texts; here they are a script of their own.
//! * Every browser gets the page: it works without script, so no version is refused (CB-289).
//! * Without a native client the web client is not opened by itself: the reader chooses (CB-301).
//! * One variable more, `browserCanJoin`, says whether there is a web client.

mod document;
mod escape;
mod link;
mod page;
mod published;
mod qr;
mod web;

pub(crate) use published::Published;

use crate::abuse::web::LeadsNowhere;
use crate::http::server::Ends;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use document::Document;
use link::Link;
use page::Page;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use plenum_focus::shell::Directory;
use published::Invitation;
use rand::TryRng;
use rand::rngs::SysRng;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;

/// What the join pages are answered from.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    /// What is configured now.
    pub(crate) published: watch::Receiver<Arc<Published>>,
    /// For the conferences that are active.
    pub(crate) directory: Directory,
}

/// Everything at `/meet/`.
pub(crate) fn router(join: Join) -> Router {
    let script = |text| get(move || async move { asset("text/javascript; charset=utf-8", text) });
    let style = || async { asset("text/css; charset=utf-8", STYLE) };
    Router::new()
        .route("/meet", get(meet))
        .route("/meet/", get(meet))
        .route("/meet/{*link}", get(meet))
        .route("/meet/web", get(web_client))
        .merge(web::router())
        .route("/meet/JavaScript/Utilities.js", script(UTILITIES))
        .route("/meet/JavaScript/PluginLoader.js", script(PLUGIN_LOADER))
        .route("/meet/JavaScript/Launch.js", script(LAUNCH))
        .route("/meet/JavaScriptResourceHandler.ashx", script(TEXTS))
        .route("/meet/Resources/ReachClient.css", get(style))
        .with_state(join)
}

async fn meet(
    State(join): State<Join>,
    ends: Option<Extension<Ends>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let start = Instant::now();
    let published = Arc::clone(&join.published.borrow());
    let link = Link::read(&uri, &headers);
    let invitation = published.find(&link, || join.directory.active());
    let encrypted = ends.is_some_and(|ends| ends.encrypted);
    let url = url(&published, &link, encrypted);
    let found = invitation.as_ref();
    let conference = found.map(|one| (one.conference_uri.as_str(), one.id.as_str()));
    let document = Document::new(conference, start.elapsed(), &url);
    let mut response = if link.document {
        file(found, document)
    } else {
        html(&published, found, &document)
    };
    if found.is_none() {
        response.extensions_mut().insert(LeadsNowhere);
    }
    response
}

/// The URL as requested (CB-295). Without an authority that can be trusted to be one it is the
/// path alone.
fn url(published: &Published, link: &Link, encrypted: bool) -> String {
    let base = base(published, link, encrypted);
    format!("{base}{}", link.target)
}

/// What links begin with, asked for by HTTPS or not; empty when nobody knows.
fn base(published: &Published, link: &Link, encrypted: bool) -> String {
    let scheme = if encrypted { "https" } else { "http" };
    match (&published.join.public_url, &link.authority) {
        (Some(url), _) => url.as_str().to_owned(),
        (None, Some(authority)) => format!("{scheme}://{authority}"),
        (None, None) => String::new(),
    }
}

fn html(published: &Published, invitation: Option<&Invitation>, document: &Document) -> Response {
    let mut random = [0; 16];
    if SysRng.try_fill_bytes(&mut random).is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let nonce = STANDARD.encode(random);
    let path = invitation.map(|one| link::document_path(&one.user, &one.id));
    let reach_url = format!(
        "{}{WEB_CLIENT}?xml={}&meet={}",
        published
            .join
            .public_url
            .as_ref()
            .map_or("", |url| url.as_str()),
        document.in_query(),
        utf8_percent_encode(path.as_deref().unwrap_or_default(), NON_ALPHANUMERIC),
    );
    let page = page::render(&Page {
        nonce: &nonce,
        invitation,
        phone: published.join.phone_number.as_ref(),
        browser: published.join.browser,
        reach_url: &reach_url,
        escaped_xml: &document.escaped(),
        document_path: path.as_deref().unwrap_or_default(),
    });
    let policy = format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; \
         object-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    page_answer(page.into_string(), &policy, "DENY")
}

/// The document as a file that a native client opens.
fn file(invitation: Option<&Invitation>, document: Document) -> Response {
    let mut response = answer(document::MEDIA_TYPE, "private", document.into_xml());
    let id = invitation.map_or("conference", |one| one.id.as_str());
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    let disposition = format!("attachment; filename=\"{id}.ocsmeet\"");
    if let Ok(disposition) = HeaderValue::try_from(disposition) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// The web client for the conference whose document path stands in the query.
async fn web_client(State(join): State<Join>, uri: Uri, headers: HeaderMap) -> Response {
    let published = Arc::clone(&join.published.borrow());
    let invitation = conference_of(uri.query())
        .map(|path| Link::read(&path, &headers))
        .filter(|_| published.join.browser)
        .and_then(|link| published.find(&link, || join.directory.active()));
    match invitation {
        Some(invitation) => web::page(&invitation, published.pictures),
        None => no_web_client(),
    }
}

fn conference_of(query: Option<&str>) -> Option<Uri> {
    let mut fields = query?.split('&');
    let path = fields.find_map(|field| field.strip_prefix("meet="))?;
    let path = percent_decode_str(path).decode_utf8().ok()?;
    path.parse().ok()
}

fn no_web_client() -> Response {
    let mut response = answer(
        "text/plain; charset=utf-8",
        "no-store",
        "Browsers cannot join this conference. Please call instead, as the invitation says.\n"
            .to_owned(),
    );
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// A page with its own policy; `frames`: who may show it inside another one.
fn page_answer(markup: String, policy: &str, frames: &'static str) -> Response {
    let mut response = answer("text/html; charset=utf-8", "private", markup);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_LANGUAGE,
        HeaderValue::from_static(page::LANGUAGE),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static(frames));
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn asset(media_type: &'static str, text: &'static str) -> Response {
    answer(media_type, "public, max-age=300", text.to_owned())
}

/// With what every answer carries. The policy is for what has none of its own: nothing may run.
fn answer(media_type: &'static str, cache: &'static str, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, cache),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'self'",
        ),
    ];
    (headers, body).into_response()
}

const WEB_CLIENT: &str = "/meet/web";
const UTILITIES: &str = include_str!("assets/Utilities.js");
const PLUGIN_LOADER: &str = include_str!("assets/PluginLoader.js");
const LAUNCH: &str = include_str!("assets/Launch.js");
const TEXTS: &str = include_str!("assets/Resources.en-US.js");
const STYLE: &str = include_str!("assets/ReachClient.css");

#[cfg(test)]
mod tests;
