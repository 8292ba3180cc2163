//! The HTTP server: what axum serves, within bounds.
//!
//! | bound | at it |
//! |---|---|
//! | connections at once | closed at accept, counted |
//! | time for a request's header, also on a connection that idles | closed |
//! | octets and fields of the header | 431 |
//! | octets of the request target | 414 |
//! | octets of the body, time for it | 413, 408 |
//! | connections of one source, on the public side | closed at accept |
//! | time for a TLS handshake | closed |
//! | time without any progress of an answer | the kernel ends the connection |
//!
//! What is being answered when the server ends gets a moment to finish.

use crate::abuse::Watch;
use crate::abuse::web::Place;
use crate::limits::HttpLimits;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
use plenum_sip::transport::tls::{HandshakeFailure, Reason, TlsConfigs};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What is counted of the HTTP server.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Connections open.
    pub connections: Gauge,
    /// Connections closed at accept, because there were too many.
    pub refused_connections: Counter,
    /// Requests refused because they were too long or too slow.
    pub refused_requests: Counter,
    /// TLS handshakes that failed, by reason.
    pub failed_handshakes: Family<FailedBy, Counter>,
}

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FailedBy {
    /// The reason, as for connections of SIP.
    pub reason: Reason,
}

impl Metrics {
    /// Under the names that README lists.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_connections",
            "HTTP connections open",
            self.connections.clone(),
        );
        registry.register(
            "http_refused_connections",
            "HTTP connections closed at accept by the limit",
            self.refused_connections.clone(),
        );
        registry.register(
            "http_refused_requests",
            "HTTP requests too long or too slow",
            self.refused_requests.clone(),
        );
        registry.register(
            "http_failed_handshakes",
            "TLS handshakes of HTTPS that failed, by reason",
            self.failed_handshakes.clone(),
        );
    }
}

/// A running HTTP server.
#[derive(Debug)]
pub(crate) struct Serving {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    stopped: JoinHandle<()>,
}

impl Serving {
    /// Takes no more connections, lets requests finish for the time of farewell, and ends.
    pub(crate) async fn stop(self) {
        // Without a receiver it has stopped already.
        self.stop.send(()).ok();
        self.stopped.await.ok();
    }
}

/// The two ends of the connection a request came on, in the extensions of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    /// Our address.
    pub(crate) local: SocketAddr,
    /// The peer's.
    pub(crate) remote: SocketAddr,
    /// It is TLS between them.
    pub(crate) encrypted: bool,
}

/// What the public side needs.
#[derive(Debug)]
pub(crate) struct Public {
    /// What handshakes are made with.
    pub(crate) tls: watch::Receiver<TlsConfigs>,
    /// Who looks at whoever comes.
    pub(crate) watch: Watch,
}

/// Serves in the background, over TLS and watched on the public side.
///
/// # Errors
/// The address cannot be listened on.
pub(crate) async fn serve(
    address: SocketAddr,
    router: Router,
    limits: HttpLimits,
    metrics: Metrics,
    public: Option<Public>,
) -> io::Result<Serving> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let (stop, stopping) = oneshot::channel();
    let (stop_connections, stopping_connections) = watch::channel(());
    let server = Server {
        router: bounded(router, &limits, &metrics),
        http: protocol(&limits),
        room: Arc::new(Semaphore::new(limits.connections)),
        stop: stop_connections,
        stopping: stopping_connections,
        public,
        limits,
        metrics,
    };
    let stopped = tokio::spawn(server.run(listener, stopping));
    Ok(Serving {
        address,
        stop,
        stopped,
    })
}

/// The router behind the bounds of single requests.
pub(crate) fn bounded(router: Router, limits: &HttpLimits, metrics: &Metrics) -> Router {
    let bounds = (limits.clone(), metrics.clone());
    router.layer(from_fn_with_state(Arc::new(bounds), bound))
}

fn protocol(limits: &HttpLimits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.read_timeout)
        .max_headers(limits.header_fields)
        .max_buf_size(limits.head_bytes);
    http
}

struct Server {
    router: Router,
    http: http1::Builder,
    room: Arc<Semaphore>,
    /// Dropped when the connections are to end.
    stop: watch::Sender<()>,
    stopping: watch::Receiver<()>,
    public: Option<Public>,
    limits: HttpLimits,
    metrics: Metrics,
}

impl Server {
    async fn run(self, listener: TcpListener, mut stopping: oneshot::Receiver<()>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = &mut stopping => break,
            };
            match accepted {
                Ok((stream, remote)) => self.connect(stream, remote),
                Err(error) => {
                    tracing::warn!("HTTP cannot accept: {error}");
                    // Usually there are no files left: trying at once would find none again.
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(listener);
        drop(self.stop);
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        let done = self.room.acquire_many(all);
        // What has not finished by then ends with the process.
        tokio::time::timeout(self.limits.farewell, done).await.ok();
    }

    fn connect(&self, stream: TcpStream, remote: SocketAddr) {
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            self.metrics.refused_connections.inc();
            return;
        };
        let watched = self.public.as_ref().map(|public| &public.watch);
        let watched = watched.map(|watch| Place::take(watch, remote.ip().to_canonical()));
        if matches!(watched, Some(None)) {
            self.metrics.refused_connections.inc();
            return;
        }
        let stalled = u32::try_from(self.limits.write_timeout.as_millis()).unwrap_or(u32::MAX);
        // A kernel without this option only waits longer.
        setsockopt(&stream, TcpUserTimeout, &stalled).ok();
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let ends = Ends {
            local,
            remote,
            encrypted: self.public.is_some(),
        };
        let (open, patience) = (self.metrics.connections.clone(), self.limits.read_timeout);
        let (http, router) = (self.http.clone(), self.router.clone());
        let tls = self.public.as_ref();
        let tls = tls.map(|public| public.tls.borrow().clone());
        let stopping = self.stopping.clone();
        let failed = self.metrics.failed_handshakes.clone();
        tokio::spawn(async move {
            open.inc();
            match tls {
                None => talk(&http, router, ends, stream, stopping).await,
                Some(configs) => {
                    let handshake = TlsAcceptor::from(configs.web).accept(stream);
                    let done = tokio::time::timeout(patience, handshake).await;
                    let done = done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                    match done {
                        Ok(stream) => talk(&http, router, ends, stream, stopping).await,
                        Err(error) => {
                            let failure = HandshakeFailure::new(&error);
                            let reason = failure.reason();
                            failed.get_or_create(&FailedBy { reason }).inc();
                            tracing::debug!(%remote, %failure, "HTTPS handshake");
                        }
                    }
                }
            }
            open.dec();
            drop((place, watched));
        });
    }
}

/// Answers the requests of one connection.
async fn talk(
    http: &http1::Builder,
    router: Router,
    ends: Ends,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut stopping: watch::Receiver<()>,
) {
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ends);
        service.call(request)
    });
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection.with_upgrades());
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // The sender is gone: we stop.
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("HTTP connection: {error}");
    }
}

/// Refuses what is too long or too slow before anything is done for it.
async fn bound(
    State(bounds): State<Arc<(HttpLimits, Metrics)>>,
    request: Request,
    next: Next,
) -> Response {
    let (limits, metrics) = &*bounds;
    let target = request.uri().path_and_query();
    let checked = if target.is_some_and(|target| target.as_str().len() > limits.path_bytes) {
        Err(StatusCode::URI_TOO_LONG)
    } else {
        whole(request, limits).await
    };
    match checked {
        Ok(request) => next.run(request).await,
        Err(status) => {
            metrics.refused_requests.inc();
            status.into_response()
        }
    }
}

/// The request with all of its body.
async fn whole(request: Request, limits: &HttpLimits) -> Result<Request, StatusCode> {
    let (parts, body) = request.into_parts();
    let read = to_bytes(body, limits.body_bytes);
    match tokio::time::timeout(limits.read_timeout, read).await {
        Ok(Ok(body)) => Ok(Request::from_parts(parts, Body::from(body))),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

/// After a failure to accept.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
