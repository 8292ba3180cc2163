//! A Plenum server under test: its own process, on loopback ports of its own.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How the server is to be set up.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The address it is bound to; every `default()` has another one.
    pub ip: String,
    /// Its RTP ports.
    pub ports: String,
    /// Transports to listen on besides UDP and TCP, on their usual ports: `tls`, `ws` (5080).
    pub transports: Vec<&'static str>,
    /// Further keys of `[tls]`; its folder is the server's own.
    pub tls: String,
    /// Further keys of `[sip]`, `[media]`, `[conferences]` and `[limits]`.
    pub sip: String,
    /// See above.
    pub media: String,
    /// See above.
    pub conferences: String,
    /// See above.
    pub limits: String,
    /// Further keys of `[http]`.
    pub http: String,
    /// `[[conference]]` sections and whatever else goes at the end.
    pub rest: String,
}

impl Default for ServerSettings {
    /// No tones and no music: measured audio is what the phones say and nothing else.
    fn default() -> Self {
        Self {
            ip: own_address(),
            ports: "20000-29999".to_owned(),
            transports: Vec::new(),
            tls: String::new(),
            sip: String::new(),
            media: String::new(),
            conferences: "entry_tone = false\nexit_tone = false\nalone = \"silence\"\n".to_owned(),
            limits: String::new(),
            http: String::new(),
            rest: String::new(),
        }
    }
}

/// A running server; ends with this value.
#[derive(Debug)]
pub struct Server {
    child: Child,
    program: PathBuf,
    sip: SocketAddr,
    http: SocketAddr,
    folder: PathBuf,
}

impl Server {
    /// Starts `program` on ports 5060 and 8060 of its own address and waits until it answers OPTIONS.
    ///
    /// Fails with the end of its log when it does not within ten seconds.
    pub fn start(program: &Path, settings: &ServerSettings) -> io::Result<Self> {
        let address = |port: u16| -> io::Result<SocketAddr> {
            format!("{}:{port}", settings.ip)
                .parse()
                .map_err(io::Error::other)
        };
        let (sip, http) = (address(5060)?, address(8060)?);
        let name = format!("plenum-{}-{}", std::process::id(), settings.ip);
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        let config = folder.join("plenum.toml");
        let mut settings = settings.clone();
        if !settings.http.contains("token_file") {
            // Servers side by side must not take each other's token.
            let token = folder.join("token");
            settings.http += &format!("token_file = \"{}\"\n", token.display());
        }
        if !settings.tls.contains("folder") {
            let kept = folder.join("tls");
            settings.tls = format!("folder = \"{}\"\n{}", kept.display(), settings.tls);
        }
        if !settings.rest.contains("[abuse]") {
            // Everybody is at one address here, good and bad.
            settings.rest += "[abuse]\nexempt = [\"127.0.0.0/8\", \"::1\"]\n";
        }
        if !settings.rest.contains("[store]") {
            // Nor each other's users.
            let store = folder.join("plenum.db");
            settings.rest += &format!("[store]\nfile = \"{}\"\n", store.display());
        }
        fs::write(&config, text(&settings, sip, http))?;
        let log = File::create(folder.join("log"))?;
        let child = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut server = Self {
            child,
            program: program.to_owned(),
            sip,
            http,
            folder,
        };
        server.await_answer(&called(&settings, sip))?;
        Ok(server)
    }

    /// Its SIP address, UDP and TCP.
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// Its HTTP address.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder with its configuration and log.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The certificate it made for itself.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("tls/certificate.pem")
    }

    /// Asks it for a path over HTTP; answers status and body.
    pub fn get(&self, path: &str) -> io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.http)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let host = self.http;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let status = text
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let parts = status.zip(text.split_once("\r\n\r\n"));
        let (status, (_, body)) = parts.ok_or_else(|| io::Error::other("no answer of HTTP"))?;
        Ok((status, body.to_owned()))
    }

    /// One of its metrics, by the name it is printed with.
    ///
    /// Fails where it is not printed: what is not there is not 0.
    pub fn metric(&self, name: &str) -> io::Result<u64> {
        let (_, text) = self.get("/metrics")?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.ok_or_else(|| io::Error::other(format!("no metric {name} in\n{text}")))
    }

    /// Runs the program with this server's configuration and `input` on its standard input, as its
    /// operator does: what it printed, which is an error where it says that it failed.
    pub fn operate(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let run = || {
            let mut child = Command::new(&self.program)
                .args(arguments)
                .arg("--config")
                .arg(self.folder.join("plenum.toml"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            if let Some(mut typed) = child.stdin.take() {
                // Who asks for nothing may have ended already.
                drop(typed.write_all(input.as_bytes()));
            }
            child.wait_with_output()
        };
        let output = run().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(text)
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// The last lines of it.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let mut tail: Vec<&str> = log.lines().rev().take(20).collect();
        tail.reverse();
        tail.join("\n")
    }

    /// It is still running.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it SIGTERM: it is to drain and end.
    pub fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::SIGTERM)
    }

    /// Sends it SIGHUP: it is to read its configuration again.
    pub fn reload(&self) -> io::Result<()> {
        self.signal(Signal::SIGHUP)
    }

    /// Waits for its end, at most for `time`.
    pub fn wait(&mut self, time: Duration) -> io::Result<Option<ExitStatus>> {
        let end = crate::clock::now() + time;
        loop {
            let status = self.child.try_wait()?;
            if status.is_some() || crate::clock::now() >= end {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends it SIGKILL and waits for its end: as after a crash, nothing is written or said any more.
    pub fn kill(mut self) -> io::Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.child.wait().map(drop)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).map_err(io::Error::other)?;
        kill(Pid::from_raw(pid), signal).map_err(io::Error::from)
    }

    fn await_answer(&mut self, called: &str) -> io::Result<()> {
        let here = match self.sip.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            there @ IpAddr::V6(_) => there,
        };
        let socket = UdpSocket::bind((here, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let local = socket.local_addr()?;
        let mut buffer = [0; 2048];
        for attempt in 0..100 {
            if !self.alive() {
                break;
            }
            let options = format!(
                "OPTIONS sip:{called} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKready{attempt}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:ready@{local}>;tag=1\r\nTo: <sip:{called}>\r\n\
                 Call-ID: ready{attempt}@load\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            );
            // Until its socket is open the kernel refuses on its behalf; that is one more attempt.
            let sent = socket.send_to(options.as_bytes(), self.sip);
            if sent.is_ok() && socket.recv_from(&mut buffer).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(io::Error::other(format!(
            "the server did not start:\n{}",
            self.log_tail()
        )))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended is as good.
        drop(self.child.kill());
        drop(self.child.wait());
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

/// A loopback address that no other server of this or another test process has.
fn own_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(
        "127.{}.{}.{}",
        16 + std::process::id() % 200,
        number / 200,
        2 + number % 200
    )
}

/// The server's program: `PLENUM_BIN`, or the one that cargo builds beside the running test.
pub fn program() -> io::Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(program) = std::env::var_os("PLENUM_BIN") {
        return Ok(program.into());
    }
    BUILT
        .get_or_init(|| build().map_err(|error| error.to_string()))
        .clone()
        .map_err(io::Error::other)
}

/// Builds the server into the target folder, and in the profile, that this program runs from.
fn build() -> io::Result<PathBuf> {
    let running = std::env::current_exe()?;
    let mut profile = running.parent().unwrap_or_else(|| Path::new("."));
    if profile.ends_with("deps") {
        profile = profile.parent().unwrap_or(profile);
    }
    let target = profile.parent().unwrap_or(profile);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The same packages as everywhere, so that what they depend on is not built with other features,
    // and none of what cargo tells this program of its package: build scripts would run again.
    cargo
        .args(["build", "--workspace", "--bins", "--target-dir"])
        .arg(target);
    for (name, _) in std::env::vars_os() {
        let told = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_CRATE_",
            "CARGO_BIN_",
        ];
        if told
            .iter()
            .any(|begin| name.to_string_lossy().starts_with(begin))
        {
            cargo.env_remove(name);
        }
    }
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = cargo.current_dir(workspace).output()?;
    if !built.status.success() {
        return Err(io::Error::other(
            String::from_utf8_lossy(&built.stderr).into_owned(),
        ));
    }
    Ok(profile.join("plenum"))
}

/// By which host the server is asked whether it is there: some answer nobody who knows no name of theirs.
fn called(settings: &ServerSettings, sip: SocketAddr) -> String {
    let list = settings.sip.split_once("domains = [\"");
    let first = list.and_then(|(_, rest)| rest.split_once('"'));
    first.map_or_else(|| sip.to_string(), |(name, _)| name.to_owned())
}

/// Where a transport is listened on.
fn port(transport: &str) -> u16 {
    match transport {
        "tls" => 5061,
        "ws" => 5080,
        "wss" => 5443,
        _ => 5060,
    }
}

fn text(settings: &ServerSettings, sip: SocketAddr, http: SocketAddr) -> String {
    let ServerSettings {
        ip,
        ports,
        transports,
        tls,
        sip: more,
        media,
        conferences,
        limits,
        http: more_http,
        rest,
    } = settings;
    let further: String = transports
        .iter()
        .map(|transport| format!(", \"{transport}:{ip}:{}\"", port(transport)))
        .collect();
    let bind = if media.contains("bind =") {
        String::new()
    } else {
        format!("bind = [\"{}\"]\n", ip.trim_matches(['[', ']']))
    };
    format!(
        "[sip]\nlisten = [\"udp:{sip}\", \"tcp:{sip}\"{further}]\n{more}\n[tls]\n{tls}\n[media]\n{bind}\
         ports = \"{ports}\"\n{media}\n[http]\nlisten = \"{http}\"\n{more_http}\n[conferences]\n{conferences}\n\
         [limits]\n{limits}\n{rest}"
    )
}
