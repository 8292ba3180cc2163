use super::*;
use plenum_focus::access::{AdmissionPolicy, Autopromote, ServerMode};
use plenum_focus::keys::KeyMap;
use plenum_focus::record::{Watchers, WithoutPresenter};

fn problems(text: &str) -> Vec<String> {
    match Config::parse(text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn an_empty_file_is_the_default() {
    let config = Config::parse("").unwrap();
    assert_eq!(config.sip.listen.len(), 6);
    assert_eq!(
        config.media.ports,
        PortRange {
            first: 16384,
            last: 32767
        }
    );
    assert!(config.conferences.ad_hoc);
    assert_eq!(config.conferences.template.keys, KeyMap::default());
}

#[test]
fn every_problem_is_reported_with_line_and_key() {
    let text = r#"
[sip]
listen = ["udp:127.0.0.1:5060", "sctp:127.0.0.1:5060"]
sesion_expires_s = 90

[media]
ports = "5-4"
codecs = ["opus", "g729"]
ptime_ms = 11

[[conference]]
pin = "12ab"

[[conference]]
name = "standup"
max_participants = -1

[keys]
"*6" = "explode"

[nonsense]
"#;
    let found = problems(text);
    let expected = [
        "line 3: sip.listen: entry 2:",
        "line 4: sip.sesion_expires_s: no such setting",
        "line 7: media.ports:",
        "line 8: media.codecs: entry 2: no codec \"g729\"",
        "line 9: media.ptime_ms: is 10, 20",
        "line 11: conference.name: is required",
        "line 12: conference.pin: is 1 to 32 digits",
        "line 16: conference.max_participants:",
        "line 19: keys.*6: no action \"explode\"",
        "line 21: nonsense: no such setting",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} is not {expected}");
    }
}

#[test]
fn syntax_errors_have_a_line_and_do_not_hide_the_rest() {
    let found = problems("[sip]\nt1_ms = = 4\n[media]\nptime_ms = 99\n");
    assert!(
        found.iter().any(|problem| problem.starts_with("line 2: ")),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|problem| problem.contains("media.ptime_ms")),
        "{found:?}"
    );
}

#[test]
fn two_conferences_of_one_name_are_refused() {
    let found = problems("[[conference]]\nname = \"a\"\n[[conference]]\nname = \"A\"\n");
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_conference_inherits_what_it_does_not_say() {
    let text =
        "[conferences]\nentry_tone = false\n[[conference]]\nname = \"a\"\nexit_tone = false\n";
    let config = Config::parse(text).unwrap();
    let conference = &config.conference[0];
    assert!(!conference.entry_tone && !conference.exit_tone);
    assert!(config.conferences.template.exit_tone);
}

#[test]
fn a_pin_is_not_printed() {
    let config = Config::parse("[[conference]]\nname = \"a\"\npin = \"4711\"\n").unwrap();
    assert!(!format!("{config:?}").contains("4711"));
}

#[test]
fn the_reference_knows_every_key_once() {
    let reference = Config::reference();
    let mut keys: Vec<_> = reference.iter().map(|known| &known.key).collect();
    let all = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all);
    assert!(all > 50, "{all}");
}

#[test]
fn identities_and_admission_are_read() {
    let text = r#"
[conferences]
watchers = "trusted"
[[conference]]
name = "board"
id = "B0A4D"
organizer = "sip:Olga@Example.COM"
presenters = ["sip:pia@example.com"]
invitees = ["sip:ivan@example.com", "sip:iris@example.com"]
admission = "closedAuthenticated"
autopromote = ["company", "everyone"]
lobby = true
pstn_lobby_bypass = true
without_presenter = "end"
presenter_grace_s = 30
[keys]
"*1" = "admit-all"
"*4" = "mute-all"
"*5" = "toggle-lock"
"#;
    let config = Config::parse(text).unwrap();
    let board = &config.conference[0];
    assert_eq!(board.id.as_deref(), Some("B0A4D"));
    let organizer = board.members.organizer.as_deref();
    assert_eq!(organizer, Some("sip:Olga@example.com"));
    assert_eq!(board.members.presenters, ["sip:pia@example.com"]);
    assert_eq!(board.members.invitees.len(), 2);
    assert_eq!(board.admission, AdmissionPolicy::ClosedAuthenticated);
    assert!(board.autopromote.covers(Autopromote::EVERYONE));
    assert!(board.autopromote.covers(Autopromote::COMPANY));
    assert_eq!(board.mode, ServerMode::Fourteen);
    assert!(board.pstn_lobby_bypass);
    let grace = Duration::from_secs(30);
    assert_eq!(board.without_presenter, WithoutPresenter::EndAfter(grace));
    assert_eq!(board.watchers, Watchers::Trusted);
    assert_eq!(config.conferences.template.mode, ServerMode::Thirteen);
}

#[test]
fn wrong_identities_and_policies_are_reported_with_their_lines() {
    let text = r#"[[conference]]
name = "board"
id = "not an id"
organizer = "sip:olga@example.com:5060"
presenters = ["sip:pia@example.com", "tel:+49"]
invitees = ["sip:example.com"]
admission = "open"
autopromote = ["friends"]
pstn_lobby_bypass = true
without_presenter = "panic"
watchers = "all"
"#;
    let found = problems(text);
    let expected = [
        "line 3: conference.id: is 1 to 64 letters",
        "line 4: conference.organizer: expected an address of record",
        "line 5: conference.presenters: entry 2: expected an address",
        "line 6: conference.invitees: entry 1: expected an address",
        "line 7: conference.admission: expected one of closedAuthenticated",
        "line 8: conference.autopromote: nobody is called \"friends\"",
        "line 9: conference.pstn_lobby_bypass: means nothing",
        "line 10: conference.without_presenter: expected \"keep\"",
        "line 11: conference.watchers: expected \"participants\"",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} is not {expected}");
    }
}

#[test]
fn records_go_where_they_can() {
    let at = |url| problems(&format!("[records]\nurl = \"{url}\"\n"));
    assert!(at("http://collector.example.com:8080/cdr").is_empty());
    for bad in [
        "https://collector.example.com/",
        "collector",
        "http://a b/",
        "http:///x",
    ] {
        let found = at(bad);
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
        assert!(
            found[0].starts_with("line 2: records.url: expected"),
            "{found:?}"
        );
    }
}

#[test]
fn two_conferences_of_one_id_are_refused() {
    let text =
        "[[conference]]\nname = \"a\"\nid = \"X1\"\n[[conference]]\nname = \"b\"\nid = \"x1\"\n";
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("have the id"), "{found:?}");
}

#[test]
fn no_host_is_a_way_around_the_strictest_domain() {
    let text = "[sip]\ndomains = [\"open.example\", \"secure.example\"]\n\
                [[auth.domain]]\nname = \"secure.example\"\n\
                [[auth.domain]]\nname = \"lax.example\"\nrequired = \"nobody\"\n";
    let auth = Config::parse(text).unwrap().auth;
    for (host, domain, expected) in [
        ("open.example", true, Required::Users),
        ("secure.example", true, Required::Everybody),
        ("SECURE.example.", true, Required::Everybody),
        ("lax.example", false, Required::Nobody),
        ("192.0.2.1", false, Required::Everybody),
        ("other.example", false, Required::Everybody),
    ] {
        assert_eq!(auth.required_for(host, domain), expected, "{host}");
    }
    let plain = Config::parse("").unwrap().auth;
    assert_eq!(plain.required_for("192.0.2.1", false), Required::Users);
}

#[test]
fn cm_097_templates_and_people_that_cannot_be_are_refused_with_their_lines() {
    let text = r#"
[[template]]
name = "stage"
panes = [[0, 0, 0.5, 1], [0.4, 0, 0.6, 1]]

[[template]]
name = "thin"
panes = [[0, 0, 0.0, 1]]

[[template]]
name = "allEqual"
panes = [[0, 0, 1, 1]]

[[template]]
name = "odd"
panes = [[0, 0, 1]]

[[conference]]
name = "board"
template = "nowhere"
pane_placement_self_pane_mode = "mirror"

[[conference.person]]
aor = "sip:ann@example.com"
seat = 65
"#;
    let found = problems(text);
    let expected = [
        "line 4: template.panes: panes 1 and 2 overlap",
        "line 8: template.panes: pane 1 is empty",
        "line 11: template.name: a template has a name of its own",
        "line 16: template.panes: pane 1 is [x, y, width, height]",
        "line 20: conference.template: there is no [[template]] named \"nowhere\"",
        "line 21: conference.pane_placement_self_pane_mode: is skip, self or blank",
        "line 25: conference.person.seat: is a pane, from 1 to 64",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} is not {expected}");
    }
    let twice = "[[conference]]\nname = \"board\"\n\
        [[conference.person]]\naor = \"sip:ann@example.com\"\nseat = 1\n\
        [[conference.person]]\naor = \"sip:bob@example.com\"\nseat = 1\n";
    assert_eq!(problems(twice).len(), 1, "one pane, two people");
}

#[test]
fn cm_100_cm_103_placement_is_every_conferences_unless_one_says_otherwise() {
    use plenum_mcu::control::{ActiveSpeakerMode, SelfPaneMode};
    let text = "[conferences]\npane_placement_highest_importance = 4\n\
        pane_placement_active_speaker_mode = \"suppressself\"\n\
        [[template]]\nname = \"half\"\npanes = [[0, 0, 0.5, 1], [0.25, 0.25, 0.5, 0.5, 1]]\n\
        [[conference]]\nname = \"board\"\npane_placement_self_pane_mode = \"blank\"\n\
        pane_placement_active_speaker_mode = \"none\"\ntemplate = \"half\"\n";
    let config = Config::parse(text).unwrap();
    let board = &config.conference[0];
    assert_eq!(board.placement.highest_importance, Some(4));
    assert_eq!(board.placement.self_pane, Some(SelfPaneMode::Blank));
    assert_eq!(
        board.placement.active_speaker,
        Some(ActiveSpeakerMode::None)
    );
    assert!(board.video.template.is_some() && config.conferences.template.video.template.is_none());
}
