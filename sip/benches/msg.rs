//! What a message costs: reading and printing an INVITE of 600 octets with its SDP.
//!
//! Plain loops, the best of several rounds: `cargo bench -p plenum-sip --bench msg`.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    reason = "a benchmark reports to who runs it"
)]

use bytes::Bytes;
use plenum_sip::msg::{Framing, Message, StatusCode, parse};
use std::hint::black_box;
use std::time::Duration;

#[path = "../tests/bounds/mod.rs"]
mod bounds;

const INVITE: &str = "INVITE sip:standup@conf.example.com SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.0.2.10:5060;rport;branch=z9hG4bK4b43c2ff8\r\n\
Max-Forwards: 70\r\n\
From: \"Ada\" <sip:ada@example.com>;tag=9fxced76sl\r\n\
To: <sip:standup@conf.example.com>\r\n\
Call-ID: 3848276298220188511@192.0.2.10\r\n\
CSeq: 1 INVITE\r\n\
Contact: <sip:ada@192.0.2.10:5060>\r\n\
Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 204\r\n\
\r\n\
v=0\r\n\
o=ada 2890844526 2890844526 IN IP4 192.0.2.10\r\n\
s=-\r\n\
c=IN IP4 192.0.2.10\r\n\
t=0 0\r\n\
m=audio 49170 RTP/AVP 0 8 96 101\r\n\
a=rtpmap:96 opus/48000/2\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=ptime:20\r\na=sendrecv\r\n";

fn main() {
    let input = Bytes::from(INVITE.as_bytes().to_vec());
    let limits = bounds::limits();
    let read = || match parse(input.clone(), &limits, Framing::Datagram) {
        Ok(Message::Request(request)) => request,
        other => panic!("the message of the benchmark must be read: {other:?}"),
    };
    println!("octets             {}", input.len());
    report("parse", || drop(black_box(read())));
    report("parse and print", || drop(black_box(read().print())));
    let request = read();
    report("print", || drop(black_box(request.print())));
    report("response to it", || {
        drop(black_box(request.response(StatusCode::OK).print()))
    });
}

/// Prints the best nanoseconds per call of many short rounds, so that others on the machine do not
/// count.
fn report(name: &str, mut work: impl FnMut()) {
    const CALLS: u32 = 200;
    let best = (0..10)
        .map(|_| round(&mut work, CALLS))
        .min()
        .unwrap_or_default();
    println!("{name:<18} {} ns", best.as_nanos() / u128::from(CALLS));
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn round(work: &mut impl FnMut(), calls: u32) -> Duration {
    let start = std::time::Instant::now();
    for _ in 0..calls {
        work();
    }
    start.elapsed()
}
