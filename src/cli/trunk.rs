//! `plenum trunk`: how the trunks of the running server stand.

use super::client::Client;
use super::table::Table;
use super::{Arguments, Failure, say};
use clap::Subcommand;
use plenum::trunk::view::Trunk;

/// What `plenum trunk` is told to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Lists the trunks: registration, servers, calls, and what to do about what is wrong.
    List,
}

/// Carries out `plenum trunk`.
pub(crate) fn run(arguments: Arguments<Order>) -> Result<(), Failure> {
    let client = Client::new(arguments.config.as_deref())?;
    match arguments.order {
        Order::List => {
            let all: Vec<Trunk> = client.get("/trunks")?;
            say(&describe(all))
        }
    }
}

fn describe(all: Vec<Trunk>) -> String {
    if all.is_empty() {
        return "no trunk is configured".to_owned();
    }
    let mut table = Table::new([
        "NAME",
        "UP",
        "REGISTRATION",
        "SERVERS",
        "IN",
        "OUT",
        "PROBLEM",
    ]);
    for trunk in all {
        let registration = match trunk.registered_for_s {
            Some(seconds) => format!("{} for {seconds} s", trunk.registration),
            None => trunk.registration.into_owned(),
        };
        let servers = trunk.servers.iter().map(|server| match server.up {
            Some(false) => format!("{} (down)", server.address),
            Some(true) | None => server.address.clone(),
        });
        table.row([
            trunk.name,
            if trunk.up { "yes" } else { "no" }.to_owned(),
            registration,
            servers.collect::<Vec<_>>().join(", "),
            trunk.calls_in.to_string(),
            trunk.calls_out.to_string(),
            trunk.problem.unwrap_or_default(),
        ]);
    }
    table.print()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trunks_are_described_in_a_table() {
        let text = r#"[{"name": "tel", "server": "sip:tel.example", "up": false,
            "registration": "failed", "registered_for_s": null, "problem": "check `password`",
            "servers": [{"address": "udp:192.0.2.1:5060", "up": false}],
            "calls_in": 1, "calls_out": 2}]"#;
        let all: Vec<Trunk> = serde_json::from_str(text).unwrap();
        let expected = "\
NAME  UP  REGISTRATION  SERVERS                    IN  OUT  PROBLEM
tel   no  failed        udp:192.0.2.1:5060 (down)  1   2    check `password`";
        assert_eq!(describe(all), expected);
        assert_eq!(describe(Vec::new()), "no trunk is configured");
    }
}
