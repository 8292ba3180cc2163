use super::*;

fn problems(text: &str) -> Vec<String> {
    match Config::parse(text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn an_empty_file_is_the_default() {
    let config = Config::parse("").unwrap();
    assert_eq!(config.sip.listen.len(), 4);
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
