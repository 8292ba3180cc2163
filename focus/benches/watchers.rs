//! What a conference costs that everybody watches: joining while everybody is told, telling
//! everybody of one change, and the memory that each of them takes (MS-CONFBAS §3.4.4).
//! `cargo bench --workspace --bench watchers`, with `-- NUMBER` for so many people only.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock, prints, and stops at the first surprise"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use plenum_focus::c3p::Command as C3pCommand;
use plenum_focus::limits::Limits;
use plenum_focus::output::{Command, SipAction, SubscriptionId};
use plenum_focus::record::ConferenceRecord;
use plenum_sip::endpoint::{Event, InviteId, NotifierId, ServerTxId};
use std::time::{Duration, Instant};
use support::c3p::*;
use support::watch::subscribe_request;
use support::*;

fn main() {
    // First of all, as memory that was given back to the allocator would not be counted again.
    let memory = roster_kib(5_000);
    println!("a participant takes {memory:.1} KiB in a roster of 5,000");
    println!(
        "{:>6} {:>12} {:>14} {:>14} {:>12}",
        "people", "join", "notifications", "one change", "each"
    );
    let only = std::env::args().find_map(|argument| argument.parse::<u64>().ok());
    let rows = only.map_or_else(|| vec![10, 100, 1_000, 5_000], |people| vec![people]);
    for people in rows {
        measure(people);
    }
}

/// People come fifty a second, each joins and subscribes; then the conference is locked.
fn measure(people: u64) {
    let record = ConferenceRecord {
        max_endpoints: Some(5_000),
        ..configured()
    };
    let mut bench = Bench::with_limits(record, Limits::default());
    let start = Instant::now();
    let mut notifications = 0;
    for id in 1..=people {
        join(&mut bench, id);
        watch(&mut bench, id);
        bench.pass(Duration::from_millis(20));
        notifications += told(&mut bench);
    }
    let joining = start.elapsed();
    bench.pass(Duration::from_secs(2));
    told(&mut bench);
    bench.pass(Duration::from_secs(2));
    let start = Instant::now();
    bench.command(Command::Lock(true));
    bench.pass(Duration::from_millis(100));
    let change = start.elapsed();
    assert_eq!(u64::try_from(told(&mut bench)), Ok(people));
    let each = |all: Duration| all / u32::try_from(people).unwrap_or(1);
    println!(
        "{people:>6} {:>12.1?} {notifications:>14} {change:>14.1?} {:>12.1?}",
        each(joining),
        each(change)
    );
}

/// What each of so many people takes: the roster, the document and what was written of it; one of
/// them watches, so that there is a document.
fn roster_kib(people: u64) -> f64 {
    let record = ConferenceRecord {
        max_endpoints: Some(5_000),
        ..configured()
    };
    let mut bench = Bench::with_limits(record, Limits::default());
    let empty = resident_kib();
    for id in 1..=people {
        join(&mut bench, id);
        if id == 1 {
            watch(&mut bench, id);
        }
        bench.pass(Duration::from_millis(20));
        told(&mut bench);
        bench.events.clear();
    }
    resident_kib().saturating_sub(empty) as f64 / people as f64
}

/// What the process has in memory.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn join(bench: &mut Bench, id: u64) {
    let user = format!("user{id}");
    let body = c3p(1, &user, C3pCommand::AddUser(add_user(&user, "{a}")));
    bench.invite_c3p(id, trusted(1), join_request(&user, &body));
}

fn watch(bench: &mut Bench, id: u64) {
    let user = format!("user{id}");
    bench.sip(Event::Subscribe {
        tx: ServerTxId(77),
        invite: Some(InviteId(id)),
        package: "conference".into(),
        expires: 3600,
        request: subscribe_request(&user, "ms-benotify, ms-piggyback-first-notify"),
        flow: flow(trusted(1)),
    });
    let notifier = Some(NotifierId(id));
    let now = bench.now;
    bench
        .focus
        .handle_subscribed(now, SubscriptionId(id), notifier);
    bench.drain();
}

fn told(bench: &mut Bench) -> usize {
    let actions = bench.actions();
    let told = |action: &&SipAction| matches!(action, SipAction::Notify { .. });
    actions.iter().filter(told).count()
}
