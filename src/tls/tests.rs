use super::files::{FileError, certified};
use super::*;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("plenum-tls-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        // Another inode each time, as tools that renew certificates leave it.
        fs::remove_file(&path).ok();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn pair(names: &[&str]) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn settings(text: &str) -> Settings {
    crate::config::Config::parse(text).unwrap().tls
}

fn open(settings: &Settings) -> Result<Store, TlsError> {
    let name = ["plenum.test".to_owned()];
    Store::open(
        settings,
        &name,
        &["127.0.0.1".to_owned()],
        Metrics::default(),
    )
}

fn in_folder(folder: &Folder) -> Settings {
    let path = folder.0.display();
    settings(&format!(
        "[tls]\nfolder = \"{path}\"\nsystem_authorities = false\n"
    ))
}

fn configured(folder: &Folder, chain: &str, key: &str) -> Settings {
    let chain = folder.write("chain.pem", chain);
    let key = folder.write("key.pem", key);
    settings(&format!(
        "[tls]\nsystem_authorities = false\n[[tls.certificate]]\nchain = \"{}\"\nkey = \"{}\"\n",
        chain.display(),
        key.display()
    ))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_first_start_makes_a_certificate_and_the_next_ones_use_it_again() {
    let folder = Folder::new("first");
    let settings = in_folder(&folder);
    open(&settings).unwrap();
    let (chain, key) = (folder.0.join("certificate.pem"), folder.0.join("key.pem"));
    let made = text(&chain);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&key), 0o600);
    open(&settings).unwrap();
    assert_eq!(text(&chain), made);
    let names = certified(&self_signed::files(&folder.0)).unwrap().names;
    assert!(names.covers("plenum.test", false) && names.covers("127.0.0.1", false));
    // Another name is wanted.
    let other = ["other.test".to_owned()];
    Store::open(&settings, &other, &[], Metrics::default()).unwrap();
    assert_ne!(text(&chain), made);
}

#[test]
fn each_fault_of_a_file_has_its_own_error() {
    let folder = Folder::new("faults");
    let (chain, key) = pair(&["a.test"]);
    let (_, other) = pair(&["a.test"]);
    let half = &chain[..chain.len() / 2];
    let bad = chain.replacen("MII", "!!!", 1);
    type Expected = fn(&FileError) -> bool;
    let cases: [(&str, &str, Expected); 6] = [
        (&chain, &other, |e| matches!(e, FileError::Mismatch { .. })),
        (&chain, "nothing", |e| matches!(e, FileError::NoKey(_))),
        (&chain, &chain, |e| matches!(e, FileError::NoKey(_))),
        ("nothing", &key, |e| {
            matches!(e, FileError::NoCertificate(_))
        }),
        (half, &key, |e| {
            matches!(e, FileError::Damaged(_) | FileError::NoCertificate(_))
        }),
        (&bad, &key, |e| matches!(e, FileError::Damaged(_))),
    ];
    for (chain, key, expected) in cases {
        let settings = configured(&folder, chain, key);
        let error = certified(&settings.certificates[0]).unwrap_err();
        assert!(expected(&error), "{error}");
        // What `plenum check` says, and no key in it.
        let found = findings(&settings);
        assert!(found.iter().any(|(serious, _)| *serious), "{found:?}");
        assert!(!format!("{found:?}{error:?}").contains("PRIVATE"));
    }
    fs::remove_file(folder.0.join("key.pem")).unwrap();
    let gone = configured(&folder, &chain, &key);
    fs::remove_file(&gone.certificates[0].key).unwrap();
    let error = certified(&gone.certificates[0]).unwrap_err();
    assert!(matches!(error, FileError::Unreadable(..)), "{error}");
}

#[test]
fn a_replaced_file_holds_and_a_damaged_one_does_not() {
    let folder = Folder::new("reload");
    let (chain, key) = pair(&["a.test"]);
    let settings = configured(&folder, &chain, &key);
    let metrics = Metrics::default();
    let store = Store::open(&settings, &[], &[], metrics.clone()).unwrap();
    let mut configs = store.configs();
    store.refresh();
    assert!(!configs.has_changed().unwrap());
    let (new_chain, new_key) = pair(&["b.test"]);
    folder.write("chain.pem", &new_chain);
    store.refresh();
    // The new chain with the old key: what was read before stays.
    assert_eq!(metrics.reload_failures.get(), 1);
    let shown = |store: &Store| {
        let inner = store.inner_for_tests();
        inner.covers("b.test", false)
    };
    assert!(!shown(&store));
    folder.write("key.pem", &new_key);
    store.refresh();
    assert!(shown(&store));
    assert!(configs.has_changed().unwrap());
    configs.mark_unchanged();
    assert_eq!(metrics.reload_failures.get(), 1);
}

#[test]
fn keys_of_every_usual_kind_are_read() {
    let folder = Folder::new("kinds");
    for kind in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384] {
        let key = KeyPair::generate_for(kind).unwrap();
        let params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let settings = configured(&folder, &certificate.pem(), &key.serialize_pem());
        open(&settings).unwrap();
    }
}

#[test]
fn mutual_tls_without_authorities_is_a_mistake_of_the_configuration() {
    let text = "[tls]\nclient_certificates = \"require\"\n";
    let problems = crate::config::Config::parse(text).unwrap_err();
    assert!(problems[0].to_string().contains("client_ca_files"));
}

#[test]
fn sighup_takes_other_certificates_or_leaves_all_as_it_was() {
    let folder = Folder::new("settings");
    let (chain, key) = pair(&["a.test"]);
    let first = configured(&folder, &chain, &key);
    let metrics = Metrics::default();
    let store = Store::open(&first, &[], &[], metrics.clone()).unwrap();
    let mut configs = store.configs();
    let (chain, key) = pair(&["b.test"]);
    let mut second = first;
    second.certificates[0].chain = folder.write("other-chain.pem", &chain);
    second.certificates[0].key = folder.0.join("other-key.pem");
    store.reload(&second);
    assert_eq!(metrics.reload_failures.get(), 1);
    assert!(store.inner_for_tests().covers("a.test", false));
    assert!(!configs.has_changed().unwrap());
    folder.write("other-key.pem", &key);
    store.reload(&second);
    assert!(store.inner_for_tests().covers("b.test", false));
    assert!(configs.has_changed().unwrap());
    configs.mark_unchanged();
    store.reload(&second);
    assert!(!configs.has_changed().unwrap(), "nothing is new");
    assert_eq!(metrics.reload_failures.get(), 1);
}

#[test]
fn the_end_of_a_certificate_is_measured_and_warned_of_in_time() {
    const DAY: i64 = 86_400;
    let folder = Folder::new("expiry");
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let settings = configured(&folder, &certificate.pem(), &key.serialize_pem());
    let metrics = Metrics::default();
    let store = Store::open(&settings, &[], &[], metrics.clone()).unwrap();
    let end = 1_893_456_000;
    let label = OfCertificate {
        certificate: settings.certificates[0].chain.display().to_string(),
    };
    assert_eq!(metrics.expiry.get_or_create(&label).get(), end);
    let warned = |now| store.warnings_for_tests(now);
    assert_eq!(warned(end - 31 * DAY), 0);
    for (days, hours) in [(29, 0), (6, 23), (0, 5)] {
        let now = end - days * DAY - hours * 3600;
        assert_eq!(warned(now), 1, "{days} days before");
        assert_eq!(warned(now + 60), 0, "once is enough");
    }
    assert_eq!(warned(end + DAY), 1, "it has ended");
    assert_eq!(warned(end + 2 * DAY), 0);
    // A new one ends the warnings, and gets its own.
    assert_eq!(warned(end - 40 * DAY), 0);
    assert_eq!(warned(end - 20 * DAY), 1);
}
