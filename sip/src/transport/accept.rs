//! Taking new connections from a listening socket.

use super::establish::Begun;
use super::streams::News;
use crate::endpoint::Transport;
use prometheus_client::metrics::counter::Counter;
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Accepts until the transports are dropped. Whether a connection may stay is decided where the
/// connections are counted; while nobody takes the news, none is accepted.
pub(super) async fn accept(
    transport: Transport,
    listener: TcpListener,
    news: mpsc::Sender<News>,
    failures: Counter,
) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                let prepare = || {
                    stream.set_nodelay(true)?;
                    stream.local_addr()
                };
                let Ok(local) = prepare() else {
                    tracing::debug!(%remote, "an accepted connection was gone at once");
                    continue;
                };
                let accepted = News::Accepted {
                    transport,
                    begun: Begun::Socket(stream),
                    local,
                    remote,
                };
                if news.send(accepted).await.is_err() {
                    return;
                }
            }
            // The peer went away between the handshake and accept.
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                // Out of descriptors or memory (EMFILE, ENFILE, ENOBUFS): the connection stays in
                // the backlog, so trying again at once would only burn the processor.
                failures.inc();
                tracing::warn!(%error, "cannot accept a connection; trying again shortly");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// How long a listener rests when accept fails.
const PAUSE: Duration = Duration::from_millis(100);
