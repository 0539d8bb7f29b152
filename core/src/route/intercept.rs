//! Step 1b, intercept: plugins that asked for an event may drop, change, retarget or take it, in their order.
//!
//! On the sender's task, before addressing. A changed event is checked again (form, schema, size, notice types) and
//! later intercepts see what it has become. Also here: which plugin holds the event for one of its destinations, and
//! what must be in the journal before it is delivered. What must not happen: an event that a guard did not see passes.
use std::sync::Arc;

use bytes::Bytes;
use fts_plugin_api::cot::{Attr, Class, Cot, Repairs, scan};
use smallvec::SmallVec;

use super::{
    Batch, Done, Reason, Resolved, Router,
    hooks::{Interceptor, Outgoing, Say, Seen, Table},
    notice::{HASHER, replaceable},
    turn::{HeldBy, More, Ready, Staged},
    why::By,
};
use crate::{
    directory::Found,
    store::{
        history::entry,
        journal::{Dest, Kind, Origin, Record, Ticket},
    },
};

impl Batch<'_> {
    /// None = it goes nowhere (any more).
    pub(super) fn intercept(
        &self,
        mut staged: Staged,
        mut repairs: Repairs,
        hooks: &Table,
        also: &mut Vec<Outgoing>,
    ) -> Option<(Staged, Repairs)> {
        let sender = self.source.plugin().map(|from| from.plugin.clone());
        for (place, interceptor) in hooks.intercepts(0).iter().enumerate() {
            let own = sender.as_deref() == Some(&*interceptor.plugin);
            if (own && !interceptor.own) || !interceptor.wanted.matches(&staged.cot) {
                continue;
            }
            let judgement = interceptor.hook.intercept(&staged.cot, &self.source);
            also.extend(judgement.also);
            match judgement.say {
                Say::Pass => {}
                Say::Drop(why) => {
                    let reason = if why == "guard_down" { Reason::GuardDown } else { Reason::PluginDropped };
                    tracing::debug!(event = "cot.dropped", plugin = %interceptor.plugin, uid = %staged.cot.uid(), why, "dropped by an intercept");
                    return self.refuse(&staged, reason, by(interceptor, why));
                }
                Say::Consume => {
                    self.router.why.taken(&staged, &self.source, self.now, by(interceptor, String::new()));
                    return None;
                }
                Say::Retarget(from, aim) => more(&mut staged).aim = Some((from, aim)),
                Say::Replace(text) => match self.replaced(&staged, text) {
                    Ok((next, again)) => (staged, repairs) = (next, again),
                    Err(reason) => {
                        tracing::warn!(event = "plugin.bad_event", plugin = %interceptor.plugin, place, uid = %staged.cot.uid(), reason = reason.name(), "an intercept made this of the event, and it cannot be sent");
                        let said = format!("what it made of the event cannot be sent ({})", reason.name());
                        return self.refuse(&staged, reason, by(interceptor, said));
                    }
                },
            }
        }
        Some((staged, repairs))
    }

    fn refuse<T>(&self, staged: &Staged, reason: Reason, by: By) -> Option<T> {
        reason.count(1);
        self.router.why.dropped_by(staged, &self.source, self.now, reason, by);
        None
    }

    /// The event with another text, checked like one that came in.
    fn replaced(&self, staged: &Staged, text: Bytes) -> Result<(Staged, Repairs), Reason> {
        let spans = scan(&text).map_err(|_| Reason::Xml)?;
        if text.len() > self.policy.config.stream.limits.max_event_bytes {
            return Err(Reason::Oversize);
        }
        let mut again = Batch::new(self.router, self.source, text.len());
        again.try_admit(&text, &spans, None, false)?;
        let draft = again.drafts.pop().ok_or(Reason::Schema)?;
        let buf = again.freeze();
        let cot = Cot::from_parts(buf.slice(draft.text.clone()), draft.spans);
        let mut head = staged.head;
        head.class = cot.class();
        head.replaceable = replaceable(cot.kind(), draft.form != draft.text);
        head.uid_hash = std::hash::BuildHasher::hash_one(&*HASHER, cot.raw(Attr::Uid));
        let aim = staged.more.as_ref().and_then(|m| m.aim.clone());
        let more = aim.map(|aim| Box::new(More { aim: Some(aim), ..More::default() }));
        let form = buf.slice(draft.form);
        Ok((Staged { head, presence: 0, cot, form, frame: None, more }, draft.repairs))
    }

    /// Who holds it for which of its destinations. Whoever may not send there is not asked (RULE-56).
    pub(super) fn hold(&self, staged: &mut Staged) {
        if staged.form.len() == staged.cot.text().len() && !self.policy.config.cot.keep_marti {
            return;
        }
        if !self.router.destinations.any() || staged.more.as_ref().is_some_and(|m| m.aim.is_some()) {
            return;
        }
        let mut holds: Vec<HeldBy> = Vec::new();
        for dest in staged.cot.details("marti").flat_map(|m| m.children().filter(|e| e.name() == "dest")) {
            if ["callsign", "publish", "uid"].iter().any(|k| dest.attr(k).is_some()) {
                continue;
            }
            for (kind, name) in dest.attributes() {
                let Some(binding) = self.router.destinations.get(kind) else { continue };
                let name = fts_plugin_api::cot::unescape(name);
                if let Resolved::Hold(hold) = binding.resolve(&name, &self.source) {
                    let dest = (kind.to_owned(), name.into_owned());
                    match holds.iter_mut().find(|(h, _)| h.consumer() == hold.consumer()) {
                        Some((_, dests)) if dests.contains(&dest) => {}
                        Some((_, dests)) => dests.push(dest),
                        None => holds.push((hold, vec![dest])),
                    }
                }
                break;
            }
        }
        if !holds.is_empty() {
            more(staged).holds = holds;
        }
    }

    /// Hands what must not be lost to the journal. Server-made events are not in it: their source is.
    pub(super) fn journal(&self, hooks: &Table, events: &mut SmallVec<[Staged; 1]>, done: &mut Done) -> Option<Ticket> {
        let plugin = self.source.plugin();
        let stored = super::keep::stored(&self.source);
        let history = self.router.history.get().and_then(|h| h.reliably());
        let mut at = SmallVec::<[usize; 4]>::new();
        let mut records = Vec::new();
        for (n, staged) in events.iter().enumerate() {
            let holds = staged.more.as_ref().map_or(&[][..], |m| &m.holds);
            done.held += u32::try_from(holds.len()).unwrap_or(0).min(1);
            let mut consumers: Vec<Arc<str>> = holds.iter().map(|(hold, _)| hold.consumer()).collect();
            if stored && staged.head.class == Class::Reliable {
                let watching = hooks.observers(&staged.cot, plugin.map(|from| &*from.plugin));
                consumers.extend(watching.iter().filter(|w| w.reliable).map(|w| w.observer.consumer.clone()));
                // What only members may see its plugin keeps.
                let keeps = history.filter(|_| entry::archived(&staged.cot) && !entry::only_bound(&staged.cot));
                consumers.extend(keeps.cloned());
            }
            if !consumers.is_empty() {
                let dests = holds.iter().flat_map(|(_, dests)| dests);
                let dests = dests.map(|(kind, name)| Dest { kind: kind.clone(), name: name.clone() }).collect();
                let bytes = Bytes::copy_from_slice(staged.cot.text());
                records.push(Record { id: 0, received_ms: self.now, origin: self.origin(), dests, consumers, bytes });
                at.push(n);
            }
        }
        if records.is_empty() {
            return None;
        }
        let ticket = self.router.journal.get()?.append(records);
        for (n, id) in at.into_iter().zip(ticket.ids()) {
            more(&mut events[n]).journal = id;
        }
        Some(ticket)
    }

    fn origin(&self) -> Origin {
        let (mut origin, groups) = (Origin::default(), self.source.send_groups());
        origin.groups = self.router.directory.groups.names(&groups);
        origin.conn = self.source.conn();
        match &self.source {
            super::Source::Client(client) => {
                let who = client.who();
                (origin.uid, origin.callsign) = (who.uid.to_string(), who.callsign.to_string());
                origin.user = client.user().to_owned();
                origin.kind = Kind::Client;
            }
            super::Source::Datagram { .. } => origin.kind = Kind::Datagram,
            super::Source::Server { .. } => origin.kind = Kind::Server,
            super::Source::Plugin(from) => {
                (origin.plugin, origin.hop) = (from.plugin.to_string(), from.hop);
                origin.kind = Kind::Plugin;
            }
        }
        origin
    }
}

/// Whose doing it was.
fn by(interceptor: &Interceptor, said: String) -> By {
    // Of a guard that is down there is nothing to say but that.
    let said = if said == "guard_down" { String::new() } else { said };
    By { plugin: interceptor.plugin.clone(), handler: interceptor.handler.clone(), said }
}

/// What plugins have to do with it.
fn more(staged: &mut Staged) -> &mut More {
    staged.more.get_or_insert_default()
}

impl Router {
    /// Tells observers. Called after the event was queued for everybody.
    pub(super) fn observe(&self, hooks: &Table, ready: &Ready, staged: &Staged) {
        let source = ready.source();
        if source.internal() {
            return;
        }
        let watching = hooks.observers(&staged.cot, source.plugin().map(|from| &*from.plugin));
        if watching.is_empty() {
            return;
        }
        let seen = Arc::new(seen(ready, staged));
        for w in watching {
            w.observer.hook.observe(&seen, w.coalesce);
        }
    }

    /// What an observed event costs on the router's side, for measuring.
    #[cfg(test)]
    pub fn observe_for_measure(&self, hooks: &Table, cot: &Cot, source: &super::Source<'_>) {
        let watching = hooks.observers(cot, None);
        let seen = Arc::new(Seen {
            text: Bytes::copy_from_slice(cot.text()),
            source: source.own(),
            origin: None,
            received: 0,
            journal: 0,
            class: cot.class(),
            uid_hash: 7,
            replayed: false,
            held: Vec::new(),
            served: Vec::new(),
            link: String::new(),
        });
        for w in watching {
            w.observer.hook.observe(&seen, w.coalesce);
        }
    }

    /// Gives a held event to its plugins; those who were named in it have it already.
    pub(super) fn held(&self, ready: &Ready, staged: &Staged, more: &More, served: &Found) {
        for (hold, dests) in &more.holds {
            let mut seen = seen(ready, staged);
            seen.held = dests.clone();
            seen.served = served.iter().map(|c| c.conn).collect();
            let id = seen.journal;
            if !hold.hold(Arc::new(seen)) {
                self.unseen(ready, staged, id);
                Reason::PluginDown.count(1);
                let holder = hold.consumer();
                let plugin = holder.split_once(':').map_or(&*holder, |(_, name)| name).into();
                let by =
                    By { plugin, said: "it holds events for this destination and is down".into(), ..By::default() };
                self.why.dropped_by(staged, &ready.source(), ready.now, Reason::PluginDown, by);
            }
        }
    }

    /// Observers see what was let go: they do not wait for what nobody lets go.
    fn unseen(&self, ready: &Ready, staged: &Staged, id: u64) {
        let Some(journal) = self.journal.get() else { return };
        let hooks = self.hooks.load();
        let plugin = ready.source().plugin().map(|from| from.plugin.clone());
        for watching in hooks.observers(&staged.cot, plugin.as_deref()) {
            journal.consumer(&watching.observer.consumer).done(id);
        }
    }
}

fn seen(ready: &Ready, staged: &Staged) -> Seen {
    Seen {
        text: Bytes::copy_from_slice(staged.cot.text()),
        source: ready.source.clone(),
        origin: None,
        received: ready.now,
        journal: staged.more.as_ref().map_or(0, |m| m.journal),
        class: staged.head.class,
        uid_hash: staged.head.uid_hash,
        replayed: false,
        held: Vec::new(),
        served: Vec::new(),
        link: String::new(),
    }
}
