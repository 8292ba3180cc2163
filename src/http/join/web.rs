//! The web client: a conference in a browser, by SIP over the WebSocket at `/sip` (RFC 7118).
//!
//! | file | what it does |
//! |---|---|
//! | `web/client.js` | the page: what is pressed, what is shown |
//! | `web/agent.js` | a SIP user agent for one call and its subscription |
//! | `web/message.js` | SIP messages |
//! | `web/media.js` | microphone, camera, loudspeaker, the picture of the conference, screens that are shared, peer connection |
//! | `web/roster.js` | who is there and who speaks, from RFC 4575 documents |
//!
//! The modules are served as they are: there is nothing to build. The PIN is typed here and sent as
//! keys of the keypad, so that a browser passes the same door as a telephone.

use super::published::Invitation;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};

/// The modules of the client.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let script = |text: &'static str| {
        get(move || async move { super::asset("text/javascript; charset=utf-8", text) })
    };
    Router::new()
        .route("/meet/web/client.js", script(CLIENT))
        .route("/meet/web/agent.js", script(AGENT))
        .route("/meet/web/message.js", script(MESSAGE))
        .route("/meet/web/media.js", script(MEDIA))
        .route("/meet/web/roster.js", script(ROSTER))
}

/// The page of a conference; with `pictures` a camera can be used, and a screen shared.
pub(super) fn page(invitation: &Invitation, pictures: bool) -> Response {
    let markup = render(invitation, pictures).into_string();
    super::page_answer(markup, POLICY, "SAMEORIGIN")
}

fn render(invitation: &Invitation, pictures: bool) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" dir="ltr" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { "Conference" }
                link rel="stylesheet" type="text/css" href="/meet/Resources/ReachClient.css";
                script type="module" src="/meet/web/client.js" {}
            }
            body.reachJoinBody data-conference=(invitation.conference_uri) data-socket=(SOCKET) {
                main {
                    h1 { "Conference" }
                    p id="problem" role="alert" hidden {}
                    (lobby(pictures))
                    (call(pictures))
                    audio id="player" autoplay {}
                    noscript { p { "This page needs scripts. Please call by phone instead." } }
                }
            }
        }
    }
}

fn lobby(pictures: bool) -> Markup {
    html! {
        form id="lobby" autocomplete="off" {
            section aria-labelledby="joining" {
                h2 id="joining" { "Join with this browser" }
                p {
                    label for="name" { "Your name" }
                    input id="name" type="text" maxlength="64" required autocomplete="name";
                }
                p {
                    label for="pin" { "PIN, if you were given one" }
                    input id="pin" type="password" inputmode="numeric" pattern="[0-9 ]*" maxlength="40";
                }
                p {
                    label for="microphone" { "Microphone" }
                    select id="microphone" {}
                }
                p.row hidden[!pictures] {
                    input id="pictures" type="checkbox";
                    label for="pictures" { "With camera and picture" }
                }
                // Enabled by the script, without which it would lead nowhere.
                p { button id="join" type="submit" disabled { "Join" } }
            }
        }
    }
}

fn call(pictures: bool) -> Markup {
    html! {
        div id="call" hidden {
            p id="status" role="status" {}
            video id="slides" autoplay playsinline muted hidden aria-label="The shared screen" {}
            video id="screen" autoplay playsinline muted hidden aria-label="The conference" {}
            section aria-labelledby="controls" {
                h2 id="controls" { "Your call" }
                p.row {
                    button id="mute" type="button" aria-pressed="false" aria-keyshortcuts="m" { "Mute" }
                    button id="camera" type="button" aria-pressed="true" aria-keyshortcuts="v" hidden {
                        "Camera off"
                    }
                    button id="share" type="button" aria-pressed="false" aria-keyshortcuts="s" hidden[!pictures] {
                        "Share screen"
                    }
                    button id="leave" type="button" { "Leave" }
                }
                p {
                    label for="other-microphone" { "Microphone" }
                    select id="other-microphone" {}
                }
                form.row id="keys" autocomplete="off" {
                    label for="digits" { "PIN or keys" }
                    input id="digits" type="text" inputmode="tel" pattern="[0-9*# ]*" maxlength="40";
                    button type="submit" { "Send" }
                }
            }
            section aria-labelledby="here" {
                h2 id="here" { "Who is here (" span id="count" { "0" } ")" }
                ul id="people" aria-labelledby="here" {}
            }
        }
    }
}

/// Where [`crate::http::websocket`] listens.
const SOCKET: &str = "/sip";
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      media-src 'self' blob: mediastream:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'self'";
const CLIENT: &str = include_str!("web/client.js");
const AGENT: &str = include_str!("web/agent.js");
const MESSAGE: &str = include_str!("web/message.js");
const MEDIA: &str = include_str!("web/media.js");
const ROSTER: &str = include_str!("web/roster.js");
