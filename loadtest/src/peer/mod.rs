//! Peers that we did not write, driven headless on loopback: the second opinion on everything.

pub mod baresip;
pub mod browser;
pub mod chromium;
pub mod coturn;
pub mod dns;
pub mod floor_client;
pub mod internet;
pub mod join_page;
pub mod jssip;
pub mod kamailio;
pub mod raw;
pub mod sipe;
pub mod sipp;
pub mod sipvicious;
pub mod video_phone;

use std::io;
use std::process::Command;

/// Fails with the package's name when a program is not installed.
pub(crate) fn installed(program: &str, argument: &str, package: &str) -> io::Result<()> {
    Command::new(program)
        .arg(argument)
        .output()
        .map(drop)
        .map_err(|error| {
            let fault = format!("{program}: {error}; install {package} (make deps)");
            io::Error::new(error.kind(), fault)
        })
}
