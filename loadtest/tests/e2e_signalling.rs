//! Flows by hand: races, repetitions, strays, garbage, and the torture corpus on the wire.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::peer::raw::{Fields, RawPhone};
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::wire::Message;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

fn start() -> Server {
    Server::start(&program().unwrap(), &ServerSettings::default()).unwrap()
}

/// Answers an ordinary OPTIONS: the server is alive and well.
fn is_well(server: SocketAddr) -> bool {
    let phone = RawPhone::new(server).unwrap();
    let uri = format!("sip:{server}");
    let fields = Fields {
        method: "OPTIONS",
        uri: &uri,
        branch: "well",
        call_id: "well",
        cseq: "1 OPTIONS",
        to_tag: "",
        more: "",
        body: "",
    };
    phone.send(phone.request(&fields)).unwrap();
    phone
        .final_response("OPTIONS")
        .unwrap()
        .is_some_and(|text| text.starts_with("SIP/2.0 200"))
}

/// One flow of one call.
struct Flow {
    phone: RawPhone,
    uri: String,
    id: &'static str,
}

impl Flow {
    fn new(server: &Server, id: &'static str) -> Self {
        let phone = RawPhone::new(server.sip()).unwrap();
        Self {
            phone,
            uri: format!("sip:standup@{}", server.sip()),
            id,
        }
    }

    fn request(&self, method: &str, cseq: u32, branch: &str, to_tag: &str, body: &str) -> String {
        let branch = format!("{}{branch}", self.id);
        self.phone.request(&Fields {
            method,
            uri: &self.uri,
            branch: &branch,
            call_id: self.id,
            cseq: &format!("{cseq} {method}"),
            to_tag,
            more: "",
            body,
        })
    }

    fn end(&self, tag: &str) {
        self.phone
            .send(self.request("ACK", 1, "ack", tag, ""))
            .unwrap();
        self.phone
            .send(self.request("BYE", 2, "bye", tag, ""))
            .unwrap();
        let bye = self.phone.final_response("BYE").unwrap().unwrap();
        assert!(bye.starts_with("SIP/2.0 200"), "{bye}");
    }
}

fn tag_of(text: &str) -> String {
    Message::parse(text.as_bytes())
        .unwrap()
        .to_tag()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_repeated_invite_belongs_to_the_first_ones_transaction() {
    let server = start();
    let flow = Flow::new(&server, "repeat");
    let invite = flow.request("INVITE", 1, "i", "", &flow.phone.offer());
    flow.phone.send(&invite).unwrap();
    flow.phone.send(&invite).unwrap();
    let first = flow.phone.final_response("INVITE").unwrap().unwrap();
    flow.phone.send(&invite).unwrap();
    let second = flow.phone.final_response("INVITE").unwrap().unwrap();
    assert!(first.starts_with("SIP/2.0 200"), "{first}");
    assert_eq!(tag_of(&first), tag_of(&second), "RFC 6026 §7.1: one dialog");
    flow.end(&tag_of(&first));
}

#[test]
fn a_200_is_repeated_until_it_is_acknowledged() {
    let server = start();
    let flow = Flow::new(&server, "again");
    let invite = flow.request("INVITE", 1, "i", "", &flow.phone.offer());
    flow.phone.send(&invite).unwrap();
    let first = flow.phone.final_response("INVITE").unwrap().unwrap();
    for _ in 0..2 {
        let again = flow.phone.final_response("INVITE").unwrap();
        assert_eq!(again.as_ref(), Some(&first), "RFC 3261 §13.3.1.4");
    }
    flow.end(&tag_of(&first));
    assert_eq!(flow.phone.receive(Duration::from_secs(3)).unwrap(), None);
}

#[test]
fn a_merged_request_is_refused() {
    let server = start();
    let flow = Flow::new(&server, "merged");
    flow.phone
        .send(flow.request("INVITE", 1, "one", "", &flow.phone.offer()))
        .unwrap();
    flow.phone
        .send(flow.request("INVITE", 1, "two", "", &flow.phone.offer()))
        .unwrap();
    let of_branch = |branch: &str| {
        let wanted = format!("branch=z9hG4bKmerged{branch}");
        let found = flow.phone.await_message(Duration::from_secs(3), |message| {
            message.status().is_some_and(|status| status >= 200)
                && message
                    .header("Via", "v")
                    .is_some_and(|via| via.contains(&wanted))
        });
        found.unwrap().unwrap()
    };
    let second = of_branch("two");
    assert!(
        second.starts_with("SIP/2.0 482"),
        "RFC 3261 §8.2.2.2: {second}"
    );
}

#[test]
fn a_cancel_meets_the_answer_at_every_distance() {
    let server = start();
    for (id, delay) in [("c0", 0), ("c1", 1), ("c5", 5), ("c20", 20), ("c100", 100)] {
        let flow = Flow::new(&server, id);
        flow.phone
            .send(flow.request("INVITE", 1, "i", "", &flow.phone.offer()))
            .unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        flow.phone
            .send(flow.request("CANCEL", 1, "i", "", ""))
            .unwrap();
        let (mut invite, mut cancel) = (None, None);
        while invite.is_none() || cancel.is_none() {
            let text = flow
                .phone
                .await_message(Duration::from_secs(5), |m| {
                    m.status().is_some_and(|s| s >= 200)
                })
                .unwrap()
                .unwrap_or_else(|| panic!("{id}: INVITE {invite:?}, CANCEL {cancel:?}"));
            let message = Message::parse(text.as_bytes()).unwrap();
            let place = if message.method() == "CANCEL" {
                &mut cancel
            } else {
                &mut invite
            };
            *place = Some((message.status().unwrap(), tag_of(&text)));
        }
        // RFC 3261 §9.2: 200 to the CANCEL, or 481 where the transaction is gone already.
        assert!(
            matches!(cancel, Some((200 | 481, _))),
            "{id}: CANCEL got {cancel:?}"
        );
        match invite.unwrap() {
            (200, tag) => flow.end(&tag),
            (487, tag) => flow
                .phone
                .send(flow.request("ACK", 1, "i", &tag, ""))
                .unwrap(),
            other => panic!("{id}: INVITE got {other:?}"),
        }
    }
    assert!(is_well(server.sip()));
}

#[test]
fn requests_of_no_dialog_are_refused_and_stray_responses_ignored() {
    let server = start();
    let flow = Flow::new(&server, "stray");
    flow.phone
        .send(flow.request("BYE", 7, "b", "nobody", ""))
        .unwrap();
    let bye = flow.phone.final_response("BYE").unwrap().unwrap();
    assert!(bye.starts_with("SIP/2.0 481"), "RFC 3261 §12.2.2: {bye}");
    let response = flow.request("INVITE", 1, "x", "y", "");
    let response = response.split_once("\r\n").unwrap().1;
    flow.phone
        .send(format!("SIP/2.0 200 OK\r\n{response}"))
        .unwrap();
    flow.phone
        .send(flow.request("ACK", 1, "z", "nobody", ""))
        .unwrap();
    assert_eq!(
        flow.phone.receive(Duration::from_millis(300)).unwrap(),
        None
    );
    assert!(is_well(server.sip()));
}

#[test]
fn garbage_on_every_port_hurts_nobody() {
    let mut server = start();
    let sip = server.sip();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    // A linear congruence is garbage enough, and the same each time.
    let mut state = 1u64;
    let mut octet = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[2]
    };
    for length in (0..1500).step_by(7) {
        let garbage: Vec<u8> = (0..length).map(|_| octet()).collect();
        socket.send_to(&garbage, sip).unwrap();
        for port in (20_000..20_040).step_by(1) {
            // A closed port answers with ICMP, which the next send reports.
            drop(socket.send_to(&garbage, SocketAddr::new(sip.ip(), port)));
        }
    }
    let invite =
        b"INVITE sip:standup@x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKt\r\n";
    for length in 0..invite.len() {
        socket.send_to(&invite[..length], sip).unwrap();
    }
    for address in [sip, server.http()] {
        let mut stream = TcpStream::connect(address).unwrap();
        let garbage: Vec<u8> = (0..20_000).map(|_| octet()).collect();
        // The server may close before all of it is written.
        drop(stream.write_all(&garbage));
    }
    assert!(is_well(sip));
    assert!(server.alive(), "{}", server.log());
}

/// One row of `expect.tsv`.
struct Case {
    file: String,
    wire: String,
    reason: String,
    rfc: String,
}

fn cases(corpus: &Path) -> Vec<Case> {
    let table = fs::read_to_string(corpus.join("expect.tsv")).unwrap();
    let rows = table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    rows.map(|row| {
        let columns: Vec<&str> = row.split('\t').collect();
        let same = columns[1] == columns[2] && columns[3] != "-";
        Case {
            file: columns[0].to_owned(),
            wire: columns[2].to_owned(),
            reason: if same {
                columns[3].to_owned()
            } else {
                String::new()
            },
            rfc: columns[4].to_owned(),
        }
    })
    .collect()
}

/// What is wrong with an answer to a case, if anything.
fn fault(case: &Case, answer: Option<&str>) -> Option<String> {
    let message = answer.and_then(|text| Message::parse(text.as_bytes()));
    let status = message.as_ref().and_then(Message::status);
    let refused = [400, 416, 505, 513];
    let fits = |wanted: &str| match wanted {
        "silence" => answer.is_none(),
        "answered" => status.is_some_and(|status| !refused.contains(&status)),
        code => status.map(|status| status.to_string()).as_deref() == Some(code),
    };
    let line = message
        .as_ref()
        .map_or("nothing", |message| message.start_line());
    let right = case.wire.split('|').any(fits);
    let says_why = case.reason.is_empty() || line.contains(&case.reason);
    (!right || !says_why).then(|| {
        let Case {
            file,
            wire,
            reason,
            rfc,
        } = case;
        format!("{file} ({rfc}): expected {wire} {reason:?}, got {line:?}")
    })
}

#[test]
fn the_torture_corpus_on_the_wire() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip/tests/corpus");
    let mut server = start();
    let cases: Vec<Case> = cases(&corpus)
        .into_iter()
        .filter(|case| case.wire != "-")
        .collect();
    assert!(cases.len() > 100, "only {} cases", cases.len());
    let phones: Vec<RawPhone> = cases
        .iter()
        .map(|_| RawPhone::new(server.sip()).unwrap())
        .collect();
    for (case, phone) in cases.iter().zip(&phones) {
        phone
            .send(fs::read(corpus.join(&case.file)).unwrap())
            .unwrap();
    }
    let mut faults = Vec::new();
    for (case, phone) in cases.iter().zip(&phones) {
        // An answer takes milliseconds; silence is believed after a while that all cases share.
        let patience = if case.wire == "silence" { 30 } else { 2000 };
        let answer = phone
            .await_message(Duration::from_millis(patience), |message| {
                message.status().is_some_and(|status| status >= 200)
            })
            .unwrap();
        faults.extend(fault(case, answer.as_deref()));
    }
    assert!(server.alive(), "{}", server.log());
    assert!(
        is_well(server.sip()),
        "after the corpus an OPTIONS is not answered"
    );
    assert!(
        faults.is_empty(),
        "{} of {} cases:\n{}",
        faults.len(),
        cases.len(),
        faults.join("\n")
    );
}
