//! `plenum conference`: what operators see and command, over the HTTP interface of the running
//! server.

use super::client::{Client, segment};
use super::pictures::{self, Order as PictureOrder};
use super::table::{Table, harmless};
use super::{Arguments, Failure, say};
use clap::{Args, Subcommand};
use plenum::http::control::view::{
    Active, Call, Choice, Conference, Endpoint, Given, Promotion, Somebody, Waiting,
};
use std::path::PathBuf;

/// What `plenum conference` is told to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Lists the active conferences and the configured ones.
    List,
    /// Shows who is in a conference.
    Show(Named),
    /// Removes an endpoint.
    Kick(One),
    /// Removes a user with all endpoints.
    Remove(User),
    /// Makes a user presenter or attendee.
    Role {
        #[command(flatten)]
        user: User,
        /// What they are from now on: `presenter` or `attendee`.
        role: String,
    },
    /// Chooses the layout of the picture for all, or for one endpoint.
    Layout {
        /// The name of the conference.
        conference: String,
        /// Which, such as `allEqual`; without it, the conference's own.
        layout: Option<String>,
        /// The number of the endpoint, as `show` lists it.
        #[arg(long)]
        endpoint: Option<u64>,
    },
    #[command(flatten)]
    Pictures(PictureOrder),
    /// Gives the floor of slides to an endpoint, whoever has it.
    GiveFloor(One),
    /// Takes the floor of slides away from whoever has it.
    RevokeFloor(Named),
    /// Mutes an endpoint.
    Mute(One),
    /// Takes it back.
    Unmute(One),
    /// Mutes everybody but presenters.
    MuteAll(Named),
    /// Takes it back.
    UnmuteAll(Named),
    /// Records a conference, or not.
    Record {
        /// What is to be done: `start` also goes on after a pause.
        #[arg(value_parser = ["start", "pause", "stop"])]
        what: String,
        /// The name of the conference.
        conference: String,
    },
    /// Lets nobody new in.
    Lock(Named),
    /// Takes it back.
    Unlock(Named),
    /// Lets in who waits in the lobby.
    Admit(Waits),
    /// Sends away who waits in the lobby.
    Deny(Waits),
    /// Ends a conference: everybody hears so and is hung up.
    End(Named),
    /// Calls somebody into a conference, and waits until he is in.
    Dial {
        /// The name of the conference.
        conference: String,
        /// Whom to call: `sip:user@host`.
        to: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The name of the conference.
    conference: String,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// The name of the conference.
    conference: String,
    /// The number of the endpoint, as `show` lists it.
    endpoint: u64,
}

#[derive(Debug, Args)]
pub(crate) struct User {
    /// The name of the conference.
    conference: String,
    /// The number of the user, as `show` lists it.
    user: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Waits {
    /// The name of the conference.
    conference: String,
    /// The number of the user, as `show` lists it; without it, everybody who waits.
    user: Option<u64>,
}

/// Carries out `plenum conference`.
pub(crate) fn run(arguments: Arguments<Order>) -> Result<(), Failure> {
    let client = Client::new(arguments.config.as_deref())?;
    match arguments.order {
        Order::List => list(&client),
        Order::Show(named) => show(&client, &named.conference),
        Order::Kick(one) => client.delete(&endpoint(&one)),
        Order::Remove(user) => client.delete(&somebody(&user)),
        Order::Role { user, role } => {
            client.post(&format!("{}/role", somebody(&user)), &Promotion { role })
        }
        Order::Layout {
            conference,
            layout,
            endpoint: of,
        } => {
            let whole = path(&conference);
            let one = |number| format!("{whole}/participants/{number}");
            let whose = of.map_or_else(|| whole.clone(), one);
            client.post(&format!("{whose}/layout"), &Choice { layout })
        }
        Order::Pictures(order) => pictures::run(&client, order),
        Order::GiveFloor(one) => {
            let body = Given {
                endpoint: one.endpoint,
            };
            client.put(&format!("{}/floor", path(&one.conference)), &body)
        }
        Order::RevokeFloor(named) => client.delete(&format!("{}/floor", path(&named.conference))),
        Order::Mute(one) => client.post(&format!("{}/mute", endpoint(&one)), &()),
        Order::Unmute(one) => client.post(&format!("{}/unmute", endpoint(&one)), &()),
        Order::MuteAll(named) => order(&client, &named, "mute-all"),
        Order::UnmuteAll(named) => order(&client, &named, "unmute-all"),
        Order::Record { what, conference } => {
            client.post(&format!("{}/record/{what}", path(&conference)), &())
        }
        Order::Lock(named) => order(&client, &named, "lock"),
        Order::Unlock(named) => order(&client, &named, "unlock"),
        Order::Admit(waits) => decide(&client, &waits, "admit"),
        Order::Deny(waits) => decide(&client, &waits, "deny"),
        Order::End(named) => client.delete(&path(&named.conference)),
        Order::Dial { conference, to } => dial(&client, &conference, to),
    }
}

/// Carries out `plenum call`.
pub(crate) fn call(conference: &str, to: String, config: Option<PathBuf>) -> Result<(), Failure> {
    dial(&Client::new(config.as_deref())?, conference, to)
}

fn dial(client: &Client, conference: &str, to: String) -> Result<(), Failure> {
    client.post(&format!("{}/calls", path(conference)), &Call { to })?;
    say("joined")
}

fn order(client: &Client, named: &Named, what: &str) -> Result<(), Failure> {
    client.post(&format!("{}/{what}", path(&named.conference)), &())
}

fn decide(client: &Client, waits: &Waits, what: &str) -> Result<(), Failure> {
    let body = Waiting { user: waits.user };
    client.post(&format!("{}/{what}", path(&waits.conference)), &body)
}

pub(super) fn path(conference: &str) -> String {
    format!("/conferences/{}", segment(conference))
}

pub(super) fn endpoint(one: &One) -> String {
    format!("{}/participants/{}", path(&one.conference), one.endpoint)
}

fn somebody(user: &User) -> String {
    format!("{}/users/{}", path(&user.conference), user.user)
}

fn list(client: &Client) -> Result<(), Failure> {
    let all: Vec<Active> = client.get("/conferences")?;
    if all.is_empty() {
        return say("no conference is active or configured");
    }
    let mut table = Table::new([
        "NAME",
        "ACTIVE",
        "ENDPOINTS",
        "WAITING",
        "LOCKED",
        "SUBJECT",
    ]);
    for one in all {
        table.row([
            one.name,
            yes(one.active),
            one.endpoints.to_string(),
            one.waiting.to_string(),
            yes(one.locked),
            one.subject.unwrap_or_default(),
        ]);
    }
    say(&table.print())
}

fn show(client: &Client, name: &str) -> Result<(), Failure> {
    let shown: Conference = client.get(&path(name))?;
    say(&describe(&shown))
}

fn describe(shown: &Conference) -> String {
    let active = &shown.active;
    let mut words = vec![harmless(&active.name)];
    words.extend(active.subject.as_deref().map(harmless));
    words.push(format!("id {}", shown.id));
    words.push(format!("admission {}", shown.admission));
    if shown.lobby {
        words.push(format!("lobby, {} waiting", active.waiting));
    }
    if active.locked {
        words.push("locked".to_owned());
    }
    if !["", "off"].contains(&&*active.recording) {
        words.push(format!("recording {}", active.recording));
    }
    let mut table = Table::new([
        "USER", "WHO", "ROLE", "ENDPOINT", "SESSION", "STATUS", "MEDIA", "SINCE",
    ]);
    for user in &shown.users {
        for endpoint in &user.endpoints {
            table.row([
                user.user.to_string(),
                who(user),
                user.role.to_string(),
                endpoint.endpoint.to_string(),
                endpoint.session.to_string(),
                endpoint.status.to_string(),
                media(endpoint),
                clock(endpoint.since_s),
            ]);
        }
    }
    format!("{}\n\n{}", words.join(" · "), table.print())
}

fn who(user: &Somebody) -> String {
    match (&user.display, &user.aor) {
        (Some(display), Some(aor)) => format!("{display} <{aor}>"),
        (Some(name), None) | (None, Some(name)) => name.clone(),
        (None, None) => "anonymous".to_owned(),
    }
}

fn media(endpoint: &Endpoint) -> String {
    let words = [
        (endpoint.muted, "muted"),
        (endpoint.deaf, "deaf"),
        (endpoint.holds, "holds"),
        (endpoint.talking, "talking"),
        (endpoint.hidden, "hidden"),
        (endpoint.blind, "blind"),
        (endpoint.presenting, "presenting"),
    ];
    let set = words.iter().filter(|(is_set, _)| *is_set);
    set.map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
}

fn yes(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

/// Seconds as `h:mm:ss`.
fn clock(seconds: u64) -> String {
    let (minutes, rest) = (seconds / 60, seconds % 60);
    format!("{}:{:02}:{rest:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conference_is_described_in_a_table() {
        let text = r#"{"name": "board", "subject": "Monday", "active": true, "endpoints": 1, "waiting": 0,
            "locked": true, "id": "B0A4D", "lobby": true, "admission": "anonymous",
            "users": [{"user": 1, "aor": "sip:ann@example.com", "display": "Ann\u001b",
                "role": "presenter", "endpoints": [{"endpoint": 7, "session": "audio-video",
                "status": "connected", "joining": "dialed-in", "muted": true, "deaf": false,
                "holds": false, "talking": false, "since_s": 3725}]}]}"#;
        let shown: Conference = serde_json::from_str(text).unwrap();
        let expected = "\
board · Monday · id B0A4D · admission anonymous · lobby, 0 waiting · locked

USER  WHO                         ROLE       ENDPOINT  SESSION      STATUS     MEDIA  SINCE
1     Ann? <sip:ann@example.com>  presenter  7         audio-video  connected  muted  1:02:05";
        assert_eq!(describe(&shown), expected);
    }
}
