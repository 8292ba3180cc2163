//! The contract between the focus and any MCU: typed plain data, no behaviour.
//!
//! The focus sends [`McuCommand`]s and learns by [`McuEvent`]s; the roster changes only on the latter.
//! Every command with a [`CommandId`] is answered exactly once by [`Report::Done`], successfully or not.
//! SDP crosses as opaque octets: the focus carries it between SIP and the MCU and never reads it.

pub use crate::pictures::*;
pub use crate::recording::Attendee;
pub use crate::terms::*;
use bytes::Bytes;
use std::net::IpAddr;
use std::time::Duration;

/// An active conference, as the MCU knows it. Never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConferenceId(pub u64);

/// A participant's media endpoint in one MCU. Never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub u64);

/// Ties a [`Report::Done`] to its command. Chosen by the focus, unique per conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(pub u64);

/// A prompt being played. Chosen by the focus, unique per conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaybackId(pub u64);

/// One command to an MCU about one conference.
#[derive(Clone, Debug)]
pub struct McuCommand {
    /// Answered by [`Report::Done`] with the same id.
    pub id: CommandId,
    /// Which conference.
    pub conference: ConferenceId,
    /// What to do.
    pub action: Action,
}

/// What an MCU can be asked to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Make the conference; the first command about it.
    Create(ConferenceSettings),
    /// End the conference and every endpoint of it.
    Destroy,
    /// Add an endpoint. `offer: Some` → [`Report::Answer`]; `None` → [`Report::Offer`], to be followed by [`Action::Answer`].
    Add {
        /// The new endpoint.
        endpoint: EndpointId,
        /// The peer's SDP offer.
        offer: Option<Bytes>,
        /// How it starts.
        settings: EndpointSettings,
    },
    /// Take over an endpoint of another conference as it is: its sockets, keys and session go on, its peer notices
    /// nothing. Only audio comes along. It is gone from there without [`Report::Removed`]; if it cannot come, it stays
    /// there, unless it was lost on the way.
    Adopt {
        /// What it is called here.
        endpoint: EndpointId,
        /// The conference it is in, and what it is called there.
        from: (ConferenceId, EndpointId),
        /// How it starts here.
        settings: EndpointSettings,
    },
    /// The peer modifies the session. `None` asks us for an offer.
    Renegotiate {
        /// Which.
        endpoint: EndpointId,
        /// The peer's new SDP offer.
        offer: Option<Bytes>,
    },
    /// The peer's SDP answer to our [`Report::Offer`].
    Answer {
        /// Which.
        endpoint: EndpointId,
        /// The SDP answer.
        answer: Bytes,
    },
    /// Our outstanding offer came to nothing (the re-INVITE was refused): back to the last agreed session.
    Rollback {
        /// Which.
        endpoint: EndpointId,
    },
    /// Remove an endpoint; [`Report::Removed`] follows with its final quality.
    Remove {
        /// Which.
        endpoint: EndpointId,
    },
    /// The peer asked by signalling for a keyframe of what it sees (RFC 5168).
    Keyframe {
        /// Who.
        endpoint: EndpointId,
    },
    /// The pictures of the conference are to be these, at once.
    Pictures(Box<ConferenceVideo>),
    /// How an endpoint is to be seen, and what it sees, at once.
    Looks {
        /// Which.
        endpoint: EndpointId,
        /// All of it, not a change to it.
        looks: Box<EndpointVideo>,
    },
    /// The floor of slides is taken away from whoever has it; [`Report::Presenter`] follows if somebody had.
    RevokeFloor,
    /// The floor of slides goes to an endpoint, whether it has asked for it or not; [`Report::Presenter`] follows where it
    /// may have it.
    GiveFloor {
        /// Which.
        endpoint: EndpointId,
    },
    /// In the mix, or apart (PIN, lobby, hold).
    Place {
        /// Which.
        endpoint: EndpointId,
        /// Where.
        stage: Stage,
    },
    /// What passes between the endpoint and the mix. Applied at the next tick.
    Filter {
        /// Which.
        endpoint: EndpointId,
        /// The whole filter, not a change to it.
        filter: MediaFilter,
    },
    /// Play prompts one after another; [`Report::Played`] when done.
    Play {
        /// Comes back.
        playback: PlaybackId,
        /// To whom.
        to: Audience,
        /// What, in order.
        prompts: Vec<Prompt>,
        /// While it plays to one endpoint: does that endpoint still hear the conference under it (attenuated)?
        over_mix: bool,
    },
    /// Stop a playback (a key was pressed); its [`Report::Played`] follows.
    Stop {
        /// Which.
        playback: PlaybackId,
    },
    /// What an endpoint hears when nothing else is to be heard: alone, apart, waiting.
    Ambience {
        /// To whom.
        to: Audience,
        /// What.
        ambience: Ambience,
    },
    /// Record the conference.
    Record(Record),
    /// A DTMF digit that came by signalling (SIP INFO); de-duplicated against RFC 4733 and in-band, then reported as [`Report::Dtmf`].
    SignalledDtmf {
        /// From whom.
        endpoint: EndpointId,
        /// Which.
        digit: Digit,
        /// As long as the INFO says.
        duration: Duration,
    },
}

/// What is to be done about the recording of a conference. There is one at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Begin. `Done` comes when it has begun, or with [`McuError::NotRecorded`]; should it end by itself later,
    /// [`Report::RecordingFailed`].
    Start {
        /// What the conference is called.
        name: String,
        /// Pictures too, should there be some.
        pictures: bool,
    },
    /// Stop for a while, or go on.
    Pause(bool),
    /// Somebody came or left, for who wants to know later who is heard.
    Attendee(Attendee),
    /// End.
    Stop,
}

/// A conference as the mixer needs it.
#[derive(Clone, Debug)]
pub struct ConferenceSettings {
    /// Endpoints at most; beyond, [`Action::Add`] fails with [`McuError::Full`].
    pub max_endpoints: usize,
    /// Language of the prompts (`en`).
    pub language: String,
    /// Its pictures.
    pub video: ConferenceVideo,
    /// There are none: offers are answered without.
    pub audio_only: bool,
}

/// How an endpoint starts.
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// In the mix at once, or apart first (PIN, lobby).
    pub stage: Stage,
    /// What passes from the start.
    pub filter: MediaFilter,
    /// The host the signalling came from: the first choice when latching onto an RTP source.
    pub signalled_from: Option<IpAddr>,
    /// Our address on which the signalling reached us: what the SDP names as ours
    /// unless the configuration advertises another, and the address family to use. An unspecified
    /// one tells the family only.
    pub reached_at: Option<IpAddr>,
    /// What is different with this peer.
    pub terms: MediaTerms,
    /// Whom an offer of ours is for.
    pub offers: Offers,
    /// Automatic gain control on what this endpoint sends.
    pub agc: bool,
    /// Noise gate on what this endpoint sends.
    pub noise_gate: bool,
    /// What others see it called.
    pub name: String,
    /// How it is seen, and what it sees.
    pub looks: Box<EndpointVideo>,
}

/// Whom an offer of ours is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offers {
    /// Telephones: plain RTP or encrypted, as the protection says.
    #[default]
    Phone,
    /// Browsers (RFC 8829): a handshake, ICE, bundled sections, RTCP beside RTP.
    Browser,
    /// Both ring together: what telephones take, with what browsers need beside it (RFC 8829 §5.1.2).
    Either,
}

/// Where an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Hears and is heard.
    Mix,
    /// Hears only prompts and ambience addressed to it, is heard by nobody, its DTMF is reported.
    Apart,
    /// As [`Self::Apart`], but who made the offer has not shown to be there: until it is placed elsewhere (the ACK has
    /// come) or media come from it, nothing is sent to the address that it names, which may be anybody's.
    Unconfirmed,
}

/// What passes between an endpoint and the mix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MediaFilter {
    /// The conference does not hear this endpoint.
    pub muted: bool,
    /// This endpoint does not hear the conference (prompts it does).
    pub deaf: bool,
    /// Gain on what it sends, dB, −40 to +20.
    pub gain_in_db: f32,
    /// Gain on what it hears, dB, −40 to +20. A value other than 0 costs an encoder of its own.
    pub gain_out_db: f32,
}

impl Default for MediaFilter {
    fn default() -> Self {
        Self {
            muted: false,
            deaf: false,
            gain_in_db: 0.0,
            gain_out_db: 0.0,
        }
    }
}

/// To whom a prompt or an ambience goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// One endpoint, in whichever stage.
    One(EndpointId),
    /// All that are in the mix.
    All,
}

/// A piece of audio the MCU has or makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A recorded sentence, by name.
    Sentence(Sentence),
    /// A digit spoken (`0` to `9`).
    Digit(u8),
    /// Somebody came in.
    EntryTone,
    /// Somebody left.
    ExitTone,
    /// Silence of this length.
    Pause(Duration),
}

/// The sentences shipped with the server, in every language it ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sentence {
    /// "Please enter the PIN, followed by the hash key."
    EnterPin,
    /// "That PIN is not correct."
    WrongPin,
    /// "Welcome to the conference."
    Welcome,
    /// "You are the first person in this conference."
    YouAreFirst,
    /// "You are now muted."
    Muted,
    /// "You are no longer muted."
    Unmuted,
    /// "This conference is locked."
    Locked,
    /// "This conference is full."
    Full,
    /// "The conference is over. Goodbye."
    ConferenceEnded,
    /// "Goodbye."
    Goodbye,
    /// "Please wait until you are let in."
    Waiting,
    /// "This conference is being recorded."
    Recorded,
    /// "The recording is paused."
    RecordingPaused,
    /// "The recording has ended."
    RecordingEnded,
    /// "This conference cannot be recorded."
    NotRecorded,
    /// "Enter the conference number, then the hash key."
    EnterNumber,
    /// "No conference has this number."
    WrongNumber,
}

/// What is heard when nothing else is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambience {
    /// Nothing (comfort noise where negotiated).
    Silence,
    /// Music made by the server.
    Music,
}

/// A DTMF digit: `0`–`9`, `*`, `#`, `A`–`D`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digit(pub char);

/// What an MCU tells the focus of one conference.
#[derive(Clone, Debug)]
pub struct McuEvent {
    /// Which conference.
    pub conference: ConferenceId,
    /// What happened.
    pub report: Report,
}

/// What happened in the MCU.
#[derive(Clone, Debug)]
pub enum Report {
    /// The command was carried out (applied in the mixer, where it acts there) or refused.
    Done {
        /// Which.
        command: CommandId,
        /// How it went.
        result: Result<(), McuError>,
    },
    /// Our SDP answer to the offer in [`Action::Add`] or [`Action::Renegotiate`]. Comes before its `Done`.
    Answer {
        /// Whose.
        endpoint: EndpointId,
        /// The SDP answer.
        sdp: Bytes,
    },
    /// Our SDP offer. Comes before its `Done`.
    Offer {
        /// Whose.
        endpoint: EndpointId,
        /// The SDP offer.
        sdp: Bytes,
    },
    /// The endpoint is gone from the mixer.
    Removed {
        /// Which.
        endpoint: EndpointId,
        /// How its media was.
        quality: Quality,
    },
    /// The endpoint began or stopped talking (with hysteresis).
    Talking {
        /// Which.
        endpoint: EndpointId,
        /// Began or stopped.
        talking: bool,
    },
    /// Somebody else leads the conversation now, or nobody.
    ActiveSpeaker {
        /// Who.
        endpoint: Option<EndpointId>,
    },
    /// The filter or media direction now in force.
    Media {
        /// Whose.
        endpoint: EndpointId,
        /// The filter in force.
        filter: MediaFilter,
        /// The peer put us on hold, or took us off.
        on_hold: bool,
        /// The peer agreed to send nothing (`recvonly` or `inactive`): it muted itself.
        silent: bool,
    },
    /// What is agreed on about the endpoint's video now; `None` for none. Comes before the `Done` of the exchange.
    Video {
        /// Whose.
        endpoint: EndpointId,
        /// The stream.
        video: Option<VideoMedia>,
    },
    /// An endpoint sees other people now, pane by pane.
    Seen {
        /// Who.
        endpoint: EndpointId,
        /// Whom, from pane 1.
        panes: Vec<PaneContent>,
    },
    /// What is agreed on about the endpoint's slides now (RFC 4796); `None` for none. Comes before the `Done` of the
    /// exchange.
    Content {
        /// Whose.
        endpoint: EndpointId,
        /// The stream.
        content: Option<VideoMedia>,
    },
    /// Somebody else has the floor of slides now, or nobody (RFC 8855).
    Presenter {
        /// Who.
        endpoint: Option<EndpointId>,
    },
    /// The endpoint must be asked by signalling for a keyframe (RFC 5168): it understands no feedback.
    KeyframeNeeded {
        /// Of whom.
        endpoint: EndpointId,
    },
    /// A DTMF digit, once however it came.
    Dtmf {
        /// From whom.
        endpoint: EndpointId,
        /// Which.
        digit: Digit,
    },
    /// A playback came to its end or was stopped.
    Played {
        /// Which.
        playback: PlaybackId,
    },
    /// Neither RTP nor RTCP came from the endpoint for the media timeout although it should send.
    MediaLost {
        /// From whom.
        endpoint: EndpointId,
    },
    /// The encryption that was agreed on did not come about, or is at its end, or ICE found no way to the endpoint, or
    /// the endpoint is gone from it (RFC 7675): nothing is heard of it, and nothing sent to it.
    MediaFailed {
        /// Whose.
        endpoint: EndpointId,
        /// Why, in words for a person.
        reason: String,
    },
    /// The recording ended by itself.
    RecordingFailed {
        /// Why, in words for a person.
        reason: String,
    },
    /// The MCU ended the conference by a fault of its own.
    Failed {
        /// In words.
        reason: String,
    },
}

/// What is agreed on about a video stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoMedia {
    /// The codec as SDP writes it (`H264/90000`).
    pub codec: &'static str,
    /// The endpoint may send pictures.
    pub sends: bool,
    /// It gets the conference's.
    pub receives: bool,
}

/// How the media of an endpoint was, over its life.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quality {
    /// Codec in force at the end (`opus/48000/2`).
    pub codec: String,
    /// RTP packets received.
    pub packets_received: u64,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets that never came, by sequence number.
    pub packets_lost: u64,
    /// Share of played frames that were concealed, 0 to 1.
    pub concealed: f32,
    /// Interarrival jitter at the end (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// Delay the server added at the end: jitter buffer and mixing.
    pub delay: Duration,
    /// Clock skew of the peer against ours, parts per million.
    pub skew_ppm: f32,
}

/// Why an MCU refused or failed. Each says who is at fault; the focus maps it to a status code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum McuError {
    /// The peer's SDP cannot be read → 400.
    #[error("session description malformed: {0}")]
    MalformedSdp(String),
    /// The peer's SDP can be read but nothing in it can be agreed on → 488 with a Warning.
    #[error("nothing in common: {reason}")]
    Incompatible {
        /// The warn-code of RFC 3261 §20.43, 300 to 399.
        warn_code: u16,
        /// The Warning's words.
        reason: String,
    },
    /// The conference has no place left → 486.
    #[error("the conference is full")]
    Full,
    /// This server has no port, socket, memory or processor time left → 503.
    #[error("out of {0}")]
    Overloaded(&'static str),
    /// No such conference or endpoint, or one already there: a bug of the caller → 500.
    #[error("unknown {0}")]
    Unknown(&'static str),
    /// The conference cannot be recorded → 503.
    #[error("it cannot be recorded: {0}")]
    NotRecorded(String),
    /// This MCU does not do that.
    #[error("not supported")]
    NotSupported,
}

/// An MCU as the focus sees it. `command` never blocks and never fails: whatever goes wrong comes back as an event.
pub trait Mcu: Send + Sync + std::fmt::Debug {
    /// Carries out one command. Events go to the sink the MCU was made with.
    fn command(&self, command: McuCommand);
}
