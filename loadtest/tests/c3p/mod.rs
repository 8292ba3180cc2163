//! A participant that speaks C3P: text in, text out, over UDP or TCP, with a parser of our own.

pub(crate) mod body;
mod endpoints;
mod leaving;
pub(crate) mod line;
mod media;
mod meeting;
mod pictures;
pub(crate) mod schema;
mod secrets;
mod sipe;
mod vectors;

use line::Line;
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::wire::Message;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) const ID: &str = "5D3747C";
pub(crate) const FOCUS_BODY: &str = "application/cccp+xml";
const PATIENCE: Duration = Duration::from_secs(5);

/// pia presents in `standup`; what else the conference is like.
pub(crate) fn start(traits: &str) -> Server {
    start_with("", traits)
}

/// The same, with further keys of `[sip]`.
pub(crate) fn start_with(sip: &str, traits: &str) -> Server {
    start_more(sip, traits, "")
}

/// The same, with further sections.
pub(crate) fn start_more(sip: &str, traits: &str, sections: &str) -> Server {
    let rest = format!(
        "[[conference]]\nname = \"standup\"\nid = \"{ID}\"\n\
         presenters = [\"sip:pia@example.com\"]\nagc = false\n{traits}\n{sections}"
    );
    let settings = ServerSettings {
        rest,
        sip: sip.to_owned(),
        ..ServerSettings::default()
    };
    Server::start(&program().unwrap(), &settings).unwrap()
}

pub(crate) fn focus_uri(server: &Server) -> String {
    format!(
        "sip:standup@{};gruu;opaque=app:conf:focus:id:{ID}",
        server.sip().ip()
    )
}

pub(crate) fn mcu_uri(server: &Server) -> String {
    focus_uri(server).replace(":focus:", ":audio-video:")
}

/// Waiting on real sockets needs a real clock.
#[expect(clippy::disallowed_methods, reason = "the bound of a wait on a socket")]
fn now() -> Instant {
    Instant::now()
}

/// Where a dialog goes (RFC 3261 §12).
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    pub(crate) local: String,
    pub(crate) remote: String,
    pub(crate) target: String,
}

/// Somebody with one dialog for C3P and one for events.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) line: Line,
    pub(crate) aor: String,
    pub(crate) focus: String,
    pub(crate) dialog: Option<Dialog>,
    /// What requests of the focus in a dialog are answered with.
    pub(crate) status: &'static str,
    inbox: VecDeque<String>,
    sequence: u32,
}

impl Person {
    pub(crate) fn new(server: &Server, user: &str, tcp: bool) -> Self {
        Self {
            line: Line::new(server.sip(), tcp),
            aor: format!("sip:{user}@example.com"),
            focus: focus_uri(server),
            dialog: None,
            status: "200 OK",
            inbox: VecDeque::new(),
            sequence: 0,
        }
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.line.local()
    }

    /// Another connection instead of ours, which breaks.
    pub(crate) fn reconnect(&mut self, server: &Server) {
        self.line = Line::new(server.sip(), true);
    }

    /// A request outside of a dialog, or in ours; `more` are header lines, each with its CRLF.
    pub(crate) fn send(&mut self, method: &str, more: &str, kind: &str, text: &str) {
        let dialog = self.dialog.clone().unwrap_or_else(|| Dialog {
            call_id: format!("{}-{}", self.sequence + 1, self.local()),
            local: format!("<{}>;tag={}", self.aor, self.local().port()),
            remote: format!("<{}>", self.focus),
            target: self.focus.clone(),
        });
        self.send_in(&dialog, method, more, kind, text);
    }

    pub(crate) fn send_in(
        &mut self,
        dialog: &Dialog,
        method: &str,
        more: &str,
        kind: &str,
        text: &str,
    ) {
        // The ACK has the number of its INVITE, which is the last request that we sent.
        if method != "ACK" {
            self.sequence += 1;
        }
        let Dialog {
            call_id,
            local,
            remote,
            target,
        } = dialog;
        let (sequence, here, transport) = (self.sequence, self.local(), self.line.transport());
        let low = transport.to_ascii_lowercase();
        let kind = if text.is_empty() {
            String::new()
        } else {
            format!("Content-Type: {kind}\r\n")
        };
        let length = text.len();
        self.line.send(&format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {here};branch=z9hG4bK{sequence}{method}{};rport\r\n\
             Max-Forwards: 70\r\nFrom: {local}\r\nTo: {remote}\r\nCall-ID: {call_id}\r\n\
             CSeq: {sequence} {method}\r\nContact: <sip:c@{here};transport={low}>\r\n\
             {more}{kind}Content-Length: {length}\r\n\r\n{text}",
            here.port()
        ));
    }

    /// INVITE with addUser; what the answer says. A 200 makes our dialog and is acknowledged.
    pub(crate) fn invite(&mut self, text: &str) -> String {
        self.call(FOCUS_BODY, text)
    }

    /// INVITE with any body.
    pub(crate) fn call(&mut self, kind: &str, text: &str) -> String {
        self.send("INVITE", "Supported: timer\r\n", kind, text);
        let answer = self.answer("INVITE");
        self.confirm(&answer);
        answer
    }

    /// A 200 makes our dialog and is acknowledged.
    pub(crate) fn confirm(&mut self, answer: &str) {
        let message = Message::parse(answer.as_bytes()).unwrap();
        if message.status() == Some(200) {
            self.dialog = Some(Dialog {
                call_id: message.call_id().to_owned(),
                local: message.header("From", "f").unwrap().to_owned(),
                remote: message.header("To", "t").unwrap().to_owned(),
                target: message.contact().unwrap().to_owned(),
            });
            self.send("ACK", "", "", "");
        }
    }

    /// Calls off the INVITE that was sent last (RFC 3261 §9.1).
    pub(crate) fn cancel(&mut self) {
        let (aor, focus, sequence, here) = (&self.aor, &self.focus, self.sequence, self.local());
        let (transport, port) = (self.line.transport(), here.port());
        let text = format!(
            "CANCEL {focus} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {here};branch=z9hG4bK{sequence}INVITE{port};rport\r\n\
             Max-Forwards: 70\r\nFrom: <{aor}>;tag={port}\r\nTo: <{focus}>\r\n\
             Call-ID: {sequence}-{here}\r\nCSeq: {sequence} CANCEL\r\nContent-Length: 0\r\n\r\n"
        );
        self.line.send(&text);
    }

    /// Joins, and is let in or waits.
    pub(crate) fn join(&mut self) -> String {
        let text = body::join(self);
        let answer = self.invite(&text);
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        answer
    }

    /// SUBSCRIBE in our dialog, or in one of its own; the answer, which is a 200.
    pub(crate) fn subscribe(&mut self, more: &str) -> String {
        let event = format!(
            "Event: conference\r\nAccept: application/conference-info+xml\r\nExpires: 3600\r\n{more}"
        );
        self.send("SUBSCRIBE", &event, "", "");
        let answer = self.answer("SUBSCRIBE");
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        for expect in ["Expires: ", ";isfocus", ";tag="] {
            assert!(answer.contains(expect), "CB-095: {expect}: {answer}");
        }
        answer
    }

    /// A command by INFO, which gets its 202 (CB-147), and its first response (CB-151).
    pub(crate) fn command(&mut self, inner: &str) -> String {
        self.begin(inner);
        self.response()
    }

    /// A command by INFO, which gets its 202.
    pub(crate) fn begin(&mut self, inner: &str) {
        let text = body::request(self, "7", inner);
        self.send("INFO", "", FOCUS_BODY, &text);
        let answer = self.answer("INFO");
        assert!(answer.starts_with("SIP/2.0 202"), "{answer}");
    }

    /// A command that succeeds.
    pub(crate) fn succeed(&mut self, inner: &str) -> String {
        let response = self.command(inner);
        assert!(response.contains("code=\"success\""), "{response}");
        response
    }

    /// A command that fails so, at both places where it says why.
    pub(crate) fn fail(&mut self, inner: &str, reasons: &[&str]) {
        let response = self.command(inner);
        assert!(response.contains("code=\"failure\""), "{response}");
        for reason in reasons {
            let says = format!("reason=\"{reason}\"");
            assert!(response.contains(&says), "{reason}: {response}");
        }
    }

    /// The next INFO of the focus.
    pub(crate) fn response(&mut self) -> String {
        let info = self.await_text(PATIENCE, |text| text.starts_with("INFO "));
        assert!(info.contains(FOCUS_BODY), "CB-005: {info}");
        assert!(info.contains("C3PVersion=\"1\""), "CB-012: {info}");
        schema::check(&info);
        info
    }

    /// The final answer to a method.
    pub(crate) fn answer(&mut self, method: &str) -> String {
        let sequence = self.sequence;
        self.await_text(PATIENCE, |text| {
            let message = Message::parse(text.as_bytes()).unwrap();
            message.status().is_some_and(|status| status >= 200)
                && (message.method(), message.cseq()) == (method, sequence)
        })
    }

    /// The next notification that says this.
    pub(crate) fn notified(&mut self, what: &str) -> String {
        let text = self.await_text(PATIENCE, |text| {
            text.split(' ')
                .next()
                .is_some_and(|method| method.ends_with("NOTIFY"))
                && text.contains(what)
        });
        schema::check(&text);
        text
    }

    /// The next message of a kind; those before it stay for later.
    pub(crate) fn await_text(&mut self, time: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let end = now() + time;
        loop {
            if let Some(place) = self.inbox.iter().position(|text| wanted(text)) {
                return self.inbox.remove(place).unwrap();
            }
            let left = end.saturating_duration_since(now());
            assert!(!left.is_zero(), "nothing of it; there is {:#?}", self.inbox);
            self.take(left);
        }
    }

    /// Nothing of a kind comes in this time.
    pub(crate) fn lacks(&mut self, time: Duration, unwanted: impl Fn(&str) -> bool) {
        let end = now() + time;
        while now() < end {
            self.take(end.saturating_duration_since(now()));
        }
        assert!(
            !self.inbox.iter().any(|text| unwanted(text)),
            "{:#?}",
            self.inbox
        );
    }

    /// Takes what comes, and answers each request but INVITE, ACK and BENOTIFY with our status.
    fn take(&mut self, time: Duration) {
        let Some(text) = self.line.receive(time) else {
            return;
        };
        let message = Message::parse(text.as_bytes()).unwrap();
        let silent = ["INVITE", "ACK", "BENOTIFY"].contains(&message.method());
        if message.status().is_none() && !silent {
            self.line.send(&message.answer(self.status, "uas", "", ""));
        }
        self.inbox.push_back(text);
    }
}
