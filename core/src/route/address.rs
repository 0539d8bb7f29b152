//! Step 2, address: `<marti><dest …/></marti>` becomes receivers (cot.md 5.2), and events that name nobody are addressed
//! by their content where a rule says so (5.5, 6.3).
//!
//! Per `dest` the first known attribute decides; several `dest` add up. One recognised `dest` is enough that the event
//! never is a broadcast, whoever it finds (RULE-51).

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use fts_plugin_api::cot::{Cot, Element, Millis};
use parking_lot::Mutex;

use super::{Members, Reason, Resolved, Router, Source, chat, hooks::Aim, source::FromPlugin};
use crate::{
    directory::{Bits, Client, Found},
    observe::clock,
};

/// The callsign that means everybody.
pub(super) const ALL_STREAMING: &str = "All Streaming";
/// What ATAK's network library writes for "to the server only".
const SERVER_ONLY: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/// The destination that is a UUID.
const MISSION_GUID: &str = "mission-guid";

/// Who an event is for, before groups and filters.
#[derive(Clone, Debug, Default)]
pub struct Address {
    /// No recognised destination: everyone in reach.
    pub broadcast: bool,
    /// Named receivers (uid, callsign, chat members).
    pub clients: Found,
    /// Members of bound destinations: membership decides, not groups (RULE-56).
    pub bound: Vec<Arc<Members>>,
    /// Broadcast restricted to these groups of the sender.
    pub groups: Bits,
    /// Some destination was of a kind plugins bind.
    pub mission: bool,
    /// The sender itself was named: that finds nobody and is no failure (RULE-53).
    pub own: bool,
    /// For the server only: consumed.
    pub consumed: bool,
    /// Destinations as people read them, for `fts why` and `tail-cot`.
    pub said: String,
}

impl Address {
    /// Everyone in reach.
    pub fn everyone() -> Self {
        Self { broadcast: true, ..Self::default() }
    }

    /// These clients only.
    pub fn of(clients: Found, said: impl Into<String>) -> Self {
        Self { clients, said: said.into(), ..Self::default() }
    }

    pub(super) fn add(&mut self, found: Found, own: u64) {
        for client in found {
            if client.conn == own {
                self.own = true;
            } else if !self.clients.iter().any(|c| c.conn == client.conn) {
                self.clients.push(client);
            }
        }
    }

    /// Whoever either of the two names.
    fn join(&mut self, other: Self, own: u64) {
        self.broadcast |= other.broadcast;
        self.add(other.clients, own);
        self.bound.extend(other.bound);
        self.groups.add(&other.groups);
        self.mission |= other.mission;
        self.own |= other.own;
    }

    fn say(&mut self, kind: &str, name: &str) {
        if !self.said.is_empty() {
            self.said.push_str(", ");
        }
        self.said.push_str(kind);
        self.said.push(' ');
        self.said.push_str(name);
    }
}

impl Router {
    /// Who an event is for where a plugin said so.
    pub(super) fn aimed(&self, aim: &Aim, from: &FromPlugin, cot: &Cot, source: &Source<'_>) -> Address {
        let own = source.own_conn();
        let mut address = Address::default();
        match aim {
            Aim::Addressed => address = self.address(cot, source),
            Aim::All => address = Address::everyone(),
            Aim::Groups(groups) => address.groups = groups.clone(),
            Aim::Conns(conns) => {
                let roster = self.directory.roster();
                address.add(roster.clients().filter(|c| conns.contains(&c.conn)).cloned().collect(), own);
            }
            Aim::Callsigns(names) => {
                let index = self.directory.index();
                names.iter().for_each(|name| address.add(index.callsign(name), own));
            }
            Aim::Uids(uids) => {
                let index = self.directory.index();
                uids.iter().for_each(|uid| address.add(index.uid(uid), own));
            }
            Aim::Audience(slots) => {
                address.mission = true;
                address.bound.push(slots.clone());
            }
            Aim::Several(aims) => {
                for one in aims {
                    address.join(self.aimed(one, from, cot, source), own);
                }
                // Everybody in reach, and members who are not: no plain broadcast any more.
                if address.broadcast && !address.bound.is_empty() {
                    address.broadcast = false;
                    address.groups = from.send.clone();
                }
            }
        }
        if address.said.is_empty() {
            address.said = format!("as plugin {} says", from.plugin);
        }
        // Of a plugin's own event the first is left out as its sender would be.
        let picks = if source.plugin().is_some() { from.picks() } else { from.except_conns.iter().any(|c| *c != own) };
        if address.broadcast && (picks || !from.except_uids.is_empty()) {
            address.broadcast = false;
            address.groups = from.send.clone();
        }
        address
    }

    /// Who an event of this source is for.
    pub(super) fn address(&self, cot: &Cot, source: &Source<'_>) -> Address {
        let mut address = Address::default();
        let mut recognised = false;
        let dests = || cot.details("marti").flat_map(|m| m.children().filter(|e| e.name() == "dest"));
        // The legacy room name empties the callsign list; uid, group and bound destinations beside it still count.
        let all_streaming = dests().any(|d| d.attr("callsign").is_some_and(|c| c == ALL_STREAMING));
        for dest in dests().filter(|d| !all_streaming || d.attr("callsign").is_none()) {
            recognised |= self.dest(&dest, source, &mut address);
        }
        if all_streaming && address.bound.is_empty() && !address.mission && address.groups.is_empty() {
            return Address::everyone();
        }
        if recognised || all_streaming {
            return address;
        }
        self.by_content(cot, source).unwrap_or_else(Address::everyone)
    }

    /// Adds one destination; false when it is of no known kind.
    fn dest(&self, dest: &Element<'_>, source: &Source<'_>, address: &mut Address) -> bool {
        let own = source.own_conn();
        if let Some(callsign) = dest.attr("callsign") {
            match &*callsign {
                SERVER_ONLY => address.consumed = true,
                name => address.add(self.directory.index().callsign(name), own),
            }
            address.say("callsign", &callsign);
        } else if let Some(endpoint) = dest.attr("publish") {
            address.say("publish", &endpoint);
            Reason::NoReceiver.count(1);
        } else if let Some(uid) = dest.attr("uid") {
            address.add(self.directory.index().uid(&uid), own);
            if source.client().is_some_and(|c| *c.who().uid == *uid) {
                address.own = true;
            }
            address.say("uid", &uid);
        } else if let Some(mission) = dest.attr("mission") {
            self.bound("mission", &mission, source, address);
        } else if let Some(guid) = dest.attr(MISSION_GUID) {
            self.bound(MISSION_GUID, &guid, source, address);
        } else if let Some(group) = dest.attr("group") {
            match self.directory.groups.find(&group).filter(|bit| source.send_groups().contains(*bit)) {
                Some(bit) => address.groups.insert(bit),
                None => Reason::NoReach.count(1),
            }
            address.say("group", &group);
        } else if let Some((kind, name)) = dest.attributes().find(|(kind, _)| self.destinations.get(kind).is_some()) {
            let name = fts_plugin_api::cot::unescape(name);
            self.bound(kind, &name, source, address);
        } else {
            return false;
        }
        true
    }

    fn bound(&self, kind: &str, name: &str, source: &Source<'_>, address: &mut Address) {
        address.mission = true;
        address.say(kind, name);
        match self.destinations.get(kind).map(|b| b.resolve(name, source)) {
            Some(Resolved::Audience(slots)) => address.bound.push(slots),
            // Decided when the event was taken in.
            Some(Resolved::Hold(_)) => {}
            Some(Resolved::Down) => Reason::PluginDown.count(1),
            Some(Resolved::NotWriter) => Reason::NotWriter.count(1),
            Some(Resolved::Unknown) => {
                Reason::NoReceiver.count(1);
                if kind == MISSION_GUID && uuid::Uuid::try_parse(name.trim()).is_err() {
                    warn_of_guid(name, source);
                }
            }
            None => Reason::UnboundDest.count(1),
        }
    }

    fn by_content(&self, cot: &Cot, source: &Source<'_>) -> Option<Address> {
        let kind = cot.kind();
        if kind.starts_with("b-t-f") {
            return chat::address(self, cot, source);
        }
        if kind == "b-f-t-a" {
            let ack = cot.detail("ackresponse")?.attr("uid")?;
            let asker = self.acks.find(&ack)?;
            let mut address = Address::of(Found::new(), format!("the sender of request {ack}"));
            address.add(Found::from_iter([asker]), source.own_conn());
            return Some(address);
        }
        None
    }

    /// Remembers who asked for an acknowledgement (5.5).
    pub(super) fn note_ack_request(&self, cot: &Cot, source: &Source<'_>, now: Millis) {
        if cot.kind() == "b-f-t-r"
            && let Some(client) = source.client()
            && let Some(uid) = cot.detail("ackrequest").and_then(|a| a.attr("uid"))
        {
            self.acks.note(&uid, client, now);
        }
    }
}

/// Says that a client's destination can be no mission (5.2): once in a second, however many there are.
fn warn_of_guid(guid: &str, source: &Source<'_>) {
    static NOT_BEFORE: AtomicU32 = AtomicU32::new(0);
    let now = clock::tick();
    let before = NOT_BEFORE.load(Relaxed);
    if (before == 0 || now.wrapping_sub(before) < u32::MAX / 2)
        && NOT_BEFORE.compare_exchange(before, now.wrapping_add(1_000), Relaxed, Relaxed).is_ok()
    {
        let from = source.client().map(|c| c.who().uid.to_string()).unwrap_or_default();
        tracing::warn!(event = "cot.dropped", uid = %from, %guid, "a mission-guid that is no UUID reaches nobody");
    }
}

/// Requests whose acknowledgement may come back without an address: remembered for an hour.
#[derive(Default)]
pub struct Acks {
    asked: Mutex<HashMap<String, (Arc<Client>, Millis)>>,
}

const ACK_MS: i64 = 3_600_000;
const ACKS_MOST: usize = 10_000;

impl Acks {
    fn note(&self, uid: &str, client: &Arc<Client>, now: Millis) {
        let mut asked = self.asked.lock();
        if asked.len() < ACKS_MOST {
            asked.insert(uid.to_owned(), (client.clone(), now));
        }
    }

    fn find(&self, uid: &str) -> Option<Arc<Client>> {
        self.asked.lock().get(uid).map(|(c, _)| c.clone())
    }

    pub(super) fn sweep(&self, now: Millis) {
        self.asked.lock().retain(|_, (c, at)| now - *at < ACK_MS && c.ending().is_none());
    }
}
