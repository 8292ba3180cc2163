//! Phones of users with passwords, by hand.

use plenum_loadtest::digest::Login;
use plenum_loadtest::peer::raw::RawPhone;
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::wire::Message;
use std::time::Duration;

/// A server that trusts nobody's `From`.
pub(crate) fn strict(rest: &str) -> ServerSettings {
    let settings = ServerSettings::default();
    ServerSettings {
        conferences: format!("{}trusted = []\n", settings.conferences),
        rest: rest.to_owned(),
        ..settings
    }
}

pub(crate) fn start(settings: &ServerSettings) -> Server {
    Server::start(&program().unwrap(), settings).unwrap()
}

/// Adds a user with the password `NAME-secret`.
pub(crate) fn add(server: &Server, name: &str) {
    let address = format!("sip:{name}@example.com");
    let password = format!("{name}-secret\n");
    server
        .operate(&["user", "add", &address], &password)
        .unwrap();
}

/// A phone that says it is `name@example.com`.
pub(crate) struct UserPhone {
    pub(crate) raw: RawPhone,
    pub(crate) name: String,
    pub(crate) login: Login,
    seq: u32,
}

impl UserPhone {
    pub(crate) fn new(server: &Server, name: &str) -> Self {
        Self::at(server, name, "127.0.0.1")
    }

    /// The same at another address.
    pub(crate) fn at(server: &Server, name: &str, address: &str) -> Self {
        Self {
            raw: RawPhone::at(address.parse().unwrap(), server.sip()).unwrap(),
            name: name.to_owned(),
            login: Login::new(name, &format!("{name}-secret")),
            seq: 0,
        }
    }

    /// Sends a request of its own and answers the final response to it.
    pub(crate) fn ask(&mut self, method: &str, uri: &str, to: &str, more: &str) -> String {
        self.tell(method, uri, to, more);
        let answer = self.raw.final_response(method).unwrap().unwrap();
        if method == "INVITE" && !answer.starts_with("SIP/2.0 200") {
            self.acknowledge(uri, to, &answer);
        }
        answer
    }

    /// Sends a request of its own and waits for nothing.
    pub(crate) fn tell(&mut self, method: &str, uri: &str, to: &str, more: &str) {
        self.seq += 1;
        let (seq, name, local) = (self.seq, &self.name, self.raw.local());
        let offer = self.raw.offer();
        let (kind, body) = match method {
            "INVITE" => ("Content-Type: application/sdp\r\n", offer.as_str()),
            _ => ("", ""),
        };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{name}{seq}x{};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@example.com>;tag=f\r\nTo: <{to}>\r\n\
             Call-ID: {name}-{}\r\nCSeq: {seq} {method}\r\nContact: <sip:{name}@{local}>\r\n\
             {more}{kind}Content-Length: {}\r\n\r\n{body}",
            local.port(),
            local.port(),
            body.len()
        );
        self.raw.send(&text).unwrap();
    }

    /// The ACK to a failure.
    pub(crate) fn acknowledge(&self, uri: &str, to: &str, answer: &str) {
        let message = Message::parse(answer.as_bytes()).unwrap();
        let (seq, name, local) = (self.seq, &self.name, self.raw.local());
        let tag = message.to_tag().unwrap_or_default();
        let text = format!(
            "ACK {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{name}{seq}x{};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@example.com>;tag=f\r\nTo: <{to}>;tag={tag}\r\n\
             Call-ID: {name}-{}\r\nCSeq: {seq} ACK\r\nContent-Length: 0\r\n\r\n",
            local.port(),
            local.port(),
        );
        self.raw.send(&text).unwrap();
    }

    /// Sends a request, answers the challenge of this algorithm, and answers the final response.
    pub(crate) fn ask_twice(
        &mut self,
        algorithm: &str,
        (method, uri, to): (&str, &str, &str),
        more: &str,
    ) -> String {
        let first = self.ask(method, uri, to, more);
        assert!(first.starts_with("SIP/2.0 401"), "{first}");
        let challenge = challenge(&first, algorithm);
        let answer = self.login.answer(&challenge, method, uri, 1).unwrap();
        self.ask(
            method,
            uri,
            to,
            &format!("Authorization: {answer}\r\n{more}"),
        )
    }

    /// Registers, by SHA-256.
    pub(crate) fn register(&mut self, more: &str) -> String {
        let to = format!("sip:{}@example.com", self.name);
        self.ask_twice("SHA-256", ("REGISTER", "sip:example.com", &to), more)
    }

    /// The next request of this method.
    pub(crate) fn request(&self, method: &str) -> Option<String> {
        let time = Duration::from_secs(5);
        let wanted =
            |message: &Message<'_>| message.status().is_none() && message.method() == method;
        self.raw.await_message(time, wanted).unwrap()
    }

    /// Answers a request.
    pub(crate) fn answer(&self, request: &str, status: &str) {
        let message = Message::parse(request.as_bytes()).unwrap();
        let contact = format!("Contact: <sip:{}@{}>\r\n", self.name, self.raw.local());
        let body = if status.starts_with("200") && message.method() == "INVITE" {
            self.raw.offer()
        } else {
            String::new()
        };
        self.raw
            .send(message.answer(status, "t", &contact, &body))
            .unwrap();
    }
}

/// The server notices a user that was added while it runs: within three seconds at most.
pub(crate) fn register_soon(phone: &mut UserPhone) -> String {
    let to = format!("sip:{}@example.com", phone.name);
    let end = plenum_loadtest::clock::now() + Duration::from_secs(3);
    loop {
        let answer = phone.ask("REGISTER", "sip:example.com", &to, "");
        if answer.starts_with("SIP/2.0 401") || plenum_loadtest::clock::now() > end {
            return phone.register("");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The challenge of this algorithm in a 401.
pub(crate) fn challenge(answer: &str, algorithm: &str) -> String {
    let message = Message::parse(answer.as_bytes()).unwrap();
    let wanted = format!("algorithm={algorithm}");
    let mut all = message.headers("WWW-Authenticate", "");
    let found = all.find(|value| value.split(", ").any(|part| part == wanted));
    let found = found.map(str::to_owned);
    assert!(found.is_some(), "no {algorithm} in {answer}");
    found.unwrap()
}

/// The answer without what is new in each: Via, Call-ID, CSeq, tags, nonces.
pub(crate) fn shape(answer: &str) -> String {
    let lines = answer.lines().filter(|line| {
        let changes = ["Via:", "Call-ID:", "CSeq:", "From:", "To:"];
        !changes.iter().any(|name| line.starts_with(name))
    });
    let lines = lines.map(|line| match line.split_once("nonce=\"") {
        Some((before, rest)) => {
            let after = rest.split_once('"').map_or("", |(_, after)| after);
            format!("{before}{after}")
        }
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}
