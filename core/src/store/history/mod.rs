//! [`History`]: events, tracks, chat and sessions in `fts.db` (cot.md 12, 13). Written behind the router's back in batches,
//! never on its path.
//!
//! The way of an event: the router hands over [`Kept`] -> `queue` -> `recorder` reads it (`entry`, `chat`, `track`) and
//! writes it (`write`). Whoever asks (`query`, `tracks`, `endpoints`) says with a [`Reach`] whose rows it may see: groups
//! as they were when the event was sent, and for what was addressed to somebody, its sender and receivers. `upkeep`
//! deletes what is old. What must not happen: routing waits for it, or somebody reads what was not sent to them.
mod arrivals;
mod chat;
pub mod endpoints;
pub(crate) mod entry;
mod forward;
mod kept;
mod meters;
pub mod query;
mod queue;
mod recorder;
mod restore;
mod retention;
mod sets;
pub mod sources;
mod track;
pub mod tracks;
mod upkeep;
mod write;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    thread::JoinHandle,
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

pub(crate) use self::forward::without_marti;
use self::{arrivals::Arrivals, kept::Item, queue::Queue, recorder::Recorder, sets::Sets, sources::Sources};
pub use self::{
    arrivals::{Arrival, NotTold, Ticket},
    forward::Missed,
    kept::{Goodbye, Kept, Session},
    restore::Position,
    sets::Reach,
};
use super::{database::Database, error::StoreError, journal::Journal};
use crate::{
    config::{Archive, Config},
    directory::{Client, Departed, Directory, Leave},
    observe::clock,
};

/// The history's consumer in the journal.
pub const CONSUMER: &str = "core";
/// Who asks sees what was routed just before. So long only where the machine has no time for the recorder, which gives
/// way to everything else.
const FRESH: Duration = Duration::from_secs(2);

/// See the file's head.
pub struct History {
    db: Database,
    running: Arc<ArcSwap<Config>>,
    directory: Arc<Directory>,
    consumer: Arc<str>,
    queue: Queue,
    sets: Sets,
    trouble: recorder::Trouble,
    sources: OnceLock<Arc<dyn Sources>>,
    /// How far forwarding has come, by uid and user.
    forwarding: Mutex<HashMap<(String, String), forward::Progress>>,
    arrivals: Arc<Arrivals>,
    upkeep: upkeep::Wake,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl History {
    /// On this database. Nothing is written before [`Self::begin`].
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn new(
        db: Database,
        running: Arc<ArcSwap<Config>>,
        directory: Arc<Directory>,
    ) -> Result<Arc<Self>, StoreError> {
        let sets = Sets::load(&db)?;
        Ok(Arc::new(Self {
            db,
            running,
            directory,
            consumer: CONSUMER.into(),
            queue: Queue::new(queue::MOST),
            sets,
            trouble: recorder::Trouble::default(),
            sources: OnceLock::new(),
            forwarding: Mutex::default(),
            arrivals: Arc::default(),
            upkeep: upkeep::Wake::default(),
            threads: Mutex::default(),
        }))
    }

    /// The start: sessions of an earlier run are over, what that run journaled and did not store is stored now, then the
    /// recorder and the upkeep run. Blocks; nobody is accepted yet. How many events came back.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn begin(self: &Arc<Self>, journal: Option<&Arc<Journal>>) -> Result<usize, StoreError> {
        let now = clock::now_ms();
        self.db.exec(
            "UPDATE client_session SET disconnected_ms = max(connected_ms, ?1), reason = 'restart' WHERE disconnected_ms IS NULL",
            &[now.into()],
        )?;
        let consumer = journal.map(|j| j.consumer(CONSUMER));
        if let Some(journal) = journal {
            let last = self.db.query("SELECT coalesce(max(id), 0) AS id FROM history_done", &[])?;
            journal.ids_above(last.first().map_or(0, |r| r.int("id") as u64));
        }
        let mut recorder = Recorder::new(self.clone(), consumer);
        let back = recorder.replay()?;
        let history = self.clone();
        let mut threads = self.threads.lock();
        for (name, run) in [
            ("history", Box::new(move || recorder.run()) as Box<dyn FnOnce() + Send>),
            ("history-upkeep", Box::new(move || upkeep::run(&history))),
        ] {
            let thread = std::thread::Builder::new().name(name.into()).spawn(run);
            threads.push(thread.map_err(|e| StoreError::io(self.db.path(), "no thread for the history", &e))?);
        }
        Ok(back)
    }

    /// Writes what is queued and ends both threads. Blocks. What comes later is not recorded.
    pub fn stop(&self) {
        self.upkeep.stop();
        self.queue.close();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // One that panicked has said so.
            let _ = thread.join();
        }
        self.arrivals.close();
    }

    /// Tells once: when the next event of `uid` is stored (it is found then), or when `limit`, at most a minute, is over.
    /// To miss nothing: call this, then look whether it is there already ([`Self::latest`]), then wait. `tell` is called on a
    /// thread of the history and must not block; with the ticket dropped it is not called any more. Whether the caller may
    /// see the event is for the [`Reach`] it asks with afterwards.
    ///
    /// # Errors
    /// [`NotTold`].
    pub fn notify(
        &self,
        uid: &str,
        limit: Duration,
        tell: impl FnOnce(Arrival) + Send + 'static,
    ) -> Result<Ticket, NotTold> {
        self.arrivals.notify(uid, limit, tell)
    }

    /// The database.
    pub fn db(&self) -> &Database {
        &self.db
    }

    /// What is wrong with recording; None = nothing.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.get()
    }

    /// Items that wait for the recorder, and events left out since the start.
    pub fn backlog(&self) -> (usize, u64) {
        (self.queue.depth(), self.queue.skipped())
    }

    /// Who else keeps events.
    pub fn set_sources(&self, sources: Arc<dyn Sources>) {
        let _ = self.sources.set(sources);
    }

    /// Is anything of an event wanted?
    pub fn wants(&self) -> bool {
        let config = self.running.load();
        config.storage.record_tracks || self.wants_events()
    }

    /// The consumer of events that must not be lost; None = events are not kept.
    pub fn reliably(&self) -> Option<&Arc<str>> {
        self.wants_events().then_some(&self.consumer)
    }

    fn wants_events(&self) -> bool {
        let config = self.running.load();
        config.storage.archive_cot != Archive::Off || config.cot.store_forward_chat
    }

    /// Events of one turn, behind their delivery. Never waits.
    pub fn events(&self, kept: Vec<Kept>) {
        self.queue.events(kept);
    }

    /// A connection told who it is, or changed it (marti-http.md 5.3). Never waits.
    pub fn identified(&self, client: &Client) {
        if client.internal() {
            return;
        }
        let who = client.who();
        if who.uid.is_empty() || who.callsign.is_empty() {
            return;
        }
        let session = Session {
            conn: client.conn,
            uid: who.uid.clone(),
            callsign: who.callsign.clone(),
            user: client.user().to_owned(),
            team: who.team.clone(),
            role: who.role.clone(),
            takv: who.platform.clone(),
            address: client.peer.to_string(),
            listener: client.listener.name.clone(),
            groups: client.groups().send.clone(),
            at: clock::now_ms(),
        };
        drop(who);
        self.queue.put(Item::Session(session));
    }

    /// A connection is gone, and these contacts with it. Never waits.
    pub fn gone(&self, client: &Client, why: Leave, departed: &[Departed], at: i64) {
        if client.internal() || !client.identified() {
            return;
        }
        let uids = departed.iter().map(|d| d.uid.clone()).collect();
        self.queue.put(Item::Goodbye(Goodbye { conn: client.conn, uids, reason: why.name(), at }));
    }

    /// Waits a moment until what was routed before is stored.
    pub fn fresh(&self) {
        self.queue.flush(FRESH);
    }

    /// The same for whoever copies the database: waits up to `limit`. False = something is still queued.
    pub fn flush(&self, limit: Duration) -> bool {
        self.queue.flush(limit)
    }
}

#[cfg(test)]
pub(crate) mod tests;
