//! [`Half`]: a mission while it is imported. It is in no group and so visible to nobody but an administrator; the last
//! transaction puts it into its groups, and its members are live then.
//!
//! What must not happen: a mission that cannot be read to its end stays (it is taken back when it is dropped before
//! [`Half::finish`], and at the next start when there was a crash: [`clear`]); it ends because its time is over before it is whole.
use fts_plugin_api::{
    params,
    sdk::{self, sql::Tx},
    tracing,
};

use crate::{
    desk::Desk,
    model::{Mission, Stamp, name_key},
    refusal::Refusal,
    seed,
    store::{halves, missions, subscriptions},
    write::{After, Write},
};

/// See the file's head.
pub struct Half<'d> {
    pub desk: &'d Desk,
    pub guid: String,
    pub name: String,
    /// Its row; 0 = it is not begun.
    pub id: i64,
    /// What the administrator should know.
    pub notes: Vec<String>,
    whole: bool,
}

impl<'d> Half<'d> {
    /// Nothing is written yet.
    pub fn new(desk: &'d Desk, guid: String, name: String) -> Self {
        Self { desk, guid, name, id: 0, notes: Vec::new(), whole: false }
    }

    /// Writes its row: `insert` is told whether another mission has its name, and says which row it became. It must be in
    /// no group.
    ///
    /// # Errors
    /// 409: it is there; what `insert` refuses; the database.
    pub fn begin(
        &mut self,
        insert: impl FnOnce(&mut Write<'_, '_>, bool) -> Result<i64, Refusal>,
    ) -> Result<(), Refusal> {
        let (guid, name) = (&self.guid, &self.name);
        self.id = self.desk.write(|w| {
            if missions::by_guid(w.tx, guid)?.is_some() {
                return Err(Refusal::Conflict(format!(
                    "the mission {guid} is there already; delete it first, or import a copy of it (--copy, copy=true)"
                )));
            }
            let dup = !missions::by_name(w.tx, name)?.is_empty();
            let id = insert(w, dup)?;
            halves::begin(w.tx, id)?;
            Ok(id)
        })?;
        Ok(())
    }

    /// When it ends (s UTC). A mission whose time is over would be deleted at once: it has no end then, and that is noted.
    pub fn expiration(&mut self, said: i64) -> i64 {
        if said < 0 || said > self.desk.host.now().div_euclid(1_000) {
            return said.max(-1);
        }
        let ended = Stamp(said.saturating_mul(1_000));
        self.notes.push(format!("the mission was to end {ended}: it has no end now"));
        -1
    }

    /// Now it is there for everybody.
    ///
    /// # Errors
    /// 410: somebody deleted it; the database.
    pub fn finish(&mut self, all_groups: bool, groups: Vec<String>) -> Result<Mission, Refusal> {
        let id = self.id;
        let mission = self.desk.write(|w| {
            let none = || Refusal::Gone("the mission was deleted while it was imported".into());
            let mission = missions::by_id(w.tx, id)?.ok_or_else(none)?;
            let mission = Mission { all_groups, groups, ..mission };
            missions::update(w.tx, &mission)?;
            missions::set_groups(w.tx, id, &mission.groups)?;
            halves::end(w.tx, id)?;
            // No device does it: the administrator, on the server.
            w.password(None, &mission, ("", ""));
            w.then(After::Open(id, mission.guid.clone(), mission.name.clone()));
            for row in subscriptions::of_mission(w.tx, id)? {
                w.then(After::Admit(mission.guid.clone(), row));
            }
            w.then(After::Feeds);
            Ok(mission)
        })?;
        self.whole = true;
        let (ttl, made) = (self.desk.config.ttl.ms(), Stamp(mission.create_time));
        let never = seed::NAMES.contains(&name_key(&mission.name).as_str());
        if ttl > 0 && !never && mission.create_time <= self.desk.host.now().saturating_sub(ttl) {
            self.notes.push(format!("{:?} was made {made}: plugins.mission.ttl ends it at once", mission.name));
        }
        Ok(mission)
    }
}

/// Nobody saw it, so nobody is told; what refers to it goes with it, the rest with the sweep.
impl Drop for Half<'_> {
    fn drop(&mut self) {
        if self.id == 0 || self.whole {
            return;
        }
        let gone = self.desk.write(|w| {
            w.moves.all_went(w.tx, self.id)?;
            Ok(forget(w.tx, self.id)?)
        });
        if let Err(refusal) = gone {
            tracing::error!(event = "mission.undone", mission = %self.guid, "half of an import stays: {refusal}");
        }
    }
}

/// What was begun and not finished before a crash goes, before anybody can see it.
///
/// # Errors
/// The database.
pub fn clear(host: &sdk::Host) -> sdk::Result<()> {
    let gone = host.sql().tx(|tx| {
        let all = halves::all(tx)?;
        all.iter().try_for_each(|id| forget(tx, *id))?;
        Ok(all.len())
    })?;
    if gone > 0 {
        tracing::warn!(
            event = "mission.undone",
            missions = gone,
            "missions whose import was cut off are gone: import them again"
        );
    }
    Ok(())
}

fn forget(tx: &Tx<'_>, mission: i64) -> sdk::Result<()> {
    tx.exec("DELETE FROM mission_change WHERE mission_id = ?1", params![mission])?;
    missions::delete(tx, mission)
}
