//! Registrations in the store.

use super::{File, StoreError};
use plenum_focus::store::KeptBinding;
use plenum_sip::endpoint::{Target, Transport};
use plenum_sip::msg::{NameAddr, Text, Uri};
use plenum_sip::registrar::{Binding, Change};
use rusqlite::{Connection, Row, named_params};

impl File {
    /// All bindings that can be read, for a server that starts.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn bindings(&self) -> Result<Vec<KeptBinding>, StoreError> {
        let read = || {
            let mut query = self.connection.prepare_cached("SELECT * FROM binding")?;
            let rows = query.query_map([], kept)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = read().map_err(|error| self.meaning(&error))?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// Carries out all these changes, or none.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn save<'a>(
        &mut self,
        changes: impl Iterator<Item = &'a (String, Change)>,
    ) -> Result<(), StoreError> {
        self.write(changes).map_err(|error| self.meaning(&error))
    }

    fn write<'a>(
        &mut self,
        changes: impl Iterator<Item = &'a (String, Change)>,
    ) -> rusqlite::Result<()> {
        let all = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for (aor, change) in changes {
            match change {
                Change::Put(binding) => put(&all, aor, binding)?,
                Change::Drop(key) => {
                    all.prepare_cached("DELETE FROM binding WHERE aor = ?1 AND key = ?2")?
                        .execute((aor, key.as_str()))?;
                }
            }
        }
        all.commit()
    }
}

fn put(connection: &Connection, aor: &str, binding: &Binding) -> rusqlite::Result<()> {
    let path: Vec<String> = binding.path.iter().map(NameAddr::to_string).collect();
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO binding (aor, key, contact, instance, reg_id, q, call_id, cseq,
         path, expires_at, refreshed_at, transport, source, temporary)
         VALUES (:aor, :key, :contact, :instance, :reg_id, :q, :call_id, :cseq,
         :path, :expires_at, :refreshed_at, :transport, :source, :temporary)",
    )?;
    statement
        .execute(named_params! {
            ":aor": aor,
            ":key": binding.key().as_str(),
            ":contact": binding.contact.to_string(),
            ":instance": binding.instance,
            ":reg_id": binding.reg_id,
            ":q": binding.q,
            ":call_id": binding.call_id,
            ":cseq": binding.cseq,
            ":path": path.join("\n"),
            ":expires_at": binding.expires_at.cast_signed(),
            ":refreshed_at": binding.refreshed_at.cast_signed(),
            ":transport": binding.source.map(|source| source.transport.via_name()),
            ":source": binding.source.map(|source| source.remote.to_string()),
            ":temporary": binding.temporary.cast_signed(),
        })
        .map(drop)
}

/// A row; `None` where its texts are not what we wrote.
fn kept(row: &Row<'_>) -> rusqlite::Result<Option<KeptBinding>> {
    let text = |column: &str| row.get::<_, String>(column);
    let number = |column: &str| row.get::<_, i64>(column).map(i64::cast_unsigned);
    let transport: Option<String> = row.get("transport")?;
    let source: Option<String> = row.get("source")?;
    let source = transport.zip(source).and_then(|(transport, source)| {
        Some(Target {
            transport: named(&transport)?,
            remote: source.parse().ok()?,
        })
    });
    let path = text("path")?;
    let path = path.lines().map(|hop| NameAddr::parse(&Text::from(hop)));
    let (Ok(contact), Ok(path)) = (
        Uri::parse(text("contact")?.as_bytes()),
        path.collect::<Result<Vec<_>, _>>(),
    ) else {
        return Ok(None);
    };
    Ok(Some(KeptBinding {
        aor: text("aor")?,
        binding: Binding {
            contact,
            instance: row.get("instance")?,
            reg_id: row.get("reg_id")?,
            q: row.get("q")?,
            call_id: text("call_id")?,
            cseq: row.get("cseq")?,
            path,
            expires_at: number("expires_at")?,
            refreshed_at: number("refreshed_at")?,
            flow: None,
            source,
            temporary: number("temporary")?,
        },
    }))
}

fn named(name: &str) -> Option<Transport> {
    use Transport::{Tcp, Tls, Udp, Ws, Wss};
    let all = [Udp, Tcp, Tls, Ws, Wss];
    all.into_iter().find(|one| one.via_name() == name)
}
