//! pidgin-sipe in Finch, headless in tmux: the one foreign client that speaks MS-CONFBAS.

use crate::clock;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A client that signs in by itself as soon as it runs.
#[derive(Debug)]
pub struct Sipe {
    folder: PathBuf,
    /// The name of its tmux server.
    terminal: String,
}

impl Sipe {
    /// Starts one for `user`, an address without scheme, who is one of this server's.
    pub fn start(server: SocketAddr, user: &str) -> io::Result<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        super::installed("finch", "--version", "finch")?;
        super::installed("tmux", "-V", "tmux")?;
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let terminal = format!("sipe-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(&terminal);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("accounts.xml"), account(server, user))?;
        let preloaded = folder.join("sipe-xml.so");
        compile(&preloaded)?;
        let command = format!(
            "LD_PRELOAD={} LC_ALL=C.UTF-8 finch -c {folder} -d 2>{folder}/log",
            preloaded.display(),
            folder = folder.display()
        );
        let sipe = Self { folder, terminal };
        let size = ["-x", "150", "-y", "45"];
        sipe.tmux(&["new-session", "-d", "-s", "sipe"], &size, &[&command])?;
        Ok(sipe)
    }

    /// Joins the conference with this URI, as a person does: by the menu of the account.
    pub fn join(&self, conference: &str) -> io::Result<()> {
        // The list of friends, its menu, to the account and to what can be done with it.
        for key in ["M-1", "C-o", RIGHT, DOWN, RIGHT, "j"] {
            self.press(key)?;
        }
        self.press(&format!("meet:{conference}"))?;
        for key in ["Tab", "Tab", "Tab", "Enter"] {
            self.press(key)?;
        }
        Ok(())
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        let octets = fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// Whether it logs this within `time`.
    pub fn logs(&self, what: &str, time: Duration) -> bool {
        let end = clock::now() + time;
        while clock::now() < end {
            if self.log().contains(what) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// A key by its name, or text; then the time that the program takes to draw.
    fn press(&self, key: &str) -> io::Result<()> {
        let named = ["M-1", "C-o", "Tab", "Enter"].contains(&key);
        let literal: &[&str] = if named { &[] } else { &["-l"] };
        self.tmux(&["send-keys", "-t", "sipe"], literal, &[key])?;
        std::thread::sleep(Duration::from_millis(400));
        Ok(())
    }

    fn tmux(&self, command: &[&str], options: &[&str], rest: &[&str]) -> io::Result<()> {
        let done = Command::new("tmux")
            .args(["-L", &self.terminal])
            .args(command)
            .args(options)
            .args(rest)
            .stdin(Stdio::null())
            .output()?;
        if done.status.success() {
            Ok(())
        } else {
            let fault = String::from_utf8_lossy(&done.stderr).into_owned();
            Err(io::Error::other(format!("tmux: {fault}")))
        }
    }
}

impl Drop for Sipe {
    fn drop(&mut self) {
        drop(self.tmux(&["kill-server"], &[], &[]));
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn compile(into: &Path) -> io::Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/sipe-xml.c");
    let done = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(into)
        .arg(source)
        .arg("-ldl")
        .output()?;
    if done.status.success() {
        Ok(())
    } else {
        let fault = String::from_utf8_lossy(&done.stderr).into_owned();
        Err(io::Error::other(format!("cc: {fault}")))
    }
}

/// The accounts of libpurple: one, that signs in when the program starts.
fn account(server: SocketAddr, user: &str) -> String {
    let (name, _) = user.split_once('@').unwrap_or((user, ""));
    format!(
        "<?xml version='1.0' encoding='UTF-8' ?><account version='1.0'><account>\
         <protocol>prpl-sipe</protocol><name>{user},{name}</name><password>unused</password>\
         <settings><setting name='server' type='string'>{server}</setting>\
         <setting name='transport' type='string'>tcp</setting>\
         <setting name='authentication' type='string'>ntlm</setting>\
         <setting name='sso' type='bool'>0</setting></settings>\
         <settings ui='gnt-purple'><setting name='auto-login' type='bool'>1</setting></settings>\
         </account></account>"
    )
}

const RIGHT: &str = "\u{1b}OC";
const DOWN: &str = "\u{1b}OB";
