//! [`History`]: events, tracks, chat and sessions in `fts.db` (cot.md 12, 13). Written behind the router's back in batches,
//! never on its path.
use std::sync::Arc;

use super::database::Database;

/// See the file's head.
pub struct History {
    db: Database,
}

impl History {
    /// On this database.
    pub fn new(db: Database) -> Arc<Self> {
        Arc::new(Self { db })
    }

    /// The database.
    pub fn db(&self) -> &Database {
        &self.db
    }
}
