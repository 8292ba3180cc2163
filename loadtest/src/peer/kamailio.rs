//! Kamailio as a provider of telephone lines: a registrar with digest, numbers, subscribers.

use std::fs::{self, File};
use std::io;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A provider; ends with this value.
#[derive(Debug)]
pub struct Kamailio {
    child: Option<Child>,
    folder: PathBuf,
    address: String,
}

/// Who there is at a provider.
#[derive(Clone, Debug, Default)]
pub struct Provision {
    /// Users and their passwords.
    pub users: Vec<(&'static str, &'static str)>,
    /// Numbers, and on whose line they are.
    pub numbers: Vec<(&'static str, &'static str)>,
    /// The name in its certificate, for TLS on port 5061; none: no TLS.
    pub certified: Option<&'static str>,
}

impl Kamailio {
    /// Starts one on ports 5060 of a loopback address of its own, and waits until it answers.
    pub fn start(provision: &Provision) -> io::Result<Self> {
        Self::start_at(own_address(), provision)
    }

    /// The same at an address of the caller's choice.
    pub fn start_at(address: String, provision: &Provision) -> io::Result<Self> {
        super::installed("kamailio", "-v", "kamailio")?;
        let folder =
            std::env::temp_dir().join(format!("kamailio-{}-{address}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/kamailio.cfg");
        let each = |table: &str, entries: &[(&str, &str)]| {
            let lines = entries.iter();
            let lines =
                lines.map(|(name, value)| format!("    $sht({table}=>{name}) = \"{value}\";"));
            lines.collect::<Vec<_>>().join("\n")
        };
        let text = fs::read_to_string(template)?
            .replace("USERS\n", &(each("password", &provision.users) + "\n"))
            .replace("NUMBERS\n", &(each("line", &provision.numbers) + "\n"))
            .replace("TLS\n", tls(&folder, provision)?)
            .replace("ADDRESS", &address)
            .replace("RUNDIR", &folder.display().to_string());
        fs::write(folder.join("kamailio.cfg"), text)?;
        let mut this = Self {
            child: None,
            folder,
            address,
        };
        this.resume()?;
        Ok(this)
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its certificate, signed by itself.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    /// Ends the program; what was registered is forgotten.
    pub fn stop(&mut self) -> io::Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).map_err(io::Error::from)?;
        child.wait().map(drop)
    }

    /// Starts it, again where it was stopped.
    pub fn resume(&mut self) -> io::Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))?;
        let child = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "32", "-M", "8", "-f"])
            .arg(self.folder.join("kamailio.cfg"))
            .arg("-P")
            .arg(self.folder.join("pid"))
            .arg("-Y")
            .arg(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.child = Some(child);
        self.await_answer()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn await_answer(&self) -> io::Result<()> {
        let to = &self.address;
        // From its own address: that of the loopback does not reach every other one.
        let socket = UdpSocket::bind(format!("{to}:0"))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let local = socket.local_addr()?;
        for attempt in 0..100 {
            let options = format!(
                "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKup{attempt}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:up@{local}>;tag=1\r\nTo: <sip:{to}>\r\n\
                 Call-ID: up{attempt}@load\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            );
            let sent = socket.send_to(options.as_bytes(), format!("{to}:5060"));
            if sent.is_ok() && socket.recv_from(&mut [0; 2048]).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let fault = format!("kamailio did not start:\n{}", self.log());
        Err(io::Error::other(fault))
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // It forks: only a polite end takes its children along.
        drop(self.stop());
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

/// What the configuration says about TLS, with the files it needs.
fn tls(folder: &Path, provision: &Provision) -> io::Result<&'static str> {
    let Some(name) = provision.certified else {
        return Ok("");
    };
    super::installed("openssl", "version", "openssl")?;
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            // Without it, it would be an authority, and not a server's own.
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "2", "-subj", &format!("/CN={name}")])
        .args(["-addext", &format!("subjectAltName=DNS:{name}")])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(folder)
        .output()?;
    if !made.status.success() {
        let fault = String::from_utf8_lossy(&made.stderr).into_owned();
        return Err(io::Error::other(fault));
    }
    let folder = folder.display();
    let files = format!(
        "[server:default]\nmethod = TLSv1.2+\nprivate_key = {folder}/key.pem\n\
         certificate = {folder}/certificate.pem\n[client:default]\nmethod = TLSv1.2+\n\
         verify_certificate = no\n"
    );
    fs::write(format!("{folder}/tls.cfg"), files)?;
    Ok(
        "enable_tls=yes\nlisten=tls:ADDRESS:5061\nloadmodule \"tls.so\"\n\
        modparam(\"tls\", \"config\", \"RUNDIR/tls.cfg\")\n",
    )
}

/// A loopback address that nobody else has.
fn own_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("127.{}.77.{}", 16 + std::process::id() % 200, 1 + number)
}
