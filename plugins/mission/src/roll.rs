//! [`Roll`]: which destinations are bound and who is in their audiences (mission.md 5.1, 5.4).
//!
//! Per mission two audiences: `live:GUID` gets its events and notices (rows with `active`), `pen:GUID` may send to it (rows
//! whose role allows writing). Members are pairs of client uid and user, so the host takes them in again when they
//! connect, and a borrowed uid inherits nothing. `mission-guid` is bound for each mission, `mission` for the newest of each name,
//! both in any case (1.9).
//!
//! What must not happen: an audience that says more than the rows. So it is changed only by [`crate::write`], behind the
//! commit, and made from the rows at start.
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use fts_plugin_api::sdk::{Audience, Binding, Host, Member, Mode, Result, Target};

use crate::{
    model::{Permission, Subscription, name_key},
    store::{Db, missions, subscriptions},
};

const BY_NAME: &str = "mission";
const BY_GUID: &str = "mission-guid";

/// See the file's head.
pub struct Roll {
    host: Host,
    bound: RwLock<Bound>,
}

#[derive(Default)]
struct Bound {
    by_guid: HashMap<String, Entry>,
    /// Rows and guids of one name, by its key.
    by_name: HashMap<String, Vec<(i64, String)>>,
}

struct Entry {
    id: i64,
    name: String,
    live: Audience,
    pen: Audience,
}

/// The audience that gets a mission's events.
pub fn live(guid: &str) -> Target {
    Target::Audience(format!("live:{guid}"))
}

impl Roll {
    /// Nothing is bound.
    pub fn new(host: Host) -> Self {
        Self { host, bound: RwLock::default() }
    }

    fn read(&self) -> RwLockReadGuard<'_, Bound> {
        self.bound.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Bound> {
        self.bound.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything as the rows say. At start, before events come.
    ///
    /// # Errors
    /// The database; a missing capability.
    pub fn restore(&self, db: &impl Db) -> Result<()> {
        let all = missions::of_tool(db, "")?;
        let mut members: HashMap<i64, Vec<Subscription>> = HashMap::new();
        for row in subscriptions::all(db)? {
            members.entry(row.mission_id).or_default().push(row);
        }
        for mission in &all {
            self.open(mission.id, &mission.guid, &mission.name)?;
            self.admit(&mission.guid, &members.remove(&mission.id).unwrap_or_default())?;
        }
        Ok(())
    }

    /// Binds a mission; nobody is in it yet.
    ///
    /// # Errors
    /// A missing capability.
    pub fn open(&self, id: i64, guid: &str, name: &str) -> Result<()> {
        let live = self.host.clients().audience(format!("live:{guid}"))?;
        let pen = self.host.clients().audience(format!("pen:{guid}"))?;
        self.host.bind_dest(&Binding::new(BY_GUID, guid, &live, Mode::Hold).writers(&pen).any_case())?;
        let mut bound = self.write();
        bound.by_guid.insert(guid.to_owned(), Entry { id, name: name.to_owned(), live, pen });
        bound.by_name.entry(name_key(name)).or_default().push((id, guid.to_owned()));
        self.bind_name(&bound, name)
    }

    /// The newest mission of this name gets what is sent to the name.
    fn bind_name(&self, bound: &Bound, name: &str) -> Result<()> {
        let newest = bound.by_name.get(&name_key(name)).and_then(|all| all.iter().max_by_key(|(id, _)| *id));
        match newest.and_then(|(_, guid)| bound.by_guid.get(guid)) {
            Some(entry) => {
                let binding = Binding::new(BY_NAME, name, &entry.live, Mode::Hold).writers(&entry.pen);
                self.host.bind_dest(&binding.any_case())
            }
            None => self.host.unbind_dest(BY_NAME, name),
        }
    }

    /// A mission is deleted: its destinations reach nobody.
    ///
    /// # Errors
    /// `Gone`.
    pub fn close(&self, guid: &str) -> Result<()> {
        self.host.unbind_dest(BY_GUID, guid)?;
        let mut bound = self.write();
        let Some(entry) = bound.by_guid.remove(guid) else { return Ok(()) };
        let key = name_key(&entry.name);
        if let Some(all) = bound.by_name.get_mut(&key) {
            all.retain(|(id, _)| *id != entry.id);
            if all.is_empty() {
                bound.by_name.remove(&key);
            }
        }
        self.bind_name(&bound, &entry.name)?;
        drop(bound);
        entry.live.delete()?;
        entry.pen.delete()
    }

    /// These rows are as they are now: in the audiences that they say, and in no other.
    ///
    /// # Errors
    /// `Gone`.
    pub fn admit(&self, guid: &str, rows: &[Subscription]) -> Result<()> {
        let mut bound = self.write();
        let Some(entry) = bound.by_guid.get_mut(guid) else { return Ok(()) };
        for (audience, inside) in [(&entry.live, is_live as fn(&Subscription) -> bool), (&entry.pen, writes)] {
            let (to_be, gone): (Vec<_>, Vec<_>) = rows.iter().partition(|s| inside(s));
            if !to_be.is_empty() {
                audience.add(to_be.into_iter().map(member))?;
            }
            if !gone.is_empty() {
                audience.remove(gone.into_iter().map(member))?;
            }
        }
        Ok(())
    }

    /// This one is no member any more.
    ///
    /// # Errors
    /// `Gone`.
    pub fn expel(&self, guid: &str, client_uid: &str, username: &str) -> Result<()> {
        let bound = self.read();
        let Some(entry) = bound.by_guid.get(guid) else { return Ok(()) };
        let member = Member::Client { uid: client_uid.to_owned(), user: username.to_owned() };
        entry.live.remove([member.clone()])?;
        entry.pen.remove([member])
    }

    /// The guid of a destination as the router names it.
    pub fn guid_of(&self, kind: &str, name: &str) -> Option<String> {
        let bound = self.read();
        match kind {
            BY_GUID => Some(name.to_lowercase()).filter(|guid| bound.by_guid.contains_key(guid)),
            BY_NAME => {
                bound.by_name.get(&name_key(name))?.iter().max_by_key(|(id, _)| *id).map(|(_, guid)| guid.clone())
            }
            _ => None,
        }
    }

    /// The display name of the mission that a destination is.
    pub fn name_of(&self, kind: &str, name: &str) -> Option<String> {
        let guid = self.guid_of(kind, name)?;
        self.read().by_guid.get(&guid).map(|entry| entry.name.clone())
    }

    /// Connections that get a mission's events now.
    ///
    /// # Errors
    /// `Gone`.
    pub fn connected(&self, guid: &str) -> Result<Vec<u64>> {
        let audience = self.read().by_guid.get(guid).map(|entry| entry.live.clone());
        audience.map_or_else(|| Ok(Vec::new()), |live| live.connected())
    }
}

fn member(s: &Subscription) -> Member {
    Member::Client { uid: s.client_uid.clone(), user: s.username.clone() }
}

/// It gets events and notices.
fn is_live(s: &Subscription) -> bool {
    s.active
}

/// It may send, live or not (5.2, 1).
fn writes(s: &Subscription) -> bool {
    s.role.allows(Permission::Write)
}
