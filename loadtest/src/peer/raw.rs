//! SIP by hand: text in, text out, for flows that no well-behaved phone would have.

use crate::clock;
use crate::codec::Codec;
use crate::sdp;
use crate::wire::Message;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// One UDP socket that says exactly what it is told.
#[derive(Debug)]
pub struct RawPhone {
    socket: UdpSocket,
    local: SocketAddr,
    server: SocketAddr,
}

/// The header fields that vary between requests of one flow.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    /// The method on the request line.
    pub method: &'a str,
    /// The Request-URI.
    pub uri: &'a str,
    /// The branch, without the magic cookie.
    pub branch: &'a str,
    /// The Call-ID.
    pub call_id: &'a str,
    /// The number and method of the CSeq.
    pub cseq: &'a str,
    /// The tag of To, empty for none.
    pub to_tag: &'a str,
    /// Further header lines, each with its CRLF.
    pub more: &'a str,
    /// The body.
    pub body: &'a str,
}

impl RawPhone {
    /// A phone on a free port of 127.0.0.1.
    pub fn new(server: SocketAddr) -> io::Result<Self> {
        Self::at(IpAddr::V4(Ipv4Addr::LOCALHOST), server)
    }

    /// A phone on a free port of this address.
    pub fn at(address: IpAddr, server: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind((address, 0))?;
        let local = socket.local_addr()?;
        Ok(Self {
            socket,
            local,
            server,
        })
    }

    /// Its address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// An offer of PCMU whose RTP goes to the discard port.
    pub fn offer(&self) -> String {
        let discard = SocketAddr::new(self.local.ip(), 9);
        sdp::describe(discard, Codec::Pcmu, 1, "sendrecv")
    }

    /// A request of a flow, ready to be sent.
    pub fn request(&self, fields: &Fields<'_>) -> String {
        let Fields {
            method,
            uri,
            branch,
            call_id,
            cseq,
            to_tag,
            more,
            body,
        } = fields;
        let local = self.local;
        let tag = if to_tag.is_empty() {
            String::new()
        } else {
            format!(";tag={to_tag}")
        };
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:raw@{local}>;tag=f{call_id}\r\nTo: <{uri}>{tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq}\r\nContact: <sip:raw@{local}>\r\n{more}{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Sends octets as they are.
    pub fn send(&self, octets: impl AsRef<[u8]>) -> io::Result<()> {
        self.socket.send_to(octets.as_ref(), self.server).map(drop)
    }

    /// The next message within `time`.
    pub fn receive(&self, time: Duration) -> io::Result<Option<String>> {
        let mut buffer = [0; 8192];
        self.socket
            .set_read_timeout(Some(time.max(Duration::from_millis(1))))?;
        match self.socket.recv_from(&mut buffer) {
            Ok((length, _)) => {
                let octets = buffer.get(..length).unwrap_or_default();
                Ok(Some(String::from_utf8_lossy(octets).into_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The next message within `time` that `wanted` wants; others are passed over.
    pub fn await_message(
        &self,
        time: Duration,
        wanted: impl Fn(&Message<'_>) -> bool,
    ) -> io::Result<Option<String>> {
        let end = clock::now() + time;
        while clock::now() < end {
            let Some(text) = self.receive(end.saturating_sub(clock::now()))? else {
                break;
            };
            if Message::parse(text.as_bytes()).is_some_and(|message| wanted(&message)) {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// The final response to a method, within five seconds.
    pub fn final_response(&self, method: &str) -> io::Result<Option<String>> {
        self.await_message(Duration::from_secs(5), |message| {
            message.status().is_some_and(|status| status >= 200) && message.method() == method
        })
    }
}
