//! What plugins have the router ask or tell: intercepts (before addressing, on the sender's task), observers and the
//! holders of destinations. The host makes a [`Table`] whenever something changes; the router reads it without a lock.
//!
//! An event of a type nobody asked for pays one look at the first byte of its type and, when somebody asks for detail
//! elements, one per child. What must not happen: a lock is held across a call of a hook.
use std::sync::Arc;

use bytes::Bytes;
use fts_plugin_api::cot::{Attr, Class, Cot, Millis};
use smallvec::SmallVec;

use super::{
    Members, Source,
    source::{FromPlugin, Owned},
};
use crate::{directory::Bits, store::journal::Origin};

/// Types and detail elements somebody asked for; one match is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    exact: Vec<String>,
    prefixes: Vec<String>,
    details: Vec<String>,
}

impl Wanted {
    /// `b-t-f` exactly, `b-t-f*` everything that begins so, `*` everything; names of elements directly in `<detail>`.
    pub fn new(types: &[String], details: &[String]) -> Self {
        let mut wanted = Self { details: details.to_vec(), ..Self::default() };
        for pattern in types {
            match pattern.strip_suffix('*') {
                Some(prefix) => wanted.prefixes.push(prefix.to_owned()),
                None => wanted.exact.push(pattern.clone()),
            }
        }
        wanted
    }

    /// Is this event meant?
    pub fn matches(&self, cot: &Cot) -> bool {
        let kind = kind(cot);
        self.exact.iter().any(|t| t.as_bytes() == kind)
            || self.prefixes.iter().any(|p| kind.starts_with(p.as_bytes()))
            || (!self.details.is_empty()
                && cot.spans().children.iter().any(|c| {
                    let name = c.name.of(cot.text());
                    self.details.iter().any(|d| d.as_bytes() == name)
                }))
    }

    /// For people.
    pub fn said(&self) -> String {
        let prefixes = self.prefixes.iter().map(|p| format!("{p}*"));
        let details = self.details.iter().map(|d| format!("<{d}>"));
        self.exact.iter().cloned().chain(prefixes).chain(details).collect::<Vec<_>>().join(" ")
    }
}

/// The type, not looked at as text: every handler asks.
fn kind(cot: &Cot) -> &[u8] {
    cot.spans().attrs[Attr::Type as usize].of(cot.text())
}

/// First bytes that can match at all.
#[derive(Clone, Debug)]
struct Sieve {
    kinds: [bool; 256],
    details: [bool; 256],
    any_detail: bool,
}

impl Default for Sieve {
    fn default() -> Self {
        Self { kinds: [false; 256], details: [false; 256], any_detail: false }
    }
}

impl Sieve {
    fn add(&mut self, wanted: &Wanted) {
        for pattern in wanted.exact.iter().chain(&wanted.prefixes) {
            match pattern.as_bytes().first() {
                Some(first) => self.kinds[usize::from(*first)] = true,
                None => self.kinds = [true; 256],
            }
        }
        for name in wanted.details.iter().filter_map(|d| d.as_bytes().first()) {
            self.details[usize::from(*name)] = true;
            self.any_detail = true;
        }
    }

    fn passes(&self, cot: &Cot) -> bool {
        let first = kind(cot).first().copied().unwrap_or(0);
        self.kinds[usize::from(first)]
            || (self.any_detail
                && cot
                    .spans()
                    .children
                    .iter()
                    .any(|c| cot.text().get(c.name.start as usize).is_some_and(|b| self.details[usize::from(*b)])))
    }
}

/// Whom an event goes to, said by a plugin.
#[derive(Clone, Debug)]
pub enum Aim {
    /// As its own `<marti>` says.
    Addressed,
    /// Everyone in the source's groups.
    All,
    /// Members of these groups.
    Groups(Bits),
    /// These connections.
    Conns(Vec<u64>),
    /// By callsign.
    Callsigns(Vec<String>),
    /// By client uid.
    Uids(Vec<String>),
    /// These; membership decides.
    Audience(Arc<Members>),
    /// All of these together, each receiver once. None is `Addressed` or `Several`.
    Several(Vec<Aim>),
}

/// An event a plugin sends, or adds to another.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its text.
    pub text: Bytes,
    /// Who sends it and where to.
    pub from: Arc<FromPlugin>,
    /// Whom it is for.
    pub aim: Aim,
}

/// What an intercept says.
#[derive(Debug, Default)]
pub enum Say {
    /// Nothing changes.
    #[default]
    Pass,
    /// It goes nowhere.
    Drop(String),
    /// This text takes its place.
    Replace(Bytes),
    /// It goes there instead.
    Retarget(Arc<FromPlugin>, Aim),
    /// The plugin took it over.
    Consume,
}

/// The answer of an intercept.
#[derive(Debug, Default)]
pub struct Judgement {
    /// See [`Say`].
    pub say: Say,
    /// Routed after this event.
    pub also: Vec<Outgoing>,
}

/// Looks at events before they are addressed; on the sender's task, so it must be quick.
pub trait Intercept: Send + Sync {
    /// Looks at one.
    fn intercept(&self, cot: &Cot, source: &Source<'_>) -> Judgement;
}

/// One intercept in its place.
#[derive(Clone)]
pub struct Interceptor {
    /// Its plugin: what that sends itself does not pass it.
    pub plugin: Arc<str>,
    /// What it asked for.
    pub wanted: Wanted,
    /// What it is called among its plugin's handlers, for `fts why`.
    pub handler: Arc<str>,
    /// Also the plugin's own events.
    pub own: bool,
    /// The hook.
    pub hook: Arc<dyn Intercept>,
}

/// An event as an observer or holder gets it: compact, shared by all of them.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its text, `<marti>` included, in a buffer of its own.
    pub text: Bytes,
    /// Where it came from.
    pub source: Owned,
    /// Who that was, for an event read back from the journal.
    pub origin: Option<Box<Origin>>,
    /// When it was received, ms UTC.
    pub received: Millis,
    /// Its number in the journal; 0 = it is not there.
    pub journal: u64,
    /// State or reliable.
    pub class: Class,
    /// Hash of its uid.
    pub uid_hash: u64,
    /// It was given before.
    pub replayed: bool,
    /// Held for these destinations (kind, name); empty = observed.
    pub held: Vec<(String, String)>,
    /// Receivers that got it at once because they were named in it; left out when it is released.
    pub served: Vec<u64>,
    /// The link whose remote contact it is for.
    pub link: String,
}

/// Is told of events after they were routed. Must not wait: it queues.
pub trait Observe: Send + Sync {
    /// Takes one. `coalesce` = a newer state event of the same uid may take its place.
    fn observe(&self, seen: &Arc<Seen>, coalesce: bool);
}

/// The observers of one plugin: it is told once of an event, however many of its handlers want it.
#[derive(Clone)]
pub struct Observer {
    /// Its plugin.
    pub plugin: Arc<str>,
    /// One per handler.
    pub handlers: Vec<ObserverOf>,
    /// Its consumer in the journal.
    pub consumer: Arc<str>,
    /// Takes them.
    pub hook: Arc<dyn Observe>,
}

/// What one handler of an observer wants.
#[derive(Clone, Debug)]
pub struct ObserverOf {
    /// What it asked for.
    pub wanted: Wanted,
    /// Also the plugin's own events.
    pub own: bool,
    /// Nothing reliable is lost.
    pub reliable: bool,
    /// Every position counts.
    pub every: bool,
}

impl ObserverOf {
    /// Is this event for it?
    pub fn wants(&self, cot: &Cot, own: bool) -> bool {
        (!own || self.own) && self.wanted.matches(cot)
    }
}

/// Everything plugins asked for.
#[derive(Clone, Default)]
pub struct Table {
    intercepts: Vec<Interceptor>,
    observers: Vec<Observer>,
    sieve_intercepts: Sieve,
    sieve_observers: Sieve,
}

impl Table {
    /// Intercepts in the order they are asked.
    pub fn new(intercepts: Vec<Interceptor>, observers: Vec<Observer>) -> Self {
        let mut table = Self { intercepts, observers, ..Self::default() };
        table.intercepts.iter().for_each(|i| table.sieve_intercepts.add(&i.wanted));
        table.observers.iter().flat_map(|o| &o.handlers).for_each(|h| table.sieve_observers.add(&h.wanted));
        table
    }

    /// The intercepts of this event from place `from` on.
    pub(super) fn intercepts(&self, from: usize) -> &[Interceptor] {
        self.intercepts.get(from..).unwrap_or(&[])
    }

    /// All intercepts, for measuring.
    #[cfg(test)]
    pub fn interceptors(&self) -> &[Interceptor] {
        &self.intercepts
    }

    /// What an event costs that nobody asked for, for measuring.
    #[cfg(test)]
    pub fn wants_nothing(&self, cot: &Cot) -> bool {
        !self.may_intercept(cot) && self.observers(cot, None).is_empty()
    }

    /// Can any intercept want it?
    pub(super) fn may_intercept(&self, cot: &Cot) -> bool {
        !self.intercepts.is_empty() && self.sieve_intercepts.passes(cot)
    }

    /// The observers that want it; with each: may it be coalesced, must it be in the journal.
    pub(super) fn observers(&self, cot: &Cot, plugin: Option<&str>) -> SmallVec<[Watching<'_>; 2]> {
        let mut found = SmallVec::new();
        if self.observers.is_empty() || !self.sieve_observers.passes(cot) {
            return found;
        }
        for observer in &self.observers {
            let own = plugin == Some(&*observer.plugin);
            let mut watching = Watching { observer, coalesce: true, reliable: false };
            let mut wants = false;
            for handler in observer.handlers.iter().filter(|h| h.wants(cot, own)) {
                wants = true;
                watching.coalesce &= !handler.every;
                watching.reliable |= handler.reliable;
            }
            if wants {
                found.push(watching);
            }
        }
        found
    }
}

/// See [`Table::observers`].
pub(super) struct Watching<'a> {
    pub observer: &'a Observer,
    pub coalesce: bool,
    pub reliable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cot(kind: &str, detail: &str) -> Cot {
        Cot::parse(format!(
            "<event version=\"2.0\" uid=\"u\" type=\"{kind}\"><point/><detail>{detail}</detail></event>"
        ))
        .unwrap()
    }

    fn wanted(types: &[&str], details: &[&str]) -> Wanted {
        let own = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        Wanted::new(&own(types), &own(details))
    }

    #[test]
    fn types_match_exactly_or_by_prefix() {
        let w = wanted(&["b-t-f", "a-f-*"], &["emergency"]);
        assert!(w.matches(&cot("b-t-f", "")) && !w.matches(&cot("b-t-f-d", "")));
        assert!(w.matches(&cot("a-f-G", "")) && !w.matches(&cot("a-h-G", "")));
        assert!(w.matches(&cot("x", "<a/><emergency type=\"1\"/>")) && !w.matches(&cot("x", "<emergency2/>")));
        assert!(wanted(&["*"], &[]).matches(&cot("y", "")));
        assert_eq!(w.said(), "b-t-f a-f-* <emergency>");
    }

    #[test]
    fn the_sieve_lets_through_everything_that_matches() {
        for w in [wanted(&["b-t-f"], &[]), wanted(&["*"], &[]), wanted(&[], &["emergency"]), wanted(&["a-*"], &["x"])] {
            let mut sieve = Sieve::default();
            sieve.add(&w);
            for event in [cot("b-t-f", ""), cot("a-f", "<x/>"), cot("u", "<emergency/>"), cot("t", "<y/>")] {
                assert!(!w.matches(&event) || sieve.passes(&event), "{w:?} {:?}", event.text());
            }
        }
        let mut sieve = Sieve::default();
        sieve.add(&wanted(&["b-a-*"], &["emergency"]));
        assert!(!sieve.passes(&cot("a-f-G-U-C", "<contact/><track/>")), "positions pay nothing");
    }
}
