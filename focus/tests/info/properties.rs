//! What is written is read as it was, and valid.

use super::LIMITS;
use super::generate;
use super::schema::{assert_standard, assert_valid};
use plenum_focus::c3p::{CommandReason, Diagnostics, Reason, read_request, read_response};
use plenum_focus::info::{self, Form, Rendering};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

proptest! {
    #![proptest_config(super::cases(400))]

    #[test]
    fn requests_are_read_as_they_were_written(request in generate::request()) {
        let octets = request.to_octets();
        prop_assert_eq!(read_request(&octets, &LIMITS), Ok(request));
    }

    #[test]
    fn responses_are_read_as_they_were_written(response in generate::response()) {
        let octets = response.to_octets();
        prop_assert_eq!(read_response(&octets, &LIMITS), Ok(response));
    }

    #[test]
    fn documents_are_read_as_they_were_written(info in generate::info()) {
        let octets = Rendering::new(&info, Form::Extended).with_version(info.version.unwrap());
        prop_assert_eq!(info::read(&octets, &LIMITS), Ok(info));
    }

    #[test]
    fn a_rendering_in_parts_is_the_rendering(info in generate::info(), version in any::<u32>()) {
        let rendering = Rendering::new(&info, Form::Standard);
        prop_assert_eq!(rendering.parts(version).concat(), rendering.with_version(version).to_vec());
    }
}

/// A document with parts removed, doubled, moved or overwritten.
fn damaged(document: &[u8], damages: &[(u8, prop::sample::Index, prop::sample::Index)]) -> Vec<u8> {
    let mut octets = document.to_vec();
    for (kind, one, other) in damages {
        if octets.is_empty() {
            break;
        }
        let (one, other) = (one.index(octets.len()), other.index(octets.len()));
        let (from, to) = (one.min(other), one.max(other));
        match kind % 4 {
            0 => drop(octets.drain(from..to)),
            1 => {
                let part = octets[from..to].to_vec();
                octets.splice(from..from, part);
            }
            2 => octets.swap(from, to),
            _ => octets[from] = *kind,
        }
    }
    octets
}

proptest! {
    #![proptest_config(super::cases(1_500))]

    /// Whatever is still read is read the same after it was written anew.
    #[test]
    fn damaged_documents_do_not_panic_and_what_is_read_is_stable(
        document in prop_oneof![
            generate::request().prop_map(|request| request.to_octets()),
            generate::response().prop_map(|response| response.to_octets()),
            generate::info().prop_map(|info| {
                Rendering::new(&info, Form::Extended).with_version(1).to_vec()
            }),
        ],
        damages in proptest::collection::vec(any::<(u8, prop::sample::Index, prop::sample::Index)>(), 1..4),
    ) {
        let octets = damaged(&document, &damages);
        if let Ok(request) = read_request(&octets, &LIMITS) {
            prop_assert_eq!(read_request(&request.to_octets(), &LIMITS), Ok(request));
        }
        if let Ok(response) = read_response(&octets, &LIMITS) {
            prop_assert_eq!(read_response(&response.to_octets(), &LIMITS), Ok(response));
        }
        if let Ok(mut info) = info::read(&octets, &LIMITS) {
            let version = info.version.unwrap_or(0);
            let again = Rendering::new(&info, Form::Extended).with_version(version);
            info.version = Some(version);
            info.conference_state = None;
            if let Some(description) = &mut info.description {
                description.maximum_user_count = None;
            }
            prop_assert_eq!(info::read(&again, &LIMITS), Ok(info));
        }
    }
}

/// Some hundred random values, always the same.
fn sample<T: std::fmt::Debug>(strategy: &impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

fn named(documents: &[Vec<u8>]) -> impl Iterator<Item = (String, &[u8])> {
    documents
        .iter()
        .enumerate()
        .map(|(number, document)| (number.to_string(), document.as_slice()))
}

#[test]
fn cb_006_every_request_is_valid() {
    let requests = sample(&generate::request(), 300);
    let documents: Vec<_> = requests.iter().map(|request| request.to_octets()).collect();
    assert_valid(named(&documents));
}

#[test]
fn cb_172_every_failure_of_every_command_is_valid() {
    let requests = sample(&generate::request(), 300);
    let documents: Vec<_> = requests
        .iter()
        .map(|request| {
            let diagnostics = Diagnostics::public(3126, "No", "focus.example.com");
            let failed = request.failed(
                Reason::Unauthorized,
                CommandReason::OtherFailure,
                diagnostics,
            );
            let name = failed
                .result
                .as_ref()
                .map(|result| result.body.name().as_str());
            assert_eq!(name, Some(request.command.name()));
            failed.to_octets()
        })
        .collect();
    assert_valid(named(&documents));
}

#[test]
#[should_panic(expected = "not expected")]
fn the_judge_refuses_what_our_schema_does_not_know() {
    let document = "<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' \
        entity='sip:a@b' state='full' version='1'><unheard-of/></conference-info>";
    assert_standard([("wrong".to_owned(), document.as_bytes())]);
}

#[test]
fn cb_006_every_response_is_valid() {
    let responses = sample(&generate::response(), 300);
    let documents: Vec<_> = responses
        .iter()
        .map(|response| response.to_octets())
        .collect();
    assert_valid(named(&documents));
}

#[test]
fn cb_100_every_document_is_valid_in_both_forms() {
    let infos = sample(&generate::info(), 300);
    let render = |form| -> Vec<Vec<u8>> {
        let rendered = infos
            .iter()
            .map(|info| Rendering::new(info, form).with_version(7));
        rendered.map(|octets| octets.to_vec()).collect()
    };
    assert_valid(named(&render(Form::Extended)));
    let standard = render(Form::Standard);
    assert_valid(named(&standard));
    assert_standard(named(&standard));
}
