//! A caller at the entry: hears a request for the number of a conference, keys it in (RFC 4733, or as the call has it),
//! and goes on to that conference, where it is asked for the PIN as if it had called there.
//!
//! ```text
//! CollectingNumber ─► HandingOver ─► (in another conference)
//!        ▲                 │
//!        └── no such one ──┤
//!                          └─► Dismissed
//! ```
//!
//! A number ends with `#`, or with a pause; `*` begins it again. How many may be tried and how long it may all take is
//! bounded; a number that nobody has counts as a guess.

use crate::disconnect::DisconnectReason;
use crate::joining::{Context, Effect, Effects, Input, State, dismiss, leave, sentences};
use crate::refusal::Refusal;
use plenum_mcu::control::Sentence;
use std::time::Instant;

/// The caller keys in the number.
#[derive(Debug)]
pub(crate) struct CollectingNumber {
    digits: String,
    prompting: bool,
    tries: Tries,
    until: Instant,
}

/// The number is looked up, and its conference asked to take the caller in.
#[derive(Debug)]
pub(crate) struct HandingOver {
    tries: Tries,
    until: Instant,
}

/// What is left to a caller.
#[derive(Clone, Copy, Debug)]
struct Tries {
    left: u32,
    /// Some number was wrong.
    wrong: bool,
    /// When it is all over.
    end: Instant,
}

impl CollectingNumber {
    pub(crate) fn deadline(&self) -> Instant {
        self.until.min(self.tries.end)
    }
}

impl HandingOver {
    pub(crate) fn deadline(&self) -> Instant {
        self.until
    }
}

/// RFC 3261 §13.3.1.4: the call is up, and the caller is asked.
pub(crate) fn ask(cx: &Context<'_>, effects: &mut Effects) -> State {
    let limits = &cx.limits.entry;
    let tries = Tries {
        left: limits.tries,
        wrong: false,
        end: cx.now + limits.time,
    };
    prompt(tries, &[Sentence::EnterNumber], cx, effects)
}

/// RFC 4733 §2.3: keys, one after another, make a number.
pub(crate) fn collecting(
    mut state: CollectingNumber,
    cx: &Context<'_>,
    input: Input,
    effects: &mut Effects,
) -> State {
    match input {
        Input::Digit(key) => {
            if state.prompting {
                state.prompting = false;
                effects.push(Effect::StopPlaying);
            }
            state.until = cx.now + cx.limits.entry.patience;
            match key {
                '#' => return look_up(state, cx, effects),
                '*' => state.digits.clear(),
                '0'..='9' if state.digits.len() < cx.limits.entry.digits => state.digits.push(key),
                // No number is so long.
                '0'..='9' => state.tries.left = state.tries.left.min(1),
                _ => {}
            }
        }
        // Patience starts when the prompt is over.
        Input::Played => {
            state.prompting = false;
            state.until = cx.now + cx.limits.entry.patience;
        }
        Input::Timeout => return look_up(state, cx, effects),
        Input::Described(_)
        | Input::Done(_)
        | Input::Acked(_)
        | Input::Answered(_)
        | Input::Admitted
        | Input::TurnedAway(_) => {}
    }
    State::CollectingNumber(state)
}

/// RFC 4579 §5.1: whether the caller comes in is the conference's to say. If it does, this state machine ends here.
pub(crate) fn handing_over(
    state: HandingOver,
    cx: &Context<'_>,
    input: Input,
    effects: &mut Effects,
) -> State {
    match input {
        Input::TurnedAway(refusal) => return turned_away(state.tries, refusal, cx, effects),
        Input::Timeout => leave(effects, DisconnectReason::Fault),
        Input::Described(_)
        | Input::Done(_)
        | Input::Acked(_)
        | Input::Answered(_)
        | Input::Digit(_)
        | Input::Played
        | Input::Admitted => {}
    }
    State::HandingOver(state)
}

fn look_up(mut state: CollectingNumber, cx: &Context<'_>, effects: &mut Effects) -> State {
    if !state.digits.is_empty() {
        effects.push(Effect::HandOver(std::mem::take(&mut state.digits)));
        return State::HandingOver(HandingOver {
            tries: state.tries,
            until: cx.now + cx.limits.mcu_deadline,
        });
    }
    // Nothing was keyed in: a try, but no guess.
    again(state.tries, &[], cx, effects)
}

fn turned_away(
    mut tries: Tries,
    refusal: Refusal,
    cx: &Context<'_>,
    effects: &mut Effects,
) -> State {
    if matches!(refusal, Refusal::UnknownConference | Refusal::MayNotCreate) {
        effects.push(Effect::NumberWrong);
        tries.wrong = true;
        return again(tries, &[Sentence::WrongNumber], cx, effects);
    }
    let why: &[Sentence] = if refusal == Refusal::Locked {
        &[Sentence::Locked]
    } else if refusal == Refusal::Full {
        &[Sentence::Full]
    } else {
        &[]
    };
    dismiss(cx, effects, DisconnectReason::Refused(refusal), why)
}

/// Once more, or farewell.
fn again(mut tries: Tries, why: &[Sentence], cx: &Context<'_>, effects: &mut Effects) -> State {
    tries.left = tries.left.saturating_sub(1);
    if tries.left > 0 && cx.now < tries.end {
        let mut words = why.to_vec();
        words.push(Sentence::EnterNumber);
        return prompt(tries, &words, cx, effects);
    }
    let reason = if tries.wrong {
        DisconnectReason::WrongNumber
    } else {
        DisconnectReason::NoNumber
    };
    dismiss(cx, effects, reason, why)
}

fn prompt(tries: Tries, words: &[Sentence], cx: &Context<'_>, effects: &mut Effects) -> State {
    effects.push(Effect::Play(sentences(words)));
    State::CollectingNumber(CollectingNumber {
        digits: String::new(),
        prompting: true,
        tries,
        until: cx.now + cx.limits.farewell + cx.limits.entry.patience,
    })
}
