//! [`Mux`]: the routes of all HTTP listeners, the core's and the plugins'. Changes go through one lock: the book is copied,
//! changed and checked, a new `Table` is built from it, and only when that worked do both take the place of the old
//! ones; so a refused change leaves everything as it was. Requests read the table without a lock.
//!
//! A plugin registers into a [`Staged`] set and commits it: what the owner had is replaced in one step, so a reload shows
//! neither a 404 nor the fallback. Order of a reload: `park`, `drain`, stop and start the plugin, `commit` (or `unpark`).
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;

use super::{
    calls::Generation,
    listener::Listener,
    route::{Owner, Route, RouteError, Standing},
    space::{Space, SpoolSettings},
    table::{Place, State, Table},
};

/// The numbers of a mux.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MuxSettings {
    /// How long a request waits for a parked owner, then 503.
    pub parked: Duration,
    /// Pull answers.
    pub spool: SpoolSettings,
}

impl MuxSettings {
    /// 10 s, and [`SpoolSettings::new`].
    pub fn new(spool_dir: std::path::PathBuf) -> Self {
        Self { parked: Duration::from_secs(10), spool: SpoolSettings::new(spool_dir) }
    }
}

/// See the file's head.
pub struct Mux {
    pub(super) settings: MuxSettings,
    pub(super) table: ArcSwap<Table>,
    /// Told of every change, for requests that wait for one.
    pub(super) changed: watch::Sender<()>,
    book: Mutex<Book>,
    spool: Arc<SpoolSettings>,
}

#[derive(Clone, Default)]
struct Book {
    owners: BTreeMap<Owner, Held>,
    /// Spools of an owner's former generations count too.
    spaces: BTreeMap<Owner, Arc<Space>>,
}

#[derive(Clone)]
struct Held {
    generation: Arc<Generation>,
    state: State,
    routes: Vec<Arc<Route>>,
}

/// A route for the admin API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// `core` or the plugin.
    pub owner: String,
    /// Method.
    pub method: String,
    /// Pattern.
    pub pattern: String,
    /// Names of the listeners.
    pub listeners: Vec<String>,
    /// Whom it lets in.
    pub auth: String,
    /// `running`, `parked`, `tripped`; a fallback is `fallback`, or `taken` where a plugin answers everywhere.
    pub state: &'static str,
}

impl Mux {
    /// Without routes.
    pub fn new(settings: MuxSettings) -> Arc<Self> {
        let spool = Arc::new(settings.spool.clone());
        Arc::new(Self {
            settings,
            table: ArcSwap::default(),
            changed: watch::Sender::new(()),
            book: Mutex::default(),
            spool,
        })
    }

    /// An empty set that will replace whatever the owner has.
    pub fn stage(self: &Arc<Self>, owner: Owner) -> Staged {
        Staged { mux: self.clone(), owner, routes: Vec::new() }
    }

    /// Adds one route to those of an owner: for the core's parts, which come one by one.
    ///
    /// # Errors
    /// As [`Staged::add`].
    pub fn register(&self, owner: Owner, route: Route) -> Result<(), RouteError> {
        self.change(|book, spool| {
            let held = book.held(&owner, spool);
            let route = Arc::new(route);
            book.check(&owner, &held.routes, &route)?;
            let held = book.owners.entry(owner).or_insert(held);
            held.routes.push(route);
            Ok(())
        })
    }

    /// Drops everything of an owner. Its answers under way break off; fallbacks come back.
    pub fn remove(&self, owner: &Owner) {
        let mut gone = None;
        self.change_surely(|book| gone = book.owners.remove(owner));
        if let Some(held) = gone {
            held.generation.cut();
        }
    }

    /// Requests to the owner's routes wait from now on, at most [`MuxSettings::parked`].
    pub fn park(&self, owner: &Owner) {
        self.set(owner, State::Parked);
    }

    /// The owner's routes answer again, also after [`Mux::trip`].
    pub fn unpark(&self, owner: &Owner) {
        self.set(owner, State::Running);
    }

    /// The owner's routes answer 503 with the owner's name; `why` is for the list only.
    pub fn trip(&self, owner: &Owner, why: &str) {
        self.set(owner, State::Tripped(why.into()));
    }

    /// Waits until the calls under way of a parked or tripped owner have ended, at most `limit`; then its unfinished
    /// answers break off. How many calls were left. A handler that does not return is left to itself.
    pub async fn drain(&self, owner: &Owner, limit: Duration) -> usize {
        let generation = self.book.lock().owners.get(owner).map(|h| h.generation.clone());
        match generation {
            Some(generation) => generation.drain(limit).await,
            None => 0,
        }
    }

    /// The routes of one owner or of all, in the order of owner, pattern and method.
    pub fn list(&self, owner: Option<&Owner>) -> Vec<Listed> {
        let book = self.book.lock();
        let owners = book.owners.iter().filter(|(o, _)| owner.is_none_or(|wanted| wanted == *o));
        let mut listed: Vec<Listed> =
            owners.flat_map(|(owner, held)| held.routes.iter().map(|route| book.listed(owner, held, route))).collect();
        listed.sort_by(|a, b| (&a.owner, &a.pattern, &a.method).cmp(&(&b.owner, &b.pattern, &b.method)));
        listed
    }

    /// The routes that answer on a listener, each with its owner's name.
    pub(super) fn described(&self, listener: &Listener) -> Vec<(String, Arc<Route>)> {
        let book = self.book.lock();
        let answers = |route: &Arc<Route>| {
            let here = |r: &Route| r.listeners.iter().any(|l| l == *listener);
            let gives_way = route.standing == Standing::Fallback
                && book.owners.values().flat_map(|h| &h.routes).any(|other| other.takes(route) && here(other));
            here(route) && !gives_way
        };
        let of = |(owner, held): (&Owner, &Held)| {
            let routes: Vec<_> = held.routes.iter().filter(|r| answers(r)).cloned().collect();
            routes.into_iter().map(|route| (owner.to_string(), route)).collect::<Vec<_>>()
        };
        book.owners.iter().flat_map(of).collect()
    }

    /// Why an owner's routes answer 503, if they do.
    pub fn tripped(&self, owner: &Owner) -> Option<Arc<str>> {
        match &self.book.lock().owners.get(owner)?.state {
            State::Tripped(why) => Some(why.clone()),
            _ => None,
        }
    }

    fn set(&self, owner: &Owner, state: State) {
        self.change_surely(|book| {
            if let Some(held) = book.owners.get_mut(owner) {
                held.state = state;
            }
        });
    }

    /// A change that adds no route.
    fn change_surely(&self, change: impl FnOnce(&mut Book)) {
        let changed = self.change(|book, _| {
            change(book);
            Ok(())
        });
        debug_assert!(changed.is_ok(), "fewer routes cannot clash");
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Book, &Arc<SpoolSettings>) -> Result<(), RouteError>,
    ) -> Result<(), RouteError> {
        let mut book = self.book.lock();
        let mut next = book.clone();
        change(&mut next, &self.spool)?;
        let table = Table::build(&next.places())?;
        *book = next;
        self.table.store(Arc::new(table));
        self.changed.send_replace(());
        Ok(())
    }
}

impl Book {
    /// What the owner has, or an empty registration.
    fn held(&mut self, owner: &Owner, spool: &Arc<SpoolSettings>) -> Held {
        if let Some(held) = self.owners.get(owner) {
            return held.clone();
        }
        let space = self.spaces.entry(owner.clone()).or_insert_with(|| Space::new(spool.clone()));
        Held { generation: Generation::new(owner.clone(), space.clone()), state: State::Running, routes: Vec::new() }
    }

    /// A route may stand beside those of others and beside `own`.
    fn check(&self, owner: &Owner, own: &[Arc<Route>], route: &Route) -> Result<(), RouteError> {
        let (what, owner) = (route.what(), owner.clone());
        if route.standing == Standing::Fallback && owner != Owner::Core {
            return Err(RouteError::NotCore { what, owner });
        }
        let name = |l: Listener| l.name().to_owned();
        if let Some(listener) = own.iter().find_map(|o| o.clash(route)) {
            return Err(RouteError::Twice { what, owner, listener: name(listener) });
        }
        for (other, held) in self.owners.iter().filter(|(o, _)| **o != owner) {
            let Some(listener) = held.routes.iter().find_map(|r| r.clash(route)).map(name) else { continue };
            return Err(match other {
                Owner::Core => RouteError::Fixed { what, owner, listener },
                Owner::Plugin(_) => RouteError::Taken { what, owner, other: other.clone(), listener },
            });
        }
        Ok(())
    }

    fn places(&self) -> Vec<Arc<Place>> {
        let place = |owner: &Owner, held: &Held, route: &Arc<Route>| {
            Arc::new(Place {
                route: route.clone(),
                owner: owner.clone(),
                state: held.state.clone(),
                generation: held.generation.clone(),
            })
        };
        self.owners.iter().flat_map(|(o, held)| held.routes.iter().map(move |r| place(o, held, r))).collect()
    }

    fn listed(&self, owner: &Owner, held: &Held, route: &Route) -> Listed {
        let state = match (&held.state, route.standing) {
            (_, Standing::Fallback) if self.covered(route) => "taken",
            (_, Standing::Fallback) => "fallback",
            (State::Running, _) => "running",
            (State::Parked, _) => "parked",
            (State::Tripped(_), _) => "tripped",
        };
        Listed {
            owner: owner.to_string(),
            method: route.method.to_string(),
            pattern: route.pattern.to_string(),
            listeners: route.listeners.iter().map(|l| l.name().to_owned()).collect(),
            auth: route.auth.to_string(),
            state,
        }
    }

    /// Somebody else answers on every listener of this fallback.
    fn covered(&self, route: &Route) -> bool {
        let others: Vec<_> = self.owners.values().flat_map(|h| &h.routes).filter(|r| r.takes(route)).collect();
        route.listeners.iter().all(|l| others.iter().any(|r| r.listeners.iter().any(|other| other == l)))
    }
}

/// Routes that are not in force yet.
pub struct Staged {
    mux: Arc<Mux>,
    owner: Owner,
    routes: Vec<Arc<Route>>,
}

impl Staged {
    /// Adds a route.
    ///
    /// # Errors
    /// Somebody else has it, this set has it, or a plugin wants a fallback: [`RouteError`].
    pub fn add(&mut self, route: Route) -> Result<(), RouteError> {
        let route = Arc::new(route);
        self.mux.book.lock().check(&self.owner, &self.routes, &route)?;
        self.routes.push(route);
        Ok(())
    }

    /// Replaces what the owner had by this set, in one step; parked requests go on with it. Answers under way of the old
    /// set break off.
    ///
    /// # Errors
    /// Another owner has taken one of the routes meanwhile; then nothing has changed.
    pub fn commit(self) -> Result<(), RouteError> {
        let Self { mux, owner, routes } = self;
        let mut before = None;
        mux.change(|book, spool| {
            before = book.owners.remove(&owner);
            let mut held = book.held(&owner, spool);
            for route in &routes {
                book.check(&owner, &[], route)?;
            }
            held.routes = routes;
            book.owners.insert(owner, held);
            Ok(())
        })?;
        if let Some(before) = before {
            before.generation.cut();
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "mux_tests.rs"]
mod tests;
