//! The plugin host.
//!
//! A plugin's way: `find` its file, `file` copies and checks it (`elf`, `fit`) before `load` opens it; `lifecycle` checks
//! its configuration, starts it in the `order` of dependencies, reloads and stops it; `host` and `services` are what it
//! may call, `bridge`, `hooks` and `worker` how it is called, `guard` what a thread does for whom. `supervise` trips and
//! restarts, `quarantine` leaves out what crashed the server. [`Plugin`] is a plugin by name, [`Generation`] one start
//! of it.
//!
//! Locks: `changes` (one change of anybody's life at a time), then a plugin's own, which are all short. No lock is held
//! across a call into a plugin.
mod asked;
pub mod audience;
mod bridge;
pub mod charge;
mod contacts;
pub mod dest;
pub mod elf;
pub mod file;
pub mod find;
pub mod fit;
mod generation;
pub mod guard;
mod hands;
mod hooks;
mod host;
mod import;
mod keep;
mod lifecycle;
pub mod linked;
pub mod load;
mod order;
pub mod overrides;
mod plugin;
mod poison;
mod put_off;
pub mod quarantine;
mod queue;
pub mod refused;
mod replay;
mod report;
pub mod secret;
pub mod services;
pub mod shown;
mod source;
mod start;
mod stats;
mod supervise;
mod vigil;
mod watch;
mod worker;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use fts_plugin_api::message::{Panic, ServerInfo};
use parking_lot::{Mutex, RwLock};

#[cfg(test)]
mod cost_tests;

pub use generation::Generation;
pub use import::ImportError;
pub use keep::FileKeeper;
pub use lifecycle::Change;
pub use plugin::{Library, Plugin, Standing, State};

use self::services::{Seats, links::Links};
use crate::{
    config::Config,
    http::{mux::Mux, native::Native},
    route::Router,
    store::journal::Consumer,
};

/// A worker longer than this in one handler is stuck.
pub const STUCK: Duration = Duration::from_secs(30);
/// The consumer of a plugin's reliable observers.
const OBSERVE: &str = "observe";
/// The consumer of its held events.
const HOLD: &str = "hold";

/// Where a key of the configuration was set (`fts.toml:41`).
pub type PlaceOf = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What the host needs of the rest of the server.
pub struct Parts {
    /// Routing.
    pub router: Arc<Router>,
    /// HTTP routes.
    pub mux: Arc<Mux>,
    /// Links.
    pub links: Links,
    /// The runtime, for waiting from plain threads.
    pub runtime: tokio::runtime::Handle,
    /// Where a key of the configuration was set (`fts.toml:41`).
    pub place_of: PlaceOf,
    /// About the server.
    pub about: Box<dyn Fn() -> ServerInfo + Send + Sync>,
    /// `--no-quarantine` was not given and `plugins.quarantine` is on.
    pub quarantine: bool,
}

/// See the file's head.
pub struct Plugins {
    /// Routing.
    pub router: Arc<Router>,
    /// HTTP routes.
    pub mux: Arc<Mux>,
    links: Links,
    runtime: tokio::runtime::Handle,
    place_of: PlaceOf,
    about: Box<dyn Fn() -> ServerInfo + Send + Sync>,
    obey_quarantine: bool,
    /// Who provides which typed service.
    pub seats: Seats,
    kinds: Mutex<HashMap<String, Arc<str>>>,
    refreshing: Mutex<()>,
    by_name: RwLock<BTreeMap<Arc<str>, Arc<Plugin>>>,
    quarantined: Mutex<Option<quarantine::Quarantine>>,
    changes: Mutex<()>,
    wishes: supervise::Wishes,
    vigil: vigil::Vigil,
    native: OnceLock<Weak<Native>>,
    config: ArcSwap<Config>,
    loads: AtomicU64,
    run: AtomicU64,
    ending: AtomicBool,
}

impl Plugins {
    /// Nobody yet.
    pub fn new(parts: Parts, config: Arc<Config>) -> Arc<Self> {
        let plugins = Arc::new(Self {
            router: parts.router,
            mux: parts.mux,
            links: parts.links,
            runtime: parts.runtime,
            place_of: parts.place_of,
            about: parts.about,
            obey_quarantine: parts.quarantine,
            seats: Seats::default(),
            kinds: Mutex::default(),
            refreshing: Mutex::default(),
            by_name: RwLock::default(),
            quarantined: Mutex::new(None),
            changes: Mutex::new(()),
            wishes: supervise::Wishes::default(),
            vigil: vigil::Vigil::default(),
            native: OnceLock::new(),
            config: ArcSwap::from(config),
            loads: AtomicU64::new(0),
            run: AtomicU64::new(0),
            ending: AtomicBool::new(false),
        });
        supervise::begin(&plugins);
        plugins
    }

    /// What the core's endpoints work with, for services that offer the same; once, before plugins start.
    pub fn set_native(&self, native: &Arc<Native>) {
        let _ = self.native.set(Arc::downgrade(native));
    }

    /// None where there is no server around the plugins.
    fn native(&self) -> Option<Arc<Native>> {
        self.native.get()?.upgrade()
    }

    /// By name.
    pub fn get(&self, name: &str) -> Option<Arc<Plugin>> {
        self.by_name.read().get(name).cloned()
    }

    /// Does this while no library is being loaded.
    pub fn between_changes<T>(&self, what: impl FnOnce() -> T) -> T {
        let _one = self.changes.lock();
        what()
    }

    /// All, by name.
    pub fn all(&self) -> Vec<Arc<Plugin>> {
        self.by_name.read().values().cloned().collect()
    }

    /// The number of this run in the ids of the journal.
    pub fn run(&self) -> u64 {
        self.run.load(Relaxed)
    }

    /// `plugin-data/<name>`.
    pub fn data_of(&self, name: &str) -> PathBuf {
        self.config.load().server.data_dir.join("plugin-data").join(name)
    }

    /// `plugin-data/<name>`, made if need be, for the server's user only.
    ///
    /// # Errors
    /// What the system says.
    pub fn own_dir(&self, name: &str) -> io::Result<PathBuf> {
        let dir = self.data_of(name);
        private_dir(&dir)?;
        Ok(dir)
    }

    /// A handler panicked. True = its plugin is tripped for it.
    pub fn panicked(&self, plugin: &Arc<Plugin>, panic: &Panic) -> bool {
        let over = plugin.panicked(panic) && plugin.state() == State::Running;
        if over {
            self.trip(
                plugin,
                format!("three panics within a minute, the last in {} at {}", panic.handler, panic.place),
            );
        }
        over
    }

    /// Takes a plugin out of everybody's way; it comes back by itself. Returns at once.
    pub fn trip(&self, plugin: &Arc<Plugin>, why: String) {
        self.wishes.trip(plugin, why);
    }

    /// The router's table follows what runs.
    fn refresh(self: &Arc<Self>) {
        // Two at once: the table of the one that looked first must not be the last.
        let _one = self.refreshing.lock();
        self.router.hooks.store(Arc::new(hooks::table(self)));
    }
}

/// Makes a folder that only the server's user may enter.
///
/// # Errors
/// What the system says.
fn private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// What a plugin can be granted (plugins.md 1.1). The guide has the same table (`guide/shipping.rs`).
pub const CAPABILITIES: [&str; 11] = [
    "intercept",
    "bind-dest",
    "provide",
    "remote-contacts",
    "routes",
    "open-routes",
    "listen",
    "net",
    "kick",
    "certs.issue",
    "tokens",
];

/// Has this plugin the capability: shipped with the server, or granted in its table?
fn capable(plugin: &Plugin, capability: &str) -> bool {
    find::SHIPPED.contains(&&*plugin.name) || plugin.table.lock().host.capabilities.iter().any(|c| c == capability)
}

/// Plugins do not hide each other's events from newcomers.
fn shelf_key(plugin: &str, uid: &str) -> String {
    format!("{plugin} {uid}")
}

/// The name of the consumer of a plugin's observers.
fn observe_consumer(plugin: &str) -> Arc<str> {
    format!("{OBSERVE}:{plugin}").into()
}

/// The name of the consumer of a plugin's held events.
fn hold_consumer(plugin: &str) -> Arc<str> {
    format!("{HOLD}:{plugin}").into()
}

/// A consumer of a plugin, if there is a journal.
fn consumer(plugins: &Plugins, plugin: &Plugin, which: &'static str) -> Option<Consumer> {
    let journal = plugins.router.journal.get()?;
    let mut all = plugin.consumers.lock();
    Some(all.entry(which).or_insert_with(|| journal.consumer(&format!("{which}:{}", plugin.name))).clone())
}

/// A plugin is done with an event.
fn done_with(plugins: &Plugins, plugin: &Plugin, which: &'static str, id: u64) {
    if id != 0
        && let Some(consumer) = consumer(plugins, plugin, which)
    {
        consumer.done(id);
    }
}

/// A held event that nobody gets: its holder is done with it, and observers, who see what was let go, do not wait for
/// it. Reads the journal.
fn goes_nowhere(plugins: &Plugins, plugin: &Plugin, id: u64) {
    let Some(journal) = plugins.router.journal.get().filter(|_| id != 0) else { return };
    let consumers = journal.read(id).map(|record| record.consumers).unwrap_or_default();
    done_with(plugins, plugin, HOLD, id);
    let holds = |c: &&Arc<str>| c.strip_prefix(HOLD).is_some_and(|rest| rest.starts_with(':'));
    // Another holder may still let it go.
    if consumers.iter().filter(holds).all(|c| **c == *hold_consumer(&plugin.name)) {
        consumers.iter().filter(|c| !holds(c)).for_each(|c| journal.consumer(c).done(id));
    }
}

/// The same where only what is at hand may be used.
fn done(plugin: &Plugin, which: &'static str, id: u64) {
    if let Some(consumer) = plugin.consumers.lock().get(which) {
        consumer.done(id);
    }
}
