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

use super::{Address, Batch, Reason, Routed};
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

/// One event.
#[derive(Debug)]
pub(super) struct Entry {
    pub id: u64,
    pub uid: Arc<str>,
    pub kind: Box<str>,
    pub from: Option<Arc<Client>>,
    pub source: &'static str,
    pub at: Millis,
    pub send: Bits,
    pub decision: Decision,
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
}

#[derive(Default)]
struct Kept {
    ring: VecDeque<Arc<Entry>>,
    by_uid: HashMap<Arc<str>, VecDeque<Arc<Entry>>>,
}

impl Record {
    /// Keeps `events` events (0 = off) and the newest `per_uid` of each uid.
    pub fn new(events: usize, per_uid: usize) -> Self {
        Self { events, per_uid, kept: Mutex::default(), lost: Mutex::default() }
    }

    pub(super) fn broadcast(&self, routed: &Routed, batch: &Batch<'_>, reach: &Arc<Bits>) {
        self.note(batch, &routed.cot, |entry| {
            entry.id = routed.event.head.id;
            entry.presence = routed.event.presence();
            entry.reach = Some(reach.clone());
        });
    }

    pub(super) fn directed(&self, routed: &Routed, batch: &Batch<'_>, address: &Address, given: &Found) {
        self.note(batch, &routed.cot, |entry| {
            entry.id = routed.event.head.id;
            entry.decision = if address.consumed {
                Decision::Consumed("addressed to the server".into())
            } else {
                Decision::Directed(address.said.clone())
            };
            entry.named = address.clients.iter().map(|c| c.conn).collect();
            entry.given = given.iter().map(|c| c.conn).collect();
        });
    }

    pub(super) fn dropped(&self, routed: &Routed, batch: &Batch<'_>, reason: Reason) {
        self.note(batch, &routed.cot, |entry| {
            entry.id = routed.event.head.id;
            entry.decision = Decision::Refused(reason);
        });
    }

    pub(super) fn refused(&self, batch: &Batch<'_>, text: &[u8], spans: &Spans, reason: Reason) {
        if self.events == 0 {
            return;
        }
        let attr = |a: Attr| String::from_utf8_lossy(spans.attrs[a as usize].of(text)).into_owned();
        let mut entry =
            self.entry(batch, fts_plugin_api::cot::unescape(&attr(Attr::Uid)).into(), attr(Attr::Type).into());
        entry.decision = Decision::Refused(reason);
        self.keep(entry);
    }

    /// An event the server made for one client or a control type it kept.
    pub fn made(&self, event: &Event, cot: &Cot, decision: Decision, given: &[Arc<Client>]) {
        if self.events == 0 {
            return;
        }
        self.keep(Entry {
            id: event.head.id,
            uid: cot.uid().as_ref().into(),
            kind: cot.kind().into(),
            from: None,
            source: "server",
            at: event.head.received,
            send: Bits::default(),
            decision,
            reach: None,
            named: Vec::new(),
            given: given.iter().map(|c| c.conn).collect(),
            presence: 0,
        });
    }

    /// A control type of a client that the server kept.
    pub fn consumed(&self, client: &Arc<Client>, cot: &Cot, what: &str) {
        if self.events == 0 {
            return;
        }
        self.keep(Entry {
            id: 0,
            uid: cot.uid().as_ref().into(),
            kind: cot.kind().into(),
            from: Some(client.clone()),
            source: "client",
            at: clock::now_ms(),
            send: Bits::default(),
            decision: Decision::Consumed(what.to_owned()),
            reach: None,
            named: Vec::new(),
            given: Vec::new(),
            presence: 0,
        });
    }

    pub(super) fn lost(&self, event: &Event, client: &Client, lost: Lost) {
        let outcome = match lost {
            Lost::Conflated => Outcome::Conflated,
            Lost::Overflow => Outcome::Queue,
        };
        self.outcome(event, client, outcome);
    }

    pub(super) fn held(&self, event: &Event, client: &Client, reason: Reason) {
        self.outcome(event, client, Outcome::Held(reason));
    }

    /// The event has no form this client could be sent.
    pub fn too_big(&self, event: &Event, client: &Client) {
        self.outcome(event, client, Outcome::TooBig);
    }

    fn outcome(&self, event: &Event, client: &Client, outcome: Outcome) {
        if self.events == 0 {
            return;
        }
        let mut lost = self.lost.lock();
        if lost.len() >= self.events * 4 {
            lost.pop_front();
        }
        lost.push_back((event.head.id, client.conn, outcome, clock::now_ms()));
    }

    fn note(&self, batch: &Batch<'_>, cot: &Cot, fill: impl FnOnce(&mut Entry)) {
        if self.events == 0 || batch.source.client().is_some_and(|c| c.internal()) {
            return;
        }
        let mut entry = self.entry(batch, cot.uid().as_ref().into(), cot.kind().into());
        fill(&mut entry);
        self.keep(entry);
    }

    fn entry(&self, batch: &Batch<'_>, uid: Arc<str>, kind: Box<str>) -> Entry {
        Entry {
            id: 0,
            uid,
            kind,
            from: batch.source.client().cloned(),
            source: batch.source.name(),
            at: batch.now,
            send: batch.source.send_groups().into_owned(),
            decision: Decision::Broadcast,
            reach: None,
            named: Vec::new(),
            given: Vec::new(),
            presence: 0,
        }
    }

    fn keep(&self, entry: Entry) {
        let entry = Arc::new(entry);
        let mut guard = self.kept.lock();
        let kept = &mut *guard;
        if kept.ring.len() >= self.events {
            kept.ring.pop_front();
        }
        kept.ring.push_back(entry.clone());
        if self.per_uid == 0 {
            return;
        }
        if let Some(few) = kept.by_uid.get_mut(&entry.uid) {
            if few.len() >= self.per_uid {
                few.pop_front();
            }
            few.push_back(entry);
            return;
        }
        if kept.by_uid.len() >= self.events {
            // Forget the half that has been silent longest.
            let mut newest: Vec<_> = kept.by_uid.values().filter_map(|few| few.back().map(|e| e.at)).collect();
            newest.sort_unstable();
            let middle = newest.get(newest.len() / 2).copied().unwrap_or(0);
            kept.by_uid.retain(|_, few| few.back().is_some_and(|e| e.at > middle));
        }
        kept.by_uid.insert(entry.uid.clone(), VecDeque::from([entry]));
    }

    /// Entries that fit, oldest first, each once.
    fn find(&self, mut wanted: impl FnMut(&Entry) -> bool) -> Vec<Arc<Entry>> {
        let kept = self.kept.lock();
        let mut found: Vec<_> =
            kept.ring.iter().chain(kept.by_uid.values().flatten()).filter(|e| wanted(e)).cloned().collect();
        drop(kept);
        found.sort_by_key(|e| (e.at, Arc::as_ptr(e) as usize));
        found.dedup_by(|a, b| Arc::ptr_eq(a, b));
        found
    }

    fn outcome_of(&self, id: u64, conn: u64) -> Option<(Outcome, Millis)> {
        self.lost.lock().iter().rev().find(|(i, c, _, _)| *i == id && *c == conn).map(|(_, _, o, at)| (*o, *at))
    }
}
