//! The least a SIP server can be: 200 with a fixed session description to every INVITE, 200 to every
//! other request. For measuring what a call costs below the transaction user:
//!
//! ```sh
//! cargo run --release -p plenum-sip --example uas -- 127.0.0.1:5070
//! sipp -sn uac -r 1000 -m 5000 -d 0 -trace_stat 127.0.0.1:5070
//! ```
//!
//! On SIGINT it says how many calls it had and what one of them cost.

#![expect(clippy::print_stdout, reason = "its answer is for whoever runs it")]

use bytes::Bytes;
use nix::sys::resource::{UsageWho, getrusage};
use plenum_sip::driver::{Driver, TransactionUser};
use plenum_sip::endpoint::{Accept, Answer, Body, Config, Endpoint, Event, Events, Transport};
use plenum_sip::limits::{EventLimits, Limits};
use plenum_sip::metrics::Metrics;
use plenum_sip::msg::{Method, StatusCode};
use plenum_sip::resolve::{Policy, Resolver};
use plenum_sip::transaction::timer::Times;
use plenum_sip::transport::{Listen, ShellLimits, ShellMetrics, Transports};
use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

/// Answers, and counts.
#[derive(Debug, Default)]
struct Yes {
    calls: u32,
    ended: u32,
}

impl TransactionUser for Yes {
    type Command = ();

    fn handle_event(&mut self, now: Instant, endpoint: &mut Endpoint, event: Event) {
        let answered = match event {
            Event::Invite { id, .. } => {
                self.calls += 1;
                let octets = Bytes::from_static(SDP);
                let body = Some(Body {
                    content_type: "application/sdp".into(),
                    octets,
                });
                endpoint.accept(
                    now,
                    id,
                    Accept {
                        body,
                        ..Accept::default()
                    },
                )
            }
            Event::Request { tx, request, .. } | Event::InDialog { tx, request, .. } => {
                endpoint.respond(now, tx, request.response(StatusCode::OK))
            }
            Event::Modify { tx, .. } => {
                endpoint.respond_modify(now, tx, Answer::new(StatusCode::OK).with_body(sdp()))
            }
            Event::Ended { .. } => {
                self.ended += 1;
                Ok(())
            }
            Event::Cancelled { .. }
            | Event::Pracked { .. }
            | Event::Acked { .. }
            | Event::Progress { .. }
            | Event::Answered { .. }
            | Event::Modified { .. }
            | Event::Refused { .. }
            | Event::Response { .. }
            | Event::Subscribe { .. }
            | Event::Refer { .. }
            | Event::Notifier { .. }
            | Event::FlowClosed { .. }
            | Event::Subscriber { .. } => Ok(()),
        };
        if let Err(error) = answered {
            println!("cannot answer: {error}");
        }
    }

    fn handle_command(&mut self, _: Instant, _: &mut Endpoint, (): ()) {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let addr = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:5060".to_owned());
    let addr: SocketAddr = addr.parse()?;
    let metrics = ShellMetrics::default();
    let listen = [Transport::Udp, Transport::Tcp].map(|transport| Listen { transport, addr });
    let transports = Transports::bind(&listen, &limits(), &shell(), &metrics)?;
    let policy = Policy::new(transports.listening(), shell().resolve_targets);
    let resolver = Resolver::system(policy, shell().resolve_timeout, [1; 32]);
    let endpoint = Endpoint::new(config(), [2; 32], Metrics::default());
    let (driver, handle) = Driver::new(
        endpoint,
        Yes::default(),
        transports,
        resolver,
        &shell(),
        metrics.clone(),
    );
    let driver = tokio::spawn(driver.run());
    println!("answering on {addr}, udp and tcp");
    tokio::signal::ctrl_c().await?;
    handle.stop().await;
    let yes = driver.await?;
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let (user, system) = (usage.user_time(), usage.system_time());
    let spent = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(
            u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or(0),
        )
    };
    let (user, system) = (spent(user), spent(system));
    let calls = yes.calls.max(1);
    println!(
        "{} calls, {} ended, {} datagrams in, {} out, {} failed; CPU user {user:?}, system {system:?}, \
         per call {:?}; memory {} KiB at most",
        yes.calls,
        yes.ended,
        metrics.udp.received.get(),
        metrics.udp.sent.get(),
        metrics.udp.send_failures.get(),
        (user + system) / calls,
        usage.max_rss(),
    );
    Ok(())
}

fn sdp() -> Option<Body> {
    Some(Body {
        content_type: "application/sdp".into(),
        octets: Bytes::from_static(SDP),
    })
}

fn config() -> Config {
    let methods = [
        Method::Invite,
        Method::Ack,
        Method::Bye,
        Method::Cancel,
        Method::Options,
    ];
    Config {
        user_agent: "Plenum-uas".into(),
        allow: methods.into(),
        supported: Vec::new(),
        allow_events: Vec::new(),
        accept: vec!["application/sdp".into()],
        advertised: Vec::new(),
        times: Times::default(),
        session_expires: None,
        min_se: Duration::from_secs(90),
        refuse_spent_hops: false,
        events: Events::default(),
        limits: limits(),
    }
}

fn limits() -> Limits {
    Limits {
        message_bytes: 65_535,
        header_fields: 256,
        server_transactions: 500_000,
        invite_usages: 200_000,
        half_open_invites: 100_000,
        half_open_unproven: 100_000,
        unproven_repeats: 3,
        retry_after_s: 5,
        connections: 10_000,
        connections_per_source: 1_000,
        connection_idle: Duration::from_secs(600),
        write_queue_bytes: 1 << 20,
        ringing: Duration::from_secs(180),
        events: EventLimits::default(),
    }
}

fn shell() -> ShellLimits {
    ShellLimits {
        head_bytes: 16_384,
        connect_timeout: Duration::from_secs(5),
        handshakes: 500,
        handshakes_per_source: 64,
        handshake_timeout: Duration::from_secs(10),
        websocket_ping: Duration::from_secs(30),
        linger: Duration::from_secs(1),
        write_queue_messages: 1_000,
        datagram_queue: 4_096,
        datagram_batch: 64,
        datagram_receive_buffer: 4 << 20,
        datagram_send_buffer: 4 << 20,
        stream_queue: 1_024,
        command_queue: 1_024,
        resolutions: 64,
        resolve_timeout: Duration::from_secs(4),
        resolve_targets: 16,
    }
}
