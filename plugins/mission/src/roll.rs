//! [`Roll`]: which destinations are bound and who is in their audiences (mission.md 5.1, 5.4).
//!
//! Per mission two audiences: `live:GUID` gets its events and notices (rows with `active`), `pen:GUID` may send to it (rows
//! whose role allows writing). Members are pairs of client uid and user, so the host takes them in again when they
//! connect, and a borrowed uid inherits nothing. `mission-guid` is bound for each mission, `mission` for each name, both in any
//! case (1.9). Of several missions of one name, in groups that do not see each other, each sender means the newest that it
//! may write in ([`Roll::meant`]): whoever writes in one of them may send to the name (`pens:NAME`).
//!
//! What must not happen: an audience that says more than the rows, so it is changed only by [`crate::write`], behind the
//! commit, and made from the rows at start; a mission takes what is sent to another of its name.
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use fts_plugin_api::sdk::{Audience, Binding, Host, Member, Mode, Result, Target};

use crate::{
    model::{Permission, Subscription, name_key},
    store::{self, Db, missions, subscriptions},
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
    /// By key.
    by_name: HashMap<String, Named>,
}

/// The missions of one name.
#[derive(Default)]
struct Named {
    /// Rows and guids.
    all: Vec<(i64, String)>,
    /// Who may write in one of several.
    pens: Option<Audience>,
}

impl Named {
    fn newest(&self) -> Option<&str> {
        self.all.iter().max_by_key(|(id, _)| *id).map(|(_, guid)| guid.as_str())
    }
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
        let rows = subscriptions::all(db)?.into_iter().map(|row| (row.mission_id, row)).collect();
        let mut members = store::by_mission(rows);
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
        {
            let mut bound = self.write();
            bound.by_guid.insert(guid.to_owned(), Entry { id, name: name.to_owned(), live, pen });
            bound.by_name.entry(name_key(name)).or_default().all.push((id, guid.to_owned()));
        }
        self.bind_name(name)
    }

    /// Binds a name, as its missions and their rows are now.
    fn bind_name(&self, name: &str) -> Result<()> {
        let key = name_key(name);
        let all = self.read().by_name.get(&key).map(|named| named.all.clone()).unwrap_or_default();
        // Another audience each time: one that is cleared and filled again would refuse whoever sends in between.
        let pens = match all.len() {
            0 | 1 => None,
            _ => Some(self.pens(&key, &all)?),
        };
        let mut bound = self.write();
        let newest = bound.by_name.get(&key).and_then(Named::newest).and_then(|guid| bound.by_guid.get(guid));
        match newest {
            Some(entry) => {
                let writers = pens.as_ref().unwrap_or(&entry.pen);
                self.host
                    .bind_dest(&Binding::new(BY_NAME, name, &entry.live, Mode::Hold).writers(writers).any_case())?;
            }
            None => self.host.unbind_dest(BY_NAME, name)?,
        }
        let before = bound.by_name.get_mut(&key).and_then(|named| std::mem::replace(&mut named.pens, pens));
        drop(bound);
        before.map_or(Ok(()), Audience::delete)
    }

    /// Everybody who may write in one of these missions.
    fn pens(&self, key: &str, all: &[(i64, String)]) -> Result<Audience> {
        let (sql, mut members) = (self.host.sql(), Vec::new());
        for (id, _) in all {
            members.extend(subscriptions::of_mission(&sql, *id)?.iter().filter(|s| writes(s)).map(member));
        }
        let pens = self.host.clients().audience(format!("pens:{key}:{}", self.host.uuid()))?;
        pens.add(members)?;
        Ok(pens)
    }

    /// Who may write in a mission has changed: so has who may send to its name, where it shares that.
    fn share(&self, guid: &str) -> Result<()> {
        let shared = {
            let bound = self.read();
            let entry = bound.by_guid.get(guid);
            let shares = |entry: &&Entry| bound.by_name.get(&name_key(&entry.name)).is_some_and(|n| n.all.len() > 1);
            entry.filter(shares).map(|entry| entry.name.clone())
        };
        shared.map_or(Ok(()), |name| self.bind_name(&name))
    }

    /// A mission is deleted: its destinations reach nobody.
    ///
    /// # Errors
    /// `Gone`.
    pub fn close(&self, guid: &str) -> Result<()> {
        self.host.unbind_dest(BY_GUID, guid)?;
        let entry = {
            let mut bound = self.write();
            let Some(entry) = bound.by_guid.remove(guid) else { return Ok(()) };
            if let Some(named) = bound.by_name.get_mut(&name_key(&entry.name)) {
                named.all.retain(|(id, _)| *id != entry.id);
            }
            entry
        };
        self.bind_name(&entry.name)?;
        {
            let mut bound = self.write();
            bound.by_name.retain(|_, named| !named.all.is_empty());
        }
        entry.live.delete()?;
        entry.pen.delete()
    }

    /// These rows are as they are now: in the audiences that they say, and in no other.
    ///
    /// # Errors
    /// `Gone`.
    pub fn admit(&self, guid: &str, rows: &[Subscription]) -> Result<()> {
        {
            let bound = self.read();
            let Some(entry) = bound.by_guid.get(guid) else { return Ok(()) };
            for (audience, inside) in [(&entry.live, is_live as fn(&Subscription) -> bool), (&entry.pen, writes)] {
                let (to_be, gone): (Vec<_>, Vec<_>) = rows.iter().partition(|s| inside(s));
                if !to_be.is_empty() {
                    audience.add(to_be.into_iter().map(member))?;
                }
                if !gone.is_empty() {
                    audience.remove(gone.into_iter().map(member))?;
                }
            }
        }
        self.share(guid)
    }

    /// This one is no member any more.
    ///
    /// # Errors
    /// `Gone`.
    pub fn expel(&self, guid: &str, client_uid: &str, username: &str) -> Result<()> {
        {
            let bound = self.read();
            let Some(entry) = bound.by_guid.get(guid) else { return Ok(()) };
            let member = Member::Client { uid: client_uid.to_owned(), user: username.to_owned() };
            entry.live.remove([member.clone()])?;
            entry.pen.remove([member])?;
        }
        self.share(guid)
    }

    /// Guids that a destination, as the router names it, may be; the newest mission first.
    fn guids_of(&self, kind: &str, name: &str) -> Vec<(i64, String)> {
        let bound = self.read();
        match kind {
            BY_GUID => {
                let guid = name.to_lowercase();
                bound.by_guid.get(&guid).map(|entry| (entry.id, guid)).into_iter().collect()
            }
            BY_NAME => {
                let mut all = bound.by_name.get(&name_key(name)).map(|named| named.all.clone()).unwrap_or_default();
                all.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
                all
            }
            _ => Vec::new(),
        }
    }

    /// The guid of the mission that a sender means by a destination: of several of one name the newest that it may write in.
    ///
    /// # Errors
    /// The database.
    pub fn meant(
        &self,
        db: &impl Db,
        (kind, name): (&str, &str),
        (client_uid, username): (&str, &str),
    ) -> Result<Option<String>> {
        let mut all = self.guids_of(kind, name);
        if all.len() < 2 {
            return Ok(all.pop().map(|(_, guid)| guid));
        }
        for (id, guid) in all {
            if subscriptions::find(db, id, client_uid, username)?.is_some_and(|row| writes(&row)) {
                return Ok(Some(guid));
            }
        }
        Ok(None)
    }

    /// The display name of the mission that a destination is. Those of one name differ in case at most.
    pub fn name_of(&self, kind: &str, name: &str) -> Option<String> {
        let (_, guid) = self.guids_of(kind, name).into_iter().next()?;
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
