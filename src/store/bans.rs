//! Bans in the store: who is shut out stays so when the server starts again.

use super::{File, StoreError};
use rusqlite::Row;
use std::net::IpAddr;

/// A ban as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBan {
    /// The address, of an IPv6 network the first one.
    pub source: IpAddr,
    /// Why.
    pub why: String,
    /// When it ends, seconds since 1970.
    pub until: u64,
    /// How often the source was banned, with this time.
    pub times: u32,
}

impl File {
    /// All bans, those that are over included: they tell how long the next one lasts.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn bans(&self) -> Result<Vec<KeptBan>, StoreError> {
        let read = || {
            let mut query = self
                .connection
                .prepare_cached("SELECT source, why, until, times FROM ban ORDER BY until")?;
            let rows = query.query_map([], kept)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = read().map_err(|error| self.meaning(&error))?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// Keeps a ban in the place of an earlier one of the same source; of all of them the `most` that end last.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn keep_ban(&self, ban: &KeptBan, most: usize) -> Result<(), StoreError> {
        let until = i64::try_from(ban.until).unwrap_or(i64::MAX);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let write = || {
            self.connection.execute(
                "INSERT OR REPLACE INTO ban (source, why, until, times) VALUES (?1, ?2, ?3, ?4)",
                (ban.source.to_string(), &ban.why, until, ban.times),
            )?;
            self.connection.execute(
                "DELETE FROM ban WHERE source IN
                 (SELECT source FROM ban ORDER BY until DESC LIMIT -1 OFFSET ?1)",
                [most],
            )
        };
        write().map(drop).map_err(|error| self.meaning(&error))
    }

    /// Forgets a ban.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn lift_ban(&self, source: IpAddr) -> Result<(), StoreError> {
        let lifted = self
            .connection
            .execute("DELETE FROM ban WHERE source = ?1", [source.to_string()]);
        lifted.map(drop).map_err(|error| self.meaning(&error))
    }
}

/// A row; `None` where somebody wrote what is no address.
fn kept(row: &Row<'_>) -> rusqlite::Result<Option<KeptBan>> {
    let source: String = row.get("source")?;
    let until: i64 = row.get("until")?;
    let (why, times) = (row.get("why")?, row.get("times")?);
    Ok(source.parse().ok().map(|source| KeptBan {
        source,
        why,
        until: u64::try_from(until).unwrap_or(0),
        times,
    }))
}
