//! [`Settings`]: keys of the server that are set over the API while it runs: rows of `runtime_override`, laid over the
//! configuration at each start (operations.md 3.1: stronger than files, weaker than environment and command line).
//!
//! Order of a change: a key of the environment or the command line is refused, the row is committed, then the running
//! configuration gets it. What must not happen: an answer of 200 for something that is gone after the next start.
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use super::{database::Database, error::StoreError, rows::Value};
use crate::{
    config::{Config, Loaded, Origin},
    observe::clock,
};

/// The only key there is: `files.max_upload`, bytes; 0 = no limit.
pub const MAX_UPLOAD: &str = "files.max_upload";

/// Why a setting is not changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// Somebody stronger says what it is.
    #[error("{0} is set by {1} of the server, which wins over settings made at run time: change it there")]
    Fixed(&'static str, String),
    /// It could not be kept.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// What the configuration says of the key.
struct Base {
    value: u64,
    /// Environment or command line.
    fixed: Option<String>,
}

/// See the file's head.
pub struct Settings {
    db: Database,
    running: Arc<ArcSwap<Config>>,
    base: OnceLock<Base>,
}

impl Settings {
    /// Of this server.
    pub fn new(db: Database, running: Arc<ArcSwap<Config>>) -> Self {
        Self { db, running, base: OnceLock::new() }
    }

    /// At start: what was set before takes its place. `loaded` says where the configured value came from.
    ///
    /// # Errors
    /// The database's.
    pub fn begin(&self, loaded: &Loaded) -> Result<(), StoreError> {
        let fixed = match loaded.values.get(MAX_UPLOAD) {
            Some((_, origin @ (Origin::Env(_) | Origin::Set))) => Some(origin.to_string()),
            _ => None,
        };
        let free = fixed.is_none();
        let _ = self.base.set(Base { value: loaded.config.files.max_upload, fixed });
        if let Some(bytes) = self.kept()?.filter(|_| free) {
            self.lay(bytes);
            tracing::info!(
                event = "file.limit",
                key = MAX_UPLOAD,
                bytes,
                "set over the API, stronger than the file; POST /files/api/config with null takes it back"
            );
        }
        Ok(())
    }

    /// The row, in bytes.
    fn kept(&self) -> Result<Option<u64>, StoreError> {
        let rows =
            self.db.query("SELECT value FROM runtime_override WHERE key = ?", &[Value::Text(MAX_UPLOAD.into())])?;
        Ok(rows.first().and_then(|r| r.text("value").parse().ok()))
    }

    /// What stands in the place of the configuration now; None = nothing.
    pub fn override_of(&self, key: &str) -> Option<String> {
        let free = self.base.get().is_none_or(|b| b.fixed.is_none());
        let kept = (key == MAX_UPLOAD && free).then(|| self.kept().ok().flatten()).flatten();
        kept.map(|bytes| bytes.to_string())
    }

    /// The largest upload from now on and after every start, bytes; None = as the configuration has it.
    ///
    /// # Errors
    /// [`SettingError`]; then everything stays as it was.
    pub fn set_max_upload(&self, bytes: Option<u64>) -> Result<(), SettingError> {
        if let Some(by) = self.base.get().and_then(|b| b.fixed.clone()) {
            return Err(SettingError::Fixed(MAX_UPLOAD, by));
        }
        let key = Value::Text(MAX_UPLOAD.into());
        match bytes {
            Some(bytes) => {
                let sql = "INSERT INTO runtime_override (key, value, set_at) VALUES (?1, ?2, ?3)
                     ON CONFLICT(key) DO UPDATE SET value = excluded.value, set_at = excluded.set_at";
                self.db.exec(sql, &[key, Value::Text(bytes.to_string()), clock::now_ms().into()])?;
                self.lay(bytes);
                tracing::info!(
                    event = "file.limit",
                    key = MAX_UPLOAD,
                    bytes,
                    "set over the API, for every start to come"
                );
            }
            None => {
                self.db.exec("DELETE FROM runtime_override WHERE key = ?", &[key])?;
                if let Some(base) = self.base.get() {
                    self.lay(base.value);
                }
            }
        }
        Ok(())
    }

    fn lay(&self, bytes: u64) {
        // What somebody else changes at the same moment must not be undone.
        self.running.rcu(|config| {
            let mut config = Config::clone(config);
            config.files.max_upload = bytes;
            config
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Sources, load},
        store::core,
    };

    fn loaded(set: &[&str]) -> Loaded {
        let dir = std::env::temp_dir();
        let set = set.iter().map(ToString::to_string).collect();
        load(&Sources { data_dir: Some(dir.clone()), cwd: dir, set, ..Sources::default() }).unwrap()
    }

    fn begun(db: &Database, loaded: &Loaded) -> Settings {
        let settings = Settings::new(db.clone(), Arc::new(ArcSwap::from_pointee(loaded.config.clone())));
        settings.begin(loaded).unwrap();
        settings
    }

    #[test]
    fn what_was_set_is_there_after_every_start_until_it_is_taken_back() {
        let (db, file) = (core::temporary().unwrap(), loaded(&[]));
        let limit = |settings: &Settings| settings.running.load().files.max_upload;
        let first = begun(&db, &file);
        let configured = limit(&first);
        first.set_max_upload(Some(7_000_000)).unwrap();
        assert_eq!((limit(&first), limit(&begun(&db, &file))), (7_000_000, 7_000_000));
        assert_eq!(first.override_of(MAX_UPLOAD).as_deref(), Some("7000000"));
        // Stronger: the command line, which no row takes the place of.
        let strong = begun(&db, &loaded(&["files.max_upload=\"9MB\""]));
        assert_eq!((limit(&strong), strong.override_of(MAX_UPLOAD)), (9_000_000, None));
        let refused = strong.set_max_upload(Some(1)).unwrap_err().to_string();
        assert!(refused.contains("files.max_upload") && refused.contains("command line"), "{refused}");
        let again = begun(&db, &file);
        again.set_max_upload(None).unwrap();
        assert_eq!((limit(&again), limit(&begun(&db, &file))), (configured, configured));
        assert_eq!(again.override_of(MAX_UPLOAD), None);
    }
}
