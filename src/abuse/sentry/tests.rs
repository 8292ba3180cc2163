//! The sentry by itself, in virtual time.

use super::*;
use proptest::prelude::*;
use std::net::IpAddr;

fn settings() -> Settings {
    let measure = |most, seconds| Measure {
        most,
        within: Duration::from_secs(seconds),
    };
    Settings {
        probes: measure(20, 60),
        guesses: measure(5, 600),
        ban: Duration::from_secs(600),
        ban_ceiling: Duration::from_secs(3000),
        unproven_per_source: measure(50, 1),
        unproven: measure(100, 1),
        watched: 64,
        banned: 8,
    }
}

#[expect(clippy::disallowed_methods, reason = "an origin to count from")]
fn start() -> Instant {
    Instant::now()
}

fn source(number: u16) -> Source {
    let [high, low] = number.to_be_bytes();
    IpAddr::from([198, 51, high, low]).into()
}

fn offend(
    sentry: &mut Sentry,
    now: Instant,
    what: (Offence, Evidence),
    times: usize,
) -> Vec<Consequence> {
    let each = (0..times).filter_map(|_| sentry.handle_offence(now, source(1), what, || false));
    each.collect()
}

/// Of somebody who is on no trusted network.
fn judge(sentry: &mut Sentry, now: Instant, source: Source, evidence: Evidence) -> Judgement {
    sentry.judge(now, source, evidence, || false)
}

use Evidence::{Claimed, Proven};
use Offence::{Guess, Probe};

#[test]
fn who_guesses_is_banned_for_longer_each_time_and_let_in_again() {
    let (mut sentry, mut now) = (Sentry::new(settings()), start());
    for seconds in [600, 1200, 2400, 3000, 3000] {
        let came = offend(&mut sentry, now, (Guess, Proven), 5);
        assert_eq!(came, [], "so many are free");
        let came = offend(&mut sentry, now, (Guess, Proven), 1);
        let time = Duration::from_secs(seconds);
        assert_eq!(came, [Consequence::Banned(source(1), GUESSING, time)]);
        assert_eq!(
            judge(&mut sentry, now, source(1), Proven),
            Judgement::Banned
        );
        assert_eq!(judge(&mut sentry, now, source(2), Proven), Judgement::Pass);
        let before = now + time - Duration::from_millis(1);
        assert_eq!(
            judge(&mut sentry, before, source(1), Claimed),
            Judgement::Banned
        );
        now += time;
        assert_eq!(judge(&mut sentry, now, source(1), Proven), Judgement::Pass);
    }
    let later = now + Duration::from_secs(7000);
    let came = offend(&mut sentry, later, (Guess, Proven), 6);
    let time = Duration::from_secs(600);
    assert_eq!(came, [Consequence::Banned(source(1), GUESSING, time)]);
}

#[test]
fn what_anybody_can_send_in_a_name_bans_nobody() {
    let (mut sentry, now) = (Sentry::new(settings()), start());
    let came = offend(&mut sentry, now, (Probe, Claimed), 10_000);
    let time = Duration::from_secs(600);
    assert_eq!(came, [Consequence::Limited(source(1), time)], "said once");
    offend(&mut sentry, now, (Guess, Claimed), 10_000);
    assert_eq!(sentry.bans(now), []);
    // Who is really there is not kept out.
    assert_eq!(judge(&mut sentry, now, source(1), Proven), Judgement::Pass);
    assert_eq!(
        judge(&mut sentry, now, source(1), Claimed),
        Judgement::Unproven
    );
    assert_eq!(
        judge(&mut sentry, now, source(1), Claimed),
        Judgement::Limited
    );
    let soon = now + Duration::from_millis(2001);
    assert_eq!(
        judge(&mut sentry, soon, source(1), Claimed),
        Judgement::Unproven
    );
    sentry.handle_success(soon, source(1));
    assert_eq!(
        judge(&mut sentry, soon, source(1), Claimed),
        Judgement::Pass
    );
    assert_eq!(sentry.limits(soon), []);
}

#[test]
fn slow_failures_and_failures_among_successes_are_forgiven() {
    let (mut sentry, mut now) = (Sentry::new(settings()), start());
    for _ in 0..500 {
        now += Duration::from_secs(4);
        assert_eq!(offend(&mut sentry, now, (Probe, Proven), 1), []);
    }
    for _ in 0..50 {
        assert_eq!(offend(&mut sentry, now, (Probe, Proven), 18), []);
        sentry.handle_success(now, source(1));
    }
    for _ in 0..500 {
        assert_eq!(offend(&mut sentry, now, (Probe, Proven), 1), []);
        sentry.handle_call(now, source(1));
    }
    // But a right password makes no wrong one good.
    let guesses = (0..6).flat_map(|_| {
        sentry.handle_success(now, source(1));
        sentry.handle_offence(now, source(1), (Guess, Proven), || false)
    });
    assert_eq!(guesses.count(), 1);
}

#[test]
fn trusted_networks_are_never_shut_out() {
    let (mut sentry, now) = (Sentry::new(settings()), start());
    for what in [(Probe, Proven), (Probe, Claimed), (Guess, Proven)] {
        for _ in 0..100 {
            let came = sentry.handle_offence(now, source(1), what, || true);
            assert_eq!(came, None);
        }
    }
    assert_eq!(judge(&mut sentry, now, source(1), Proven), Judgement::Pass);
    assert!(sentry.bans(now).is_empty() && sentry.limits(now).is_empty());
}

#[test]
fn a_flood_from_everywhere_is_thinned_and_makes_nobody_forgotten_who_was_there_before() {
    let (mut sentry, now) = (Sentry::new(settings()), start());
    sentry.handle_call(now, source(9));
    offend(&mut sentry, now, (Guess, Proven), 5);
    let passed = (100..1100).filter(|one| {
        let judgement = judge(&mut sentry, now, source(*one), Claimed);
        sentry.handle_offence(now, source(*one), (Probe, Claimed), || false);
        judgement == Judgement::Unproven
    });
    assert_eq!(passed.count(), 100);
    assert_eq!(judge(&mut sentry, now, source(9), Claimed), Judgement::Pass);
    let came = offend(&mut sentry, now, (Guess, Proven), 1);
    assert_eq!(came.len(), 1, "five guesses were remembered");
    let one = (0..80).filter(|_| {
        let later = now + Duration::from_secs(5);
        judge(&mut sentry, later, source(7), Claimed) == Judgement::Unproven
    });
    assert_eq!(one.count(), 50, "one source alone has less");
}

#[test]
fn who_is_exempt_takes_nothing_of_what_strangers_share() {
    let (mut sentry, now) = (Sentry::new(settings()), start());
    for _ in 0..1000 {
        let judgement = sentry.judge(now, source(3), Claimed, || true);
        assert_eq!(judgement, Judgement::Pass);
    }
    assert_eq!(sentry.watched(), 0);
    let passed = (100..1100).filter(|one| {
        let judgement = judge(&mut sentry, now, source(*one), Claimed);
        judgement == Judgement::Unproven
    });
    assert_eq!(passed.count(), 100);
    sentry.ban(now, source(3), None);
    let judgement = sentry.judge(now, source(3), Claimed, || true);
    assert_eq!(judgement, Judgement::Banned, "an operator has said so");
}

#[test]
fn operators_list_lift_and_ban() {
    let (mut sentry, now) = (Sentry::new(settings()), start());
    offend(&mut sentry, now, (Probe, Proven), 21);
    judge(&mut sentry, now, source(1), Claimed);
    let soon = now + Duration::from_secs(60);
    let bans = sentry.bans(soon);
    assert_eq!(bans.len(), 1);
    assert_eq!((bans[0].why, bans[0].dropped), (SCANNING, 1));
    assert_eq!(bans[0].left, Duration::from_secs(540));
    assert!(sentry.lift(soon, source(1)) && !sentry.lift(soon, source(1)));
    assert_eq!(judge(&mut sentry, soon, source(1), Proven), Judgement::Pass);
    let time = sentry.ban(soon, source(2), Some(Duration::from_secs(9)));
    assert_eq!(time, Duration::from_secs(9));
    assert_eq!(
        judge(&mut sentry, soon, source(2), Proven),
        Judgement::Banned
    );
    offend(&mut sentry, soon, (Probe, Claimed), 21);
    assert!(sentry.lift(soon, source(1)), "a limit is lifted, too");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Offence(u16, Offence, Evidence),
    Judge(u16, Evidence),
    Success(u16),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let evidence = || prop_oneof![Just(Claimed), Just(Proven)];
    let offence = prop_oneof![Just(Probe), Just(Guess)];
    prop_oneof![
        (0_u16..200, offence, evidence())
            .prop_map(|(one, what, how)| Step::Offence(one, what, how)),
        (0_u16..200, evidence()).prop_map(|(one, how)| Step::Judge(one, how)),
        (0_u16..200).prop_map(Step::Success),
        (0_u64..5_000).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever happens: memory is bounded, only proven offences ban, and what is exempt passes.
    #[test]
    fn the_rules_hold(steps in proptest::collection::vec(step(), 1..600)) {
        let (mut sentry, mut now) = (Sentry::new(settings()), start());
        let exempt = |one: u16| one.is_multiple_of(7);
        for step in steps {
            match step {
                Step::Offence(one, what, how) => {
                    let came = sentry.handle_offence(now, source(one), (what, how), || exempt(one));
                    match came {
                        Some(Consequence::Banned(..)) => prop_assert_eq!(how, Proven),
                        Some(Consequence::Limited(..)) => prop_assert_eq!(how, Claimed),
                        None => {}
                    }
                    prop_assert!(came.is_none() || !exempt(one));
                }
                Step::Judge(one, how) => {
                    let judged = sentry.judge(now, source(one), how, || exempt(one));
                    let limited = matches!(judged, Judgement::Limited | Judgement::Flood);
                    prop_assert!(!(limited && how == Proven));
                    prop_assert!(judged != Judgement::Banned || !exempt(one));
                }
                Step::Success(one) => sentry.handle_success(now, source(one)),
                Step::Wait(ms) => now += Duration::from_millis(ms),
            }
            prop_assert!(sentry.watched() <= 64 && sentry.bans(now).len() <= 8);
        }
    }
}
