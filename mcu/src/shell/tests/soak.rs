//! Legs with a handshake come, are encrypted and go: memory stays where it was.
//!
//! `LEGS` says how many; the figure in README is of 1000.

use super::*;
use plenum_media::crypto::dtls::Identity;
use plenum_media::path::{Handshakes, MediaPath, PathConfig, PathOutput};
use plenum_media::sdp::{Local, Session};

/// Legs where nobody says, and before the first look at the memory.
const LEGS: u64 = 100;
const WARM_UP: usize = 10;
/// What they may leave behind, KiB: some for the allocator's own, and for each less than the least of its parts that
/// could be forgotten (a TLS connection is 40 KiB, a decoder 18).
const LEFT: (u64, u64) = (512, 8);

/// Set in the process that measures.
const ALONE: &str = "PLENUM_SOAK_ALONE";
const NAME: &str = "shell::tests::soak::rfc5763_legs_that_come_and_go_leave_memory_where_it_was";

/// A phone comes, shakes hands and goes.
fn visit(bench: &mut Bench, config: &PathConfig, endpoint: u64) {
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone
        .set_read_timeout(Some(Duration::from_millis(5)))
        .unwrap();
    let at = phone.local_addr().unwrap();
    let local = Local {
        fingerprint: Some(config.identity.fingerprint().clone()),
        ..Local::new(at.ip(), at.port(), endpoint)
    };
    let mut session = Session::new(
        local,
        limits().media,
        plenum_media::metrics::Metrics::default(),
    );
    let endpoint = EndpointId(endpoint);
    let offer = session.create_offer().unwrap();
    let action = Action::Add {
        endpoint,
        offer: Some(offer),
        settings: settings(),
    };
    let (result, reports) = bench.run(ROOM, action);
    result.unwrap();
    let answer = reports.iter().find_map(|report| match report {
        Report::Answer { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    session.handle_answer(&answer.unwrap()).unwrap();
    let mut path = MediaPath::new(config.clone());
    path.apply(now(), &session.path().unwrap());
    for _ in 0..2_000 {
        path.handle_timeout(now());
        send(&mut path, &phone);
        if path.is_ready() {
            break;
        }
        let mut buffer = [0; 2_048];
        if let Ok((length, from)) = phone.recv_from(&mut buffer) {
            path.handle_datagram(now(), 0, from, &mut buffer[..length]);
        }
    }
    assert!(path.is_ready(), "no handshake");
    path.close(now());
    send(&mut path, &phone);
    bench.run(ROOM, Action::Remove { endpoint }).0.unwrap();
}

fn send(path: &mut MediaPath, phone: &UdpSocket) {
    loop {
        match path.poll_output() {
            PathOutput::Transmit { to, octets, .. } => {
                phone.send_to(&octets, to).unwrap();
            }
            PathOutput::Event(_) => {}
            PathOutput::Timeout(_) => return,
        }
    }
}

/// Resident memory of this process, KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let words = line.unwrap().split_whitespace().next().unwrap();
    words.parse().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the test has a real server")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[test]
fn rfc5763_legs_that_come_and_go_leave_memory_where_it_was() {
    if std::env::var_os(ALONE).is_none() {
        // The other tests of this process take memory as they please.
        let alone = std::process::Command::new(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .env(ALONE, "1")
            .status();
        assert!(alone.unwrap().success(), "its words are above");
        return;
    }
    let legs = std::env::var("LEGS").map_or(LEGS, |legs| legs.parse().unwrap());
    let mut bench = Bench::new(41_200..=41_299, limits());
    bench.create(ROOM);
    let config = PathConfig {
        identity: Arc::new(Identity::generate().unwrap()),
        limits: limits().media.security,
        handshakes: Handshakes::new(4),
        metrics: Arc::default(),
    };
    let mut numbers = 0..;
    for number in numbers.by_ref().take(WARM_UP) {
        visit(&mut bench, &config, number);
    }
    let before = resident();
    for number in numbers.take(usize::try_from(legs).unwrap()) {
        visit(&mut bench, &config, number);
    }
    let left = resident().saturating_sub(before);
    println!("{legs} legs with DTLS: {before} KiB before, {left} KiB more after");
    let (once, each) = LEFT;
    assert!(
        left < once + legs * each,
        "{legs} legs left {left} KiB behind"
    );
}
