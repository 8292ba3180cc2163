//! SIPVicious, the scanner that most scanners are made from, against our own server.
//!
//! It is fetched from PyPI by pip and kept in a folder for temporary files; nothing of it is stored
//! with us.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The version that the tests were written with.
const VERSION: &str = "0.3.8";

/// One of its tools, running.
#[derive(Debug)]
pub struct Scan {
    child: Child,
}

impl Scan {
    /// Starts `svmap`, `svwar` or `svcrack` against a server. It comes from 127.0.0.1.
    ///
    /// Fails with what pip says when PyPI is not reached.
    pub fn start(tool: &str, arguments: &[&str], server: IpAddr) -> io::Result<Self> {
        let folder = installed()?;
        let child = Command::new(folder.join(format!("bin/sipvicious_{tool}")))
            .args(["-x", "127.0.0.1"])
            .args(arguments)
            .arg(server.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self { child })
    }

    /// Whether it is still at work.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it has found and said, once it has ended.
    pub fn result(self) -> io::Result<String> {
        let output = self.child.wait_with_output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn installed() -> io::Result<PathBuf> {
    super::installed("python3", "--version", "python3-venv")?;
    let folder = std::env::temp_dir().join(format!("sipvicious-{VERSION}"));
    if !folder.join("bin/sipvicious_svwar").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        fetch(&folder)?;
    }
    Ok(folder)
}

fn fetch(folder: &Path) -> io::Result<()> {
    run(Command::new(folder.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .arg(format!("sipvicious=={VERSION}")))
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Err(io::Error::other(format!("sipvicious: {said}")))
}
