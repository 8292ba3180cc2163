//! One call of a simulated phone, without sockets or clock: datagrams and time in, datagrams out.
//!
//! The transaction rules are the least that a load needs: INVITE and BYE are repeated as RFC 3261
//! §17.1.1.2 and §17.1.2.2 say, every final response is acknowledged again when it comes again, and
//! requests of the server are answered at once.

use crate::clock::Moment;
use crate::codec::Codec;
use crate::control;
use crate::sdp::{self, RemoteAudio};
use crate::srtp::Master;
use crate::wire::Message;
use std::net::SocketAddr;
use std::time::Duration;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);

/// Who calls whom, and with what.
#[derive(Clone, Debug)]
pub struct CallPlan {
    /// The caller's user part.
    pub caller: String,
    /// The conference's user part.
    pub conference: String,
    /// The server.
    pub server: SocketAddr,
    /// Our SIP socket.
    pub local: SocketAddr,
    /// Our RTP socket.
    pub rtp: SocketAddr,
    /// The only codec offered.
    pub codec: Codec,
    /// Its key, if it encrypts.
    pub key: Option<Master>,
    /// It joins without media and commands by C3P (MS-CONFBAS); else it offers audio.
    pub control: bool,
    /// Distinguishes calls: part of Call-ID, tag and branches.
    pub id: u64,
}

impl CallPlan {
    /// The URI of From.
    fn user(&self) -> String {
        format!("sip:{}@{}", self.caller, self.local)
    }

    /// The URI of To.
    fn conference_uri(&self) -> String {
        format!("sip:{}@{}", self.conference, self.server)
    }
}

/// Where a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallState {
    /// Not begun.
    Idle,
    /// INVITE sent.
    Inviting,
    /// Answered and acknowledged.
    Up,
    /// BYE sent.
    Ending,
    /// Over, as wanted by us (`false`) or by the server (`true`).
    Over {
        /// The server sent the BYE.
        by_server: bool,
    },
    /// Refused with this status, or 0 for no answer at all.
    Refused(u16),
}

/// One call.
#[derive(Debug)]
pub struct Call {
    plan: CallPlan,
    state: CallState,
    remote_tag: String,
    remote_target: String,
    routes: Vec<String>,
    cseq: u32,
    sdp_version: u32,
    remote_audio: Option<RemoteAudio>,
    remote_key: Option<Master>,
    /// The request that awaits its final response, and when it is sent again.
    pending: Option<Pending>,
    invited_at: Moment,
    setup: Option<Duration>,
    provisional: bool,
    last_status: u16,
    /// The `Reason` of the server's BYE.
    reason: String,
    retransmissions: u32,
    hang_up_when_answered: bool,
}

#[derive(Debug)]
struct Pending {
    text: String,
    method: &'static str,
    cseq: u32,
    again_at: Moment,
    interval: Duration,
    give_up_at: Moment,
}

impl Call {
    /// A call not yet begun.
    pub fn new(plan: CallPlan) -> Self {
        let remote_target = format!("sip:{}@{}", plan.conference, plan.server);
        Self {
            plan,
            state: CallState::Idle,
            remote_tag: String::new(),
            remote_target,
            routes: Vec::new(),
            cseq: 0,
            sdp_version: 0,
            remote_audio: None,
            remote_key: None,
            pending: None,
            invited_at: Moment::ZERO,
            setup: None,
            provisional: false,
            last_status: 0,
            reason: String::new(),
            retransmissions: 0,
            hang_up_when_answered: false,
        }
    }

    /// The Call-ID: messages that carry it belong here.
    pub fn call_id(&self) -> String {
        format!("{:016x}@load", self.plan.id)
    }

    /// Sends the INVITE.
    pub fn invite(&mut self, now: Moment, out: &mut Vec<String>) {
        self.state = CallState::Inviting;
        self.invited_at = now;
        self.sdp_version += 1;
        let (kind, body) = if self.plan.control {
            let (user, conference) = (self.plan.user(), self.plan.conference_uri());
            ("application/cccp+xml", control::join(&user, &conference))
        } else {
            ("application/sdp", self.description("sendrecv"))
        };
        let kind = format!("Supported: timer\r\nContent-Type: {kind}\r\n");
        self.request("INVITE", &kind, &body, now, out);
    }

    /// Sends a command that changes what everybody sees of the caller (CB-237).
    pub fn command(&mut self, now: Moment, out: &mut Vec<String>) {
        let body = control::recording(&self.plan.user(), &self.plan.conference_uri());
        self.info("application/cccp+xml", &body, now, out);
    }

    /// Sends a re-INVITE with this direction (`sendonly` holds, `sendrecv` resumes).
    pub fn reinvite(&mut self, direction: &str, now: Moment, out: &mut Vec<String>) {
        self.sdp_version += 1;
        let body = self.description(direction);
        self.request(
            "INVITE",
            "Content-Type: application/sdp\r\n",
            &body,
            now,
            out,
        );
    }

    /// Sends a re-INVITE with another key of ours (RFC 4568 §7.1.4).
    pub fn rekey(&mut self, key: Master, now: Moment, out: &mut Vec<String>) {
        self.plan.key = Some(key);
        self.reinvite("sendrecv", now, out);
    }

    /// Sends an INFO with a body.
    pub fn info(&mut self, kind: &str, body: &str, now: Moment, out: &mut Vec<String>) {
        self.request("INFO", &format!("Content-Type: {kind}\r\n"), body, now, out);
    }

    /// Sends the BYE, at once or as soon as the INVITE is answered.
    pub fn hang_up(&mut self, now: Moment, out: &mut Vec<String>) {
        match self.state {
            CallState::Up => {
                self.state = CallState::Ending;
                self.request("BYE", "", "", now, out);
            }
            CallState::Inviting => self.hang_up_when_answered = true,
            CallState::Idle
            | CallState::Ending
            | CallState::Over { .. }
            | CallState::Refused(_) => {}
        }
    }

    /// A message with our Call-ID came.
    pub fn handle_message(&mut self, now: Moment, message: &Message<'_>, out: &mut Vec<String>) {
        match message.status() {
            Some(status) => self.handle_response(now, status, message, out),
            None => self.handle_request(message, out),
        }
    }

    /// Repeats what is due; gives up after 64·T1 (timers B and F).
    pub fn handle_timeout(&mut self, now: Moment, out: &mut Vec<String>) {
        let Some(pending) = &mut self.pending else {
            return;
        };
        if now >= pending.give_up_at {
            let ending = pending.method == "BYE";
            self.pending = None;
            self.state = if ending {
                CallState::Over { by_server: false }
            } else {
                CallState::Refused(0)
            };
        } else if now >= pending.again_at {
            pending.interval = (pending.interval * 2).min(T2);
            pending.again_at = now + pending.interval;
            // A provisional response stops the repetition of an INVITE (§17.1.1.2).
            if !(self.provisional && pending.method == "INVITE") {
                self.retransmissions += 1;
                out.push(pending.text.clone());
            }
        }
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    pub fn next_timeout(&self) -> Option<Moment> {
        self.pending.as_ref().map(|pending| pending.again_at)
    }

    /// Where the call is.
    pub fn state(&self) -> &CallState {
        &self.state
    }

    /// From the first INVITE to the 200, as soon as there is one.
    pub fn setup(&self) -> Option<Duration> {
        self.setup
    }

    /// Where the server wants our audio.
    pub fn remote_audio(&self) -> Option<RemoteAudio> {
        self.remote_audio
    }

    /// The keys of both sides, where they encrypt: ours and the server's.
    pub fn keys(&self) -> Option<(Master, Master)> {
        self.plan.key.zip(self.remote_key)
    }

    /// Why the server hung up, in the words of its BYE (RFC 3326).
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The status of the last final response.
    pub fn last_status(&self) -> u16 {
        self.last_status
    }

    /// Requests that had to be sent again.
    pub fn retransmissions(&self) -> u32 {
        self.retransmissions
    }

    /// A request of ours still awaits its final response.
    pub fn busy(&self) -> bool {
        self.pending.is_some()
    }

    fn handle_response(
        &mut self,
        now: Moment,
        status: u16,
        message: &Message<'_>,
        out: &mut Vec<String>,
    ) {
        let invite = message.method() == "INVITE";
        if status < 200 {
            self.provisional |= invite;
            return;
        }
        if invite && status < 300 && self.state == CallState::Inviting {
            self.establish(now, message);
        }
        if invite {
            self.acknowledge(status, message, out);
        }
        let ours = self
            .pending
            .as_ref()
            .is_some_and(|p| p.method == message.method() && p.cseq == message.cseq());
        if !ours {
            return;
        }
        self.pending = None;
        self.last_status = status;
        match self.state {
            CallState::Inviting => self.state = CallState::Refused(status),
            CallState::Ending => self.state = CallState::Over { by_server: false },
            CallState::Up if invite && status < 300 => {
                self.remote_audio = sdp::remote_audio(message.body).or(self.remote_audio);
                self.remote_key = sdp::remote_key(message.body).or(self.remote_key);
                if self.hang_up_when_answered {
                    self.hang_up(now, out);
                }
            }
            CallState::Up | CallState::Idle | CallState::Over { .. } | CallState::Refused(_) => {}
        }
    }

    fn establish(&mut self, now: Moment, message: &Message<'_>) {
        self.state = CallState::Up;
        self.setup = Some(now.saturating_sub(self.invited_at));
        self.remote_tag = message.to_tag().unwrap_or_default().to_owned();
        if let Some(contact) = message.contact() {
            contact.clone_into(&mut self.remote_target);
        }
        let mut routes: Vec<String> = message
            .headers("Record-Route", "")
            .flat_map(|line| line.split(','))
            .map(|route| route.trim().to_owned())
            .collect();
        routes.reverse();
        self.routes = routes;
        self.remote_audio = sdp::remote_audio(message.body);
        self.remote_key = sdp::remote_key(message.body);
    }

    /// The ACK: of its own transaction for a 2xx, of the INVITE's for anything else (§17.1.1.3).
    fn acknowledge(&self, status: u16, message: &Message<'_>, out: &mut Vec<String>) {
        let cseq = message.cseq();
        if status < 300 {
            let branch = self.branch("ACK", cseq);
            let head = self.head("ACK", cseq, &branch, &self.remote_target, &self.remote_tag);
            out.push(format!("{head}Content-Length: 0\r\n\r\n"));
        } else {
            let branch = self.branch("INVITE", cseq);
            let target = format!("sip:{}@{}", self.plan.conference, self.plan.server);
            let target = if self.remote_tag.is_empty() {
                &target
            } else {
                &self.remote_target
            };
            let tag = message.to_tag().unwrap_or_default();
            let head = self.head("ACK", cseq, &branch, target, tag);
            out.push(format!("{head}Content-Length: 0\r\n\r\n"));
        }
    }

    fn handle_request(&mut self, message: &Message<'_>, out: &mut Vec<String>) {
        let tag = self.tag();
        let contact = format!(
            "Contact: <sip:{}@{}>\r\n",
            self.plan.caller, self.plan.local
        );
        match message.method() {
            "ACK" => {}
            "BYE" => {
                out.push(message.answer("200 OK", &tag, "", ""));
                self.reason = message.header("Reason", "").unwrap_or_default().to_owned();
                if self.state != (CallState::Over { by_server: false }) {
                    self.state = CallState::Over { by_server: true };
                }
                self.pending = None;
            }
            "INVITE" | "UPDATE" => {
                let body = if message.body.is_empty() && message.method() == "UPDATE" {
                    String::new()
                } else {
                    self.remote_audio = sdp::remote_audio(message.body).or(self.remote_audio);
                    self.sdp_version += 1;
                    self.description("sendrecv")
                };
                let kind = if body.is_empty() {
                    ""
                } else {
                    "Content-Type: application/sdp\r\n"
                };
                out.push(message.answer("200 OK", &tag, &format!("{contact}{kind}"), &body));
            }
            "OPTIONS" | "INFO" | "NOTIFY" | "MESSAGE" => {
                out.push(message.answer("200 OK", &tag, &contact, ""));
            }
            _ => out.push(message.answer("501 Not Implemented", &tag, "", "")),
        }
    }

    fn request(
        &mut self,
        method: &'static str,
        extra: &str,
        body: &str,
        now: Moment,
        out: &mut Vec<String>,
    ) {
        self.cseq += 1;
        let branch = self.branch(method, self.cseq);
        let head = self.head(
            method,
            self.cseq,
            &branch,
            &self.remote_target,
            &self.remote_tag,
        );
        let text = format!("{head}{extra}Content-Length: {}\r\n\r\n{body}", body.len());
        out.push(text.clone());
        self.provisional = false;
        self.pending = Some(Pending {
            text,
            method,
            cseq: self.cseq,
            again_at: now + T1,
            interval: T1,
            give_up_at: now + 64 * T1,
        });
    }

    fn head(&self, method: &str, cseq: u32, branch: &str, target: &str, tag: &str) -> String {
        let plan = &self.plan;
        let (caller, local) = (&plan.caller, plan.local);
        let mut text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch={branch};rport\r\n\
             Max-Forwards: 70\r\n"
        );
        for route in &self.routes {
            text.push_str(&format!("Route: {route}\r\n"));
        }
        let to_tag = if tag.is_empty() {
            String::new()
        } else {
            format!(";tag={tag}")
        };
        text.push_str(&format!(
            "From: <sip:{caller}@{local}>;tag={}\r\nTo: <sip:{}@{}>{to_tag}\r\nCall-ID: {}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:{caller}@{local}>\r\n\
             Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY, UPDATE\r\n\
             User-Agent: plenum-loadtest\r\n",
            self.tag(),
            plan.conference,
            plan.server,
            self.call_id(),
        ));
        text
    }

    fn description(&self, direction: &str) -> String {
        let plain = sdp::describe(self.plan.rtp, self.plan.codec, self.sdp_version, direction);
        match &self.plan.key {
            Some(key) => sdp::encrypted(&plain, key),
            None => plain,
        }
    }

    fn tag(&self) -> String {
        format!("{:x}", self.plan.id ^ 0x9e37_79b9_7f4a_7c15)
    }

    fn branch(&self, method: &str, cseq: u32) -> String {
        format!("z9hG4bK{:016x}-{cseq}-{method}", self.plan.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn call() -> Call {
        Call::new(CallPlan {
            caller: "p1".to_owned(),
            conference: "c".to_owned(),
            server: "127.0.0.2:5060".parse().unwrap(),
            local: "127.0.0.1:7000".parse().unwrap(),
            rtp: "127.0.0.1:7002".parse().unwrap(),
            codec: Codec::Pcmu,
            key: None,
            control: false,
            id: 5,
        })
    }

    fn up() -> (Call, String) {
        let (mut call, mut out) = (call(), Vec::new());
        call.invite(SECOND, &mut out);
        let invite = out.remove(0);
        let sdp = sdp::describe(
            "127.0.0.2:9000".parse().unwrap(),
            Codec::Pcmu,
            1,
            "sendrecv",
        );
        let contact = "Contact: <sip:focus@127.0.0.2:5060>\r\n";
        let ok = Message::parse(invite.as_bytes())
            .unwrap()
            .answer("200 OK", "srv", contact, &sdp);
        call.handle_message(
            2 * SECOND,
            &Message::parse(ok.as_bytes()).unwrap(),
            &mut out,
        );
        assert_eq!(out.len(), 1, "one ACK");
        assert!(
            out[0].starts_with("ACK sip:focus@127.0.0.2:5060 SIP/2.0\r\n"),
            "{}",
            out[0]
        );
        (call, ok)
    }

    #[test]
    fn an_answer_establishes_and_a_repeated_200_is_acknowledged_again() {
        let (mut call, ok) = up();
        assert_eq!(call.setup(), Some(SECOND));
        assert_eq!(call.remote_audio().unwrap().rtp.port(), 9000);
        let mut out = Vec::new();
        call.handle_message(
            3 * SECOND,
            &Message::parse(ok.as_bytes()).unwrap(),
            &mut out,
        );
        assert!(out[0].starts_with("ACK "), "RFC 3261 §13.2.2.4");
        call.hang_up(3 * SECOND, &mut out);
        assert!(out[1].starts_with("BYE sip:focus@") && out[1].contains(";tag=srv"));
    }

    #[test]
    fn an_invite_is_repeated_until_a_provisional_response() {
        let (mut call, mut out) = (call(), Vec::new());
        call.invite(SECOND, &mut out);
        call.handle_timeout(SECOND + T1, &mut out);
        assert_eq!(out.len(), 2);
        let trying = Message::parse(out[0].as_bytes())
            .unwrap()
            .answer("100 Trying", "", "", "");
        call.handle_message(
            2 * SECOND,
            &Message::parse(trying.as_bytes()).unwrap(),
            &mut out,
        );
        call.handle_timeout(4 * SECOND, &mut out);
        assert_eq!(out.len(), 2);
        call.handle_timeout(SECOND + 64 * T1, &mut out);
        assert_eq!(*call.state(), CallState::Refused(0));
    }

    #[test]
    fn a_refusal_is_acknowledged_in_the_invite_transaction() {
        let (mut call, mut out) = (call(), Vec::new());
        call.invite(SECOND, &mut out);
        let busy = Message::parse(out[0].as_bytes())
            .unwrap()
            .answer("486 Busy", "srv", "", "");
        call.handle_message(
            2 * SECOND,
            &Message::parse(busy.as_bytes()).unwrap(),
            &mut out,
        );
        assert_eq!(*call.state(), CallState::Refused(486));
        let via = |text: &str| {
            text.lines()
                .find(|l| l.starts_with("Via"))
                .unwrap()
                .to_owned()
        };
        assert_eq!(via(&out[0]), via(&out[1]), "RFC 3261 §17.1.1.3");
    }

    #[test]
    fn a_bye_of_the_server_is_answered() {
        let (mut call, _) = up();
        let bye = b"BYE sip:p1@127.0.0.1:7000 SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKq\r\n\
            From: <sip:c@x>;tag=srv\r\nTo: <sip:p1@x>;tag=q\r\nCall-ID: x\r\nCSeq: 1 BYE\r\n\r\n";
        let mut out = Vec::new();
        call.handle_message(SECOND, &Message::parse(bye).unwrap(), &mut out);
        assert!(out[0].starts_with("SIP/2.0 200"));
        assert_eq!(*call.state(), CallState::Over { by_server: true });
    }
}
