//! The store, on real files.

use super::file::MIGRATIONS;
use super::{File, KeptBan, KeptTemplate, Lock, Metrics, Room, Store};
use plenum_focus::store::{BindingStore as _, StoreError, User, UserRole};
use plenum_mcu::control::Protection;
use plenum_sip::auth::{Ha1, Hash};
use plenum_sip::endpoint::{Target, Transport};
use plenum_sip::msg::{NameAddr, Uri};
use plenum_sip::registrar::{Binding, Change};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

const ROOM: Room = Room { queue: 8, bans: 8 };

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("plenum-store-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("plenum.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn alice(password: &str) -> User {
    let secrets = Hash::ALL.map(|hash| Ha1::new(hash, "alice", "example.com", password));
    User {
        name: "alice".to_owned(),
        domain: "example.com".to_owned(),
        display: Some("Alice Ω".to_owned()),
        role: UserRole::Operator,
        disabled: false,
        protection: None,
        secrets: secrets.into_iter().rev().collect(),
    }
}

fn binding(contact: &str) -> Binding {
    Binding {
        contact: Uri::parse(contact.as_bytes()).unwrap(),
        instance: Some("urn:uuid:1".to_owned()),
        reg_id: Some(1),
        q: 500,
        call_id: "c".to_owned(),
        cseq: 7,
        path: vec![NameAddr::new(
            Uri::parse(b"sip:edge.example.com;lr").unwrap(),
        )],
        expires_at: u64::MAX,
        refreshed_at: 4,
        flow: None,
        source: Some(Target {
            transport: Transport::Tls,
            remote: "[2001:db8::1]:5061".parse().unwrap(),
        }),
        temporary: u64::MAX - 1,
    }
}

fn put(contact: &str) -> (String, Change) {
    let change = Change::Put(Box::new(binding(contact)));
    ("sip:alice@example.com".to_owned(), change)
}

#[test]
fn users_and_bindings_come_back_as_they_were() {
    let folder = Folder::new();
    let mut file = File::open(&folder.file()).unwrap();
    file.add_user(&alice("secret")).unwrap();
    let again = file.add_user(&alice("other"));
    assert_eq!(
        again,
        Err(StoreError::UserExists("sip:alice@example.com".to_owned()))
    );
    file.save([put("sip:alice@192.0.2.1:5070;ob")].iter())
        .unwrap();
    drop(file);
    let file = File::open(&folder.file()).unwrap();
    let users = file.users().unwrap();
    assert_eq!(users.find("alice", "example.com"), Some(&alice("secret")));
    let kept = file.bindings().unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].binding, binding("sip:alice@192.0.2.1:5070;ob"));
    let key = file.secret("k", [1; 32]).unwrap();
    assert_eq!(
        (key, file.secret("k", [2; 32]).unwrap()),
        ([1; 32], [1; 32])
    );
}

#[test]
fn a_deleted_or_disabled_user_is_registered_nowhere() {
    let folder = Folder::new();
    let mut file = File::open(&folder.file()).unwrap();
    let nobody = StoreError::NoSuchUser("sip:alice@example.com".to_owned());
    assert_eq!(
        file.delete_user("alice", "example.com"),
        Err(nobody.clone())
    );
    assert_eq!(file.set_secrets(&alice("x")), Err(nobody));
    file.add_user(&alice("secret")).unwrap();
    file.set_secrets(&alice("new")).unwrap();
    file.save([put("sip:a@192.0.2.1")].iter()).unwrap();
    file.set_disabled("alice", "example.com", true).unwrap();
    let users = file.users().unwrap();
    let user = users.find_aor("sip:alice@example.com").unwrap();
    assert!(user.disabled && user.secrets == alice("new").secrets);
    assert_eq!(file.bindings().unwrap(), []);
    file.delete_user("alice", "example.com").unwrap();
    assert!(file.users().unwrap().is_empty());
}

#[test]
fn a_full_disk_is_a_clear_error_and_what_was_kept_stays() {
    let folder = Folder::new();
    let mut file = File::open(&folder.file()).unwrap();
    file.save([put("sip:a@192.0.2.1")].iter()).unwrap();
    file.connection
        .pragma_update(None, "max_page_count", 1)
        .unwrap();
    let long = format!("sip:{}@192.0.2.2", "a".repeat(10_000));
    let mut much = put(&long);
    if let Change::Put(binding) = &mut much.1 {
        binding.reg_id = None;
    }
    let full = file.save([much].iter()).unwrap_err();
    assert!(matches!(full, StoreError::DiskFull(_)), "{full}");
    assert!(full.to_string().contains("make room"));
    assert_eq!(file.bindings().unwrap().len(), 1);
}

#[test]
fn damage_a_later_version_and_a_second_server_are_clear_errors() {
    let folder = Folder::new();
    let path = folder.file();
    let file = File::open(&path).unwrap();
    file.connection
        .pragma_update(None, "user_version", 99)
        .unwrap();
    drop(file);
    let newer = File::open(&path).unwrap_err();
    assert!(matches!(newer, StoreError::Newer(_, 99, _)), "{newer}");
    fs::write(&path, [b'x'; 4096]).unwrap();
    let damaged = File::open(&path).unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged(..)), "{damaged}");
    let lock = Lock::take(&path).unwrap();
    let second = Lock::take(&path).unwrap_err();
    assert!(matches!(second, StoreError::Locked(_)), "{second}");
    drop(lock);
    Lock::take(&path).unwrap();
    let nowhere = File::open(&path.join("below/a/file")).unwrap_err();
    assert!(matches!(nowhere, StoreError::ReadOnly(_)), "{nowhere}");
}

#[test]
fn a_backup_is_whole_while_others_write() {
    let folder = Folder::new();
    let mut file = File::open(&folder.file()).unwrap();
    file.add_user(&alice("secret")).unwrap();
    let reader = File::open_to_read(&folder.file()).unwrap();
    file.save([put("sip:a@192.0.2.1")].iter()).unwrap();
    let copy = folder.0.join("copy.db");
    reader.backup(&copy).unwrap();
    reader.backup(&copy).unwrap();
    let copy = File::open(&copy).unwrap();
    assert_eq!(
        (copy.users().unwrap().len(), copy.bindings().unwrap().len()),
        (1, 1)
    );
}

#[test]
fn a_store_of_before_is_brought_up_to_date_and_a_copy_of_it_stays() {
    let latest = MIGRATIONS.len();
    assert_eq!(latest, 4, "a new step wants a look at this test");
    for before in 1..latest {
        let folder = Folder::new();
        let old = rusqlite::Connection::open(folder.file()).unwrap();
        for step in &MIGRATIONS[..before] {
            old.execute_batch(step).unwrap();
        }
        old.execute_batch(
            "INSERT INTO user (domain, name, role) VALUES ('example.com', 'bob', 'user')",
        )
        .unwrap();
        old.pragma_update(None, "user_version", i64::try_from(before).unwrap())
            .unwrap();
        drop(old);
        let copy = folder.0.join(format!("plenum.db.before-{latest}"));
        let mut file = File::open(&folder.file()).unwrap();
        assert!(copy.exists());
        let users = file.users().unwrap();
        assert_eq!(users.find("bob", "example.com").unwrap().protection, None);
        file.add_user(&alice("secret")).unwrap();
        let required = Some(Protection::Required);
        file.set_protection("bob", "example.com", required).unwrap();
        let users = file.users().unwrap();
        let bob = users.find("bob", "example.com").unwrap();
        assert_eq!(bob.protection, required);
        file.save([put("sip:a@192.0.2.1")].iter()).unwrap();
        file.keep_ban(&ban(1, 10), 9).unwrap();
        let template = KeptTemplate {
            name: "pair".to_owned(),
            panes: vec![vec![0.0, 0.0, 0.5, 1.0], vec![0.5, 0.0, 0.5, 1.0, 1.0]],
        };
        file.keep_template(&template).unwrap();
        assert_eq!(file.templates().unwrap(), [template]);
        file.drop_template("pair").unwrap();
        assert_eq!(file.templates().unwrap(), []);
        drop(file);
        let kept = rusqlite::Connection::open(&copy).unwrap();
        let version = |it: &rusqlite::Connection| {
            it.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        };
        assert_eq!(
            version(&kept),
            Ok(i64::try_from(before).unwrap()),
            "as it was"
        );
        fs::remove_file(&copy).unwrap();
        let file = File::open(&folder.file()).unwrap();
        assert!(!copy.exists(), "once");
        assert_eq!(
            version(&file.connection),
            Ok(i64::try_from(latest).unwrap())
        );
    }
}

fn ban(last: u8, until: u64) -> KeptBan {
    KeptBan {
        source: [192, 0, 2, last].into(),
        why: "guessing".to_owned(),
        until,
        times: 3,
    }
}

#[test]
fn bans_come_back_and_only_so_many_are_kept() {
    let folder = Folder::new();
    let file = File::open(&folder.file()).unwrap();
    for (last, until) in [(1, 10), (2, 30), (3, 20), (1, 40)] {
        file.keep_ban(&ban(last, until), 2).unwrap();
    }
    assert_eq!(file.bans().unwrap(), [ban(2, 30), ban(1, 40)]);
    file.lift_ban(ban(2, 0).source).unwrap();
    drop(file);
    let room = Room { queue: 8, bans: 2 };
    let start = || Store::start(&folder.file(), room, [3; 32], Metrics::default(), || ()).unwrap();
    let (store, kept) = start();
    assert_eq!(kept.bans, [ban(1, 40)]);
    store.keep_ban(ban(7, 70));
    store.lift_ban(ban(1, 0).source);
    drop(store);
    assert_eq!(start().1.bans, [ban(7, 70)]);
}

#[test]
fn the_worker_keeps_before_it_says_so_and_sees_other_writers() {
    let folder = Folder::new();
    let path = folder.file();
    let (woken, wakes) = sync_channel(4);
    let wake = move || woken.try_send(()).unwrap_or_default();
    let (store, kept) = Store::start(&path, ROOM, [3; 32], Metrics::default(), wake).unwrap();
    assert_eq!((kept.bindings.len(), kept.gruu_key), (0, [3; 32]));
    let (done, outcome) = sync_channel(1);
    let done = Box::new(move |result| done.send(result).unwrap());
    store.save(vec![put("sip:a@192.0.2.1")], done);
    assert_eq!(outcome.recv_timeout(Duration::from_secs(10)), Ok(Ok(())));
    let other = File::open(&path).unwrap();
    assert_eq!(other.bindings().unwrap().len(), 1);
    assert!(store.users().is_empty());
    other.add_user(&alice("secret")).unwrap();
    wakes.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(store.users().find("alice", "example.com").is_some());
    let second = Store::start(&path, ROOM, [4; 32], Metrics::default(), || ());
    assert!(matches!(second.err(), Some(StoreError::Locked(_))));
}
