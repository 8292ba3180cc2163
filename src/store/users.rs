//! Users in the store.

use super::{File, StoreError};
use plenum_focus::store::{User, UserRole, Users};
use plenum_mcu::control::Protection;
use plenum_sip::auth::{Ha1, Hash};
use rusqlite::{Row, named_params};

impl File {
    /// All users.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn users(&self) -> Result<Users, StoreError> {
        let read = || {
            let mut query = self.connection.prepare_cached(
                "SELECT domain, name, display, role, disabled, md5, sha256, sha512_256, protection
                 FROM user",
            )?;
            query
                .query_map([], user)?
                .collect::<rusqlite::Result<Users>>()
        };
        read().map_err(|error| self.meaning(&error))
    }

    /// Adds a user.
    ///
    /// # Errors
    /// There is one of this address, or the store cannot be written.
    pub fn add_user(&self, user: &User) -> Result<(), StoreError> {
        let secret = |hash| user.secret(hash).map(Ha1::reveal);
        let added = self.connection.execute(
            "INSERT INTO user (domain, name, display, role, disabled, md5, sha256, sha512_256, protection)
             VALUES (:domain, :name, :display, :role, :disabled, :md5, :sha256, :sha512_256, :protection)
             ON CONFLICT DO NOTHING",
            named_params! {
                ":domain": user.domain,
                ":name": user.name,
                ":display": user.display,
                ":role": user.role.name(),
                ":disabled": user.disabled,
                ":md5": secret(Hash::Md5),
                ":sha256": secret(Hash::Sha256),
                ":sha512_256": secret(Hash::Sha512T256),
                ":protection": user.protection.map(Protection::name),
            },
        );
        match added {
            Ok(0) => Err(StoreError::UserExists(user.aor())),
            Ok(_) => Ok(()),
            Err(error) => Err(self.meaning(&error)),
        }
    }

    /// Gives a user other secrets.
    ///
    /// # Errors
    /// There is no such user, or the store cannot be written.
    pub fn set_secrets(&self, user: &User) -> Result<(), StoreError> {
        let secret = |hash| user.secret(hash).map(Ha1::reveal);
        let changed = self.connection.execute(
            "UPDATE user SET md5 = ?1, sha256 = ?2, sha512_256 = ?3 WHERE domain = ?4 AND name = ?5",
            (
                secret(Hash::Md5),
                secret(Hash::Sha256),
                secret(Hash::Sha512T256),
                &user.domain,
                &user.name,
            ),
        );
        self.one(changed, &user.domain, &user.name)
    }

    /// Says whether media of a user may, or must, be encrypted; `None`: as for everybody.
    ///
    /// # Errors
    /// There is no such user, or the store cannot be written.
    pub fn set_protection(
        &self,
        name: &str,
        domain: &str,
        protection: Option<Protection>,
    ) -> Result<(), StoreError> {
        let changed = self.connection.execute(
            "UPDATE user SET protection = ?1 WHERE domain = ?2 AND name = ?3",
            (protection.map(Protection::name), domain, name),
        );
        self.one(changed, domain, name)
    }

    /// Shuts a user out, or lets him in again.
    ///
    /// # Errors
    /// There is no such user, or the store cannot be written.
    pub fn set_disabled(&self, name: &str, domain: &str, disabled: bool) -> Result<(), StoreError> {
        let changed = self.connection.execute(
            "UPDATE user SET disabled = ?1 WHERE domain = ?2 AND name = ?3",
            (disabled, domain, name),
        );
        self.one(changed, domain, name)?;
        if disabled {
            self.forget(name, domain)?;
        }
        Ok(())
    }

    /// Removes a user and where he is registered.
    ///
    /// # Errors
    /// There is no such user, or the store cannot be written.
    pub fn delete_user(&self, name: &str, domain: &str) -> Result<(), StoreError> {
        let changed = self.connection.execute(
            "DELETE FROM user WHERE domain = ?1 AND name = ?2",
            (domain, name),
        );
        self.one(changed, domain, name)?;
        self.forget(name, domain)
    }

    fn forget(&self, name: &str, domain: &str) -> Result<(), StoreError> {
        let aor = format!("sip:{name}@{domain}");
        self.connection
            .execute("DELETE FROM binding WHERE aor = ?1", [aor])
            .map(drop)
            .map_err(|error| self.meaning(&error))
    }

    fn one(
        &self,
        changed: rusqlite::Result<usize>,
        domain: &str,
        name: &str,
    ) -> Result<(), StoreError> {
        match changed {
            Ok(0) => Err(StoreError::NoSuchUser(format!("sip:{name}@{domain}"))),
            Ok(_) => Ok(()),
            Err(error) => Err(self.meaning(&error)),
        }
    }
}

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    let columns = [
        (Hash::Md5, "md5"),
        (Hash::Sha256, "sha256"),
        (Hash::Sha512T256, "sha512_256"),
    ];
    let mut secrets = Vec::new();
    for (hash, column) in columns {
        let hex: Option<String> = row.get(column)?;
        secrets.extend(hex.and_then(|hex| Ha1::from_hex(hash, &hex)));
    }
    let role: String = row.get("role")?;
    let protection: Option<String> = row.get("protection")?;
    Ok(User {
        name: row.get("name")?,
        domain: row.get("domain")?,
        display: row.get("display")?,
        role: UserRole::from_name(&role).unwrap_or_default(),
        disabled: row.get("disabled")?,
        // What nobody understands is taken for the strictest.
        protection: protection
            .map(|name| Protection::from_name(&name).unwrap_or(Protection::Required)),
        secrets,
    })
}
