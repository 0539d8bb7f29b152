//! Step 4, deliver: the admitted events of a batch are identified, addressed and queued, in order.
//!
//! Broadcasts that follow each other have the same audience and go as one run: each receiver's queue is locked once
//! and its writer woken at most once per run. The protobuf form is made when the first receiver needs it, from spans
//! that are at hand. Presence is updated before the roster is read, see `directory`.

use std::{
    hash::{BuildHasher, RandomState},
    ops::Range,
    sync::{Arc, LazyLock, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use fts_plugin_api::cot::{Attr, Class, Cot, Millis, Repairs, Spans};

use super::{Address, Batch, Reason, Router, Source, address::ALL_STREAMING, audience, audience::Audience};
use crate::{
    directory::{Client, Identified, Latest, Leave, Roster},
    observe::meters::meters,
    session::outbound::Lost,
    wire::{Event, Head, proto},
};

/// One admitted event before its buffer is frozen.
pub(super) struct Draft {
    pub spans: Spans,
    pub text: Range<usize>,
    pub form: Range<usize>,
    pub repairs: Repairs,
    /// The frame it came as when nothing was changed.
    pub frame: Option<Bytes>,
}

/// An event on its way with its parsed text.
#[derive(Clone, Debug)]
pub struct Routed {
    /// What queues hold.
    pub event: Arc<Event>,
    /// What it says, `<marti>` included.
    pub cot: Cot,
}

/// What the session must do after a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// This batch bound the connection (RULE-35): welcome chat, limits, replay at identify.
    pub bound: bool,
    /// The uid is live elsewhere and the policy refuses this connection.
    pub rejected: bool,
}

static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Types whose newer event of the same uid may replace an older one in an overfull queue although both are reliable.
fn replaceable(kind: &str, addressed: bool) -> bool {
    !addressed && (kind.starts_with("a-") || kind.starts_with("b-m-") || kind.starts_with("u-") || kind == "b-i-v")
}

impl Batch<'_> {
    /// Routes everything admitted so far; the batch is empty afterwards and can go on.
    pub fn finish(&mut self) -> Done {
        let mut done = Done::default();
        if self.drafts.is_empty() {
            return done;
        }
        let buf = self.freeze();
        let mut run: Vec<Routed> = Vec::with_capacity(self.drafts.len());
        for draft in std::mem::take(&mut self.drafts) {
            let cot = Cot::from_parts(buf.slice(draft.text.clone()), draft.spans);
            let addressed = draft.form != draft.text;
            let head = Head {
                id: self.router.next_id(),
                received: self.now,
                class: cot.class(),
                replaceable: replaceable(cot.kind(), addressed),
                uid_hash: HASHER.hash_one(cot.raw(Attr::Uid)),
            };
            let event = Arc::new(Event::new(head, buf.clone(), draft.form.start as u32, draft.form.end as u32));
            if draft.frame.is_some() {
                event.set_proto(draft.frame);
            }
            let routed = Routed { event, cot };
            if !self.notice(&routed, &draft.repairs, &mut done) {
                continue;
            }
            let address = self.router.address(&routed.cot, &self.source);
            if address.broadcast {
                run.push(routed);
            } else {
                self.router.deliver_run(&mut run, self);
                self.router.deliver_addressed(routed, address, self);
            }
        }
        self.router.deliver_run(&mut run, self);
        meters().route_seconds.record(self.began.elapsed().as_secs_f64());
        done
    }

    /// Identity, presence, acknowledgements, goodbyes. False = the event goes nowhere.
    fn notice(&self, routed: &Routed, repairs: &Repairs, done: &mut Done) -> bool {
        let (router, cot) = (self.router, &routed.cot);
        self.count(cot.kind());
        let keys = &self.policy.config.cot;
        let client = self.source.client();
        if let Some(client) = client {
            if cot.is_sa() {
                match router.directory.identify(client, cot, keys.duplicate_uid) {
                    Identified::Bound => done.bound = true,
                    Identified::Rejected => {
                        done.rejected = true;
                        client.end(Leave::Rejected);
                        return false;
                    }
                    Identified::Again | Identified::Contact => {}
                }
                if !client.incognito.load(Relaxed) {
                    self.keep(routed, repairs);
                }
            }
            // Incognito: only what names a callsign goes out (cot.md 8).
            if client.incognito.load(Relaxed) && !names_callsign(cot) {
                Reason::Incognito.count(1);
                router.why.dropped(routed, self, Reason::Incognito);
                return false;
            }
        } else if matches!(self.source, Source::Datagram { .. }) && cot.is_sa() {
            self.keep(routed, repairs);
        }
        match cot.kind() {
            "t-x-d-d" => router.goodbye(cot, &self.source),
            "b-f-t-r" => router.note_ack_request(cot, &self.source, self.now),
            kind if keys.replay_map_items
                && routed.event.head.class == Class::Reliable
                && is_map_item(kind)
                && !has_dest(cot) =>
            {
                self.keep_item(routed, repairs)
            }
            _ => {}
        }
        if routed.event.len() > proto::MAX_PAYLOAD && router.limits.first_big(routed.event.head.uid_hash, self.now) {
            tracing::warn!(event = "cot.oversize", uid = %cot.uid(), bytes = routed.event.len(), "event over 65536 bytes: ATAK cannot receive it");
        }
        true
    }

    fn latest(&self, routed: &Routed, repairs: &Repairs) -> Latest {
        let ttl = self.policy.config.cot.max_persist_ttl.as_millis() as Millis;
        let expires = repairs.stale.max(self.now + 60_000).min(self.now.saturating_add(ttl));
        Latest {
            uid: routed.cot.uid().as_ref().into(),
            event: routed.event.compact(),
            conn: self.source.conn(),
            send: self.source.send_groups().into_owned(),
            time: repairs.time,
            expires,
        }
    }

    fn keep(&self, routed: &Routed, repairs: &Repairs) {
        if let Some(place) = self.router.directory.presence.put(self.latest(routed, repairs)) {
            routed.event.set_presence(place);
        }
    }

    fn keep_item(&self, routed: &Routed, repairs: &Repairs) {
        self.router.directory.items.put(self.latest(routed, repairs));
    }

    fn count(&self, kind: &str) {
        let family = match kind.as_bytes().first() {
            Some(b'a') => 0,
            Some(b'b') => 1,
            Some(b't') => 2,
            Some(b'u') => 3,
            _ => 4,
        };
        meters().family[family].increment(1);
        self.router.totals.received.fetch_add(1, Relaxed);
    }
}

/// Types that `cot.replay_map_items` shows to newcomers (RULE-39).
fn is_map_item(kind: &str) -> bool {
    kind.starts_with("a-")
        || kind.starts_with("b-m-p")
        || matches!(kind, "b-m-r" | "b-r-f-h-c" | "u-d-c" | "u-d-r" | "u-d-f")
        || kind.starts_with("u-d-c-")
}

fn has_dest(cot: &Cot) -> bool {
    cot.details("marti").any(|m| m.children().any(|d| d.attributes().next().is_some()))
}

fn names_callsign(cot: &Cot) -> bool {
    cot.details("marti")
        .any(|m| m.children().any(|d| d.name() == "dest" && d.attr("callsign").is_some_and(|c| c != ALL_STREAMING)))
}

impl Router {
    /// A deleted item is not shown to newcomers any more; a contact that says goodbye is gone (RULE-44, 70).
    fn goodbye(&self, cot: &Cot, source: &Source<'_>) {
        for uid in cot.details("link").filter_map(|l| l.attr("uid")) {
            self.directory.items.remove(&uid, None);
            if let Some(client) = source.client()
                && (*client.who().uid == *uid || client.who().contacts.iter().any(|c| *c.uid == *uid))
            {
                self.directory.forget_contact(client, &uid);
            }
        }
    }

    fn deliver_run(&self, run: &mut Vec<Routed>, batch: &Batch<'_>) {
        if run.is_empty() {
            return;
        }
        let roster = self.directory.roster();
        let Audience::Reach(slots) = audience::audience(&Address::everyone(), &batch.source, &roster) else { return };
        let events: Vec<Arc<Event>> = run.iter().map(|r| r.event.clone()).collect();
        let own = batch.source.own_conn();
        let mut encoded = false;
        let mut delivered = 0;
        for client in slots.iter().filter_map(|slot| roster.client(slot)) {
            if client.conn == own {
                continue;
            }
            if !encoded && client.proto.load(Relaxed) {
                encoded = true;
                run.iter().for_each(encode);
            }
            delivered += if client.has_filter.load(Relaxed) || !batch.policy.config.cot.rate.per_uid_delivery.is_zero()
            {
                let passing: Vec<_> =
                    run.iter().filter(|r| self.wants(client, r, batch)).map(|r| r.event.clone()).collect();
                self.queue(client, &passing, batch)
            } else {
                self.queue(client, &events, batch)
            };
        }
        self.totals.delivered.fetch_add(delivered, Relaxed);
        self.totals.routed.fetch_add(run.len() as u64, Relaxed);
        meters().routed_broadcast.increment(run.len() as u64);
        for routed in run.drain(..) {
            self.tap.show(&routed, batch, "everyone");
            self.why.broadcast(&routed, batch, &slots);
        }
    }

    /// Per-receiver filters of broadcasts; what they hold back is counted.
    fn wants(&self, client: &Client, routed: &Routed, batch: &Batch<'_>) -> bool {
        let every = batch.policy.config.cot.rate.per_uid_delivery;
        let positions_only = routed.event.head.class == Class::State && !every.is_zero();
        let held = if !audience::passes(client, &routed.cot) {
            Reason::Filter
        } else if positions_only
            && self.limits.delivered_lately(client.conn, routed.event.head.uid_hash, every, batch.now)
        {
            Reason::Rate
        } else {
            return true;
        };
        Reason::Filter.count(1);
        self.why.held(&routed.event, client, held);
        false
    }

    fn deliver_addressed(&self, routed: Routed, address: Address, batch: &Batch<'_>) {
        let roster: Arc<Roster> = self.directory.roster();
        let Audience::Clients(clients) = audience::audience(&address, &batch.source, &roster) else { return };
        let chat = routed.cot.kind().starts_with("b-t-f");
        let kind = if address.mission {
            &meters().routed_mission
        } else if chat {
            &meters().routed_chat
        } else {
            &meters().routed_directed
        };
        kind.increment(1);
        self.totals.routed.fetch_add(1, Relaxed);
        self.tap.show(&routed, batch, &address.said);
        self.why.directed(&routed, batch, &address, &clients);
        if clients.iter().any(|c| c.proto.load(Relaxed)) {
            encode(&routed);
        }
        for client in &clients {
            let n = self.queue(client, std::slice::from_ref(&routed.event), batch);
            self.totals.delivered.fetch_add(n, Relaxed);
        }
        if clients.is_empty() && !address.mission && !address.consumed && !address.own {
            if chat {
                self.tell_failure(&routed.cot, &batch.source);
            } else {
                Reason::NoReceiver.count(1);
            }
        }
    }

    /// Queues events for one client and deals with what its queue says.
    fn queue(&self, client: &Arc<Client>, events: &[Arc<Event>], batch: &Batch<'_>) -> u64 {
        if events.is_empty() {
            return 0;
        }
        let pushed =
            client.out.push(events, batch.tick, &batch.policy.marks, |event, lost| self.lost(client, event, lost));
        if pushed.refused > 0 {
            Reason::Gone.count(u64::from(pushed.refused));
        }
        if pushed.slow {
            tracing::warn!(event = "client.slow", conn = client.conn, callsign = %client.who().callsign, "client does not keep up: newer positions replace older ones in its queue");
        }
        if pushed.overflow {
            Reason::SlowConsumer.count(1);
            client.end(Leave::SlowConsumer);
        }
        u64::from(pushed.queued)
    }

    /// An event left a queue unwritten.
    pub fn lost(&self, client: &Client, event: &Event, lost: Lost) {
        match lost {
            Lost::Conflated => Reason::Conflated.count(1),
            Lost::Overflow => Reason::StateOverflow.count(1),
        }
        self.why.lost(event, client, lost);
    }
}

fn encode(routed: &Routed) {
    if routed.event.has_proto() {
        return;
    }
    // With a `<marti>` the delivered form has other spans than the text at hand; then the event scans its own form.
    if routed.event.len() == routed.cot.text().len() {
        routed.event.set_proto(proto::encode_stream(&routed.cot).ok());
    } else {
        let _ = routed.event.proto();
    }
}
