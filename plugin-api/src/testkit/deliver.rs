//! An event comes in: check, intercepts, address, deliver, and the tap for observers and held events.
//!
//! Events of the plugin go the same way, but past its own intercepts and observers unless those asked for `own`. Further
//! events of an intercept follow the event they were added to.
use super::{
    MockHost, context,
    judge::Judgement,
    record::Sent,
    state::{Held, Observer, Shared, State},
    worker::{Job, Seen},
};
use crate::{
    abi::{Failure, failure},
    cot::{Class, Cot, Splices, check},
    message::{Also, Arrived, Latest, RouteInfo, SendHow, SourceInfo, SourceKind, StoredEvent},
    shim,
};

/// More steps from plugin to plugin than this end a loop.
pub(super) const HOPS_MOST: u8 = 8;

/// What became of a delivered event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was routed; perhaps to nobody.
    Routed,
    /// It goes nowhere, and why: an intercept's reason, `schema: …`, `guard_down`.
    Dropped(String),
    /// An intercept took it over.
    Consumed,
}

/// What happened to a delivered event before the plugin's worker saw it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// See [`Fate`].
    pub fate: Fate,
    /// The event as it was routed (repaired, perhaps replaced).
    pub event: Option<Cot>,
    /// Connections that got it at once, in order.
    pub receivers: Vec<u64>,
    /// Its journal number, when it was held for the plugin.
    pub held: Option<u64>,
    /// Destinations that were left out, and why.
    pub left_out: Vec<String>,
}

impl Outcome {
    pub(super) fn of(fate: Fate) -> Self {
        Self { fate, event: None, receivers: Vec::new(), held: None, left_out: Vec::new() }
    }

    /// Why it was dropped.
    pub fn dropped(&self) -> Option<&str> {
        match &self.fate {
            Fate::Dropped(why) => Some(why),
            _ => None,
        }
    }
}

/// Text as a checked and repaired event (cot.md RULE-19 to 21).
pub(super) fn admit(text: &[u8], now: i64) -> Result<Cot, String> {
    let cot = Cot::parse(text.to_vec()).map_err(|e| format!("xml: {e}"))?;
    let mut splices = Splices::new();
    check(cot.text(), cot.spans(), now, &mut splices).map_err(|e| format!("schema: {e}"))?;
    if splices.is_empty() {
        return Ok(cot);
    }
    let mut out = Vec::new();
    let spans = splices.apply(cot.text(), cot.spans(), &mut out);
    Ok(Cot::from_parts(out.into(), spans))
}

impl MockHost {
    /// An event of this connection arrives. The plugin's worker is done with it when this returns.
    ///
    /// # Panics
    /// When there is no such connection: that is a mistake of the test.
    #[allow(clippy::panic)]
    pub fn deliver(&self, text: impl AsRef<[u8]>, conn: u64) -> Outcome {
        self.settle();
        let Some(source) = self.shared.lock().source_of(conn) else { panic!("no connection {conn}") };
        let outcome = self.shared.incoming(text.as_ref(), source);
        self.settle();
        outcome
    }

    /// An event arrives from elsewhere: a datagram, the REST interface, another plugin.
    pub fn deliver_from(&self, text: impl AsRef<[u8]>, source: SourceInfo) -> Outcome {
        self.settle();
        let outcome = self.shared.incoming(text.as_ref(), source);
        self.settle();
        outcome
    }
}

impl Shared {
    fn incoming(&self, text: &[u8], source: SourceInfo) -> Outcome {
        let now = self.now();
        match admit(text, now) {
            Err(why) => Outcome::of(Fate::Dropped(why)),
            Ok(cot) => {
                self.lock().identify(&cot, source.conn, now);
                // The source as it is known after the event has told who sends it.
                let source = self.lock().source_of(source.conn).unwrap_or(source);
                self.route(cot, source, None).0
            }
        }
    }

    /// Steps 2 to 5 of the file's head. `how` = None: as the event itself says.
    fn route(&self, cot: Cot, source: SourceInfo, how: Option<SendHow>) -> (Outcome, Result<(), Failure>) {
        let Judgement { fate, cot, how, also } = self.judge(cot, &source, how);
        let mut outcome = Outcome::of(fate);
        let mut result = Ok(());
        if outcome.fate == Fate::Routed {
            match self.lock().deliver(&cot, &source, how.as_ref(), self.now()) {
                Ok(delivered) => outcome = delivered,
                Err(failure) => result = Err(failure),
            }
        }
        for Also { text, how } in also {
            // Like a send of the handler that added it.
            let hop = source.hop.saturating_add(1);
            if let Err(failure) = self.send(&text, how, hop) {
                self.failed("an event added by an intercept", &failure);
            }
        }
        (outcome, result)
    }

    /// The plugin sends an event.
    pub fn send(&self, text: &[u8], how: SendHow, hop: u8) -> Result<(), Failure> {
        let cot = admit(text, self.now()).map_err(|why| shim::failure(failure::INVALID, why))?;
        let source = SourceInfo {
            kind: SourceKind::Plugin,
            plugin: self.name.clone(),
            link: how.link.clone(),
            groups: how.groups.clone().unwrap_or_default(),
            hop,
            ..SourceInfo::default()
        };
        let mut sent =
            Sent { event: cot.clone(), how: how.clone(), receivers: Vec::new(), released: None, hop, dropped: None };
        if hop > HOPS_MOST {
            sent.dropped = Some("plugin_loop".into());
            self.lock().sent.push(sent);
            return Ok(());
        }
        let (outcome, result) = self.route(cot, source, Some(how));
        sent.dropped = outcome.dropped().map(Into::into);
        sent.receivers = outcome.receivers;
        if result.is_ok() {
            self.lock().sent.push(sent);
        }
        self.changed.notify_all();
        result
    }

    /// The hop count of what is sent on this thread now.
    pub fn next_hop() -> u8 {
        let context = context::current();
        if context.handling { context.hop.saturating_add(1) } else { 0 }
    }
}

impl State {
    /// What is known of a connection as a source.
    pub fn source_of(&self, conn: u64) -> Option<SourceInfo> {
        let client = self.clients.get(&conn)?;
        Some(SourceInfo {
            kind: SourceKind::Client,
            conn,
            uid: client.uid.clone(),
            callsign: client.callsign.clone(),
            user: client.user.clone(),
            groups: client.groups_in.clone(),
            listener: client.listener.clone(),
            role: self.roles.get(&conn).copied().unwrap_or_default(),
            ..SourceInfo::default()
        })
    }

    fn deliver(&mut self, cot: &Cot, source: &SourceInfo, how: Option<&SendHow>, now: i64) -> Result<Outcome, Failure> {
        let mut reach = match how {
            Some(how) => self.reach(cot, how, source.conn)?,
            None => self.addressed(cot, Some(&source.groups), source.conn, source.kind == SourceKind::Client),
        };
        if reach.dests.is_empty() {
            reach.dests = super::reach::dests(cot, self);
        }
        for conn in &reach.receivers {
            self.received.entry(*conn).or_default().push(cot.clone());
        }
        self.remember(cot, source, now);
        // State events are not in the journal.
        let journaled = cot.class() == Class::Reliable || !reach.held.is_empty();
        self.last_journal += u64::from(journaled);
        let journal = if journaled { self.last_journal } else { 0 };
        let route = RouteInfo {
            source: source.clone(),
            dests: reach.dests,
            received: now,
            archived: how.is_none_or(|h| h.archive),
            ..RouteInfo::default()
        };
        let mut held = None;
        if !reach.held.is_empty() {
            let mut done = reach.receivers.clone();
            done.insert(source.conn);
            let route = RouteInfo { dests: reach.held, ..route.clone() };
            self.held.insert(journal, Held { cot: cot.clone(), route, done });
            self.queue.push_back(Job::Held { id: journal, again: false });
            held = Some(journal);
        }
        self.tap(cot, &route, &reach.links, journal);
        Ok(Outcome {
            fate: Fate::Routed,
            event: Some(cot.clone()),
            receivers: reach.receivers.into_iter().collect(),
            held,
            left_out: reach.dropped,
        })
    }

    /// The newest event of each uid.
    fn remember(&mut self, cot: &Cot, source: &SourceInfo, now: i64) {
        let uid = cot.uid().into_owned();
        let text = serde_bytes::ByteBuf::from(cot.text().to_vec());
        let latest = Latest { uid: uid.clone(), text, received: now, groups: source.groups.clone() };
        let (text, groups) = (latest.text.clone(), latest.groups.clone());
        let arrived: Vec<_> = self.awaited.extract_if(.., |(_, wanted, _)| *wanted == uid).collect();
        let jobs = arrived.into_iter().map(|(number, ..)| Job::Arrived(Arrived { number, stored: true }));
        self.queue.extend(jobs);
        self.stored.push(StoredEvent { uid: uid.clone(), text, received: now, groups });
        self.latest.insert(uid, latest);
    }

    /// Queues the event for every observer that asked for it: once for each link it is addressed to, else once.
    fn tap(&mut self, cot: &Cot, route: &RouteInfo, links: &std::collections::BTreeSet<String>, journal: u64) {
        let own = route.source.kind == SourceKind::Plugin && route.source.plugin == self.name;
        let wanted = |o: &&std::sync::Arc<Observer>| {
            !o.spec.held && (o.spec.own || !own) && wants(&o.spec.types, &o.spec.details, cot)
        };
        let observers: Vec<_> = self.handlers.observers.iter().filter(wanted).cloned().collect();
        for observer in observers {
            let links = if links.is_empty() { vec![String::new()] } else { links.iter().cloned().collect() };
            for link in links {
                let route = RouteInfo { link, ..route.clone() };
                let (observer, cot) = (observer.clone(), cot.clone());
                self.queue.push_back(Job::Observe(Box::new(Seen { observer, cot, route, journal, again: false })));
            }
        }
    }
}

/// `b-t-f` exactly, `b-t-f*` everything that begins so, `*` everything.
pub(super) fn matches(pattern: &str, kind: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == kind, |prefix| kind.starts_with(prefix))
}

/// Is a handler with this filter asked about the event?
pub(super) fn wants(types: &[String], details: &[String], cot: &Cot) -> bool {
    types.iter().any(|t| matches(t, cot.kind())) || details.iter().any(|d| cot.detail(d).is_some())
}
