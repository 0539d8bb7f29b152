//! Routing (cot.md 5): admit -> intercept -> notice -> turn -> address -> audience -> deliver -> observe; one file per step.
//!
//! A session opens a [`Batch`] per read, gives it each accepted frame and finishes it: then its events wait for the turn
//! in which they leave, in order, with one lock and at most one wake-up per receiver and run. Every refusal has a [`Reason`]. What must not happen: an
//! event with a recognised destination never becomes a broadcast (RULE-51), no receiver out of reach gets anything
//! (RULE-78), and nobody waits for a receiver.
mod address;
mod admit;
mod audience;
mod bundle;
mod chat;
mod deliver;
mod destination;
pub mod hooks;
pub mod inject;
mod intercept;
mod keep;
mod limit;
mod made;
mod notice;
mod offer;
mod outgoing;
mod pace;
mod policy;
mod reason;
mod regroup;
mod sender_url;
mod source;
mod tap;
mod turn;
mod waiting;
pub mod why;

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use arc_swap::ArcSwap;

pub use address::Address;
pub use admit::Batch;
pub use destination::{Binding, Destinations, Hold, Members, Resolved};
pub use made::Made;
pub use notice::is_map_item;
pub use offer::Offers;
pub use outgoing::LetGo;
pub use pace::Pace;
pub use policy::Policy;
pub use reason::Reason;
pub use regroup::Regrouped;
pub use source::{FromPlugin, Owned, Source};
pub use tap::{Tap, TapEvent};
pub use turn::{Done, Pending};

use crate::{
    config::Config,
    directory::{Client, Directory, Leave},
    store::{history::History, journal::Journal},
};

/// The router: one per server, shared by all sessions.
pub struct Router {
    /// Who is there.
    pub directory: Arc<Directory>,
    /// What plugins have it ask or tell.
    pub hooks: ArcSwap<hooks::Table>,
    /// Where reliable events are before they are delivered, when somebody must not lose them.
    pub journal: std::sync::OnceLock<Arc<Journal>>,
    /// Where events, tracks and sessions are recorded.
    pub history: std::sync::OnceLock<Arc<History>>,
    /// Who is told of connections.
    pub watch: std::sync::OnceLock<Arc<dyn Watch>>,
    /// Who offers events that are too big for a client as files; only where HTTP is on.
    pub offers: std::sync::OnceLock<Arc<dyn Offers>>,
    /// Kinds of destinations that are not built in.
    pub destinations: Destinations,
    /// Why who got what.
    pub why: why::Record,
    /// Live copies for `fts tail-cot`.
    pub tap: Tap,
    /// What is added to the events of some uids.
    pub injectors: inject::Injectors,
    policy: ArcSwap<Policy>,
    acks: address::Acks,
    turn: turn::Turn,
    limits: limit::Limits,
    events: AtomicU64,
    /// Connections that speak protobuf.
    protos: AtomicUsize,
    totals: Totals,
}

/// Is told what happens to connections, on their tasks: must not wait.
pub trait Watch: Send + Sync {
    /// It is there.
    fn connected(&self, client: &Arc<Client>);
    /// It told who it is, or changed that.
    fn identified(&self, client: &Arc<Client>);
    /// It has been shown who else is there.
    fn ready(&self, client: &Arc<Client>);
    /// It is gone.
    fn gone(&self, client: &Arc<Client>, why: Leave);
}

/// The hash events carry of their uid (as written).
pub fn uid_hash(raw: &str) -> u64 {
    std::hash::BuildHasher::hash_one(&*notice::HASHER, raw)
}

/// Totals for `fts status`.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct Totals {
    pub received: AtomicU64,
    pub routed: AtomicU64,
    pub delivered: AtomicU64,
}

impl Router {
    /// A router over this directory.
    pub fn new(directory: Arc<Directory>, config: Arc<Config>) -> Self {
        Reason::register();
        crate::observe::meters::meters();
        Self {
            directory,
            hooks: ArcSwap::default(),
            journal: std::sync::OnceLock::new(),
            history: std::sync::OnceLock::new(),
            watch: std::sync::OnceLock::new(),
            offers: std::sync::OnceLock::new(),
            destinations: Destinations::default(),
            why: why::Record::new(config.why.events, config.why.per_uid),
            tap: Tap::default(),
            injectors: inject::Injectors::default(),
            policy: ArcSwap::from_pointee(Policy::new(config)),
            acks: address::Acks::default(),
            turn: turn::Turn::default(),
            limits: limit::Limits::default(),
            events: AtomicU64::new(0),
            protos: AtomicUsize::new(0),
            totals: Totals::default(),
        }
    }

    /// The policy of this moment.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// A look at the policy without keeping it.
    pub fn with_policy<T>(&self, look: impl FnOnce(&Policy) -> T) -> T {
        look(&self.policy.load())
    }

    /// Exchanges the policy (reload, memory pressure).
    pub fn set_policy(&self, policy: Policy) {
        self.policy.store(Arc::new(policy));
    }

    /// The number of the next event.
    pub fn next_id(&self) -> u64 {
        self.events.fetch_add(1, Relaxed) + 1
    }

    /// A connection began or ended to speak protobuf.
    pub fn protobuf(&self, on: bool) {
        if on {
            self.protos.fetch_add(1, Relaxed)
        } else {
            self.protos.fetch_sub(1, Relaxed)
        };
    }

    /// Totals for status.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Forgets what is too old to matter; called every few seconds.
    pub fn sweep(&self, now: i64) {
        self.acks.sweep(now);
        self.limits.sweep(now);
    }
}

#[cfg(test)]
mod bundle_tests;
#[cfg(test)]
mod prop_tests;
