//! Destination kinds of `<dest>` that the core does not resolve itself: `mission`, `mission-guid` and whatever a plugin
//! brings. A kind nobody bound adds no receiver and is counted; it never widens to a broadcast (RULE-54).

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::RwLock;

use super::{Source, hooks::Seen};
use crate::directory::Client;

/// What a binding says about one destination.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// Who gets it; groups are not applied (RULE-56).
    Audience(Arc<Members>),
    /// A plugin holds the event and lets it go when it has stored it.
    Hold(Arc<dyn Hold>),
    /// Its plugin is disabled or has failed: it goes to nobody.
    Down,
    /// The sender may not send there.
    NotWriter,
    /// No such name.
    Unknown,
}

/// The connections of an audience: slot and number, sorted. A slot that somebody else has got meanwhile is noticed by
/// the number (decision 96), whatever order things were read in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members(Vec<(u32, u64)>);

impl Members {
    /// Of these (slot, connection).
    pub fn of(all: impl IntoIterator<Item = (u32, u64)>) -> Self {
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    /// Is this client one of them?
    pub fn contains(&self, client: &Client) -> bool {
        self.0.binary_search(&(client.slot, client.conn)).is_ok()
    }

    /// (slot, connection) of each.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.0.iter().copied()
    }
}

/// Takes events of destinations that are held. Must not wait: it queues.
pub trait Hold: Send + Sync + std::fmt::Debug {
    /// Its consumer in the journal.
    fn consumer(&self) -> Arc<str>;
    /// Takes one. False = its plugin is down; the event goes nowhere.
    fn hold(&self, seen: Arc<Seen>) -> bool;
}

/// Resolves destinations of one kind. Called on the sender's task: quick, no waiting.
pub trait Binding: Send + Sync {
    /// Who gets an event of this source for the destination called `name`.
    fn resolve(&self, name: &str, source: &Source<'_>) -> Resolved;
}

/// The table of kinds. A kind belongs to one owner.
#[derive(Default)]
pub struct Destinations {
    kinds: RwLock<HashMap<String, Arc<dyn Binding>>>,
    count: AtomicUsize,
}

impl Destinations {
    /// Binds an attribute name of `<dest>`. False when somebody has it already.
    pub fn bind(&self, kind: &str, binding: Arc<dyn Binding>) -> bool {
        let mut kinds = self.kinds.write();
        if kinds.contains_key(kind) {
            return false;
        }
        kinds.insert(kind.to_owned(), binding);
        self.count.store(kinds.len(), Relaxed);
        true
    }

    /// Takes a kind back.
    pub fn unbind(&self, kind: &str) {
        let mut kinds = self.kinds.write();
        kinds.remove(kind);
        self.count.store(kinds.len(), Relaxed);
    }

    /// Is any kind bound?
    pub fn any(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    /// The binding of a kind.
    pub fn get(&self, kind: &str) -> Option<Arc<dyn Binding>> {
        self.kinds.read().get(kind).cloned()
    }
}
