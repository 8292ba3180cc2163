//! Opening the file: lock, integrity, migrations, and what its errors mean.

use super::StoreError;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The open store.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    pub(super) connection: Connection,
}

/// Held by the one server that uses a store.
#[derive(Debug)]
pub struct Lock {
    _file: fs::File,
}

impl Lock {
    /// Takes the store for this process.
    ///
    /// # Errors
    /// Another server has it, or the folder cannot be written.
    pub fn take(path: &Path) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        make_folder(path)?;
        let file = fs::File::create(beside(path, ".lock"))
            .map_err(|error| StoreError::Failed(format!("{name}.lock: {error}")))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(fs::TryLockError::WouldBlock) => Err(StoreError::Locked(name)),
            Err(fs::TryLockError::Error(error)) => {
                Err(StoreError::Failed(format!("{name}.lock: {error}")))
            }
        }
    }
}

impl File {
    /// Opens the store, makes it where there is none, and brings it up to date.
    ///
    /// # Errors
    /// What is wrong with it, and the remedy.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        make_folder(path)?;
        let connection = Connection::open(path).map_err(|error| meaning(path, &error))?;
        let mut file = Self {
            path: path.to_owned(),
            connection,
        };
        file.prepare().map_err(|error| file.meaning(&error))?;
        file.check()?;
        file.migrate()?;
        protect(path);
        Ok(file)
    }

    /// Opens a store that exists, for reading.
    ///
    /// # Errors
    /// What is wrong with it, and the remedy.
    pub fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags);
        let connection = connection.map_err(|error| meaning(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(PATIENCE)?;
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        self.connection.pragma_update(None, "foreign_keys", "ON")
    }

    fn check(&self) -> Result<(), StoreError> {
        let found: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| self.meaning(&error))?;
        if found == "ok" {
            return Ok(());
        }
        Err(StoreError::Damaged(self.name(), found))
    }

    /// Brings the tables up to the present version, one number after the other.
    fn migrate(&mut self) -> Result<(), StoreError> {
        let version = self.version().map_err(|error| self.meaning(&error))?;
        let latest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if version > latest {
            return Err(StoreError::Newer(self.name(), version, latest));
        }
        if version == latest {
            return Ok(());
        }
        if version > 0 {
            let copy = beside(&self.path, &format!(".before-{latest}"));
            self.backup(&copy)?;
        }
        self.run_migrations(version)
            .map_err(|error| self.meaning(&error))
    }

    fn run_migrations(&mut self, from: i64) -> rusqlite::Result<()> {
        let change = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        let version: i64 = change.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let steps = MIGRATIONS.iter().zip(1_i64..);
        for (step, number) in steps.filter(|(_, number)| *number > version.max(from)) {
            change.execute_batch(step)?;
            change.pragma_update(None, "user_version", number)?;
        }
        change.commit()
    }

    fn version(&self) -> rusqlite::Result<i64> {
        self.connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
    }

    /// A number that changes when another process has written.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn stamp(&self) -> Result<i64, StoreError> {
        self.connection
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .map_err(|error| self.meaning(&error))
    }

    /// Writes a copy while others read and write. A file of that name is replaced.
    ///
    /// # Errors
    /// The copy cannot be written.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let part = beside(to, ".part");
        // What an earlier attempt left would be in the way; its absence is no error.
        fs::remove_file(&part).ok();
        let name = part.display().to_string();
        self.connection
            .execute("VACUUM INTO ?1", [&name])
            .map_err(|error| meaning(&part, &error))?;
        protect(&part);
        fs::rename(&part, to)
            .map_err(|error| StoreError::Failed(format!("{}: {error}", to.display())))
    }

    pub(super) fn meaning(&self, error: &rusqlite::Error) -> StoreError {
        meaning(&self.path, error)
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Keeps a secret of the server under this name, making it by `make` where there is none.
    ///
    /// # Errors
    /// It cannot be read or kept.
    pub fn secret(&self, name: &str, made: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let wrap = |error: rusqlite::Error| self.meaning(&error);
        self.connection
            .execute(
                "INSERT INTO secret (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                (name, made.as_slice()),
            )
            .map_err(wrap)?;
        self.connection
            .query_row("SELECT value FROM secret WHERE name = ?1", [name], |row| {
                row.get(0)
            })
            .map_err(wrap)
    }
}

/// What an error of SQLite means to whoever runs the server.
fn meaning(path: &Path, error: &rusqlite::Error) -> StoreError {
    let name = path.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull(name),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::ReadOnly(name)
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked(name),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged(name, error.to_string())
        }
        // A write cut short by a limit on file sizes or a quota looks like a failing disk.
        Some(ErrorCode::SystemIoFailure) if is_out_of_room(path) => StoreError::DiskFull(name),
        Some(_) | None => StoreError::Failed(format!("{name}: {error}")),
    }
}

fn is_out_of_room(path: &Path) -> bool {
    let probe = beside(path, ".probe");
    let written = fs::write(&probe, [0; 8192]);
    fs::remove_file(&probe).ok();
    written.is_err()
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let made = folder.map_or(Ok(()), fs::create_dir_all);
    made.map_err(|_| StoreError::ReadOnly(path.display().to_string()))
}

/// What is kept of passwords is for nobody else to read.
fn protect(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    // On a file system without permissions there is nothing to protect with.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).ok();
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// How long a writer waits for another process.
const PATIENCE: Duration = Duration::from_secs(5);

/// The steps from an empty file to the present tables. A step that was released is never changed.
pub(super) const MIGRATIONS: [&str; 4] = [
    "
CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE user (
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    display TEXT,
    role TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    md5 TEXT,
    sha256 TEXT,
    sha512_256 TEXT,
    PRIMARY KEY (domain, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE binding (
    aor TEXT NOT NULL,
    key TEXT NOT NULL,
    contact TEXT NOT NULL,
    instance TEXT,
    reg_id INTEGER,
    q INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    cseq INTEGER NOT NULL,
    path TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    refreshed_at INTEGER NOT NULL,
    transport TEXT,
    source TEXT,
    temporary INTEGER NOT NULL,
    PRIMARY KEY (aor, key)
) STRICT, WITHOUT ROWID;
",
    "
CREATE TABLE ban (
    source TEXT PRIMARY KEY,
    why TEXT NOT NULL,
    until INTEGER NOT NULL,
    times INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ban_end ON ban (until);
",
    "
ALTER TABLE user ADD COLUMN protection TEXT;
",
    "
CREATE TABLE template (
    name TEXT PRIMARY KEY,
    panes TEXT NOT NULL
) STRICT, WITHOUT ROWID;
",
];
