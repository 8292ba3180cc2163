//! The port to what has to survive the process: users, and where they are registered.
//!
//! The focus says what is to be kept and hears when it is; how it is kept is the process's. Nothing
//! here waits: what takes time answers through a [`Done`].

use plenum_mcu::control::{MediaTerms, Protection};
use plenum_sip::auth::{Ha1, Hash};
use plenum_sip::registrar::{Binding, Change};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use thiserror::Error;

/// A user of one of our domains. What is kept of the password is in `secrets`; the password itself
/// is nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user part of the address, which is the user name of digests.
    pub name: String,
    /// The host of the address, in lower case, which is the realm of digests.
    pub domain: String,
    /// The display name.
    pub display: Option<String>,
    /// What the user may do on this server.
    pub role: UserRole,
    /// Whether the user is shut out.
    pub disabled: bool,
    /// Whether media of theirs may, or must, be encrypted; `None`: as for everybody.
    pub protection: Option<Protection>,
    /// What the password becomes, by hash function.
    pub secrets: Vec<Ha1>,
}

/// What a user may do on this server, apart from conferences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserRole {
    /// Call, and be called.
    #[default]
    User,
    /// Also call out of conferences through trunks, and create conferences.
    Operator,
}

impl UserRole {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::User, Self::Operator]
            .into_iter()
            .find(|role| role.name() == name)
    }
}

impl User {
    /// The address of record, `sip:name@domain`.
    #[must_use]
    pub fn aor(&self) -> String {
        format!("sip:{}@{}", self.name, self.domain)
    }

    /// What is agreed on about their media.
    #[must_use]
    pub fn terms(&self) -> MediaTerms {
        MediaTerms {
            protection: self.protection,
            ..MediaTerms::default()
        }
    }

    /// What the password becomes with this function.
    #[must_use]
    pub fn secret(&self, hash: Hash) -> Option<&Ha1> {
        self.secrets.iter().find(|secret| secret.hash() == hash)
    }
}

/// All users, as they are at one moment.
#[derive(Clone, Debug, Default)]
pub struct Users {
    by_name: BTreeMap<(String, String), User>,
    domains: BTreeSet<String>,
}

impl Users {
    /// The user of this name in this domain, which is in lower case.
    #[must_use]
    pub fn find(&self, name: &str, domain: &str) -> Option<&User> {
        let key = (domain.to_owned(), name.to_owned());
        self.by_name.get(&key)
    }

    /// The user with this address of record.
    #[must_use]
    pub fn find_aor(&self, aor: &str) -> Option<&User> {
        let (name, domain) = aor.strip_prefix("sip:")?.rsplit_once('@')?;
        self.find(name, domain)
    }

    /// Whether this domain, in lower case, has users, disabled ones included.
    #[must_use]
    pub fn has_domain(&self, domain: &str) -> bool {
        self.domains.contains(domain)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// All, by domain and name.
    pub fn iter(&self) -> impl Iterator<Item = &User> {
        self.by_name.values()
    }
}

impl FromIterator<User> for Users {
    fn from_iter<T: IntoIterator<Item = User>>(users: T) -> Self {
        let mut all = Self::default();
        for user in users {
            all.domains.insert(user.domain.clone());
            let key = (user.domain.clone(), user.name.clone());
            all.by_name.insert(key, user);
        }
        all
    }
}

/// Why something could not be kept, and what helps. Running calls go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No room on the disk.
    #[error("the disk is full: make room where the store is, {0}")]
    DiskFull(String),
    /// It may be read only.
    #[error("the store cannot be written: make {0} and its folder writable for the server's user")]
    ReadOnly(String),
    /// Somebody else holds it.
    #[error("the store {0} is in use by another process: end that, or set another store.file")]
    Locked(String),
    /// Its content is damaged.
    #[error("the store {0} is damaged: put a backup in its place ({1})")]
    Damaged(String, String),
    /// A later version of the program wrote it.
    #[error("the store {0} was written by a later version ({1}, this one knows {2}): install that")]
    Newer(String, i64, i64),
    /// More waits to be written than may.
    #[error("too much waits to be written")]
    Busy,
    /// There is no such user.
    #[error("there is no user {0}")]
    NoSuchUser(String),
    /// There is such a user already.
    #[error("there is a user {0} already")]
    UserExists(String),
    /// Anything else.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Called once when something is kept for good, or cannot be. It may be called from any thread and
/// must not wait.
pub type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A binding and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBinding {
    /// The address of record.
    pub aor: String,
    /// The binding, without flow.
    pub binding: Binding,
}

/// Keeps bindings.
pub trait BindingStore: Send + Sync + Debug {
    /// Keeps these changes of bindings, all or none; `done` hears when they are on the disk.
    fn save(&self, changes: Vec<(String, Change)>, done: Done);
}
