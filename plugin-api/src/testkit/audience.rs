//! Audiences and destination bindings: made at run time, belonging to the plugin's name. After a reload those that the
//! new generation has not made again are undone.
use std::{collections::BTreeSet, sync::atomic::Ordering::Relaxed};

use super::{
    MockHost,
    state::{Owned, State},
};
use crate::{
    abi::{Failure, failure},
    message::{BindDest, Member, Unbind},
    shim,
};

/// Remote contacts wait this long for their link after a reload, ms.
const CONTACTS_WAIT: i64 = 30_000;

impl State {
    pub fn audience_create(&mut self, name: String, generation: u64) {
        let audience = self.audiences.entry(name).or_insert(Owned { value: BTreeSet::new(), generation });
        audience.generation = generation;
    }

    pub fn audience_change(&mut self, name: &str, members: Vec<Member>, add: bool) -> Result<(), Failure> {
        self.members(name)?;
        if let Some(audience) = self.audiences.get_mut(name) {
            for member in members {
                if add {
                    audience.value.insert(member)
                } else {
                    audience.value.remove(&member)
                };
            }
        }
        Ok(())
    }

    pub fn bind(&mut self, bind: BindDest, generation: u64) -> Result<(), Failure> {
        self.may("bind-dest")?;
        if ["callsign", "uid", "group", "publish"].contains(&bind.kind.as_str()) {
            return Err(shim::failure(failure::INVALID, format!("the server itself resolves {:?}", bind.kind)));
        }
        self.members(&bind.deliver_to)?;
        if let Some(writers) = &bind.may_send {
            self.members(writers)?;
        }
        self.bindings.insert((bind.kind.clone(), bind.key()), Owned { value: bind, generation });
        Ok(())
    }

    pub fn unbind(&mut self, unbind: Unbind) {
        if let Some(key) = self.binding(&unbind.kind, &unbind.name) {
            self.bindings.remove(&key);
        }
    }

    /// What a destination is bound by: its name, or that in lower case where it is bound for any case.
    pub fn binding(&self, kind: &str, name: &str) -> Option<(String, String)> {
        let exact = (kind.to_owned(), name.to_owned());
        if self.bindings.contains_key(&exact) {
            return Some(exact);
        }
        let lower = (kind.to_owned(), name.to_lowercase());
        self.bindings.get(&lower).is_some_and(|bound| bound.value.any_case).then_some(lower)
    }

    /// Undoes what an older generation made and this one did not make again.
    pub fn undo_older(&mut self, generation: u64) {
        self.audiences.retain(|_, a| a.generation == generation);
        self.bindings.retain(|_, b| b.generation == generation);
        self.replays.retain(|_, r| r.generation == generation);
    }
}

impl MockHost {
    /// Remote contacts of an older generation go after a while.
    pub(super) fn sweep(&self) {
        let generation = self.shared.generation.load(Relaxed);
        if self.now() - self.shared.started.load(Relaxed) >= CONTACTS_WAIT {
            self.shared.lock().contacts.retain(|_, c| c.generation == generation);
        }
    }

    /// Connections that are in an audience of the plugin now; None = there is no such audience.
    pub fn audience(&self, name: &str) -> Option<Vec<u64>> {
        self.shared.lock().members(name).ok().map(|m| m.into_iter().collect())
    }

    /// Destinations the plugin has bound.
    pub fn bindings(&self) -> Vec<BindDest> {
        self.shared.lock().bindings.values().map(|b| b.value.clone()).collect()
    }
}
