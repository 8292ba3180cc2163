//! A crowd that joins by C3P and watches, each over a connection of its own, and how long a mute
//! takes until everybody was told and until it is heard (MS-CONFBAS §3.4.4, §3.5).

use crate::clock::{self, Moment};
use crate::control;
use crate::rtp::Kept;
use crate::wire::Message;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What crowd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrowdSettings {
    /// How many, the founder of the conference included.
    pub watchers: u32,
    /// How many of them join each second.
    pub rate: f64,
    /// The user part of the conference's URI.
    pub conference: String,
    /// How often everybody's sound but that of the last phone is taken and given back in the
    /// window, in turn.
    #[serde(default)]
    pub mutes: u32,
    /// They join in the window, not before it.
    #[serde(default)]
    pub in_window: bool,
}

/// What a crowd saw.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CrowdResult {
    /// Who is in and watches.
    pub watching: usize,
    /// Who was refused, or lost the connection.
    pub lost: usize,
    /// Notifications, of all watchers.
    pub notifications: u64,
    /// Their octets.
    pub octets: u64,
    /// From INVITE to 200, milliseconds, in order of size.
    #[serde(skip)]
    pub join_ms: Vec<f64>,
    /// From a mute to the notification of it, of each watcher, milliseconds, in order of size.
    #[serde(skip)]
    pub told_ms: Vec<f64>,
    /// Watchers that were not told of a mute before the next one.
    pub untold: usize,
    /// From a mute to its success, milliseconds, in order of size.
    #[serde(skip)]
    pub command_ms: Vec<f64>,
    /// From the success of a mute to the first packet that has it, milliseconds, in order of size;
    /// less than nothing where the packet was first.
    #[serde(skip)]
    pub effect_ms: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Inviting(Moment),
    Subscribing,
    Watching,
    Lost,
}

#[derive(Debug)]
struct Member {
    stream: TcpStream,
    local: SocketAddr,
    pending: Vec<u8>,
    /// The length of the message that is coming in, once its head is there.
    length: Option<usize>,
    stage: Stage,
    user: String,
    to: String,
    target: String,
    cseq: u32,
    /// What is to be told, until it was.
    awaits: bool,
}

/// One mute: when it was sent and succeeded, and whether sound is taken or given back.
#[derive(Clone, Copy, Debug)]
struct Mute {
    sent: Moment,
    done: Option<Moment>,
    taken: bool,
}

/// A crowd.
#[derive(Debug)]
pub struct Crowd {
    settings: CrowdSettings,
    server: SocketAddr,
    epoll: Epoll,
    members: Vec<Member>,
    next_at: Option<Moment>,
    /// When to mute, and who is left out.
    due: Vec<Moment>,
    excluded: String,
    mutes: Vec<Mute>,
    result: CrowdResult,
}

impl Crowd {
    /// Nobody yet.
    pub fn new(settings: CrowdSettings, server: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            settings,
            server,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            members: Vec::new(),
            next_at: None,
            due: Vec::new(),
            excluded: String::new(),
            mutes: Vec::new(),
            result: CrowdResult::default(),
        })
    }

    /// The first one, whose conference it becomes.
    pub fn found(&mut self) -> io::Result<()> {
        self.join()
    }

    /// From now on the others come.
    pub fn come(&mut self) {
        self.next_at = (self.members.len() < self.size()).then(clock::now);
    }

    /// Mutes at these moments, in order; the sound of `excluded`, a user's URI, stays.
    pub fn mute_at(&mut self, mut moments: Vec<Moment>, excluded: String) {
        moments.reverse();
        self.due = moments;
        self.excluded = excluded;
    }

    /// How many watch.
    pub fn watching(&self) -> usize {
        let watching = |member: &&Member| member.stage == Stage::Watching;
        self.members.iter().filter(watching).count()
    }

    /// Whether everybody has come, for good or not.
    pub fn complete(&self) -> bool {
        let settled = |member: &Member| matches!(member.stage, Stage::Watching | Stage::Lost);
        self.members.len() >= self.size() && self.members.iter().all(settled)
    }

    /// Begins, reads and answers what is due at `now`.
    pub fn step(&mut self, now: Moment) -> io::Result<()> {
        while let Some(next) = self.next_at.filter(|next| *next <= now) {
            let pause = Duration::from_secs_f64(1.0 / self.settings.rate.max(0.001));
            let more = self.members.len() + 1 < self.size();
            self.next_at = more.then(|| next + pause);
            self.join()?;
        }
        if self.due.last().is_some_and(|due| *due <= now) {
            self.due.pop();
            self.mute(now);
        }
        let mut events = [EpollEvent::empty(); 256];
        let count = self
            .epoll
            .wait(&mut events, EpollTimeout::ZERO)
            .map_err(io::Error::from)?;
        for event in events.iter().take(count) {
            if let Ok(number) = usize::try_from(event.data()) {
                self.read(number);
            }
        }
        Ok(())
    }

    /// What it saw so far; `kept` is what the phone that hears the mutes got, in G.711 µ-law.
    pub fn result(&mut self, kept: &[Kept]) -> CrowdResult {
        let lost = |member: &&Member| member.stage == Stage::Lost;
        let effects = self.mutes.iter().filter_map(|mute| effect(mute, kept));
        let mut result = CrowdResult {
            watching: self.watching(),
            lost: self.members.iter().filter(lost).count(),
            untold: self.result.untold + self.members.iter().filter(|it| it.awaits).count(),
            effect_ms: effects.collect(),
            ..self.result.clone()
        };
        for times in [
            &mut result.join_ms,
            &mut result.told_ms,
            &mut result.command_ms,
            &mut result.effect_ms,
        ] {
            times.sort_by(f64::total_cmp);
        }
        result
    }

    fn size(&self) -> usize {
        usize::try_from(self.settings.watchers).unwrap_or(usize::MAX)
    }

    fn conference(&self) -> String {
        format!("sip:{}@{}", self.settings.conference, self.server)
    }

    fn join(&mut self) -> io::Result<()> {
        let number = self.members.len();
        let stream = TcpStream::connect(self.server)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number as u64);
        self.epoll.add(&stream, event).map_err(io::Error::from)?;
        let conference = self.conference();
        let mut member = Member {
            local: stream.local_addr()?,
            stream,
            pending: Vec::new(),
            length: None,
            stage: Stage::Inviting(clock::now()),
            user: format!("sip:w{number}@{}", self.server.ip()),
            to: format!("<{conference}>"),
            target: conference.clone(),
            cseq: 0,
            awaits: false,
        };
        let body = control::join(&member.user, &conference);
        member.send("INVITE", "Supported: timer\r\n", &body);
        self.members.push(member);
        Ok(())
    }

    fn mute(&mut self, now: Moment) {
        let taken = self.mutes.len().is_multiple_of(2);
        let (conference, excluded) = (self.conference(), self.excluded.clone());
        for member in &mut self.members {
            self.result.untold += usize::from(member.awaits);
            member.awaits = member.stage == Stage::Watching;
        }
        if let Some(founder) = self.members.first_mut() {
            let text = control::mute_all(&founder.user, &conference, taken, &excluded);
            founder.send("INFO", "", &text);
        }
        self.mutes.push(Mute {
            sent: now,
            done: None,
            taken,
        });
    }

    fn read(&mut self, number: usize) {
        let mut octets = [0; 65_536];
        loop {
            let Some(member) = self.members.get_mut(number) else {
                return;
            };
            match member.stream.read(&mut octets) {
                Ok(0) => break,
                Ok(count) => {
                    let read = octets.get(..count).unwrap_or_default();
                    member.pending.extend_from_slice(read);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    while self.take(number) {}
                    return;
                }
                Err(_) => break,
            }
        }
        if let Some(member) = self.members.get_mut(number) {
            member.stage = Stage::Lost;
            // The connection is of no use any more, whatever the kernel says of it.
            self.epoll.delete(&member.stream).ok();
        }
    }

    /// Takes one message, if there is one.
    fn take(&mut self, number: usize) -> bool {
        let now = clock::now();
        let Some(member) = self.members.get_mut(number) else {
            return false;
        };
        let Some(octets) = member.next_message() else {
            return false;
        };
        let Some(message) = Message::parse(&octets) else {
            return true;
        };
        if message.status().is_some() {
            member.handle_response(now, &message, &mut self.result);
            return true;
        }
        if message.method().ends_with("NOTIFY") {
            self.result.notifications += 1;
            self.result.octets += octets.len() as u64;
        }
        if message.method() != "BENOTIFY" {
            member.write(&message.answer("200 OK", "w", "", ""));
        }
        let Some(mute) = self.mutes.last_mut() else {
            return true;
        };
        let since = now.saturating_sub(mute.sent).as_secs_f64() * 1e3;
        if member.awaits && control::tells_of_filter(message.body, mute.taken) {
            member.awaits = false;
            self.result.told_ms.push(since);
        }
        let ours = message.method() == "INFO" && control::is_success(message.body);
        if ours && mute.done.is_none() {
            mute.done = Some(now);
            self.result.command_ms.push(since);
        }
        true
    }
}

impl Member {
    fn handle_response(&mut self, now: Moment, message: &Message<'_>, result: &mut CrowdResult) {
        let status = message.status().unwrap_or_default();
        match (self.stage, message.method(), status) {
            (_, _, ..200) => {}
            (Stage::Inviting(since), "INVITE", 200..=299) => {
                let took = now.saturating_sub(since);
                result.join_ms.push(took.as_secs_f64() * 1e3);
                message
                    .header("To", "t")
                    .unwrap_or_default()
                    .clone_into(&mut self.to);
                message
                    .contact()
                    .unwrap_or_default()
                    .clone_into(&mut self.target);
                self.stage = Stage::Subscribing;
                self.send("ACK", "", "");
                self.send("SUBSCRIBE", WATCH, "");
            }
            (Stage::Subscribing, "SUBSCRIBE", 200..=299) => self.stage = Stage::Watching,
            (_, _, 200..=299) => {}
            _ => self.stage = Stage::Lost,
        }
    }

    /// The first message of the stream, taken out of it (RFC 3261 §18.3).
    fn next_message(&mut self) -> Option<Vec<u8>> {
        let length = match self.length {
            Some(length) => length,
            None => {
                let blank = b"\r\n\r\n";
                let mut places = self.pending.windows(blank.len());
                let head = places.position(|place| place == blank)? + blank.len();
                let head_text = std::str::from_utf8(self.pending.get(..head)?).ok()?;
                let body = head_text
                    .lines()
                    .find_map(|line| line.strip_prefix("Content-Length:"))
                    .and_then(|length| length.trim().parse::<usize>().ok());
                head + body.unwrap_or(0)
            }
        };
        self.length = Some(length);
        if self.pending.len() < length {
            return None;
        }
        self.length = None;
        let rest = self.pending.split_off(length);
        Some(std::mem::replace(&mut self.pending, rest))
    }

    fn send(&mut self, method: &str, more: &str, body: &str) {
        if method != "ACK" {
            self.cseq += 1;
        }
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/cccp+xml\r\n"
        };
        let Self {
            local,
            user,
            to,
            target,
            cseq,
            ..
        } = self;
        let port = local.port();
        // The ACK has the number of its INVITE, which was the last request.
        let text = format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/TCP {local};branch=z9hG4bK{port}x{cseq}{method};rport\r\n\
             Max-Forwards: 70\r\nFrom: <{user}>;tag={port}\r\nTo: {to}\r\nCall-ID: crowd-{local}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:w@{local};transport=tcp>\r\n{more}{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.write(&text);
    }

    fn write(&mut self, text: &str) {
        // Requests are small, and the server reads.
        if self.stream.write_all(text.as_bytes()).is_err() {
            self.stage = Stage::Lost;
        }
    }
}

/// From the success of a mute to the first packet in which the sound is gone, or there again.
fn effect(mute: &Mute, kept: &[Kept]) -> Option<f64> {
    let done = mute.done?;
    let mut after = kept.iter().filter(|packet| packet.arrival > mute.sent);
    let first = after.find(|packet| (level_dbfs(&packet.payload) < SILENT) == mute.taken)?;
    Some(clock::millis_between(done, first.arrival))
}

/// The level of a packet of G.711 µ-law.
fn level_dbfs(payload: &[u8]) -> f64 {
    let samples = payload.iter().map(|octet| {
        let sample = f64::from(crate::g711::from_ulaw(*octet)) / 32_768.0;
        sample * sample
    });
    let mean = samples.sum::<f64>() / payload.len().max(1) as f64;
    10.0 * mean.max(1e-12).log10()
}

/// Between a tone of −20 dBFS and nothing.
const SILENT: f64 = -45.0;

/// How everybody watches (MS-CONFBAS CB-090, CB-091).
const WATCH: &str = "Event: conference\r\nAccept: application/conference-info+xml\r\n\
    Expires: 3600\r\nSupported: ms-benotify, ms-piggyback-first-notify\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(at: u64, sample: i16) -> Kept {
        Kept {
            arrival: Duration::from_millis(at),
            sequence: 0,
            timestamp: 0,
            payload: vec![crate::g711::to_ulaw(sample); 160],
        }
    }

    #[test]
    fn the_effect_is_the_first_packet_that_is_different() {
        let heard = [
            kept(90, 0),
            kept(110, 3_000),
            kept(130, 0),
            kept(150, 3_000),
        ];
        let mute = Mute {
            sent: Duration::from_millis(100),
            done: Some(Duration::from_millis(105)),
            taken: true,
        };
        let took = effect(&mute, &heard).unwrap();
        assert!((took - 25.0).abs() < 1e-6, "{took} ms");
        let back = Mute {
            sent: Duration::from_millis(131),
            done: Some(Duration::from_millis(160)),
            taken: false,
        };
        let took = effect(&back, &heard).unwrap();
        assert!((took + 10.0).abs() < 1e-6, "{took} ms");
        assert_eq!(effect(&Mute { done: None, ..mute }, &heard), None);
    }
}
