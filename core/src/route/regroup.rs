//! Other groups at run time (identity.md 8.3, RULE-78), between two turns, so that no event is delivered half by the old
//! groups and half by the new ones:
//! 1. what was taken in before goes out by the old groups;
//! 2. the connections get their groups, and what they reported counts as sent into the new ones;
//! 3. who can no longer see such a connection is told that it is gone, unless its map is cleared anyway (5);
//! 4. who can see somebody from now on is sent the last position, in both directions;
//! 5. devices that must read their channels again are told (`t-x-g-c`): they clear their maps.
//!
//! What must not happen: a position reaches somebody outside its groups, or an old one comes behind a newer one.
use std::{collections::HashMap, sync::Arc};

use fts_plugin_api::cot::{Cot, Millis};

use super::{Router, why::Decision};
use crate::{
    directory::{Bits, Client, Groups, Latest, Roster},
    observe::clock,
    route::Made,
    session::notices,
    wire::Event,
};

/// One connection that gets other groups.
#[derive(Clone, Debug)]
pub struct Regrouped {
    /// Which.
    pub client: Arc<Client>,
    /// What it may send into and receive from, from now on.
    pub groups: Groups,
    /// Its device does not know it yet: it is told to read its channels again.
    pub tell: bool,
}

/// Before and after.
struct Change {
    regrouped: Regrouped,
    before: Groups,
    /// Its contacts as others saw them.
    shown: Vec<Latest>,
}

impl Router {
    /// Gives connections other groups; `device` is the client uid that caused it, "" = none did.
    pub fn regroup(&self, all: Vec<Regrouped>, device: &str) {
        let now = clock::now_ms();
        self.between_turns(|| {
            let before = self.directory.roster();
            let presence = self.directory.presence.all();
            let shown = |conn| presence.iter().filter(|l| l.conn == conn).cloned().collect();
            let change = |regrouped: Regrouped| Change {
                before: (**regrouped.client.groups()).clone(),
                shown: shown(regrouped.client.conn),
                regrouped,
            };
            let changes: Vec<_> = all.into_iter().map(change).collect();
            let groups: Vec<_> =
                changes.iter().map(|c| (c.regrouped.client.clone(), c.regrouped.groups.clone())).collect();
            self.directory.regroup(&groups);
            for (client, groups) in &groups {
                self.directory.presence.regroup(client.conn, &groups.send);
            }
            let after = self.directory.roster();
            let by_conn: HashMap<u64, &Change> = changes.iter().map(|c| (c.regrouped.client.conn, c)).collect();
            let cleared = |c: &Client| by_conn.get(&c.conn).is_some_and(|c| c.regrouped.tell);
            for change in &changes {
                let (own, send) = (change.regrouped.client.conn, &change.regrouped.groups.send);
                for latest in &change.shown {
                    let (saw, sees) = (before.reach(&latest.send), after.reach(send));
                    let only = |slots: &Bits, not: &Bits, roster: &Roster| -> Vec<Arc<Client>> {
                        let slots = slots.iter().filter(|slot| !not.contains(*slot));
                        slots.filter_map(|slot| roster.client(slot)).filter(|c| c.conn != own).cloned().collect()
                    };
                    // Somebody else may have the slot by now: that one never saw anything.
                    let here = |c: &Client| after.client(c.slot).is_some_and(|now| now.conn == c.conn);
                    let mut lost = only(&saw, &sees, &before);
                    lost.retain(|c| here(c) && !cleared(c) && !self.sees_another(&latest.uid, own, c));
                    self.say_gone(latest, &lost, now);
                    self.show_position(latest, &only(&sees, &saw, &after), now);
                }
            }
            for change in &changes {
                let (had, has) = (&change.before.receive, &change.regrouped.groups.receive);
                let unmoved = presence.iter().filter(|l| !by_conn.contains_key(&l.conn));
                for latest in unmoved.filter(|l| l.send.meets(has) && !l.send.meets(had)) {
                    self.show_position(latest, std::slice::from_ref(&change.regrouped.client), now);
                }
            }
            for change in changes.iter().filter(|c| c.regrouped.tell) {
                self.send_to(&change.regrouped.client, Made::reliable(notices::groups_changed(device, now)));
            }
        });
    }

    /// Sends a connection the last position of everybody it may see (`sendLatestSA`).
    pub fn show_everybody(&self, client: &Arc<Client>) {
        let now = clock::now_ms();
        self.between_turns(|| {
            let groups = client.groups();
            for latest in self.directory.presence.all() {
                if latest.conn != client.conn && latest.send.meets(&groups.receive) {
                    self.show_position(&latest, std::slice::from_ref(client), now);
                }
            }
        });
    }

    /// Somebody else who is seen goes by this uid: then it is not gone (RULE-43).
    fn sees_another(&self, uid: &str, own: u64, receiver: &Client) -> bool {
        let found = self.directory.index().uid(uid);
        found.iter().any(|c| c.conn != own && c.groups().send.meets(&receiver.groups().receive))
    }

    fn say_gone(&self, latest: &Latest, to: &[Arc<Client>], now: Millis) {
        let kind = Cot::parse(latest.event.xml().to_vec()).map(|c| c.kind().to_owned()).unwrap_or_default();
        for client in to {
            self.send_to(client, Made::reliable(notices::goodbye(&latest.uid, &kind, now)));
        }
    }

    /// A position as it was reported, for who did not see it; expired ones are not shown.
    fn show_position(&self, latest: &Latest, to: &[Arc<Client>], now: Millis) {
        if latest.expires <= now {
            return;
        }
        let to: Vec<_> = to.iter().filter(|c| !c.one_way() && *c.who().uid != *latest.uid).cloned().collect();
        if to.is_empty() {
            return;
        }
        let event = self.again(&latest.event);
        let policy = self.policy();
        for client in &to {
            let mut lost = Vec::new();
            let events = std::slice::from_ref(&event);
            client.out.push(events, client.conn, clock::tick(), &policy.marks, |event, why| {
                lost.push((event.head.id, why));
            });
            if !lost.is_empty() {
                self.lost(client, &lost, now);
            }
        }
        if let Ok(cot) = Cot::parse(event.xml().to_vec()) {
            self.why.made(&event, &cot, Decision::Directed("who sees its groups from now on".into()), &to);
        }
    }

    /// The same event once more, with a number of its own for the record of who got what.
    fn again(&self, event: &Event) -> Arc<Event> {
        let mut head = event.head;
        head.id = self.next_id();
        let again = Event::whole(head, event.xml().to_vec());
        if event.has_proto() {
            again.set_proto(event.proto().cloned());
        }
        Arc::new(again)
    }
}
