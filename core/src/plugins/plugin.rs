//! [`Plugin`]: a plugin by name, whatever generation of it runs: state, queue, audiences, database, panics. What a
//! generation owned stays here over a reload; [`super::lifecycle`] undoes what the next one does not declare again.
use std::{
    collections::{HashMap, HashSet, VecDeque},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use fts_plugin_api::{
    abi::Info,
    message::{InterceptSpec, Level, Manifest, Panic, Status},
};
use parking_lot::Mutex;
use serde::Serialize;

use super::{
    audience::Audiences,
    contacts::Contacts,
    generation::Generation,
    queue::{Marks, Queue},
};
use crate::{
    config::PluginTable,
    http::calls::CallLimits,
    route::hooks::ObserverOf,
    store::{database::Database, journal::Consumer},
};

/// Where a plugin is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its file was found.
    Found,
    /// Its file was read and checked.
    Loaded,
    /// `start` runs.
    Starting,
    /// It runs.
    Running,
    /// It ends.
    Stopping,
    /// It was disabled.
    Stopped,
    /// It cannot be loaded here.
    Refused,
    /// Its start failed.
    Failed,
    /// It panicked too often, or held everybody up.
    Tripped,
    /// It crashed the server twice.
    Quarantined,
}

impl State {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            State::Found => "found",
            State::Loaded => "loaded",
            State::Starting => "starting",
            State::Running => "running",
            State::Stopping => "stopping",
            State::Stopped => "stopped",
            State::Refused => "refused",
            State::Failed => "failed",
            State::Tripped => "tripped",
            State::Quarantined => "quarantined",
        }
    }
}

/// State with its report.
#[derive(Clone, Debug)]
pub struct Standing {
    /// See [`State`].
    pub state: State,
    /// One line.
    pub report: String,
    /// Since when, ms UTC.
    pub since: i64,
}

/// What is known of the library that runs.
#[derive(Clone)]
pub struct Library {
    /// Where it came from; None = linked in.
    pub file: Option<PathBuf>,
    /// Hash of the file.
    pub sha256: String,
    /// What it says about itself.
    pub info: Info,
    /// How to start it.
    pub module: fts_plugin_api::abi::PluginModule_Ref,
    /// Things an operator should know.
    pub warnings: Vec<String>,
    /// Bytes of the image.
    pub size: u64,
}

/// What the worker is doing.
#[derive(Clone, Debug)]
pub struct Busy {
    /// Which handler.
    pub handler: String,
    /// Since when.
    pub since: Instant,
}

/// See the file's head.
pub struct Plugin {
    /// Its name.
    pub name: Arc<str>,
    /// Its table.
    pub table: Mutex<PluginTable>,
    /// What runs.
    pub generation: ArcSwapOption<Generation>,
    /// The library of what runs.
    pub library: Mutex<Option<Library>>,
    /// What waits for its worker.
    pub queue: Arc<Queue>,
    /// Its audiences.
    pub audiences: Audiences,
    /// Kinds and names it bound.
    pub bindings: super::dest::Bindings,
    /// Limits of its HTTP calls.
    pub calls: Arc<CallLimits>,
    /// Its consumers in the journal: observers, holder.
    pub consumers: Mutex<HashMap<&'static str, Consumer>>,
    /// Bytes of images of old generations, which stay for ever.
    pub resident: Mutex<Vec<u64>>,
    /// What the worker is in, if anything.
    pub busy: Mutex<Option<Busy>>,
    /// Panics so far.
    pub panics: AtomicU64,
    /// Held events that went nowhere.
    pub undelivered: AtomicU64,
    /// Restarts after it tripped, for the growing pauses.
    pub restarts: AtomicU32,
    /// How often each reliable event made a handler panic.
    pub poisoned: Mutex<HashMap<u64, u8>>,
    /// Its intercepts in the band Guard: they stay when it is down.
    pub guards: Mutex<Vec<InterceptSpec>>,
    /// Calls into generations that are over.
    pub calls_before: AtomicU64,
    /// What its observers want of the router.
    pub watching: Mutex<Vec<ObserverOf>>,
    /// It wants to know what happens to connections.
    pub wants_clients: AtomicBool,
    /// It was told who was there when it first started.
    pub greeted: AtomicBool,
    /// Its worker's thread.
    pub worker: Mutex<Option<JoinHandle<()>>>,
    /// What it said about itself.
    pub manifest: Mutex<Option<Manifest>>,
    /// The copy of its database from before a new migration, while a start is under way.
    pub copied: Mutex<Option<PathBuf>>,
    /// Its remote contacts.
    pub contacts: Mutex<Contacts>,
    /// Events it has newcomers shown.
    pub shown: Mutex<HashSet<String>>,
    /// Its worker is in one handler for too long.
    pub stuck: AtomicBool,
    /// Which one.
    pub stuck_in: Mutex<Option<String>>,
    standing: Mutex<Standing>,
    status: Mutex<Status>,
    recent: Mutex<VecDeque<Instant>>,
    overruns: Mutex<VecDeque<Instant>>,
    database: Mutex<Option<Database>>,
    numbers: AtomicU32,
}

/// Cursors into its database besides those of requests.
const CURSORS: usize = 16;
/// This many panics within a minute trip it.
const PANICS: usize = 3;
/// This many intercepts of over 5 ms within a minute trip it; so many are a warning.
const OVERRUNS: usize = 10;
const OVERRUNS_WARN: usize = 3;
const MINUTE: Duration = Duration::from_secs(60);

impl Plugin {
    /// Found, not loaded.
    pub fn new(name: &str, table: PluginTable, calls: Arc<CallLimits>) -> Arc<Self> {
        let marks = Marks { items: table.host.queue_items, bytes: table.host.queue_bytes };
        Arc::new(Self {
            name: name.into(),
            table: Mutex::new(table),
            generation: ArcSwapOption::empty(),
            library: Mutex::new(None),
            queue: Arc::new(Queue::new(marks)),
            audiences: Audiences::default(),
            bindings: super::dest::Bindings::default(),
            calls,
            consumers: Mutex::default(),
            resident: Mutex::default(),
            busy: Mutex::new(None),
            panics: AtomicU64::new(0),
            undelivered: AtomicU64::new(0),
            restarts: AtomicU32::new(0),
            poisoned: Mutex::default(),
            guards: Mutex::default(),
            calls_before: AtomicU64::new(0),
            watching: Mutex::default(),
            wants_clients: AtomicBool::new(false),
            greeted: AtomicBool::new(false),
            worker: Mutex::new(None),
            manifest: Mutex::new(None),
            copied: Mutex::new(None),
            contacts: Mutex::default(),
            shown: Mutex::default(),
            stuck: AtomicBool::new(false),
            stuck_in: Mutex::new(None),
            standing: Mutex::new(Standing {
                state: State::Found,
                report: String::new(),
                since: crate::observe::clock::now_ms(),
            }),
            status: Mutex::default(),
            recent: Mutex::default(),
            overruns: Mutex::default(),
            database: Mutex::new(None),
            numbers: AtomicU32::new(0),
        })
    }

    /// Where it is.
    pub fn standing(&self) -> Standing {
        self.standing.lock().clone()
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.standing.lock().state
    }

    /// It is there now, for this reason.
    pub fn set_state(&self, state: State, report: impl Into<String>) {
        let report = report.into();
        // Whoever reads the line may ask at once.
        *self.standing.lock() = Standing { state, report: report.clone(), since: crate::observe::clock::now_ms() };
        metrics::gauge!("fts_plugin_up", "plugin" => self.name.to_string())
            .set(f64::from(u8::from(state == State::Running)));
        match state {
            State::Failed | State::Tripped | State::Refused | State::Quarantined => {
                tracing::error!(event = "plugin.state", plugin = %self.name, state = state.name(), "{report}");
            }
            _ => tracing::info!(event = "plugin.state", plugin = %self.name, state = state.name(), "{report}"),
        }
    }

    /// What the plugin says about itself.
    pub fn status(&self) -> Status {
        self.status.lock().clone()
    }

    /// The plugin says how it fares.
    pub fn set_status(&self, status: Status) {
        let mut current = self.status.lock();
        if *current != status {
            match status.level {
                Level::Ok => tracing::info!(event = "plugin.status", plugin = %self.name, "{}", status.text),
                Level::Warn => tracing::warn!(event = "plugin.status", plugin = %self.name, "{}", status.text),
                Level::Error => tracing::error!(event = "plugin.status", plugin = %self.name, "{}", status.text),
            }
            *current = status;
        }
    }

    /// The number of the next generation.
    pub fn next_number(&self) -> u32 {
        self.numbers.fetch_add(1, Relaxed) + 1
    }

    /// A handler panicked: counted and told.
    pub fn note_panic(&self, panic: &Panic) {
        self.panics.fetch_add(1, Relaxed);
        metrics::counter!("fts_plugin_panics_total", "plugin" => self.name.to_string()).increment(1);
        tracing::error!(event = "plugin.panic", plugin = %self.name, handler = panic.handler, place = panic.place, "{}", panic.message);
    }

    /// The same, and it counts towards tripping. True = that was one too many.
    pub fn panicked(&self, panic: &Panic) -> bool {
        self.note_panic(panic);
        over(&mut self.recent.lock(), PANICS)
    }

    /// An intercept used more than 5 ms of its thread. True = that was one too many.
    pub fn overran(&self, handler: &str, took: Duration) -> bool {
        let mut overruns = self.overruns.lock();
        let over = over(&mut overruns, OVERRUNS);
        if overruns.len() == OVERRUNS_WARN {
            tracing::warn!(event = "plugin.slow", plugin = %self.name, handler, ms = took.as_millis() as u64, "an intercept holds up senders");
        }
        over
    }

    /// A new start: nothing is held against it any more.
    pub fn forgive(&self) {
        self.recent.lock().clear();
        self.overruns.lock().clear();
        *self.status.lock() = Status::default();
    }

    /// Its database; opened when it is first used.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn database(&self, dir: &std::path::Path) -> Result<Database, crate::store::database::StoreError> {
        let mut database = self.database.lock();
        if let Some(open) = database.as_ref().filter(|d| !d.is_closed()) {
            return Ok(open.clone());
        }
        // Every request under way may have one, and the worker.
        let cursors = self.table.lock().host.http_concurrency + CURSORS;
        let options = crate::store::database::Options { confined: true, cursors, ..Default::default() };
        let open = Database::open(&dir.join("data.db"), options)?;
        *database = Some(open.clone());
        Ok(open)
    }

    /// Calls into it so far, whatever generation.
    pub fn calls_so_far(&self) -> u64 {
        let generation = self.generation.load_full();
        self.calls_before.load(Relaxed) + generation.map_or(0, |g| Self::calls_of(&g))
    }

    /// Calls into one generation.
    pub fn calls_of(generation: &Generation) -> u64 {
        let Some(registered) = generation.handlers.load_full() else { return 0 };
        let intercepts = registered.intercepts.iter().map(|h| h.stats.calls());
        let observers = registered.observers.iter().map(|h| h.stats.calls());
        intercepts.chain(observers).chain(registered.callers.iter().map(|h| h.stats.calls())).sum()
    }

    /// The database, when it is open.
    pub fn open_database(&self) -> Option<Database> {
        self.database.lock().clone()
    }
}

/// Notes one more; true when there were `most` within a minute.
fn over(recent: &mut VecDeque<Instant>, most: usize) -> bool {
    let now = Instant::now();
    recent.push_back(now);
    recent.retain(|at| now.duration_since(*at) < MINUTE);
    recent.len() >= most
}
