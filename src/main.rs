//! The `plenum` program: its commands and its exit codes.

mod cli;

use clap::{Parser, Subcommand};
use cli::{Failure, ban, conference, load, other, recording, say, store, template, trunk, user};
use plenum::compose::Server;
use plenum::config::Config;
use plenum::{observe, selfcheck};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A SIP-native conference server.
#[derive(Debug, Parser)]
#[command(name = "plenum", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs the server. SIGTERM drains, a second signal stops at once, SIGHUP reloads.
    Serve {
        /// The configuration; without it everything is as by default.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Reads a configuration and says everything that is wrong with it, and with this machine.
    Check {
        /// The configuration.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Prints every key with its default instead.
        #[arg(long)]
        reference: bool,
    },
    /// Says which of Contact, SDP address, ports, DNS, certificate or clock is wrong, and how to mend it.
    Doctor {
        /// The configuration of the server, which may run or not.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Makes the running server call somebody into a conference.
    Call {
        /// The name of the conference.
        conference: String,
        /// Whom to call: `sip:user@host`, or a telephone number where a trunk is configured.
        to: String,
        /// The configuration of the running server.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Shows and commands the conferences of the running server.
    Conference(cli::Arguments<conference::Order>),
    /// Lists, downloads and deletes the recordings of the running server.
    Recording(cli::Arguments<recording::Order>),
    /// Who may register and call as one of us.
    User(cli::Arguments<user::Order>),
    /// Copies what has to survive.
    Store(cli::Arguments<store::Order>),
    /// Shows who is shut out of the running server, and lets them in again.
    Ban(cli::Arguments<ban::Task>),
    /// Lists, makes and deletes layouts of your own.
    Template(cli::Arguments<template::Order>),
    /// Shows the trunks of the running server.
    Trunk(cli::Arguments<trunk::Order>),
    /// Prints the version.
    Version,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Task::Serve { config } => serve(config.as_deref()),
        Task::Check {
            reference: true, ..
        } => reference(),
        Task::Check { config, .. } => check(config.as_deref()),
        Task::Doctor { config } => cli::doctor::run(config.as_deref()),
        Task::Call {
            conference,
            to,
            config,
        } => conference::call(&conference, to, config),
        Task::Conference(arguments) => conference::run(arguments),
        Task::Recording(arguments) => recording::run(arguments),
        Task::User(arguments) => user::run(arguments),
        Task::Store(arguments) => store::run(arguments),
        Task::Ban(arguments) => ban::run(arguments),
        Task::Template(arguments) => template::run(arguments),
        Task::Trunk(arguments) => trunk::run(arguments),
        Task::Version => say(&format!("plenum {}", env!("CARGO_PKG_VERSION"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(text)) => fail(&text, EX_USAGE),
        Err(Failure::Other(text)) => fail(&text, 1),
    }
}

fn serve(path: Option<&Path>) -> Result<(), Failure> {
    let config = load(path)?;
    let log = observe::start_log(&config.log, config.limits.log_lines).map_err(other)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(yield_to_media)
        .build()
        .map_err(other)?;
    let outcome = runtime.block_on(run(config, path));
    // What still runs (a resolver, a slow connection) must not hold up the end.
    runtime.shutdown_background();
    log.settle();
    outcome
}

/// Threads of signalling go after those that mix: in an overload callers wait, and nobody who talks
/// is cut.
fn yield_to_media() {
    if let Err(error) = rustix::process::setpriority_process(None, SIGNALLING) {
        tracing::debug!(%error, "signalling keeps the niceness of other programs");
    }
}

async fn run(config: Config, path: Option<&Path>) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(other)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(other)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(other)?;
    let host = selfcheck::called_at(&config);
    let mut server = Server::start(config).await.map_err(other)?;
    for address in &server.listening {
        tracing::info!(%address, "SIP");
    }
    if let Some(address) = server.http {
        tracing::info!(%address, "HTTP");
    }
    if let Some(address) = server.https {
        tracing::info!(%address, "HTTPS and WebSockets");
    }
    tracing::info!("ready: any SIP phone may call sip:NAME@{host}");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(&mut server, path),
        }
    }
    tracing::info!("draining; a second signal stops at once");
    tokio::select! {
        left = server.drain() => tracing::info!(cut_off = left, "drained"),
        () = either(&mut terminate, &mut interrupt) => tracing::warn!("stopped at once"),
    }
    Ok(())
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn reload(server: &mut Server, path: Option<&Path>) {
    match load(path) {
        Ok(config) => {
            let stale = server.reload(config);
            tracing::info!("conferences reloaded");
            for section in stale {
                tracing::warn!("[{section}] has changed: that takes a restart");
            }
        }
        Err(Failure::Configuration(text) | Failure::Other(text)) => {
            tracing::error!("not reloaded, everything stays as it was:\n{text}");
        }
    }
}

fn check(path: Option<&Path>) -> Result<(), Failure> {
    let config = load(path)?;
    let facts = selfcheck::Facts::gather(&config);
    for finding in selfcheck::findings(&config, &facts) {
        say(&format!(
            "{}: {}",
            if finding.serious { "error" } else { "note" },
            finding.text
        ))?;
    }
    say("the configuration is readable")
}

fn reference() -> Result<(), Failure> {
    say("| key | default |\n|---|---|")?;
    for known in Config::reference() {
        say(&format!("| `{}` | `{}` |", known.key, known.default))?;
    }
    Ok(())
}

fn fail(text: &str, code: u8) -> ExitCode {
    // Where standard error is closed there is nobody to tell.
    writeln!(std::io::stderr(), "{text}").ok();
    ExitCode::from(code)
}

/// `EX_USAGE` of sysexits: the configuration or command line is wrong.
const EX_USAGE: u8 = 64;

/// The niceness of threads that carry signalling.
const SIGNALLING: i32 = 5;
