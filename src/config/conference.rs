//! `[conferences]`, `[[conference]]` and `[keys]`: what conferences there are, and what they are
//! like.

use super::Conferences;
use super::read::{Seconds, Section};
use super::recording::read_recording;
use super::values::{Aor, Unled, alone_name, autopromote_list, slides_name, watchers_name};
use super::video::{check_people, read_person, read_pictures, read_placement};
use crate::limits::Limits;
use crate::templates::Templates;
use plenum_focus::access::{Members, ServerMode};
use plenum_focus::keys::{KeyAction, KeyMap};
use plenum_focus::pin::Pin;
use plenum_focus::record::{ConferenceName, ConferenceRecord, Origin, WithoutPresenter};
use std::time::Duration;

impl Conferences {
    pub(super) fn read(
        section: &mut Section<'_, '_>,
        keys: KeyMap,
        templates: &Templates,
        limits: &Limits,
    ) -> Self {
        let ad_hoc = section.get("ad_hoc", "true");
        let ad_hoc_from = section.get("ad_hoc_from", "[]");
        let trusted = section.get("trusted", r#"["127.0.0.0/8", "::1"]"#);
        let nameless = ConferenceName::new("ad-hoc", limits.focus.name_bytes);
        let builtin = nameless.map(|name| ConferenceRecord {
            keys,
            max_endpoints: Some(500),
            agc: false,
            noise_gate: false,
            ..ConferenceRecord::ad_hoc(name)
        });
        let builtin =
            builtin.unwrap_or_else(|| unreachable!("`ad-hoc` is a name within any limit"));
        let template = read_traits(section, &builtin, templates);
        Self {
            ad_hoc,
            ad_hoc_from,
            trusted,
            template,
        }
    }
}

/// What both `[conferences]` and every `[[conference]]` can say.
fn read_traits(
    section: &mut Section<'_, '_>,
    base: &ConferenceRecord,
    templates: &Templates,
) -> ConferenceRecord {
    let most = base.max_endpoints.unwrap_or(500).to_string();
    let record = ConferenceRecord {
        max_endpoints: Some(section.get("max_participants", &most)),
        entry_tone: section.get("entry_tone", &base.entry_tone.to_string()),
        exit_tone: section.get("exit_tone", &base.exit_tone.to_string()),
        alone: section.get("alone", &quoted(alone_name(base.alone))),
        language: section.get("language", &quoted(&base.language)),
        replace_on_redial: section.get("replace_on_redial", &base.replace_on_redial.to_string()),
        hang_up_on_media_loss: section.get(
            "hang_up_on_media_loss",
            &base.hang_up_on_media_loss.to_string(),
        ),
        grace: section
            .get::<Seconds>("linger_s", &base.grace.as_secs().to_string())
            .0,
        agc: section.get("agc", &base.agc.to_string()),
        noise_gate: section.get("noise_gate", &base.noise_gate.to_string()),
        video: read_pictures(section, &base.video, templates),
        placement: read_placement(section, &base.placement),
        recording: read_recording(section, base.recording),
        change_layout: section.get("change_layout", &base.change_layout.to_string()),
        slides: section.get("slides", &quoted(slides_name(base.slides))),
        ..read_admission(section, base)
    };
    if record.max_endpoints == Some(0) {
        section.refuse("max_participants", "is at least 1".to_owned());
    }
    if record.language != "en" {
        section.refuse(
            "language",
            "has no prompts here; there are: \"en\"".to_owned(),
        );
    }
    record
}

/// Who gets in and as what, who waits, who leads, who watches.
fn read_admission(section: &mut Section<'_, '_>, base: &ConferenceRecord) -> ConferenceRecord {
    let had_lobby = base.mode == ServerMode::Fourteen;
    let lobby = section.get("lobby", &had_lobby.to_string());
    let record = ConferenceRecord {
        admission: section.get("admission", &quoted(base.admission.as_str())),
        autopromote: section.get("autopromote", &autopromote_list(base.autopromote)),
        mode: if lobby {
            ServerMode::Fourteen
        } else {
            ServerMode::Thirteen
        },
        pstn_lobby_bypass: section.get("pstn_lobby_bypass", &base.pstn_lobby_bypass.to_string()),
        without_presenter: read_without_presenter(section, base.without_presenter),
        watchers: section.get("watchers", &quoted(watchers_name(base.watchers))),
        ..base.clone()
    };
    if record.pstn_lobby_bypass && !lobby {
        section.refuse(
            "pstn_lobby_bypass",
            "means nothing where lobby is false".to_owned(),
        );
    }
    record
}

fn read_without_presenter(
    section: &mut Section<'_, '_>,
    base: WithoutPresenter,
) -> WithoutPresenter {
    let (word, grace) = match base {
        WithoutPresenter::GoOn => ("keep", UNLED_GRACE),
        WithoutPresenter::EndAfter(grace) => ("end", grace),
    };
    let unled = section.get("without_presenter", &quoted(word));
    let grace = section.get::<Seconds>("presenter_grace_s", &grace.as_secs().to_string());
    match unled {
        Unled::Keep => WithoutPresenter::GoOn,
        Unled::End => WithoutPresenter::EndAfter(grace.0),
    }
}

pub(super) fn read(
    section: &mut Section<'_, '_>,
    template: &ConferenceRecord,
    templates: &Templates,
    limits: &Limits,
) -> Option<ConferenceRecord> {
    let name: Option<String> = section.required("name");
    let subject: String = section.get("subject", "\"\"");
    let pin = read_pin(section);
    let number = read_number(section);
    let locked = section.get("locked", "false");
    let dial_out: Vec<String> = section.get("dial_out", "[]");
    let id = read_id(section);
    let members = read_members(section);
    let people: Vec<_> = section.sections("person", read_person);
    let people: Vec<_> = people.into_iter().flatten().collect();
    check_people(section, &people);
    let traits = read_traits(section, template, templates);
    if let Some(odd) = dial_out.iter().find(|uri| !uri.starts_with("sip:")) {
        section.refuse("dial_out", format!("\"{odd}\" is not a SIP URI (sip:…)"));
    }
    let name = name?;
    let Some(name) = ConferenceName::new(&name, limits.focus.name_bytes) else {
        let most = limits.focus.name_bytes;
        section.refuse(
            "name",
            format!("is 1 to {most} characters without control characters"),
        );
        return None;
    };
    Some(ConferenceRecord {
        name,
        subject: Some(subject).filter(|subject| !subject.is_empty()),
        pin,
        number,
        locked,
        dial_out,
        id,
        members,
        people,
        origin: Origin::Configured,
        ..traits
    })
}

fn read_pin(section: &mut Section<'_, '_>) -> Option<Pin> {
    let digits: String = section.optional("pin", "(none)")?;
    let pin = Pin::new(&digits);
    if pin.is_none() {
        section.refuse("pin", "is 1 to 32 digits in quotes".to_owned());
    }
    pin
}

fn read_number(section: &mut Section<'_, '_>) -> Option<String> {
    let number: String = section.optional("number", "(the name, if it is digits)")?;
    let digits = number.bytes().all(|octet| octet.is_ascii_digit());
    if !digits || !(1..=32).contains(&number.len()) {
        section.refuse("number", "is 1 to 32 digits in quotes".to_owned());
        return None;
    }
    Some(number)
}

/// `[entry]`: what callers reach who are to key in the number of a conference; `None` where there is none.
pub(super) fn read_entry(
    section: &mut Section<'_, '_>,
    template: &ConferenceRecord,
    limits: &Limits,
) -> Option<ConferenceRecord> {
    let name: String = section.optional("name", "(none)")?;
    let Some(name) = ConferenceName::new(&name, limits.focus.name_bytes) else {
        let most = limits.focus.name_bytes;
        section.refuse(
            "name",
            format!("is 1 to {most} characters without control characters"),
        );
        return None;
    };
    let (language, callers) = (template.language.clone(), limits.focus.entry.callers);
    Some(ConferenceRecord::entry(name, language, callers))
}

fn read_id(section: &mut Section<'_, '_>) -> Option<String> {
    let id: String = section.optional("id", "(made from the name)")?;
    let usual = id.bytes().all(|octet| octet.is_ascii_alphanumeric());
    if !usual || !(1..=64).contains(&id.len()) {
        section.refuse("id", "is 1 to 64 letters and digits".to_owned());
        return None;
    }
    Some(id)
}

fn read_members(section: &mut Section<'_, '_>) -> Members {
    let organizer = section.optional::<Aor>("organizer", "(none)");
    let mut list = |key| {
        let people: Vec<Aor> = section.get(key, "[]");
        people.into_iter().map(|aor| aor.0).collect()
    };
    Members {
        organizer: organizer.map(|aor| aor.0),
        presenters: list("presenters"),
        invitees: list("invitees"),
    }
}

/// `[keys]`: present, it replaces the built-in ones as a whole.
pub(super) fn read_keys(section: &mut Section<'_, '_>, limits: &Limits) -> KeyMap {
    let chosen: Vec<(String, KeyAction)> = section.entries();
    if chosen.is_empty() {
        return KeyMap::default();
    }
    let mut keys = KeyMap::empty(KeyMap::default().inter_digit);
    for (sequence, action) in chosen {
        if let Err(error) = keys.bind(&sequence, action, limits.focus.key_bindings) {
            section.refuse(&sequence, error.to_string());
        }
    }
    keys
}

pub(super) fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// How long a conference waits for a presenter, where one has to be there.
const UNLED_GRACE: Duration = Duration::from_secs(60);
