//! [`Index`]: clients by uid and by callsign, bound uid and additional contacts alike (RULE-35, 46, 52).
//! Looked at only for directed events; changed at identification, at a changed callsign and at leaving.

use std::{collections::HashMap, sync::Arc};

use smallvec::SmallVec;

use super::Client;

/// Clients found for one name; nearly always one.
pub type Found = SmallVec<[Arc<Client>; 2]>;

/// See the file's head.
#[derive(Default)]
pub struct Index {
    by_uid: HashMap<Arc<str>, Found>,
    by_callsign: HashMap<Arc<str>, Found>,
    by_lower: HashMap<String, Vec<Arc<str>>>,
}

impl Index {
    /// The client that speaks for this uid.
    pub fn uid(&self, uid: &str) -> Found {
        self.by_uid.get(uid).cloned().unwrap_or_default()
    }

    /// Clients with this callsign: exact first, else without regard to case (RULE-52).
    pub fn callsign(&self, callsign: &str) -> Found {
        if let Some(found) = self.by_callsign.get(callsign) {
            return found.clone();
        }
        let same = self.by_lower.get(&callsign.to_lowercase());
        same.into_iter().flatten().filter_map(|c| self.by_callsign.get(c)).flatten().cloned().collect()
    }

    pub(super) fn add_uid(&mut self, uid: &Arc<str>, client: &Arc<Client>) {
        add(self.by_uid.entry(uid.clone()).or_default(), client);
    }

    pub(super) fn remove_uid(&mut self, uid: &str, conn: u64) {
        if let Some(found) = self.by_uid.get_mut(uid) {
            found.retain(|c| c.conn != conn);
            if found.is_empty() {
                self.by_uid.remove(uid);
            }
        }
    }

    pub(super) fn add_callsign(&mut self, callsign: &Arc<str>, client: &Arc<Client>) {
        if callsign.is_empty() {
            return;
        }
        add(self.by_callsign.entry(callsign.clone()).or_default(), client);
        let same = self.by_lower.entry(callsign.to_lowercase()).or_default();
        if !same.contains(callsign) {
            same.push(callsign.clone());
        }
    }

    pub(super) fn remove_callsign(&mut self, callsign: &str, conn: u64) {
        let Some(found) = self.by_callsign.get_mut(callsign) else { return };
        found.retain(|c| c.conn != conn);
        if found.is_empty() {
            self.by_callsign.remove(callsign);
            let lower = callsign.to_lowercase();
            if let Some(same) = self.by_lower.get_mut(&lower) {
                same.retain(|c| &**c != callsign);
                if same.is_empty() {
                    self.by_lower.remove(&lower);
                }
            }
        }
    }
}

fn add(found: &mut Found, client: &Arc<Client>) {
    if !found.iter().any(|c| c.conn == client.conn) {
        found.push(client.clone());
    }
}
