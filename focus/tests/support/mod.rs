//! What the tests share: messages, a focus with its surroundings, a mixer that obeys.

#![expect(
    dead_code,
    unreachable_pub,
    clippy::wildcard_enum_match_arm,
    reason = "each test uses its part, and looks at what it is about"
)]

pub mod c3p;
pub mod commands;
pub mod watch;

use bytes::Bytes;
use plenum_focus::conference::{Focus, Settings};
use plenum_focus::limits::Limits;
use plenum_focus::metrics::Metrics;
use plenum_focus::output::{
    Command, ConferenceEvent, HandOver, McuType, Output, RequestId, SipAction,
};
use plenum_focus::pin::Pin;
use plenum_focus::policy::{Network, Policy};
use plenum_focus::record::{ConferenceName, ConferenceRecord, Origin};
use plenum_mcu::control::{
    Action, ConferenceId, Digit, EndpointId, McuCommand, McuError, McuEvent, PlaybackId, Prompt,
    Quality, Record, Report, Stage,
};
use plenum_sip::endpoint::{
    Answer, Body, EndCause, Event, Flow, FlowId, InviteId, ServerTxId, Transport,
};
use plenum_sip::msg::{HeaderName, Headers, Host, Method, Request, Response, StatusCode, Uri};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const OFFER: &[u8] = b"v=0 offer";
pub const ANSWER: &[u8] = b"v=0 answer";

pub fn name(text: &str) -> ConferenceName {
    ConferenceName::new(text, 128).unwrap()
}

pub fn record() -> ConferenceRecord {
    ConferenceRecord::ad_hoc(name("standup"))
}

pub fn settings(limits: Limits) -> Settings {
    Settings {
        policy: Policy {
            trusted: vec![Network::new(IpAddr::from([10, 0, 0, 0]), 8).unwrap()],
            ..Policy::default()
        },
        limits,
        metrics: Metrics::default(),
        host: Host::parse(&"conf.example.com".into()).unwrap(),
        agent: "conf.example.com".into(),
        ringing: Duration::from_secs(60),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an origin, from which tests count by themselves"
)]
pub fn instant() -> Instant {
    Instant::now()
}

/// A caller's side of the network: host `10.0.0.n`, which is trusted, or `192.0.2.n`.
pub fn flow(from: IpAddr) -> Flow {
    Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: "198.51.100.1:5060".parse().unwrap(),
        remote: (from, 5060).into(),
    }
}

pub fn trusted(n: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, n])
}

pub fn stranger(n: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, n])
}

pub fn request(method: Method, uri: &str, user: &str, body: Option<(&str, &[u8])>) -> Request {
    let mut headers = Headers::new();
    headers.push(HeaderName::From, format!("<sip:{user}@example.com>;tag=1"));
    headers.push(HeaderName::To, format!("<{uri}>"));
    headers.push(HeaderName::CallId, "1@example.com");
    headers.push(HeaderName::CSeq, format!("1 {method}"));
    let mut octets = Bytes::new();
    if let Some((content_type, body)) = body {
        headers.push(HeaderName::ContentType, content_type);
        octets = Bytes::copy_from_slice(body);
    }
    Request {
        method,
        uri: uri.parse().unwrap(),
        headers,
        body: octets,
    }
}

pub fn invite(id: u64, uri: &str, user: &str, from: IpAddr, offer: Option<&[u8]>) -> Event {
    let body = offer.map(|offer| ("application/sdp", offer));
    let request = request(Method::Invite, uri, user, body);
    Event::Invite {
        id: InviteId(id),
        request,
        flow: flow(from),
    }
}

pub fn sdp(octets: &[u8]) -> Body {
    Body {
        content_type: "application/sdp".into(),
        octets: Bytes::copy_from_slice(octets),
    }
}

pub fn response(status: u16, body: Option<&[u8]>) -> Response {
    let mut response = Response::new(StatusCode::new(status).unwrap());
    if let Some(body) = body {
        response
            .headers
            .push(HeaderName::ContentType, "application/sdp");
        response.body = Bytes::copy_from_slice(body);
    }
    response
}

pub fn header(answer: &Answer, name: HeaderName) -> String {
    answer
        .headers
        .get(&name)
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// A focus, the time, and what came out of it. The mixer obeys at once unless told otherwise.
pub struct Bench {
    pub focus: Focus,
    pub now: Instant,
    pub metrics: Metrics,
    pub sip: Vec<SipAction>,
    pub mcu: VecDeque<McuCommand>,
    pub events: Vec<ConferenceEvent>,
    pub obeying: bool,
    /// What the mixer says to the next `Add` or `Renegotiate` or `Answer`.
    pub refusal: Option<McuError>,
    /// What the mixer says to every wish to begin a recording.
    pub unrecorded: Option<McuError>,
    pub endpoints: BTreeMap<EndpointId, Stage>,
    pub removed: usize,
    pub added: usize,
    pub sentences: Vec<String>,
    /// Calls that are to go on to another conference.
    pub handed_over: Vec<HandOver>,
    last_request: u64,
}

impl Bench {
    pub fn new(record: ConferenceRecord) -> Self {
        Self::with_limits(record, Limits::default())
    }

    /// A conference whose mixer has not even made it yet.
    pub fn disobeyed(record: ConferenceRecord) -> Self {
        let mut bench = Self::unstarted(record, Limits::default());
        bench.obeying = false;
        bench.drain();
        bench
    }

    pub fn with_limits(record: ConferenceRecord, limits: Limits) -> Self {
        let mut bench = Self::unstarted(record, limits);
        bench.drain();
        bench
    }

    fn unstarted(record: ConferenceRecord, limits: Limits) -> Self {
        let (now, settings) = (instant(), settings(limits));
        let metrics = settings.metrics.clone();
        let mut focus = Focus::new(now, ConferenceId(7), Arc::new(record), Arc::new(settings));
        focus.randomize([7; 32]);
        Self {
            focus,
            now,
            metrics,
            sip: Vec::new(),
            mcu: VecDeque::new(),
            events: Vec::new(),
            obeying: true,
            refusal: None,
            unrecorded: None,
            endpoints: BTreeMap::new(),
            removed: 0,
            added: 0,
            sentences: Vec::new(),
            handed_over: Vec::new(),
            last_request: 0,
        }
    }

    pub fn sip(&mut self, event: Event) {
        self.focus.handle_sip(self.now, event);
        self.drain();
    }

    /// A call to the conference with an offer, up to where the focus leads it by itself.
    pub fn join(&mut self, id: u64, user: &str) -> EndpointId {
        self.call(id, user, trusted(1));
        self.ack(id, None);
        self.last_endpoint()
    }

    pub fn call(&mut self, id: u64, user: &str, from: IpAddr) {
        self.sip(invite(
            id,
            "sip:standup@conf.example.com",
            user,
            from,
            Some(OFFER),
        ));
    }

    pub fn ack(&mut self, id: u64, body: Option<&[u8]>) {
        self.sip(Event::Acked {
            id: InviteId(id),
            local_tag: "ours".into(),
            body: body.map(sdp),
        });
    }

    pub fn bye(&mut self, id: u64) {
        self.sip(Event::Ended {
            id: InviteId(id),
            cause: EndCause::Bye(None),
        });
    }

    pub fn report(&mut self, report: Report) {
        let event = McuEvent {
            conference: ConferenceId(7),
            report,
        };
        self.focus.handle_mcu(self.now, McuType::AudioVideo, event);
        self.drain();
    }

    pub fn keys(&mut self, endpoint: EndpointId, keys: &str) {
        for key in keys.chars() {
            self.report(Report::Dtmf {
                endpoint,
                digit: Digit(key),
            });
        }
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.focus.handle_timeout(self.now);
        self.drain();
    }

    pub fn command(&mut self, command: Command) -> RequestId {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        self.focus.handle_command(self.now, request, command);
        self.drain();
        request
    }

    pub fn in_dialog(&mut self, id: u64, method: Method, body: Option<(&str, &[u8])>) -> Answer {
        let request = request(method, "sip:standup@198.51.100.1", "bob", body);
        self.sip(Event::InDialog {
            id: InviteId(id),
            tx: ServerTxId(99),
            request,
        });
        self.responded()
    }

    pub fn responded(&mut self) -> Answer {
        let SipAction::Respond { answer, .. } = self.sip.pop().expect("an answer") else {
            panic!("no answer")
        };
        answer
    }

    pub fn last_endpoint(&self) -> EndpointId {
        self.focus.roster().endpoints().last().expect("somebody").id
    }

    /// Takes what the focus wants of SIP since the last time.
    pub fn actions(&mut self) -> Vec<SipAction> {
        std::mem::take(&mut self.sip)
    }

    /// What was said since the last time, in the words of the prompts.
    pub fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sentences)
    }

    pub fn completed(&self, request: RequestId) -> Option<String> {
        self.events.iter().find_map(|event| match event {
            ConferenceEvent::Completed {
                request: other,
                result,
            } if *other == request => Some(format!("{result:?}")),
            _ => None,
        })
    }

    pub fn left(&self) -> Vec<String> {
        let left = self.events.iter().filter_map(|event| match event {
            ConferenceEvent::Left { reason, .. } => Some(format!("{reason:?}")),
            _ => None,
        });
        left.collect()
    }

    pub fn drain(&mut self) {
        loop {
            match self.focus.poll_output() {
                Output::Sip(action) => self.sip.push(action),
                Output::Mcu(McuType::AudioVideo, command) => {
                    self.note(&command.action);
                    self.mcu.push_back(command);
                }
                Output::HandOver(it) => self.handed_over.push(*it),
                Output::Event(event) => self.events.push(event),
                Output::Timeout(_) => {
                    if !self.obeying {
                        return;
                    }
                    let Some(command) = self.mcu.pop_front() else {
                        return;
                    };
                    self.obey(command);
                }
            }
        }
    }

    /// Carries out the oldest command that waits.
    pub fn obey_next(&mut self) {
        if let Some(command) = self.mcu.pop_front() {
            self.obey(command);
            self.drain();
        }
    }

    /// The oldest command that waits is refused.
    pub fn disobey_next(&mut self) {
        let Some(command) = self.mcu.pop_front() else {
            return;
        };
        if let Action::Remove { endpoint } = command.action {
            // Whatever the mixer says, it has nothing of it any more.
            self.removed += usize::from(self.endpoints.remove(&endpoint).is_some());
        }
        let result = Err(McuError::Overloaded("patience"));
        self.report(Report::Done {
            command: command.id,
            result,
        });
    }

    fn note(&mut self, action: &Action) {
        let Action::Play { prompts, .. } = action else {
            return;
        };
        let words = prompts.iter().map(|prompt| match prompt {
            Prompt::Sentence(sentence) => format!("{sentence:?}"),
            Prompt::Digit(digit) => digit.to_string(),
            Prompt::EntryTone => "entry".into(),
            Prompt::ExitTone => "exit".into(),
            Prompt::Pause(_) => "pause".into(),
        });
        self.sentences.extend(words);
    }

    #[expect(clippy::too_many_lines, reason = "an arm for each command")]
    fn obey(&mut self, command: McuCommand) {
        let mut reports = Vec::new();
        let mut result = Ok(());
        match command.action {
            Action::Add {
                endpoint,
                offer,
                settings,
            } => {
                let first = match offer {
                    Some(_) => Stage::Unconfirmed,
                    None => Stage::Apart,
                };
                assert_eq!(settings.stage, first);
                match self.refusal.take() {
                    Some(error) => result = Err(error),
                    None => {
                        self.added += 1;
                        assert!(self.endpoints.insert(endpoint, settings.stage).is_none());
                        reports.push(described(endpoint, offer.is_some()));
                        if settings.filter != plenum_mcu::control::MediaFilter::default() {
                            let (filter, on_hold) = (settings.filter, false);
                            reports.push(Report::Media {
                                endpoint,
                                filter,
                                on_hold,
                                silent: false,
                            });
                        }
                    }
                }
            }
            Action::Adopt {
                endpoint, settings, ..
            } => match self.refusal.take() {
                Some(error) => result = Err(error),
                None => {
                    self.endpoints.insert(endpoint, settings.stage);
                }
            },
            Action::Renegotiate { endpoint, offer } => match self.refusal.take() {
                Some(error) => result = Err(error),
                None => reports.push(described(endpoint, offer.is_some())),
            },
            Action::Answer { .. } => {
                if let Some(error) = self.refusal.take() {
                    result = Err(error);
                }
            }
            Action::Remove { endpoint } => match self.endpoints.remove(&endpoint) {
                Some(_) => {
                    self.removed += 1;
                    let quality = Quality {
                        packets_received: 42,
                        ..Quality::default()
                    };
                    reports.push(Report::Removed { endpoint, quality });
                }
                None => result = Err(McuError::Unknown("endpoint")),
            },
            Action::Place { endpoint, stage } => match self.endpoints.get_mut(&endpoint) {
                Some(at) => *at = stage,
                None => result = Err(McuError::Unknown("endpoint")),
            },
            Action::Filter { endpoint, filter } => {
                reports.push(Report::Media {
                    endpoint,
                    filter,
                    on_hold: false,
                    silent: false,
                });
            }
            Action::Record(Record::Start { .. }) => {
                result = self.unrecorded.clone().map_or(Ok(()), Err);
            }
            Action::Create(_)
            | Action::Record(_)
            | Action::Destroy
            | Action::Rollback { .. }
            | Action::Keyframe { .. }
            | Action::Pictures(_)
            | Action::Looks { .. }
            | Action::RevokeFloor
            | Action::GiveFloor { .. }
            | Action::Play { .. }
            | Action::Stop { .. }
            | Action::Ambience { .. }
            | Action::SignalledDtmf { .. } => {}
        }
        reports.push(Report::Done {
            command: command.id,
            result,
        });
        for report in reports {
            let event = McuEvent {
                conference: ConferenceId(7),
                report,
            };
            self.focus.handle_mcu(self.now, McuType::AudioVideo, event);
        }
    }
}

pub fn described(endpoint: EndpointId, offered: bool) -> Report {
    if offered {
        Report::Answer {
            endpoint,
            sdp: Bytes::from_static(ANSWER),
        }
    } else {
        Report::Offer {
            endpoint,
            sdp: Bytes::from_static(OFFER),
        }
    }
}

pub fn played(playback: u64) -> Report {
    Report::Played {
        playback: PlaybackId(playback),
    }
}

pub fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

pub fn with_pin() -> ConferenceRecord {
    ConferenceRecord {
        pin: Pin::new("1234"),
        ..record()
    }
}

pub fn configured() -> ConferenceRecord {
    ConferenceRecord {
        grace: Duration::from_secs(3600),
        origin: Origin::Configured,
        ..record()
    }
}

pub fn bye_reason(bench: &mut Bench) -> Option<String> {
    bench.actions().into_iter().find_map(|action| match action {
        SipAction::Bye { reason, .. } => Some(reason.to_string()),
        _ => None,
    })
}

/// A conference that belongs to who comes first, and lingers.
pub fn configured_ad_hoc() -> ConferenceRecord {
    ConferenceRecord {
        origin: Origin::AdHoc,
        ..configured()
    }
}
