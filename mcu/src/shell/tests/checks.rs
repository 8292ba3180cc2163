//! Connectivity checks of many legs at once.

use super::*;
use plenum_media::ice::stun::{Class, Key, Method, TransactionId, Writer, kind};
use std::sync::atomic::{AtomicBool, Ordering};

/// A peer that checks (RFC 8445 §7.2).
struct Checker {
    socket: UdpSocket,
    server: SocketAddr,
    request: Vec<u8>,
}

impl Checker {
    fn new(bench: &mut Bench, endpoint: u64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut offer = offer(port).to_vec();
        let ice = format!(
            "a=ice-ufrag:peer\r\na=ice-pwd:0123456789012345678901\r\n\
             a=candidate:1 1 UDP 2130706431 127.0.0.1 {port} typ host\r\n"
        );
        offer.extend(ice.bytes());
        let action = Action::Add {
            endpoint: EndpointId(endpoint),
            offer: Some(Bytes::from(offer)),
            settings: settings(),
        };
        let (result, reports) = bench.run(ROOM, action);
        result.unwrap();
        let answer = reports.into_iter().find_map(|report| match report {
            Report::Answer { sdp, .. } => Some(sdp),
            _ => None,
        });
        let answer = answer.unwrap();
        let text = std::str::from_utf8(&answer).unwrap();
        let value = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap()
        };
        let user = format!("{}:peer", value("a=ice-ufrag:"));
        let request = Writer::new(Class::Request, Method::BINDING, TransactionId([7; 12]))
            .attribute(kind::USERNAME, user.as_bytes())
            .attribute(kind::PRIORITY, &1_u32.to_be_bytes())
            .attribute(kind::ICE_CONTROLLING, &[1; 8])
            .integrity(&Key::short_term(value("a=ice-pwd:")))
            .fingerprint();
        Self {
            socket,
            server: SocketAddr::from(([127, 0, 0, 1], port_of(&answer))),
            request,
        }
    }

    fn check(&self) {
        self.socket.send_to(&self.request, self.server).unwrap();
    }
}

#[test]
fn rfc8445_legs_that_check_without_end_leave_others_their_answers() {
    let mut bench = Bench::new(41_520..=41_539, limits());
    bench.create(ROOM);
    let most = limits().handshakes_per_tick as u64;
    let noisy: Vec<Checker> = (0..most).map(|n| Checker::new(&mut bench, n)).collect();
    let last = Checker::new(&mut bench, most);
    let over = Arc::new(AtomicBool::new(false));
    let noise = std::thread::spawn({
        let over = Arc::clone(&over);
        move || {
            while !over.load(Ordering::Relaxed) {
                noisy.iter().for_each(Checker::check);
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    });
    // So long that the noise is there for certain.
    std::thread::sleep(Duration::from_millis(200));
    last.socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut buffer = [0; 2_048];
    let answered = (0..30)
        .filter(|_| {
            last.check();
            let received = last.socket.recv_from(&mut buffer);
            received.is_ok_and(|(length, _)| length > 20) && buffer[..2] == [1, 1]
        })
        .count();
    over.store(true, Ordering::Relaxed);
    noise.join().unwrap();
    assert!(answered >= 10, "{answered} of 30 checks were answered");
}
