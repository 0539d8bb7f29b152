//! Destinations a plugin binds: `<dest mission="x">` and the like, resolved by the router without a call into the plugin.
//!
//! A kind belongs to one plugin. The native check of who may send comes first; what is held then is queued for the
//! plugin. While the plugin is down its bindings stay and resolve to nobody: nothing becomes a broadcast.
use std::{
    collections::HashMap,
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
};

use fts_plugin_api::message::Mode;
use parking_lot::RwLock;

use super::{Plugin, State, audience::Audience};
use crate::route::{Binding, Hold, Resolved, Source, hooks::Seen};

/// One bound destination.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Who gets its events.
    pub deliver_to: Arc<Audience>,
    /// Who may send; None = everybody.
    pub may_send: Option<Arc<Audience>>,
    /// Deliver or hold.
    pub mode: Mode,
    /// Its name is a key: lower case, found in any.
    pub any_case: bool,
}

/// Bound names of one plugin, by kind.
#[derive(Debug, Default)]
pub struct Bindings {
    by_kind: RwLock<HashMap<String, HashMap<String, Bound>>>,
}

impl Bindings {
    /// Binds a name.
    pub fn set(&self, kind: &str, name: &str, bound: Bound) {
        self.by_kind.write().entry(kind.to_owned()).or_default().insert(name.to_owned(), bound);
    }

    /// Takes a name back; its key.
    pub fn remove(&self, kind: &str, name: &str) -> Option<String> {
        let mut all = self.by_kind.write();
        let names = all.get_mut(kind)?;
        let key = key(names, name)?;
        names.remove(&key);
        Some(key)
    }

    /// Kinds it has.
    pub fn kinds(&self) -> Vec<String> {
        self.by_kind.read().keys().cloned().collect()
    }

    /// Kind and number of names.
    pub fn list(&self) -> Vec<(String, usize)> {
        self.by_kind.read().iter().map(|(kind, names)| (kind.clone(), names.len())).collect()
    }

    /// Takes back what is not in `keep`.
    pub fn keep_only(&self, keep: impl Fn(&str, &str) -> bool) {
        for (kind, names) in self.by_kind.write().iter_mut() {
            names.retain(|name, _| keep(kind, name));
        }
    }

    fn get(&self, kind: &str, name: &str) -> Option<Bound> {
        let all = self.by_kind.read();
        let names = all.get(kind)?;
        // Nearly always as it was bound.
        names.get(name).or_else(|| names.get(&key(names, name)?)).cloned()
    }
}

/// What a name is bound by: itself, or in lower case where that is bound for any case.
fn key(names: &HashMap<String, Bound>, name: &str) -> Option<String> {
    if names.contains_key(name) {
        return Some(name.to_owned());
    }
    let lower = name.to_lowercase();
    names.get(&lower).is_some_and(|bound| bound.any_case).then_some(lower)
}

/// What the router asks about one kind.
pub struct KindOf {
    kind: String,
    plugin: Weak<Plugin>,
}

impl KindOf {
    /// Of this plugin.
    pub fn new(kind: &str, plugin: &Arc<Plugin>) -> Arc<Self> {
        Arc::new(Self { kind: kind.to_owned(), plugin: Arc::downgrade(plugin) })
    }
}

impl Binding for KindOf {
    fn resolve(&self, name: &str, source: &Source<'_>) -> Resolved {
        let Some(plugin) = self.plugin.upgrade() else { return Resolved::Unknown };
        let Some(bound) = plugin.bindings.get(&self.kind, name) else { return Resolved::Unknown };
        if let Some(writers) = &bound.may_send {
            let may = match source {
                Source::Client(client) => writers.members().contains(client),
                Source::Plugin(from) => *from.plugin == *plugin.name,
                Source::Datagram { .. } | Source::Server { .. } => false,
            };
            if !may {
                return Resolved::NotWriter;
            }
        }
        if !takes(&plugin) {
            return Resolved::Down;
        }
        match bound.mode {
            Mode::Deliver => Resolved::Audience(bound.deliver_to.members()),
            Mode::Hold => Resolved::Hold(Arc::new(Holder(plugin))),
        }
    }
}

/// Does it take events? While it reloads or restarts they wait.
fn takes(plugin: &Plugin) -> bool {
    match plugin.state() {
        State::Running => plugin.busy.lock().as_ref().is_none_or(|b| b.since.elapsed() <= super::STUCK),
        State::Starting | State::Stopping => true,
        _ => false,
    }
}

struct Holder(Arc<Plugin>);

impl std::fmt::Debug for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "held by {}", self.0.name)
    }
}

impl Hold for Holder {
    fn consumer(&self) -> Arc<str> {
        super::hold_consumer(&self.0.name)
    }

    fn hold(&self, seen: Arc<Seen>) -> bool {
        if takes(&self.0) {
            self.0.queue.event(&seen, false);
            return true;
        }
        self.0.undelivered.fetch_add(1, Relaxed);
        super::done(&self.0, super::HOLD, seen.journal);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact_unless_bound_for_any_case() {
        let bindings = Bindings::default();
        let bound = |any_case| Bound { deliver_to: Arc::default(), may_send: None, mode: Mode::Hold, any_case };
        bindings.set("mission", "Alpha", bound(false));
        bindings.set("mission", "über", bound(true));
        let finds = |name: &str| bindings.get("mission", name).is_some();
        assert!(finds("Alpha") && !finds("alpha") && !finds("ALPHA"));
        assert!(finds("über") && finds("ÜBER") && finds("Über") && !finds("uber"));
        assert!(bindings.get("other", "über").is_none());
        assert_eq!(bindings.remove("mission", "alpha"), None);
        assert_eq!(bindings.remove("mission", "ÜBER").as_deref(), Some("über"));
        assert!(!finds("über") && finds("Alpha"));
    }
}
