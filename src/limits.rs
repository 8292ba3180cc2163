//! Every bound of the product, in one place: what it bounds, how many, and what happens at it.
//!
//! The crates define which bounds they keep; the numbers are here, and `[limits]` can change them.

use crate::config::read::{Milliseconds, Seconds, Section};
use std::time::Duration;

/// All bounds.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bounds of the SIP endpoint.
    pub sip: plenum_sip::limits::Limits,
    /// Bounds of session descriptions and RTP legs.
    pub media: plenum_media::limits::Limits,
    /// How long a drain may take before what is left is cut off.
    pub drain: Duration,
}

impl Limits {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            sip: plenum_sip::limits::Limits {
                message_bytes: section.get("sip_message_bytes", "65535"),
                header_fields: section.get("sip_header_fields", "256"),
                server_transactions: section.get("sip_server_transactions", "50000"),
                invite_usages: section.get("calls", "10000"),
                half_open_invites: section.get("half_open_calls", "2000"),
                retry_after_s: section.get("retry_after_s", "5"),
                connections: section.get("sip_connections", "10000"),
                connections_per_source: section.get("sip_connections_per_source", "256"),
                connection_idle: section.get::<Seconds>("sip_connection_idle_s", "1800").0,
                write_queue_bytes: section.get("sip_write_queue_bytes", "262144"),
                ringing: section.get::<Seconds>("ringing_s", "180").0,
            },
            media: plenum_media::limits::Limits {
                sdp_bytes: section.get("sdp_bytes", "32768"),
                sdp_sections: section.get("sdp_sections", "16"),
                sdp_formats: section.get("sdp_formats", "64"),
                jitter_ceiling: section.get::<Milliseconds>("jitter_ceiling_ms", "200").0,
                jitter_packets: section.get("jitter_packets", "32"),
            },
            drain: section.get::<Seconds>("drain_s", "20").0,
        }
    }
}
