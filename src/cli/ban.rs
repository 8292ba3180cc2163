//! `plenum ban`: who is shut out of the running server, and who is let in again.

use super::client::{Client, segment};
use super::table::Table;
use super::{Arguments, Failure, say};
use clap::Subcommand;
use plenum::abuse::view::{Ban, Order};

/// What `plenum ban` is told to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Lists who is banned or limited, why, and for how long.
    List,
    /// Lets an address in again.
    Lift {
        /// The address, or an IPv6 network as it is listed.
        source: String,
    },
    /// Shuts an address out; of IPv6 its /64.
    Add {
        /// The address, or an IPv6 network of 64 bits.
        source: String,
        /// For how long, a year at most; without it as long as one that has offended.
        #[arg(long)]
        seconds: Option<u64>,
    },
}

/// Carries out `plenum ban`.
pub(crate) fn run(arguments: Arguments<Task>) -> Result<(), Failure> {
    let client = Client::new(arguments.config.as_deref())?;
    match arguments.order {
        Task::List => {
            let all: Vec<Ban> = client.get("/bans")?;
            say(&describe(all))
        }
        Task::Lift { source } => client.delete(&format!("/bans/{}", segment(&source))),
        Task::Add { source, seconds } => client.post("/bans", &Order { source, seconds }),
    }
}

fn describe(all: Vec<Ban>) -> String {
    if all.is_empty() {
        return "nobody is banned".to_owned();
    }
    let mut table = Table::new(["SOURCE", "KIND", "WHY", "SECONDS LEFT", "TIMES", "DROPPED"]);
    for ban in all {
        table.row([
            ban.source,
            ban.kind.into_owned(),
            ban.why.into_owned(),
            ban.left_s.to_string(),
            ban.times.to_string(),
            ban.dropped.to_string(),
        ]);
    }
    table.print()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_are_described_in_a_table() {
        let text = r#"[{"source": "203.0.113.9", "kind": "banned", "why": "guessing",
            "left_s": 599, "times": 2, "dropped": 1234}]"#;
        let all: Vec<Ban> = serde_json::from_str(text).unwrap();
        let expected = "\
SOURCE       KIND    WHY       SECONDS LEFT  TIMES  DROPPED
203.0.113.9  banned  guessing  599           2      1234";
        assert_eq!(describe(all), expected);
        assert_eq!(describe(Vec::new()), "nobody is banned");
    }
}
