//! Chromium without a screen as a person at a browser: driven over its DevTools protocol, with a WAV
//! file as the microphone, and with ears in the page.

#![expect(
    clippy::indexing_slicing,
    reason = "what is not in a JSON value is null, not a panic"
)]

use crate::clock;
use crate::peer::baresip::{Recording, write_wav};
use crate::peer::video_phone::Rgb;
use crate::signal::{Signal, whole};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io;
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio_tungstenite::tungstenite;
use tungstenite::{Message, WebSocket, client};

/// How long a page may take for anything, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// One Chromium with one page.
#[derive(Debug)]
pub struct Chromium {
    child: Child,
    socket: WebSocket<TcpStream>,
    session: String,
    next: u64,
    folder: PathBuf,
    /// Errors of the page.
    console: Vec<String>,
}

impl Chromium {
    /// Starts one that may use its microphone, on which `signal` is to be heard.
    pub fn start(signal: Signal) -> io::Result<Self> {
        Self::start_with(signal, None, &["--use-fake-ui-for-media-stream"])
    }

    /// Starts one that may use its microphone and a camera, which shows one colour.
    pub fn with_camera(signal: Signal, colour: Rgb) -> io::Result<Self> {
        Self::start_with(signal, Some(colour), &["--use-fake-ui-for-media-stream"])
    }

    /// Starts one that denies every page its microphone.
    pub fn without_microphone() -> io::Result<Self> {
        Self::start_with(Signal::Silence, None, &["--deny-permission-prompts"])
    }

    fn start_with(signal: Signal, camera: Option<Rgb>, flags: &[&str]) -> io::Result<Self> {
        super::installed("chromium", "--version", "chromium")?;
        let folder = fresh_folder()?;
        let microphone = folder.join("microphone.wav");
        write_wav(&microphone, signal)?;
        let film = folder.join("camera.y4m");
        let camera = camera.map(|colour| write_film(&film, colour)).transpose()?;
        let camera =
            camera.map(|()| format!("--use-file-for-fake-video-capture={}", film.display()));
        let log = File::create(folder.join("log"))?;
        let mut child = Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--mute-audio"])
            .args([
                "--use-fake-device-for-media-stream",
                "--allow-loopback-in-peer-connection",
            ])
            .args([
                "--autoplay-policy=no-user-gesture-required",
                "--ignore-certificate-errors",
            ])
            .args([
                "--disable-features=WebRtcHideLocalIpsWithMdns",
                "--remote-debugging-port=0",
            ])
            .arg(format!(
                "--use-file-for-fake-audio-capture={}",
                microphone.display()
            ))
            .arg(format!(
                "--user-data-dir={}",
                folder.join("profile").display()
            ))
            .args(camera)
            .args(flags)
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A group of its own, which can be ended as one.
            .process_group(0)
            .spawn()?;
        let socket = match connect(&mut child, &folder) {
            Ok(socket) => socket,
            Err(error) => {
                drop(child.kill());
                drop(child.wait());
                return Err(error);
            }
        };
        let mut this = Self {
            child,
            socket,
            session: String::new(),
            next: 0,
            folder,
            console: Vec::new(),
        };
        this.attach()?;
        Ok(this)
    }

    fn attach(&mut self) -> io::Result<()> {
        let targets = self.call("Target.getTargets", json!({}))?;
        let page = targets["targetInfos"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|target| target["type"] == "page")
            .map(|target| target["targetId"].clone())
            .ok_or_else(|| io::Error::other("Chromium has no page"))?;
        let parameters = json!({"targetId": page, "flatten": true});
        let attached = self.call("Target.attachToTarget", parameters)?;
        attached["sessionId"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut self.session);
        for domain in ["Page", "Runtime", "Log", "Accessibility"] {
            self.call(&format!("{domain}.enable"), json!({}))?;
        }
        // A microphone as for music: what is made for speech takes a steady tone for noise. And ears.
        let parameters = json!({"source": EARS});
        self.call("Page.addScriptToEvaluateOnNewDocument", parameters)?;
        Ok(())
    }

    /// Opens a page and waits until it is complete.
    pub fn open(&mut self, url: &str) -> io::Result<()> {
        let navigated = self.call("Page.navigate", json!({"url": url}))?;
        if let Some(fault) = navigated["errorText"].as_str() {
            return Err(io::Error::other(format!("{url}: {fault}")));
        }
        self.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'")
    }

    /// The value of an expression of the page; of a promise, what it promises.
    pub fn evaluate(&mut self, expression: &str) -> io::Result<Value> {
        let parameters = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let answer = self.call("Runtime.evaluate", parameters)?;
        if let Some(fault) = answer.get("exceptionDetails") {
            return Err(io::Error::other(format!("{expression}: {fault}")));
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until an expression is true.
    pub fn wait_for(&mut self, expression: &str) -> io::Result<()> {
        let end = clock::now() + PATIENCE;
        loop {
            if self.evaluate(expression)? == Value::Bool(true) {
                return Ok(());
            }
            if clock::now() >= end {
                let page = self.text()?;
                let console = self.console.join("\n");
                return Err(io::Error::other(format!(
                    "never true: {expression}\npage: {page}\nconsole: {console}"
                )));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Types text where the focus is.
    pub fn type_text(&mut self, text: &str) -> io::Result<()> {
        self.call("Input.insertText", json!({"text": text}))
            .map(drop)
    }

    /// Presses a key such as `Tab`, `Enter`, `m` and ` `.
    pub fn press(&mut self, key: &str) -> io::Result<()> {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            " " => (32, " "),
            other => (
                other
                    .bytes()
                    .next()
                    .unwrap_or_default()
                    .to_ascii_uppercase(),
                other,
            ),
        };
        let mut down = json!({"type": "rawKeyDown", "key": key, "windowsVirtualKeyCode": code});
        if !text.is_empty() {
            down =
                json!({"type": "keyDown", "key": key, "text": text, "windowsVirtualKeyCode": code});
        }
        self.call("Input.dispatchKeyEvent", down)?;
        let up = json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code});
        self.call("Input.dispatchKeyEvent", up).map(drop)
    }

    /// What a screen reader meets on the page, or on the one it shows inside itself, in its order, as `role "name" state…`.
    pub fn accessibility(&mut self) -> io::Result<Vec<String>> {
        let frames = self.call("Page.getFrameTree", json!({}))?;
        let frames = &frames["frameTree"];
        let inner = &frames["childFrames"][0]["frame"]["id"];
        let frame = inner.as_str().or_else(|| frames["frame"]["id"].as_str());
        let tree = self.call("Accessibility.getFullAXTree", json!({"frameId": frame}))?;
        let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
        Ok(nodes
            .iter()
            .filter(|node| node["ignored"] != Value::Bool(true))
            .map(|node| {
                let text = |field: &str| {
                    node[field]["value"]
                        .as_str()
                        .unwrap_or_default()
                        .trim()
                        .to_owned()
                };
                let mut line = format!("{} {:?}", text("role"), text("name"));
                for property in node["properties"].as_array().into_iter().flatten() {
                    let name = property["name"].as_str().unwrap_or_default();
                    if matches!(name, "focused" | "pressed" | "live" | "required") {
                        line += &format!(" {name}={}", property["value"]["value"]);
                    }
                }
                line
            })
            .collect())
    }

    /// What stands on the page, as it is seen.
    pub fn text(&mut self) -> io::Result<String> {
        let text = self.evaluate("shown().body.innerText")?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// What the page plays: some seconds of it, one channel.
    pub fn listen(&mut self, time: Duration) -> io::Result<Recording> {
        let expression = format!("ears({})", time.as_millis());
        let heard = self.evaluate(&expression)?;
        let samples = heard["samples"].as_array().into_iter().flatten();
        let samples = samples.map(|sample| narrow(sample.as_f64().unwrap_or_default() / 32_767.0));
        Ok(Recording {
            rate: heard["rate"]
                .as_u64()
                .and_then(|rate| u32::try_from(rate).ok())
                .unwrap_or(48_000),
            samples: samples.collect(),
        })
    }

    /// Ends it at once with all its processes, as when a computer loses its power: nothing is closed or said.
    pub fn kill(mut self) -> io::Result<()> {
        let group = i32::try_from(self.child.id()).map_err(io::Error::other)?;
        let group = nix::unistd::Pid::from_raw(group);
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL)
            .map_err(io::Error::from)?;
        self.child.wait().map(drop)
    }

    /// Errors of the page until now.
    pub fn console(&self) -> &[String] {
        &self.console
    }

    /// One command of the DevTools protocol, and its result.
    pub fn call(&mut self, method: &str, parameters: Value) -> io::Result<Value> {
        self.next += 1;
        let id = self.next;
        let mut command = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            command["sessionId"] = Value::from(self.session.clone());
        }
        self.socket
            .send(Message::text(command.to_string()))
            .map_err(io::Error::other)?;
        loop {
            let message = self.socket.read().map_err(|error| {
                io::Error::other(format!("{method}: {error}\n{}", self.console.join("\n")))
            })?;
            let Ok(message) = serde_json::from_slice::<Value>(&message.into_data()) else {
                continue;
            };
            if message["id"] == id {
                return match message.get("error") {
                    None => Ok(message["result"].clone()),
                    Some(error) => Err(io::Error::other(format!("{method}: {error}"))),
                };
            }
            self.note(&message);
        }
    }

    fn note(&mut self, event: &Value) {
        let entry = &event["params"]["entry"];
        let of_picture = entry["url"]
            .as_str()
            .is_some_and(|url| url.ends_with("/favicon.ico"));
        let said = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => event["params"]["exceptionDetails"].to_string(),
            Some("Runtime.consoleAPICalled") => event["params"]["args"].to_string(),
            // Browsers ask every site for a picture of itself.
            Some("Log.entryAdded") if entry["level"] == "error" && !of_picture => entry.to_string(),
            _ => return,
        };
        self.console.push(said);
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Its own processes end with it; killed outright they would not.
        let close = json!({"id": 0, "method": "Browser.close"});
        drop(self.socket.send(Message::text(close.to_string())));
        let end = clock::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && clock::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(self.child.kill());
        drop(self.child.wait());
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

/// Two pictures of one colour in the YUV4MPEG2 format, which Chromium shows over and over.
fn write_film(path: &Path, (red, green, blue): Rgb) -> io::Result<()> {
    let (red, green, blue) = (f64::from(red), f64::from(green), f64::from(blue));
    // ITU-R BT.601, limited range.
    let sample = |value: f64| u8::try_from(whole(value.round())).unwrap_or(u8::MAX);
    let y = sample(16.0 + 0.257 * red + 0.504 * green + 0.098 * blue);
    let u = sample(128.0 - 0.148 * red - 0.291 * green + 0.439 * blue);
    let v = sample(128.0 + 0.439 * red - 0.368 * green - 0.071 * blue);
    let mut film = b"YUV4MPEG2 W640 H360 F25:1 Ip A1:1 C420jpeg\n".to_vec();
    for _ in 0..2 {
        film.extend(b"FRAME\n");
        film.resize(film.len() + 640 * 360, y);
        film.resize(film.len() + 320 * 180, u);
        film.resize(film.len() + 320 * 180, v);
    }
    fs::write(path, film)
}

fn fresh_folder() -> io::Result<PathBuf> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("chromium-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Chromium writes the port it listens on, and a path, into a file of its profile.
fn connect(child: &mut Child, folder: &Path) -> io::Result<WebSocket<TcpStream>> {
    let file = folder.join("profile/DevToolsActivePort");
    let end = clock::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(&file).unwrap_or_default();
        if let Some((port, path)) = text.trim().split_once('\n') {
            let address = format!("127.0.0.1:{port}");
            let stream = TcpStream::connect(&address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let url = format!("ws://{address}{path}");
            let opened = client(url, stream);
            let (socket, _) = opened.map_err(|error| io::Error::other(error.to_string()))?;
            return Ok(socket);
        }
        if child.try_wait()?.is_some() || clock::now() >= end {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            return Err(io::Error::other(format!("Chromium did not start:\n{log}")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "audio of ±1.0")]
fn narrow(sample: f64) -> f32 {
    sample as f32
}

const EARS: &str = r#"
(() => {
    const asked = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
    if (asked) {
        navigator.mediaDevices.getUserMedia = ({ audio, ...others }) => asked({ ...others, audio: {
            ...audio, echoCancellation: false, noiseSuppression: false, autoGainControl: false,
        } });
    }
    // The page, or the one that it shows inside itself.
    globalThis.shown = () => document.getElementById("launchReachFrame")?.contentDocument?.body?.dataset.socket
        ? document.getElementById("launchReachFrame").contentDocument : document;
    globalThis.the = (id) => shown().getElementById(id);
    globalThis.ears = async (time) => {
        const context = new AudioContext();
        const stream = shown().querySelector("audio").srcObject;
        const source = context.createMediaStreamSource(stream);
        const tap = context.createScriptProcessor(8192, 1, 1);
        const samples = [];
        tap.onaudioprocess = ({ inputBuffer }) => {
            for (const sample of inputBuffer.getChannelData(0)) {
                samples.push(Math.round(Math.max(-1, Math.min(1, sample)) * 32767));
            }
        };
        source.connect(tap);
        tap.connect(context.destination);
        await new Promise((resolve) => setTimeout(resolve, time));
        source.disconnect();
        const rate = context.sampleRate;
        await context.close();
        return { rate, samples };
    };
})();
"#;
