//! Enterprise Sync: content-addressed files and their metadata (marti-http.md 6).
use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;

use crate::{config::Config, store::database::Database};

/// See the file's head.
pub struct Files {
    db: Database,
    running: Arc<ArcSwap<Config>>,
}

impl Files {
    /// On this database, in `files.dir`; what a crash left in `files/tmp` is removed.
    ///
    /// # Errors
    /// The directory cannot be made or written.
    pub fn open(db: Database, running: Arc<ArcSwap<Config>>) -> std::io::Result<Arc<Self>> {
        let files = Self { db, running };
        std::fs::create_dir_all(files.tmp())?;
        Ok(Arc::new(files))
    }

    /// Where uploads under way are.
    pub fn tmp(&self) -> PathBuf {
        self.running.load().files.dir.join("tmp")
    }

    /// The database its rows are in.
    pub fn db(&self) -> &Database {
        &self.db
    }
}
