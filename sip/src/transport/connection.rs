//! One stream connection: the same task over any reliable octet stream.
//!
//! TCP gives its socket, TLS will give its session after the handshake. A WebSocket frames messages
//! by itself (RFC 7118 §5), so it will bring another reader than [`Framer`] and the same rest.
//!
//! | the connection ends when | reason |
//! |---|---|
//! | the peer stopped sending, and the linger time for our answers is over | `Peer` |
//! | the peer sent what cannot be framed, and the linger time is over | `Framing` |
//! | reading or writing fails | `Reset` |
//! | nothing was read or written for the idle time | `Idle` |
//! | the owner says so | its reason |
//! | the owner dropped the queue, and all of it is written | `Stopped` |

use super::metrics::{CloseReason, Traffic};
use super::streams::News;
use crate::endpoint::{ClientTxId, Flow};
use crate::frame::{Frame, Framer, PONG};
use bytes::{Buf, Bytes};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    /// Octets handed over and not yet written; the owner adds, the task subtracts.
    pub(super) queued: Arc<AtomicUsize>,
    pub(super) close: oneshot::Receiver<CloseReason>,
    pub(super) traffic: Traffic,
    pub(super) bounds: Bounds,
}

/// What of the limits one connection needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) head_bytes: usize,
    pub(super) message_bytes: usize,
    pub(super) idle: Duration,
    pub(super) linger: Duration,
}

/// What a connection is doing besides reading and writing.
#[derive(Debug)]
struct Work {
    framer: Framer,
    current: Option<Outgoing>,
    pongs: u32,
    last_traffic: Instant,
    /// Set when reading is over: why, and when we close.
    lingering: Option<(CloseReason, Instant)>,
    at_end: bool,
}

impl Connection {
    /// Serves the stream until it ends, and tells the owner.
    pub(super) async fn run<S: AsyncRead + AsyncWrite + Send>(mut self, stream: S) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut work = Work {
            framer: Framer::new(self.bounds.head_bytes, self.bounds.message_bytes),
            current: None,
            pongs: 0,
            last_traffic: Instant::now(),
            lingering: None,
            at_end: false,
        };
        let reason = self.serve(&mut work, &mut reader, &mut writer).await;
        let polite = matches!(
            reason,
            CloseReason::Peer | CloseReason::Framing | CloseReason::Idle | CloseReason::Stopped
        );
        if polite {
            // The peer may be gone or not read: closing politely has its time as well.
            let goodbye = tokio::time::timeout(self.bounds.linger, writer.shutdown()).await;
            tracing::trace!(flow = ?self.flow, ?reason, ?goodbye, "connection closed");
        }
        self.end(reason, work.current).await;
    }

    /// Tells the owner that the connection is over, and what was never written.
    pub(super) async fn end(mut self, reason: CloseReason, current: Option<Outgoing>) {
        self.queue.close();
        let mut unsent: Vec<ClientTxId> =
            current.and_then(|message| message.tx).into_iter().collect();
        while let Ok(message) = self.queue.try_recv() {
            unsent.extend(message.tx);
        }
        // No owner, nobody to tell.
        let _told = self
            .news
            .send(News::Closed {
                id: self.flow.id,
                reason,
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
        let alarm = tokio::time::sleep_until(work.last_traffic + self.bounds.idle);
        tokio::pin!(alarm);
        let mut deaf = false;
        loop {
            work.framer.buffer().reserve(READ_OCTETS);
            let pending = work.pending();
            let end = tokio::select! {
                reason = &mut self.close, if !deaf => {
                    deaf = true;
                    self.on_close(work, reason.ok())
                }
                read = reader.read_buf(work.framer.buffer()), if !work.at_end => {
                    self.on_read(work, read).await
                }
                written = writer.write(pending.as_deref().unwrap_or_default()), if pending.is_some() => {
                    self.on_written(work, written)
                }
                next = self.queue.recv(), if pending.is_none() => {
                    work.current = next;
                    work.current.is_none().then_some(CloseReason::Stopped)
                }
                () = &mut alarm => self.on_alarm(work),
            };
            if let Some(reason) = end {
                return reason;
            }
            let next = work.alarm_at(self.bounds.idle);
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
            Err(_) => return Some(CloseReason::Reset),
            Ok(0) => {
                work.at_end = true;
                if let Some((reason, _)) = work.lingering {
                    return Some(reason);
                }
                return self.linger(work, CloseReason::Peer).await;
            }
            Ok(_) => work.last_traffic = Instant::now(),
        }
        loop {
            match work.framer.poll() {
                Ok(None) => return None,
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
        if let Some(current) = &mut work.current {
            self.queued.fetch_sub(octets, Ordering::Relaxed);
            current.bytes.advance(octets);
            if current.bytes.is_empty() {
                work.current = None;
                self.traffic.sent.inc();
            }
        } else if octets < PONG.len() {
            // Not even two octets fit.
            return Some(CloseReason::SlowReader);
        } else {
            work.pongs = work.pongs.saturating_sub(1);
        }
        None
    }

    fn on_alarm(&self, work: &Work) -> Option<CloseReason> {
        let now = Instant::now();
        match work.lingering {
            Some((reason, at)) => (at <= now).then_some(reason),
            None => (work.last_traffic + self.bounds.idle <= now).then_some(CloseReason::Idle),
        }
    }
}

impl Work {
    /// What is to be written next: the rest of the current message, else a pong that is due.
    fn pending(&self) -> Option<Bytes> {
        let message = self.current.as_ref().map(|message| message.bytes.clone());
        message.or_else(|| (self.pongs > 0).then(|| Bytes::from_static(PONG)))
    }

    fn alarm_at(&self, idle: Duration) -> Instant {
        self.lingering
            .map_or(self.last_traffic + idle, |(_, at)| at)
    }
}

/// Room made for each read.
const READ_OCTETS: usize = 4096;
