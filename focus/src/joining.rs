//! The way of one call into the mix and through it: RFC 3261 §13.3 and RFC 4579 §5.1 for those who
//! call in, RFC 3261 §13.2 and RFC 4579 §5.3 for those who are called.
//!
//! ```text
//! in:   Negotiating ─► Unacknowledged ─┬────────► (PIN?) ─► CollectingPin ─► Placing ─► InMix
//! out:  Preparing ───► Calling ────────┴► Settling ─┘            │
//!                                          └► Waiting ─────────┘ Dismissed ─► Leaving
//! ```
//!
//! At the entry, [`crate::entry`] takes the place of the PIN; who comes from there begins with `Settling`.
//!
//! The machine knows neither ids nor messages: inputs are what concerns this call, effects are what
//! the focus is to do. From every state the focus may take a call to `Leaving`, which is the one
//! way out; no state decides on its own how the other side is told.

use crate::disconnect::DisconnectReason;
use crate::entry::{self, CollectingNumber, HandingOver};
use crate::keys::{KeyAction, KeyCollector};
use crate::limits::Limits;
use crate::pin::{PinEntry, PinKey};
use crate::record::ConferenceRecord;
use crate::refusal::Refusal;
use bytes::Bytes;
use plenum_mcu::control::{McuError, Prompt, Sentence};
use smallvec::SmallVec;
use std::time::{Duration, Instant};

/// Where a call is.
#[derive(Debug)]
pub(crate) enum State {
    /// The mixer works on the caller's INVITE.
    Negotiating(Described),
    /// The INVITE was answered by 200; its ACK is awaited.
    Unacknowledged(WhoOffered),
    /// The mixer makes an offer for the one to be called.
    Preparing(Described),
    /// The INVITE of the focus is out.
    Calling(Calling),
    /// The mixer works on the peer's answer to its offer.
    Settling,
    /// The caller is at the entry and keys in the number of a conference.
    CollectingNumber(CollectingNumber),
    /// That conference is asked to take it in.
    HandingOver(HandingOver),
    /// The caller hears prompts and keys in the PIN.
    CollectingPin(CollectingPin),
    /// The caller waits in the lobby until somebody decides.
    Waiting,
    /// The caller hears why it will be hung up.
    Dismissed(Dismissed),
    /// The mixer puts the endpoint into the mix.
    Placing,
    /// Hears and is heard.
    InMix(KeyCollector),
    /// On its way out: the mixer is still to say so.
    Leaving(DisconnectReason),
}

/// The session description the mixer made, once it has.
#[derive(Debug, Default)]
pub(crate) struct Described {
    offer_given: bool,
    sdp: Option<Bytes>,
}

impl Described {
    /// For an `Add` with the peer's offer, or without one.
    pub(crate) fn awaited(offer_given: bool) -> Self {
        Self {
            offer_given,
            sdp: None,
        }
    }
}

/// Whose offer is being answered (RFC 3264 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhoOffered {
    /// The peer, in its INVITE.
    Peer,
    /// We, in the 200: the ACK has the answer.
    Focus,
}

/// The INVITE of the focus is out.
#[derive(Debug)]
pub(crate) struct Calling {
    until: Instant,
}

/// The caller keys in the PIN.
#[derive(Debug)]
pub(crate) struct CollectingPin {
    entry: PinEntry,
    prompting: bool,
    tries_left: u32,
    until: Instant,
}

/// The caller hears why it will be hung up.
#[derive(Debug)]
pub(crate) struct Dismissed {
    reason: DisconnectReason,
    until: Instant,
}

/// What concerns a call.
#[derive(Debug)]
pub(crate) enum Input {
    /// The mixer's answer or offer.
    Described(Bytes),
    /// The mixer has carried out the command this state waits for, or not.
    Done(Result<(), McuError>),
    /// The ACK to our 200, with its session description.
    Acked(Option<Bytes>),
    /// The 200 to our INVITE, with its session description.
    Answered(Option<Bytes>),
    /// A DTMF digit.
    Digit(char),
    /// The prompts of this call came to their end.
    Played,
    /// The deadline of the state has come.
    Timeout,
    /// Somebody with the right to let it in from the lobby.
    Admitted,
    /// The conference whose number was keyed in does not take it, or there is none.
    TurnedAway(Refusal),
}

/// What somebody finds who has come up to the conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Comes in.
    Open,
    /// Waits in the lobby.
    Lobby,
    /// Is sent away.
    Shut,
}

/// What the focus is to do for a call.
#[derive(Debug)]
pub(crate) enum Effect {
    /// 200 to the INVITE, with this session description.
    Accept(Bytes),
    /// INVITE with this offer.
    Invite(Bytes),
    /// Give the peer's answer to the mixer.
    Answer(Bytes),
    /// Play prompts to this endpoint alone.
    Play(Vec<Prompt>),
    /// Stop what is playing to this endpoint.
    StopPlaying,
    /// Into the lobby.
    Wait,
    /// Out of the lobby.
    StopWaiting,
    /// Whoever called is there, and may be sent media.
    Confirm,
    /// Into the mix.
    Place,
    /// It is in the mix. Whether it came by PIN.
    Entered,
    /// To the conference with this number.
    HandOver(String),
    /// No conference has the number that came.
    NumberWrong,
    /// A wrong PIN came.
    PinWrong,
    /// The right PIN came.
    PinRight,
    /// A key sequence was completed.
    Key(KeyAction),
    /// Out, for this reason.
    Leave(DisconnectReason),
}

/// Effects of one step, in order.
pub(crate) type Effects = SmallVec<[Effect; 4]>;

/// What a step looks at besides its state.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) record: &'a ConferenceRecord,
    pub(crate) limits: &'a Limits,
    /// Whether this call comes in, now.
    pub(crate) door: Door,
    /// This call has to know the PIN.
    pub(crate) pin_asked: bool,
    /// How long the one called may take to answer.
    pub(crate) ringing: Duration,
}

impl State {
    /// One step: the state after this input, and what it entails.
    pub(crate) fn step(self, cx: &Context<'_>, input: Input, effects: &mut Effects) -> Self {
        match self {
            Self::Negotiating(state) => negotiating(state, cx, input, effects),
            Self::Unacknowledged(who) => unacknowledged(who, cx, input, effects),
            Self::Preparing(state) => preparing(state, cx, input, effects),
            Self::Calling(state) => calling(state, input, effects),
            Self::Settling => settling(cx, input, effects),
            Self::CollectingNumber(state) => entry::collecting(state, cx, input, effects),
            Self::HandingOver(state) => entry::handing_over(state, cx, input, effects),
            Self::CollectingPin(state) => collecting_pin(state, cx, input, effects),
            Self::Waiting => waiting(input, effects),
            Self::Dismissed(state) => dismissed(state, input, effects),
            Self::Placing => placing(cx, input, effects),
            Self::InMix(keys) => in_mix(keys, cx, input, effects),
            // RFC 4575 §5.7.2 "disconnecting": nothing brings it back.
            Self::Leaving(reason) => Self::Leaving(reason),
        }
    }

    /// When [`Input::Timeout`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Calling(state) => Some(state.until),
            Self::CollectingNumber(state) => Some(state.deadline()),
            Self::HandingOver(state) => Some(state.deadline()),
            Self::CollectingPin(state) => Some(state.until),
            Self::Dismissed(state) => Some(state.until),
            Self::InMix(keys) => keys.deadline(),
            Self::Negotiating(_)
            | Self::Unacknowledged(_)
            | Self::Preparing(_)
            | Self::Settling
            | Self::Waiting
            | Self::Placing
            | Self::Leaving(_) => None,
        }
    }
}

/// RFC 3261 §13.3.1, RFC 3264 §6: the mixer answers the offer, or makes one when there is none.
fn negotiating(
    mut state: Described,
    cx: &Context<'_>,
    input: Input,
    effects: &mut Effects,
) -> State {
    match input {
        Input::Described(sdp) => state.sdp = Some(sdp),
        Input::Done(Ok(())) => match state.sdp.take() {
            Some(sdp) => {
                effects.push(Effect::Accept(sdp));
                let offered = if state.offer_given {
                    WhoOffered::Peer
                } else {
                    WhoOffered::Focus
                };
                return State::Unacknowledged(offered);
            }
            None => leave(effects, DisconnectReason::Fault),
        },
        Input::Done(Err(error)) => leave(effects, refused(error, cx)),
        Input::Acked(_)
        | Input::Answered(_)
        | Input::Digit(_)
        | Input::Played
        | Input::Timeout
        | Input::Admitted
        | Input::TurnedAway(_) => {}
    }
    State::Negotiating(state)
}

/// RFC 3261 §13.3.1.4: the call is up when the ACK has come; RFC 6337 §2.2: with the answer when
/// the 200 had the offer.
fn unacknowledged(who: WhoOffered, cx: &Context<'_>, input: Input, effects: &mut Effects) -> State {
    match (input, who) {
        (Input::Acked(_), WhoOffered::Peer) => {
            // Straight into the mix says the same.
            if cx.pin_asked || cx.record.entry || cx.door != Door::Open {
                effects.push(Effect::Confirm);
            }
            return enter(cx, effects);
        }
        (Input::Acked(Some(answer)), WhoOffered::Focus) => {
            effects.push(Effect::Answer(answer));
            return State::Settling;
        }
        (Input::Acked(None), WhoOffered::Focus) => leave(effects, DisconnectReason::NoAnswerSdp),
        (
            Input::Described(_)
            | Input::Done(_)
            | Input::Answered(_)
            | Input::Digit(_)
            | Input::Played
            | Input::Timeout
            | Input::Admitted
            | Input::TurnedAway(_),
            WhoOffered::Peer | WhoOffered::Focus,
        ) => {}
    }
    State::Unacknowledged(who)
}

/// RFC 4579 §5.3: before the focus calls somebody, the mixer makes the offer.
fn preparing(mut state: Described, cx: &Context<'_>, input: Input, effects: &mut Effects) -> State {
    match input {
        Input::Described(sdp) => state.sdp = Some(sdp),
        Input::Done(Ok(())) => match state.sdp.take() {
            Some(sdp) => {
                effects.push(Effect::Invite(sdp));
                return State::Calling(Calling {
                    until: cx.now + cx.ringing,
                });
            }
            None => leave(effects, DisconnectReason::Fault),
        },
        Input::Done(Err(error)) => leave(effects, refused(error, cx)),
        Input::Acked(_)
        | Input::Answered(_)
        | Input::Digit(_)
        | Input::Played
        | Input::Timeout
        | Input::Admitted
        | Input::TurnedAway(_) => {}
    }
    State::Preparing(state)
}

/// RFC 3261 §13.2.2: the final answer is awaited; failures come as the end of the call.
fn calling(state: Calling, input: Input, effects: &mut Effects) -> State {
    match input {
        Input::Answered(Some(answer)) => {
            effects.push(Effect::Answer(answer));
            return State::Settling;
        }
        Input::Answered(None) => leave(effects, DisconnectReason::NoAnswerSdp),
        Input::Timeout => leave(effects, DisconnectReason::NoAnswer),
        Input::Described(_)
        | Input::Done(_)
        | Input::Acked(_)
        | Input::Digit(_)
        | Input::Played
        | Input::Admitted
        | Input::TurnedAway(_) => {}
    }
    State::Calling(state)
}

/// RFC 3264 §7: the mixer takes the peer's answer, or it is useless and the call ends
/// (RFC 3261 §13.2.2.4).
fn settling(cx: &Context<'_>, input: Input, effects: &mut Effects) -> State {
    match input {
        Input::Done(Ok(())) => return enter(cx, effects),
        Input::Done(Err(error)) => leave(effects, refused(error, cx)),
        Input::Described(_)
        | Input::Acked(_)
        | Input::Answered(_)
        | Input::Digit(_)
        | Input::Played
        | Input::Timeout
        | Input::Admitted
        | Input::TurnedAway(_) => {}
    }
    State::Settling
}

/// RFC 4579 §5.1: the focus may ask for authorisation before somebody is let in; a plain phone
/// gives it by keys (RFC 4733). A pause that is too long is a wrong try like any other.
fn collecting_pin(
    mut state: CollectingPin,
    cx: &Context<'_>,
    input: Input,
    effects: &mut Effects,
) -> State {
    let finished = match input {
        Input::Digit(key) => {
            if state.prompting {
                state.prompting = false;
                effects.push(Effect::StopPlaying);
            }
            state.until = cx.now + cx.limits.pin_patience;
            state.entry.key(key, cx.limits.pin_digits) == PinKey::Finished
        }
        // Patience starts when the prompt is over.
        Input::Played => {
            state.prompting = false;
            state.until = cx.now + cx.limits.pin_patience;
            false
        }
        Input::Timeout => true,
        Input::Described(_)
        | Input::Done(_)
        | Input::Acked(_)
        | Input::Answered(_)
        | Input::Admitted
        | Input::TurnedAway(_) => false,
    };
    if finished {
        judge_pin(state, cx, effects)
    } else {
        State::CollectingPin(state)
    }
}

/// Right, once more, or farewell.
fn judge_pin(mut state: CollectingPin, cx: &Context<'_>, effects: &mut Effects) -> State {
    if cx
        .record
        .pin
        .as_ref()
        .is_none_or(|pin| pin.matches(&state.entry))
    {
        effects.push(Effect::PinRight);
        return pass_door(cx, effects);
    }
    effects.push(Effect::PinWrong);
    state.tries_left = state.tries_left.saturating_sub(1);
    if state.tries_left == 0 {
        return dismiss(
            cx,
            effects,
            DisconnectReason::WrongPin,
            &[Sentence::WrongPin],
        );
    }
    state.entry.clear();
    effects.push(Effect::Play(sentences(&[
        Sentence::WrongPin,
        Sentence::EnterPin,
    ])));
    state.prompting = true;
    state.until = cx.now + cx.limits.farewell + cx.limits.pin_patience;
    State::CollectingPin(state)
}

/// RFC 4575 §5.7.2 "disconnecting", with words: the BYE goes out when they were heard, or have
/// had their time.
fn dismissed(state: Dismissed, input: Input, effects: &mut Effects) -> State {
    match input {
        Input::Played | Input::Timeout => leave(effects, state.reason.clone()),
        Input::Described(_)
        | Input::Done(_)
        | Input::Acked(_)
        | Input::Answered(_)
        | Input::Digit(_)
        | Input::Admitted
        | Input::TurnedAway(_) => {}
    }
    State::Dismissed(state)
}

/// RFC 4575 §5.7.2 "connected" is what the mixer says, not what it was asked.
fn placing(cx: &Context<'_>, input: Input, effects: &mut Effects) -> State {
    match input {
        Input::Done(Ok(())) => {
            effects.push(Effect::Entered);
            return State::InMix(KeyCollector::default());
        }
        Input::Done(Err(error)) => leave(effects, refused(error, cx)),
        Input::Described(_)
        | Input::Acked(_)
        | Input::Answered(_)
        | Input::Digit(_)
        | Input::Played
        | Input::Timeout
        | Input::Admitted
        | Input::TurnedAway(_) => {}
    }
    State::Placing
}

/// RFC 4353 §3: a participant; its keys (RFC 4733) are commands of the conference's key map.
fn in_mix(mut keys: KeyCollector, cx: &Context<'_>, input: Input, effects: &mut Effects) -> State {
    let action = match input {
        Input::Digit(key) => keys.key(cx.now, &cx.record.keys, key),
        Input::Timeout => keys.timeout(cx.now, &cx.record.keys),
        Input::Described(_)
        | Input::Done(_)
        | Input::Acked(_)
        | Input::Answered(_)
        | Input::Played
        | Input::Admitted
        | Input::TurnedAway(_) => None,
    };
    effects.extend(action.map(Effect::Key));
    State::InMix(keys)
}

/// The session stands: to the number, to the PIN or into the mix.
fn enter(cx: &Context<'_>, effects: &mut Effects) -> State {
    if cx.record.entry {
        return entry::ask(cx, effects);
    }
    if !cx.pin_asked {
        return pass_door(cx, effects);
    }
    effects.push(Effect::Play(sentences(&[Sentence::EnterPin])));
    State::CollectingPin(CollectingPin {
        entry: PinEntry::default(),
        prompting: true,
        tries_left: PIN_TRIES,
        until: cx.now + cx.limits.farewell + cx.limits.pin_patience,
    })
}

/// Into the mix, into the lobby or away.
fn pass_door(cx: &Context<'_>, effects: &mut Effects) -> State {
    match cx.door {
        Door::Open => {
            effects.push(Effect::Place);
            State::Placing
        }
        Door::Lobby => {
            effects.push(Effect::Wait);
            State::Waiting
        }
        Door::Shut => dismiss(
            cx,
            effects,
            DisconnectReason::LockedOut,
            &[Sentence::Locked],
        ),
    }
}

/// MS-CONFBAS §3.14: on hold until somebody lets it in; being sent away is the focus's matter.
fn waiting(input: Input, effects: &mut Effects) -> State {
    match input {
        Input::Admitted => {
            effects.push(Effect::StopWaiting);
            effects.push(Effect::Place);
            State::Placing
        }
        Input::Described(_)
        | Input::Done(_)
        | Input::Acked(_)
        | Input::Answered(_)
        | Input::Digit(_)
        | Input::Played
        | Input::Timeout
        | Input::TurnedAway(_) => State::Waiting,
    }
}

pub(crate) fn dismiss(
    cx: &Context<'_>,
    effects: &mut Effects,
    reason: DisconnectReason,
    why: &[Sentence],
) -> State {
    let mut prompts = sentences(why);
    prompts.push(Prompt::Sentence(Sentence::Goodbye));
    effects.push(Effect::Play(prompts));
    State::Dismissed(Dismissed {
        reason,
        until: cx.now + cx.limits.farewell,
    })
}

pub(crate) fn sentences(list: &[Sentence]) -> Vec<Prompt> {
    list.iter().copied().map(Prompt::Sentence).collect()
}

pub(crate) fn leave(effects: &mut Effects, reason: DisconnectReason) {
    effects.push(Effect::Leave(reason));
}

fn refused(error: McuError, cx: &Context<'_>) -> DisconnectReason {
    DisconnectReason::Refused(Refusal::from_mcu(error, cx.limits.retry_after))
}

/// How often a caller may key in a wrong PIN before it is hung up.
const PIN_TRIES: u32 = 3;
