//! Whom an event reaches: a [`SendHow`] of the plugin, or the `<marti>` of the event itself (cot.md 5.2).
//!
//! Named receivers must share a group with the sender; in a bound destination membership decides, groups do not. An
//! event that names a destination is never a broadcast, whoever it finds. Nobody gets their own event back.
use std::collections::BTreeSet;

use super::state::State;
use crate::{
    abi::{Failure, failure},
    cot::Cot,
    message::{ClientInfo, Exclude, Member, Mode, SendHow, Target},
    shim,
};

/// See the file's head.
#[derive(Default)]
pub(super) struct Reach {
    pub receivers: BTreeSet<u64>,
    /// Destinations as the event names them: kind and name.
    pub dests: Vec<(String, String)>,
    /// Those bound in Hold mode that the sender may send to.
    pub held: Vec<(String, String)>,
    /// Links of the remote contacts it is addressed to.
    pub links: BTreeSet<String>,
    /// What was left out and why.
    pub dropped: Vec<String>,
}

/// Kinds the router knows itself, the first one on a `<dest>` decides.
const KINDS: [&str; 6] = ["callsign", "publish", "uid", "mission", "mission-guid", "group"];
const ALL_STREAMING: &str = "All Streaming";

/// Destinations in the event's text, in order.
pub(super) fn dests(cot: &Cot, state: &State) -> Vec<(String, String)> {
    let dests = cot.details("marti").flat_map(|m| m.children().filter(|e| e.name() == "dest"));
    dests
        .filter_map(|dest| {
            let known = KINDS.iter().find_map(|kind| Some(((*kind).to_owned(), dest.attr(kind)?.into_owned())));
            known.or_else(|| {
                let mut others = dest.attributes();
                let (kind, _) = others.find(|(kind, _)| state.bindings.keys().any(|(bound, _)| bound == kind))?;
                Some((kind.to_owned(), dest.attr(kind)?.into_owned()))
            })
        })
        .collect()
}

fn share(groups: Option<&[String]>, of: &[String]) -> bool {
    groups.is_none_or(|groups| groups.iter().any(|g| of.contains(g)))
}

impl State {
    /// Whom a [`SendHow`] names. `own` = the connection that never gets it.
    ///
    /// # Errors
    /// `NOT_FOUND`: an audience that does not exist.
    pub fn reach(&self, cot: &Cot, how: &SendHow, own: u64) -> Result<Reach, Failure> {
        if let Target::Several(targets) = &how.target {
            return self.several(cot, how, targets, own);
        }
        let groups = how.groups.as_deref();
        let mut reach = Reach::default();
        let within = |c: &ClientInfo| share(groups, &c.groups_out);
        let mut add = |f: &dyn Fn(&ClientInfo) -> bool| {
            reach.receivers.extend(self.clients.values().filter(|c| within(c) && f(c)).map(|c| c.conn));
        };
        match &how.target {
            Target::All => add(&|_| true),
            Target::Groups(wanted) => add(&|c| share(Some(wanted), &c.groups_out)),
            Target::Conns(conns) => add(&|c| conns.contains(&c.conn)),
            Target::Callsigns(names) => add(&|c| names.contains(&c.callsign)),
            Target::Uids(uids) => add(&|c| uids.contains(&c.uid)),
            Target::Audience(name) => {
                let members = self.members(name)?;
                add(&|c| members.contains(&c.conn));
            }
            Target::Addressed => reach = self.addressed(cot, groups, own, false),
            // Dealt with above.
            Target::Several(_) => {}
        }
        if let Target::Callsigns(names) | Target::Uids(names) = &how.target {
            let by_uid = matches!(how.target, Target::Uids(_));
            self.contacts_named(names, by_uid, groups, &mut reach);
        }
        reach.receivers.remove(&own);
        self.exclude(&how.exclude, &mut reach.receivers);
        Ok(reach)
    }

    /// Whom any of these names.
    fn several(&self, cot: &Cot, how: &SendHow, targets: &[Target], own: u64) -> Result<Reach, Failure> {
        let mut all = Reach::default();
        for target in targets {
            if matches!(target, Target::Several(_) | Target::Addressed) {
                return Err(shim::failure(
                    failure::INVALID,
                    "several targets in one: none of them is Addressed or Several",
                ));
            }
            let one = self.reach(cot, &SendHow { target: target.clone(), ..how.clone() }, own)?;
            all.receivers.extend(one.receivers);
            all.links.extend(one.links);
        }
        Ok(all)
    }

    fn exclude(&self, exclude: &Exclude, receivers: &mut BTreeSet<u64>) {
        receivers.retain(|conn| {
            let uid = self.clients.get(conn).map_or("", |c| &*c.uid);
            !exclude.conns.contains(conn) && !exclude.uids.iter().any(|u| u == uid)
        });
    }

    fn contacts_named(&self, names: &[String], by_uid: bool, groups: Option<&[String]>, reach: &mut Reach) {
        for contact in self.contacts.values().map(|c| &c.value).filter(|c| share(groups, &c.groups)) {
            if names.contains(if by_uid { &contact.uid } else { &contact.callsign }) {
                reach.links.insert(contact.link.clone());
            }
        }
    }

    /// Whom the event's own `<marti>` names, sent into `groups` by the connection `own` (0 = not a client).
    pub fn addressed(&self, cot: &Cot, groups: Option<&[String]>, own: u64, client: bool) -> Reach {
        let mut reach = Reach { dests: dests(cot, self), ..Reach::default() };
        // The old name of everybody empties the list of callsigns.
        let everybody = reach.dests.iter().any(|(k, n)| k == "callsign" && n == ALL_STREAMING);
        let named: Vec<_> = reach.dests.iter().filter(|(k, _)| !everybody || k != "callsign").cloned().collect();
        let mut into: Option<Vec<String>> = None;
        for (kind, name) in &named {
            let mut add = |by_uid: bool| {
                let found = self.clients.values().filter(|c| *name == if by_uid { &c.uid } else { &c.callsign }[..]);
                reach.receivers.extend(found.filter(|c| share(groups, &c.groups_out)).map(|c| c.conn));
                self.contacts_named(std::slice::from_ref(name), by_uid, groups, &mut reach);
            };
            match kind.as_str() {
                "callsign" => add(false),
                "uid" => add(true),
                "group" if share(groups, std::slice::from_ref(name)) => into.get_or_insert_default().push(name.clone()),
                "group" => reach.dropped.push(format!("group {name}: the sender may not send into it")),
                "publish" => reach.dropped.push(format!("publish {name}: no receiver")),
                _ => self.bound(kind, name, own, client, &mut reach),
            }
        }
        if named.is_empty() {
            reach.receivers.extend(self.clients.values().filter(|c| share(groups, &c.groups_out)).map(|c| c.conn));
        }
        if let Some(into) = into {
            let found = self.clients.values().filter(|c| share(Some(&into), &c.groups_out));
            reach.receivers.extend(found.map(|c| c.conn));
        }
        reach.receivers.remove(&own);
        reach
    }

    fn bound(&self, kind: &str, name: &str, own: u64, client: bool, reach: &mut Reach) {
        let Some(bound) = self.binding(kind, name).and_then(|key| self.bindings.get(&key)) else {
            let kind_bound = self.bindings.keys().any(|(k, _)| k == kind);
            let why = if kind_bound { "no_receiver" } else { "unbound_dest" };
            return reach.dropped.push(format!("{kind} {name}: {why}"));
        };
        let bound = &bound.value;
        let writer = |audience: &String| self.members(audience).is_ok_and(|m| m.contains(&own));
        if client && !bound.may_send.as_ref().is_none_or(writer) {
            return reach.dropped.push(format!("{kind} {name}: not_writer"));
        }
        match bound.mode {
            Mode::Deliver => reach.receivers.extend(self.members(&bound.deliver_to).unwrap_or_default()),
            Mode::Hold => reach.held.push((kind.to_owned(), name.to_owned())),
        }
    }

    /// Connected members of an audience.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub fn members(&self, audience: &str) -> Result<BTreeSet<u64>, Failure> {
        let members = self
            .audiences
            .get(audience)
            .ok_or_else(|| shim::failure(failure::NOT_FOUND, format!("no audience {audience:?}: create it first")))?;
        let is_member = |c: &&ClientInfo| {
            let client = |user: &str| Member::Client { uid: c.uid.clone(), user: user.to_owned() };
            let named = !c.uid.is_empty() && members.value.contains(&client(&c.user));
            named || members.value.contains(&Member::Conn(c.conn))
        };
        Ok(self.clients.values().filter(is_member).map(|c| c.conn).collect())
    }
}
