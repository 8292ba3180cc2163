//! One stream connection: the same task over any reliable octet stream.
//!
//! TCP gives its socket, TLS its session after the handshake. A WebSocket frames messages by itself
//! (RFC 7118 §5), so it brings another reader and its own frames around what is written.
//!
//! | the connection ends when | reason |
//! |---|---|
//! | the peer stopped sending, and the linger time for our answers is over | `Peer` |
//! | the peer sent what cannot be framed, and the linger time is over | `Framing` |
//! | reading or writing fails | `Reset` |
//! | nothing was read or written for the idle time, or a WebSocket ping stayed unanswered | `Idle` |
//! | the peer was silent for longer than it promised (RFC 5626 §4.4) | `Silent` |
//! | the owner says so | its reason |
//! | the owner dropped the queue, and all of it is written | `Stopped` |

use super::metrics::{CloseReason, Traffic};
use super::streams::News;
use crate::endpoint::{ClientTxId, Flow};
use crate::frame::{Frame, Framer, PONG};
use crate::msg::Text;
use crate::websocket::{self, Heard, Reader};
use bytes::{Buf, Bytes, BytesMut};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) bytes: Bytes,
    pub(super) tx: Option<ClientTxId>,
}

/// The end of a connection that its task holds.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) flow: Flow,
    pub(super) news: mpsc::Sender<News>,
    pub(super) queue: mpsc::Receiver<Outgoing>,
    pub(super) shared: Arc<Shared>,
    pub(super) close: oneshot::Receiver<CloseReason>,
    pub(super) traffic: Traffic,
    pub(super) bounds: Bounds,
    /// We opened it.
    pub(super) ours: bool,
    /// The stream keeps what was written until it is flushed.
    pub(super) buffers: bool,
}

/// What the owner and the task of a connection both look at.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Octets handed over and not yet written; the owner adds, the task subtracts.
    pub(super) queued: AtomicUsize,
    /// Milliseconds for which the peer may be silent; 0: as long as it likes. The owner sets it before
    /// it sends what tells the peer so: taking that, the task sees it.
    pub(super) silence: AtomicU64,
}

/// What of the limits one connection needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) head_bytes: usize,
    pub(super) message_bytes: usize,
    pub(super) idle: Duration,
    pub(super) linger: Duration,
    /// A WebSocket that was silent for so long is pinged, and ends after as long again.
    pub(super) ping: Duration,
}

/// How messages are cut out of the stream, and put into it.
#[derive(Debug)]
enum Wire {
    Stream(Framer),
    Web(Reader),
}

/// What a connection is doing besides reading and writing.
#[derive(Debug)]
struct Work {
    wire: Wire,
    current: Option<Current>,
    /// Answers to keep-alives that are due.
    pongs: u32,
    /// A control frame that is due, the latest of its kind (RFC 6455 §5.5.3).
    control: Option<Bytes>,
    /// Something was written that may still be in the stream.
    unflushed: bool,
    last_traffic: Instant,
    last_heard: Instant,
    pinged: bool,
    /// Set when reading is over: why, and when we close.
    lingering: Option<(CloseReason, Instant)>,
    at_end: bool,
}

/// What is being written.
#[derive(Debug)]
struct Current {
    rest: Bytes,
    tx: Option<ClientTxId>,
    /// Octets of the queue it stands for; 0: an answer to a keep-alive.
    queued: usize,
}

impl Connection {
    /// Serves a stream of messages until it ends, and tells the owner.
    pub(super) async fn run<S: AsyncRead + AsyncWrite + Send>(self, stream: S) {
        let framer = Framer::new(self.bounds.head_bytes, self.bounds.message_bytes);
        self.work(Wire::Stream(framer), stream).await;
    }

    /// Serves a WebSocket after its opening handshake until it ends, and tells the owner.
    pub(super) async fn run_web<S: AsyncRead + AsyncWrite + Send>(self, stream: S) {
        let reader = Reader::new(self.bounds.message_bytes);
        self.work(Wire::Web(reader), stream).await;
    }

    async fn work<S: AsyncRead + AsyncWrite + Send>(mut self, wire: Wire, stream: S) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let now = Instant::now();
        let mut work = Work {
            wire,
            current: None,
            pongs: 0,
            control: None,
            unflushed: false,
            last_traffic: now,
            last_heard: now,
            pinged: false,
            lingering: None,
            at_end: false,
        };
        let reason = self.serve(&mut work, &mut reader, &mut writer).await;
        let polite = matches!(
            reason,
            CloseReason::Peer
                | CloseReason::Framing
                | CloseReason::Idle
                | CloseReason::Silent
                | CloseReason::Stopped
        );
        if polite {
            // The peer may be gone or not read: closing politely has its time as well.
            let last = work.goodbye(reason);
            let goodbye = async {
                writer.write_all(&last).await?;
                writer.shutdown().await
            };
            let goodbye = tokio::time::timeout(self.bounds.linger, goodbye).await;
            tracing::trace!(flow = ?self.flow, ?reason, ?goodbye, "connection closed");
        }
        let tx = work.current.and_then(|current| current.tx);
        self.end(reason, tx).await;
    }

    /// Tells the owner that the connection is over, and what was never written.
    pub(super) async fn end(self, reason: CloseReason, current: Option<ClientTxId>) {
        self.end_for(reason, None, current).await;
    }

    /// The same of one that was not secured, and why.
    pub(super) async fn end_for(
        mut self,
        reason: CloseReason,
        insecure: Option<Text>,
        current: Option<ClientTxId>,
    ) {
        self.queue.close();
        let mut unsent: Vec<ClientTxId> = current.into_iter().collect();
        while let Ok(message) = self.queue.try_recv() {
            unsent.extend(message.tx);
        }
        // No owner, nobody to tell.
        let _told = self
            .news
            .send(News::Closed {
                id: self.flow.id,
                reason,
                insecure,
                unsent,
            })
            .await;
    }

    async fn serve(
        &mut self,
        work: &mut Work,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> CloseReason {
        let alarm = tokio::time::sleep_until(work.alarm_at(&self.bounds, self.silence()));
        tokio::pin!(alarm);
        let mut deaf = false;
        loop {
            work.wire.buffer().reserve(READ_OCTETS);
            let pending = work.pending();
            let end = tokio::select! {
                reason = &mut self.close, if !deaf => {
                    deaf = true;
                    self.on_close(work, reason.ok())
                }
                read = reader.read_buf(work.wire.buffer()), if !work.at_end => {
                    self.on_read(work, read).await
                }
                written = write(writer, pending.as_deref()), if pending.is_some() || work.unflushed => {
                    match pending {
                        Some(_) => self.on_written(work, written),
                        None => work.on_flushed(&written),
                    }
                }
                next = self.queue.recv(), if pending.is_none() => {
                    work.take(next)
                }
                () = &mut alarm => self.on_alarm(work),
            };
            if let Some(reason) = end {
                return reason;
            }
            let next = work.alarm_at(&self.bounds, self.silence());
            // Traffic only moves the alarm away: it is set again when it goes off too early.
            if alarm.is_elapsed() || next < alarm.deadline() {
                alarm.as_mut().reset(next);
            }
        }
    }

    /// The owner wants the connection closed, or has gone and leaves it the time to write the rest.
    fn on_close(&self, work: &mut Work, reason: Option<CloseReason>) -> Option<CloseReason> {
        if reason.is_none() {
            let last = Instant::now() + self.bounds.linger;
            work.lingering.get_or_insert((CloseReason::Stopped, last));
        }
        reason
    }

    async fn on_read(&self, work: &mut Work, read: io::Result<usize>) -> Option<CloseReason> {
        match read {
            // Many TLS peers leave without saying so; what they said before is framed.
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Some(CloseReason::Reset);
            }
            Ok(0) | Err(_) => {
                work.at_end = true;
                if let Some((reason, _)) = work.lingering {
                    return Some(reason);
                }
                return self.linger(work, CloseReason::Peer).await;
            }
            Ok(_) => {
                work.last_heard = Instant::now();
                work.last_traffic = work.last_heard;
                work.pinged = false;
            }
        }
        if matches!(work.wire, Wire::Web(_)) {
            self.on_web(work).await
        } else {
            self.on_stream(work).await
        }
    }

    async fn on_stream(&self, work: &mut Work) -> Option<CloseReason> {
        while let Wire::Stream(framer) = &mut work.wire {
            match framer.poll() {
                Ok(None) => break,
                Ok(Some(Frame::Ping)) => {
                    self.traffic.keep_alives.inc();
                    work.pongs = work.pongs.saturating_add(1);
                }
                Ok(Some(Frame::Message(bytes))) => {
                    if let Some(reason) = self.deliver(bytes).await {
                        return Some(reason);
                    }
                }
                Ok(Some(Frame::Broken { head, error })) => {
                    tracing::debug!(flow = ?self.flow, %error, "stream cannot be framed");
                    if let Some(reason) = self.deliver(head).await {
                        return Some(reason);
                    }
                    return self.linger(work, CloseReason::Framing).await;
                }
                Err(error) => {
                    tracing::debug!(flow = ?self.flow, %error, "stream cannot be framed");
                    return Some(CloseReason::Framing);
                }
            }
        }
        None
    }

    async fn on_web(&self, work: &mut Work) -> Option<CloseReason> {
        while let Wire::Web(reader) = &mut work.wire {
            match reader.poll() {
                Ok(None) => break,
                Ok(Some(Heard::Message(bytes))) => {
                    if let Some(reason) = self.deliver(bytes).await {
                        return Some(reason);
                    }
                }
                Ok(Some(Heard::KeepAlive { ping })) => {
                    self.traffic.keep_alives.inc();
                    work.pongs = work.pongs.saturating_add(u32::from(ping));
                }
                Ok(Some(Heard::Ping(data))) => {
                    self.traffic.keep_alives.inc();
                    work.control = Some(websocket::pong(&data));
                }
                Ok(Some(Heard::Pong)) => {}
                Ok(Some(Heard::Close(code))) => {
                    work.control = Some(websocket::close(code));
                    return self.linger(work, CloseReason::Peer).await;
                }
                Err(error) => {
                    tracing::debug!(flow = ?self.flow, %error, "WebSocket cannot be read");
                    work.control = Some(websocket::close(error.close_code()));
                    return self.linger(work, CloseReason::Framing).await;
                }
            }
        }
        None
    }

    /// Hands a message over, and reads no further until it was taken.
    async fn deliver(&self, bytes: Bytes) -> Option<CloseReason> {
        self.traffic.received.inc();
        let message = News::Message {
            flow: self.flow,
            bytes,
        };
        self.news
            .send(message)
            .await
            .is_err()
            .then_some(CloseReason::Stopped)
    }

    /// Reading is over; what the transaction user still answers is written for a while.
    async fn linger(&self, work: &mut Work, reason: CloseReason) -> Option<CloseReason> {
        work.lingering = Some((reason, Instant::now() + self.bounds.linger));
        let news = News::ReadClosed { id: self.flow.id };
        self.news
            .send(news)
            .await
            .is_err()
            .then_some(CloseReason::Stopped)
    }

    fn on_written(&self, work: &mut Work, written: io::Result<usize>) -> Option<CloseReason> {
        let Ok(octets @ 1..) = written else {
            return Some(CloseReason::Reset);
        };
        work.last_traffic = Instant::now();
        work.unflushed = self.buffers;
        let current = work.current.as_mut()?;
        current.rest.advance(octets.min(current.rest.len()));
        if current.rest.is_empty() {
            if current.queued > 0 {
                self.shared
                    .queued
                    .fetch_sub(current.queued, Ordering::Relaxed);
                self.traffic.sent.inc();
            }
            work.current = None;
        }
        None
    }

    /// For how long the peer may be silent.
    fn silence(&self) -> Option<Duration> {
        let silence = self.shared.silence.load(Ordering::Relaxed);
        (silence > 0).then(|| Duration::from_millis(silence))
    }

    fn on_alarm(&self, work: &mut Work) -> Option<CloseReason> {
        let now = Instant::now();
        if let Some((reason, at)) = work.lingering {
            return (at <= now).then_some(reason);
        }
        if work.last_traffic + self.bounds.idle <= now {
            return Some(CloseReason::Idle);
        }
        let silent = now.duration_since(work.last_heard);
        if self.silence().is_some_and(|silence| silent >= silence) {
            return Some(CloseReason::Silent);
        }
        if matches!(work.wire, Wire::Web(_)) {
            if silent >= self.bounds.ping * 2 {
                return Some(CloseReason::Idle);
            }
            if silent >= self.bounds.ping && !work.pinged {
                work.pinged = true;
                work.control = Some(websocket::ping());
            }
        }
        None
    }
}

impl Wire {
    fn buffer(&mut self) -> &mut BytesMut {
        match self {
            Self::Stream(framer) => framer.buffer(),
            Self::Web(reader) => reader.buffer(),
        }
    }

    fn wrap(&self, message: Bytes) -> Bytes {
        match self {
            Self::Stream(_) => message,
            Self::Web(_) => websocket::message(&message),
        }
    }
}

impl Work {
    /// What is to be written next: the rest of the current message, else an answer that is due.
    fn pending(&mut self) -> Option<Bytes> {
        if self.current.is_none() {
            let control = self.control.take();
            let due = control.or_else(|| {
                self.pongs = self.pongs.checked_sub(1)?;
                Some(self.wire.wrap(Bytes::from_static(PONG)))
            });
            self.current = due.map(|rest| Current {
                rest,
                tx: None,
                queued: 0,
            });
        }
        self.current.as_ref().map(|current| current.rest.clone())
    }

    fn on_flushed(&mut self, flushed: &io::Result<usize>) -> Option<CloseReason> {
        self.unflushed = false;
        flushed.is_err().then_some(CloseReason::Reset)
    }

    /// What a WebSocket is told before we close it (RFC 6455 §7.4.1, "going away").
    fn goodbye(&self, reason: CloseReason) -> Bytes {
        let ours = matches!(reason, CloseReason::Idle | CloseReason::Stopped);
        match self.wire {
            Wire::Web(_) if ours => websocket::close(1001),
            Wire::Web(_) | Wire::Stream(_) => Bytes::new(),
        }
    }

    /// The next message of the queue; without one its owner has gone.
    fn take(&mut self, next: Option<Outgoing>) -> Option<CloseReason> {
        self.current = next.map(|message| Current {
            queued: message.bytes.len(),
            rest: self.wire.wrap(message.bytes),
            tx: message.tx,
        });
        self.current.is_none().then_some(CloseReason::Stopped)
    }

    fn alarm_at(&self, bounds: &Bounds, silence: Option<Duration>) -> Instant {
        if let Some((_, at)) = self.lingering {
            return at;
        }
        let silent = silence.map(|silence| self.last_heard + silence);
        let idle = self.last_traffic + bounds.idle;
        let idle = silent.map_or(idle, |silent| idle.min(silent));
        match self.wire {
            Wire::Stream(_) => idle,
            Wire::Web(_) => {
                let pings = if self.pinged { 2 } else { 1 };
                idle.min(self.last_heard + bounds.ping * pings)
            }
        }
    }
}

/// Writes what it can of this, or flushes.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    pending: Option<&[u8]>,
) -> io::Result<usize> {
    match pending {
        Some(octets) => writer.write(octets).await,
        None => writer.flush().await.map(|()| 0),
    }
}

/// Room made for each read.
const READ_OCTETS: usize = 4096;
