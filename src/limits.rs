//! Every bound of the product, in one place: what it bounds, how many, and what happens at it.
//!
//! The crates define which bounds they keep; the numbers are here, and `[limits]` can change them.

use crate::config::read::{Milliseconds, Seconds, Section};
use plenum_mcu::floor::server::FloorLimits;
use std::time::Duration;

/// All bounds.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bounds of the SIP endpoint.
    pub sip: plenum_sip::limits::Limits,
    /// Bounds of SIP sockets, queues and the resolver.
    pub sip_shell: plenum_sip::transport::ShellLimits,
    /// Bounds of the mixer, its legs included.
    pub mcu: plenum_mcu::limits::Limits,
    /// Bounds of the focus.
    pub focus: plenum_focus::limits::Limits,
    /// Bounds of the HTTP server.
    pub http: HttpLimits,
    /// Bounds of users and registrations.
    pub users: UserLimits,
    /// Bounds of what is remembered and taken of strangers.
    pub abuse: AbuseLimits,
    /// Lines of the log waiting to be written; beyond: lost and counted.
    pub log_lines: usize,
    /// Detail records waiting to be written; beyond: lost and counted.
    pub records_queue: usize,
    /// Packets and pictures of recordings waiting to be written. Beyond: lost and counted.
    pub recording_queue: usize,
    /// Users whose calls to telephone numbers are counted; beyond: refused.
    pub dialling_users: usize,
    /// How long a drain may take before what is left is cut off.
    pub drain: Duration,
}

/// Bounds of what is remembered and taken of strangers: see the module `abuse`.
#[derive(Clone, Debug)]
pub struct AbuseLimits {
    /// Sources that are watched; beyond: the longest quiet one is forgotten.
    pub watched_sources: usize,
    /// Sources that are or were banned; beyond: the ban of the oldest ends.
    pub banned_sources: usize,
    /// New requests a second over UDP whose sources nobody knows; beyond: dropped.
    pub unproven_per_second: u32,
    /// The same of one source.
    pub unproven_per_source_and_second: u32,
    /// Connections of one source to the public side of HTTP; beyond: closed at accept.
    pub http_connections_per_source: usize,
    /// Requests a second of one source there; beyond: 429.
    pub http_requests_per_source_and_second: u32,
}

/// Bounds of users and registrations.
#[derive(Clone, Debug)]
pub struct UserLimits {
    /// Nonces whose counts are remembered; beyond: the oldest becomes stale.
    pub counted_nonces: usize,
    /// Changes that wait to be stored; beyond: 503.
    pub store_queue: usize,
    /// Bounds of the registrar.
    pub registrar: plenum_sip::registrar::Limits,
}

/// Bounds of the HTTP server.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// Connections at once; beyond: closed at accept.
    pub connections: usize,
    /// Octets of request line and header; beyond: 431.
    pub head_bytes: usize,
    /// Header fields of one request; beyond: 431.
    pub header_fields: usize,
    /// Octets of a path with its query; beyond: 414.
    pub path_bytes: usize,
    /// Octets of a request's body; beyond: 413.
    pub body_bytes: usize,
    /// For one request's header, and again for its body; beyond: the connection is closed or 408.
    pub read_timeout: Duration,
    /// A peer that takes nothing of an answer for so long is disconnected.
    pub write_timeout: Duration,
    /// Readers of live events at once; beyond: 503.
    pub event_readers: usize,
    /// Events kept for a reader that is slow; beyond: it is cut off.
    pub event_backlog: usize,
    /// For requests that are being answered when the server ends.
    pub farewell: Duration,
    /// Layouts made by local control; beyond: 507.
    pub templates: usize,
}

impl Limits {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            sip: plenum_sip::limits::Limits {
                message_bytes: section.get("sip_message_bytes", "65535"),
                header_fields: section.get("sip_header_fields", "256"),
                server_transactions: section.get("sip_server_transactions", "200000"),
                invite_usages: section.get("calls", "8000"),
                half_open_invites: section.get("half_open_calls", "2000"),
                half_open_unproven: section.get("half_open_unproven_calls", "200"),
                unproven_repeats: section.get("unproven_repeats", "3"),
                retry_after_s: section.get("retry_after_s", "5"),
                connections: section.get("sip_connections", "20000"),
                connections_per_source: section.get("sip_connections_per_source", "256"),
                connection_idle: section.get::<Seconds>("sip_connection_idle_s", "1800").0,
                write_queue_bytes: section.get("sip_write_queue_bytes", "4194304"),
                ringing: section.get::<Seconds>("ringing_s", "180").0,
                events: plenum_sip::limits::EventLimits {
                    subscriptions: section.get("subscriptions", "20000"),
                    subscriptions_per_dialog: section.get("subscriptions_per_dialog", "8"),
                    queued_notifications: section.get("notifications_per_subscription", "8"),
                },
            },
            sip_shell: sip_shell(section),
            mcu: mcu(section),
            focus: focus(section),
            http: http(section),
            users: users(section),
            abuse: abuse(section),
            log_lines: section.get("log_lines", "4096"),
            records_queue: section.get("records_queue", "4096"),
            recording_queue: section.get("recording_queue", "4096"),
            dialling_users: section.get("dialling_users", "10000"),
            drain: section.get::<Seconds>("drain_s", "20").0,
        }
    }
}

fn http(section: &mut Section<'_, '_>) -> HttpLimits {
    let limits = HttpLimits {
        connections: section.get("http_connections", "512"),
        head_bytes: section.get("http_head_bytes", "16384"),
        header_fields: section.get("http_header_fields", "64"),
        path_bytes: section.get("http_path_bytes", "2048"),
        body_bytes: section.get("http_body_bytes", "65536"),
        read_timeout: section.get::<Seconds>("http_read_timeout_s", "10").0,
        write_timeout: section.get::<Seconds>("http_write_timeout_s", "30").0,
        event_readers: section.get("http_event_readers", "32"),
        event_backlog: section.get("http_event_backlog", "1024"),
        farewell: section.get::<Seconds>("http_farewell_s", "2").0,
        templates: section.get("templates", "64"),
    };
    if limits.head_bytes < LEAST_HEAD_BYTES {
        section.refuse("http_head_bytes", format!("is at least {LEAST_HEAD_BYTES}"));
    }
    limits
}

fn focus(section: &mut Section<'_, '_>) -> plenum_focus::limits::Limits {
    plenum_focus::limits::Limits {
        conferences: section.get("conferences", "2000"),
        endpoints: section.get("participants_per_conference", "5000"),
        name_bytes: section.get("conference_name_bytes", "128"),
        creations_per_minute: section.get("ad_hoc_per_source_and_minute", "60"),
        creation_sources: section.get("ad_hoc_sources", "10000"),
        mailbox: section.get("conference_mailbox", "4096"),
        pin_sources: section.get("pin_sources", "10000"),
        pin_calls_per_source: section.get("pin_calls_per_source", "200"),
        pin_free_failures: section.get("pin_free_failures", "3"),
        pin_backoff: section.get::<Seconds>("pin_backoff_s", "5").0,
        pin_backoff_ceiling: section.get::<Seconds>("pin_backoff_ceiling_s", "900").0,
        pin_digits: section.get("pin_digits", "32"),
        pin_patience: section.get::<Seconds>("pin_patience_s", "15").0,
        mcu_deadline: section.get::<Milliseconds>("mcu_deadline_ms", "5000").0,
        farewell: section.get::<Seconds>("farewell_s", "8").0,
        tone_gap: section.get::<Milliseconds>("tone_gap_ms", "700").0,
        key_bindings: section.get("key_bindings", "32"),
        retry_after: section.get::<Seconds>("conference_retry_after_s", "10").0,
        entry: plenum_focus::limits::EntryLimits {
            callers: section.get("entry_callers", "100"),
            digits: section.get("entry_digits", "32"),
            tries: section.get("entry_tries", "3"),
            patience: section.get::<Seconds>("entry_patience_s", "10").0,
            time: section.get::<Seconds>("entry_time_s", "90").0,
        },
        control: control(section),
    }
}

fn sip_shell(section: &mut Section<'_, '_>) -> plenum_sip::transport::ShellLimits {
    plenum_sip::transport::ShellLimits {
        head_bytes: section.get("sip_head_bytes", "32768"),
        connect_timeout: section.get::<Seconds>("sip_connect_timeout_s", "5").0,
        handshakes: section.get("handshakes", "500"),
        handshakes_per_source: section.get("handshakes_per_source", "64"),
        handshake_timeout: section.get::<Seconds>("handshake_timeout_s", "10").0,
        websocket_ping: section.get::<Seconds>("websocket_ping_s", "30").0,
        linger: section.get::<Seconds>("sip_linger_s", "2").0,
        write_queue_messages: section.get("sip_write_queue_messages", "1000"),
        datagram_queue: section.get("sip_datagram_queue", "4096"),
        datagram_batch: section.get("sip_datagram_batch", "64"),
        datagram_receive_buffer: section.get("sip_receive_buffer", "4194304"),
        datagram_send_buffer: section.get("sip_send_buffer", "4194304"),
        stream_queue: section.get("sip_stream_queue", "1024"),
        command_queue: section.get("sip_command_queue", "65536"),
        resolutions: section.get("sip_resolutions", "256"),
        resolve_timeout: section.get::<Seconds>("sip_resolve_timeout_s", "5").0,
        resolve_targets: section.get("sip_resolve_targets", "16"),
    }
}

fn mcu(section: &mut Section<'_, '_>) -> plenum_mcu::limits::Limits {
    plenum_mcu::limits::Limits {
        conferences: section.get("mixer_conferences", "2000"),
        legs_per_worker: section.get("legs_per_worker", "5000"),
        mailbox: section.get("mixer_mailbox", "16384"),
        load_permille: section.get("mixer_load_permille", "850"),
        talkers: section.get("talkers", "4"),
        decodes_per_tick: section.get("decodes_per_tick", "16"),
        playbacks: section.get("playbacks", "16"),
        prompts: section.get("prompts_per_playback", "16"),
        datagram: section.get("rtp_datagram_bytes", "2048"),
        datagrams_per_read: section.get("rtp_datagrams_per_read", "8"),
        socket_buffer: section.get("rtp_socket_buffer", "65536"),
        handshakes_per_tick: section.get("handshakes_per_tick", "4"),
        reserve: section.get("ice_reserve", "4"),
        media_timeout: section.get::<Seconds>("media_timeout_s", "60").0,
        latch_window: section.get::<Seconds>("latch_window_s", "10").0,
        relatch_silence: section.get::<Seconds>("relatch_silence_s", "2").0,
        media: media(section),
        video: video(section),
    }
}

fn video(section: &mut Section<'_, '_>) -> plenum_mcu::limits::VideoLimits {
    let most = plenum_mcu::limits::VideoLimits::default();
    let mut number = |key: &str, usual: usize| section.get::<usize>(key, &usual.to_string());
    plenum_mcu::limits::VideoLimits {
        legs_per_worker: number("video_legs_per_worker", most.legs_per_worker),
        mailbox: number("video_mailbox", most.mailbox),
        frames: number("video_frames_waiting", most.frames),
        queue_octets: number("video_queue_bytes", most.queue_octets),
        members: number("video_members", most.members),
        floor: FloorLimits {
            requests: number("floor_requests", most.floor.requests),
            transactions: number("floor_transactions", most.floor.transactions),
            message: number("floor_message", most.floor.message),
        },
        encoders: number("video_encoders", most.encoders),
        datagrams_per_read: number("video_datagrams_per_read", most.datagrams_per_read),
        bundled_datagrams: number("video_bundled_datagrams", most.bundled_datagrams),
        socket_buffer: number("video_socket_buffer", most.socket_buffer),
        load_permille: section.get("video_load_permille", &most.load_permille.to_string()),
        ..most
    }
}

fn media(section: &mut Section<'_, '_>) -> plenum_media::limits::Limits {
    plenum_media::limits::Limits {
        sdp_bytes: section.get("sdp_bytes", "32768"),
        sdp_sections: section.get("sdp_sections", "16"),
        sdp_formats: section.get("sdp_formats", "64"),
        jitter_ceiling: section.get::<Milliseconds>("jitter_ceiling_ms", "200").0,
        jitter_packets: section.get("jitter_packets", "32"),
        security: plenum_media::limits::SecurityLimits {
            srtp_sources: section.get("srtp_sources", "64"),
            late_key: section.get::<Seconds>("srtp_late_key_s", "5").0,
            dtls_handshake: section.get::<Seconds>("dtls_handshake_s", "15").0,
            dtls_handshakes: section.get("dtls_handshakes", "64"),
            dtls_waiting: section.get("dtls_waiting", "8"),
            dtls_octets: section.get("dtls_octets", "65536"),
        },
        ice: plenum_media::ice::Limits {
            candidates: section.get("ice_candidates", "16"),
            pairs: section.get("ice_pairs", "64"),
            answers_per_second: section.get("ice_answers_per_second", "100"),
            patience: section.get::<Seconds>("ice_patience_s", "20").0,
            consent: section.get::<Seconds>("ice_consent_s", "30").0,
        },
    }
}

/// The parser of HTTP wants room for so much.
const LEAST_HEAD_BYTES: usize = 8192;

fn control(section: &mut Section<'_, '_>) -> plenum_focus::limits::ControlLimits {
    plenum_focus::limits::ControlLimits {
        lobby: section.get("lobby", "500"),
        focus_endpoints_per_user: section.get("focus_endpoints_per_user", "10"),
        commands_per_participant: section.get("commands_per_participant", "32"),
        pending_interval: section.get::<Seconds>("command_pending_s", "28").0,
        c3p: plenum_focus::xml::Limits {
            octets: section.get("c3p_bytes", "65536"),
            depth: section.get("c3p_depth", "32"),
            elements: section.get("c3p_elements", "4096"),
            attributes: section.get("c3p_attributes", "64"),
        },
        subscriptions_per_user: section.get("subscriptions_per_user", "10"),
        subscriptions: section.get("subscriptions_per_conference", "5000"),
        notify_pace: section.get::<Milliseconds>("notify_pace_ms", "100").0,
        notify_rate: section.get("notify_rate", "5000"),
        departed: section.get("departed_users", "1000"),
    }
}

fn abuse(section: &mut Section<'_, '_>) -> AbuseLimits {
    AbuseLimits {
        watched_sources: section.get("watched_sources", "20000"),
        banned_sources: section.get("banned_sources", "10000"),
        unproven_per_second: section.get("unproven_per_second", "1000"),
        unproven_per_source_and_second: section.get("unproven_per_source_and_second", "100"),
        http_connections_per_source: section.get("http_connections_per_source", "64"),
        http_requests_per_source_and_second: section
            .get("http_requests_per_source_and_second", "50"),
    }
}

fn users(section: &mut Section<'_, '_>) -> UserLimits {
    UserLimits {
        counted_nonces: section.get("counted_nonces", "100000"),
        store_queue: section.get("store_queue", "20000"),
        registrar: plenum_sip::registrar::Limits {
            contacts_per_user: section.get("contacts_per_user", "10"),
            bindings: section.get("registrations", "100000"),
            default_expires: section.get("register_default_s", "3600"),
            min_expires: section.get("register_min_s", "60"),
            max_expires: section.get("register_max_s", "7200"),
            flow_timer: section.get("flow_timer_s", "120"),
        },
    }
}
