//! [`Shared`]: everything the mock knows. The lock of [`State`] is never held while the plugin is called.
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

use super::{
    context::{self, Context},
    database::Database,
    files::Files,
    http::Route,
    links::LinkState,
    log::Log,
    provider::Fakes,
    record::Sent,
    worker::Job,
};
use crate::{
    abi::{self, Failure, failure},
    cot::Cot,
    message::{
        BindDest, CallerKind, CertOrder, ClientInfo, Contact, InterceptSpec, Latest, LinkListen, Manifest, Member,
        ObserveSpec, Panic, Replay, Role, RouteInfo, ServerInfo, Status, StoredEvent, TrackPoint, UserInfo,
    },
    shim,
};

/// Something that belongs to the plugin's name and stays over a reload when the new generation declares it again.
pub(super) struct Owned<T> {
    pub value: T,
    pub generation: u64,
}

pub(super) struct Intercept {
    pub spec: InterceptSpec,
    pub handler: Arc<abi::InterceptBox>,
}

pub(super) struct Observer {
    pub spec: ObserveSpec,
    pub handler: abi::ObserveBox,
}

pub(super) struct Caller {
    pub kind: CallerKind,
    pub handler: abi::CallerBox,
}

pub(super) struct Timer {
    pub due: i64,
    /// None = once.
    pub every: Option<i64>,
    pub caller: Arc<Caller>,
}

/// What one generation registered.
#[derive(Default)]
pub(super) struct Handlers {
    /// In the order they are called.
    pub intercepts: Vec<Arc<Intercept>>,
    pub observers: Vec<Arc<Observer>>,
    pub routes: Vec<Arc<Route>>,
    pub callers: Vec<Arc<Caller>>,
    pub timers: Vec<Timer>,
}

/// An event in the plugin's hands.
pub(super) struct Held {
    pub cot: Cot,
    pub route: RouteInfo,
    /// Who got it at once, by callsign or uid, and the sender.
    pub done: BTreeSet<u64>,
}

#[derive(Default)]
pub(super) struct State {
    /// The plugin's.
    pub name: String,
    pub config: String,
    pub saved: Option<Vec<u8>>,
    pub server: ServerInfo,
    pub groups: Vec<String>,
    /// None = whatever the plugin asks for.
    pub granted: Option<BTreeSet<String>>,
    pub manifest: Manifest,
    pub handlers: Handlers,
    pub clients: BTreeMap<u64, ClientInfo>,
    /// Of connections, also of those that are gone.
    pub roles: HashMap<u64, Role>,
    pub last_conn: u64,
    pub audiences: BTreeMap<String, Owned<BTreeSet<Member>>>,
    pub bindings: BTreeMap<(String, String), Owned<BindDest>>,
    pub contacts: BTreeMap<String, Owned<Contact>>,
    pub replays: BTreeMap<String, Owned<Replay>>,
    pub latest: HashMap<String, Latest>,
    /// In the order they came.
    pub stored: Vec<StoredEvent>,
    pub points: Vec<TrackPoint>,
    pub kv: BTreeMap<String, Vec<u8>>,
    pub queue: VecDeque<Job>,
    pub held: BTreeMap<u64, Held>,
    pub last_journal: u64,
    /// Held events that the plugin could not store, and when they are given again, ms UTC.
    pub put_off: BTreeSet<u64>,
    pub put_off_until: i64,
    /// Events that are waited for: number, uid, until when.
    pub awaited: Vec<(u64, String, i64)>,
    pub links: BTreeMap<u64, LinkState>,
    pub listeners: BTreeMap<u64, LinkListen>,
    pub last_link: u64,
    pub fakes: Fakes,
    pub files: Files,
    pub users: Vec<UserInfo>,
    pub issued: Vec<CertOrder>,
    pub secrets: u64,
    pub faults: Vec<(String, Failure)>,
    pub sent: Vec<Sent>,
    pub received: HashMap<u64, Vec<Cot>>,
    pub panics: Vec<(i64, Panic)>,
    pub poisoned: Vec<(Cot, Panic)>,
    pub tripped: bool,
    pub status: Status,
    pub metrics: BTreeMap<String, f64>,
    pub published: Vec<(String, Vec<u8>)>,
    pub kicked: Vec<(u64, String)>,
}

pub(super) struct Shared {
    /// The plugin's.
    pub name: String,
    /// ms UTC.
    pub now: AtomicI64,
    /// The generation that may call; 0 = none.
    pub live: AtomicU64,
    /// The newest generation.
    pub generation: AtomicU64,
    /// When it started, ms UTC.
    pub started: AtomicI64,
    pub state: Mutex<State>,
    /// Something happened.
    pub changed: Condvar,
    pub database: Database,
    pub dir: PathBuf,
    pub log: Log,
}

/// Three panics in this time trip a plugin, ms.
const PANIC_WINDOW: i64 = 60_000;

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of a test with the lock held leaves plain data behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> i64 {
        self.now.load(Relaxed)
    }

    /// Calls the plugin: its log is captured, and the thread knows what it is doing.
    pub fn call<T>(&self, context: Context, f: impl FnOnce() -> T) -> T {
        let result = context::within(context, || self.log.capture(f));
        self.changed.notify_all();
        result
    }

    /// Notes a panic; the third within a minute trips the plugin.
    pub fn panicked(&self, panic: Panic) {
        let now = self.now();
        self.log.add(
            tracing::Level::ERROR,
            "testkit",
            format!("{} panicked at {}: {}", panic.handler, panic.place, panic.message),
        );
        let mut state = self.lock();
        state.panics.push((now, panic));
        let recent = state.panics.iter().filter(|(at, _)| now - at < PANIC_WINDOW).count();
        state.tripped |= recent >= 3;
    }

    /// A failure of a call into the plugin; a panic is noted.
    pub fn failed(&self, handler: &str, failure: &Failure) {
        if failure.code == failure::PANICKED {
            self.panicked(Panic {
                handler: handler.to_owned(),
                message: failure.message.to_string(),
                place: failure.place.to_string(),
            });
        } else {
            self.log.add(tracing::Level::WARN, "testkit", format!("{handler}: {}", failure.message));
        }
    }
}

impl State {
    /// A capability, or the failure that says how to get it.
    pub fn may(&self, capability: &str) -> Result<(), Failure> {
        let asked = self.manifest.capabilities.iter().any(|c| c == capability);
        let text = match &self.granted {
            _ if !asked => format!("name the capability {capability:?} in Plugin::CAPABILITIES"),
            Some(granted) if !granted.contains(capability) => {
                format!("the operator has not granted the capability {capability:?} (key `capabilities`)")
            }
            _ => return Ok(()),
        };
        Err(shim::failure(failure::FORBIDDEN, text))
    }
}
