//! [`Desk`]: what every handler gets: the host, the configuration, the token key, the roll of members, and the pen.
//!
//! The pen is the lock of whoever writes: it is held from the begin of a transaction until its notices are out, so notices
//! leave in the order of change numbers ([`crate::write`]). Reading needs no lock. Lock order: pen, downloads, roll.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fts_plugin_api::sdk::{Host, Result};

use crate::{
    arrival::Awaited,
    backup::half,
    config::Config,
    downloads::Downloads,
    feed::Feeds,
    roll::Roll,
    seed,
    store::{self, Db},
    strict::Strict,
    token::Key,
    work,
};

/// See the file's head.
pub struct Desk {
    /// The server.
    pub host: Host,
    /// The plugin's table.
    pub config: Config,
    /// Of mission tokens.
    pub key: Key,
    /// Who gets what of which mission.
    pub roll: Roll,
    /// Data feeds attached to missions.
    pub feeds: Feeds,
    /// Items whose events are still to come.
    pub awaited: Awaited,
    /// Members who are told of a file later.
    pub downloads: Downloads,
    /// Uids that may come for their missions only; None = `strict_uid_membership` is off.
    pub strict: Option<Arc<Strict>>,
    pen: Mutex<()>,
}

impl Desk {
    /// Opens database and key, makes the seeded missions, binds the destinations of all missions.
    ///
    /// # Errors
    /// The database, the key file; a missing capability.
    pub fn open(host: Host, config: Config) -> Result<Self> {
        store::migrate(&host)?;
        work::clear(&host)?;
        half::clear(&host)?;
        let key = Key::open(&host.dir()?)?;
        let strict = match config.strict_uid_membership {
            true => Some(Arc::new(Strict::load(&host.sql())?)),
            false => None,
        };
        let desk = Self {
            roll: Roll::new(host.clone()),
            feeds: Feeds::default(),
            host,
            config,
            key,
            awaited: Awaited::default(),
            downloads: Downloads::default(),
            strict,
            pen: Mutex::new(()),
        };
        desk.roll.restore(&desk.host.sql())?;
        desk.feeds.load(&desk.host.sql())?;
        seed::plant(&desk)?;
        Ok(desk)
    }

    /// Takes the pen. What it guards is in the database, so a poisoned lock is as good as any.
    pub(crate) fn pen(&self) -> MutexGuard<'_, ()> {
        self.pen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows how many missions and members there are.
    ///
    /// # Errors
    /// The database.
    pub fn gauges(&self) -> Result<()> {
        let sql = self.host.sql();
        for (name, table) in [("missions", "SELECT count(*) AS n FROM mission"), ("subscribers", MEMBERS)] {
            self.host.gauge(name, &[], sql.number(table, &[])? as f64);
        }
        Ok(())
    }
}

const MEMBERS: &str = "SELECT count(*) AS n FROM mission_subscription";
