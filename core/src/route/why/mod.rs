//! [`Record`]: why somebody got an event or did not. The one question operators ask first.
//!
//! Bounded in memory: a ring of the newest events, the newest few of each uid beyond that ring, and a ring of what was
//! lost after it was queued. One entry per event, never one per receiver: the audience is shared with routing, and what
//! was written is in a small ring of each client. `answer` puts the pieces together when somebody asks.
mod answer;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use fts_plugin_api::cot::{Attr, Cot, Millis, Spans};
use parking_lot::Mutex;

pub use answer::{Query, WhyClient, WhyEvent, is_called};

use super::{
    Address, Reason, Source,
    turn::{Ready, Staged},
};
use crate::{
    directory::{Bits, Client, Found},
    observe::clock,
    session::outbound::Lost,
    wire::Event,
};

/// What was decided about an event as a whole.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Everyone in reach.
    Broadcast,
    /// Those the text names.
    Directed(String),
    /// Not accepted, or accepted and given to nobody.
    Refused(Reason),
    /// Kept by the server (control types).
    Consumed(String),
}

/// Why an event that was addressed to a client did not leave its queue, or did not enter it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A newer state of the same uid took its place.
    Conflated,
    /// Dropped as one of the oldest states of an overfull queue.
    Queue,
    /// The receiver's own filter or a delivery rate.
    Held(Reason),
    /// No protobuf form: over 65 536 bytes.
    TooBig,
}

/// Whose doing a decision was: a plugin, which of its handlers, and what that said.
#[derive(Clone, Debug, Default)]
pub(super) struct By {
    pub plugin: Arc<str>,
    /// "" = none of its handlers: it is down.
    pub handler: Arc<str>,
    pub said: String,
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.plugin)?;
        if !self.handler.is_empty() {
            write!(f, " ({})", self.handler)?;
        }
        if self.said.is_empty() { Ok(()) } else { write!(f, ": {}", self.said) }
    }
}

/// One event.
#[derive(Debug)]
pub(super) struct Entry {
    /// In order of arrival here.
    number: u64,
    pub id: u64,
    pub uid: Arc<str>,
    pub kind: Box<str>,
    pub from: Option<Arc<Client>>,
    pub source: &'static str,
    pub at: Millis,
    pub send: Bits,
    pub decision: Decision,
    /// The plugin that decided, if one did.
    pub by: Option<Box<By>>,
    pub reach: Option<Arc<Bits>>,
    pub named: Vec<u64>,
    pub given: Vec<u64>,
    pub presence: u64,
}

/// See the file's head.
pub struct Record {
    events: usize,
    per_uid: usize,
    kept: Mutex<Kept>,
    lost: Mutex<VecDeque<(u64, u64, Outcome, Millis)>>,
    /// Events that the turn wrote itself, first to last, and when: whoever got them and has no note of its own has them
    /// from there.
    at_once: Mutex<VecDeque<(u64, u64, u32)>>,
}

#[derive(Default)]
struct Kept {
    number: u64,
    ring: VecDeque<Arc<Entry>>,
    by_uid: HashMap<Arc<str>, VecDeque<Arc<Entry>>>,
}

impl Kept {
    fn put(&mut self, entry: Arc<Entry>, events: usize, per_uid: usize) {
        if self.ring.len() >= events {
            self.ring.pop_front();
        }
        self.ring.push_back(entry.clone());
        if per_uid == 0 {
            return;
        }
        if let Some(few) = self.by_uid.get_mut(&entry.uid) {
            if few.len() >= per_uid {
                few.pop_front();
            }
            few.push_back(entry);
            return;
        }
        if self.by_uid.len() >= events {
            // Forget the half that has been silent longest.
            let mut newest: Vec<_> = self.by_uid.values().filter_map(|few| few.back().map(|e| e.at)).collect();
            newest.sort_unstable();
            let middle = newest.get(newest.len() / 2).copied().unwrap_or(0);
            self.by_uid.retain(|_, few| few.back().is_some_and(|e| e.at > middle));
        }
        self.by_uid.insert(entry.uid.clone(), VecDeque::from([entry]));
    }
}

/// An entry of one event of this source: a broadcast until somebody says otherwise.
fn entry(source: &Source<'_>, at: Millis, uid: Arc<str>, kind: Box<str>) -> Entry {
    Entry {
        number: 0,
        id: 0,
        uid,
        kind,
        from: source.client().cloned(),
        source: source.name(),
        at,
        send: source.send_groups().into_owned(),
        decision: Decision::Broadcast,
        by: None,
        reach: None,
        named: Vec::new(),
        given: Vec::new(),
        presence: 0,
    }
}

fn routed(ready: &Ready, staged: &Staged) -> Entry {
    let mut entry = entry(&ready.source(), ready.now, staged.cot.uid().as_ref().into(), staged.cot.kind().into());
    entry.id = staged.head.id;
    entry.presence = staged.presence;
    entry
}

impl Record {
    /// Keeps `events` events (0 = off) and the newest `per_uid` of each uid.
    pub fn new(events: usize, per_uid: usize) -> Self {
        Self { events, per_uid, kept: Mutex::default(), lost: Mutex::default(), at_once: Mutex::default() }
    }

    pub(super) fn broadcast(&self, run: &[(&Ready, &Staged)], reach: &Arc<Bits>) {
        if self.events == 0 {
            return;
        }
        let entries = run.iter().filter(|(ready, _)| !ready.source().internal()).map(|(ready, staged)| {
            let mut entry = routed(ready, staged);
            entry.reach = Some(reach.clone());
            entry
        });
        self.keep(entries);
    }

    pub(super) fn directed(&self, staged: &Staged, ready: &Ready, address: &Address, given: &Found) {
        if self.events == 0 || ready.source().internal() {
            return;
        }
        let mut entry = routed(ready, staged);
        entry.decision = if address.consumed {
            Decision::Consumed("addressed to the server".into())
        } else {
            Decision::Directed(address.said.clone())
        };
        entry.named = address.clients.iter().map(|c| c.conn).collect();
        entry.given = given.iter().map(|c| c.conn).collect();
        self.keep([entry]);
    }

    pub(super) fn dropped(&self, staged: &Staged, source: &Source<'_>, now: Millis, reason: Reason) {
        self.judged(staged, source, now, Decision::Refused(reason), None);
    }

    /// A plugin let it go nowhere.
    pub(super) fn dropped_by(&self, staged: &Staged, source: &Source<'_>, now: Millis, reason: Reason, by: By) {
        self.judged(staged, source, now, Decision::Refused(reason), Some(by));
    }

    /// A plugin took it over.
    pub(super) fn taken(&self, staged: &Staged, source: &Source<'_>, now: Millis, by: By) {
        self.judged(staged, source, now, Decision::Consumed(format!("taken over by the plugin {by}")), Some(by));
    }

    fn judged(&self, staged: &Staged, source: &Source<'_>, now: Millis, decision: Decision, by: Option<By>) {
        if self.events == 0 {
            return;
        }
        let mut entry = entry(source, now, staged.cot.uid().as_ref().into(), staged.cot.kind().into());
        (entry.id, entry.decision, entry.by) = (staged.head.id, decision, by.map(Box::new));
        self.keep([entry]);
    }

    pub(super) fn refused(&self, source: &Source<'_>, now: Millis, text: &[u8], spans: &Spans, reason: Reason) {
        if self.events == 0 {
            return;
        }
        let attr = |a: Attr| String::from_utf8_lossy(spans.attrs[a as usize].of(text)).into_owned();
        let uid = fts_plugin_api::cot::unescape(&attr(Attr::Uid)).into();
        let mut entry = entry(source, now, uid, attr(Attr::Type).into());
        entry.decision = Decision::Refused(reason);
        self.keep([entry]);
    }

    /// An event the server made for one client or a control type it kept.
    pub fn made(&self, event: &Event, cot: &Cot, decision: Decision, given: &[Arc<Client>]) {
        if self.events == 0 {
            return;
        }
        self.keep([Entry {
            number: 0,
            id: event.head.id,
            uid: cot.uid().as_ref().into(),
            kind: cot.kind().into(),
            from: None,
            source: "server",
            at: event.head.received,
            send: Bits::default(),
            decision,
            by: None,
            reach: None,
            named: Vec::new(),
            given: given.iter().map(|c| c.conn).collect(),
            presence: 0,
        }]);
    }

    /// A control type of a client that the server kept.
    pub fn consumed(&self, client: &Arc<Client>, cot: &Cot, what: &str) {
        if self.events == 0 {
            return;
        }
        self.keep([Entry {
            number: 0,
            id: 0,
            uid: cot.uid().as_ref().into(),
            kind: cot.kind().into(),
            from: Some(client.clone()),
            source: "client",
            at: clock::now_ms(),
            send: Bits::default(),
            decision: Decision::Consumed(what.to_owned()),
            by: None,
            reach: None,
            named: Vec::new(),
            given: Vec::new(),
            presence: 0,
        }]);
    }

    pub(super) fn lost(&self, events: &[(u64, Lost)], client: &Client, now: Millis) {
        let outcome = |why: Lost| match why {
            Lost::Conflated => Outcome::Conflated,
            Lost::Overflow => Outcome::Queue,
        };
        self.outcomes(events.iter().map(|(id, why)| (*id, outcome(*why))), client, now);
    }

    pub(super) fn held(&self, event: &Event, client: &Client, reason: Reason) {
        self.outcomes([(event.head.id, Outcome::Held(reason))], client, clock::now_ms());
    }

    /// The event has no form this client could be sent.
    pub fn too_big(&self, event: &Event, client: &Client) {
        self.outcomes([(event.head.id, Outcome::TooBig)], client, clock::now_ms());
    }

    /// The turn wrote events of these numbers to clients whose writers slept, at this tick.
    pub fn at_once(&self, first: u64, last: u64, tick: u32) {
        if self.events == 0 || first > last {
            return;
        }
        let mut turns = self.at_once.lock();
        if turns.len() >= self.events {
            turns.pop_front();
        }
        turns.push_back((first, last, tick));
    }

    fn turn_of(&self, id: u64) -> Option<u32> {
        self.at_once.lock().iter().rev().find(|(first, last, _)| (first..=last).contains(&&id)).map(|(_, _, at)| *at)
    }

    fn outcomes(&self, events: impl IntoIterator<Item = (u64, Outcome)>, client: &Client, now: Millis) {
        if self.events == 0 {
            return;
        }
        let mut lost = self.lost.lock();
        for (id, outcome) in events {
            if lost.len() >= self.events * 4 {
                lost.pop_front();
            }
            lost.push_back((id, client.conn, outcome, now));
        }
    }

    fn keep(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut kept = self.kept.lock();
        for mut entry in entries {
            kept.number += 1;
            entry.number = kept.number;
            kept.put(Arc::new(entry), self.events, self.per_uid);
        }
    }

    /// Entries that fit, oldest first, each once.
    fn find(&self, mut wanted: impl FnMut(&Entry) -> bool) -> Vec<Arc<Entry>> {
        let kept = self.kept.lock();
        let mut found: Vec<_> =
            kept.ring.iter().chain(kept.by_uid.values().flatten()).filter(|e| wanted(e)).cloned().collect();
        drop(kept);
        found.sort_by_key(|e| e.number);
        found.dedup_by_key(|e| e.number);
        found
    }

    fn outcome_of(&self, id: u64, conn: u64) -> Option<(Outcome, Millis)> {
        self.lost.lock().iter().rev().find(|(i, c, _, _)| *i == id && *c == conn).map(|(_, _, o, at)| (*o, *at))
    }
}
