//! Bundles: a held position that is let go, with the notices before it. For a client that reads slowly they are one state:
//! the newest of a thing in its destination takes the older one's place, notices and position together (mission.md 7.3).
//!
//! Each client gets what is for it of a bundle with one push, so that its queue sees it whole. Nothing is allocated per
//! client. What must not happen: a notice that says something else (a folder was made) is thinned with positions, so a
//! bundle has no more notices than the event has destinations.
use std::{
    hash::BuildHasher,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use fts_plugin_api::cot::{Attr, Class, Cot};
use smallvec::SmallVec;

use super::{
    Address, Router,
    deliver::{encode, event, send_groups},
    hooks::{Aim, Outgoing, Seen},
    notice::HASHER,
    turn::{Ready, Staged},
};
use crate::{
    directory::{Client, Found},
    session::prompt::Prompt,
    wire::{Event, Head},
};

/// Where an event stands in a bundle.
#[derive(Clone, Copy, Debug)]
pub(super) struct InBundle {
    /// Of the bundle.
    pub number: u32,
    /// The same for each bundle that may take this one's place.
    pub key: u64,
    /// The event behind the notices.
    pub last: bool,
}

impl InBundle {
    /// What its queues need to know.
    pub fn head(self, head: Head) -> Head {
        Head { class: Class::State, replaceable: false, uid_hash: self.key, bundle: self.number, ..head }
    }

    /// The event this is for comes behind those it is a notice of.
    pub fn closing(self) -> Self {
        Self { last: true, ..self }
    }
}

/// An event that is addressed but not queued yet.
pub(super) struct Directed<'a> {
    pub ready: &'a Ready,
    pub staged: &'a Staged,
    pub address: Address,
    pub clients: Found,
    pub event: Arc<Event>,
}

impl Router {
    /// The bundle that this held event makes with its notices; None = each is what it is by itself.
    pub(super) fn bundle(&self, cot: &Cot, seen: &Seen, aim: &Aim, notices: &[Outgoing]) -> Option<InBundle> {
        let named = |aim: &Aim| matches!(aim, Aim::Audience(_) | Aim::Conns(_));
        let fits = notices.len() <= seen.held.len() && named(aim) && notices.iter().all(|n| named(&n.aim));
        (fits && is_moving(cot)).then(|| InBundle {
            number: (self.next_id() as u32).max(1),
            key: HASHER.hash_one((seen.uid_hash, &seen.held)),
            last: false,
        })
    }

    /// Queues a bundle: for each client what it gets of it, in order.
    pub(super) fn queue_bundle(&self, parts: &[Directed<'_>], prompt: &mut Option<Prompt>) {
        let Some(newest) = parts.last() else { return };
        let mut wanted: Vec<(usize, &Arc<Client>)> = Vec::with_capacity(parts.iter().map(|p| p.clients.len()).sum());
        for (n, part) in parts.iter().enumerate() {
            if part.clients.iter().any(|c| c.proto.load(Relaxed)) {
                encode(&part.event, part.staged);
            }
            wanted.extend(part.clients.iter().map(|client| (n, client)));
        }
        wanted.sort_unstable_by_key(|(n, client)| (client.conn, *n));
        let pairs = parts.iter().map(|p| (&p.event, &p.staged.cot));
        let mut big = self.big(newest.ready.policy.config.cot.oversize, pairs);
        let mut events: SmallVec<[Arc<Event>; 4]> = SmallVec::new();
        for of_one in wanted.chunk_by(|(_, one), (_, other)| one.conn == other.conn) {
            let Some((_, client)) = of_one.first() else { continue };
            events.clear();
            events.extend(of_one.iter().filter_map(|(n, _)| parts.get(*n)).map(|part| part.event.clone()));
            // How deep the queue is in what may not be dropped says nothing here: all of it may be.
            let (n, _) = match &mut big {
                Some(big) => self.queue(client, &big.fitting(&events, client), newest.ready, prompt),
                None => self.queue(client, &events, newest.ready, prompt),
            };
            self.totals.delivered.fetch_add(n, Relaxed);
        }
        if let Some(big) = big {
            self.offer(big, &send_groups(newest.staged, &newest.ready.source()));
        }
    }
}

/// A position whose next one makes it worthless: of class state, were it not addressed.
fn is_moving(cot: &Cot) -> bool {
    let moving = || cot.raw(Attr::How).starts_with("m-") || cot.is_sa();
    cot.kind().starts_with("a-") && moving() && cot.detail("archive").is_none()
}

/// The event as queues take it.
pub(super) fn queued(staged: &Staged) -> Arc<Event> {
    let head = staged.more.as_ref().and_then(|m| m.bundle).map_or(staged.head, |b| b.head(staged.head));
    event(staged, head, staged.form.clone(), 0, staged.form.len())
}
