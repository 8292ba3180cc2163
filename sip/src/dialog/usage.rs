//! The state of one INVITE usage: RFC 3261 §13 to §15.

use super::Dialog;
use super::reliable::Reliable;
use super::session_timer::SessionTimer;
use crate::auth::Credentials;
use crate::endpoint::{Accept, Body, Contact, EndCause, Outcome};
use crate::event::Members;
use crate::id::{ClientTxId, FlowId, NotifierId, ServerTxId};
use crate::msg::{HeaderName, Headers, Method, Text};
use smallvec::SmallVec;

/// One call.
#[derive(Debug)]
pub(crate) struct Usage {
    pub(crate) call_id: Text,
    pub(crate) local_tag: u64,
    pub(crate) stage: Stage,
    /// The early dialogs of a call we make, one per fork; else exactly one.
    pub(crate) dialogs: SmallVec<[Dialog; 1]>,
    pub(crate) contact: Contact,
    /// The call, and so its Call-ID, is ours (§14.1).
    pub(crate) owns_call_id: bool,
    /// The peer listed UPDATE in its Allow (RFC 3311 §4).
    pub(crate) peer_updates: bool,
    pub(crate) timer: Option<SessionTimer>,
    /// The least interval the peer accepts, as its 422 or Min-SE said; 0: not said.
    pub(crate) min_se: u32,
    /// Our last session description: what a refresh by re-INVITE repeats (RFC 4028 §7.4).
    pub(crate) local: Option<Body>,
    /// The bodies of this call are no session descriptions.
    pub(crate) no_session: bool,
    /// The connection it came over broke, and whether the peer was asked if it is still there.
    pub(crate) lost: Option<Lost>,
    /// The peer refreshes wherever it can.
    pub(crate) peer_refreshes: bool,
    /// What challenges to our requests are answered with.
    pub(crate) credentials: Credentials,
    /// Its final failure is the transaction user's to decide about.
    pub(crate) another_way: bool,
    /// The keyed hash of the peer's last session description.
    pub(crate) remote: u64,
    /// The subscriptions in its dialog.
    pub(crate) members: Members,
    /// The subscriptions that end with it, in whatever dialog they are.
    pub(crate) bound: SmallVec<[NotifierId; 1]>,
    /// Requests of the peer in this usage that wait for the transaction user.
    pub(crate) pending: SmallVec<[ServerTxId; 2]>,
    /// The stream that the peer is behind, as the endpoint's index knows it.
    pub(crate) flow: Option<FlowId>,
}

/// A connection that broke under a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    pub(crate) flow: FlowId,
    pub(crate) asked: bool,
}

/// How far the call is.
#[derive(Debug)]
pub(crate) enum Stage {
    /// We called and have no final answer.
    Calling(Calling),
    /// We were called and gave no final answer.
    Incoming(Box<Incoming>),
    /// A 2xx was sent or received.
    Up(Up),
}

/// A call of ours without a final answer.
#[derive(Debug)]
pub(crate) struct Calling {
    pub(crate) tx: ClientTxId,
    /// A provisional response came: from here on a CANCEL may be sent (§9.1).
    pub(crate) proceeding: bool,
    pub(crate) cancelling: Option<Cancelling>,
    /// The other places it rings at.
    pub(crate) forks: Vec<Fork>,
    /// The best answer of the places where it failed.
    pub(crate) failed: Option<Box<Outcome>>,
}

/// Another place at which a call of ours rings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fork {
    pub(crate) tx: ClientTxId,
    pub(crate) proceeding: bool,
}

impl Calling {
    /// Before its INVITE has a transaction.
    pub(crate) fn begun() -> Self {
        Self {
            tx: ClientTxId(0),
            proceeding: false,
            cancelling: None,
            forks: Vec::new(),
            failed: None,
        }
    }
}

/// We want the call no more, for this cause.
#[derive(Clone, Debug)]
pub(crate) struct Cancelling {
    pub(crate) cause: EndCause,
    pub(crate) sent: bool,
}

/// A call to us without a final answer.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) tx: ServerTxId,
    pub(crate) reliable: Reliable,
    /// The caller supports 100rel, or even requires it (RFC 3262 §3).
    pub(crate) can_100rel: bool,
    pub(crate) must_100rel: bool,
    /// Accepted, but a session description of ours waits for its PRACK first (RFC 3262 §5).
    pub(crate) accepting: Option<Accept>,
    /// The INVITE's `Expires` ends it, not our own bound: 487 instead of 408 (§13.3.1).
    pub(crate) expires: bool,
}

/// A call that is up.
#[derive(Debug, Default)]
pub(crate) struct Up {
    /// Our 2xx that were not acknowledged.
    pub(crate) unacknowledged: SmallVec<[Unacknowledged; 1]>,
    /// Ours to end as soon as the 2xx is acknowledged (§15).
    pub(crate) closing: Option<(EndCause, Headers)>,
    /// The INVITE of ours whose 2xx carried an offer we owe the answer to.
    pub(crate) owed_ack: Option<(ClientTxId, u32)>,
    pub(crate) modify: Modify,
    /// The RSeq of ours and CSeq of the INVITE whose PRACK the 2xx did not wait for.
    pub(crate) late_prack: Option<(u32, u32)>,
}

/// A 2xx of ours to an INVITE with this CSeq.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unacknowledged {
    pub(crate) seq: u32,
    pub(crate) tx: ServerTxId,
}

/// A re-INVITE or UPDATE of ours.
#[derive(Debug, Default)]
pub(crate) enum Modify {
    /// None.
    #[default]
    None,
    /// On its way.
    Active(ClientTxId, Modifying),
    /// Refused with 491; tried again when timer Glare goes off (§14.1).
    Waiting(Modifying),
}

/// What is being modified.
#[derive(Clone, Debug)]
pub(crate) struct Modifying {
    pub(crate) method: Method,
    pub(crate) body: Option<Body>,
    /// A session refresh of our own, not the transaction user's (RFC 4028).
    pub(crate) refresh: bool,
    /// How often it was tried again.
    pub(crate) tries: u8,
}

impl Usage {
    pub(crate) fn new(call_id: Text, local_tag: u64, stage: Stage, contact: Contact) -> Self {
        Self {
            call_id,
            local_tag,
            stage,
            dialogs: SmallVec::new(),
            contact,
            owns_call_id: false,
            peer_updates: false,
            timer: None,
            min_se: 0,
            local: None,
            no_session: false,
            lost: None,
            peer_refreshes: false,
            credentials: Credentials::default(),
            another_way: false,
            remote: 0,
            members: Members::default(),
            bound: SmallVec::new(),
            pending: SmallVec::new(),
            flow: None,
        }
    }

    /// What a message of the peer says about the peer; `hash` is that of its session description.
    pub(crate) fn note_peer(&mut self, headers: &Headers, hash: Option<u64>) {
        if headers.has(&HeaderName::Allow) {
            self.peer_updates = headers.allows(&Method::Update);
        }
        self.remote = hash.unwrap_or(self.remote);
    }

    /// The dialog whose remote tag this is.
    pub(crate) fn dialog_with(&self, remote_tag: &Text) -> Option<&Dialog> {
        self.dialogs
            .iter()
            .find(|dialog| dialog.remote_tag == *remote_tag)
    }

    /// The dialog whose remote tag this is.
    pub(crate) fn dialog_with_mut(&mut self, remote_tag: &Text) -> Option<&mut Dialog> {
        self.dialogs
            .iter_mut()
            .find(|dialog| dialog.remote_tag == *remote_tag)
    }

    /// The call's state, once it is up.
    pub(crate) fn up_mut(&mut self) -> Option<&mut Up> {
        match &mut self.stage {
            Stage::Up(up) => Some(up),
            Stage::Calling(_) | Stage::Incoming(_) => None,
        }
    }

    /// The call's state, while it waits for our answer.
    pub(crate) fn incoming_mut(&mut self) -> Option<&mut Incoming> {
        match &mut self.stage {
            Stage::Incoming(incoming) => Some(incoming),
            Stage::Calling(_) | Stage::Up(_) => None,
        }
    }

    /// The call's state, while it waits for the peer's answer.
    pub(crate) fn calling_mut(&mut self) -> Option<&mut Calling> {
        match &mut self.stage {
            Stage::Calling(calling) => Some(calling),
            Stage::Incoming(_) | Stage::Up(_) => None,
        }
    }
}
