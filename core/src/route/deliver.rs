//! Step 4, deliver: the events of a turn are addressed and queued, in order.
//!
//! Broadcasts that follow each other into the same groups go as one run: their texts lie in one buffer, each receiver's
//! queue is locked once and its writer woken at most once. The protobuf form is made when the first receiver needs it,
//! from spans that are at hand. Presence was updated before the roster is read, see `directory`.

use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use fts_plugin_api::cot::Class;
use smallvec::SmallVec;

use super::{
    Address, Reason, Router, Source, audience,
    bundle::{self, Directed},
    keep::Keeping,
    pace::Behind,
    turn::{Ready, Staged},
};
use crate::{
    directory::{Bits, Client, Leave},
    observe::meters::meters,
    session::{outbound::Lost, prompt::Prompt},
    wire::{Event, Head, proto},
};

/// A run is delivered when it holds this much: no small event that is kept a moment keeps more than this alive.
const RUN_BYTES: usize = 64 * 1024;

/// Broadcasts with the same audience, not queued yet.
#[derive(Default)]
struct Run<'a> {
    events: Vec<(&'a Ready, &'a Staged)>,
    send: Bits,
    bytes: usize,
}

impl Router {
    /// Delivers a turn.
    pub(super) fn deliver(&self, turn: &[Ready], prompt: &mut Option<Prompt>) {
        let mut run = Run::default();
        let mut bundle: Vec<Directed<'_>> = Vec::new();
        let mut keeping = self.keeping();
        for ready in turn {
            let source = ready.source();
            for staged in &ready.events {
                let mut address = match staged.more.as_ref().and_then(|m| m.aim.as_ref()) {
                    Some((from, aim)) => self.aimed(aim, from, &staged.cot, &source),
                    None => self.address(&staged.cot, &source),
                };
                if address.broadcast && staged.more.as_ref().is_some_and(|m| !m.served.is_empty()) {
                    // Some have it already: no plain broadcast.
                    address.broadcast = false;
                    address.groups = send_groups(staged, &source).into_owned();
                }
                if !address.broadcast {
                    self.deliver_run(&mut run, prompt, &mut keeping);
                    let directed = self.directed(ready, staged, address);
                    match staged.more.as_ref().and_then(|m| m.bundle) {
                        None => {
                            self.queue_directed(&directed, prompt);
                            self.follow(&directed, &mut keeping);
                        }
                        Some(place) => {
                            bundle.push(directed);
                            if place.last {
                                self.queue_bundle(&bundle, prompt);
                                bundle.drain(..).for_each(|directed| self.follow(&directed, &mut keeping));
                            }
                        }
                    }
                    continue;
                }
                let send = send_groups(staged, &source);
                if run.bytes >= RUN_BYTES || (!run.events.is_empty() && run.send != *send) {
                    self.deliver_run(&mut run, prompt, &mut keeping);
                }
                if run.events.is_empty() {
                    run.send = send.into_owned();
                }
                run.bytes += staged.form.len();
                run.events.push((ready, staged));
            }
        }
        self.deliver_run(&mut run, prompt, &mut keeping);
        // Notices whose event went nowhere are still notices.
        if !bundle.is_empty() {
            self.queue_bundle(&bundle, prompt);
            bundle.iter().for_each(|directed| self.follow(directed, &mut keeping));
        }
        self.kept(keeping);
        for ready in turn {
            meters().route_seconds.record(ready.began.elapsed().as_secs_f64());
        }
    }

    fn deliver_run(&self, run: &mut Run<'_>, prompt: &mut Option<Prompt>, keeping: &mut Keeping) {
        let Some((newest, _)) = run.events.last() else { return };
        let roster = self.directory.roster();
        let slots = roster.reach(&run.send);
        let events = together(&run.events, run.bytes);
        let rate = newest.policy.config.cot.rate.per_uid_delivery;
        let pairs = events.iter().zip(run.events.iter().map(|(_, staged)| &staged.cot));
        let mut big = self.big(newest.policy.config.cot.oversize, pairs);
        let mut encoded = false;
        let (mut delivered, mut depth) = (0, Behind::default());
        for client in slots.iter().filter_map(|slot| roster.client(slot)) {
            if !encoded && client.proto.load(Relaxed) {
                encoded = true;
                events.iter().zip(&run.events).for_each(|(event, (_, staged))| encode(event, staged));
            }
            let wanted = if client.has_filter.load(Relaxed) || !rate.is_zero() {
                let pairs = events.iter().zip(&run.events);
                Cow::Owned(pairs.filter(|(e, (r, s))| self.wants(client, e, s, r)).map(|(e, _)| e.clone()).collect())
            } else {
                Cow::Borrowed(events.as_slice())
            };
            let (queued, behind) = match &mut big {
                Some(big) => self.queue(client, &big.fitting(&wanted, client), newest, prompt),
                None => self.queue(client, &wanted, newest, prompt),
            };
            delivered += queued;
            if behind > 0 {
                depth.note(client, behind, newest.tick);
            }
        }
        if !depth.is_empty() {
            let receivers = slots.iter().count();
            run.events.iter().for_each(|(ready, staged)| slow(ready, staged, &depth, receivers));
        }
        if let Some(big) = big {
            self.offer(big, &run.send);
        }
        let own = run.events.iter().filter(|(r, _)| r.source().internal()).count();
        let counted = (run.events.len() - own) as u64;
        if own == 0 {
            self.totals.delivered.fetch_add(delivered, Relaxed);
        }
        self.totals.routed.fetch_add(counted, Relaxed);
        meters().routed_broadcast.increment(counted);
        let hooks = self.hooks.load();
        for (ready, staged) in &run.events {
            self.tap.show(staged, ready, "everyone");
            self.observe(&hooks, ready, staged);
            self.keep(keeping, ready, staged, None);
        }
        self.why.broadcast(&run.events, &slots);
        run.events.clear();
        run.bytes = 0;
    }

    /// Per-receiver filters of broadcasts; what they hold back is counted. The sender's own events and what the
    /// replay brings count for nothing.
    fn wants(&self, client: &Client, event: &Event, staged: &Staged, ready: &Ready) -> bool {
        let replayed = || (1..=client.out.replay_to()).contains(&staged.presence);
        if staged.head.conn == client.conn || replayed() {
            return false;
        }
        let every = ready.policy.config.cot.rate.per_uid_delivery;
        let positions_only = staged.head.class == Class::State && !every.is_zero();
        let held = if !audience::passes(client, &staged.cot) {
            Reason::Filter
        } else if positions_only && self.limits.delivered_lately(client.conn, staged.head.uid_hash, every, ready.now) {
            Reason::Rate
        } else {
            return true;
        };
        Reason::Filter.count(1);
        self.why.held(event, client, held);
        false
    }

    /// Who gets an event that is not everybody's.
    fn directed<'a>(&self, ready: &'a Ready, staged: &'a Staged, address: Address) -> Directed<'a> {
        let source = ready.source();
        let roster = self.directory.roster();
        let mut clients = audience::audience(&address, &send_groups(staged, &source), source.own_conn(), &roster);
        if let Some(from) = staged.more.as_ref().and_then(|m| m.aim.as_ref()).map(|(from, _)| from).or(source.plugin())
        {
            clients.retain(|c| !from.excludes(c));
        }
        if let Some(more) = staged.more.as_ref().filter(|m| !m.served.is_empty()) {
            clients.retain(|c| !more.served.contains(&c.conn));
        }
        let kind = if address.mission {
            &meters().routed_mission
        } else if is_chat(staged) {
            &meters().routed_chat
        } else {
            &meters().routed_directed
        };
        kind.increment(1);
        self.totals.routed.fetch_add(1, Relaxed);
        self.tap.show(staged, ready, &address.said);
        self.why.directed(staged, ready, &address, &clients);
        Directed { ready, staged, address, clients, event: bundle::queued(staged) }
    }

    fn queue_directed(&self, directed: &Directed<'_>, prompt: &mut Option<Prompt>) {
        let Directed { ready, staged, clients, event, .. } = directed;
        let event = std::slice::from_ref(event);
        if clients.iter().any(|c| c.proto.load(Relaxed)) {
            encode(&event[0], staged);
        }
        let mut big = self.big(ready.policy.config.cot.oversize, event.iter().map(|event| (event, &staged.cot)));
        let mut depth = Behind::default();
        for client in clients {
            let (n, behind) = match &mut big {
                Some(big) => self.queue(client, &big.fitting(event, client), ready, prompt),
                None => self.queue(client, event, ready, prompt),
            };
            self.totals.delivered.fetch_add(n, Relaxed);
            if behind > 0 {
                depth.note(client, behind, ready.tick);
            }
        }
        if !depth.is_empty() {
            slow(ready, staged, &depth, clients.len());
        }
        if let Some(big) = big {
            self.offer(big, &send_groups(staged, &ready.source()));
        }
    }

    /// What follows when it is queued: history, plugins, who is told that it reached nobody.
    fn follow(&self, directed: &Directed<'_>, keeping: &mut Keeping) {
        let Directed { ready, staged, address, clients, .. } = directed;
        self.keep(keeping, ready, staged, Some((address, clients)));
        match staged.more.as_ref().filter(|m| !m.holds.is_empty()) {
            // Observers see it when it is let go.
            Some(more) => self.held(ready, staged, more, clients),
            None => self.observe(&self.hooks.load(), ready, staged),
        }
        if clients.is_empty() && !address.mission && !address.consumed && !address.own {
            if is_chat(staged) {
                self.tell_failure(&staged.cot, &ready.source());
            } else {
                Reason::NoReceiver.count(1);
            }
        }
    }

    /// Queues events for one client and deals with what its queue says. How many, and how deep it is now
    /// ([`crate::session::outbound::Pushed::behind`]).
    pub(super) fn queue(
        &self,
        client: &Arc<Client>,
        events: &[Arc<Event>],
        ready: &Ready,
        prompt: &mut Option<Prompt>,
    ) -> (u64, u8) {
        if events.is_empty() {
            return (0, 0);
        }
        let at_once = prompt.as_mut();
        if let Some(n) = at_once.and_then(|p| p.take_on(client, events, ready.tick, ready.policy.coalesce_ms)) {
            return (n as u64, 0);
        }
        // A queue is deep because its client does not read, or because its writer had no turn yet: only the first is
        // the client's doing.
        let blocked = client.figures.blocked_since.load(Relaxed) != 0;
        let marks = if blocked { &ready.policy.marks } else { &ready.policy.patient };
        let mut lost: SmallVec<[(u64, Lost); 8]> = SmallVec::new();
        let pushed =
            client.out.push(events, client.conn, ready.tick, marks, |event, why| lost.push((event.head.id, why)));
        if !lost.is_empty() {
            self.lost(client, &lost, ready.now);
        }
        if pushed.refused > 0 {
            Reason::Gone.count(u64::from(pushed.refused));
        }
        if pushed.overflow {
            Reason::SlowConsumer.count(1);
            client.end(Leave::SlowConsumer);
        }
        (u64::from(pushed.queued), pushed.behind)
    }

    /// Events left a queue unwritten.
    pub fn lost(&self, client: &Client, lost: &[(u64, Lost)], now: i64) {
        let conflated = lost.iter().filter(|(_, why)| *why == Lost::Conflated).count() as u64;
        Reason::Conflated.count(conflated);
        Reason::StateOverflow.count(lost.len() as u64 - conflated);
        self.why.lost(lost, client, now);
    }
}

/// A plugin whose events most receivers do not keep up with sends slower from now on.
#[cold]
fn slow(ready: &Ready, staged: &Staged, depth: &Behind, receivers: usize) {
    let source = ready.source();
    let Some((from, pace)) = source.plugin().and_then(|from| Some((from, from.pace.as_ref()?))) else { return };
    if staged.head.class == Class::Reliable && pace.met(depth, receivers, ready.tick) {
        tracing::info!(event = "plugin.slowed", plugin = %from.plugin, "most receivers are behind in events of this plugin that must not be dropped: it may send fewer until they have caught up");
    }
}

fn is_chat(staged: &Staged) -> bool {
    staged.cot.kind().starts_with("b-t-f")
}

/// Groups an event is sent into: those a plugin said with its target, else its source's.
pub(super) fn send_groups<'a>(staged: &'a Staged, source: &'a Source<'_>) -> Cow<'a, Bits> {
    match staged.more.as_ref().and_then(|m| m.aim.as_ref()) {
        Some((from, _)) => Cow::Borrowed(&from.send),
        None => source.send_groups(),
    }
}

/// The events of a run in one buffer, so that neighbours leave as one slice; a single one stays where it is.
fn together(run: &[(&Ready, &Staged)], bytes: usize) -> Vec<Arc<Event>> {
    if let [(_, only)] = run {
        return vec![event(only, only.head, only.form.clone(), 0, only.form.len())];
    }
    let mut buf = Vec::with_capacity(bytes);
    run.iter().for_each(|(_, staged)| buf.extend_from_slice(&staged.form));
    let buf = Bytes::from(buf);
    let mut at = 0;
    let placed = run.iter().map(|(_, staged)| {
        let from = at;
        at += staged.form.len();
        event(staged, staged.head, buf.clone(), from, at)
    });
    placed.collect()
}

pub(super) fn event(staged: &Staged, head: Head, buf: Bytes, from: usize, to: usize) -> Arc<Event> {
    let event = Event::new(head, buf, from as u32, to as u32);
    event.set_presence(staged.presence);
    event.set_proto_from(staged.frame.as_ref());
    Arc::new(event)
}

pub(super) fn encode(event: &Event, staged: &Staged) {
    if event.has_proto() {
        return;
    }
    // With a `<marti>` the delivered form has other spans than the text at hand; then the event scans its own form.
    if staged.form.len() == staged.cot.text().len() {
        event.set_proto(proto::encode_stream(&staged.cot).ok());
    } else {
        let _ = event.proto();
    }
}
