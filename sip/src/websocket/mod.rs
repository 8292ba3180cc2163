//! SIP over WebSocket (RFC 7118): the server's half of RFC 6455, without sockets.
//!
//! | file | what it knows |
//! |---|---|
//! | `upgrade` | the request that turns HTTP into a WebSocket, and its answer |
//! | `reader` | frames from a client, put together to messages |
//! | `frame` | what a server writes: messages, pongs, pings, close |
//!
//! One WebSocket message is one SIP message (RFC 7118 §5), as text or binary. A message of blank
//! lines only is a keep-alive (RFC 7118 §6 with RFC 5626 §3.5.1).

mod frame;
mod reader;
mod upgrade;

pub use frame::{close, message, ping, pong};
pub use reader::{Heard, Reader, WebSocketError};
pub use upgrade::{Origins, Refused, UpgradeRequest};
