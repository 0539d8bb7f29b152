//! Named audiences of a plugin: who is wanted, and which connections that is now.
//!
//! A member is a connection, or a client uid together with its user: whoever borrows a uid inherits nothing
//! (decision 89). The router reads a published list of (slot, connection); a slot that somebody else has got meanwhile
//! does not match.
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
use fts_plugin_api::message::Member;
use parking_lot::{Mutex, RwLock};

use crate::{
    directory::{Client, Directory},
    route::Members,
};

/// One audience.
#[derive(Debug, Default)]
pub struct Audience {
    wanted: Mutex<HashSet<Member>>,
    here: Mutex<HashSet<(u32, u64)>>,
    published: ArcSwap<Members>,
}

impl Audience {
    /// Who is in it now.
    pub fn members(&self) -> Arc<Members> {
        self.published.load_full()
    }

    /// Members it should have.
    pub fn wanted(&self) -> usize {
        self.wanted.lock().len()
    }

    fn publish(&self, here: &HashSet<(u32, u64)>) {
        self.published.store(Arc::new(Members::of(here.iter().copied())));
    }

    fn wants(wanted: &HashSet<Member>, client: &Client) -> bool {
        if wanted.contains(&Member::Conn(client.conn)) {
            return true;
        }
        let uid = client.who().uid.to_string();
        let is = |user: &str| wanted.contains(&Member::Client { uid: uid.clone(), user: user.to_owned() });
        // Over HTTPS the same device is its certificate's user, whoever it logged in as here (mission.md 5.2).
        !uid.is_empty() && (is(client.user()) || client.certified().is_some_and(is))
    }

    fn add(&self, members: Vec<Member>, directory: &Directory) {
        let mut wanted = self.wanted.lock();
        wanted.extend(members);
        let roster = directory.roster();
        let mut here = self.here.lock();
        let found = roster.clients().filter(|c| !c.internal() && Self::wants(&wanted, c));
        here.extend(found.map(|c| (c.slot, c.conn)));
        self.publish(&here);
    }

    fn remove(&self, members: &[Member], directory: &Directory) {
        let mut wanted = self.wanted.lock();
        members.iter().for_each(|m| {
            wanted.remove(m);
        });
        let roster = directory.roster();
        let mut here = self.here.lock();
        here.retain(|(slot, conn)| roster.client(*slot).is_some_and(|c| c.conn == *conn && Self::wants(&wanted, c)));
        self.publish(&here);
    }

    fn appeared(&self, client: &Client) {
        let wanted = self.wanted.lock();
        let mut here = self.here.lock();
        let wants = Self::wants(&wanted, client);
        let place = (client.slot, client.conn);
        if if wants { here.insert(place) } else { here.remove(&place) } {
            self.publish(&here);
        }
    }

    fn left(&self, client: &Client) {
        self.wanted.lock().remove(&Member::Conn(client.conn));
        let mut here = self.here.lock();
        if here.remove(&(client.slot, client.conn)) {
            self.publish(&here);
        }
    }
}

/// The audiences of one plugin.
#[derive(Debug, Default)]
pub struct Audiences {
    by_name: RwLock<HashMap<String, Arc<Audience>>>,
}

impl Audiences {
    /// Makes it, or finds it.
    pub fn create(&self, name: &str) -> Arc<Audience> {
        self.by_name.write().entry(name.to_owned()).or_default().clone()
    }

    /// By name.
    pub fn get(&self, name: &str) -> Option<Arc<Audience>> {
        self.by_name.read().get(name).cloned()
    }

    /// Names and sizes: members wanted, connections now.
    pub fn list(&self) -> Vec<(String, usize, usize)> {
        let all = self.by_name.read();
        let mut list: Vec<_> = all.iter().map(|(n, a)| (n.clone(), a.wanted(), a.members().iter().count())).collect();
        list.sort();
        list
    }

    /// Adds members; false = there is no such audience.
    pub fn add(&self, name: &str, members: Vec<Member>, directory: &Directory) -> bool {
        self.get(name).map(|a| a.add(members, directory)).is_some()
    }

    /// Takes members out; false = there is no such audience.
    pub fn remove(&self, name: &str, members: &[Member], directory: &Directory) -> bool {
        self.get(name).map(|a| a.remove(members, directory)).is_some()
    }

    /// Ends it. Whoever holds it still has an empty one.
    pub fn delete(&self, name: &str) {
        if let Some(audience) = self.by_name.write().remove(name) {
            audience.wanted.lock().clear();
            let mut here = audience.here.lock();
            here.clear();
            audience.publish(&here);
        }
    }

    /// A client told who it is, or changed that.
    pub fn appeared(&self, client: &Client) {
        self.by_name.read().values().for_each(|a| a.appeared(client));
    }

    /// A client is gone.
    pub fn left(&self, client: &Client) {
        self.by_name.read().values().for_each(|a| a.left(client));
    }

    /// Ends those that are not in `keep`.
    pub fn keep_only(&self, keep: impl Fn(&str) -> bool) {
        let gone: Vec<_> = self.by_name.read().keys().filter(|name| !keep(name)).cloned().collect();
        gone.iter().for_each(|name| self.delete(name));
    }
}
