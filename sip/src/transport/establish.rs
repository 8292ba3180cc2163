//! Between a connection and its first message: connecting, the TLS handshake, the upgrade to a
//! WebSocket. Each within its time, and none of them keeps anybody else waiting.

use super::Refuses;
use super::connection::Connection;
use super::metrics::{CloseReason, ShellMetrics};
use super::streams::{News, Place};
use super::tls::{HandshakeFailedBy, HandshakeFailure, Handshakes, Side, peer_names};
use crate::endpoint::Transport;
use crate::msg::Text;
use crate::websocket::{Origins, Refused, UpgradeRequest};
use bytes::BytesMut;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An octet stream somebody else made: a WebSocket that the HTTP server has upgraded.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// What a peer's connection begins as.
pub(super) enum Begun {
    /// A socket, with whatever its transport asks for still to come.
    Socket(TcpStream),
    /// A WebSocket whose opening handshake is done.
    WebSocket(Box<dyn Duplex>),
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Socket(_) => "Socket",
            Self::WebSocket(_) => "WebSocket",
        })
    }
}

/// What connections are secured and upgraded with.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    /// None: this process has no TLS.
    pub(super) handshakes: Option<Handshakes>,
    pub(super) origins: Arc<Origins>,
    pub(super) refuses: Refuses,
    pub(super) handshake_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) metrics: ShellMetrics,
}

/// A connection that is not up, and what the transactions that wait for it are told.
struct NotUp(CloseReason, Option<Text>);

impl Setup {
    /// Serves a connection that a peer opened. `place` is given back when its handshake is over.
    pub(super) async fn serve(
        self,
        mut connection: Connection,
        begun: Begun,
        place: Option<Place>,
    ) {
        let stream = match begun {
            Begun::Socket(stream) => stream,
            Begun::WebSocket(stream) => {
                connection.buffers = true;
                return connection.run_web(stream).await;
            }
        };
        match connection.flow.transport {
            Transport::Udp | Transport::Tcp => connection.run(stream).await,
            Transport::Tls => {
                let securing = self.accept_sip(stream);
                match self.in_time(&mut connection, securing).await {
                    Ok(stream) => {
                        drop(place);
                        let names = peer_names(stream.get_ref().1.peer_certificates());
                        connection.buffers = true;
                        connection.tell_names(names).await;
                        connection.run(stream).await;
                    }
                    Err(NotUp(reason, why)) => connection.end_for(reason, why, None).await,
                }
            }
            Transport::Ws => {
                let upgrading = upgrade(stream, &self.origins);
                match self.in_time(&mut connection, upgrading).await {
                    Ok(stream) => {
                        drop(place);
                        connection.run_web(stream).await;
                    }
                    Err(NotUp(reason, why)) => connection.end_for(reason, why, None).await,
                }
            }
            Transport::Wss => {
                let upgrading = self.accept_web(stream);
                match self.in_time(&mut connection, upgrading).await {
                    Ok(stream) => {
                        drop(place);
                        connection.buffers = true;
                        connection.run_web(stream).await;
                    }
                    Err(NotUp(reason, why)) => connection.end_for(reason, why, None).await,
                }
            }
        }
    }

    /// Connects and serves the connection, or ends it. A secured one is to the server of `domain`.
    pub(super) async fn open(self, mut connection: Connection, domain: Option<String>) {
        let remote = connection.flow.remote;
        let connecting = async {
            let stream = TcpStream::connect(remote).await?;
            stream.set_nodelay(true)?;
            let local = stream.local_addr()?;
            Ok::<_, io::Error>((stream, local))
        };
        let connected = tokio::select! {
            connected = tokio::time::timeout(self.connect_timeout, connecting) => {
                connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            reason = &mut connection.close => {
                let reason = reason.unwrap_or(CloseReason::Stopped);
                return connection.end(reason, None).await;
            }
        };
        let stream = match connected {
            Ok((stream, local)) => {
                connection.flow.local = local;
                stream
            }
            Err(error) => {
                tracing::debug!(%remote, %error, "cannot connect");
                return connection.end(CloseReason::ConnectFailed, None).await;
            }
        };
        let Some(domain) = domain else {
            return connection.run(stream).await;
        };
        let securing = self.connect(&domain, stream);
        match self.in_time(&mut connection, securing).await {
            Ok(stream) => {
                connection.buffers = true;
                connection.run(stream).await;
            }
            Err(NotUp(reason, why)) => connection.end_for(reason, why, None).await,
        }
    }

    /// Waits for a handshake as long as it may take; a failure is counted and logged.
    async fn in_time<S>(
        &self,
        connection: &mut Connection,
        handshake: impl Future<Output = Result<S, HandshakeFailure>>,
    ) -> Result<S, NotUp> {
        let done = tokio::select! {
            done = tokio::time::timeout(self.handshake_timeout, handshake) => {
                done.unwrap_or(Err(HandshakeFailure::TimedOut))
            }
            reason = &mut connection.close => {
                return Err(NotUp(reason.unwrap_or(CloseReason::Stopped), None));
            }
        };
        done.map_err(|failure| {
            let side = if connection.ours {
                Side::Outbound
            } else {
                Side::Inbound
            };
            let reason = failure.reason();
            let failed = HandshakeFailedBy { side, reason };
            self.metrics.handshake_failures.get_or_create(&failed).inc();
            let (remote, transport) = (connection.flow.remote, connection.flow.transport);
            if connection.ours {
                // A trunk or peer of ours that does not work is for the operator to know.
                tracing::warn!(%remote, ?transport, "{failure}");
            } else {
                tracing::debug!(%remote, ?transport, "{failure}");
            }
            NotUp(CloseReason::Handshake, Some(failure.to_string().into()))
        })
    }

    async fn accept_sip(
        &self,
        stream: TcpStream,
    ) -> Result<tokio_rustls::server::TlsStream<TcpStream>, HandshakeFailure> {
        self.tls()?.accept_sip(stream).await
    }

    async fn accept_web(
        &self,
        stream: TcpStream,
    ) -> Result<tokio_rustls::server::TlsStream<TcpStream>, HandshakeFailure> {
        let stream = self.tls()?.accept_web(stream).await?;
        upgrade(stream, &self.origins).await
    }

    async fn connect(
        &self,
        domain: &str,
        stream: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, HandshakeFailure> {
        self.tls()?.connect(domain, stream).await
    }

    fn tls(&self) -> Result<&Handshakes, HandshakeFailure> {
        let none = || HandshakeFailure::Other("this process has no TLS".to_owned());
        self.handshakes.as_ref().ok_or_else(none)
    }
}

impl Connection {
    /// Tells whom the certificate of the peer speaks for, before its first message.
    async fn tell_names(&self, names: Vec<Text>) {
        if !names.is_empty() {
            let id = self.flow.id;
            // No owner, nobody to tell.
            let _told = self.news.send(News::Certified { id, names }).await;
        }
    }
}

/// The opening handshake on a port of our own (RFC 6455 §4.2).
async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    origins: &Origins,
) -> Result<S, HandshakeFailure> {
    let mut head = BytesMut::with_capacity(HEAD_OCTETS);
    let whole = loop {
        match stream.read_buf(&mut head).await {
            Ok(0) => return Err(HandshakeFailure::PeerClosed),
            Ok(_) => {}
            Err(error) => return Err(HandshakeFailure::new(&error)),
        }
        if head.ends_with(b"\r\n\r\n") {
            break true;
        }
        // RFC 6455 §4.1: the client says nothing more before our answer.
        if head.len() >= HEAD_OCTETS || memchr::memmem::find(&head, b"\r\n\r\n").is_some() {
            break false;
        }
    };
    let text = std::str::from_utf8(&head).ok().filter(|_| whole);
    let request = text.ok_or(Refused::NotHttp).and_then(UpgradeRequest::read);
    match request.and_then(|request| request.check(origins)) {
        Ok(accept) => {
            let answer = UpgradeRequest::response(&accept);
            let written = write(&mut stream, &answer).await;
            written.map_err(|error| HandshakeFailure::new(&error))?;
            Ok(stream)
        }
        Err(refused) => {
            let answer = refused.response();
            // Who is refused may not wait for the answer.
            let _written = write(&mut stream, &answer).await;
            let _closed = stream.shutdown().await;
            Err(refused.into())
        }
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), answer: &str) -> io::Result<()> {
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await
}

/// Octets of the request for an upgrade; browsers with many cookies send some KiB.
const HEAD_OCTETS: usize = 8192;
