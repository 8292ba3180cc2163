//! The join page.

use super::escape::ScriptString;
use super::published::Invitation;
use super::qr;
use crate::config::PhoneNumber;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// What stands on a page. Nothing of it is escaped yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    /// Lets the one script inside the page run.
    pub(super) nonce: &'a str,
    /// Where the link leads; `None`: nowhere.
    pub(super) invitation: Option<&'a Invitation>,
    /// The telephone number of the server.
    pub(super) phone: Option<&'a PhoneNumber>,
    /// Browsers can join.
    pub(super) browser: bool,
    /// Where the web client is, the document in its query.
    pub(super) reach_url: &'a str,
    /// The ocsmeet document, as its script variable holds it.
    pub(super) escaped_xml: &'a str,
    /// The path of the ocsmeet document.
    pub(super) document_path: &'a str,
}

/// The whole page.
pub(super) fn render(page: &Page<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html.reachJoinHtml lang="en" dir="ltr" {
            (head(page))
            body.reachJoinBody {
                main id="mainTable" {
                    @match page.invitation {
                        Some(invitation) => (ways_in(page, invitation)),
                        None => (nowhere()),
                    }
                }
                @if page.invitation.is_some() && page.browser {
                    div id="launchReachDiv" hidden {
                        iframe id="launchReachFrame" title="Conference in the browser"
                            allow="microphone; camera; display-capture; autoplay" {}
                    }
                }
                footer { p { "Plenum conference server" } }
            }
        }
    }
}

fn head(page: &Page<'_>) -> Markup {
    let title = match page.invitation {
        Some(_) => "Join the conference",
        None => "This link is not valid",
    };
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="robots" content="noindex";
            title { (title) }
            link rel="stylesheet" type="text/css" href="/meet/Resources/ReachClient.css";
            script nonce=(page.nonce) { (PreEscaped(variables(page))) }
            @for source in SCRIPTS {
                script src=(source) {}
            }
        }
    }
}

/// The variables that the scripts start from (CB-298), and whether there is a web client.
fn variables(page: &Page<'_>) -> String {
    let truth = |value| if value { "True" } else { "False" };
    let known = page.invitation.is_some();
    let all = [
        ("reachURL", page.reach_url),
        ("escapedXML", page.escaped_xml),
        ("showJoinUsingLegacyClientLink", truth(known)),
        ("urlCrackingError", truth(!known)),
        ("currentLanguage", LANGUAGE),
        ("browserCanJoin", truth(known && page.browser)),
    ];
    let line = |(name, value)| format!("var {name} = {};\n", ScriptString(value));
    all.into_iter().map(line).collect()
}

fn ways_in(page: &Page<'_>, invitation: &Invitation) -> Markup {
    html! {
        h1 { "Join the conference" }
        p id="joinLauncherErrorDiv" role="alert" hidden { span id="errorTextLabel" {} }
        p id="launchRichClientDiv" role="status" hidden {
            strong id="launchRichClientHeaderLabel" {} " "
            span id="launchRichClientTextLabel" {}
        }
        @if page.browser {
            section aria-labelledby="browser" {
                h2 id="browser" { "In this browser" }
                p { a.button id="launchReachLink" href=(page.reach_url) { "Join in the browser" } }
            }
        }
        (by_sip(invitation))
        @if let Some(phone) = page.phone {
            (by_telephone(phone, invitation.number.as_deref()))
        }
        section aria-labelledby="client" {
            h2 id="client" { "With a meeting client" }
            p {
                "A client that opens meeting files starts from this one: "
                a id="legacyClientLink" href=(page.document_path) download {
                    "download the meeting file"
                }
                "."
            }
        }
        p.hint {
            "You may be asked for a PIN: type it on the keypad. "
            "Whoever invited you knows it."
        }
    }
}

fn by_sip(invitation: &Invitation) -> Markup {
    let uri = &invitation.sip_uri;
    html! {
        section.split aria-labelledby="sip" {
            div {
                h2 id="sip" { "With a SIP phone or app" }
                p { "Call this address:" }
                p.address { a href=(uri) { (uri) } }
            }
            @if let Some(code) = qr::svg(uri, "QR code of this address") {
                figure {
                    (code)
                    figcaption { "Or scan it with the phone’s camera." }
                }
            }
        }
    }
}

fn by_telephone(phone: &PhoneNumber, number: Option<&str>) -> Markup {
    html! {
        section aria-labelledby="telephone" {
            h2 id="telephone" { "By telephone" }
            dl {
                div {
                    dt { "Call" }
                    dd { a href={ "tel:" (phone.digits) } { (phone.shown) } }
                }
                @if let Some(number) = number {
                    div {
                        dt { "Conference number" }
                        dd { (number) }
                    }
                }
            }
        }
    }
}

fn nowhere() -> Markup {
    html! {
        h1 { "This link is not valid" }
        p id="joinLauncherErrorDiv" { span id="errorTextLabel" { (BAD_LINK) } }
        p { "Compare it with your invitation, or ask whoever invited you for a new one." }
    }
}

/// The language of the pages (CB-298).
pub(super) const LANGUAGE: &str = "en-US";
const BAD_LINK: &str =
    "It leads to no conference here. It may be incomplete, or the conference may be over.";
/// In the order in which they need each other (CB-299, CB-300).
const SCRIPTS: [&str; 4] = [
    "/meet/JavaScript/Utilities.js",
    "/meet/JavaScript/PluginLoader.js",
    "/meet/JavaScript/Launch.js",
    "/meet/JavaScriptResourceHandler.ashx?language=en-US",
];
