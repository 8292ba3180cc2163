//! The WebSocket of browsers on the HTTPS port: `GET /sip` (RFC 7118 §4), handed to the SIP sockets.

use super::server::Ends;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::TokioIo;
use plenum_sip::transport::Incoming;
use plenum_sip::websocket::{Origins, UpgradeRequest};
use std::sync::Arc;

/// Where upgraded connections go, and who may have one.
#[derive(Clone, Debug)]
pub(crate) struct WebSockets {
    pub(crate) incoming: Incoming,
    pub(crate) origins: Arc<Origins>,
}

/// The route.
pub(crate) fn router(sockets: WebSockets) -> Router {
    Router::new()
        .route("/sip", get(upgrade))
        .with_state(sockets)
}

async fn upgrade(State(sockets): State<WebSockets>, mut request: Request) -> Response {
    let checked = checked(request.headers(), &sockets.origins);
    let ends = request.extensions().get::<Ends>().copied();
    let (accept, ends) = match (checked, ends) {
        (Ok(accept), Some(ends)) => (accept, ends),
        (Ok(_), None) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        (Err(refused), _) => {
            let status = StatusCode::from_u16(refused.status());
            let status = status.unwrap_or(StatusCode::BAD_REQUEST);
            let version = [(header::SEC_WEBSOCKET_VERSION, "13")];
            return (status, version, format!("{refused}\n")).into_response();
        }
    };
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await {
            Ok(stream) => {
                let stream = TokioIo::new(stream);
                let Ends { local, remote, .. } = ends;
                let incoming = sockets.incoming;
                incoming.accept_websocket(stream, true, local, remote).await;
            }
            Err(error) => tracing::debug!(%error, "a WebSocket was not upgraded"),
        }
    });
    let headers = [
        (header::UPGRADE, "websocket".to_owned()),
        (header::CONNECTION, "Upgrade".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
        (
            header::SEC_WEBSOCKET_PROTOCOL,
            UpgradeRequest::PROTOCOL.to_owned(),
        ),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// Our own pages may always.
fn checked(
    headers: &HeaderMap,
    origins: &Origins,
) -> Result<String, plenum_sip::websocket::Refused> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let protocols = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let protocols: Vec<_> = protocols
        .iter()
        .filter_map(|one| one.to_str().ok())
        .collect();
    let protocols = protocols.join(",");
    let own = text(header::HOST).map(|host| format!("https://{host}"));
    let foreign = |origin: &&str| own.as_deref() != Some(*origin);
    let request = UpgradeRequest {
        upgrade: text(header::UPGRADE),
        connection: text(header::CONNECTION),
        version: text(header::SEC_WEBSOCKET_VERSION),
        key: text(header::SEC_WEBSOCKET_KEY),
        protocols: Some(&protocols),
        origin: text(header::ORIGIN).filter(foreign),
    };
    request.check(origins)
}
