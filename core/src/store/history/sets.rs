//! [`Sets`]: sets of group names and their numbers in `group_set`, and [`Reach`]: whose rows somebody may see.
//!
//! There are few sets, so all are in memory; a query is given the numbers of those the caller shares a group with. Sets
//! are made in a commit of their own before the rows that name them, so memory and file agree whatever becomes of the
//! rows.
use std::collections::HashMap;

use parking_lot::RwLock;

use crate::{
    http::auth::Identity,
    store::{database::Database, error::StoreError, rows::Value},
};

/// Whose rows a caller sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Groups it receives from; None = all.
    pub groups: Option<Vec<String>>,
    /// Its user's name, "" = it has none: events addressed to somebody are seen by who sent and who received them.
    /// None = all.
    pub user: Option<String>,
}

impl Reach {
    /// The server's own and plugins': everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// A caller over HTTP.
    pub fn of(identity: &Identity) -> Self {
        let named = identity.user.as_deref().or(identity.cert_cn.as_deref());
        let user = named.filter(|_| !identity.anonymous);
        Self { groups: Some(identity.groups_out.clone()), user: Some(user.unwrap_or("").to_owned()) }
    }

    /// The user as a parameter: NULL = all.
    pub(super) fn user(&self) -> Value {
        self.user.clone().map_or(Value::Null, Value::Text)
    }
}

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Sets {
    all: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    ids: HashMap<Vec<String>, i64>,
    names: HashMap<i64, Vec<String>>,
}

impl Known {
    fn add(&mut self, id: i64, names: Vec<String>) {
        self.names.insert(id, names.clone());
        self.ids.insert(names, id);
    }
}

impl Sets {
    /// Those of this database.
    pub fn load(db: &Database) -> Result<Self, StoreError> {
        let rows = db.query("SELECT id, names FROM group_set", &[])?;
        let mut all = Known::default();
        // The server wrote them; one that cannot be read is nobody's.
        rows.iter().for_each(|row| all.add(row.int("id"), serde_json::from_str(row.text("names")).unwrap_or_default()));
        Ok(Self { all: RwLock::new(all) })
    }

    /// The number of a set, made when it is new. `names` sorted.
    pub fn id(&self, db: &Database, names: &[String]) -> Result<i64, StoreError> {
        if let Some(id) = self.all.read().ids.get(names) {
            return Ok(*id);
        }
        let mut all = self.all.write();
        if let Some(id) = all.ids.get(names) {
            return Ok(*id);
        }
        let text = Value::Text(serde_json::Value::from(names).to_string());
        db.exec("INSERT OR IGNORE INTO group_set(names) VALUES(?1)", std::slice::from_ref(&text))?;
        let row = db.query("SELECT id FROM group_set WHERE names = ?1", &[text])?;
        let id = row.first().map_or(0, |r| r.int("id"));
        all.add(id, names.to_vec());
        Ok(id)
    }

    /// The names of a set.
    pub fn names(&self, id: i64) -> Vec<String> {
        self.all.read().names.get(&id).cloned().unwrap_or_default()
    }

    /// The numbers of the sets that share a group with these, as JSON for `json_each`.
    pub fn meeting(&self, groups: Option<&[String]>) -> Value {
        let all = self.all.read();
        let meets = |names: &[String]| groups.is_none_or(|g| names.iter().any(|n| g.contains(n)));
        let ids: Vec<i64> = all.ids.iter().filter(|(names, _)| meets(names)).map(|(_, id)| *id).collect();
        Value::Text(serde_json::Value::from(ids).to_string())
    }

    /// The same for one caller.
    pub fn seen_by(&self, reach: &Reach) -> Value {
        self.meeting(reach.groups.as_deref())
    }
}
