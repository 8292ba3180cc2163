//! Any datagram is read or refused; what was read is printed and read again as the same. STUN is
//! answered with little more than it was.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use plenum_sip::limits::{EventLimits, Limits};
use plenum_sip::msg::{Framing, Message, parse};
use plenum_sip::stun;
use std::net::SocketAddr;
use std::time::Duration;

fn limits() -> Limits {
    Limits {
        message_bytes: 65_535,
        header_fields: 256,
        server_transactions: 1,
        invite_usages: 1,
        half_open_invites: 1,
        half_open_unproven: 1,
        unproven_repeats: 3,
        retry_after_s: 1,
        connections: 1,
        connections_per_source: 1,
        connection_idle: Duration::from_secs(1),
        write_queue_bytes: 1,
        ringing: Duration::from_secs(1),
        events: EventLimits::default(),
    }
}

fuzz_target!(|octets: &[u8]| {
    let limits = limits();
    if let Some(answer) = stun::answer(octets, SocketAddr::from(([192, 0, 2, 1], 5060))) {
        assert!(stun::is_stun(octets) && answer.len() <= octets.len() + 24);
    }
    for framing in [Framing::Datagram, Framing::Stream] {
        let read = parse(Bytes::copy_from_slice(octets), &limits, framing);
        let Ok(Message::Request(request)) = read else {
            continue;
        };
        let printed = request.print();
        if printed.len() <= limits.message_bytes {
            assert!(parse(printed, &limits, framing).is_ok());
        }
    }
});
