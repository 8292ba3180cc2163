//! What is kept: registrations that race, a store of before, a full disk, bans, after `kill -9`.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

#[expect(dead_code, reason = "not every test needs every phone")]
mod users;

use plenum_loadtest::server::{Server, ServerSettings};
use plenum_loadtest::wire::Message;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::time::Duration;
use users::{UserPhone, add, challenge, start, strict};

const SECOND: Duration = Duration::from_secs(1);

/// A folder that outlives servers, and goes with the test.
struct Folder {
    path: PathBuf,
    mounted: bool,
}

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("plenum-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        let mounted = false;
        Self { path, mounted }
    }

    /// One with room for so much only. Needs root (`CAP_SYS_ADMIN`).
    fn small(name: &str, size: &str) -> Self {
        let mut this = Self::new(name);
        let size = format!("size={size}");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs"], &this.path);
        this.mounted = true;
        this
    }

    fn grow(&self, size: &str) {
        run(
            "mount",
            &["-o", &format!("remount,size={size}")],
            &self.path,
        );
    }

    fn file(&self) -> PathBuf {
        self.path.join("kept.db")
    }

    /// A server with its store here.
    fn settings(&self, more: &str) -> ServerSettings {
        let file = self.file();
        let mut settings = strict(&format!("{more}[store]\nfile = \"{}\"\n", file.display()));
        settings.limits = "contacts_per_user = 5000\n".to_owned();
        settings
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.mounted {
            // A test that failed may have left a server in it.
            let path = self.path.as_os_str();
            drop(Command::new("umount").arg("-l").arg(path).output());
        }
        drop(fs::remove_dir_all(&self.path));
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) {
    let output = Command::new(program).args(arguments).arg(path).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} needs root: {said}");
}

/// The contacts in an answer to a REGISTER.
fn contacts(answer: &str) -> BTreeSet<String> {
    let message = Message::parse(answer.as_bytes()).unwrap();
    let all = message.headers("Contact", "m");
    let uris = all.flat_map(|value| value.split('<').skip(1));
    let uris = uris.filter_map(|rest| Some(rest.split_once('>')?.0.to_owned()));
    uris.collect()
}

/// A user that the server knows.
fn add_alice(server: &Server) {
    add(server, "alice");
    std::thread::sleep(SECOND / 2);
}

#[test]
fn rfc3261_10_3_no_binding_is_lost_when_many_register_one_address_at_once() {
    const PHONES: usize = 32;
    let folder = Folder::new("races");
    let settings = folder.settings("");
    let server = Arc::new(start(&settings));
    add_alice(&server);
    let together = Arc::new(Barrier::new(PHONES));
    let phones: Vec<_> = (0..PHONES)
        .map(|_| {
            let (server, together) = (Arc::clone(&server), Arc::clone(&together));
            std::thread::spawn(move || {
                let mut phone = UserPhone::new(&server, "alice");
                together.wait();
                for _ in 0..5 {
                    let answer = phone.register("");
                    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
                    let own = format!("sip:alice@{}", phone.raw.local());
                    assert!(contacts(&answer).contains(&own), "{own}: {answer}");
                }
                phone
            })
        })
        .collect();
    let mut phones: Vec<UserPhone> = phones.into_iter().map(|it| it.join().unwrap()).collect();
    let own: BTreeSet<String> = phones
        .iter()
        .map(|phone| format!("sip:alice@{}", phone.raw.local()))
        .collect();
    let answer = phones[0].register("");
    assert_eq!(contacts(&answer), own, "all, and none twice");
    Arc::try_unwrap(server).unwrap().kill().unwrap();
    let server = start(&settings);
    let mut later = UserPhone::new(&server, "alice");
    let mut known = contacts(&later.register(""));
    known.remove(&format!("sip:alice@{}", later.raw.local()));
    assert_eq!(known, own, "after kill -9");
}

#[test]
fn a_store_of_before_is_taken_over_and_a_copy_of_it_stays() {
    let folder = Folder::new("before");
    let settings = folder.settings("");
    let server = start(&settings);
    add_alice(&server);
    let mut alice = UserPhone::new(&server, "alice");
    let own = contacts(&alice.register(""));
    server.kill().unwrap();
    // As the first released program left it.
    let script = "import sqlite3, sys\nfile = sqlite3.connect(sys.argv[1])\n\
                  file.execute('DROP TABLE ban')\nfile.execute('DROP TABLE template')\n\
                  file.execute('ALTER TABLE user DROP COLUMN protection')\n\
                  file.execute('PRAGMA user_version = 1')\n\
                  file.commit()\n";
    run("python3", &["-c", script], &folder.file());
    let copy = folder.path.join("kept.db.before-4");
    assert!(!copy.exists());
    let server = start(&settings);
    assert!(copy.exists(), "{}", server.log());
    let mut alice = UserPhone::new(&server, "alice");
    assert!(contacts(&alice.register("")).is_superset(&own));
    assert!(server.operate(&["ban", "add", "192.0.2.9"], "").is_ok());
}

#[test]
fn a_full_disk_is_told_and_nothing_that_was_acknowledged_is_lost() {
    let folder = Folder::small("full", "300k");
    let settings = folder.settings("");
    let server = start(&settings);
    add_alice(&server);
    let mut alice = UserPhone::new(&server, "alice");
    let answer = alice.register("");
    let mut acknowledged = contacts(&answer);
    let mut refused = String::new();
    for number in 0..400 {
        let contact = format!("sip:n{number}@192.0.2.1");
        let answer = alice.register(&format!("Contact: <{contact}>\r\n"));
        if !answer.starts_with("SIP/2.0 200") {
            refused = answer;
            break;
        }
        acknowledged.insert(contact);
    }
    assert!(acknowledged.len() > 3, "{refused}\n{}", server.log());
    assert!(refused.starts_with("SIP/2.0 500"), "{refused}");
    assert!(refused.contains("its log says why"), "{refused}");
    assert!(server.log().contains("make room"), "{}", server.log());
    server.kill().unwrap();
    folder.grow("8M");
    let server = start(&settings);
    let mut alice = UserPhone::new(&server, "alice");
    let again = alice.register("");
    assert!(again.starts_with("SIP/2.0 200"), "there is room: {again}");
    let known = contacts(&again);
    let lost: Vec<&String> = acknowledged.difference(&known).collect();
    assert!(
        lost.is_empty(),
        "{} lost of {}",
        lost.len(),
        acknowledged.len()
    );
}

#[test]
fn who_is_shut_out_stays_so_after_a_restart_until_lifted() {
    let folder = Folder::new("bans");
    let settings = folder.settings("[auth]\nalgorithms = [\"MD5\"]\n[abuse]\nguesses = 3\n");
    let server = start(&settings);
    let (source, uri, to) = ("127.0.0.66", "sip:example.com", "sip:alice@example.com");
    add_alice(&server);
    let mut guesser = UserPhone::at(&server, "alice", source);
    let asked = challenge(&guesser.ask("REGISTER", uri, to, ""), "MD5");
    for number in 1..=6 {
        let login = plenum_loadtest::digest::Login::new("alice", "guess");
        let guess = login.answer(&asked, "REGISTER", uri, number).unwrap();
        guesser.tell("REGISTER", uri, to, &format!("Authorization: {guess}\r\n"));
    }
    while guesser.raw.receive(SECOND / 2).unwrap().is_some() {}
    let banned = |server: &Server| {
        let list = server.operate(&["ban", "list"], "").unwrap();
        let mut lines = list.lines();
        lines
            .find(|line| line.starts_with(source))
            .map(str::to_owned)
    };
    assert!(banned(&server).unwrap().contains("guessing"));
    server.kill().unwrap();
    let server = start(&settings);
    let line = banned(&server).unwrap();
    assert!(line.contains("guessing"), "{line}");
    let mut guesser = UserPhone::at(&server, "alice", source);
    guesser.tell("REGISTER", uri, to, "");
    assert_eq!(guesser.raw.receive(SECOND).unwrap(), None, "no answer");
    server.operate(&["ban", "lift", source], "").unwrap();
    // It is written in the background.
    std::thread::sleep(SECOND / 2);
    server.kill().unwrap();
    let server = start(&settings);
    assert_eq!(banned(&server), None);
    let mut alice = UserPhone::at(&server, "alice", source);
    let answer = alice.ask("REGISTER", uri, to, "");
    assert!(answer.starts_with("SIP/2.0 401"), "{answer}");
}
