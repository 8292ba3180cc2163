//! coturn as the STUN and TURN server of others.

use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A STUN and TURN server; ends with this value.
#[derive(Debug)]
pub struct Coturn {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
}

impl Coturn {
    /// The one user there is.
    pub const USER: &'static str = "plenum";
    /// The user's password.
    pub const PASSWORD: &'static str = "turn-secret";

    /// Starts one on port 3478 of an address, and waits until it answers.
    pub fn start(address: IpAddr) -> io::Result<Self> {
        super::installed("turnserver", "--version", "coturn")?;
        let folder = std::env::temp_dir().join(format!("coturn-{}-{address}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let log = File::create(folder.join("log"))?;
        let (ip, user) = (
            address.to_string(),
            format!("{}:{}", Self::USER, Self::PASSWORD),
        );
        let child = Command::new("turnserver")
            .args(["-n", "--lt-cred-mech", "--no-cli", "--no-tls", "--no-dtls"])
            .args(["--listening-ip", &ip, "--relay-ip", &ip])
            .args(["--user", &user, "--realm", "turn.example.com"])
            .args(["--log-file", "stdout", "--simple-log", "--verbose"])
            .arg("--userdb")
            .arg(folder.join("turndb"))
            .arg("--pidfile")
            .arg(folder.join("pid"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let this = Self {
            child,
            folder,
            address: SocketAddr::new(address, 3478),
        };
        this.await_answer()?;
        Ok(this)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn await_answer(&self) -> io::Result<()> {
        let socket = UdpSocket::bind((self.address.ip(), 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        // A Binding request (RFC 8489 §5) without attributes.
        let mut request = [0; 20];
        let begin = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        for (octet, value) in request.iter_mut().zip(begin) {
            *octet = value;
        }
        let mut buffer = [0; 512];
        for _ in 0..100 {
            let sent = socket.send_to(&request, self.address);
            if sent.is_ok() && socket.recv_from(&mut buffer).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let fault = format!("coturn did not start:\n{}", self.log());
        Err(io::Error::other(fault))
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}
