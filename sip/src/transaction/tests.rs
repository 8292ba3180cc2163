//! The four machines against RFC 3261 §17 and RFC 6026, state by state.

use super::client_invite::ClientInvite;
use super::client_non_invite::ClientNonInvite;
use super::server_invite::{ServerInvite, TRYING_AFTER};
use super::server_non_invite::ServerNonInvite;
use super::timer::Timer as T;
use super::*;
use Action::{Ack, Clear, Deliver, Done, Set, Transmit};

const UDP: Path = path(false);
const TCP: Path = path(true);

const fn path(reliable: bool) -> Path {
    let times = Times {
        t1: Duration::from_millis(500),
        t2: Duration::from_secs(4),
        t4: Duration::from_secs(5),
        reconnect: Duration::from_secs(5),
    };
    Path { reliable, times }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn step<S>(machine: impl FnOnce(&mut Actions) -> S) -> (S, Vec<Action>) {
    let mut actions = Actions::new();
    let state = machine(&mut actions);
    (state, actions.to_vec())
}

/// The intervals that `timer` was set to while it kept going off.
fn intervals<S>(mut state: S, timer: T, go: impl Fn(S, &mut Actions) -> S, n: usize) -> Vec<u64> {
    let mut seen = Vec::new();
    for _ in 0..n {
        let mut actions = Actions::new();
        state = go(state, &mut actions);
        assert_eq!(actions.first(), Some(&Transmit));
        for action in &actions {
            if let Set(set, after) = action
                && *set == timer
            {
                seen.push(u64::try_from(after.as_millis()).unwrap());
            }
        }
    }
    seen
}

#[test]
fn rfc3261_17_1_1_2_calling_retransmits_at_doubled_intervals_and_gives_up() {
    let (state, actions) = step(|a| ClientInvite::start(&UDP, a));
    assert_eq!(
        actions,
        [Transmit, Set(T::A, ms(500)), Set(T::B, ms(32_000))]
    );
    let seen = intervals(state, T::A, |s, a| s.on_timer(T::A, a), 6);
    assert_eq!(seen, [1000, 2000, 4000, 8000, 16_000, 32_000]);
    let (end, actions) = step(|a| state.on_timer(T::B, a));
    assert_eq!(
        (end, actions),
        (ClientInvite::Terminated, vec![Action::Timeout, Done])
    );
    let (_, actions) = step(|a| ClientInvite::start(&TCP, a));
    assert_eq!(actions, [Transmit, Set(T::B, ms(32_000))]);
}

#[test]
fn rfc3261_17_1_1_2_a_failure_is_acknowledged_as_often_as_it_comes() {
    let (state, _) = step(|a| ClientInvite::start(&UDP, a));
    let (state, actions) = step(|a| state.on_response(Reply::Provisional, &UDP, a));
    assert_eq!(actions, [Clear(T::A), Clear(T::B), Deliver]);
    assert_eq!(
        step(|a| state.on_timer(T::A, a)),
        (ClientInvite::Proceeding, vec![])
    );
    let (state, actions) = step(|a| state.on_response(Reply::Failure, &UDP, a));
    assert_eq!(
        actions,
        [
            Clear(T::A),
            Clear(T::B),
            Ack,
            Set(T::D, ms(32_000)),
            Deliver
        ]
    );
    let (state, actions) = step(|a| state.on_response(Reply::Failure, &UDP, a));
    assert_eq!((state, actions), (ClientInvite::Completed, vec![Ack]));
    assert_eq!(step(|a| state.on_response(Reply::Success, &UDP, a)).1, []);
    assert_eq!(
        step(|a| state.on_timer(T::D, a)),
        (ClientInvite::Terminated, vec![Done])
    );
    let (state, _) = step(|a| ClientInvite::start(&TCP, a));
    let (state, actions) = step(|a| state.on_response(Reply::Failure, &TCP, a));
    assert_eq!(state, ClientInvite::Terminated);
    assert_eq!(actions, [Clear(T::A), Clear(T::B), Ack, Deliver, Done]);
}

#[test]
fn rfc6026_7_2_accepted_passes_every_success_up_until_timer_m() {
    for path in [UDP, TCP] {
        let (state, _) = step(|a| ClientInvite::start(&path, a));
        let (state, actions) = step(|a| state.on_response(Reply::Success, &path, a));
        assert_eq!(
            actions,
            [Clear(T::A), Clear(T::B), Set(T::M, ms(32_000)), Deliver]
        );
        let (state, actions) = step(|a| state.on_response(Reply::Success, &path, a));
        assert_eq!((state, actions), (ClientInvite::Accepted, vec![Deliver]));
        assert_eq!(step(|a| state.on_response(Reply::Failure, &path, a)).1, []);
        assert_eq!(step(|a| state.on_transport_error(a)), (state, vec![]));
        assert_eq!(
            step(|a| state.on_timer(T::M, a)),
            (ClientInvite::Terminated, vec![Done])
        );
    }
}

#[test]
fn rfc3261_17_1_4_a_transport_error_ends_an_unanswered_request() {
    let gone = vec![Action::Unreachable, Done];
    let (state, _) = step(|a| ClientInvite::start(&UDP, a));
    assert_eq!(
        step(|a| state.on_transport_error(a)),
        (ClientInvite::Terminated, gone.clone())
    );
    let (state, _) = step(|a| ClientNonInvite::start(&UDP, a));
    assert_eq!(
        step(|a| state.on_transport_error(a)),
        (ClientNonInvite::Terminated, gone)
    );
}

#[test]
fn rfc3261_17_1_2_2_non_invite_client() {
    let (state, actions) = step(|a| ClientNonInvite::start(&UDP, a));
    assert_eq!(
        actions,
        [Transmit, Set(T::E, ms(500)), Set(T::F, ms(32_000))]
    );
    let seen = intervals(state, T::E, |s, a| s.on_timer(T::E, &UDP, a), 5);
    assert_eq!(seen, [1000, 2000, 4000, 4000, 4000]);
    let (state, actions) = step(|a| state.on_response(Reply::Provisional, &UDP, a));
    assert_eq!(
        (state, actions),
        (ClientNonInvite::Proceeding, vec![Deliver])
    );
    assert_eq!(
        intervals(state, T::E, |s, a| s.on_timer(T::E, &UDP, a), 2),
        [4000, 4000]
    );
    assert_eq!(
        step(|a| state.on_timer(T::F, &UDP, a)).1,
        [Action::Timeout, Done]
    );
    let (state, actions) = step(|a| state.on_response(Reply::Failure, &UDP, a));
    assert_eq!(
        actions,
        [Clear(T::E), Clear(T::F), Set(T::K, ms(5000)), Deliver]
    );
    assert_eq!(step(|a| state.on_response(Reply::Success, &UDP, a)).1, []);
    assert_eq!(step(|a| state.on_timer(T::K, &UDP, a)).1, [Done]);
    let (state, actions) = step(|a| ClientNonInvite::start(&TCP, a));
    assert_eq!(actions, [Transmit, Set(T::F, ms(32_000))]);
    let (state, actions) = step(|a| state.on_response(Reply::Success, &TCP, a));
    assert_eq!(state, ClientNonInvite::Terminated);
    assert_eq!(actions, [Clear(T::E), Clear(T::F), Deliver, Done]);
}

#[test]
fn rfc3261_17_2_1_trying_is_sent_only_if_the_user_is_slow() {
    let (state, actions) = step(ServerInvite::start);
    assert_eq!(actions, [Set(T::Trying, TRYING_AFTER)]);
    assert_eq!(step(|a| state.on_retransmission(a)).1, []);
    let (slow, actions) = step(|a| state.on_timer(T::Trying, &UDP, a));
    assert_eq!(actions, [Action::Trying]);
    assert_eq!(step(|a| slow.on_retransmission(a)).1, [Transmit]);
    let (_, actions) = step(|a| state.on_reply(Reply::Provisional, &UDP, a));
    assert_eq!(actions, [Clear(T::Trying), Transmit]);
}

#[test]
fn rfc3261_17_2_1_a_failure_is_repeated_until_the_ack() {
    let (state, _) = step(ServerInvite::start);
    let (failed, actions) = step(|a| state.on_reply(Reply::Failure, &UDP, a));
    let want = [
        Clear(T::Trying),
        Transmit,
        Set(T::G, ms(500)),
        Set(T::H, ms(32_000)),
    ];
    assert_eq!(actions, want);
    let seen = intervals(failed, T::G, |s, a| s.on_timer(T::G, &UDP, a), 5);
    assert_eq!(seen, [1000, 2000, 4000, 4000, 4000]);
    assert_eq!(step(|a| failed.on_retransmission(a)).1, [Transmit]);
    assert_eq!(
        step(|a| failed.on_timer(T::H, &UDP, a)).1,
        [Action::Timeout, Done]
    );
    let (state, actions) = step(|a| failed.on_ack(&UDP, a));
    assert_eq!(actions, [Clear(T::G), Clear(T::H), Set(T::I, ms(5000))]);
    assert_eq!(
        step(|a| state.on_retransmission(a)),
        (ServerInvite::Confirmed, vec![])
    );
    assert_eq!(step(|a| state.on_ack(&UDP, a)).1, []);
    assert_eq!(step(|a| state.on_timer(T::I, &UDP, a)).1, [Done]);
    let (state, _) = step(ServerInvite::start);
    let (state, actions) = step(|a| state.on_reply(Reply::Failure, &TCP, a));
    assert_eq!(actions, [Clear(T::Trying), Transmit, Set(T::H, ms(32_000))]);
    assert_eq!(
        step(|a| state.on_ack(&TCP, a)).1,
        [Clear(T::G), Clear(T::H), Done]
    );
}

#[test]
fn rfc6026_7_1_accepted_absorbs_the_invite_and_passes_the_ack_up() {
    let (state, _) = step(ServerInvite::start);
    let (state, actions) = step(|a| state.on_reply(Reply::Success, &UDP, a));
    assert_eq!(actions, [Clear(T::Trying), Transmit, Set(T::L, ms(32_000))]);
    assert_eq!(
        step(|a| state.on_retransmission(a)),
        (ServerInvite::Accepted, vec![])
    );
    assert_eq!(
        step(|a| state.on_reply(Reply::Success, &UDP, a)).1,
        [Transmit]
    );
    assert_eq!(step(|a| state.on_reply(Reply::Failure, &UDP, a)).1, []);
    assert_eq!(
        step(|a| state.on_ack(&UDP, a)),
        (ServerInvite::Accepted, vec![Deliver])
    );
    assert_eq!(
        step(|a| state.on_timer(T::L, &UDP, a)).1,
        [Action::Timeout, Done]
    );
}

#[test]
fn rfc3261_17_2_2_non_invite_server() {
    let state = ServerNonInvite::start();
    assert_eq!(step(|a| state.on_retransmission(a)).1, []);
    let (state, _) = step(|a| state.on_reply(Reply::Provisional, &UDP, a));
    assert_eq!(step(|a| state.on_retransmission(a)).1, [Transmit]);
    let (state, actions) = step(|a| state.on_reply(Reply::Success, &UDP, a));
    assert_eq!(actions, [Transmit, Set(T::J, ms(32_000))]);
    assert_eq!(step(|a| state.on_retransmission(a)).1, [Transmit]);
    assert_eq!(step(|a| state.on_reply(Reply::Failure, &UDP, a)).1, []);
    assert_eq!(
        step(|a| state.on_timer(T::J, a)),
        (ServerNonInvite::Terminated, vec![Done])
    );
    let (state, actions) = step(|a| ServerNonInvite::start().on_reply(Reply::Success, &TCP, a));
    assert_eq!(
        (state, actions),
        (ServerNonInvite::Terminated, vec![Transmit, Done])
    );
}
