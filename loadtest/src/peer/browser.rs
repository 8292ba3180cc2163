//! What a browser's SIP stack does on the wire: a WebSocket, and a Contact that names no place
//! (RFC 7118 §5).

use crate::clock;
use crate::codec::Codec;
use crate::sdp;
use crate::wire::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::{WebSocket, client};

/// A TCP or TLS connection.
trait Wire: Read + Write + Send {}

impl<S: Read + Write + Send> Wire for S {}

/// One WebSocket, and a dialog on it.
pub struct Browser {
    socket: WebSocket<Box<dyn Wire>>,
    /// Kept for the time a read may take.
    tcp: TcpStream,
    user: String,
}

impl std::fmt::Debug for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Browser").field("user", &self.user).finish()
    }
}

impl Browser {
    /// Opens `ws://server/`.
    pub fn open(server: SocketAddr, user: &str) -> io::Result<Self> {
        let tcp = TcpStream::connect(server)?;
        let wire = Box::new(tcp.try_clone()?);
        Self::upgrade(wire, tcp, &format!("ws://{server}/"), user)
    }

    /// Opens `wss://server/sip`, believing this certificate only.
    pub fn open_secured(server: SocketAddr, certificate: &Path, user: &str) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let pem = std::fs::read(certificate)?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(io::Error::other)?;
            roots.add(certificate).map_err(io::Error::other)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = Arc::new(config.with_no_client_auth());
        let name = ServerName::IpAddress(server.ip().into());
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let tcp = TcpStream::connect(server)?;
        let wire = Box::new(StreamOwned::new(tls, tcp.try_clone()?));
        Self::upgrade(wire, tcp, &format!("wss://{server}/sip"), user)
    }

    fn upgrade(wire: Box<dyn Wire>, tcp: TcpStream, url: &str, user: &str) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut request = url.into_client_request().map_err(io::Error::other)?;
        let protocol = "sip".parse().map_err(io::Error::other)?;
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        let (socket, _) =
            client(request, wire).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self {
            socket,
            tcp,
            user: user.to_owned(),
        })
    }

    /// Its Contact, as browsers' stacks make it up.
    pub fn contact(&self) -> String {
        format!("<sip:{}@df7jal23ls0d.invalid;transport=ws>", self.user)
    }

    /// An INVITE with an offer of PCMU to `rtp`.
    pub fn invite(&mut self, uri: &str, rtp: SocketAddr) -> io::Result<()> {
        let offer = sdp::describe(rtp, Codec::Pcmu, 1, "sendrecv");
        let more = format!(
            "Content-Type: application/sdp\r\nContact: {}\r\n",
            self.contact()
        );
        self.request("INVITE", uri, 1, "", &more, &offer)
    }

    /// A request of its one dialog.
    pub fn request(
        &mut self,
        method: &str,
        uri: &str,
        seq: u32,
        to_tag: &str,
        more: &str,
        body: &str,
    ) -> io::Result<()> {
        let user = &self.user;
        let text = format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK{user}{method}{seq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@browser.test>;tag=f{user}\r\nTo: <{uri}>{to_tag}\r\n\
             Call-ID: {user}@browser\r\nCSeq: {seq} {method}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.say(text)
    }

    /// Sends one message.
    pub fn say(&mut self, text: String) -> io::Result<()> {
        let sent = self.socket.send(tungstenite::Message::text(text));
        sent.map_err(io::Error::other)
    }

    /// The next SIP message that `wanted` takes; others are passed over.
    pub fn await_message(
        &mut self,
        what: &str,
        time: Duration,
        wanted: impl Fn(&Message<'_>) -> bool,
    ) -> io::Result<String> {
        let end = clock::now() + time;
        while clock::now() < end {
            self.tcp
                .set_read_timeout(Some(Duration::from_millis(200)))?;
            let heard = match self.socket.read() {
                Ok(heard) => heard,
                Err(tungstenite::Error::Io(error))
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    continue;
                }
                Err(error) => return Err(io::Error::other(error)),
            };
            let octets = heard.into_data();
            if Message::parse(&octets).is_some_and(|message| wanted(&message)) {
                return Ok(String::from_utf8_lossy(&octets).into_owned());
            }
        }
        Err(io::Error::other(format!("no {what} came")))
    }
}
