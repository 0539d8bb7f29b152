//! What an SA does to its connection (RULE-35, 45): binds it, refreshes it, or adds a contact of a gateway.
//!
//! An SA that says the same about identity as the last one costs one comparison of hashes.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::Arc,
};

use fts_plugin_api::cot::Cot;

use super::{Client, Contact, Directory, Index, Leave, Who};
use crate::config::DuplicateUid;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identified {
    /// The first SA of this connection bound it.
    Bound,
    /// The bound contact or a known additional one reported again.
    Again,
    /// The bound contact says something else about itself.
    Changed,
    /// A further contact of a gateway.
    Contact,
    /// The uid is live elsewhere and the policy refuses the newcomer.
    Rejected,
}

/// What an SA says about identity.
struct Said {
    uid: Arc<str>,
    callsign: Arc<str>,
    kind: Arc<str>,
    hash: u64,
}

impl Directory {
    /// Takes in an SA of this connection. `policy` decides what a uid that is live elsewhere means.
    pub fn identify(&self, client: &Arc<Client>, sa: &Cot, policy: DuplicateUid) -> Identified {
        let said = Said::of(sa);
        let who = client.who();
        if who.uid.is_empty() {
            drop(who);
            return self.bind(client, sa, &said, policy);
        }
        if who.uid == said.uid {
            if who.said == said.hash {
                return Identified::Again;
            }
            drop(who);
            self.refresh(client, sa, &said);
            return Identified::Changed;
        }
        let known = who.contacts.iter().find(|c| c.uid == said.uid).map(|c| c.said == said.hash);
        drop(who);
        match known {
            Some(true) => Identified::Again,
            Some(false) => {
                self.contact(client, &said);
                Identified::Again
            }
            None => {
                self.contact(client, &said);
                Identified::Contact
            }
        }
    }

    fn bind(&self, client: &Arc<Client>, sa: &Cot, said: &Said, policy: DuplicateUid) -> Identified {
        let mut index = self.index.write();
        let others = index.uid(&said.uid);
        for old in others.iter().filter(|o| o.conn != client.conn && *o.who().uid == *said.uid) {
            // Who came without a name has none that could differ: it gives way to everybody.
            let same_user = old.user().is_empty() || old.user() == client.user();
            let replace = match policy {
                DuplicateUid::Replace => true,
                DuplicateUid::Allow => false,
                DuplicateUid::Reject if !same_user => return Identified::Rejected,
                DuplicateUid::Auto | DuplicateUid::Reject => same_user,
            };
            if replace {
                // From here on nothing addressed to this uid reaches the old connection, and its end is silent.
                let old_callsign = old.who().callsign.clone();
                index.remove_uid(&said.uid, old.conn);
                index.remove_callsign(&old_callsign, old.conn);
                old.end(Leave::Replaced);
            }
        }
        index.add_uid(&said.uid, client);
        index.add_callsign(&said.callsign, client);
        drop(index);
        said.fill(&mut client.who_mut(), sa);
        Identified::Bound
    }

    fn refresh(&self, client: &Arc<Client>, sa: &Cot, said: &Said) {
        let old = client.who().callsign.clone();
        if old == said.callsign {
            said.fill(&mut client.who_mut(), sa);
            return;
        }
        let mut index = self.index.write();
        let mut who = client.who_mut();
        said.fill(&mut who, sa);
        uncall(&mut index, &who, &old, client.conn);
        index.add_callsign(&said.callsign, client);
    }

    fn contact(&self, client: &Arc<Client>, said: &Said) {
        let mut index = self.index.write();
        let mut who = client.who_mut();
        let entry = Contact {
            uid: said.uid.clone(),
            callsign: said.callsign.clone(),
            kind: said.kind.clone(),
            said: said.hash,
        };
        if let Some(there) = who.contacts.iter_mut().find(|c| c.uid == said.uid) {
            let old = std::mem::replace(there, entry);
            uncall(&mut index, &who, &old.callsign, client.conn);
        } else {
            who.contacts.push(entry);
        }
        index.add_uid(&said.uid, client);
        index.add_callsign(&said.callsign, client);
    }
}

/// Takes a callsign from a connection unless another of its contacts goes by it, too.
pub(super) fn uncall(index: &mut Index, who: &Who, callsign: &str, conn: u64) {
    if *who.callsign != *callsign && !who.contacts.iter().any(|c| *c.callsign == *callsign) {
        index.remove_callsign(callsign, conn);
    }
}

impl Said {
    fn of(sa: &Cot) -> Self {
        let mut hasher = DefaultHasher::new();
        sa.kind().hash(&mut hasher);
        for child in &sa.spans().children {
            if matches!(child.name.of(sa.text()), b"contact" | b"__group" | b"takv") {
                child.whole.of(sa.text()).hash(&mut hasher);
            }
        }
        let callsign = sa.detail("contact").and_then(|c| c.attr("callsign")).unwrap_or_default();
        Self { uid: sa.uid().into(), callsign: (&*callsign).into(), kind: sa.kind().into(), hash: hasher.finish() | 1 }
    }

    fn fill(&self, who: &mut Who, sa: &Cot) {
        let attr = |element: &str, name: &str| -> Arc<str> {
            sa.detail(element).and_then(|e| e.attr(name)).unwrap_or_default().as_ref().into()
        };
        who.uid = self.uid.clone();
        who.callsign = self.callsign.clone();
        who.kind = self.kind.clone();
        who.team = attr("__group", "name");
        who.role = attr("__group", "role");
        who.platform = attr("takv", "platform");
        who.said = self.hash;
    }
}
