//! `plenum-loadtest`: runs load scenarios against a SIP conference server on this machine.

use clap::{Parser, Subcommand};
use plenum_loadtest::report::Report;
use plenum_loadtest::run::run;
use plenum_loadtest::scenario::{SHIPPED, Scenario};
use plenum_loadtest::server::{Server, ServerSettings};
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Simulated phones: load, faults and what they hear.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one scenario against a server that is running.
    Run {
        /// A shipped scenario or the path of a file.
        scenario: String,
        /// The server, as sip:HOST:PORT with a loopback address.
        #[arg(long, value_parser = server_address)]
        server: SocketAddr,
        /// The server's process, to measure what it uses.
        #[arg(long)]
        pid: Option<u32>,
        /// Write the report here as JSON.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Start a server for each scenario and run them all.
    Bench {
        /// The server's program.
        #[arg(long)]
        plenum: PathBuf,
        /// Write the reports here as JSON.
        #[arg(long)]
        json: Option<PathBuf>,
        /// Scenarios; all shipped ones without any.
        scenarios: Vec<String>,
    },
    /// List the shipped scenarios.
    List,
}

fn server_address(text: &str) -> Result<SocketAddr, String> {
    let address = text.strip_prefix("sip:").unwrap_or(text);
    let address = if address.contains(':') {
        address.to_owned()
    } else {
        format!("{address}:5060")
    };
    address
        .parse()
        .map_err(|_| format!("{text} is not sip:ADDRESS:PORT"))
}

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    match carry_out(Arguments::parse().command, &mut out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody can be told that standard error is closed.
            drop(writeln!(io::stderr(), "plenum-loadtest: {error}"));
            ExitCode::from(2)
        }
    }
}

/// A crowd comes over connections from one address.
fn settings_for(scenario: &Scenario) -> ServerSettings {
    let mut settings = ServerSettings::default();
    if scenario.crowd.is_some() {
        settings.limits = "sip_connections_per_source = 6000\n".to_owned();
    }
    settings.conferences += &scenario.server.conferences;
    settings.rest += &scenario.server.rest;
    settings
}

/// Adds the users that are to register.
fn add_users(server: &Server, count: u32) -> io::Result<()> {
    for number in 0..count {
        let address = format!("sip:user{number}@example.com");
        let password = format!("user{number}-secret\n");
        server
            .operate(&["user", "add", &address], &password)
            .map_err(io::Error::other)?;
    }
    if count > 0 {
        // The server looks for new users every second.
        std::thread::sleep(Duration::from_secs(3));
    }
    Ok(())
}

/// Does what was asked; tells whether every bound was kept.
fn carry_out(command: Command, out: &mut impl Write) -> Result<bool, Box<dyn Error>> {
    match command {
        Command::List => {
            for (name, _) in SHIPPED {
                writeln!(out, "{name:<18} {}", Scenario::load(name)?.description)?;
            }
            Ok(true)
        }
        Command::Run {
            scenario,
            server,
            pid,
            json,
        } => {
            let report = run(&scenario, &Scenario::load(&scenario)?, server, pid)?;
            write!(out, "{report}")?;
            if let Some(path) = json {
                fs::write(path, serde_json::to_string_pretty(&report)?)?;
            }
            Ok(report.failures.is_empty())
        }
        Command::Bench {
            plenum,
            json,
            scenarios,
        } => {
            let shipped = SHIPPED.iter().map(|(name, _)| (*name).to_owned());
            let names = if scenarios.is_empty() {
                shipped.collect()
            } else {
                scenarios
            };
            let mut reports: Vec<Report> = Vec::new();
            for name in names {
                let scenario = Scenario::load(&name)?;
                let server = Server::start(&plenum, &settings_for(&scenario))?;
                let users = scenario.registering.map_or(0, |it| it.users);
                add_users(&server, users)?;
                let report = run(&name, &scenario, server.sip(), Some(server.pid()))?;
                writeln!(out, "{report}")?;
                reports.push(report);
            }
            if let Some(path) = json {
                fs::write(path, serde_json::to_string_pretty(&reports)?)?;
            }
            Ok(reports.iter().all(|report| report.failures.is_empty()))
        }
    }
}
