//! Layouts of somebody's own in the store.

use super::{File, StoreError};

/// A template as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptTemplate {
    /// Its name.
    pub name: String,
    /// Its panes in order, each of four or five numbers.
    pub panes: Vec<Vec<f64>>,
}

impl File {
    /// All templates; what somebody else wrote that is none has no panes.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn templates(&self) -> Result<Vec<KeptTemplate>, StoreError> {
        let read = || {
            let mut query = self
                .connection
                .prepare_cached("SELECT name, panes FROM template ORDER BY name")?;
            let rows = query.query_map([], |row| {
                let panes: String = row.get("panes")?;
                Ok(KeptTemplate {
                    name: row.get("name")?,
                    panes: serde_json::from_str(&panes).unwrap_or_default(),
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| self.meaning(&error))
    }

    /// Keeps a template in the place of another one of this name.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn keep_template(&self, template: &KeptTemplate) -> Result<(), StoreError> {
        let panes = serde_json::Value::from_iter(template.panes.iter().cloned()).to_string();
        let kept = self.connection.execute(
            "INSERT OR REPLACE INTO template (name, panes) VALUES (?1, ?2)",
            (&template.name, panes),
        );
        kept.map(drop).map_err(|error| self.meaning(&error))
    }

    /// Forgets a template.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn drop_template(&self, name: &str) -> Result<(), StoreError> {
        let gone = self
            .connection
            .execute("DELETE FROM template WHERE name = ?1", [name]);
        gone.map(drop).map_err(|error| self.meaning(&error))
    }
}
