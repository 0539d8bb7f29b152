//! What plugins send: the same admission, intercepts (but their own), addressing and queues as everybody's events.
//!
//! [`Router::send`] takes one event; [`Router::release`] lets held ones go, each behind its notices, in one turn: events
//! that a plugin has stored together leave together, else each is a write to each of its receivers. Neither waits for a
//! receiver.
use std::sync::Arc;

use fts_plugin_api::cot::scan;
use smallvec::SmallVec;

use super::{
    Batch, Done, FromPlugin, Reason, Router, Source,
    bundle::InBundle,
    hooks::{Aim, Outgoing, Seen},
    turn::{From, More, Ready},
};
use crate::directory::{Bits, Client};

/// More plugins in a row than this make no event of each other's events.
pub const MOST_HOPS: u8 = 8;

/// A held event that is let go.
#[derive(Debug)]
pub struct LetGo {
    /// What goes before it, each to its own target.
    pub notices: Vec<Outgoing>,
    /// The event.
    pub seen: Arc<Seen>,
    /// Whom it is for.
    pub aim: Aim,
}

impl Router {
    /// Sends one event of a plugin.
    ///
    /// # Errors
    /// Why it is not sent.
    pub fn send(&self, outgoing: Outgoing) -> Result<(), Reason> {
        let mut batch = self.batch(&outgoing)?;
        let mut done = Done::default();
        let Some(ready) = self.take_in(&mut batch, &outgoing, true, &mut done) else { return Ok(()) };
        match done.pending.take() {
            Some(pending) => pending.stage_blocking(self),
            None => self.stage_for(ready, outgoing.text.len(), From::Plugin),
        }
        self.relieve();
        Ok(())
    }

    /// Lets held events go, in order and in one turn: of each first every notice to its own target, then the event.
    pub fn release(&self, all: &[LetGo]) {
        let (mut ready, mut bytes) = (Vec::with_capacity(2 * all.len()), 0);
        for one in all {
            bytes += self.let_go(one, &mut ready);
        }
        self.stage_for(ready, bytes, From::Plugin);
    }

    /// Adds the notices of one, and it; how many bytes that is.
    pub(super) fn let_go(&self, LetGo { notices, seen, aim }: &LetGo, ready: &mut Vec<Ready>) -> usize {
        let first = ready.len();
        ready.extend(notices.iter().filter_map(|notice| self.outgoing(notice)));
        let mut bytes = notices.iter().map(|n| n.text.len()).sum::<usize>();
        let source = seen.source.lend();
        let Ok(spans) = scan(&seen.text) else { return bytes };
        let mut batch = Batch::new(self, source, seen.text.len());
        // It was admitted before.
        if batch.try_admit(&seen.text, &spans, None, false).is_ok()
            && let Some(draft) = batch.drafts.pop()
        {
            let buf = batch.freeze();
            let (mut staged, _) = batch.plain(&buf, draft);
            let bundle = self.bundle(&staged.cot, seen, aim, notices);
            let before = ready.iter_mut().skip(first).flat_map(|r| &mut r.events);
            before.for_each(|notice| notice.more.get_or_insert_default().bundle = bundle);
            let send = source.send_groups().into_owned();
            // One that came back from the journal has its sender among those left out.
            let (except_conns, except_uids) =
                source.plugin().map_or_else(Default::default, |f| (f.except_conns.clone(), f.except_uids.clone()));
            let from = super::source::FromPlugin { send, except_conns, except_uids, ..Default::default() };
            let served = seen.served.clone();
            staged.more = Some(Box::new(More {
                aim: Some((Arc::new(from), aim.clone())),
                journal: seen.journal,
                released: true,
                served,
                bundle: bundle.map(InBundle::closing),
                ..More::default()
            }));
            bytes += buf.len();
            ready.push(batch.ready(seen.source.clone(), SmallVec::from_iter([staged])));
        }
        bytes
    }

    /// The connections an event of a plugin with this aim would go to now. For what is not the same for each of them;
    /// events with an address of their own are nobody's here.
    pub fn conns_of(&self, from: &FromPlugin, aim: &Aim) -> Vec<u64> {
        let (directory, roster) = (&self.directory, self.directory.roster());
        let in_reach = |send: &Bits| {
            let reach = roster.reach(send);
            reach.iter().filter_map(|slot| roster.client(slot)).cloned().collect::<Vec<_>>()
        };
        let (clients, groups) = match aim {
            Aim::Addressed => return Vec::new(),
            Aim::Several(aims) => {
                let mut all: Vec<u64> = aims.iter().flat_map(|aim| self.conns_of(from, aim)).collect();
                all.sort_unstable();
                all.dedup();
                return all;
            }
            Aim::All => (in_reach(&from.send), true),
            Aim::Groups(groups) => (in_reach(groups), true),
            Aim::Conns(conns) => (roster.clients().filter(|c| conns.contains(&c.conn)).cloned().collect(), true),
            Aim::Callsigns(names) => (names.iter().flat_map(|n| directory.index().callsign(n)).collect(), true),
            Aim::Uids(uids) => (uids.iter().flat_map(|u| directory.index().uid(u)).collect(), true),
            // Membership decides (RULE-56).
            Aim::Audience(members) => (roster.clients().filter(|c| members.contains(c)).cloned().collect(), false),
        };
        let fits = |c: &&Arc<Client>| !from.excludes(c) && (!groups || from.send.meets(&c.groups().receive));
        clients.iter().filter(fits).map(|c| c.conn).collect()
    }

    /// An event that an intercept added, ready to be staged.
    pub(super) fn outgoing(&self, outgoing: &Outgoing) -> Option<Ready> {
        let mut batch = self.batch(outgoing).ok()?;
        self.take_in(&mut batch, outgoing, false, &mut Done::default())?.pop()
    }

    fn batch<'a>(&'a self, outgoing: &'a Outgoing) -> Result<Batch<'a>, Reason> {
        let refuse = |reason: Reason| {
            reason.count(1);
            Err(reason)
        };
        if outgoing.from.hop > MOST_HOPS {
            return refuse(Reason::PluginLoop);
        }
        let Ok(spans) = scan(&outgoing.text) else { return refuse(Reason::Xml) };
        let mut batch = Batch::new(self, Source::Plugin(&outgoing.from), outgoing.text.len());
        batch.admit(&outgoing.text, &spans)?;
        Ok(batch)
    }

    /// With `hooks` the event passes intercepts and the journal.
    fn take_in(&self, batch: &mut Batch<'_>, outgoing: &Outgoing, hooks: bool, done: &mut Done) -> Option<Vec<Ready>> {
        let draft = batch.drafts.pop()?;
        let buf = batch.freeze();
        let table = self.hooks.load();
        let mut also = Vec::new();
        let mut staged =
            if hooks { batch.staged(&buf, draft, &table, &mut also, done)? } else { batch.plain(&buf, draft).0 };
        let more = staged.more.get_or_insert_default();
        // Whoever says where it goes does not ask its `<marti>`.
        if !matches!(outgoing.aim, Aim::Addressed) {
            more.holds.clear();
        }
        if more.aim.is_none() {
            more.aim = Some((outgoing.from.clone(), outgoing.aim.clone()));
        }
        let mut events = SmallVec::from_iter([staged]);
        let ticket = if hooks { batch.journal(&table, &mut events, done) } else { None };
        let mut ready = vec![batch.ready(super::Owned::Plugin(outgoing.from.clone()), events)];
        ready.extend(also.into_iter().filter_map(|o| self.outgoing(&o)));
        if ticket.is_some() {
            done.pending = Some(super::Pending::new(ready, buf.len(), ticket));
            return Some(Vec::new());
        }
        Some(ready)
    }
}
