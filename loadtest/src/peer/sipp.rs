//! SIPp with the scenarios of this folder.

use std::fs;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// One run of a SIPp scenario.
#[derive(Clone, Debug)]
pub struct SippRun {
    /// The scenario's file name in `loadtest/sipp`.
    pub scenario: &'static str,
    /// The server.
    pub server: SocketAddr,
    /// The user part that is called.
    pub conference: String,
    /// Calls in all.
    pub calls: u32,
    /// Calls begun per second.
    pub rate: u32,
    /// How long a pause without a length of its own lasts.
    pub pause: Duration,
    /// Over TCP instead of UDP.
    pub tcp: bool,
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct SippOutcome {
    /// Every call went as the scenario says.
    pub passed: bool,
    /// SIPp's exit status: 1 for a failed call, 97 for the time limit.
    pub status: Option<i32>,
    /// The unexpected messages and the end of its screen, for a human.
    pub account: String,
}

impl SippRun {
    /// One call of a scenario to `conference`.
    pub fn new(scenario: &'static str, server: SocketAddr, conference: &str) -> Self {
        Self {
            scenario,
            server,
            conference: conference.to_owned(),
            calls: 1,
            rate: 10,
            pause: Duration::from_millis(500),
            tcp: false,
        }
    }

    /// Runs it to its end, at most for `limit`.
    pub fn run(&self, limit: Duration) -> io::Result<SippOutcome> {
        super::installed("sipp", "-v", "sip-tester")?;
        let folder = folder(self.scenario)?;
        let scenario = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("sipp")
            .join(self.scenario);
        let seconds = limit.as_secs().max(1);
        let output = Command::new("timeout")
            .args(["-k", "1", &(seconds + 5).to_string(), "sipp", &self.server.to_string()])
            .arg("-sf")
            .arg(&scenario)
            .args(["-s", &self.conference, "-i", "127.0.0.1", "-mi", "127.0.0.1"])
            .args(["-m", &self.calls.to_string(), "-r", &self.rate.to_string()])
            .args(["-d", &self.pause.as_millis().to_string()])
            .args(["-t", if self.tcp { "t1" } else { "u1" }])
            .args(["-timeout", &seconds.to_string(), "-timeout_error", "-nostdin"])
            // Its remote control would bind a fixed port on all addresses.
            .args(["-ci", "127.0.0.1", "-trace_err", "-error_file", "errors"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .output()?;
        let errors = fs::read_to_string(folder.join("errors")).unwrap_or_default();
        let screen = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let tail: Vec<&str> = screen.lines().rev().take(60).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        drop(fs::remove_dir_all(&folder));
        Ok(SippOutcome {
            passed: output.status.success(),
            status: output.status.code(),
            account: format!("{errors}\n{stderr}\n{}", tail.join("\n")),
        })
    }
}

/// SIPp as a phone that answers every call and sends its audio straight back.
#[derive(Debug)]
pub struct Echo {
    child: Child,
    address: SocketAddr,
}

impl Echo {
    /// Starts one on free ports of 127.0.0.1.
    pub fn start() -> io::Result<Self> {
        super::installed("sipp", "-v", "sip-tester")?;
        // It binds its media port and the one two above it.
        let (sip, media) = (free_port(1)?, free_port(3)?);
        let child = Command::new("sipp")
            .args([
                "-sn",
                "uas",
                "-i",
                "127.0.0.1",
                "-mi",
                "127.0.0.1",
                "-rtp_echo",
                "-nostdin",
            ])
            .args([
                "-p",
                &sip.port().to_string(),
                "-mp",
                &media.port().to_string(),
            ])
            .args(["-ci", "127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let echo = Self {
            child,
            address: sip,
        };
        // It is ready when the kernel no longer lets anybody else have its port.
        for _ in 0..100 {
            if UdpSocket::bind(sip).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(echo)
    }

    /// Where it takes calls.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port with `count − 1` free ones above it.
fn free_port(count: u16) -> io::Result<SocketAddr> {
    loop {
        let first = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let free = |n: u16| {
            let port = first.port().checked_add(n)?;
            UdpSocket::bind(SocketAddr::new(first.ip(), port)).ok()
        };
        if (0..count).all(|n| free(n).is_some()) {
            return Ok(first);
        }
    }
}

fn folder(name: &str) -> io::Result<PathBuf> {
    let unique = crate::clock::now().as_nanos();
    let folder = std::env::temp_dir().join(format!("sipp-{}-{unique}-{name}", std::process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
