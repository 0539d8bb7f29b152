//! [`Generation`]: one start of a plugin, with everything it registered. When it is over, every call of it answers
//! `Gone`, and its handlers are dropped under a guard.
//!
//! Handlers are registered while `start` runs; then the set is fixed.
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use arc_swap::ArcSwapOption;
use fts_plugin_api::{
    abi::{CallerBox, HandleBox, InterceptBox, ObserveBox},
    message::{Band, CallerKind, Hello, InterceptSpec, Listen, Manifest, ObserveSpec, Phase},
};
use parking_lot::Mutex;

use super::{Plugin, Plugins, charge::Tag, hands::Hands, services::links::LinkSet, stats::Stats};
use crate::{
    http::mux::Staged,
    route::{Pace, hooks::Wanted},
};

/// One handler with its figures.
pub struct Handler<S, H> {
    /// What it asked for.
    pub spec: S,
    /// Which events.
    pub wanted: Wanted,
    /// The object in the plugin.
    pub object: H,
    /// Calls and times.
    pub stats: Stats,
    /// For crashes.
    pub tag: &'static Tag,
}

/// An intercept.
pub type InterceptHandler = Handler<InterceptSpec, InterceptBox>;
/// An observer.
pub type ObserveHandler = Handler<ObserveSpec, ObserveBox>;
/// Anything else.
pub type CallHandler = Handler<CallerKind, CallerBox>;

/// Everything registered.
#[derive(Default)]
pub struct Registered {
    /// In order of registration.
    pub intercepts: Vec<Arc<InterceptHandler>>,
    /// In order of registration.
    pub observers: Vec<Arc<ObserveHandler>>,
    /// In order of registration.
    pub callers: Vec<Arc<CallHandler>>,
}

/// See the file's head.
pub struct Generation {
    /// Whose.
    pub plugin: Arc<Plugin>,
    /// From 1.
    pub number: u32,
    /// What it is told first.
    pub hello: Hello,
    /// What it said about itself.
    pub manifest: OnceLock<Manifest>,
    /// Its handlers.
    pub registered: Mutex<Registered>,
    /// The same once `start` returned; None again when it is over.
    pub handlers: ArcSwapOption<Registered>,
    fixed: AtomicBool,
    /// What its intercepts with a key listen to now, where that is not what they were registered with.
    pub listening: Mutex<std::collections::HashMap<String, Listen>>,
    /// Its routes until they are committed.
    pub routes: Mutex<Option<Staged>>,
    /// The running plugin.
    pub handle: Mutex<Option<HandleBox>>,
    /// Events its worker has taken and is not done with.
    pub hands: Hands,
    /// Its links; made when it asks for the first.
    pub links: OnceLock<LinkSet>,
    /// Audiences, bindings and the like that it declared again; the rest of the former generation's is undone.
    pub declared: Mutex<std::collections::HashSet<String>>,
    /// Events it waits for, by its own numbers.
    pub tickets: Mutex<std::collections::HashMap<u64, crate::store::history::Ticket>>,
    /// Cursors of its database.
    pub cursors: Mutex<std::collections::HashMap<u64, crate::store::database::Cursor>>,
    alive: AtomicBool,
    /// How fast it may send.
    pub pace: Arc<Pace>,
    counter: AtomicU64,
}

impl Generation {
    /// Not started yet.
    pub fn new(plugin: Arc<Plugin>, number: u32, hello: Hello, routes: Option<Staged>) -> Arc<Self> {
        Arc::new(Self {
            plugin,
            number,
            hello,
            manifest: OnceLock::new(),
            registered: Mutex::default(),
            handlers: ArcSwapOption::empty(),
            fixed: AtomicBool::new(false),
            listening: Mutex::default(),
            routes: Mutex::new(routes),
            handle: Mutex::new(None),
            hands: Hands::default(),
            links: OnceLock::new(),
            declared: Mutex::default(),
            tickets: Mutex::default(),
            cursors: Mutex::default(),
            alive: AtomicBool::new(true),
            pace: Arc::default(),
            counter: AtomicU64::new(0),
        })
    }

    /// Its plugin's name.
    pub fn name(&self) -> &Arc<str> {
        &self.plugin.name
    }

    /// Does `start` still run?
    pub fn starting(&self) -> bool {
        !self.fixed.load(Relaxed) && self.hello.phase == Phase::Run
    }

    /// Is it not over?
    pub fn alive(&self) -> bool {
        self.alive.load(Relaxed)
    }

    /// Every call of it answers `Gone` from now on.
    pub fn revoke(&self) {
        self.alive.store(false, Relaxed);
    }

    /// A number not used before in this generation.
    pub fn number(&self) -> u64 {
        self.counter.fetch_add(1, Relaxed) + 1
    }

    /// The set of handlers is complete.
    pub fn fix(&self, registered: Registered) {
        self.fixed.store(true, Relaxed);
        self.handlers.store(Some(Arc::new(registered)));
    }

    /// What an intercept asks for now.
    pub fn spec_of(&self, handler: &InterceptHandler) -> InterceptSpec {
        let spec = handler.spec.clone();
        match self.listening.lock().get(&spec.key) {
            Some(now) => {
                let Listen { types, details, own, .. } = now.clone();
                InterceptSpec { types, details, own, ..spec }
            }
            None => spec,
        }
    }

    /// Has an intercept this key?
    pub fn has_key(&self, key: &str) -> bool {
        let has = |registered: &Registered| registered.intercepts.iter().any(|i| i.spec.key == key);
        !key.is_empty() && (has(&self.registered.lock()) || self.handlers.load().as_deref().is_some_and(has))
    }

    /// What its intercepts in the band Guard ask for now.
    pub fn guards(&self, registered: &Registered) -> Vec<InterceptSpec> {
        let guards = registered.intercepts.iter().filter(|h| h.spec.band == Band::Guard);
        guards.map(|h| self.spec_of(h)).collect()
    }

    /// Callers of this kind.
    pub fn callers(&self, wanted: impl Fn(&CallerKind) -> bool) -> Vec<Arc<CallHandler>> {
        let handlers = self.handlers.load();
        handlers.iter().flat_map(|r| &r.callers).filter(|c| wanted(&c.spec)).cloned().collect()
    }

    /// What the former generation declared and this one did not is undone.
    pub fn keep_declared(&self, plugins: &Plugins) {
        let (plugin, declared) = (&self.plugin, self.declared.lock().clone());
        plugin.bindings.keep_only(|kind, name| declared.contains(&format!("dest {kind} {name}")));
        plugin.audiences.keep_only(|name| declared.contains(&format!("audience {name}")));
        plugin.shown.lock().retain(|uid| {
            let keep = declared.contains(&format!("shown {uid}"));
            if !keep {
                plugins.router.directory.shown.remove(&super::shelf_key(&plugin.name, uid), None);
            }
            keep
        });
    }
}
