//! Bounds of the shell for tests, and a bound on every wait.

use plenum_sip::transport::ShellLimits;
use std::time::Duration;

/// Wide where a test does not say otherwise.
pub(crate) fn shell() -> ShellLimits {
    ShellLimits {
        head_bytes: 4096,
        connect_timeout: Duration::from_secs(5),
        handshakes: 20,
        handshakes_per_source: 16,
        handshake_timeout: Duration::from_secs(5),
        websocket_ping: Duration::from_secs(20),
        linger: Duration::from_millis(200),
        write_queue_messages: 1000,
        datagram_queue: 100,
        datagram_batch: 16,
        datagram_receive_buffer: 1 << 20,
        datagram_send_buffer: 1 << 20,
        stream_queue: 16,
        command_queue: 16,
        resolutions: 4,
        resolve_timeout: Duration::from_secs(1),
        resolve_targets: 8,
    }
}

/// What comes in time.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("nothing came in time")
}

/// Longer than every timer under test, also those of tests in paused time.
const PATIENCE: Duration = Duration::from_secs(60);
