//! What comes out of a focus: actions for the SIP endpoint, commands for mixers, events for logs
//! and records. All of it is plain data.

use crate::access::Role;
use crate::conference::Arrival;
use crate::detail::DetailRecord;
use crate::disconnect::DisconnectReason;
use crate::pin_guard::PinOutcome;
use crate::record::{ConferenceName, SeatFor};
use crate::recording::{NotRecorded, RecordOrder, RecordingState};
use crate::refusal::Refusal;
use crate::roster::{JoiningMethod, UserId};
use plenum_mcu::control::{
    Absent, EndpointId, Layout, McuCommand, MediaFilter, PanePlacement, Quality, Template,
};
use plenum_sip::endpoint::{
    Accept, AcceptRefer, AcceptSubscription, Answer, Body, Invite, InviteId, Notification,
    NotifierId, ServerTxId, Termination,
};
use plenum_sip::msg::{Headers, StatusCode, Text};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What [`crate::conference::Focus::poll_output`] answers.
#[derive(Debug)]
pub enum Output {
    /// For the SIP endpoint.
    Sip(SipAction),
    /// For a mixer.
    Mcu(McuType, McuCommand),
    /// The number of a conference was keyed in at the entry: its call goes there, if there is one that takes it. Answered by
    /// [`crate::conference::Focus::handle_handed_over`].
    HandOver(Box<HandOver>),
    /// For logs, records and whoever watches.
    Event(ConferenceEvent),
    /// Nothing more until this instant, or until something is handled. `None`: no timer runs.
    Timeout(Option<Instant>),
}

/// See [`Output::HandOver`].
#[derive(Debug)]
pub struct HandOver {
    /// What was keyed in.
    pub number: String,
    /// The call.
    pub arrival: Arrival,
}

/// The kinds of mixers a conference is made of. One more kind is one more variant here and one
/// more [`plenum_mcu::control::Mcu`] behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum McuType {
    /// Audio (and video, once it is mixed).
    AudioVideo,
}

impl McuType {
    /// Every kind.
    pub const ALL: [Self; 1] = [Self::AudioVideo];

    /// The word for it in URIs and documents (CB-105).
    pub const fn name(self) -> &'static str {
        match self {
            Self::AudioVideo => "audio-video",
        }
    }
}

/// A call the focus wants made. Chosen by the focus, unique per conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialOutId(pub u64);

/// A subscription to a conference. Chosen by the focus, unique per conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(pub u64);

/// Who wants somebody called: what rules for calling out go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialler {
    /// The operator, or the configuration.
    Operator,
    /// A participant; the address of record, unless anonymous or not to be believed.
    Participant(Option<String>),
}

/// What the SIP endpoint is to do. Each may come too late there, when the peer was faster; then
/// nothing happens, and the event that was faster is already on its way to the focus.
#[derive(Clone, Debug)]
pub enum SipAction {
    /// 200 to the INVITE.
    Accept {
        /// Which.
        id: InviteId,
        /// With what.
        accept: Accept,
    },
    /// A final refusal of the INVITE.
    Reject {
        /// Which.
        id: InviteId,
        /// With what.
        answer: Answer,
    },
    /// Answer a re-INVITE, UPDATE or PRACK.
    RespondModify {
        /// Which.
        tx: ServerTxId,
        /// With what.
        answer: Answer,
    },
    /// Answer any other request.
    Respond {
        /// Which.
        tx: ServerTxId,
        /// With what.
        answer: Answer,
    },
    /// Call somebody; the id the call got is to be told by
    /// [`crate::conference::Focus::handle_placed`] before any other event of it.
    Invite {
        /// Comes back.
        dial_out: DialOutId,
        /// The call.
        invite: Box<Invite>,
        /// Who wants it.
        by: Dialler,
    },
    /// Give up a call that was not answered.
    Cancel {
        /// Which.
        id: InviteId,
        /// The value of `Reason`.
        reason: Text,
    },
    /// An INFO of ours in a call, whose answer does not matter.
    Info {
        /// Which.
        id: InviteId,
        /// What it carries.
        body: Body,
    },
    /// Accept a SUBSCRIBE; the id the subscription got is to be told by
    /// [`crate::conference::Focus::handle_subscribed`] before any other event of it.
    AcceptSubscription {
        /// Which.
        tx: ServerTxId,
        /// Comes back.
        subscription: SubscriptionId,
        /// With what.
        accept: Box<AcceptSubscription>,
    },
    /// Accept a REFER; the id of its subscription, if it has one, is to be told by
    /// [`crate::conference::Focus::handle_subscribed`].
    AcceptRefer {
        /// Which.
        tx: ServerTxId,
        /// Comes back.
        subscription: SubscriptionId,
        /// With what.
        accept: Box<AcceptRefer>,
    },
    /// Tell a referrer finally how it went.
    NotifyRefer {
        /// Whom.
        id: NotifierId,
        /// How.
        status: StatusCode,
    },
    /// Notify a subscriber.
    Notify {
        /// Whom.
        id: NotifierId,
        /// Of what.
        notification: Notification,
    },
    /// End a subscription.
    Terminate {
        /// Which.
        id: NotifierId,
        /// With what.
        termination: Box<Termination>,
    },
    /// Hang up.
    Bye {
        /// Which.
        id: InviteId,
        /// The value of `Reason`.
        reason: Text,
        /// More header fields.
        headers: Headers,
    },
}

/// A command to a focus, chosen by whoever gives it; comes back in
/// [`ConferenceEvent::Completed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What a conference can be asked to do, by a moderator, an operator or the configuration.
#[derive(Clone, Debug)]
pub enum Command {
    /// Call a SIP URI into the conference. Completed when it is in the mix, or not.
    DialOut {
        /// Whom.
        uri: String,
        /// How long it may ring.
        ringing: Duration,
    },
    /// Remove an endpoint. Completed when it is gone.
    Remove {
        /// Which.
        endpoint: EndpointId,
    },
    /// Remove a user with all their endpoints. Completed when they are told.
    RemoveUser {
        /// Whom.
        user: UserId,
    },
    /// Change what passes between an endpoint and the mix. Completed when the mixer has applied it.
    Filter {
        /// Whose.
        endpoint: EndpointId,
        /// The whole filter, not a change to it.
        filter: MediaFilter,
    },
    /// Lock or unlock.
    Lock(bool),
    /// Let in from the lobby.
    Admit(Whom),
    /// Send away from the lobby.
    Deny(Whom),
    /// Mute everybody but presenters, or take it back.
    MuteAll(bool),
    /// Promote or demote a user.
    SetRole {
        /// Whom.
        user: UserId,
        /// To what.
        role: Role,
    },
    /// Who is seen where.
    Pictures(PictureCommand),
    /// Record it, or not. Completed when it is recorded, or is not to be.
    Record(RecordOrder),
    /// Take the floor of slides away from whoever has it. Completed at once.
    RevokeFloor,
    /// Give the floor of slides to an endpoint, whoever has it. Completed at once.
    GiveFloor {
        /// To which.
        endpoint: EndpointId,
    },
    /// End the conference: everybody hears so and is hung up.
    End,
}

/// What can be asked of the pictures of a conference.
#[derive(Clone, Debug)]
pub enum PictureCommand {
    /// Another layout of the picture. Completed at once.
    Layout {
        /// For whom; `None`: for all who have chosen none.
        endpoint: Option<EndpointId>,
        /// Which; `None`: the conference's own.
        choice: Option<Choice>,
    },
    /// Pane placement of the running conference, before that of its record, each value by itself
    /// (CM-103, CM-112). Completed at once.
    Placement(PanePlacement),
    /// The panes kept for people: all of them, in the place of those before. Completed at once.
    Seats {
        /// Whose, and where.
        seats: Vec<SeatFor>,
        /// What is there while they are away.
        absent: Absent,
    },
    /// How one endpoint is seen, or what it sees. Completed when the mixer has applied it.
    Looks {
        /// Whose.
        endpoint: EndpointId,
        /// What is different.
        change: LooksChange,
    },
}

/// A layout that is chosen (CM-081, CM-097).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// One of the built-in ones.
    Layout(Layout),
    /// Rectangles of somebody's own, shown as `automatic`.
    Template(Arc<Template>),
}

/// What is to be different in how an endpoint is seen, or in what it sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LooksChange {
    /// Its importance (CM-101); 0 for none.
    Importance(u32),
    /// Pinned for everybody, the lowest number first; `None`: not pinned.
    Pin(Option<u32>),
    /// Others see its pictures, or a tile.
    Hidden(bool),
    /// It gets no pictures, or the conference's.
    Blind(bool),
    /// It may show slides, whatever its role, or may not; `None`: as its role says.
    Slides(Option<bool>),
    /// It may choose another layout (CM-089); `None`: as is configured.
    ChangeLayout(Option<bool>),
    /// Whom it wants to see, and where: for its own view alone.
    View {
        /// Endpoints it wants to see, in order.
        pins: Vec<EndpointId>,
        /// Panes kept in its view; `None`: those of the conference.
        seats: Option<Vec<SeatFor>>,
    },
}

/// Who of those who wait in the lobby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// All of them, in the order they came.
    All,
    /// One user, with all their endpoints.
    User(UserId),
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such endpoint, or no more.
    #[error("there is no such endpoint in the conference")]
    UnknownEndpoint,
    /// No such user, or no more.
    #[error("there is no such user in the conference")]
    UnknownUser,
    /// Nobody has the floor of slides.
    #[error("nobody shows slides")]
    NobodyPresents,
    /// The endpoint has no stream for slides.
    #[error("the endpoint cannot show slides")]
    NoSlides,
    /// It may not.
    #[error("the endpoint may not show slides")]
    Barred,
    /// The user does not wait in the lobby.
    #[error("the user is in the conference already")]
    NotWaiting,
    /// There is no such conference.
    #[error("there is no such conference")]
    UnknownConference,
    /// Panes cannot be kept like that.
    #[error("{0}")]
    BadSeat(&'static str),
    /// Not a URI that can be called.
    #[error("`{0}` is not a SIP address that can be called")]
    BadUri(String),
    /// The conference has no place for one more.
    #[error("{0}")]
    Refused(Refusal),
    /// The one called did not come in.
    #[error("{}", .0.text())]
    NotJoined(DisconnectReason),
    /// Nothing was done about the recording.
    #[error("{0}")]
    Recording(NotRecorded),
    /// The mixer refused.
    #[error("the mixer refused: {0}")]
    Mcu(#[from] plenum_mcu::control::McuError),
    /// The conference is being ended.
    #[error("the conference is being ended")]
    Ending,
    /// Too many messages wait for the conference.
    #[error("the conference is too busy")]
    Busy,
    /// The conference ended by a fault of the server before it could answer.
    #[error("the conference ended by a fault of the server")]
    Fault,
}

/// What happened in a conference, for logs, records and whoever watches.
#[derive(Clone, Debug)]
pub enum ConferenceEvent {
    /// The conference became active.
    Activated {
        /// Its name.
        name: ConferenceName,
    },
    /// A call was refused before it was answered.
    Refused {
        /// Where it came from.
        source: Option<IpAddr>,
        /// Why.
        refusal: Refusal,
    },
    /// An endpoint was admitted and is on its way in.
    Admitted {
        /// Which.
        endpoint: EndpointId,
        /// Whose.
        user: UserId,
        /// Address of record, unless anonymous.
        aor: Option<String>,
        /// Where it calls from; `None` when it is called.
        source: Option<IpAddr>,
        /// Who called whom.
        joining: JoiningMethod,
    },
    /// An endpoint waits in the lobby.
    Waiting {
        /// Which.
        endpoint: EndpointId,
        /// Whose.
        user: UserId,
    },
    /// A user has another role now.
    Role {
        /// Who.
        user: UserId,
        /// Which role.
        role: Role,
    },
    /// An endpoint is in the mix; at the focus: in the conference.
    Joined {
        /// Which.
        endpoint: EndpointId,
        /// Whose.
        user: UserId,
    },
    /// An endpoint is gone.
    Left {
        /// Which.
        endpoint: EndpointId,
        /// Whose.
        user: UserId,
        /// Address of record, unless anonymous.
        aor: Option<String>,
        /// Why.
        reason: DisconnectReason,
        /// How long it was in the mix; zero when it never was.
        stayed: Duration,
        /// How its media was.
        quality: Box<Quality>,
    },
    /// The record of an endpoint that is gone; follows its [`Left`](Self::Left).
    Detail(Box<DetailRecord>),
    /// What passes between an endpoint and the mix is different now.
    Media {
        /// Whose.
        endpoint: EndpointId,
        /// The filter in force.
        filter: MediaFilter,
        /// It put us on hold.
        on_hold: bool,
    },
    /// An endpoint began or stopped talking.
    Talking {
        /// Which.
        endpoint: EndpointId,
        /// Began or stopped.
        talking: bool,
    },
    /// Somebody else shows slides now, or nobody.
    Presenter {
        /// Who.
        endpoint: Option<EndpointId>,
    },
    /// Somebody else leads the conversation now, or nobody.
    ActiveSpeaker {
        /// Who.
        endpoint: Option<EndpointId>,
    },
    /// The conference was locked or unlocked.
    Locked(bool),
    /// The recording is another now.
    Recording {
        /// How it is.
        state: RecordingState,
        /// Why it failed, in words.
        reason: Option<String>,
    },
    /// A wrong PIN was keyed in.
    WrongPin {
        /// By whom.
        endpoint: EndpointId,
        /// From where.
        source: Option<IpAddr>,
    },
    /// A number that no conference has was keyed in at the entry.
    WrongNumber {
        /// By whom.
        endpoint: EndpointId,
        /// From where.
        source: Option<IpAddr>,
    },
    /// A call that was let in to be asked for the PIN, or for a number, has ended its being asked, for the
    /// [`crate::pin_guard::PinGuard`]; or somebody at the door has shown a key.
    PinSettled {
        /// From where.
        source: IpAddr,
        /// How.
        outcome: PinOutcome,
        /// It really was asked: somebody at the source acknowledged the call, or answered a challenge
        /// that was sent there.
        proven: bool,
    },
    /// Somebody whom the configuration says to call cannot be called.
    DialOutFailed {
        /// Whom.
        uri: String,
        /// Why.
        error: CommandError,
    },
    /// A command was carried out, or not.
    Completed {
        /// Which.
        request: RequestId,
        /// How it went.
        result: Result<(), CommandError>,
    },
    /// Nobody new is let in from here on: a new call to the name is a new activation.
    Ending,
    /// The conference is not active any more; the focus says nothing after this.
    Ended {
        /// Whether it ended by a fault of the server, in words.
        fault: Option<String>,
    },
}
