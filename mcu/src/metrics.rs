//! What the MCU counts. The root crate registers it.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Counters of all workers together.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Conferences there are.
    pub conferences: Gauge,
    /// Legs there are.
    pub legs: Gauge,
    /// Ports in use.
    pub ports: Gauge,
    /// How late ticks begin, seconds.
    pub tick_lateness: Histogram,
    /// How long a worker is busy in a tick, seconds.
    pub tick_duration: Histogram,
    /// Ticks that were skipped because a whole period had been missed.
    pub ticks_skipped: Counter,
    /// Frames decoded.
    pub decodes: Counter,
    /// Frames at least partly concealed.
    pub concealed: Counter,
    /// Frames encoded.
    pub encodes: Counter,
    /// RTP packets sent.
    pub packets_sent: Counter,
    /// Datagrams received.
    pub datagrams_received: Counter,
    /// Datagrams the kernel would not take.
    pub sends_failed: Counter,
    /// Legs refused: no port was free.
    pub refused_ports: Counter,
    /// Legs, conferences or commands refused: no worker had time, a leg or a place in its mailbox left.
    pub refused_overload: Counter,
    /// Legs refused: the conference was full.
    pub refused_full: Counter,
    /// Conferences ended by a fault in the mixer.
    pub conferences_failed: Counter,
    /// Legs that got no address from a STUN or TURN server, for none was ready.
    pub unprepared: Counter,
    /// What is counted of video.
    pub video: VideoMetrics,
    /// And of the floor of slides.
    pub floor: FloorMetrics,
}

/// Counters of floor control (RFC 8855).
#[derive(Clone, Debug, Default)]
pub struct FloorMetrics {
    /// Messages of clients.
    pub messages: Counter,
    /// Messages that could not be read, or asked for what is not to be had, or were too long.
    pub refused: Counter,
    /// Floors granted.
    pub granted: Counter,
    /// Floors taken away: by the next one who asked, or an operator.
    pub revoked: Counter,
    /// Clients given up because they answered nothing, or their connection broke.
    pub silent: Counter,
    /// Messages from elsewhere than where the client is.
    pub stray: Counter,
}

impl FloorMetrics {
    fn register(&self, registry: &mut Registry) {
        for (name, help, counter) in [
            ("messages", "BFCP messages of clients", &self.messages),
            (
                "refused",
                "BFCP messages that were refused or unreadable",
                &self.refused,
            ),
            ("granted", "Floors granted", &self.granted),
            ("revoked", "Floors taken away", &self.revoked),
            ("silent", "BFCP clients given up", &self.silent),
            ("stray", "BFCP messages from elsewhere", &self.stray),
        ] {
            registry.register(format!("floor_{name}"), help, counter.clone());
        }
    }
}

/// Counters of all video workers together.
#[derive(Clone, Debug)]
pub struct VideoMetrics {
    /// Conferences with video.
    pub conferences: Gauge,
    /// Video legs there are.
    pub legs: Gauge,
    /// How long a picture thread is busy in a frame time, seconds.
    pub tick_duration: Histogram,
    /// Frames received whole.
    pub frames_received: Counter,
    /// Frames sent, one for each viewer.
    pub frames_sent: Counter,
    /// Frames that found no place in a queue.
    pub frames_dropped: Counter,
    /// Datagrams of a shared transport (RFC 9143) that found no place in a queue.
    pub datagrams_dropped: Counter,
    /// RTP packets sent.
    pub packets_sent: Counter,
    /// Frames decoded.
    pub decodes: Counter,
    /// Frames that broke a decoder or were too many at once.
    pub decode_faults: Counter,
    /// Pictures composed.
    pub compositions: Counter,
    /// Frames encoded, one for all viewers of a view.
    pub encodes: Counter,
    /// Pictures left out because of load.
    pub skipped: Counter,
    /// Calls that go without video: no port, place or time for it.
    pub refused: Counter,
    /// Video streams or conferences ended by a fault, of ours or of a handshake.
    pub failed: Counter,
}

impl Default for VideoMetrics {
    fn default() -> Self {
        Self {
            conferences: Gauge::default(),
            legs: Gauge::default(),
            tick_duration: Histogram::new(SECONDS),
            frames_received: Counter::default(),
            frames_sent: Counter::default(),
            frames_dropped: Counter::default(),
            datagrams_dropped: Counter::default(),
            packets_sent: Counter::default(),
            decodes: Counter::default(),
            decode_faults: Counter::default(),
            compositions: Counter::default(),
            encodes: Counter::default(),
            skipped: Counter::default(),
            refused: Counter::default(),
            failed: Counter::default(),
        }
    }
}

impl VideoMetrics {
    fn register(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            ("conferences", "Conferences with video", &self.conferences),
            ("legs", "Video legs", &self.legs),
        ] {
            registry.register(format!("video_{name}"), help, gauge.clone());
        }
        registry.register_with_unit(
            "video_tick_duration",
            "Busy time of a picture thread per frame time",
            Unit::Seconds,
            self.tick_duration.clone(),
        );
        for (name, help, counter) in [
            (
                "frames_received",
                "Video frames received whole",
                &self.frames_received,
            ),
            (
                "frames_sent",
                "Video frames sent, one for each viewer",
                &self.frames_sent,
            ),
            (
                "frames_dropped",
                "Video frames that found no place in a queue",
                &self.frames_dropped,
            ),
            (
                "datagrams_dropped",
                "Datagrams of a shared transport that found no place on their way to the video thread",
                &self.datagrams_dropped,
            ),
            ("packets_sent", "Video packets sent", &self.packets_sent),
            ("decodes", "Video frames decoded", &self.decodes),
            (
                "decode_faults",
                "Video frames that broke a decoder or were too many",
                &self.decode_faults,
            ),
            ("compositions", "Pictures composed", &self.compositions),
            ("encodes", "Video frames encoded", &self.encodes),
            (
                "skipped",
                "Pictures left out because of load",
                &self.skipped,
            ),
            (
                "refused",
                "Calls that go without video for want of room",
                &self.refused,
            ),
            ("failed", "Video ended by a fault", &self.failed),
        ] {
            registry.register(format!("video_{name}"), help, counter.clone());
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            conferences: Gauge::default(),
            legs: Gauge::default(),
            ports: Gauge::default(),
            tick_lateness: Histogram::new(SECONDS),
            tick_duration: Histogram::new(SECONDS),
            ticks_skipped: Counter::default(),
            decodes: Counter::default(),
            concealed: Counter::default(),
            encodes: Counter::default(),
            packets_sent: Counter::default(),
            datagrams_received: Counter::default(),
            sends_failed: Counter::default(),
            refused_ports: Counter::default(),
            refused_overload: Counter::default(),
            refused_full: Counter::default(),
            conferences_failed: Counter::default(),
            unprepared: Counter::default(),
            video: VideoMetrics::default(),
            floor: FloorMetrics::default(),
        }
    }
}

const SECONDS: [f64; 9] = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1];

impl Metrics {
    /// Makes everything visible in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            ("conferences", "Conferences in the mixer", &self.conferences),
            ("legs", "Media legs", &self.legs),
            ("ports_in_use", "RTP ports in use", &self.ports),
        ] {
            registry.register(format!("mcu_{name}"), help, gauge.clone());
        }
        for (name, help, histogram) in [
            (
                "tick_lateness",
                "How late mixing ticks begin",
                &self.tick_lateness,
            ),
            (
                "tick_duration",
                "Busy time of a worker per tick",
                &self.tick_duration,
            ),
        ] {
            registry.register_with_unit(
                format!("mcu_{name}"),
                help,
                Unit::Seconds,
                histogram.clone(),
            );
        }
        self.register_counters(registry);
        self.video.register(registry);
        self.floor.register(registry);
    }

    fn register_counters(&self, registry: &mut Registry) {
        for (name, help, counter) in [
            (
                "ticks_skipped",
                "Mixing ticks skipped after a missed period",
                &self.ticks_skipped,
            ),
            ("decodes", "Frames decoded", &self.decodes),
            (
                "concealed",
                "Frames at least partly concealed",
                &self.concealed,
            ),
            ("encodes", "Frames encoded", &self.encodes),
            ("packets_sent", "RTP packets sent", &self.packets_sent),
            (
                "datagrams_received",
                "Datagrams received",
                &self.datagrams_received,
            ),
            (
                "sends_failed",
                "Datagrams the kernel refused",
                &self.sends_failed,
            ),
            (
                "refused_ports",
                "Legs refused without a free port",
                &self.refused_ports,
            ),
            (
                "refused_overload",
                "Legs or commands refused by overload",
                &self.refused_overload,
            ),
            (
                "refused_full",
                "Legs refused by a full conference",
                &self.refused_full,
            ),
            (
                "unprepared",
                "Legs without an address from STUN or TURN, for none was ready",
                &self.unprepared,
            ),
            (
                "conferences_failed",
                "Conferences ended by a fault",
                &self.conferences_failed,
            ),
        ] {
            registry.register(format!("mcu_{name}"), help, counter.clone());
        }
    }
}
