//! Enterprise Sync: content-addressed files and their metadata (marti-http.md 6), for the TAK API, REST, plugins and the
//! server itself. One file per thing done: `put`, `find`, `search`, `change`, `delete`, `sweep`, `share`.
//!
//! A row is written after its content is on disk under its name, and a content goes after its last row: so there never is
//! a row without its file, and an upload that was answered is there after any crash. Both happen under the lock of the
//! content (by its first byte); plugins are asked and told outside of it. Everything here blocks: callers are blocking
//! threads.
mod blobs;
pub mod change;
mod delete;
pub mod error;
mod find;
pub mod hash;
mod manifest;
pub mod name;
pub mod oversize;
mod put;
pub mod resource;
pub mod search;
mod share;
mod sweep;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, MutexGuard};

use self::blobs::Blobs;
pub(crate) use self::blobs::hash_of;
pub use self::{
    change::Caller,
    error::FileError,
    hash::Hash,
    resource::{NewResource, PACKAGE, PRIVATE, PUBLIC, Resource, Sight, Uid},
    search::Search,
    share::{Offer, Receivers, content_url},
    sweep::{Checked, Swept},
};
use crate::{
    config::Config,
    http::taken::Taken,
    store::{database::Database, rows::Value},
};

/// Who wants a file to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause<'a> {
    /// Somebody who may, by a request or a command.
    Deleted,
    /// Its time is over.
    Expired,
    /// This plugin, which is not asked.
    Plugin(&'a str),
}

/// Who wants to be asked and told: the plugin host.
pub trait Keeper: Send + Sync {
    /// May the last row of this content go?
    ///
    /// # Errors
    /// Who keeps it, and why.
    fn may_go(&self, hash: &Hash, cause: Cause<'_>) -> Result<(), String>;

    /// May this user, who is in none of its groups, have the content all the same?
    fn may_read(&self, hash: &Hash, user: &str, groups: &[String]) -> bool {
        let _ = (hash, user, groups);
        false
    }

    /// A row was stored, changed or removed: `resource.added`, `.changed`, `.removed`.
    fn tell(&self, topic: &'static str, resource: &Resource);

    /// Does anybody want to know that a file was fetched?
    fn follows(&self) -> bool {
        false
    }

    /// A user ("" = nobody known) took the last byte of a content for this feed: `resource.fetched`. Must not block.
    fn fetched(&self, hash: &Hash, feed: &str, user: &str) {
        let _ = (hash, feed, user);
    }
}

/// Locks for contents.
const SHARDS: usize = 64;

/// See the file's head.
pub struct Files {
    db: Database,
    running: Arc<ArcSwap<Config>>,
    blobs: Blobs,
    shards: [Mutex<()>; SHARDS],
    /// Bytes of all contents.
    total: Mutex<u64>,
    keeper: OnceLock<Arc<dyn Keeper>>,
}

impl Files {
    /// On this database, in `files.dir`; what a crash left in `files/tmp` is removed, and contents without a row go.
    ///
    /// # Errors
    /// The directory cannot be made or written, the database cannot be read.
    pub fn open(db: Database, running: Arc<ArcSwap<Config>>) -> Result<Arc<Self>, FileError> {
        let (blobs, left) = Blobs::open(&running.load().files.dir)?;
        let (shards, total) = (std::array::from_fn(|_| Mutex::default()), Mutex::new(0));
        let files = Self { db, running, blobs, shards, total, keeper: OnceLock::new() };
        *files.total.lock() = files.stored()?;
        if left > 0 {
            tracing::info!(event = "file.leftover", files = left, "uploads that broke off at the last end are removed");
        }
        files.sweep_orphans(false)?;
        Ok(Arc::new(files))
    }

    /// Who is asked before a file goes, and told what happens; once, when the plugins start.
    pub fn keep(&self, keeper: Arc<dyn Keeper>) {
        let _ = self.keeper.set(keeper);
    }

    /// Where uploads under way are.
    pub fn tmp(&self) -> PathBuf {
        self.blobs.tmp()
    }

    /// The database its rows are in.
    pub fn db(&self) -> &Database {
        &self.db
    }

    /// Where a content lies; for plugins and copies that read it themselves. It may not be there.
    pub fn path(&self, hash: &Hash) -> PathBuf {
        self.blobs.path(hash)
    }

    /// Bytes of all contents.
    pub fn total(&self) -> u64 {
        *self.total.lock()
    }

    /// What rows say all contents take together.
    fn stored(&self) -> Result<u64, FileError> {
        let sql = "SELECT COALESCE(sum(size), 0) AS total FROM (SELECT DISTINCT hash, size FROM resource)";
        let rows = self.db.query(sql, &[])?;
        Ok(rows.first().map_or(0, |r| r.int("total")).max(0) as u64)
    }

    /// Nobody else stores or removes this content until the guard goes.
    fn lock(&self, hash: &Hash) -> MutexGuard<'_, ()> {
        self.shards[hash.shard() % SHARDS].lock()
    }

    /// Is there a row with this content?
    fn has_rows(&self, hash: &Hash) -> Result<bool, FileError> {
        let found = self.db.query("SELECT 1 AS one FROM resource WHERE hash = ?1 LIMIT 1", &[text(hash.as_str())])?;
        Ok(found.first().is_some())
    }

    /// What is to be done when a content has been fetched for this feed; None = nobody wants to know.
    pub fn fetched(&self, hash: &Hash, feed: &str, user: &str) -> Option<Taken> {
        let keeper = self.keeper.get().filter(|keeper| keeper.follows())?.clone();
        let (hash, feed, user) = (hash.clone(), feed.to_owned(), user.to_owned());
        Some(Taken::new(move || keeper.fetched(&hash, &feed, &user)))
    }

    fn tell(&self, topic: &'static str, resource: &Resource) {
        if let Some(keeper) = self.keeper.get() {
            keeper.tell(topic, resource);
        }
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn real(value: Option<f64>) -> Value {
    value.map_or(Value::Null, Value::Real)
}

#[cfg(test)]
mod tests;
