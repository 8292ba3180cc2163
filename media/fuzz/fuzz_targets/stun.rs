//! Whatever comes to a media port: an agent that knows nobody's password answers nothing that is not addressed to it.

#![no_main]
#![expect(
    clippy::disallowed_methods,
    reason = "somebody has to say what time it is"
)]

use std::sync::Arc;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use plenum_media::ice::stun::{Message, kind};
use plenum_media::ice::{Config, Credentials, IceAgent, Limits, Output};
use plenum_media::metrics::Metrics;

fuzz_target!(|octets: &[u8]| {
    let credentials = Credentials {
        ufrag: "evtj".to_owned(),
        pwd: "VOkJxbRl1RmTxUk/WvJxBt".to_owned(),
    };
    let mut agent = IceAgent::new(Config {
        lite: true,
        credentials,
        seed: [1; 32],
        locals: Vec::new(),
        expected_from: None,
        relays: Vec::new(),
        limits: Limits::default(),
        metrics: Arc::new(Metrics::default()),
    });
    let from = ([203, 0, 113, 1], 4000).into();
    agent.handle_datagram(Instant::now(), 0, from, octets);
    while let Output::Transmit { bytes, .. } = agent.poll_output() {
        let asked = Message::parse(octets).unwrap();
        let name = asked.attribute(kind::USERNAME).unwrap();
        assert!(name.starts_with(b"evtj"));
        assert!(bytes.len() <= octets.len() + 64);
    }
});
