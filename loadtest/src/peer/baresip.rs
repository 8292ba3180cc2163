//! baresip as a person with a softphone: it says a tone, and what it hears becomes a WAV file.

use crate::clock::{self, Moment};
use crate::codec::Codec;
use crate::signal::Signal;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Seconds of tone that it can say.
const TALK: usize = 120;

/// One baresip and its call.
#[derive(Debug)]
pub struct Baresip {
    child: Child,
    control: TcpStream,
    pending: Vec<u8>,
    folder: PathBuf,
    events: Vec<String>,
}

/// A user of a provider.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// The provider.
    pub registrar: &'a str,
    /// The user part, and the name for its password.
    pub user: &'a str,
    /// The password.
    pub password: &'a str,
}

/// How a baresip reaches the server.
#[derive(Clone, Debug)]
pub struct Way {
    /// `udp`, `tcp` or `tls`.
    pub transport: &'static str,
    /// Parameters of its account that concern media.
    pub media: String,
    /// The address it calls from.
    pub address: IpAddr,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            transport: "udp",
            media: String::new(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }
}

/// What a baresip heard, mono.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Samples a second.
    pub rate: u32,
    /// The audio.
    pub samples: Vec<f32>,
}

impl Baresip {
    /// Starts one that speaks `codec` only, says `signal` and calls from 127.0.0.1.
    pub fn start(codec: Codec, signal: Signal) -> io::Result<Self> {
        Self::start_over(codec, signal, &Way::default())
    }

    /// As [`Self::start`], over another transport.
    pub fn start_over(codec: Codec, signal: Signal, way: &Way) -> io::Result<Self> {
        Self::with_account(codec, signal, None, way)
    }

    /// Starts one that encrypts its media: `srtp` (as the other side likes), `srtp-mand` (or not at all), `dtls_srtp`.
    pub fn secure(
        codec: Codec,
        signal: Signal,
        encryption: &str,
        rtcp_mux: bool,
    ) -> io::Result<Self> {
        let mux = if rtcp_mux { "yes" } else { "no" };
        let way = Way {
            media: format!(";mediaenc={encryption};rtcp_mux={mux}"),
            ..Way::default()
        };
        Self::with_account(codec, signal, None, &way)
    }

    /// Starts one that is registered as a user of a provider, and answers who calls it.
    pub fn subscribe(codec: Codec, signal: Signal, account: &Account<'_>) -> io::Result<Self> {
        Self::subscribe_over(codec, signal, account, &Way::default())
    }

    /// As [`Self::subscribe`], over another transport or from another address.
    pub fn subscribe_over(
        codec: Codec,
        signal: Signal,
        account: &Account<'_>,
        way: &Way,
    ) -> io::Result<Self> {
        let this = Self::with_account(codec, signal, Some(account), way)?;
        let end = clock::now() + Duration::from_secs(10);
        // Events before the control connection are lost; the log has them all.
        while !this.log().contains("200 OK (") {
            if clock::now() >= end {
                let fault = format!("baresip is not registered:\n{}", this.log());
                return Err(io::Error::other(fault));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(this)
    }

    fn with_account(
        codec: Codec,
        signal: Signal,
        account: Option<&Account<'_>>,
        way: &Way,
    ) -> io::Result<Self> {
        super::installed("baresip", "-h", "baresip-core")?;
        let sip = free_ports(way.address)?;
        let control = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        // Control ports are told apart within a network only.
        let name = format!("baresip-{}-{sip}-{}", std::process::id(), control.port());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        write_wav(&folder.join("say.wav"), signal)?;
        let settings = configuration(sip, control, &folder);
        fs::write(folder.join("config"), settings)?;
        fs::write(folder.join("contacts"), "")?;
        let codec = codec_name(codec);
        let answers = if way.media.contains("answermode=") {
            ""
        } else {
            "answermode=auto;"
        };
        let account = match account {
            None => format!(
                "<sip:b{}@{sip};transport={}>;regint=0;audio_codecs={codec}{}\n",
                control.port(),
                way.transport,
                way.media
            ),
            Some(account) => format!(
                "<sip:{0}@{1};transport={3}>;auth_user={0};auth_pass={2};regint=60;\
                 {answers}audio_codecs={codec}{4}\n",
                account.user, account.registrar, account.password, way.transport, way.media
            ),
        };
        fs::write(folder.join("accounts"), account)?;
        let log = File::create(folder.join("log"))?;
        let child = Command::new("baresip")
            .arg("-f")
            .arg(&folder)
            .arg("-v")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let stream = connect(control)?;
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        Ok(Self {
            child,
            control: stream,
            pending: Vec::new(),
            folder,
            events: Vec::new(),
        })
    }

    /// Calls and waits until the call is up; fails with its log when it is not within ten seconds.
    pub fn call(&mut self, uri: &str) -> io::Result<()> {
        self.command("dial", uri)?;
        self.await_event("CALL_ESTABLISHED", Duration::from_secs(10))
    }

    /// Waits for an event such as `CALL_CLOSED`.
    pub fn await_event(&mut self, kind: &str, time: Duration) -> io::Result<()> {
        let wanted = format!("\"type\":\"{kind}\"");
        let end = clock::now() + time;
        while clock::now() < end {
            if self.events.iter().any(|event| event.contains(&wanted)) {
                return Ok(());
            }
            self.read_events(end)?;
        }
        Err(io::Error::other(format!(
            "no {kind}; events {:?}\n{}",
            self.events,
            self.log()
        )))
    }

    /// A command of baresip's menu, such as `hold`, `resume`, `sndcode`, `hangup`.
    pub fn command(&mut self, command: &str, parameters: &str) -> io::Result<()> {
        let text =
            format!("{{\"command\":\"{command}\",\"params\":\"{parameters}\",\"token\":\"t\"}}");
        write!(self.control, "{}:{text},", text.len())
    }

    /// Ends the call and the program and returns what it heard.
    pub fn finish(mut self) -> io::Result<Recording> {
        self.command("hangup", "")?;
        // The server may have ended the call already.
        drop(self.await_event("CALL_CLOSED", Duration::from_secs(2)));
        self.command("quit", "")?;
        let end = clock::now() + Duration::from_secs(3);
        while self.child.try_wait()?.is_none() && clock::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        read_wav(&self.folder)
    }

    /// What it heard until now.
    pub fn heard(&self) -> io::Result<Recording> {
        read_wav(&self.folder)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn read_events(&mut self, end: Moment) -> io::Result<()> {
        let mut buffer = [0; 4096];
        match self.control.read(&mut buffer) {
            Ok(0) => return Err(io::Error::other(format!("baresip ended:\n{}", self.log()))),
            Ok(length) => {
                self.pending
                    .extend_from_slice(buffer.get(..length).unwrap_or_default());
            }
            Err(error) if clock::now() < end && is_timeout(&error) => {}
            Err(error) if is_timeout(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
        while let Some((text, rest)) = netstring(&self.pending) {
            self.events.push(text);
            self.pending = rest;
        }
        Ok(())
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// The first netstring of a buffer and what follows it.
fn netstring(buffer: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = buffer.iter().position(|octet| *octet == b':')?;
    let length: usize = std::str::from_utf8(buffer.get(..colon)?)
        .ok()?
        .parse()
        .ok()?;
    let text = buffer.get(colon + 1..colon + 1 + length)?;
    let rest = buffer.get(colon + 2 + length..)?;
    Some((String::from_utf8_lossy(text).into_owned(), rest.to_vec()))
}

fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "opus/48000/1",
        Codec::G722 => "G722/16000/1",
        Codec::Pcmu => "PCMU/8000/1",
        Codec::Pcma => "PCMA/8000/1",
    }
}

/// A port that is free for UDP, with a free neighbour: baresip takes that one for TLS.
fn free_ports(address: IpAddr) -> io::Result<SocketAddr> {
    for _ in 0..256 {
        let tcp = TcpListener::bind((address, 0))?;
        let address = tcp.local_addr()?;
        let next = SocketAddr::new(address.ip(), address.port().saturating_add(1));
        if TcpListener::bind(next).is_ok() && UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(io::Error::from(io::ErrorKind::AddrInUse))
}

fn connect(control: SocketAddr) -> io::Result<TcpStream> {
    let end = clock::now() + Duration::from_secs(10);
    loop {
        match TcpStream::connect(control) {
            Ok(stream) => return Ok(stream),
            Err(error) if clock::now() >= end => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// No sound card, no screen: a file speaks, a bridge plays into nothing, sndfile writes what came in.
fn configuration(sip: SocketAddr, control: SocketAddr, folder: &Path) -> String {
    let folder = folder.display();
    let port = control.port();
    let mut lines = vec![
        "poll_method epoll".to_owned(),
        format!("sip_listen {sip}"),
        format!("net_interface {}", sip.ip()),
        "call_max_calls 4".to_owned(),
        "call_local_timeout 60".to_owned(),
        format!("audio_player aubridge,sink{port}"),
        format!("audio_alert aubridge,alert{port}"),
        format!("audio_source aufile,{folder}/say.wav"),
        "ausrc_srate 48000".to_owned(),
        "auplay_srate 48000".to_owned(),
        "ausrc_channels 2".to_owned(),
        "auplay_channels 2".to_owned(),
        "rtp_ports 40000-49998".to_owned(),
        "jitter_buffer_delay 3-10".to_owned(),
        "opus_bitrate 32000".to_owned(),
        "opus_stereo no".to_owned(),
        "opus_sprop_stereo no".to_owned(),
        "ringback_disabled yes".to_owned(),
        "module_path /usr/lib/baresip/modules".to_owned(),
        format!("snd_path {folder}"),
        format!("ctrl_tcp_listen {control}"),
    ];
    let modules = [
        "opus",
        "g722",
        "g711",
        "sndfile",
        "aufile",
        "aubridge",
        "srtp",
        "dtls_srtp",
        "ice",
    ];
    lines.extend(modules.map(|name| format!("module {name}.so")));
    lines.push("module_tmp account.so".to_owned());
    lines.extend(["menu", "ctrl_tcp", "debug_cmd"].map(|name| format!("module_app {name}.so")));
    lines.join("\n") + "\n"
}

/// Two minutes of a signal as a WAV file.
pub(super) fn write_wav(path: &Path, signal: Signal) -> io::Result<()> {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).map_err(io::Error::other)?;
    for sample in signal.samples(48_000, 48_000 * TALK) {
        for _ in 0..2 {
            writer
                .write_sample(integer(sample))
                .map_err(io::Error::other)?;
        }
    }
    writer.finalize().map_err(io::Error::other)
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
fn integer(sample: f32) -> i16 {
    (sample * 32_767.0).clamp(-32_768.0, 32_767.0) as i16
}

/// The longest `dump-…-dec.wav` of a folder, mixed down to one channel.
fn read_wav(folder: &Path) -> io::Result<Recording> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with("-dec.wav") {
            found.push((fs::metadata(&path)?.len(), path));
        }
    }
    found.sort();
    let (_, path) = found
        .pop()
        .ok_or_else(|| io::Error::other("baresip recorded nothing"))?;
    let octets = closed(fs::read(path)?);
    let mut reader = hound::WavReader::new(octets.as_slice()).map_err(io::Error::other)?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels.max(1));
    let all: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().map_while(Result::ok).collect(),
        hound::SampleFormat::Int => {
            let samples = reader.samples::<i16>().map_while(Result::ok);
            samples.map(|sample| f32::from(sample) / 32_768.0).collect()
        }
    };
    let samples = all
        .chunks_exact(channels)
        .filter_map(|frame| frame.first().copied())
        .collect();
    Ok(Recording {
        rate: spec.sample_rate,
        samples,
    })
}

/// A WAV file with the lengths that belong into its header, which are written when it is closed.
fn closed(mut octets: Vec<u8>) -> Vec<u8> {
    let Some(tag) = octets.windows(4).position(|tag| tag == b"data") else {
        return octets;
    };
    if octets.len() < tag + 8 {
        return octets;
    }
    // Whole frames of two channels and two octets.
    octets.truncate(octets.len() - (octets.len() - tag - 8) % 4);
    for (at, begin) in [(4, 8), (tag + 4, tag + 8)] {
        let length = u32::try_from(octets.len() - begin).unwrap_or(u32::MAX);
        if let Some(field) = octets.get_mut(at..at + 4) {
            field.copy_from_slice(&length.to_le_bytes());
        }
    }
    octets
}

impl Recording {
    /// Without its first `lead` and last `tail` seconds.
    pub fn middle(&self, lead: f64, tail: f64) -> &[f32] {
        let count = |seconds: f64| crate::signal::whole(seconds * f64::from(self.rate));
        let end = self.samples.len().saturating_sub(count(tail));
        self.samples.get(count(lead)..end).unwrap_or_default()
    }
}
